"""The trained detector of the running sensor: features in, scores of human motion out."""

from __future__ import annotations

import math
from collections import deque
from itertools import repeat

import numpy as np
from numba import njit

from noctule.core.errors import NoctuleError
from noctule.core.frames import Fault, FeatureBlock, Float32Array, MotionScore
from noctule.model.rules import NOT_JUDGED, RESET_AFTER_S
from noctule.model.session import StepSession
from noctule.model.zoo import Model

#: Where the tracker's default preset stands on the scale of the scores.
OPERATING_POINT = 0.5
#: From this score on it is worth saying how fast something moves.
_WORTH_A_VELOCITY = 0.25
#: Averaged over so many frames, and only what stands so far over the floor: speckle has no direction.
_VELOCITY_FRAMES, _STANDS_OUT_DB = 3, 6.0

_NONE = Fault(0)


class NetworkDetector:
    """Scores of a model on one stream; implements `core.protocols.Detector`.

    A blocking fault, or a turning clock, scores nothing and is passed through; the network does not see
    such frames. After `RESET_AFTER_S` of them it starts anew.

    Parameters
    ----------
    model : a checked model folder.
    kind : "float", or "int8" to hear what a small processor would.

    Raises
    ------
    NoctuleError
        The weights are missing, damaged, or of another grid than their manifest says.
    """

    def __init__(self, model: Model, kind: str = "float") -> None:
        self._session = StepSession(model.file(kind))
        if self._session.bins != model.manifest.bins:
            raise NoctuleError(f"model {model.folder}: its weights are for {self._session.bins} bins")
        self._longest_gap = round(RESET_AFTER_S / model.manifest.hop_s)
        self._recent = deque[Float32Array](maxlen=_VELOCITY_FRAMES)
        self.reset()
        still = np.zeros((1, model.manifest.bins), dtype=np.float32)
        _velocity(still, still[0])  # compiled before anything moves

    def reset(self) -> None:
        """Forget everything: a cold start."""
        self._session.reset()
        self._recent.clear()
        self._blocked = 0

    def score(self, features: FeatureBlock) -> list[MotionScore]:
        """One `MotionScore` a frame of the block, in order."""
        valid_share = np.count_nonzero(features.valid_bins) / len(features.valid_bins)
        times, faults = features.time_s.tolist(), features.faults.tolist()
        scalars = zip(
            features.broadband_db, features.carrier_snr_db, repeat(valid_share), features.removed_db
        )
        return [
            self._frame(features, i, *one) for i, one in enumerate(zip(scalars, times, faults, strict=True))
        ]

    def _frame(
        self, features: FeatureBlock, i: int, scalars: tuple[float, ...], time_s: float, fault: int
    ) -> MotionScore:
        if fault & NOT_JUDGED:
            self._blocked += 1
            return MotionScore(time_s, 0.0, 0.0, 0.0, Fault(fault))
        if self._blocked > self._longest_gap:
            self.reset()
        self._blocked = 0
        power_db = features.clean_power_db[i]
        self._recent.append(power_db)
        major, minor, other, stays = self._session.step((power_db, features.fresh_power_db[i]), scalars)
        if not math.isfinite(major + minor + other + stays):  # it would stay in the memory for ever
            self.reset()
            return MotionScore(time_s, 0.0, 0.0, 0.0, Fault(fault), "the features were not finite")
        velocity = 0.0
        if minor >= _WORTH_A_VELOCITY:
            velocity = _velocity(np.array(self._recent), features.velocity_mps)
        known = Fault(fault) if fault else _NONE
        return MotionScore(time_s, major, minor, velocity, known, _in_words(major, minor, other), stays)


@njit(cache=True)
def _velocity(recent, velocity_mps):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Mean velocity of what stands above the floor and above its mirror image, by power."""
    moment = total = 0.0
    for i in range(len(velocity_mps) // 2):
        j = len(velocity_mps) - 1 - i
        stronger = _power(recent[:, i].mean()) - _power(recent[:, j].mean())  # a fan is on both sides
        moment += stronger * velocity_mps[i] if stronger > 0.0 else -stronger * velocity_mps[j]
        total += abs(stronger)
    return moment / total if total > 0.0 else 0.0


@njit(cache=True)
def _power(level_db):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    return 10.0 ** (0.1 * level_db) if level_db > _STANDS_OUT_DB else 0.0


def _in_words(major: float, minor: float, other: float) -> str:
    if major >= OPERATING_POINT:
        return "somebody moves about"
    if minor >= OPERATING_POINT:
        return "somebody moves a little"
    return "something moves that is nobody" if other >= OPERATING_POINT else ""
