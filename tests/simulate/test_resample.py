"""From one rate to another: what is carried comes out as it went in, at its place; the rest is gone."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from noctule.simulate.resample import Decimator, Interpolator, convolve, kaiser_lowpass

ComplexArray = npt.NDArray[np.complex128]


def tones(count: int, first: int, turns_per_sample: float | list[float]) -> ComplexArray:
    """`(count, channels)`, one tone a channel, as a function of the place."""
    at = np.arange(first, first + count)[:, None]
    return np.asarray(np.exp(2j * np.pi * at * np.atleast_1d(turns_per_sample)))


def db(ratio: float) -> float:
    return 20.0 * math.log10(max(ratio, 1e-15))


@pytest.mark.parametrize(("pass_hz", "stop_hz"), [(1400.0, 4600.0), (100.0, 200.0), (10000.0, 14000.0)])
def test_low_pass_keeps_its_band_and_takes_the_rest(pass_hz: float, stop_hz: float) -> None:
    rate_hz = 48000.0
    taps = kaiser_lowpass(pass_hz, stop_hz, rate_hz)  # Kaiser's estimate for 90 dB: good to 4 dB
    assert len(taps) % 2 == 1
    np.testing.assert_allclose(taps, taps[::-1], atol=1e-15)
    hz = np.fft.rfftfreq(1 << 18, 1 / rate_hz)
    response = np.abs(np.fft.rfft(taps, 1 << 18))
    assert response[0] == pytest.approx(1.0, abs=1e-12)
    assert np.abs(response[hz <= pass_hz] - 1.0).max() < 10.0 ** (-86.0 / 20.0)
    assert db(response[hz >= stop_hz].max()) < -86.0


@pytest.mark.parametrize(("count", "taps"), [(1, 1), (5, 5), (700, 31), (1024 + 9, 10), (5000, 64)])
def test_convolution_is_numpys(rng: np.random.Generator, count: int, taps: int) -> None:
    """Also across the stretches that it is worked out in (1024 floats)."""
    samples = (rng.standard_normal((count, 2)) @ [1.0, 1.0j]).astype(np.complex64)
    weights = rng.standard_normal(taps).astype(np.float32)
    expected = np.convolve(samples.astype(np.complex128), weights[::-1].astype(np.float64), "valid")
    np.testing.assert_allclose(convolve(samples, weights), expected, atol=2e-5)


@pytest.mark.parametrize("factor", [2, 3, 4, 8, 16])
def test_interpolated_tones_go_through_their_samples_and_on_between(factor: int) -> None:
    """Output k lies k/factor samples behind the first one that has its margin; two channels, two tones."""
    interpolator = Interpolator(factor, 0.8)
    turns = [0.8 * 0.5 * 0.95, -0.13]
    given = tones(300 + 2 * interpolator.margin, -interpolator.margin, turns)
    expected = tones(300 * factor, 0, [one / factor for one in turns])
    out = interpolator.process(given)
    assert out.dtype == np.complex64
    assert db(np.abs(out - expected).max()) < -80.0


@pytest.mark.parametrize("factor", [4, 16])
def test_nothing_is_left_of_the_images(factor: int) -> None:
    """Noise in the carried band stays below the first image's band by 80 dB."""
    rng = np.random.default_rng(1)
    interpolator = Interpolator(factor, 0.8)
    count = 2048
    spectrum = rng.standard_normal((count, 2)) @ [1.0, 1.0j]
    spectrum[np.abs(np.fft.fftfreq(count)) > 0.39] = 0.0
    cycle = np.fft.ifft(spectrum)[:, None]  # it goes round, so that its spectrum stays where it is
    out = interpolator.process(cycle[np.arange(-interpolator.margin, count + interpolator.margin) % count])
    power = np.abs(np.fft.fft(out[:, 0])) ** 2
    image = np.abs(np.fft.fftfreq(len(out))) > 0.61 / factor
    assert 10 * math.log10(power[image].max() / power.max()) < -80.0


@pytest.mark.parametrize(("factor", "rate_hz"), [(2, 12000.0), (6, 36000.0), (12, 72000.0)])
def test_decimated_tones_stay_where_they_are_and_others_go(factor: int, rate_hz: float) -> None:
    decimator = Decimator(factor, 1400.0, 4600.0, rate_hz)
    given_hz = [1390.0, -700.0, 4650.0, rate_hz / 2 - 50.0]
    turns = [hz / rate_hz for hz in given_hz]
    count = 200 * factor + factor - 1  # the last output needs none of the rest
    out = decimator.process(tones(count + 2 * decimator.margin, -decimator.margin, turns))
    assert out.shape == (200, 4)
    expected = tones(200, 0, [one * factor for one in turns])
    assert db(np.abs(out - expected)[:, :2].max()) < -80.0
    assert db(np.abs(out)[:, 2:].max()) < -80.0


def test_stretches_meet() -> None:
    """A sample does not depend on where a stretch began, for whoever keeps to the grid."""
    rng = np.random.default_rng(2)
    given = rng.standard_normal((900, 2)) + 1j * rng.standard_normal((900, 2))
    up, down = Interpolator(4, 0.8), Decimator(4, 1400.0, 4600.0, 24000.0)
    whole = up.process(given)
    late = up.process(given[137:])
    np.testing.assert_allclose(late, whole[4 * 137 :], atol=1e-5)
    whole = down.process(given)
    late = down.process(given[4 * 31 :])
    np.testing.assert_allclose(late, whole[31:], atol=1e-5)


def test_up_and_down_again_is_where_it_was() -> None:
    up, down = Interpolator(4, 0.8), Decimator(4, 0.4 * 6000.0, 0.6 * 6000.0, 24000.0)
    given = tones(500, 0, [0.31, -0.05])
    back = down.process(up.process(given))
    first = up.margin + down.margin / 4  # the decimator begins at a sample of its input
    assert down.margin % 4 == 0 or first != int(first)
    expected = np.exp(2j * np.pi * (first + np.arange(len(back)))[:, None] * np.array([0.31, -0.05]))
    assert db(np.abs(back - expected).max()) < -75.0
