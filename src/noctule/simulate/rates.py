"""Real sound from any rate to any other, as a function of time: a stretch depends on its place alone."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from noctule.simulate.parts import FloatArray

Samples = npt.NDArray[Any]  # (count, channels), float64 or complex128

#: What is above half of the lower rate is gone, within this ripple.
_RIPPLE_DB = 75.0
#: The filter passes up to 0.44 of the lower rate and stops from 0.52 of it: at 6 kHz 2640 Hz pass.
_EDGE, _TRANSITION = 0.48, 0.08


def change_rate(
    read: Callable[[int, int], Samples], from_hz: float, to_hz: float, first_sample: int, count: int
) -> Samples:
    """Windowed-sinc interpolation without delay: sample k of both lies at k / rate seconds.

    A constant stays what it is: every phase of the filter adds to one.

    Parameters
    ----------
    read : gives `(count, channels)` from a first sample on, at `from_hz`; asked for a little more than the
        stretch on both sides, so it must answer for any samples, negative ones too.
    first_sample, count : the stretch, at `to_hz`.

    Returns
    -------
    `(count, channels)`, what `read` gives: float64 or complex128.
    """
    if from_hz == to_hz:
        return read(first_sample, count)
    up, down, bank = _filters(from_hz, to_hz)
    half = bank.shape[1] // 2
    start = first_sample * down // up - half + 1
    stop = (first_sample + count - 1) * down // up + half + 1
    samples = read(start, max(0, stop - start))
    # real and imaginary parts as rows: the filter is real, and a row is one stretch of memory
    rows = np.ascontiguousarray(np.ascontiguousarray(samples).view(np.float64).T)
    # where sample 0 of the answer lies, in 1/up samples of what was read
    place = first_sample * down - (start + half - 1) * up
    answer = np.ascontiguousarray(_convolve(rows, bank, place, up, down, count).T)
    return answer.view(samples.dtype)


@lru_cache(maxsize=16)
def _filters(from_hz: float, to_hz: float) -> tuple[int, int, FloatArray]:
    """`up`/`down` is the ratio of rates; the bank is (up, taps): a row for each place between two samples.

    A Kaiser window after Kaiser's formulas for ripple and transition (Oppenheim & Schafer, section 7.5).
    """
    ratio = Fraction(to_hz / from_hz).limit_denominator(4096)
    lower = min(1.0, to_hz / from_hz)
    half = int(np.ceil((_RIPPLE_DB - 7.95) / (14.36 * _TRANSITION * lower) / 2))
    offset = np.arange(-half + 1, half + 1) - np.arange(ratio.numerator)[:, None] / ratio.numerator
    window = np.i0(0.1102 * (_RIPPLE_DB - 8.7) * np.sqrt(np.maximum(0.0, 1.0 - (offset / half) ** 2)))
    bank = window * np.sinc(2.0 * _EDGE * lower * offset)
    return ratio.numerator, ratio.denominator, bank / bank.sum(axis=1, keepdims=True)


@njit(cache=True, fastmath={"reassoc", "contract"})
def _convolve(
    rows: FloatArray, bank: FloatArray, place: int, up: int, down: int, count: int
) -> FloatArray:  # pragma: no cover - compiled
    taps = bank.shape[1]
    out = np.zeros((rows.shape[0], count))
    for channel in range(rows.shape[0]):
        row = rows[channel]
        for n in range(count):
            where = place + n * down
            weights, stretch = bank[where % up], row[where // up :]
            total = 0.0
            for k in range(taps):
                total += weights[k] * stretch[k]
            out[channel, n] = total
    return out
