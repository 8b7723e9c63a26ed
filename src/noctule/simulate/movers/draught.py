"""What a draught moves: curtains, blinds, plants, lamps, doors.

All of it goes to and fro: mostly slower than 0.3 m/s (a slammed door 1.5) and nowhere in the end. Gusts are
slow random functions of time; each thing answers with the rates of its own. [A, speeds R: PHYSICS]
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from noctule.simulate.parts import FloatArray, Mover, MoverPart, Scatterers, Space, Vector
from noctule.simulate.smooth import Wander, minimum_jerk, step

#: Hz of gusts, and how long things take to come to rest.
_GUST_HZ, _SETTLE_S = (0.03, 0.25), 2.0
#: Of waves that run over a cloth at once, each its own way.
_MOST_WAVES = 4
#: Metres of swing times strength of the draught that keep what is drawn below 0.3 m/s.
_SLOW_M = 0.045


class Draught(MoverPart):
    """What air moves to and fro; gusts come and go within 4 to 30 s.

    Mostly slower than 0.3 m/s, and nowhere in the end.
    """

    position_m: Vector = Field(description="of its middle; a door: the foot of its hinge")
    heading_deg: float = Field(0.0, ge=-720.0, le=720.0, description="where its face looks")
    strength: float = Field(0.5, ge=0.0, le=1.0, description="of the draught, 1: as much as a window lets in")
    target_strength_db: float = Field(-25.0, ge=-60.0, le=0.0, description="of the whole thing at 1 m")
    draught_mps: float = Field(
        0.012, ge=0.0, le=0.1, description="fluctuation of the speed of sound at strength 1, rms"
    )

    def airflow_mps(self) -> float:
        return self.draught_mps * self.strength

    def gusts(self, time_s: FloatArray, gust: Wander) -> FloatArray:
        """0 to about 1: how hard the wind blows; nothing before `from_s` and after `to_s`."""
        blows = step((time_s - self.from_s) / _SETTLE_S) if self.from_s else np.ones(len(time_s))
        if self.to_s is not None:
            blows = blows * (1.0 - step((time_s - self.to_s) / _SETTLE_S))
        return np.asarray(self.strength * blows * step(0.5 + 0.4 * gust(time_s)))


class _Swaying:
    """Points that sway about a rest position: each a sum of the thing's modes, driven by the gusts.

    Parameters
    ----------
    rest_m : (points, 3).
    directions : (modes, points, 3) metres at full gust, where each mode takes each point.
    waves : a function of time for each mode.
    normal : where the face looks, (3,): flat things send most back when it looks at the device. None: round.
    folds : 0 flat, all points alike, to 1, where each fold sends back what it likes.
    """

    def __init__(
        self,
        part: Draught,
        rng: np.random.Generator,
        rest_m: FloatArray,
        directions: FloatArray,
        waves: list[Wander],
        normal: FloatArray | None,
        highest_hz: float,
        folds: float = 1.0,
    ) -> None:
        self._part, self._gust = part, Wander(rng, *_GUST_HZ)
        self._rest, self._directions, self._waves, self._normal = rest_m, directions, waves, normal
        amplitude_m = np.linalg.norm(directions, axis=-1).sum(0).max()
        self.highest_speed_mps = float(2.0 * np.pi * highest_hz * 2.5 * amplitude_m * part.strength + 0.02)
        self.knot_rate_hz = max(20.0, 16.0 * highest_hz)
        points = len(rest_m)
        total = 10.0 ** (part.target_strength_db / 20.0)
        uneven = rng.rayleigh(math.sqrt(0.5), points)
        self._strength = total / math.sqrt(points) * (folds * uneven + 1.0 - folds)
        self._folds = folds
        # the creases of cloth turn what they send about: strength follows how each point leans
        self._crease = rng.uniform(0.0, 2.0 * np.pi, points)

    def scatterers(self, time_s: FloatArray, viewpoint_m: FloatArray) -> Scatterers:
        time_s = np.asarray(time_s, np.float64)
        blows = self._part.gusts(time_s, self._gust)
        moved = np.stack([blows * wave(time_s) for wave in self._waves], -1)
        offset = np.einsum("tm,mpx->tpx", moved, self._directions)
        strength = np.broadcast_to(self._strength, offset.shape[:2])
        if self._normal is not None:
            view = np.asarray(viewpoint_m) - self._rest.mean(0)
            facing = abs(float(view @ self._normal)) / max(float(np.linalg.norm(view)), 1e-6)
            lean = np.einsum("tpx,x->tp", offset, self._normal)
            strength = (
                strength
                * (0.25 + 0.75 * facing**4)
                * (1.0 + 0.5 * self._folds * np.cos(40.0 * lean + self._crease))
            )
        return Scatterers(self._rest + offset, np.ascontiguousarray(strength))


class Curtain(Draught):
    """A hanging cloth: it bulges and waves run along it; its upper edge stays."""

    kind: Literal["curtain"] = "curtain"
    label: ClassVar[str] = "curtain"

    width_m: float = Field(1.2, ge=0.2, le=5.0, description="of the cloth")
    height_m: float = Field(2.0, ge=0.3, le=4.0, description="of the cloth; half of it hangs over position_m")
    swing_m: float = Field(0.06, ge=0.0, le=0.3, description="of the lower edge in the hardest gust")
    flutter_hz: float = Field(0.9, ge=0.4, le=4.0, description="of the quickest waves that run over it")

    def mover(self, rng: np.random.Generator) -> Mover:
        across, normal = _face(self.heading_deg)
        column, row = np.meshgrid(np.linspace(-0.5, 0.5, 5), np.array([0.1, 0.4, 0.7, 0.95]))
        column, row = column.ravel(), row.ravel()
        rest = np.array(self.position_m) + np.multiply.outer(column * self.width_m, across)
        rest[:, 2] += (0.5 - row) * self.height_m
        # the whole swings as a pendulum, and waves of all lengths run over it
        pendulum_hz = math.sqrt(9.81 / (0.67 * self.height_m)) / (2.0 * math.pi)  # of a hanging sheet
        free = row
        if rng.random() < 0.2:  # a flag, or laundry: one of its sides is held too
            free = row * (0.5 + column if rng.random() < 0.5 else 0.5 - column)
        free = free ** rng.uniform(0.7, 2.0)
        # some hang flat and swing as one, some as evenly as a pendulum; others are all folds and flutter
        folds = 0.0 if rng.random() < 0.3 else rng.uniform(0.0, 1.0)
        even = rng.random() < 0.5
        count, crumpled = int(rng.integers(1, _MOST_WAVES + 1)), 0.15 + 0.85 * folds
        across_turns = crumpled * rng.uniform(-2.5, 2.5, count)
        down_turns = crumpled * rng.uniform(-0.8, 0.8, count)
        start = rng.uniform(0.0, 1.0, count)
        turns = np.multiply.outer(across_turns, column) + np.multiply.outer(down_turns, row) + start[:, None]
        as_one = rng.uniform(0.35, 0.8)
        # each stands, or runs along: then the other part of it comes a quarter of a turn later, as strong
        runs = rng.random(count) < 0.6
        standing, later = np.sin(2.0 * np.pi * turns), np.cos(2.0 * np.pi * turns[runs])
        shapes = [free, *(free * standing), *(free * later)]
        # quicker waves are smaller ones
        wave_m = (1.0 - as_one) / math.sqrt(count) * min(1.0, 0.9 / self.flutter_hz)
        sizes = np.array([as_one, *[wave_m] * (len(shapes) - 1)]) * self.swing_m
        directions = np.stack(
            [np.multiply.outer(size * shape, normal) for size, shape in zip(sizes, shapes, strict=True)]
        )
        bands = [(0.6 * pendulum_hz, 1.3 * pendulum_hz), *[(0.3, self.flutter_hz)] * count]
        if even:
            bands = [(0.97 * hz, 1.03 * hz) for hz in (rng.uniform(*band) for band in bands)]
        waves = [Wander(rng, *band) for band in bands]
        waves += [one.quarter_later() for one, run in zip(waves[1:], runs, strict=True) if run]
        highest_hz = 1.03 * max(1.3 * pendulum_hz, self.flutter_hz)
        return _Swaying(self, rng, rest, directions, waves, normal, highest_hz, folds)

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        """Along a wall, or as laundry and flags hang, anywhere."""
        height_m = rng.uniform(0.5, min(2.4, space.size_m[2] - 0.2))
        width_m = min(rng.uniform(0.3, 2.5), 0.5 * min(space.size_m[:2]))
        place, heading = _at_wall(rng, space, 0.35, width_m)
        if rng.random() < 0.4:
            x, y, _ = space.spot(rng, margin_m=0.2 + 0.5 * width_m)
            place, heading = (x, y), rng.uniform(-180.0, 180.0)
        strength = rng.uniform(0.1, 1.0)
        return cls(
            position_m=(*place, height_m / 2 + rng.uniform(0.02, 0.1)),
            heading_deg=heading,
            strength=strength,
            # 0.15 to 6 m2 that keep 0.6-0.9 and scatter the rest all about: A·(1 - a)/pi. [D]
            target_strength_db=rng.uniform(-28.0, -5.0),
            width_m=width_m,
            height_m=height_m,
            swing_m=rng.uniform(0.01, min(0.1, _SLOW_M / strength)),
            **_common(rng),
        )


class Blind(Draught):
    """Slats that rattle a little, all their own way."""

    kind: Literal["blind"] = "blind"
    label: ClassVar[str] = "blind"

    height_m: float = Field(1.2, ge=0.2, le=3.0, description="of the whole blind")
    swing_m: float = Field(0.01, ge=0.0, le=0.05, description="of its lower end in the hardest gust")

    def mover(self, rng: np.random.Generator) -> Mover:
        _, normal = _face(self.heading_deg)
        row = np.linspace(-0.5, 0.5, 8)
        rest = np.repeat(np.array([self.position_m], float), 8, 0)
        rest[:, 2] += row * self.height_m
        directions = np.zeros((9, 8, 3))
        directions[0] = np.multiply.outer(0.7 * self.swing_m * (0.5 - row), normal)
        for n in range(8):  # every slat by itself
            directions[1 + n, n] = rng.uniform(0.1, 0.5) * self.swing_m * normal
        waves = [Wander(rng, 0.3, 0.8), *(Wander(rng, 1.0, 4.0) for _ in range(8))]
        return _Swaying(self, rng, rest, directions, waves, normal, 3.0)

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        place, heading = _at_wall(rng, space, 0.15, 1.0)
        height_m = rng.uniform(0.6, min(1.8, space.size_m[2] - 0.6))
        return cls(
            position_m=(*place, space.size_m[2] - 0.2 - height_m / 2),
            heading_deg=heading,
            strength=rng.uniform(0.1, 1.0),
            target_strength_db=rng.uniform(-30.0, -8.0),
            height_m=height_m,
            swing_m=rng.uniform(0.002, 0.012),
            **_common(rng),
        )


class Plant(Draught):
    """Leaves that flutter on branches that sway."""

    kind: Literal["plant"] = "plant"
    label: ClassVar[str] = "plant"

    size_m: float = Field(0.5, ge=0.1, le=2.0, description="across, in every direction")

    def mover(self, rng: np.random.Generator) -> Mover:
        points = 10
        rest = np.array(self.position_m) + rng.uniform(-0.5, 0.5, (points, 3)) * self.size_m
        directions = np.zeros((2 + points, points, 3))
        sway_m = 0.016 * min(self.size_m, 1.0)
        directions[:2] = rng.uniform(-sway_m, sway_m, (2, 1, 3)) * rng.uniform(0.3, 1.0, (1, points, 1))
        directions[:2, :, 2] *= 0.2
        for n in range(points):
            directions[2 + n, n] = rng.uniform(-0.0025, 0.0025, 3)
        waves = [
            Wander(rng, 0.2, 0.8),
            Wander(rng, 0.2, 0.8),
            *(Wander(rng, 1.0, 5.0) for _ in range(points)),
        ]
        return _Swaying(self, rng, rest, directions, waves, None, 3.0)

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        size_m = rng.uniform(0.2, 1.2)
        x, y, _ = space.spot(rng, margin_m=0.3 + size_m / 2)
        return cls(
            position_m=(
                x,
                y,
                rng.uniform(0.5 * size_m + 0.1, min(1.6, space.size_m[2] - 0.5 * size_m - 0.1)),
            ),
            strength=rng.uniform(0.1, 1.0),
            target_strength_db=rng.uniform(-38.0, -20.0),
            size_m=size_m,
            **_common(rng),
        )


class Lamp(Draught):
    """Hangs from the ceiling and swings as a pendulum."""

    kind: Literal["lamp"] = "lamp"
    label: ClassVar[str] = "lamp"

    cord_m: float = Field(0.8, ge=0.1, le=4.0, description="decides how slowly it swings; 0.8: every 1.8 s")
    swing_m: float = Field(0.03, ge=0.0, le=0.3, description="to each side in the hardest gust")

    def mover(self, rng: np.random.Generator) -> Mover:
        hz = math.sqrt(9.81 / self.cord_m) / (2.0 * math.pi)
        shade = np.array([[0.0, 0.0, 0.08], [0.1, 0.0, -0.02], [-0.1, 0.0, -0.02], [0.0, 0.1, -0.02]])
        rest = np.array(self.position_m) + shade
        turn = rng.uniform(0.0, 2.0 * np.pi)
        ways = np.array([[math.cos(turn), math.sin(turn), 0.0], [-math.sin(turn), math.cos(turn), 0.0]])
        directions = np.repeat(ways[:, None] * np.array([[[0.7]], [[0.4]]]) * self.swing_m, len(rest), 1)
        # nearly one frequency: it swings long after each gust
        waves = [Wander(rng, 0.97 * hz, 1.03 * hz, 3), Wander(rng, 0.97 * hz, 1.03 * hz, 3)]
        return _Swaying(self, rng, rest, directions, waves, None, 1.03 * hz)

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        x, y, _ = space.spot(rng)
        cord_m = rng.uniform(0.3, max(0.35, space.size_m[2] - 1.5))
        strength = rng.uniform(0.1, 1.0)
        return cls(
            position_m=(x, y, space.size_m[2] - cord_m - 0.1),
            strength=strength,
            target_strength_db=rng.uniform(-30.0, -18.0),
            cord_m=cord_m,
            swing_m=rng.uniform(0.005, min(0.05, _SLOW_M * math.sqrt(cord_m) / strength)),
            **_common(rng),
        )


class Door(Draught):
    """On its hinge: creeps to and fro in the draught; may slam. heading_deg is where its wall looks."""

    kind: Literal["door"] = "door"
    label: ClassVar[str] = "door"

    width_m: float = Field(0.85, ge=0.4, le=1.4, description="of the leaf")
    open_deg: float = Field(30.0, ge=0.0, le=120.0, description="how far it stands open, into the room")
    swing_deg: float = Field(5.0, ge=0.0, le=45.0, description="to each side in the hardest gust")
    slam_s: float | None = Field(None, ge=0.0, description="slams and stays closed; left out: never")

    def mover(self, rng: np.random.Generator) -> Mover:
        return _DoorMover(self, rng)

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        place, heading = _at_wall(rng, space, 0.02, 2.2)
        return cls(
            position_m=(*place, 0.0),
            heading_deg=heading,
            strength=rng.uniform(0.1, 1.0),
            target_strength_db=rng.uniform(-20.0, -5.0),
            width_m=rng.uniform(0.7, 0.95),
            open_deg=rng.uniform(10.0, 80.0),
            swing_deg=rng.uniform(1.0, 10.0),
            slam_s=rng.uniform(5.0, 40.0) if rng.random() < 0.3 else None,
            **_common(rng),
        )


class _DoorMover:
    knot_rate_hz = 60.0

    def __init__(self, door: Door, rng: np.random.Generator) -> None:
        self._door, self._gust, self._wave = door, Wander(rng, *_GUST_HZ), Wander(rng, 0.05, 0.25)
        # it never opens the other way: what it swings stays below what it stands open
        self._most = math.radians(max(0.01, min(door.open_deg, 170.0 - door.open_deg)))
        # 1.875: fastest over mean speed of minimum jerk
        swings = min(math.radians(door.swing_deg), self._most)
        way_m = (math.radians(door.open_deg) + swings) * door.width_m
        self._slam_takes_s = max(0.5, 1.875 * way_m / 1.5)
        swing = math.radians(door.swing_deg) * door.width_m * 2.0 * np.pi * 0.25 * 2.5
        self.highest_speed_mps = swing + (1.6 if door.slam_s is not None else 0.0) + 0.05
        self._strength = 10.0 ** (door.target_strength_db / 20.0)

    def scatterers(self, time_s: FloatArray, viewpoint_m: FloatArray) -> Scatterers:
        """(times, 6): along the width; a smooth leaf shines where it stands square to the way."""
        door, time_s = self._door, np.asarray(time_s, np.float64)
        blows = door.gusts(time_s, self._gust)
        swing = math.radians(door.swing_deg) * blows * self._wave(time_s)
        angle = math.radians(door.open_deg) + self._most * np.tanh(swing / self._most)
        if door.slam_s is not None:
            angle = angle * (1.0 - minimum_jerk((time_s - door.slam_s) / self._slam_takes_s))
        # closed, the leaf lies along the wall; it opens into the room
        along = math.radians(door.heading_deg - 90.0) + angle
        way = np.stack([np.cos(along), np.sin(along), np.zeros(len(along))], -1)
        reach = door.width_m * np.linspace(0.15, 1.0, 6)
        hinge = np.add(door.position_m, (0.0, 0.0, min(1.2, float(viewpoint_m[2]))))
        position = hinge + reach[None, :, None] * way[:, None, :]
        view = np.asarray(viewpoint_m) - position
        view /= np.linalg.norm(view, axis=-1, keepdims=True)
        normal = np.stack([-way[:, 1], way[:, 0], way[:, 2]], -1)
        square = np.abs(np.einsum("tpx,tx->tp", view, normal))
        # [A] flat, but with panels, a handle and edges: 26 dB between square and edgewise
        shine = 0.05 + 0.95 * square**24
        return Scatterers(position, self._strength / math.sqrt(6.0) * shine)


def _face(heading_deg: float) -> tuple[FloatArray, FloatArray]:
    """Across the face, and where it looks."""
    c, s = math.cos(math.radians(heading_deg)), math.sin(math.radians(heading_deg))
    return np.array([-s, c, 0.0]), np.array([c, s, 0.0])


def _at_wall(
    rng: np.random.Generator, space: Space, away_m: float, width_m: float
) -> tuple[tuple[float, float], float]:
    """A place in front of a wall, and where the wall looks."""
    wall = int(rng.integers(4))
    axis, far = wall // 2, wall % 2
    size = np.array(space.size_m[:2])
    place = size / 2
    place[axis] = size[axis] - away_m if far else away_m
    other = 1 - axis
    room = max(0.0, size[other] / 2 - width_m / 2 - 0.05)
    place[other] += rng.uniform(-room, room)
    return (float(place[0]), float(place[1])), (0.0, 180.0, 90.0, -90.0)[wall]


def _common(rng: np.random.Generator) -> dict[str, float | None]:
    """Mostly all the time; by an open window the air is full of it, over a radiator there is none."""
    state = rng.random()
    return {
        "draught_mps": 10.0 ** rng.uniform(-4.0, -1.8),
        "from_s": rng.uniform(2.0, 30.0) if state < 0.2 else 0.0,
        "to_s": rng.uniform(32.0, 50.0) if 0.1 < state < 0.3 else None,
    }


DRAUGHT: tuple[type[Draught], ...] = (Curtain, Blind, Plant, Lamp, Door)
