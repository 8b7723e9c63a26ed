"""Shadows: what furniture and people leave of the sound that passes behind them.

At these wavelengths (1 cm) shadows are nearly sharp. What bends round an edge follows Kurze and Anderson's
formula (1971) for a thin screen, with the Fresnel number of the detour over the nearest edge, so that the
light comes back smoothly as a point walks out of the shadow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from noctule.simulate.parts import FloatArray

#: No shadow is darker: something always comes round by other ways.
DARKEST_DB = 30.0
_STEPS = 12


@dataclass(frozen=True, slots=True)
class Obstacles:
    """Upright things in the way, on a grid of times.

    centre_m : (times, obstacles, 3).
    half_m : (obstacles, 3) half the size of boxes; for round ones the radius stands in the first place.
    is_round : (obstacles,) bool.
    """

    centre_m: FloatArray
    half_m: FloatArray
    is_round: np.ndarray[tuple[int], np.dtype[np.bool_]]


def lit_share(
    position_m: FloatArray, end_m: FloatArray, obstacles: Obstacles, wavelength_m: float
) -> FloatArray:
    """Amplitude left between points (times, points, 3) and a fixed end (3,): (times, points), 1 is all."""
    out = np.ones(position_m.shape[:2])
    _shade(position_m, end_m, obstacles.centre_m, obstacles.half_m, obstacles.is_round, wavelength_m, out)
    return out


@njit(cache=True, error_model="numpy")
def _shade(position, end, centre, half, is_round, wavelength, out):  # type: ignore[no-untyped-def]
    for t in range(position.shape[0]):
        for p in range(position.shape[1]):
            for o in range(half.shape[0]):
                depth, share = _deepest(position[t, p], end, centre[t, o], half[o], is_round[o])
                length = np.sqrt(np.sum((position[t, p] - end) ** 2))
                near, far = max(share * length, 0.05), max((1.0 - share) * length, 0.05)
                detour = 0.5 * depth * depth * (1.0 / near + 1.0 / far)
                out[t, p] *= _screen(np.sign(depth) * 2.0 * detour / wavelength)


@njit(cache=True, error_model="numpy")
def _deepest(point, end, centre, half, is_round):  # type: ignore[no-untyped-def]
    """How deep the line from end to point goes into the obstacle, metres, negative outside; and where."""
    # the depth along the line is concave: golden section would do, a few fixed steps and halvings are simpler
    low, high = 0.0, 1.0
    best, at = -1e9, 0.0
    for _ in range(3):
        step = (high - low) / _STEPS
        for n in range(_STEPS + 1):
            x = low + n * step
            depth = _depth(end + x * (point - end), centre, half, is_round)
            if depth > best:
                best, at = depth, x
        low, high = max(at - step, 0.0), min(at + step, 1.0)
    return best, at


@njit(cache=True, error_model="numpy")
def _depth(point, centre, half, is_round):  # type: ignore[no-untyped-def]
    x, y, z = abs(point[0] - centre[0]), abs(point[1] - centre[1]), abs(point[2] - centre[2])
    # sound bends over the nearest free edge; the floor below is none
    across = half[0] - np.sqrt(x * x + y * y) if is_round else min(half[0] - x, half[1] - y)
    return min(across, half[2] - z)


@njit(cache=True, error_model="numpy")
def _screen(fresnel_number):  # type: ignore[no-untyped-def]
    """Amplitude behind a screen; its edge (0) takes 5 dB, and nothing is lost well outside."""
    root = np.sqrt(2.0 * np.pi * abs(fresnel_number))
    if fresnel_number < 0.0:
        if root > 1.09:  # 5 + 20 lg(x/tan x) is 0 here
            return 1.0
        db = 5.0 + 20.0 * np.log10(root / np.tan(root)) if root > 1e-3 else 5.0
    else:
        db = 5.0 + 20.0 * np.log10(root / np.tanh(root)) if root > 1e-3 else 5.0
    return 10.0 ** (-min(max(db, 0.0), DARKEST_DB) / 20.0)
