"""Thresholds: alarms counted on paper, rates continued where there are too few."""

from __future__ import annotations

import math

import numpy as np
import pytest

from noctule.lab.crops import APART, PRESENT
from noctule.lab.operating import (
    PRESETS,
    Curve,
    Scores,
    alarms_by_stratum,
    curve_of,
    knots_about,
    knots_of,
    platt,
)
from noctule.lab.shards import MAJOR, MINOR
from noctule.model.rules import OUTPUTS

HOP_S = 0.048


def scores(
    logit: list[float] | np.ndarray, label: int | np.ndarray = 0, output: int = 0, apart: str = ""
) -> Scores:
    logit = np.asarray(logit, np.float32)
    logits = np.full((len(logit), len(OUTPUTS)), -9.0, np.float32)
    logits[:, output] = logit
    starts = np.zeros(len(logit), bool)
    starts[0] = True
    return Scores(
        logits,
        np.broadcast_to(np.asarray(label, np.uint8), len(logit)).copy(),
        np.ones(len(logit), bool),
        starts,
        np.full(len(logit), APART.index(apart), np.int32),
        np.zeros(len(logit), np.int32),
        ["all"],
        HOP_S,
    )


def alarms(one: Scores) -> int:
    return round(alarms_by_stratum(one, 0.0)["all"] * one.empty_hours)


def test_alarms_a_second_apart_are_two() -> None:
    """21 frames are 1.008 s."""
    assert alarms(scores([-9.0] * 20 + [9.0] + [-9.0] * 20)) == 1
    assert alarms(scores([9.0, *[-9.0] * 20, 9.0])) == 1
    assert alarms(scores([9.0, *[-9.0] * 21, 9.0])) == 2
    assert alarms(scores([9.0] * 500)) == 1


@pytest.mark.parametrize("who", APART[1:])
def test_who_goes_about_is_told_apart(who: str) -> None:
    one = scores([*[-9.0] * 20, *[9.0] * 10, *[-9.0] * 20], apart=who)
    assert one.empty_hours == 0.0
    rates = alarms_by_stratum(one, 0.0)
    assert set(rates) == {who}
    assert rates[who] == pytest.approx(1 / (50 * HOP_S / 3600.0))


def test_who_is_there_is_no_false_alarm() -> None:
    """Neither what is said of them, nor what is still said when they have just gone."""
    assert alarms(scores([9.0] * 50 + [-9.0] * 50, np.repeat([PRESENT, 0], 50))) == 0
    assert alarms(scores([9.0] * 60 + [-9.0] * 40, np.repeat([PRESENT, 0], 50))) == 0
    assert alarms(scores([9.0] * 50 + [-9.0] * 30 + [9.0] * 20, np.repeat([PRESENT, 0], 50))) == 1


def test_onsets_must_be_found_within_a_second() -> None:
    """Runs of 30 frames; the 21st is the last in time."""

    def found(late: int) -> float:
        run = [-9.0] * late + [9.0] * (30 - late)
        label = np.array(([MAJOR | PRESENT] * 30 + [0] * 20) * 2)
        one = scores(([*run, *[-9.0] * 20]) * 2, label)
        return curve_of(one).onsets_at(0.0)

    assert found(0) == found(20) == 1.0
    assert found(21) == 0.0


def test_minor_recall_is_a_share_of_frames() -> None:
    one = scores([*[1.0] * 30, *[-3.0] * 70, *[-9.0] * 10], np.repeat([MINOR, 0], [100, 10]))
    assert curve_of(one).minor_at(0.0) == pytest.approx(0.3, abs=0.02)


def test_rates_are_continued_as_a_straight_line() -> None:
    """exp(-2 · threshold) alarms an hour, 10 hours: 0.001 an hour lies at 3.45, long after the last."""
    thresholds = np.linspace(-3.0, 3.0, 96)
    counts = np.round(10.0 * np.exp(-2.0 * thresholds)).astype(int)
    recall = np.linspace(1.0, 0.5, 96)
    curve = Curve(thresholds, counts, 10.0, recall, recall)
    for rate in (5.0, 0.5, 0.01, 0.001):
        assert curve.threshold_for(rate) == pytest.approx(-math.log(rate) / 2.0, abs=0.25)
        assert curve.rate(curve.threshold_for(rate)) == pytest.approx(rate, rel=0.01)
    careful, default, eager = knots_of(curve)
    assert careful > default > eager
    assert default == pytest.approx(-math.log(PRESETS["Moderately sensitive"][1]) / 2.0, abs=0.25)


@pytest.mark.parametrize("output", ["human", "major", "stays"])
def test_probabilities_are_what_happens(output: str) -> None:
    """Each question is put where it is asked: of humans who move, or right after they have moved."""
    rng = np.random.default_rng(4)
    logit = rng.uniform(-4, 4, 50_000)
    happens = rng.random(50_000) < 1 / (1 + np.exp(-(0.7 * logit - 1.0)))
    yes, no = {"human": (MAJOR, 0), "major": (MAJOR, MINOR), "stays": (PRESENT, 0)}[output]
    label = np.where(happens, yes, no)
    if output == "stays":  # moves in every other frame, so that all the others are asked
        label = np.repeat(label[::2], 2)
        logit = np.repeat(logit[::2], 2)
        label[::2] = MAJOR | PRESENT
    slope, offset = platt(scores(logit, label, OUTPUTS.index(output)), output)
    # of who stays as if as many left
    expected = -1.0 - (math.log(happens.mean() / (1.0 - happens.mean())) if output == "stays" else 0.0)
    assert slope == pytest.approx(0.7, abs=0.05)
    assert offset == pytest.approx(expected, abs=0.08)
    careful, default, eager = knots_about(0.4, slope, offset)
    assert slope * default + offset == pytest.approx(math.log(0.4 / 0.6))
    assert careful - default == pytest.approx(default - eager)
