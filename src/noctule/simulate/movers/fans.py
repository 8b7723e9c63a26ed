"""Fans: blades that pass to and fro before the device, without ever going anywhere.

A blade is a twisted plate: it sends most back while it is square to the way to the device, a flash twice a
turn, and little at other times. The echo repeats with every blade, so its spectrum is a comb at the blades'
passing rate on both sides of the carrier. Sizes and speeds [R: PHYSICS]; strengths and flashes [A].
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from noctule.simulate.movers.routes import running_s
from noctule.simulate.parts import FloatArray, Mover, MoverPart, Scatterers, Space, Vector
from noctule.simulate.smooth import Wander

#: Knots a turn: what lies between them is good to -42 dB of the blades' echo; strengths, which are joined
#: by straight lines, cost most of that, places less than 3 micrometres.
KNOTS_A_TURN = 36
#: Where a blade's echo comes from, as shares of its radius, and how far its strengths go.
_SPOTS = np.array([0.55, 0.92])


class Fan(MoverPart):
    """Blades that turn before the device and go nowhere; its wind shakes the air in the whole room."""

    label: ClassVar[str] = "fan"
    #: The highest speed, for which the airflow is the measured one.
    full_rpm: ClassVar[float] = 1400.0

    position_m: Vector = Field(description="of the hub")
    heading_deg: float = Field(0.0, ge=-720.0, le=720.0, description="where it blows to")
    tilt_deg: float = Field(0.0, ge=-90.0, le=90.0, description="up; -90: straight down")
    radius_m: float = Field(0.2, ge=0.03, le=1.0, description="of the blades' circle")
    blades: int = Field(4, ge=2, le=8, description="how many")
    rpm: float = Field(1000.0, ge=2.0, le=3000.0, description="turns a minute")
    speed_steps: tuple[tuple[float, float], ...] = Field((), description="(at_s, rpm): other speeds")
    swing_deg: float = Field(0.0, ge=0.0, le=60.0, description="of an oscillating head, to each side")
    swing_hz: float = Field(0.07, ge=0.01, le=0.5, description="to and fro so often a second")
    blade_strength_db: float = Field(-27.0, ge=-60.0, le=0.0, description="of one blade's flash at 1 m")
    draught_mps: float = Field(
        0.022,
        ge=0.0,
        le=0.1,
        description="fluctuation of the speed of sound in its wind at full speed, rms; measured 0.016-0.06",
    )
    spin_up_s: float = Field(2.0, ge=0.1, le=20.0, description="time constant; it runs down in three of them")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if any(not 2.0 <= rpm <= 3000.0 for _, rpm in self.speed_steps):
            raise ValueError("speed_steps: rpm must be 2 to 3000")
        ends_s = math.inf if self.to_s is None else self.to_s
        times = [self.from_s, *(at_s for at_s, _ in self.speed_steps), ends_s]
        if any(late <= early for early, late in pairwise(times)):
            raise ValueError("times must rise from from_s over those of speed_steps to to_s")
        return self

    def mover(self, rng: np.random.Generator) -> Mover:
        return _FanMover(self, rng)

    def airflow_mps(self) -> float:
        return self.draught_mps * min(self.rpm / self.full_rpm, 1.3)


class FloorFan(Fan):
    """On a stand: radius 0.15 to 0.25 m, 600 to 1400 rpm."""

    kind: Literal["floor_fan"] = "floor_fan"

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        x, y, _ = space.spot(rng)
        return cls(
            position_m=(x, y, rng.uniform(0.4, min(1.3, space.size_m[2] - 0.4))),
            radius_m=rng.uniform(0.15, 0.25),
            rpm=rng.uniform(600.0, 1400.0),
            **_common(rng, rng.random() < 0.5),
        )


class DeskFan(Fan):
    """Small and quick: radius 0.06 to 0.15 m, 900 to 2500 rpm."""

    full_rpm: ClassVar[float] = 2500.0
    kind: Literal["desk_fan"] = "desk_fan"

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        x, y, _ = space.spot(rng)
        return cls(
            position_m=(x, y, rng.uniform(0.7, 1.2)),
            radius_m=rng.uniform(0.06, 0.15),
            rpm=rng.uniform(900.0, 2500.0),
            **_common(rng, rng.random() < 0.3),
        )


class CeilingFan(Fan):
    """Large and slow: say radius_m (0.5 to 0.7) and rpm (60 to 250), the defaults are a floor fan's."""

    full_rpm: ClassVar[float] = 250.0
    kind: Literal["ceiling_fan"] = "ceiling_fan"
    tilt_deg: float = Field(-90.0, ge=-90.0, le=90.0, description="up; -90: straight down")

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        length, width, height = space.size_m
        radius_m = min(rng.uniform(0.5, 0.7), 0.45 * min(length, width))
        x = length * 0.5 + rng.uniform(-0.3, 0.3) * (length - 2.0 * radius_m)
        y = width * 0.5 + rng.uniform(-0.3, 0.3) * (width - 2.0 * radius_m)
        return cls(
            position_m=(x, y, height - rng.uniform(0.2, 0.4)),
            radius_m=radius_m,
            rpm=rng.uniform(60.0, 250.0),
            tilt_deg=-90.0,
            **(_common(rng, swings=False) | {"spin_up_s": rng.uniform(3.0, 10.0)}),
        )


def _common(rng: np.random.Generator, swings: bool) -> dict[str, Any]:
    """On for all the time, or switched on or off during it."""
    state = rng.random()
    return {
        "heading_deg": rng.uniform(-180.0, 180.0),
        "blades": int(rng.integers(3, 6)),
        "swing_deg": rng.uniform(25.0, 45.0) if swings else 0.0,
        "swing_hz": rng.uniform(0.05, 0.1),
        "blade_strength_db": rng.uniform(-36.0, -20.0),
        "draught_mps": 10.0 ** rng.uniform(-2.1, -1.25),
        "spin_up_s": rng.uniform(1.0, 4.0),
        "from_s": rng.uniform(2.0, 30.0) if state < 0.25 else 0.0,
        "to_s": rng.uniform(31.0, 50.0) if 0.15 < state < 0.4 else None,
    }


class _FanMover:
    def __init__(self, fan: Fan, rng: np.random.Generator) -> None:
        self._fan = fan
        fastest_rpm = max(fan.rpm, *(rpm for _, rpm in fan.speed_steps), 0.0)
        self.knot_rate_hz = max(60.0, KNOTS_A_TURN * 1.05 * fastest_rpm / 60.0)
        swing = math.radians(fan.swing_deg) * 2.0 * math.pi * fan.swing_hz
        self.highest_speed_mps = 1.05 * fan.radius_m * (2.0 * math.pi * fastest_rpm / 60.0 + swing)
        # running since long ago, or switched on: (at_s, turns a second, time constant)
        self._steps = [(fan.from_s, fan.rpm / 60.0, fan.spin_up_s)] if fan.from_s else []
        self._steps += [(at, rpm / 60.0, fan.spin_up_s) for at, rpm in fan.speed_steps]
        self._steps += [(fan.to_s, 0.0, 3.0 * fan.spin_up_s)] if fan.to_s else []
        self._start = rng.uniform(0.0, 1.0)
        self._wander = Wander(rng, 0.01, 0.08)
        blades = fan.blades
        self._uneven = np.ascontiguousarray(
            10.0 ** (fan.blade_strength_db / 20.0) * 10.0 ** (rng.normal(0.0, 1.5, blades) / 20.0)
        )
        self._track_m = rng.normal(0.0, 0.004, blades) * fan.radius_m / 0.2
        self._swing_start = rng.uniform(0.0, 2.0 * np.pi)
        self._grille = 10.0 ** (rng.uniform(-45.0, -30.0) / 20.0)

    def scatterers(self, time_s: FloatArray, viewpoint_m: FloatArray) -> Scatterers:
        """(times, 2·blades + 1): two spots a blade, and the guard that turns with the head."""
        fan = self._fan
        time_s = np.asarray(time_s, np.float64)
        swing = math.radians(fan.swing_deg) * np.sin(
            2.0 * np.pi * fan.swing_hz * self._swings_s(time_s) + self._swing_start
        )
        heading = math.radians(fan.heading_deg) + swing
        view = np.asarray(viewpoint_m, float) - np.array(fan.position_m)
        position, strength = _blades(
            2.0 * np.pi * self._turns(time_s),
            heading,
            math.radians(fan.tilt_deg),
            np.array(fan.position_m),
            view / max(float(np.linalg.norm(view)), 1e-6),
            fan.radius_m * _SPOTS,
            self._uneven,
            self._track_m,
            self._grille,
        )
        return Scatterers(position, strength)

    def _swings_s(self, time_s: FloatArray) -> FloatArray:
        """Seconds the head has been swinging: it begins and stops within one."""
        fan = self._fan
        ends_s = None if fan.to_s is None else fan.to_s + 0.5
        return running_s(time_s, fan.from_s + 0.5 if fan.from_s else 0.0, ends_s, 1.0)

    def _turns(self, time_s: FloatArray) -> FloatArray:
        """Turns since the beginning: the speed goes over exponentially, so its integral is known."""
        fan = self._fan
        speed = 0.0 if fan.from_s else fan.rpm / 60.0  # at the beginning of each stretch
        first_s = self._steps[0][0] if self._steps else np.inf
        turns = self._start + speed * np.minimum(time_s, first_s)
        for n, (at_s, target, takes_s) in enumerate(self._steps):
            ends_s = self._steps[n + 1][0] if n + 1 < len(self._steps) else np.inf
            since = np.clip(time_s, at_s, ends_s) - at_s
            turns += target * since + (speed - target) * takes_s * (1.0 - np.exp(-since / takes_s))
            speed = target + (speed - target) * math.exp(-min(ends_s - at_s, 1e6) / takes_s)
        # uneven by the turn, not by the second: what stands stays where it is
        return np.asarray(turns + 0.15 * self._wander(turns / 15.0))


@njit(cache=True, fastmath=True)
def _blades(angle, heading, tilt, hub, view, radius, flash, track, grille):  # type: ignore[no-untyped-def]
    """Places and strengths of every spot of every blade."""
    count, blades, spots = len(angle), len(flash), len(radius)
    position = np.empty((count, blades * spots + 1, 3))
    strength = np.empty((count, blades * spots + 1))
    ct, st = math.cos(tilt), math.sin(tilt)
    step_c, step_s = math.cos(2.0 * math.pi / blades), math.sin(2.0 * math.pi / blades)
    for t in range(count):
        ch, sh = math.cos(heading[t]), math.sin(heading[t])
        # the fan's axis, and two directions across it
        ax, ay, az = ch * ct, sh * ct, st
        ux, uy = -sh, ch
        wx, wy, wz = -ch * st, -sh * st, ct
        across_u = view[0] * ux + view[1] * uy
        across_w = view[0] * wx + view[1] * wy + view[2] * wz
        slant2 = across_u * across_u + across_w * across_w
        slant = math.sqrt(slant2) + 1e-9
        c, s = math.cos(angle[t]), math.sin(angle[t])
        for b in range(blades):
            # a blade square to the projected way flashes; seen along the axis it shines evenly
            square = (s * across_u - c * across_w) / slant
            lobe = square * square
            lobe = lobe * lobe
            shine = flash[b] * (0.3 * (1.0 - slant2) + 0.12 + slant * lobe)
            for k in range(spots):
                r = radius[k]
                p = b * spots + k
                position[t, p, 0] = hub[0] + r * (c * ux + s * wx) + track[b] * ax
                position[t, p, 1] = hub[1] + r * (c * uy + s * wy) + track[b] * ay
                position[t, p, 2] = hub[2] + r * s * wz + track[b] * az
                strength[t, p] = shine * (0.6 + 0.4 * k)
            c, s = c * step_c - s * step_s, s * step_c + c * step_s
        last = blades * spots
        position[t, last, 0] = hub[0] + 0.1 * ax
        position[t, last, 1] = hub[1] + 0.1 * ay
        position[t, last, 2] = hub[2] + 0.1 * az
        strength[t, last] = grille
    return position, strength


FANS: tuple[type[Fan], ...] = (FloorFan, DeskFan, CeilingFan)
