"""Moving air: as strong as it says, with the spectrum that was measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

from noctule.simulate.airflow import CORNER_HZ, airflow_density
from noctule.simulate.noise import ShapedNoise
from noctule.simulate.parts import FloatArray

#: The measured series: one value for each chirp of 50 ms, an average over it.
_FRAME_S = 0.05


def _averaged(frequency_hz: FloatArray) -> FloatArray:
    """What a series of averages over 50 ms, 20 a second, shows of a fluctuation of 1 m/s rms."""
    folded = np.zeros(len(frequency_hz))
    for turn in range(-20, 21):
        hz = np.abs(frequency_hz + turn / _FRAME_S)
        folded += airflow_density(hz, 1.0) * np.sinc(hz * _FRAME_S) ** 2
    return folded


def _power(series: FloatArray, rate_hz: float, length: int) -> tuple[FloatArray, FloatArray]:
    """One-sided density by averaging Hann-windowed stretches (Welch)."""
    window = np.hanning(length)
    starts = range(0, len(series) - length + 1, length // 2)
    stretches = np.array([series[at : at + length] - series[at : at + length].mean() for at in starts])
    power = (np.abs(np.fft.rfft(stretches * window, axis=-1)) ** 2).mean(0)
    hz = np.fft.rfftfreq(length, 1.0 / rate_hz).astype(np.float64)
    return hz, np.asarray(2.0 * power / (np.square(window).sum() * rate_hz))


def _fall_db(hz: FloatArray, power: FloatArray) -> float:
    """From 0.5-2 Hz to 6-9 Hz."""
    low, high = power[(hz > 0.5) & (hz < 2.0)].mean(), power[(hz > 6.0) & (hz < 9.0)].mean()
    return float(10.0 * np.log10(low / high))


def test_density_integrates_to_its_power_and_falls_as_turbulence() -> None:
    hz = np.concatenate([[0.0], np.geomspace(1e-4, 1e7, 20000)])
    power = np.trapezoid(airflow_density(hz, 0.025), hz)
    assert power == pytest.approx(0.025**2, rel=1e-3)
    low, high = airflow_density(np.array([1e3, 1e4]), 1.0)
    assert np.log10(high / low) == pytest.approx(-5.0 / 3.0, abs=0.01)
    flat = airflow_density(np.array([0.0, CORNER_HZ / 10.0]), 1.0)
    assert flat[1] == pytest.approx(flat[0], rel=0.01)


def test_noise_made_of_it_has_its_density_and_strength() -> None:
    """One-sided here and one-sided in `ShapedNoise`: else 3 dB are lost or gained."""
    rate_hz = 2000.0
    noise = ShapedNoise(lambda hz: airflow_density(hz, 0.02), rate_hz, 5, "wind", segment_s=4.0)
    series = noise.samples(0, int(200 * rate_hz))[:, 0]
    # below half of the rate lies all but the last 3 % of the power
    assert series.std() == pytest.approx(0.02, rel=0.05)
    hz, power = _power(series, rate_hz, 4000)
    for low_hz, high_hz in ((1.0, 5.0), (8.0, 13.0), (100.0, 200.0)):
        band = (hz > low_hz) & (hz < high_hz)
        ratio = power[band].mean() / airflow_density(hz[band], 0.02).mean()
        assert 10.0 * np.log10(ratio) == pytest.approx(0.0, abs=0.7)


def test_averages_over_a_chirp_keep_what_the_comment_says() -> None:
    hz = np.linspace(0.0, 2000.0, 200001)
    kept = np.trapezoid(airflow_density(hz, 1.0) * np.sinc(hz * _FRAME_S) ** 2, hz)
    assert np.sqrt(kept) == pytest.approx(0.59, abs=0.005)


@pytest.mark.recordings
def test_measured_wind_falls_sooner_with_distance_and_the_model_lies_between(shared_data: Path) -> None:
    cells = loadmat(shared_data / "winddancer_airflow" / "distances-50-230.mat")["sos_est_all"].ravel()
    falls_db = [_fall_db(*_power(np.ravel(one), 1.0 / _FRAME_S, 500)) for one in cells]
    near_db, far_db = float(np.mean(falls_db[:3])), float(np.mean(falls_db[-3:]))
    hz = np.linspace(0.0, 10.0, 1001)
    assert near_db + 1.0 < _fall_db(hz, _averaged(hz)) < far_db - 1.0
    # 1.3 m: the corner is its own
    assert _fall_db(hz, _averaged(hz)) == pytest.approx(falls_db[4], abs=1.5)


@pytest.mark.recordings
def test_measured_strengths_are_those_of_the_ranges(shared_data: Path) -> None:
    folder = shared_data / "winddancer_airflow"
    windy = loadmat(folder / "distances-50-230.mat")["sos_est_all"].ravel()
    still = np.ravel(loadmat(folder / "nowind.mat")["sos_est_all"].ravel()[0])
    # frame to frame: the slow drift with the room's temperature is not the wind
    rms_mps = [float(np.diff(np.ravel(one)).std() / np.sqrt(2.0)) for one in windy]
    assert min(rms_mps) == pytest.approx(0.016, abs=0.002)
    assert max(rms_mps) == pytest.approx(0.034, abs=0.002)
    assert float(np.diff(still).std() / np.sqrt(2.0)) == pytest.approx(0.0005, abs=1e-4)
