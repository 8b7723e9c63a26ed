"""Audio to complex baseband around the carrier, per microphone.

Mixing, low-pass and decimation are one real matrix product: with taps h[k] and carrier w,

    y[n] = exp(-jwn) · sum_k h[k]·exp(+jwk)·x[n-k]

so the mixing sits in the (complex) taps and only one rotation a decimated sample is left. The samples
are cut into rows of `rows_per_step` decimated outputs; the taps reach back one row at most, so two
products with fixed Toeplitz matrices (this row, the row before) give every output without a copy of
overlapping windows. Cost: 4·taps multiply-adds an output sample, times about 2 for the zeros.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from noctule.core.errors import NoctuleError
from noctule.core.frames import AudioBlock, BasebandBlock, Complex64Array, Fault, Float32Array
from noctule.core.settings import FeatureSettings
from noctule.core.units import hz_per_mps

#: Nothing below this may be recovered from a recording (DESIGN.md, promises to the people in the room).
PRIVACY_EDGE_HZ = 16000.0
#: Below this carrier the band around it reaches into hearing; replay may, recordings must not.
LOWEST_PRIVATE_CARRIER_HZ = 17000.0
#: 500 kHz recorders cannot be decimated finely enough for carriers above this.
HIGHEST_CARRIER_HZ = 200000.0


@dataclass(frozen=True, slots=True)
class DecimationPlan:
    """How a rate and a carrier are brought to baseband.

    `pass_edge_hz` carries the whole velocity grid; from `stop_edge_hz` on everything is down by
    `stopband_db`, whether it would alias onto the grid or was audible.
    """

    decimation: int
    baseband_rate_hz: float
    pass_edge_hz: float
    stop_edge_hz: float
    taps: Float32Array

    @property
    def latency_s(self) -> float:
        """Group delay of the low-pass."""
        return (len(self.taps) - 1) / 2 / (self.baseband_rate_hz * self.decimation)


def plan_decimation(sample_rate_hz: float, carrier_hz: float, settings: FeatureSettings) -> DecimationPlan:
    """Choose decimation and low-pass for a carrier.

    The pass-band is as wide as the velocity grid (`velocity_max_mps`·2·f/c). The stop-band begins
    where an alias would fall onto the grid or, for carriers that keep the privacy promise, at the
    distance from the carrier to 16 kHz, whichever comes first. Kaiser window design (Kaiser 1974);
    pass-band ripple equals the stop-band in linear terms, so below 0.001 dB at 100 dB.

    Raises
    ------
    NoctuleError
        The carrier is not inside the recording's band.
    """
    if not 1000.0 < carrier_hz < min(sample_rate_hz / 2, HIGHEST_CARRIER_HZ):
        raise NoctuleError(
            f"carrier {carrier_hz:g} Hz: a rate of {sample_rate_hz:g} Hz "
            f"carries 1000 Hz to {sample_rate_hz / 2:g} Hz"
        )
    pass_edge_hz = settings.velocity_max_mps * hz_per_mps(carrier_hz)
    wanted_rate_hz = max(settings.baseband_rate_hz, 2.9 * pass_edge_hz)
    decimation = max(1, math.ceil(sample_rate_hz / wanted_rate_hz))
    if sample_rate_hz / decimation < 2.4 * pass_edge_hz:
        decimation = max(1, decimation - 1)
    rate_hz = sample_rate_hz / decimation
    stop_edge_hz = rate_hz - pass_edge_hz
    if carrier_hz >= LOWEST_PRIVATE_CARRIER_HZ:
        stop_edge_hz = min(stop_edge_hz, carrier_hz - PRIVACY_EDGE_HZ)
    taps = _kaiser_lowpass(pass_edge_hz, stop_edge_hz, sample_rate_hz, settings.stopband_db)
    return DecimationPlan(decimation, rate_hz, pass_edge_hz, stop_edge_hz, taps)


def _kaiser_lowpass(pass_hz: float, stop_hz: float, rate_hz: float, stopband_db: float) -> Float32Array:
    # Kaiser's estimates of length and shape, with 1 dB in hand for their error (importing scipy.signal
    # for these four lines would cost every command a second)
    wanted_db = stopband_db + 1.0
    width = 2.0 * math.pi * (stop_hz - pass_hz) / rate_hz
    length = math.ceil((wanted_db - 7.95) / (2.285 * width)) + 1
    k = np.arange(length) - (length - 1) / 2
    taps = np.sinc((pass_hz + stop_hz) / rate_hz * k) * np.kaiser(length, 0.1102 * (wanted_db - 8.7))
    return np.asarray(taps / taps.sum(), dtype=np.float32)


class Downconverter:
    """Streaming audio to baseband.

    Any block size gives the same samples out: input is worked on in fixed steps of
    `step_samples` and the remainder waits. A jump of `first_sample` or an overflow starts afresh
    behind the gap and marks the next block `DROPPED_SAMPLES`; the carrier phase refers to the
    absolute sample position, so it survives a gap of known length.

    Parameters
    ----------
    rows_per_step : decimated samples worked on together; None takes as many as the taps reach back.

    Attributes
    ----------
    latency_samples : group delay in input samples.
    step_samples : input samples worked on at a time.
    """

    def __init__(
        self,
        *,
        sample_rate_hz: float,
        carrier_hz: float,
        channels: int,
        settings: FeatureSettings,
        rows_per_step: int | None = None,
    ) -> None:
        self.plan = plan_decimation(sample_rate_hz, carrier_hz, settings)
        self.sample_rate_hz = sample_rate_hz
        self.carrier_hz = carrier_hz
        self.channels = channels
        self.baseband_rate_hz = self.plan.baseband_rate_hz
        self.latency_samples = (len(self.plan.taps) - 1) // 2
        reach = -(-(len(self.plan.taps) - 1) // self.plan.decimation)
        self._rows = max(rows_per_step or 0, reach, 1)
        if rows_per_step and reach > rows_per_step:
            self._rows = rows_per_step * -(-reach // rows_per_step)
        self.step_samples = self._rows * self.plan.decimation
        self._taps = self._toeplitz()
        self._turns_per_sample = carrier_hz / sample_rate_hz
        turns = self._turns_per_sample * self.plan.decimation * np.arange(self._rows + 1)
        #: rotation of each output of a step, and in the end that from step to step
        self._turn = np.exp(-2j * np.pi * (turns % 1.0))
        self.reset()

    def _toeplitz(self) -> Float32Array:
        """Matrix (step, 4·rows): what a step gives to its own outputs, then to those of the next step.

        Columns re, im, re, im...
        """
        D, rows, step = self.plan.decimation, self._rows, self.step_samples
        k = np.arange(len(self.plan.taps))
        mixed = self.plan.taps * np.exp(2j * np.pi * self.carrier_hz / self.sample_rate_hz * k)
        reach = np.zeros((2 * step, rows), dtype=np.complex128)
        for m in range(rows):
            newest = step + (m + 1) * D - 1  # output m uses samples up to the end of its own D inputs
            reach[newest - k, m] = mixed
        own_and_next = np.concatenate((reach[step:], reach[:step]), axis=1)
        return np.ascontiguousarray(own_and_next.astype(np.complex64)).view(np.float32)

    def reset(self) -> None:
        """Forget everything; the next block may start anywhere."""
        self._pending: list[Float32Array] = []
        self._pending_samples = 0
        self._carried: Complex64Array | None = None  # (channels, rows): what the last step gives the next
        self._next_sample: int | None = None
        self._faults = Fault(0)

    def process(self, block: AudioBlock) -> BasebandBlock:
        """Audio `(samples, channels)` in, baseband `(samples, channels)` out (perhaps empty).

        Raises
        ------
        NoctuleError
            The channel count or rate differs from what was announced.
        """
        if block.samples.shape[1] != self.channels or block.sample_rate_hz != self.sample_rate_hz:
            raise NoctuleError(
                f"audio changed from {self.channels} channels at {self.sample_rate_hz:g} Hz "
                f"to {block.samples.shape[1]} at {block.sample_rate_hz:g} Hz"
            )
        if self._next_sample is not None and (block.overflowed or block.first_sample != self._next_sample):
            self.reset()
            self._faults |= Fault.DROPPED_SAMPLES
        if self._next_sample is None:
            self._next_sample = block.first_sample
        self._next_sample = block.first_sample + len(block.samples)
        self._pending.append(block.samples)
        self._pending_samples += len(block.samples)
        return self._work_off()

    def _work_off(self) -> BasebandBlock:
        steps = self._pending_samples // self.step_samples
        assert self._next_sample is not None
        first = self._next_sample - self._pending_samples
        if steps == 0:
            return self._block(np.zeros((self.channels, 0), np.complex64), first)
        audio = self._pending[0] if len(self._pending) == 1 else np.concatenate(self._pending)
        used = steps * self.step_samples
        self._pending = [audio[used:]] if used < len(audio) else []
        self._pending_samples -= used
        return self.convert(audio[:used], first)

    def convert(self, audio: Float32Array, first_sample: int) -> BasebandBlock:
        """Whole steps of contiguous audio to baseband; `process` without the bookkeeping of blocks."""
        steps = len(audio) // self.step_samples
        by_step = np.ascontiguousarray(audio.T).reshape(self.channels * steps, self.step_samples)
        both = (by_step @ self._taps).view(np.complex64).reshape(self.channels, steps, 2, self._rows)
        first = 0 if self._carried is not None else 1  # before the filter is full it tells of the edge
        baseband = np.empty((self.channels, (steps - first) * self._rows), dtype=np.complex64)
        first_sample += first * self.step_samples
        # audio index of the newest sample in the first output
        turns = math.fmod(self._turns_per_sample * (first_sample + self.plan.decimation - 1), 1.0)
        carried = self._carried if self._carried is not None else both[:, 0, 1]
        _add_and_turn(
            both, carried, first, np.complex64(cmath.exp(-2j * math.pi * turns)), self._turn, baseband
        )
        self._carried = both[:, -1, 1].copy()
        return self._block(baseband, first_sample)

    def _block(self, baseband: Complex64Array, first_sample: int) -> BasebandBlock:
        faults = self._faults
        if baseband.shape[1]:
            self._faults = Fault(0)
        return BasebandBlock(
            baseband.T, self.baseband_rate_hz, self.carrier_hz, first_sample // self.plan.decimation, faults
        )


@njit(cache=True)
def _add_and_turn(both, carried, first, start, turn, baseband):  # type: ignore[no-untyped-def]
    """Own part of each step plus what the step before gave it, turned to the carrier's phase."""
    channels, steps, _, rows = both.shape
    for c in range(channels):
        phasor = start + 0j * turn[0]  # double precision: it turns on through a whole block
        for s in range(first, steps):
            before = carried[c] if s == 0 else both[c, s - 1, 1]
            for m in range(rows):
                baseband[c, (s - first) * rows + m] = (both[c, s, 0, m] + before[m]) * (phasor * turn[m])
            phasor *= turn[rows]
