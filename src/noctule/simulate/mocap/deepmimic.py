"""DeepMimic's humanoid: JSON with one period of a movement, 44 numbers a frame (Peng et al., SIGGRAPH 2018).

Duration of the frame, the root's place, then quaternions (w, x, y, z) of root, chest and neck, then for the
right and the left side hip, knee, ankle, shoulder, elbow; knees and elbows are one angle about z. x is ahead,
y up, z to the right.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from noctule.core.errors import NoctuleError
from noctule.simulate.mocap.take import Take, rotation, take_of
from noctule.simulate.parts import FloatArray

COLUMNS = 44
_CUTOFF_HZ = 8.0
#: A period is about a second: so many follow each other, each where the one before ended.
_PERIODS = 12
#: The character's bones, metres; sideways to the right.
_CHEST, _NECK, _HEAD = (0.0, 0.236, 0.0), (0.0, 0.224, 0.0), (0.0, 0.15, 0.0)
_HIP, _THIGH, _SHANK, _FOOT = (0.0, 0.0, 0.085), (0.0, -0.422, 0.0), (0.0, -0.410, 0.0), (0.15, -0.04, 0.0)
_SHOULDER, _UPPER_ARM, _FOREARM = (-0.024, 0.2435, 0.183), (0.0, -0.275, 0.0), (0.0, -0.259, 0.0)


def read_deepmimic(path: Path, lines: list[str]) -> Take:
    try:
        content = json.loads("\n".join(lines))
        rows = np.array(content["Frames"], np.float64)
    except (ValueError, KeyError, TypeError) as error:
        raise NoctuleError(f"{path}: not a whole DeepMimic file: {str(error).splitlines()[0]}") from None
    if rows.ndim != 2 or len(rows) < 2 or rows.shape[1] != COLUMNS:
        raise NoctuleError(f"{path}: frames of {rows.shape[1:]} numbers, not a humanoid's {COLUMNS}")
    step_s = rows[0, 0]
    if not 0.005 <= step_s <= 0.2 or not np.allclose(rows[:-1, 0], step_s, rtol=0.02):
        raise NoctuleError(f"{path}: frames of uneven or impossible duration ({step_s:g} s)")
    if content.get("Loop") == "wrap":
        rows = _repeated(rows)
    return take_of(path, _joints(rows), 1.0 / step_s, _CUTOFF_HZ)


def _repeated(rows: FloatArray) -> FloatArray:
    """The last frame is the first of the next period, further on over the floor."""
    onward = np.zeros(rows.shape[1])
    onward[[1, 3]] = rows[-1, [1, 3]] - rows[0, [1, 3]]
    return np.concatenate([rows[:-1] + n * onward for n in range(_PERIODS)])


def _joints(rows: FloatArray) -> dict[str, FloatArray]:
    place, turn = rows[:, 1:4], _matrices(rows[:, 4:8])
    chest = place + turn @ np.array(_CHEST)
    trunk = turn @ _matrices(rows[:, 8:12])
    neck = chest + trunk @ np.array(_NECK)
    found = {"neck": neck, "head": neck + trunk @ _matrices(rows[:, 12:16]) @ np.array(_HEAD)}
    for side, sign, first in (("right", 1.0, 16), ("left", -1.0, 30)):
        mirrored = np.array([1.0, 1.0, sign])
        part = rows[:, first : first + 14]
        thigh = turn @ _matrices(part[:, :4])
        shank = thigh @ rotation("Z", np.degrees(part[:, 4]))
        foot = shank @ _matrices(part[:, 5:9])
        arm = trunk @ _matrices(part[:, 9:13])
        forearm = arm @ rotation("Z", np.degrees(part[:, 13]))
        found[f"{side}_hip"] = hip = place + turn @ (mirrored * _HIP)
        found[f"{side}_knee"] = knee = hip + thigh @ np.array(_THIGH)
        found[f"{side}_ankle"] = ankle = knee + shank @ np.array(_SHANK)
        found[f"{side}_toe"] = ankle + foot @ np.array(_FOOT)
        found[f"{side}_shoulder"] = shoulder = chest + trunk @ (mirrored * _SHOULDER)
        found[f"{side}_elbow"] = elbow = shoulder + arm @ np.array(_UPPER_ARM)
        found[f"{side}_wrist"] = elbow + forearm @ np.array(_FOREARM)
    # x ahead, y up, z right to x ahead, y left, z up
    return {joint: track[:, [0, 2, 1]] * [1.0, -1.0, 1.0] for joint, track in found.items()}


def _matrices(quaternion: FloatArray) -> FloatArray:
    """(times, 4) as w, x, y, z to (times, 3, 3)."""
    w, x, y, z = (quaternion / np.linalg.norm(quaternion, axis=-1, keepdims=True)).T
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, -1) for row in rows], -2)
