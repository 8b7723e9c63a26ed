"""The tone's field at the microphones of one scene: what stands still and what moves, in pascal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from noctule.simulate.clutter import StillField
from noctule.simulate.echo import Echo, Standing
from noctule.simulate.medium import Airflow, Medium
from noctule.simulate.parts import Displacement, Mover
from noctule.simulate.room import Room
from noctule.simulate.transducers import Band, Envelope, Transducers

Complex64Array = npt.NDArray[np.complex64]


class ToneField:
    """Pressure of the tone at each microphone, as a pure function of the sample position.

    Parameters
    ----------
    movers : everything that moves.
    people : those of them that throw shadows.
    airflow_mps : fluctuation of the speed of sound.
    envelope : the tone's complex envelope while music plays; None: a pure tone.
    device_motion_m : displacement of the whole device; None: it stands firm.
    """

    def __init__(
        self,
        room: Room,
        transducers: Transducers,
        carrier_hz: float,
        band: Band,
        movers: Sequence[Mover],
        *,
        seed: int,
        duration_s: float,
        people: Sequence[Standing] = (),
        airflow_mps: Airflow = 0.0,
        envelope: Envelope | None = None,
        device_motion_m: Displacement | None = None,
    ) -> None:
        self.band = band
        self.medium = Medium(carrier_hz, room.speed_of_sound_mps, float(room.air_nepers_per_m(carrier_hz)))
        self.microphones = len(transducers.microphones_m)
        surroundings = (room, transducers, self.medium, band)
        self._still = StillField(*surroundings, seed, airflow_mps, envelope, device_motion_m)
        self._echoes = [
            Echo(
                *surroundings, mover, number, seed, (0.0, duration_s),
                [one for one in people if id(one) != id(mover)], airflow_mps, envelope, device_motion_m,
            )
            for number, mover in enumerate(movers)
        ]  # fmt: skip

    def pressure(self, first_sample: int, count: int) -> Complex64Array:
        """`(count, microphones)` complex pascal: the pressure is Re(x·exp(2πj·f·t))."""
        return self.still(first_sample, count) + self.moving(first_sample, count)

    def still(self, first_sample: int, count: int) -> Complex64Array:
        """The direct path, walls and furniture alone, as `pressure`."""
        return self._still.pressure(first_sample, count)

    def moving(self, first_sample: int, count: int) -> Complex64Array:
        """The movers' part alone, as `pressure`."""
        out = np.zeros((self.microphones, count), np.complex64).T
        for echo in self._echoes:
            out += echo.pressure(first_sample, count)
        return out
