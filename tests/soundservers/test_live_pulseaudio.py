"""`noctule run` on PulseAudio, the dirty card: for seconds the delay slews and jumps, unannounced."""

from __future__ import annotations

from typing import Any

import pytest
from tests.soundservers.product import Record, between, noctule, sensing
from tests.soundservers.servers import Server

pytestmark = [pytest.mark.soundserver, pytest.mark.slow]

# What the server does by itself differs from run to run, so the room adds dirt of known time and size:
# a third of a turn at 40 kHz at once, then 10 Hz for as long as somebody walks by.
DIRT: dict[str, Any] = {"slips": [[4.5, 37]], "slews": [[6.0, 1.5, 250.0]]}
SECONDS = 11

#: What a jump may be called: in a carrier that is still being looked for it is that one's fault.
BROKEN = {"dropped_samples", "carrier_missing", "carrier_lost"}


def listen(server: Server) -> tuple[list[Record], dict[str, float]]:
    """Records of a still room on a dirty card, and when the room's own dirt was.

    On a busy machine the server stops the room's streams at times: then once more.
    """
    arguments = sensing(server, "--carrier-hz", "40000", "--seconds", str(SECONDS))
    for _ in range(2):
        with server.room(**DIRT) as room, noctule(server, *arguments) as run:
            assert run.finish(SECONDS + 25.0) == 0, run.stderr
            happened = {event["event"]: float(event["wall"]) for event in room.events()}
            if "slew_stop" in happened and "xrun" not in happened:
                break
    assert "slew_stop" in happened, "the room heard nothing, or too late"
    return run.records(), happened


@pytest.fixture(scope="module")
def heard(pulseaudio_96k: Server) -> tuple[list[Record], dict[str, float]]:
    return listen(pulseaudio_96k)


def test_a_still_room_on_a_dirty_card_is_never_a_person(heard: tuple[list[Record], dict[str, float]]) -> None:
    """A slewing clock turns the direct path as a slow walker would, 40 dB stronger than any."""
    records, _ = heard
    assert not any(record["presence"] for record in records)
    moving = [record for record in records if record["motion"] != "none"]
    assert len(moving) < 0.03 * len(records), moving[:5]


def test_slips_and_slews_are_faults(heard: tuple[list[Record], dict[str, float]]) -> None:
    records, at = heard
    slipped = {record["fault"] for record in between(records, at["slip"], at["slip"] + 1.0)}
    assert slipped & BROKEN, slipped
    slewing = [record["fault"] for record in between(records, at["slew_start"] + 0.8, at["slew_stop"])]
    assert sum(fault in BROKEN | {"clock_slewing"} for fault in slewing) > 0.8 * len(slewing), slewing
