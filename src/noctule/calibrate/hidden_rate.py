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
#: The filter of a resampler takes 15 to 50 dB away within 8 % (PipeWire) to 15 % (PulseAudio) of the
#: frequency. That is 170 dB an octave, which no loudspeaker does. In noise less of it is seen.
PASS_DB, STOP_DB, LEAST_CUT_DB, CUT_WITHIN = 15.0, 50.0, 25.0, 1.17
#: It is 50 dB down at 0.91 (PipeWire) to 1.01 (PulseAudio) of half the rate it resamples to. Where two
#: rates fit, the higher one is meant: 48 kHz is more usual than 44.1 kHz.
STOPS_AT = (0.9, 1.1)
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
    power: FloatArray, comb: Comb, received_dbfs: FloatArray, noise_dbfs: FloatArray, heard: BoolArray
) -> tuple[float | None, tuple[Alias, ...]]:
    """About the rate something between us and the card runs at, and the tones that came back mirrored.

    Parameters
    ----------
    power : `(bins of 1 Hz, microphones)`, see `power_spectrum`.
    received_dbfs, noise_dbfs, heard : `(tones, microphones)`.
    """
    rate_hz, aliases = _find_mirror(power, comb, received_dbfs, heard)
    return rate_hz or _find_brick_wall(comb, received_dbfs, noise_dbfs), aliases


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


def _find_brick_wall(comb: Comb, received_dbfs: FloatArray, noise_dbfs: FloatArray) -> float | None:
    """The rate near half of which the tones end suddenly: loudspeakers fade, a resampler's filter cuts."""
    loudest = received_dbfs.argmax(axis=1)[:, None]
    level_dbfs = np.take_along_axis(received_dbfs, loudest, 1)[:, 0]
    silent = level_dbfs < np.take_along_axis(noise_dbfs, loudest, 1)[:, 0] + 6.0
    for end in range(4, len(level_dbfs)):
        before = level_dbfs[:end][comb.tone_hz[:end] >= 0.7 * comb.tone_hz[end]].max()
        if np.all(silent[end:] | (level_dbfs[end:] <= before - STOP_DB)):
            break
    else:
        return None
    if before - level_dbfs[end] < LEAST_CUT_DB:
        return None
    falling = slice(int(np.flatnonzero(level_dbfs[:end] >= before - PASS_DB)[-1]), end + 1)
    down_db = np.maximum.accumulate(before - level_dbfs[falling])
    stop_db = min(STOP_DB, down_db[-1])
    passed_hz, stopped_hz = np.interp([PASS_DB, stop_db], down_db, comb.tone_hz[falling])
    if stopped_hz > CUT_WITHIN * passed_hz:
        return None
    low, high = STOPS_AT
    fitting = [rate for rate in HIDDEN_RATES_HZ if low <= stopped_hz / (rate / 2) <= high]
    return max((rate for rate in fitting if rate < comb.sample_rate_hz), default=None)
