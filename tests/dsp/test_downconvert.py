"""The downconverter against its own promises, against paper, and against scipy."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.dsp.sounds import in_blocks, tone

from noctule.core.errors import NoctuleError
from noctule.core.frames import AudioBlock, BasebandBlock, Fault
from noctule.core.settings import FeatureSettings
from noctule.core.units import LOWEST_PRIVATE_CARRIER_HZ, PRIVACY_EDGE_HZ
from noctule.dsp.downconvert import Downconverter, plan_decimation

SETTINGS = FeatureSettings()
RATES_HZ = (44100, 48000, 88200, 96000, 192000, 250000, 384000, 500000)
CARRIERS_HZ = (18500, 20000, 25000, 32000, 40000, 48000, 90000)
PLACES = [
    pytest.param(rate_hz, carrier_hz, id=f"{rate_hz}-{carrier_hz}")
    for rate_hz in RATES_HZ
    for carrier_hz in CARRIERS_HZ
    if carrier_hz < rate_hz / 2
]
#: 3600 s at 96 kHz, and a multiple of its decimation of 16.
AN_HOUR = 3600 * 96000


def downconverter(rate_hz: float, carrier_hz: float, channels: int = 1) -> Downconverter:
    return Downconverter(sample_rate_hz=rate_hz, carrier_hz=carrier_hz, channels=channels, settings=SETTINGS)


def converted(
    audio: npt.NDArray[np.floating],
    rate_hz: int,
    carrier_hz: float,
    sizes: int | list[int] = 4096,
    first_sample: int = 0,
) -> BasebandBlock:
    """All baseband of a piece of audio as one block."""
    channels = 1 if audio.ndim == 1 else audio.shape[1]
    down = downconverter(rate_hz, carrier_hz, channels)
    blocks = [down.process(b) for b in in_blocks(audio, rate_hz, sizes, first_sample)]
    blocks = [b for b in blocks if len(b.samples)]
    for before, after in pairwise(blocks):
        assert after.first_sample == before.first_sample + len(before.samples)
    samples = np.concatenate([b.samples for b in blocks])
    return BasebandBlock(samples, down.baseband_rate_hz, carrier_hz, blocks[0].first_sample)


@pytest.mark.parametrize(("rate_hz", "carrier_hz"), PLACES)
def test_low_pass_is_flat_over_the_grid_and_down_where_it_must_be(rate_hz: int, carrier_hz: int) -> None:
    """Measured on the taps that run: ripple below 0.001 dB, 100 dB from the stop edge on."""
    plan = plan_decimation(rate_hz, carrier_hz, SETTINGS)
    hz, response = scipy.signal.freqz(plan.taps.astype(np.float64), worN=1 << 16, fs=rate_hz)
    db = 20.0 * np.log10(np.abs(response) + 1e-12)
    assert np.abs(db[hz <= plan.pass_edge_hz]).max() < 0.001
    assert db[hz >= plan.stop_edge_hz].max() < -SETTINGS.stopband_db
    # what the edges are for: the whole grid, no alias on it, nothing audible
    assert plan.pass_edge_hz >= 2.0 * SETTINGS.velocity_max_mps * carrier_hz / 343.2
    assert plan.stop_edge_hz <= plan.baseband_rate_hz - plan.pass_edge_hz
    assert carrier_hz - plan.stop_edge_hz >= PRIVACY_EDGE_HZ
    assert plan.baseband_rate_hz * plan.decimation == pytest.approx(rate_hz)
    assert 5000.0 <= plan.baseband_rate_hz <= 12000.0 * max(1.0, carrier_hz / 40000.0)


def test_a_carrier_inside_hearing_keeps_the_grid_but_promises_no_privacy() -> None:
    """Replay of foreign recordings at 16 kHz works; the stop-band still keeps aliases off the grid."""
    plan = plan_decimation(48000.0, 16000.0, SETTINGS)
    assert plan.stop_edge_hz == plan.baseband_rate_hz - plan.pass_edge_hz
    lowest = plan_decimation(48000.0, LOWEST_PRIVATE_CARRIER_HZ, SETTINGS)
    assert lowest.stop_edge_hz == LOWEST_PRIVATE_CARRIER_HZ - PRIVACY_EDGE_HZ


@pytest.mark.parametrize(
    ("rate_hz", "carrier_hz"),
    [(44100.0, 22050.0), (48000.0, 40000.0), (500000.0, 200000.0), (96000.0, 1000.0), (96000.0, -5.0)],
)
def test_a_carrier_outside_the_band_is_refused(rate_hz: float, carrier_hz: float) -> None:
    with pytest.raises(NoctuleError, match="carrier"):
        plan_decimation(rate_hz, carrier_hz, SETTINGS)


@pytest.mark.parametrize("first_sample", [0, AN_HOUR], ids=["start", "after an hour"])
@pytest.mark.parametrize("offset_hz", [0, 117, -400, 1300])
@pytest.mark.parametrize(("rate_hz", "carrier_hz"), [(96000, 40000), (96000, 18500), (48000, 20000)])
def test_a_tone_comes_out_at_its_offset_with_half_its_amplitude_and_its_phase(
    rate_hz: int, carrier_hz: int, offset_hz: int, first_sample: int
) -> None:
    """cos(2π(f0+f)t + p) becomes 1/2·exp(j(2πf(t - delay) + p)), t = 0 at sample 0 of the stream."""
    amplitude, phase = 0.3, 0.7
    audio = tone(rate_hz, carrier_hz + offset_hz, rate_hz // 4, amplitude, phase, first_sample)
    got = converted(audio, rate_hz, carrier_hz, first_sample=first_sample)
    plan = plan_decimation(rate_hz, carrier_hz, SETTINGS)
    # baseband sample b is made when audio sample (b + 1)·decimation - 1 is in
    newest = (got.first_sample + 1 + np.arange(len(got.samples), dtype=np.int64)) * plan.decimation - 1
    delay = (len(plan.taps) - 1) / 2.0
    turns = (newest * offset_hz % rate_hz - delay * offset_hz) / rate_hz
    expected = amplitude / 2.0 * np.exp(1j * (2.0 * np.pi * turns + phase))
    gain = 1.0
    if offset_hz > plan.pass_edge_hz:  # past the grid the filter may already fall
        _, h = scipy.signal.freqz(plan.taps, worN=[offset_hz], fs=rate_hz)
        gain = float(np.abs(h[0]))
    # ripple 1.2e-4 at most, single precision below that
    assert np.abs(got.samples[:, 0] - gain * expected).max() < 2e-4 * amplitude


def test_the_latency_is_where_an_impulse_comes_out() -> None:
    rate_hz, at = 96000, 9600
    audio = np.zeros(rate_hz // 4)
    audio[at] = 1.0
    got = converted(audio, rate_hz, 40000)
    down = downconverter(rate_hz, 40000)
    peak = got.first_sample + int(np.argmax(np.abs(got.samples[:, 0])))
    newest = (peak + 1) * down.plan.decimation - 1
    assert abs(newest - at - down.latency_samples) <= down.plan.decimation / 2


def scene(rate_hz: int, carrier_hz: int, seconds: float, channels: int = 2) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(3)
    audio = 0.05 * rng.standard_normal((round(seconds * rate_hz), channels))
    for c in range(channels):
        audio[:, c] += tone(rate_hz, carrier_hz, len(audio), 0.2, phase=c)
    return audio.astype(np.float32)


@pytest.mark.parametrize("size", [1, 7, 480, 5000])
@pytest.mark.parametrize(("rate_hz", "carrier_hz"), [(48000, 20000), (96000, 40000), (250000, 90000)])
def test_any_block_size_gives_the_same_bits(rate_hz: int, carrier_hz: int, size: int) -> None:
    audio = scene(rate_hz, carrier_hz, 0.05)
    whole = converted(audio, rate_hz, carrier_hz, len(audio))
    cut = converted(audio, rate_hz, carrier_hz, size)
    assert cut.first_sample == whole.first_sample
    np.testing.assert_array_equal(cut.samples, whole.samples)


SCENE = scene(96000, 40000, 0.06, channels=3)
WHOLE = converted(SCENE, 96000, 40000, len(SCENE))


@hypothesis_settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 2500), min_size=1, max_size=30))
def test_any_partition_gives_the_same_bits(sizes: list[int]) -> None:
    """Seen: a matrix product rounds by the number of its rows, so blocks of one step differed from larger
    ones in the last bit. Cure: one dot product an output, of one memory layout.
    """
    np.testing.assert_array_equal(converted(SCENE, 96000, 40000, sizes).samples, WHOLE.samples)


@pytest.mark.parametrize(("rate_hz", "carrier_hz"), [(44100, 20000), (96000, 32000), (192000, 40000)])
def test_streaming_equals_an_independent_offline_road(rate_hz: int, carrier_hz: int) -> None:
    """scipy, double precision, the textbook order: mix the whole recording, filter, take every D-th."""
    audio = scene(rate_hz, carrier_hz, 0.2)
    got = converted(audio, rate_hz, carrier_hz, 777)
    plan = plan_decimation(rate_hz, carrier_hz, SETTINGS)
    mixer = np.exp(-2j * np.pi * carrier_hz * np.arange(len(audio)) / rate_hz)
    low = scipy.signal.lfilter(plan.taps.astype(np.float64), 1.0, audio * mixer[:, None], axis=0)
    offline = low[plan.decimation - 1 :: plan.decimation][got.first_sample :][: len(got.samples)]
    error = np.abs(got.samples - offline).max() / np.abs(offline).max()
    assert error < 1e-5


@pytest.mark.parametrize("missing", [1, 960, 1234567])
def test_a_gap_of_known_length_is_marked_once_and_keeps_the_phase(missing: int) -> None:
    rate_hz, carrier_hz, phase = 96000, 40000, 1.1
    down = downconverter(rate_hz, carrier_hz)
    before = list(in_blocks(tone(rate_hz, carrier_hz, 9000, 0.2, phase), rate_hz, 3000))
    behind = 9000 + missing
    after = list(in_blocks(tone(rate_hz, carrier_hz, 9000, 0.2, phase, behind), rate_hz, 3000, behind))
    blocks = [down.process(b) for b in before + after]
    assert [b.faults for b in blocks] == [Fault(0)] * 3 + [Fault.DROPPED_SAMPLES] + [Fault(0)] * 2
    assert blocks[3].first_sample >= behind // down.plan.decimation
    for block in blocks:
        assert np.abs(np.angle(block.samples) - phase).max() < 1e-4


@pytest.mark.parametrize(
    ("first_sample", "overflowed"), [(4000, True), (1000, False)], ids=["overflow", "back"]
)
def test_overflow_and_a_stream_that_jumps_back_are_gaps(first_sample: int, overflowed: bool) -> None:
    down = downconverter(96000, 40000)
    audio = tone(96000, 40000, 4000).astype(np.float32)[:, None]
    assert down.process(AudioBlock(audio, 96000.0, 0)).faults == Fault(0)
    later = down.process(AudioBlock(audio, 96000.0, first_sample, overflowed))
    assert later.faults == Fault.DROPPED_SAMPLES
    # the filter fills anew: nothing of before the gap is in it
    fresh = downconverter(96000, 40000)
    np.testing.assert_array_equal(
        later.samples, fresh.process(AudioBlock(audio, 96000.0, first_sample)).samples
    )


def test_a_gap_before_there_is_any_baseband_is_not_forgotten() -> None:
    """The mark waits for the next block that holds samples."""
    down = downconverter(96000, 40000)
    audio = tone(96000, 40000, 4000).astype(np.float32)[:, None]
    down.process(AudioBlock(audio, 96000.0, 0))
    empty = down.process(AudioBlock(audio[:10], 96000.0, 5000))
    assert len(empty.samples) == 0
    assert down.process(AudioBlock(audio, 96000.0, 5010)).faults & Fault.DROPPED_SAMPLES


def test_another_channel_count_or_rate_is_refused() -> None:
    down = downconverter(96000, 40000, channels=2)
    with pytest.raises(NoctuleError, match="2 channels at 96000 Hz to 1"):
        down.process(AudioBlock(np.zeros((10, 1), np.float32), 96000.0, 0))
    with pytest.raises(NoctuleError, match="96000 Hz to 2 at 48000 Hz"):
        down.process(AudioBlock(np.zeros((10, 2), np.float32), 48000.0, 0))


def test_it_neither_writes_into_its_input_nor_into_what_it_gave() -> None:
    down = downconverter(96000, 40000)
    audio = tone(96000, 40000, 8000).astype(np.float32)[:, None]
    untouched = audio.copy()
    given_first = down.process(AudioBlock(audio, 96000.0, 0))
    kept = given_first.samples.copy()
    down.process(AudioBlock(-audio, 96000.0, 8000))
    np.testing.assert_array_equal(audio, untouched)
    np.testing.assert_array_equal(given_first.samples, kept)
