"""Play-to-record delay: whole and broken samples, echoes, noise, nothing at all."""

from __future__ import annotations

import numpy as np
import pytest

from noctule.calibrate.delay import LEAST_CONFIDENCE, estimate_delay
from noctule.core.frames import Float32Array
from noctule.emit.waveforms import chirp_burst

RATE_HZ = 96_000
BURST = chirp_burst(32_000, RATE_HZ, level_dbfs=-20.0)


def heard(
    rng: np.random.Generator,
    paths: list[tuple[float, float]],
    noise: float = 0.0,
    channels: int = 1,
    burst: Float32Array = BURST,
    rate_hz: int = RATE_HZ,
) -> Float32Array:
    """What the microphones record: (delay in samples, gain) of each path, exact by a phase ramp."""
    samples = len(burst) + rate_hz
    spectrum = np.fft.rfft(burst, 2 * samples)
    frequency = np.fft.rfftfreq(2 * samples)
    sound = sum(
        gain * np.fft.irfft(spectrum * np.exp(-2j * np.pi * frequency * delay))[:samples]
        for delay, gain in paths
    )
    recorded = np.broadcast_to(np.asarray(sound)[..., None] if paths else 0.0, (samples, channels))
    return (recorded + noise * rng.standard_normal((samples, channels))).astype(np.float32)


@pytest.mark.parametrize("delay", [0.0, 1.0, 2075.0, 2972.25, 28_800.5, 91_000.75])
def test_delay_is_found_below_a_sample(rng: np.random.Generator, delay: float) -> None:
    found = estimate_delay(heard(rng, [(delay, 0.3)]), BURST, RATE_HZ)
    assert found is not None
    assert found.delay_s * RATE_HZ == pytest.approx(delay, abs=0.05)


@pytest.mark.parametrize(("carrier_hz", "rate_hz"), [(18_500, 44_100), (23_500, 48_000), (47_000, 192_000)])
def test_other_rates_and_carriers(rng: np.random.Generator, carrier_hz: float, rate_hz: int) -> None:
    burst = chirp_burst(carrier_hz, rate_hz, level_dbfs=-20.0)
    recorded = heard(rng, [(0.2 * rate_hz, 0.1)], noise=1e-3, burst=burst, rate_hz=rate_hz)
    found = estimate_delay(recorded, burst, rate_hz)
    assert found is not None
    assert found.delay_s == pytest.approx(0.2, abs=2.0 / rate_hz)


def test_noise_lowers_the_confidence(rng: np.random.Generator) -> None:
    clean = estimate_delay(heard(rng, [(5000, 0.1)], noise=1e-5), BURST, RATE_HZ)
    noisy = estimate_delay(heard(rng, [(5000, 0.1)], noise=1e-2), BURST, RATE_HZ)
    assert clean is not None
    assert noisy is not None
    assert noisy.delay_s == pytest.approx(5000 / RATE_HZ, abs=10 / RATE_HZ)
    assert LEAST_CONFIDENCE < noisy.confidence < clean.confidence / 10


def test_the_direct_path_counts_even_where_an_echo_is_stronger(rng: np.random.Generator) -> None:
    found = estimate_delay(heard(rng, [(4000, 0.1), (4600, 0.15)], noise=1e-4), BURST, RATE_HZ)
    assert found is not None
    assert found.delay_s * RATE_HZ == pytest.approx(4000, abs=0.5)


def test_a_weak_flutter_before_the_direct_path_does_not(rng: np.random.Generator) -> None:
    found = estimate_delay(heard(rng, [(4000, 0.01), (4600, 0.1)], noise=1e-4), BURST, RATE_HZ)
    assert found is not None
    assert found.delay_s * RATE_HZ == pytest.approx(4600, abs=0.5)


def test_microphones_at_opposite_phase_do_not_cancel(rng: np.random.Generator) -> None:
    recorded = heard(rng, [(3000, 0.1)], noise=1e-3, channels=2)
    recorded[:, 1] *= -1.0
    found = estimate_delay(recorded, BURST, RATE_HZ)
    assert found is not None
    assert found.delay_s * RATE_HZ == pytest.approx(3000, abs=0.5)


def test_noise_alone_is_nothing_a_hundred_times(rng: np.random.Generator) -> None:
    burst = chirp_burst(18_500, 44_100, level_dbfs=-20.0)
    for _ in range(100):
        assert estimate_delay(heard(rng, [], noise=0.1, burst=burst, rate_hz=44_100), burst, 44_100) is None


def test_digital_silence_and_bad_samples_are_nothing() -> None:
    silence = np.zeros((RATE_HZ, 2), np.float32)
    assert estimate_delay(silence, BURST, RATE_HZ) is None
    silence[100] = np.nan
    assert estimate_delay(silence, BURST, RATE_HZ) is None


def test_later_than_asked_for_is_nothing(rng: np.random.Generator) -> None:
    recorded = heard(rng, [(0.5 * RATE_HZ, 0.1)], noise=1e-3)
    assert estimate_delay(recorded, BURST, RATE_HZ, max_delay_s=0.3) is None
    assert estimate_delay(recorded, BURST, RATE_HZ, max_delay_s=0.6) is not None
