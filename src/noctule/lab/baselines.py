"""What else could decide from the same features: simple statistics, to measure a network against.

Each is a number a frame, of power averaged over `SMOOTH_S`. A threshold makes a detector of it, and
thresholds come from validation scenes alone (`fit`).

- energy: dB of all power in the band of people over the floor: what motion switches do.
- sideband: dB of the difference between both signs of velocity: whoever walks goes one way.
- lag1: autocorrelation of the baseband at the shortest lag its band has, from its power spectrum (Wiener &
  Khinchin): noise forgets at once, motion does not. The statistic of WiDetect (Zhang et al. 2019) on sound.
- cfar: `noctule.presence.cfar`, hand-tuned, with nothing to fit.

`folded` takes the sign of velocity from features, so that any detector can be asked what the sign is worth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from noctule.core.frames import BLOCKING_FAULTS, Fault, FeatureBlock, Float32Array, MotionScore
from noctule.core.protocols import Detector
from noctule.dsp.features import FeatureExtractor
from noctule.presence.cfar import MAJOR_BAND_MPS, MINOR_BAND_MPS, CfarDetector

if TYPE_CHECKING:
    from noctule.model.zoo import Model

FloatArray = npt.NDArray[np.float64]
#: (frames, bins) power over the floor, velocity, usable bins, slowest and fastest speed -> (frames,).
Statistic = Callable[[FloatArray, FloatArray, npt.NDArray[np.bool_], tuple[float, float]], FloatArray]
#: A detector for an extractor's grid and pace.
Factory = Callable[[FeatureExtractor], Detector]

SMOOTH_S = 0.3
#: Of the frames of validation scenes in which nobody moves: thresholds are set to this.
FALSE_SHARE = 0.01
_BLOCKING = int(BLOCKING_FAULTS)


def energy_db(
    power: FloatArray, velocity: FloatArray, valid: npt.NDArray[np.bool_], band: tuple[float, float]
) -> FloatArray:
    """Mean power in a band of speeds, dB over the floor."""
    mean = power[:, valid & _within(velocity, band)].mean(1)
    return np.asarray(10.0 * np.log10(np.maximum(mean, 1e-3)))


def sideband_db(
    power: FloatArray, velocity: FloatArray, valid: npt.NDArray[np.bool_], band: tuple[float, float]
) -> FloatArray:
    """How much more comes than goes, or the other way round: 10·log10(1 + |difference of the means|)."""
    both = valid & valid[::-1] & _within(velocity, band)
    comes, goes = power[:, both & (velocity > 0)].mean(1), power[:, both & (velocity < 0)].mean(1)
    return np.asarray(10.0 * np.log10(1.0 + np.abs(comes - goes)))


def lag_one(
    power: FloatArray, velocity: FloatArray, valid: npt.NDArray[np.bool_], band: tuple[float, float]
) -> FloatArray:
    """|autocorrelation| at the lag at which white noise over the whole grid has none; 0 to 1.

    band : the lag is so short that it knows fast from slow only by the fastest.
    """
    kept = valid & (np.abs(velocity) >= band[0])
    span = 2.0 * float(np.abs(velocity[valid]).max())
    turn = np.exp(2j * np.pi * velocity[kept] / span)
    chosen = power[:, kept]
    total = chosen.sum(1)
    # flat noise without its middle is not quite forgotten: what it keeps is taken off
    flat = abs(turn.mean())
    return np.asarray(np.abs(chosen @ turn) / np.maximum(total, 1e-9) - flat)


def _within(velocity: FloatArray, band: tuple[float, float]) -> npt.NDArray[np.bool_]:
    speed = np.abs(velocity)
    return (speed >= band[0] - 1e-6) & (speed <= band[1] + 1e-6)


STATISTICS: dict[str, Statistic] = {"energy": energy_db, "sideband": sideband_db, "lag1": lag_one}


@dataclass(frozen=True, slots=True)
class Operating:
    """Where a statistic's score is one half, and how wide its slope is; for major and for minor motion."""

    major: float
    major_slope: float
    minor: float
    minor_slope: float


class StatisticDetector:
    """A statistic with thresholds, as a `Detector`; it remembers `SMOOTH_S` of power."""

    def __init__(
        self,
        statistic: Statistic,
        operating: Operating,
        velocity_mps: Float32Array,
        valid_bins: npt.NDArray[np.bool_],
        hop_s: float,
    ) -> None:
        self._statistic, self._operating = statistic, operating
        self._velocity, self._valid = velocity_mps.astype(np.float64), valid_bins
        self._looks = max(1, round(SMOOTH_S / hop_s))
        self.reset()

    def reset(self) -> None:
        # as if it had been quiet before
        self._recent = np.ones((self._looks - 1, len(self._velocity)))

    def score(self, features: FeatureBlock) -> list[MotionScore]:
        if not len(features):
            return []
        blocked = features.faults & _BLOCKING != 0
        mean = self._smoothed(features.log_power_db, blocked)
        where = (self._velocity, self._valid)
        o = self._operating
        major = _odds(self._statistic(mean, *where, MAJOR_BAND_MPS), o.major, o.major_slope)
        minor = _odds(self._statistic(mean, *where, MINOR_BAND_MPS), o.minor, o.minor_slope)
        major[blocked] = minor[blocked] = 0.0
        return [
            MotionScore(t, a, max(a, b), 0.0, Fault(fault))
            for t, a, b, fault in zip(
                features.time_s.tolist(),
                major.tolist(),
                minor.tolist(),
                features.faults.tolist(),
                strict=True,
            )
        ]

    def _smoothed(self, log_power_db: Float32Array, blocked: npt.NDArray[np.bool_]) -> FloatArray:
        power = 10.0 ** (log_power_db.astype(np.float64) / 10.0)
        power[blocked] = 1.0  # nothing to decide from is no motion
        power = np.concatenate([self._recent, power])
        self._recent = power[len(power) - self._looks + 1 :].copy()
        total = np.cumsum(np.concatenate([np.zeros((1, power.shape[1])), power]), axis=0)
        return np.asarray((total[self._looks :] - total[: -self._looks]) / self._looks)


def _odds(value: FloatArray, half: float, slope: float) -> FloatArray:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip((value - half) / slope, -40.0, 40.0))))


#: What thresholds are fitted with: the score then is the statistic itself, squeezed.
RAW = Operating(0.0, 1.0, 0.0, 1.0)


def statistic_of(name: str, features: FeatureBlock, hop_s: float) -> tuple[FloatArray, FloatArray]:
    """A statistic of each frame, in the band of major and of minor motion; (frames,) each."""
    one = StatisticDetector(STATISTICS[name], RAW, features.velocity_mps, features.valid_bins, hop_s)
    mean = one._smoothed(features.log_power_db, features.faults & _BLOCKING != 0)
    velocity = features.velocity_mps.astype(np.float64)
    return (
        STATISTICS[name](mean, velocity, features.valid_bins, MAJOR_BAND_MPS),
        STATISTICS[name](mean, velocity, features.valid_bins, MINOR_BAND_MPS),
    )


def fit(
    major: Sequence[tuple[FloatArray, npt.NDArray[np.bool_]]],
    minor: Sequence[tuple[FloatArray, npt.NDArray[np.bool_]]],
) -> Operating:
    """Thresholds of validation scenes: so high that `FALSE_SHARE` of what is no motion is over them.

    major, minor : of each scene (values, whether there is such motion) in the frames that count.
    """
    (half, slope), (minor_half, minor_slope) = (_threshold(one) for one in (major, minor))
    return Operating(half, slope, minor_half, minor_slope)


def _threshold(scenes: Sequence[tuple[FloatArray, npt.NDArray[np.bool_]]]) -> tuple[float, float]:
    values = np.concatenate([one[0] for one in scenes])
    true = np.concatenate([one[1] for one in scenes])
    if not true.any() or true.all():
        raise ValueError("validation scenes need frames with and without motion")
    half = float(np.quantile(values[~true], 1.0 - FALSE_SHARE))
    # so wide that the middle of the noise is not squeezed against zero, where curves could not tell it apart
    return half, max((half - float(np.median(values[~true]))) / 6.0, 1e-3)


def folded(features: FeatureBlock) -> FeatureBlock:
    """Both signs of velocity put together: what is left when only speed is known."""
    both = features.valid_bins & features.valid_bins[::-1]

    def fold(power_db: Float32Array) -> Float32Array:
        power = 10.0 ** (power_db / 10.0)
        mean = np.where(both, 0.5 * (power + power[:, ::-1]), power)
        return np.asarray(10.0 * np.log10(np.maximum(mean, 1e-6)), np.float32)

    return replace(
        features, log_power_db=fold(features.log_power_db), clean_power_db=fold(features.clean_power_db)
    )


class FoldedDetector:
    """Any detector, kept from knowing the sign of velocity; for networks trained on such features."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def score(self, features: FeatureBlock) -> list[MotionScore]:
        return self._detector.score(folded(features))

    def reset(self) -> None:
        self._detector.reset()


#: How a detector is asked for that may not know the sign of velocity, and the int8 weights of a model.
FOLDED_PREFIX, INT8_SUFFIX = "folded:", ":int8"


def detector_factory(name: str, fitted: Mapping[str, Operating] | None = None) -> Factory:
    """A way to make a detector by its name: cfar, a baseline, a model, <model>:int8, or folded:<any>.

    Raises
    ------
    NoctuleError
        There is no such model.
    """
    if name.startswith(FOLDED_PREFIX):
        inner = detector_factory(name.removeprefix(FOLDED_PREFIX), fitted)
        return lambda extractor: FoldedDetector(inner(extractor))
    if name == "cfar":
        return lambda e: CfarDetector(e.velocity_mps, e.hop_s, e.window_s)
    if name in STATISTICS:
        operating = (fitted or {}).get(name, RAW)
        statistic = STATISTICS[name]
        return lambda e: StatisticDetector(statistic, operating, e.velocity_mps, e.valid_bins, e.hop_s)
    return _network(name)


def _network(name: str) -> Factory:
    from noctule.model.runtime import NetworkDetector

    model = _model(name)
    # as it comes, or as the small processor has it
    kind = "int8" if name.endswith(INT8_SUFFIX) else "float"
    return lambda extractor: NetworkDetector(model, kind)


def _model(name: str) -> Model:
    from noctule.core.settings import FeatureSettings
    from noctule.model.zoo import load_model

    return load_model(name.removesuffix(INT8_SUFFIX), FeatureSettings().digest())


def fingerprint(name: str) -> str:
    """Checksum of a model's weights; empty for what has none."""
    plain = name.removeprefix(FOLDED_PREFIX)
    if plain in ("cfar", *STATISTICS):
        return ""
    return _model(plain).manifest.files["int8" if plain.endswith(INT8_SUFFIX) else "float"].sha256


def probability_of(name: str) -> Callable[[FloatArray], FloatArray]:
    """What the score of human motion means as a probability; of what is no model, the score itself.

    A model's score is its logit on a scale on which three presets stand at 0.75, 0.5 and 0.25, straight lines
    in the logit of the score between and beyond; its manifest says what the logit means.
    """
    if not fingerprint(name) or name.startswith(FOLDED_PREFIX):
        return lambda score: score
    manifest = _model(name).manifest
    knots = [
        one.logit_human for one in sorted(manifest.presets.values(), key=lambda p: p.trigger_sensitivity)
    ]
    careful, default, eager = knots
    slope, offset = manifest.probability["human"]

    def probability(score: FloatArray) -> FloatArray:
        odds = np.log(score / (1.0 - score)) / math.log(3.0)  # 1 and -1 at the outer presets
        logit = default + np.where(odds > 0.0, odds * (careful - default), odds * (default - eager))
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(slope * logit + offset, -40.0, 40.0))))

    return probability


def is_baseline(name: str) -> bool:
    """Whether thresholds are to be fitted for it."""
    return name.removeprefix(FOLDED_PREFIX) in STATISTICS
