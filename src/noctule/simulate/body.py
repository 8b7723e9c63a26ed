"""A human body: a chain of ellipsoids that reflect as ellipsoids do.

What a smooth convex body many wavelengths across sends back comes from the one point whose normal looks at
the device; its strength is given by the curvature there (geometric optics; Crispin & Maffett, Proc. IEEE 53,
1965). Clothing takes some of it, and its folds let each segment twinkle as it turns.
"""

from __future__ import annotations

import math
from typing import Self

import numpy as np
from numba import njit
from pydantic import Field

from noctule.simulate import posture
from noctule.simulate.parts import FloatArray, Part, Scatterers
from noctule.simulate.pose import JOINT, Pose, Stance
from noctule.simulate.turns import FAST, sine_cosine

#: Segments between two joints: (from, to, half width, half depth), as shares of the height; arms, then legs,
#: left before right. Anthropometry after Drillis & Contini (1966) and Winter (2009), girths [A].
_SEGMENTS = (
    ("pelvis", "chest", 0.098, 0.066),
    ("chest", "neck", 0.105, 0.070),
    ("neck", "head", 0.048, 0.048),
    ("left_shoulder", "left_elbow", 0.027, 0.027),
    ("right_shoulder", "right_elbow", 0.027, 0.027),
    ("left_elbow", "left_wrist", 0.022, 0.022),
    ("right_elbow", "right_wrist", 0.022, 0.022),
    ("left_hip", "left_knee", 0.045, 0.045),
    ("right_hip", "right_knee", 0.045, 0.045),
    ("left_knee", "left_ankle", 0.031, 0.031),
    ("right_knee", "right_ankle", 0.031, 0.031),
    ("left_ankle", "left_toe", 0.026, 0.026),
    ("right_ankle", "right_toe", 0.026, 0.026),
)
POINTS = len(_SEGMENTS)
_STARTS, _ENDS = (np.array([JOINT[str(one[n])] for one in _SEGMENTS]) for n in (0, 1))
_HALF_WIDTHS, _HALF_DEPTHS = (np.array([one[n] for one in _SEGMENTS], np.float64) for n in (2, 3))
_PELVIS, _CHEST, _NECK = JOINT["pelvis"], JOINT["chest"], JOINT["neck"]
_L_SHOULDER, _R_SHOULDER = JOINT["left_shoulder"], JOINT["right_shoulder"]
_L_HIP, _R_HIP, _L_KNEE, _R_KNEE = (
    JOINT[f"{side}_{part}"] for part in ("hip", "knee") for side in ("left", "right")
)
_L_ANKLE, _R_ANKLE = JOINT["left_ankle"], JOINT["right_ankle"]
#: How far segments reach beyond their joints: hands, shoulders, the skull above its middle.
_OVERLAP = 1.25
#: What stands behind another part still gets so much of its amplitude round it.
_HIDDEN = 0.2
#: The twinkling of a segment: waves over the aspect, of about this many radians an aspect radian. [A: folds
#: of cloth of some centimetres on limbs a few wavelengths thick decorrelate within some degrees]
_WAVES, _ROUGHNESS = 5, 25.0
_TURNS_PER_RAD = 0.5 / math.pi


class Speckle:
    """Random smooth functions of the aspect, one a point; their power is exponential, with mean 1.

    waves : (points, waves, 3) radians an aspect radian; phase : (points, waves). Their sum is what counts.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        direction = rng.standard_normal((POINTS, _WAVES, 3))
        direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
        self.waves = direction * _ROUGHNESS * rng.uniform(0.3, 1.0, (POINTS, _WAVES, 1))
        self.phase = rng.uniform(0.0, 2.0 * np.pi, (POINTS, _WAVES))


class Body(Part):
    """Somebody's size and clothing."""

    height_m: float = Field(1.72, ge=1.0, le=2.1, description="from sole to crown; limbs follow")
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
        position, strength = _seen(
            np.ascontiguousarray(pose.joints_m),
            np.ascontiguousarray(pose.chest_rise_m),
            np.asarray(viewpoint_m, np.float64),
            _STARTS,
            _ENDS,
            _HALF_WIDTHS * self.girth * self.height_m,
            _HALF_DEPTHS * self.girth * self.height_m,
            speckle.waves,
            speckle.phase,
        )
        return Scatterers(position, strength * 10.0 ** (-self.clothing_db / 20.0))


def in_room(joints: FloatArray, place_m: FloatArray, heading_rad: FloatArray) -> FloatArray:
    """Own-frame joints (times, n, 3) to the room: `place_m` (times, 2), `heading_rad` (times,)."""
    c, s = np.cos(heading_rad)[:, None], np.sin(heading_rad)[:, None]
    x, y = joints[..., 0], joints[..., 1]
    return np.stack([place_m[:, :1] + c * x - s * y, place_m[:, 1:] + s * x + c * y, joints[..., 2]], -1)


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _seen(joints, rise, viewpoint, starts, ends, widths, depths, waves, phase):  # type: ignore[no-untyped-def]
    """Specular point and echo amplitude of every segment, (times, points, 3) and (times, points)."""
    count, points = joints.shape[0], len(starts)
    position, strength = np.empty((count, points, 3)), np.empty((count, points))
    left, up, forward, view = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    axis, across, middle, ahead = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    towards = np.empty((points, 3))
    for t in range(count):
        j = joints[t]
        for x in range(3):  # the trunk's own frame
            left[x] = j[_L_SHOULDER, x] - j[_R_SHOULDER, x] + j[_L_HIP, x] - j[_R_HIP, x]
            up[x] = j[_NECK, x] - j[_PELVIS, x]
        _normalise(left)
        _cross(left, up, forward)
        _normalise(forward)
        _cross(forward, left, up)
        for p in range(points):
            a, b = starts[p], ends[p]
            for x in range(3):
                axis[x] = j[b, x] - j[a, x]
                middle[x] = 0.5 * (j[a, x] + j[b, x])
                view[x] = viewpoint[x] - middle[x]
            length = _normalise(axis)
            _normalise(view)
            half = max(0.5 * _OVERLAP * length, widths[p])
            along = view[0] * axis[0] + view[1] * axis[1] + view[2] * axis[2]
            # across the segment to the left, and ahead: a trunk is flatter than wide, limbs are round
            slip = left[0] * axis[0] + left[1] * axis[1] + left[2] * axis[2]
            for x in range(3):
                across[x] = left[x] - slip * axis[x]
            if _normalise(across) < 1e-6:  # an arm held straight out to the side; round, so any way will do
                across[:] = forward
            _cross(across, axis, ahead)
            aside = view[0] * across[0] + view[1] * across[1] + view[2] * across[2]
            front = view[0] * ahead[0] + view[1] * ahead[1] + view[2] * ahead[2]
            w2, d2, h2 = widths[p] ** 2, depths[p] ** 2, half * half
            spread = w2 * aside * aside + d2 * front * front + h2 * along * along
            root = 1.0 / math.sqrt(spread)
            # the front of the chest comes forward as it breathes in, the belly half as much
            breath = rise[t] * (0.6 if p == 0 else 1.0 if p == 1 else 0.0)
            for x in range(3):
                surface = w2 * aside * across[x] + d2 * front * ahead[x] + h2 * along * axis[x]
                position[t, p, x] = middle[x] + surface * root + breath * forward[x]
                towards[p, x] = viewpoint[x] - position[t, p, x]
            _normalise(towards[p])
            # cross-section pi·(abc)²/(a²u² + b²v² + c²w²)²; amplitude at 1 m is its root over 4·pi
            echo = 0.5 * widths[p] * depths[p] * half / spread
            u = towards[p, 0] * forward[0] + towards[p, 1] * forward[1] + towards[p, 2] * forward[2]
            v = towards[p, 0] * left[0] + towards[p, 1] * left[1] + towards[p, 2] * left[2]
            w = towards[p, 0] * up[0] + towards[p, 1] * up[1] + towards[p, 2] * up[2]
            re, im = 0.0, 0.0
            for n in range(phase.shape[1]):
                turn = phase[p, n] + u * waves[p, n, 0] + v * waves[p, n, 1] + w * waves[p, n, 2]
                sine, cosine = sine_cosine(np.float32(turn * _TURNS_PER_RAD))
                re += cosine
                im += sine
            strength[t, p] = echo * math.sqrt((re * re + im * im) / phase.shape[1])
        for p in range(3, 7):  # arms behind the trunk
            strength[t, p] *= _behind(position[t, p], j[_CHEST, 0], j[_CHEST, 1], towards[0], 0.17)
        for p in range(7, points):  # each leg behind the other
            knee, ankle = (_R_KNEE, _R_ANKLE) if p % 2 else (_L_KNEE, _L_ANKLE)
            x, y = 0.5 * (j[knee, 0] + j[ankle, 0]), 0.5 * (j[knee, 1] + j[ankle, 1])
            strength[t, p] *= _behind(position[t, p], x, y, towards[0], 0.07)
    return position, strength


@njit(cache=True, fastmath=True, inline="always")
def _normalise(vector):  # type: ignore[no-untyped-def]
    length = math.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2)
    scale = 1.0 / max(length, 1e-9)
    for x in range(3):
        vector[x] *= scale
    return length


@njit(cache=True, fastmath=True, inline="always")
def _cross(a, b, out):  # type: ignore[no-untyped-def]
    out[0] = a[1] * b[2] - a[2] * b[1]
    out[1] = a[2] * b[0] - a[0] * b[2]
    out[2] = a[0] * b[1] - a[1] * b[0]


@njit(cache=True, fastmath=True, inline="always")
def _behind(point, x, y, view, radius_m):  # type: ignore[no-untyped-def]
    """Upright cover of a radius at x, y, seen from the side: share of the point's amplitude that is left."""
    dx, dy = point[0] - x, point[1] - y
    level2 = view[0] * view[0] + view[1] * view[1]  # from straight above nothing upright covers anything
    depth, across = -(dx * view[0] + dy * view[1]), abs(dx * view[1] - dy * view[0])
    far = min(max((depth - 0.5 * radius_m) / radius_m, 0.0), 1.0)
    near = min(max((across / radius_m - 0.6) / 0.8, 0.0), 1.0)
    hidden = far * far * (3.0 - 2.0 * far) * (1.0 - near * near * (3.0 - 2.0 * near))
    return 1.0 - (1.0 - _HIDDEN) * level2 * hidden
