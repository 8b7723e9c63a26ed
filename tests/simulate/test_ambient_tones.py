"""Tones: where they lie, how loud they are, and that they are functions of time."""

from __future__ import annotations

import numpy as np
import pytest

from noctule.simulate.ambient.tones import TONES, PestRepeller, SecondDevice, Tone
from noctule.simulate.parts import Space, pressure_pa

SPACE = Space((5.0, 4.0, 2.5), (0.3, 2.0, 1.0))


def test_level_and_frequency(rng: np.random.Generator) -> None:
    sound = SecondDevice(position_m=(1.0, 1.0, 1.0), frequency_hz=32017.0, level_db_spl=60.0).sound(rng)
    for rate_hz in (96000.0, 192000.0, 384000.0):
        wave = sound.waveform(rate_hz, int(rate_hz), int(rate_hz))
        assert np.sqrt(np.mean(wave**2)) == pytest.approx(pressure_pa(60.0), rel=0.01)
        assert np.argmax(np.abs(np.fft.rfft(wave))) == 32017
    assert not np.any(sound.waveform(44100.0, 44100, 1000))  # above half the rate: gone, not folded


def test_sweep_stays_in_its_band(rng: np.random.Generator) -> None:
    part = PestRepeller(position_m=(1.0, 1.0, 1.0), frequency_hz=40000.0, sweep_hz=10000.0)
    power = np.abs(np.fft.rfft(part.sound(rng).waveform(192000.0, 0, 192000))) ** 2
    assert power[34500:45500].sum() > 0.999 * power.sum()
    assert power[35000:36500].sum() > 0.05 * power.sum()


@pytest.mark.parametrize("kind", TONES)
def test_drawn_ones(kind: type[SecondDevice]) -> None:
    for seed in range(100):
        part: Tone = kind.draw(np.random.default_rng(seed), SPACE)
        assert np.all((np.array(part.position_m) >= 0.0) & (np.array(part.position_m) <= SPACE.size_m))
    sound = part.sound(np.random.default_rng(1))
    first = int(96000 * (part.at_s + 3.0))
    whole = sound.waveform(96000.0, first, 20000)
    np.testing.assert_allclose(sound.waveform(96000.0, first + 7001, 999), whole[7001:8000], atol=1e-12)
    assert not np.any(sound.waveform(96000.0, -5000, 5000))
