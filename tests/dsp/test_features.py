"""Audio to features: paper answers, what must drop out, and any block size."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.dsp.sounds import (
    FloatArray,
    Room,
    coming_at,
    features_of,
    in_blocks,
    joined,
    near_cells,
    tone,
    two_way,
)

from noctule.core.errors import NoctuleError
from noctule.core.frames import BLOCKING_FAULTS, PER_FRAME, BasebandBlock, Fault, FeatureBlock
from noctule.core.settings import FeatureSettings
from noctule.dsp.features import FeatureExtractor

SETTINGS = FeatureSettings()
PLACES = [
    (44100, 18500),
    (44100, 20000),
    (48000, 20000),
    (88200, 32000),
    (96000, 40000),
    (192000, 40000),
    (250000, 90000),
    (384000, 48000),
    (500000, 90000),
]


def extractor(rate_hz: float, carrier_hz: float, channels: int = 1) -> FeatureExtractor:
    return FeatureExtractor(SETTINGS, carrier_hz=carrier_hz, channels=channels, sample_rate_hz=rate_hz)


def centroid(features: FeatureBlock, near_mps: float) -> float:
    """Power-weighted velocity around a peak, mean over the frames after the first."""
    power = np.mean(10.0 ** (features.log_power_db[1:].astype(np.float64) / 10.0), axis=0)
    cells = near_cells(features.velocity_mps, near_mps, 0.1)
    return float(np.sum(features.velocity_mps[cells] * power[cells]) / np.sum(power[cells]))


@pytest.mark.parametrize("velocity_mps", [-2.5, -0.8, 0.5, 1.22, 4.0])
@pytest.mark.parametrize(("rate_hz", "carrier_hz"), [(48000, 20000), (96000, 32000), (96000, 40000)])
def test_a_reflector_is_seen_at_its_velocity_and_on_its_side_only(
    rate_hz: int, carrier_hz: int, velocity_mps: float
) -> None:
    """The path is synthesised sample by sample with its exact delay; 1 % of speed, 40 dB of image."""
    rng = np.random.default_rng(6)
    seconds = 0.8
    audio = (
        0.2 * two_way(rate_hz, carrier_hz, seconds, lambda t: np.full_like(t, 0.05))
        + 0.005 * two_way(rate_hz, carrier_hz, seconds, coming_at(velocity_mps, seconds))
        + 1e-6 * rng.standard_normal(round(seconds * rate_hz))
    )
    features = features_of(audio, rate_hz, carrier_hz)
    assert centroid(features, velocity_mps) == pytest.approx(velocity_mps, rel=0.01)
    power = np.mean(features.log_power_db, axis=0)
    wanted = power[near_cells(features.velocity_mps, velocity_mps, 0.1)].max()
    image = power[near_cells(features.velocity_mps, -velocity_mps, 0.1)].max()
    assert wanted - image > 40.0


def walker_scene(seconds: float = 2.0) -> tuple[FloatArray, int]:
    """A walker with a swinging arm under 20 kHz, noise included, at 192 kHz."""
    rate_hz, carrier_hz = 192000, 20000
    rng = np.random.default_rng(7)
    audio = 0.1 * two_way(rate_hz, carrier_hz, seconds, lambda t: np.full_like(t, 0.05))
    audio += 0.002 * two_way(
        rate_hz, carrier_hz, seconds, lambda t: 2.5 - 0.9 * t + 0.1 * np.sin(4.0 * np.pi * t)
    )
    audio += 0.0003 * two_way(rate_hz, carrier_hz, seconds, lambda t: 1.5 + 0.3 * np.sin(2.0 * np.pi * t))
    return audio + 3e-4 * rng.standard_normal(len(audio)), rate_hz


WALKER, WALKER_RATE_HZ = walker_scene()
#: The same sound as recorders of lower rates would have it: band-limited by Fourier, exact.
RECORDED = {
    rate_hz: WALKER if rate_hz == WALKER_RATE_HZ else scipy.signal.resample(WALKER, 2 * rate_hz)
    for rate_hz in (48000, 96000, 192000)
}


@pytest.mark.parametrize("gain_db", [-20.0, 8.0])
def test_level_and_gain_drop_out(gain_db: float) -> None:
    """Seen: 600 cells of 9400 moved by 0.6 dB when everything was scaled. Two limits of the floor tracker
    met in a tie (three times the floor), so that rounding decided which rule held. Cure: one limit lowered.
    """
    plain = features_of(RECORDED[48000], 48000, 20000.0)
    scaled = features_of(RECORDED[48000] * 10.0 ** (gain_db / 20.0), 48000, 20000.0)
    assert np.abs(scaled.log_power_db - plain.log_power_db).max() < 0.1
    np.testing.assert_allclose(scaled.carrier_snr_db, plain.carrier_snr_db, atol=0.01)
    np.testing.assert_allclose(scaled.carrier_level_dbfs - plain.carrier_level_dbfs, gain_db, atol=0.01)
    np.testing.assert_array_equal(scaled.faults, plain.faults)


@pytest.mark.parametrize("rate_hz", [96000, 192000])
def test_the_same_scene_gives_the_same_features_at_any_rate(rate_hz: int) -> None:
    """The low-passes' delays differ by 0.2 ms, which the fastest speckle shows."""
    low, high = features_of(RECORDED[48000], 48000, 20000.0), features_of(RECORDED[rate_hz], rate_hz, 20000.0)
    assert len(low) == len(high)
    np.testing.assert_array_equal(low.velocity_mps, high.velocity_mps)
    np.testing.assert_allclose(low.time_s, high.time_s, atol=5e-4)
    difference = np.abs(low.log_power_db - high.log_power_db)
    assert np.median(difference[low.log_power_db > 6.0]) < 0.1
    assert np.percentile(difference[low.log_power_db > 6.0], 99) < 1.0
    np.testing.assert_allclose(low.carrier_snr_db, high.carrier_snr_db, atol=0.2)


def test_carrier_level_and_snr_are_what_was_played() -> None:
    """A cosine of 0.1 is -20 dBFS; noise of variance s² has s²·10/(rate/2) in 10 Hz."""
    rng = np.random.default_rng(8)
    audio = tone(96000, 40000, 96000 * 3, 0.1) + 1e-3 * rng.standard_normal(96000 * 3)
    features = features_of(audio, 96000, 40000.0)
    assert features.carrier_level_dbfs == pytest.approx(-20.0, abs=0.05)
    snr_db = 10.0 * np.log10((0.1**2 / 2.0) / (1e-6 * 10.0 / 48000.0))
    # the quieter of two ends is taken for the noise: 0.7 dB low
    assert np.mean(features.carrier_snr_db[20:]) == pytest.approx(snr_db, abs=1.0)


def test_white_noise_is_0_db_everywhere() -> None:
    rng = np.random.default_rng(9)
    audio = tone(48000, 20000, 48000 * 8, 0.1)[:, None] + 1e-3 * rng.standard_normal((48000 * 8, 2))
    features = features_of(audio, 48000, 20000.0)
    power = np.mean(10.0 ** (features.log_power_db[40:].astype(np.float64) / 10.0), axis=0)
    outside = np.abs(features.velocity_mps) > 0.2
    assert 10.0 * np.log10(power[outside].mean()) == pytest.approx(0.0, abs=1.0)
    # the notch of the clutter: nothing of the carrier is left
    assert features.log_power_db[40:, ~outside].max() < 10.0
    assert features.broadband_db.mean() < 1.0


def test_velocities_that_cannot_be_carried_are_silent_and_a_mover_is_seen_on_the_other_side() -> None:
    """23.5 kHz at 48 kHz: coming is cut off at 2.7 m/s, going is whole."""
    seconds = 1.0
    rng = np.random.default_rng(10)
    audio = 0.1 * two_way(48000, 23500, seconds, lambda t: np.full_like(t, 0.05))
    audio += 0.002 * two_way(48000, 23500, seconds, coming_at(-4.0, seconds))
    features = features_of(audio + 1e-5 * rng.standard_normal(48000), 48000, 23500.0)
    v, valid = features.velocity_mps, features.valid_bins
    assert v[~valid].min() > 2.6
    assert not features.log_power_db[:, ~valid].any()
    assert centroid(features, -4.0) == pytest.approx(-4.0, rel=0.01)
    # 4 m/s going is 22953 Hz; its mirror above half the rate must not show as something coming
    power = np.mean(features.log_power_db, axis=0)
    assert power[near_cells(v, -4.0, 0.1)].max() - power[valid & (v > 0.3)].max() > 30.0


@pytest.mark.parametrize(("rate_hz", "carrier_hz"), PLACES)
def test_twenty_frames_a_second_within_60_ms(rate_hz: int, carrier_hz: int) -> None:
    """`latency_s` is stated, at most 60 ms, and true: measured from each sample's arrival."""
    one = extractor(rate_hz, carrier_hz)
    assert one.latency_s <= 0.06
    seconds, block = 1.0, 64
    audio = tone(rate_hz, carrier_hz, round(seconds * rate_hz))
    fed_s, frame_s = [], []
    for piece in in_blocks(audio, rate_hz, block):
        for time_s in one.process(piece).time_s:
            fed_s.append((piece.first_sample + len(piece.samples)) / rate_hz)
            frame_s.append(float(time_s))
    assert len(frame_s) >= 20.0 * (seconds - one.window_s) - 1.0
    steps = np.diff(frame_s)
    np.testing.assert_allclose(steps, one.hop_s, rtol=1e-6)
    # the frame leaves when its newest sample is in, give or take the block it came in
    late_s = np.array(fed_s) - np.array(frame_s)
    assert late_s.min() > -1.0 / rate_hz
    assert late_s.max() < 1.5 * block / rate_hz + 1.0 / 5000.0
    # a sample just too late for a frame waits a hop; the low-pass delays it by half its length
    worst_s = np.max(np.array(fed_s[1:]) - np.array(frame_s[:-1])) + (one.latency_s - one.hop_s)
    assert worst_s <= one.latency_s + 1.5 * block / rate_hz + 1.0 / 5000.0


@pytest.mark.parametrize(("rate_hz", "carrier_hz"), [(44100, 20000), (96000, 40000)])
def test_time_is_the_streams_time_of_what_is_seen(rate_hz: int, carrier_hz: int) -> None:
    """A mover that starts at 1.3 s into a stream that starts at 100 s shows in the first frame after."""
    seconds, start_s, started = 2.0, 1.3, 100 * rate_hz
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    echo = two_way(rate_hz, carrier_hz, seconds, coming_at(1.5, seconds)) * (t >= start_s)
    noise = 1e-5 * np.random.default_rng(11).standard_normal(len(t))
    audio = tone(rate_hz, carrier_hz, len(t), 0.1) + 0.003 * echo + noise
    one = extractor(rate_hz, carrier_hz)
    features = joined(one.process(b) for b in in_blocks(audio, rate_hz, 500, started))
    moving = features.log_power_db[:, near_cells(features.velocity_mps, 1.5, 0.2)].max(axis=1) > 15.0
    first_s = float(features.time_s[np.argmax(moving)]) - 100.0
    assert start_s < first_s < start_s + one.hop_s + one.window_s / 3.0
    assert features.time_s[0] == pytest.approx(100.0 + one.window_s, abs=0.02)


@pytest.mark.parametrize("carrier_hz", [23500, 23950])
def test_a_carrier_just_under_half_the_rate_works(carrier_hz: int) -> None:
    """Its mirror stands as close above half the rate and as strong.

    Seen: within half a percent of it the chain broke, and the beat of the two was now and then a gap.
    """
    rng = np.random.default_rng(15)
    audio = tone(48000, carrier_hz, 48000 * 6, 0.1) + 1e-3 * rng.standard_normal(48000 * 6)
    features = features_of(audio, 48000, float(carrier_hz))
    assert not features.faults.any()
    power = 10.0 ** (features.log_power_db[40:, features.valid_bins].astype(np.float64) / 10.0)
    assert 10.0 * np.log10(power.mean()) == pytest.approx(0.0, abs=1.5)


@pytest.mark.parametrize("rate_hz", [100.0, 2000.0])
def test_a_recording_too_slow_for_its_carrier_is_refused(rate_hz: float) -> None:
    with pytest.raises(NoctuleError, match=r"carries velocities up to .* m/s, 4.5 m/s are needed"):
        FeatureExtractor(SETTINGS, carrier_hz=40000.0, channels=1, baseband_rate_hz=rate_hz)


def moving_db(features: FeatureBlock, velocity_mps: float = 1.2) -> float:
    """Mean level of a mover over the floor."""
    return float(
        np.mean(features.log_power_db[5:, near_cells(features.velocity_mps, velocity_mps, 0.026)].max(axis=1))
    )


def four_microphones(
    loud_db: float = 0.0, dead: bool = False, only: Sequence[int] = (0, 1, 2, 3)
) -> FeatureBlock:
    """A walker of 25 dB over the noise; microphone 2 with more noise, or dead."""
    room = Room(3.0, microphones=4)
    room.samples += room.reflector(1.2, 10.0 ** (25.0 / 20.0) * room.sigma / np.sqrt(343.0))
    room.samples[:, 2] += room.noise(room.sigma * 10.0 ** (loud_db / 20.0))[:, 2] if loud_db else 0.0
    if dead:
        room.samples[:, 2] = room.noise(room.sigma)[:, 2]
    room.samples = room.samples[:, list(only)]
    return room.features()


@pytest.mark.parametrize("loud_db", [10.0, 20.0, 40.0])
def test_one_noisy_microphone_of_four_costs_its_share_and_no_more(loud_db: float) -> None:
    """3 of 4 shares of the echo are left: -1.25 dB; summed without weights it would be -4 to -34 dB."""
    assert moving_db(four_microphones()) - moving_db(four_microphones(loud_db)) < 1.6


def test_a_dead_microphone_is_left_out() -> None:
    """A microphone that hears no carrier counts for nothing: as if there were three."""
    with_dead, without = four_microphones(dead=True), four_microphones(only=(0, 1, 3))
    np.testing.assert_allclose(with_dead.log_power_db, without.log_power_db, atol=0.01)
    assert not (with_dead.faults & int(BLOCKING_FAULTS)).any()


def test_digital_silence_on_one_microphone_does_no_harm() -> None:
    rng = np.random.default_rng(12)
    audio = tone(48000, 20000, 48000 * 2, 0.1)[:, None] + 1e-3 * rng.standard_normal((96000, 3))
    audio[:, 1] = 0.0
    features = features_of(audio, 48000, 20000.0)
    both = features_of(audio[:, [0, 2]], 48000, 20000.0)
    assert (features.faults[10:] & int(Fault.MICROPHONE_DEAD)).all()
    assert np.abs(features.log_power_db - both.log_power_db)[1:].max() < 0.1


def silenced(first_s: float, last_s: float, microphones: slice) -> FeatureBlock:
    """Six quiet seconds at 48 kHz, with zeros from a card or cable that fell out."""
    rng = np.random.default_rng(14)
    audio = tone(48000, 20000, 48000 * 6, 0.1)[:, None] + 1e-3 * rng.standard_normal((48000 * 6, 2))
    audio[round(48000 * first_s) : round(48000 * last_s), microphones] = 0.0
    return features_of(audio, 48000, 20000.0)


@pytest.mark.parametrize("microphones", [slice(1, 2), slice(None)], ids=["one of two", "all"])
@pytest.mark.parametrize("last_s", [2.2, 3.5], ids=["short", "long"])
def test_noise_learnt_in_silence_is_not_the_rooms(last_s: float, microphones: slice) -> None:
    """Seen: digital silence taught a noise of -180 dB, and for minutes after it everything stood 100 dB
    over it, so that nobody would have been seen. Cure: silence is not followed, and the old level comes back.
    """
    features = silenced(2.0, last_s, microphones)
    after = features.time_s > last_s + 0.6
    power = 10.0 ** (features.log_power_db[after].astype(np.float64) / 10.0)
    assert 10.0 * np.log10(power[:, near_cells(features.velocity_mps, 2.5, 2.0)].mean()) < 1.0
    assert features.broadband_db[after].max() < 4.0
    assert not features.faults[features.time_s > last_s + 1.0].any()


def hard_audio() -> np.ndarray:
    """Two microphones at 48 kHz with everything that can go wrong: the faults must not depend on blocks."""
    rng = np.random.default_rng(13)
    n = 48000 * 2
    audio = tone(48000, 20000, n, 0.1)[:, None] + 1e-3 * rng.standard_normal((n, 2))
    audio += 0.01 * tone(48000, 20150, n)[:, None] * (np.arange(n) // 12000 % 2)[:, None]
    audio[20000:20003, 0] = np.nan
    audio[40000:40100] *= 20.0
    audio[40000:40100] = np.clip(audio[40000:40100], -1.0, 1.0)
    audio[52000:66000, 1] = 0.0
    audio[85000:] = tone(48000, 20000, n - 85000, 0.1, phase=2.0)[:, None]
    return audio.astype(np.float32)


HARD = hard_audio()


def hard_features(sizes: int | list[int]) -> FeatureBlock:
    """The last part comes after a gap of 1000 samples."""
    one = extractor(48000, 20000.0, channels=2)
    before = in_blocks(HARD[:80000], 48000, sizes)
    after = in_blocks(HARD[80000:], 48000, sizes, first_sample=81000)
    return joined(one.process(block) for part in (before, after) for block in part)


HARD_WHOLE = hard_features(len(HARD))


def assert_same(one: FeatureBlock, other: FeatureBlock) -> None:
    for name in PER_FRAME:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@pytest.mark.parametrize("size", [7, 480, 4096, 24000])
def test_any_block_size_gives_the_same_features_and_faults(size: int) -> None:
    """Seen: a NaN in the middle of a long block was reported at its start, a silence was found only where
    it filled blocks, and a tone was reported in frames before it was known. Cure: faults by sample.
    """
    assert_same(hard_features(size), HARD_WHOLE)


@hypothesis_settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 30000), min_size=1, max_size=20))
def test_any_partition_gives_the_same_features_and_faults(sizes: list[int]) -> None:
    assert_same(hard_features([*sizes, 24000]), HARD_WHOLE)


def test_the_hard_scene_shows_each_fault_where_it_is() -> None:
    """So that the two tests above compare something."""

    def shown(fault: Fault) -> tuple[float, float]:
        times = HARD_WHOLE.time_s[(HARD_WHOLE.faults & int(fault)) != 0]
        return float(times[0]), float(times[-1])

    window_s, hop_s = 0.1716, 0.048
    for fault, first_s, last_s in (
        (Fault.BAD_SAMPLES, 20000 / 48000, 20003 / 48000),
        (Fault.CLIPPED, 40000 / 48000, 40100 / 48000),
        (Fault.MICROPHONE_DEAD, 52000 / 48000 + 0.25, 66000 / 48000),
    ):
        first, last = shown(fault)
        assert first_s <= first <= first_s + hop_s + 0.001, fault
        # as long as the window holds it, and at most two hops longer
        assert last_s + window_s - hop_s <= last <= last_s + window_s + 2.5 * hop_s, fault
    assert shown(Fault.DROPPED_SAMPLES)[0] > 81000 / 48000


def test_baseband_in_is_the_same_as_audio_in() -> None:
    """A recording replayed gives what was seen live."""
    audio = RECORDED[48000][:48000]
    live = features_of(audio, 48000, 20000.0)
    one = extractor(48000, 20000.0)
    assert one._front is not None
    parts = [b for block in in_blocks(audio, 48000, 4096) for b in one._front.process(block)]
    samples = np.concatenate([b.samples for b in parts])
    recorder = FeatureExtractor(SETTINGS, carrier_hz=20000.0, channels=1, baseband_rate_hz=6000.0)
    replayed = recorder.process_baseband(BasebandBlock(samples, 6000.0, 20000.0, parts[0].first_sample))
    assert_same(live, replayed)


def test_reset_forgets_everything() -> None:
    one = extractor(48000, 20000.0, channels=2)
    runs = []
    for _ in range(2):
        runs.append(joined(one.process(b) for b in in_blocks(HARD[:50000], 48000, 4096)))
        one.reset()
    assert_same(*runs)


def test_it_needs_a_rate_of_one_kind() -> None:
    with pytest.raises(ValueError, match="sample_rate_hz or baseband_rate_hz"):
        FeatureExtractor(SETTINGS, carrier_hz=20000.0, channels=1)


def test_frames_own_their_rows() -> None:
    """What was given stays as it was when more comes."""
    one = extractor(48000, 20000.0)
    blocks = list(in_blocks(RECORDED[48000], 48000, 24000))
    first = one.process(blocks[0])
    kept = first.log_power_db.copy()
    for block in blocks[1:]:
        one.process(block)
    np.testing.assert_array_equal(first.log_power_db, kept)
    assert all(b - a > 0 for a, b in pairwise(first.time_s))
