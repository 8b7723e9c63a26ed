"""Thresholds: alarms counted on paper, rates continued where there are too few."""

from __future__ import annotations

import math

import numpy as np
import pytest

from noctule.lab.crops import PRESENT
from noctule.lab.operating import (
    PRESETS,
    Curve,
    Scores,
    alarms_by_stratum,
    major_curve,
    minor_curve,
    platt,
    score_knots,
)
from noctule.lab.shards import MAJOR, MINOR

HOP_S = 0.048


def scores(
    logit: list[float] | np.ndarray, label: int | np.ndarray = 0, output: int = 0, goes_about: bool = False
) -> Scores:
    logit = np.asarray(logit, np.float32)
    logits = np.full((len(logit), 3), -9.0, np.float32)
    logits[:, output] = logit
    starts = np.zeros(len(logit), bool)
    starts[0] = True
    return Scores(
        logits,
        np.broadcast_to(np.asarray(label, np.uint8), len(logit)).copy(),
        np.ones(len(logit), bool),
        starts,
        np.full(len(logit), goes_about),
        np.zeros(len(logit), np.int32),
        ["all"],
        HOP_S,
    )


def alarms(one: Scores, threshold: float = 0.0, minor: bool = False) -> int:
    rate = alarms_by_stratum(one, int(minor), threshold, minor)["all"]
    return round(rate * one.empty_hours)


def test_motion_must_last_its_on_latency() -> None:
    """0.2 s are 4.2 hops: five frames in a row, or as much after a missing one."""
    quiet = [-9.0] * 20
    assert alarms(scores([*quiet, *[9.0] * 4, *quiet])) == 0
    assert alarms(scores([*quiet, *[9.0] * 5, *quiet])) == 1
    assert alarms(scores([*quiet, *[9.0] * 3, -9.0, *[9.0] * 2, *quiet])) == 0
    assert alarms(scores([*quiet, *[9.0] * 3, -9.0, *[9.0] * 3, *quiet])) == 1


def test_pets_and_vacuums_are_told_by_themselves() -> None:
    one = scores([*[-9.0] * 20, *[9.0] * 10, *[-9.0] * 20], goes_about=True)
    assert one.empty_hours == 0.0
    rates = alarms_by_stratum(one, 0, 0.0, minor=False)
    assert set(rates) == {"pets and vacuums"}
    assert rates["pets and vacuums"] == pytest.approx(1 / (50 * HOP_S / 3600.0))


def test_minor_motion_alone_must_last_longer() -> None:
    """3 s are 62.5 hops."""
    assert alarms(scores([*[9.0] * 62, -9.0], output=1), minor=True) == 0
    assert alarms(scores([*[9.0] * 63, -9.0], output=1), minor=True) == 1


def test_one_presence_is_one_alarm() -> None:
    """Until the off-latency of 10 s has passed in silence: 208 frames."""
    burst = [9.0] * 6
    assert alarms(scores([*burst, *[-9.0] * 150, *burst, *[-9.0] * 150, *burst])) == 1
    assert alarms(scores([*burst, *[-9.0] * 230, *burst])) == 2


def test_who_is_there_is_no_false_alarm() -> None:
    assert alarms(scores([9.0] * 50 + [-9.0] * 50, np.repeat([PRESENT, 0], 50))) == 0


def test_onsets_must_be_found_within_a_second() -> None:
    """Runs of 30 frames; evidence of five frames must be full within 21."""

    def found(late: int) -> float:
        run = [-9.0] * late + [9.0] * (30 - late)
        label = np.array(([MAJOR | PRESENT] * 30 + [0] * 20) * 2)
        one = scores(([*run, *[-9.0] * 20]) * 2, label)
        return major_curve(one).recall_at(0.0)

    assert found(0) == found(16) == 1.0
    assert found(17) == 0.0


def test_minor_recall_is_a_share_of_frames() -> None:
    one = scores([*[1.0] * 30, *[-3.0] * 70, *[-9.0] * 10], np.repeat([MINOR, 0], [100, 10]), output=1)
    assert minor_curve(one).recall_at(0.0) == pytest.approx(0.3, abs=0.02)


def test_rates_are_continued_as_a_straight_line() -> None:
    """exp(-2 · threshold) alarms an hour, 10 hours: 0.001 an hour lies at 3.45, long after the last."""
    thresholds = np.linspace(-3.0, 3.0, 96)
    counts = np.round(10.0 * np.exp(-2.0 * thresholds)).astype(int)
    curve = Curve(thresholds, counts, 10.0, np.linspace(1.0, 0.5, 96))
    for rate in (5.0, 0.5, 0.01, 0.001):
        assert curve.threshold_for(rate) == pytest.approx(-math.log(rate) / 2.0, abs=0.25)
        assert curve.rate(curve.threshold_for(rate)) == pytest.approx(rate, rel=0.01)
    careful, default, eager = score_knots(curve)
    assert careful > default > eager
    assert default == pytest.approx(-math.log(PRESETS["Moderately sensitive"][1] / 2.0) / 2.0, abs=0.25)


def test_probabilities_are_what_happens() -> None:
    rng = np.random.default_rng(4)
    logit = rng.uniform(-4, 4, 50_000)
    label = np.where(rng.random(50_000) < 1 / (1 + np.exp(-(0.7 * logit - 1.0))), MAJOR, 0)
    slope, offset = platt(scores(logit, label), 0)
    assert slope == pytest.approx(0.7, abs=0.05)
    assert offset == pytest.approx(-1.0, abs=0.08)
