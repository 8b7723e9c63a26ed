"""CMU takes as rows of exponential maps: 117 numbers a line, as used to train motion prediction.

A row is the place of the hips, then one rotation vector for each of the 38 nodes (ends included) of the
database's BVH edition. The skeleton is not in the file; it is the one published with these rows
(Li et al., "Convolutional sequence to sequence model for human dynamics", CVPR 2018).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from noctule.core.errors import NoctuleError
from noctule.simulate.mocap.take import Take, rotation, take_of, upright
from noctule.simulate.parts import FloatArray

COLUMNS = 117
#: The database's own: 120 frames a second, a unit is 1/0.45 inch.
_RATE_HZ, _CUTOFF_HZ, _UNIT_M = 120.0, 10.0, 0.0254 / 0.45
#: Node: (node above, joint it is, offset in units: x left, y up, z ahead); parents first, the rest left out.
_NODES: dict[int, tuple[int, str, tuple[float, float, float]]] = {
    0: (-1, "pelvis", (0.0, 0.0, 0.0)),
    1: (0, "", (0.0, 0.0, 0.0)),
    2: (1, "left_hip", (1.657, -1.803, 0.625)),
    3: (2, "left_knee", (2.597, -7.136, 0.0)),
    4: (3, "left_ankle", (2.492, -6.848, 0.0)),
    5: (4, "left_toe", (0.197, -0.541, 2.146)),
    7: (0, "", (0.0, 0.0, 0.0)),
    8: (7, "right_hip", (-1.611, -1.803, 0.625)),
    9: (8, "right_knee", (-2.595, -7.130, 0.0)),
    10: (9, "right_ankle", (-2.468, -6.780, 0.0)),
    11: (10, "right_toe", (-0.230, -0.633, 2.134)),
    13: (0, "", (0.0, 0.0, 0.0)),
    14: (13, "", (0.020, 2.055, -0.141)),
    15: (14, "", (0.010, 2.064, -0.059)),
    16: (15, "", (0.0, 0.0, 0.0)),
    17: (16, "neck", (0.007, 1.567, 0.150)),
    18: (17, "head", (0.034, 1.560, -0.100)),
    20: (15, "", (0.0, 0.0, 0.0)),
    21: (20, "left_shoulder", (3.542, 0.904, -0.174)),
    22: (21, "left_elbow", (4.865, 0.0, 0.0)),
    23: (22, "left_wrist", (3.356, 0.0, 0.0)),
    29: (15, "", (0.0, 0.0, 0.0)),
    30: (29, "right_shoulder", (-3.498, 0.760, -0.326)),
    31: (30, "right_elbow", (-5.026, 0.0, 0.0)),
    32: (31, "right_wrist", (-3.364, 0.0, 0.0)),
}


def read_expmap(path: Path, lines: list[str]) -> Take:
    rows = _rows(path, lines)
    if not rows[0, 3:6].any():
        rows = rows[1:]  # the skeleton's rest pose, which nobody took
    places: dict[int, FloatArray] = {}
    turns: dict[int, FloatArray] = {}
    for node, (above, _, offset) in _NODES.items():
        own = _turned_back(rows[:, 3 + 3 * node : 6 + 3 * node])
        if above < 0:
            places[node], turns[node] = rows[:, :3], _reordered(own)
        else:
            places[node] = places[above] + turns[above] @ np.array(offset)
            turns[node] = turns[above] @ own
    found = {joint: upright(places[node]) * _UNIT_M for node, (_, joint, _) in _NODES.items() if joint}
    return take_of(path, found, _RATE_HZ, _CUTOFF_HZ)


def _rows(path: Path, lines: list[str]) -> FloatArray:
    rows: list[list[float]] = []
    for number, line in enumerate(lines, start=1):
        words = [word for word in line.split(",") if word.strip()]
        if not words:
            continue
        if len(words) != COLUMNS:
            raise NoctuleError(f"{path}:{number}: {len(words)} numbers, not {COLUMNS}")
        try:
            rows.append([float(word) for word in words])
        except ValueError:
            raise NoctuleError(f"{path}:{number}: not a number in '{line[:60]}'") from None
    if len(rows) < 2:
        raise NoctuleError(f"{path}: {len(rows)} rows are no movement")
    return np.array(rows)


def _reordered(turn: FloatArray) -> FloatArray:
    """The root's true rotation, Z then Y then X as in the BVH edition.

    Its angles were put together in the order Z, X, Y when these rows were made: a walk that does not go
    along z slides over the floor by 0.4-1.3 m/s unless that is undone, and by 0.02-0.16 m/s once it is.
    """
    x = np.degrees(np.arcsin(np.clip(turn[:, 2, 1], -1.0, 1.0)))
    y = np.degrees(np.arctan2(-turn[:, 2, 0], turn[:, 2, 2]))
    z = np.degrees(np.arctan2(-turn[:, 0, 1], turn[:, 1, 1]))
    over = np.abs(y) > 90.0  # the middle one of Z, Y, X is within a quarter turn: the other set of angles
    x, y, z = np.where(over, 180.0 - x, x), np.where(over, y + 180.0, y), np.where(over, z + 180.0, z)
    return rotation("Z", z) @ rotation("Y", y) @ rotation("X", x)


def _turned_back(vector: FloatArray) -> FloatArray:
    """Rotation vectors (times, 3) to matrices (Rodrigues); the files hold the inverse of the joint's turn."""
    angle = np.linalg.norm(vector, axis=-1)
    x, y, z = (-vector / np.maximum(angle, 1e-12)[:, None]).T
    zero = np.zeros_like(x)
    cross = np.stack(
        [np.stack([zero, -z, y], -1), np.stack([z, zero, -x], -1), np.stack([-y, x, zero], -1)], -2
    )
    s, c = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    return np.asarray(np.eye(3) + s * cross + (1.0 - c) * (cross @ cross))
