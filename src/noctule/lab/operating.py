"""Where to set the thresholds: false alarms an hour against recall, counted as the tracker would count.

A false alarm is what makes the tracker say "somebody" while nobody is there: evidence that lasts, not a
frame. Positive frames, and frames without a label, clear the evidence, so that the tail of a real motion is
no false alarm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from noctule.core.settings import PresenceSettings
from noctule.lab.crops import PRESENT
from noctule.lab.shards import MAJOR, MINOR, OTHER

FloatArray = npt.NDArray[np.float64]

#: Name -> (trigger sensitivity, false alarms an hour that it may cost in the validation scenes).
PRESETS: dict[str, tuple[float, float]] = {
    "Slightly sensitive": (0.25, 0.01),
    "Moderately sensitive": (0.5, 1.0 / 24.0),
    "Very sensitive": (0.75, 0.5),
}
DEFAULT_PRESET = "Moderately sensitive"
#: An onset counts as found within this time.
ONSET_S = 1.0
#: Minor motion takes away evidence at half the speed: as in presence/tracker.py.
_MINOR_LEAK = 0.5
#: Fewer events than this say nothing about a rate: below, the tail is continued as a straight line.
_EVENTS_FOR_A_RATE = 4
_GRID = 96


@dataclass(frozen=True)
class Scores:
    """Logits of whole segments one after the other, and the truth.

    logits : (frames, 3). label : (frames,) bits. weight : (frames,) bool. starts : (frames,) bool, first
    frame of a segment. goes_about : (frames,) bool, a pet or a vacuum is in the scene. stratum : (frames,)
    index into `strata`.
    """

    logits: npt.NDArray[np.float32]
    label: npt.NDArray[np.uint8]
    weight: npt.NDArray[np.bool_]
    starts: npt.NDArray[np.bool_]
    goes_about: npt.NDArray[np.bool_]
    stratum: npt.NDArray[np.int32]
    strata: list[str]
    hop_s: float

    @property
    def empty(self) -> npt.NDArray[np.bool_]:
        """Frames with nobody inside, for certain: who sits still and is found to move is no false alarm.

        Without pets and vacuums: they go about as people do.
        """
        return self.without_people & ~self.goes_about

    @property
    def without_people(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.weight & ((self.label & (MAJOR | MINOR | PRESENT)) == 0))

    @property
    def empty_hours(self) -> float:
        return float(self.empty.sum()) * self.hop_s / 3600.0


@dataclass(frozen=True)
class Curve:
    """Along ascending thresholds on a logit: false alarms in the empty frames, recall of the others.

    recall : share of the frames that hold the motion (minor), or of the onsets found in time (major).
    """

    thresholds: FloatArray
    alarms: npt.NDArray[np.int64]
    hours: float
    recall: FloatArray

    def rate(self, threshold: float) -> float:
        """False alarms an hour, the tail continued below `_EVENTS_FOR_A_RATE` events."""
        return float(np.exp(np.interp(threshold, *self._log_rates(), right=-np.inf)))

    def recall_at(self, threshold: float) -> float:
        return float(np.interp(threshold, self.thresholds, self.recall))

    def threshold_for(self, alarms_per_hour: float) -> float:
        """The lowest threshold that costs no more than so many false alarms an hour."""
        thresholds, log_rates = self._log_rates()
        wanted = math.log(alarms_per_hour)
        return float(np.interp(-wanted, -log_rates, thresholds))

    def _log_rates(self) -> tuple[FloatArray, FloatArray]:
        """Thresholds and the logarithm of the rate, strictly falling, with a straight tail of rare events.

        The number of exceedances of a high level falls exponentially with the level for most noise
        (Pickands 1975, shape 0); so rates that the validation scenes are too short to show are continued
        from where they still count `_EVENTS_FOR_A_RATE` events.
        """
        hours = max(self.hours, 1e-6)
        # more evidence can split one alarm into two: the rate of a higher threshold is never the higher one
        alarms = np.maximum.accumulate(self.alarms[::-1])[::-1].astype(float)
        enough = np.flatnonzero(alarms >= _EVENTS_FOR_A_RATE)
        if len(enough) < 2:  # a network that is never wrong here: half an event at the lowest threshold
            last, slope = 0, -1.0
            log_rates = np.log(np.maximum(alarms[:1], 0.5) / hours)
        else:
            last = int(enough[-1])
            log_rates = np.log(alarms[: last + 1] / hours)
            first = int(np.searchsorted(-alarms[: last + 1], -20.0 * _EVENTS_FOR_A_RATE))
            first = min(first, last - 1)
            run = self.thresholds[last] - self.thresholds[first]
            slope = min((log_rates[last] - log_rates[first]) / max(run, 1e-6), -0.3)
        tail = self.thresholds[last] + np.linspace(0.0, 40.0, 81)[1:]
        thresholds = np.concatenate([self.thresholds[: last + 1], tail])
        log_rates = np.concatenate([log_rates, log_rates[-1] + slope * (tail - self.thresholds[last])])
        return thresholds, log_rates - 1e-9 * np.arange(len(log_rates))


def major_curve(scores: Scores, presence: PresenceSettings | None = None) -> Curve:
    """False alarms and onsets of the logit for major motion."""
    presence = presence or PresenceSettings()
    latency = presence.on_latency_s / scores.hop_s
    return _curve(scores, 0, latency, 1.0, _onset_recall(scores, latency))


def minor_curve(scores: Scores, presence: PresenceSettings | None = None) -> Curve:
    """False alarms and frames of minor motion; major motion counts as minor too, as in the detector."""
    presence = presence or PresenceSettings()
    latency = presence.minor_on_latency_s / scores.hop_s
    moving = scores.weight & ((scores.label & MINOR) != 0) & ((scores.label & MAJOR) == 0)
    found = np.sort(scores.logits[moving, 1])

    def recall(thresholds: FloatArray) -> FloatArray:
        return 1.0 - np.searchsorted(found, thresholds) / max(len(found), 1)

    return _curve(scores, 1, latency, _MINOR_LEAK, recall)


def _curve(scores: Scores, output: int, latency: float, leak: float, recall) -> Curve:  # type: ignore[no-untyped-def]
    logit = np.ascontiguousarray(scores.logits[:, output])
    empty = scores.empty
    low, high = (float(np.quantile(logit, q)) for q in (0.02, 1.0))
    thresholds = np.linspace(min(low, high - 1.0), high + 0.5, _GRID)
    quiet = max(1, round(PresenceSettings().off_latency_s / scores.hop_s))
    alarms = [_count_alarms(logit, empty, scores.starts, t, latency, leak, quiet) for t in thresholds]
    return Curve(thresholds, np.array(alarms), scores.empty_hours, recall(thresholds))


def alarms_by_stratum(scores: Scores, output: int, threshold: float, minor: bool) -> dict[str, float]:
    """False alarms an hour of each stratum at a threshold, and of pets and vacuums by themselves."""
    presence = PresenceSettings()
    latency = (presence.minor_on_latency_s if minor else presence.on_latency_s) / scores.hop_s
    leak = _MINOR_LEAK if minor else 1.0
    quiet = max(1, round(presence.off_latency_s / scores.hop_s))
    logit = np.ascontiguousarray(scores.logits[:, output])
    rates = {}
    parts = {name: scores.empty & (scores.stratum == n) for n, name in enumerate(scores.strata)}
    for name, here in (parts | {"pets and vacuums": scores.without_people & scores.goes_about}).items():
        hours = float(here.sum()) * scores.hop_s / 3600.0
        if hours > 0:
            count = _count_alarms(logit, here, scores.starts, threshold, latency, leak, quiet)
            rates[name] = count / hours
    return rates


@njit(cache=True)
def _count_alarms(logit, empty, starts, threshold, latency, leak, quiet):  # type: ignore[no-untyped-def]
    """How often evidence fills up in empty frames; then `quiet` frames without motion must pass."""
    count, evidence, wait = 0, 0.0, 0
    for i in range(len(logit)):
        if starts[i] or not empty[i]:
            evidence, wait = 0.0, 0
        if not empty[i]:
            continue
        above = logit[i] >= threshold
        if wait > 0:
            wait = quiet if above else wait - 1
            continue
        evidence = min(max(evidence + (1.0 if above else -leak), 0.0), latency)
        if above and evidence >= latency - 1e-6:
            count += 1
            evidence, wait = 0.0, quiet
    return count


def _onset_recall(scores: Scores, latency: float):  # type: ignore[no-untyped-def]
    moving = scores.weight & ((scores.label & MAJOR) != 0)
    within = round(ONSET_S / scores.hop_s)
    logit = np.ascontiguousarray(scores.logits[:, 0])

    def recall(thresholds: FloatArray) -> FloatArray:
        return np.array(
            [_share_of_onsets(logit, moving, scores.starts, t, latency, within) for t in thresholds]
        )

    return recall


@njit(cache=True)
def _share_of_onsets(logit, moving, starts, threshold, latency, within):  # type: ignore[no-untyped-def]
    """Of the runs of motion that last `within` frames, how many fill the evidence in time."""
    runs, found, length, evidence, done = 0, 0, 0, 0.0, False
    for i in range(len(logit)):
        if starts[i] or not moving[i]:
            length, evidence, done = 0, 0.0, False
            if not moving[i]:
                continue
        length += 1
        above = logit[i] >= threshold
        evidence = min(max(evidence + (1.0 if above else -1.0), 0.0), latency)
        if length <= within and not done and above and evidence >= latency - 1e-6:
            done = True
        if length == within:
            runs += 1
            found += 1 if done else 0
    return found / runs if runs else 0.0


def platt(scores: Scores, output: int) -> tuple[float, float]:
    """Slope and offset that turn a logit into a probability (Platt 1999), by Newton's method."""
    bit = (MAJOR, MINOR, OTHER)[output]
    asked = scores.weight.copy()
    if bit == MINOR:
        asked &= (scores.label & MAJOR) == 0
    x = scores.logits[asked, output].astype(float)
    y = (scores.label[asked] & bit != 0).astype(float)
    if len(np.unique(y)) < 2:
        return 1.0, 0.0
    rows = np.stack([x, np.ones_like(x)], axis=1)
    solution = np.array([1.0, 0.0])
    for _ in range(30):
        p = 1.0 / (1.0 + np.exp(-np.clip(rows @ solution, -40.0, 40.0)))
        gradient = rows.T @ (p - y) + 1e-3 * (solution - [1.0, 0.0]) * len(x)
        hessian = (rows * (p * (1.0 - p))[:, None]).T @ rows + 1e-3 * len(x) * np.eye(2)
        change = np.linalg.solve(hessian, gradient)
        solution = solution - np.clip(change, -2.0, 2.0)
        if np.abs(change).max() < 1e-6:
            break
    return float(max(solution[0], 1e-3)), float(solution[1])


def score_knots(curve: Curve) -> tuple[float, float, float]:
    """Logit thresholds of the three presets, from the most careful to the most sensitive, well apart.

    Half of each budget: major and minor motion can both raise a false alarm.
    """
    slightly, moderately, very = (curve.threshold_for(0.5 * rate) for _, rate in PRESETS.values())
    moderately = max(moderately, very + 0.25)
    return max(slightly, moderately + 0.25), moderately, very
