"""`noctule run` on PulseAudio, the dirty card: for seconds the delay slews and jumps, unannounced."""

from __future__ import annotations

import pytest
from tests.soundservers.product import noctule, sensing
from tests.soundservers.servers import Server

pytestmark = [pytest.mark.soundserver, pytest.mark.slow]

SECONDS = 10


def test_slews_and_gaps_are_faults_and_not_people(pulseaudio_96k: Server) -> None:
    """A slewing clock turns the direct path as a slow walker would, 40 dB stronger than any."""
    arguments = sensing(pulseaudio_96k, "--carrier-hz", "40000", "--seconds", str(SECONDS))
    with pulseaudio_96k.room() as room, noctule(pulseaudio_96k, *arguments) as run:
        assert run.finish(SECONDS + 25.0) == 0, run.stderr
        assert room.wall_times("sound")
        records = run.records()
        assert not any(record["presence"] for record in records)
        faults = {record["fault"] for record in records}
        assert faults & {"dropped_samples", "clock_slewing"}, faults
        moving = [record for record in records if record["motion"] != "none"]
        assert len(moving) < 0.02 * len(records), moving[:5]
