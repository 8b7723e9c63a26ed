"""Faults: each is said when it is there, and not when something harmless looks like it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import pytest
from tests.dsp.sounds import FloatArray, Room, features_of, near_cells, tone, two_way

from noctule.core.frames import BLOCKING_FAULTS, AudioBlock, Decision, Fault, FeatureBlock
from noctule.core.settings import Settings
from noctule.dsp.quality import AudioCheck
from noctule.pipeline import SensingPipeline

RATE_HZ, CARRIER_HZ = 48000, 20000
CARRIERS_HZ = (20000.0, 40000.0)


def shown(features: FeatureBlock, fault: Fault) -> npt.NDArray[np.bool_]:
    return np.asarray((features.faults & int(fault)) != 0)


def times(features: FeatureBlock, fault: Fault) -> FloatArray:
    return features.time_s[shown(features, fault)]


def audio(seconds: float, microphones: int = 2, seed: int = 30) -> FloatArray:
    """A quiet room: carrier -20 dBFS, noise -60 dBFS."""
    n = round(seconds * RATE_HZ)
    noise = 1e-3 * np.random.default_rng(seed).standard_normal((n, microphones))
    return tone(RATE_HZ, CARRIER_HZ, n, 0.1)[:, None] + noise


def seen(samples: FloatArray) -> FeatureBlock:
    return features_of(samples, RATE_HZ, float(CARRIER_HZ))


def db(value: FloatArray | float) -> FloatArray:
    """Amplitude factor, one a sample, for `(samples, microphones)`."""
    return np.asarray(10.0 ** (np.atleast_1d(value) / 20.0))[:, None]


def with_carrier(
    envelope: Callable[[FloatArray], FloatArray], seconds: float = 7.0, **room: float
) -> FeatureBlock:
    """A room whose emitter follows an envelope of amplitude; the noise stays."""
    made = Room(seconds, **room)  # type: ignore[arg-type]
    made.samples += made.carrier * (envelope(made.t)[:, None] - 1.0)
    return made.features()


def with_gain(
    gain_db: Callable[[FloatArray], FloatArray], seconds: float = 8.0, carrier_hz: float = 40000.0
) -> FeatureBlock:
    """A room heard through a gain that moves carrier and noise alike."""
    made = Room(seconds, carrier_hz=carrier_hz)
    made.samples *= db(gain_db(made.t))
    return made.features()


# ---- every fault has a case: (what shows it, the harmless thing next to it)


def missing(faulty: bool) -> FeatureBlock:
    return with_carrier(lambda t: np.full_like(t, 0.0 if faulty else 1.0), 2.0)


def lost(faulty: bool) -> FeatureBlock:
    """Gone, or 30 dB quieter: still 30 dB over the noise."""
    return with_carrier(lambda t: np.where(t < 1.0, 1.0, 0.0 if faulty else 10.0 ** (-30.0 / 20.0)), 3.0)


def dropped(faulty: bool) -> FeatureBlock:
    """1 ms missing in the middle, or nothing; 1 ms is 20 periods, so 7 samples more."""
    samples = audio(2.0)
    return seen(np.delete(samples, np.s_[48000:48055], axis=0) if faulty else samples)


def bad(faulty: bool) -> FeatureBlock:
    samples = audio(1.5)
    samples[30000, 1] = np.nan if faulty else 0.0
    return seen(samples)


def dead(faulty: bool) -> FeatureBlock:
    """Zeros for 0.3 s, or for 0.2 s."""
    samples = audio(3.0)
    samples[48000 : 48000 + (14400 if faulty else 9600), 1] = 0.0
    return seen(samples)


def covered(faulty: bool) -> FeatureBlock:
    """A hand takes 20 dB off one of two microphones, a chair beside it 12 dB."""
    room = Room(7.0, microphones=2)
    room.samples[room.t > 3.0, 0] *= 10.0 ** ((-20.0 if faulty else -12.0) / 20.0)
    return room.features()


def clipped(faulty: bool) -> FeatureBlock:
    samples = audio(1.5) * (12.0 if faulty else 9.4)
    return seen(np.clip(samples, -1.0, 1.0))


def slewing(faulty: bool) -> FeatureBlock:
    """Two clocks 50 ppm apart turn 40 kHz at 2 Hz; a resampler at work turns it faster."""
    room = Room(3.0)
    room.samples *= np.exp(2j * np.pi * (5.0 if faulty else 2.0) * room.t)[:, None]
    return room.features()


def gain_moved(faulty: bool) -> FeatureBlock:
    """Carrier and noise by +4 dB, or the carrier alone: that is the emitter's level."""
    if faulty:
        return with_gain(lambda t: np.where(t > 4.0, 4.0, 0.0))
    return with_carrier(lambda t: np.where(t > 4.0, 10.0 ** (4.0 / 20.0), 1.0), 8.0)


def driven(faulty: bool) -> FeatureBlock:
    """Carrier and noise up and down by 6 dB together, or the carrier alone: fading."""

    def wander_db(t: FloatArray) -> FloatArray:
        return np.asarray(3.0 * np.sin(2.0 * np.pi * t / 6.0))

    if faulty:
        return with_gain(wander_db, 15.0)
    return with_carrier(lambda t: db(wander_db(t))[:, 0], 15.0)


def interference(faulty: bool) -> FeatureBlock:
    """A tone that stays at +2 m/s, or somebody walking about it."""
    room = Room(12.0)
    speed = np.full_like(room.t, 2.0) if faulty else 1.5 + np.sin(2.0 * np.pi * 0.7 * room.t)
    room.samples += room.reflector(speed, room.sigma)
    return room.features()


def without_samples(faulty: bool, fault: Fault = Fault.DEVICE_LOST) -> FeatureBlock | Decision:
    pipeline = SensingPipeline(
        Settings(), carrier_hz=float(CARRIER_HZ), channels=1, sample_rate_hz=float(RATE_HZ)
    )
    if faulty:
        return pipeline.unavailable(1.0, fault)
    block = AudioBlock(audio(1.0, 1).astype(np.float32), float(RATE_HZ), 0)
    return pipeline.process(block)[-1]


CASES: dict[Fault, Callable[[bool], FeatureBlock | Decision]] = {
    Fault.DEVICE_LOST: without_samples,
    Fault.CARRIER_MISSING: missing,
    Fault.CARRIER_LOST: lost,
    Fault.DROPPED_SAMPLES: dropped,
    Fault.BAD_SAMPLES: bad,
    Fault.MICROPHONE_DEAD: dead,
    Fault.MICROPHONE_COVERED: covered,
    Fault.CLIPPED: clipped,
    Fault.CLOCK_SLEWING: slewing,
    Fault.GAIN_MOVED: gain_moved,
    Fault.AGC_SUSPECTED: driven,
    Fault.INTERFERENCE: interference,
    Fault.MUTED: partial(without_samples, fault=Fault.MUTED),
}


def test_every_fault_has_a_case() -> None:
    assert set(CASES) == set(Fault)


@pytest.mark.parametrize("fault", list(Fault), ids=lambda f: str(f.name).lower())
def test_a_fault_is_said_and_its_harmless_neighbour_is_not(fault: Fault) -> None:
    for faulty in (True, False):
        result = CASES[fault](faulty)
        faults = [result.fault] if isinstance(result, Decision) else result.faults
        assert any(int(f) & int(fault) for f in faults) == faulty


@pytest.mark.parametrize("carrier_hz", CARRIERS_HZ)
@pytest.mark.parametrize("microphones", [1, 4])
def test_a_quiet_room_has_no_fault(carrier_hz: float, microphones: int) -> None:
    features = Room(20.0, carrier_hz=carrier_hz, microphones=microphones).features()
    assert not features.faults.any()


# ---- the carrier


@pytest.mark.parametrize("carrier_hz", CARRIERS_HZ)
@pytest.mark.parametrize("fade_s", [0.001, 0.05, 1.0])
def test_a_carrier_that_goes_and_returns(fade_s: float, carrier_hz: float) -> None:
    """Off at 3 s, on at 5 s, in a step, a ramp, a slow fade: lost while it is away, back when a window of
    it has been steady; and neither its going nor its coming is motion.
    """

    def envelope(t: FloatArray) -> FloatArray:
        return np.asarray(1.0 - np.clip((t - 3.0) / fade_s, 0.0, 1.0) + np.clip((t - 5.0) / fade_s, 0.0, 1.0))

    features = with_carrier(envelope, carrier_hz=carrier_hz)
    lost_s = times(features, Fault.CARRIER_LOST)
    assert 3.0 < lost_s[0] < 3.0 + fade_s + 0.25
    assert 5.0 < lost_s[-1] < 5.0 + fade_s + 0.45
    away = (features.time_s > lost_s[0]) & (features.time_s < 5.0)
    assert shown(features, Fault.CARRIER_LOST)[away].all()
    assert not shown(features, Fault.CARRIER_MISSING).any()
    assert not features.faults[features.time_s > 5.0 + fade_s + 0.6].any()
    fast = np.abs(features.velocity_mps) > 0.3
    # 20 dB is the edge's worst cell: the hundred noise cells of a second reach 9 dB by themselves
    assert features.log_power_db[:, fast].max() < 20.0


@pytest.mark.parametrize("carrier_hz", CARRIERS_HZ)
@pytest.mark.parametrize("fade_s", [0.001, 1.0])
def test_a_carrier_that_comes_late_was_missing_not_lost(fade_s: float, carrier_hz: float) -> None:
    features = with_carrier(
        lambda t: np.clip((t - 2.0) / fade_s, 0.0, 1.0), seconds=5.0, carrier_hz=carrier_hz
    )
    missing_s = times(features, Fault.CARRIER_MISSING)
    assert missing_s[0] == features.time_s[0]
    assert 2.0 < missing_s[-1] < 2.0 + fade_s + 0.45
    assert not shown(features, Fault.CARRIER_LOST).any()
    assert not features.faults[features.time_s > 2.0 + fade_s + 0.6].any()


@pytest.mark.parametrize("carrier_hz", CARRIERS_HZ)
def test_a_recording_that_begins_with_the_carrier_has_nothing_to_wait_for(carrier_hz: float) -> None:
    assert not Room(1.0, carrier_hz=carrier_hz).features().faults[0]


@pytest.mark.parametrize(("snr_db", "heard"), [(26.0, True), (14.0, False)])
def test_a_carrier_is_acquired_from_20_db_over_the_noise_in_10_hz(snr_db: float, heard: bool) -> None:
    features = Room(6.0, snr_db=snr_db).features()
    missing_frames = shown(features, Fault.CARRIER_MISSING)
    assert missing_frames.mean() < 0.02 if heard else missing_frames.all()


@pytest.mark.parametrize(("left_db", "kept"), [(18.0, True), (7.0, False)])
def test_and_kept_down_to_12_db(left_db: float, kept: bool) -> None:
    features = with_carrier(lambda t: np.where(t < 2.0, 1.0, 10.0 ** ((left_db - 60.0) / 20.0)), 8.0)
    later = shown(features, Fault.CARRIER_LOST)[features.time_s > 3.0]
    assert later.mean() < 0.02 if kept else later.all()


@pytest.mark.parametrize("away_s", [0.03, 0.1, 0.25])
@pytest.mark.parametrize("carrier_hz", CARRIERS_HZ)
def test_a_short_dropout_is_never_motion(carrier_hz: float, away_s: float) -> None:
    """Seen: after a dropout of 0.1 s its end stood in one unflagged frame, 29 dB over the floor. Cure: the
    jump of the return is looked for while the carrier is not heard.
    """
    features = with_carrier(
        lambda t: np.where((t >= 3.0) & (t < 3.0 + away_s), 0.0, 1.0), 5.0, carrier_hz=carrier_hz
    )
    assert (features.faults & int(BLOCKING_FAULTS)).any()
    assert features.log_power_db[:, np.abs(features.velocity_mps) > 0.3].max() < 14.0
    assert not features.faults[features.time_s > 3.0 + away_s + 0.6].any()


def test_a_loud_key_does_not_lose_the_carrier_for_long() -> None:
    """30 ms of hiss 50 dB over the noise hides it for the window; after it everything goes on."""
    room = Room(5.0)
    room.samples += room.noise(room.sigma * 316.0) * ((room.t > 2.0) & (room.t < 2.03))[:, None]
    features = room.features()
    assert not features.faults[features.time_s > 2.4].any()


# ---- lost samples


def gaps(rate_hz: int, carrier_hz: int, microphones: int, count: int = 40) -> tuple[FloatArray, list[float]]:
    """Audio of a quiet room with somebody moving, random pieces cut out; and where."""
    rng = np.random.default_rng(31)
    n = round(0.6 * (count + 1) * rate_hz)
    whole = tone(rate_hz, carrier_hz, n, 0.1)[:, None] + 1e-3 * rng.standard_normal((n, microphones))
    whole += 0.002 * two_way(rate_hz, carrier_hz, n / rate_hz, lambda t: 2.0 + np.sin(t))[:n, None]
    pieces, cuts, at, kept = [], [], 0, 0
    for _ in range(count):
        length, missing_samples = round(rate_hz * rng.uniform(0.4, 0.55)), int(rng.integers(1, 2000))
        pieces.append(whole[at : at + length])
        at += length + missing_samples
        kept += length
        cuts.append(kept / rate_hz)
    return np.concatenate([*pieces, whole[at : at + rate_hz]]), cuts


@pytest.mark.parametrize(
    ("rate_hz", "carrier_hz", "microphones"), [(48000, 20000, 1), (44100, 20000, 1), (44100, 18500, 4)]
)
def test_gaps_nobody_announced_are_found(rate_hz: int, carrier_hz: int, microphones: int) -> None:
    """A gap turns the carrier by a random angle; whole turns cannot be seen, 8 in 10 must be.

    Seen: at 48 kHz every gap turns 20 kHz by a multiple of 30 degrees, and 30 was just below the limit.
    """
    samples, cuts = gaps(rate_hz, carrier_hz, microphones)
    features = features_of(samples, rate_hz, carrier_hz)
    now = shown(features, Fault.DROPPED_SAMPLES)
    begins = features.time_s[1:][now[1:] & ~now[:-1]]
    found = [bool(np.any((begins > cut - 0.01) & (begins < cut + 0.06))) for cut in cuts]
    assert np.mean(found) >= 0.8
    # and nothing else
    assert all(np.min(np.abs(np.array(cuts) - begin)) < 0.06 for begin in begins)


@pytest.mark.parametrize("carrier_hz", CARRIERS_HZ)
@pytest.mark.parametrize(("share", "speed_mps"), [(0.4, 2.0), (0.8, 0.3), (0.8, 1.0)])
def test_a_strong_hand_near_the_microphone_is_not_a_gap(
    carrier_hz: float, share: float, speed_mps: float
) -> None:
    """Its echo nearly as strong as the direct path, to and fro."""
    room = Room(6.0, carrier_hz=carrier_hz)
    velocity = speed_mps * np.sin(2.0 * np.pi * 1.5 * room.t)
    room.samples += room.reflector(velocity, share * room.carrier)
    assert not shown(room.features(), Fault.DROPPED_SAMPLES).any()


def test_a_click_is_not_a_gap() -> None:
    """Up to 1 ms, up to 20 dB over the carrier."""
    rng = np.random.default_rng(32)
    samples = audio(12.0, 1)
    for second in range(1, 12):
        at, length = second * RATE_HZ + int(rng.integers(0, 3000)), int(rng.integers(1, 48))
        samples[at : at + length] += 0.9 * rng.uniform(0.2, 1.0) * rng.standard_normal((length, 1))
    features = seen(np.clip(samples, -0.99, 0.99))
    assert not shown(features, Fault.DROPPED_SAMPLES).any()


def test_a_jump_on_one_microphone_alone_is_not_a_gap() -> None:
    """Samples are lost for all of a card's microphones; one alone is a finger on a port."""
    room = Room(4.0, microphones=2)
    room.samples[room.t > 2.0, 0] *= np.exp(1.5j)
    assert not shown(room.features(), Fault.DROPPED_SAMPLES).any()


# ---- raw samples


def checked(
    samples: npt.ArrayLike, rate_hz: float = 1000.0
) -> tuple[AudioBlock, list[tuple[list[int], Fault]]]:
    block = AudioBlock(np.asarray(samples, np.float32).reshape(len(np.atleast_1d(samples)), -1), rate_hz, 50)
    check = AudioCheck(block.samples.shape[1], rate_hz)
    out, found = check.check(block)
    return out, [(at.tolist(), fault) for at, fault in found]


def test_samples_that_are_no_numbers_become_zero_and_say_where() -> None:
    out, found = checked([0.1, np.nan, 0.2, 0.3, 0.4, 0.5, -np.inf, 0.6])
    assert found == [([51, 56], Fault.BAD_SAMPLES)]
    np.testing.assert_allclose(out.samples[:, 0], [0.1, 0.0, 0.2, 0.3, 0.4, 0.5, 0.0, 0.6], rtol=1e-6)


@pytest.mark.parametrize(
    ("peak", "clips"), [(0.9994, False), (32767 / 32768, True), (-1.0, True), (1.5, True)]
)
def test_full_scale_is_clipped(peak: float, clips: bool) -> None:
    _, found = checked([0.1, 0.2, peak, 0.3])
    assert found == ([([52], Fault.CLIPPED)] if clips else [])


@pytest.mark.parametrize(("repeats", "dead_from"), [(249, None), (250, [299])])
def test_a_quarter_second_of_one_value_is_a_dead_microphone(
    repeats: int, dead_from: list[int] | None
) -> None:
    """1000 Hz: the 250th equal sample, also when the value is not zero."""
    samples = np.random.default_rng(33).standard_normal((300, 2)) * 0.1
    samples[:repeats, 1] = -0.03
    _, found = checked(samples)
    assert found == ([(dead_from, Fault.MICROPHONE_DEAD)] if dead_from else [])


def test_equal_neighbours_of_a_quiet_16_bit_recording_are_not_dead() -> None:
    samples = np.round(0.7 * np.random.default_rng(34).standard_normal(4000)) / 32768.0
    assert checked(samples)[1] == []


def test_the_callers_samples_stay_as_they_were() -> None:
    samples = np.array([[0.1], [np.nan], [0.2]], np.float32)
    AudioCheck(1, 1000.0).check(AudioBlock(samples, 1000.0, 0))
    assert np.isnan(samples[1, 0])


def test_clipping_does_not_block_but_not_a_number_does() -> None:
    assert not shown(clipped(True), BLOCKING_FAULTS).any()
    assert shown(bad(True), BLOCKING_FAULTS).any()


# ---- microphones


def test_a_microphone_that_never_hears_is_dead_one_that_stops_is_covered() -> None:
    never, stops = Room(5.0, microphones=2), Room(5.0, microphones=2)
    never.samples[:, 1] -= never.carrier
    stops.samples[stops.t > 2.0, 1] -= stops.carrier
    # what it hears of noise swings by more than 15 dB once in thirty frames
    assert shown(never.features(), Fault.MICROPHONE_DEAD)[20:].mean() > 0.9
    features = stops.features()
    assert shown(features, Fault.MICROPHONE_COVERED)[features.time_s > 3.5].all()
    assert not shown(features, Fault.MICROPHONE_DEAD).any()


def test_covered_takes_a_second_and_ends_with_the_hand() -> None:
    room = Room(8.0, microphones=2)
    room.samples[(room.t > 2.0) & (room.t < 5.0), 1] *= 0.1
    covered_s = times(room.features(), Fault.MICROPHONE_COVERED)
    assert 3.0 < covered_s[0] < 3.4
    assert 4.9 < covered_s[-1] < 5.3


def test_an_emitter_that_plays_more_quietly_covers_no_microphone() -> None:
    """Seen: level control by 20 dB had every microphone covered for ever. Cure: what all lose is not it."""
    features = with_carrier(lambda t: np.where(t < 2.0, 1.0, 0.1), 6.0, microphones=2)
    assert not shown(features, Fault.MICROPHONE_COVERED).any()


# ---- gain


@pytest.mark.parametrize("carrier_hz", CARRIERS_HZ)
@pytest.mark.parametrize("step_db", [-10.0, -3.0, 3.0, 10.0])
def test_a_gain_step_is_said_soon_and_does_not_last(carrier_hz: float, step_db: float) -> None:
    features = with_gain(lambda t: np.where(t > 4.0, step_db, 0.0), carrier_hz=carrier_hz)
    moved_s = times(features, Fault.GAIN_MOVED)
    assert 4.0 < moved_s[0] < 4.5
    assert moved_s[-1] < 5.6
    after = (features.time_s > 4.7) & (features.time_s < 6.0)
    power = 10.0 ** (features.log_power_db[after].astype(np.float64) / 10.0)
    # the floor moves with it
    assert abs(10.0 * np.log10(power[:, np.abs(features.velocity_mps) > 0.3].mean())) < 3.5


@pytest.mark.parametrize("carrier_hz", CARRIERS_HZ)
def test_a_step_of_1_db_and_a_mover_near_by_are_not_gain_steps(carrier_hz: float) -> None:
    step = with_gain(lambda t: np.where(t > 4.0, 1.0, 0.0), carrier_hz=carrier_hz)
    assert not shown(step, Fault.GAIN_MOVED).any()
    room = Room(20.0, carrier_hz=carrier_hz)
    room.samples += room.reflector(0.5 * np.sin(2.0 * np.pi * 0.3 * room.t), 0.5 * room.carrier)
    near = room.features()
    assert not shown(near, Fault.GAIN_MOVED | Fault.AGC_SUSPECTED).any()
    assert near.log_power_db[:, near_cells(near.velocity_mps, 0.3, 0.2)].max() > 30.0


@pytest.mark.parametrize(("depth_db", "period_s"), [(2.0, 5.0), (4.0, 2.0), (4.0, 12.0)])
def test_a_gain_that_is_driven_up_and_down_is_suspected(depth_db: float, period_s: float) -> None:
    features = with_gain(lambda t: depth_db * np.sin(2.0 * np.pi * t / period_s), 20.0)
    assert shown(features, Fault.AGC_SUSPECTED)[features.time_s > 10.0].all()
    assert not shown(features, BLOCKING_FAULTS).any()


def test_a_gain_that_wanders_by_1_db_is_not() -> None:
    features = with_gain(lambda t: np.sin(2.0 * np.pi * t / 5.0), 20.0)
    assert not shown(features, Fault.AGC_SUSPECTED).any()


# ---- clocks


@pytest.mark.parametrize("carrier_hz", CARRIERS_HZ)
@pytest.mark.parametrize(
    ("turning_hz", "slewing_now"), [(-4.0, True), (-2.0, False), (2.5, False), (8.0, True)]
)
def test_a_clock_that_runs_away_is_said(carrier_hz: float, turning_hz: float, slewing_now: bool) -> None:
    room = Room(4.0, carrier_hz=carrier_hz)
    room.samples *= np.exp(2j * np.pi * turning_hz * room.t)[:, None]
    features = room.features()
    assert shown(features, Fault.CLOCK_SLEWING)[features.time_s > 1.0].all() == slewing_now
    assert shown(features, Fault.CLOCK_SLEWING).any() == slewing_now


def test_a_walker_is_no_clock() -> None:
    room = Room(6.0)
    room.samples += room.reflector(1.2, 0.3 * room.carrier)
    assert not shown(room.features(), Fault.CLOCK_SLEWING).any()
