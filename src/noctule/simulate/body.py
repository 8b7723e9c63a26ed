"""A human body: a chain of ellipsoids that reflect as ellipsoids do.

What a smooth convex body many wavelengths across sends back comes from the one point whose normal looks at
the device; its strength is given by the curvature there (geometric optics; Crispin & Maffett, Proc. IEEE 53,
1965). Clothing takes some of it, and its folds let each segment twinkle as it turns.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from noctule.simulate import posture
from noctule.simulate.parts import FloatArray, Part, Scatterers
from noctule.simulate.pose import JOINT, Pose, Stance

#: Segments between two joints: (from, to, half width, half depth as share of the height). Limbs are round.
#: Anthropometry after Drillis & Contini (1966) and Winter (2009), girths [A].
_TRUNK = (
    ("pelvis", "chest", 0.098, 0.066),
    ("chest", "neck", 0.105, 0.070),
)
_LIMBS = (
    ("neck", "head", 0.048),
    ("left_shoulder", "left_elbow", 0.027),
    ("right_shoulder", "right_elbow", 0.027),
    ("left_elbow", "left_wrist", 0.022),
    ("right_elbow", "right_wrist", 0.022),
    ("left_hip", "left_knee", 0.045),
    ("right_hip", "right_knee", 0.045),
    ("left_knee", "left_ankle", 0.031),
    ("right_knee", "right_ankle", 0.031),
    ("left_ankle", "left_toe", 0.026),
    ("right_ankle", "right_toe", 0.026),
)
POINTS = len(_TRUNK) + len(_LIMBS)
#: How far segments reach beyond their joints: hands, shoulders, the skull above its middle.
_OVERLAP = 1.25
#: The twinkling of a segment: waves over the aspect, of about this many radians an aspect radian. [A: folds
#: of cloth of some centimetres on limbs a few wavelengths thick decorrelate within some degrees]
_WAVES, _ROUGHNESS = 6, 25.0


class Speckle:
    """Random smooth functions of the aspect, one a point; their power is exponential, with mean 1."""

    def __init__(self, rng: np.random.Generator) -> None:
        direction = rng.standard_normal((POINTS, _WAVES, 3))
        direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
        self._waves = direction * _ROUGHNESS * rng.uniform(0.3, 1.0, (POINTS, _WAVES, 1))
        self._phase = rng.uniform(0.0, 2.0 * np.pi, (POINTS, _WAVES))

    def amplitude(self, aspect: FloatArray) -> FloatArray:
        """`aspect` (times, points, 3) unit vectors in the segments' frames."""
        turn = np.einsum("tpx,pwx->tpw", aspect, self._waves) + self._phase
        return np.asarray(np.hypot(np.cos(turn).sum(-1), np.sin(turn).sum(-1)) / np.sqrt(_WAVES))


class Body(Part):
    """Somebody's size and clothing."""

    height_m: float = Field(1.72, ge=1.0, le=2.1)
    girth: float = Field(1.0, ge=0.7, le=1.5, description="against the average for that height")
    clothing_db: float = Field(6.0, ge=0.0, le=15.0, description="taken off each echo by cloth and skin")

    @property
    def standing_pelvis_m(self) -> float:
        """Height of the hips over the floor."""
        return self.thigh_m + self.shank_m + self.ankle_height_m

    @property
    def thigh_m(self) -> float:
        return 0.245 * self.height_m

    @property
    def shank_m(self) -> float:
        return 0.246 * self.height_m

    @property
    def ankle_height_m(self) -> float:
        return 0.039 * self.height_m

    @property
    def foot_m(self) -> float:
        return 0.152 * self.height_m

    @property
    def trunk_m(self) -> float:
        """Hips to the neck's upper end."""
        return 0.318 * self.height_m

    @property
    def neck_to_head_m(self) -> float:
        return 0.080 * self.height_m

    @property
    def upper_arm_m(self) -> float:
        return 0.172 * self.height_m

    @property
    def forearm_m(self) -> float:
        """Elbow to the middle of the palm."""
        return 0.19 * self.height_m

    @property
    def hip_width_m(self) -> float:
        return 0.105 * self.height_m

    @property
    def shoulder_width_m(self) -> float:
        return 0.21 * self.height_m

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        return cls(
            height_m=rng.uniform(1.4, 1.95), girth=rng.uniform(0.85, 1.3), clothing_db=rng.uniform(3.0, 10.0)
        )

    def standing_joints(self) -> FloatArray:
        """(18, 3) in the body's own frame: x forward, y left, z up, origin on the floor below the pelvis."""
        return np.asarray(posture.joints(self, posture.angles(self)[None])[0])

    def standing_stance(self, x_m: float, y_m: float, heading_rad: float) -> Stance:
        joints = in_room(self.standing_joints()[None], np.array([[x_m, y_m]]), np.array([heading_rad]))[0]
        return Stance(x_m, y_m, heading_rad, "standing", joints)

    def scatterers(self, pose: Pose, viewpoint_m: FloatArray, speckle: Speckle) -> Scatterers:
        """What the device sees of a pose."""
        joints = pose.joints_m
        frame = _frame(joints)
        trunk = [self._trunk(joints, frame, viewpoint_m, *one) for one in _TRUNK]
        limbs = self._limbs(joints, viewpoint_m)
        position = np.concatenate([np.stack([one[0] for one in trunk], 1), limbs[0]], 1)
        strength = np.concatenate([np.stack([one[1] for one in trunk], 1), limbs[1]], 1)
        # the front of the chest comes forward as it breathes in, the belly half as much
        rise = pose.chest_rise_m[:, None, None] * np.array([0.6, 1.0])[None, :, None]
        position[:, :2] += rise * frame[:, None, :, 0]
        towards = viewpoint_m - position
        towards /= np.maximum(np.linalg.norm(towards, axis=-1, keepdims=True), 1e-6)
        aspect = np.einsum("tpx,txk->tpk", towards, frame)
        strength = strength * speckle.amplitude(aspect) * _uncovered(joints, position, towards)
        return Scatterers(position, strength * 10.0 ** (-self.clothing_db / 20.0))

    def _trunk(
        self,
        joints: FloatArray,
        frame: FloatArray,
        viewpoint_m: FloatArray,
        start: str,
        end: str,
        half_width: float,
        half_depth: float,
    ) -> tuple[FloatArray, FloatArray]:
        """Specular point (times, 3) and echo amplitude (times,) of a flattened ellipsoid."""
        middle, along = _middle(joints, start, end)
        length = np.linalg.norm(along, axis=-1, keepdims=True)
        up = along / length
        left = frame[:, :, 1] - (frame[:, :, 1] * up).sum(-1, keepdims=True) * up
        left /= np.linalg.norm(left, axis=-1, keepdims=True)
        axes = np.stack([np.cross(left, up), left, up], 1)  # (times, axis, 3)
        size = np.stack(
            [
                np.full(len(joints), half_depth * self.girth * self.height_m),
                np.full(len(joints), half_width * self.girth * self.height_m),
                0.5 * _OVERLAP * length[:, 0],
            ],
            -1,
        )
        view = viewpoint_m - middle
        view /= np.linalg.norm(view, axis=-1, keepdims=True)
        local = np.einsum("tax,tx->ta", axes, view)
        spread = (np.square(size * local)).sum(-1)
        point = np.einsum("ta,tax->tx", np.square(size) * local, axes) / np.sqrt(spread)[:, None]
        # cross-section π·(abc)²/(a²u² + b²v² + c²w²)²; amplitude at 1 m is its root over 4π
        return middle + point, 0.5 * size.prod(-1) / spread

    def _limbs(self, joints: FloatArray, viewpoint_m: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The same of round ones: (times, limbs, 3) and (times, limbs)."""
        start, end = [JOINT[one[0]] for one in _LIMBS], [JOINT[one[1]] for one in _LIMBS]
        radius = np.array([one[2] for one in _LIMBS]) * self.girth * self.height_m
        middle = 0.5 * (joints[:, start] + joints[:, end])
        along = joints[:, end] - joints[:, start]
        length = np.linalg.norm(along, axis=-1)
        axis = along / length[..., None]
        half = np.maximum(0.5 * _OVERLAP * length, radius)
        view = viewpoint_m - middle
        view /= np.linalg.norm(view, axis=-1, keepdims=True)
        along_view = (view * axis).sum(-1)
        r2, h2 = np.square(radius), np.square(half)
        spread = r2 * (1.0 - np.square(along_view)) + h2 * np.square(along_view)
        point = r2[:, None] * view + ((h2 - r2) * along_view)[..., None] * axis
        return middle + point / np.sqrt(spread)[..., None], 0.5 * r2 * half / spread


def in_room(joints: FloatArray, place_m: FloatArray, heading_rad: FloatArray) -> FloatArray:
    """Own-frame joints (times, n, 3) to the room: `place_m` (times, 2), `heading_rad` (times,)."""
    c, s = np.cos(heading_rad)[:, None], np.sin(heading_rad)[:, None]
    x, y = joints[..., 0], joints[..., 1]
    return np.stack([place_m[:, :1] + c * x - s * y, place_m[:, 1:] + s * x + c * y, joints[..., 2]], -1)


def _middle(joints: FloatArray, start: str, end: str) -> tuple[FloatArray, FloatArray]:
    a, b = joints[:, JOINT[start]], joints[:, JOINT[end]]
    return 0.5 * (a + b), b - a


def _frame(joints: FloatArray) -> FloatArray:
    """Forward, left and up of the trunk as columns, (times, 3, 3)."""
    left = joints[:, JOINT["left_shoulder"]] - joints[:, JOINT["right_shoulder"]]
    left = left + joints[:, JOINT["left_hip"]] - joints[:, JOINT["right_hip"]]
    up = joints[:, JOINT["neck"]] - joints[:, JOINT["pelvis"]]
    left /= np.linalg.norm(left, axis=-1, keepdims=True)
    forward = np.cross(left, up)
    forward /= np.linalg.norm(forward, axis=-1, keepdims=True)
    return np.stack([forward, left, np.cross(forward, left)], -1)


#: What hides what, as rows of points: arms and head behind the trunk, each leg behind the other.
_LEFT_LEG, _RIGHT_LEG, _ARMS_AND_HEAD = [7, 9, 11], [8, 10, 12], [2, 3, 4, 5, 6]
_HIDDEN = 0.2  # of the amplitude goes round


def _uncovered(joints: FloatArray, position: FloatArray, towards: FloatArray) -> FloatArray:
    """Share of the amplitude that is not hidden behind other parts of the same body, (times, points)."""
    share = np.ones(position.shape[:2])
    chest = joints[:, JOINT["chest"]]
    share[:, _ARMS_AND_HEAD[1:]] = _behind(position[:, _ARMS_AND_HEAD[1:]], chest[:, None], towards, 0.17)
    thighs = 0.5 * (joints[:, JOINT["left_knee"]] + joints[:, JOINT["left_ankle"]])
    share[:, _RIGHT_LEG] = _behind(position[:, _RIGHT_LEG], thighs[:, None], towards, 0.07)
    thighs = 0.5 * (joints[:, JOINT["right_knee"]] + joints[:, JOINT["right_ankle"]])
    share[:, _LEFT_LEG] = _behind(position[:, _LEFT_LEG], thighs[:, None], towards, 0.07)
    return share


def _behind(point: FloatArray, cover: FloatArray, towards: FloatArray, radius_m: float) -> FloatArray:
    """Upright cover of a radius, seen from the side: how much of each point's amplitude is left."""
    view = towards[:, :1, :2]
    level = np.linalg.norm(view, axis=-1)  # from straight above nothing upright covers anything
    offset = (point - cover)[..., :2]
    depth = -(offset * view).sum(-1)
    across = np.abs(offset[..., 0] * view[..., 1] - offset[..., 1] * view[..., 0])
    hidden = _smooth((depth - 0.5 * radius_m) / radius_m) * (1.0 - _smooth((across / radius_m - 0.6) / 0.8))
    return np.asarray(1.0 - (1.0 - _HIDDEN) * np.square(level) * hidden)


def _smooth(x: FloatArray) -> npt.NDArray[np.float64]:
    x = np.clip(x, 0.0, 1.0)
    return np.asarray(x * x * (3.0 - 2.0 * x))
