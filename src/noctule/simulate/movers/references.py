"""Targets with known answers: a point on a known road, and the arm that the NEMA test turns."""

from __future__ import annotations

import math
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from noctule.simulate.parts import FloatArray, Mover, MoverPart, Scatterers, Space, Vector


class PointTarget(MoverPart):
    """One point: goes straight on at constant speed, or vibrates about its place, or both."""

    kind: Literal["point"] = "point"
    label: ClassVar[str] = "point"

    position_m: Vector
    velocity_mps: Vector = (0.0, 0.0, 0.0)
    vibration_m: Vector = Field((0.0, 0.0, 0.0), description="peak excursion along each axis")
    vibration_hz: float = Field(1.0, gt=0.0, le=500.0)
    target_strength_db: float = Field(-20.0, ge=-80.0, le=20.0)

    def mover(self, rng: np.random.Generator) -> Mover:
        return _Point(self)

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        x, y, _ = space.spot(rng)
        return cls(
            position_m=(x, y, rng.uniform(0.3, space.size_m[2] - 0.3)),
            vibration_m=(rng.uniform(0.0, 0.1), 0.0, 0.0),
            vibration_hz=rng.uniform(0.2, 3.0),
            target_strength_db=rng.uniform(-40.0, -15.0),
        )


class _Point:
    def __init__(self, part: PointTarget) -> None:
        self._part = part
        self._position, self._velocity = np.array(part.position_m), np.array(part.velocity_mps)
        self._vibration = np.array(part.vibration_m)
        shaking = float(np.linalg.norm(self._vibration)) > 0.0
        self.knot_rate_hz = max(30.0, 20.0 * part.vibration_hz) if shaking else 30.0
        peak_mps = 2.0 * math.pi * part.vibration_hz * float(np.linalg.norm(self._vibration))
        self.highest_speed_mps = float(np.linalg.norm(self._velocity)) + peak_mps + 1e-3

    def scatterers(self, time_s: FloatArray, viewpoint_m: FloatArray) -> Scatterers:
        part = self._part
        moving_s = np.clip(time_s, part.from_s, np.inf if part.to_s is None else part.to_s) - part.from_s
        turn = np.sin(2.0 * np.pi * part.vibration_hz * moving_s)
        place = self._position + np.multiply.outer(moving_s, self._velocity)
        place = place + np.multiply.outer(turn, self._vibration)
        strength = np.full((len(moving_s), 1), 10.0 ** (part.target_strength_db / 20.0))
        return Scatterers(place[:, None], strength)


class ReferenceArm(MoverPart):
    """NEMA WD 7's arm for minor motion: a box of 7.6 x 7.6 x 38 cm, 0.914 m high, that turns at 90 degrees/s.

    Its tip reaches 0.6 m/s; it turns to and fro through a right angle, and rests a while at each end.
    """

    kind: Literal["reference_arm"] = "reference_arm"
    label: ClassVar[str] = "reference arm"

    position_m: Vector = Field(description="of its axle")
    heading_deg: float = Field(0.0, ge=-720.0, le=720.0, description="of the middle of its swing")
    length_m: float = Field(0.38, ge=0.1, le=1.0)
    rate_deg_s: float = Field(90.0, ge=5.0, le=180.0)
    rests_s: float = Field(0.0, ge=0.0, le=600.0)
    target_strength_db: float = Field(-25.0, ge=-60.0, le=0.0, description="[A] of the whole box")

    def mover(self, rng: np.random.Generator) -> Mover:
        return _Arm(self)

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        x, y, _ = space.spot(rng, margin_m=0.5)
        return cls(position_m=(x, y, 0.914), heading_deg=rng.uniform(-180.0, 180.0))


class _Arm:
    knot_rate_hz = 120.0
    #: It is stopped and started by a motor: so long from rest to its speed.
    ramp_s = 0.08

    def __init__(self, part: ReferenceArm) -> None:
        self._part = part
        self.highest_speed_mps = math.radians(part.rate_deg_s) * part.length_m * 1.1

    def scatterers(self, time_s: FloatArray, viewpoint_m: FloatArray) -> Scatterers:
        part = self._part
        since = np.clip(time_s, part.from_s, np.inf if part.to_s is None else part.to_s) - part.from_s
        sweep_s = 90.0 / part.rate_deg_s + self.ramp_s
        half_s = sweep_s + part.rests_s
        place = since % (2.0 * half_s)
        there, back = self._swept(place, sweep_s), self._swept(place - half_s, sweep_s)
        angle = math.radians(part.heading_deg - 45.0) + math.radians(90.0) * (there - back)
        way = np.stack([np.cos(angle), np.sin(angle), np.zeros(len(angle))], -1)
        reach = part.length_m * np.linspace(0.2, 1.0, 4)
        strength = np.full((len(angle), 4), 0.5 * 10.0 ** (part.target_strength_db / 20.0))
        return Scatterers(np.array(part.position_m) + reach[None, :, None] * way[:, None], strength)

    def _swept(self, time_s: FloatArray, sweep_s: float) -> FloatArray:
        """0 to 1 at constant speed between two short ramps."""
        ramp = self.ramp_s
        edges = np.clip(time_s, 0.0, sweep_s)
        x, y = np.clip(edges / ramp, 0.0, 1.0), np.clip((edges - sweep_s + ramp) / ramp, 0.0, 1.0)
        rise = ramp * (x**3 - 0.5 * x**4) + np.clip(edges - ramp, 0.0, None)
        fall = ramp * (y**3 - 0.5 * y**4)
        return np.asarray((rise - fall) / (sweep_s - ramp))


REFERENCES: tuple[type[MoverPart], ...] = (PointTarget, ReferenceArm)
