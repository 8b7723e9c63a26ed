"""Where sound leaves and arrives, and in which band it is looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from noctule.simulate.parts import FloatArray

#: The tone's complex envelope: (first_sample, count) at the band's rate to complex128 (count,).
Envelope = Callable[[int, int], npt.NDArray[np.complex128]]


@dataclass(frozen=True, slots=True)
class Transducers:
    """loudspeakers_m, axes : (n, 3) places, and unit vectors of where each one points.

    microphones_m : (microphones, 3).
    leakage : amplitude of the direct path against free air: the casing is in its way.
    source_pa : peak pressure of the tone at 1 m on the axis of one loudspeaker.
    directivity : amplitude over the cosine of the angle to the axis, 256 equally spaced points from -1 to 1.
    """

    loudspeakers_m: FloatArray
    axes: FloatArray
    directivity: FloatArray
    source_pa: float
    microphones_m: FloatArray
    leakage: float = 1.0

    @property
    def middle_m(self) -> FloatArray:
        """Where the room sees the device, (3,)."""
        return np.asarray(np.concatenate([self.loudspeakers_m, self.microphones_m]).mean(0))


@dataclass(frozen=True, slots=True)
class Band:
    """The baseband: its rate, what must be carried, and from where on nothing may be left."""

    rate_hz: float
    pass_hz: float
    stop_hz: float


def slow_times(first_sample: int, count: int, band: Band, rate_hz: float) -> FloatArray:
    """A coarse grid of times around a stretch of samples, the same grid for whatever stretch."""
    first = int(np.floor(first_sample / band.rate_hz * rate_hz)) - 1
    last = int(np.ceil((first_sample + count) / band.rate_hz * rate_hz)) + 1
    return np.arange(first, last + 1) / rate_hz
