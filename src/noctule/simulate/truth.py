"""What really happens in a scene: who is where, what moves, what sounds, and whether music plays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from noctule.core.frames import Motion
from noctule.simulate.parts import FloatArray
from noctule.simulate.person import PersonMover
from noctule.simulate.scenes import Scene

#: Between two records of the timeline.
STEP_S = 0.1
_RANK: dict[Motion, int] = {"none": 0, "minor": 1, "major": 2}


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """A person at one instant: `range_m` from the device, `radial_mps` towards it, `inside` the room."""

    name: str
    x_m: float
    y_m: float
    range_m: float
    radial_mps: float
    motion: Motion
    inside: bool


@dataclass(frozen=True, slots=True)
class Instant:
    """The truth at one instant, as the sensor should tell it, and why.

    motion, presence : what people in the room do, and whether there are any.
    moving, sounding : everything else.
    """

    t: float
    motion: Motion
    presence: bool
    people: tuple[Whereabouts, ...]
    moving: tuple[str, ...]
    sounding: tuple[str, ...]
    music: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the scene in which one thing stays as it is.

    label : "person:major", "person:minor", "person:still", "person:outside", "motion:<what>",
        "sound:<what>" or "music".
    """

    label: str
    start_s: float
    stop_s: float
    comment: str = ""


def instants(scene: Scene, step_s: float = STEP_S) -> list[Instant]:
    """The timeline of a scene, one record every `step_s` from its beginning."""
    time_s = np.arange(0.0, scene.duration_s, step_s)
    people = [
        whereabouts(scene, part.name or f"person {n + 1}", mover, time_s)
        for n, (part, mover) in enumerate(_people(scene))
    ]
    others = _others(scene)
    return [
        instant(
            float(t),
            tuple(one[n] for one in people),
            [span.label for span in others if span.start_s <= t < span.stop_s],
        )
        for n, t in enumerate(time_s)
    ]


def instant(time_s: float, people: tuple[Whereabouts, ...], labels: list[str]) -> Instant:
    """One record; `labels` as in `Span` of everything else that goes on."""
    return Instant(
        t=round(time_s, 6),
        motion=max((one.motion for one in people if one.inside), key=_RANK.__getitem__, default="none"),
        presence=any(one.inside for one in people),
        people=people,
        moving=tuple(one.removeprefix("motion:") for one in labels if one.startswith("motion:")),
        sounding=tuple(one.removeprefix("sound:") for one in labels if one.startswith("sound:")),
        music="music" in labels,
    )


def spans(scene: Scene) -> list[Span]:
    """The same as labelled stretches, in the order in which they begin."""
    found = _others(scene)
    timeline = instants(scene)
    for n in range(len(scene.person)):
        track = [(one.t, one.people[n]) for one in timeline]
        start = 0
        for k in range(1, len(track) + 1):
            if k == len(track) or _label(track[k][1]) != _label(track[start][1]):
                until_s = scene.duration_s if k == len(track) else track[k][0]
                found.append(_span([one for _, one in track[start:k]], track[start][0], until_s))
                start = k
    return sorted(found, key=lambda span: (span.start_s, span.label))


def _people(scene: Scene) -> Iterator[tuple[Any, PersonMover]]:
    for _, part, mover in scene.movers():
        if isinstance(mover, PersonMover):
            yield part, mover


def whereabouts(scene: Scene, name: str, mover: PersonMover, time_s: FloatArray) -> list[Whereabouts]:
    """Where a person is in a scene, one record a time."""
    device_m = scene.device.transducers(scene.carrier_hz).middle_m
    centre_m = mover.centre_m(time_s)
    range_m = np.linalg.norm(centre_m - device_m, axis=-1)
    radial_mps = -np.gradient(range_m, time_s) if len(time_s) > 1 else np.zeros(1)
    inside = mover.inside(time_s, scene.room.size_m)
    return [
        Whereabouts(
            name=name,
            x_m=round(float(centre_m[n, 0]), 3),
            y_m=round(float(centre_m[n, 1]), 3),
            range_m=round(float(range_m[n]), 3),
            radial_mps=round(float(radial_mps[n]), 3),
            motion=motion,
            inside=bool(inside[n]),
        )
        for n, motion in enumerate(mover.motion(time_s))
    ]


def _others(scene: Scene) -> list[Span]:
    end_s = scene.duration_s
    found = [
        Span(f"motion:{part.label}", part.from_s, min(end_s if part.to_s is None else part.to_s, end_s))
        for part in scene.mover
    ]
    found += [
        Span(f"sound:{part.label}", max(sound.starts_s, 0.0), min(sound.ends_s, end_s))
        for _, part, sound in scene.sounds()
    ]
    if scene.programme is not None:
        found += [Span("music", *stretch) for stretch in scene.programme.plays(end_s)]
    return [span for span in found if span.start_s < span.stop_s]


def _label(one: Whereabouts) -> str:
    if not one.inside:
        return "person:outside"
    return "person:still" if one.motion == "none" else f"person:{one.motion}"


def _span(track: list[Whereabouts], start_s: float, stop_s: float) -> Span:
    ranges = [one.range_m for one in track]
    return Span(
        _label(track[0]), start_s, stop_s, f"{track[0].name}, {min(ranges):.1f} to {max(ranges):.1f} m"
    )
