"""What sounds without motion have in common: a place, a level, and what stands between."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from noctule.simulate.ambient.next_room import Wall, wall_loss_db
from noctule.simulate.parts import FloatArray, SoundPart

#: The band that levels of broadband sounds are stated for.
ULTRASOUND_HZ = (18000.0, 60000.0)


class AmbientSound(SoundPart):
    """A sound source that does not move. Its level is stated at 1 m, before any wall."""

    through: Wall = Field("air", description="what is between the source and the room")

    def loss_db(self, frequency_hz: FloatArray) -> FloatArray:
        return wall_loss_db(frequency_hz, self.through)

    def gain(self, frequency_hz: FloatArray) -> FloatArray:
        """Factor on the pressure of a wave of this frequency."""
        return np.asarray(10.0 ** (-self.loss_db(frequency_hz) / 20.0))
