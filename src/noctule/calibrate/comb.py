"""The probe sound for bandwidth: many inaudible tones at once, on an irregular grid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import count

import numpy as np
import numpy.typing as npt

from noctule.core.errors import NoctuleError
from noctule.core.frames import Float32Array
from noctule.core.units import amplitude_to_db, db_to_amplitude
from noctule.emit.waveforms import fade_in

LOWEST_TONE_HZ = 17_500.0
HIGHEST_TONE_OF_RATE = 0.49
#: Small loudspeakers have notches every few kHz: tones this close see them.
WIDEST_SPACING_HZ = 800.0
FEWEST_TONES = 27
#: `QUIET_S` of silence come first: what is recorded there is not ours.
QUIET_S, STEADY_S, TAIL_S, RAMP_S = 0.5, 1.4, 0.6, 0.1


@dataclass(frozen=True, slots=True)
class Comb:
    """What is played: `signal` float32 `(samples,)`, tones `(tones,)` of equal level."""

    signal: Float32Array
    sample_rate_hz: int
    level_dbfs: float
    tone_hz: npt.NDArray[np.float64]
    tone_level_dbfs: float


def comb_frequencies(sample_rate_hz: float) -> npt.NDArray[np.float64]:
    """Whole hertz from 17.5 kHz to 0.49 of the rate, a Sidon set.

    f_k = f_0 + s·(2·p·k + (k² mod p)) with a prime p above the number of tones: all sums of two
    are different (Erdős and Turán, J. London Math. Soc. 16, 1941), so no third-order product
    f_a + f_b - f_c of a bent loudspeaker falls on a tone and pretends that it came back.

    Raises
    ------
    NoctuleError
        When the rate has no room above 17.5 kHz.
    """
    span_hz = HIGHEST_TONE_OF_RATE * sample_rate_hz - LOWEST_TONE_HZ
    if span_hz < 1000.0:
        raise NoctuleError(
            f"a sample rate of {sample_rate_hz:g} Hz carries nothing inaudible; use 44100 Hz or more"
        )
    spacing_hz = min(WIDEST_SPACING_HZ, span_hz / FEWEST_TONES)
    prime, step_hz = _sidon_grid(span_hz, spacing_hz)
    k = np.arange(int(span_hz / (2 * prime * step_hz)) + 1)
    offset_hz = step_hz * (2.0 * prime * k + k**2 % prime)
    return np.asarray(LOWEST_TONE_HZ + offset_hz[offset_hz <= span_hz])


def _sidon_grid(span_hz: float, spacing_hz: float) -> tuple[int, int]:
    """The smallest prime p, and the step s, with spacing 2·p·s near the wanted one and p tones or fewer."""
    for prime in count(math.ceil(span_hz / spacing_hz) + 1):
        step_hz = max(1, round(spacing_hz / (2 * prime)))
        if all(prime % d for d in range(2, prime)) and span_hz / (2 * prime * step_hz) < prime:
            break
    return prime, step_hz


def make_comb(sample_rate_hz: float, level_dbfs: float) -> Comb:
    """The comb at this peak level, with silence around it and fades."""
    rate = round(sample_rate_hz)
    tone_hz = comb_frequencies(rate)
    second, amplitude = _one_second(tone_hz, rate, db_to_amplitude(level_dbfs))
    sounding = np.resize(second, round(STEADY_S * rate))
    rise = fade_in(round(RAMP_S * rate))
    sounding[: len(rise)] *= rise
    sounding[-len(rise) :] *= rise[::-1]
    signal = np.concatenate([_silence(QUIET_S, rate), sounding, _silence(TAIL_S, rate)])
    return Comb(signal, rate, level_dbfs, tone_hz, amplitude_to_db(amplitude))


def _one_second(tone_hz: npt.NDArray[np.float64], rate: int, peak: float) -> tuple[Float32Array, float]:
    """The tones' common period, and the amplitude of each.

    On an irregular grid every constellation of phases comes by within the second: phases drawn
    from a fixed seed have a crest factor of 12 dB, Schroeder's have 14 to 20.
    """
    phase = np.random.default_rng(1941).uniform(0.0, 2.0 * np.pi, len(tone_hz))
    spectrum = np.zeros(rate // 2 + 1, np.complex128)
    spectrum[tone_hz.astype(int)] = np.exp(1j * phase) * rate / 2
    second = np.fft.irfft(spectrum, rate)
    amplitude = peak / float(np.abs(second).max())
    return (second * amplitude).astype(np.float32), amplitude


def _silence(seconds: float, rate: int) -> Float32Array:
    return np.zeros(round(seconds * rate), np.float32)
