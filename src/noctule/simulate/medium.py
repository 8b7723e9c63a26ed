"""What lies between loudspeaker, room and microphones: air that absorbs, and air that moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from noctule.simulate.airflow import airflow_density
from noctule.simulate.noise import ShapedNoise
from noctule.simulate.parts import FloatArray

_AIR_HZ = 200.0
#: Fluctuation of the speed of sound, m/s rms: always the same, or (times,) to (times,).
Airflow = float | Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, slots=True)
class Medium:
    """The carrier, the speed of sound, and what air takes (amplitude falls as exp(-nepers·metres))."""

    carrier_hz: float
    speed_of_sound_mps: float
    air_nepers_per_m: float

    @property
    def wavenumber(self) -> float:
        """Turns per metre."""
        return self.carrier_hz / self.speed_of_sound_mps


class MovingAir:
    """The speed of sound fluctuates a little; each kind of path sees a fluctuation of its own.

    Parameters
    ----------
    airflow_mps : how much it fluctuates; 0 is air that rests.
    """

    def __init__(self, medium: Medium, airflow_mps: Airflow, seed: int, *names: str | int) -> None:
        self._speed_mps = medium.speed_of_sound_mps
        self._airflow_mps = airflow_mps
        self._noise = (
            ShapedNoise(lambda hz: airflow_density(hz, 1.0), _AIR_HZ, seed, "air", *names, segment_s=16.0)
            if callable(airflow_mps) or airflow_mps > 0.0
            else None
        )

    def lateness(self, time_s: FloatArray) -> FloatArray:
        """By what share of its travel sound is late at each time (rising times)."""
        if self._noise is None:
            return np.zeros(len(time_s))
        first, last = int(np.floor(time_s[0] * _AIR_HZ)), int(np.ceil(time_s[-1] * _AIR_HZ)) + 1
        fluctuation = self._noise.samples(first, last - first + 1)[:, 0]
        slow_s = np.arange(first, last + 1) / _AIR_HZ
        fluctuation = fluctuation * (
            self._airflow_mps(slow_s) if callable(self._airflow_mps) else self._airflow_mps
        )
        return np.asarray(-np.interp(time_s, slow_s, fluctuation) / self._speed_mps)
