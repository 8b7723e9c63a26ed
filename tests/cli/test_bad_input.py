"""Bad input on the real command line: one clear line on standard error and exit status 2, never a traceback.

What is damaged but still holds enough sound is used, with a warning or a fault in the frames, and status 0.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from tests.cli.command import Command, Done

pytestmark = pytest.mark.usefixtures("plain_detector")

RATE_HZ, CARRIER_HZ, SECONDS = 48000, 20000.0, 3.0

Frames = list[dict[str, Any]]


class Replay:
    """`noctule replay` from its `main`; a process of its own, which takes a second, has its tests below."""

    def __init__(self, noctule: Command) -> None:
        self._noctule = noctule

    def run(self, *arguments: object) -> Done:
        return self._noctule("replay", *arguments)

    def refused(self, path: Path, *options: str) -> str:
        """The one line that a refused file gives."""
        done = self.run(path, *(options or ("--jsonl", "-")))
        assert done.returncode == 2, done
        assert done.stdout == ""
        return one_line(done.stderr)

    def used(self, path: Path, *options: str) -> tuple[Frames, str]:
        """Frames and standard error of a file that could be used."""
        done = self.run(path, "--jsonl", "-", *options)
        assert done.returncode == 0, done.stderr
        return done.records, done.stderr


def one_line(complaint: str) -> str:
    assert complaint.startswith("noctule: ")
    assert complaint.count("\n") == 1, complaint
    return complaint


@pytest.fixture
def replay(noctule: Command) -> Replay:
    return Replay(noctule)


def as_process(*arguments: object, stdout: Any = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "noctule", "replay", *map(str, arguments)]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60, check=False)


def with_fault(frames: Frames, fault: str) -> Frames:
    return [frame for frame in frames if frame["fault"] == fault]


@pytest.fixture
def room(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Two microphones: the tone, and from 1 s on an echo of somebody who comes nearer."""
    t = np.arange(int(SECONDS * RATE_HZ)) / RATE_HZ
    echo = 0.004 * np.sin(2.0 * np.pi * (CARRIER_HZ + 117.0) * t) * (t > 1.0)
    both = (0.1 * np.sin(2.0 * np.pi * CARRIER_HZ * t) + echo)[:, None] * [1.0, 0.7]
    return np.asarray(both + 1e-4 * rng.standard_normal((len(t), 2)), np.float64)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    def to_wav(audio: npt.NDArray[Any], rate_hz: int = RATE_HZ, subtype: str = "PCM_16") -> Path:
        soundfile.write(tmp_path / "a.wav", audio, rate_hz, subtype=subtype)
        return tmp_path / "a.wav"

    return to_wav


def test_a_good_file_is_used(replay: Replay, save: Callable[..., Path], room: npt.NDArray[Any]) -> None:
    """The other side of every limit below."""
    frames, complaints = replay.used(save(room))
    assert complaints == ""
    assert len(frames) / SECONDS > 18.0
    assert {frame["fault"] for frame in frames} == {None}
    assert any(frame["motion"] != "none" for frame in frames)


def test_missing_file(replay: Replay, tmp_path: Path) -> None:
    assert "missing.wav: no such file" in replay.refused(tmp_path / "missing.wav")


def test_directory(replay: Replay, tmp_path: Path) -> None:
    assert "is a directory" in replay.refused(tmp_path)


def test_empty_file(replay: Replay, tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    assert "empty" in replay.refused(tmp_path / "a.wav")


def test_text_renamed(replay: Replay, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("dear diary, nobody was here today\n" * 100)
    assert "not a sound file" in replay.refused(tmp_path / "a.wav")


def test_zero_length(replay: Replay, save: Callable[..., Path]) -> None:
    assert "no samples" in replay.refused(save(np.zeros((0, 2))))


@pytest.mark.parametrize("samples", [1, 100, 2000])
def test_too_short(replay: Replay, save: Callable[..., Path], room: npt.NDArray[Any], samples: int) -> None:
    replay.refused(save(room[:samples]))
    assert "too short" in replay.refused(save(room[:samples]), "--carrier-hz", "20000")


def test_8_khz(replay: Replay, save: Callable[..., Path], room: npt.NDArray[Any]) -> None:
    assert "8 kHz: carries nothing above 4 kHz" in replay.refused(save(room, 8000))


def test_all_zero(replay: Replay, save: Callable[..., Path]) -> None:
    silence = save(np.zeros((RATE_HZ * 2, 2)))
    assert "no carrier" in replay.refused(silence)
    assert "no carrier" in replay.refused(silence, "--carrier-hz", "20000")


def test_noise_without_a_carrier(replay: Replay, save: Callable[..., Path], rng: np.random.Generator) -> None:
    noise = save(0.05 * rng.standard_normal((RATE_HZ * 2, 2)))
    assert "no carrier" in replay.refused(noise)
    assert "no carrier" in replay.refused(noise, "--carrier-hz", "20000")


def test_carrier_outside_the_band(replay: Replay, save: Callable[..., Path], room: npt.NDArray[Any]) -> None:
    for carrier_hz in ("30000", "24000", "0", "-5", "nan", "inf", "1e400", "loud"):
        assert carrier_hz.replace("1e400", "inf") in replay.refused(save(room), "--carrier-hz", carrier_hz)


def test_microphone_that_is_not_there(
    replay: Replay, save: Callable[..., Path], room: npt.NDArray[Any]
) -> None:
    assert "microphone 2" in replay.refused(save(room), "--microphones", "0,2")
    assert "microphones" in replay.refused(save(room), "--microphones", "left")


ABSURD = {
    "0 channels": (22, "<H", 0),
    "1000 channels": (22, "<H", 1000),
    "0 Hz": (24, "<I", 0),
    "2^31 Hz": (24, "<I", 2**31),
    "2^31 - 1 Hz": (24, "<I", 2**31 - 1),
    "0 bits": (34, "<H", 0),
}


@pytest.mark.parametrize("what", ABSURD)
def test_absurd_header(replay: Replay, save: Callable[..., Path], room: npt.NDArray[Any], what: str) -> None:
    path = save(room)
    raw = bytearray(path.read_bytes())
    offset, layout, value = ABSURD[what]
    struct.pack_into(layout, raw, offset, value)
    path.write_bytes(raw)
    replay.refused(path)


def test_truncated(replay: Replay, save: Callable[..., Path], room: npt.NDArray[Any]) -> None:
    path = save(room)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10 + 1])
    frames, complaints = replay.used(path)
    assert frames[-1]["t"] == pytest.approx(0.6 * SECONDS, abs=0.1)
    assert complaints.startswith("noctule: warning: ")
    assert "cut short" in complaints
    assert complaints.count("\n") == 1
    path.write_bytes(whole[:1000])  # 5 ms are left
    replay.refused(path)
    path.write_bytes(whole[:30])
    replay.refused(path)


def test_nan_and_infinity(replay: Replay, save: Callable[..., Path], room: npt.NDArray[Any]) -> None:
    room[RATE_HZ * 2, 0], room[RATE_HZ * 2 + 9, 1] = np.nan, np.inf
    frames, complaints = replay.used(save(room, subtype="FLOAT"))
    assert complaints == ""
    bad = with_fault(frames, "bad_samples")
    assert 0 < len(bad) < len(frames) / 3
    assert all(frame["motion"] == "none" for frame in bad)
    assert all(1.9 < frame["t"] < 2.5 for frame in bad)


def test_nothing_but_nan(replay: Replay, save: Callable[..., Path], room: npt.NDArray[Any]) -> None:
    path = save(np.full_like(room, np.nan), subtype="FLOAT")
    assert "no carrier" in replay.refused(path)
    assert "no carrier" in replay.refused(path, "--carrier-hz", "20000")


def test_one_dead_channel(replay: Replay, save: Callable[..., Path], room: npt.NDArray[Any]) -> None:
    room[:, 0] = 0.0
    frames, complaints = replay.used(save(room))
    assert complaints == ""
    assert len(with_fault(frames, "microphone_dead")) > 0.8 * len(frames)
    assert any(frame["motion"] != "none" for frame in frames if frame["t"] > 1.2)


def test_carrier_that_goes_away(replay: Replay, save: Callable[..., Path], room: npt.NDArray[Any]) -> None:
    room[2 * RATE_HZ :] = 1e-4 * np.random.default_rng(2).standard_normal((RATE_HZ, 2))
    frames, _ = replay.used(save(room))
    lost = with_fault(frames, "carrier_lost")
    assert len(lost) > 10
    assert all(frame["motion"] == "none" for frame in lost)


def test_unwritable_output(
    replay: Replay, tmp_path: Path, save: Callable[..., Path], room: npt.NDArray[Any]
) -> None:
    path = save(room)
    nowhere = tmp_path / "missing" / "out.jsonl"
    for output in (nowhere, tmp_path, Path("/dev/full")):
        assert str(output) in replay.refused(path, "--jsonl", str(output))


@pytest.mark.parametrize("ending", [".sigmf-meta", ".sigmf-data", ".sigmf"])
def test_broken_sigmf(replay: Replay, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    replay.refused(path)
    path.write_text("not a recording")
    replay.refused(path)


# In a process of its own


def test_every_bad_file_is_one_line_and_never_a_traceback(
    tmp_path: Path, save: Callable[..., Path], room: npt.NDArray[Any]
) -> None:
    """The good file is decided all the same; the status tells that others were not."""
    good = save(room)
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("dear diary, nobody was here today\n" * 100)
    soundfile.write(tmp_path / "slow.wav", room, 8000)
    soundfile.write(tmp_path / "zero.wav", room[:0], RATE_HZ)
    soundfile.write(tmp_path / "silent.wav", 0.0 * room, RATE_HZ)
    (tmp_path / "cut.wav").write_bytes(good.read_bytes()[:40])
    (tmp_path / "a.sigmf-meta").write_text("{}")
    names = (
        "empty.wav",
        "text.wav",
        "slow.wav",
        "zero.wav",
        "silent.wav",
        "cut.wav",
        "a.sigmf-meta",
        "missing.wav",
    )
    bad = [tmp_path / name for name in names]
    done = as_process(*bad, good)
    assert done.returncode == 2
    complaints = done.stderr.splitlines()
    assert len(complaints) == len(bad), done.stderr
    for path, complaint in zip(bad, complaints, strict=True):
        assert complaint.startswith(f"noctule: {path}: ")
    assert "carrier 20000.0 Hz" in done.stdout


def test_missing_file_alone(tmp_path: Path) -> None:
    done = as_process(tmp_path / "missing.wav", "--jsonl", "-")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no such file" in one_line(done.stderr)


def test_full_standard_output(save: Callable[..., Path], room: npt.NDArray[Any]) -> None:
    path = save(room)
    with Path("/dev/full").open("w") as full:
        done = as_process(path, "--jsonl", "-", stdout=full)
    assert done.returncode == 2
    one_line(done.stderr)


def test_reader_of_the_output_leaves(save: Callable[..., Path], room: npt.NDArray[Any]) -> None:
    """`noctule replay ... --jsonl - | head -1` is not a failure."""
    command = [sys.executable, "-m", "noctule", "replay", str(save(np.tile(room, (20, 1)))), "--jsonl", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        json.loads(process.stdout.readline())
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=60) == 0
