"""Walkers who are led, and led elsewhere in the middle of a step; and the ways through a room."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from noctule.simulate.body import Body
from noctule.simulate.pose import Stance
from noctule.simulate.room import Furniture, Room
from noctule.simulate.steering import Point, Steered
from noctule.simulate.wayfinding import FloorPlan

BODY = Body()
ROOM = Room(
    size_m=(5.0, 4.0, 2.5),
    furniture=(
        Furniture(corner_m=(1.6, 0.0, 0.0), size_m=(1.9, 0.85, 0.45)),
        Furniture(corner_m=(2.0, 1.75, 0.0), size_m=(1.0, 0.6, 0.4)),
    ),
)
DOOR = (5.0, 2.9)


def led(way: list[Point], start: Point = (0.0, 0.0), heading_deg: float = 0.0) -> Steered:
    stance = BODY.standing_stance(*start, math.radians(heading_deg))
    return Steered(BODY, stance, way, 1.2, np.random.default_rng(3))


def places(one: Steered, step_s: float = 0.01) -> np.ndarray:
    time_s = np.arange(0.0, one.duration_s, step_s)
    return np.array([(now.x_m, now.y_m) for now in map(one.momentum, time_s)])


@pytest.mark.parametrize(
    "way", [[(3.0, 0.0)], [(-3.0, 0.5)], [(0.3, 0.0)], [(0.0, 0.0)], [(2.0, 0.0), (2.0, 2.0), (0.0, 2.0)]]
)
def test_the_end_is_reached_at_walking_speed(way: list[Point]) -> None:
    one = led(way)
    found = places(one)
    speed_mps = np.linalg.norm(np.diff(found, axis=0), axis=-1) / 0.01
    assert found[-1] == pytest.approx(way[-1], abs=0.06)
    assert (one.end.x_m, one.end.y_m) == pytest.approx(way[-1], abs=0.08)
    assert speed_mps.max(initial=0.0) < 1.25
    assert speed_mps[-1:].max(initial=0.0) < 0.05
    length_m = sum(math.dist(a, b) for a, b in pairwise([(0.0, 0.0), *way]))
    assert one.duration_s < length_m / 1.2 + 3.5


def test_led_elsewhere_nothing_jumps() -> None:
    """In the middle of a step, to where one came from: places, limbs and speeds go on from what they were."""
    one = led([(3.0, 0.0)])
    cut_s, dt = 1.3, 1e-3
    poses = one.pose(np.array([cut_s - dt, cut_s])).joints_m
    since = one.momentum(cut_s)
    stance = Stance(since.x_m, since.y_m, 0.0, "standing", poses[1], (poses[1] - poses[0]) / dt)
    other = Steered(BODY, stance, [(0.0, 1.0)], 1.2, np.random.default_rng(4), since)
    after = other.pose(np.array([0.0, dt, 2 * dt])).joints_m
    assert np.abs(after[0] - poses[1]).max() < 1e-9
    before_mps, now_mps = (poses[1] - poses[0]) / dt, (after[1] - after[0]) / dt
    assert np.abs(now_mps - before_mps).max() < 0.1  # of limbs at up to 4 m/s
    assert places(other)[-1] == pytest.approx((0.0, 1.0), abs=0.06)
    accelerations = np.diff(places(other), 2, axis=0) / 0.01**2
    assert np.linalg.norm(accelerations, axis=-1).max() < 6.0


def crosses(a: Point, b: Point, box: Furniture) -> bool:
    at = np.linspace(a, b, 200)
    low = np.array(box.corner_m[:2])
    return bool(((at > low) & (at < low + box.size_m[:2])).all(-1).any())


def test_ways_lead_round_things_and_through_the_door() -> None:
    """From anywhere to anywhere: never through furniture, and through the wall at the door alone."""
    plan = FloorPlan(ROOM, DOOR)
    rng = np.random.default_rng(1)
    for _ in range(200):
        start = plan.standing(tuple(rng.uniform((-1.2, -1.2), (6.2, 5.2))))
        end = tuple(rng.uniform((-1.2, -1.2), (6.2, 5.2)))
        way = [start, *plan.way(start, end)]
        assert math.dist(way[-1], plan.standing(end)) < 1e-9
        for a, b in pairwise(way):
            assert not any(crosses(a, b, box) for box in ROOM.furniture), (start, end, way)
            for x, y in np.linspace(a, b, 100):
                in_wall = min(abs(x), abs(x - 5.0)) < 0.02 and -0.1 < y < 4.1
                in_wall |= min(abs(y), abs(y - 4.0)) < 0.02 and -0.1 < x < 5.1
                assert not in_wall or (abs(x - 5.0) < 0.02 and abs(y - 2.9) < 0.5), (start, end, way)


def test_whoever_is_dropped_on_a_table_stands_beside_it() -> None:
    plan = FloorPlan(ROOM, DOOR)
    x, y = plan.standing((2.5, 2.3))
    assert math.dist((x, y), (2.5, 2.3)) < 0.5
    assert y > 2.35
    assert plan.standing((4.0, 1.0)) == (4.0, 1.0)
    assert plan.outside(1.0) == (6.0, 2.9)
