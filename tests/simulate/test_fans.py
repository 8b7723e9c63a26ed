"""Fans: a comb on both sides of the carrier, and nothing goes anywhere."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from noctule.simulate.movers.fans import FANS, CeilingFan, Fan, FloorFan
from noctule.simulate.movers.spinners import SPINNERS
from noctule.simulate.parts import FloatArray, Mover, Space

VIEW = np.array([0.0, 0.0, 1.0])
CARRIER_HZ, SOUND_MPS = 20000.0, 343.0


def _steady(**more: object) -> Fan:
    return FloorFan.model_validate(
        {"position_m": (2.0, 0.7, 0.9), "heading_deg": 130.0, "rpm": 900.0, "blades": 4} | more
    )


def _equal(fan: Fan) -> Mover:
    """Without the small differences between blades and the wandering speed."""
    mover = fan.mover(np.random.default_rng(0))
    mover._uneven[:] = mover._uneven.mean()  # type: ignore[attr-defined]
    mover._track_m[:] = 0.0  # type: ignore[attr-defined]
    mover._wander = np.zeros_like  # type: ignore[attr-defined]
    return mover


def _echo(mover: Mover, time_s: FloatArray) -> np.ndarray:
    seen = mover.scatterers(time_s, VIEW)
    way = np.linalg.norm(seen.position_m - VIEW, axis=-1)
    turn = -2j * np.pi * CARRIER_HZ * 2.0 * way / SOUND_MPS
    return np.asarray((seen.strength * np.exp(turn)).sum(-1))


def test_equal_blades_give_a_comb_at_the_blades_passing_rate_on_both_sides() -> None:
    rate_hz, passing_hz = 8000.0, 60.0  # 900 / 60 · 4 blades
    time_s = np.arange(16000) / rate_hz
    echo = _echo(_equal(_steady()), time_s)
    power = np.abs(np.fft.fft((echo - echo.mean()) * np.hanning(len(echo)))) ** 2
    hz = np.fft.fftfreq(len(echo), 1.0 / rate_hz)
    from_line = np.abs((hz + passing_hz / 2) % passing_hz - passing_hz / 2)
    assert power[from_line < 2.0].sum() > 0.999 * power.sum()
    assert power[(np.abs(np.abs(hz) - passing_hz)) < 2.0].sum() > 0.001 * power.sum()
    up, down = power[hz > 0].sum(), power[hz < 0].sum()
    assert abs(10.0 * np.log10(up / down)) < 3.0


def test_unequal_blades_leave_lines_at_every_turn_too() -> None:
    rate_hz = 8000.0
    mover = _steady().mover(np.random.default_rng(2))
    mover._wander = np.zeros_like  # type: ignore[attr-defined]
    echo = _echo(mover, np.arange(16000) / rate_hz)
    power = np.abs(np.fft.fft((echo - echo.mean()) * np.hanning(len(echo)))) ** 2
    hz = np.fft.fftfreq(len(echo), 1.0 / rate_hz)
    turn = np.abs((hz + 7.5) % 15.0 - 7.5) < 1.5
    blade = np.abs((hz + 30.0) % 60.0 - 30.0) < 1.5
    assert power[turn].sum() > 0.999 * power.sum()
    assert 1e-4 < power[turn & ~blade].sum() / power.sum() < 0.9


@pytest.mark.parametrize("kind", [*FANS, *SPINNERS])
def test_blades_go_nowhere_and_no_faster_than_said(kind: type[Fan]) -> None:
    for seed in range(8):
        fan = kind.draw(np.random.default_rng(seed), Space((5.0, 4.0, 2.6), (0.3, 2.0, 1.0)))
        fan = fan.model_copy(update={"from_s": 0.0, "to_s": None, "swing_deg": 0.0, "speed_steps": ()})
        mover = fan.mover(np.random.default_rng(seed))
        time_s = np.arange(0.0, 60.0 / fan.rpm * 30, 60.0 / fan.rpm / 200.0)
        at = mover.scatterers(time_s, VIEW).position_m
        np.testing.assert_allclose(at[:, :-1].mean((0, 1)), fan.position_m, atol=0.02 * fan.radius_m + 0.01)
        from_hub = np.linalg.norm(at[:, :-1] - np.array(fan.position_m), axis=-1)
        assert from_hub.max() <= fan.radius_m
        speed = np.linalg.norm(np.diff(at, axis=0), axis=-1).max() / (time_s[1] - time_s[0])
        assert 0.6 * mover.highest_speed_mps < speed <= mover.highest_speed_mps
    assert np.ptp(at[:, 0, 2]) < 0.1 * fan.radius_m if kind is CeilingFan else True


def test_it_turns_as_fast_as_it_says_and_changes_speed_smoothly() -> None:
    fan = _steady(from_s=3.0, to_s=30.0, spin_up_s=2.0, speed_steps=((15.0, 1200.0),))
    mover = fan.mover(np.random.default_rng(1))
    time_s = np.arange(0.0, 60.0, 0.001)
    at = mover.scatterers(time_s, VIEW).position_m[:, 0]
    # the speed of a spot over the length of its way is the fan's rate
    speed = np.linalg.norm(np.diff(at, axis=0), axis=-1) * 1000.0
    turns_per_s = speed / (2.0 * np.pi * np.linalg.norm(at[0] - np.array(fan.position_m)))
    assert np.all(speed[time_s[:-1] < 2.999] == 0.0)
    assert turns_per_s[14900] == pytest.approx(15.0, rel=0.06)
    assert turns_per_s[29900] == pytest.approx(20.0, rel=0.06)
    assert turns_per_s[59900] < 0.3
    # exponential approach: 63 % after a time constant
    assert turns_per_s[5000] == pytest.approx(15.0 * (1.0 - np.exp(-1.0)), rel=0.06)
    assert np.abs(np.diff(turns_per_s)).max() < 0.02  # no jump of the speed


def test_standing_fan_stands_also_with_a_head_that_swings() -> None:
    fan = _steady(from_s=5.0, swing_deg=40.0, swing_hz=0.1)
    at = fan.mover(np.random.default_rng(1)).scatterers(np.linspace(0.0, 4.99, 50), VIEW).position_m
    np.testing.assert_allclose(at - at[0], 0.0, atol=1e-9)


@pytest.mark.parametrize(
    "steps", [((10.0, 800.0), (5.0, 700.0)), ((1.0, 800.0),), ((40.0, 800.0),), ((10.0, 4000.0),)]
)
def test_impossible_speed_steps_are_refused(steps: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ValidationError, match="speed_steps"):
        _steady(from_s=3.0, to_s=30.0, speed_steps=steps)


def test_fan_that_stops_before_it_starts_is_refused() -> None:
    with pytest.raises(ValidationError, match="times must rise"):
        _steady(from_s=30.0, to_s=3.0)


@pytest.mark.parametrize("kind", FANS)
def test_pieces_in_any_order_and_draws_in_the_room(kind: type[Fan]) -> None:
    space = Space((3.2, 3.0, 2.4), (0.3, 1.5, 1.0))
    time_s = np.sort(np.random.default_rng(0).uniform(0.0, 60.0, 300))
    for seed in range(100):
        fan = kind.draw(np.random.default_rng(seed), space)
        assert kind.model_validate(fan.model_dump()) == fan
        mover = fan.mover(np.random.default_rng(seed))
        whole = mover.scatterers(time_s, VIEW)
        assert (whole.position_m >= 0.0).all()
        assert (whole.position_m <= np.array(space.size_m)).all()
        assert (whole.strength >= 0.0).all()
        if seed < 10:
            late, early = mover.scatterers(time_s[120:], VIEW), mover.scatterers(time_s[:120], VIEW)
            np.testing.assert_allclose(
                np.concatenate([early.position_m, late.position_m]), whole.position_m, atol=1e-12
            )
            np.testing.assert_allclose(
                np.concatenate([early.strength, late.strength]), whole.strength, atol=1e-12
            )


def test_wind_grows_with_speed_to_what_was_measured() -> None:
    slow, fast = _steady(rpm=400.0), _steady(rpm=1400.0)
    assert slow.airflow_mps() < fast.airflow_mps()
    assert 0.016 <= fast.airflow_mps() <= 0.03
