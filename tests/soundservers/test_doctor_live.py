"""`noctule doctor` on real sound servers, honest ones and one that resamples in silence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.soundservers.product import noctule
from tests.soundservers.servers import PulseAudio, Server, until

pytestmark = [pytest.mark.soundserver, pytest.mark.slow]


def diagnose(server: Server, rate_hz: int, device: str | None = None) -> tuple[int, dict[str, Any]]:
    """Exit status and JSON of the command."""
    device = device or server.device
    card = ["--input", device, "--output", device, "--sample-rate-hz", str(rate_hz)]
    with noctule(server, "doctor", *card, "--json") as command:
        until(lambda: not command.running, 60.0, lambda: f"still examining: {command.stderr}")
        assert command.stdout, command.stderr
        return command.stop(), json.loads(command.stdout)


def check(record: dict[str, Any], name: str) -> dict[str, str]:
    return next(one for one in record["checks"] if one["name"] == name)


@pytest.mark.parametrize("name", ["jack_96k", "pipewire_96k", "pipewire_192k"])
def test_an_honest_server_can_sense_at_32_khz_and_above(name: str, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(name)
    with server.room():
        status, record = diagnose(server, server.sample_rate_hz)
    assert status == 0, record
    assert record["true_bandwidth_hz"] > 0.47 * server.sample_rate_hz
    assert 32_000.0 <= record["carrier_hz"] <= 48_000.0
    assert {check(record, one)["status"] for one in ("bandwidth", "carrier", "gain", "clock")} == {"ok"}


def test_pipewire_that_resamples_is_found_out_and_the_setting_is_named(pipewire_48k: Server) -> None:
    with pipewire_48k.room():
        status, record = diagnose(pipewire_48k, 96_000)
    assert status == 0, record
    bandwidth = check(record, "bandwidth")
    assert bandwidth["status"] == "warning"
    assert "resamples to about 48000 Hz" in bandwidth["finding"]
    assert "default.clock.allowed-rates" in bandwidth["fix"]
    assert 18_500.0 <= record["carrier_hz"] <= 21_000.0


def test_a_real_echo_canceller_is_refused(pulseaudio_96k: Server) -> None:
    """PulseAudio's, with Speex: it takes the tone away, and is told apart from a path that works.

    At first it gives digital silence at times, or has hardly adapted: such sessions say nothing.
    """
    assert isinstance(pulseaudio_96k, PulseAudio)
    with pulseaudio_96k.room():
        device = pulseaudio_96k.cancel_echoes()
        for _ in range(4):
            status, record = diagnose(pulseaudio_96k, 48_000, device=device)
            gain = next((one for one in record["checks"] if one["name"] == "gain"), None)
            if gain is not None and gain["status"] == "fail":
                break
    assert status == 2, record
    assert not record["sensing_possible"]
    assert gain is not None
    assert any(kind in gain["finding"] for kind in ("echo cancelling", "noise suppression")), gain
