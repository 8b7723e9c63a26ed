"""From one rate to another, for any stretch of samples: each output depends on its place alone."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from noctule.simulate.parts import FloatArray

STOPBAND_DB = 90.0


def kaiser_lowpass(
    pass_hz: float, stop_hz: float, rate_hz: float, stopband_db: float = STOPBAND_DB
) -> FloatArray:
    """Linear-phase low-pass of odd length, gain 1 at zero (Kaiser 1974)."""
    width = 2.0 * math.pi * (stop_hz - pass_hz) / rate_hz
    half = math.ceil((stopband_db - 7.95) / (2.285 * width) / 2)
    k = np.arange(-half, half + 1)
    taps = np.sinc((pass_hz + stop_hz) / rate_hz * k) * np.kaiser(len(k), 0.1102 * (stopband_db - 8.7))
    return np.asarray(taps / taps.sum())


class Interpolator:
    """Complex samples `(count, channels)` to `factor` times the rate.

    Attributes
    ----------
    margin : input samples needed before and after.
    """

    def __init__(self, factor: int, pass_share: float) -> None:
        """`pass_share` of the input's Nyquist frequency is kept; what mirrors above 2 - that is removed."""
        self.factor = factor
        taps = kaiser_lowpass(pass_share / 2, 1.0 - pass_share / 2, float(factor)) * factor
        self._taps = taps.astype(np.float32)
        self.margin = len(taps) // 2 // factor + 1

    def process(self, samples: npt.NDArray[np.complexfloating]) -> npt.NDArray[np.complex64]:
        """Input with `margin` on both sides; gives (count - 2·margin)·factor samples.

        Output k lies k/factor input samples behind input sample `margin`.
        """
        count, channels = samples.shape
        out = np.zeros((channels, (count - 2 * self.margin) * self.factor), np.complex64)
        given = np.ascontiguousarray(samples.T, dtype=np.complex64)
        _interpolate(given, self._taps, self.factor, self.margin, out)
        return out.T


class Decimator:
    """Complex samples `(count, channels)` to a `factor`-th of the rate, through a low-pass.

    Attributes
    ----------
    margin : input samples needed before and after.
    """

    def __init__(self, factor: int, pass_hz: float, stop_hz: float, rate_hz: float) -> None:
        self.factor = factor
        self._taps = kaiser_lowpass(pass_hz, stop_hz, rate_hz).astype(np.float32)
        self.margin = len(self._taps) // 2

    def process(self, samples: npt.NDArray[np.complexfloating]) -> npt.NDArray[np.complex64]:
        """Input with `margin` on both sides; output k lies at input sample margin + k·factor."""
        count, channels = samples.shape
        out = np.zeros((channels, (count - 2 * self.margin) // self.factor), np.complex64)
        given = np.ascontiguousarray(samples.T, dtype=np.complex64)
        _decimate(given, self._taps, self.factor, out)
        return out.T


@njit(cache=True, fastmath=True)
def _interpolate(given, taps, factor, margin, out):  # type: ignore[no-untyped-def]
    middle = len(taps) // 2
    for c in range(out.shape[0]):
        for n in range(out.shape[1]):
            at = n // factor + margin
            phase = n % factor
            # taps phase + middle + j·factor meet input at - j
            first = -((phase + middle) // factor)
            last = (len(taps) - 1 - phase - middle) // factor
            re, im = np.float32(0), np.float32(0)
            for j in range(first, last + 1):
                tap = taps[phase + middle + j * factor]
                re += tap * given[c, at - j].real
                im += tap * given[c, at - j].imag
            out[c, n] = complex(re, im)


@njit(cache=True, fastmath=True)
def _decimate(given, taps, factor, out):  # type: ignore[no-untyped-def]
    for c in range(out.shape[0]):
        for n in range(out.shape[1]):
            re, im = np.float32(0), np.float32(0)
            for k in range(len(taps)):
                re += taps[k] * given[c, n * factor + k].real
                im += taps[k] * given[c, n * factor + k].imag
            out[c, n] = complex(re, im)
