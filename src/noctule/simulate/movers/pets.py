"""Cats and dogs: four legs, a trunk close to the floor, a tail; they walk, trot, rest, groom, wag and jump.

Feet stand still on the floor and swing in between; legs on opposite corners swing together in a trot, one
after the other in a walk. Strides a second fall with the 0.15th power of mass (Sci. Rep. 6, 28825, 2016, as
Heglund & Taylor, J. Exp. Biol. 138, 1988, for trots). Sizes and strengths [A, PHYSICS].
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from noctule.simulate.movers.routes import Point, Route, draw_points, running_s
from noctule.simulate.parts import FloatArray, Mover, MoverPart, Scatterers, Space
from noctule.simulate.smooth import Wander, minimum_jerk, step

#: When each foot swings: left and right fore, left and right hind, in a walk and in a trot.
_WALK, _TROT = np.array([0.25, 0.75, 0.0, 0.5]), np.array([0.0, 0.5, 0.5, 0.0])
#: Share of a stride in which the lower leg stands. Toes stand for 0.62 [R, Sci. Rep.]; heels rise first [A].
_STANDS = 0.5
#: Froude number at which animals like to walk, and from which they trot. [A]
_LIKED, _TROTS = 0.15, 0.35
#: A jump: legs push and land for so long; it comes down on its perch at this speed; it looks up so long. [A]
_PUSH_S, _LAND_S, _LANDS_MPS, _LOOKS_S = 0.15, 0.1, 1.0, 1.0
_GRAVITY = 9.81

#: Nose and tail from the middle, in shoulder heights; an animal stops and starts within so long.
_REACH, _STOPS_S = 0.92, 0.6


def stride_hz(shoulder_m: float, speed_mps: float) -> float:
    """Strides a second of an animal of this height at this speed.

    1.62 M**-0.15 at the speed at which it likes to walk [R, Sci. Rep. 6, 28825]; M = 92 h**2.1 kilograms
    [A: cat 5, beagle 11, Labrador 28]. With speed it grows so that a preferred trot comes out [D, 0.7].
    """
    liked_mps = math.sqrt(_LIKED * _GRAVITY * shoulder_m)
    mass_kg = 92.0 * shoulder_m**2.1
    return float(1.62 * mass_kg**-0.15 * (speed_mps / liked_mps) ** 0.7)


class Pet(MoverPart):
    """Four legs, a trunk close to the floor, a tail; fur takes most of the echo."""

    route: tuple[Point, ...] = Field(min_length=2, description="round and round over these places")
    speed_mps: float = Field(0.6, ge=0.1, le=3.0, description="decides too whether it walks or trots")
    rests_s: float = Field(5.0, ge=0.0, le=600.0, description="at each place, on average")
    shoulder_m: float = Field(0.25, ge=0.12, le=0.9, description="height of its shoulders")
    target_strength_db: float = Field(-24.0, ge=-50.0, le=0.0, description="of the whole animal")
    fidgets: float = Field(0.5, ge=0.0, le=1.0, description="share of its rests in which it grooms or wags")
    lowers: float = Field(0.5, ge=0.0, le=1.0, description="share of its stops at which it sits or lies")


class Cat(Pet):
    """Grooms, and may jump."""

    kind: Literal["cat"] = "cat"
    label: ClassVar[str] = "cat"

    perch_m: float = Field(
        0.0,
        ge=0.0,
        le=1.5,
        description="height of what it jumps onto, once a round, where it rests longest; 0: never",
    )

    def mover(self, rng: np.random.Generator) -> Mover:
        return _PetMover(self, rng, wag_hz=(2.0, 4.0), wag_m=0.02, perch_m=self.perch_m)

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        shoulder_m = rng.uniform(0.2, 0.3)
        return cls(
            route=tuple(draw_points(rng, space, int(rng.integers(2, 6)), _REACH * shoulder_m)),
            speed_mps=rng.uniform(0.3, 1.2),
            rests_s=10.0 ** rng.uniform(0.0, 1.5),
            shoulder_m=shoulder_m,
            target_strength_db=rng.uniform(-30.0, -20.0),
            fidgets=rng.uniform(0.0, 1.0),
            lowers=rng.uniform(0.0, 1.0),
            perch_m=min(rng.uniform(0.4, 1.0), space.size_m[2] - 1.0) if rng.random() < 0.3 else 0.0,
            from_s=rng.uniform(0.0, 8.0),
        )


class Dog(Pet):
    """Wags; of any size."""

    kind: Literal["dog"] = "dog"
    label: ClassVar[str] = "dog"

    def mover(self, rng: np.random.Generator) -> Mover:
        return _PetMover(self, rng, wag_hz=(1.5, 5.0), wag_m=0.35 * self.shoulder_m)

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        shoulder_m = rng.uniform(0.2, 0.7)
        return cls(
            route=tuple(draw_points(rng, space, int(rng.integers(2, 6)), _REACH * shoulder_m)),
            speed_mps=rng.uniform(0.4, 1.6),
            rests_s=10.0 ** rng.uniform(0.0, 1.3),
            shoulder_m=shoulder_m,
            target_strength_db=rng.uniform(-30.0, -20.0) + 20.0 * math.log10(shoulder_m / 0.3),
            fidgets=rng.uniform(0.0, 1.0),
            lowers=rng.uniform(0.0, 1.0),
            from_s=rng.uniform(0.0, 8.0),
        )


class _PetMover:
    def __init__(
        self,
        pet: Pet,
        rng: np.random.Generator,
        wag_hz: tuple[float, float],
        wag_m: float,
        perch_m: float = 0.0,
    ) -> None:
        self._pet = pet
        stops = rng.exponential(pet.rests_s, len(pet.route))
        # 0 stands, 1 lies, between them sits
        self._low = np.where(rng.random(len(stops)) < pet.lowers, rng.choice([0.5, 1.0], len(stops)), 0.0)
        self._jump = _Jump(perch_m) if perch_m else None
        self._perch = int(np.argmax(stops))
        if self._jump:
            stops[self._perch] = max(stops[self._perch], 2.0 * (_LOOKS_S + self._jump.takes_s) + 1.0)
            self._low[self._perch] = 0.0
        self._route = Route(list(pet.route), pet.speed_mps, stops.tolist(), math.radians(180.0))
        height = pet.shoulder_m
        hz = stride_hz(height, pet.speed_mps) * rng.uniform(0.9, 1.1)  # [A] each its own
        self._stride_m = pet.speed_mps / hz
        self._phases = _TROT if pet.speed_mps**2 / (_GRAVITY * height) > _TROTS else _WALK
        # a swing's jerk jumps by 60 strides per its time cubed, of which a cubic misses a hundredth
        jerk = 60.0 * self._stride_m * (hz / (1.0 - _STANDS)) ** 3
        # and of the end of a push off the floor as many micrometres at 240 a second
        self.knot_rate_hz = max(240.0 if self._jump else 120.0, (0.01 * jerk / 20e-6) ** (1.0 / 3.0))
        self._wag_hz = rng.uniform(*wag_hz)
        # [A] quick wags are small ones
        self._wag_m = wag_m * rng.uniform(0.3, 1.0) * min(1.0, 2.0 / self._wag_hz)
        self._busy = Wander(rng, 0.03, 0.15)
        self._breath_hz, self._breath_m = rng.uniform(0.3, 0.8), rng.uniform(0.001, 0.004)
        parts = np.array([1.0, 1.0, 0.5, 0.25, *[0.35] * 8])
        parts *= 10.0 ** (pet.target_strength_db / 20.0) / np.linalg.norm(parts)
        self._strength = parts
        # fur and gait let every part's echo come and go
        self._twinkle = [Wander(rng, 0.5, 4.0) for _ in range(len(parts))]
        goes_mps = (1.875 / (1.0 - _STANDS) + 0.2) * self._route.highest_mps
        turns_mps = self._route.turn_rad_s * 1.2 * height + 1.5 * height
        leaps_mps = self._jump.leaves_mps if self._jump else 0.0
        wags_mps = 2.0 * np.pi * self._wag_hz * self._wag_m
        self.highest_speed_mps = max(goes_mps, turns_mps, leaps_mps) + wags_mps + 0.1

    def scatterers(self, time_s: FloatArray, viewpoint_m: FloatArray) -> Scatterers:
        """(times, 12): chest, rump, head, tail, then upper and lower leg of each foot."""
        time_s = np.asarray(time_s, np.float64)
        since = running_s(time_s, self._pet.from_s, self._pet.to_s, _STOPS_S)
        place, heading, speed, metres = self._route.at(since)
        low, up_m = self._posture(since)
        own = self._trunk(time_s, since, speed, metres, low) + self._legs(speed, metres, low)
        local = np.stack([np.stack(one, -1) for one in own], 1)
        c, s = np.cos(heading)[:, None], np.sin(heading)[:, None]
        position = np.stack(
            [
                place[:, :1] + c * local[..., 0] - s * local[..., 1],
                place[:, 1:] + s * local[..., 0] + c * local[..., 1],
                up_m[:, None] + local[..., 2],
            ],
            -1,
        )
        aspect = metres * 6.0 + 0.2 * time_s
        twinkle = np.stack([step(0.5 + 0.5 * one(aspect)) for one in self._twinkle], -1)
        return Scatterers(position, self._strength * (0.35 + 0.65 * twinkle))

    def _posture(self, since: FloatArray) -> tuple[FloatArray, FloatArray]:
        """How low it is, 0 to 1, and how high what it stands on."""
        stop, rests_s, left_s = self._route.rest(since)
        low = self._low[stop] * step(rests_s / 1.2) * step(left_s / 1.2)
        up_m = np.zeros(len(since))
        if self._jump:
            there, back = self._jump(rests_s - _LOOKS_S), self._jump(left_s - _LOOKS_S)
            up_m = np.where(stop == self._perch, np.where(rests_s < left_s, there, back), 0.0)
        return low, up_m

    def _trunk(
        self, time_s: FloatArray, since: FloatArray, speed: FloatArray, metres: FloatArray, low: FloatArray
    ) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
        pet, height, none = self._pet, self._pet.shoulder_m, np.zeros(len(since))
        going = _going(speed, pet.speed_mps)
        busy = (1.0 - going) * step((self._busy(since) + 2.0 * pet.fidgets - 1.0) / 0.6)
        turn = 2.0 * np.pi * metres / self._stride_m
        wag = self._wag_m * np.sin(2.0 * np.pi * self._wag_hz * since)
        breath = self._breath_m * np.sin(2.0 * np.pi * self._breath_hz * time_s)
        bob = 0.03 * height * going * np.sin(2.0 * turn)
        # sitting lowers the rump, lying the chest too
        chest, rump = 0.5 * np.maximum(2.0 * low - 1.0, 0.0) ** 2, 0.5 * (1.0 - (1.0 - low) ** 2)
        nod = 0.05 * height * going * np.sin(turn)
        return [
            (none + 0.45 * height, breath, (0.8 - chest) * height + bob),
            (none - 0.45 * height, -breath, (0.8 - rump) * height - bob),
            (none + 0.85 * height, 0.5 * busy * wag, (1.0 - chest) * height + nod),
            (none - 0.85 * height, (busy + 0.3 * going) * wag, (0.8 - 1.3 * rump) * height),
        ]

    def _legs(
        self, speed: FloatArray, metres: FloatArray, low: FloatArray
    ) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
        """Upper and lower part of each: a foot stands where it is while the trunk goes on over it."""
        height, stride = self._pet.shoulder_m, self._stride_m
        going = _going(speed, self._pet.speed_mps)
        own = []
        for foot, phase in enumerate(self._phases):
            x, side = (0.42 if foot < 2 else -0.42) * height, (0.14 if foot % 2 == 0 else -0.14) * height
            share = (metres / stride + phase) % 1.0
            swing = np.maximum(share - _STANDS, 0.0) / (1.0 - _STANDS)
            ahead = stride * (0.5 * _STANDS - share + minimum_jerk(swing))
            lift = 0.15 * height * going * (4.0 * swing * (1.0 - swing)) ** 3
            y = np.full(len(metres), side)
            own.append((x + 0.45 * ahead, y, (0.55 - 0.3 * low) * height + 0.3 * lift))
            own.append((x + 0.85 * ahead, y, (0.15 - 0.08 * low) * height + lift))
        return own


def _going(speed: FloatArray, usual_mps: float) -> FloatArray:
    """How much it is on its way, 0 to 1: without a corner, so that few knots follow it."""
    return minimum_jerk(speed / (0.8 * usual_mps))


class _Jump:
    """Height over the floor, for seconds since it crouched: pushes, flies, lands on a perch from above."""

    def __init__(self, perch_m: float) -> None:
        falls_m = _LANDS_MPS**2 / (2.0 * _GRAVITY) + 0.5 * _LANDS_MPS * _LAND_S
        # leaves² / 2g + leaves * push / 2 = perch + falls
        half = 0.5 * _GRAVITY * _PUSH_S
        self.leaves_mps = math.sqrt(half**2 + 2.0 * _GRAVITY * (perch_m + falls_m)) - half
        self._flies_s = (self.leaves_mps + _LANDS_MPS) / _GRAVITY
        self.takes_s = _PUSH_S + self._flies_s + _LAND_S

    def __call__(self, since: FloatArray) -> FloatArray:
        push = np.clip(since, 0.0, _PUSH_S)
        fly = np.clip(since - _PUSH_S, 0.0, self._flies_s)
        land = np.clip(since - _PUSH_S - self._flies_s, 0.0, _LAND_S)
        return np.asarray(
            0.5 * self.leaves_mps / _PUSH_S * push**2
            + self.leaves_mps * fly
            - 0.5 * _GRAVITY * fly**2
            - _LANDS_MPS * (land - 0.5 * land**2 / _LAND_S)
        )


PETS: tuple[type[Pet], ...] = (Cat, Dog)
