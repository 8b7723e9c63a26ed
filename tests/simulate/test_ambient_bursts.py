"""Broadband sounds: stated levels, the same from any pieces and at any rate, silent outside."""

from __future__ import annotations

import math

import numpy as np
import pytest

from noctule.simulate.ambient.bursts import BURSTS, Hiss, NoiseBursts
from noctule.simulate.ambient.next_room import wall_loss_db
from noctule.simulate.parts import FloatArray, Space, pressure_pa

SPACE = Space((5.0, 4.0, 2.5), (0.3, 2.0, 1.0))


def band_power(wave: FloatArray, rate_hz: float) -> float:
    power = np.abs(np.fft.rfft(wave)) ** 2 * 2.0 / len(wave) ** 2
    hz = np.fft.rfftfreq(len(wave), 1.0 / rate_hz)
    return float(power[(hz >= 18000.0) & (hz <= 60000.0)].sum())


@pytest.mark.parametrize("kind", BURSTS)
def test_pieces_make_the_whole(kind: type[NoiseBursts], rng: np.random.Generator) -> None:
    sound = kind(position_m=(1.0, 1.0, 1.0), at_s=0.1).sound(rng)
    whole = sound.waveform(96000.0, 0, 60000)
    assert np.any(whole)
    for first, count in ((50001, 9999), (0, 1), (12345, 7001)):
        assert np.array_equal(sound.waveform(96000.0, first, count), whole[first : first + count])
    assert not np.any(whole[:9600])
    assert not np.any(sound.waveform(96000.0, math.ceil(2.1 * 96000), 5000))


@pytest.mark.parametrize("kind", BURSTS)
def test_level_over_bursts_is_the_stated_one(kind: type[NoiseBursts], rng: np.random.Generator) -> None:
    lasts_s = 8.0
    sound = kind(position_m=(1.0, 1.0, 1.0), level_db_spl=60.0, lasts_s=lasts_s).sound(rng)
    wave = sound.waveform(192000.0, 0, int(lasts_s * 192000))
    sounding = np.count_nonzero(wave) / len(wave)
    level_db = 10.0 * math.log10(band_power(wave, 192000.0) / sounding / pressure_pa(60.0) ** 2)
    # few bursts of different lengths and levels: their weighted mean differs from the plain one
    assert abs(level_db) < (1.0 if kind is Hiss else 2.5)


def test_a_lower_rate_hears_the_same_noise(rng: np.random.Generator) -> None:
    part = Hiss(position_m=(1.0, 1.0, 1.0), lasts_s=1.0)
    sound = part.sound(rng)
    high, low = sound.waveform(192000.0, 0, 96000), sound.waveform(48000.0, 0, 24000)
    hz = np.fft.rfftfreq(24000, 1.0 / 48000.0)
    below = hz < 23000.0
    a, b = np.fft.rfft(high)[: len(hz)][below] / 4.0, np.fft.rfft(low)[below]
    assert abs(np.vdot(a, b)) / np.linalg.norm(a) / np.linalg.norm(b) > 0.99


def test_a_wall_takes_what_it_says(rng: np.random.Generator) -> None:
    seed = int(rng.integers(1000))
    near, far = (
        Hiss(position_m=(1.0, 1.0, 1.0), through=wall)
        .sound(np.random.default_rng(seed))
        .waveform(192000.0, 19200, 38400)
        for wall in ("air", "drywall")
    )
    loss_db = 10.0 * math.log10(band_power(near, 192000.0) / band_power(far, 192000.0))
    assert loss_db == pytest.approx(float(wall_loss_db(np.array([32000.0]))[0]), abs=1.0)
    assert loss_db > 30.0


@pytest.mark.parametrize("kind", BURSTS)
def test_drawn_ones_are_in_the_room(kind: type[NoiseBursts]) -> None:
    for seed in range(100):
        part = kind.draw(np.random.default_rng(seed), SPACE)
        assert np.all(np.array(part.position_m) >= 0.0)
        assert np.all(np.array(part.position_m) <= SPACE.size_m)
