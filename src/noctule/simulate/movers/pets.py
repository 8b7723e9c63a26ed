"""Cats and dogs: four legs, a trunk close to the floor, a tail; they walk, trot, rest, groom and wag.

Strides a second follow speed and leg length (Heglund & Taylor, J. Exp. Biol. 138, 1988); legs on opposite
corners swing together in a trot, one after the other in a walk. Sizes and strengths [A, PHYSICS].
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from noctule.simulate.movers.routes import Point, Route, draw_points, running_s
from noctule.simulate.parts import FloatArray, Mover, MoverPart, Scatterers, Space
from noctule.simulate.smooth import Wander, step

#: When each foot swings: left and right fore, left and right hind, in a walk and in a trot.
_WALK, _TROT = np.array([0.25, 0.75, 0.0, 0.5]), np.array([0.0, 0.5, 0.5, 0.0])

#: Nose and tail from the middle, in shoulder heights; an animal stops and starts within so long.
_REACH, _STOPS_S = 0.92, 0.6


class Pet(MoverPart):
    """What cats and dogs share. Fur takes most of the echo."""

    route: tuple[Point, ...] = Field(min_length=2, description="round and round over these places")
    speed_mps: float = Field(0.6, ge=0.1, le=3.0)
    rests_s: float = Field(5.0, ge=0.0, le=600.0, description="at each place, on average")
    shoulder_m: float = Field(0.25, ge=0.12, le=0.9)
    target_strength_db: float = Field(-24.0, ge=-50.0, le=0.0, description="of the whole animal")
    fidgets: float = Field(0.5, ge=0.0, le=1.0, description="share of its rests in which it grooms or wags")

    def mover(self, rng: np.random.Generator) -> Mover:
        return _PetMover(self, rng, wag_hz=(2.0, 4.0), wag_m=0.02)


class Cat(Pet):
    kind: Literal["cat"] = "cat"
    label: ClassVar[str] = "cat"

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
            from_s=rng.uniform(0.0, 8.0),
        )


class Dog(Pet):
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
            from_s=rng.uniform(0.0, 8.0),
        )


class _PetMover:
    knot_rate_hz = 120.0

    def __init__(self, pet: Pet, rng: np.random.Generator, wag_hz: tuple[float, float], wag_m: float) -> None:
        self._pet = pet
        stops = [float(rng.exponential(pet.rests_s)) for _ in pet.route]
        self._route = Route(list(pet.route), pet.speed_mps, stops, math.radians(180.0))
        height = pet.shoulder_m
        # [A] as the Froude number grows, strides grow with its root
        self._stride_m = 1.3 * height * math.sqrt(max(pet.speed_mps / math.sqrt(9.81 * height), 0.2)) + 0.1
        froude = pet.speed_mps**2 / (9.81 * height)
        self._phases = _TROT if froude > 0.35 else _WALK
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
        turning = self._route.turn_rad_s * 1.2 * height
        self.highest_speed_mps = (
            3.2 * self._route.highest_mps + turning + 2 * np.pi * self._wag_hz * self._wag_m + 0.1
        )

    def scatterers(self, time_s: FloatArray, viewpoint_m: FloatArray) -> Scatterers:
        """(times, 12): chest, rump, head, tail, then upper and lower leg of each foot."""
        pet, height = self._pet, self._pet.shoulder_m
        time_s = np.asarray(time_s, np.float64)
        since = running_s(time_s, pet.from_s, pet.to_s, _STOPS_S)
        place, heading, speed, metres = self._route.at(since)
        going = step(speed / (0.3 * pet.speed_mps))
        busy = (1.0 - going) * step((self._busy(since) + 2.0 * pet.fidgets - 1.0) / 0.6)
        turn = 2.0 * np.pi * metres / self._stride_m
        wag = self._wag_m * np.sin(2.0 * np.pi * self._wag_hz * since)
        breath = self._breath_m * np.sin(2.0 * np.pi * self._breath_hz * time_s)
        bob = 0.03 * height * going * np.sin(2.0 * turn)
        none = np.zeros(len(time_s))
        own = [
            (none + 0.45 * height, breath, 0.8 * height + bob),
            (none - 0.45 * height, -breath, 0.8 * height - bob),
            (none + 0.85 * height, 0.5 * busy * wag, height + 0.05 * height * going * np.sin(turn)),
            (none - 0.85 * height, (busy + 0.3 * going) * wag, none + 0.8 * height),
        ]
        for foot, phase in enumerate(self._phases):
            swing = turn + 2.0 * np.pi * phase
            x, side = (0.42 if foot < 2 else -0.42) * height, (0.14 if foot % 2 == 0 else -0.14) * height
            # to and fro against the trunk as far as the stride asks, lifted on the way forward
            ahead = 0.22 * self._stride_m * going * np.sin(swing)
            lift = 0.12 * height * going * step(np.cos(swing))
            own.append((x + 0.45 * ahead, none + side, 0.55 * height + 0.3 * lift))
            own.append((x + ahead, none + side, 0.15 * height + lift))
        local = np.stack([np.stack(one, -1) for one in own], 1)
        c, s = np.cos(heading)[:, None], np.sin(heading)[:, None]
        position = np.stack(
            [
                place[:, :1] + c * local[..., 0] - s * local[..., 1],
                place[:, 1:] + s * local[..., 0] + c * local[..., 1],
                local[..., 2],
            ],
            -1,
        )
        aspect = metres * 6.0 + 0.2 * time_s
        twinkle = np.stack([step(0.5 + 0.5 * one(aspect)) for one in self._twinkle], -1)
        return Scatterers(position, self._strength * (0.35 + 0.65 * twinkle))


PETS: tuple[type[Pet], ...] = (Cat, Dog)
