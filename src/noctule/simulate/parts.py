"""What a scene is made of: the vocabulary every mover, body and sound of the simulator speaks.

A *part* is a table of a scene file: a frozen description with units and ranges, checked when it is made.
Given a generator it becomes a *mover* (points that reflect) or a *sound* (pressure over time), and both are
pure functions of time: asked for the same seconds twice, in any order and in any pieces, they answer the
same. That is what makes a scene the same on any number of workers.

Coordinates: metres, right-handed, z up; the floor is z = 0 and the room's corner is the origin. Headings are
degrees in scene files, counter-clockwise from +x.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

FloatArray = npt.NDArray[np.float64]
Vector = tuple[float, float, float]
#: Displacement in metres: (times,) seconds to (times, 3).
Displacement = Callable[[FloatArray], FloatArray]

#: Pascal, the reference of dB SPL.
REFERENCE_PRESSURE_PA = 20e-6


def pressure_pa(level_db_spl: float) -> float:
    """Root mean square pressure of a sound pressure level."""
    return float(REFERENCE_PRESSURE_PA * 10.0 ** (level_db_spl / 20.0))


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """A generator of its own for each named thing of a scene, independent of what else is in the scene."""
    keys = [zlib.crc32(str(name).encode()) for name in names]
    return np.random.default_rng([seed, *keys])


@dataclass(frozen=True, slots=True)
class Scatterers:
    """Points that reflect, on a grid of times.

    position_m : (times, points, 3) float64, room coordinates.
    strength : (times, points) float64, echo amplitude at 1 m of a wave of amplitude 1: 10**(TS/20).
        Seen from the viewpoint, so with aspect and self-occlusion; without the room's occlusion.
    """

    position_m: FloatArray
    strength: FloatArray


@dataclass(frozen=True, slots=True)
class Space:
    """What a part may know of the room when it is drawn: its size, and where the device stands."""

    size_m: Vector
    device_m: Vector

    def spot(self, rng: np.random.Generator, *, z_m: float = 0.0, margin_m: float = 0.4) -> Vector:
        """A place at height `z_m`, away from the walls and at least 0.5 m from the device."""
        low = np.minimum(margin_m, np.array(self.size_m[:2]) / 2)
        for _ in range(100):
            x, y = rng.uniform(low, np.array(self.size_m[:2]) - low)
            if np.hypot(x - self.device_m[0], y - self.device_m[1]) >= 0.5:
                break
        return float(x), float(y), z_m

    def clear(self, start: tuple[float, ...], end: tuple[float, ...], margin_m: float = 0.45) -> bool:
        """Whether the straight way over the floor keeps away from the device."""
        a, b, device = (np.array(one[:2]) for one in (start, end, self.device_m))
        along = float(np.clip((device - a) @ (b - a) / max((b - a) @ (b - a), 1e-9), 0.0, 1.0))
        return bool(np.linalg.norm(a + along * (b - a) - device) >= margin_m)


class Part(BaseModel):
    """A table of a scene file. Fields carry their unit in the name and their allowed range."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Mover(Protocol):
    """Points that reflect, as a function of time.

    knot_rate_hz : between positions this far apart in time cubic interpolation errs less than 20 micrometres.
    highest_speed_mps : no point is ever faster; decides at which rate it is rendered.
    """

    knot_rate_hz: float
    highest_speed_mps: float

    def scatterers(self, time_s: FloatArray, viewpoint_m: FloatArray) -> Scatterers:
        """`time_s` (times,) rising, seconds of the scene; `viewpoint_m` (3,) is where the device is."""
        ...


class MoverPart(Part):
    """Something that moves. `from_s`..`to_s` is when it does; the thing itself is there all the time."""

    #: What the truth calls it.
    label: ClassVar[str]

    from_s: float = Field(0.0, ge=0.0, description="starts to move; 0: was moving before")
    to_s: float | None = Field(None, gt=0.0, description="stops; left out: goes on")

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        """A plausible one for a room, from ranges that are stated where they stand."""
        raise NotImplementedError

    def mover(self, rng: np.random.Generator) -> Mover:
        raise NotImplementedError

    def airflow_mps(self) -> float:
        """By how much its wind lets the speed of sound fluctuate, m/s rms (measured: 0.016-0.03)."""
        return 0.0

    def sound(self, rng: np.random.Generator) -> Sound | None:
        """The noise it makes while it moves; None: nothing worth hearing."""
        return None

    def device_motion_m(self, rng: np.random.Generator) -> Displacement | None:
        """How it shakes the whole device; None: not at all."""
        return None


class Sound(Protocol):
    """Pressure over time, 1 m away from where it is made, in pascal."""

    position_m: FloatArray  # (3,)
    starts_s: float
    ends_s: float  # math.inf: never

    def waveform(self, rate_hz: float, first_sample: int, count: int) -> FloatArray:
        """`(count,)` pascal; sample k is at (first_sample + k) / rate_hz seconds of the scene."""
        ...


class SoundPart(Part):
    """Something that sounds without moving."""

    label: ClassVar[str]

    at_s: float = Field(0.0, ge=0.0, description="begins")
    position_m: Vector = Field(description="of its source: x, y, z")

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        raise NotImplementedError

    def sound(self, rng: np.random.Generator) -> Sound:
        raise NotImplementedError
