"""What really comes back from the room: bandwidth, levels, noise, resamplers, foreign tones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import median_filter

from noctule.calibrate.choose import carrier_candidates, pick_carrier
from noctule.calibrate.comb import QUIET_S, Comb, make_comb
from noctule.calibrate.hidden_rate import HEARD_RANGE_DB, HEARD_SNR_DB, Alias, find_hidden_rate
from noctule.calibrate.spectrum import (
    CLOCK_PPM,
    FloatArray,
    level_at,
    measure_clock_ppm,
    noise_around,
    power_spectrum,
)
from noctule.core.errors import NoctuleError
from noctule.core.frames import BoolArray, Float32Array

#: The comb is measured over one second: bins of 1 Hz, tones on whole hertz.
WINDOW_S = 1.0
SEARCH_STEP_S = 0.1
INTERFERER_DB = 15.0
COVERED_DB = 20.0
FULL_SCALE = 0.985


@dataclass(frozen=True, slots=True)
class BandwidthProbe:
    """What a comb of tones told about loudspeaker, microphones and everything between them.

    Attributes
    ----------
    level_dbfs : peak level that was played; a carrier is meant to have the same.
    tone_hz, tone_level_dbfs : the tones `(tones,)` and the level each was played at.
    received_dbfs, noise_dbfs : `(tones, microphones)`; noise in 10 Hz around the tone.
    heard : `(tones, microphones)`, the tone came back.
    true_bandwidth_hz : highest frequency that comes back, 0 when nothing does.
    hidden_rate_hz : about the rate that something between us and the card runs at, None: none found.
    interferers_hz : steady foreign tones while we were silent.
    clipped, dead, covered : microphone numbers, from 0.
    clock_ppm : how much faster the recording clock runs than the playing one.
    """

    sample_rate_hz: float
    level_dbfs: float
    tone_hz: FloatArray
    tone_level_dbfs: float
    received_dbfs: FloatArray
    noise_dbfs: FloatArray
    heard: BoolArray
    true_bandwidth_hz: float
    hidden_rate_hz: float | None
    aliases: tuple[Alias, ...]
    interferers_hz: tuple[float, ...]
    clipped: tuple[int, ...]
    dead: tuple[int, ...]
    covered: tuple[int, ...]
    clock_ppm: float

    @property
    def snr_db(self) -> FloatArray:
        """Of the tones as they were played, `(tones, microphones)`, noise in 10 Hz."""
        return self.received_dbfs - self.noise_dbfs

    @property
    def usable_microphones(self) -> list[int]:
        broken = {*self.dead, *self.covered}
        return [m for m in range(self.received_dbfs.shape[1]) if m not in broken]

    @property
    def clips(self) -> bool:
        """A usable microphone does."""
        return bool({*self.clipped} & {*self.usable_microphones})

    def carrier_snr_db(self, carrier_hz: float) -> FloatArray:
        """Expected SNR of a single carrier at `level_dbfs`, `(microphones,)`, noise in 10 Hz.

        Interpolated between the tones; 0 where the neighbours did not come back.
        """
        # One carrier has the level to itself that the tones of the comb share.
        alone_db = self.level_dbfs - self.tone_level_dbfs
        snr_db = np.where(self.heard, self.snr_db + alone_db, 0.0)
        return np.array([np.interp(carrier_hz, self.tone_hz, column) for column in snr_db.T])

    def choose_carrier(self) -> float:
        """A round carrier with a good SNR on most microphones, by the rules of `pick_carrier`.

        Raises
        ------
        NoctuleError
            Nothing came back that is good enough to sense with.
        """
        candidates_hz = carrier_candidates(self.true_bandwidth_hz)
        microphones = self.usable_microphones
        snr_db = [np.median(self.carrier_snr_db(hz)[microphones]) for hz in candidates_hz if microphones]
        return pick_carrier(candidates_hz[: len(snr_db)], np.array(snr_db), self.interferers_hz)

    def summary(self) -> str:
        """A few lines for people."""
        if self.true_bandwidth_hz == 0.0:
            return "nothing came back: no tone between 17.5 kHz and half the sample rate was heard"
        best_db = self.snr_db.max(axis=1)[self.heard.any(axis=1)]
        lines = [
            f"true bandwidth {self.true_bandwidth_hz / 1000:.1f} kHz of {self.sample_rate_hz / 2000:g} kHz; "
            f"{len(best_db)} of {len(self.tone_hz)} tones came back, "
            f"SNR {best_db.min():.0f} to {best_db.max():.0f} dB"
        ]
        if self.hidden_rate_hz:
            lines.append(f"something resamples to about {self.hidden_rate_hz:g} Hz")
        if self.interferers_hz:
            lines.append("foreign tones: " + ", ".join(f"{f / 1000:.2f} kHz" for f in self.interferers_hz))
        for name in ("clipped", "dead", "covered"):
            numbers = getattr(self, name)
            if numbers:
                lines.append(f"{name}: microphone " + ", ".join(str(m) for m in numbers))
        return "\n".join(lines)


def probe_bandwidth(
    play_and_record: Callable[[Float32Array], Float32Array], sample_rate_hz: float, level_dbfs: float
) -> BandwidthProbe:
    """Play the comb, record it, say what came back.

    Parameters
    ----------
    play_and_record : plays float32 `(samples,)` and returns float32 `(samples, microphones)`, at
        least as long; the delay between the two may be anything up to half a second.
    level_dbfs : peak level of the comb.
    """
    comb = make_comb(sample_rate_hz, level_dbfs)
    return analyse_comb(play_and_record(comb.signal), comb)


def analyse_comb(recording: Float32Array, comb: Comb) -> BandwidthProbe:
    """What the recording `(samples, microphones)` of a comb shows; no device needed.

    Raises
    ------
    NoctuleError
        The recording is too short to hold the comb.
    """
    sound = np.nan_to_num(recording.reshape(len(recording), -1), posinf=0.0, neginf=0.0)
    if len(sound) < (QUIET_S + WINDOW_S) * comb.sample_rate_hz:
        raise NoctuleError(
            f"the recording of the probe is only {len(sound) / comb.sample_rate_hz:.1f} s long: "
            "the input stopped; check the device"
        )
    power = _loudest_second(sound, comb)
    clock_ppm = measure_clock_ppm(power, comb.tone_hz)
    received_dbfs = level_at(power, comb.tone_hz * (1.0 - clock_ppm * 1e-6))
    noise_dbfs = noise_around(power, comb.tone_hz)
    heard = (received_dbfs - noise_dbfs >= HEARD_SNR_DB) & (
        received_dbfs >= received_dbfs.max() - HEARD_RANGE_DB
    )
    hidden_rate_hz, aliases = find_hidden_rate(power, comb, received_dbfs, noise_dbfs, heard)
    if aliases and hidden_rate_hz:
        # Above half of it only images of aliases come back, at the right place by accident.
        heard[comb.tone_hz > hidden_rate_hz / 2] = False
    true_bandwidth_hz = min(_highest_heard(comb.tone_hz, heard), (hidden_rate_hz or np.inf) / 2)
    heard[comb.tone_hz > true_bandwidth_hz] = False
    return BandwidthProbe(
        sample_rate_hz=comb.sample_rate_hz,
        level_dbfs=comb.level_dbfs,
        tone_hz=comb.tone_hz,
        tone_level_dbfs=comb.tone_level_dbfs,
        received_dbfs=received_dbfs,
        noise_dbfs=noise_dbfs,
        heard=heard,
        true_bandwidth_hz=true_bandwidth_hz,
        hidden_rate_hz=hidden_rate_hz,
        aliases=aliases,
        interferers_hz=_find_interferers(sound, comb),
        clipped=_where((np.abs(sound) >= FULL_SCALE).mean(axis=0) > 1e-5),
        dead=_where(np.ptp(sound, axis=0) < 1e-6),
        covered=_covered(received_dbfs, heard, sound),
        clock_ppm=clock_ppm if heard.any() else 0.0,
    )


def _where(flags: BoolArray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.flatnonzero(flags))


def _loudest_second(sound: Float32Array, comb: Comb) -> FloatArray:
    """Power spectrum `(bins of 1 Hz, microphones)` of the second that holds most of the comb.

    Scaled so that the bins of a sine of amplitude a add up to a².
    """
    window, step = round(WINDOW_S * comb.sample_rate_hz), round(SEARCH_STEP_S * comb.sample_rate_hz)
    reach = 2 + (comb.tone_hz * CLOCK_PPM * 1e-6).astype(int)
    low, high = comb.tone_hz.astype(int) - reach, comb.tone_hz.astype(int) + reach

    def score(power: FloatArray) -> float:
        # Geometric over the tones: all of them must be there, one loud noise must not win.
        total = np.cumsum(power.sum(axis=1))
        return float(np.log(total[high] - total[low] + 1e-30).sum())

    starts = range(0, len(sound) - window + 1, step)
    return max((power_spectrum(sound[start : start + window]) for start in starts), key=score)


def _highest_heard(tone_hz: FloatArray, heard: BoolArray) -> float:
    """The highest tone heard that has company: two of the four below it were heard too."""
    any_heard = np.asarray(heard.any(axis=1))
    for i in np.flatnonzero(any_heard)[::-1]:
        below = any_heard[max(0, i - 4) : i]
        if below.sum() >= min(2, len(below)):
            return float(tone_hz[i])
    return 0.0


def _find_interferers(sound: Float32Array, comb: Comb) -> tuple[float, ...]:
    """Narrow lines in the silence before the comb, 15 kHz and up."""
    quiet = sound[: round(0.8 * QUIET_S * comb.sample_rate_hz)]
    power = power_spectrum(quiet).max(axis=1)
    step_hz = comb.sample_rate_hz / len(quiet)
    floor = median_filter(power, round(1000.0 / step_hz))
    hz = np.arange(len(power)) * step_hz
    line = (power > floor * 10 ** (INTERFERER_DB / 10)) & (power > 1e-12) & (hz >= 15_000.0)
    # Of neighbouring bins the strongest names the line.
    reach = max(1, round(50.0 / step_hz))
    lines = np.flatnonzero(line)
    strongest = [i for i in lines if power[i] == power[max(0, i - reach) : i + reach + 1].max()]
    return tuple(round(float(hz[i]), 1) for i in strongest)


def _covered(received_dbfs: FloatArray, heard: BoolArray, sound: Float32Array) -> tuple[int, ...]:
    any_heard = np.asarray(heard.any(axis=1))
    alive = np.ptp(sound, axis=0) >= 1e-6
    if not any_heard.any() or alive.sum() < 2:
        return ()
    level_dbfs = np.median(received_dbfs[any_heard], axis=0)
    return _where(alive & (level_dbfs < level_dbfs.max() - COVERED_DB))
