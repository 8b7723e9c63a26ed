"""A posture as a row of angles, and the joints that follow: bones keep their lengths by construction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from noctule.simulate.parts import FloatArray
from noctule.simulate.pose import JOINTS

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
_FORWARD, _LEFT, _UP = np.eye(3)


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
    a = {name: rows[:, index] for name, index in ANGLE.items()}
    out = np.zeros((len(rows), len(JOINTS), 3))
    at = {name: out[:, index] for index, name in enumerate(JOINTS)}
    at["pelvis"][:] = np.stack([a["pelvis_x_m"], a["pelvis_y_m"], a["pelvis_z_m"]], -1)
    # trunk: up, leaning in the direction of the hips, swaying to the side
    hips = _about_z(a["turn"])
    up = _towards(a["lean"], a["sway"])
    spine = np.einsum("tij,tj->ti", hips, up)
    at["chest"][:] = at["pelvis"] + 0.72 * body.trunk_m * spine
    at["neck"][:] = at["pelvis"] + body.trunk_m * spine
    shoulders = hips @ _about_z(a["twist"])
    gaze = shoulders @ _about_z(a["look"])
    head = np.einsum("tij,tj->ti", gaze, _towards(0.3 * a["lean"] + a["nod"], a["sway"]))
    at["head"][:] = at["neck"] + body.neck_to_head_m * head
    for side, sign in (("left", 1.0), ("right", -1.0)):
        _arm(body, a, at, side, sign, shoulders, spine)
        _leg(body, a, at, side, sign, hips)
    return out


def _arm(
    body: Body,
    a: dict[str, FloatArray],
    at: dict[str, FloatArray],
    side: str,
    sign: float,
    frame: FloatArray,
    spine: FloatArray,
) -> None:
    shoulder = at[f"{side}_shoulder"]
    shoulder[:] = at["neck"] - 0.12 * body.trunk_m * spine
    shoulder += 0.5 * sign * body.shoulder_width_m * frame[:, :, 1]
    lift, spread = a[f"{side}_raise"], a[f"{side}_spread"]
    upper = _limb(lift, sign * spread)
    # the forearm bends in the upper arm's plane, and swings inwards about the vertical
    fore = _limb(lift + a[f"{side}_elbow"], sign * spread)
    swing = -sign * a[f"{side}_inwards"]
    c, s = np.cos(swing), np.sin(swing)
    fore = np.stack([c * fore[:, 0] - s * fore[:, 1], s * fore[:, 0] + c * fore[:, 1], fore[:, 2]], -1)
    at[f"{side}_elbow"][:] = shoulder + body.upper_arm_m * np.einsum("tij,tj->ti", frame, upper)
    at[f"{side}_wrist"][:] = at[f"{side}_elbow"] + body.forearm_m * np.einsum("tij,tj->ti", frame, fore)


def _leg(
    body: Body, a: dict[str, FloatArray], at: dict[str, FloatArray], side: str, sign: float, frame: FloatArray
) -> None:
    hip = at[f"{side}_hip"]
    hip[:] = at["pelvis"] + 0.5 * sign * body.hip_width_m * frame[:, :, 1]
    flex, spread = a[f"{side}_hip"], sign * a[f"{side}_open"]
    below = flex - a[f"{side}_knee"]
    foot = below + a[f"{side}_foot"]
    at[f"{side}_knee"][:] = hip + body.thigh_m * np.einsum("tij,tj->ti", frame, _limb(flex, spread))
    at[f"{side}_ankle"][:] = at[f"{side}_knee"] + body.shank_m * np.einsum(
        "tij,tj->ti", frame, _limb(below, spread)
    )
    toe = np.stack([np.cos(foot), 0.0 * foot, np.sin(foot)], -1)
    # the toe lies lower than the ankle by what the ankle is above the sole
    drop = np.stack([np.sin(foot), 0.0 * foot, -np.cos(foot)], -1)
    way = 0.75 * body.foot_m * toe + 0.8 * body.ankle_height_m * drop
    at[f"{side}_toe"][:] = at[f"{side}_ankle"] + np.einsum("tij,tj->ti", frame, way)


def _limb(forward: FloatArray, aside: FloatArray) -> FloatArray:
    """Unit vectors that hang down at zero, (times, 3)."""
    return np.stack([np.sin(forward) * np.cos(aside), np.sin(aside), -np.cos(forward) * np.cos(aside)], -1)


def _towards(lean: FloatArray, sway: FloatArray) -> FloatArray:
    """Unit vectors that point up at zero, (times, 3)."""
    return np.stack([np.sin(lean), np.sin(sway) * np.cos(lean), np.cos(lean) * np.cos(sway)], -1)


def _about_z(angle: FloatArray) -> FloatArray:
    c, s, zero, one = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    return np.stack(
        [np.stack([c, -s, zero], -1), np.stack([s, c, zero], -1), np.stack([zero, zero, one], -1)], 1
    )
