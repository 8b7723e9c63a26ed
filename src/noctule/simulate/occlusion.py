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
#: What is nearer to the floor stands on it.
OFF_THE_FLOOR_M = 0.05


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
            out[t, p] = max(out[t, p], 10.0 ** (-DARKEST_DB / 20.0))


@njit(cache=True, error_model="numpy")
def _deepest(point, end, centre, half, is_round):  # type: ignore[no-untyped-def]
    """How deep the line from end to point goes into the obstacle, metres, negative outside; and where.

    Depth is the way to the nearest free edge across the line: to the left, to the right, over the top. Looked
    at along the line, so a board is as wide as it looks, however thin it is.
    """
    way_x, way_y, climb = point[0] - end[0], point[1] - end[1], point[2] - end[2]
    over_floor = np.sqrt(way_x * way_x + way_y * way_y)
    if over_floor < 1e-6:  # straight down: any direction will do
        over_floor, way_x, way_y = 1e-6, 1e-6, 0.0
    ux, uy, climb = way_x / over_floor, way_y / over_floor, climb / over_floor
    # the obstacle's middle from the end: along the way over the floor, and aside of it
    dx, dy = centre[0] - end[0], centre[1] - end[1]
    along, aside = dx * ux + dy * uy, dy * ux - dx * uy
    if is_round:
        depth = half[0] - abs(aside)
        reach = np.sqrt(max(half[0] * half[0] - aside * aside, 0.0))
        first, last = along - reach, along + reach
    else:
        depth = half[0] * abs(uy) + half[1] * abs(ux) - abs(aside)
        first, last = _between_faces(dx, half[0], ux, dy, half[1], uy)
        if depth < 0.0 or first > last:  # it passes by the nearest corner
            turn = half[1] * np.sign(ux) * uy - half[0] * np.sign(uy) * ux
            first = last = along - np.sign(aside) * turn
    if last <= 0.0 or first >= over_floor:
        return -1e9, 0.5
    first, last = max(first, 0.0), min(last, over_floor)
    z_first, z_last = end[2] + climb * first - centre[2], end[2] + climb * last - centre[2]
    level = 1.0 / np.sqrt(1.0 + climb * climb)  # heights across the line
    depth = min(depth, level * (half[2] - min(z_first, z_last)))
    if centre[2] - half[2] > OFF_THE_FLOOR_M:  # what stands on the floor has no free edge below
        depth = min(depth, level * (half[2] + max(z_first, z_last)))
    return depth, 0.5 * (first + last) / over_floor


@njit(cache=True, error_model="numpy")
def _between_faces(dx, half_x, ux, dy, half_y, uy):  # type: ignore[no-untyped-def]
    """From where to where a line over the floor is between both pairs of a box's faces."""
    first, last = -1e9, 1e9
    if abs(ux) > 1e-9:
        first, last = (dx - np.sign(ux) * half_x) / ux, (dx + np.sign(ux) * half_x) / ux
    if abs(uy) > 1e-9:
        first = max(first, (dy - np.sign(uy) * half_y) / uy)
        last = min(last, (dy + np.sign(uy) * half_y) / uy)
    return first, last


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
