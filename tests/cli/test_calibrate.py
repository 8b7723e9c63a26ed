"""`noctule calibrate`, and `run` with `auto`, through the command line; the card is a simulated room."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import noctule.audio
from noctule.audio import DeviceLost
from noctule.calibrate.memory import load
from noctule.cli import main
from noctule.cli.run import find_tone
from noctule.core.errors import NoctuleError
from noctule.core.frames import Float32Array
from noctule.core.settings import Settings
from noctule.simulate.scenes import parse_scene
from noctule.simulate.still_room import StillRoom

SCENE = """
duration_s = 60
carrier_hz = 40000
sample_rate_hz = 96000

[device]
microphones = 2
tone_db_spl = 85
"""
RATE_HZ = 96_000.0


class Stream:
    """What is asked of `DuplexStream`; muted, the room gives hiss alone."""

    muted = False
    lost = False
    used = 0

    def __init__(self, *given: object) -> None:
        self.sample_rate_hz = RATE_HZ
        self.format = SimpleNamespace(input_identity="mic", output_identity="speaker", host_api="test")
        self._room = StillRoom(parse_scene(SCENE))

    def open(self) -> None: ...

    def close(self) -> None: ...

    def play_and_record(self, signal: Float32Array) -> Float32Array:
        Stream.used += 1
        if Stream.lost:
            raise DeviceLost("no sound came in for 1.5 s")
        gain = np.float32(0.0 if Stream.muted else 1.0)
        return self._room.hear(np.pad(signal * gain, (0, round(RATE_HZ))), Stream.used)


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(noctule.audio, "DuplexStream", Stream)
    monkeypatch.setattr(Stream, "muted", False)
    monkeypatch.setattr(Stream, "lost", False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nowhere")
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    return tmp_path


def calibrate(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["calibrate", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_it_says_what_to_expect_draws_it_and_keeps_it(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = state / "room.svg"
    assert calibrate("--picture", str(picture), "--range-m", "3") == 0
    said = capsys.readouterr().out
    assert "walks are found to 3.0 m" in said
    assert picture.read_text().startswith("<svg")
    known = load(("mic", "speaker"), RATE_HZ)
    assert known is not None
    assert known.wanted_range_m == 3.0
    assert f"{known.carrier_hz / 1000:g} kHz" in said


def test_as_json(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert calibrate("--json") == 0
    record: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert record["carrier_hz"] >= 32_000.0
    assert record["format"] == "noctule-calibration-1"


@pytest.mark.parametrize("illness", ["muted", "lost"])
def test_what_fails_is_one_line_and_the_last_one_stays(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, illness: str
) -> None:
    assert calibrate() == 0
    known = load(("mic", "speaker"), RATE_HZ)
    capsys.readouterr()
    monkeypatch.setattr(Stream, illness, True)
    assert calibrate() == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert len(lines) == 1
    assert load(("mic", "speaker"), RATE_HZ) == known


def test_run_takes_the_last_calibration_and_makes_one_where_it_does_not_hold(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings()
    first = find_tone(settings, Stream(), False)  # type: ignore[arg-type]
    used = Stream.used
    again = find_tone(settings, Stream(), False)  # type: ignore[arg-type]
    assert Stream.used == used  # nothing was played
    assert (again.carrier_hz, again.level_dbfs) == (first.carrier_hz, first.level_dbfs)
    nearer = Settings.model_validate({"calibrate": {"range_m": 2.0}})
    assert find_tone(nearer, Stream(), False).level_dbfs < first.level_dbfs - 6.0  # type: ignore[arg-type]
    monkeypatch.setattr(Stream, "muted", True)
    old = Settings.model_validate({"calibrate": {"max_age_days": 1e-2, "range_m": 3.0}})
    kept = find_tone(old, Stream(), False)  # type: ignore[arg-type]  # cannot, so the last one is used
    assert kept.level_dbfs < first.level_dbfs
    with pytest.raises(NoctuleError, match="nothing inaudible"):
        find_tone(old, Stream(), True)  # type: ignore[arg-type]  # it had drifted: the last one does not hold
