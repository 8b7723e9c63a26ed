"""How loud the tone may be: never above a ceiling, and the reason when it was lowered."""

from __future__ import annotations

import math
from dataclasses import dataclass

from noctule.core.units import db_to_amplitude

#: (carrier, highest sound pressure level at 0.3 m). The lower end is where young ears still hear.
SPL_CEILING_LOW = (22_000.0, 70.0)
SPL_CEILING_HIGH = (30_000.0, 85.0)


@dataclass(frozen=True, slots=True)
class LevelChoice:
    """The peak level to play at, and why it is not what was asked for (None: it is)."""

    level_dbfs: float
    reason: str | None = None

    @property
    def amplitude(self) -> float:
        """Peak amplitude, full scale is 1."""
        return db_to_amplitude(self.level_dbfs)


def spl_ceiling_db(carrier_hz: float) -> float:
    """Highest sound pressure level at 0.3 m, dB re 20 uPa.

    70 dB up to 22 kHz, 85 dB from 30 kHz, and between them a straight line in dB over the
    logarithm of the frequency (about 33.5 dB an octave), as hearing thresholds rise there.
    """
    (low_hz, low_db), (high_hz, high_db) = SPL_CEILING_LOW, SPL_CEILING_HIGH
    part = math.log(carrier_hz / low_hz) / math.log(high_hz / low_hz)
    return low_db + (high_db - low_db) * min(1.0, max(0.0, part))


def choose_level(
    asked_dbfs: float, ceiling_dbfs: float, carrier_hz: float, full_scale_spl_db: float | None = None
) -> LevelChoice:
    """The level to use: what was asked for, or the lowest ceiling below it.

    Parameters
    ----------
    asked_dbfs, ceiling_dbfs : peak levels of the tone, dB re full scale.
    carrier_hz : the SPL ceiling depends on it.
    full_scale_spl_db : sound pressure level at 0.3 m of a full-scale tone at this carrier, dB;
        None where the loudspeaker's sensitivity is not known: then only `ceiling_dbfs` holds.
    """
    ceilings = [(ceiling_dbfs, f"capped at {ceiling_dbfs:g} dBFS by emit.ceiling_dbfs")]
    if full_scale_spl_db is not None:
        spl_db = spl_ceiling_db(carrier_hz)
        reason = f"capped at {spl_db:.0f} dB SPL at 0.3 m for a {carrier_hz / 1000:g} kHz carrier"
        ceilings.append((spl_db - full_scale_spl_db, reason))
    lowest_dbfs, reason = min(ceilings)
    if asked_dbfs <= lowest_dbfs:
        return LevelChoice(asked_dbfs)
    return LevelChoice(lowest_dbfs, reason)
