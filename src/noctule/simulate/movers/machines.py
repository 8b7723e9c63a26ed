"""Machines that move or blow: a robot vacuum, air conditioning, an appliance that shakes."""

from __future__ import annotations

import math
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from noctule.simulate.ambient.band_noise import BandNoise
from noctule.simulate.movers.routes import Point, Route, draw_points, running_s
from noctule.simulate.movers.shakes import Nothing, switched
from noctule.simulate.parts import FloatArray, Mover, MoverPart, Scatterers, Sound, Space, Vector, pressure_pa
from noctule.simulate.smooth import Wander

#: Motors start and stop within so long; bristles of the side brush.
_STOPS_S, _BRUSH_M = 0.5, 0.08


class RobotVacuum(MoverPart):
    """A disc that goes straight on, stops, turns on the spot; its side brush whirls. [A, speeds R]"""

    kind: Literal["robot_vacuum"] = "robot_vacuum"
    label: ClassVar[str] = "robot vacuum"

    route: tuple[Point, ...] = Field(min_length=2, description="round and round over these places")
    speed_mps: float = Field(0.3, ge=0.05, le=1.0, description="straight on")
    radius_m: float = Field(0.17, ge=0.1, le=0.3, description="of the disc")
    brush_rpm: float = Field(180.0, ge=0.0, le=600.0, description="of the side brush, turns a minute")
    target_strength_db: float = Field(-24.0, ge=-50.0, le=0.0, description="of the whole thing at 1 m")
    noise_db_spl: float = Field(35.0, ge=0.0, le=80.0, description="of its motor at 1 m, 18 to 60 kHz")

    def mover(self, rng: np.random.Generator) -> Mover:
        return _Robot(self, rng)

    def sound(self, rng: np.random.Generator) -> Sound:
        x = float(np.mean([one[0] for one in self.route]))
        y = float(np.mean([one[1] for one in self.route]))
        return _Noise((x, y, 0.08), self.noise_db_spl, self.from_s, self.to_s, rng)

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        radius_m = rng.uniform(0.14, 0.18)
        return cls(
            route=tuple(draw_points(rng, space, int(rng.integers(3, 12)), radius_m + _BRUSH_M)),
            speed_mps=rng.uniform(0.2, 0.4),
            radius_m=radius_m,
            brush_rpm=rng.uniform(90.0, 250.0),
            target_strength_db=rng.uniform(-32.0, -16.0),
            noise_db_spl=rng.uniform(15.0, 50.0),
            from_s=rng.uniform(0.0, 10.0),
        )


class _Robot:
    def __init__(self, part: RobotVacuum, rng: np.random.Generator) -> None:
        self._part = part
        # the brush turns fastest: 25 knots a turn err by 10 micrometres
        self.knot_rate_hz = max(80.0, 25.0 * part.brush_rpm / 60.0)
        stops = [float(rng.uniform(0.1, 0.8)) for _ in part.route]
        self._route = Route(list(part.route), part.speed_mps, stops, math.radians(90.0))
        self._angles = rng.uniform(0.0, 2.0 * np.pi) + np.arange(5) * 2.0 * np.pi / 5
        self._total = 10.0 ** (part.target_strength_db / 20.0)
        self._jitter = [Wander(rng, 3.0, 9.0), Wander(rng, 3.0, 9.0)]
        brush = 2.0 * np.pi * part.brush_rpm / 60.0 * 0.09
        self.highest_speed_mps = (
            self._route.highest_mps + self._route.turn_rad_s * part.radius_m + brush + 0.1
        )

    def scatterers(self, time_s: FloatArray, viewpoint_m: FloatArray) -> Scatterers:
        """(times, 8): five places on its rim, three bristles of the side brush."""
        part, time_s = self._part, np.asarray(time_s, np.float64)
        since = running_s(time_s, part.from_s, part.to_s, _STOPS_S)
        place, heading, speed, _ = self._route.at(since)
        # wheels on a floor that is never quite even
        shake = 3e-4 * (speed / part.speed_mps)[:, None] * np.stack([one(time_s) for one in self._jitter], -1)
        rim = heading[:, None] + self._angles
        x = (place + shake)[:, :1] + part.radius_m * np.cos(rim)
        y = (place + shake)[:, 1:] + part.radius_m * np.sin(rim)
        turns = part.brush_rpm / 60.0 * since
        whirl = 2.0 * np.pi * (turns[:, None] + np.arange(3) / 3.0)
        corner = heading + 0.8
        bx = (place[:, 0] + part.radius_m * np.cos(corner))[:, None] + _BRUSH_M * np.cos(whirl)
        by = (place[:, 1] + part.radius_m * np.sin(corner))[:, None] + _BRUSH_M * np.sin(whirl)
        position = np.stack(
            [
                np.concatenate([x, bx], 1),
                np.concatenate([y, by], 1),
                np.concatenate([np.full_like(x, 0.05), np.full_like(bx, 0.01)], 1),
            ],
            -1,
        )
        view = np.asarray(viewpoint_m) - position[:, :5]
        view /= np.linalg.norm(view, axis=-1, keepdims=True)
        facing = np.cos(rim) * view[..., 0] + np.sin(rim) * view[..., 1]
        strength = np.full(position.shape[:2], 0.05 * self._total)
        # only the side that looks at the device shines
        strength[:, :5] = self._total * (0.06 + 0.94 * np.square(np.maximum(facing, 0.0)))
        return Scatterers(position, strength)


class Hvac(MoverPart):
    """Air conditioning: nothing to see, but air that moves everywhere, and hiss."""

    kind: Literal["hvac"] = "hvac"
    label: ClassVar[str] = "air conditioning"

    position_m: Vector = Field(description="where it hisses")
    fluctuation_mps: float = Field(0.008, ge=0.0, le=0.05, description="of the speed of sound, rms")
    noise_db_spl: float = Field(25.0, ge=-10.0, le=70.0, description="at 1 m, 18 to 60 kHz")

    def airflow_mps(self) -> float:
        return self.fluctuation_mps

    def mover(self, rng: np.random.Generator) -> Mover:
        return Nothing()

    def sound(self, rng: np.random.Generator) -> Sound:
        return _Noise(self.position_m, self.noise_db_spl, self.from_s, self.to_s, rng)

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        x, y, _ = space.spot(rng)
        return cls(
            position_m=(x, y, space.size_m[2] - 0.1),
            fluctuation_mps=10.0 ** rng.uniform(-2.7, -1.7),
            noise_db_spl=rng.uniform(0.0, 40.0),
            from_s=rng.uniform(0.0, 20.0) if rng.random() < 0.3 else 0.0,
        )


class Appliance(MoverPart):
    """A washing machine, a printer: its casing vibrates."""

    kind: Literal["appliance"] = "appliance"
    label: ClassVar[str] = "appliance"

    position_m: Vector = Field(description="middle of the side that faces the room")
    width_m: float = Field(
        0.6, ge=0.1, le=2.0, description="of the casing, which is as deep and 0.8 of that high"
    )
    frequency_hz: float = Field(
        17.0, ge=5.0, le=100.0, description="at which it shakes; two harmonics come along"
    )
    excursion_um: float = Field(80.0, ge=0.0, le=2000.0, description="about the peak, in all directions")
    target_strength_db: float = Field(-15.0, ge=-50.0, le=10.0, description="of the whole side at 1 m")

    def mover(self, rng: np.random.Generator) -> Mover:
        return _Casing(self, rng)

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        x, y, _ = space.spot(rng, margin_m=0.5)
        return cls(
            position_m=(x, y, rng.uniform(0.3, 1.0)),
            width_m=rng.uniform(0.2, 0.7),
            frequency_hz=rng.uniform(10.0, 60.0),
            excursion_um=10.0 ** rng.uniform(1.0, 2.7),
            target_strength_db=rng.uniform(-28.0, -8.0),
            from_s=rng.uniform(0.0, 15.0) if rng.random() < 0.4 else 0.0,
        )


class _Casing:
    def __init__(self, part: Appliance, rng: np.random.Generator) -> None:
        self._part = part
        self.knot_rate_hz = 40.0 * part.frequency_hz
        self.highest_speed_mps = 2.0 * np.pi * 3.0 * part.frequency_hz * 2e-6 * part.excursion_um + 0.01
        self._offset = rng.uniform(-0.5, 0.5, (6, 3)) * part.width_m * np.array([1.0, 1.0, 0.8])
        size_m = 1e-6 * part.excursion_um / np.array([1.0, 2.0, 3.0]) / 2.5
        self._ways = rng.standard_normal((3, 6, 3)) * size_m[:, None, None]
        self._start = rng.uniform(0.0, 2.0 * np.pi, 3)
        self._uneven = Wander(rng, 0.1, 0.5)

    def scatterers(self, time_s: FloatArray, viewpoint_m: FloatArray) -> Scatterers:
        part, time_s = self._part, np.asarray(time_s, np.float64)
        on = switched(time_s, part.from_s, part.to_s) * (1.0 + 0.15 * self._uneven(time_s))
        turns = 2.0 * np.pi * part.frequency_hz * np.multiply.outer(time_s, [1.0, 2.0, 3.0]) + self._start
        moved = np.einsum("th,hpx->tpx", on[:, None] * np.sin(turns), self._ways)
        strength = np.full(moved.shape[:2], 10.0 ** (part.target_strength_db / 20.0) / math.sqrt(6.0))
        return Scatterers(np.array(part.position_m) + self._offset + moved, strength)


class _Noise:
    """Of a motor or of air: falls by 6 dB an octave through 18 to 60 kHz, in which its level is told. [A]"""

    def __init__(
        self,
        position_m: Vector,
        level_db_spl: float,
        from_s: float,
        to_s: float | None,
        rng: np.random.Generator,
    ) -> None:
        self.position_m = np.array(position_m)
        self.starts_s, self.ends_s = from_s, math.inf if to_s is None else to_s + 1.0
        self._switched = from_s, to_s
        # integral of (18k/f)² from 18 to 60 kHz is 12.6 kHz
        power = pressure_pa(level_db_spl) ** 2 / 12600.0

        def density(hz: FloatArray) -> FloatArray:
            return np.asarray(power * np.square(18000.0 / np.maximum(hz, 2000.0)))

        self._noise = BandNoise(density, int(rng.integers(2**31)))

    def waveform(self, rate_hz: float, first_sample: int, count: int) -> FloatArray:
        time_s = (first_sample + np.arange(count)) / rate_hz
        return np.asarray(
            self._noise.samples(rate_hz, first_sample, count) * switched(time_s, *self._switched)
        )


MACHINES: tuple[type[MoverPart], ...] = (RobotVacuum, Hvac, Appliance)
