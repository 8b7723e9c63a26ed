"""The carrier to sense with: a pure choice among frequencies with known SNR."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from noctule.core.errors import NoctuleError
from noctule.core.units import hz_per_mps

FloatArray = npt.NDArray[np.float64]

ROUND_HZ = 100.0
#: Where ordinary hardware ends, and nearly nobody hears.
FALLBACK_HZ = (18_500.0, 21_000.0)
#: Dogs hear 32 kHz well and 45 kHz hardly: of what is nearly the best, the highest.
ULTRASOUND_HZ = 32_000.0
ULTRASOUND_NEARLY_BEST_DB = 10.0
#: Still higher, the air swallows more at every metre than a quieter dog is worth: 1.6 dB/m at 48 kHz.
HIGHEST_HZ = 48_000.0
#: In the lower range a better echo counts for more, but of equals the higher one is heard less.
FALLBACK_NEARLY_BEST_DB = 3.0
EDGE_MARGIN_HZ = 2000.0
#: A body at 1 m is some 40 dB below the direct sound: with less than this not even that is heard.
LEAST_CARRIER_SNR_DB = 30.0
#: The velocity grid: a foreign tone in it looks like something that moves.
CLEAR_OF_TONES_MPS = 6.0


def carrier_candidates(true_bandwidth_hz: float) -> FloatArray:
    """Round frequencies that are far enough from the edge of the band, Hz."""
    top_hz = min(true_bandwidth_hz - EDGE_MARGIN_HZ, HIGHEST_HZ)
    hz = np.arange(FALLBACK_HZ[0], top_hz + 1.0, ROUND_HZ)
    return hz[(hz <= FALLBACK_HZ[1]) | (hz >= ULTRASOUND_HZ)]


def pick_carrier(candidates_hz: FloatArray, snr_db: FloatArray, interferers_hz: Sequence[float]) -> float:
    """One of the candidates, by their SNR and the foreign tones that were heard.

    From 32 kHz up the highest within 10 dB of the best there; where nothing above 32 kHz is good
    enough, the best between 18.5 and 21 kHz, of equals the highest. Foreign tones are kept out of
    the velocity grid where there is a choice.

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
    nearly_db = ULTRASOUND_NEARLY_BEST_DB if ultrasound.any() else FALLBACK_NEARLY_BEST_DB
    return float(candidates_hz[allowed & (snr_db >= snr_db[allowed].max() - nearly_db)].max())


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
