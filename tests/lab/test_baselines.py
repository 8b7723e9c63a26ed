"""Statistics on features made by hand, their detectors, and thresholds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from noctule.core.frames import Fault, FeatureBlock
from noctule.lab.baselines import (
    RAW,
    STATISTICS,
    FoldedDetector,
    Operating,
    StatisticDetector,
    detector_factory,
    energy_db,
    fit,
    folded,
    is_baseline,
    lag_one,
    probability_of,
    sideband_db,
    statistic_of,
)

VELOCITY = np.round(np.arange(-120, 121) * 0.05, 2)
VALID = np.ones(241, np.bool_)
MAJOR = (0.55, 4.5)
HOP_S = 0.048


def flat(frames: int = 60) -> npt.NDArray[np.float64]:
    return np.ones((frames, 241))


def with_patch(low: float, high: float, power: float = 11.0) -> npt.NDArray[np.float64]:
    out = flat()
    out[:, (low - 1e-6 <= VELOCITY) & (high + 1e-6 >= VELOCITY)] = power
    return out


def features(power: npt.NDArray[np.float64], faults: int = 0) -> FeatureBlock:
    count = len(power)
    return FeatureBlock(
        time_s=0.1 + HOP_S * np.arange(count, dtype=np.float64),
        log_power_db=(10.0 * np.log10(power)).astype(np.float32),
        clean_power_db=(10.0 * np.log10(power)).astype(np.float32),
        fresh_power_db=(10.0 * np.log10(power)).astype(np.float32),
        velocity_mps=VELOCITY.astype(np.float32),
        valid_bins=VALID,
        broadband_db=np.zeros(count, np.float32),
        removed_db=np.zeros(count, np.float32),
        carrier_level_dbfs=np.zeros(count, np.float32),
        carrier_snr_db=np.full(count, 60.0, np.float32),
        faults=np.full(count, faults, np.int64),
        carrier_hz=40000.0,
    )


def test_energy_is_the_mean_power_of_the_band() -> None:
    """The band 0.55 to 4.5 m/s has 80 bins on each side: 8 bins of 11 make the mean 1 + 80/160."""
    assert energy_db(flat(), VELOCITY, VALID, MAJOR) == pytest.approx(0.0)
    found = energy_db(with_patch(1.0, 1.35), VELOCITY, VALID, MAJOR)
    assert found == pytest.approx(10.0 * np.log10(1.5))
    assert energy_db(with_patch(5.0, 5.5), VELOCITY, VALID, MAJOR) == pytest.approx(0.0)


def test_the_sideband_statistic_knows_a_walker_from_a_fan() -> None:
    walker, fan = with_patch(1.0, 1.35), with_patch(1.0, 1.35) + with_patch(-1.35, -1.0) - 1.0
    assert sideband_db(walker, VELOCITY, VALID, MAJOR) == pytest.approx(10.0 * np.log10(1.0 + 1.0))
    assert sideband_db(fan, VELOCITY, VALID, MAJOR) == pytest.approx(0.0)
    assert energy_db(fan, VELOCITY, VALID, MAJOR).mean() > energy_db(walker, VELOCITY, VALID, MAJOR).mean()


def test_noise_has_no_memory_and_slow_motion_has() -> None:
    noise = np.random.default_rng(1).exponential(1.0, (4000, 241))
    assert lag_one(flat(), VELOCITY, VALID, MAJOR) == pytest.approx(0.0, abs=1e-9)
    assert abs(lag_one(noise, VELOCITY, VALID, MAJOR).mean()) < 0.05
    slow = lag_one(with_patch(0.6, 0.9, 1000.0), VELOCITY, VALID, MAJOR)
    fast = lag_one(with_patch(4.0, 4.3, 1000.0) + with_patch(-4.3, -4.0, 1000.0), VELOCITY, VALID, MAJOR)
    assert slow.min() > 0.5
    # both sides of 4.15 of 6 m/s turn by ±124 degrees in one lag: |cos 124°| = 0.57
    assert fast.mean() == pytest.approx(0.57, abs=0.15)


@pytest.mark.parametrize("name", list(STATISTICS))
def test_detectors_find_what_stands_out_and_forget_it_after_a_reset(name: str) -> None:
    moving, quiet = features(with_patch(0.8, 1.5, 50.0)), features(flat())
    top, bottom = (statistic_of(name, one, HOP_S)[0][-1] for one in (moving, quiet))
    half = float(top + bottom) / 2.0
    operating = Operating(half, abs(half) / 10.0, half, abs(half) / 10.0)
    detector = StatisticDetector(STATISTICS[name], operating, VELOCITY.astype(np.float32), VALID, HOP_S)
    assert detector.score(moving)[-1].score_major > 0.9
    assert detector.score(quiet)[0].score_major > 0.5  # still in the average
    detector.score(moving)
    detector.reset()
    assert detector.score(quiet)[0].score_major < 0.1


@pytest.mark.parametrize("name", list(STATISTICS))
def test_any_block_size_gives_the_same_scores(name: str) -> None:
    power = np.random.default_rng(3).exponential(1.0, (50, 241))
    make = detector_factory(name, {name: RAW})

    class Grid:
        velocity_mps, valid_bins, hop_s = VELOCITY.astype(np.float32), VALID, HOP_S

    whole = [one.score_major for one in make(Grid()).score(features(power))]  # type: ignore[arg-type]
    piecewise = make(Grid())  # type: ignore[arg-type]
    parts = [
        one.score_major
        for k in (0, 1, 20)
        for one in piecewise.score(features(power[k:][: [1, 19, 30][[0, 1, 20].index(k)]]))
    ]
    assert parts == pytest.approx(whole, abs=1e-9)


def test_a_blocking_fault_scores_nothing() -> None:
    block = features(with_patch(0.8, 1.5, 50.0), int(Fault.CARRIER_LOST))
    detector = StatisticDetector(
        energy_db, Operating(1.0, 0.1, 1.0, 0.1), VELOCITY.astype(np.float32), VALID, HOP_S
    )
    scores = detector.score(block)
    assert {one.score_major for one in scores} == {0.0}
    assert scores[0].fault == Fault.CARRIER_LOST


def test_folding_takes_the_sign_and_keeps_the_power() -> None:
    here, there = folded(features(with_patch(1.0, 1.35))), folded(features(with_patch(-1.35, -1.0)))
    assert here.log_power_db == pytest.approx(there.log_power_db)
    assert here.log_power_db == pytest.approx(here.log_power_db[:, ::-1])
    power = 10.0 ** (here.log_power_db / 10.0)
    assert power.sum(1) == pytest.approx(with_patch(1.0, 1.35).sum(1), rel=1e-5)


def test_a_folded_detector_hears_folded_features() -> None:
    inner = StatisticDetector(
        sideband_db, Operating(1.0, 0.1, 1.0, 0.1), VELOCITY.astype(np.float32), VALID, HOP_S
    )
    walker = features(with_patch(0.8, 1.5, 50.0))
    assert inner.score(walker)[-1].score_major > 0.9
    blind = FoldedDetector(inner)
    blind.reset()
    assert blind.score(walker)[-1].score_major < 0.1


def test_thresholds_let_one_in_a_hundred_pass() -> None:
    """Noise of 0 ± 1, motion at 4 ± 1: one per cent of a normal distribution is above 2.33."""
    rng = np.random.default_rng(6)
    scenes = []
    for _ in range(5):
        true = rng.random(20000) < 0.3
        scenes.append((rng.standard_normal(20000) + 4.0 * true, true))
    found = fit(scenes, scenes)
    assert found.major == pytest.approx(2.33, abs=0.05)
    assert found.major_slope == pytest.approx(2.33 / 6.0, abs=0.02)  # the middle of the noise scores e⁻⁶
    with pytest.raises(ValueError, match="with and without"):
        fit([(np.zeros(3), np.zeros(3, np.bool_))], scenes)


def test_names() -> None:
    assert is_baseline("energy")
    assert is_baseline("folded:energy")
    assert not is_baseline("cfar")
    score = np.array([0.1, 0.9])
    assert probability_of("cfar")(score) is score
