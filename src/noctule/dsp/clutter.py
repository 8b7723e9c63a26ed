"""The static part of each analysis window: the direct path and everything that stands still.

The carrier is 40-90 dB above a person. Inside one window it is a constant, or almost (a second
clock turns it slowly, a body in the way fades it slowly), so the best-fitting constant and slope are
subtracted: a notch about one velocity cell wide at every carrier. Nothing is remembered between
windows, so there is no settling after a start, a gap or a step. Cost: 5 multiply-adds a sample.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from noctule.core.frames import Complex64Array, Float32Array


class ClutterRemover:
    """Subtract constant and slope, fitted under the analysis window, and apply the window.

    Parameters
    ----------
    window : (samples,) the taper of the spectrum that follows. Fitting with its square as weight
        makes exactly what the taper would leak vanish.
    """

    def __init__(self, window: Float32Array) -> None:
        t = np.linspace(-1.0, 1.0, len(window))
        weight = window.astype(np.float64) ** 2
        # even weight: constant and slope are orthogonal, each coefficient is one weighted mean
        self._mean = (weight / weight.sum()).astype(np.float32)
        self._slope = (weight * t / (weight * t**2).sum()).astype(np.float32)
        self._time = t.astype(np.float32)
        self._window = window.astype(np.float32)

    def remove(
        self, baseband: Complex64Array, frames: int, hop_samples: int, start: int = 0
    ) -> tuple[Complex64Array, Complex64Array]:
        """Cut windows out of baseband `(channels, samples)`, the first one at sample `start`.

        Returns
        -------
        moving : (frames, channels, window samples), without clutter, tapered.
        carrier : (frames, channels), the constant: half the amplitude of the tone, and its phase.
        """
        found: tuple[Complex64Array, Complex64Array] = _remove(
            baseband, start, frames, hop_samples, self._mean, self._slope, self._time, self._window
        )
        return found


@njit(cache=True, fastmath=True)
def _remove(baseband, start, frames, hop, mean, slope, time, window):  # type: ignore[no-untyped-def]
    channels, samples = len(baseband), len(window)
    moving = np.empty((frames, channels, samples), np.complex64)
    carrier = np.empty((frames, channels), np.complex64)
    for f in range(frames):
        for c in range(channels):
            first = start + f * hop
            x = baseband[c, first : first + samples]
            level = np.complex64(0)
            drift = np.complex64(0)
            for n in range(samples):
                level += x[n] * mean[n]
                drift += x[n] * slope[n]
            for n in range(samples):
                moving[f, c, n] = (x[n] - level - drift * time[n]) * window[n]
            carrier[f, c] = level
    return moving, carrier
