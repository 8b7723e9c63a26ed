"""How a person's posture is handed over: eighteen joints, and the actions that move them.

Gait, sitting, seated work and motion capture all give `Pose`; one body (`body.py`) turns any of them into
points that reflect. A person is a list of actions, each beginning in the stance in which the last one ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from noctule.core.frames import Motion
from noctule.simulate.parts import FloatArray, Part

if TYPE_CHECKING:
    from noctule.simulate.body import Body

#: Order of the joints axis, everywhere. `pelvis` is the middle between the hips, `chest` where the shoulders'
#: line meets the spine at the height of the arm pits, `neck` its upper end, `head` the middle of the skull.
JOINTS = (
    "pelvis", "chest", "neck", "head",
    "left_shoulder", "left_elbow", "left_wrist",
    "right_shoulder", "right_elbow", "right_wrist",
    "left_hip", "left_knee", "left_ankle", "left_toe",
    "right_hip", "right_knee", "right_ankle", "right_toe",
)  # fmt: skip
JOINT = {name: index for index, name in enumerate(JOINTS)}

Posture = Literal["standing", "seated"]


@dataclass(frozen=True, slots=True)
class Pose:
    """joints_m : (times, 18, 3) float64, room coordinates, in the order of `JOINTS`.

    chest_rise_m : (times,) float64, how far breathing has lifted the front of the chest, about 0-8 mm.
    """

    joints_m: FloatArray
    chest_rise_m: FloatArray


@dataclass(frozen=True, slots=True)
class Stance:
    """Between two actions: the point on the floor below the pelvis, where the person looks, and how it rests.

    `joints_m` (18, 3) are the joints at that instant; an action begins in exactly that pose, and moves from
    it to its own over a few tenths of a second, so that nothing jumps. `joints_mps` (18, 3) is how fast they
    go where something is cut short; it dies away as smoothly.
    """

    x_m: float
    y_m: float
    heading_rad: float
    posture: Posture
    joints_m: FloatArray
    joints_mps: FloatArray | None = None


class Doing(Protocol):
    """An action that has begun: a pure function of the time since then."""

    duration_s: float
    end: Stance
    highest_speed_mps: float

    def pose(self, time_s: FloatArray) -> Pose:
        """`time_s` (times,) within 0..duration_s."""
        ...

    def motion(self, time_s: FloatArray) -> list[Motion]:
        """Truth: "major" (walks, sits down, stands up), "minor" (moves in its place) or "none"."""
        ...


class Action(Part):
    """An entry of a person's `does` list. Each kind has a field `do: Literal["..."]` that names it."""

    def begin(self, body: Body, stance: Stance, rng: np.random.Generator) -> Doing:
        raise NotImplementedError
