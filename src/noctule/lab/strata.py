"""What a corpus is made of: named kinds of scenes, each with its share of the hours.

Every scene draws its own room, device, unit, bodies and everything else from its seed, so that a split by
seeds shares none of them. Equal seeds give equal scenes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from noctule.core.errors import NoctuleError
from noctule.lab import people
from noctule.lab.captures import Take
from noctule.lab.shards import Split
from noctule.simulate.ambient import SOUNDS, AmbientSound
from noctule.simulate.ambient.bursts import NoiseBursts, log_uniform
from noctule.simulate.ambient.tones import PestRepeller, SecondDevice, Tone
from noctule.simulate.device import Device
from noctule.simulate.electronics import Drop, Electronics, GainStep
from noctule.simulate.loudspeaker import Loudspeaker
from noctule.simulate.movers import MOVERS
from noctule.simulate.movers.draught import Curtain, Door, Draught, Lamp
from noctule.simulate.movers.fans import FANS, Fan
from noctule.simulate.movers.pets import Pet
from noctule.simulate.movers.shakes import SHAKES, Bump
from noctule.simulate.movers.spinners import Spinner
from noctule.simulate.parts import MoverPart, Space, generator
from noctule.simulate.person import Person
from noctule.simulate.programme import Programme
from noctule.simulate.room import Furniture, Room
from noctule.simulate.sampler import until_possible
from noctule.simulate.scenes import Scene
from noctule.simulate.unit import Unit

Range = tuple[float, float]
Parts = dict[str, Any]
AnyPart = TypeVar("AnyPart", bound=MoverPart)

#: (sample rate, lowest and highest carrier in Hz), equally likely: laptops and telephones, then good cards.
FAMILIES: tuple[tuple[float, float, float], ...] = (
    (44100.0, 18500.0, 20800.0),
    (48000.0, 18500.0, 22500.0),
    (96000.0, 18500.0, 46000.0),
    (96000.0, 32000.0, 44000.0),
    (192000.0, 32000.0, 48000.0),
    (192000.0, 20000.0, 60000.0),
)
#: How the splits are made; the manifest says so too.
SPLIT_RULE = (
    "first 4 bytes of sha256('noctule split <scene seed>') modulo 10: 0 test, 1 validation, else train"
)
#: Share of devices that are set up for the purpose, whatever else is in the room: the best of four carriers,
#: a beam that fills the room (piston of ka at most), so loud a tone, quiet microphones. Others are anything.
TUNED, WIDE_BEAM_KA, TUNED_DB_SPL = 0.8, 2.5, (70.0, 95.0)
TUNED_SNR_DBA, TUNED_RISE_DB = (61.0, 73.0), (2.0, 9.0)
#: Of these, so many are as good as such things come, in air that hardly stirs: they send nearly as loudly all
#: about them, and whatever moves, people or cloth, stands 30 to 70 dB over the floor. The draught of fans and
#: of wind counts for a share of what it otherwise does. [A]
FINE, FINE_BEAM_KA, FINE_REAR_DB, FINE_SKIRT_DB = 0.4, 0.8, (-10.0, -1.0), (-60.0, -45.0)
FINE_DB_SPL, FINE_SNR_DBA, FINE_RISE_DB = (80.0, 100.0), (66.0, 74.0), (0.0, 3.0)
FINE_AIRFLOW_MPS, FINE_DRAUGHT_SHARE = (1e-5, 1e-4), (0.01, 10.0**-0.5)
#: Tones this near to the carrier lie within the sensor's band, and mostly on its velocity grid.
NEAR_HZ = 1500.0
#: Of curtains and lamps that move without pause, so many in a storm: mostly to 1 m/s, some to 2.5. [A]
STORMS = 0.35
#: Of repellers, so many sweep narrowly about our carrier, as slowly as somebody who goes to and fro. [A]
SWEEPS_HERE = 0.4
#: Nobody puts a device into a cupboard: furniture keeps so far away from it.
_FREE_M = 0.25
#: What most looks like somebody.
_PROVOKING: tuple[type[MoverPart], ...] = (*[Curtain] * 5, Lamp, Lamp, *[Spinner] * 3, *FANS)
_DRAUGHTY = ("curtain", "blind", "plant", "lamp")


@dataclass(frozen=True)
class Stage:
    """An empty room with a device in it, about to be filled. takes : that people may move by."""

    rng: np.random.Generator
    space: Space
    duration_s: float
    carrier_hz: float
    microphones: int
    unit: Unit
    electronics: Electronics
    takes: tuple[Take, ...] = ()

    def one_of(self, things: Sequence[Any]) -> Any:
        return things[int(self.rng.integers(len(things)))]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def count(self, shares: Sequence[float]) -> int:
        """0, 1, 2, ... with these shares."""
        return int(self.rng.choice(len(shares), p=np.array(shares) / sum(shares)))


@dataclass(frozen=True)
class Stratum:
    """A kind of scene.

    share : of the hours of a corpus.
    duration_s : of a scene, from and to.
    fill : what comes into the room, as fields of a `Scene`.
    """

    name: str
    share: float
    duration_s: Range
    fill: Callable[[Stage], Parts]


def split_of(seed: int) -> Split:
    """Which split a scene belongs to; the same in every corpus."""
    number = int.from_bytes(hashlib.sha256(f"noctule split {seed}".encode()).digest()[:4], "big") % 10
    return "test" if number == 0 else "validation" if number == 1 else "train"


def choose(names: Iterable[str] | None = None) -> tuple[Stratum, ...]:
    """All strata, or those of these names.

    Raises
    ------
    NoctuleError
        There is none of that name.
    """
    if names is None:
        return STRATA
    wanted = list(names)
    known = {one.name: one for one in STRATA}
    for name in wanted:
        if name not in known:
            raise NoctuleError(f"there is no stratum {name!r}; there are {', '.join(known)}")
    return tuple(one for one in STRATA if one.name in wanted)


def pick(seed: int, strata: Sequence[Stratum]) -> Stratum:
    """The stratum of a scene: by its share of the hours, so rarer the longer its scenes are."""
    odds = np.array([one.share / (0.5 * sum(one.duration_s)) for one in strata])
    return strata[int(generator(seed, "stratum").choice(len(strata), p=odds / odds.sum()))]


def draw(seed: int, stratum: Stratum, takes: tuple[Take, ...] = ()) -> Scene:
    """The scene of a seed; the same for the same seed, stratum and motion capture takes."""
    return until_possible(lambda attempt: _draw(generator(seed, stratum.name, attempt), seed, stratum, takes))


def _draw(rng: np.random.Generator, seed: int, stratum: Stratum, takes: tuple[Take, ...]) -> Scene:
    room = Room.draw(rng)
    device = Device.draw(rng, room.size_m)
    room = room.model_copy(update={"furniture": _not_around(device.position_m, room)})
    rate_hz, lowest_hz, highest_hz = FAMILIES[rng.integers(len(FAMILIES))]
    # scenes have seeds of their own, so units have
    unit = Unit.draw(rng, device.microphones).model_copy(update={"seed": seed})
    tuned = rng.random() < TUNED
    carrier_hz = _carrier(rng, unit, (lowest_hz, highest_hz), 4 if tuned else 1)
    metres_per_rad = room.speed_of_sound_mps / (2.0 * np.pi * carrier_hz)
    if tuned:
        device, unit = _tuned(rng, device, unit, metres_per_rad)
    duration_s = round(rng.uniform(*stratum.duration_s), 1)
    stage = Stage(
        rng=rng,
        space=Space(room.size_m, device.position_m),
        duration_s=duration_s,
        carrier_hz=carrier_hz,
        microphones=device.microphones,
        unit=unit,
        electronics=Electronics.draw(rng, duration_s),
        takes=takes,
    )
    parts: Parts = {"unit": stage.unit, "electronics": stage.electronics} | stratum.fill(stage)
    scene = Scene(
        duration_s=duration_s,
        seed=seed,
        carrier_hz=stage.carrier_hz,
        sample_rate_hz=rate_hz,
        room=room,
        device=device,
        loudspeaker=Loudspeaker.draw(rng),
        **parts,
    )
    return _fine(scene, rng, metres_per_rad) if tuned and rng.random() < FINE else scene


def _tuned(
    rng: np.random.Generator, device: Device, unit: Unit, metres_per_rad: float
) -> tuple[Device, Unit]:
    return _equipped(
        rng, device, unit, WIDE_BEAM_KA * metres_per_rad, TUNED_DB_SPL, TUNED_SNR_DBA, TUNED_RISE_DB
    )


def _fine(scene: Scene, rng: np.random.Generator, metres_per_rad: float) -> Scene:
    cone_m = FINE_BEAM_KA * metres_per_rad
    device, unit = _equipped(rng, scene.device, scene.unit, cone_m, FINE_DB_SPL, FINE_SNR_DBA, FINE_RISE_DB)
    still = {"airflow_mps": log_uniform(rng, FINE_AIRFLOW_MPS)}
    share = log_uniform(rng, FINE_DRAUGHT_SHARE)
    draughts = ("draught_mps", "fluctuation_mps")
    return scene.model_copy(
        update={
            "device": device.model_copy(update={"rear_db": rng.uniform(*FINE_REAR_DB)}),
            "unit": unit.model_copy(update={"skirt_db": rng.uniform(*FINE_SKIRT_DB)}),
            "room": scene.room.model_copy(update=still),
            "mover": tuple(
                part.model_copy(
                    update={one: share * getattr(part, one) for one in draughts if hasattr(part, one)}
                )
                for part in scene.mover
            ),
        }
    )


def _equipped(
    rng: np.random.Generator,
    device: Device,
    unit: Unit,
    widest_m: float,
    db_spl: Range,
    snr_dba: Range,
    rise_db: Range,
) -> tuple[Device, Unit]:
    """A cone no wider than that, or the narrowest that there is; so loud a tone, so quiet microphones."""
    cone_m = min(device.cone_radius_m, max(widest_m, 0.002))
    loud = {"tone_db_spl": rng.uniform(*db_spl), "cone_radius_m": cone_m}
    quiet = {"snr_dba": rng.uniform(*snr_dba), "noise_rise_db": rng.uniform(*rise_db)}
    return device.model_copy(update=loud), unit.model_copy(update=quiet)


def _not_around(place_m: tuple[float, float, float], room: Room) -> tuple[Furniture, ...]:
    low, high = np.array(place_m) - _FREE_M, np.array(place_m) + _FREE_M
    return tuple(
        box
        for box in room.furniture
        if (np.add(box.corner_m, box.size_m) < low).any() or (np.array(box.corner_m) > high).any()
    )


def _carrier(rng: np.random.Generator, unit: Unit, span_hz: Range, tries: int) -> float:
    """The one of some frequencies that this specimen's loudspeaker plays loudest, as calibration chooses."""
    found = [round(rng.uniform(*span_hz), 1) for _ in range(tries)]
    return max(found, key=unit.loudspeaker_gain)


# -- what is drawn for several strata


def movers(stage: Stage, shares: Sequence[float]) -> list[MoverPart]:
    """0, 1, 2, ... of any kind, as they are drawn: from some time on, to some time."""
    return [stage.one_of(MOVERS).draw(stage.rng, stage.space) for _ in range(stage.count(shares))]


def running(stage: Stage, kinds: Sequence[type[MoverPart]]) -> MoverPart:
    """One of these kinds that goes on for the whole scene."""
    part: MoverPart = stage.one_of(kinds).draw(stage.rng, stage.space)
    return without_pause(stage, part)


def without_pause(stage: Stage, part: AnyPart) -> AnyPart:
    rng = stage.rng
    update: Parts = {"from_s": 0.0, "to_s": None}
    if isinstance(part, Bump):
        blows = _now_and_then(stage, 2.0, 8.0) or (1.0,)
        update = {"at_s": blows, "from_s": blows[0], "to_s": blows[-1] + 4.0 * part.decay_s}
    elif isinstance(part, Pet):
        update["rests_s"] = min(part.rests_s, rng.uniform(0.5, 6.0))
    elif isinstance(part, Door):
        update["slam_s"] = part.slam_s if stage.chance(0.3) else None
    elif isinstance(part, Draught):
        update["strength"] = max(part.strength, 0.2)
        if isinstance(part, Curtain | Lamp) and stage.chance(STORMS):
            update |= _blown(stage, part)
        if isinstance(part, Curtain) and stage.chance(0.5):
            update["flutter_hz"] = rng.uniform(0.9, 3.0)
    elif isinstance(part, Fan) and stage.chance(0.2):  # somebody turns its knob
        at_s = rng.uniform(0.2, 0.8) * stage.duration_s
        update["speed_steps"] = ((at_s, part.rpm * rng.uniform(0.6, 1.4)),)
    return part.model_copy(update=update)


def _blown(stage: Stage, part: Curtain | Lamp) -> Parts:
    """What a storm makes of it."""
    most_m = 0.3 if isinstance(part, Curtain) else min(0.3, 0.4 * part.cord_m)
    return {"strength": 1.0, "swing_m": stage.rng.uniform(0.3, 1.0) * most_m}


def _now_and_then(stage: Stage, low_s: float, high_s: float) -> tuple[float, ...]:
    """Moments of a Poisson process, on average one every so many seconds; at most 100."""
    at_s = np.cumsum(stage.rng.exponential(stage.rng.uniform(low_s, high_s), 100))
    return tuple(float(one) for one in at_s[at_s < stage.duration_s])


def sounds(stage: Stage, shares: Sequence[float]) -> list[AmbientSound]:
    """0, 1, 2, ... of any kind, as they are drawn."""
    return [sound(stage, stage.one_of(SOUNDS)) for _ in range(stage.count(shares))]


def sound(stage: Stage, kind: type[AmbientSound]) -> AmbientSound:
    """One of a kind; tones are such as come into the sensor's band, for others cost time and change nothing.

    Half of the other devices that sense are on our carrier or next to it, and some repellers sweep about it.
    """
    if kind is SecondDevice and stage.chance(0.5):
        return SecondDevice.near(stage.rng, stage.space, stage.carrier_hz)
    one = kind.draw(stage.rng, stage.space)
    if isinstance(one, PestRepeller) and stage.chance(SWEEPS_HERE):
        return one.model_copy(
            update={
                "frequency_hz": stage.carrier_hz + stage.rng.uniform(-NEAR_HZ, NEAR_HZ),
                "sweep_hz": log_uniform(stage.rng, (50.0, 3000.0)),
                "sweep_period_s": log_uniform(stage.rng, (0.3, 30.0)),
                "level_db_spl": stage.rng.uniform(20.0, 100.0),
            }
        )
    if not isinstance(one, Tone) or _comes_near(one, stage.carrier_hz):
        return one
    rng, low_hz = stage.rng, stage.carrier_hz - 0.5 * one.sweep_hz
    frequency_hz = low_hz + rng.uniform() * one.sweep_hz + rng.uniform(-NEAR_HZ, NEAR_HZ)
    if one.second_harmonic_db > -100.0 and stage.chance(0.5):
        frequency_hz /= 2.0
    return one.model_copy(update={"frequency_hz": frequency_hz})


def _comes_near(tone: Tone, carrier_hz: float) -> bool:
    """Whether the tone or its harmonic crosses the band about the carrier."""
    reach_hz = NEAR_HZ + 0.5 * tone.sweep_hz + tone.wander_hz
    orders = (1, 2) if tone.second_harmonic_db > -100.0 else (1,)
    return any(abs(order * tone.frequency_hz - carrier_hz) < order * reach_hz for order in orders)


def somebody(stage: Stage) -> Person:
    """Anybody, doing anything."""
    if stage.takes and stage.chance(0.3):
        return people.captured(stage.rng, stage.space, stage.duration_s, stage.takes)
    kind = stage.count((0.45, 0.3, 0.15, 0.1))
    if kind == 0:
        return Person.draw(stage.rng, stage.space)
    ways = (people.visitor, people.walker, people.sitter)
    return ways[kind - 1](stage.rng, stage.space, stage.duration_s)


# -- the strata


def _people(stage: Stage) -> Parts:
    """People in all rooms, with this and that."""
    return {
        "person": tuple(somebody(stage) for _ in range(1 + stage.chance(0.25))),
        "mover": tuple(movers(stage, (0.45, 0.35, 0.2))),
        "sound": tuple(sounds(stage, (0.5, 0.3, 0.2))),
    }


def _visits(stage: Stage) -> Parts:
    """Somebody comes and goes, over and over: who stays and who has left."""
    fan = (running(stage, FANS),) if stage.chance(0.15) else ()
    return {"person": (people.caller(stage.rng, stage.space, stage.duration_s),), "mover": fan}


def _past_fans(stage: Stage) -> Parts:
    """Somebody walks all the time, past one or two fans that run."""
    fans = [running(stage, FANS) for _ in range(1 + stage.chance(0.3))]
    if stage.takes and stage.chance(0.3):
        passer = people.captured(stage.rng, stage.space, stage.duration_s, stage.takes)
    else:
        passer = people.walker(stage.rng, stage.space, stage.duration_s)
    return {"person": (passer,), "mover": tuple(fans)}


def _close_by(stage: Stage) -> Parts:
    """Hands in front of the device, a forearm's length away; some of the time a fan runs behind them."""
    fan = (running(stage, FANS),) if stage.chance(0.2) else ()
    return {"person": (people.close_by(stage.rng, stage.space, stage.duration_s),), "mover": fan}


def _seated(stage: Stage) -> Parts:
    """Somebody sits; half of the time a fan or a curtain moves."""
    inside: list[MoverPart] = []
    if stage.chance(0.5):
        draughty = [one for one in MOVERS if one.model_fields["kind"].default in _DRAUGHTY]
        inside = [running(stage, FANS if stage.chance(0.6) else draughty)]
    return {
        "person": (people.sitter(stage.rng, stage.space, stage.duration_s),),
        "mover": tuple(inside),
        "sound": tuple(sounds(stage, (0.7, 0.2, 0.1))),
    }


def _cold_starts(stage: Stage) -> Parts:
    """A few seconds from switching on: somebody begins to move, or something else does, or nothing."""
    fan = (running(stage, FANS),) if stage.chance(0.3) else ()
    if stage.chance(0.65):
        return {"person": (people.beginner(stage.rng, stage.space, stage.duration_s),), "mover": fan}
    begins_s = stage.rng.uniform(0.5, 3.0)
    late: list[MoverPart] = []
    if stage.chance(0.6):
        part = running(stage, MOVERS)
        late = [part.model_copy(update={"from_s": begins_s} if not isinstance(part, Bump) else {})]
    heard = [sound(stage, stage.one_of(SOUNDS)).model_copy(update={"at_s": begins_s})]
    return {"mover": (*fan, *late), "sound": tuple(heard if stage.chance(0.6) else [])}


def _other_motion(stage: Stage) -> Parts:
    """Nobody; one to three things that move without pause: each kind, and oftener what looks like people."""
    parts = [
        running(stage, MOVERS if stage.chance(0.4) else _PROVOKING)
        for _ in range(1 + stage.count((0.5, 0.3, 0.2)))
    ]
    return {"mover": tuple(parts), "sound": tuple(sounds(stage, (0.7, 0.2, 0.1)))}


def _storms(stage: Stage) -> Parts:
    """Cloth and lamps in wind without pause; half of the time somebody walks past them."""
    wild = []
    for _ in range(1 + stage.chance(0.3)):
        part = running(stage, (Curtain, Curtain, Curtain, Lamp))
        assert isinstance(part, Curtain | Lamp)
        wild.append(part.model_copy(update=_blown(stage, part)))
    ways = (people.walker, people.visitor, people.caller)
    passer = [stage.one_of(ways)(stage.rng, stage.space, stage.duration_s)] if stage.chance(0.5) else []
    return {"mover": tuple(wild), "person": tuple(passer)}


def _transients(stage: Stage) -> Parts:
    """Nobody; bursts and emitters close upon each other, some of it through a wall, and people next door."""
    heard = []
    for _ in range(int(stage.rng.integers(3, 9))):
        one = sound(stage, stage.one_of(SOUNDS))
        update: Parts = {}
        if isinstance(one, NoiseBursts):
            update = {"at_s": stage.rng.uniform(0.0, 0.8 * stage.duration_s)}
            update["lasts_s"] = max(one.lasts_s, stage.rng.uniform(1.0, 20.0))
        if stage.chance(0.25):
            update |= {"through": stage.one_of(("open door", "drywall", "door", "brick"))}
            update |= {"position_m": _behind_a_wall(stage, one.position_m)}
        heard.append(one.model_copy(update=update))
    neighbours = [people.neighbour(stage.rng, stage.space, stage.duration_s)] if stage.chance(0.3) else []
    return {"sound": tuple(heard), "mover": tuple(movers(stage, (0.8, 0.2))), "person": tuple(neighbours)}


def _next_door(stage: Stage) -> Parts:
    """Nobody inside; one or two people behind the walls."""
    neighbours = [
        people.neighbour(stage.rng, stage.space, stage.duration_s) for _ in range(1 + stage.chance(0.3))
    ]
    heard = [
        one.model_copy(
            update={
                "through": stage.one_of(("open door", "drywall", "door")),
                "position_m": _behind_a_wall(stage, one.position_m),
            }
        )
        for one in sounds(stage, (0.4, 0.4, 0.2))
    ]
    return {"person": tuple(neighbours), "sound": tuple(heard), "mover": tuple(movers(stage, (0.7, 0.3)))}


def _faults(stage: Stage) -> Parts:
    """With or without somebody: what is broken, what shakes."""
    rng = stage.rng
    electronics: Parts = {}
    unit: Parts = {}
    shaking: list[MoverPart] = []
    for _ in range(1 + stage.count((0.6, 0.4))):
        what = stage.one_of(("steps", "drops", "agc", "covered", "dead", "shakes", "shakes"))
        if what == "steps":
            electronics["gain_steps"] = tuple(
                GainStep(at_s=one, db=rng.uniform(-12.0, 12.0)) for one in _now_and_then(stage, 3.0, 15.0)
            )
        elif what == "drops":
            electronics["drops"] = tuple(
                Drop(at_s=one, samples=int(10.0 ** rng.uniform(1.2, 4.3)))
                for one in _now_and_then(stage, 1.0, 15.0)
            )
        elif what == "agc":
            electronics |= {"agc": True, "agc_strength": rng.uniform(0.3, 0.95)}
        elif what in ("covered", "dead") and stage.microphones > 1:
            # not the first, so that one at least hears
            unit[what] = tuple(m for m in range(1, stage.microphones) if rng.random() < 0.5)
        elif what == "shakes":
            shaking.append(running(stage, SHAKES))
    return {
        "electronics": Electronics.model_validate(stage.electronics.model_dump() | electronics),
        "unit": Unit.model_validate(stage.unit.model_dump() | unit),
        "person": (somebody(stage),) if stage.chance(0.5) else (),
        "mover": (*shaking, *movers(stage, (0.7, 0.3))),
    }


def _empty(stage: Stage) -> Parts:
    """Nobody and nothing."""
    return {}


def _music(stage: Stage) -> Parts:
    """The loudspeaker plays, to somebody or to nobody."""
    return {
        "programme": Programme.draw(stage.rng, duration_s=stage.duration_s),
        "person": (somebody(stage),) if stage.chance(0.5) else (),
        "mover": tuple(movers(stage, (0.75, 0.25))),
    }


def _behind_a_wall(stage: Stage, position_m: tuple[float, float, float]) -> tuple[float, float, float]:
    place = list(position_m)
    axis, away_m = int(stage.rng.integers(2)), stage.rng.uniform(0.1, 4.0)
    place[axis] = -away_m if stage.chance(0.5) else stage.space.size_m[axis] + away_m
    return place[0], place[1], place[2]


STRATA: tuple[Stratum, ...] = (
    Stratum("people", 0.16, (30.0, 90.0), _people),
    Stratum("visits", 0.04, (40.0, 120.0), _visits),
    Stratum("past_fans", 0.09, (30.0, 60.0), _past_fans),
    Stratum("seated", 0.10, (60.0, 180.0), _seated),
    Stratum("close_by", 0.04, (15.0, 45.0), _close_by),
    Stratum("cold_starts", 0.03, (4.0, 8.0), _cold_starts),
    Stratum("other_motion", 0.20, (30.0, 90.0), _other_motion),
    Stratum("storms", 0.07, (30.0, 90.0), _storms),
    Stratum("transients", 0.05, (30.0, 90.0), _transients),
    Stratum("next_door", 0.05, (30.0, 90.0), _next_door),
    Stratum("faults", 0.06, (30.0, 60.0), _faults),
    Stratum("empty", 0.01, (30.0, 120.0), _empty),
    Stratum("music", 0.10, (20.0, 60.0), _music),
)
