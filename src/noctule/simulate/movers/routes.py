"""Where pets and machines go: legs over the floor with stops between them, a pure function of time."""

from __future__ import annotations

import math

import numpy as np

from noctule.simulate.parts import FloatArray, Space
from noctule.simulate.smooth import step, step_integral

Point = tuple[float, float]


class Route:
    """Straight legs at a speed, turns on the spot between them, then round again from the start.

    Parameters
    ----------
    points : at least two different ones; the way closes from the last to the first.
    stops_s : how long it rests at each of them.
    turn_rad_s : how fast it turns.
    """

    def __init__(
        self, points: list[Point], speed_mps: float, stops_s: list[float], turn_rad_s: float
    ) -> None:
        self._points = np.array(points)
        ahead = np.roll(self._points, -1, 0) - self._points
        self._length_m = np.maximum(np.linalg.norm(ahead, axis=-1), 1e-3)
        self._way = ahead / self._length_m[:, None]
        heading = np.arctan2(ahead[:, 1], ahead[:, 0])
        self._turn = (np.roll(heading, -1) - heading + math.pi) % (2.0 * math.pi) - math.pi
        self._heading = heading
        self._ramp_s = 0.3 + 0.3 * speed_mps
        self._cruise_s = np.maximum(self._length_m / speed_mps - self._ramp_s, 0.0)
        self._speed_mps = self._length_m / (self._cruise_s + self._ramp_s)
        self._rest_s, self._turning_s = np.array(stops_s), np.abs(self._turn) / turn_rad_s + 0.2
        self._leg_s = self._cruise_s + 2.0 * self._ramp_s
        whole_s = self._leg_s + self._rest_s + self._turning_s
        self._starts_s = np.concatenate([[0.0], np.cumsum(whole_s)])
        self.highest_mps = float(self._speed_mps.max())
        self.turn_rad_s = 1.5 * turn_rad_s

    def at(self, time_s: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Place (times, 2), heading, speed, metres gone, each (times,); before 0 it rests at the start."""
        rounds, place_s = np.divmod(np.maximum(time_s, 0.0), self._starts_s[-1])
        leg = np.clip(np.searchsorted(self._starts_s, place_s, side="right") - 1, 0, len(self._way) - 1)
        since = place_s - self._starts_s[leg]
        ramp, cruise, speed = self._ramp_s, self._cruise_s[leg], self._speed_mps[leg]
        late = since - ramp - cruise
        gone = speed * ramp * (step_integral(since / ramp) - step_integral(late / ramp))
        now = speed * (step(since / ramp) - step(late / ramp))
        turned = step((since - self._leg_s[leg] - self._rest_s[leg]) / self._turning_s[leg])
        heading = self._heading[leg] + self._turn[leg] * turned
        before = np.concatenate([[0.0], np.cumsum(self._length_m)])
        metres = rounds * before[-1] + before[leg] + gone
        return self._points[leg] + gone[:, None] * self._way[leg], heading, now, metres


def draw_points(rng: np.random.Generator, space: Space, count: int, margin_m: float = 0.3) -> list[Point]:
    """Places of which each can be reached from the one before, and the first from the last."""
    points = [space.spot(rng, margin_m=margin_m)[:2]]
    for _ in range(60):
        one = space.spot(rng, margin_m=margin_m)[:2]
        far = math.dist(one, points[-1]) > 0.2
        if far and space.clear(points[-1], one, 0.35) and space.clear(one, points[0], 0.35):
            points.append(one)
        if len(points) == count:
            break
    if len(points) == 1:
        x, y = points[0]
        points.append((x + (0.2 if x < space.size_m[0] / 2 else -0.2), y))
    return points
