"""The carrier and the level to sense with: pure choices among what is known of a device in its room.

A carrier is worth what is left of an echo over the noise: what loudspeaker and microphones make of it, less
what air takes on the way there and back, less the noise in a cell of the velocity grid, which is the wider
the higher the carrier. Of that is taken what the tone is to ears: dogs hear 32 kHz well and 45 kHz hardly
(Heffner 1983), young people 18 kHz.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from noctule.core.air import absorption_db_per_m
from noctule.core.errors import NoctuleError
from noctule.core.units import hz_per_mps

FloatArray = npt.NDArray[np.float64]

ROUND_HZ = 100.0
#: Where ordinary hardware ends, and nearly nobody hears.
FALLBACK_HZ = (18_500.0, 21_000.0)
#: From here on nobody hears it: taken wherever the hardware can.
ULTRASOUND_HZ = 32_000.0
#: Still higher, the air swallows more at every metre than a quieter dog is worth: 1.6 dB/m at 48 kHz.
HIGHEST_HZ = 48_000.0
EDGE_MARGIN_HZ = 2000.0
#: A body at 1 m is some 40 dB below the direct sound: with less than this not even that is heard.
LEAST_CARRIER_SNR_DB = 30.0
#: The velocity grid: a foreign tone in it looks like something that moves.
CLEAR_OF_TONES_MPS = 6.0
#: Quietest tone that a dog hears, dB SPL over Hz; each decibel less of it is worth so much of an echo.
_DOG_HZ, _DOG_DB_SPL = (16_000.0, 20_000.0, 32_000.0, 40_000.0, 45_000.0), (-5.0, 5.0, 18.0, 41.0, 61.0)
_DOG_WORTH = 0.2
#: Below this people may hear it, the more the lower: a kilohertz is worth so much.
_PEOPLE_HZ, _PEOPLE_DB_PER_KHZ = 22_000.0, 1.0
#: How far a carrier is meant to reach where nothing else is said, and the air where nobody measured it.
REACH_M, TEMPERATURE_C, HUMIDITY_PERCENT = 4.0, 20.0, 40.0
#: Echo of who walks and of a forearm against the tone at 1 m, at 1 m: a pessimist's. [A]
WALKER_DB, FOREARM_DB = -20.0, -32.0
#: So far over the noise in 10 Hz an echo is found in nine of ten walks. [D] With 40 kHz at 96 kHz and 76 dB
#: SPL, 86 % of 7 walks are found at 3 m and 67 % of 6 at 4 m (`noctule evaluate --model people-4 --hours 5
#: --scenes 24`): by a link budget with 8 dB SPL of noise that is 21 and 13 dB.
FOUND_DB = 20.0
#: Louder than this against the tone's own skirt, more level is hardly more range: thermal noise is a quarter.
SKIRT_OVER_THERMAL_DB = 6.0


def motion_db(hz: FloatArray, snr_db: FloatArray, reach_m: float = REACH_M) -> FloatArray:
    """What an echo from `reach_m` is worth against one at another carrier, dB; only differences count.

    snr_db : of the tone as it comes back, noise in a fixed bandwidth.
    """
    air_db = 2.0 * reach_m * absorption_db_per_m(hz, TEMPERATURE_C, HUMIDITY_PERCENT)
    return np.asarray(snr_db - air_db - 10.0 * np.log10(hz / ULTRASOUND_HZ))


def disturbance_db(hz: FloatArray) -> FloatArray:
    """What the tone is to dogs and to young people, in decibels of echo that its absence is worth."""
    dogs = _DOG_WORTH * (_DOG_DB_SPL[-1] - np.interp(hz, _DOG_HZ, _DOG_DB_SPL))
    return np.asarray(dogs + _PEOPLE_DB_PER_KHZ * np.maximum(_PEOPLE_HZ - hz, 0.0) / 1000.0)


def carrier_candidates(true_bandwidth_hz: float) -> FloatArray:
    """Round frequencies that are far enough from the edge of the band, Hz."""
    top_hz = min(true_bandwidth_hz - EDGE_MARGIN_HZ, HIGHEST_HZ)
    hz = np.arange(FALLBACK_HZ[0], top_hz + 1.0, ROUND_HZ)
    return hz[(hz <= FALLBACK_HZ[1]) | (hz >= ULTRASOUND_HZ)]


def pick_carrier(candidates_hz: FloatArray, snr_db: FloatArray, interferers_hz: Sequence[float]) -> float:
    """One of the candidates, by their SNR and the foreign tones that were heard.

    The one with the most left of an echo (`motion_db`) less what it disturbs (`disturbance_db`): from 32 kHz
    up where one is good enough there, else between 18.5 and 21 kHz. Foreign tones are kept out of the
    velocity grid where there is a choice.

    Raises
    ------
    NoctuleError
        No candidate is good enough to sense with.
    """
    usable = snr_db >= LEAST_CARRIER_SNR_DB
    if not usable.any():
        raise NoctuleError(_why_none(candidates_hz, snr_db))
    ultrasound = usable & (candidates_hz >= ULTRASOUND_HZ)
    allowed = ultrasound if ultrasound.any() else usable
    clear = allowed & _clear_of(interferers_hz, candidates_hz)
    allowed = clear if clear.any() else allowed
    worth_db = motion_db(candidates_hz, snr_db) - disturbance_db(candidates_hz)
    return float(candidates_hz[np.where(allowed, worth_db, -np.inf).argmax()])


@dataclass(frozen=True, slots=True)
class Reach:
    """What decides how far a tone reaches, at one carrier.

    Attributes
    ----------
    at_1_m_db : a tone of so many dBFS sounds at 1 m as the microphones would give it so much louder.
    noise_dbfs : thermal, in 10 Hz, a sine's peak.
    skirt_db : noise that the tone itself makes about walking speeds, in 10 Hz, against the tone at 1 m.
    """

    carrier_hz: float
    at_1_m_db: float
    noise_dbfs: float
    skirt_db: float = -200.0

    def echo_over_noise_db(self, level_dbfs: float, distance_m: float, target_db: float = WALKER_DB) -> float:
        """Of somebody so far away, noise in 10 Hz."""
        tone_dbfs = level_dbfs + self.at_1_m_db
        air_db = float(absorption_db_per_m(self.carrier_hz, TEMPERATURE_C, HUMIDITY_PERCENT))
        echo_dbfs = tone_dbfs + target_db - 40.0 * np.log10(distance_m) - 2.0 * air_db * distance_m
        noise = 10.0 ** (0.1 * self.noise_dbfs) + 10.0 ** (0.1 * (tone_dbfs + self.skirt_db))
        return float(echo_dbfs - 10.0 * np.log10(noise))

    def range_m(self, level_dbfs: float, target_db: float = WALKER_DB) -> float:
        """How far away somebody is found nine times of ten; 0.1 to 30 m."""

        def spare_db(distance_m: float) -> float:
            return self.echo_over_noise_db(level_dbfs, distance_m, target_db) - FOUND_DB

        nearest_m, farthest_m = 0.1, 30.0
        if spare_db(nearest_m) <= 0.0:
            return nearest_m
        return farthest_m if spare_db(farthest_m) >= 0.0 else float(brentq(spare_db, nearest_m, farthest_m))

    def least_level_dbfs(self, distance_m: float) -> float:
        """The quietest tone that reaches so far; where no level does, the one beyond which more is no use."""
        useful_dbfs = self.noise_dbfs + SKIRT_OVER_THERMAL_DB - self.skirt_db - self.at_1_m_db

        def spare_db(level_dbfs: float) -> float:
            return self.echo_over_noise_db(level_dbfs, distance_m) - FOUND_DB

        lowest_dbfs, highest_dbfs = -120.0, min(60.0, useful_dbfs)
        if highest_dbfs <= lowest_dbfs or spare_db(highest_dbfs) <= 0.0:
            return highest_dbfs
        return (
            lowest_dbfs
            if spare_db(lowest_dbfs) >= 0.0
            else float(brentq(spare_db, lowest_dbfs, highest_dbfs))
        )


def _clear_of(interferers_hz: Sequence[float], candidates_hz: FloatArray) -> npt.NDArray[np.bool_]:
    reach_hz = CLEAR_OF_TONES_MPS * hz_per_mps(1.0) * candidates_hz
    clear = np.ones(len(candidates_hz), bool)
    for hz in interferers_hz:
        clear &= np.abs(candidates_hz - hz) > reach_hz
    return clear


def _why_none(candidates_hz: FloatArray, snr_db: FloatArray) -> str:
    if not len(snr_db) or snr_db.max() <= 0.0:
        return (
            "no inaudible tone comes back from the loudspeaker: check that it is on, that input and output "
            "are the right devices, and turn its volume up"
        )
    best = int(snr_db.argmax())
    return (
        f"the best carrier, {candidates_hz[best] / 1000:.1f} kHz, would stand only {snr_db[best]:.0f} dB "
        f"over the noise, {LEAST_CARRIER_SNR_DB:.0f} dB are needed: raise the level or the volume, or "
        "bring loudspeaker and microphone closer"
    )
