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

import math

import numpy as np
from numba import njit

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
#: How much of the mirror image counts as background: equal sides end at +3 dB. Sidebands of equal
#: frequency differ in velocity by 2·v²/c, two cells at 4 m/s: the mirror is looked at so far around.
MIRROR_SHARE, MIRROR_CELLS = 0.5, 2
#: A click is one look, however often it is averaged: its speckle reaches so far over its mean.
SPECKLE_DB = 4.0
#: Share of the grid at either end that no limb fills, and the median of noise under its mean.
END_SHARE, MEDIAN_DB = 0.12, 1.0
#: Speed at which what stays on both sides becomes background.
ABSORB_DB_PER_S, RELEASE_DB_PER_S = 4.0, 6.0

#: 10·log10(x) = ln(x) / this; the natural logarithm is twice as quick.
NEPER_PER_DB = math.log(10.0) / 10.0

#: A clock that turns shifts everything that stands still: it would read as somebody.
_NOT_JUDGED = int(BLOCKING_FAULTS | Fault.CLOCK_SLEWING)
_NONE = Fault(0)


class CfarDetector:
    """Scores of every frame from its features alone, with a few seconds of memory.

    Parameters
    ----------
    velocity_mps : (bins,) symmetric grid, ascending.
    hop_s : time between frames.
    window_s : length of the analysis window.
    """

    def __init__(self, velocity_mps: Float32Array, hop_s: float, window_s: float) -> None:
        self._velocity = velocity_mps.astype(np.float32)
        self._cells = max(1, round(PATCH_MPS / float(velocity_mps[1] - velocity_mps[0])) | 1)
        self._looks = max(1, round((SMOOTH_S + window_s) / hop_s))
        self._ends = max(5, round(END_SHARE * len(velocity_mps)))
        self._absorb = ABSORB_DB_PER_S * hop_s
        self._release = RELEASE_DB_PER_S * hop_s
        self.reset()

    def reset(self) -> None:
        # as if it had been quiet before: one frame decides nothing
        self._recent = np.ones((self._looks, len(self._velocity)), dtype=np.float32)
        self._next = 0
        self._stays_db = np.zeros(len(self._velocity), dtype=np.float32)

    def score(self, features: FeatureBlock) -> list[MotionScore]:
        """One `MotionScore` a frame of the block, in order."""
        rows = features.log_power_db
        times, faults = features.time_s.tolist(), features.faults.tolist()
        return [self._frame(times[i], rows[i], faults[i]) for i in range(len(times))]

    def _frame(self, time_s: float, row_db: Float32Array, fault: int) -> MotionScore:
        if fault & _NOT_JUDGED:
            self.reset()
            return MotionScore(time_s, 0.0, 0.0, 0.0, Fault(fault))
        row = self._recent[self._next]
        self._next = (self._next + 1) % self._looks
        major_db, minor_db, velocity, speed = _judge(
            row_db,
            self._ends,
            row,
            self._recent,
            self._stays_db,
            self._velocity,
            self._cells,
            self._absorb,
            self._release,
        )
        major = _as_score(major_db) if speed >= MAJOR_CENTROID_MPS else 0.0
        return MotionScore(
            time_s, major, max(major, _as_score(minor_db)), velocity, Fault(fault) if fault else _NONE
        )


def _as_score(over_db: float) -> float:
    return 1.0 / (1.0 + math.exp(-(over_db - HALF_SCORE_DB) / SLOPE_DB))


@njit(cache=True, fastmath={"contract", "reassoc", "nsz"})
def _judge(row_db, ends, row, recent, stays_db, velocity, cells, absorb, release):  # type: ignore[no-untyped-def]
    """dB over background in the major and minor band, mean velocity and speed of what stands out."""
    looks, bins = recent.shape
    # broadband sound lifts the far ends of the grid too, and what lies between them along a line
    low_db, high_db = _burst_db(row_db[:ends]), _burst_db(row_db[bins - ends :])
    for i in range(bins):
        along = (i - ends / 2) / (bins - ends)
        burst_db = low_db + (high_db - low_db) * min(max(along, 0.0), 1.0)
        row[i] = np.exp(NEPER_PER_DB * (row_db[i] - burst_db))
    half = cells // 2
    mean = np.empty(bins, dtype=np.float32)
    for i in range(bins):
        total = np.float32(0)
        for k in range(looks):
            total += recent[k, i]
        mean[i] = total / looks
    patch = np.empty(bins, dtype=np.float32)
    patch_db = np.empty(bins, dtype=np.float32)
    for i in range(bins):
        first = min(max(i - half, 0), bins - cells)  # the outermost patches repeat
        total = np.float32(0)
        for k in range(cells):
            total += mean[first + k]
        patch[i] = max(total / cells, np.float32(1e-3))
        patch_db[i] = np.log(patch[i]) / NEPER_PER_DB
    major_db, minor_db = -100.0, -100.0
    energy, moment, extent = 0.0, 0.0, 0.0
    for i in range(bins):
        mirror = bins - 1 - i
        image = np.float32(1)
        for k in range(max(0, mirror - MIRROR_CELLS), min(bins, mirror + MIRROR_CELLS + 1)):
            image = max(image, patch[k])
        both_db = np.log(1.0 + MIRROR_SHARE * (image - 1.0)) / NEPER_PER_DB
        over_db = patch_db[i] - both_db - min(stays_db[i], stays_db[mirror])
        speed = abs(velocity[i])
        in_major = MAJOR_BAND_MPS[0] <= speed <= MAJOR_BAND_MPS[1]
        in_minor = MINOR_BAND_MPS[0] <= speed <= MINOR_BAND_MPS[1]
        if in_major:
            major_db = max(major_db, over_db)
        if in_minor:
            minor_db = max(minor_db, over_db)
        if (in_major or in_minor) and over_db > HALF_SCORE_DB - 2.0:
            energy += patch[i]
            moment += patch[i] * velocity[i]
            extent += patch[i] * speed
    for i in range(bins):
        change = patch_db[i] - stays_db[i]
        stays_db[i] = max(stays_db[i] + min(max(change, -release), absorb), 0.0)
    if energy > 0.0:
        return major_db, minor_db, moment / energy, extent / energy
    return major_db, minor_db, 0.0, 0.0


@njit(cache=True)
def _burst_db(end_db):  # type: ignore[no-untyped-def]
    """Rise of one far end; the median, because a fast limb fills a few cells and a burst all of them."""
    rise_db = max(0.0, np.median(end_db) + MEDIAN_DB)
    return rise_db + min(rise_db, SPECKLE_DB)
