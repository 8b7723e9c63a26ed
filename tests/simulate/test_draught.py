"""What a draught moves: slowly, to and fro, and nowhere in the end."""

from __future__ import annotations

import numpy as np
import pytest

from noctule.simulate.movers.draught import DRAUGHT, Blind, Curtain, Door, Draught, Lamp, Plant
from noctule.simulate.parts import FloatArray, Space
from noctule.simulate.smooth import Wander

SPACE = Space((4.0, 3.5, 2.5), (0.4, 1.7, 1.0))
VIEW = np.array(SPACE.device_m)


def _track(part: Draught, seed: int, until_s: float, rate_hz: float = 50.0) -> FloatArray:
    time_s = np.arange(0.0, until_s, 1.0 / rate_hz)
    return part.mover(np.random.default_rng(seed)).scatterers(time_s, VIEW).position_m


def _always(part: Draught) -> Draught:
    return part.model_copy(
        update={"from_s": 0.0, "to_s": None, **({"slam_s": None} if isinstance(part, Door) else {})}
    )


@pytest.mark.parametrize("kind", DRAUGHT)
def test_draws_are_slow_stay_in_the_room_and_go_nowhere(kind: type[Draught]) -> None:
    speeds = []
    for seed in range(100):
        part = kind.draw(np.random.default_rng(seed), SPACE)
        assert kind.model_validate(part.model_dump()) == part
        at = _track(part, seed, 40.0)
        assert (at > -0.02).all(), seed
        assert (at < np.array(SPACE.size_m) + 0.02).all(), seed
        speed = np.linalg.norm(np.diff(at, axis=0), axis=-1) * 50.0
        assert speed.max() <= part.mover(np.random.default_rng(seed)).highest_speed_mps, seed
        if getattr(part, "slam_s", None) is None:
            assert speed.max() < 0.3, seed
            speeds.append(np.quantile(speed, 0.95))
    assert np.median(speeds) > 0.003


@pytest.mark.parametrize("kind", DRAUGHT)
def test_cubics_between_knots_keep_the_place(kind: type[Draught]) -> None:
    """A slamming door once erred by 62 micrometres: its speed was smooth, its acceleration was not."""
    for seed in range(12):
        part = kind.draw(np.random.default_rng(seed), SPACE)
        if isinstance(part, Door):
            part = part.model_copy(update={"slam_s": 20.0})
        mover = part.mover(np.random.default_rng(seed))
        # the middle of four knots by the cubic whose slopes see two knots to each side
        half_s = 0.5 / mover.knot_rate_hz
        at = mover.scatterers(np.arange(1.0, 40.0, half_s), VIEW).position_m
        knots, between = at[::2], at[1::2]
        slope = (8.0 * (knots[3:-1] - knots[1:-3]) - (knots[4:] - knots[:-4])) / 12.0
        cubic = (knots[2:-3] + knots[3:-2]) / 2.0 + (slope[:-1] - slope[1:]) / 8.0
        assert np.abs(cubic - between[2 : 2 + len(cubic)]).max() < 20e-6, seed


def test_door_that_stands_nearly_shut_does_not_swing_through_its_wall() -> None:
    door = Door(position_m=(0.02, 1.7, 0.0), open_deg=5.0, swing_deg=45.0, strength=1.0)
    at = np.concatenate([_track(door, seed, 120.0, 10.0) for seed in range(10)])
    assert at[..., 0].min() >= 0.02
    assert np.ptp(at[:, -1, 0]) > 0.05


@pytest.mark.parametrize(
    "part",
    [
        Curtain(position_m=(2.0, 1.0, 1.0), strength=1.0),
        Blind(position_m=(2.0, 1.0, 1.5), strength=1.0),
        Plant(position_m=(2.0, 1.0, 1.0), strength=1.0),
        Lamp(position_m=(2.0, 1.0, 1.8), strength=1.0),
        Door(position_m=(2.0, 0.0, 0.0), strength=1.0),
    ],
)
def test_displacement_is_nothing_on_average(part: Draught) -> None:
    at = _track(part, 4, 900.0, 20.0)
    swing = at.std(0).max()
    assert swing > 1e-3
    first, second = at[: len(at) // 2].mean(0), at[len(at) // 2 :].mean(0)
    assert np.abs(first - second).max() < 0.25 * swing


@pytest.mark.parametrize("kind", DRAUGHT)
def test_still_before_it_begins_and_after_it_ends_and_no_jump(kind: type[Draught]) -> None:
    part = kind.draw(np.random.default_rng(5), SPACE)
    part = _always(part).model_copy(update={"from_s": 5.0, "to_s": 20.0, "strength": 1.0})
    at = _track(part, 1, 30.0, 200.0)
    assert np.abs(at[:1000] - at[0]).max() < 1e-12
    assert np.abs(at[4500:] - at[0]).max() < 1e-12
    moving = at[1000:4000]
    assert np.ptp(moving, axis=0).max() > 1e-3
    # a jump of the place or of the speed would stand out of the acceleration
    bend = np.abs(np.diff(at, 2, axis=0)).max() * 200.0**2
    assert bend < 30.0


@pytest.mark.parametrize("kind", DRAUGHT)
def test_any_pieces_in_any_order(kind: type[Draught]) -> None:
    part = kind.draw(np.random.default_rng(8), SPACE)
    mover = part.mover(np.random.default_rng(3))
    time_s = np.arange(0.0, 50.0, 0.05)
    whole = mover.scatterers(time_s, VIEW)
    late, early = mover.scatterers(time_s[333:], VIEW), mover.scatterers(time_s[:333], VIEW)
    np.testing.assert_allclose(
        np.concatenate([early.position_m, late.position_m]), whole.position_m, atol=1e-12
    )
    np.testing.assert_allclose(np.concatenate([early.strength, late.strength]), whole.strength, atol=1e-12)
    assert (whole.strength >= 0.0).all()


def test_curtain_hangs_from_its_rail_and_shines_where_it_looks() -> None:
    curtain = Curtain(position_m=(2.0, 1.0, 1.0), heading_deg=180.0, swing_m=0.1, strength=1.0)
    mover = curtain.mover(np.random.default_rng(0))
    seen = mover.scatterers(np.arange(0.0, 100.0, 0.05), VIEW)
    swing = np.ptp(seen.position_m[:, :, 0], axis=0).reshape(4, 5).mean(1)
    assert swing[0] < 0.2 * swing[3]
    edge = mover.scatterers(np.arange(0.0, 100.0, 0.05), np.array([2.0, 5.0, 1.0]))
    assert np.square(seen.strength).sum() > 6.0 * np.square(edge.strength).sum()


def test_some_cloth_swings_as_one_and_over_other_cloth_waves_run() -> None:
    alike, runs = [], []
    for seed in range(60):
        curtain = Curtain(position_m=(2.0, 1.0, 1.0), heading_deg=180.0, swing_m=0.1, strength=1.0)
        edge = _track(curtain, seed, 60.0)[:, -4:-1, 0]  # laundry may hang by a corner
        alike.append(np.corrcoef(np.diff(edge, axis=0).T).min())
        # what runs along reaches one place after the other: their cross spectrum is not real
        left, _, right = np.fft.rfft((edge - edge.mean(0)) * np.hanning(len(edge))[:, None], axis=0).T
        runs.append(abs((left.conj() * right).sum().imag) / np.abs(left * right).sum())
    assert 0.1 < np.mean(np.array(alike) > 0.95) < 0.6
    assert np.mean(np.array(alike) < 0.5) > 0.1
    assert np.mean(np.array(runs) > 0.2) > 0.1


def test_what_is_a_quarter_later_runs_with_the_first() -> None:
    wave = Wander(np.random.default_rng(1), 0.9, 1.1)
    time_s = np.arange(0.0, 200.0, 0.01)
    now, later = wave(time_s), wave.quarter_later()(time_s)
    assert abs(np.mean(now * later)) < 0.05
    np.testing.assert_allclose(later[25:], now[:-25], atol=0.6)
    assert np.sqrt(np.mean(later**2)) == pytest.approx(1.0, abs=0.1)


def test_lamp_swings_at_the_pendulums_rate() -> None:
    lamp = Lamp(position_m=(2.0, 1.0, 1.5), cord_m=1.0, strength=1.0)
    at = _track(lamp, 2, 600.0, 20.0)[:, 0, :2]
    power = (np.abs(np.fft.rfft(at - at.mean(0), axis=0)) ** 2).sum(1)
    hz = np.fft.rfftfreq(len(at), 0.05)
    assert (power * hz).sum() / power.sum() == pytest.approx(np.sqrt(9.81) / (2.0 * np.pi), rel=0.05)


def test_door_slams_shut_along_the_wall_at_its_time() -> None:
    door = Door(position_m=(0.02, 1.7, 0.0), open_deg=60.0, swing_deg=0.0, slam_s=4.0, width_m=0.9)
    at = _track(door, 0, 8.0, 500.0)
    opened, closed = at[0, -1] - door.position_m, at[-1, -1] - door.position_m
    np.testing.assert_allclose(opened[:2], 0.9 * np.array([np.sin(np.pi / 3), -np.cos(np.pi / 3)]), atol=1e-9)
    np.testing.assert_allclose(closed[:2], [0.0, -0.9], atol=1e-9)
    np.testing.assert_array_equal(at[1999], at[0])
    speed = np.linalg.norm(np.diff(at[:, -1], axis=0), axis=-1) * 500.0
    assert 1.0 < speed.max() < 1.7
