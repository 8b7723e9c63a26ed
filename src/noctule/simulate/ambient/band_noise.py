"""Noise whose Fourier coefficients are drawn, not its samples: the same process at every rate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from noctule.simulate.parts import FloatArray, generator

#: Half a segment. Whole samples at every usual rate: 22.05, 44.1, 48, 250, 312.5 kHz and their multiples.
HOP_S = 0.04
_SEGMENTS_KEPT = 8


class BandNoise:
    """Stationary Gaussian noise of a given power density; segments overlap by half under a sine window.

    A lower rate takes the first of the same coefficients, so it hears the same noise without what lies above.
    """

    def __init__(self, density: Callable[[FloatArray], FloatArray], seed: int) -> None:
        self._density, self._seed = density, seed
        self._kept: dict[tuple[int, int], npt.NDArray[np.float32]] = {}
        self._shapes: dict[int, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]] = {}

    def samples(self, rate_hz: float, first_sample: int, count: int) -> FloatArray:
        """`(count,)` pascal for a density in Pa2/Hz, one-sided."""
        hop = round(HOP_S * rate_hz)
        out = np.zeros(count)
        for index in range(first_sample // hop - 1, (first_sample + count - 1) // hop + 1):
            start = index * hop - first_sample
            low, high = max(start, 0), min(start + 2 * hop, count)
            if low < high:
                out[low:high] += self._segment(hop, index)[low - start : high - start]
        return out

    def _segment(self, hop: int, index: int) -> npt.NDArray[np.float32]:
        key = (hop, index)
        if key not in self._kept:
            while len(self._kept) >= _SEGMENTS_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = self._make(hop, index)
        return self._kept[key]

    def _make(self, hop: int, index: int) -> npt.NDArray[np.float32]:
        spread, window = self._shape(hop)
        rng = generator(self._seed, index)
        bins = rng.standard_normal((hop, 2), dtype=np.float32).view(np.complex64)[:, 0]
        bins[0] = 0.0
        wave = np.fft.irfft(bins * spread, 2 * hop).astype(np.float32, copy=False)
        return wave * window

    def _shape(self, hop: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        if hop not in self._shapes:
            bin_hz = 0.5 / HOP_S
            # a bin of two unit normals has power 2·(2·spread / 2·hop)²/2 = density·bin_hz
            spread = hop * np.sqrt(self._density(np.arange(hop, dtype=np.float64) * bin_hz) * bin_hz)
            window = np.sin(np.pi * (np.arange(2 * hop) + 0.5) / (2 * hop))
            self._shapes[hop] = spread.astype(np.float32), window.astype(np.float32)
        return self._shapes[hop]
