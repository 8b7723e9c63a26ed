"""A motion capture file drives the body: its bones' directions, the body's own lengths."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from noctule.core.errors import NoctuleError
from noctule.core.frames import Motion
from noctule.simulate.body import Body, in_room
from noctule.simulate.mocap import Take, read_take
from noctule.simulate.parts import FloatArray
from noctule.simulate.pose import JOINT, JOINTS, Action, Doing, Pose, Stance
from noctule.simulate.smooth import Curve, step

#: Each bone: (joint it starts at, joint it ends at, the body's own length of it).
_BONES = (
    ("pelvis", "chest", "chest"), ("chest", "neck", "neck"), ("neck", "head", "neck_to_head_m"),
    *((f"{side}_{a}", f"{side}_{b}", length) for side in ("left", "right") for a, b, length in (
        ("shoulder", "elbow", "upper_arm_m"), ("elbow", "wrist", "forearm_m"),
        ("hip", "knee", "thigh_m"), ("knee", "ankle", "shank_m"), ("ankle", "toe", "toe"),
    )),
)  # fmt: skip
#: Truth: the trunk goes at least so fast, or hands and feet so fast against it.
MAJOR_MPS, MINOR_MPS = 0.25, 0.12
_BLEND_S = 0.4
#: The pelvis below this share of its height standing: seated. [D: 0.70-0.77 in CITI's chairs, 0.9 walking]
_SEATED = 0.82
#: Feet that would go through the floor give way: never lower than this under where they stand flat.
_GIVE_M = 0.02
#: Time in which that sets in, as the stance's own joints are left.
_FLOOR_S = 0.1


class Capture(Action):
    """Moves as somebody did before the cameras, turned to begin where and as this person stands."""

    do: Literal["capture"] = "capture"
    file: Path = Field(
        description=".bvh, .amc with its .asf beside it, .txt (CMU rows, DeepMimic), CITI's .npz; .gz of each"
    )
    sequence: str | None = Field(None, description="which take, where the file holds several")
    from_s: float = Field(0.0, ge=0.0, description="where in the take it begins")
    for_s: float | None = Field(None, gt=0.1, description="so much of the take; left out: to its end")
    speed: float = Field(1.0, ge=0.3, le=3.0, description="2: twice as fast as it was")
    mirror: bool = Field(False, description="left for right")

    @field_validator("file")
    @classmethod
    def _readable(cls, file: Path) -> Path:
        if not file.is_file():
            raise ValueError(f"{file}: no such file")
        return file

    def begin(self, body: Body, stance: Stance, rng: np.random.Generator) -> Doing:
        try:
            take = _take(self.file, self.sequence)
        except NoctuleError as error:
            raise ValueError(str(error)) from None
        first = round(self.from_s * take.rate_hz)
        last = len(take.joints_m) if self.for_s is None else first + round(self.for_s * take.rate_hz) + 1
        joints = take.joints_m[first:last]
        if len(joints) < 4:
            raise ValueError(f"{self.file}: nothing is left from {self.from_s:g} s on")
        return _Captured(
            body, stance, _mirrored(joints) if self.mirror else joints, take.rate_hz * self.speed
        )


@lru_cache(maxsize=32)
def _take(file: Path, sequence: str | None) -> Take:
    return read_take(file, sequence)


class _Captured:
    def __init__(self, body: Body, stance: Stance, joints: FloatArray, rate_hz: float) -> None:
        self._ankle_m = body.ankle_height_m
        own = _retargeted(body, joints)
        # turned and moved: its first frame stands where the person does
        across = own[0, JOINT["left_hip"]] - own[0, JOINT["right_hip"]]
        facing = float(np.arctan2(-across[0], across[1]))
        place = own[0, JOINT["pelvis"], :2].copy()
        own[..., :2] -= place
        many = len(own)
        turned = np.full(many, stance.heading_rad - facing)
        placed = in_room(own, np.tile([[stance.x_m, stance.y_m]], (many, 1)), turned)
        self._joints = Curve(placed, 1.0 / rate_hz)
        self.duration_s = (many - 1) / rate_hz
        self._offset = stance.joints_m - placed[0]
        far_m = float(np.abs(self._offset).max())
        self._blend_s = min(max(_BLEND_S, 1.5 * far_m / 0.7), self.duration_s)
        speed = np.linalg.norm(np.diff(placed, axis=0), axis=-1) * rate_hz
        self.highest_speed_mps = float(1.15 * speed.max() + 1.5 * far_m / self._blend_s + 0.05)
        self._trunk = Curve(_mean_speed(placed[:, [JOINT["pelvis"], JOINT["neck"]]], rate_hz), 1.0 / rate_hz)
        limbs = [JOINT[f"{side}_{end}"] for side in ("left", "right") for end in ("wrist", "elbow", "ankle")]
        against = placed[:, [*limbs, JOINT["head"]]] - placed[:, [JOINT["pelvis"]]]
        self._limbs = Curve(_fastest(against, rate_hz), 1.0 / rate_hz)
        end = self.pose(np.array([self.duration_s])).joints_m[0]
        across = end[JOINT["left_hip"]] - end[JOINT["right_hip"]]
        sits = end[JOINT["pelvis"], 2] < _SEATED * body.standing_pelvis_m
        self.end = Stance(
            float(end[JOINT["pelvis"], 0]),
            float(end[JOINT["pelvis"], 1]),
            float(np.arctan2(-across[0], across[1])),
            "seated" if sits else "standing",
            end,
        )

    def pose(self, time_s: FloatArray) -> Pose:
        left = 1.0 - step(np.asarray(time_s) / self._blend_s)
        joints = self._joints(time_s) + np.multiply.outer(left, self._offset)
        self._lift_feet(joints, step(np.asarray(time_s) / _FLOOR_S))
        return Pose(joints, np.zeros(len(time_s)))

    def _lift_feet(self, joints: FloatArray, share: FloatArray) -> None:
        for part, least in (("ankle", 0.8), ("toe", 0.2)):
            for side in ("left", "right"):
                height = joints[:, JOINT[f"{side}_{part}"], 2]
                below = np.maximum(least * self._ankle_m - height, 0.0)
                # slope 1 where it sets in, and the limit is _GIVE_M below
                height += share * (below - below * _GIVE_M / (_GIVE_M + below))

    def motion(self, time_s: FloatArray) -> list[Motion]:
        trunk, limbs = self._trunk(time_s), self._limbs(time_s)
        return [
            "major" if body > MAJOR_MPS else "minor" if hand > MINOR_MPS else "none"
            for body, hand in zip(trunk, limbs, strict=True)
        ]


def _mirrored(joints: FloatArray) -> FloatArray:
    other = [name.replace("left", "RIGHT").replace("right", "left").lower() for name in JOINTS]
    return joints[:, [JOINT[name] for name in other]] * [1.0, -1.0, 1.0]


def _retargeted(body: Body, joints: FloatArray) -> FloatArray:
    """The take's directions with the body's lengths, its feet on the floor."""
    leg_m = float(
        np.median(np.linalg.norm(joints[:, JOINT["left_knee"]] - joints[:, JOINT["left_hip"]], axis=-1))
    )
    scale = body.thigh_m / max(leg_m, 1e-6)
    out = np.empty_like(joints)
    out[:, JOINT["pelvis"]] = joints[:, JOINT["pelvis"]] * scale
    hips = _unit(joints[:, JOINT["left_hip"]] - joints[:, JOINT["right_hip"]])
    shoulders = _unit(joints[:, JOINT["left_shoulder"]] - joints[:, JOINT["right_shoulder"]])
    for side, sign in (("left", 0.5), ("right", -0.5)):
        out[:, JOINT[f"{side}_hip"]] = out[:, JOINT["pelvis"]] + sign * body.hip_width_m * hips
    lengths = {"chest": 0.72 * body.trunk_m, "neck": 0.28 * body.trunk_m, "toe": 0.8 * body.foot_m}
    for start, end, length in _BONES:
        if start.endswith("_shoulder"):
            sign = 0.5 if start.startswith("left") else -0.5
            spine = _unit(out[:, JOINT["neck"]] - out[:, JOINT["chest"]])
            middle = out[:, JOINT["neck"]] - 0.12 * body.trunk_m * spine
            out[:, JOINT[start]] = middle + sign * body.shoulder_width_m * shoulders
        metres = lengths[length] if length in lengths else float(getattr(body, length))
        way = _unit(joints[:, JOINT[end]] - joints[:, JOINT[start]])
        out[:, JOINT[end]] = out[:, JOINT[start]] + metres * way
    lowest = out[:, [JOINT["left_ankle"], JOINT["right_ankle"]], 2].min(1)
    out[:, :, 2] += body.ankle_height_m - float(np.quantile(lowest, 0.05))
    return out


def _unit(vector: FloatArray) -> FloatArray:
    return np.asarray(vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-6))


def _mean_speed(joints: FloatArray, rate_hz: float) -> FloatArray:
    """Of the joints' middle, over about a step."""
    speed = np.linalg.norm(np.gradient(joints.mean(1), 1.0 / rate_hz, axis=0), axis=-1)
    return _averaged(speed, rate_hz)


def _fastest(joints: FloatArray, rate_hz: float) -> FloatArray:
    return _averaged(np.linalg.norm(np.gradient(joints, 1.0 / rate_hz, axis=0), axis=-1).max(1), rate_hz)


def _averaged(track: FloatArray, rate_hz: float) -> FloatArray:
    width = min(max(1, round(0.5 * rate_hz)), len(track))
    return np.convolve(np.pad(track, width // 2, "edge"), np.ones(width) / width, "same")[
        width // 2 : width // 2 + len(track)
    ]
