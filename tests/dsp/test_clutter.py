"""The static part goes, motion stays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.dsp.sounds import BASEBAND_HZ, ComplexArray, FloatArray

from noctule.core.frames import BasebandBlock
from noctule.core.settings import FeatureSettings
from noctule.dsp.clutter import ClutterRemover
from noctule.dsp.doppler import DopplerSpectrum

AMPLITUDE = 0.05


def spectrum(carrier_hz: float) -> DopplerSpectrum:
    return DopplerSpectrum(baseband_rate_hz=BASEBAND_HZ, carrier_hz=carrier_hz, settings=FeatureSettings())


def power_db(baseband: ComplexArray, carrier_hz: float) -> tuple[FloatArray, FloatArray]:
    """(velocity, strongest power of all frames in dB under a line of `AMPLITUDE`)."""
    doppler = spectrum(carrier_hz)
    block = BasebandBlock(baseband[:, None].astype(np.complex64), BASEBAND_HZ, carrier_hz, 0)
    rows = [doppler.on_grid(frame, [1.0]) for spectra in doppler.process(block) for frame in spectra.power]
    power = np.max(np.array(rows, dtype=np.float64), axis=0)
    db = 10.0 * np.log10(power / (AMPLITUDE**2 * doppler.line_gain) + 1e-30)
    return doppler.velocity_mps.astype(np.float64), db


@hypothesis_settings(max_examples=25, deadline=None)
@given(phase=st.floats(-np.pi, np.pi), carrier_hz=st.sampled_from([20000.0, 40000.0]))
def test_a_carrier_that_stands_still_is_gone_whatever_its_phase(phase: float, carrier_hz: float) -> None:
    _, db = power_db(np.full(3000, AMPLITUDE * np.exp(1j * phase)), carrier_hz)
    assert db.max() < -120.0  # single precision: 2**-24 is -144 dB


def test_the_fit_is_least_squares_under_the_window() -> None:
    """Both roads agree: least squares by numpy, and the two weighted means of the kernel."""
    rng = np.random.default_rng(1)
    window = np.hanning(202)[1:-1].astype(np.float32)
    x = (rng.standard_normal((2, 200)) + 1j * rng.standard_normal((2, 200)) + 3.0).astype(np.complex64)
    moving, carrier = ClutterRemover(window).remove(x, 1, 100)
    t = np.linspace(-1.0, 1.0, 200)
    design = np.stack([np.ones(200), t], axis=1)
    for c in range(2):
        fit, *_ = np.linalg.lstsq(window[:, None] * design, window * x[c], rcond=None)
        np.testing.assert_allclose(moving[0, c], window * (x[c] - design @ fit), atol=1e-5)
        assert abs(carrier[0, c] - fit[0]) < 1e-5


def test_windows_are_cut_where_the_hop_says() -> None:
    window = np.hanning(12)[1:-1].astype(np.float32)
    x = (np.arange(40) ** 2).astype(np.complex64)[None, :]
    together, _ = ClutterRemover(window).remove(x, 4, 7)
    for i in range(4):
        alone, _ = ClutterRemover(window).remove(np.ascontiguousarray(x[:, 7 * i : 7 * i + 10]), 1, 7)
        np.testing.assert_array_equal(together[i], alone[0])


@pytest.mark.parametrize(("carrier_hz", "beyond_db"), [(20000.0, 85.0), (40000.0, 100.0)])
def test_a_carrier_off_by_1_hz_is_suppressed_beyond_the_first_cells(
    carrier_hz: float, beyond_db: float
) -> None:
    """A second sound card's clock, 50 ppm off, turns a 20 kHz tone at 1 Hz. From 0.3 m/s on nothing of it
    may show: a person may be 85 dB under it (PHYSICS: a torso at 5 m -71 dBc, an arm -86 dBc).
    """
    t = np.arange(9000) / BASEBAND_HZ
    for sign in (-1.0, 1.0):
        v, db = power_db(AMPLITUDE * np.exp(2j * np.pi * sign * t + 0.3j), carrier_hz)
        assert db[np.abs(v) >= 0.299].max() < -beyond_db


@pytest.mark.parametrize("carrier_hz", [20000.0, 40000.0])
@pytest.mark.parametrize("velocity_mps", [-0.3, 0.3, 0.5])
def test_slow_motion_loses_less_than_1_db(carrier_hz: float, velocity_mps: float) -> None:
    """In the middle of a cell, so that what is lost is lost to the clutter removal."""
    hz = 2.0 * velocity_mps * carrier_hz / (343.2 - velocity_mps)
    t = np.arange(6000) / BASEBAND_HZ
    v, db = power_db(AMPLITUDE * np.exp(2j * np.pi * hz * t) + 20.0 * AMPLITUDE, carrier_hz)
    assert abs(v[db.argmax()] - velocity_mps) < 0.026
    assert -1.0 < db.max() < 0.1


def test_it_tells_the_carrier_it_took_off() -> None:
    """Half the amplitude of the tone and its phase, also while something moves."""
    t = np.arange(3000) / BASEBAND_HZ
    baseband = AMPLITUDE * np.exp(0.9j) + 0.001 * np.exp(2j * np.pi * 233.0 * t)
    block = BasebandBlock(baseband[:, None].astype(np.complex64), BASEBAND_HZ, 40000.0, 0)
    for spectra in spectrum(40000.0).process(block):
        assert np.abs(spectra.carrier - AMPLITUDE * np.exp(0.9j)).max() < 2e-5


def test_its_input_stays_as_it_was() -> None:
    x = np.random.default_rng(2).standard_normal((1, 50)).astype(np.complex64)
    before = x.copy()
    ClutterRemover(np.hanning(12)[1:-1].astype(np.float32)).remove(x, 3, 10)
    np.testing.assert_array_equal(x, before)
