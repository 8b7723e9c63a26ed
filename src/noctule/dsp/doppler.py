"""Baseband to short-time Doppler power on the velocity grid.

The window is as long as it takes to resolve `velocity_step_mps` at the carrier (Hann, 1/T), so 172 ms
at 20 kHz and 86 ms at 40 kHz: one grid serves every carrier. Cost: one FFT of about that length a
microphone and hop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft

from noctule.core.frames import BasebandBlock, BoolArray, Complex64Array, Fault, Float32Array, IntArray
from noctule.core.settings import FeatureSettings
from noctule.core.units import SPEED_OF_SOUND_MPS, hz_per_mps
from noctule.dsp.clutter import ClutterRemover

#: Hops worked on at once when much arrives together: bounds the memory.
MOST_HOPS_AT_ONCE = 64
#: Step detector: difference over about 2 ms, twice the low-pass' rise time.
STEP_SPAN_S = 0.002


@dataclass(frozen=True, slots=True)
class SpectrumBlock:
    """One row a hop.

    Attributes
    ----------
    power : (frames, channels, fft bins) float32, |S|²/(sum of window²): the variance of a white
        baseband; FFT order (zero velocity first).
    carrier : (frames, channels) complex64, static phasor of the window; half the tone's amplitude.
    step : (frames, channels) float32, largest lasting jump of the baseband inside the newest hop, or 0.
    end_sample : (frames,) baseband position just behind the newest sample used.
    faults : (frames,) faults of the audio that went in since the frame before.
    """

    power: Float32Array
    carrier: Complex64Array
    step: Float32Array
    end_sample: IntArray
    faults: IntArray

    def __len__(self) -> int:
        return len(self.end_sample)


class DopplerSpectrum:
    """Streaming short-time spectrum with the clutter taken out.

    Attributes
    ----------
    window_samples, hop_samples : in baseband samples.
    velocity_mps : (bins,) the grid, ascending.
    valid_bins : (bins,) False where the recording's rate cannot carry the velocity.
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
        self.hop_samples = round(baseband_rate_hz * settings.hop_s)
        self.fft_size = scipy.fft.next_fast_len(self.window_samples)
        # symmetric about the middle, never zero at the ends: every sample counts
        window = np.hanning(self.window_samples + 2)[1:-1]
        self._window = window.astype(np.float32)
        self._scale = np.float32(1.0 / np.sum(window**2))
        self._clutter = ClutterRemover(self._window)
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
        self._lower = np.floor(position).astype(np.intp) % self.fft_size
        self._upper = (self._lower + 1) % self.fft_size
        self._upper_share = (position - np.floor(position)).astype(np.float32)

    def on_grid(self, power: Float32Array) -> Float32Array:
        """FFT-order power `(..., fft bins)` to the velocity grid `(..., bins)`."""
        lower, upper = power[..., self._lower], power[..., self._upper]
        return lower + (upper - lower) * self._upper_share

    def reset(self) -> None:
        """Start afresh: the next frame comes when a whole window is there."""
        self._buffer: Complex64Array | None = None  # (channels, samples), at most a window before the new
        self._end_sample = 0
        self._faults = Fault(0)

    def process(self, block: BasebandBlock) -> list[SpectrumBlock]:
        """Baseband in, finished frames out (none, one or several blocks of frames)."""
        self._append(block)
        blocks = []
        while (block_of_frames := self._next_frames()) is not None:
            blocks.append(block_of_frames)
        return blocks

    def _append(self, block: BasebandBlock) -> None:
        new = block.samples.T
        if self._buffer is not None and block.first_sample != self._end_sample:
            self._buffer, self._faults = None, self._faults | Fault.DROPPED_SAMPLES
        self._faults |= block.faults
        old = self._buffer
        self._buffer = np.ascontiguousarray(new) if old is None else np.concatenate((old, new), axis=1)
        self._end_sample = block.first_sample + new.shape[1]

    def _next_frames(self) -> SpectrumBlock | None:
        assert self._buffer is not None
        N, H = self.window_samples, self.hop_samples
        channels, have = self._buffer.shape
        frames = min((have - N) // H + 1, MOST_HOPS_AT_ONCE) if have >= N else 0
        if frames < 1:
            return None
        first_end = self._end_sample - have + N
        windows = np.lib.stride_tricks.sliding_window_view(self._buffer, N, axis=1)[:, : frames * H : H]
        moving, carrier = self._clutter.remove(windows.swapaxes(0, 1))
        spectrum = scipy.fft.fft(moving * self._window, self.fft_size, axis=-1, overwrite_x=True)
        power = (spectrum.real**2 + spectrum.imag**2) * self._scale
        step = self._largest_step(self._buffer[:, : N + (frames - 1) * H], frames)
        self._buffer = self._buffer[:, frames * H :]
        faults = np.zeros(frames, dtype=np.int64)
        faults[0], self._faults = int(self._faults), Fault(0)
        ends = first_end + H * np.arange(frames, dtype=np.int64)
        return SpectrumBlock(power, carrier, step, ends, faults)

    def _largest_step(self, used: Complex64Array, frames: int) -> Float32Array:
        """Largest lasting jump in the newest hop of every frame, (frames, channels); 0 for none.

        Motion near the microphone changes the baseband as much as a gap does, but all through the hop;
        a click is as short, but afterwards everything is as before.
        """
        newest = used[:, -(frames * self.hop_samples + self._span) :]
        change = np.abs(newest[:, self._span :] - newest[:, : -self._span])
        # a first window shorter than hop + span leaves less: pad in front with no change
        missing = frames * self.hop_samples - change.shape[1]
        if missing > 0:
            change = np.pad(change, ((0, 0), (missing, 0)))
            newest = np.pad(newest, ((0, 0), (missing, 0)), mode="edge")
        by_hop = change.reshape(len(change), frames, self.hop_samples)
        largest = by_hop.max(axis=2)
        lone = by_hop.mean(axis=2) < 0.2 * largest
        for channel, frame in np.argwhere(lone):
            at = frame * self.hop_samples + int(by_hop[channel, frame].argmax())
            before = newest[channel, max(0, at - 4 * self._span) : at + 1].mean()
            after = newest[channel, at + self._span : at + 5 * self._span].mean()
            largest[channel, frame] = abs(after - before)
        return np.asarray(np.where(lone, largest, 0.0).T, dtype=np.float32)
