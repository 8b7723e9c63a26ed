"""Where to set the thresholds: false alarms an hour against recall.

A false alarm is a frame that says "a human moves" while nobody is inside, at least a second after the last
such frame: what the evaluation counts too. The tracker asks for more before it says "somebody is here".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from noctule.lab.crops import APART, PRESENT
from noctule.lab.shards import MAJOR, MINOR, OTHER
from noctule.model.rules import OUTPUTS
from noctule.presence.tracker import STAYS_ASKED_S

FloatArray = npt.NDArray[np.float64]

#: Name -> (trigger sensitivity, false alarms an hour of provocation that it may cost in validation scenes).
PRESETS: dict[str, tuple[float, float]] = {
    "Slightly sensitive": (0.25, 10.0),
    "Moderately sensitive": (0.5, 30.0),
    "Very sensitive": (0.75, 80.0),
}
DEFAULT_PRESET = "Moderately sensitive"
HUMAN = OUTPUTS.index("human")
#: An onset counts as found within this time; alarms closer together than this are one.
ONSET_S, DEAD_S = 1.0, 1.0
#: In doubt it is major motion: light must not wait. So likely it must be.
MAJOR_FROM = 0.4
#: Fewer events than this say nothing about a rate: below, the tail is continued as a straight line.
_EVENTS_FOR_A_RATE = 4
_GRID = 96


@dataclass(frozen=True)
class Scores:
    """Logits of whole segments one after the other, and the truth.

    logits : (frames, outputs). label : (frames,) bits. weight : (frames,) bool. starts : (frames,) bool,
    first frame of a segment. apart : (frames,) index into `APART`. stratum : (frames,) index into `strata`.
    """

    logits: npt.NDArray[np.float32]
    label: npt.NDArray[np.uint8]
    weight: npt.NDArray[np.bool_]
    starts: npt.NDArray[np.bool_]
    apart: npt.NDArray[np.int32]
    stratum: npt.NDArray[np.int32]
    strata: list[str]
    hop_s: float

    @property
    def empty(self) -> npt.NDArray[np.bool_]:
        """Frames with nobody inside, for certain: who sits still and is found to move is no false alarm.

        Without pets, vacuums and people next door: they go about as people do.
        """
        return np.asarray(self.without_people & (self.apart == 0))

    @property
    def without_people(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.weight & ((self.label & (MAJOR | MINOR | PRESENT)) == 0))

    @property
    def empty_hours(self) -> float:
        return float(self.empty.sum()) * self.hop_s / 3600.0


@dataclass(frozen=True)
class Curve:
    """Along ascending thresholds on the logit of human motion.

    alarms : in the empty frames. onsets : share of the onsets of major motion found in time. minor : share of
    the frames of minor motion.
    """

    thresholds: FloatArray
    alarms: npt.NDArray[np.int64]
    hours: float
    onsets: FloatArray
    minor: FloatArray

    def rate(self, threshold: float) -> float:
        """False alarms an hour, the tail continued below `_EVENTS_FOR_A_RATE` events."""
        return float(np.exp(np.interp(threshold, *self._log_rates(), right=-np.inf)))

    def onsets_at(self, threshold: float) -> float:
        return float(np.interp(threshold, self.thresholds, self.onsets))

    def minor_at(self, threshold: float) -> float:
        return float(np.interp(threshold, self.thresholds, self.minor))

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
        # a higher threshold can split one alarm into two: its rate is never the higher one
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


def curve_of(scores: Scores) -> Curve:
    """False alarms, onsets and minor motion along the logit of human motion."""
    logit = np.ascontiguousarray(scores.logits[:, HUMAN])
    low, high = (float(np.quantile(logit, q)) for q in (0.02, 1.0))
    thresholds = np.linspace(min(low, high - 1.0), high + 0.5, _GRID)
    dead, within = (round(one / scores.hop_s) for one in (DEAD_S, ONSET_S))
    major = scores.weight & ((scores.label & MAJOR) != 0)
    minor = np.sort(logit[scores.weight & ((scores.label & (MAJOR | MINOR)) == MINOR)])
    return Curve(
        thresholds,
        np.array([_count_alarms(logit, scores.empty, scores.starts, t, dead) for t in thresholds]),
        scores.empty_hours,
        onsets=np.array([_share_of_onsets(logit, major, scores.starts, t, within) for t in thresholds]),
        minor=1.0 - np.searchsorted(minor, thresholds) / max(len(minor), 1),
    )


def alarms_by_stratum(scores: Scores, threshold: float) -> dict[str, float]:
    """False alarms an hour of each stratum at a threshold, and of those `APART` by themselves."""
    logit = np.ascontiguousarray(scores.logits[:, HUMAN])
    dead = round(DEAD_S / scores.hop_s)
    rates = {}
    parts = {name: scores.empty & (scores.stratum == n) for n, name in enumerate(scores.strata)}
    parts |= {name: scores.without_people & (scores.apart == n) for n, name in enumerate(APART) if n}
    for name, here in parts.items():
        hours = float(here.sum()) * scores.hop_s / 3600.0
        if hours > 0:
            rates[name] = _count_alarms(logit, here, scores.starts, threshold, dead) / hours
    return rates


@njit(cache=True)
def _count_alarms(logit, empty, starts, threshold, dead):  # type: ignore[no-untyped-def]
    """How often the logit comes above in empty frames, at least `dead` frames after it was last."""
    count, wait = 0, 0
    for i in range(len(logit)):
        if starts[i]:
            wait = 0
        above = logit[i] >= threshold
        if above and empty[i] and wait == 0:
            count += 1
        wait = dead if above else max(wait - 1, 0)
    return count


@njit(cache=True)
def _share_of_onsets(logit, moving, starts, threshold, within):  # type: ignore[no-untyped-def]
    """Of the runs of motion that last `within` frames, how many come above by then."""
    runs, found, length, done = 0, 0, 0, False
    for i in range(len(logit)):
        if starts[i] or not moving[i]:
            length, done = 0, False
            if not moving[i]:
                continue
        length += 1
        done = done or logit[i] >= threshold
        if length == within:
            runs += 1
            found += 1 if done else 0
    return found / runs if runs else 0.0


def platt(scores: Scores, output: str) -> tuple[float, float]:
    """Slope and offset that turn a logit into a probability (Platt 1999), by Newton's method.

    The one of major motion is that of a human who moves; the one of staying that of the seconds after a
    motion, with as much weight on who left as on who stayed: otherwise rare departures would be held.
    """
    moving = (scores.label & (MAJOR | MINOR)) != 0
    truth = {
        "human": moving,
        "major": scores.label & MAJOR != 0,
        "other": scores.label & OTHER != 0,
        "stays": scores.label & PRESENT != 0,
    }[output]
    asked = scores.weight.copy()
    if output == "major":
        asked &= moving
    elif output == "stays":
        asked &= _just_after(moving, scores.starts, round(STAYS_ASKED_S / scores.hop_s))
    x = scores.logits[asked, OUTPUTS.index(output)].astype(float)
    y = truth[asked].astype(float)
    if len(np.unique(y)) < 2:
        return 1.0, 0.0
    weight = np.ones(len(y))
    if output == "stays":
        weight = np.where(y > 0.5, 0.5 / y.mean(), 0.5 / (1.0 - y.mean()))
    rows = np.stack([x, np.ones_like(x)], axis=1)
    solution = np.array([1.0, 0.0])
    for _ in range(30):
        p = 1.0 / (1.0 + np.exp(-np.clip(rows @ solution, -40.0, 40.0)))
        gradient = rows.T @ (weight * (p - y)) + 1e-3 * (solution - [1.0, 0.0]) * len(x)
        hessian = (rows * (weight * p * (1.0 - p))[:, None]).T @ rows + 1e-3 * len(x) * np.eye(2)
        change = np.linalg.solve(hessian, gradient)
        solution = solution - np.clip(change, -2.0, 2.0)
        if np.abs(change).max() < 1e-6:
            break
    return float(max(solution[0], 1e-3)), float(solution[1])


@njit(cache=True)
def _just_after(moving, starts, within):  # type: ignore[no-untyped-def]
    """Frames without motion, at most so many after one."""
    found = np.zeros(len(moving), np.bool_)
    since = within + 1
    for i in range(len(moving)):
        since = 0 if moving[i] else within + 1 if starts[i] else since + 1
        found[i] = 0 < since <= within
    return found


def knots_of(curve: Curve) -> tuple[float, float, float]:
    """Logits of human motion of the three presets, the most careful first, well apart."""
    slightly, moderately, very = (curve.threshold_for(rate) for _, rate in PRESETS.values())
    moderately = max(moderately, very + 0.25)
    return max(slightly, moderately + 0.25), moderately, very


def knots_about(probability: float, slope: float, offset: float) -> tuple[float, float, float]:
    """Logits of a probability, in the middle, and of three times its odds up and down."""
    default = (math.log(probability / (1.0 - probability)) - offset) / slope
    return default + math.log(3.0) / slope, default, default - math.log(3.0) / slope
