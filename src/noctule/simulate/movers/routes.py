"""Where pets and machines go: legs over the floor with stops between them, a pure function of time."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from noctule.simulate.parts import FloatArray, Space
from noctule.simulate.smooth import step, step_integral

Point = tuple[float, float]


def running_s(time_s: FloatArray, from_s: float, to_s: float | None, takes_s: float = 0.1) -> FloatArray:
    """Seconds something has been running, with smooth beginning and end; `from_s` 0: since long ago.

    Exactly `time_s - from_s` from half of `takes_s` after `from_s` to half of it before `to_s`.
    """
    time_s = np.asarray(time_s, np.float64)
    until = np.inf if to_s is None else to_s - from_s
    since = time_s - from_s
    if from_s:
        since = takes_s * step_integral(since / takes_s + 0.5)
    if to_s is not None:
        since = since - takes_s * step_integral((time_s - from_s - until) / takes_s + 0.5)
    return np.asarray(since)


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
        rounds, leg, since = self._leg(time_s)
        ramp, cruise, speed = self._ramp_s, self._cruise_s[leg], self._speed_mps[leg]
        late = since - ramp - cruise
        gone = speed * ramp * (step_integral(since / ramp) - step_integral(late / ramp))
        now = speed * (step(since / ramp) - step(late / ramp))
        turned = step((since - self._leg_s[leg] - self._rest_s[leg]) / self._turning_s[leg])
        heading = self._heading[leg] + self._turn[leg] * turned
        before = np.concatenate([[0.0], np.cumsum(self._length_m)])
        metres = rounds * before[-1] + before[leg] + gone
        return self._points[leg] + gone[:, None] * self._way[leg], heading, now, metres

    def rest(self, time_s: FloatArray) -> tuple[npt.NDArray[np.intp], FloatArray, FloatArray]:
        """Which stop is next, or now; seconds since its rest began and seconds left of it, each (times,).

        Stop k is at the end of leg k. Before its rest the one, after it the other is negative.
        """
        _, leg, since = self._leg(time_s)
        rests_s = since - self._leg_s[leg]
        return leg, rests_s, self._rest_s[leg] - rests_s

    def _leg(self, time_s: FloatArray) -> tuple[FloatArray, npt.NDArray[np.intp], FloatArray]:
        """Rounds done, the leg, seconds since it began."""
        rounds, place_s = np.divmod(np.maximum(time_s, 0.0), self._starts_s[-1])
        leg = np.clip(np.searchsorted(self._starts_s, place_s, side="right") - 1, 0, len(self._way) - 1)
        return rounds, leg, place_s - self._starts_s[leg]


def draw_points(rng: np.random.Generator, space: Space, count: int, reach_m: float) -> list[Point]:
    """Places of a round trip on which nothing of this reach touches walls or the device.

    It keeps 0.3 m from the device, seen from above; in rooms too small for that, as much as there is.
    """
    size = np.array(space.size_m[:2])
    low = np.minimum(max(0.2, reach_m + 0.02), 0.45 * size)
    for share in (1.0, 0.7, 0.4, 0.0):
        away_m = share * (reach_m + 0.3)
        points: list[Point] = []
        for x, y in rng.uniform(low, size - low, (80, 2)).tolist():
            one = x, y
            last, first = (points[-1], points[0]) if points else (one, one)
            far = not points or math.dist(one, last) > 0.1
            if far and space.clear(last, one, away_m) and space.clear(one, first, away_m):
                points.append(one)
            if len(points) == count:
                break
        if len(points) >= 2:
            break
    return points
