"""What is asked of a detector: named sets of scenes, each for one question.

Every scene draws a room, a unit and bodies of its own, from seeds that training never uses. Equal names and
indices give equal scenes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from noctule.core.errors import NoctuleError
from noctule.simulate.ambient.bursts import BURSTS
from noctule.simulate.ambient.tones import TONES, SecondDevice
from noctule.simulate.body import Body
from noctule.simulate.device import Device
from noctule.simulate.electronics import Drop, Electronics, GainStep
from noctule.simulate.loudspeaker import Loudspeaker
from noctule.simulate.movers.draught import Blind, Curtain, Door, Lamp, Plant
from noctule.simulate.movers.fans import FANS, CeilingFan, DeskFan, FloorFan
from noctule.simulate.movers.machines import Hvac, RobotVacuum
from noctule.simulate.movers.pets import PETS
from noctule.simulate.movers.shakes import SHAKES
from noctule.simulate.movers.spinners import Spinner
from noctule.simulate.parts import MoverPart, SoundPart, Space, generator
from noctule.simulate.person import Person
from noctule.simulate.pose import Action
from noctule.simulate.programme import Programme
from noctule.simulate.room import Room
from noctule.simulate.sampler import draw_scene, until_possible
from noctule.simulate.scenes import Scene
from noctule.simulate.seated import (
    Drink,
    OpenFolder,
    Sit,
    SitDown,
    StandUp,
    Telephone,
    TurnPages,
    Type,
    Work,
)
from noctule.simulate.unit import Unit
from noctule.simulate.walking import Stand, Turn, Walk

Purpose = Literal["test", "validation"]

#: Rises with every change of what is asked: runs of two versions are not put together.
VERSION = 7
Point = tuple[float, float]

#: Seeds from here on belong to measurement; scenes that train have seeds of 48 bits. Others with each version
#: after a threshold was settled with the scenes of the one before in sight.
FIRST_SEED: dict[Purpose, int] = {"test": 2**50 + 2**49 + 2**48, "validation": 2**51}
SEEDS_A_SET = 2**20
#: A pessimist's walker: the whole body sends back as much as this at 1 m, on average. [A: PHYSICS.md]
PESSIMIST_DB, TONE_DB_SPL = -20.0, 76.0
#: What a walker of 1.7 m and average girth sends back towards the device without clothes, simulated.
_BARE_DB_AT_1_7_M = -11.2
NEGATIVE_S = 120.0
#: Of music, about: rms of the programme; mastered music at full volume is -9 to -15.
VOLUMES_DBFS = {"background": -38.0, "moderate": -26.0, "loud": -14.0}


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of hardware: sound card rates, carriers, device."""

    name: str
    rates_hz: tuple[float, ...]
    carrier_hz: tuple[float, float]
    shapes: tuple[Literal["laptop", "puck", "bar"], ...]
    microphones: tuple[int, int]


FAMILIES = (
    Family("20 kHz laptop", (44100.0, 48000.0), (18500.0, 20500.0), ("laptop",), (1, 4)),
    Family("40 kHz at 96 kHz", (96000.0,), (32000.0, 44000.0), ("puck", "bar"), (1, 8)),
    Family("40 kHz at 192 kHz", (192000.0,), (32000.0, 48000.0), ("puck", "bar"), (1, 8)),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One scene of a set.

    what : what is in it, for tables: a range, a cause, a kind of minor motion.
    family : see `FAMILIES`.
    """

    of: str
    index: int
    scene: Scene
    what: str
    family: str


@dataclass(frozen=True, slots=True)
class Parts:
    """What a builder puts into its scene."""

    duration_s: float
    room: Room
    device: Device
    what: str
    more: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SceneSet:
    """A question and the scenes that answer it.

    negative : nobody is in the room, so everything that is said is false.
    limited : the clairvoyant limit is wanted.
    """

    name: str
    question: str
    build: Callable[[np.random.Generator, int, Family], Parts]
    negative: bool = False
    limited: bool = False
    hold: bool = False


def case(name: str, index: int, purpose: Purpose = "test") -> Case:
    """Scene number `index` of a set."""
    chosen = scene_set(name)
    number = list(SETS).index(name)
    seed = FIRST_SEED[purpose] + number * SEEDS_A_SET + index
    family = FAMILIES[index % len(FAMILIES)]
    if name == "everyday":
        scene = draw_scene(seed)
        return Case(name, index, scene, "everyday", _family_of(scene))

    def draw(attempt: int) -> Case:
        rng = generator(seed, name, attempt)
        parts = chosen.build(rng, index // len(FAMILIES), family)
        return Case(name, index, _scene(rng, seed, family, parts), parts.what, family.name)

    return until_possible(draw)


def scene_set(name: str) -> SceneSet:
    """A set by its name.

    Raises
    ------
    NoctuleError
        There is none of that name.
    """
    if name not in SETS:
        raise NoctuleError(f"there is no set of scenes {name!r}; there are {', '.join(SETS)}")
    return SETS[name]


def _scene(rng: np.random.Generator, seed: int, family: Family, parts: Parts) -> Scene:
    given = {
        "unit": Unit.draw(rng, parts.device.microphones),
        "electronics": Electronics(gain_db=rng.uniform(-10.0, 6.0), bits=(16, 24, 32)[rng.integers(3)]),
        "loudspeaker": Loudspeaker.draw(rng),
        "carrier_hz": round(rng.uniform(*family.carrier_hz), 1),
    }
    return Scene(
        seed=seed,
        duration_s=parts.duration_s,
        sample_rate_hz=family.rates_hz[rng.integers(len(family.rates_hz))],
        room=parts.room,
        device=parts.device,
        **(given | parts.more),
    )


def _family_of(scene: Scene) -> str:
    if scene.carrier_hz < 26000.0:
        return FAMILIES[0].name
    return FAMILIES[1].name if scene.sample_rate_hz < 150000.0 else FAMILIES[2].name


# -- rooms and devices


def _stage(rng: np.random.Generator, family: Family, reach_m: float = 0.0) -> tuple[Room, Device, Space]:
    """A room that is long enough, and a device at its short wall that looks along it."""
    drawn = Room.draw(rng)
    length, width, height = drawn.size_m
    if reach_m > 0.0:
        size = (max(length, reach_m + 1.4), max(width, 3.4), height)
        # furniture was drawn for the smaller room, and would stand in somebody's way
        room = drawn.model_copy(update={"size_m": size, "furniture": ()})
    else:
        room, size = drawn, drawn.size_m
    device = _device(rng, family, size)
    return room, device, Space(size, device.position_m)


def _device(rng: np.random.Generator, family: Family, size_m: tuple[float, float, float]) -> Device:
    shape = family.shapes[rng.integers(len(family.shapes))]
    width = {"laptop": (0.2, 0.32), "puck": (0.05, 0.1), "bar": (0.1, 0.7)}[shape]
    return Device(
        shape=shape,
        position_m=(
            rng.uniform(0.3, 0.55),
            size_m[1] * rng.uniform(0.4, 0.6),
            rng.uniform(0.6, min(1.4, size_m[2] - 0.5)),
        ),
        heading_deg=rng.uniform(-10.0, 10.0),
        tilt_deg=rng.uniform(-5.0, 15.0),
        microphones=int(rng.integers(family.microphones[0], family.microphones[1] + 1)),
        loudspeakers=1 if shape == "puck" else int(rng.integers(1, 3)),
        width_m=rng.uniform(*width),
        tone_db_spl=TONE_DB_SPL,
        # small enough that whoever is asked for by distance stands in the beam
        cone_radius_m=rng.uniform(0.004, 0.009),
        rear_db=rng.uniform(-28.0, -12.0),
        leakage_db=rng.uniform(-20.0, 3.0),
    )


def _spot(rng: np.random.Generator, space: Space, range_m: float, widest_deg: float = 25.0) -> Point:
    """At a distance over the floor from the device, in front of it, clear of the walls."""
    x, y = space.device_m[:2]
    length, width, _ = space.size_m
    for _ in range(200):
        turn = math.radians(rng.uniform(-widest_deg, widest_deg))
        at = (x + range_m * math.cos(turn), y + range_m * math.sin(turn))
        if 0.4 <= at[0] <= length - 0.4 and 0.4 <= at[1] <= width - 0.4:
            return at
    return min(x + range_m, length - 0.4), y


def _pessimist(rng: np.random.Generator) -> Body:
    height_m, girth = rng.uniform(1.55, 1.9), rng.uniform(0.9, 1.15)
    bare_db = _BARE_DB_AT_1_7_M + 20.0 * math.log10(height_m * girth / 1.7)
    return Body(height_m=height_m, girth=girth, clothing_db=bare_db - PESSIMIST_DB)


def _heading(a: Point, b: Point) -> float:
    return math.degrees(math.atan2(b[1] - a[1], b[0] - a[0]))


# -- people


def _walker(
    rng: np.random.Generator, space: Space, range_m: float, body: Body, first_s: float | None = None
) -> Person:
    """Stands at a distance, walks some metres to or fro or across, stands, walks back; twice."""
    here = _spot(rng, space, range_m)
    inwards = range_m - 1.7 >= 0.6 and rng.random() < 0.6
    along = _towards(space, here, range_m - 1.7 if inwards else range_m + 1.6)
    across = _across(rng, space, here)
    points: list[Point] = [here]
    for there in (along, across) if rng.random() < 0.5 else (across, along):
        points += [there, here]
    does: list[Action] = []
    for n in range(1, len(points)):
        stands_s = first_s if n == 1 and first_s is not None else rng.uniform(2.8, 4.0)
        does += [Stand(for_s=stands_s), Walk(to=points[n], speed_mps=rng.uniform(0.8, 1.4))]
        after = points[n + 1] if n + 1 < len(points) else points[1]
        does.append(Turn(to_heading_deg=_heading(points[n], after)))
    return Person(body=body, start=here, heading_deg=_heading(*points[:2]), does=tuple(does))


def _towards(space: Space, here: Point, range_m: float) -> Point:
    """On the line from the device through a place, at another distance; inside the walls."""
    x, y = space.device_m[:2]
    away = math.hypot(here[0] - x, here[1] - y)
    for share in np.linspace(1.0, 0.0, 20):  # as far as the walls let
        r = away + share * (range_m - away)
        at = (x + (here[0] - x) * r / away, y + (here[1] - y) * r / away)
        if 0.35 <= at[0] <= space.size_m[0] - 0.35 and 0.35 <= at[1] <= space.size_m[1] - 0.35:
            break
    return at


def _across(rng: np.random.Generator, space: Space, here: Point) -> Point:
    """Sideways, at about the same distance, where there is more room."""
    left_m, right_m = space.size_m[1] - 0.4 - here[1], here[1] - 0.4
    step_m = min(rng.uniform(1.2, 1.8), max(left_m, right_m))
    return here[0], here[1] + (step_m if left_m > right_m else -step_m)


def _sitter(rng: np.random.Generator, space: Space, range_m: float, does: Sequence[Action]) -> Person:
    """Comes, sits down facing the device more or less, and does what is said."""
    chair = _spot(rng, space, range_m)
    start = _across(rng, space, chair)
    facing_deg = _heading(chair, (space.device_m[0], space.device_m[1])) + rng.uniform(-60.0, 60.0)
    arrival = (
        Stand(for_s=3.0),
        Walk(to=chair, speed_mps=rng.uniform(0.8, 1.3)),
        Turn(to_heading_deg=(facing_deg + 180.0) % 360.0 - 180.0),
        SitDown.draw(rng),
    )
    return Person(
        body=Body.draw(rng), start=start, heading_deg=_heading(start, chair), does=(*arrival, *does)
    )


MINOR: dict[str, Callable[[np.random.Generator], Action]] = {
    "telephone": lambda rng: Telephone(for_s=rng.uniform(2.0, 5.0)),
    "pages": lambda rng: TurnPages(pages=int(rng.integers(1, 4)), every_s=rng.uniform(2.0, 6.0)),
    "folder": lambda rng: OpenFolder(),
    "cup": lambda rng: Drink(),
    "typing": lambda rng: Type(for_s=rng.uniform(2.0, 6.0)),
}

# -- the questions


def _walks(rng: np.random.Generator, number: int, family: Family) -> Parts:
    range_m = 1.0 + number % 6
    room, device, space = _stage(rng, family, range_m + 1.6)
    person = _walker(rng, space, range_m, _pessimist(rng))
    return Parts(30.0, room, device, f"{range_m:g} m", {"person": (person,)})


def _faint_walks(rng: np.random.Generator, number: int, family: Family) -> Parts:
    """The same under a tone that is too low, to see where detectors begin to fail."""
    parts = _walks(rng, number, family)
    faint = parts.device.model_copy(
        update={"tone_db_spl": rng.uniform(TONE_DB_SPL - 40.0, TONE_DB_SPL - 10.0)}
    )
    return replace(parts, device=faint)


def _fan_walks(rng: np.random.Generator, number: int, family: Family) -> Parts:
    room, device, space = _stage(rng, family, 5.6)
    kinds = (FloorFan, DeskFan, CeilingFan)
    kind = kinds[number % 3]
    person = _walker(rng, space, 4.0, Body.draw(rng))
    name = "ceiling fan" if kind is CeilingFan else "fan"
    return Parts(30.0, room, device, name, {"person": (person,), "mover": (_always(kind.draw(rng, space)),)})


def _cold_starts(rng: np.random.Generator, number: int, family: Family) -> Parts:
    range_m = rng.uniform(1.0, 4.0)
    room, device, space = _stage(rng, family, range_m + 1.6)
    person = _walker(rng, space, range_m, Body.draw(rng), first_s=2.0)
    fan = (_always(FANS[rng.integers(len(FANS))].draw(rng, space)),) if rng.random() < 0.3 else ()
    return Parts(6.0, room, device, "with a fan" if fan else "quiet", {"person": (person,), "mover": fan})


def _seated(rng: np.random.Generator, number: int, family: Family) -> Parts:
    range_m = 1.0 + (number // len(MINOR)) % 4
    room, device, space = _stage(rng, family, range_m + 0.6)
    kind = list(MINOR)[number % len(MINOR)]
    does: list[Action] = []
    for _ in range(14):
        does += [Sit(for_s=rng.uniform(3.5, 7.0)), MINOR[kind](rng)]
    return Parts(85.0, room, device, kind, {"person": (_sitter(rng, space, range_m, does),)})


def _sitting(rng: np.random.Generator, number: int, family: Family) -> Parts:
    range_m = 1.0 + number % 4
    room, device, space = _stage(rng, family, range_m + 0.6)
    does = (Work(for_s=200.0, pause_s=15.0),)
    return Parts(200.0, room, device, f"{range_m:g} m", {"person": (_sitter(rng, space, range_m, does),)})


def _still(rng: np.random.Generator, number: int, family: Family) -> Parts:
    range_m = 1.0 + number % 3
    room, device, space = _stage(rng, family, range_m + 0.6)
    does = (Sit(for_s=200.0),)
    return Parts(130.0, room, device, f"{range_m:g} m", {"person": (_sitter(rng, space, range_m, does),)})


def _visits(rng: np.random.Generator, number: int, family: Family) -> Parts:
    """Comes in through a side wall, stays a while, and goes for good."""
    range_m = 1.0 + number % 4
    room, device, space = _stage(rng, family, range_m + 1.6)
    _, width, _ = space.size_m
    door_x = rng.uniform(0.4, 0.8) * space.size_m[0]
    inside, outside = (door_x, 0.5), (door_x, -rng.uniform(2.0, 3.0))
    if rng.random() < 0.5:
        inside, outside = (door_x, width - 0.5), (door_x, width - outside[1])
    there = _spot(rng, space, range_m)
    sits = number // 4 % 2 == 1
    stays: tuple[Action, ...] = (Stand(for_s=rng.uniform(1.0, 6.0)),)
    if sits:
        stays = (SitDown.draw(rng), Work(for_s=rng.uniform(20.0, 40.0), pause_s=8.0), StandUp.draw(rng))
    walk = {"speed_mps": rng.uniform(0.8, 1.4)}
    comes, goes = Walk(to=(inside, there), **walk), Walk(to=(inside, outside), **walk)
    does = (Stand(for_s=3.0), comes, *stays, goes, Stand(for_s=150.0))
    person = Person(body=Body.draw(rng), start=outside, heading_deg=_heading(outside, inside), does=does)
    return Parts(200.0, room, device, "sits a while" if sits else "walks through", {"person": (person,)})


def _everyday(rng: np.random.Generator, number: int, family: Family) -> Parts:
    raise AssertionError("drawn as it is")


# -- what is no person, one cause at a time and without pause


def _always(part: MoverPart) -> MoverPart:
    return part.model_copy(update={"from_s": 0.0, "to_s": None})


def _alone(name: str, make: Callable[[np.random.Generator, Space], MoverPart]) -> Callable[..., Parts]:
    def build(rng: np.random.Generator, number: int, family: Family) -> Parts:
        room, device, space = _stage(rng, family)
        return Parts(NEGATIVE_S, room, device, name, {"mover": (make(rng, space),)})

    return build


def _running(kind: type[MoverPart]) -> Callable[[np.random.Generator, Space], MoverPart]:
    return lambda rng, space: _always(kind.draw(rng, space))


def _fan(rng: np.random.Generator, space: Space) -> MoverPart:
    kind = (FloorFan, DeskFan)[rng.integers(2)]
    return _always(kind.draw(rng, space)).model_copy(update={"swing_deg": 0.0, "speed_steps": ()})


def _oscillating(rng: np.random.Generator, space: Space) -> MoverPart:
    kind = (FloorFan, DeskFan)[rng.integers(2)]
    return _always(kind.draw(rng, space)).model_copy(
        update={"swing_deg": rng.uniform(25.0, 45.0), "speed_steps": ()}
    )


def _draughty(rng: np.random.Generator, space: Space) -> MoverPart:
    kind = (Blind, Plant, Lamp, Door)[rng.integers(4)]
    return _always(kind.draw(rng, space))


def _storm(rng: np.random.Generator, space: Space) -> MoverPart:
    update = {"strength": 1.0, "swing_m": rng.uniform(0.1, 0.3), "flutter_hz": rng.uniform(0.6, 3.0)}
    return _always(Curtain.draw(rng, space)).model_copy(update=update)


def _pet(rng: np.random.Generator, space: Space) -> MoverPart:
    part = _always(PETS[rng.integers(len(PETS))].draw(rng, space))
    return part.model_copy(update={"rests_s": rng.uniform(0.5, 4.0)})


def _shake(rng: np.random.Generator, space: Space) -> MoverPart:
    part = SHAKES[rng.integers(len(SHAKES))].draw(rng, space)
    if "at_s" in type(part).model_fields:  # bumps come one by one
        at_s = np.cumsum(rng.exponential(4.0, 60)) + 1.0
        return part.model_copy(update={"at_s": tuple(at_s[at_s < NEGATIVE_S].tolist())})
    return _always(part)


def _sounding(
    name: str, make: Callable[[np.random.Generator, Space, float], SoundPart]
) -> Callable[..., Parts]:
    def build(rng: np.random.Generator, number: int, family: Family) -> Parts:
        room, device, space = _stage(rng, family)
        carrier_hz = round(rng.uniform(*family.carrier_hz), 1)
        sound = make(rng, space, carrier_hz)
        return Parts(NEGATIVE_S, room, device, name, {"sound": (sound,), "carrier_hz": carrier_hz})

    return build


def _burst(rng: np.random.Generator, space: Space, carrier_hz: float) -> SoundPart:
    part = BURSTS[rng.integers(len(BURSTS))].draw(rng, space)
    return part.model_copy(update={"at_s": 0.0, "lasts_s": NEGATIVE_S})


def _emitter(rng: np.random.Generator, space: Space, carrier_hz: float) -> SoundPart:
    kind = TONES[rng.integers(len(TONES))]
    near = kind is SecondDevice and rng.random() < 0.7
    part = SecondDevice.near(rng, space, carrier_hz) if near else kind.draw(rng, space)
    return part.model_copy(update={"at_s": 0.0, "lasts_s": None})


def _next_room(rng: np.random.Generator, number: int, family: Family) -> Parts:
    """People walk behind a wall, and are heard through it."""
    room, device, space = _stage(rng, family)
    length, width, _ = space.size_m
    behind = -1.0 if rng.random() < 0.5 else 1.0
    base_y = 0.0 if behind < 0 else width

    def place() -> Point:
        return rng.uniform(0.3, length - 0.3), base_y + behind * rng.uniform(0.5, 3.5)

    start = place()
    does: list[Action] = []
    here = start
    for _ in range(25):
        there = place()
        if math.dist(here, there) > 0.5:
            does += [Walk(to=there, speed_mps=rng.uniform(0.6, 1.5)), Stand(for_s=rng.uniform(0.5, 3.0))]
            here = there
    sound = BURSTS[rng.integers(len(BURSTS))].draw(rng, space)
    heard = sound.model_copy(
        update={
            "at_s": 0.0,
            "lasts_s": NEGATIVE_S,
            "position_m": (*place(), 1.0),
            "through": ("drywall", "door", "brick", "open door")[rng.integers(4)],
        }
    )
    more = {"person": (Person(body=Body.draw(rng), start=start, does=tuple(does)),), "sound": (heard,)}
    return Parts(NEGATIVE_S, room, device, "next room", more)


def _faults(rng: np.random.Generator, number: int, family: Family) -> Parts:
    """Gain steps, lost samples, gain control, covered and dead microphones, in an empty room."""
    room, device, _ = _stage(rng, family)
    at_s = np.cumsum(rng.exponential(6.0, 60)) + 2.0
    times_s = at_s[at_s < NEGATIVE_S].tolist()
    electronics: dict[str, Any] = {"gain_db": rng.uniform(-10.0, 10.0)}
    unit = Unit.draw(rng, device.microphones)
    kind = ("gain steps", "lost samples", "gain control", "microphones")[number % 4]
    match kind:
        case "gain steps":
            electronics["gain_steps"] = tuple(GainStep(at_s=t, db=rng.uniform(-8.0, 8.0)) for t in times_s)
        case "lost samples":
            electronics["drops"] = tuple(Drop(at_s=t, samples=int(rng.integers(16, 4800))) for t in times_s)
        case "gain control":
            electronics |= {"agc": True, "agc_strength": rng.uniform(0.3, 0.9)}
            electronics |= {"agc_attack_s": rng.uniform(0.01, 0.3), "agc_release_s": rng.uniform(0.2, 5.0)}
        case _:
            hurt = tuple(range(int(rng.integers(1, max(2, device.microphones)))))
            left = device.microphones > 1
            unit = unit.model_copy(update={"dead": hurt if left else (), "covered": () if left else hurt})
    more = {"electronics": Electronics(**electronics), "unit": unit}
    return Parts(NEGATIVE_S, room, device, f"faults: {kind}", more)


def _music(rng: np.random.Generator, number: int, family: Family) -> Parts:
    room, device, _ = _stage(rng, family)
    programme = Programme.draw(rng, duration_s=NEGATIVE_S).model_copy(update={"from_s": 0.0, "to_s": None})
    return Parts(NEGATIVE_S, room, device, "music", {"programme": programme})


def _music_walks(rng: np.random.Generator, number: int, family: Family) -> Parts:
    """Somebody walks at 2 m while bass-heavy material plays on one full-range driver."""
    room, device, space = _stage(rng, family, 3.6)
    name, volume_dbfs = list(VOLUMES_DBFS.items())[number % len(VOLUMES_DBFS)]
    programme = Programme(
        kind=("bass", "music")[rng.integers(2)],
        seed=int(rng.integers(2**31)),
        start_s=rng.uniform(0.0, 60.0),
        volume_dbfs=volume_dbfs + rng.uniform(-3.0, 3.0),
    )
    loudspeaker = Loudspeaker.draw(rng).model_copy(update={"two_way": False})
    person = _walker(rng, space, 2.0, _pessimist(rng))
    more = {"person": (person,), "programme": programme, "loudspeaker": loudspeaker}
    return Parts(30.0, room, device, name, more)


def _empty(rng: np.random.Generator, number: int, family: Family) -> Parts:
    room, device, _ = _stage(rng, family)
    return Parts(NEGATIVE_S, room, device, "empty room", {})


#: New ones at the end: their place decides their seeds.
SETS: dict[str, SceneSet] = {
    one.name: one
    for one in (
        SceneSet("walks", "Who walks in a quiet room, by distance", _walks, limited=True),
        SceneSet("faint_walks", "The same under a fainter tone", _faint_walks, limited=True),
        SceneSet("fan_walks", "Who walks at 4 m while a fan runs", _fan_walks, limited=True),
        SceneSet("cold_starts", "Who walks 2 s after switching on", _cold_starts, limited=True),
        SceneSet("seated", "Small motions of who sits", _seated, limited=True, hold=True),
        SceneSet("sitting", "Who sits for minutes and does little", _sitting, hold=True),
        SceneSet("still", "Who sits still and only breathes", _still, hold=True),
        SceneSet("everyday", "Anything at once, as it is drawn", _everyday, limited=True),
        SceneSet("empty", "Nothing", _empty, negative=True),
        SceneSet("fan", "A fan", _alone("fan", _fan), negative=True),
        SceneSet(
            "oscillating_fan", "A fan that swings", _alone("oscillating fan", _oscillating), negative=True
        ),
        SceneSet("ceiling_fan", "A ceiling fan", _alone("ceiling fan", _running(CeilingFan)), negative=True),
        SceneSet("curtain", "A curtain in a draught", _alone("curtain", _running(Curtain)), negative=True),
        SceneSet("draught", "Blinds, plants, lamps, doors", _alone("draught", _draughty), negative=True),
        SceneSet("pets", "A cat or a dog", _alone("pets", _pet), negative=True),
        SceneSet("hvac", "Air conditioning", _alone("air conditioning", _running(Hvac)), negative=True),
        SceneSet("vacuum", "A robot vacuum", _alone("robot vacuum", _running(RobotVacuum)), negative=True),
        SceneSet("shakes", "What shakes the device", _alone("shakes", _shake), negative=True),
        SceneSet("transients", "Keys, claps, speech, water", _sounding("transients", _burst), negative=True),
        SceneSet("emitters", "Other ultrasound", _sounding("emitters", _emitter), negative=True),
        SceneSet("next_room", "People behind a wall", _next_room, negative=True),
        SceneSet("faults", "Gain, lost samples, microphones", _faults, negative=True),
        SceneSet("music", "The loudspeaker plays", _music, negative=True),
        SceneSet("spinner", "What turns and is no fan", _alone("spinner", _running(Spinner)), negative=True),
        SceneSet("storm", "A curtain in a storm", _alone("storm", _storm), negative=True),
        SceneSet("visits", "Who comes, stays a while and goes", _visits),
        SceneSet("music_walks", "Who walks at 2 m while music plays", _music_walks, limited=True),
    )
}
