"""Sounds to play: a tone or several, without a click, and a short chirp to measure a delay with.

A tone is a table of one second that repeats without a seam, because every frequency is a whole
number of hertz. So the sound-card callback copies, and the phase is exact for as long as it plays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from noctule.core.errors import NoctuleError
from noctule.core.frames import Float32Array

#: Nothing that is played on purpose may lie below this, Hz.
AUDIBLE_BELOW_HZ = 16_000.0
#: Fades begin and end so far below the tone: nobody hears that step. In 0.1 s it is at most 13 dB in 10 ms.
FADE_DB = 80.0


def on_grid(frequency_hz: float, sample_rate_hz: int) -> float:
    """The frequency that is really played: whole hertz, above 0 and below half the rate."""
    rounded_hz = float(round(frequency_hz))
    if not 0 < rounded_hz < sample_rate_hz / 2:
        raise NoctuleError(
            f"a carrier of {frequency_hz:g} Hz does not fit a sample rate of {sample_rate_hz} Hz: "
            f"it must lie below {sample_rate_hz / 2:g} Hz (raise --sample-rate-hz or lower --carrier-hz)"
        )
    return rounded_hz


def tone_table(frequency_hz: float, sample_rate_hz: int) -> Float32Array:
    """One second of sin(2·pi·f·n/fs), peak 1, float32 `(sample_rate_hz,)`; it repeats without a seam."""
    return _tone(frequency_hz, sample_rate_hz, 0.0).astype(np.float32)


def multitone_table(components: Sequence[tuple[float, float]], sample_rate_hz: int) -> Float32Array:
    """One second of several tones with a low crest factor, peak 1, float32 `(sample_rate_hz,)`.

    Parameters
    ----------
    components : (frequency_hz, level_db) of each tone; only the differences of level count.

    Notes
    -----
    Phases after Schroeder (IEEE Trans. IT 16, 1970): theta_n = -2·pi·sum_{l<n} (n - l)·p_l with the
    relative powers p_l, which spreads the peaks of neighbouring tones over the period of their beat.
    """
    ordered = sorted(components)
    amplitude = 10.0 ** (np.array([level_db for _, level_db in ordered]) / 20.0)
    power = amplitude**2 / np.sum(amplitude**2)
    n = np.arange(len(ordered))
    phase = -2.0 * np.pi * np.sum(np.maximum(n[:, None] - n, 0) * power, axis=1)
    table = np.zeros(sample_rate_hz)
    for (frequency_hz, _), a, theta in zip(ordered, amplitude, phase, strict=True):
        table += a * _tone(frequency_hz, sample_rate_hz, theta)
    return np.asarray(table / np.abs(table).max(), dtype=np.float32)


def _tone(frequency_hz: float, sample_rate_hz: int, phase: float) -> npt.NDArray[np.float64]:
    # Whole numbers before the sine: the phase is as exact at the last sample as at the first.
    cycles = np.arange(sample_rate_hz) * int(on_grid(frequency_hz, sample_rate_hz)) % sample_rate_hz
    return np.sin(2.0 * np.pi * cycles / sample_rate_hz + phase)


def chirp_burst(
    carrier_hz: float,
    sample_rate_hz: float,
    level_dbfs: float = 0.0,
    duration_s: float = 0.16,
    half_span_hz: float = 1500.0,
) -> Float32Array:
    """A short linear chirp around the carrier that fades in and out, float32 `(samples,)`, peak `level_dbfs`.

    It stays within `half_span_hz` of the carrier: inside the baseband, and as inaudible as the
    carrier is. The span shrinks where half the sample rate or the audible range is nearer.
    """
    upper_room_hz = sample_rate_hz / 2 - 200.0 - carrier_hz
    lower_room_hz = max(carrier_hz - AUDIBLE_BELOW_HZ - 200.0, 300.0)
    span_hz = max(min(half_span_hz, upper_room_hz, lower_room_hz), 0.0)
    samples = round(duration_s * sample_rate_hz)
    # Time from the middle of the burst, so that the carrier is passed exactly there.
    t = (np.arange(samples) - (samples - 1) / 2) / sample_rate_hz
    phase = 2.0 * np.pi * (carrier_hz * t + span_hz / duration_s * t**2)
    rise = fade_in(samples - samples // 2)
    envelope = np.concatenate([rise, rise[: samples // 2][::-1]])
    burst = 10.0 ** (level_dbfs / 20.0) * envelope * np.cos(phase)
    return np.asarray(burst, dtype=np.float32)


def fade_in(samples: int) -> Float32Array:
    """A rise from `FADE_DB` below 1 to just below 1 in `samples` steps, float32 `(samples,)`.

    A raised cosine of decibels, for ears hear those: of amplitude, the first milliseconds would jump.
    """
    step = np.arange(1, samples + 1) / (samples + 1)
    return np.asarray(10.0 ** (-FADE_DB / 40.0 * (1.0 + np.cos(np.pi * step))), dtype=np.float32)


def between(start: float, stop: float, rise: Float32Array) -> Float32Array:
    """Levels from one to another along a rise of `fade_in`; falls are rises played backwards."""
    if stop >= start:
        return np.float32(start) + np.float32(stop - start) * rise
    return np.float32(stop) + np.float32(start - stop) * rise[::-1]


@dataclass(frozen=True, slots=True)
class _Level:
    """A settled level: the table scaled to it once, None for silence."""

    gain: float
    table: Float32Array | None


_SILENCE = _Level(0.0, None)


class TonePlayer:
    """Plays a table at a level that changes only along a fade.

    `fill` runs in the sound-card callback: it copies slices, and multiplies only while a ramp runs.
    `set_level` runs elsewhere and hands over one finished object, so no lock is needed.
    A change that comes during a ramp waits for its end; of several the last one counts.
    """

    def __init__(self, table: Float32Array, sample_rate_hz: float, ramp_s: float = 0.1) -> None:
        self.ramp_s = ramp_s
        self._table = table
        self._rise = fade_in(max(1, round(ramp_s * sample_rate_hz)))
        self._settled = self._wanted = _SILENCE
        self._ramp_to: _Level | None = None
        self._ramp = self._rise
        self._ramp_at = 0

    def set_level(self, amplitude: float) -> None:
        """Ramp to this peak amplitude (0..1); 0 is silence."""
        gain = min(1.0, max(0.0, amplitude))
        self._wanted = _Level(gain, self._table * np.float32(gain)) if gain else _SILENCE

    @property
    def silent(self) -> bool:
        """Nothing sounds, and nothing is about to."""
        return self._ramp_to is None and self._settled.gain == 0.0 and self._wanted.gain == 0.0

    def fill(self, out: Float32Array, first_sample: int) -> None:
        """Write the samples from position `first_sample` on into `out` `(samples, channels)`."""
        at = 0
        while at < len(out):
            if self._ramp_to is None and self._wanted is not self._settled:
                self._ramp_to, self._ramp_at = self._wanted, 0
                self._ramp = between(self._settled.gain, self._wanted.gain, self._rise)
            if self._ramp_to is None:
                _copy_periodic(self._settled.table, first_sample + at, out[at:])
                return
            at += self._go_on(self._ramp_to, first_sample + at, out[at:])

    def _go_on(self, target: _Level, first_sample: int, out: Float32Array) -> int:
        gains = self._ramp[self._ramp_at : self._ramp_at + len(out)]
        samples = len(gains)
        _copy_periodic(self._table, first_sample, out[:samples])
        out[:samples] *= gains[:, None]
        self._ramp_at += samples
        if self._ramp_at == len(self._ramp):
            self._settled, self._ramp_to = target, None
        return samples


def _copy_periodic(table: Float32Array | None, first_sample: int, out: Float32Array) -> None:
    if table is None:
        out.fill(0.0)
        return
    done = 0
    while done < len(out):
        start = (first_sample + done) % len(table)
        part = table[start : start + len(out) - done]
        out[done : done + len(part)] = part[:, None]
        done += len(part)
