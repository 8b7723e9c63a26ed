"""Does something between loudspeaker and microphone change the gain: AGC, noise suppression, echo
cancelling, a limiter?

A linear path has the same gain at every level and at every moment: 1 dB more out, 1 dB more in. So
a tone is played at levels over 20 dB, with pauses at some of them, and the gain is looked at twice:

* against the level. Where the slope is less than 1 dB/dB over 5 dB or more, the gain is being
  driven: automatic gain control or a compressor. Where the slope is 1 below a knee and 0 above it,
  and the background does not sink with the gain, something in front of the air refuses to get any
  louder: a limiter. That is no harm below the knee.
* against time, while the level stays. A gain that settles after a step is AGC. A tone that fades
  while the background stays is taken for noise (noise suppression) or known to have been played
  (echo cancelling). A step to a higher level tells them apart: to a noise suppressor it is
  something new, the canceller's filter goes on removing its share.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from noctule.calibrate.levels import FRAME_S, LevelTrack, track_levels
from noctule.calibrate.spectrum import FloatArray
from noctule.core.frames import BoolArray, Float32Array
from noctule.core.units import db_to_amplitude
from noctule.emit.waveforms import between, fade_in, on_grid

GainKind = Literal["linear", "agc", "limiter", "noise suppression", "echo cancelling", "clipped", "unclear"]

#: (seconds, level in dB below the highest; None: silence): quiet, a big step up, stairs down.
SCORE: tuple[tuple[float, float | None], ...] = (
    (0.5, None),
    (2.0, -20.0),
    (2.0, 0.0),
    (0.4, -4.0),
    (0.4, -8.0),
    (0.4, -12.0),
    (0.4, -16.0),
    (1.4, -20.0),
    (0.6, None),
)
GLIDE_S = 0.1

#: Nearer to the noise the level of the tone is not known well enough.
LEAST_SNR_DB = 15.0
#: Less than this of usable levels says nothing; a slope needs half of it.
LEAST_RANGE_DB, LEAST_PART_DB = 10.0, 5.0
#: A loudspeaker that is driven hard loses some tenths of a dB; compressors begin at 1.25:1 = 0.8.
LINEAR_SLOPE, FLAT_SLOPE = 0.85, 0.2
#: People who move change the direct tone by 1 dB at most where microphone and loudspeaker are one device.
DRIFT_DB, FADE_DB = 2.0, 4.0
HOLD_S, HOLD_DB, HOLD_SNR_DB = 0.8, 0.3, 20.0


@dataclass(frozen=True, slots=True)
class MicrophoneGain:
    """What one microphone showed.

    Attributes
    ----------
    reason : the finding in words.
    input_range_db, output_range_db : of the usable levels; their difference is the compression.
    slope_below, slope_above : dB out per dB in, below and above the knee; equal without one.
    knee_dbfs : level in the stimulus where the slope changes, None: no knee.
    time_constant_s : how fast the gain settled after a step, None: it did not move in time.
    gain_db : recorded over played level of the tone, None: not steady.
    """

    microphone: int
    kind: GainKind
    reason: str
    input_range_db: float = 0.0
    output_range_db: float = 0.0
    slope_below: float = 1.0
    slope_above: float = 1.0
    knee_dbfs: float | None = None
    time_constant_s: float | None = None
    gain_db: float | None = None


@dataclass(frozen=True, slots=True)
class GainReport:
    """What all microphones showed."""

    tone_hz: float
    delay_s: float
    microphones: tuple[MicrophoneGain, ...]

    def with_kind(self, *kinds: GainKind) -> list[MicrophoneGain]:
        return [one for one in self.microphones if one.kind in kinds]

    def summary(self) -> str:
        """One line for all, then one a microphone."""
        driven = self.with_kind("agc", "noise suppression", "echo cancelling")
        if driven:
            names = [{"agc": "AGC"}.get(kind, kind) for kind in sorted({one.kind for one in driven})]
            first = f"{' and '.join(names)} suspected"
        elif self.with_kind("linear", "limiter", "clipped"):
            first = "no AGC"
        else:
            first = "cannot tell"
        lines = [f"microphone {one.microphone}: {one.reason}" for one in self.microphones]
        return "\n".join([first, *lines])


def make_gain_stimulus(sample_rate_hz: float, carrier_hz: float, level_dbfs: float) -> Float32Array:
    """The tone that `analyse_gain` likes best, 8 s, float32 `(samples,)`, peak `level_dbfs`."""
    rate = round(sample_rate_hz)
    glide = fade_in(round(GLIDE_S * rate))
    parts, before = [], 0.0
    for seconds, db in SCORE:
        now = 0.0 if db is None else db_to_amplitude(level_dbfs + db)
        part = np.full(round(seconds * rate), now)
        part[: len(glide)] = between(before, now, glide)  # so that nothing clicks
        parts.append(part)
        before = now
    level = np.concatenate(parts)
    cycles = np.arange(len(level)) * int(on_grid(carrier_hz, rate)) % rate
    return np.asarray(level * np.sin(2.0 * np.pi * cycles / rate), dtype=np.float32)


def analyse_gain(stimulus: Float32Array, recording: Float32Array, sample_rate_hz: float) -> GainReport:
    """Judge the path from a tone whose level changes, and its recording.

    Parameters
    ----------
    stimulus : `(samples,)`; any tone that covers 10 dB or more will do, a ramp too. Pauses of a
        second at one level let changes in time be seen.
    recording : `(samples, microphones)`, of all of it or of a part; it is aligned here.

    Raises
    ------
    NoctuleError
        The recording holds nothing of the stimulus.
    """
    track = track_levels(stimulus, recording, sample_rate_hz)
    count = track.output_dbfs.shape[1]
    return GainReport(track.tone_hz, track.delay_s, tuple(_judge(track, m) for m in range(count)))


def _judge(track: LevelTrack, microphone: int) -> MicrophoneGain:
    moved = _judge_time(track, microphone)
    if moved is not None:
        return moved
    return _judge_level(track, microphone)


# Against time


@dataclass(frozen=True, slots=True)
class _Hold:
    """The gain during a pause at one level."""

    input_dbfs: float
    first_db: float  # median of the first fifth of a second
    highest_db: float  # of the first 0.3 s: a canceller may be quick
    last_db: float
    background_change_db: float
    time_constant_s: float


def _judge_time(track: LevelTrack, microphone: int) -> MicrophoneGain | None:
    holds = [
        _measure_hold(track, microphone, part)
        for part in _find_holds(track)
        if _stands_out(track, microphone, part)
    ]
    for before, hold in zip([None, *holds], holds, strict=False):
        fade_db = hold.last_db - hold.highest_db
        if fade_db <= -FADE_DB and hold.background_change_db > fade_db / 2:
            return _removed(microphone, hold, fade_db, holds)
        drift_db = hold.last_db - hold.first_db
        up = before is not None and hold.input_dbfs > before.input_dbfs
        # After a step up the gain of an AGC falls, after a step down it recovers.
        if abs(drift_db) >= DRIFT_DB and (drift_db < 0) == (before is None or up):
            reason = (
                f"AGC: at a constant level the gain moved by {drift_db:+.1f} dB "
                f"within {hold.time_constant_s:.1f} s"
            )
            return MicrophoneGain(microphone, "agc", reason, time_constant_s=hold.time_constant_s)
    return None


def _removed(microphone: int, hold: _Hold, fade_db: float, holds: list[_Hold]) -> MicrophoneGain:
    louder = [other for other in holds if other.input_dbfs > hold.input_dbfs + 6.0]
    came_back_db = max((other.highest_db - hold.last_db for other in louder), default=0.0)
    kind: GainKind = "noise suppression" if came_back_db >= -fade_db / 2 else "echo cancelling"
    told = "came back with a louder step" if kind == "noise suppression" else "stayed away at a louder step"
    reason = f"{kind}: the tone faded by {-fade_db:.0f} dB while the background stayed, and {told}"
    return MicrophoneGain(microphone, kind, reason, time_constant_s=hold.time_constant_s)


def _find_holds(track: LevelTrack) -> Iterator[slice]:
    """Stretches of steady frames at one level."""
    start = 0
    for i in range(1, len(track.input_dbfs) + 1):
        goes_on = i < len(track.input_dbfs) and track.steady[start] and track.steady[i]
        if goes_on and abs(track.input_dbfs[i] - track.input_dbfs[start]) <= HOLD_DB:
            continue
        if (i - start) * FRAME_S >= HOLD_S:
            yield slice(start, i)
        start = i


def _stands_out(track: LevelTrack, microphone: int, part: slice) -> bool:
    # A level that the noise makes jump would look like one that settles. What fades stood out at first.
    first_dbfs = track.output_dbfs[part, microphone][:6].max()
    return bool(first_dbfs - np.median(track.noise_dbfs[part, microphone]) >= HOLD_SNR_DB)


def _measure_hold(track: LevelTrack, microphone: int, part: slice) -> _Hold:
    gain_db = track.output_dbfs[part, microphone] - track.input_dbfs[part]
    background_db = track.background_db[part, microphone]
    first_db, last_db = float(np.median(gain_db[:4])), float(np.median(gain_db[-6:]))
    way = np.abs(gain_db - first_db) >= 0.63 * abs(last_db - first_db)
    return _Hold(
        input_dbfs=float(np.median(track.input_dbfs[part])),
        first_db=first_db,
        highest_db=float(gain_db[:6].max()),
        last_db=last_db,
        background_change_db=float(np.median(background_db[-6:]) - np.median(background_db[:4])),
        time_constant_s=float(way.argmax()) * FRAME_S,
    )


# Against level


@dataclass(frozen=True, slots=True)
class _Curve:
    """Output against input, one point a dB, so that a ramp does not weigh its slow end more."""

    level_dbfs: FloatArray
    out_dbfs: FloatArray
    background_db: FloatArray

    @property
    def input_range_db(self) -> float:
        return float(np.ptp(self.level_dbfs)) if len(self.level_dbfs) else 0.0

    @property
    def output_range_db(self) -> float:
        return float(np.ptp(self.out_dbfs)) if len(self.out_dbfs) else 0.0


def _judge_level(track: LevelTrack, microphone: int) -> MicrophoneGain:
    clipped = track.clipped[:, microphone] & track.steady
    curve = _measure_curve(track, microphone, track.steady & ~clipped)
    clip_words = f"; clipped above {track.input_dbfs[clipped].min():.0f} dBFS" if clipped.any() else ""
    if curve.input_range_db < LEAST_RANGE_DB:
        kind: GainKind = "clipped" if clip_words else "unclear"
        where = "lie between noise and clipping" if clip_words else "stand out from the noise"
        reason = f"only {curve.input_range_db:.0f} dB of the levels {where}{clip_words}"
        return MicrophoneGain(microphone, kind, reason, round(curve.input_range_db, 1))
    below, above, knee_dbfs = _fit_knee(curve.level_dbfs, curve.out_dbfs)
    kind, reason = _name_curve(curve, below, above, knee_dbfs)
    return MicrophoneGain(
        microphone,
        kind,
        reason + clip_words,
        input_range_db=round(curve.input_range_db, 1),
        output_range_db=round(curve.output_range_db, 1),
        slope_below=round(below, 2),
        slope_above=round(above, 2),
        knee_dbfs=None if knee_dbfs is None else round(knee_dbfs, 1),
        gain_db=round(float(np.median(curve.out_dbfs - curve.level_dbfs)), 1),
    )


def _measure_curve(track: LevelTrack, microphone: int, usable: BoolArray) -> _Curve:
    bins = np.round(track.input_dbfs).astype(int)
    points = []
    for level in np.unique(bins[usable]):
        at = usable & (bins == level)
        power, noise = (
            float(np.mean(10.0 ** (db[at, microphone] / 10.0)))
            for db in (track.output_dbfs, track.noise_dbfs)
        )
        # By the mean of all frames of a level: choosing frames by their own noise would favour the loud ones.
        if power - noise >= noise * 10.0 ** (LEAST_SNR_DB / 10.0):
            out_dbfs = 10.0 * np.log10(power - noise)
            background_db = np.median(track.background_db[at, microphone])
            points.append((np.median(track.input_dbfs[at]), out_dbfs, background_db))
    columns = np.array(points).reshape(-1, 3).T
    return _Curve(columns[0], columns[1], columns[2])


def _fit_knee(level_dbfs: FloatArray, out_dbfs: FloatArray) -> tuple[float, float, float | None]:
    """Two straight lines that meet; slopes below and above, and where. One line where that explains it."""
    slope, offset = np.polyfit(level_dbfs, out_dbfs, 1)
    single = float(np.std(out_dbfs - slope * level_dbfs - offset))
    best: tuple[float, float, float, float] | None = None
    for knee in np.arange(level_dbfs[0] + LEAST_PART_DB, level_dbfs[-1] - LEAST_PART_DB + 0.01, 0.25):
        terms = np.stack(
            [np.ones_like(level_dbfs), np.minimum(level_dbfs - knee, 0), np.maximum(level_dbfs - knee, 0)], 1
        )
        fitted = np.linalg.lstsq(terms, out_dbfs, rcond=None)[0]
        error = float(np.std(terms @ fitted - out_dbfs))
        if best is None or error < best[0]:
            best = (error, float(fitted[1]), float(fitted[2]), float(knee))
    if best is None or abs(best[1] - best[2]) < 1.0 - LINEAR_SLOPE or best[0] > 0.7 * single:
        return float(slope), float(slope), None
    return best[1:]


def _name_curve(curve: _Curve, below: float, above: float, knee_dbfs: float | None) -> tuple[GainKind, str]:
    span = f"{curve.input_range_db:.0f} dB of levels"
    if min(below, above) >= LINEAR_SLOPE:
        return "linear", f"linear: {span}, {min(below, above):.2f} dB/dB"
    if knee_dbfs is None or below < LINEAR_SLOPE:
        return "agc", f"AGC: {span} come back as {curve.output_range_db:.0f} dB"
    louder = curve.level_dbfs > knee_dbfs
    lost_db = (1.0 - above) * (curve.level_dbfs[-1] - knee_dbfs)
    sank_db = np.median(curve.background_db[~louder]) - np.median(curve.background_db[louder])
    # Behind the microphone the background would sink with the tone.
    if above <= FLAT_SLOPE and sank_db < lost_db / 3:
        words = f"linear up to {knee_dbfs:.0f} dBFS, above it a limiter holds the loudspeaker"
        return "limiter", words
    return "agc", f"AGC: above {knee_dbfs:.0f} dBFS only {above:.2f} dB/dB come back, below it {below:.2f}"
