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
        half = len(taps) // 2
        self.margin = half // factor + 1
        # phase p of the output takes tap p + half + j·factor for the input j samples earlier
        self._bank = np.zeros((factor, 2 * self.margin + 1), np.float32)
        for phase in range(factor):
            for j in range(-self.margin, self.margin + 1):
                at = phase + half + j * factor
                if 0 <= at < len(taps):
                    self._bank[phase, self.margin - j] = taps[at]

    def process(self, samples: npt.NDArray[np.complexfloating]) -> npt.NDArray[np.complex64]:
        """Input with `margin` on both sides; gives (count - 2·margin)·factor samples.

        Output k lies k/factor input samples behind input sample `margin`.
        """
        count, channels = samples.shape
        out = np.empty((channels, count - 2 * self.margin, self.factor), np.complex64)
        given = np.ascontiguousarray(samples.T, dtype=np.complex64)
        for channel in range(channels):
            for phase in range(self.factor):
                out[channel, :, phase] = convolve(given[channel], self._bank[phase])
        return out.reshape(channels, -1).T


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
        for channel in range(channels):
            # every phase of the input by itself, so that taps meet neighbours
            for phase in range(min(self.factor, len(self._taps))):
                taps = np.ascontiguousarray(self._taps[phase :: self.factor])
                phased = np.ascontiguousarray(given[channel, phase :: self.factor])
                out[channel] += convolve(phased[: out.shape[1] + len(taps) - 1], taps)
        return out.T


def convolve(samples: npt.NDArray[np.complex64], taps: npt.NDArray[np.float32]) -> npt.NDArray[np.complex64]:
    """Output n is the sum over k of taps[k]·samples[n + k]; as many as have all their samples.

    The taps are not turned round: whoever wants convolution proper gives them from last to first.
    """
    out = np.zeros(2 * (len(samples) - len(taps) + 1), np.float32)
    _slide(samples.view(np.float32), taps, out)
    return out.view(np.complex64)


@njit(cache=True, fastmath=True)
def _slide(given, taps, out):  # type: ignore[no-untyped-def]
    """Real and imaginary parts lie side by side and meet the same tap: one loop for both, vectorised."""
    size = 1024  # stays in the nearest cache
    for start in range(0, out.shape[0], size):
        part = out[start : start + size]
        for k in range(taps.shape[0]):
            tap, met = taps[k], given[start + 2 * k :]
            for n in range(part.shape[0]):
                part[n] += tap * met[n]
