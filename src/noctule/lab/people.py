"""People for training: who walks without end, who sits for minutes, who comes and goes, who lives next door.

Ranges of how fast, how far and how large stand where the parts are drawn (simulate); what is decided here is
the order of things. All [A].
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from noctule.lab.captures import Take
from noctule.simulate.body import Body
from noctule.simulate.motion_capture import Capture
from noctule.simulate.parts import Space
from noctule.simulate.person import Person
from noctule.simulate.pose import Action
from noctule.simulate.seated import (
    SEATED_MINOR,
    STANDING_MINOR,
    Drink,
    Gesture,
    OpenFolder,
    Reach,
    Sit,
    SitDown,
    StandUp,
    Telephone,
    TurnPages,
    Type,
    WaveHand,
    Work,
)
from noctule.simulate.walking import Stand, Turn, Walk

Point = tuple[float, float]
Generator = np.random.Generator

#: What a seated person is measured with (telephone, pages, folder, cup, typing).
_MEASURED: tuple[Any, ...] = (Telephone, TurnPages, OpenFolder, Drink, Type)
#: What hands do right before a device. [A]
_BEFORE_IT: tuple[Any, ...] = (WaveHand, WaveHand, Reach, Reach, Gesture, *_MEASURED)
#: Whoever sits down, stands up, or does a small thing, takes about so long.
_SMALL_S = 6.0


def walker(rng: Generator, space: Space, duration_s: float) -> Person:
    """Walks from place to place all the time; half of them stop now and then, as a walk test asks."""
    stops = rng.random() < 0.5
    does: list[Action] = []
    start = here = _spot(rng, space)
    left_s = duration_s
    while left_s > 0.0:
        walk, here, takes_s = _walk(rng, space, here, int(rng.integers(1, 5)))
        does.append(walk)
        left_s -= takes_s
        if stops:
            does.append(Stand(for_s=rng.uniform(0.5, 3.0)))
            left_s -= 2.0
    return _person(rng, start, does, from_s=rng.uniform(0.0, 2.0))


def visitor(rng: Generator, space: Space, duration_s: float) -> Person:
    """Comes in from outside, does this and that, and mostly goes again."""
    outside, inside = _door(rng, space)
    does: list[Action] = [Walk.draw(rng, [inside])]
    walk, here, takes_s = _walk(rng, space, inside, int(rng.integers(1, 3)))
    does.append(walk)
    left_s = 0.7 * duration_s - takes_s
    while left_s > 0.0:
        choice = rng.random()
        if choice < 0.4:
            walk, here, takes_s = _walk(rng, space, here, int(rng.integers(1, 4)))
            does.append(walk)
            left_s -= takes_s
        elif choice < 0.6:
            stays_s = _log_uniform(rng, 1.0, 20.0)
            does.append(Stand(for_s=stays_s))
            left_s -= stays_s
        elif choice < 0.8:
            works_s = _log_uniform(rng, 2.0, 15.0)
            does.append(Work(for_s=works_s, pause_s=rng.uniform(0.5, 6.0)))
            left_s -= works_s
        else:
            sits_s = _log_uniform(rng, 3.0, 20.0)
            does += [SitDown.draw(rng), Work(for_s=sits_s, pause_s=rng.uniform(0.5, 8.0)), StandUp.draw(rng)]
            left_s -= sits_s + 4.0
    if rng.random() < 0.8:
        does.append(Walk.draw(rng, [inside, outside]))
    return _person(rng, outside, does, from_s=rng.uniform(0.0, 0.4 * duration_s))


def caller(rng: Generator, space: Space, duration_s: float) -> Person:
    """Comes in, does little or nothing or sits, goes again, and comes back after a while, over and over."""
    outside, inside = _door(rng, space, 1.6)
    does: list[Action] = []
    left_s = duration_s
    while left_s > 0.0:
        here = inside
        does.append(Walk.draw(rng, [inside]))
        for _ in range(int(rng.integers(0, 4))):
            choice = rng.random()
            if choice < 0.5:
                walk, here, takes_s = _walk(rng, space, here, int(rng.integers(1, 3)))
                does.append(walk)
            elif choice < 0.7:
                takes_s = _log_uniform(rng, 1.0, 15.0)
                does.append(Stand(for_s=takes_s))
            else:
                takes_s = _log_uniform(rng, 2.0, 20.0)
                sits = Work(for_s=takes_s, pause_s=rng.uniform(0.5, 10.0))
                does += [SitDown.draw(rng), sits, StandUp.draw(rng)]
            left_s -= takes_s
        away_s = _log_uniform(rng, 4.0, 25.0)
        does += [Walk.draw(rng, [inside, outside]), Stand(for_s=away_s)]
        left_s -= away_s + 8.0
    return _person(rng, outside, does, from_s=rng.uniform(0.0, 3.0))


def sitter(rng: Generator, space: Space, duration_s: float) -> Person:
    """Sits for the whole scene: small things with pauses between, some of the time for minutes nothing."""
    does: list[Action] = []
    start = here = _seat(rng, space)
    heading_deg = _facing_deg(rng, space, here)
    left_s = duration_s
    if rng.random() < 0.4:  # comes from elsewhere
        here, start = start, _spot(rng, space)
        does.append(Walk.draw(rng, [here]))
        does.append(Turn(to_heading_deg=heading_deg))
        left_s -= math.dist(start, here) / 1.1 + 3.0
    leaves = rng.random() < 0.2
    does.append(SitDown.draw(rng))
    left_s -= 2.0 + 8.0 * leaves
    longest_s = _log_uniform(rng, 3.0, 120.0)
    while left_s > 0.0:
        rests_s = min(_log_uniform(rng, 0.5, longest_s), max(left_s, 0.5))
        small, takes_s = _small(rng)
        does += [Sit(for_s=rests_s), small]
        left_s -= rests_s + takes_s
    if leaves:
        does += [StandUp.draw(rng), _walk(rng, space, here, 2)[0]]
    return _person(rng, start, does, from_s=rng.uniform(0.0, 3.0), heading_deg=heading_deg)


def beginner(rng: Generator, space: Space, duration_s: float) -> Person:
    """Rests, and begins to move half a second to three seconds after the start."""
    start = _spot(rng, space)
    does: list[Action]
    choice = rng.random()
    if choice < 0.7:
        does = [_walk(rng, space, start, int(rng.integers(1, 4)))[0]]
    elif choice < 0.85:
        does = [SitDown.draw(rng) if rng.random() < 0.5 else Turn(to_heading_deg=rng.uniform(-180.0, 180.0))]
        does.append(Work(for_s=duration_s, pause_s=1.0))
    else:
        does = [STANDING_MINOR[rng.integers(len(STANDING_MINOR))].draw(rng)]
    return _person(rng, start, does, from_s=rng.uniform(0.5, 3.0))


def captured(rng: Generator, space: Space, duration_s: float, takes: tuple[Take, ...]) -> Person:
    """Moves by pieces of takes, one after another, each turned so that it ends inside; stops between some."""
    start = here = _spot(rng, space)
    first_deg: float | None = None
    does: list[Action] = []
    left_s = duration_s
    for _ in range(100):
        if left_s <= 0.0:
            break
        take, there = takes[rng.integers(len(takes))], _spot(rng, space)
        lasts_s = min(take.duration_s, rng.uniform(1.5, 8.0))
        from_s = rng.uniform(0.0, take.duration_s - lasts_s)
        if take.covers_m(from_s, lasts_s) > math.dist(here, there) or not space.clear(here, there):
            continue
        heading_deg = math.degrees(math.atan2(there[1] - here[1], there[0] - here[0]))
        if first_deg is None:
            first_deg = heading_deg
        else:
            does.append(Turn(to_heading_deg=heading_deg))
        speed = rng.uniform(0.8, 1.25)
        does.append(
            Capture(
                file=take.file, from_s=from_s, for_s=lasts_s, speed=speed, mirror=bool(rng.random() < 0.5)
            )
        )
        share = take.covers_m(from_s, lasts_s) / max(math.dist(here, there), 1e-6)
        here = here[0] + share * (there[0] - here[0]), here[1] + share * (there[1] - here[1])
        left_s -= lasts_s / speed + 1.0
        if rng.random() < 0.4:
            stands_s = _log_uniform(rng, 0.5, 6.0)
            does.append(Stand(for_s=stands_s))
            left_s -= stands_s
    return _person(rng, start, does, from_s=rng.uniform(0.0, 3.0), heading_deg=first_deg)


def close_by(rng: Generator, space: Space, duration_s: float) -> Person:
    """Stands or sits right before the device, facing it: hands come within centimetres."""
    away_m, turn = rng.uniform(0.3, 1.0), rng.uniform(-math.pi, math.pi)
    wanted = np.array(space.device_m[:2]) + away_m * np.array([math.cos(turn), math.sin(turn)])
    x, y = np.clip(wanted, 0.25, np.array(space.size_m[:2]) - 0.25)
    start = float(x), float(y)
    towards = math.atan2(space.device_m[1] - start[1], space.device_m[0] - start[0])
    heading_deg = math.degrees(towards) + rng.uniform(-50.0, 50.0)
    seated = rng.random() < 0.5
    does: list[Action] = [SitDown.draw(rng)] if seated else []
    left_s, longest_s = duration_s, _log_uniform(rng, 0.3, 8.0)
    while left_s > 0.0:
        rests_s = _log_uniform(rng, 0.1, longest_s)
        does.append(Sit(for_s=rests_s) if seated else Stand(for_s=rests_s))
        does.append(_BEFORE_IT[rng.integers(len(_BEFORE_IT))].draw(rng))
        left_s -= rests_s + 4.0
    return _person(rng, start, does, from_s=rng.uniform(0.0, 2.0), heading_deg=heading_deg)


def neighbour(rng: Generator, space: Space, duration_s: float) -> Person:
    """Walks, stands and works in the next room, behind one of the walls, and never comes in."""
    axis, far = int(rng.integers(2)), bool(rng.integers(2))
    nearest_m, farthest_m = 1.0, rng.uniform(2.0, 5.0)

    def spot() -> Point:
        place = rng.uniform(-1.0, np.array(space.size_m[:2]) + 1.0)
        away_m = rng.uniform(nearest_m, farthest_m)
        place[axis] = space.size_m[axis] + away_m if far else -away_m
        return float(place[0]), float(place[1])

    start = spot()
    does: list[Action] = []
    left_s = duration_s
    while left_s > 0.0:
        if rng.random() < 0.75:
            points = [spot() for _ in range(rng.integers(1, 4))]
            does.append(Walk.draw(rng, points))
            left_s -= 4.0 * len(points)
        else:
            stays_s = rng.uniform(1.0, 6.0)
            does.append(Work(for_s=stays_s, pause_s=rng.uniform(0.5, 3.0)))
            left_s -= stays_s
    return _person(rng, start, does, from_s=rng.uniform(0.0, 3.0))


def _person(
    rng: Generator, start: Point, does: list[Action], *, from_s: float, heading_deg: float | None = None
) -> Person:
    heading_deg = rng.uniform(-180.0, 180.0) if heading_deg is None else heading_deg
    return Person(
        body=Body.draw(rng), start=start, heading_deg=heading_deg, does=tuple(does), from_s=round(from_s, 3)
    )


def _spot(rng: Generator, space: Space) -> Point:
    x, y, _ = space.spot(rng)
    return x, y


def _seat(rng: Generator, space: Space) -> Point:
    """Seats are nearer to the device than chance: of two to eight places the nearest."""
    spots = [_spot(rng, space) for _ in range(rng.integers(2, 9))]
    return min(spots, key=lambda one: math.dist(one, space.device_m[:2]))


def _facing_deg(rng: Generator, space: Space, seat: Point) -> float:
    """Two of three look about to where the device is: hands are in front of the trunk."""
    if rng.random() < 0.33:
        return rng.uniform(-180.0, 180.0)
    towards = math.atan2(space.device_m[1] - seat[1], space.device_m[0] - seat[0])
    return math.degrees(towards) + rng.uniform(-70.0, 70.0)


def _walk(rng: Generator, space: Space, here: Point, stops: int) -> tuple[Walk, Point, float]:
    """To some places on ways that keep away from the device; where it ends, and about how long it takes."""
    to: list[Point] = []
    for _ in range(12):
        one = _spot(rng, space)
        before = (to or [here])[-1]
        if math.dist(before, one) > 0.5 and space.clear(before, one):
            to.append(one)
        if len(to) == stops:
            break
    walk = Walk.draw(rng, to or [here])
    length_m = sum(math.dist(a, b) for a, b in zip([here, *to], to, strict=False))
    return walk, (to or [here])[-1], length_m / walk.speed_mps + 1.5 * max(len(to), 1)


def _door(rng: Generator, space: Space, nearest_m: float = 0.6) -> tuple[Point, Point]:
    """A place outside and one inside, straight through a wall, on a way that keeps away from the device."""
    for _ in range(50):
        axis, far = int(rng.integers(2)), bool(rng.integers(2))
        along = rng.uniform(0.15, 0.85, 2) * np.array(space.size_m[:2])
        outside, inside = along.copy(), along.copy()
        in_m, out_m = rng.uniform(0.5, 1.0), rng.uniform(nearest_m, 3.0)
        outside[axis] = space.size_m[axis] + out_m if far else -out_m
        inside[axis] = space.size_m[axis] - in_m if far else in_m
        ends = (float(outside[0]), float(outside[1])), (float(inside[0]), float(inside[1]))
        if space.clear(*ends):
            break
    return ends


def _small(rng: Generator) -> tuple[Action, float]:
    """A small thing that somebody does while seated, and about how long it takes."""
    kinds = _MEASURED if rng.random() < 0.6 else SEATED_MINOR
    action = kinds[rng.integers(len(kinds))].draw(rng)
    lasts_s = getattr(action, "for_s", None) or getattr(action, "pages", 1) * getattr(action, "every_s", 0.0)
    return action, lasts_s + _SMALL_S


def _log_uniform(rng: Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(math.log(low), math.log(high))))
