"""`noctule run` on PulseAudio, the dirty card: for seconds the delay slews and jumps, unannounced."""

from __future__ import annotations

from typing import Any

import pytest
from tests.soundservers.product import between, noctule, sensing
from tests.soundservers.servers import Server

pytestmark = [pytest.mark.soundserver, pytest.mark.slow]

# What the server does by itself differs from run to run, so the room adds dirt of known time and size:
# a third of a turn at 40 kHz at once, then 10 Hz for as long as somebody walks by.
DIRT: dict[str, Any] = {"slips": [[4.5, 37]], "slews": [[6.0, 1.5, 250.0]]}
SECONDS = 11


def test_slews_and_gaps_are_faults_and_not_people(pulseaudio_96k: Server) -> None:
    """A slewing clock turns the direct path as a slow walker would, 40 dB stronger than any."""
    arguments = sensing(pulseaudio_96k, "--carrier-hz", "40000", "--seconds", str(SECONDS))
    with pulseaudio_96k.room(**DIRT) as room, noctule(pulseaudio_96k, *arguments) as run:
        assert run.finish(SECONDS + 25.0) == 0, run.stderr
        records = run.records()
        assert not any(record["presence"] for record in records)
        moving = [record for record in records if record["motion"] != "none"]
        assert len(moving) < 0.03 * len(records), moving[:5]

        (slip,) = room.wall_times("slip")
        assert "dropped_samples" in {record["fault"] for record in between(records, slip, slip + 1.0)}
        (start,), (stop,) = room.wall_times("slew_start"), room.wall_times("slew_stop")
        slewing = [record["fault"] for record in between(records, start + 0.7, stop)]
        assert sum(fault in ("clock_slewing", "dropped_samples") for fault in slewing) > 0.8 * len(slewing)
