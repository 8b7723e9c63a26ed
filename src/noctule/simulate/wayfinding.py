"""How people walk through a furnished room with a door: round things, not through them."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

import numpy as np

from noctule.simulate.room import Room

Point = tuple[float, float]

#: Walkers keep so far from things; ways bend a little farther out.
_AWAY_M, _BEND_M = 0.22, 0.03
_WALL_M = 0.1
#: Nobody walks under what hangs higher than this.
_HEAD_M = 1.9


class FloorPlan:
    """What is in the way on a floor.

    Parameters
    ----------
    door_m : the middle of the door, on a wall.
    around_m : how far from the room people may be.
    """

    def __init__(self, room: Room, door_m: Point, door_width_m: float = 1.0, around_m: float = 1.6) -> None:
        self.size_m, self.door_m, self._around_m = room.size_m[:2], door_m, around_m
        boxes = [
            (
                one.corner_m[0],
                one.corner_m[1],
                one.corner_m[0] + one.size_m[0],
                one.corner_m[1] + one.size_m[1],
            )
            for one in room.furniture
            if one.corner_m[2] < _HEAD_M
        ]
        thick = [_grown(box, _AWAY_M) for box in boxes]
        thick += _walls(self.size_m, door_m, 0.5 * door_width_m, around_m)
        self._low, self._high = np.array(thick)[:, :2], np.array(thick)[:, 2:]
        bends = [corner for box in thick for corner in _corners(_grown(box, _BEND_M))]
        bends += [self.outside(far_m) for far_m in (-0.4, 0.4)]
        self._bends = [one for one in bends if self._free(one) and self._within(one)]
        self._seen = self._visible(self._bends, self._bends)

    def outwards(self) -> Point:
        """From the door out of the room."""
        x, y = self.door_m
        width, depth = self.size_m
        walls = {(-1.0, 0.0): x, (1.0, 0.0): width - x, (0.0, -1.0): y, (0.0, 1.0): depth - y}
        return min(walls, key=lambda way: abs(walls[way]))

    def outside(self, far_m: float) -> Point:
        """In front of the door."""
        out = self.outwards()
        return self.door_m[0] + far_m * out[0], self.door_m[1] + far_m * out[1]

    def standing(self, point: Point) -> Point:
        """The nearest place where somebody can stand."""
        width, depth = self.size_m
        x = min(max(point[0], -self._around_m), width + self._around_m)
        y = min(max(point[1], -self._around_m), depth + self._around_m)
        if self._free((x, y)):
            return x, y
        edges = []
        for box in np.concatenate([self._low, self._high], 1).tolist():
            grown = _grown(tuple(box), _BEND_M)
            near_x, near_y = min(max(x, grown[0]), grown[2]), min(max(y, grown[1]), grown[3])
            edges += [(grown[0], near_y), (grown[2], near_y), (near_x, grown[1]), (near_x, grown[3])]
        free = [one for one in [*edges, *self._bends] if self._free(one) and self._within(one)]
        return min(free, key=lambda one: math.dist(one, (x, y)), default=(x, y))

    def way(self, start: Point, end: Point) -> list[Point]:
        """Points from `start`, which is not among them, to where somebody can stand near `end`."""
        end = self.standing(end)
        if self._visible([start], [end])[0, 0]:
            return [end]
        nodes = [*self._bends, end]
        first = self._visible([start], nodes)[0]
        last = self._visible([end], self._bends)[0]
        best = {n: math.dist(start, nodes[n]) for n in np.flatnonzero(first).tolist()}
        came: dict[int, int] = {}
        heap = [(far + math.dist(nodes[n], end), n) for n, far in best.items()]
        heapq.heapify(heap)
        done: set[int] = set()
        goal = len(nodes) - 1
        while heap:
            _, n = heapq.heappop(heap)
            if n == goal:
                break
            if n in done:
                continue
            done.add(n)
            nexts = np.flatnonzero(self._seen[n]).tolist()
            for k in [*nexts, goal] if last[n] else nexts:
                far = best[n] + math.dist(nodes[n], nodes[k])
                if far < best.get(k, math.inf):
                    best[k], came[k] = far, n
                    heapq.heappush(heap, (far + math.dist(nodes[k], end), k))
        if goal not in best:
            return [end]  # walled in: straight through rather than not at all
        found = [goal]
        while found[-1] in came:
            found.append(came[found[-1]])
        return [nodes[n] for n in reversed(found)]

    def _within(self, point: Point) -> bool:
        return all(
            -self._around_m <= a <= size + self._around_m for a, size in zip(point, self.size_m, strict=True)
        )

    def _free(self, point: Point) -> bool:
        at = np.array(point)
        return not bool(((at > self._low) & (at < self._high)).all(-1).any())

    def _visible(self, starts: Sequence[Point], ends: Sequence[Point]) -> np.ndarray:
        """(starts, ends): nothing is in between; what one stands in already is not in the way."""
        a, b = np.array(starts, float)[:, None, None], np.array(ends, float)[None, :, None]
        way = np.where(np.abs(b - a) < 1e-12, 1e-12, b - a)
        with np.errstate(over="ignore"):
            enters, leaves = (self._low - a) / way, (self._high - a) / way
        near, far = np.minimum(enters, leaves).max(-1), np.maximum(enters, leaves).min(-1)
        inside = ((a > self._low) & (a < self._high)).all(-1)
        blocked = (near < far) & (far > 1e-6) & (near < 1.0 - 1e-6) & ~inside
        return np.asarray(~blocked.any(-1))


Box = tuple[float, float, float, float]


def _grown(box: Box, by_m: float) -> Box:
    return box[0] - by_m, box[1] - by_m, box[2] + by_m, box[3] + by_m


def _corners(box: Box) -> list[Point]:
    return [(box[0], box[1]), (box[0], box[3]), (box[2], box[1]), (box[2], box[3])]


def _walls(size_m: tuple[float, ...], door_m: Point, half_m: float, around_m: float) -> list[Box]:
    """Both faces kept away from, the door left open but for what a shoulder takes."""
    width, depth = size_m
    thick = _AWAY_M
    walls: list[tuple[int, float]] = [(0, 0.0), (0, width), (1, 0.0), (1, depth)]
    distance = [abs(door_m[axis] - at) for axis, at in walls]
    boxes: list[Box] = []
    for n, (axis, at) in enumerate(walls):
        low, high = at - _WALL_M / 2 - thick, at + _WALL_M / 2 + thick
        length = size_m[1 - axis]
        spans = [(-thick, length + thick)]
        if n == int(np.argmin(distance)):
            middle = door_m[1 - axis]
            spans = [(-thick, middle - half_m + 0.1), (middle + half_m - 0.1, length + thick)]
        for start, stop in spans:
            boxes.append((low, start, high, stop) if axis == 0 else (start, low, stop, high))
    return boxes


def length_m(start: Point, way: Sequence[Point]) -> float:
    """Of a way from a place."""
    return sum(math.dist(a, b) for a, b in zip([start, *way], way, strict=False))
