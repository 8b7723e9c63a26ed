"""From counts to figures with bounds: rates, shares, DET curves, areas, calibration.

Everything works on counts of scenes, so that a bootstrap can draw scenes: frames of one are no new evidence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, gammaincinv

FloatArray = npt.NDArray[np.float64]

CONFIDENCE = 0.95
#: So many times scenes are drawn anew.
DRAWS = 500


@dataclass(frozen=True, slots=True)
class Bounded:
    """A figure with its bounds of 95 %; `of` says of how much it is: events, hours."""

    value: float
    low: float
    high: float
    of: float

    def to_json(self) -> dict[str, float | None]:
        names = ("value", "low", "high", "of")
        return {n: (round(v, 6) if np.isfinite(v := getattr(self, n)) else None) for n in names}


def poisson_rate(count: int, amount: float, confidence: float = CONFIDENCE) -> Bounded:
    """Events an hour (or whatever `amount` is in) with exact bounds (Garwood 1936)."""
    if amount <= 0.0:
        return Bounded(np.nan, np.nan, np.nan, 0.0)
    tail = (1.0 - confidence) / 2.0
    low = float(gammaincinv(count, tail)) if count else 0.0
    high = float(gammaincinv(count + 1, 1.0 - tail))
    return Bounded(count / amount, low / amount, high / amount, amount)


def exact_share(hits: int, of: int, confidence: float = CONFIDENCE) -> Bounded:
    """A share with exact bounds (Clopper & Pearson 1934), for independent trials."""
    if of == 0:
        return Bounded(np.nan, np.nan, np.nan, 0)
    tail = (1.0 - confidence) / 2.0
    low = float(betaincinv(hits, of - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, of - hits, 1.0 - tail)) if hits < of else 1.0
    return Bounded(hits / of, low, high, of)


def bootstrap(
    statistic: Callable[[FloatArray], float], scenes: int, seed: int = 0, draws: int = DRAWS
) -> tuple[float, float]:
    """Bounds of a statistic when scenes are drawn anew (Efron 1979, percentiles).

    statistic : takes a weight for each scene (how often it was drawn) and gives a number, NaN: undefined.
    """
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(scenes, np.full(scenes, 1.0 / scenes), size=draws).astype(np.float64)
    values = np.array([statistic(one) for one in weights])
    values = values[np.isfinite(values)]
    if not len(values):
        return np.nan, np.nan
    low, high = np.quantile(values, [(1.0 - CONFIDENCE) / 2.0, (1.0 + CONFIDENCE) / 2.0])
    return float(low), float(high)


def share_by_scene(hits: npt.ArrayLike, of: npt.ArrayLike, seed: int = 0) -> Bounded:
    """Share of all trials with bootstrap bounds by scene; where all or none hit, exact ones.

    hits, of : (scenes,) counts.
    """
    hit, total = np.asarray(hits, np.float64), np.asarray(of, np.float64)
    if total.sum() == 0:
        return Bounded(np.nan, np.nan, np.nan, 0)
    if hit.sum() in (0.0, total.sum()):
        # with nothing to tell scenes apart, a scene counts as one trial
        scenes = int((total > 0).sum())
        exact = exact_share(scenes if hit.sum() else 0, scenes)
        return Bounded(exact.value, exact.low, exact.high, float(total.sum()))

    def share(weight: FloatArray) -> float:
        below = weight @ total
        return float(weight @ hit / below) if below else np.nan

    low, high = bootstrap(share, len(total), seed)
    return Bounded(float(hit.sum() / total.sum()), low, high, float(total.sum()))


def quantile_by_scene(values: list[list[float]], q: float, seed: int = 0) -> Bounded:
    """Quantile of all values with bootstrap bounds by scene. values : one list a scene."""
    together = np.array([one for scene in values for one in scene])
    if not len(together):
        return Bounded(np.nan, np.nan, np.nan, 0)
    scene = np.repeat(np.arange(len(values)), [len(one) for one in values])
    order = np.argsort(together)
    together, scene = together[order], scene[order]

    def weighed(weight: FloatArray) -> float:
        total = np.cumsum(weight[scene])
        if total[-1] == 0:
            return np.nan
        return float(together[np.searchsorted(total, q * total[-1])])

    low, high = bootstrap(weighed, len(values), seed)
    return Bounded(float(np.quantile(together, q)), low, high, len(together))


def area_under_curve(positive: npt.ArrayLike, negative: npt.ArrayLike) -> float:
    """Chance that a positive scores higher than a negative, ties one half; from histograms `(bins,)`."""
    pos, neg = np.asarray(positive, np.float64), np.asarray(negative, np.float64)
    if pos.sum() == 0 or neg.sum() == 0:
        return np.nan
    below = np.concatenate([[0.0], np.cumsum(neg)[:-1]])
    return float(pos @ (below + 0.5 * neg) / (pos.sum() * neg.sum()))


def area_by_scene(positive: FloatArray, negative: FloatArray, seed: int = 0) -> Bounded:
    """The same with bounds. positive, negative : (scenes, bins)."""
    pos, neg = np.asarray(positive, np.float64), np.asarray(negative, np.float64)
    value = area_under_curve(pos.sum(0), neg.sum(0))
    low, high = bootstrap(lambda w: area_under_curve(w @ pos, w @ neg), len(pos), seed)
    return Bounded(value, low, high, float(pos.sum() + neg.sum()))


@dataclass(frozen=True, slots=True)
class Det:
    """A detection error trade-off: share of events missed over false seconds an hour, over all thresholds."""

    false_per_hour: FloatArray
    missed: FloatArray


def det_curve(event_peaks: npt.ArrayLike, windows_none: npt.ArrayLike) -> Det:
    """From histograms `(bins,)` of the peak of each event, and of each second in which nobody moves."""
    peaks, none = np.asarray(event_peaks, np.float64), np.asarray(windows_none, np.float64)
    # a threshold at the lower edge of each bin: what lies in the bin or above it passes
    missed = (np.cumsum(peaks) - peaks) / max(peaks.sum(), 1.0)
    false = np.cumsum(none[::-1])[::-1] / max(none.sum() / 3600.0, 1e-9)
    return Det(false, missed)


def rising_fit(x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Least-squares rising step function through points (pool adjacent violators; Ayer et al. 1955)."""
    order = np.argsort(np.asarray(x, np.float64), kind="stable")
    xs, ys = np.asarray(x, np.float64)[order], np.asarray(y, np.float64)[order]
    blocks: list[list[float]] = []
    for value in ys:
        blocks.append([value, 1.0])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            last, before = blocks.pop(), blocks[-1]
            weight = before[1] + last[1]
            blocks[-1] = [(before[0] * before[1] + last[0] * last[1]) / weight, weight]
    fitted = np.concatenate([np.full(round(w), v) for v, w in blocks]) if blocks else np.zeros(0)
    return xs, fitted


def reached_at(x: npt.ArrayLike, y: npt.ArrayLike, level: float) -> float:
    """Where the rising fit first reaches a level; NaN: nowhere."""
    xs, fitted = rising_fit(x, y)
    at = np.flatnonzero(fitted >= level)
    return float(xs[at[0]]) if len(at) else np.nan


@dataclass(frozen=True, slots=True)
class Reliability:
    """Of frames with about one score: the score, how often it was true, how many there were."""

    score: FloatArray
    true: FloatArray
    count: FloatArray


def reliability(true: npt.ArrayLike, other: npt.ArrayLike, says: FloatArray, levels: int = 12) -> Reliability:
    """Calibration of scores, `levels` equally wide bins of what they say.

    true, other : histograms `(bins,)` of scores where the thing is so, and where it is not.
    says : (bins,) the probability that each bin stands for.
    """
    yes, no = np.asarray(true, np.float64), np.asarray(other, np.float64)
    level = np.minimum((says * levels).astype(int), levels - 1)
    total = np.bincount(level, yes + no, levels)
    kept = total > 0
    score = np.bincount(level, (yes + no) * says, levels)[kept] / total[kept]
    share = np.bincount(level, yes, levels)[kept] / total[kept]
    return Reliability(np.asarray(score), np.asarray(share), np.asarray(total[kept], np.float64))


def calibration_error(found: Reliability) -> float:
    """Mean distance between score and truth, over all frames."""
    return float(np.abs(found.score - found.true) @ found.count / max(found.count.sum(), 1.0))
