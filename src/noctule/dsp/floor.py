"""Noise floors: white noise of each microphone, and the shape of the floor along the velocity grid.

Both follow quiet frames quickly, and what stands above them only slowly: motion comes and goes, noise stays.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from noctule.core.errors import NoctuleError
from noctule.core.frames import BoolArray, Float32Array

#: 10·log10(x) = ln(x) times this; the natural logarithm is twice as quick.
DB_PER_NEPER = 10.0 / math.log(10.0)
#: A sample more than 6 dB above the floor is not noise.
NOISE_RATIO = 4.0
#: White noise is 1; its own estimate is never wrong by more.
LOWEST = 0.5
SMOOTH_S, FALL_S, RISE_S = 0.16, 0.2, 1.0
CREEP_DB_PER_S, LINE_CREEP_DB_PER_S = 0.3, 40.0
#: Where the far end of a side rises too, it is a sound, not a mover.
HISS_CREEP_DB_PER_S = 1.0
#: Nobody walks straight at one speed for so far in a room; a tone seems to, for ever.
LONGEST_WALK_M = 6.0
#: Noise variance of 32-bit converters and of synthetic tones is above this; digital silence is not.
QUIETEST = 1e-18
#: What lies here beside a carrier is its skirt and slow motion; beside none, more of the same noise.
NEAR_MPS = (0.15, 0.7)
#: A lone line stands this far over the cells four away: no wider than the window's own main lobe.
LINE_RATIO = 10.0


class WhiteNoise:
    """White noise of each microphone, seen at the far ends of the velocity grid.

    Fast limbs reach one end at a time, keys and sibilants both: the quieter end is the noise.
    A few numbers a frame: plain floats are quicker than arrays here.
    """

    def __init__(self, fft_velocity_mps: Float32Array, valid: BoolArray, velocity_max_mps: float) -> None:
        speed = np.abs(fft_velocity_mps)
        far = valid & (speed >= 0.7 * velocity_max_mps)
        near = (speed >= NEAR_MPS[0]) & (speed <= NEAR_MPS[1])
        sides = [(band & (fft_velocity_mps < 0), band & (fft_velocity_mps > 0)) for band in (far, near)]
        # a carrier close to half the rate has one side only; each side is one stretch of FFT bins
        far_ends, near_ends = (
            [(int(i[0]), int(i[-1]) + 1) for i in map(np.flatnonzero, pair) if len(i) >= 4] for pair in sides
        )
        if not far_ends or not near_ends:
            fastest_mps = float(speed[valid].max())
            raise NoctuleError(
                f"the recording's rate carries velocities up to {fastest_mps:.2g} m/s, "
                f"{0.75 * velocity_max_mps:.2g} m/s are needed"
            )
        self._far_ends, self._near_ends = np.array(far_ends), np.array(near_ends)
        self.level: list[float] = []

    def update(self, power: Float32Array, live: list[bool]) -> tuple[list[float], list[float]]:
        """Take one frame's power `(channels, fft bins)`.

        A microphone that is not `live` shows its silence or its own switching: nothing to follow slowly.

        Returns
        -------
        noise_now, beside : of each microphone, at the far ends, and directly beside the carrier; both
            the quieter side.
        """
        now, beside = _quieter_sides(power, self._far_ends, self._near_ends).tolist()
        if not self.level:
            self.level = list(now)
        self.level = [
            self._follow(level, noise) if heard else noise
            for level, noise, heard in zip(self.level, now, live, strict=True)
        ]
        return now, beside

    @staticmethod
    def _follow(level: float, now: float) -> float:
        if now < 2.0 * level:  # after a burst or a click the old level is worth nothing
            return min(level + 0.1 * (now - level), 2.0 * now)
        # 0.12 dB a hop, 3 dB a second, when it stays above: a hiss that began becomes the noise
        return level * 1.028


class FloorShape:
    """Floor along the grid, relative to white noise: the carrier's skirt, hum lines, steady tones.

    Quiet cells are followed within a second; a cell more than 6 dB above its floor lifts it slowly, so
    that a person in front of the sensor does not become the floor. A lone line that keeps to its cell for
    so long that a reflector would have left the room is a tone, and becomes the floor quickly.

    Parameters
    ----------
    velocity_mps : (bins,) the grid.
    """

    def __init__(self, hop_s: float, velocity_mps: Float32Array) -> None:
        self._step_m = (hop_s * np.abs(velocity_mps)).astype(np.float32)
        self._rates = (
            np.float32(min(1.0, hop_s / SMOOTH_S)),
            np.float32(min(1.0, hop_s / FALL_S)),
            np.float32(min(1.0, hop_s / RISE_S)),
            np.float32(10.0 ** (CREEP_DB_PER_S * hop_s / 10.0)),
            np.float32(10.0 ** (LINE_CREEP_DB_PER_S * hop_s / 10.0)),
            np.float32(10.0 ** (HISS_CREEP_DB_PER_S * hop_s / 10.0)),
        )
        self.reset()

    def reset(self) -> None:
        self.level: Float32Array | None = None

    def refer(self, power: Float32Array) -> Float32Array:
        """Take one frame `(bins,)` relative to white noise; return it in dB over the floor `(bins,)`."""
        if self.level is None:
            self.level = self._first_guess(power)
            self._mean = self.level.copy()
            self._walked_m = np.zeros(len(power), dtype=np.float32)
        over_db: Float32Array = _refer(
            power, self._mean, self.level, self._walked_m, self._step_m, *self._rates
        )
        return over_db

    @staticmethod
    def _first_guess(power: Float32Array) -> Float32Array:
        # the skirt is even in velocity, a single mover hardly ever: the quieter side, smoothed, is the floor
        quieter = np.minimum(power, power[::-1])
        padded = np.pad(quieter, 3, mode="edge")
        smooth = np.lib.stride_tricks.sliding_window_view(padded, 7).mean(axis=1)
        # mean of the smaller of two exponentials is half of either's
        return np.asarray(np.maximum(2.0 * smooth, 1.0), dtype=np.float32)


def is_lone_line(power: Float32Array) -> BoolArray:
    """Cells of a line that stands alone, its flanks included: the mark of a steady tone."""
    around = np.maximum(np.roll(power, 4), np.roll(power, -4))
    peak = np.pad(power > LINE_RATIO * around, 2)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(peak, 5).any(axis=1))


@njit(cache=True, fastmath={"contract", "reassoc", "nsz"})
def _refer(  # type: ignore[no-untyped-def]
    power, mean, level, walked_m, step_m, smooth, fall, rise, creep, line_creep, hiss_creep
):
    bins = len(power)
    over_db = np.empty(bins, np.float32)
    for i in range(bins):
        # seven cells together are hardly ever 6 dB below their floor by chance: it was the floor of a burst;
        # what is left of it in the mean must count as noise below, or rounding decides
        first, last = max(0, i - 3), min(bins, i + 4)
        around = np.float32(0)
        for k in range(first, last):
            around += power[k]
        around /= last - first
        level[i] = min(level[i], NOISE_RATIO * around)
        mean[i] = min(mean[i] + smooth * (power[i] - mean[i]), 3 * NOISE_RATIO * around)
    ends = bins // 8
    hiss_low = np.mean(mean[:ends]) > NOISE_RATIO * np.mean(level[:ends])
    hiss_high = np.mean(mean[bins - ends :]) > NOISE_RATIO * np.mean(level[bins - ends :])
    for i in range(bins):
        above = mean[i] - level[i]
        hiss = hiss_low if 2 * i < bins else hiss_high
        if above < 0:
            level[i] += fall * above
            walked_m[i] *= 0.9
        elif above < (NOISE_RATIO - 1) * level[i]:
            level[i] += rise * above
            walked_m[i] *= 0.9
        else:
            lone = False
            for k in range(i - 2, i + 3):
                lone |= mean[k % bins] > LINE_RATIO * max(mean[(k + 4) % bins], mean[(k - 4) % bins])
            walked_m[i] = walked_m[i] + step_m[i] if lone else 0.0
            # lines on both sides have one cause and go together: alone, the later one would be a mover;
            # equal frequencies differ by 2·v²/c in velocity, two cells at 4 m/s
            image = bins - 1 - i
            walked = max(walked_m[i], np.max(walked_m[max(0, image - 2) : image + 3]))
            if lone and walked > LONGEST_WALK_M:
                level[i] *= line_creep
            else:
                level[i] *= hiss_creep if hiss else creep
        level[i] = max(level[i], LOWEST)
        over_db[i] = np.log(power[i] / level[i] + 1e-6) * DB_PER_NEPER
    return over_db


@njit(cache=True, fastmath=True)
def _quieter_sides(power, far_ends, near_ends):  # type: ignore[no-untyped-def]
    """Mean power of each microphone on the quieter side, at the far ends and near by, (2, channels)."""
    quieter = np.empty((2, power.shape[0]))
    for n, sides in enumerate((far_ends, near_ends)):
        for c in range(power.shape[0]):
            quieter[n, c] = np.inf
            for first, last in sides:
                quieter[n, c] = max(min(quieter[n, c], np.mean(power[c, first:last])), QUIETEST)
    return quieter
