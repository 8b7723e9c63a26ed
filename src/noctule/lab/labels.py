"""What is true in each frame of a simulated scene, and which frames are to be learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from noctule.core.frames import BLOCKING_FAULTS, FeatureBlock
from noctule.core.power import encode_power
from noctule.lab.shards import MAJOR, MINOR, OTHER, Shard
from noctule.simulate.movers.fans import CeilingFan, Fan
from noctule.simulate.movers.machines import RobotVacuum
from noctule.simulate.movers.pets import PETS
from noctule.simulate.person import Person, PersonMover
from noctule.simulate.scenes import Scene

FloatArray = npt.NDArray[np.float64]

#: A frame this near to a change of what a person does is neither the one nor the other.
UNSURE_S = 0.25
#: Before this the floors have not seen the room.
SETTLING_S = 0.3
#: Whoever is outside, this near to a wall, may be coming through the door, or reach in from there: the wall
#: fades where it is passed.
DOOR_M = 1.0
#: The truth is looked up on a grid so fine.
_GRID_S = 0.02
#: Things that go about the room by themselves, as people do: what they cost is told, thresholds do not
#: hang on it.
GOES_ABOUT = frozenset({*(kind.label for kind in PETS), RobotVacuum.label})
#: Cause of people who never come in.
NEXT_ROOM = "next room"
_BITS = {"none": 0, "minor": MINOR, "major": MAJOR}


@dataclass(frozen=True)
class Labels:
    """One value a frame, as in `Shard`. `people`: how many of the scene are ever inside."""

    label: npt.NDArray[np.uint8]
    weight: npt.NDArray[np.uint8]
    presence: npt.NDArray[np.uint8]
    range_m: npt.NDArray[np.float16]
    people: int


@dataclass(frozen=True)
class _Track:
    """A person on the grid: what bits, whether inside, how far from the device, how far behind a wall."""

    bits: npt.NDArray[np.uint8]
    inside: npt.NDArray[np.bool_]
    range_m: FloatArray
    outside_m: FloatArray


def label_frames(scene: Scene, features: FeatureBlock, window_s: float, started_s: float = 0.0) -> Labels:
    """The truth in the middle of each frame's window; the sensor was started so late in the scene's stream.

    Whoever moves behind furniture, or too weakly to be seen, moves all the same: what is left of that is for
    the network to learn.
    """
    grid_s = np.arange(0.0, scene.duration_s + _GRID_S, _GRID_S)
    tracks = [_track(scene, mover, grid_s) for mover in people_in(scene)]
    bits = np.zeros(len(grid_s), np.uint8)
    doorway = np.zeros(len(grid_s), np.bool_)
    for one in tracks:
        bits |= np.where(one.inside, one.bits, 0).astype(np.uint8)
        doorway |= ~one.inside & (one.outside_m < DOOR_M)
    changes = np.flatnonzero(np.diff(bits) | np.diff(doorway.astype(np.uint8)))
    sure = ~doorway & ~_around(changes, len(grid_s))
    others = np.zeros(len(grid_s), np.uint8)
    for part in scene.mover:
        others[(grid_s >= part.from_s) & (grid_s < (np.inf if part.to_s is None else part.to_s))] = OTHER
    presence, range_m = _whereabouts(tracks, len(grid_s))

    at_s = scene_time_s(scene, started_s + features.time_s - 0.5 * window_s)
    at = np.clip(np.rint(at_s / _GRID_S).astype(int), 0, len(grid_s) - 1)
    usable = (features.faults & int(BLOCKING_FAULTS) == 0) & (features.time_s >= SETTLING_S)
    return Labels(
        label=(bits | others)[at],
        weight=(sure[at] & usable).astype(np.uint8),
        presence=presence[at].astype(np.uint8),
        range_m=range_m[at].astype(np.float16),
        people=sum(bool(one.inside.any()) for one in tracks),
    )


def scene_time_s(scene: Scene, stream_s: FloatArray) -> FloatArray:
    """Moments of the scene that stand at these places of a stream which lost samples."""
    if not scene.electronics.drops:
        return stream_s
    ends_s = [one.at_s + one.samples / scene.sample_rate_hz for one in scene.electronics.drops]
    known_s = np.unique([0.0, scene.duration_s, *(one.at_s for one in scene.electronics.drops), *ends_s])
    arrives_s = [scene.electronics.arrives_s(float(one), scene.sample_rate_hz) for one in known_s]
    place_s = np.array(arrives_s)
    # what was lost arrives never: its beginning just before its end
    place_s[:-1][np.diff(place_s) < 1e-9] -= 1e-6
    return np.asarray(np.interp(stream_s, place_s, known_s))


def causes(scene: Scene, people: int) -> list[str]:
    """What else moves or sounds, by its name in the truth, each once; whoever never comes in is "next room".

    A fan is a "ceiling fan" or an "oscillating fan" besides.
    """
    found = [one.label for one in scene.mover] + [one.label for one in scene.sound]
    fans = [one for one in scene.mover if isinstance(one, Fan)]
    found += ["ceiling fan" for one in fans if isinstance(one, CeilingFan)]
    found += ["oscillating fan" for one in fans if one.swing_deg > 0.0]
    found += [NEXT_ROOM] if len(scene.person) > people else []
    return sorted(set(found))


def describe(
    scene: Scene, stratum: str, split: str, people: int, stretch_s: tuple[float, float] | None = None
) -> dict[str, Any]:
    """A scene, or from where to where in it the sensor listened, in the list of its shard."""
    started_s, ended_s = stretch_s or (0.0, scene.duration_s)
    microphones = len(scene.device.transducers(scene.carrier_hz).microphones_m)
    return {
        "seed": scene.seed,
        "stratum": stratum,
        "split": split,
        "carrier_hz": scene.carrier_hz,
        "sample_rate_hz": scene.sample_rate_hz,
        "microphones": microphones,
        "started_s": round(started_s, 3),
        "duration_s": round(ended_s - started_s, 3),
        "people": people,
        "causes": causes(scene, people),
        "music": scene.programme is not None,
        "tone_db_spl": round(scene.device.tone_db_spl, 2),
        "skirt_db": round(scene.unit.skirt_db, 2),
        "cover": any(one < microphones for one in scene.unit.covered),
        "dead": any(one < microphones for one in scene.unit.dead),
        "drops": bool(scene.electronics.drops),
        "agc": scene.electronics.agc,
        "gain_steps": bool(scene.electronics.gain_steps),
    }


def shard_of(
    features: FeatureBlock, labels: Labels, about: dict[str, Any], margin_db: FloatArray | None = None
) -> Shard:
    """Features of one scene with their labels; `margin_db` where it is known, see `Shard`."""
    unknown = np.full(len(features), np.nan)
    return Shard(
        clean=encode_power(features.clean_power_db),
        fresh=encode_power(features.fresh_power_db),
        broadband_db=features.broadband_db.astype(np.float16),
        removed_db=features.removed_db.astype(np.float16),
        carrier_snr_db=features.carrier_snr_db.astype(np.float16),
        carrier_level_dbfs=features.carrier_level_dbfs.astype(np.float16),
        faults=features.faults.astype(np.int32),
        label=labels.label,
        weight=labels.weight,
        presence=labels.presence,
        margin_db=np.asarray(unknown if margin_db is None else margin_db, np.float16),
        range_m=labels.range_m,
        time_s=features.time_s.astype(np.float32),
        scene=np.zeros(len(features), np.int32),
        scenes=[about],
    )


def people_in(scene: Scene) -> list[PersonMover]:
    found = [mover for _, part, mover in scene.movers() if isinstance(part, Person)]
    return [one for one in found if isinstance(one, PersonMover)]


def _track(scene: Scene, person: PersonMover, grid_s: FloatArray) -> _Track:
    centre_m = person.centre_m(grid_s)
    size_m = np.array(scene.room.size_m)
    middle_m = scene.device.transducers(scene.carrier_hz).middle_m
    return _Track(
        bits=np.array([_BITS[one] for one in person.motion(grid_s)], np.uint8),
        inside=person.inside(grid_s, scene.room.size_m),
        range_m=np.linalg.norm(centre_m - middle_m, axis=-1),
        outside_m=np.maximum(-centre_m, centre_m - size_m).max(-1),
    )


def _whereabouts(tracks: list[_Track], count: int) -> tuple[npt.NDArray[np.bool_], FloatArray]:
    """Whether anybody is inside, and how far the nearest is: of those who move, where any do."""
    presence = np.zeros(count, np.bool_)
    moving_m, resting_m = np.full(count, np.inf), np.full(count, np.inf)
    for one in tracks:
        presence |= one.inside
        moves = one.inside & (one.bits != 0)
        moving_m = np.where(moves, np.minimum(moving_m, one.range_m), moving_m)
        resting_m = np.where(one.inside, np.minimum(resting_m, one.range_m), resting_m)
    nearest = np.where(np.isfinite(moving_m), moving_m, resting_m)
    return presence, np.where(np.isfinite(nearest), nearest, np.nan)


def _around(changes: npt.NDArray[np.intp], count: int) -> npt.NDArray[np.bool_]:
    reach = round(UNSURE_S / _GRID_S)
    near = np.zeros(count, np.bool_)
    for one in changes:
        near[max(0, one + 1 - reach) : one + 1 + reach] = True
    return near
