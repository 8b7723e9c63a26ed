"""What is wrong with the signal, said while it is wrong.

Faults are values that ride with the data (core.frames.Fault): the tracker falls silent on the
blocking ones, the health page shows the rest. Every limit stands next to its reason.
"""

from __future__ import annotations

import cmath
import math
from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from numba import njit

from noctule.core.frames import AudioBlock, Fault, IntArray

#: 16-bit full scale is 0.99997.
CLIP_LEVEL = 0.9995
#: Digital silence for so long is a dead channel, not a pause of the noise.
DEAD_AFTER_S = 0.25
#: A fault that goes on is said so often: a tenth of a hop.
SHOWN_EVERY_S = 0.004
#: Carrier over the noise in 10 Hz. Noise alone exceeds +9 dB once in an hour of hops; real
#: loudspeakers give 45-70 dB (shared recordings), below 12 dB nothing of a person would be left.
ACQUIRE_SNR_DB, LOSE_SNR_DB = 20.0, 12.0
#: A carrier is a line: it stands so far over what is directly beside it. Music at the carrier's place
#: does not (noise exceeds +9 dB once in an hour of hops); the strongest hand in the shared recordings
#: leaves 21 dB.
LINE_DB, LOSE_LINE_DB = 16.0, 8.0
#: An emitter that has come up is steady; music at its place is not.
STEADY_DB = 3.0
#: A loud key or clap can hide a carrier; it is gone when it stays away longer than the window rings.
LOST_AFTER_S = 0.2
#: A gap turns the carrier by a random angle: 23 degrees or more in 87 of 100 gaps, and by 30 degrees
#: at least, if at all, where carrier and rate are as 5 to 12 (20 kHz at 48, 40 kHz at 96).
STEP_RATIO = 0.4
#: Two free clocks differ by 50 ppm at most: 2 Hz at 40 kHz. Faster is a resampler at work.
SLEWING_HZ = 3.0
#: A hand over a microphone takes 15 dB and more; posture and furniture take less.
COVERED_DB = 15.0

_NONE = Fault(0)
# enumerations are slow to combine; inside the frame loop faults are bits
_CARRIER_MISSING, _CARRIER_LOST = int(Fault.CARRIER_MISSING), int(Fault.CARRIER_LOST)
_DROPPED_SAMPLES, _CLOCK_SLEWING = int(Fault.DROPPED_SAMPLES), int(Fault.CLOCK_SLEWING)
_GAIN_MOVED, _AGC_SUSPECTED = int(Fault.GAIN_MOVED), int(Fault.AGC_SUSPECTED)
_MICROPHONE_DEAD, _MICROPHONE_COVERED = int(Fault.MICROPHONE_DEAD), int(Fault.MICROPHONE_COVERED)
_HELD_FROM_AUDIO = (_DROPPED_SAMPLES, int(Fault.BAD_SAMPLES), int(Fault.CLIPPED), _MICROPHONE_DEAD)


class AudioCheck:
    """Looks at raw samples: not a number, clipped, dead channels.

    Clean blocks cost one quick pass; only where something shows is every sample looked at, so
    that a fault is found at the same sample whatever the block size.
    """

    def __init__(self, channels: int, sample_rate_hz: float) -> None:
        self._dead_after = round(DEAD_AFTER_S * sample_rate_hz)
        # how often the last value of each channel has come in a row
        self._last = np.full(channels, np.nan, dtype=np.float32)
        self._run = np.ones(channels, dtype=np.int64)
        # a kind of fault is shown again only after a while: how many samples that is away
        self._again_after = round(SHOWN_EVERY_S * sample_rate_hz)
        self._again_in = np.zeros(len(_SHOWN), dtype=np.int64)
        self._scanning = False

    def check(self, block: AudioBlock) -> tuple[AudioBlock, list[tuple[IntArray, Fault]]]:
        """Return the block, made finite where it was not, and where each fault shows in the stream."""
        samples = block.samples
        if not samples.size:
            return block, []
        suspects, repeats = _glance(samples.reshape(-1), samples.shape[1])
        # a silence of the length looked for fills blocks or lasts to their end, unless they are longer
        may_repeat = repeats or len(samples) > self._dead_after
        if not (suspects or may_repeat or self._scanning):
            self._last = samples[-1]
            return block, []
        shown = np.zeros(len(samples), dtype=np.uint8)
        self._last = self._last.copy()
        _scan(
            np.ascontiguousarray(samples),
            self._dead_after,
            self._again_after,
            self._last,
            self._run,
            self._again_in,
            shown,
        )
        self._scanning = bool((self._run > 1).any() or self._again_in.any())
        if suspects and not np.isfinite(samples).all():
            block = replace(block, samples=np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0))
        where = ((np.flatnonzero(shown & (1 << i)), fault) for i, fault in enumerate(_SHOWN))
        return block, [(block.first_sample + at, fault) for at, fault in where if len(at)]


_SHOWN = (Fault.BAD_SAMPLES, Fault.CLIPPED, Fault.MICROPHONE_DEAD)
_MAGNITUDE = np.uint32(0x7FFFFFFF)
_CLIP_BITS = np.float32(CLIP_LEVEL).view(np.uint32)


@njit(cache=True)
def _glance(samples, channels):  # type: ignore[no-untyped-def]
    """Whether any sample is clipped or not a number, and whether any channel ends with the same value twice.

    Without their sign, floats are in the order of their bits, what is not a number above all: so the loop
    vectorises.
    """
    highest = np.uint32(0)
    for bits in samples.view(np.uint32):
        highest = max(highest, np.uint32(bits & _MAGNITUDE))
    repeats = len(samples) < 2 * channels
    for n in range(len(samples) - channels, len(samples)):
        repeats |= samples[n] == samples[n - channels]
    return highest >= _CLIP_BITS, repeats


@njit(cache=True)
def _scan(samples, dead_after, again_after, last, run, again_in, shown):  # type: ignore[no-untyped-def]
    """Bits of what each sample shows (see `_SHOWN`), on any microphone."""
    for n in range(samples.shape[0]):
        bad, clipped, dead = False, False, False
        for c in range(samples.shape[1]):
            x = samples[n, c]
            bad |= not np.isfinite(x)
            clipped |= np.isfinite(x) and abs(x) >= np.float32(CLIP_LEVEL)
            run[c] = run[c] + 1 if x == last[c] else 1
            last[c] = x
            dead |= run[c] >= dead_after
        for i, here in enumerate((bad, clipped, dead)):
            if again_in[i] > 0:
                again_in[i] -= 1
            elif here:
                shown[n] |= 1 << i
                again_in[i] = again_after


@dataclass(frozen=True, slots=True)
class FrameQuality:
    """Verdict on one frame.

    Attributes
    ----------
    fault : `Fault` bits.
    live : (channels,) True for microphones that hear the carrier (all, where none does).
    gain_moved : power factor by which everything just moved, 1 mostly.
    """

    fault: int
    live: list[bool]
    carrier_level_dbfs: float
    carrier_snr_db: float
    gain_moved: float = 1.0


class QualityMonitor:
    """Follows carrier, noise and phase of every microphone from hop to hop.

    A handful of numbers a frame: plain floats and bits are quicker here than arrays and enumerations.
    """

    def __init__(
        self, *, channels: int, hop_s: float, window_hops: int, baseband_rate_hz: float, line_gain: float
    ) -> None:
        self._hop_s = hop_s
        self._window_hops = window_hops
        self._channels = channels
        self._noise_in_10_hz = 10.0 / baseband_rate_hz
        self._line_ratio = 10.0 ** (LINE_DB / 10.0) / line_gain
        self._lose_line_ratio = 10.0 ** (LOSE_LINE_DB / 10.0) / line_gain
        self._lost_after_hops = max(1, round(LOST_AFTER_S / hop_s))
        self._turning_share = min(1.0, hop_s / 0.3)
        self.reset()

    def reset(self) -> None:
        self._heard = False
        self._present = [False] * self._channels
        self._steady_hops = 0
        self._absent_hops = 0
        self._level_db = 0.0  # where it has been steady since
        self._away = True
        self._frames = 0
        self._holds: dict[int, int] = {}
        self._carrier: list[complex] = [0j] * self._channels
        self._turning_hz = 0.0
        self._gain = _GainWatch(self._hop_s)
        self._reference_db: list[float] = []
        self._covered_hops = [0] * self._channels

    def update(
        self,
        carrier: list[complex],
        step: list[float],
        noise: list[float],
        noise_now: list[float],
        beside: list[float],
        fault: int,
    ) -> FrameQuality:
        """Judge one frame.

        Parameters
        ----------
        carrier, step : one a microphone, as in `SpectrumBlock`.
        noise, noise_now : white noise variance of the baseband, tracked and this frame's.
        beside : power directly beside the carrier, the quieter side.
        fault : bits of what the audio of this hop already showed.
        """
        power = [c.real * c.real + c.imag * c.imag + 1e-30 for c in carrier]
        snr_db = [
            10.0 * math.log10(p / (n * self._noise_in_10_hz)) for p, n in zip(power, noise, strict=True)
        ]
        self._present = [
            (snr > LOSE_SNR_DB and p > self._lose_line_ratio * near)
            if was and not self._away
            else (snr > ACQUIRE_SNR_DB and p > self._line_ratio * near)
            for snr, was, p, near in zip(snr_db, self._present, power, beside, strict=True)
        ]
        level_db = [10.0 * math.log10(4.0 * p) for p in power]
        best = max(range(self._channels), key=snr_db.__getitem__)
        if fault:
            for one in _HELD_FROM_AUDIO:
                self._hold(fault & one, self._window_hops)
        heard_now = any(self._present)
        gain_moved = 1.0
        # also while it is hidden for a moment: the edge of its return is no motion
        if (heard_now or not self._away) and any(step) and self._jumped(power, step, noise):
            self._hold(_DROPPED_SAMPLES, self._window_hops)
            self._steady_hops = 0
        if heard_now:
            self._watch_clock(carrier[best], best)
            gain_moved = self._watch_gain(level_db[best], noise_now[best], noise[best])
            self._watch_microphones(level_db)
        result = self._watch_carrier(heard_now, level_db[best])
        if self._holds:
            result |= self._held()
        self._carrier = carrier
        self._frames += 1
        live = self._present if heard_now else [True] * self._channels
        return FrameQuality(result, live, level_db[best], snr_db[best], gain_moved)

    def _watch_carrier(self, heard_now: bool, level_db: float) -> int:
        """Missing, lost, back: back only when a whole window of it has been steady."""
        if not heard_now:
            self._absent_hops += 1
            if self._absent_hops >= self._lost_after_hops and not self._away:
                # whoever turns it on again may have turned everything
                self._away, self._gain, self._reference_db = True, _GainWatch(self._hop_s), []
            self._steady_hops = 0
            return _CARRIER_LOST if self._heard else _CARRIER_MISSING
        self._absent_hops = 0
        if self._away and self._steady_hops and abs(level_db - self._level_db) > STEADY_DB:
            self._steady_hops = 0
        self._steady_hops += 1
        if self._steady_hops == 1:
            self._level_db = level_db
        # a recording that begins with the carrier on has nothing to wait for
        if self._away and self._steady_hops <= self._window_hops and self._frames >= self._steady_hops:
            return _CARRIER_LOST if self._heard else _CARRIER_MISSING
        self._away, self._heard = False, True
        return 0

    def _jumped(self, power: list[float], step: list[float], noise: list[float]) -> bool:
        # 8 sigma of the noise's own differences, so that weak carriers do not jump by themselves
        hidden = not any(self._present)
        return all(
            s > STEP_RATIO * math.sqrt(p) + 8.0 * math.sqrt(n)
            for s, p, n, present in zip(step, power, noise, self._present, strict=True)
            if present or hidden
        )

    def _watch_clock(self, carrier: complex, microphone: int) -> None:
        turned = cmath.phase(carrier * self._carrier[microphone].conjugate())
        hz = turned / (2.0 * math.pi * self._hop_s)
        self._turning_hz += self._turning_share * (hz - self._turning_hz)
        if abs(self._turning_hz) > SLEWING_HZ:
            self._hold(_CLOCK_SLEWING, self._window_hops)

    def _watch_gain(self, level_db: float, noise_now: float, noise: float) -> float:
        moved, driven = self._gain.update(level_db, 10.0 * math.log10(noise_now))
        if driven:
            self._hold(_AGC_SUSPECTED, round(5.0 / self._hop_s))
        if not moved:
            return 1.0
        self._hold(_GAIN_MOVED, round(1.0 / self._hop_s))
        # the tracked noise follows at once, but only as far as it has not followed yet
        return min(max(noise_now / noise, 0.01), 100.0)

    def _watch_microphones(self, level_db: list[float]) -> None:
        """One far below its own past while another is not: covered. Not heard at all: dead."""
        if not self._reference_db:
            self._reference_db = list(level_db)
        drops_db = [was - now for was, now in zip(self._reference_db, level_db, strict=True)]
        # what all of them lost, the loudspeaker took
        common_db = max(0.0, min(drops_db)) if len(drops_db) > 1 else 0.0
        for i, drop_db in enumerate(drops_db):
            if drop_db - common_db > COVERED_DB:
                self._covered_hops[i] += 1
                if self._covered_hops[i] * self._hop_s > 1.0:
                    self._hold(_MICROPHONE_COVERED, 1)
            else:
                self._covered_hops[i] = 0
                self._reference_db[i] -= self._hop_s / 10.0 * drop_db
                if not self._present[i] and self._steady_hops > self._window_hops:
                    self._hold(_MICROPHONE_DEAD, 1)

    def _hold(self, fault: int, hops: int) -> None:
        if fault:
            self._holds[fault] = max(self._holds.get(fault, 0), hops)

    def _held(self) -> int:
        result = 0
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

    def update(self, level_db: float, noise_db: float) -> tuple[bool, bool]:
        """Return (moved in a step just now, is being driven over seconds)."""
        self._history.append((level_db, noise_db))
        self._frames += 1
        self._since_move += 1
        moved = abs(level_db - self._history[0][0]) > 1.5 and self._stepped()
        if moved:
            self._since_move = 0
        return moved, self._frames % self._coarse_every == 0 and self._driven()

    def _stepped(self) -> bool:
        """A step between two plateaus; a mover near by changes the carrier too, but has no plateaus."""
        if self._since_move < self._lag + self._settle or len(self._history) < (self._history.maxlen or 0):
            return False
        values = np.array(self._history)
        then, now = values[: self._settle], values[-self._settle :]
        level, noise = now.mean(axis=0) - then.mean(axis=0)
        if abs(level) < 2.0 or abs(level - noise) > max(1.5, 0.25 * abs(level)):
            return False
        # one hop's noise is known to about 0.6 dB
        unrest = np.maximum(np.ptp(then, axis=0), np.ptp(now, axis=0))
        return bool(unrest[0] < 0.5 and unrest[1] < 3.0)

    def _driven(self) -> bool:
        """Ten seconds in which level and noise wander by more than 3 dB, hand in hand."""
        values = list(self._history)
        self._coarse.append(
            (sum(v[0] for v in values) / len(values), sum(v[1] for v in values) / len(values))
        )
        if len(self._coarse) < 6:
            return False
        level, noise = np.array(self._coarse).T
        if np.ptp(level) < 3.0 or np.ptp(noise) < 2.0:
            return False
        slope = np.polyfit(level, noise, 1)[0]
        moves = np.count_nonzero(np.abs(np.diff(level)) > 0.4)
        return bool(np.corrcoef(level, noise)[0, 1] > 0.9 and 0.6 < slope < 1.5 and moves >= 3)
