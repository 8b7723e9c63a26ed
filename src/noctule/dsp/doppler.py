"""Baseband to short-time Doppler power on the velocity grid.

The window is as long as it takes to resolve `velocity_step_mps` at the carrier (Hann, 1/T), so 172 ms
at 20 kHz and 86 ms at 40 kHz: one grid serves every carrier. Cost: one FFT of about that length a
microphone and hop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numba import njit

from noctule.core.frames import BasebandBlock, BoolArray, Complex64Array, Fault, Float32Array
from noctule.core.settings import FeatureSettings
from noctule.core.units import SPEED_OF_SOUND_MPS, hz_per_mps
from noctule.dsp.clutter import ClutterRemover

#: Hops worked on at once when much arrives together: bounds the memory.
MOST_HOPS_AT_ONCE = 64
#: Step detector: difference over about 2 ms, twice the low-pass' rise time.
STEP_SPAN_S = 0.002

_DROPPED_SAMPLES = int(Fault.DROPPED_SAMPLES)


@dataclass(frozen=True, slots=True)
class SpectrumBlock:
    """One row a hop.

    Attributes
    ----------
    spectrum : (frames, channels, fft bins) complex64 S, scaled so that white noise of variance 1 has power 1;
        FFT order (zero velocity first).
    power : likewise float32, |S|².
    carrier : (frames, channels) complex64, static phasor of the window; half the tone's amplitude.
    step : (frames, channels) float32, largest lasting jump of the baseband inside the newest hop, or 0.
    end_sample : one a frame, baseband position just behind the newest sample used.
    faults : one a frame, `Fault` bits of the audio that went in since the frame before.
    """

    spectrum: Complex64Array
    power: Float32Array
    carrier: Complex64Array
    step: Float32Array
    end_sample: list[int]
    faults: list[int]

    def __len__(self) -> int:
        return len(self.end_sample)


class DopplerSpectrum:
    """Streaming short-time spectrum with the clutter taken out.

    Attributes
    ----------
    window_samples, hop_samples : in baseband samples.
    line_gain : power of a line of amplitude 1 where white noise of variance 1 has power 1.
    velocity_mps : (bins,) the grid, ascending.
    valid_bins : (bins,) False where the recording's rate cannot carry the velocity.
    pairs : FFT bins 1 to this, of both sides, are all that the grid shows.
    grid : where each velocity lies between the FFT bins: below it, above it, and how far on the way, all
        (bins,); see `read`.
    """

    def __init__(
        self,
        *,
        baseband_rate_hz: float,
        carrier_hz: float,
        settings: FeatureSettings,
        sample_rate_hz: float | None = None,
        pass_edge_hz: float | None = None,
    ) -> None:
        step = settings.velocity_step_mps
        self.baseband_rate_hz = baseband_rate_hz
        self.carrier_hz = carrier_hz
        self.window_samples = round(baseband_rate_hz / (step * hz_per_mps(carrier_hz)))
        # above 71 kHz the window is shorter than the hop: nothing may fall between two windows
        self.hop_samples = min(round(baseband_rate_hz * settings.hop_s), self.window_samples)
        self.fft_size = scipy.fft.next_fast_len(self.window_samples)
        # symmetric about the middle, never zero at the ends: every sample counts
        window = np.hanning(self.window_samples + 2)[1:-1]
        # scaled so that white noise of variance 1 has power 1 in every bin
        self._window = (window / np.sqrt(np.sum(window**2))).astype(np.float32)
        self._clutter = ClutterRemover(self._window)
        self.line_gain = float(np.sum(self._window) ** 2)
        self._span = max(1, round(STEP_SPAN_S * baseband_rate_hz))
        self._make_grid(settings, sample_rate_hz, pass_edge_hz)
        self.reset()

    def _make_grid(
        self, settings: FeatureSettings, sample_rate_hz: float | None, pass_edge_hz: float | None
    ) -> None:
        half = round(settings.velocity_max_mps / settings.velocity_step_mps)
        velocity = np.arange(-half, half + 1) * settings.velocity_step_mps
        self.velocity_mps: Float32Array = velocity.astype(np.float32)
        # exact Doppler 2·v·f/(c−v): 1.7 % more than 2·v·f/c at 6 m/s
        shift_hz = 2.0 * velocity * self.carrier_hz / (SPEED_OF_SOUND_MPS - velocity)
        # the low-pass' own edge may cut the last cell or two: it is flat a little beyond
        edge = min(self.baseband_rate_hz / 2, 1.03 * (pass_edge_hz or self.baseband_rate_hz / 2))
        valid = np.abs(shift_hz) <= edge
        if sample_rate_hz is not None:
            # above half the rate stands the mirror of what is below it
            valid &= self.carrier_hz + shift_hz < 0.995 * sample_rate_hz / 2
        self.valid_bins: BoolArray = valid
        position = (shift_hz * self.fft_size / self.baseband_rate_hz) % self.fft_size
        lower = np.floor(position).astype(np.intp) % self.fft_size
        share = (position - np.floor(position)).astype(np.float32)
        self.grid = lower, (lower + 1) % self.fft_size, share
        highest = np.abs(shift_hz[valid]).max() * self.fft_size / self.baseband_rate_hz
        self.pairs = min(math.ceil(highest), (self.fft_size - 1) // 2)

    def on_grid(self, power: Float32Array, weight: list[float]) -> Float32Array:
        """Weighted sum over the microphones of one frame `(channels, fft bins)`, on the grid `(bins,)`."""
        row: Float32Array = _combine(power, np.asarray(weight, dtype=np.float32), self.grid)
        return row

    def reset(self) -> None:
        """Start afresh: the next frame comes when a whole window is there."""
        self._buffer: Complex64Array | None = None  # (channels, samples), at most a window before the new
        self._end_sample = 0
        self._faults = 0

    def process(self, block: BasebandBlock) -> list[SpectrumBlock]:
        """Baseband in, finished frames out (none, one or several blocks of frames)."""
        buffer = self._append(block)
        blocks, start = [], 0
        while (frames := self._frames_in(buffer.shape[1] - start)) > 0:
            blocks.append(self._spectra(buffer, start, frames))
            start += frames * self.hop_samples
        self._buffer = buffer[:, start:]
        return blocks

    def _append(self, block: BasebandBlock) -> Complex64Array:
        if self._buffer is not None and block.first_sample != self._end_sample:
            self._buffer, self._faults = None, self._faults | _DROPPED_SAMPLES
        self._faults |= int(block.faults)
        self._end_sample = block.first_sample + len(block.samples)
        kept = 0 if self._buffer is None else self._buffer.shape[1]
        # always the same memory layout: the compiler makes another order of sums for each
        buffer = np.empty((block.samples.shape[1], kept + len(block.samples)), dtype=np.complex64)
        if self._buffer is not None:
            buffer[:, :kept] = self._buffer
        buffer[:, kept:] = block.samples.T
        return buffer

    def _frames_in(self, samples: int) -> int:
        return min((samples - self.window_samples) // self.hop_samples + 1, MOST_HOPS_AT_ONCE)

    def _spectra(self, buffer: Complex64Array, start: int, frames: int) -> SpectrumBlock:
        N, H = self.window_samples, self.hop_samples
        moving, carrier = self._clutter.remove(buffer, frames, H, start)
        spectrum = scipy.fft.fft(moving, self.fft_size, axis=-1, overwrite_x=True)
        power, step = _measure(spectrum, buffer, start, N, H, self._span)
        faults = [0] * frames
        faults[0], self._faults = self._faults, 0
        first_end = self._end_sample - buffer.shape[1] + start + N
        ends = [first_end + H * i for i in range(frames)]
        return SpectrumBlock(spectrum, power, carrier, step, ends, faults)


@njit(cache=True, fastmath=True)
def read(power, grid, i):  # type: ignore[no-untyped-def]
    """Power `(fft bins,)` at the grid's velocity i."""
    lower, upper, upper_share = grid
    at_lower = power[lower[i]]
    return at_lower + (power[upper[i]] - at_lower) * upper_share[i]


@njit(cache=True, fastmath=True)
def _combine(power, weight, grid):  # type: ignore[no-untyped-def]
    row = np.empty(len(grid[0]), np.float32)
    for i in range(len(row)):
        total = np.float32(0)
        for c in range(len(weight)):
            total += weight[c] * read(power[c], grid, i)
        row[i] = total
    return row


@njit(cache=True)
def _measure(spectrum, baseband, first, window, hop, span):  # type: ignore[no-untyped-def]
    """Power of the spectra, and the largest step in the newest hop of each."""
    power = np.empty(spectrum.shape, np.float32)
    _square(spectrum, power)
    step = np.zeros((len(spectrum), len(baseband)), np.float32)
    _largest_step(baseband, first, window, hop, span, step)
    return power, step


@njit(cache=True, fastmath=True)
def _square(spectrum, power):  # type: ignore[no-untyped-def]
    for f in range(power.shape[0]):
        for c in range(power.shape[1]):
            for k in range(power.shape[2]):
                z = spectrum[f, c, k]
                power[f, c, k] = z.real * z.real + z.imag * z.imag


@njit(cache=True, fastmath=True)
def _largest_step(baseband, first, window, hop, span, step):  # type: ignore[no-untyped-def]
    """Largest lasting jump in the newest hop of every frame.

    Motion near the microphone changes the baseband as much as a gap does, but all through the hop;
    a click is as short, but afterwards everything is as before.
    """
    for f in range(step.shape[0]):
        end = first + window + f * hop
        start = max(first + span, end - hop)
        for c in range(step.shape[1]):
            x = baseband[c]
            largest, total, at = 0.0, 0.0, start
            for n in range(start, end):
                d = x[n] - x[n - span]
                change = d.real * d.real + d.imag * d.imag
                total += change
                if change > largest:
                    largest, at = change, n
            # mean square below a tenth of the largest square: it was alone
            if total < 0.1 * largest * (end - start):
                # medians: a click is short, however loud
                before = x[max(first, at - 5 * span) : at - span + 1]
                after = x[at : min(end, at + 4 * span)]
                re = np.median(after.real) - np.median(before.real)
                im = np.median(after.imag) - np.median(before.imag)
                # the levels differ by no more than the jump itself
                step[f, c] = min(np.hypot(re, im), np.sqrt(largest))
