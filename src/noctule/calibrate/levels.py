"""The level of a tone that went out against the level that came back, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.signal import correlate

from noctule.calibrate.spectrum import FloatArray, to_db
from noctule.core.errors import NoctuleError
from noctule.core.frames import BoolArray, Float32Array

FRAME_S = 0.05
LOWEST_TONE_HZ = 200.0
#: Alignment looks at levels every 2.5 ms, down to 35 dB below the loudest.
ENVELOPE_S, ENVELOPE_RANGE_DB = 0.0025, 35.0
#: So much of the shorter of the two must lie inside the other.
LEAST_OVERLAP = 0.8
#: With less than this in common, the recording is of something else.
LEAST_LIKENESS = 0.3
#: A frame is steady when its halves differ by less, and when the room does not ring any more from
#: something that was louder by `FALL_DB`.
STEADY_DB, FALL_DB, RINGING_S = 1.5, 6.0, 0.25
#: Softer parts of the stimulus than this are left out.
LEVEL_RANGE_DB = 45.0
FULL_SCALE = 0.985


@dataclass(frozen=True, slots=True)
class LevelTrack:
    """Levels of one tone, in frames of 50 ms of the recording.

    Attributes
    ----------
    input_dbfs : `(frames,)` level of the tone in the stimulus.
    output_dbfs, noise_dbfs : `(frames, microphones)`, the tone and what is 100 to 240 Hz beside it.
    background_db : `(frames, microphones)`, how the noise far from the tone and its harmonics moved.
    steady : `(frames,)`, a tone that hardly changes, and the room does not ring.
    clipped : `(frames, microphones)`.
    delay_s : what was played at stimulus time t is in the recording at t + delay_s.
    """

    tone_hz: float
    delay_s: float
    input_dbfs: FloatArray
    output_dbfs: FloatArray
    noise_dbfs: FloatArray
    background_db: FloatArray
    steady: BoolArray
    clipped: BoolArray


def track_levels(stimulus: Float32Array, recording: Float32Array, sample_rate_hz: float) -> LevelTrack:
    """Align the recording with what was played, and measure both.

    Parameters
    ----------
    stimulus : `(samples,)`, mostly one tone that changes its level; may repeat itself.
    recording : `(samples, microphones)`, of all of it or of a part.

    Raises
    ------
    NoctuleError
        There is no tone in the stimulus, or nothing of it in the recording.
    """
    sound = np.nan_to_num(recording.reshape(len(recording), -1).astype(float), posinf=0.0, neginf=0.0)
    stimulus = np.nan_to_num(stimulus, posinf=0.0, neginf=0.0)
    frame = round(FRAME_S * sample_rate_hz)
    count = len(sound) // frame
    if min(len(stimulus) // frame, count) < 20:
        raise NoctuleError("stimulus and recording of the AGC test must each be a second long at least")
    tone_hz = _find_tone(stimulus, sample_rate_hz)
    delay = _align(stimulus.astype(float), sound, tone_hz, sample_rate_hz)
    # What was played just before the recording began still rings in it.
    lead = round(RINGING_S / FRAME_S)
    played = _delayed(stimulus, delay + lead * frame, (lead + count) * frame).reshape(-1, frame, 1)
    heard = sound[: count * frame].reshape(count, frame, -1)
    played_power, heard_power = _spectra(played), _spectra(heard)
    tone_bin = round(tone_hz * frame / sample_rate_hz)
    input_dbfs = to_db(_beside(played_power, tone_bin, 0, 2))[:, 0]
    steady = _is_tone(played, played_power, tone_bin) & _is_settled(input_dbfs)
    return LevelTrack(
        tone_hz=tone_hz,
        delay_s=delay / sample_rate_hz,
        input_dbfs=input_dbfs[lead:],
        output_dbfs=to_db(_beside(heard_power, tone_bin, 0, 2)),
        # 16 bins, reduced to the 5 that the tone takes.
        noise_dbfs=to_db(_beside(heard_power, tone_bin, 5, 12) * 5 / 16),
        background_db=_background_db(heard_power, tone_bin),
        steady=steady[lead:],
        clipped=(np.abs(heard) >= FULL_SCALE).any(axis=1),
    )


def _find_tone(stimulus: Float32Array, sample_rate_hz: float) -> float:
    spectrum = np.abs(np.fft.rfft(stimulus * np.hanning(len(stimulus))))
    spectrum[: round(LOWEST_TONE_HZ * len(stimulus) / sample_rate_hz)] = 0.0
    if not spectrum.max() > 0.0:
        raise NoctuleError("the stimulus of the AGC test holds no tone")
    return float(spectrum.argmax() * sample_rate_hz / len(stimulus))


def _align(stimulus: FloatArray, sound: FloatArray, tone_hz: float, sample_rate_hz: float) -> int:
    """Samples by which the recording lags behind the stimulus; negative when it starts within it.

    Correlates the levels in dB, on which gain and compression have no hold, and their steps, which
    give the exact place.
    """
    hop = round(ENVELOPE_S * sample_rate_hz)
    turns = tone_hz / sample_rate_hz
    played_db = _envelope_db(stimulus, turns, hop)
    heard = len(sound) // hop
    # Before and after the stimulus there was silence.
    around = heard - int(LEAST_OVERLAP * min(heard, len(played_db)))
    padded_db = np.pad(played_db, around, constant_values=played_db.min())
    clipped = (np.abs(sound) >= FULL_SCALE).mean(axis=0)
    likeness = np.zeros(len(padded_db) - heard + 1)
    for channel in sound[:, clipped <= clipped.min() + 0.01].T:
        heard_db = _envelope_db(channel, turns, hop)
        levels = _correlate_windows(padded_db, heard_db)
        steps = _correlate_windows(np.diff(padded_db), np.diff(heard_db))
        likeness += np.maximum(levels, 0.0) * (1.0 + np.maximum(steps[: len(levels)], 0.0))
    if likeness.max() < LEAST_LIKENESS:
        raise NoctuleError("the recording of the AGC test holds nothing of the stimulus: same take?")
    return (around - int(likeness.argmax())) * hop


def _envelope_db(sound: FloatArray, turns_per_sample: float, hop: int) -> FloatArray:
    count = len(sound) // hop
    rotated = sound[: count * hop] * np.exp(-2j * np.pi * turns_per_sample * np.arange(count * hop))
    level_db = to_db(4.0 * np.abs(rotated.reshape(count, hop).mean(axis=1)) ** 2)
    return np.asarray(np.maximum(level_db, level_db.max() - ENVELOPE_RANGE_DB))


def _correlate_windows(long: FloatArray, short: FloatArray) -> FloatArray:
    """Correlation coefficient of `short` with every window of `long`."""
    n = len(short)
    centred = short - short.mean()
    total, squares = (np.cumsum(np.concatenate([[0.0], long**power])) for power in (1, 2))
    variance = (squares[n:] - squares[:-n]) / n - ((total[n:] - total[:-n]) / n) ** 2
    # Windows in which next to nothing happens correlate with anything.
    spread = np.sqrt(np.maximum(variance, 0.05 * variance.max()) * n) * np.linalg.norm(centred)
    return np.asarray(correlate(long, centred, mode="valid", method="fft") / (spread + 1e-12))


def _delayed(stimulus: Float32Array, delay: int, length: int) -> FloatArray:
    """`length` samples of the stimulus as the recording meets it, silence around."""
    out = np.zeros(length)
    part = stimulus[max(0, -delay) : max(0, length - delay)]
    start = max(0, delay)
    out[start : start + len(part)] = part[: length - start]
    return out


def _spectra(frames: FloatArray) -> FloatArray:
    """Power `(frames, bins, microphones)`; the bins of a sine of amplitude a add up to a²."""
    size = frames.shape[1]
    spectrum = np.fft.rfft(frames * np.hanning(size + 1)[:-1, None], axis=1)
    return np.asarray(np.abs(spectrum) ** 2 * (4.0 / (0.375 * size**2)))


def _beside(power: FloatArray, middle: int, nearest: int, farthest: int) -> FloatArray:
    """Power in the bins that are `nearest` to `farthest` away from the middle, on both sides."""
    offset = np.abs(np.arange(power.shape[1]) - middle)
    return np.asarray(power[:, (offset >= nearest) & (offset <= farthest)].sum(axis=1))


def _is_tone(frames: FloatArray, power: FloatArray, tone_bin: int) -> BoolArray:
    pure = _beside(power, tone_bin, 0, 2) > 0.9 * power.sum(axis=1)
    first, second = np.array_split(frames**2, 2, axis=1)
    change_db = np.abs(to_db(first.mean(axis=1)) - to_db(second.mean(axis=1)))
    return np.asarray((pure & (change_db < STEADY_DB))[:, 0])


def _is_settled(input_dbfs: FloatArray) -> BoolArray:
    """Loud enough, and nothing in the last quarter of a second was much louder."""
    settled: BoolArray = input_dbfs > input_dbfs.max() - LEVEL_RANGE_DB
    for back in range(1, round(RINGING_S / FRAME_S) + 1):
        settled[back:] &= input_dbfs[:-back] < input_dbfs[back:] + FALL_DB
    return settled


def _background_db(power: FloatArray, tone_bin: int) -> FloatArray:
    """How the noise moved in time, dB, by the bands that the tone's distortion reaches least.

    A gain behind the microphone moves all of the noise; distortion of the loudspeaker only adds.
    """
    bins = np.arange(power.shape[1])
    beside = np.abs(bins - tone_bin * np.round(bins / tone_bin)) > 10
    bands = [band for band in np.array_split(bins[beside & (bins > 15)], 16) if len(band)]
    level = np.stack([np.median(power[:, band], axis=1) for band in bands])
    level_db = to_db(uniform_filter1d(level, 10, axis=1, mode="nearest"))
    moved_db = level_db - np.median(level_db, axis=1, keepdims=True)
    return np.asarray(np.quantile(moved_db, 0.2, axis=0))
