"""The order of the stages: audio to features. Every road goes through here (live, replay, training, C).

front end (check, downconvert) -> window and clutter -> Doppler spectrum -> distortion taken off its power
-> floors and quality -> features
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from noctule.core.frames import (
    BLOCKING_FAULTS,
    AudioBlock,
    BasebandBlock,
    BoolArray,
    Fault,
    FeatureBlock,
    Float32Array,
)
from noctule.core.settings import FeatureSettings
from noctule.core.units import SPEED_OF_SOUND_MPS
from noctule.dsp.distortion import DistortionCanceller
from noctule.dsp.doppler import DopplerSpectrum, SpectrumBlock, read
from noctule.dsp.floor import FloorShape, WhiteNoise, is_lone_line
from noctule.dsp.front_end import FrontEnd
from noctule.dsp.quality import FrameQuality, QualityMonitor

#: After a longer fault the floors start afresh; a gap leaves them as they were.
FORGET_AFTER_S = 0.5

_BLOCKING = int(BLOCKING_FAULTS)
_NO_CARRIER = int(Fault.CARRIER_MISSING | Fault.CARRIER_LOST)
#: So little power is as little as none.
_LOWEST = np.float32(10.0**-1.6)
#: time, log power as it is, without distortion and over what goes on, broadband, dB removed, quality, faults
_Row = tuple[float, Float32Array, Float32Array, Float32Array, float, float, FrameQuality, int]


class FeatureExtractor:
    """Streaming features of one carrier on one to eight microphones.

    Feed either audio (`process`) or recorded baseband (`process_baseband`), not both. Any block size
    gives the same frames.

    Parameters
    ----------
    sample_rate_hz : of the audio, or None when baseband is fed. Also an attribute.
    baseband_rate_hz : of the recording when baseband is fed.

    Attributes
    ----------
    latency_s : from a sample's arrival to the frame that uses it, at most: front end and hop. The
        window (`window_s`) is not in it.
    distortion : what it has learnt of the loudspeaker's distortion.
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
        self.sample_rate_hz = sample_rate_hz
        self._front: FrontEnd | None = None
        pass_edge_hz, front_latency_s = None, 0.0
        if sample_rate_hz is not None:
            self._front = FrontEnd(
                sample_rate_hz=sample_rate_hz, carrier_hz=carrier_hz, channels=channels, settings=settings
            )
            baseband_rate_hz, pass_edge_hz = self._front.baseband_rate_hz, self._front.plan.pass_edge_hz
            front_latency_s = self._front.latency_s
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
        self.latency_s = self.hop_s + front_latency_s
        self._some_invalid = not self.valid_bins.all()
        self.reset()
        self._nothing = self._gather([])

    def reset(self) -> None:
        """Forget the room: after a device loss everything may be different."""
        if self._front is not None:
            self._front.reset()
        self._doppler.reset()
        self._white = WhiteNoise(self._fft_velocity(), self._fft_valid(), self._velocity_max_mps)
        self._shape = FloorShape(self.hop_s, self.velocity_mps)
        self._clean_shape = FloorShape(self.hop_s, self.velocity_mps)
        window_hops = math.ceil(self._doppler.window_samples / self._doppler.hop_samples) + 1
        self._quality = QualityMonitor(
            channels=self.channels,
            hop_s=self.hop_s,
            window_hops=window_hops,
            baseband_rate_hz=self._baseband_rate_hz,
            line_gain=self._doppler.line_gain,
        )
        self.distortion = DistortionCanceller(
            channels=self.channels,
            fft_size=self._doppler.fft_size,
            pairs=self._doppler.pairs,
            hop_s=self.hop_s,
        )
        self._frames_seen = 0
        self._blocked_s = math.inf  # no floor yet
        self._noise_before: list[float] = []
        self._live = [False] * self.channels
        self._no_power = np.zeros(len(self.velocity_mps), dtype=np.float32)
        self._interference = 0

    def _fft_velocity(self) -> Float32Array:
        hz = np.fft.fftfreq(self._doppler.fft_size, 1.0 / self._baseband_rate_hz)
        return (hz * SPEED_OF_SOUND_MPS / (2.0 * self.carrier_hz)).astype(np.float32)

    def _fft_valid(self) -> BoolArray:
        velocity = self._fft_velocity()
        grid, valid = self.velocity_mps, self.valid_bins
        highest = grid[valid].max()
        return np.asarray((velocity <= highest) & (velocity >= grid[valid].min()))

    def process(self, block: AudioBlock) -> FeatureBlock:
        """Audio in, the frames it completed out (often none)."""
        assert self._front is not None, "this extractor was made for baseband"
        rows = [row for baseband in self._front.process(block) for row in self._rows(baseband)]
        return self._gather(rows) if rows else self._nothing

    def process_baseband(self, block: BasebandBlock) -> FeatureBlock:
        """Recorded baseband in, the frames it completed out."""
        rows = self._rows(block)
        return self._gather(rows) if rows else self._nothing

    def _rows(self, block: BasebandBlock) -> list[_Row]:
        return [self._frame(s, i) for s in self._doppler.process(block) for i in range(len(s))]

    def _frame(self, spectra: SpectrumBlock, i: int) -> _Row:
        power = spectra.power[i]
        noise_before = self._white.level
        noise_now, beside = self._white.update(power, self._live)
        noise = self._white.level
        quality = self._quality.update(
            spectra.carrier[i].tolist(), spectra.step[i].tolist(), noise, noise_now, beside, spectra.faults[i]
        )
        time_s = spectra.end_sample[i] / self._baseband_rate_hz
        if quality.fault & _BLOCKING:
            if self._blocked_s == 0.0:
                self._noise_before = noise_before
            self._blocked_s += self.hop_s
            self._live = quality.live if not quality.fault & _NO_CARRIER else [False] * self.channels
            return time_s, self._no_power, self._no_power, self._no_power, 0.0, 0.0, quality, quality.fault
        blocked_s, self._blocked_s = self._blocked_s, 0.0
        if blocked_s > FORGET_AFTER_S:  # what the floors learnt before, or beside a carrier, is not this room
            self._white.level = noise = noise_now
            self._shape.reset()
            self._clean_shape.reset()
            self.distortion.reset()
        elif blocked_s > 0.0:
            self._white.level = noise = self._noise_before
        self._live = quality.live
        if quality.gain_moved != 1.0:
            self._white.level = noise = [level * quality.gain_moved for level in noise]
        # each microphone in units of its own noise, dead ones left out
        share = 1.0 / sum(quality.live)
        weight = [share * live / level for live, level in zip(quality.live, noise, strict=True)]
        combined = self._doppler.on_grid(power, weight)
        log_power_db = self._shape.refer(combined)
        removed = self.distortion.update(spectra.spectrum[i], spectra.carrier[i], noise, quality.live)
        floor, canceller = self._shape.level, self.distortion
        clean_floor = floor if self._clean_shape.level is None else self._clean_shape.level
        rest, fresh_power_db = _on_grid(
            combined, removed, canceller.tied, floor, clean_floor, canceller.fresh, self._doppler.grid
        )
        clean_power_db = self._clean_shape.refer(rest)
        if self._frames_seen % 25 == 0:
            self._interference = self._look_for_tones()
        self._frames_seen += 1
        rises = sorted(now / level for now, level in zip(noise_now, noise, strict=True))
        rise = rises[len(rises) // 2]
        fault = quality.fault | self._interference
        broadband_db = 10.0 * math.log10(max(1.0, rise))
        powers_db = log_power_db, clean_power_db, fresh_power_db
        return time_s, *powers_db, broadband_db, self.distortion.removed_db, quality, fault

    @property
    def floor(self) -> Float32Array:
        """(bins,) power of the followed floor, without distortion, over the microphones' white noise."""
        level = self._clean_shape.level
        return np.ones(len(self.velocity_mps), dtype=np.float32) if level is None else level.copy()

    def _look_for_tones(self) -> int:
        """A lone line on the slow floor away from the carrier: another emitter, a switching supply."""
        level = self._clean_shape.level  # notes of music are lines too, and no emitters
        assert level is not None
        line = is_lone_line(level) & (np.abs(self.velocity_mps) > 0.5) & self.valid_bins
        return int(Fault.INTERFERENCE) if line.any() else 0

    def _gather(self, rows: list[_Row]) -> FeatureBlock:
        # few arrays and views of them: whatever is done once a frame counts here
        powers = np.array([r[1:4] for r in rows], dtype=np.float32).reshape(-1, 3, len(self.velocity_mps))
        if self._some_invalid:
            powers[:, :, ~self.valid_bins] = 0.0
        numbers = [(*r[4:6], r[6].carrier_level_dbfs, r[6].carrier_snr_db) for r in rows]
        broadband_db, removed_db, carrier_level_dbfs, carrier_snr_db = (
            np.array(numbers, dtype=np.float32).reshape(-1, 4).T
        )
        return FeatureBlock(
            time_s=np.array([r[0] for r in rows], dtype=np.float64),
            log_power_db=powers[:, 0],
            clean_power_db=powers[:, 1],
            fresh_power_db=powers[:, 2],
            velocity_mps=self.velocity_mps,
            valid_bins=self.valid_bins,
            broadband_db=broadband_db,
            removed_db=removed_db,
            carrier_level_dbfs=carrier_level_dbfs,
            carrier_snr_db=carrier_snr_db,
            faults=np.array([r[7] for r in rows], dtype=np.int64),
            carrier_hz=self.carrier_hz,
        )


@njit(cache=True)
def _on_grid(combined, removed, tied, floor, clean_floor, fresh, grid):  # type: ignore[no-untyped-def]
    """What is left on the grid of a power `(bins,)` without what was removed, and in dB what is fresh.

    Where nothing is tied, the floor is that of the power as it is, and what is left counts in its terms.
    Otherwise a skirt that somebody's motion hides from the canceller would stand there like somebody.
    """
    rest, fresh_db = np.empty_like(combined), np.empty_like(combined)
    for i in range(len(combined)):
        rest[i] = max(combined[i] - read(removed, grid, i), np.float32(0))
        if read(tied, grid, i) < np.float32(1) and floor[i] > clean_floor[i]:
            rest[i] *= clean_floor[i] / floor[i]
        fresh_db[i] = np.float32(10.0) * np.log10(max(read(fresh, grid, i), _LOWEST))
    return rest, fresh_db
