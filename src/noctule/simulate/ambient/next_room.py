"""How much a wall takes from a sound made in the next room."""

from __future__ import annotations

from typing import Literal

import numpy as np

from noctule.simulate.parts import FloatArray

Wall = Literal["air", "open door", "drywall", "door", "brick"]

#: kg/m2 and critical frequency in Hz: 2 x 12.5 mm gypsum, 40 mm wooden leaf, 115 mm brick
#: [A from tables of building acoustics].
_WALLS = {"drywall": (20.0, 2800.0), "door": (18.0, 1500.0), "brick": (200.0, 300.0)}
#: Depth of the dip where the bending wave is as fast as sound [A]; leaks around the edges bound the loss:
#: slits under doors pass more than sealed walls [A, PHYSICS.md: drywall takes 30+ dB].
_DIP_DB = 10.0
_LEAK_DB = {"drywall": 45.0, "door": 25.0, "brick": 55.0}
#: Around the corner of an open door: diffraction and no line of sight [A].
_OPEN_DOOR_DB = 12.0


def wall_loss_db(frequency_hz: FloatArray, wall: Wall = "drywall") -> FloatArray:
    """Transmission loss: field-incidence mass law 20·log10(m·f) - 47 dB with a coincidence dip.

    Bounded by what leaks around the edges, and never negative (Bies & Hansen, Engineering Noise Control).
    """
    frequency_hz = np.maximum(np.asarray(frequency_hz, np.float64), 1.0)
    if wall == "air":
        return np.zeros_like(frequency_hz)
    if wall == "open door":
        return np.full_like(frequency_hz, _OPEN_DOOR_DB)
    mass_kg_m2, critical_hz = _WALLS[wall]
    octaves = np.log2(frequency_hz / critical_hz)
    solid_db = 20.0 * np.log10(mass_kg_m2 * frequency_hz) - 47.0 - _DIP_DB * np.exp(-((2.0 * octaves) ** 2))
    passed = 10.0 ** (-np.maximum(solid_db, 0.0) / 10.0) + 10.0 ** (-_LEAK_DB[wall] / 10.0)
    return np.asarray(np.maximum(-10.0 * np.log10(passed), 0.0))
