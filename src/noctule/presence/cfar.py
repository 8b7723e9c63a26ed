"""Model-free motion detector on the velocity grid: the baseline, and the fallback without a model.

Constant false alarm rate: every cell is judged against what is around it in velocity and time, never
against a fixed level (Rohling 1983 for the idea; the tests below are for sound in rooms).

- Noise averages out in patches of 0.35 m/s and 0.2-0.3 s; a person fills a patch.
- Whatever modulates the carrier (vibration, airflow, clock glitches, a clicking generator) shows on both
  signs of velocity at once. A person hardly ever does: each patch is held against its mirror image.
- What stays on both signs for seconds (fans) becomes background, a few decibels a second.
- Keys, claps and sibilants lift all velocities: they are taken off first.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from noctule.core.frames import BLOCKING_FAULTS, Fault, FeatureBlock, Float32Array, MotionScore

#: Limbs and trunk of a walker against the hands of someone sitting: NEMA's minor-motion arm has a tip
#: speed of 0.6 m/s, a slow walk a trunk speed of 0.5 m/s and legs at three times that.
MAJOR_BAND_MPS = (0.55, 4.5)
MINOR_BAND_MPS = (0.1, 1.0)
#: A walker covers ground; minor motion returns. Energy must sit this far out, on average.
MAJOR_CENTROID_MPS = 0.45
PATCH_MPS = 0.35
#: Averaged over so long besides the analysis window: overlapping windows are not new looks.
SMOOTH_S = 0.12
#: dB over the background at which a score is one half, and the width of its slope.
HALF_SCORE_DB, SLOPE_DB = 6.0, 0.8
#: How much of the mirror image counts as background: equal sides end at +3 dB.
MIRROR_SHARE = 0.5
#: Speed at which what stays on both sides becomes background.
ABSORB_DB_PER_S, RELEASE_DB_PER_S = 4.0, 6.0


class CfarDetector:
    """Scores of every frame from its features alone, with a few seconds of memory.

    Parameters
    ----------
    velocity_mps : (bins,) symmetric grid, ascending.
    hop_s : time between frames.
    window_s : length of the analysis window.
    """

    def __init__(self, velocity_mps: Float32Array, hop_s: float, window_s: float) -> None:
        speed = np.abs(velocity_mps)
        self._velocity = velocity_mps.astype(np.float64)
        self._major = (speed >= MAJOR_BAND_MPS[0]) & (speed <= MAJOR_BAND_MPS[1])
        self._minor = (speed >= MINOR_BAND_MPS[0]) & (speed <= MINOR_BAND_MPS[1])
        self._moving = self._major | self._minor
        cells = max(1, round(PATCH_MPS / float(velocity_mps[1] - velocity_mps[0])) | 1)
        self._patch = cells
        self._recent: deque[Float32Array] = deque(maxlen=max(1, round((SMOOTH_S + window_s) / hop_s)))
        self._absorb = ABSORB_DB_PER_S * hop_s
        self._release = RELEASE_DB_PER_S * hop_s
        self.reset()

    def reset(self) -> None:
        self._recent.clear()
        self._stays_db = np.zeros(len(self._velocity))

    def score(self, features: FeatureBlock) -> list[MotionScore]:
        """One `MotionScore` a frame of the block, in order."""
        ratio = 10.0 ** ((features.log_power_db - features.broadband_db[:, None]) / 10.0)
        return [
            self._frame(float(features.time_s[i]), ratio[i], Fault(int(features.faults[i])))
            for i in range(len(features))
        ]

    def _frame(self, time_s: float, ratio: Float32Array, fault: Fault) -> MotionScore:
        if fault & BLOCKING_FAULTS:
            self.reset()
            return MotionScore(time_s, 0.0, 0.0, 0.0, fault)
        patch = self._average(ratio)
        patch_db = 10.0 * np.log10(patch)
        over_db = patch_db - 10.0 * np.log10(1.0 + MIRROR_SHARE * np.maximum(patch[::-1] - 1.0, 0.0))
        over_db -= np.minimum(self._stays_db, self._stays_db[::-1])
        self._stays_db += np.clip(patch_db - self._stays_db, -self._release, self._absorb)
        np.maximum(self._stays_db, 0.0, out=self._stays_db)
        velocity, centroid = self._where(patch, over_db)
        major = _as_score(over_db[self._major].max()) if centroid >= MAJOR_CENTROID_MPS else 0.0
        minor = _as_score(over_db[self._minor].max())
        return MotionScore(time_s, major, max(major, minor), velocity, fault)

    def _average(self, ratio: Float32Array) -> npt.NDArray[np.float64]:
        if not self._recent:  # as if it had been quiet before: one frame decides nothing
            quiet = np.ones(len(ratio), dtype=np.float32)
            self._recent.extend(quiet for _ in range(self._recent.maxlen or 1))
        self._recent.append(ratio)
        mean = np.mean(self._recent, axis=0, dtype=np.float64)
        summed = np.cumsum(np.pad(mean, (self._patch // 2 + 1, self._patch // 2), mode="edge"))
        return np.maximum(summed[self._patch :] - summed[: -self._patch], 1e-3) / self._patch

    def _where(self, patch: npt.NDArray[np.float64], over_db: npt.NDArray[np.float64]) -> tuple[float, float]:
        """Mean radial velocity and mean speed of what stands out."""
        energy = np.where((over_db > HALF_SCORE_DB - 2.0) & self._moving, patch, 0.0)
        total = float(energy.sum())
        if total <= 0.0:
            return 0.0, 0.0
        velocity = float(energy @ self._velocity) / total
        return velocity, float(energy @ np.abs(self._velocity)) / total


def _as_score(over_db: float) -> float:
    return float(1.0 / (1.0 + np.exp(-(over_db - HALF_SCORE_DB) / SLOPE_DB)))
