"""A sound server that resamples in silence, found by what it cuts off or mirrors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from noctule.calibrate.comb import Comb
from noctule.calibrate.spectrum import FloatArray, level_at, noise_around
from noctule.core.frames import BoolArray

#: A tone has come back when it stands so far above the noise around it...
HEARD_SNR_DB = 12.0
#: ...and is no further below the strongest: leaks of a resampler's filter are 80 dB down and more.
HEARD_RANGE_DB = 70.0
#: A fall by so much within a tenth of the frequency is 180 dB an octave: no loudspeaker does that.
CUT_DB, CUT_WITHIN = 25.0, 1.1
#: Rates a sound server may secretly run at.
HIDDEN_RATES_HZ = (32_000.0, 44_100.0, 48_000.0, 88_200.0, 96_000.0, 176_400.0, 192_000.0)


@dataclass(frozen=True, slots=True)
class Alias:
    """A tone that came back mirrored at half of `hidden_rate_hz`."""

    played_hz: float
    heard_hz: float
    level_dbfs: float
    hidden_rate_hz: float


def find_hidden_rate(
    power: FloatArray, comb: Comb, received_dbfs: FloatArray, heard: BoolArray
) -> tuple[float | None, tuple[Alias, ...]]:
    """The rate something between us and the card runs at, and the tones that came back mirrored.

    Parameters
    ----------
    power : `(bins of 1 Hz, microphones)`, see `power_spectrum`.
    received_dbfs, heard : `(tones, microphones)`.
    """
    rate_hz, aliases = _find_mirror(power, comb, received_dbfs, heard)
    return rate_hz or _find_brick_wall(comb, received_dbfs, heard), aliases


def _find_mirror(
    power: FloatArray, comb: Comb, received_dbfs: FloatArray, heard: BoolArray
) -> tuple[float | None, tuple[Alias, ...]]:
    """A rate at half of which the upper tones come back mirrored, and those tones."""
    for rate_hz in HIDDEN_RATES_HZ:
        above = np.flatnonzero(comb.tone_hz > rate_hz / 2)
        mirrored_hz = np.abs(comb.tone_hz[above] - rate_hz * np.round(comb.tone_hz[above] / rate_hz))
        # On another tone, or where music and speech are, a mirror image cannot be told.
        free = (np.abs(mirrored_hz[:, None] - comb.tone_hz).min(axis=1) > 40.0) & (mirrored_hz > 1000.0)
        above, mirrored_hz = above[free], mirrored_hz[free]
        if rate_hz >= comb.sample_rate_hz or len(above) < 4:
            continue
        level_dbfs = level_at(power, mirrored_hz)
        snr_db = level_dbfs - noise_around(power, mirrored_hz)
        found = ((snr_db >= HEARD_SNR_DB) & (level_dbfs >= received_dbfs.max() - HEARD_RANGE_DB)).any(axis=1)
        stronger = level_dbfs.max(axis=1) > received_dbfs[above].max(axis=1)
        if (found & (stronger | ~heard[above].any(axis=1))).mean() > 0.5:
            best_dbfs = level_dbfs.max(axis=1)
            return rate_hz, tuple(
                Alias(float(comb.tone_hz[above[i]]), float(mirrored_hz[i]), float(best_dbfs[i]), rate_hz)
                for i in np.flatnonzero(found)
            )
    return None, ()


def _find_brick_wall(comb: Comb, received_dbfs: FloatArray, heard: BoolArray) -> float | None:
    """The rate at half of which the tones end suddenly: loudspeakers fade, a resampler's filter cuts."""
    best_dbfs = received_dbfs.max(axis=1)
    around_dbfs = [np.median(best_dbfs[max(0, i - 5) : i + 1]) for i in range(len(best_dbfs))]
    on_the_level = np.flatnonzero(heard.any(axis=1) & (best_dbfs >= np.array(around_dbfs) - 10.0))
    if not on_the_level.size:
        return None
    edge_hz = comb.tone_hz[on_the_level[-1]]
    beyond = comb.tone_hz > CUT_WITHIN * edge_hz
    if beyond.sum() < 2 or best_dbfs[beyond].max() > around_dbfs[on_the_level[-1]] - CUT_DB:
        return None
    # Filters of resamplers begin to cut a little below half the rate.
    rate_hz = min(HIDDEN_RATES_HZ, key=lambda rate: abs(np.log(edge_hz / (0.97 * rate / 2))))
    fits = 0.9 <= edge_hz / (rate_hz / 2) <= 1.03
    return rate_hz if fits and rate_hz < comb.sample_rate_hz else None
