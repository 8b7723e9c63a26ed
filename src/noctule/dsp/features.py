"""The order of the stages: audio to features. Every road goes through here (live, replay, training, C).

audio check -> downconvert -> window and clutter -> Doppler power -> floors and quality -> features
"""

from __future__ import annotations

import math

import numpy as np

from noctule.core.frames import BLOCKING_FAULTS, AudioBlock, BasebandBlock, Fault, FeatureBlock, Float32Array
from noctule.core.settings import FeatureSettings
from noctule.core.units import SPEED_OF_SOUND_MPS
from noctule.dsp.doppler import DopplerSpectrum, SpectrumBlock
from noctule.dsp.downconvert import Downconverter, plan_decimation
from noctule.dsp.floor import FloorShape, WhiteNoise
from noctule.dsp.quality import AudioCheck, FrameQuality, QualityMonitor

#: A steady foreign tone stands so far over its neighbourhood on the floor.
INTERFERENCE_DB = 12.0


class FeatureExtractor:
    """Streaming features of one carrier on one to eight microphones.

    Feed either audio (`process`) or recorded baseband (`process_baseband`), not both. Any block size
    gives the same frames.

    Parameters
    ----------
    sample_rate_hz : of the audio, or None when baseband is fed.
    baseband_rate_hz : of the recording when baseband is fed.

    Attributes
    ----------
    latency_s : from a sample's arrival to the frame that uses it, at most: low-pass, decimation step
        and hop. The window (`window_s`) is not in it.
    """

    def __init__(
        self,
        settings: FeatureSettings,
        *,
        carrier_hz: float,
        channels: int,
        sample_rate_hz: float | None = None,
        baseband_rate_hz: float | None = None,
    ) -> None:
        self.carrier_hz = carrier_hz
        self.channels = channels
        self._down: Downconverter | None = None
        pass_edge_hz = None
        if sample_rate_hz is not None:
            plan = plan_decimation(sample_rate_hz, carrier_hz, settings)
            self._down = Downconverter(
                sample_rate_hz=sample_rate_hz, carrier_hz=carrier_hz, channels=channels, settings=settings
            )
            self._check = AudioCheck(channels, sample_rate_hz)
            baseband_rate_hz, pass_edge_hz = plan.baseband_rate_hz, plan.pass_edge_hz
        if baseband_rate_hz is None:
            raise ValueError("either sample_rate_hz or baseband_rate_hz is needed")
        self._doppler = DopplerSpectrum(
            baseband_rate_hz=baseband_rate_hz,
            carrier_hz=carrier_hz,
            settings=settings,
            sample_rate_hz=sample_rate_hz,
            pass_edge_hz=pass_edge_hz,
        )
        self._baseband_rate_hz = baseband_rate_hz
        self._velocity_max_mps = settings.velocity_max_mps
        self.velocity_mps = self._doppler.velocity_mps
        self.valid_bins = self._doppler.valid_bins
        self.hop_s = self._doppler.hop_samples / baseband_rate_hz
        self.window_s = self._doppler.window_samples / baseband_rate_hz
        filter_s = self._down.plan.latency_s + self._down.step_samples / sample_rate_hz if sample_rate_hz and self._down else 0.0
        self.latency_s = self.hop_s + filter_s
        self.reset()

    def reset(self) -> None:
        """Forget the room: after a device loss everything may be different."""
        if self._down is not None:
            self._down.reset()
        self._doppler.reset()
        self._white = WhiteNoise(self._fft_velocity(), self._fft_valid(), self._velocity_max_mps)
        self._shape = FloorShape(self.hop_s)
        window_hops = math.ceil(self._doppler.window_samples / self._doppler.hop_samples) + 1
        self._quality = QualityMonitor(
            channels=self.channels,
            hop_s=self.hop_s,
            window_hops=window_hops,
            baseband_rate_hz=self._baseband_rate_hz,
        )
        self._frames_seen = 0
        self._blocked = False
        self._no_power = np.zeros(len(self.velocity_mps), dtype=np.float32)
        self._interference = Fault(0)
        self._audio_fault = Fault(0)

    def _fft_velocity(self) -> Float32Array:
        hz = np.fft.fftfreq(self._doppler.fft_size, 1.0 / self._baseband_rate_hz)
        return (hz * SPEED_OF_SOUND_MPS / (2.0 * self.carrier_hz)).astype(np.float32)

    def _fft_valid(self) -> np.ndarray:
        velocity = self._fft_velocity()
        grid, valid = self.velocity_mps, self.valid_bins
        highest = grid[valid].max()
        return (velocity <= highest) & (velocity >= grid[valid].min())

    def process(self, block: AudioBlock) -> FeatureBlock:
        """Audio in, the frames it completed out (often none)."""
        assert self._down is not None, "this extractor was made for baseband"
        block, fault = self._check.check(block)
        baseband = self._down.process(block)
        self._audio_fault |= fault
        if not len(baseband.samples):
            return self._gather([])
        faults, self._audio_fault = baseband.faults | self._audio_fault, Fault(0)
        return self.process_baseband(
            BasebandBlock(baseband.samples, baseband.sample_rate_hz, baseband.carrier_hz, baseband.first_sample, faults)
        )

    def process_baseband(self, block: BasebandBlock) -> FeatureBlock:
        """Recorded baseband in, the frames it completed out."""
        rows = []
        for spectra in self._doppler.process(block):
            rows += [self._frame(spectra, i) for i in range(len(spectra))]
        return self._gather(rows)

    def _frame(self, spectra: SpectrumBlock, i: int) -> tuple[float, Float32Array, float, FrameQuality]:
        power = spectra.power[i]
        rise = self._white.update(power)
        noise = self._white.level
        assert noise is not None
        quality = self._quality.update(
            spectra.carrier[i], spectra.step[i], noise, rise * noise, Fault(int(spectra.faults[i]))
        )
        if quality.gain_moved != 1.0:
            self._white.level = noise = (noise * quality.gain_moved).astype(np.float32)
        time_s = float(spectra.end_sample[i] / self._baseband_rate_hz)
        if quality.fault & BLOCKING_FAULTS:
            self._blocked = True
            return time_s, self._no_power, 0.0, quality
        if self._blocked:  # what the floors learnt beside or across the fault is not this room
            self._blocked = False
            self._white.level = None
            self._white.update(power)
            noise, rise = self._white.level, np.ones_like(rise)
            self._shape.reset()
        # each microphone in units of its own noise, dead ones left out
        weight = quality.live / noise
        combined = self._doppler.on_grid((weight / max(1, quality.live.sum())).astype(np.float32) @ power)
        shape = self._shape.update(combined)
        if self._frames_seen % 25 == 0:
            self._interference = self._look_for_tones(shape)
        self._frames_seen += 1
        log_power_db = 10.0 * np.log10(combined / shape + np.float32(1e-6))
        broadband_db = max(0.0, 10.0 * math.log10(float(np.median(rise)) + 1e-9))
        return time_s, log_power_db, broadband_db, quality

    def _look_for_tones(self, shape: Float32Array) -> Fault:
        """A narrow line on the slow floor away from the carrier: another emitter, a switching supply."""
        db = 10.0 * np.log10(shape)
        around = np.median(np.lib.stride_tricks.sliding_window_view(np.pad(db, 10, mode="edge"), 21), axis=1)
        line = (db - around > INTERFERENCE_DB) & (np.abs(self.velocity_mps) > 0.5) & self.valid_bins
        return Fault.INTERFERENCE if line.any() else Fault(0)

    def _gather(self, rows: list[tuple[float, Float32Array, float, FrameQuality]]) -> FeatureBlock:
        bins = len(self.velocity_mps)
        power = np.array([r[1] for r in rows], dtype=np.float32).reshape(len(rows), bins)
        power[:, ~self.valid_bins] = 0.0
        return FeatureBlock(
            time_s=np.array([r[0] for r in rows], dtype=np.float64),
            log_power_db=power,
            velocity_mps=self.velocity_mps,
            valid_bins=self.valid_bins,
            broadband_db=np.array([r[2] for r in rows], dtype=np.float32),
            carrier_level_dbfs=np.array([r[3].carrier_level_dbfs for r in rows], dtype=np.float32),
            carrier_snr_db=np.array([r[3].carrier_snr_db for r in rows], dtype=np.float32),
            faults=np.array([int(r[3].fault | self._interference) for r in rows], dtype=np.int64),
            carrier_hz=self.carrier_hz,
        )
