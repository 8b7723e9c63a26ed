"""A posture as a row of angles, and the joints that follow: bones keep their lengths by construction."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from noctule.simulate.parts import FloatArray
from noctule.simulate.pose import JOINT

if TYPE_CHECKING:
    from noctule.simulate.body import Body

#: What a posture is made of; angles in radians. `pelvis_*_m` against where the person stands (x forward, z
#: above the floor); `lean` forward, `sway` to the left, `turn` of the hips and `twist` of the shoulders to
#: the left. Arms hang down at 0: `raise` forward, `spread` away from the body, `elbow` bends the forearm
#: forward and up, `inwards` swings it across the belly. Legs: `hip` forward, `open` sideways, `knee` bends
#: back, `foot` lifts the toes.
ANGLES = (
    "pelvis_x_m", "pelvis_y_m", "pelvis_z_m", "lean", "sway", "turn", "twist", "look", "nod",
    "left_raise", "left_spread", "left_elbow", "left_inwards",
    "right_raise", "right_spread", "right_elbow", "right_inwards",
    "left_hip", "left_open", "left_knee", "left_foot",
    "right_hip", "right_open", "right_knee", "right_foot",
)  # fmt: skip
ANGLE = {name: index for index, name in enumerate(ANGLES)}
#: The compiled loop relies on the order of both lists: sides follow each other, arms by 3 and legs by 4.
_PELVIS, _CHEST, _NECK, _HEAD = (JOINT[name] for name in ("pelvis", "chest", "neck", "head"))
_SHOULDER, _HIP = JOINT["left_shoulder"], JOINT["left_hip"]


def angles(body: Body, **given: float) -> FloatArray:
    """A posture `(angles,)`: standing straight, arms hanging, but for what is given."""
    row = np.zeros(len(ANGLES))
    row[ANGLE["pelvis_z_m"]] = body.standing_pelvis_m
    row[[ANGLE["left_elbow"], ANGLE["right_elbow"]]] = 0.15
    for name, value in given.items():
        row[ANGLE[name]] = value
    return row


def joints(body: Body, rows: FloatArray) -> FloatArray:
    """Postures `(times, angles)` to joints `(times, 18, 3)` in the person's own frame."""
    lengths = (
        body.trunk_m,
        body.neck_to_head_m,
        body.upper_arm_m,
        body.forearm_m,
        body.thigh_m,
        body.shank_m,
        0.75 * body.foot_m,
        0.8 * body.ankle_height_m,  # the toe lies lower than the ankle by what the ankle is above the sole
        0.5 * body.shoulder_width_m,
        0.5 * body.hip_width_m,
    )
    return np.asarray(_joints(np.ascontiguousarray(rows), np.array(lengths)))


@njit(cache=True, fastmath=True, error_model="numpy")
def _joints(rows, lengths):  # type: ignore[no-untyped-def]
    trunk, to_head, upper_arm, forearm, thigh, shank, foot, heel, half_shoulders, half_hips = lengths
    out = np.empty((rows.shape[0], 18, 3))
    for t in range(rows.shape[0]):
        a, o = rows[t], out[t]
        lean, sway, turn, twist, look, nod = a[3], a[4], a[5], a[6], a[7], a[8]
        # trunk: up, leaning in the direction of the hips, swaying to the side
        hip_c, hip_s = math.cos(turn), math.sin(turn)
        sx, sy, sz = math.sin(lean), math.sin(sway) * math.cos(lean), math.cos(lean) * math.cos(sway)
        spine_x, spine_y, spine_z = hip_c * sx - hip_s * sy, hip_s * sx + hip_c * sy, sz
        _place(o, _PELVIS, a[0], a[1], a[2])
        _reach(o, _CHEST, _PELVIS, 0.72 * trunk, spine_x, spine_y, spine_z)
        _reach(o, _NECK, _PELVIS, trunk, spine_x, spine_y, spine_z)
        bow = 0.3 * lean + nod
        c, s = math.cos(turn + twist + look), math.sin(turn + twist + look)
        sx, sy, sz = math.sin(bow), math.sin(sway) * math.cos(bow), math.cos(bow) * math.cos(sway)
        _reach(o, _HEAD, _NECK, to_head, c * sx - s * sy, s * sx + c * sy, sz)
        c, s = math.cos(turn + twist), math.sin(turn + twist)
        for side in range(2):
            sign = 1.0 - 2.0 * side
            # arm: the forearm bends in the upper arm's plane, and swings inwards about the vertical
            shoulder, lift, spread = _SHOULDER + 3 * side, a[9 + 4 * side], sign * a[10 + 4 * side]
            bend, inwards = lift + a[11 + 4 * side], -sign * a[12 + 4 * side]
            _reach(o, shoulder, _NECK, -0.12 * trunk, spine_x, spine_y, spine_z)
            o[shoulder, 0] -= sign * half_shoulders * s
            o[shoulder, 1] += sign * half_shoulders * c
            x, y = math.sin(lift) * math.cos(spread), math.sin(spread)
            z = -math.cos(lift) * math.cos(spread)
            _reach(o, shoulder + 1, shoulder, upper_arm, c * x - s * y, s * x + c * y, z)
            x, y = math.sin(bend) * math.cos(spread), math.sin(spread)
            z = -math.cos(bend) * math.cos(spread)
            ci, si = math.cos(inwards), math.sin(inwards)
            x, y = ci * x - si * y, si * x + ci * y
            _reach(o, shoulder + 2, shoulder + 1, forearm, c * x - s * y, s * x + c * y, z)
            # leg
            hip, flex, open_ = _HIP + 4 * side, a[17 + 4 * side], sign * a[18 + 4 * side]
            below = flex - a[19 + 4 * side]
            pitch = below + a[20 + 4 * side]
            _reach(o, hip, _PELVIS, sign * half_hips, -hip_s, hip_c, 0.0)
            y = math.sin(open_)
            x, z = math.sin(flex) * math.cos(open_), -math.cos(flex) * math.cos(open_)
            _reach(o, hip + 1, hip, thigh, hip_c * x - hip_s * y, hip_s * x + hip_c * y, z)
            x, z = math.sin(below) * math.cos(open_), -math.cos(below) * math.cos(open_)
            _reach(o, hip + 2, hip + 1, shank, hip_c * x - hip_s * y, hip_s * x + hip_c * y, z)
            x = foot * math.cos(pitch) + heel * math.sin(pitch)
            z = foot * math.sin(pitch) - heel * math.cos(pitch)
            _reach(o, hip + 3, hip + 2, 1.0, hip_c * x, hip_s * x, z)
    return out


@njit(cache=True, fastmath=True, inline="always")
def _place(o, joint, x, y, z):  # type: ignore[no-untyped-def]
    o[joint, 0], o[joint, 1], o[joint, 2] = x, y, z


@njit(cache=True, fastmath=True, inline="always")
def _reach(o, joint, start, length, x, y, z):  # type: ignore[no-untyped-def]
    """A joint so far from another in a direction."""
    o[joint, 0] = o[start, 0] + length * x
    o[joint, 1] = o[start, 1] + length * y
    o[joint, 2] = o[start, 2] + length * z
