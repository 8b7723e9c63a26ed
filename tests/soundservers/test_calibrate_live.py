"""`noctule calibrate` on real sound servers, a room in the middle: found and kept, also when it fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.soundservers.product import noctule
from tests.soundservers.servers import PulseAudio, Server, until

pytestmark = [pytest.mark.soundserver, pytest.mark.slow]

WALK = [["still", 1.0], ["walk", 3.0, 0.8], ["walk", 3.0, -0.8], ["walk", 3.0, 0.8], ["walk", 3.0, -0.8]]


def calibrate(
    server: Server, state: Path, rate_hz: int = 96_000, device: str | None = None
) -> tuple[int, str, list[str]]:
    """Exit status, standard output, own lines on standard error."""
    device = device or server.device
    card = ["--input", device, "--output", device, "--sample-rate-hz", str(rate_hz)]
    with noctule(server, "calibrate", *card, "--json", XDG_STATE_HOME=str(state)) as command:
        until(lambda: not command.running, 90.0, lambda: f"still calibrating: {command.stderr}")
        return command.stop(), command.stdout, command.complaints


def kept(state: Path) -> list[dict[str, Any]]:
    return [json.loads(one.read_text()) for one in sorted((state / "noctule").glob("calibration-*.json"))]


@pytest.mark.parametrize("name", ["jack_96k", "pipewire_96k"])
def test_a_carrier_and_a_level_are_found_and_kept_although_somebody_walks(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    server: Server = request.getfixturevalue(name)
    with server.room(script=WALK, start_m=3.0):
        status, out, complaints = calibrate(server, tmp_path)
    assert status == 0, complaints
    found = json.loads(out)
    assert 32_000.0 <= found["carrier_hz"] <= 48_000.0
    assert -70.0 < found["level_dbfs"] <= -6.0
    assert found["walk_range_m"] > 0.5
    assert kept(tmp_path) == [found]


def test_a_failure_is_one_line_and_the_last_good_calibration_stays(
    pulseaudio_96k: Server, tmp_path: Path
) -> None:
    """First a room, then PulseAudio's echo canceller before it, then no room at all."""
    assert isinstance(pulseaudio_96k, PulseAudio)
    with pulseaudio_96k.room():
        status, _, complaints = calibrate(pulseaudio_96k, tmp_path)
        assert status == 0, complaints
        (good,) = kept(tmp_path)
        device = pulseaudio_96k.cancel_echoes()
        status, _, complaints = calibrate(pulseaudio_96k, tmp_path, 48_000, device=device)
        assert status == 2
        assert len(complaints) == 1, complaints
    status, _, complaints = calibrate(pulseaudio_96k, tmp_path)
    assert status == 2
    assert len(complaints) == 1, complaints
    assert kept(tmp_path) == [good]
