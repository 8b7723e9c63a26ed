"""Walking while being led: along a way that may become another one in the middle of a step.

The walker heads for a point a little ahead on the way, faster or slower by no more than legs can, and turns
no faster than people do. What follows from that is computed ahead: a function of time, as any action is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from noctule.simulate import gait
from noctule.simulate.body import Body
from noctule.simulate.doing import Performance
from noctule.simulate.parts import FloatArray
from noctule.simulate.pose import Stance
from noctule.simulate.smooth import Curve, Wander, step

Point = tuple[float, float]

_STEP_S = 0.04
#: The point that is headed for is so far ahead; corners are cut accordingly.
_AHEAD_M = 0.35
#: Time in which the speed follows, the most it changes, and how it falls towards the end. [A]
_FOLLOWS_S, _PUSH_MPS2, _BRAKE_MPS2, _NEAR_PER_S = 0.2, 2.0, 1.2, 4.0
#: People turn on the spot at about this rate, and walk again once they look this way. [A]
_TURN_RAD_PER_S, _LOOKS_RAD = math.radians(180.0), math.radians(70.0)
#: Feet tread at this speed while turning, and follow the trunk within this time.
_TREAD_MPS, _LEGS_FOLLOW_S = 0.35, 0.15
#: There: the last steps die away over this.
_THERE_M, _DIES_S = 0.03, 0.4
#: No way is longer than this takes.
_LONGEST_S = 120.0


@dataclass(frozen=True, slots=True)
class Momentum:
    """A walker in the middle of a step: what the next way begins with."""

    x_m: float
    y_m: float
    vx_mps: float
    vy_mps: float
    heading_rad: float
    phase: float
    legs_mps: float


class Steered(Performance):
    """Somebody who is led along `way`, and stops at its end.

    Parameters
    ----------
    way : points after the one where the person is.
    since : how the person walks already; None: stands.
    """

    def __init__(
        self,
        body: Body,
        stance: Stance,
        way: Sequence[Point],
        speed_mps: float,
        rng: np.random.Generator,
        since: Momentum | None = None,
    ) -> None:
        phase = float(rng.uniform())
        start = since or Momentum(stance.x_m, stance.y_m, 0.0, 0.0, stance.heading_rad, phase, 0.0)
        track = _track(start, _Way([(start.x_m, start.y_m), *way]), speed_mps)
        place, velocity = track[:, 0:2], track[:, 2:4]
        legs = track[:, 5]
        uneven = Wander(rng, 0.05, 0.4)(np.arange(len(track), dtype=np.float64) * _STEP_S)
        rate_hz = gait.cycle_rate_hz(body, legs) * (1.0 + 0.03 * uneven)
        turned = np.concatenate([[0.0], np.cumsum(0.5 * (rate_hz[1:] + rate_hz[:-1])) * _STEP_S])
        self._place, self._velocity = Curve(place, _STEP_S, velocity), Curve(velocity, _STEP_S)
        self._heading, self._legs = Curve(track[:, 4], _STEP_S), Curve(legs, _STEP_S)
        self._phase = Curve(start.phase + turned, _STEP_S, rate_hz)

        def rows(time_s: FloatArray) -> FloatArray:
            return gait.walk(body, self._phase(time_s), np.maximum(self._legs(time_s), 0.0), 1.0)

        duration_s = (len(track) - 1) * _STEP_S
        super().__init__(
            body,
            stance,
            duration_s,
            rows,
            place_m=self._place,
            heading_rad=self._heading,
            motions=[(0.0, duration_s - _DIES_S, "major")],
        )

    def momentum(self, time_s: float) -> Momentum:
        """How the person walks at that moment."""
        at = np.array([time_s])
        x, y = self._place(at)[0].tolist()
        vx, vy = self._velocity(at)[0].tolist()
        heading, phase, legs = (float(one(at)[0]) for one in (self._heading, self._phase, self._legs))
        return Momentum(x, y, vx, vy, heading, phase, max(legs, 0.0))


class _Way:
    """A polyline that is gone along, never back."""

    def __init__(self, points: Sequence[Point]) -> None:
        self._points = [points[0], *(b for a, b in pairwise(points) if math.dist(a, b) > 1e-3)]
        self._along = [0.0]
        for a, b in pairwise(self._points):
            self._along.append(self._along[-1] + math.dist(a, b))
        self.length_m = self._along[-1]
        self._leg = 0
        self.gone_m = 0.0

    def at(self, metres: float) -> Point:
        for n in range(self._leg, len(self._points) - 1):
            if metres <= self._along[n + 1]:
                share = (metres - self._along[n]) / (self._along[n + 1] - self._along[n])
                a, b = self._points[n], self._points[n + 1]
                return a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])
        return self._points[-1]

    def go(self, x_m: float, y_m: float) -> None:
        """On to what is nearest on this leg; and to the next one near its end."""
        if self._leg >= len(self._points) - 1:
            return
        a, b = self._points[self._leg], self._points[self._leg + 1]
        low, high = self._along[self._leg], self._along[self._leg + 1]
        along = ((x_m - a[0]) * (b[0] - a[0]) + (y_m - a[1]) * (b[1] - a[1])) / (high - low)
        self.gone_m = max(self.gone_m, min(low + along, high))
        if self.gone_m > high - 0.5 * _AHEAD_M and self._leg < len(self._points) - 2:
            self._leg += 1
            self.gone_m = max(self.gone_m, high)


def _track(start: Momentum, way: _Way, speed_mps: float) -> FloatArray:
    """(steps, 6): x, y, their speeds, heading, speed of the legs; it ends at rest."""
    x, y, vx, vy = start.x_m, start.y_m, start.vx_mps, start.vy_mps
    heading, legs = start.heading_rad, start.legs_mps
    rows = [(x, y, vx, vy, heading, legs)]
    end = way.at(way.length_m)
    for _ in range(round(_LONGEST_S / _STEP_S)):
        way.go(x, y)
        ahead = way.at(min(way.gone_m + _AHEAD_M, way.length_m))
        left_m = max(way.length_m - way.gone_m, 0.0)
        off_m = math.dist((x, y), end)
        if off_m < _THERE_M and math.hypot(vx, vy) < 2.0 * _NEAR_PER_S * _THERE_M:
            break
        left_m = max(min(left_m, 10.0), off_m if left_m < _AHEAD_M else 0.0)
        wanted = min(speed_mps, math.sqrt(2.0 * _BRAKE_MPS2 * left_m), _NEAR_PER_S * left_m)
        dx, dy = ahead[0] - x, ahead[1] - y
        far = max(math.hypot(dx, dy), 1e-6)
        away = _wrapped(math.atan2(dy, dx) - heading)
        if far > 2.0 * _THERE_M:  # so near nobody turns for it
            most = _TURN_RAD_PER_S * _STEP_S
            turn = max(-most, min(most, away * _STEP_S / 0.2))
            wanted *= max(0.0, math.cos(min(abs(away) / _LOOKS_RAD, 1.0) * math.pi / 2)) ** 0.5
        else:
            turn = 0.0
        heading += turn
        ax, ay = (wanted * dx / far - vx) / _FOLLOWS_S, (wanted * dy / far - vy) / _FOLLOWS_S
        push = max(math.hypot(ax, ay) / _PUSH_MPS2, 1.0)
        before_x, before_y = vx, vy
        vx, vy = vx + ax / push * _STEP_S, vy + ay / push * _STEP_S
        x, y = x + 0.5 * (vx + before_x) * _STEP_S, y + 0.5 * (vy + before_y) * _STEP_S
        tread = _TREAD_MPS * min(abs(turn) / _STEP_S / _TURN_RAD_PER_S, 1.0)
        legs += (math.hypot(math.hypot(vx, vy), tread) - legs) * _STEP_S / _LEGS_FOLLOW_S
        rows.append((x, y, vx, vy, heading, legs))
    return np.array([*rows, *_dying(rows[-1])])


def _dying(last: tuple[float, ...]) -> list[tuple[float, ...]]:
    """What is left of the speed goes smoothly."""
    x, y, vx, vy, heading, legs = last
    count = round(_DIES_S / _STEP_S)
    left = 1.0 - step(np.arange(1, count + 1) / count)
    gone_s = np.cumsum(0.5 * (left + np.concatenate([[1.0], left[:-1]]))) * _STEP_S
    return [
        (x + vx * s, y + vy * s, vx * w, vy * w, heading, legs * w)
        for s, w in zip(gone_s.tolist(), left.tolist(), strict=True)
    ]


def _wrapped(angle_rad: float) -> float:
    return (angle_rad + math.pi) % (2.0 * math.pi) - math.pi
