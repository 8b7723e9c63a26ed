"""What is wrong with the signal, said while it is wrong.

Faults are values that ride with the data (core.frames.Fault): the tracker falls silent on the
blocking ones, the health page shows the rest. Every limit stands next to its reason.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from noctule.core.frames import AudioBlock, BoolArray, Complex64Array, Fault, Float32Array

#: 16-bit full scale is 0.99997; twice in one block is not chance.
CLIP_LEVEL = 0.9995
#: Digital silence for so long is a dead channel, not a pause of the noise.
DEAD_AFTER_S = 0.25
#: Carrier over the noise in 10 Hz. Noise alone exceeds +9 dB once in an hour of hops; real
#: loudspeakers give 45-70 dB (shared recordings), below 12 dB nothing of a person would be left.
ACQUIRE_SNR_DB, LOSE_SNR_DB = 20.0, 12.0
#: A gap turns the carrier by a random angle: 29 degrees or more in 84 of 100 gaps. A hand one
#: hand's width from the microphone changes it by less.
STEP_RATIO = 0.5


class AudioCheck:
    """Looks at raw samples: not a number, clipped, dead channels."""

    def __init__(self, channels: int, sample_rate_hz: float) -> None:
        self._dead_after = DEAD_AFTER_S * sample_rate_hz
        self._constant = np.zeros(channels)
        self._last = np.full(channels, np.nan)

    def check(self, block: AudioBlock) -> tuple[AudioBlock, Fault]:
        """Return the block, made finite where it was not, and the faults it shows."""
        samples = block.samples
        if not len(samples):
            return block, Fault(0)
        highest, lowest = samples.max(axis=0), samples.min(axis=0)
        fault = Fault(0)
        if not np.isfinite(highest - lowest).all():
            fault |= Fault.BAD_SAMPLES
            samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
            highest, lowest = samples.max(axis=0), samples.min(axis=0)
            block = AudioBlock(samples, block.sample_rate_hz, block.first_sample, block.overflowed)
        if max(highest.max(), -lowest.min()) >= CLIP_LEVEL:
            clipped = np.count_nonzero(np.abs(samples) >= CLIP_LEVEL)
            fault |= Fault.CLIPPED if clipped >= 2 else Fault(0)
        constant = highest == lowest
        if constant.any() or self._constant.any():
            goes_on = constant & ((highest == self._last) | (self._constant == 0))
            self._constant = np.where(goes_on, self._constant + len(samples), 0)
            self._last = np.where(constant, highest, np.nan)
            if (self._constant >= self._dead_after).any():
                fault |= Fault.MICROPHONE_DEAD
        return block, fault


@dataclass(frozen=True, slots=True)
class FrameQuality:
    """Verdict on one frame. `gain_moved` is the power factor by which everything just moved."""

    fault: Fault
    live: BoolArray
    carrier_level_dbfs: float
    carrier_snr_db: float
    gain_moved: float = 1.0


class QualityMonitor:
    """Follows carrier, noise and phase of every microphone from hop to hop."""

    def __init__(self, *, channels: int, hop_s: float, window_hops: int, baseband_rate_hz: float) -> None:
        self._hop_s = hop_s
        self._window_hops = window_hops
        self._channels = channels
        self._noise_in_10_hz = 10.0 / baseband_rate_hz
        self.reset()

    def reset(self) -> None:
        self._heard = False
        self._present = np.zeros(self._channels, dtype=bool)
        self._steady_hops = 0
        self._away = True
        self._frames = 0
        self._holds: dict[Fault, int] = {}
        self._carrier: Complex64Array | None = None
        self._turning_hz = 0.0
        self._gain = _GainWatch(self._hop_s)
        self._reference_db: npt.NDArray[np.float64] | None = None
        self._covered_hops = np.zeros(self._channels)

    def update(
        self, carrier: Complex64Array, step: Float32Array, noise: Float32Array, noise_now: Float32Array, fault: Fault
    ) -> FrameQuality:
        """Judge one frame.

        Parameters
        ----------
        carrier, step : (channels,) as in `SpectrumBlock`.
        noise, noise_now : (channels,) white noise variance of the baseband, tracked and this frame's.
        fault : what the audio of this hop already showed.
        """
        amplitude = np.abs(carrier).astype(np.float64)
        level_db = 20.0 * np.log10(2.0 * amplitude + 1e-12)
        snr_db = 10.0 * np.log10((amplitude**2 + 1e-30) / (noise * self._noise_in_10_hz + 1e-30))
        self._present = snr_db > np.where(self._present, LOSE_SNR_DB, ACQUIRE_SNR_DB)
        self._hold(fault & (Fault.DROPPED_SAMPLES | Fault.BAD_SAMPLES), self._window_hops)
        self._hold(fault & (Fault.CLIPPED | Fault.MICROPHONE_DEAD), self._window_hops)
        heard_now = bool(self._present.any())
        gain_moved = 1.0
        if heard_now:
            if self._jumped(amplitude, step, noise):
                self._hold(Fault.DROPPED_SAMPLES, self._window_hops)
                self._steady_hops = 0
            best = int(np.argmax(snr_db))
            self._watch_clock(carrier[best])
            gain_moved = self._watch_gain(level_db[best], noise_now[best], noise[best])
            self._watch_microphones(level_db)
        result = self._watch_carrier(heard_now) | self._held()
        live = self._present if heard_now else np.ones(self._channels, dtype=bool)
        best_snr = float(snr_db.max())
        self._carrier = carrier
        self._frames += 1
        return FrameQuality(result, live, float(level_db[int(np.argmax(snr_db))]), best_snr, gain_moved)

    def _watch_carrier(self, heard_now: bool) -> Fault:
        """Missing, lost, back: back only when a whole window of it has been steady."""
        if not heard_now:
            if not self._away:
                self._gain, self._reference_db = _GainWatch(self._hop_s), None
            self._steady_hops, self._away = 0, True
            return Fault.CARRIER_LOST if self._heard else Fault.CARRIER_MISSING
        self._steady_hops += 1
        # a recording that begins with the carrier on has nothing to wait for
        if self._away and self._steady_hops <= self._window_hops and self._frames >= self._steady_hops:
            return Fault.CARRIER_LOST if self._heard else Fault.CARRIER_MISSING
        self._away, self._heard = False, True
        return Fault(0)

    def _jumped(self, amplitude: npt.NDArray[np.float64], step: Float32Array, noise: Float32Array) -> bool:
        # 8 sigma of the noise's own differences, so that weak carriers do not jump by themselves
        limit = STEP_RATIO * amplitude + 8.0 * np.sqrt(noise)
        return bool((step > limit)[self._present].all())

    def _watch_clock(self, carrier: np.complex64) -> None:
        if self._carrier is not None:
            before = self._carrier[int(np.argmax(np.abs(self._carrier)))]
            turned = float(np.angle(carrier * np.conj(before))) if abs(before) > 0 else 0.0
            hz = turned / (2.0 * np.pi * self._hop_s)
            self._turning_hz += min(1.0, self._hop_s / 0.3) * (hz - self._turning_hz)
            # two free clocks differ by 50 ppm at most: 2 Hz at 40 kHz
            if abs(self._turning_hz) > 3.0:
                self._hold(Fault.CLOCK_SLEWING, self._window_hops)

    def _watch_gain(self, level_db: float, noise_now: float, noise: float) -> float:
        moved_db, driven = self._gain.update(level_db, 10.0 * np.log10(noise_now + 1e-30))
        if driven:
            self._hold(Fault.AGC_SUSPECTED, round(5.0 / self._hop_s))
        if moved_db == 0.0:
            return 1.0
        self._hold(Fault.GAIN_MOVED, round(1.0 / self._hop_s))
        # the tracked noise follows at once, but only as far as it has not followed yet
        return float(np.clip(noise_now / noise, 0.01, 100.0))

    def _watch_microphones(self, level_db: npt.NDArray[np.float64]) -> None:
        """One far below its own past while another is not: covered. Not heard at all: dead."""
        if self._reference_db is None:
            self._reference_db = level_db.copy()
        drop = self._reference_db - level_db
        covered = drop > 15.0
        self._covered_hops = np.where(covered, self._covered_hops + 1, 0)
        follow = np.where(covered, 0.0, self._hop_s / 10.0)
        self._reference_db = self._reference_db + follow * (level_db - self._reference_db)
        if (self._covered_hops * self._hop_s > 1.0).any():
            self._hold(Fault.MICROPHONE_COVERED, 1)
        if not self._present.all() and self._steady_hops > self._window_hops and not covered.any():
            self._hold(Fault.MICROPHONE_DEAD, 1)

    def _hold(self, fault: Fault, hops: int) -> None:
        if fault:
            self._holds[fault] = max(self._holds.get(fault, 0), hops)

    def _held(self) -> Fault:
        result = Fault(0)
        for fault, hops in list(self._holds.items()):
            result |= fault
            if hops <= 1:
                del self._holds[fault]
            else:
                self._holds[fault] = hops - 1
        return result


class _GainWatch:
    """Carrier and noise that move together have one cause: the gain between room and samples."""

    def __init__(self, hop_s: float) -> None:
        self._lag = round(0.4 / hop_s)  # compare with so long ago
        self._settle = max(2, round(0.2 / hop_s))
        self._history: deque[tuple[float, float]] = deque(maxlen=self._lag + self._settle)
        self._since_move = 0
        self._coarse_every = round(0.5 / hop_s)
        self._coarse: deque[tuple[float, float]] = deque(maxlen=20)  # ten seconds
        self._frames = 0

    def update(self, level_db: float, noise_db: float) -> tuple[float, bool]:
        """Return (dB moved in a step just now or 0, gain is being driven over seconds)."""
        self._history.append((level_db, noise_db))
        self._frames += 1
        self._since_move += 1
        moved = self._step() if len(self._history) == self._history.maxlen else 0.0
        if moved:
            self._since_move = 0
        return moved, self._driven()

    def _step(self) -> float:
        """A step between two plateaus; a mover near by changes the carrier too, but has no plateaus."""
        if self._since_move < self._lag + self._settle:
            return 0.0
        values = np.array(self._history)
        then, now = values[: self._settle], values[-self._settle :]
        level, noise = now.mean(axis=0) - then.mean(axis=0)
        if abs(level) < 2.0 or abs(level - noise) > max(1.5, 0.25 * abs(level)):
            return 0.0
        # one hop's noise is known to about 0.6 dB
        unrest = np.maximum(np.ptp(then, axis=0), np.ptp(now, axis=0))
        return float(level) if unrest[0] < 0.5 and unrest[1] < 3.0 else 0.0

    def _driven(self) -> bool:
        """Ten seconds in which level and noise wander by more than 3 dB, hand in hand."""
        if self._frames % self._coarse_every:
            return False
        values = list(self._history)
        self._coarse.append((sum(v[0] for v in values) / len(values), sum(v[1] for v in values) / len(values)))
        if len(self._coarse) < 6:
            return False
        level, noise = np.array(self._coarse).T
        if np.ptp(level) < 3.0 or np.ptp(noise) < 2.0:
            return False
        slope = np.polyfit(level, noise, 1)[0]
        moves = np.count_nonzero(np.abs(np.diff(level)) > 0.4)
        return bool(np.corrcoef(level, noise)[0, 1] > 0.9 and 0.6 < slope < 1.5 and moves >= 3)
