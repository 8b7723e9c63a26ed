"""Movers whose answer is known on paper: what the simulator and the sensor are measured with."""

from __future__ import annotations

import math
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from noctule.simulate.movers.routes import running_s
from noctule.simulate.parts import FloatArray, Mover, MoverPart, Scatterers, Space, Vector
from noctule.simulate.smooth import step_integral

#: Half of the arm's thickness and its length: 7.6 x 7.6 x 38 cm. [R: NEMA WD 7, PHYSICS]
_ARM_HALF_M, _ARM_LENGTH_M = 0.038, 0.38
#: The arm reaches its speed, and loses it, within so long. [A]
_ARM_TAKES_S = 0.1


class PointTarget(MoverPart):
    """One point: goes straight, trembles and circles, all exactly.

    With s = t - from_s, position = position_m + velocity_mps·s + amplitude_m·axis·sin(2π·frequency_hz·s) +
    radius_m·(cos, sin)(2π·turn_rate_hz·s). It starts and stops within a tenth of a second about `from_s` and
    `to_s`.
    """

    kind: Literal["point"] = "point"
    label: ClassVar[str] = "point"

    position_m: Vector = Field(description="at from_s")
    velocity_mps: Vector = Field((0.0, 0.0, 0.0), description="along x, y and z; each at most 30")
    amplitude_m: float = Field(0.0, ge=0.0, le=1.0, description="of its vibration")
    frequency_hz: float = Field(1.0, ge=0.01, le=500.0, description="of its vibration")
    axis: Vector = Field((1.0, 0.0, 0.0), description="along which it vibrates, of any length")
    radius_m: float = Field(0.0, ge=0.0, le=5.0, description="of a level circle about position_m")
    turn_rate_hz: float = Field(0.0, ge=-20.0, le=20.0, description="positive: counter-clockwise from above")
    target_strength_db: float = Field(-20.0, ge=-80.0, le=20.0, description="at 1 m")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not any(self.axis):
            raise ValueError("axis: has no length")
        if max(abs(one) for one in self.velocity_mps) > 30.0:
            raise ValueError("velocity_mps: faster than 30 m/s")
        if self.to_s is not None and self.to_s < self.from_s + 0.1:
            raise ValueError("to_s: must be 0.1 s or more after from_s")
        return self

    def mover(self, rng: np.random.Generator) -> Mover:
        return _PointMover(self)

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        """Goes from one place to another, and may tremble or circle on its way. All [A]."""
        low = np.full(3, 0.3)
        start, end = rng.uniform(low, np.maximum(np.array(space.size_m) - 0.3, low), (2, 3))
        way = float(np.linalg.norm(end - start))
        from_s, speed = rng.uniform(0.0, 10.0), rng.uniform(0.05, 1.8)
        takes_s = max(way / speed, 0.2)
        frequency_hz = math.exp(rng.uniform(math.log(0.1), math.log(50.0)))
        return cls(
            position_m=_vector(start),
            velocity_mps=_vector((end - start) / takes_s),
            amplitude_m=rng.uniform(1e-5, min(0.1, 0.2 / frequency_hz)) if rng.random() < 0.5 else 0.0,
            frequency_hz=frequency_hz,
            axis=_vector(rng.normal(size=3)),
            radius_m=rng.uniform(0.01, 0.18) if rng.random() < 0.3 else 0.0,
            turn_rate_hz=rng.uniform(-1.0, 1.0),
            target_strength_db=rng.uniform(-40.0, -10.0),
            from_s=from_s,
            to_s=from_s + takes_s,
        )


class _PointMover:
    def __init__(self, part: PointTarget) -> None:
        self._part = part
        self._axis = np.array(part.axis) / np.linalg.norm(part.axis) * part.amplitude_m
        swings_hz = part.frequency_hz if part.amplitude_m else 0.0
        turns_hz = abs(part.turn_rate_hz) if part.radius_m else 0.0
        self.highest_speed_mps = float(
            np.linalg.norm(part.velocity_mps)
            + 2.0 * math.pi * (part.amplitude_m * swings_hz + part.radius_m * turns_hz)
        )
        # a cubic errs by 0.03·amplitude·(2π·hz/rate)**4: a micrometre, and a thousandth at least
        self.knot_rate_hz = max(
            50.0,
            *(
                hz * max(16.0, 2.0 * math.pi * (0.03 * size / 1e-6) ** 0.25)
                for hz, size in ((swings_hz, part.amplitude_m), (turns_hz, part.radius_m))
            ),
        )

    def scatterers(self, time_s: FloatArray, viewpoint_m: FloatArray) -> Scatterers:
        part = self._part
        since = running_s(time_s, part.from_s, part.to_s)
        position = np.array(part.position_m) + np.multiply.outer(since, part.velocity_mps)
        position += np.multiply.outer(np.sin(2.0 * np.pi * part.frequency_hz * since), self._axis)
        turned = 2.0 * np.pi * part.turn_rate_hz * since
        position[:, 0] += part.radius_m * np.cos(turned)
        position[:, 1] += part.radius_m * np.sin(turned)
        strength = np.full((len(position), 1), 10.0 ** (part.target_strength_db / 20.0))
        return Scatterers(position[:, None], strength)


class ReferenceArm(MoverPart):
    """The box arm of 38 cm with which NEMA WD 7 measures minor motion; it turns level to and fro."""

    kind: Literal["reference_arm"] = "reference_arm"
    label: ClassVar[str] = "reference arm"

    position_m: Vector = Field(description="of its hinge; the standard says 0.914 m high")
    heading_deg: float = Field(0.0, ge=-720.0, le=720.0, description="of the middle between its end stops")
    turn_deg_s: float = Field(90.0, ge=5.0, le=180.0, description="how fast it turns")
    between_deg: float = Field(90.0, ge=10.0, le=180.0, description="its end stops")
    rest_s: float = Field(1.0, ge=0.0, le=600.0, description="at each end stop")
    target_strength_db: float = Field(-24.0, ge=-60.0, le=0.0, description="of the whole arm at 1 m")

    def mover(self, rng: np.random.Generator) -> Mover:
        return _ArmMover(self)

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        x, y, z = space.spot(rng, z_m=min(0.914, space.size_m[2] - 0.1), margin_m=0.45)
        return cls(
            position_m=(x, y, z),
            heading_deg=rng.uniform(-180.0, 180.0),
            rest_s=rng.uniform(0.0, 5.0),
            target_strength_db=rng.uniform(-32.0, -14.0),  # [A] a forearm, and a harder surface
            from_s=rng.uniform(1.0, 20.0) if rng.random() < 0.5 else 0.0,
            to_s=rng.uniform(22.0, 50.0) if rng.random() < 0.3 else None,
        )


class _ArmMover:
    knot_rate_hz = 100.0

    def __init__(self, part: ReferenceArm) -> None:
        self._part = part
        self._reach_m = _ARM_LENGTH_M * np.array([0.15, 0.45, 0.75, 1.0])
        # the side that is seen moves over to the other by two more of its halves a radian
        self.highest_speed_mps = math.radians(part.turn_deg_s) * (_ARM_LENGTH_M + 3.0 * _ARM_HALF_M)
        self._stroke_s = part.between_deg / part.turn_deg_s + _ARM_TAKES_S
        self._strength = 10.0 ** (part.target_strength_db / 20.0) / 2.0

    def scatterers(self, time_s: FloatArray, viewpoint_m: FloatArray) -> Scatterers:
        """(times, 4): along the side that looks to the device."""
        angle = math.radians(self._part.heading_deg) + np.radians(self._turned_deg(time_s))
        along = np.stack([np.cos(angle), np.sin(angle)], -1)
        side = np.stack([-along[:, 1], along[:, 0]], -1)
        hinge = np.array(self._part.position_m)
        view = np.asarray(viewpoint_m, float)[:2] - hinge[:2]
        facing = side @ (view / max(float(np.linalg.norm(view)), 1e-6))
        # from one side over the end to the other, without a jump
        position = np.broadcast_to(hinge, (len(angle), 4, 3)).copy()
        position[..., :2] += self._reach_m[:, None] * along[:, None]
        position[..., :2] += (_ARM_HALF_M * np.tanh(2.0 * facing)[:, None] * side)[:, None]
        # [A] flat sides, but of wood and with edges: 10 dB between square and end on
        strength = self._strength * (0.32 + 0.68 * facing**4)
        return Scatterers(position, np.repeat(strength[:, None], 4, 1))

    def _turned_deg(self, time_s: FloatArray) -> FloatArray:
        """From its middle: one stop, to the other, and back."""
        part = self._part
        since = running_s(time_s, part.from_s, part.to_s)
        half_s = self._stroke_s + part.rest_s
        stroke_s = part.between_deg / part.turn_deg_s
        place = since % (2.0 * half_s)
        there, back = (
            step_integral(begun / _ARM_TAKES_S) - step_integral((begun - stroke_s) / _ARM_TAKES_S)
            for begun in (place, place - half_s)
        )
        return np.asarray(part.turn_deg_s * _ARM_TAKES_S * (there - back) - part.between_deg / 2.0)


def _vector(x: FloatArray) -> Vector:
    return float(x[0]), float(x[1]), float(x[2])


REFERENCES: tuple[type[MoverPart], ...] = (PointTarget, ReferenceArm)
