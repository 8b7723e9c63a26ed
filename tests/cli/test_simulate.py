"""`noctule simulate` through the real command line: what it writes, what reads it, and what it refuses."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sigmf
import soundfile
from tests.cli.command import Command, Done

from noctule.dataset import BasebandReader
from noctule.simulate import sampler
from noctule.simulate.render import Rendered, render
from noctule.simulate.sampler import Ranges, draw_scene
from noctule.simulate.scenes import read_scene

#: Somebody stands, comes nearer from 2 s to about 4 s, and stands.
WALK = """\
duration_s = 7
carrier_hz = 40000
seed = 3

[device]
microphones = 2

[[person]]
name = "Ada"
start = [4.0, 2.0]
heading_deg = 180
from_s = 2
does = [{ do = "walk", to = [1.6, 2.0] }]
"""
EMPTY = "duration_s = 7\ncarrier_hz = 40000\n[device]\nmicrophones = 2\n"


@pytest.fixture
def scene(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        (tmp_path / "home.toml").write_text(text)
        return tmp_path / "home.toml"

    return write


def refused(done: Done) -> str:
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert done.stderr.startswith("noctule: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def replayed(noctule: Command, path: Path, *options: str) -> list[dict[str, Any]]:
    done = noctule("replay", path, "--jsonl", "-", *options)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ---- what is written


def test_a_walk_is_rendered_told_and_decided(noctule: Command, tmp_path: Path, scene: Any) -> None:
    """The whole road: scene, recording, truth, labels, and the sensor that decides 'major' when she walks."""
    done = noctule("simulate", scene(WALK), "-o", tmp_path / "walk", "--workers", 1)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"saved {tmp_path / 'walk.sigmf-meta'}: 7 s, 2 microphones, 40000 Hz")
    assert done.stdout.count("\n") == 1
    assert left(tmp_path) == ["home.toml", "walk.sigmf-data", "walk.sigmf-meta", "walk.truth.jsonl"]

    truth = records(tmp_path / "walk.truth.jsonl")
    assert [one["t"] for one in truth] == pytest.approx(np.arange(70) / 10)
    walking = [one["t"] for one in truth if one["motion"] == "major"]
    assert 2.0 <= walking[0] < 2.6
    assert 3.5 < walking[-1] < 5.5
    assert truth[0]["people"][0]["name"] == "Ada"
    assert truth[0]["people"][0]["range_m"] > truth[-1]["people"][0]["range_m"] + 2.0

    reader = BasebandReader(tmp_path / "walk")
    assert (reader.duration_s, reader.channels, reader.carrier_hz) == (7.0, 2, 40000.0)
    assert reader.warning is None
    (major,) = [one for one in reader.annotations if one.label == "person:major"]
    assert major.start_sample / reader.sample_rate_hz == pytest.approx(walking[0], abs=0.05)
    assert major.sample_count / reader.sample_rate_hz == pytest.approx(walking[-1] - walking[0], abs=0.15)
    assert "Ada" in major.comment
    assert reader.metadata["noctule:audio_rate_hz"] == 96000.0
    assert reader.metadata["noctule:scene"]["seed"] == 3
    sigmf.fromfile(f"{tmp_path / 'walk.sigmf-meta'}").validate()

    frames = replayed(noctule, tmp_path / "walk.sigmf-meta")
    moved = [one["t"] for one in frames if one["motion"] == "major"]
    assert moved, "somebody walked by and was not seen"
    assert min(moved) > 1.9
    assert np.mean([one["motion"] == "major" for one in frames if 2.7 < one["t"] < walking[-1] - 0.3]) > 0.8
    nearer = [one["radial_velocity_mps"] for one in frames if 2.7 < one["t"] < 3.3]
    assert np.median(nearer) > 0.5  # comes nearer


def test_a_still_room_moves_nobody(noctule: Command, tmp_path: Path, scene: Any) -> None:
    assert noctule("simulate", scene(EMPTY), "-o", tmp_path / "empty").returncode == 0
    frames = replayed(noctule, tmp_path / "empty.sigmf-data")
    assert len(frames) > 130
    assert {one["motion"] for one in frames} == {"none"}
    assert {one["presence"] for one in frames} == {False}
    assert {one["fault"] for one in frames} == {None}
    assert not any(one["presence"] or one["moving"] for one in records(tmp_path / "empty.truth.jsonl"))


@pytest.mark.parametrize(
    ("ending", "bits", "subtype"),
    [("wav", 16, "PCM_16"), ("wav", 24, "PCM_24"), ("wav", 32, "FLOAT"), ("flac", 24, "PCM_24")],
)
def test_audio_is_what_the_sound_card_would_give(
    noctule: Command, tmp_path: Path, scene: Any, ending: str, bits: int, subtype: str
) -> None:
    text = EMPTY.replace("= 7", "= 1").replace("= 2", "= 3") + f"[electronics]\nbits = {bits}\n"
    out = tmp_path / f"room.{ending}"
    done = noctule("simulate", scene(text), "-o", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"saved {out}: 1 s, 3 microphones")
    info = soundfile.info(out)
    assert (info.samplerate, info.channels, info.frames, info.subtype) == (96000, 3, 96000, subtype)
    written, _ = soundfile.read(out, dtype="float32")
    rendered = np.concatenate(list(render(read_scene(tmp_path / "home.toml"), "audio")))
    np.testing.assert_array_equal(written, rendered)
    assert left(tmp_path) == sorted(["home.toml", f"room.{ending}", "room.truth.jsonl"])


def test_both_roads_lead_to_the_same_decisions(noctule: Command, tmp_path: Path, scene: Any) -> None:
    """The sound through the sensor's own front end, and the baseband that was never sound."""
    home = scene(WALK)
    for out in ("walk.wav", "walk2"):
        assert noctule("simulate", home, "-o", tmp_path / out, "--workers", 1).returncode == 0
    heard = replayed(noctule, tmp_path / "walk.wav", "--carrier-hz", "40000")
    direct = replayed(noctule, tmp_path / "walk2.sigmf-meta")
    at_s = np.array([one["t"] for one in direct])
    same = [one["motion"] == direct[int(np.argmin(np.abs(at_s - one["t"])))]["motion"] for one in heard]
    assert np.mean(same) > 0.9


def test_half_the_space_is_enough(noctule: Command, tmp_path: Path, scene: Any) -> None:
    home = scene(EMPTY)
    for name in ("cf32", "ci16"):
        assert noctule("simulate", home, "-o", tmp_path / name, "--format", name).returncode == 0
    sizes = [(tmp_path / f"{name}.sigmf-data").stat().st_size for name in ("cf32", "ci16")]
    assert sizes[0] == 2 * sizes[1] == 7 * 6000 * 2 * 8
    whole, half = (
        np.concatenate([block.samples for block in BasebandReader(tmp_path / name).blocks()])
        for name in ("cf32", "ci16")
    )
    assert np.abs(whole - half).max() < 1.0 / 32768.0


def test_lost_samples_shift_truth_and_labels_with_the_samples(
    noctule: Command, tmp_path: Path, scene: Any
) -> None:
    """Half a second is lost before she walks: in the recording, all of it comes half a second earlier."""
    lossy = WALK + "[electronics]\ndrops = [{ at_s = 1.0, samples = 48000 }]\n"
    for name, text in (("whole", WALK), ("lossy", lossy)):
        assert noctule("simulate", scene(text), "-o", tmp_path / name, "--workers", 1).returncode == 0
    readers = [BasebandReader(tmp_path / name) for name in ("whole", "lossy")]
    assert readers[0].samples - readers[1].samples == 3000
    starts = [
        next(one.start_sample for one in reader.annotations if one.label == "person:major")
        for reader in readers
    ]
    assert starts[0] - starts[1] == 3000
    walks = [
        next(one["t"] for one in records(tmp_path / f"{name}.truth.jsonl") if one["motion"] == "major")
        for name in ("whole", "lossy")
    ]
    assert walks[0] - walks[1] == pytest.approx(0.5, abs=1e-6)
    ends = [max(one.start_sample + one.sample_count for one in reader.annotations) for reader in readers]
    assert ends == [reader.samples for reader in readers]


def test_a_drawn_scene_can_be_rendered_again(
    noctule: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampler, "draw_scene", lambda seed: draw_scene(seed, Ranges(duration_s=(1.0, 2.0))))
    assert noctule("simulate", "--draw", 0, "-o", tmp_path / "one").returncode == 0
    assert (tmp_path / "one.scene.toml").is_file()
    again = noctule("simulate", tmp_path / "one.scene.toml", "-o", tmp_path / "other")
    assert again.returncode == 0
    one, other = ((tmp_path / f"{name}.sigmf-data").read_bytes() for name in ("one", "other"))
    assert one == other
    assert (tmp_path / "one.truth.jsonl").read_text() == (tmp_path / "other.truth.jsonl").read_text()
    assert not (tmp_path / "other.scene.toml").exists()
    assert noctule("simulate", "--draw", 1, "-o", tmp_path / "third").returncode == 0
    assert (tmp_path / "third.sigmf-data").read_bytes() != one


@pytest.mark.parametrize(
    ("out", "names"),
    [
        ("a.b", ["a.b.sigmf-data", "a.b.sigmf-meta", "a.b.truth.jsonl"]),
        ("a.sigmf-meta", ["a.sigmf-data", "a.sigmf-meta", "a.truth.jsonl"]),
        ("a.b.WAV", ["a.b.WAV", "a.b.truth.jsonl"]),
    ],
)
def test_names(noctule: Command, tmp_path: Path, scene: Any, out: str, names: list[str]) -> None:
    home = scene(EMPTY.replace("= 7", "= 1"))
    assert noctule("simulate", home, "-o", tmp_path / out).returncode == 0
    assert left(tmp_path) == sorted(["home.toml", *names])


# ---- what is shown


def test_check_only_says_whether_a_scene_is_possible(noctule: Command, tmp_path: Path, scene: Any) -> None:
    done = noctule("simulate", scene(WALK), "--check")
    assert (done.returncode, done.stderr) == (0, "")
    assert "home.toml: possible: 7 s, 2 microphones" in done.stdout
    assert "person" in done.stdout
    assert "an empty room" in noctule("simulate", scene(EMPTY), "--check").stdout
    assert "scene 3: possible" in noctule("simulate", "--draw", 3, "--check").stdout
    assert left(tmp_path) == ["home.toml"]


def test_progress_is_shown_on_a_terminal_and_nowhere_else(
    noctule: Command, tmp_path: Path, scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = scene(EMPTY)
    assert noctule("simulate", home, "-o", tmp_path / "a").stderr == ""
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes anything for a terminal then
    monkeypatch.setenv("TERM", "xterm")
    done = noctule("simulate", home, "-o", tmp_path / "b")
    assert "rendering" in done.stderr
    assert done.returncode == 0


# ---- what is refused


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("carrier_hz = 40000", "carrier_hz = 47900", 2),
        ("to = [1.6, 2.0]", "to = [90, 2.0]", 13),
        ('do = "walk"', 'do = "wolk"', 13),
        ("microphones = 2", "microphones = many", None),
    ],
)
def test_an_impossible_scene_is_one_line_that_names_its_own(
    noctule: Command, tmp_path: Path, scene: Any, old: str, new: str, line: int | None
) -> None:
    home = scene(WALK.replace(old, new))
    for options in (("--check",), ("-o", tmp_path / "out")):
        complaint = refused(noctule("simulate", home, *options))
        assert complaint.startswith(f"noctule: {home}:{f'{line}:' if line else ' not valid TOML'}")
    assert left(tmp_path) == ["home.toml"]


def test_what_is_not_said_is_asked_for(noctule: Command, tmp_path: Path, scene: Any) -> None:
    home = scene(EMPTY)
    assert "which scene" in refused(noctule("simulate", "-o", tmp_path / "out"))
    assert "which scene" in refused(noctule("simulate", home, "--draw", 1, "-o", tmp_path / "out"))
    assert "-o OUT" in refused(noctule("simulate", home))
    assert "No such file" in refused(noctule("simulate", tmp_path / "none.toml", "--check"))
    assert "is a folder" in refused(noctule("simulate", home, "-o", tmp_path))
    assert noctule("simulate", home, "-o", tmp_path / "out", "--workers", 0).returncode == 2


@pytest.mark.parametrize("existing", ["out.sigmf-data", "out.sigmf-meta", "out.truth.jsonl", "out.wav"])
def test_what_exists_is_not_replaced_unless_told(
    noctule: Command, tmp_path: Path, scene: Any, existing: str
) -> None:
    home = scene(EMPTY.replace("= 7", "= 1"))
    out = tmp_path / ("out.wav" if existing == "out.wav" else "out")
    (tmp_path / existing).write_text("dear diary")
    assert f"{existing}: exists already" in refused(noctule("simulate", home, "-o", out))
    assert left(tmp_path) == sorted(["home.toml", existing])
    assert (tmp_path / existing).read_text() == "dear diary"
    assert noctule("simulate", home, "-o", out, "--force").returncode == 0
    assert b"dear diary" not in (tmp_path / existing).read_bytes()


def test_a_drawn_scenes_file_is_not_replaced_either(noctule: Command, tmp_path: Path) -> None:
    (tmp_path / "out.scene.toml").write_text("mine")
    assert "out.scene.toml: exists" in refused(noctule("simulate", "--draw", 1, "-o", tmp_path / "out"))


def test_flac_has_no_32_bits_and_wav_an_end(noctule: Command, tmp_path: Path, scene: Any) -> None:
    floating = scene(EMPTY + "[electronics]\nbits = 32\n")
    assert "FLAC holds no 32-bit samples" in refused(
        noctule("simulate", floating, "-o", tmp_path / "out.flac")
    )
    # 2 microphones of 24 bits at 96 kHz: 576 kB a second
    long = scene(EMPTY.replace("= 7", "= 7300"))
    assert "4.2 GB, and WAV ends at 4.2 GB" in refused(noctule("simulate", long, "-o", tmp_path / "out.wav"))
    assert left(tmp_path) == ["home.toml"]


@pytest.mark.parametrize("out", ["nowhere/out", "nowhere/out.wav", "home.toml/out", "home.toml/out.wav"])
def test_a_folder_that_cannot_be_written(noctule: Command, tmp_path: Path, scene: Any, out: str) -> None:
    """Said before anything is rendered."""
    home = scene(EMPTY.replace("= 7", "= 7000"))
    complaint = refused(noctule("simulate", home, "-o", tmp_path / out))
    assert f"{tmp_path / out}" in complaint
    assert "cannot be written" in complaint
    assert ".part" not in complaint
    assert left(tmp_path) == ["home.toml"]


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file can grow beyond 100 kB: to whoever writes it looks like a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("out", ["out", "out.wav", "out.flac"])
def test_a_full_disk(noctule: Command, tmp_path: Path, scene: Any, small_disk: None, out: str) -> None:
    """One line, and nothing is left of it: half a scene is none."""
    complaint = refused(noctule("simulate", scene(EMPTY), "-o", tmp_path / out))
    assert complaint.startswith(f"noctule: {tmp_path / out}")
    assert ".part" not in complaint
    assert left(tmp_path) == ["home.toml"]


@pytest.mark.parametrize("name", ["out.truth.jsonl", "out.scene.toml"])
def test_a_full_disk_for_what_lies_beside(
    noctule: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The text of a drawn scene ended in a traceback."""
    really = Path.open

    def full(self: Path, mode: str = "r", *more: Any, **options: Any) -> Any:
        if self.name == f".part.{name}" and mode == "w":
            return really(Path("/dev/full"), mode, *more, **options)
        return really(self, mode, *more, **options)

    monkeypatch.setattr(Path, "open", full)
    monkeypatch.setattr(sampler, "draw_scene", lambda seed: draw_scene(seed, Ranges(duration_s=(1.0, 2.0))))
    complaint = refused(noctule("simulate", "--draw", 0, "-o", tmp_path / "out"))
    assert name in complaint or "no space left on device" in complaint
    assert left(tmp_path) == []


# ---- interrupted


@pytest.mark.parametrize("out", ["out", "out.wav"])
def test_nothing_is_left_of_what_was_interrupted(
    noctule: Command, tmp_path: Path, scene: Any, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    """Ctrl-C after a piece. What was there before, and was to be replaced, is still whole."""
    home = scene(EMPTY.replace("= 7", "= 1"))
    assert noctule("simulate", home, "-o", tmp_path / out).returncode == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def pieces(self: Rendered) -> Iterator[Any]:
        yield np.zeros((1000, 2), np.float32 if out == "out.wav" else np.complex64)
        raise KeyboardInterrupt

    monkeypatch.setattr(Rendered, "__iter__", pieces)
    done = noctule("simulate", home, "-o", tmp_path / out, "--force")
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert noctule("simulate", home, "-o", tmp_path / f"new{out}").returncode == 130
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_ends_it_with_its_workers_and_without_a_trace(
    tmp_path: Path, scene: Any, number: signal.Signals
) -> None:
    """Ctrl-C reaches the whole group: workers answered with tracebacks. After SIGTERM they stayed."""
    home = scene(WALK.replace("duration_s = 7", "duration_s = 1800"))
    command = [sys.executable, "-m", "noctule", "simulate", str(home), "-o", str(tmp_path / "out")]
    with subprocess.Popen(
        [*command, "--workers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        data = tmp_path / ".part.out.sigmf-data"
        until_s = time.monotonic() + 60.0
        while not (data.exists() and data.stat().st_size) and time.monotonic() < until_s:
            assert process.poll() is None
            time.sleep(0.02)  # another process: there is nothing else to wait for
        if number is signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        # standard error ends when the last worker has closed it
        told, complaints = process.communicate(timeout=60)
    assert (process.returncode, told) == (130, ""), complaints
    assert "Traceback" not in complaints
    assert left(tmp_path) == ["home.toml"]
