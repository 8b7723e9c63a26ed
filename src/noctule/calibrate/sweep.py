"""Everything the hardware carries, from five seconds of inaudible sound.

Silence, tones at two levels, a glide through the whole band up and down, silence:

* the silence gives each microphone's noise and the foreign tones;
* the tones (`calibrate.comb`) give the bandwidth that really comes back; what appears between them while they
  sound is what a bent loudspeaker makes of them; and a path whose gain changes between the two levels has a
  gain control or a limiter in it;
* each glide, compressed by its own spectrum, gives the answer of device and room in time: first the direct
  sound, then what the room sends back. A loudspeaker beams, and microphones sit beside it: of what reaches
  people, what comes back from the room tells as much as the direct sound. Where the two glides do not tell
  the same, the sound card lost samples meanwhile, and what looks like an answer of the room is a sound that
  came twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.fft
from scipy.ndimage import gaussian_filter1d
from scipy.signal import welch

from noctule.calibrate.comb import LOWEST_TONE_HZ, QUIET_S, Comb, make_comb
from noctule.calibrate.probe import WINDOW_S, BandwidthProbe, analyse_comb
from noctule.calibrate.spectrum import FloatArray, level_at, power_spectrum, to_db
from noctule.core.errors import NoctuleError
from noctule.core.frames import BoolArray, Float32Array
from noctule.core.units import SPEED_OF_SOUND_MPS, db_to_amplitude
from noctule.emit.waveforms import fade_in

#: The soft tones come first, so much weaker, for so long.
SOFT_DB, SOFT_S = 12.0, 0.9
GAP_S, GLIDE_S, FADE_S, TAIL_S = 0.1, 0.5, 0.1, 0.4
#: Share of the glide's band at each end that is tapered off, and of which nothing is said.
EDGE, UNSAID = 0.02, 0.03
#: The glide ends here, or at the share of the rate where the tones end.
HIGHEST_GLIDE_HZ = 60_000.0
#: Direct sound: until so long after its first arrival. The room: from there on, until so long after it.
DIRECT_S, ROOM_S = 0.002, 0.04
#: What is known of the response is smoothed over this, and given on a grid so fine.
SMOOTH_HZ, GRID_HZ = 400.0, 100.0
#: How loud one carrier is, the direct sound says with hardly more smoothing than its own 2 ms: the carrier
#: stands on a peak of the response, and its neighbours are weaker.
SHARP_HZ = 150.0
#: A gain that moved by more between the two levels is no accident.
GAIN_MOVED_DB = 1.5
#: The direct sound stands so far over the median of what else the compressed glide holds; noise alone reaches
#: half of it.
LEAST_PEAK = 10.0
#: The direct sound comes first, at least so strong against the strongest echo: a casing may be in its way.
FIRST = 0.15
#: The two glides tell the same when they come so equally late, and say the same of nine tenths of the band.
SAME_S, SAME_DB = 0.001, 4.0


class NothingBackError(NoctuleError):
    """Nothing of the sweep is in the recording."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """What is played: `signal` float32 `(samples,)`, peak `level_dbfs`; places in it, in samples.

    glides : where each begins, and what it is.
    """

    signal: Float32Array
    sample_rate_hz: int
    level_dbfs: float
    comb: Comb
    soft_at: int
    loud_at: int
    glides: tuple[tuple[int, Float32Array], ...]
    glide_hz: tuple[float, float]

    @property
    def duration_s(self) -> float:
        return len(self.signal) / self.sample_rate_hz


@dataclass(frozen=True, slots=True)
class Survey:
    """What a sweep showed.

    Attributes
    ----------
    probe : of the tones: true bandwidth, foreign tones, dead and covered microphones, clock.
    level_dbfs : peak level that was played.
    hz : `(grid,)`; everything below is on it.
    direct_db, room_db : `(grid, microphones)` direct sound, and power of all that the room sends back within
        `ROOM_S`, over what was played: a sine of so many dBFS comes back with so much added.
    sharp_db : `(grid, microphones)` the direct sound as sharp as it is known.
    room_path_m : how far the room's answer has travelled on average, by power.
    noise_dbfs_per_hz : `(grid, microphones)` in silence.
    gain_moved_db : `(microphones,)` how much less than `SOFT_DB` the louder tones were louder; 0: linear.
    bent_db : `(microphones,)` power between the tones, made by them, over that of the tones.
    delay_s : from play to record, of the direct sound.
    torn : samples were lost, or came twice: the two glides do not tell the same.
    """

    probe: BandwidthProbe
    level_dbfs: float
    hz: FloatArray
    direct_db: FloatArray
    room_db: FloatArray
    sharp_db: FloatArray
    room_path_m: float
    noise_dbfs_per_hz: FloatArray
    gain_moved_db: FloatArray
    bent_db: FloatArray
    delay_s: float
    torn: bool

    @property
    def microphones(self) -> list[int]:
        """Those that hear."""
        return self.probe.usable_microphones

    def clutter_db(self) -> float:
        """The room's answer over the direct sound, median of the band and the microphones."""
        return float(np.median((self.room_db - self.direct_db)[:, self.microphones]))


def make_sweep(sample_rate_hz: float, level_dbfs: float) -> Sweep:
    """The sweep at this peak level, with fades; five seconds.

    Raises
    ------
    NoctuleError
        The rate carries nothing inaudible.
    """
    comb = make_comb(sample_rate_hz, level_dbfs)
    rate = comb.sample_rate_hz
    quiet, tail = round(QUIET_S * rate), np.zeros(round(TAIL_S * rate), np.float32)
    tones = comb.signal[quiet:]
    tones = tones[: np.flatnonzero(tones)[-1] + 1]
    rise = fade_in(round(FADE_S * rate))
    soft = tones[: round(SOFT_S * rate)] * np.float32(db_to_amplitude(-SOFT_DB))
    soft[-len(rise) :] *= rise[::-1]
    highest_hz = min(float(comb.tone_hz[-1]), HIGHEST_GLIDE_HZ)
    glide = _glide(LOWEST_TONE_HZ, highest_hz, rate, level_dbfs)
    gap = np.zeros(round(GAP_S * rate), np.float32)
    parts = [comb.signal[:quiet], soft, gap, tones, gap, glide, gap, glide[::-1], tail]
    starts = np.cumsum([0] + [len(one) for one in parts]).tolist()
    return Sweep(
        np.concatenate(parts),
        rate,
        level_dbfs,
        comb,
        soft_at=starts[1],
        loud_at=starts[3],
        glides=((starts[5], glide), (starts[7], glide[::-1])),
        glide_hz=(LOWEST_TONE_HZ, highest_hz),
    )


def _glide(low_hz: float, high_hz: float, rate: int, level_dbfs: float) -> Float32Array:
    rise = fade_in(round(FADE_S * rate))
    # fades stand still at both ends of the band, so that all of it is as loud
    still, moving = len(rise), round(GLIDE_S * rate)
    hz = np.concatenate(
        [np.full(still, low_hz), np.linspace(low_hz, high_hz, moving), np.full(still, high_hz)]
    )
    phase = 2.0 * np.pi * np.cumsum(hz) / rate
    envelope = np.ones(len(hz), np.float32)
    envelope[: len(rise)] = rise
    envelope[-len(rise) :] = rise[::-1]
    return np.asarray(db_to_amplitude(level_dbfs) * envelope * np.sin(phase), dtype=np.float32)


def analyse_sweep(recording: Float32Array, sweep: Sweep) -> Survey:
    """What the recording `(samples, microphones)` of a sweep shows; no device needed.

    Parameters
    ----------
    recording : begins at most half a second after the sweep, and ends after what came back of it.

    Raises
    ------
    NothingBackError
        It holds nothing of the sweep.
    NoctuleError
        It is too short, or only digital silence.
    """
    rate = sweep.sample_rate_hz
    sound = np.nan_to_num(recording.reshape(len(recording), -1), posinf=0.0, neginf=0.0)
    if len(sound) < 0.7 * len(sweep.signal):
        raise NoctuleError(
            f"only {len(sound) / rate:.1f} s of the {sweep.duration_s:.1f} s sweep were recorded: the input "
            "stopped; check the device"
        )
    if not sound.any():
        raise NoctuleError("the microphones give digital silence: unmute the input, or choose another one")
    probe = analyse_comb(sound, sweep.comb)
    known = [(answer, delay) for answer, delay in _answers(sound, sweep) if delay is not None]
    if not known or probe.true_bandwidth_hz == 0.0:
        raise NothingBackError(
            "nothing inaudible comes back from the loudspeaker: is it muted or its volume at zero, and does "
            "the microphone hear it? `noctule doctor` looks closer"
        )
    hz = _grid(sweep, probe.true_bandwidth_hz)
    direct, room = round(DIRECT_S * rate), round(ROOM_S * rate)
    direct_db = [smooth_spectrum_db(answer[:direct], hz, rate) for answer, _ in known]
    room_db = [smooth_spectrum_db(answer[direct:room], hz, rate) for answer, _ in known]
    sharp_db = [smooth_spectrum_db(answer[:direct], hz, rate, SHARP_HZ) for answer, _ in known]
    delays = [delay for _, delay in known]
    delay, heard = delays[0], probe.usable_microphones
    gain_moved_db = _gain_moved(sound, sweep, delay, probe.heard)
    apart = len(known) < 2 or abs(delays[1] - delay) > SAME_S * rate
    # a gain that moves, and microphones that clip, tell each glide differently as well
    steady = np.abs(gain_moved_db[heard]).max(initial=0.0) <= GAIN_MOVED_DB and not probe.clips
    return Survey(
        probe=probe,
        level_dbfs=sweep.level_dbfs,
        hz=hz,
        direct_db=_mean_db(direct_db),
        room_db=_mean_db(room_db),
        sharp_db=_mean_db(sharp_db),
        room_path_m=SPEED_OF_SOUND_MPS * _mean_place(known[0][0][direct:room], direct) / rate,
        noise_dbfs_per_hz=_noise(sound[: round(0.8 * QUIET_S * rate)], hz, rate),
        gain_moved_db=gain_moved_db,
        bent_db=_bent(sound, sweep, delay, probe.heard),
        delay_s=delay / rate,
        torn=apart or (steady and any(_differ(one, heard) for one in (direct_db, room_db))),
    )


def _mean_db(several_db: list[FloatArray]) -> FloatArray:
    return to_db(np.mean([10.0 ** (0.1 * one) for one in several_db], axis=0))


def _differ(two_db: list[FloatArray], microphones: list[int]) -> bool:
    first, second = (one[:, microphones] for one in two_db)
    return bool(microphones) and bool(np.quantile(np.abs(second - first), 0.9) > SAME_DB)


def _grid(sweep: Sweep, true_bandwidth_hz: float) -> FloatArray:
    """Where the glide has been, and something comes back."""
    low_hz, high_hz = sweep.glide_hz
    edge_hz = UNSAID * (high_hz - low_hz)
    top_hz = min(high_hz - edge_hz, true_bandwidth_hz)
    first = np.ceil((low_hz + edge_hz) / GRID_HZ) * GRID_HZ
    return np.arange(first, max(top_hz, first) + 1.0, GRID_HZ)


def delay_of(recording: Float32Array, sweep: Sweep) -> int | None:
    """How late the sweep is in the recording, in samples; None: it is not in there."""
    return next((delay for _, delay in _answers(recording, sweep) if delay is not None), None)


def _answers(sound: Float32Array, sweep: Sweep) -> Iterator[tuple[FloatArray, int | None]]:
    """What device and room answer to each glide, and how late it begins, in samples."""
    for at, glide in sweep.glides:
        start = max(0, at - round(0.5 * sweep.sample_rate_hz))
        answer, place = impulse_response(sound[start:], glide, sweep.sample_rate_hz, sweep.glide_hz)
        yield answer, None if place is None else place + start - at


def impulse_response(
    heard: Float32Array, known: Float32Array, sample_rate_hz: int, band_hz: tuple[float, float]
) -> tuple[FloatArray, int | None]:
    """What comes back of a sound that was played, within a band, from the direct sound on.

    The sound's spectrum is divided out where it has any, with a taper at both ends of the band.

    Parameters
    ----------
    heard : `(samples, microphones)`, from before the sound came in on.
    known : `(samples,)` as it was played; a glide through the band.

    Returns
    -------
    The impulse response `(samples, microphones)`, and where in `heard` it begins; None: it is not there.
    """
    rate = sample_rate_hz
    size = scipy.fft.next_fast_len(len(heard) + len(known), real=True)
    spectrum = scipy.fft.rfft(known, size)
    power = np.abs(spectrum) ** 2
    hz = scipy.fft.rfftfreq(size, 1.0 / rate)
    low_hz, high_hz = band_hz
    # against what the band holds mostly: where our glide stands still it is so loud that a share of its
    # highest power would take 0.9 dB from everything else
    usual = float(np.median(power[(hz > low_hz) & (hz < high_hz)]))
    inverse = np.conj(spectrum) / (power + 1e-3 * usual)
    inside = np.clip(np.minimum(hz - low_hz, high_hz - hz) / (EDGE * (high_hz - low_hz)), 0.0, 1.0)
    taper = inverse * np.sin(0.5 * np.pi * inside) ** 2
    answer = np.stack([scipy.fft.irfft(scipy.fft.rfft(one, size) * taper, size) for one in heard.T], 1)
    lags = max(1, len(heard) - len(known) + 1)
    envelope = np.sqrt(gaussian_filter1d((answer[:lags] ** 2).sum(1), 1e-4 * rate))
    peak = int(envelope.argmax())
    around = round(ROOM_S * rate)
    elsewhere = np.concatenate([envelope[: max(0, peak - around)], envelope[peak + 2 * around :]])
    if not len(elsewhere) or envelope[peak] < LEAST_PEAK * max(float(np.median(elsewhere)), 1e-12):
        return answer, None
    early = envelope[max(0, peak - around) : peak + 1]
    first = int(np.flatnonzero(early >= FIRST * envelope[peak])[0]) + max(0, peak - around)
    first = max(0, first - round(0.0003 * rate))
    return answer[first:], first


def smooth_spectrum_db(
    answer: FloatArray, hz: FloatArray, rate: int, smooth_hz: float = SMOOTH_HZ
) -> FloatArray:
    """Power of a piece of the answer, smoothed, on the grid."""
    size = max(scipy.fft.next_fast_len(len(answer), real=True), round(rate / 25.0))
    power = np.abs(scipy.fft.rfft(answer, size, axis=0)) ** 2
    step_hz = rate / size
    smooth = gaussian_filter1d(power, smooth_hz / step_hz, axis=0)
    known_hz = np.arange(len(power)) * step_hz
    return np.stack([to_db(np.interp(hz, known_hz, column)) for column in smooth.T], 1)


def _mean_place(answer: FloatArray, first: int) -> float:
    """In samples from the direct sound on."""
    power = np.square(answer).sum(1)
    return float(first + power @ np.arange(len(power)) / max(power.sum(), 1e-30))


def _noise(quiet: Float32Array, hz: FloatArray, rate: int) -> FloatArray:
    """Density in silence, peak² of a sine per Hz, without lines: medians over a kilohertz."""
    length = min(len(quiet), round(rate / 20.0))
    known_hz, power = welch(quiet.astype(np.float64), rate, nperseg=length, axis=0)
    around = [np.abs(known_hz - one) <= 500.0 for one in hz]
    # a median of averaged spectra is the mean, near enough; rms² to peak² is 2
    return to_db(2.0 * np.array([np.median(power[here], axis=0) for here in around]))


def _second_of(sound: Float32Array, first: int, rate: int, seconds: float = WINDOW_S) -> Float32Array:
    first = min(max(0, first), max(0, len(sound) - round(seconds * rate)))
    return sound[first : first + round(seconds * rate)]


def _gain_moved(sound: Float32Array, sweep: Sweep, delay: int, heard: BoolArray) -> FloatArray:
    """How much less than they should the louder tones grew."""
    rate, settle = sweep.sample_rate_hz, round(0.15 * sweep.sample_rate_hz)
    length = round((SOFT_S - 0.3) * rate)
    soft, loud = (
        power_spectrum(_second_of(sound, at + delay + settle, rate, length / rate))
        for at in (sweep.soft_at, sweep.loud_at)
    )
    bins = sweep.comb.tone_hz * (length / rate)
    grew_db = level_at(loud, bins) - level_at(soft, bins)
    grew_db = np.where(heard, grew_db, np.nan)
    known = ~np.isnan(grew_db).all(0)
    moved = np.zeros(sound.shape[1])
    moved[known] = SOFT_DB - np.nanmedian(grew_db[:, known], axis=0)
    return moved


def _bent(sound: Float32Array, sweep: Sweep, delay: int, heard: BoolArray) -> FloatArray:
    """Power that the tones make between themselves: no product of three falls on a tone (a Sidon set)."""
    rate = sweep.sample_rate_hz
    power = power_spectrum(_second_of(sound, sweep.loud_at + delay + round(0.15 * rate), rate))
    quiet = power_spectrum(_second_of(sound, 0, rate, 0.8 * QUIET_S))
    tones = np.round(sweep.comb.tone_hz).astype(int)
    tones = tones[tones < len(power) - 3]
    ours = np.zeros(len(power), bool)
    for shift in range(-8, 9):
        ours[np.clip(tones + shift, 0, len(power) - 1)] = True
    band = np.arange(len(power))
    between = ~ours & (band > tones[0]) & (band < tones[-1])
    # densities: the window of the silence is shorter, so its bins are wider
    ratio = len(quiet) / len(power)
    noise = quiet[round(tones[0] * ratio) : round(tones[-1] * ratio)].mean(0) * ratio
    made = np.maximum(power[between].mean(0) - noise, 0.0) * between.sum()
    total = 10.0 ** (0.1 * level_at(power, tones.astype(float))) * heard[: len(tones)]
    return to_db(made / np.maximum(total.sum(0), 1e-20))
