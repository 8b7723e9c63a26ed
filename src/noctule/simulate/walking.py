"""On foot: walking along a way, turning, standing."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field

from noctule.simulate import gait, posture
from noctule.simulate.body import Body
from noctule.simulate.doing import OverTime, Performance
from noctule.simulate.parts import FloatArray
from noctule.simulate.pose import Action, Doing, Stance
from noctule.simulate.posture import ANGLE
from noctule.simulate.sequence import Sequence
from noctule.simulate.smooth import Curve, Wander, step, step_integral

Point = tuple[float, float]
Speed = Annotated[float, Field(ge=0.2, le=2.5)]

#: Corners are rounded over so many metres; the way is kept as points so far apart.
_ROUND_M, _SPACING_M = 0.5, 0.05
#: Round a sharper corner nobody goes without stopping.
SHARPEST_RAD = math.radians(80.0)
#: People turn on the spot at about this rate. [A]
_TURN_RAD_PER_S = math.radians(150.0)
_SAMPLE_S = 0.02


class NeedsStandingError(ValueError):
    """Somebody who sits cannot walk: say `stand_up` first."""


def refuse_seated(stance: Stance, what: str) -> None:
    if stance.posture == "seated":
        raise NeedsStandingError(f"cannot {what} while seated: stand_up comes first")


class Walk(Action):
    """Along one or more points, round the corners, and stop at the last. Who must turn back stops first."""

    do: Literal["walk"] = "walk"
    to: Point | tuple[Point, ...] = Field(description="x and y in metres, or a list of them")
    speed_mps: Speed = Field(1.2, description="between start and stop; a way of a few steps is slower")
    arm_swing: float = Field(1.0, ge=0.0, le=2.0, description="against the usual; 0: arms hang still")

    @property
    def points(self) -> list[Point]:
        return [self.to] if isinstance(self.to[0], float | int) else list(self.to)

    def begin(self, body: Body, stance: Stance, rng: np.random.Generator) -> Doing:
        refuse_seated(stance, "walk")
        done = Sequence(stance)
        for leg in _legs([(stance.x_m, stance.y_m), *self.points]):
            done.then(self._leg(body, done.end, leg, rng))
        return done

    def _leg(self, body: Body, stance: Stance, points: FloatArray, rng: np.random.Generator) -> Performance:
        """Without stopping."""
        way = _Way(points)
        speed = min(self.speed_mps, math.sqrt(1.2 * max(way.length_m, 0.05)))  # a few steps are slower
        ramp_s = 0.5 + 0.35 * speed
        cruise_s = max(way.length_m / speed - ramp_s, 0.0)
        duration_s = cruise_s + 2.0 * ramp_s
        # what the ramps take is the same whatever the length: the speed follows from it
        speed = way.length_m / (cruise_s + ramp_s)
        away = _wrapped(way.heading_rad(np.zeros(1))[0] - stance.heading_rad)
        turning_s = abs(away) / _TURN_RAD_PER_S
        waits_s = 0.6 * turning_s if abs(away) > math.radians(50.0) else 0.0
        duration_s += waits_s
        wander = Wander(rng, 0.05, 0.4)

        def speed_mps(time_s: FloatArray) -> FloatArray:
            t = time_s - waits_s
            return np.asarray(speed * (step(t / ramp_s) - step((t - ramp_s - cruise_s) / ramp_s)))

        def travelled_m(time_s: FloatArray) -> FloatArray:
            t = time_s - waits_s
            rise = step_integral(t / ramp_s) - step_integral((t - ramp_s - cruise_s) / ramp_s)
            return np.asarray(speed * ramp_s * rise)

        def heading_rad(time_s: FloatArray) -> FloatArray:
            turned = step(time_s / max(turning_s, 0.6))
            return np.asarray(way.heading_rad(travelled_m(time_s)) - away * (1.0 - turned))

        grid_s = np.arange(0.0, duration_s + 2 * _SAMPLE_S, _SAMPLE_S)
        # steps on the spot while turning, and strides that are never quite the same
        treading = (
            0.35 * np.sin(np.pi * np.clip(grid_s / max(turning_s, 0.1), 0.0, 1.0)) ** 2 * (waits_s > 0.0)
        )
        legs_mps = np.hypot(speed_mps(grid_s), treading)
        rate_hz = gait.cycle_rate_hz(body, legs_mps) * (1.0 + 0.03 * wander(grid_s))
        phase = Curve(_integral(rate_hz, _SAMPLE_S) + rng.uniform(), _SAMPLE_S, rate_hz)
        faster = np.gradient(legs_mps, _SAMPLE_S)
        faster[[0, -1]] = 0.0  # from rest, and to it
        legs = Curve(legs_mps, _SAMPLE_S, faster)

        def rows(time_s: FloatArray) -> FloatArray:
            return gait.walk(body, phase(time_s), legs(time_s), self.arm_swing)

        return Performance(
            body,
            stance,
            duration_s,
            rows,
            place_m=lambda time_s: way.place_m(travelled_m(time_s)),
            heading_rad=heading_rad,
            motions=[(0.0, duration_s, "major")],
        )

    @classmethod
    def draw(cls, rng: np.random.Generator, points: list[Point]) -> Self:
        return cls(to=tuple(points), speed_mps=rng.uniform(0.3, 2.0), arm_swing=rng.uniform(0.3, 1.5))


class Turn(Action):
    """On the spot, in small steps."""

    do: Literal["turn"] = "turn"
    to_heading_deg: float = Field(ge=-720.0, le=720.0, description="the shorter way round")

    def begin(self, body: Body, stance: Stance, rng: np.random.Generator) -> Doing:
        refuse_seated(stance, "turn")
        away = _wrapped(math.radians(self.to_heading_deg) - stance.heading_rad)
        duration_s = 0.5 + abs(away) / (_TURN_RAD_PER_S / 1.5)
        rate_hz = float(gait.cycle_rate_hz(body, np.array([0.35]))[0])
        start = rng.uniform()

        def rows(time_s: FloatArray) -> FloatArray:
            busy = np.sin(np.pi * np.clip(time_s / duration_s, 0.0, 1.0)) ** 2
            return gait.walk(body, start + rate_hz * time_s, 0.35 * busy, 0.5)

        return Performance(
            body,
            stance,
            duration_s,
            rows,
            heading_rad=lambda time_s: stance.heading_rad + away * step(time_s / duration_s),
            motions=[(0.0, duration_s, "major")],
        )


class Stand(Action):
    """Still, but for breath and balance."""

    do: Literal["stand"] = "stand"
    for_s: float = Field(5.0, gt=0.0, le=86400.0, description="so long")

    def begin(self, body: Body, stance: Stance, rng: np.random.Generator) -> Doing:
        refuse_seated(stance, "stand")
        return rest(body, stance, self.for_s, rng)


def rest(body: Body, stance: Stance, for_s: float, rng: np.random.Generator) -> Doing:
    """Whatever the stance, kept: a standing body sways by some millimetres, a seated one by less."""
    sway_rad = math.radians(0.18 if stance.posture == "standing" else 0.05)  # [A] 3 mm at the shoulders
    wander = [Wander(rng, 0.05, 0.6) for _ in range(2)]
    row = posture.angles(body)

    def rows(time_s: FloatArray) -> FloatArray:
        out = np.tile(row, (len(time_s), 1))
        rise = step(time_s / 1.0)
        out[:, ANGLE["lean"]] += sway_rad * rise * wander[0](time_s)
        out[:, ANGLE["sway"]] += sway_rad * rise * wander[1](time_s)
        return out

    return Performance(body, stance, for_s, rows, settle=False)


def _legs(points: list[Point]) -> list[FloatArray]:
    """The way in parts: who has to turn back stops first."""
    points = [one for n, one in enumerate(points) if n == 0 or math.dist(one, points[n - 1]) > 1e-3]
    if len(points) == 1:  # to where one already is
        points = points * 2
    legs, start = [], 0
    for n in range(1, len(points) - 1):
        before, after = np.subtract(points[n], points[n - 1]), np.subtract(points[n + 1], points[n])
        if before @ after < math.cos(SHARPEST_RAD) * np.linalg.norm(before) * np.linalg.norm(after):
            legs.append(np.array(points[start : n + 1], float))
            start = n
    return [*legs, np.array(points[start:], float)]


class _Way:
    """A polyline with its corners rounded."""

    def __init__(self, points: FloatArray) -> None:
        legs = np.linalg.norm(np.diff(points, axis=0), axis=-1)
        points = points[np.concatenate([[True], legs > 1e-3])]
        if len(points) < 2:  # to where one already is
            points = points[[0, 0]] + np.array([[0.0, 0.0], [1e-3, 0.0]])
        along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=-1))])
        count = max(4, math.ceil(along[-1] / _SPACING_M) + 1)
        even = np.linspace(0.0, along[-1], count)
        dense = np.stack([np.interp(even, along, points[:, n]) for n in range(2)], -1)
        self._spacing = even[1]
        self.length_m = float(along[-1])
        width = max(1, min(round(_ROUND_M / self._spacing), count // 2))
        window = np.hanning(2 * width + 1) + 1e-9
        window /= window.sum()
        # beyond its ends the way goes straight on, so that they stay where they are
        before = 2 * dense[0] - dense[width:0:-1]
        after = 2 * dense[-1] - dense[-2 : -width - 2 : -1]
        longer = np.concatenate([before, dense, after])
        smooth = np.stack([np.convolve(longer[:, n], window, "valid") for n in range(2)], -1)
        slope = np.gradient(smooth, self._spacing, axis=0)
        self.place_m: OverTime = Curve(smooth, self._spacing, slope)
        self.heading_rad: OverTime = Curve(np.unwrap(np.arctan2(slope[:, 1], slope[:, 0])), self._spacing)


def _integral(rate: FloatArray, step_s: float) -> FloatArray:
    return np.concatenate([[0.0], np.cumsum(0.5 * (rate[1:] + rate[:-1])) * step_s])


def _wrapped(angle_rad: float) -> float:
    return float((angle_rad + math.pi) % (2.0 * math.pi) - math.pi)


WALKING_ACTIONS = (Walk, Turn, Stand)
