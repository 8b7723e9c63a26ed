"""Scenes by the thousand, drawn from stated ranges: equal seeds give equal scenes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

import numpy as np
from pydantic import Field, ValidationError

from noctule.simulate.ambient import SOUNDS
from noctule.simulate.device import Device
from noctule.simulate.electronics import Electronics
from noctule.simulate.loudspeaker import Loudspeaker
from noctule.simulate.movers import MOVERS
from noctule.simulate.parts import Part, Space, generator
from noctule.simulate.person import Person
from noctule.simulate.programme import Programme
from noctule.simulate.room import Room
from noctule.simulate.scenes import Scene
from noctule.simulate.unit import Unit

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Range = tuple[float, float]

_ATTEMPTS = 30
Drawn = TypeVar("Drawn")


class Ranges(Part):
    """What scenes are drawn from; each part states the ranges of its own.

    people, movers, sounds : how likely 0, 1, 2, ... of them are.
    families : (sample rate in Hz, lowest carrier, highest carrier), equally likely.
    music : share of scenes in which the loudspeaker plays something besides the tone.
    """

    duration_s: Range = (20.0, 60.0)
    families: tuple[tuple[float, float, float], ...] = (
        (44100.0, 18500.0, 20500.0),
        (48000.0, 18500.0, 21000.0),
        (96000.0, 32000.0, 44000.0),
        (192000.0, 32000.0, 48000.0),
    )
    people: tuple[Share, ...] = (0.35, 0.45, 0.2)
    movers: tuple[Share, ...] = (0.35, 0.35, 0.2, 0.1)
    sounds: tuple[Share, ...] = (0.4, 0.35, 0.25)
    music: Share = 0.25


def draw_scene(seed: int, ranges: Ranges | None = None) -> Scene:
    """A plausible scene; the same for the same seed and ranges."""
    return until_possible(lambda attempt: _draw(generator(seed, "scene", attempt), seed, ranges or Ranges()))


def until_possible(draw: Callable[[int], Drawn]) -> Drawn:
    """Draw again, with the number of the attempt, where parts do not fit together; 30 times at most.

    Raises
    ------
    pydantic.ValidationError
        The last attempt's.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return draw(attempt)
        except ValidationError as error:
            refused = error
    raise refused


def _draw(rng: np.random.Generator, seed: int, ranges: Ranges) -> Scene:
    room = Room.draw(rng)
    device = Device.draw(rng, room.size_m)
    space = Space(room.size_m, device.position_m)
    rate_hz, lowest_hz, highest_hz = ranges.families[rng.integers(len(ranges.families))]
    duration_s = round(rng.uniform(*ranges.duration_s), 1)
    return Scene(
        duration_s=duration_s,
        seed=seed,
        carrier_hz=round(rng.uniform(lowest_hz, highest_hz), 1),
        sample_rate_hz=rate_hz,
        room=room,
        device=device,
        unit=Unit.draw(rng),
        electronics=Electronics.draw(rng, duration_s),
        person=tuple(Person.draw(rng, space) for _ in range(_how_many(rng, ranges.people))),
        mover=tuple(
            MOVERS[rng.integers(len(MOVERS))].draw(rng, space) for _ in range(_how_many(rng, ranges.movers))
        ),
        sound=tuple(
            SOUNDS[rng.integers(len(SOUNDS))].draw(rng, space) for _ in range(_how_many(rng, ranges.sounds))
        ),
        programme=Programme.draw(rng, duration_s=duration_s) if rng.random() < ranges.music else None,
        loudspeaker=Loudspeaker.draw(rng),
    )


def _how_many(rng: np.random.Generator, shares: tuple[float, ...]) -> int:
    return int(rng.choice(len(shares), p=np.array(shares) / sum(shares)))
