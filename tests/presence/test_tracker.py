"""The tracker on paper, and what must hold for every sequence of scores."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from noctule.core.errors import NoctuleError
from noctule.core.frames import BLOCKING_FAULTS, Fault, MotionScore
from noctule.core.settings import PresenceSettings
from noctule.presence.tracker import EVIDENCE_OUTLIVES_S, MINOR_LEAK, PresenceTracker, TrackerState

#: Exact in binary, so that sums of hops have no rounding to argue about.
HOP_S = 1 / 32
quick = hypothesis_settings(max_examples=60, deadline=None)
MAJOR, MINOR, NONE = (1.0, 1.0), (0.0, 1.0), (0.0, 0.0)


def settings(**values: float) -> PresenceSettings:
    defaults = {"on_latency_s": 0.25, "off_latency_s": 5.0, "hold_s": 0.0, "minor_on_latency_s": 1.0}
    return PresenceSettings(**(defaults | values))


def scores(
    frames: Iterable[tuple[float, float]], hop_s: float = HOP_S, start_s: float = 0.0
) -> list[MotionScore]:
    return [MotionScore(start_s + i * hop_s, major, minor) for i, (major, minor) in enumerate(frames)]


def run(tracker: PresenceTracker, items: Iterable[MotionScore]) -> list[TrackerState]:
    return [tracker.update(item) for item in items]


def runs_of_frames() -> st.SearchStrategy[list[tuple[float, float]]]:
    """Score sequences with structure: runs of equal frames, at scores on both sides of thresholds."""
    level = st.sampled_from([0.0, 0.2, 0.35, 0.5, 0.65, 1.0])
    # From one frame to beyond the off latency.
    run_of = st.tuples(st.tuples(level, level), st.sampled_from([1, 2, 3, 5, 8, 30, 170]))
    return st.lists(run_of, min_size=1, max_size=10).map(
        lambda parts: [frame for frame, count in parts for _ in range(count)]
    )


def first_present(states: list[TrackerState]) -> int | None:
    return next((i for i, state in enumerate(states) if state.presence), None)


def test_major_motion_becomes_presence_after_exactly_the_on_latency() -> None:
    states = run(PresenceTracker(settings()), scores([NONE] * 10 + [MAJOR] * 20))
    # Frame 9 is the last silent one: 8 hops of 1/32 s later 0.25 s of motion are complete.
    assert first_present(states) == 17


def test_rounding_of_the_hop_costs_no_frame() -> None:
    """5 x 0.04 s is 0.2 s, also where the sum in binary is a little less."""
    states = run(PresenceTracker(settings(on_latency_s=0.2)), scores([NONE] + [MAJOR] * 9, hop_s=0.04))
    assert first_present(states) == 5


def test_a_missing_frame_does_not_restart_the_on_latency() -> None:
    states = run(PresenceTracker(settings()), scores([NONE] + [MAJOR] * 4 + [NONE] + [MAJOR] * 9))
    # 8 frames of motion are asked for, the missing one costs itself and takes one back.
    assert first_present(states) == 10


def test_one_frame_is_never_enough_however_long_the_hop() -> None:
    states = run(PresenceTracker(settings(on_latency_s=0.05)), scores([NONE, MAJOR, NONE, MAJOR], hop_s=0.9))
    assert first_present(states) is None
    states = run(PresenceTracker(settings(on_latency_s=0.05)), scores([NONE, MAJOR, MAJOR], hop_s=0.9))
    assert first_present(states) == 2


def test_minor_motion_alone_takes_its_longer_latency() -> None:
    states = run(PresenceTracker(settings(minor_on_latency_s=3.0)), scores([NONE] + [MINOR] * 110))
    assert first_present(states) == 96  # 3 s x 32


def test_minor_latency_is_never_the_shorter_one() -> None:
    both = settings(on_latency_s=4.0, minor_on_latency_s=1.0)
    states = run(PresenceTracker(both), scores([NONE] + [MINOR] * 140))
    assert first_present(states) == 128


def test_a_seated_person_is_found_by_minor_motion_in_half_of_the_frames() -> None:
    states = run(PresenceTracker(settings()), scores([NONE, MINOR, MINOR, NONE] * 100))
    assert first_present(states) is not None
    seldom = run(PresenceTracker(settings()), scores([NONE, NONE, NONE, MINOR] * 100))
    assert first_present(seldom) is None


def test_silence_becomes_nobody_after_exactly_the_off_latency() -> None:
    states = run(PresenceTracker(settings()), scores([NONE] + [MAJOR] * 8 + [NONE] * 200))
    present = [i for i, state in enumerate(states) if state.presence]
    assert present[-1] == 8 + 5 * 32 - 1


def after_a_walk(stays: list[float], settled_s: float = 60.0) -> tuple[float, list[TrackerState]]:
    """How long presence lasts after major motion, while the detector says this of whoever made it."""
    tracker = PresenceTracker(settings(settled_off_latency_s=settled_s))
    walk = scores([NONE] + [MAJOR] * 32)
    quiet = [
        dataclasses.replace(one, score_stays=stays[min(i, len(stays) - 1)])
        for i, one in enumerate(scores([NONE] * 32 * 70, start_s=33 * HOP_S))
    ]
    states = run(tracker, walk + quiet)[33:]
    return sum(state.presence for state in states) * HOP_S, states


def test_who_stays_is_held_longer_than_who_goes() -> None:
    gone_s, _ = after_a_walk([0.2])
    stayed_s, states = after_a_walk([0.8])
    assert (gone_s, stayed_s) == (5.0 - HOP_S, 60.0 - HOP_S)
    assert states[32 * 30].reason == "held: major motion 30 s ago, whoever it was seems to have stayed"
    never_shorter_s, _ = after_a_walk([0.8], settled_s=5.0)
    assert never_shorter_s == 5.0 - HOP_S


def test_whether_somebody_stays_is_the_mean_of_the_first_seconds() -> None:
    wavering = [0.9 if i % 3 else 0.1 for i in range(128)]  # 4 s
    assert after_a_walk([*wavering, 0.0])[0] == 60.0 - HOP_S
    assert after_a_walk([*[0.1] * 128, 1.0])[0] == 5.0 - HOP_S
    assert after_a_walk([math.nan])[0] == 5.0 - HOP_S


def test_a_flicker_does_not_ask_again_who_stays() -> None:
    tracker = PresenceTracker(settings(settled_off_latency_s=60.0))
    run(tracker, scores([NONE] + [MAJOR] * 32))
    stays = [dataclasses.replace(one, score_stays=0.9) for one in scores([NONE] * 160, start_s=33 * HOP_S)]
    run(tracker, stays)
    later = scores([MINOR, MINOR] + [NONE] * 32 * 30, start_s=193 * HOP_S)
    assert run(tracker, later)[-1].presence
    lasting = scores([MINOR] * 10 + [NONE] * 32 * 30, start_s=later[-1].time_s + HOP_S)
    assert not run(tracker, lasting)[-1].presence


def test_flickers_do_not_keep_a_room_settled_for_ever() -> None:
    tracker = PresenceTracker(settings(settled_off_latency_s=60.0))
    walk = scores([NONE] + [MAJOR] * 32)
    flicker = scores([*[NONE] * 32 * 8, MINOR] * 10, start_s=33 * HOP_S)
    states = run(tracker, walk + [dataclasses.replace(one, score_stays=0.9) for one in flicker])[33:]
    assert sum(state.presence for state in states) * HOP_S == pytest.approx(60.0, abs=6.0)


def test_an_outage_closes_the_question_and_keeps_the_answer() -> None:
    tracker = PresenceTracker(settings(settled_off_latency_s=60.0))
    run(tracker, scores([NONE] + [MAJOR] * 32))
    run(
        tracker,
        [dataclasses.replace(one, score_stays=0.9) for one in scores([NONE] * 32, start_s=33 * HOP_S)],
    )
    out = [
        dataclasses.replace(one, fault=Fault.CARRIER_LOST) for one in scores([NONE] * 64, start_s=65 * HOP_S)
    ]
    run(tracker, out)
    cold = [
        dataclasses.replace(one, score_stays=0.0) for one in scores([NONE] * 32 * 20, start_s=129 * HOP_S)
    ]
    assert run(tracker, cold)[-1].presence


def test_hold_outlasts_the_off_latency() -> None:
    states = run(PresenceTracker(settings(hold_s=8.0)), scores([NONE] + [MAJOR] * 8 + [NONE] * 300))
    assert [i for i, state in enumerate(states) if state.presence][-1] == 8 + 8 * 32 - 1
    assert states[8 + 6 * 32].reason == "held: major motion 6 s ago, presence lasts at least 8 s"


def test_sustain_sensitivity_falls_linearly_back_to_trigger() -> None:
    tracker = PresenceTracker(
        settings(trigger_sensitivity=0.5, sustain_sensitivity=0.9, sustain_decay_s=10.0, off_latency_s=60.0)
    )
    states = run(tracker, scores([NONE] + [MAJOR] * 9 + [NONE] * 12 * 32))
    after = {t: states[9 + round(t * 32)] for t in (2.5, 5.0, 10.0, 11.0)}
    assert {t: state.sensitivity for t, state in after.items()} == pytest.approx(
        {2.5: 0.8, 5.0: 0.7, 10.0: 0.5, 11.0: 0.5}
    )
    assert after[5.0].reason == "held: major motion 5 s ago, sustain sensitivity 0.70"
    assert after[11.0].reason == "held: major motion 11 s ago, trigger sensitivity 0.50"


def test_weak_motion_keeps_presence_but_does_not_make_it() -> None:
    weak = (0.0, 0.35)  # above 1 - 0.7 and below 1 - 0.5
    tracker = PresenceTracker(settings(sustain_decay_s=7200.0))
    assert first_present(run(tracker, scores([weak] * 200))) is None
    states = run(tracker, scores([MAJOR] * 20 + [weak] * 32 * 20, start_s=10.0))
    assert states[-1].presence
    assert states[-1].motion == "minor"


def test_the_lowered_threshold_does_not_keep_itself_lowered() -> None:
    """Scores of 0.4 pass the sustain threshold of 0.3 and not the trigger threshold of 0.5."""
    tracker = PresenceTracker(settings(sustain_decay_s=20.0))
    states = run(tracker, scores([NONE] + [MAJOR] * 8 + [(0.4, 0.4)] * 32 * 40))
    assert states[32 * 5].motion == "major"
    assert not states[-1].presence


def test_sensitivity_one_still_needs_a_score() -> None:
    tracker = PresenceTracker(settings(trigger_sensitivity=1.0))
    assert first_present(run(tracker, scores([NONE] * 100))) is None


def test_reasons_read_well() -> None:
    tracker = PresenceTracker(settings(on_latency_s=0.2))
    walk = [
        dataclasses.replace(s, radial_velocity_mps=1.12)
        for s in scores([NONE] + [MAJOR] * 5 + [MINOR] * 2 + [NONE] * 300, hop_s=0.04)
    ]
    states = run(tracker, walk)
    assert states[0].reason == "nobody: no motion for 0 s"
    assert states[3].reason == "nobody yet: major motion for 0.12 s, 0.2 s are asked for"
    assert states[5].reason == "major motion for 0.2 s at +1.1 m/s"
    assert states[7].reason == "minor motion for 0.3 s at +1.1 m/s"
    assert states[82].reason == "held: minor motion 3 s ago, sustain sensitivity 0.75"
    assert states[-1].reason == "nobody: no motion for 12 s"


@pytest.mark.parametrize("fault", [f for f in Fault if f & BLOCKING_FAULTS])
def test_a_blocking_fault_freezes_the_answer(fault: Fault) -> None:
    tracker = PresenceTracker(settings())
    run(tracker, scores([NONE] + [MAJOR] * 8))
    lost = [dataclasses.replace(s, fault=fault) for s in scores([MAJOR] * 3200, start_s=0.5)]
    states = run(tracker, lost)
    assert all(s.presence and s.motion == "none" and not s.available for s in states)
    name = str(fault.name).lower().replace("_", " ")
    assert states[-1].reason == f"unavailable: {name}"
    after = run(tracker, scores([NONE] * 200, start_s=lost[-1].time_s + HOP_S))
    assert sum(state.presence for state in after) == 5 * 32 - 1  # all of the off latency is still to come


def test_other_faults_do_not_block() -> None:
    tracker = PresenceTracker(settings())
    clipped = [dataclasses.replace(s, fault=Fault.CLIPPED) for s in scores([MAJOR] * 20)]
    assert run(tracker, clipped)[-1].presence


def test_a_short_dropout_does_not_reset_the_on_latency_and_a_long_one_does() -> None:
    def frames_until_present(outage_s: float) -> int | None:
        tracker = PresenceTracker(settings())
        run(tracker, scores([NONE] + [MAJOR] * 6))
        gone = [
            dataclasses.replace(s, fault=Fault.DROPPED_SAMPLES)
            for s in scores([NONE] * round(outage_s / HOP_S), start_s=0.25)
        ]
        run(tracker, gone)
        return first_present(run(tracker, scores([MAJOR] * 20, start_s=gone[-1].time_s + HOP_S)))

    assert frames_until_present(0.5) == 1  # 6 of 8 frames were there before
    assert frames_until_present(2 * EVIDENCE_OUTLIVES_S) == 7


@pytest.mark.parametrize("jump_s", [-1e6, -0.001, 0.0, 1e9, math.nan, math.inf])
def test_a_jumping_clock_neither_ends_nor_makes_presence(jump_s: float) -> None:
    tracker = PresenceTracker(settings())
    run(tracker, scores([NONE] + [MAJOR] * 8))
    assert tracker.update(MotionScore(0.25 + jump_s, 0.0, 0.0)).presence
    empty = PresenceTracker(settings())
    run(empty, scores([NONE] * 8))
    assert not empty.update(MotionScore(0.25 + jump_s, 1.0, 1.0)).presence
    start_s = 10.0
    assert not run(tracker, scores([NONE] * 32 * 6, start_s=start_s))[-1].presence


def test_scores_that_are_no_numbers_are_no_motion() -> None:
    tracker = PresenceTracker(settings())
    assert first_present(run(tracker, scores([(math.nan, math.nan)] * 100))) is None


# What must hold for every sequence


@quick
@given(runs_of_frames())
def test_presence_begins_only_with_enough_motion_behind_it(frames: list[tuple[float, float]]) -> None:
    """Second road: motion less silence, over the best of all windows that end here."""
    states = run(PresenceTracker(settings()), scores(frames))
    begun = first_present(states)
    if begun is None:
        return
    threshold = 0.5
    major = minor = best_major = best_minor = 0.0
    for a, b in reversed(frames[1 : begun + 1]):
        major += HOP_S if a >= threshold else 0.0 if b >= threshold else -HOP_S
        minor += HOP_S if max(a, b) >= threshold else -MINOR_LEAK * HOP_S
        best_major, best_minor = max(best_major, major), max(best_minor, minor)
    assert best_major >= 0.25 or best_minor >= 1.0


@quick
@given(runs_of_frames(), st.floats(0.0, 12.0))
def test_silence_always_ends_presence(frames: list[tuple[float, float]], hold_s: float) -> None:
    tracker = PresenceTracker(settings(hold_s=hold_s))
    items = scores(frames + [NONE] * (math.ceil(max(5.0, hold_s) * 32) + 1))
    assert not run(tracker, items)[-1].presence


@quick
@given(runs_of_frames(), st.floats(0.0, 0.7), st.floats(0.0, 0.7))
def test_a_more_sensitive_trigger_never_sees_less(
    frames: list[tuple[float, float]], one: float, other: float
) -> None:
    """Holds while the sustain sensitivity is at least the trigger sensitivity of both."""
    low, high = sorted((one, other))
    items = scores(frames + [NONE] * 170 + frames)
    less = run(PresenceTracker(settings(trigger_sensitivity=low, sustain_sensitivity=0.7)), items)
    more = run(PresenceTracker(settings(trigger_sensitivity=high, sustain_sensitivity=0.7)), items)
    assert all(b.presence for a, b in zip(less, more, strict=True) if a.presence)


@quick
@given(runs_of_frames(), st.sampled_from([2, 4]))
def test_the_hop_does_not_matter(frames: list[tuple[float, float]], finer: int) -> None:
    """The same motion at a finer hop: the same answer wherever the two meet."""
    frames = [NONE, *frames]  # the first frame covers no time yet
    coarse = run(PresenceTracker(settings()), scores(frames))
    fine_items = scores([frame for frame in frames for _ in range(finer)], hop_s=HOP_S / finer)
    # A frame covers the time since the one before it: let the fine frames cover the same time.
    shift_s = HOP_S - HOP_S / finer
    fine = run(
        PresenceTracker(settings()),
        [dataclasses.replace(s, time_s=s.time_s - shift_s) for s in fine_items],
    )
    for i, state in enumerate(coarse):
        assert fine[(i + 1) * finer - 1].presence == state.presence


@quick
@given(runs_of_frames(), runs_of_frames(), st.integers(1, 30))
def test_a_short_outage_changes_nothing_but_the_date(
    before: list[tuple[float, float]], after: list[tuple[float, float]], outage_frames: int
) -> None:
    plain = run(PresenceTracker(settings()), scores(before + after))
    items = scores(before + [NONE] * outage_frames + after)
    blocked = slice(len(before), len(before) + outage_frames)
    items[blocked] = [dataclasses.replace(s, fault=Fault.CARRIER_LOST) for s in items[blocked]]
    frozen = run(PresenceTracker(settings()), items)
    del frozen[blocked]
    assert [s.presence for s in frozen] == [s.presence for s in plain]
    assert [s.seconds_since_major for s in frozen] == [s.seconds_since_major for s in plain]


@quick
@given(runs_of_frames(), runs_of_frames())
def test_snapshot_and_restore_equal_one_run(
    before: list[tuple[float, float]], after: list[tuple[float, float]]
) -> None:
    items = scores(before + after)
    whole = run(PresenceTracker(settings()), items)
    first, second = PresenceTracker(settings()), PresenceTracker(settings())
    run(first, items[: len(before)])
    second.restore(json.loads(json.dumps(first.snapshot())))
    assert run(second, items[len(before) :]) == whole[len(before) :]


def test_presence_survives_a_quick_restart_and_not_a_slow_one() -> None:
    tracker = PresenceTracker(settings())
    run(tracker, scores([NONE] + [MAJOR] * 8))
    for age_s, kept in ((59.0, True), (61.0, False), (-1.0, False)):
        restarted = PresenceTracker(settings())
        restarted.restore(tracker.snapshot(), age_s=age_s)
        state = restarted.update(MotionScore(0.0, 0.0, 0.0))
        assert state.presence is kept
        assert state.seconds_since_major == (age_s if kept else None)


@pytest.mark.parametrize(
    "change", [{"presence": "perhaps"}, {"run_s": math.nan}, {"colour": 1}, {"last_motion": "big"}]
)
def test_a_foreign_snapshot_is_refused_by_name(change: dict[str, object]) -> None:
    with pytest.raises(NoctuleError, match=next(iter(change))):
        PresenceTracker(settings()).restore(PresenceTracker(settings()).snapshot() | change)
