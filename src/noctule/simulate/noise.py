"""Noise of a given spectrum as a function of time: any stretch, asked for in any order, is the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from noctule.simulate.parts import FloatArray, generator

_SEGMENTS_KEPT = 4


class ShapedNoise:
    """Stationary Gaussian noise with a given power density.

    Segments of shaped noise, each from a generator of its own, overlap by half under a sine window: the
    squares of the windows add to one, so the sum is stationary, and a stretch needs only the segments it
    touches.

    Parameters
    ----------
    density : takes frequencies `(bins,)` in Hz, gives power per Hz, one-sided for real noise. For complex
        noise it is asked for negative frequencies too, and is two-sided.
    rate_hz : of the samples.
    seed, names : as in `generator`.
    segment_s : rounded up to a power of two of samples; nothing slower than this is in the noise.
    channels : independent columns.
    """

    def __init__(
        self,
        density: Callable[[FloatArray], FloatArray],
        rate_hz: float,
        seed: int,
        *names: str | int,
        segment_s: float = 1.0,
        channels: int = 1,
        complex_valued: bool = False,
    ) -> None:
        self._half = 1 << max(3, int(np.ceil(np.log2(segment_s * rate_hz / 2))))
        length = 2 * self._half
        self._seed, self._names = seed, names
        self._channels, self._complex = channels, complex_valued
        if complex_valued:
            frequency_hz = np.fft.fftfreq(length, 1 / rate_hz).astype(np.float64)
            spread = np.sqrt(density(frequency_hz) * rate_hz)
        else:
            frequency_hz = np.fft.rfftfreq(length, 1 / rate_hz).astype(np.float64)
            spread = np.sqrt(density(frequency_hz) * rate_hz / 2)
        self._spread = spread[:, None].astype(np.float32)
        self._window = np.sin(np.pi * (np.arange(length) + 0.5) / length)[:, None].astype(np.float32)
        self._kept: dict[int, npt.NDArray[Any]] = {}

    def samples(self, first_sample: int, count: int) -> npt.NDArray[Any]:
        """`(count, channels)`, float32 or complex64."""
        half = self._half
        out = np.zeros((count, self._channels), np.complex64 if self._complex else np.float32)
        for index in range(first_sample // half - 1, (first_sample + count - 1) // half + 1):
            start = index * half - first_sample  # of the segment, in `out`
            low, high = max(start, 0), min(start + 2 * half, count)
            if low < high:
                out[low:high] += self._segment(index)[low - start : high - start]
        return out

    def _segment(self, index: int) -> npt.NDArray[Any]:
        if index not in self._kept:
            while len(self._kept) >= _SEGMENTS_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[index] = self._make(index)
        return self._kept[index]

    def _make(self, index: int) -> npt.NDArray[Any]:
        rng = generator(self._seed, *self._names, index)
        shape = (2 * self._half, self._channels)
        if self._complex:
            white = rng.standard_normal((*shape, 2), np.float32).view(np.complex64)[..., 0]
            white *= np.float32(np.sqrt(0.5))
            return np.asarray(np.fft.ifft(np.fft.fft(white, axis=0) * self._spread, axis=0) * self._window)
        real = rng.standard_normal(shape, np.float32)
        return np.asarray(np.fft.irfft(np.fft.rfft(real, axis=0) * self._spread, axis=0) * self._window)
