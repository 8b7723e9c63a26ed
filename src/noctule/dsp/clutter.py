"""The static part of each analysis window: the direct path and everything that stands still.

The carrier is 40-90 dB above a person. Inside one window it is a constant, or almost (a second
clock turns it slowly, a body in the way fades it slowly), so the best-fitting constant and slope are
subtracted: a notch about one velocity cell wide at every carrier. Nothing is remembered between
windows, so there is no settling after a start, a gap or a step. Cost: 4 multiply-adds a sample.
"""

from __future__ import annotations

import numpy as np

from noctule.core.frames import Complex64Array, Float32Array


class ClutterRemover:
    """Subtract constant and slope, fitted under the analysis window.

    Parameters
    ----------
    window : (samples,) the taper of the spectrum that follows. Fitting with its square as weight
        makes exactly what the taper would leak vanish.
    """

    def __init__(self, window: Float32Array) -> None:
        n = len(window)
        t = np.linspace(-1.0, 1.0, n)
        basis = np.stack((np.ones(n), t))
        weight = window.astype(np.float64) ** 2
        # even weight: constant and slope are orthogonal, each coefficient is one weighted mean
        fit = basis * weight / np.sum(basis**2 * weight, axis=1, keepdims=True)
        self._basis = basis.astype(np.complex64)
        self._fit = np.ascontiguousarray(fit.T).astype(np.complex64)

    def remove(self, windows: Complex64Array) -> tuple[Complex64Array, Complex64Array]:
        """Split windows `(..., samples)` into what moves and the carrier's phasor `(...)`."""
        coefficients = windows @ self._fit
        return windows - coefficients @ self._basis, coefficients[..., 0]
