"""Any sound at the card's rate, without anything above an edge: piece by piece, without a seam."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from scipy.signal import firwin, kaiser_beta, upfirdn

from noctule.core.frames import Float32Array

#: What lies above the edge is so far down.
STOP_DB = 110.0
#: From where the sound begins to fall to where nothing is left; less where that would be a tenth of the edge.
TRANSITION_HZ = 1500.0
#: Common rates are fractions with a smaller denominator (44.1 kHz to 96 kHz: 320/147). Others are met within
#: 2 parts in a million, which nobody hears.
LARGEST_DENOMINATOR = 640


class Resampler:
    """Changes the rate and takes off what is above an edge, with one linear-phase filter.

    Parameters
    ----------
    edge_hz : nothing is left from here on; less where the sound itself ends before.
    """

    def __init__(self, from_hz: float, to_hz: float, edge_hz: float) -> None:
        ratio = (Fraction(to_hz) / Fraction(from_hz)).limit_denominator(LARGEST_DENOMINATOR)
        self._up, self._down = ratio.numerator, ratio.denominator
        edge_hz = min(edge_hz, from_hz / 2.0, to_hz / 2.0)
        transition_hz = min(TRANSITION_HZ, 0.1 * edge_hz)
        rate_hz = self._up * from_hz  # of the filter
        # Kaiser's formula; an odd number, so that the delay is whole
        count = 2 * int((STOP_DB - 7.95) / (4.0 * 14.36 * transition_hz / (2.0 * rate_hz))) + 1
        window = ("kaiser", kaiser_beta(STOP_DB))
        self._taps = self._up * firwin(count, edge_hz - transition_hz / 2.0, window=window, fs=rate_hz)
        self._heard: np.ndarray | None = None  # what the filter still needs, from input `_from` on
        self._from = self._given = 0

    def process(self, samples: np.ndarray) -> Float32Array:
        """`(samples, channels)` in, as many as are whole out."""
        heard = samples if self._heard is None else np.concatenate([self._heard, samples])
        end = self._from + len(heard)
        # output m is the sum of taps[m·down − k·up]·input[k]: those whose inputs are all here
        ready = max(self._given, -(-end * self._up // self._down))
        offset = self._from * self._up // self._down  # whole: `_from` is a multiple of `down`
        first = self._given - offset
        out = upfirdn(self._taps, heard, self._up, self._down, axis=0)[first : ready - offset]
        self._given = ready
        oldest = (ready * self._down - len(self._taps)) // self._up
        keep = max(self._from, oldest // self._down * self._down)
        self._heard, self._from = heard[keep - self._from :], keep
        return np.asarray(out, np.float32)

    def flush(self, channels: int) -> Float32Array:
        """What was still under way."""
        return self.process(np.zeros((len(self._taps) // self._up + 1, channels)))
