"""Records to events: each thing that happens is told once, whatever flickers, jumps or is killed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

import numpy as np
import pytest
from tests.service.made_up import HOP_S, START_MS, moving, record

from noctule.core.frames import BLOCKING_FAULTS, Fault
from noctule.service.episodes import GAP_S, LEAST_S, TELL_EVERY_S, Episodes, Event

Make = Callable[..., dict[str, Any]]


def episodes(present: bool | None = None) -> Episodes:
    numbers = count()
    return Episodes(present, lambda: f"e{next(numbers)}")


def frames(start_s: float, end_s: float, make: Make, **different: Any) -> list[dict[str, Any]]:
    return [make(round(t, 4), **different) for t in np.arange(start_s, end_s, HOP_S)]


def told(records: Iterable[dict[str, Any]], to: Episodes | None = None) -> list[Event]:
    sensor = to or episodes()
    return [event for one in records for event in sensor.take(one)]


def last_of_each(events: Iterable[Event]) -> list[Event]:
    return list({event.uid: event for event in events}.values())


def test_somebody_comes_and_goes() -> None:
    story = [
        *frames(0, 10, record),
        *frames(10, 14, moving),
        *frames(14, 24, record, presence=True),
        *frames(24, 30, record),
    ]
    kinds = {event.kind: event for event in last_of_each(told(story))}
    assert set(kinds) == {"entered", "major", "left"}
    assert kinds["entered"].start_ms == pytest.approx(START_MS + 10_000, abs=50)
    assert kinds["entered"].end_ms == kinds["entered"].start_ms
    assert kinds["left"].start_ms == pytest.approx(START_MS + 24_000, abs=50)
    major = kinds["major"]
    assert not major.ongoing
    assert major.end_ms - major.start_ms == pytest.approx(4000, abs=100)
    assert (major.peak_score_major, major.radial_velocity_mps) == (0.9, 0.7)
    assert major.reason == "major motion"


def test_an_episode_is_told_when_it_begins_while_it_lasts_and_when_it_ends() -> None:
    events = told([*frames(0, 35, moving, presence=False), *frames(35, 45, record)])
    assert [event.first for event in events] == [True, False, False, False, False]
    assert [event.ongoing for event in events] == [True, True, True, True, False]
    assert len({event.uid for event in events}) == 1
    ends_s = [(event.end_ms - START_MS) / 1000.0 for event in events]
    assert ends_s[0] == pytest.approx(LEAST_S["major"], abs=0.06)
    assert np.diff(ends_s[:4]) == pytest.approx(TELL_EVERY_S, abs=0.06)
    assert ends_s[-1] == pytest.approx(35.0, abs=0.06)


@pytest.mark.parametrize("kind", ["major", "minor"])
def test_a_flicker_is_no_event_and_the_least_that_counts_is_one(kind: str) -> None:
    """Both sides of `LEAST_S`."""
    quiet, after = frames(0, 1, record), frames(4, 13, record)
    for lasted_s, expected in ((LEAST_S[kind] - HOP_S, 0), (LEAST_S[kind] + HOP_S, 1)):
        motion = frames(1.0, 1.0 + lasted_s, moving, motion=kind, presence=False)
        assert len(last_of_each(told([*quiet, *motion, *after]))) == expected


def test_speed_and_reason_are_of_the_fastest_frame() -> None:
    story = frames(0, 3, moving, presence=False)
    story[20] |= {"radial_velocity_mps": -1.9, "reason": "major motion at -1.9 m/s"}
    (event,) = last_of_each(told([*story, *frames(3, 12, record)]))
    assert (event.radial_velocity_mps, event.reason) == (-1.9, "major motion at -1.9 m/s")


def test_pauses_shorter_than_the_gap_do_not_split() -> None:
    for pause_s, expected in ((GAP_S - 0.2, 1), (GAP_S + 0.2, 2)):
        story = [
            *frames(0, 3, moving, presence=False),
            *frames(3, 3 + pause_s, record),
            *frames(3 + pause_s, 6 + pause_s, moving, presence=False),
            *frames(6 + pause_s, 15 + pause_s, record),
        ]
        assert len(last_of_each(told(story))) == expected


def test_who_walks_in_and_sits_down_is_one_major_and_one_minor_episode_without_a_hole() -> None:
    story = [
        *frames(0, 1, record, presence=True),
        *frames(1, 5, moving),
        *frames(5, 60, moving, motion="minor"),
        *frames(60, 70, record, presence=True),
    ]
    major, minor = last_of_each(told(story, episodes(present=True)))
    assert (major.kind, minor.kind) == ("major", "minor")
    assert minor.start_ms - major.end_ms == pytest.approx(HOP_S * 1000, abs=2)
    assert minor.end_ms == pytest.approx(START_MS + 60_000, abs=60)


def test_minor_motion_ends_where_major_motion_begins() -> None:
    story = [
        *frames(0, 20, moving, motion="minor", presence=False),
        *frames(20, 25, moving, presence=False),
        *frames(25, 35, record),
    ]
    minor, major = last_of_each(told(story))
    assert (minor.kind, major.kind) == ("minor", "major")
    assert not minor.ongoing
    assert minor.end_ms == pytest.approx(START_MS + 20_000, abs=LEAST_S["major"] * 1000 + 60)


def test_a_single_frame_of_major_motion_does_not_cut_minor_motion_in_two() -> None:
    story = frames(0, 20, moving, motion="minor", presence=False)
    story[200] = moving(story[200]["t"], presence=False)
    (minor,) = last_of_each(told([*story, *frames(20, 30, record)]))
    assert minor.kind == "minor"
    assert minor.peak_score_major == 0.9


@pytest.mark.parametrize(
    "fault", [fault for fault in Fault if fault & BLOCKING_FAULTS], ids=lambda one: one.name
)
def test_nothing_is_concluded_while_nothing_can_be_sensed(fault: Fault) -> None:
    story = [*frames(0, 3, moving), *frames(3, 60, record, presence=False, fault=fault.name_for_humans)]
    assert {event.kind for event in told(story)} == {"entered", "major"}


def test_other_faults_do_not_silence_it() -> None:
    assert len(last_of_each(told(frames(0, 3, moving, fault="clipped")))) == 2


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (None, False, []),
        (None, True, ["entered"]),
        (False, False, []),
        (False, True, ["entered"]),
        (True, True, []),
        (True, False, ["left"]),
    ],
)
def test_a_restart_tells_only_what_changed(before: bool | None, now: bool, expected: list[str]) -> None:
    events = told(frames(0, 5, record, presence=now), episodes(before))
    assert [event.kind for event in events] == expected
    assert all(event.reason.startswith("so found at the start") for event in events)


def test_a_clock_that_is_set_changes_no_length() -> None:
    later = [{**one, "time": "2031-01-01T00:00:00.000Z"} for one in frames(2, 4, moving, presence=False)]
    (event,) = last_of_each(told([*frames(0, 2, moving, presence=False), *later, *frames(4, 12, record)]))
    assert event.end_ms - event.start_ms == pytest.approx(4000, abs=100)


def test_a_stream_that_begins_anew_ends_what_went_on() -> None:
    events = told([*frames(100, 103, moving, presence=False), record(0.0), record(1.0)])
    assert [event.ongoing for event in events] == [True, False]


def test_close_ends_what_goes_on() -> None:
    sensor = episodes()
    told(frames(0, 3, moving, presence=False), sensor)
    (ended,) = sensor.close()
    assert not ended.ongoing
    assert sensor.close() == []


@pytest.mark.parametrize(("silent_s", "expected"), [(12.0, 1), (22.0, 2)])
def test_a_silence_on_purpose_is_no_pause_of_motion_unless_it_is_long(silent_s: float, expected: int) -> None:
    """The tone rests while it is known that somebody is here; they go on moving, and nobody looks."""
    again_s = 4.0 + silent_s
    story = [
        *frames(0, 4, moving, motion="minor", presence=False),
        *frames(4, again_s, record, emitting=False),
        *frames(again_s, again_s + 4, moving, motion="minor", presence=False),
        *frames(again_s + 4, again_s + 12, record),
    ]
    assert len(last_of_each(told(story))) == expected


def test_records_once_a_second_are_enough_for_slow_motion() -> None:
    """A frame stands for 0.1 s at most, however far apart they come."""
    assert told([moving(float(t), presence=False) for t in range(2)]) == []
    assert [event.kind for event in told([moving(float(t), presence=False) for t in range(4)])] == ["major"]
