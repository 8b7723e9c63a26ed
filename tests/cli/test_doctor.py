"""`noctule doctor` through the real command line: the file test, and a card that is a function."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from noctule.audio import DeviceLost
from noctule.calibrate.agc import make_gain_stimulus
from noctule.cli import main
from noctule.core.frames import Float32Array

RATE_HZ = 48_000
FloatArray = npt.NDArray[np.float64]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit status, standard output, standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["doctor", *map(str, arguments)])
        assert isinstance(ended.value.code, int)
        return ended.value.code, *capsys.readouterr()

    return run


def heard(played: FloatArray) -> FloatArray:
    delay = RATE_HZ // 20
    sound = np.concatenate([np.zeros(delay), 0.3 * played, np.zeros(RATE_HZ)])
    return np.asarray(sound + 3e-5 * np.random.default_rng(1).normal(size=len(sound)))


# Files


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A stimulus, a linear recording of it, and one with two thirds of every dB."""
    stimulus = make_gain_stimulus(RATE_HZ, 20_000.0, -6.0)
    linear = heard(stimulus.astype(float))
    level = np.repeat(np.abs(linear[: len(linear) // 48 * 48]).reshape(-1, 48).max(axis=1), 48)
    driven = linear[: len(level)] * np.maximum(level, 1e-4) ** (-1 / 3) * 0.1
    paths = (tmp_path / "played.wav", tmp_path / "linear.flac", tmp_path / "driven.flac")
    for path, sound in zip(paths, (stimulus, linear, driven), strict=True):
        soundfile.write(path, sound, RATE_HZ, subtype="PCM_24")
    return paths


def test_files_without_agc(doctor: Run, files: tuple[Path, Path, Path]) -> None:
    status, out, _ = doctor("--agc-stimulus", files[0], "--agc-recording", files[1])
    assert status == 0
    assert out.splitlines()[0] == "no AGC"


def test_files_with_agc(doctor: Run, files: tuple[Path, Path, Path]) -> None:
    status, out, _ = doctor("--agc-stimulus", files[0], "--agc-recording", files[2])
    assert status == 0
    assert out.splitlines()[0] == "AGC suspected"


def test_files_as_json(doctor: Run, files: tuple[Path, Path, Path]) -> None:
    status, out, _ = doctor("--agc-stimulus", files[0], "--agc-recording", files[2], "--json")
    record = json.loads(out)
    assert status == 0
    assert record["agc"] is True
    assert record["microphones"][0]["slope_below"] == pytest.approx(2 / 3, abs=0.05)


def test_half_a_question_is_refused(doctor: Run, files: tuple[Path, Path, Path]) -> None:
    status, _, error = doctor("--agc-recording", files[1])
    assert status == 2
    assert error == "noctule: the AGC test needs both: --agc-stimulus and --agc-recording\n"


def test_other_rates_are_refused(doctor: Run, files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "other.wav", np.zeros(44_100), 44_100)
    status, _, error = doctor("--agc-stimulus", files[0], "--agc-recording", tmp_path / "other.wav")
    assert status == 2
    assert "44100 Hz, the stimulus has 48000 Hz" in error


def test_a_recording_without_the_stimulus_has_no_verdict(
    doctor: Run, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(9 * RATE_HZ), RATE_HZ)
    status, out, error = doctor("--agc-stimulus", files[0], "--agc-recording", tmp_path / "silence.wav")
    assert status == 2
    assert error.startswith("noctule: ") or out.startswith("cannot tell")


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("phone", "verdict"), [("nexus6p_cam", "AGC suspected"), ("s5_mic", "no AGC"), ("s4_mic", "no AGC")]
)
def test_phones(doctor: Run, shared_data: Path, phone: str, verdict: str) -> None:
    folder = shared_data / "libas_phone_loudspeakers_48k"
    played = folder / "stimulus_latestAudioToCheckAGC.flac"
    recorded = folder / f"CheckAGC_{phone}_onhand_rep1.flac"
    status, out, _ = doctor("--agc-stimulus", played, "--agc-recording", recorded)
    assert (status, out.splitlines()[0]) == (0, verdict)


# A card


class FakeStream:
    """Stands for DuplexStream; `hears` is the room."""

    hears: Callable[[FloatArray], FloatArray] = staticmethod(heard)
    sample_rate_hz = float(RATE_HZ)
    xruns = dropped_samples = 0
    closed = 0

    class format:  # noqa: N801
        host_api = "ALSA"

    def __init__(self, settings: object) -> None:
        pass

    def open(self) -> None:
        pass

    def close(self) -> None:
        type(self).closed += 1

    def play_and_record(self, signal: Float32Array) -> Float32Array:
        return type(self).hears(signal.astype(float)).astype(np.float32)[:, None]


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> type[FakeStream]:
    stream = type("Stream", (FakeStream,), {})
    monkeypatch.setattr("noctule.audio.DuplexStream", stream)
    return stream


def test_a_card_that_can_sense(doctor: Run, card: type[FakeStream]) -> None:
    status, out, _ = doctor()
    assert status == 0
    lines = out.splitlines()
    assert lines[0].startswith("warning bandwidth: true bandwidth 23.4 kHz of 24 kHz")
    assert lines[1].startswith("        fix: ask for --sample-rate-hz 96000")
    assert lines[-1] == "can sense, with the limits above"
    assert card.closed == 1


def test_a_card_that_cannot(doctor: Run, card: type[FakeStream]) -> None:
    card.hears = staticmethod(lambda played: heard(0.0 * played))
    status, out, _ = doctor("--json")
    record = json.loads(out)
    assert status == 2
    assert record["sensing_possible"] is False
    assert record["carrier_hz"] is None
    assert card.closed == 1


def test_a_card_that_goes_silent(doctor: Run, card: type[FakeStream]) -> None:
    def lost(played: FloatArray) -> FloatArray:
        raise DeviceLost("nothing but digital silence came in for 3 s")

    card.hears = staticmethod(lost)
    status, out, _ = doctor()
    assert status == 2
    assert out.startswith("fail    input: nothing but digital silence")
    assert card.closed == 1


def test_the_level_is_never_above_the_ceiling(doctor: Run, card: type[FakeStream]) -> None:
    loudest = []

    def listen(played: FloatArray) -> FloatArray:
        loudest.append(np.abs(played).max())
        return heard(played)

    card.hears = staticmethod(listen)
    doctor("--level-dbfs", "0")
    assert max(loudest) == pytest.approx(10 ** (-6 / 20), rel=1e-3)
