"""A person: a body that does one thing after another."""

from __future__ import annotations

import math
from functools import reduce
from operator import or_
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from noctule.core.frames import Motion
from noctule.simulate.body import Body, Speckle
from noctule.simulate.motion_capture import Capture
from noctule.simulate.parts import FloatArray, Mover, MoverPart, Scatterers, Space
from noctule.simulate.pose import JOINT, Action, Pose
from noctule.simulate.seated import SEATED_ACTIONS, SitDown, StandUp, Work
from noctule.simulate.sequence import Sequence
from noctule.simulate.smooth import Wander
from noctule.simulate.walking import WALKING_ACTIONS, Stand, Turn, Walk, rest

ACTIONS: tuple[type[Action], ...] = (*WALKING_ACTIONS, *SEATED_ACTIONS, Capture)
AnyAction: Any = Annotated[reduce(or_, ACTIONS), Field(discriminator="do")]

#: Whoever has done everything rests for so long.
_EVER_S = 1e5


class Person(MoverPart):
    """Somebody who does one thing after another, and rests after the last.

    Walks may begin or end outside the room, up to 15 m away: a wall takes 35 dB each way.
    """

    label: ClassVar[str] = "person"

    from_s: float = Field(0.0, ge=0.0, description="begins the first action")
    name: str = Field("", description="what the truth calls this person; left out: person 1, 2, ...")
    body: Body = Field(Body(), description="size and clothing")
    start: tuple[float, float] = Field(description="x and y in metres")
    heading_deg: float = Field(0.0, ge=-720.0, le=720.0, description="where the person looks at first")
    does: tuple[AnyAction, ...] = Field((), description="actions, one after another from from_s on")

    @model_validator(mode="after")
    def _can_follow(self) -> Self:
        if self.to_s is not None:
            raise ValueError("to_s: nobody vanishes; let them walk out, or stand")
        self._performed(np.random.default_rng(0))
        return self

    def mover(self, rng: np.random.Generator) -> PersonMover:
        return PersonMover(self.body, self._performed(rng), self.from_s, rng)

    def _performed(self, rng: np.random.Generator) -> Sequence:
        done = Sequence(self.body.standing_stance(*self.start, math.radians(self.heading_deg)))
        for number, action in enumerate(self.does):
            try:
                done.then(action.begin(self.body, done.end, rng))
            except ValueError as error:
                raise ValueError(f"does[{number}]: {error}") from None
        done.then(rest(self.body, done.end, _EVER_S, rng))
        return done

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        """Comes in, walks about, stops, turns, sits, works, leaves: in any order that can be."""
        spots = [space.spot(rng)[:2] for _ in range(12)]
        here = spots[0]
        does: list[Action] = []
        seated = False
        for _ in range(rng.integers(1, 9)):
            choice = rng.random()
            if seated:
                if choice < 0.7:
                    does.append(Work(for_s=rng.uniform(3.0, 40.0), pause_s=rng.uniform(0.5, 12.0)))
                else:
                    does.append(StandUp.draw(rng))
                    seated = False
            elif choice < 0.5:
                to: list[tuple[float, float]] = []
                for one in rng.permutation(spots)[: rng.integers(1, 4)].tolist():
                    if space.clear((to or [here])[-1], one):
                        to.append((one[0], one[1]))
                if to:
                    does.append(Walk.draw(rng, to))
                    here = to[-1]
            elif choice < 0.62:
                does.append(Stand(for_s=rng.uniform(0.5, 15.0)))
            elif choice < 0.7:
                does.append(Turn(to_heading_deg=rng.uniform(-180.0, 180.0)))
            elif choice < 0.85:
                does.append(SitDown.draw(rng))
                seated = True
            else:
                does.append(Work(for_s=rng.uniform(2.0, 15.0), pause_s=rng.uniform(0.5, 6.0)))
        return cls(
            body=Body.draw(rng),
            start=spots[0],
            heading_deg=rng.uniform(-180.0, 180.0),
            does=tuple(does),
            from_s=rng.uniform(0.0, 10.0),
        )


class PersonMover(Mover):
    """See `Mover`; knots carry the quickest hand. `sequence` counts its seconds from `from_s` on."""

    knot_rate_hz = 120.0

    def __init__(self, body: Body, sequence: Sequence, from_s: float, rng: np.random.Generator) -> None:
        self.body, self.sequence, self.from_s = body, sequence, from_s
        self.highest_speed_mps = sequence.highest_speed_mps
        self._speckle = Speckle(rng)
        # breath: 12 to 21 a minute, 1 to 8 mm at the chest, never quite regular
        self._breath_hz, self._breath_m = rng.uniform(0.2, 0.35), rng.uniform(0.001, 0.008)
        self._uneven = Wander(rng, 0.02, 0.1)

    def pose(self, time_s: FloatArray) -> Pose:
        pose = self.sequence.pose(np.asarray(time_s) - self.from_s)
        turn = 2.0 * np.pi * self._breath_hz * time_s + 0.8 * self._uneven(time_s)
        return Pose(pose.joints_m, 0.5 * self._breath_m * (1.0 - np.cos(turn + 0.3 * np.sin(turn))))

    def scatterers(self, time_s: FloatArray, viewpoint_m: FloatArray) -> Scatterers:
        return self.body.scatterers(self.pose(time_s), viewpoint_m, self._speckle)

    def centre_m(self, time_s: FloatArray) -> FloatArray:
        """The middle of the trunk, (times, 3)."""
        joints = self.sequence.pose(np.asarray(time_s) - self.from_s).joints_m
        return np.asarray(0.5 * (joints[:, JOINT["pelvis"]] + joints[:, JOINT["neck"]]))

    def motion(self, time_s: FloatArray) -> list[Motion]:
        """Truth: what the person does."""
        found = self.sequence.motion(np.asarray(time_s) - self.from_s)
        return ["none" if at < self.from_s else one for at, one in zip(time_s, found, strict=True)]

    def inside(self, time_s: FloatArray, size_m: tuple[float, float, float]) -> npt.NDArray[np.bool_]:
        """Whether the person is in the room."""
        centre = self.centre_m(time_s)
        return np.asarray(((centre >= 0.0) & (centre <= np.array(size_m))).all(-1))
