"""Events, outcomes, false alarms and their statistics on timelines made by hand."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from noctule.core.frames import Decision, Fault
from noctule.lab import curves
from noctule.lab.metrics import (
    SCORE_BINS,
    SCORE_MIDDLES,
    Decisions,
    Event,
    Outcome,
    Truth,
    alarms,
    decisions_of,
    events,
    hold,
    onsets,
    outcome,
    score_counts,
    score_histogram,
    truth_of,
)
from noctule.simulate.electronics import Drop, Electronics
from noctule.simulate.person import Person
from noctule.simulate.scenes import Scene
from noctule.simulate.walking import Stand, Walk

HOP_S = 0.05


def timeline(duration_s: float, *stretches: tuple[str, float, float], people: int = 1) -> Truth:
    """What the first person does from when to when; walks 1 m/s and is inside all the time."""
    time_s = np.arange(0.0, duration_s - 1e-9, 0.1)
    motion = np.zeros((people, len(time_s)), np.int64)
    for what, start_s, stop_s in stretches:
        motion[0, round(start_s * 10) : round(stop_s * 10)] = {"minor": 1, "major": 2}[what]
    walked_m = np.cumsum(0.1 * (motion == 2), axis=1)
    range_m = np.full(motion.shape, 3.0)
    return Truth(time_s, motion, range_m, walked_m, np.ones(len(time_s), np.bool_), duration_s)


def says(
    duration_s: float, *stretches: tuple[str, float, float], presence: tuple[float, float] = (0.0, 0.0)
) -> Decisions:
    """Decisions with a motion in some stretches, at scores of 0.9, and 0.1 elsewhere."""
    time_s = np.arange(0.3, duration_s, HOP_S)
    motion = np.zeros(len(time_s), np.int64)
    for what, start_s, stop_s in stretches:
        motion[(time_s >= start_s) & (time_s < stop_s)] = {"minor": 1, "major": 2}[what]
    return Decisions(
        time_s,
        motion,
        (time_s >= presence[0]) & (time_s < presence[1]),
        np.where(motion == 2, 0.9, 0.1),
        np.where(motion >= 1, 0.9, 0.1),
        np.zeros(len(time_s), np.bool_),
    )


# -- events


def test_an_event_is_half_a_second_after_two_seconds_without() -> None:
    truth = timeline(
        20.0,
        ("major", 3.0, 5.0),  # the first
        ("major", 6.5, 7.5),  # too soon after it
        ("major", 9.5, 9.9),  # too short
        ("major", 12.0, 12.5),  # just long enough, and 2.1 s after the short one
    )
    assert [(e.onset_s, e.stop_s) for e in events(truth, "major")] == [(3.0, 5.0), (12.0, 12.5)]


def test_a_scene_that_begins_in_motion_has_no_onset() -> None:
    assert events(timeline(10.0, ("major", 0.0, 3.0)), "major") == []
    assert len(events(timeline(10.0, ("major", 2.0, 3.0)), "major")) == 1


def test_minor_events_need_quiet_from_any_motion() -> None:
    truth = timeline(
        20.0, ("major", 2.0, 4.0), ("minor", 5.0, 6.0), ("minor", 9.0, 10.0), ("minor", 12.5, 12.7)
    )
    assert [e.onset_s for e in events(truth, "minor")] == [9.0]


def test_somebody_elses_walk_disturbs() -> None:
    truth = timeline(20.0, ("major", 8.0, 10.0), people=2)
    truth.motion[1, 60:75] = 2  # the other walks until 7.5 s
    assert [(e.person, e.onset_s) for e in events(truth, "major")] == [(1, 6.0)]


# -- outcomes

WALK = Event("major", 5.0, 9.0, 0, 3.0)


def judged(*stretches: tuple[str, float, float], event: Event = WALK) -> Outcome:
    return outcome(event, says(12.0, *stretches), timeline(12.0, ("major", 5.0, 9.0)))


def test_within_a_second_is_found_and_later_is_not() -> None:
    early, late = judged(("major", 5.9, 7.0)), judged(("major", 6.1, 7.0))
    assert early.found
    assert not late.found
    assert early.latency_s == pytest.approx(0.9, abs=HOP_S + 1e-6)
    assert late.latency_s == pytest.approx(1.1, abs=HOP_S + 1e-6)
    assert early.walked_m == pytest.approx(0.9, abs=0.11)
    assert early.peak == 0.9
    assert late.peak == 0.1


def test_minor_is_noticed_but_does_not_find_a_walk() -> None:
    found = judged(("minor", 5.2, 9.0))
    assert found.noticed
    assert not found.found
    assert found.latency_s is None


def test_what_was_said_before_the_onset_is_not_about_the_walk() -> None:
    found = judged(("major", 4.0, 5.0))
    assert not found.found


def test_a_small_motion_is_found_while_it_lasts() -> None:
    truth = timeline(12.0, ("minor", 5.0, 8.0))
    event = events(truth, "minor")[0]
    assert outcome(event, says(12.0, ("minor", 7.8, 8.0)), truth).found
    assert not outcome(event, says(12.0, ("minor", 8.5, 9.0)), truth).found
    assert outcome(event, says(12.0, ("minor", 7.8, 8.0)), truth).latency_s == pytest.approx(2.8, abs=0.06)


# -- false alarms and hold


def test_onsets_closer_than_the_dead_time_are_one() -> None:
    time_s = np.arange(0.0, 10.0, 0.1)
    active = np.zeros(100, np.bool_)
    active[[10, 15, 30]] = True  # 1.0, 1.5 and 3.0 s
    assert onsets(time_s, active, np.ones(100, np.bool_)) == 2
    assert onsets(time_s, active, time_s > 2.0) == 1
    assert onsets(time_s, ~active | active, np.ones(100, np.bool_)) == 1


def test_alarms_are_counted_while_nobody_moves_and_not_in_the_tail_of_a_motion() -> None:
    truth = timeline(30.0, ("major", 5.0, 8.0))
    decided = says(30.0, ("minor", 2.0, 2.5), ("major", 5.5, 8.8), ("major", 20.0, 21.0))
    found = alarms(decided, truth)
    assert found.motion == 2
    assert found.motion_s == pytest.approx(1.5, abs=0.11)
    assert found.idle_s == pytest.approx(30.0 - 0.3 - 4.0, abs=0.2)
    assert found.empty_s == 0.0


def test_presence_is_false_only_in_a_room_that_is_empty_for_long_enough() -> None:
    """Whoever leaves at 10 s may be held until 22 s; then presence until 40 s is false, from 50 s again."""
    truth = timeline(60.0)
    truth.inside[100:] = False
    decided = says(60.0, presence=(5.0, 40.0))
    again = decided.time_s > 50.0
    decided.presence[again] = True
    found = alarms(decided, truth)
    assert found.presence == 1
    assert found.presence_s == pytest.approx(18.0 + 10.0, abs=0.3)


def test_hold() -> None:
    found = hold(says(60.0, presence=(0.0, 45.0)), timeline(60.0), 30.0)
    assert found.inside_s == pytest.approx(30.0, abs=0.2)
    assert found.held_s == pytest.approx(15.0, abs=0.2)


def test_decisions_come_in_the_scenes_time() -> None:
    """A second of samples is lost at 2 s: what arrives at 3 s of the stream happened at 4 s."""
    scene = Scene(duration_s=8.0, electronics=Electronics(drops=(Drop(at_s=2.0, samples=96000),)))
    made = [
        Decision(t, True, "major", 0.9, 0.9, 0.0, 40000.0, 60.0, Fault.CARRIER_LOST if t > 3.5 else Fault(0))
        for t in (1.0, 3.0, 4.0)
    ]
    found = decisions_of(made, scene)
    assert found.time_s == pytest.approx([1.0, 4.0, 5.0])
    assert found.blocked.tolist() == [False, False, True]
    assert found.motion.tolist() == [2, 2, 2]


def test_the_truth_of_a_scene() -> None:
    person = Person(start=(4.0, 2.0), heading_deg=180, does=(Stand(for_s=3.0), Walk(to=(2.0, 2.0))))
    truth = truth_of(Scene(duration_s=8.0, person=(person,)))
    (walk,) = events(truth, "major")
    assert walk.onset_s == pytest.approx(3.0, abs=0.11)
    assert walk.range_m == pytest.approx(3.6, abs=0.1)
    assert truth.walked_m[0, -1] == pytest.approx(2.0, abs=0.1)
    assert truth.inside.all()
    empty = truth_of(Scene(duration_s=2.0))
    assert events(empty, "major") == []
    assert not empty.most.any()
    assert len(empty.most) == 20


# -- statistics


def test_garwoods_bounds() -> None:
    """0 in 24 h shows less than 3.7/24 two-sided; 10 events: 4.80 to 18.39 (tables of Garwood 1936)."""
    none, ten = curves.poisson_rate(0, 24.0), curves.poisson_rate(10, 1.0)
    assert none.low == 0.0
    assert none.high * 24.0 == pytest.approx(3.689, abs=1e-3)
    assert ten.low == pytest.approx(4.795, abs=1e-3)
    assert ten.high == pytest.approx(18.39, abs=1e-2)


def test_clopper_and_pearson() -> None:
    """5 of 10: 0.1871 to 0.8129."""
    found = curves.exact_share(5, 10)
    assert found.low == pytest.approx(0.1871, abs=1e-4)
    assert found.high == pytest.approx(0.8129, abs=1e-4)
    assert curves.exact_share(10, 10).high == 1.0


def test_a_bootstrap_by_scene_is_wider_than_one_that_takes_events_for_independent() -> None:
    """Ten scenes of 100 events each, all found or none: as much evidence as ten events, not as a thousand."""
    hits = [100] * 7 + [0] * 3
    found = curves.share_by_scene(hits, [100] * 10, seed=4)
    assert found.value == pytest.approx(0.7)
    assert found.low == pytest.approx(0.4, abs=0.11)
    assert found.high == pytest.approx(1.0, abs=0.11)
    assert curves.share_by_scene(hits, [100] * 10, seed=4) == found
    everything = curves.share_by_scene([3, 3], [3, 3])
    assert (everything.value, everything.high) == (1.0, 1.0)
    assert everything.low < 0.3


def test_area_under_the_curve_is_the_chance_that_a_positive_scores_higher() -> None:
    rng = np.random.default_rng(2)
    pos, neg = rng.integers(0, 10, 60), rng.integers(0, 8, 50)
    pairs = (pos[:, None] > neg).mean() + 0.5 * (pos[:, None] == neg).mean()
    found = curves.area_under_curve(np.bincount(pos, minlength=10), np.bincount(neg, minlength=10))
    assert found == pytest.approx(pairs)


def test_det_curve_ends_where_nothing_passes_and_where_all_does() -> None:
    peaks = score_histogram([0.2, 0.6, 0.95, 0.99])
    none = score_histogram(np.concatenate([np.full(3599, 0.05), [0.7]]))
    line = curves.det_curve(peaks, none)
    assert (line.false_per_hour[0], line.missed[0]) == (3600.0, 0.0)
    at = np.searchsorted(SCORE_MIDDLES, 0.8)
    assert (line.false_per_hour[at], line.missed[at]) == (0.0, 0.5)
    assert (np.diff(line.missed) >= 0).all()
    assert (np.diff(line.false_per_hour) <= 0).all()


def test_scores_that_are_true_as_often_as_they_say_are_calibrated() -> None:
    rng = np.random.default_rng(5)
    score = rng.uniform(0.0, 1.0, 40000)
    true = rng.random(40000) < score
    found = curves.reliability(score_histogram(score[true]), score_histogram(score[~true]), SCORE_MIDDLES)
    assert curves.calibration_error(found) < 0.02
    late = curves.reliability(
        score_histogram(score[true] ** 3), score_histogram(score[~true] ** 3), SCORE_MIDDLES
    )
    assert curves.calibration_error(late) > 0.15


def test_the_rising_fit() -> None:
    x, y = curves.rising_fit([1, 2, 3, 4], [0.0, 1.0, 0.0, 1.0])
    assert y.tolist() == [0.0, 0.5, 0.5, 1.0]
    assert curves.reached_at([1, 2, 3, 4], [0, 1, 0, 1], 0.5) == 2.0
    assert np.isnan(curves.reached_at([1, 2], [0, 0], 0.5))
    assert len(x) == 4


def test_quantile_by_scene() -> None:
    found = curves.quantile_by_scene([[0.1, 0.2], [], [0.3]], 0.5)
    assert found.value == pytest.approx(0.2)
    assert found.low <= 0.2 <= found.high


def test_score_counts_leave_out_what_is_neither() -> None:
    truth = timeline(10.0, ("major", 3.0, 5.0), ("minor", 7.0, 7.5))
    found = score_counts(says(10.0, ("major", 3.1, 5.2)), truth)
    assert found.windows_major.sum() == 2  # seconds 3 and 4
    assert found.windows_none.sum() == 5  # 0, 1, 2, 6 and 9: 5 and 8 look back into a motion
    assert found.windows_major[score_histogram([0.9]).argmax()] == 2
    assert found.frames_human.sum() == pytest.approx((2.0 - 0.6) / HOP_S, abs=2)
    assert len(found.frames_none) == SCORE_BINS


# -- against sed_scores_eval


@pytest.fixture
def sed_scores_eval() -> Iterator[object]:
    """Where NOCTULE_SED_SCORES_EVAL says, or installed: `pip install --target DIR sed_scores_eval`."""
    elsewhere = os.environ.get("NOCTULE_SED_SCORES_EVAL")
    if elsewhere:
        sys.path.append(elsewhere)
    try:
        yield pytest.importorskip("sed_scores_eval.collar_based")
    finally:
        if elsewhere:
            sys.path.remove(elsewhere)


@pytest.mark.filterwarnings("ignore")
def test_found_and_false_are_what_sed_scores_eval_counts(sed_scores_eval: object) -> None:
    """Events found within 1 s and alarms besides, at every threshold, over twenty random scenes.

    Its collar is symmetric and merges nothing, so what is said begins after the onset, or far from any.
    """
    from sed_scores_eval.base_modules.scores import create_score_dataframe  # type: ignore[import-not-found]

    rng = np.random.default_rng(8)
    scores, reference, ours = {}, {}, np.zeros((3, 3), int)
    thresholds = np.array([0.2, 0.5, 0.8])
    for number in range(20):
        starts = 5.0 + 10.0 * np.arange(10)
        moves = rng.random(10) < 0.5
        truth = timeline(110.0, *(("major", s, s + 3.0) for s in starts[moves]))
        time_s = np.arange(0.0, 110.0, HOP_S)
        score = np.full(len(time_s), 0.05)
        for start_s in starts:
            late_s, height = rng.choice([0.25, 0.65, 1.35]), rng.choice([0.1, 0.4, 0.6, 0.9])
            score[(time_s > start_s + late_s) & (time_s <= start_s + late_s + 1.5)] = height
        for n, threshold in enumerate(thresholds):
            ours[n] += _ours(truth, time_s, score, threshold)
        name = f"scene{number}"
        edges = np.concatenate([time_s, time_s[-1:] + HOP_S])
        scores[name] = create_score_dataframe(score[:, None], edges, ["major"])
        reference[name] = [(float(s), float(s) + 3.0, "major") for s in starts[moves]]
    curve = sed_scores_eval.intermediate_statistics.accumulated_intermediate_statistics(  # type: ignore[attr-defined]
        scores, reference, onset_collar=1.0 + 1e-6, offset_collar=100.0, num_jobs=1
    )
    levels, found = (curve[0] if isinstance(curve, tuple) else curve)["major"]
    for n, threshold in enumerate(thresholds):
        at = int(np.searchsorted(levels, threshold))
        true, false = found["tps"][at], found["fps"][at]
        assert (true, false, found["n_ref"]) == tuple(ours[n])


def _ours(
    truth: Truth, time_s: npt.NDArray[np.float64], score: npt.NDArray[np.float64], threshold: float
) -> npt.NDArray[np.int64]:
    """Found, false, events. What begins too late after an onset is false to a collar, and late to us."""
    motion = np.where(score >= threshold, 2, 0)
    nothing = np.zeros(len(time_s), np.bool_)
    decided = Decisions(time_s, motion, nothing, score, score, nothing)
    wanted = events(truth, "major")
    results = [outcome(event, decided, truth) for event in wanted]
    late = sum(one.latency_s is not None and not one.found for one in results)
    idle = alarms(decided, truth).motion
    return np.array([sum(one.found for one in results), idle + late, len(wanted)])
