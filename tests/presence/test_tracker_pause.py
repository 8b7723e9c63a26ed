"""Silence on purpose: time goes on, nobody ends being here unseen, and a look decides."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.presence.test_tracker import (
    HOP_S,
    MAJOR,
    MINOR,
    NONE,
    first_present,
    run,
    runs_of_frames,
    scores,
    settings,
)

from noctule.core.frames import Fault, MotionScore
from noctule.presence.tracker import (
    EVIDENCE_OUTLIVES_S,
    LOOKED_S,
    PATIENCE,
    PresenceTracker,
    TrackerState,
)

quick = hypothesis_settings(max_examples=60, deadline=None)


def come(tracker: PresenceTracker, start_s: float = 0.0) -> float:
    """Somebody comes, at 1/32 s a frame; the time of their last motion."""
    run(tracker, scores([NONE] + [MAJOR] * 8, start_s=start_s))
    return start_s + 8 * HOP_S


def pause(tracker: PresenceTracker, from_s: float, seconds: float) -> TrackerState:
    """Nobody looks for so long."""
    for i in range(1, round(seconds / HOP_S) + 1):
        state = tracker.pause(from_s + i * HOP_S, seconds - i * HOP_S)
    return state


def look(tracker: PresenceTracker, from_s: float, seconds: float, stays: float = math.nan) -> int:
    """Frames without motion, from just after a moment on; in how many of them somebody is here."""
    items = scores([NONE] * round(seconds / HOP_S), start_s=from_s + HOP_S)
    states = run(tracker, [dataclasses.replace(one, score_stays=stays) for one in items])
    return sum(state.presence for state in states)


def test_time_goes_on_in_silence() -> None:
    """ "Nobody has moved for 5 minutes" must mean five minutes, looked at or not."""
    tracker = PresenceTracker(settings(sustain_sensitivity=0.9, sustain_decay_s=10.0))
    at_s = come(tracker)
    state = pause(tracker, at_s, 5.0)
    assert state.seconds_since_motion == state.seconds_since_major == 5.0
    assert state.sensitivity == pytest.approx(0.7)  # half of the way from 0.9 to 0.5
    assert (state.motion, state.available) == ("none", True)
    empty = PresenceTracker(settings())
    run(empty, scores([NONE] * 33))
    pause(empty, 1.0, 3.0)
    assert run(empty, scores([NONE], start_s=4.0 + HOP_S))[-1].reason == "nobody: no motion for 4 s"


def test_nobody_leaves_unseen() -> None:
    tracker = PresenceTracker(settings())
    state = pause(tracker, come(tracker), 600.0)
    assert state.presence
    assert state.seconds_since_motion == 600.0


@pytest.mark.parametrize(("off_latency_s", "looked_s"), [(5.0, 5.0), (10.0, 10.0), (60.0, LOOKED_S)])
def test_after_a_silence_presence_ends_when_somebody_has_looked_again(
    off_latency_s: float, looked_s: float
) -> None:
    tracker = PresenceTracker(settings(off_latency_s=off_latency_s))
    at_s = come(tracker)
    pause(tracker, at_s, 100.0)
    assert look(tracker, at_s + 100.0, 200.0) == round(looked_s / HOP_S) - 1


def test_a_look_does_not_shorten_what_is_left_of_the_off_latency() -> None:
    tracker = PresenceTracker(settings(off_latency_s=60.0))
    at_s = come(tracker)
    pause(tracker, at_s, 10.0)
    assert look(tracker, at_s + 10.0, 200.0) == round(50.0 / HOP_S) - 1


def test_each_look_counts_by_itself() -> None:
    """Three looks of 4 s are no look of 10 s: whoever is silent so often may have been missed in between."""
    tracker = PresenceTracker(settings(off_latency_s=10.0))
    at_s = come(tracker)
    for _ in range(3):
        pause(tracker, at_s, 20.0)
        assert look(tracker, at_s + 20.0, 4.0) == round(4.0 / HOP_S)
        at_s += 24.0


def test_motion_in_a_look_starts_anew() -> None:
    tracker = PresenceTracker(settings(off_latency_s=5.0))
    at_s = come(tracker)
    pause(tracker, at_s, 30.0)
    run(tracker, scores([MINOR] * 8, start_s=at_s + 30.0 + HOP_S))
    assert look(tracker, at_s + 30.0 + 8 * HOP_S, 60.0) == 5 * 32 - 1


def test_an_outage_in_a_look_is_no_look() -> None:
    tracker = PresenceTracker(settings(off_latency_s=5.0))
    at_s = come(tracker)
    pause(tracker, at_s, 30.0)
    gone = [
        dataclasses.replace(one, fault=Fault.CARRIER_LOST)
        for one in scores([NONE] * 32 * 60, start_s=at_s + 30.0 + HOP_S)
    ]
    assert run(tracker, gone)[-1].presence
    assert look(tracker, gone[-1].time_s, 60.0) == 5 * 32 - 1


def test_half_gathered_evidence_outlives_a_short_silence_only() -> None:
    def frames_until_present(silent_s: float) -> int | None:
        tracker = PresenceTracker(settings())
        run(tracker, scores([NONE] + [MAJOR] * 6))
        pause(tracker, 6 * HOP_S, silent_s)
        return first_present(run(tracker, scores([MAJOR] * 20, start_s=7 * HOP_S + silent_s)))

    assert frames_until_present(0.5) == 1  # 6 of 8 frames were there before
    assert frames_until_present(2 * EVIDENCE_OUTLIVES_S) == 7


def settle(tracker: PresenceTracker, stays: float = 0.9) -> float:
    """Somebody comes and comes to rest; the time."""
    at_s = come(tracker)
    assert look(tracker, at_s, 4.0, stays) == 4 * 32
    return at_s + 4.0


@pytest.mark.parametrize("silent_s", [2.0, 60.0, 1000.0])
def test_who_seems_to_have_stayed_is_held_for_as_long_as_somebody_looks(silent_s: float) -> None:
    """Half of the settled off latency, looked at: silences say nothing, however long."""
    tracker = PresenceTracker(settings(settled_off_latency_s=60.0))
    at_s = settle(tracker)
    pause(tracker, at_s, silent_s)
    held_s = PATIENCE * 60.0 - 4.0  # 4 s were looked at before
    assert look(tracker, at_s + silent_s, 200.0) == round(held_s / HOP_S) - 1


def test_short_looks_add_up() -> None:
    tracker = PresenceTracker(settings(settled_off_latency_s=60.0))
    at_s = settle(tracker)
    for _ in range(5):
        pause(tracker, at_s, 20.0)
        assert look(tracker, at_s + 20.0, 4.0) == 4 * 32
        at_s += 24.0
    pause(tracker, at_s, 20.0)
    # 24 s of 30 s are over; the last look must last its 5 s in any case
    assert look(tracker, at_s + 20.0, 60.0) == 6 * 32 - 1


def test_without_a_silence_the_settled_off_latency_holds_as_ever() -> None:
    tracker = PresenceTracker(settings(settled_off_latency_s=300.0))
    at_s = come(tracker)
    pause(tracker, at_s, 20.0)
    run(tracker, scores([MINOR] * 8, start_s=at_s + 20.0 + HOP_S))  # seen in this look
    assert look(tracker, at_s + 20.0 + 8 * HOP_S, 1000.0, stays=0.9) == 300 * 32 - 1


def test_motion_in_a_silence_cannot_be_asked_about() -> None:
    """What was said of whoever moved last stands; scores right after a silence are about nothing."""
    tracker = PresenceTracker(settings(settled_off_latency_s=300.0))
    at_s = settle(tracker)
    pause(tracker, at_s, 10.0)
    assert look(tracker, at_s + 10.0, 30.0, stays=0.0) == 30 * 32


def test_doubt_grows_until_nobody_is_here() -> None:
    tracker = PresenceTracker(settings(settled_off_latency_s=300.0, off_latency_s=10.0))
    assert run(tracker, scores([NONE]))[-1].doubt == 1.0
    at_s = settle(tracker)
    patience_s = PATIENCE * 300.0
    states = [pause(tracker, at_s, 60.0), *run(tracker, scores([NONE] * 32, start_s=at_s + 60.0 + HOP_S))]
    assert [states[0].doubt, states[-1].doubt] == pytest.approx([4.0 / patience_s, 5.0 / patience_s])
    assert run(tracker, scores([MINOR] * 8, start_s=at_s + 62.0))[-1].doubt == 0.0


def test_doubt_is_whole_where_they_seem_to_have_gone_and_grows_where_nobody_can_tell() -> None:
    gone, unknown = PresenceTracker(settings()), PresenceTracker(settings())
    for tracker, stays, doubt in ((gone, 0.1, 1.0), (unknown, math.nan, 0.4)):
        at_s = come(tracker)
        look(tracker, at_s, 2.0 - HOP_S, stays)
        state = tracker.update(MotionScore(at_s + 2.0, 0.0, 0.0, score_stays=stays))
        assert state.presence
        assert state.doubt == pytest.approx(doubt)


def test_reasons_after_a_silence_read_well() -> None:
    tracker = PresenceTracker(settings(off_latency_s=10.0))
    at_s = come(tracker)
    pause(tracker, at_s, 16.0)
    states = run(tracker, scores([NONE] * 96, start_s=at_s + 16.0 + HOP_S))
    assert states[-1].reason == "held: major motion 19 s ago, looked for again for 3 s"


def test_reasons_in_silence_read_well() -> None:
    tracker = PresenceTracker(settings())
    assert tracker.pause(0.0, 2.0).reason == "silent: nobody has been here for a while; looks again in 2 s"
    at_s = come(tracker, 1.0)
    assert (
        tracker.pause(at_s + 0.1, 11.9).reason == "silent: somebody is known to be here; looks again in 12 s"
    )
    assert tracker.pause(at_s + 0.2).reason == "silent: somebody is known to be here; looks again now"


# Snapshots


def test_a_snapshot_from_before_silences_were_known_is_good() -> None:
    tracker = PresenceTracker(settings())
    come(tracker)
    old = tracker.snapshot()
    for key in ("looked_s", "unmoved_s"):
        del old[key]
    restarted = PresenceTracker(settings())
    restarted.restore(json.loads(json.dumps(old)))
    assert look(restarted, 8 * HOP_S, 60.0) == 5 * 32 - 1


@pytest.mark.parametrize("jump_s", [-1e6, 0.0, 1e9, math.nan, math.inf])
def test_a_jumping_clock_in_silence_ends_nothing(jump_s: float) -> None:
    tracker = PresenceTracker(settings())
    at_s = come(tracker)
    pause(tracker, at_s, 10.0)
    assert tracker.pause(at_s + 10.0 + jump_s).presence
    assert look(tracker, 50.0, 3.0) == 3 * 32


# What must hold for every sequence


def stream(
    tracker: PresenceTracker, frames: list[tuple[float, float]], silent: list[tuple[int, int]]
) -> list[tuple[bool, TrackerState]]:
    """(looked at, state) of each frame; silences are (first frame, frames)."""
    unseen = {i for first, count in silent for i in range(first, first + count)}
    states = []
    for i, item in enumerate(scores(frames)):
        state = tracker.pause(item.time_s) if i in unseen else tracker.update(item)
        states.append((i not in unseen, state))
    return states


def silences() -> st.SearchStrategy[list[tuple[int, int]]]:
    return st.lists(st.tuples(st.integers(0, 600), st.integers(1, 400)), max_size=4)


@quick
@given(runs_of_frames(), silences())
def test_presence_changes_in_looks_only(
    frames: list[tuple[float, float]], silent: list[tuple[int, int]]
) -> None:
    before = False
    for looked, state in stream(PresenceTracker(settings()), frames, silent):
        assert looked or state.presence == before
        assert looked or state.motion == "none"
        before = state.presence


@quick
@given(runs_of_frames(), silences())
def test_a_silence_never_ends_presence_earlier(
    frames: list[tuple[float, float]], silent: list[tuple[int, int]]
) -> None:
    """Frames without motion that nobody sees, or that somebody sees: the latter end presence first."""
    quiet = list(frames)
    for first, count in silent:
        quiet[first : first + count] = [NONE] * len(quiet[first : first + count])
    seen = run(PresenceTracker(settings()), scores(quiet))
    unseen = stream(PresenceTracker(settings()), quiet, silent)
    begun = first_present(seen)
    if begun is None or begun != first_present([state for _, state in unseen]):
        return  # a silence takes the evidence away, presence begins later: nothing to compare
    end = next((i for i in range(begun, len(seen)) if not seen[i].presence), len(seen))
    assert all(state.presence for _, state in unseen[begun:end])


@quick
@given(runs_of_frames(), silences(), st.integers(0, 400))
def test_snapshot_and_restore_equal_one_run_also_with_silences(
    frames: list[tuple[float, float]], silent: list[tuple[int, int]], cut: int
) -> None:
    whole = [state for _, state in stream(PresenceTracker(settings()), frames, silent)]
    first, second = PresenceTracker(settings()), PresenceTracker(settings())
    unseen = {i for start, count in silent for i in range(start, start + count)}
    for i, item in enumerate(scores(frames)):
        if i == cut:
            second.restore(json.loads(json.dumps(first.snapshot())))
        tracker = first if i < cut else second
        state = tracker.pause(item.time_s) if i in unseen else tracker.update(item)
        if i != cut or i not in unseen:
            assert state == whole[i]
