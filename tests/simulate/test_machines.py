"""Machines, and what shakes the device: rates, sizes, levels, and that they are functions of time."""

from __future__ import annotations

import numpy as np
import pytest

from noctule.simulate.movers.machines import MACHINES, Appliance, Hvac, RobotVacuum
from noctule.simulate.movers.shakes import SHAKES, Bump, DeviceVibration, PhoneOnTable
from noctule.simulate.parts import MoverPart, Sound, Space, pressure_pa

SPACE = Space((5.0, 4.0, 2.5), (0.3, 2.0, 1.0))
VIEW = np.array(SPACE.device_m)


@pytest.mark.parametrize("kind", [*MACHINES, *SHAKES])
def test_drawn_ones_stay_inside_and_below_their_speed(kind: type[MoverPart]) -> None:
    for seed in range(100):
        part = kind.draw(np.random.default_rng(seed), SPACE)
        mover = part.mover(np.random.default_rng(seed))
        t = np.arange(20.0, 23.0, 1.0 / mover.knot_rate_hz)
        seen = mover.scatterers(t, VIEW)
        p = seen.position_m
        assert seen.strength.shape == p.shape[:2]
        assert np.all((p >= 0.0) & (p <= np.array(SPACE.size_m)))
        speed = np.linalg.norm(np.diff(p, axis=0), axis=-1) * mover.knot_rate_hz
        assert speed.max(initial=0.0) <= mover.highest_speed_mps
        assert 0.0 <= part.airflow_mps() <= 0.02
    np.testing.assert_array_equal(mover.scatterers(t[50:60], VIEW).position_m, p[50:60])


def test_robot_starts_and_stops_softly_and_keeps_its_distance() -> None:
    for seed in range(30):
        part = RobotVacuum.draw(np.random.default_rng(seed), SPACE)
        part = part.model_copy(update={"from_s": 3.0, "to_s": 17.0})
        mover = part.mover(np.random.default_rng(seed))
        t = np.arange(0.0, 20.0, 0.002)
        p = mover.scatterers(t, VIEW).position_m
        assert np.linalg.norm((p - VIEW)[..., :2], axis=-1).min() > 0.3
        speed = np.diff(p, axis=0) / 0.002
        assert np.abs(np.diff(speed, axis=0)).max() < 0.15  # 75 m/s2: its bristles at 4 turns a second
        assert np.abs(speed[t[1:] > 17.6]).max() < 0.05


def test_appliance_vibrates_at_its_lines(rng: np.random.Generator) -> None:
    part = Appliance(position_m=(2.0, 2.0, 0.5), frequency_hz=20.0, excursion_um=100.0)
    t = np.arange(4000) / 1000.0
    p = part.mover(rng).scatterers(t, VIEW).position_m
    moved = p[:, 0] - p[:, 0].mean(0)
    power = (np.abs(np.fft.rfft(moved, axis=0)) ** 2).sum(-1)
    lines = sum(power[4 * hz - 4 : 4 * hz + 5].sum() for hz in (20, 40, 60))
    assert lines > 0.99 * power.sum()
    assert 1e-6 < np.abs(moved).max() < 500e-6


def test_noise_has_the_level_it_says(rng: np.random.Generator) -> None:
    for part, factor in (
        (Hvac(position_m=(2.0, 2.0, 2.4), noise_db_spl=40.0), 1.0),
        (PhoneOnTable(position_m=(1.0, 1.0, 1.0), noise_db_spl=40.0, rings_s=5.0, pauses_s=1.0), 1.0),
    ):
        sound = part.sound(rng)
        assert sound is not None
        assert _rms_pa(sound) == pytest.approx(factor * pressure_pa(40.0), rel=0.05)
        whole = sound.waveform(96000.0, 96000, 20000)
        np.testing.assert_allclose(sound.waveform(96000.0, 96000 + 777, 999), whole[777:1776], atol=1e-12)


def test_device_vibration_has_its_lines_and_nothing_before_it() -> None:
    part = DeviceVibration(frequency_hz=50.0, excursion_um=10.0, harmonics=2, from_s=2.0)
    shake = part.device_motion_m(np.random.default_rng(1))
    t = np.arange(0.0, 10.0, 0.0005)
    moved = shake(t)
    assert not moved[t < 2.0].any()
    power = (np.abs(np.fft.rfft(moved[t >= 3.0], axis=0)) ** 2).sum(-1)
    assert np.argmax(power) == pytest.approx(50 * 7, abs=1)
    assert 10e-6 < np.linalg.norm(moved, axis=-1).max() < 1.3 * 1.5 * 10e-6
    np.testing.assert_array_equal(shake(t[5000:5100]), moved[5000:5100])


def test_bump_swings_and_dies_away() -> None:
    part = Bump(at_s=(1.0, 4.0), excursion_mm=1.0, frequency_hz=10.0, decay_s=0.3)
    t = np.arange(0.0, 7.0, 0.0005)
    moved = part.device_motion_m(np.random.default_rng(1))(t)
    size = np.linalg.norm(moved, axis=-1)
    assert not size[t <= 1.0].any()
    assert 0.7e-3 < size.max() <= 1e-3
    first, later = (size[(t > a) & (t < a + 0.1)].max() for a in (1.1, 1.4))
    assert later / first == pytest.approx(np.exp(-1.0), rel=0.02)
    assert np.abs(np.diff(moved, axis=0)).max() / 0.0005 < 2.0 * np.pi * 10.0 * 1e-3 * 1.6  # no step
    drawn = Bump.draw(np.random.default_rng(3), SPACE)
    assert drawn.to_s is not None
    assert drawn.from_s <= min(drawn.at_s) <= max(drawn.at_s) < drawn.to_s


def _rms_pa(sound: Sound) -> float:
    """18 to 60 kHz, over two seconds while it sounds."""
    wave = sound.waveform(192000.0, 192000, 2 * 192000)
    power = np.abs(np.fft.rfft(wave) / len(wave)) ** 2 * 2.0
    return float(np.sqrt(power[2 * 18000 : 2 * 60000].sum()))
