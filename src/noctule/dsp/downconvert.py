"""Audio to complex baseband around the carrier, per microphone.

Mixing, low-pass and decimation are one dot product: with taps h[k] and carrier w,

    y[n] = exp(-jwn) · sum_k h[k]·exp(+jwk)·x[n-k]

so the mixing sits in the (complex) taps and only one rotation a decimated sample is left. Cost: 2·taps
multiply-adds an output sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from noctule.core.errors import NoctuleError
from noctule.core.frames import AudioBlock, BasebandBlock, Fault, Float32Array
from noctule.core.settings import FeatureSettings
from noctule.core.units import LOWEST_PRIVATE_CARRIER_HZ, PRIVACY_EDGE_HZ, hz_per_mps

#: 500 kHz recorders cannot be decimated finely enough for carriers above this.
HIGHEST_CARRIER_HZ = 200000.0
#: Rotations looked up between two that are computed.
TURNS_IN_TABLE = 64

_NO_FAULT = Fault(0)


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
    # Kaiser's estimates of length and shape, with 2 dB in hand for their error (importing scipy.signal
    # for these four lines would cost every command a second)
    wanted_db = stopband_db + 2.0
    width = 2.0 * math.pi * (stop_hz - pass_hz) / rate_hz
    length = math.ceil((wanted_db - 7.95) / (2.285 * width)) + 1
    k = np.arange(length) - (length - 1) / 2
    taps = np.sinc((pass_hz + stop_hz) / rate_hz * k) * np.kaiser(length, 0.1102 * (wanted_db - 8.7))
    return np.asarray(taps / taps.sum(), dtype=np.float32)


class Downconverter:
    """Streaming audio to baseband.

    Any block size gives the same bits out: an output is made when the last sample it needs is in, and its
    arithmetic depends on nothing but its place in the stream. A jump of `first_sample` or an overflow
    starts afresh behind the gap and marks the next block `DROPPED_SAMPLES`; the carrier phase refers
    to the absolute sample position, so it survives a gap of known length.

    Attributes
    ----------
    latency_samples : group delay in input samples.
    """

    def __init__(
        self, *, sample_rate_hz: float, carrier_hz: float, channels: int, settings: FeatureSettings
    ) -> None:
        self.plan = plan_decimation(sample_rate_hz, carrier_hz, settings)
        self.sample_rate_hz = sample_rate_hz
        self.carrier_hz = carrier_hz
        self.channels = channels
        self.baseband_rate_hz = self.plan.baseband_rate_hz
        self.latency_samples = (len(self.plan.taps) - 1) // 2
        self._turns_per_sample = carrier_hz / sample_rate_hz
        turns = self._turns_per_sample * np.arange(len(self.plan.taps))
        mixed = (self.plan.taps * np.exp(2j * np.pi * (turns % 1.0)))[::-1]  # oldest sample first
        self._taps = np.stack((mixed.real, mixed.imag)).astype(np.float32)
        turns = self._turns_per_sample * self.plan.decimation * np.arange(TURNS_IN_TABLE)
        self._turn = np.exp(-2j * np.pi * (turns % 1.0))
        self.reset()

    def reset(self) -> None:
        """Forget everything; the next block may start anywhere."""
        self._kept = np.zeros((self.channels, 0), dtype=np.float32)  # what later outputs still need
        self._origin: int | None = None  # stream position of the first sample
        self._next_sample = 0
        # outputs are counted from the origin; those that would see what was before it are not made
        self._next_output = -(-len(self.plan.taps) // self.plan.decimation) - 1
        self._faults = _NO_FAULT

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
        if self._origin is not None and (block.overflowed or block.first_sample != self._next_sample):
            self.reset()
            self._faults = Fault.DROPPED_SAMPLES
        if self._origin is None:
            self._origin = block.first_sample
        self._next_sample = block.first_sample + len(block.samples)
        kept = self._kept.shape[1]
        audio = np.empty((self.channels, kept + len(block.samples)), dtype=np.float32)
        audio[:, :kept], audio[:, kept:] = self._kept, block.samples.T
        return self._convert(audio, self._origin)

    def _convert(self, audio: Float32Array, origin: int) -> BasebandBlock:
        """Every output for which all samples are there; `audio` is `(channels, samples)` up to the newest."""
        D, taps = self.plan.decimation, self._taps.shape[1]
        oldest = origin + (self._next_output + 1) * D - taps  # that the next output needs
        start = oldest - (self._next_sample - audio.shape[1])
        count = max(0, (audio.shape[1] - start - taps) // D + 1)
        first_sample = origin // D + self._next_output
        baseband = _to_baseband(
            audio, start, count, self._taps, D, self._next_output, origin + D - 1, self._turns_per_sample,
            self._turn,
        )  # fmt: skip
        self._next_output += count
        self._kept = audio[:, max(start + count * D, 0) :]
        faults = self._faults
        if count:
            self._faults = _NO_FAULT
        return BasebandBlock(baseband.T, self.baseband_rate_hz, self.carrier_hz, first_sample, faults)


@njit(cache=True)
def _to_baseband(  # type: ignore[no-untyped-def]
    audio, start, count, taps, decimation, first_output, newest, turns_per_sample, turn
):
    baseband = np.empty((len(audio), count), np.complex64)
    _filter(audio, start, taps, decimation, baseband)
    _turn_back(baseband, first_output, newest, decimation, turns_per_sample, turn)
    return baseband


@njit(cache=True, fastmath=True)
def _filter(audio, start, taps, decimation, baseband):  # type: ignore[no-untyped-def]
    """Complex taps on real samples. One output at a time: pairing them would round by block size."""
    length = taps.shape[1]
    for c in range(baseband.shape[0]):
        for m in range(baseband.shape[1]):
            first = start + m * decimation
            window = audio[c, first : first + length]
            re, im = np.float32(0), np.float32(0)
            for k in range(length):
                re += taps[0, k] * window[k]
                im += taps[1, k] * window[k]
            baseband[c, m] = complex(re, im)


@njit(cache=True)
def _turn_back(baseband, first_output, newest, decimation, turns_per_sample, turn):  # type: ignore[no-untyped-def]
    """Times exp(-jwn), n the newest sample of an output; `newest` is that of output 0."""
    # position in two parts: after months a single product would round to a noisy phase
    part = 1 << 20
    turns_per_part = (turns_per_sample * part) % 1.0
    phasor = 0j
    for m in range(baseband.shape[1]):
        row = (first_output + m) % len(turn)
        if m == 0 or row == 0:
            n = newest + (first_output + m - row) * decimation
            turns = ((n // part) * turns_per_part + (n % part) * turns_per_sample) % 1.0
            phasor = np.exp(-2j * np.pi * turns)
        rotation = phasor * turn[row]
        for c in range(baseband.shape[0]):
            baseband[c, m] *= rotation
