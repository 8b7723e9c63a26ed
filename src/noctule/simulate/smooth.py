"""Smooth functions of time: what people and things move along."""

from __future__ import annotations

from copy import copy

import numpy as np

from noctule.simulate.parts import FloatArray


def step(x: FloatArray) -> FloatArray:
    """0 to 1 with level ends."""
    x = np.clip(x, 0.0, 1.0)
    return np.asarray(x * x * (3.0 - 2.0 * x))


def step_integral(x: FloatArray) -> FloatArray:
    """Integral of `step` from 0."""
    inside = np.clip(x, 0.0, 1.0)
    return np.asarray(inside**3 - 0.5 * inside**4 + np.maximum(np.asarray(x) - 1.0, 0.0))


def minimum_jerk(x: FloatArray) -> FloatArray:
    """0 to 1 as hands go (Flash & Hogan, J. Neurosci. 5, 1985)."""
    x = np.clip(x, 0.0, 1.0)
    return np.asarray(x**3 * (10.0 - 15.0 * x + 6.0 * x * x))


class Curve:
    """Cubic through equally spaced values `(n, ...)` with given or estimated slopes; level beyond its ends.

    Parameters
    ----------
    spacing : between the values.
    slopes : per unit, as `values`; None: from the neighbours.
    """

    def __init__(self, values: FloatArray, spacing: float, slopes: FloatArray | None = None) -> None:
        self._values, self._spacing = values, spacing
        self._slopes = np.gradient(values, spacing, axis=0) if slopes is None else slopes

    def __call__(self, x: FloatArray) -> FloatArray:
        """`x` (times,) to (times, ...)."""
        at = np.clip(np.asarray(x) / self._spacing, 0.0, len(self._values) - 1.0)
        left = np.minimum(at.astype(int), len(self._values) - 2)
        u = (at - left).reshape(-1, *[1] * (self._values.ndim - 1))
        a, b = self._values[left], self._values[left + 1]
        da, db = (self._slopes[n] * self._spacing for n in (left, left + 1))
        return np.asarray(
            a + u * da + u * u * (3.0 * (b - a) - 2.0 * da - db) + u**3 * (2.0 * (a - b) + da + db)
        )


class Wander:
    """A slow random function of time: a few sines that are no multiples of each other; rms 1 and mean 0."""

    def __init__(self, rng: np.random.Generator, lowest_hz: float, highest_hz: float, count: int = 5) -> None:
        self._hz = np.exp(rng.uniform(np.log(lowest_hz), np.log(highest_hz), count))
        self._phase = rng.uniform(0.0, 2.0 * np.pi, count)

    def quarter_later(self) -> Wander:
        """The same, each of its sines a quarter of a turn later."""
        later = copy(self)
        later._phase = self._phase - 0.5 * np.pi
        return later

    def __call__(self, time_s: FloatArray) -> FloatArray:
        turns = 2.0 * np.pi * np.multiply.outer(time_s, self._hz) + self._phase
        return np.asarray(np.sin(turns).sum(-1) * np.sqrt(2.0 / len(self._hz)))
