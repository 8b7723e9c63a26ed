"""Doppler power on the velocity grid: paper answers from synthesised two-way paths."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.dsp.sounds import BASEBAND_HZ, FloatArray, coming_at, in_blocks, near_cells, two_way

from noctule.core.frames import BasebandBlock, Fault
from noctule.core.settings import FeatureSettings
from noctule.core.units import doppler_hz
from noctule.dsp.doppler import DopplerSpectrum
from noctule.dsp.downconvert import Downconverter

SETTINGS = FeatureSettings()
PLACES = [(48000, 20000), (96000, 32000), (96000, 40000), (192000, 40000)]


def doppler(carrier_hz: float = 40000.0, rate_hz: float = BASEBAND_HZ) -> DopplerSpectrum:
    return DopplerSpectrum(baseband_rate_hz=rate_hz, carrier_hz=carrier_hz, settings=SETTINGS)


def baseband_block(samples: np.ndarray, first_sample: int = 0, carrier_hz: float = 40000.0) -> BasebandBlock:
    shaped = samples.astype(np.complex64).reshape(len(samples), samples[0:1].size or 1)
    return BasebandBlock(shaped, BASEBAND_HZ, carrier_hz, first_sample)


def road_to_spectrum(rate_hz: int, carrier_hz: int) -> tuple[Downconverter, DopplerSpectrum]:
    """The two stages from audio to Doppler power, as FeatureExtractor joins them."""
    down = Downconverter(sample_rate_hz=rate_hz, carrier_hz=carrier_hz, channels=1, settings=SETTINGS)
    spectrum = DopplerSpectrum(
        baseband_rate_hz=down.baseband_rate_hz,
        carrier_hz=carrier_hz,
        settings=SETTINGS,
        sample_rate_hz=rate_hz,
        pass_edge_hz=down.plan.pass_edge_hz,
    )
    return down, spectrum


def mean_power_on_grid(audio: FloatArray, rate_hz: int, carrier_hz: int) -> tuple[FloatArray, FloatArray]:
    """(velocity, mean power) of audio, by downconverter and spectrum."""
    down, spectrum = road_to_spectrum(rate_hz, carrier_hz)
    rows = [
        spectrum.on_grid(frame, [1.0])
        for block in in_blocks(audio, rate_hz, 4800)
        for spectra in spectrum.process(down.process(block))
        for frame in spectra.power
    ]
    return spectrum.velocity_mps.astype(np.float64), np.mean(np.array(rows, dtype=np.float64), axis=0)


@pytest.mark.parametrize("velocity_mps", [-4.0, -1.0, -0.42, 0.3, 1.0, 1.22, 2.5, 5.5])
@pytest.mark.parametrize(("rate_hz", "carrier_hz"), PLACES)
def test_a_reflector_peaks_at_its_velocity(rate_hz: int, carrier_hz: int, velocity_mps: float) -> None:
    """Within 1 %, beside a direct path 40 dB stronger; sign and speed from the path's geometry alone."""
    seconds = 0.6
    echo = two_way(rate_hz, carrier_hz, seconds, coming_at(velocity_mps, seconds))
    direct = two_way(rate_hz, carrier_hz, seconds, lambda t: np.full_like(t, 0.035))
    v, power = mean_power_on_grid(0.3 * direct + 0.003 * echo, rate_hz, carrier_hz)
    peak = v[int(np.argmax(np.where(np.abs(v) > 0.2, power, 0.0)))]
    cells = near_cells(v.astype(np.float32), peak, 0.1)
    centroid = np.sum(v[cells] * power[cells]) / np.sum(power[cells])
    assert centroid == pytest.approx(velocity_mps, rel=0.01)
    # the other sign stays empty
    image = power[near_cells(v.astype(np.float32), -peak, 0.1)].max()
    assert 10.0 * np.log10(power.max() / image) > 40.0


@pytest.mark.parametrize(("carrier_hz", "hz"), [(20000, 117.0), (32000, 187.0), (40000, 233.8)])
def test_the_grid_is_the_exact_doppler_not_its_first_order(carrier_hz: int, hz: float) -> None:
    """2·v·f/(c−v) at 1 m/s: 116.9 Hz at 20 kHz (116.6 to first order), c = 343.2 m/s."""
    assert doppler_hz(1.0, carrier_hz) == pytest.approx(hz, abs=0.15)
    # at 5.5 m/s the two differ by 1.6 %: a tone at the exact shift must peak in the cell of 5.5 m/s
    shift_hz = doppler_hz(5.5, carrier_hz)
    t = np.arange(6000) / BASEBAND_HZ
    spectrum = doppler(carrier_hz)
    spectra = spectrum.process(
        baseband_block(np.exp(2j * np.pi * shift_hz * t), carrier_hz=float(carrier_hz))
    )[0]
    row = spectrum.on_grid(spectra.power[0], [1.0])
    v = spectrum.velocity_mps
    cells = near_cells(v, 5.5, 0.12)
    assert np.sum(v[cells] * row[cells]) / np.sum(row[cells]) == pytest.approx(5.5, rel=0.002)


def test_white_noise_of_variance_1_has_power_1_on_every_cell() -> None:
    """The unit every floor and every SNR is counted in."""
    rng = np.random.default_rng(4)
    noise = np.sqrt(0.5) * (rng.standard_normal(240000) + 1j * rng.standard_normal(240000))
    spectrum = doppler()
    rows = [
        spectrum.on_grid(frame, [1.0])
        for spectra in spectrum.process(baseband_block(noise))
        for frame in spectra.power
    ]
    mean = np.mean(rows, axis=0)[np.abs(spectrum.velocity_mps) > 0.2]
    # 830 half-overlapping windows: 4 % standard error in one cell, linear interpolation of power is unbiased
    assert mean.mean() == pytest.approx(1.0, abs=0.02)
    assert np.all(np.abs(mean - 1.0) < 0.25)


def test_a_line_of_amplitude_a_has_power_a_squared_times_the_line_gain() -> None:
    spectrum = doppler()
    t = np.arange(3000) / BASEBAND_HZ
    on_a_bin = 20 * BASEBAND_HZ / spectrum.fft_size
    spectra = spectrum.process(baseband_block(0.2 * np.exp(2j * np.pi * on_a_bin * t)))[0]
    if spectrum.fft_size == spectrum.window_samples:
        assert spectra.power[0, 0, 20] == pytest.approx(0.04 * spectrum.line_gain, rel=0.01)
    assert spectra.power[0, 0].argmax() == 20


def test_velocities_a_recording_cannot_carry_are_not_valid() -> None:
    """23.5 kHz at 48 kHz: 380 Hz to 0.995 of half the rate, so +2.7 m/s and everything that goes away."""
    spectrum = DopplerSpectrum(
        baseband_rate_hz=6000.0, carrier_hz=23500.0, settings=SETTINGS, sample_rate_hz=48000.0
    )
    v = spectrum.velocity_mps
    expected = np.array([23500.0 + doppler_hz(float(x), 23500.0) < 23880.0 for x in v])
    np.testing.assert_array_equal(spectrum.valid_bins, expected)
    assert v[spectrum.valid_bins].max() == pytest.approx(2.75, abs=0.05)
    assert v[spectrum.valid_bins].min() == pytest.approx(-6.0)


@pytest.mark.parametrize(("rate_hz", "carrier_hz"), [(44100, 20000), (96000, 40000), (250000, 90000)])
def test_everywhere_else_the_whole_grid_is_valid(rate_hz: int, carrier_hz: int) -> None:
    _, spectrum = road_to_spectrum(rate_hz, carrier_hz)
    assert spectrum.valid_bins.all()


@pytest.mark.parametrize("carrier_hz", [18500.0, 20000.0, 40000.0, 70000.0, 72000.0, 90000.0, 200000.0])
def test_nothing_falls_between_two_windows_and_frames_come_evenly(carrier_hz: float) -> None:
    """Seen: above 71 kHz the window was shorter than the hop; sound between two windows was never looked
    at, and how far apart frames lay depended on the block size. Cure: the hop is at most a window.
    """
    rate_hz = 18000.0 if carrier_hz > 100000.0 else 9000.0
    spectrum = doppler(carrier_hz, rate_hz)
    assert spectrum.hop_samples <= spectrum.window_samples
    assert rate_hz / spectrum.hop_samples >= 20.0
    for size in (1, 100, 5000):
        spectrum.reset()
        ends = []
        for start in range(0, 5000, size):
            block = BasebandBlock(
                np.ones((min(size, 5000 - start), 1), np.complex64), rate_hz, carrier_hz, start
            )
            ends += [end for spectra in spectrum.process(block) for end in spectra.end_sample]
        assert ends[0] == spectrum.window_samples
        assert {b - a for a, b in pairwise(ends)} == {spectrum.hop_samples}
        assert 5000 - ends[-1] < spectrum.hop_samples


NOISE = np.random.default_rng(5).standard_normal((4000, 2, 2)) @ [1.0, 1j]
WHOLE = doppler().process(baseband_block(NOISE))[0]


@hypothesis_settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 1500), min_size=1, max_size=12))
def test_any_block_size_gives_the_same_frames(sizes: list[int]) -> None:
    spectrum = doppler()
    cuts = np.unique(np.minimum(np.cumsum([0, *sizes, 4000]), 4000))
    parts = [
        spectra
        for first, last in pairwise(cuts)
        for spectra in spectrum.process(baseband_block(NOISE[first:last], int(first)))
    ]
    assert [e for p in parts for e in p.end_sample] == WHOLE.end_sample
    np.testing.assert_array_equal(np.concatenate([p.carrier for p in parts]), WHOLE.carrier)
    np.testing.assert_array_equal(np.concatenate([p.step for p in parts]), WHOLE.step)
    np.testing.assert_array_equal(np.concatenate([p.power for p in parts]), WHOLE.power)


def test_many_hops_at_once_are_bounded_in_memory() -> None:
    """Two minutes at once come as blocks of 64 hops."""
    spectra = doppler().process(baseband_block(np.ones(60 * 6000)))
    assert max(len(s) for s in spectra) == 64
    assert sum(len(s) for s in spectra) == (60 * 6000 - 515) // 288 + 1


def test_a_gap_in_the_baseband_starts_a_new_window_and_says_so() -> None:
    spectrum = doppler()
    before = spectrum.process(baseband_block(np.ones(1000)))
    after = spectrum.process(baseband_block(np.ones(1000), 5000))
    assert before[0].faults == [0, 0]
    assert after[0].end_sample[0] == 5000 + spectrum.window_samples
    assert after[0].faults == [int(Fault.DROPPED_SAMPLES), 0]


def test_faults_ride_with_the_first_frame_that_has_the_samples() -> None:
    spectrum = doppler()
    flagged = BasebandBlock(np.ones((100, 1), np.complex64), BASEBAND_HZ, 40000.0, 1000, Fault.CLIPPED)
    assert spectrum.process(baseband_block(np.ones(1000)))[0].faults == [0, 0]
    assert spectrum.process(flagged)[0].faults == [int(Fault.CLIPPED)]
    assert spectrum.process(baseband_block(np.ones(1000), 1100))[0].faults[0] == 0


@pytest.mark.parametrize(("jump_rad", "seen"), [(1.5, True), (0.0, False)])
def test_a_jump_of_the_phase_is_a_step_of_its_size(jump_rad: float, seen: bool) -> None:
    phase = np.where(np.arange(4000) >= 2000, jump_rad, 0.0)
    steps = np.concatenate([s.step for s in doppler().process(baseband_block(np.exp(1j * phase)))])
    if seen:
        assert steps.max() == pytest.approx(2.0 * np.sin(jump_rad / 2.0), rel=0.05)
    assert np.count_nonzero(steps > 0.01) == (1 if seen else 0)


def test_a_click_and_a_fast_mover_are_not_steps() -> None:
    """After a click everything is as before; a mover changes all through the hop."""
    click = np.ones(4000, dtype=np.complex128)
    click[2000:2004] += 30.0
    t = np.arange(4000) / BASEBAND_HZ
    mover = 1.0 + 0.9 * np.exp(2j * np.pi * 200.0 * t)
    for baseband in (click, mover):
        steps = np.concatenate([s.step for s in doppler().process(baseband_block(baseband))])
        assert steps.max() < 0.1
