"""Noise floors: white noise of each microphone, and the shape of the floor along the velocity grid.

Both follow quiet frames quickly, and what stands above them only slowly: motion comes and goes, noise stays.
"""

from __future__ import annotations

import numpy as np

from noctule.core.frames import BoolArray, Float32Array

#: A sample more than 6 dB above the floor is not noise.
_NOISE_RATIO = 4.0


class WhiteNoise:
    """White noise of each microphone, seen at the far ends of the velocity grid.

    Fast limbs reach one end at a time, keys and sibilants both: the quieter end is the noise.
    """

    def __init__(self, fft_velocity_mps: Float32Array, valid: BoolArray, velocity_max_mps: float) -> None:
        far = valid & (np.abs(fft_velocity_mps) >= 0.7 * velocity_max_mps)
        near_side = far & (fft_velocity_mps < 0)
        far_side = far & (fft_velocity_mps > 0)
        # a carrier close to half the rate has one side only
        self._sides = [np.flatnonzero(side) for side in (near_side, far_side) if side.sum() >= 8]
        self.level: Float32Array | None = None

    def update(self, power: Float32Array) -> Float32Array:
        """Take one frame's power `(channels, fft bins)`; return its rise over the floor, `(channels,)`."""
        now = np.minimum.reduce([power[:, side].mean(axis=1) for side in self._sides])
        if self.level is None:
            self.level = np.maximum(now, 1e-30).astype(np.float32)
        rise: Float32Array = now / self.level
        rate = np.where(rise < 1.0, 0.25, np.where(rise < 2.0, 0.1, 0.0))
        # 0.12 dB a hop, 3 dB a second, when it stays above: a hiss that began becomes the noise
        creep = np.where(rise < 2.0, 1.0, 1.028)
        self.level = np.maximum((self.level + rate * (now - self.level)) * creep, 1e-30).astype(np.float32)
        return rise


class FloorShape:
    """Floor along the grid, relative to white noise: the carrier's skirt, hum lines, steady tones.

    Quiet cells are followed within a second; a cell more than 6 dB above its floor lifts it slowly, so
    that a person in front of the sensor does not become the floor. A lone line that keeps to its cell is
    no person (trunk speed sways, limbs spread): it lifts its floor faster, and at a start at once.
    """

    def __init__(self, hop_s: float, creep_db_per_s: float = 0.3, line_creep_db_per_s: float = 6.0) -> None:
        self._fall = np.float32(min(1.0, hop_s / 0.2))
        self._rise = np.float32(min(1.0, hop_s / 1.0))
        self._creep = np.float32(10.0 ** (creep_db_per_s * hop_s / 10.0))
        self._line_creep = np.float32(10.0 ** (line_creep_db_per_s * hop_s / 10.0))
        self._smooth = np.float32(min(1.0, hop_s / 0.16))
        self.reset()

    def reset(self) -> None:
        self.level: Float32Array | None = None

    def update(self, power: Float32Array) -> Float32Array:
        """Take one frame `(bins,)` relative to white noise; return the floor `(bins,)` to refer it to."""
        if self.level is None:
            self.level = self._first_guess(power)
            self._mean = self.level
        self._mean = self._mean + self._smooth * (power - self._mean)
        above = self._mean - self.level
        follow = self.level + np.where(above < 0, self._fall, self._rise) * above
        creep = np.where(_is_lone_line(self._mean), self._line_creep, self._creep)
        level = np.where(above < (_NOISE_RATIO - 1) * self.level, follow, self.level * creep)
        self.level = np.maximum(level, np.float32(0.5)).astype(np.float32)
        return self.level

    @staticmethod
    def _first_guess(power: Float32Array) -> Float32Array:
        # the skirt is even in velocity, a single mover hardly ever: the quieter side, smoothed, is the floor
        quieter = np.minimum(power, power[::-1])
        padded = np.pad(quieter, 3, mode="edge")
        smooth = np.lib.stride_tricks.sliding_window_view(padded, 7).mean(axis=1)
        # mean of the smaller of two exponentials is half of either's
        floor = np.maximum(2.0 * smooth, 1.0)
        return np.asarray(np.where(_is_lone_line(power), np.maximum(power, floor), floor), dtype=np.float32)


def _is_lone_line(power: Float32Array) -> BoolArray:
    """Cells 10 dB over what is four cells to either side: no wider than the window's own main lobe."""
    padded = np.pad(power, 4, mode="edge")
    around: Float32Array = np.maximum(padded[:-8], padded[8:])
    return power > 10.0 * around
