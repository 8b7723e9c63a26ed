"""`noctule record` on a real sound server: what the microphones heard, stopped as an owner stops it."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
from tests.soundservers.product import Command, noctule
from tests.soundservers.servers import Server, until

from noctule.dataset import BasebandReader

pytestmark = [pytest.mark.soundserver, pytest.mark.slow]


def recording(server: Server, out: Path, *more: str) -> list[str]:
    card = [
        "--input",
        server.device,
        "--output",
        server.device,
        "--sample-rate-hz",
        str(server.sample_rate_hz),
    ]
    return ["record", str(out), *card, *more]


def until_recorded(command: Command, out: Path, seconds: float) -> None:
    data = out.with_suffix(".sigmf-data")
    enough = seconds * 6000 * 4 * 8

    def long_enough() -> bool:
        return not command.running or (data.exists() and data.stat().st_size > enough)

    until(long_enough, 30.0, lambda: f"nothing recorded: {command.stderr}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_records_the_room_until_it_is_stopped(
    jack_96k: Server, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "room"
    options = ["--carrier-hz", "32000", "--label", "walking"]
    with (
        jack_96k.room(script=[["still", 1.0], ["walk", 30.0, 1.2]]),
        noctule(jack_96k, *recording(jack_96k, out, *options)) as command,
    ):
        until_recorded(command, out, 4.0)
        assert command.stop(number) == 0, command.stderr
    assert command.complaints == []
    assert command.stdout.startswith(f"stopped, saved {out}.sigmf-meta: ")
    reader = BasebandReader(out)
    assert reader.warning is None
    assert (reader.carrier_hz, reader.channels) == (32000.0, 4)
    assert [(one.label, one.sample_count) for one in reader.annotations] == [("walking", reader.samples)]
    late = np.concatenate([block.samples for block in reader.blocks()])[-6000:]
    carrier = np.abs(late.mean(axis=0))
    moving = late - late.mean(axis=0)
    assert (carrier > 3.0 * moving.std(axis=0)).all()  # a steady tone, and beside it
    spectrum = np.abs(np.fft.fft(moving * np.hanning(len(late))[:, None], axis=0)) ** 2
    hz = np.fft.fftfreq(len(late), 1.0 / reader.sample_rate_hz)
    walker, empty = (np.abs(hz) > 60) & (np.abs(hz) < 400), np.abs(hz) > 1000
    assert spectrum[walker].mean() > 10.0 * spectrum[empty].mean()  # somebody who walks


def test_chooses_the_carrier_and_stops_by_itself(jack_96k: Server, tmp_path: Path) -> None:
    out = tmp_path / "room"
    with (
        jack_96k.room(script=[["still", 30.0]]),
        noctule(jack_96k, *recording(jack_96k, out, "--seconds", "2", "--format", "ci16")) as command,
    ):
        assert command.finish(40.0) == 0, command.stderr
    reader = BasebandReader(out)
    assert reader.duration_s == pytest.approx(2.0, abs=1e-3)
    assert reader.carrier_hz > 30000.0
    assert np.abs(np.concatenate([block.samples for block in reader.blocks()]).mean(axis=0)).max() > 1e-4
