"""Cats and dogs: they stay in the room, away from the device, and move as animals do."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from noctule.simulate.movers.pets import PETS, Cat, Dog, Pet, stride_hz
from noctule.simulate.movers.routes import Route, running_s
from noctule.simulate.parts import Space

SPACE = Space((5.0, 4.0, 2.5), (0.3, 2.0, 1.0))
VIEW = np.array(SPACE.device_m)
SQUARE = [(1.0, 1.0), (3.0, 1.0), (3.0, 3.0), (1.0, 3.0)]


def test_clock_is_exact_between_its_ends_and_smooth_at_them() -> None:
    t = np.arange(0.0, 10.0, 0.001)
    since = running_s(t, 2.0, 7.0, 0.5)
    inside = (t > 2.25) & (t < 6.75)
    np.testing.assert_allclose(since[inside], t[inside] - 2.0, atol=1e-12)
    assert since[0] == 0.0
    assert since[-1] == pytest.approx(5.0)
    rate = np.diff(since) * 1000.0
    assert rate.min() >= -1e-9
    assert rate.max() <= 1.0 + 1e-9
    assert np.abs(np.diff(rate)).max() < 0.004  # 1.5/takes_s a second: no jump of the speed


def test_route_goes_along_its_sides_and_rests_at_corners() -> None:
    route = Route(SQUARE, 0.5, [2.0] * 4, np.pi / 2)
    t = np.arange(0.0, 80.0, 0.01)
    place, heading, speed, metres = route.at(t)
    outside = np.minimum(np.abs(place[:, 0] - 2.0), np.abs(place[:, 1] - 2.0))
    np.testing.assert_allclose(np.maximum(*np.abs(place - 2.0).T), 1.0, atol=1e-9)
    assert outside.min() < 0.01  # it really goes from corner to corner
    assert speed.max() == pytest.approx(0.5)
    assert np.mean(speed == 0.0) > 0.3
    np.testing.assert_allclose(
        metres[1:] - metres[:-1], np.linalg.norm(np.diff(place, axis=0), axis=-1), atol=1e-9
    )
    going = speed[:-1] > 0.1
    way = np.diff(place, axis=0)[going]
    np.testing.assert_allclose(np.cos(np.arctan2(way[:, 1], way[:, 0]) - heading[:-1][going]), 1.0, atol=1e-9)
    assert np.abs(np.diff(np.exp(1j * heading))).max() < 0.01 * 1.51 * np.pi / 2


@pytest.mark.parametrize("kind", PETS)
def test_drawn_ones(kind: type[Pet]) -> None:
    for seed in range(100):
        pet = kind.draw(np.random.default_rng(seed), SPACE).model_copy(update={"to_s": 25.0})
        mover = pet.mover(np.random.default_rng(seed))
        t = np.arange(0.0, 30.0, 1.0 / mover.knot_rate_hz)
        seen = mover.scatterers(t, VIEW)
        p = seen.position_m
        assert np.all((p >= 0.0) & (p <= np.array(SPACE.size_m)))
        assert np.linalg.norm((p - VIEW)[..., :2], axis=-1).min() > 0.3
        step_m = np.diff(p, axis=0)
        speed = np.linalg.norm(step_m, axis=-1) * mover.knot_rate_hz
        assert speed.max() <= mover.highest_speed_mps
        # 150 m/s2 at most: the speed jumps nowhere, neither at the start nor at the end
        assert np.abs(np.diff(step_m, axis=0)).max() * mover.knot_rate_hz**2 < 150.0
        assert speed[t[1:] > 25.5].max() < 0.05  # breathes, no more
        # all of it together is no stronger than said
        assert 10.0 * np.log10((seen.strength**2).sum(-1).max()) <= pet.target_strength_db + 0.01
    np.testing.assert_array_equal(mover.scatterers(t[700:710], VIEW).position_m, p[700:710])


def test_strides_are_as_frequent_as_animals_make_them() -> None:
    # 1.62 M**-0.15 at the walk that each likes: sqrt(0.15 g h)
    assert stride_hz(0.25, 0.607) == pytest.approx(1.62 * 5.0**-0.15, rel=0.02)
    assert stride_hz(0.57, 0.916) == pytest.approx(1.62 * 28.0**-0.15, rel=0.02)
    assert 0.8 < 0.9 / stride_hz(0.57, 0.9) < 1.0  # a Labrador's stride in metres [A]
    assert 1.6 < stride_hz(0.57, 2.3) < 2.4  # it trots


@pytest.mark.parametrize(("shoulder_m", "speed_mps"), [(0.25, 0.7), (0.5, 1.0), (0.3, 1.4)])
def test_feet_stand_still_and_swing_once_a_stride(shoulder_m: float, speed_mps: float) -> None:
    dog = Dog(route=((1.0, 1.0), (61.0, 1.0)), speed_mps=speed_mps, shoulder_m=shoulder_m, rests_s=0.0)
    t = np.arange(5.0, 35.0, 0.005)
    p = dog.mover(np.random.default_rng(4)).scatterers(t, VIEW).position_m
    foot_mps = np.diff(p[:, 5, 0]) / 0.005
    assert np.mean(foot_mps) == pytest.approx(speed_mps, rel=0.02)  # it comes along
    # the middle of the lower leg leans over a foot that stands: 15 % of the trunk's speed
    assert np.mean(foot_mps < 0.16 * speed_mps) == pytest.approx(0.5, abs=0.03)
    assert foot_mps.min() > 0.0
    hz = np.argmax(np.abs(np.fft.rfft(p[:, 5, 0] - p[:, 0, 0] - np.mean(p[:, 5, 0] - p[:, 0, 0])))) / 30.0
    assert hz == pytest.approx(stride_hz(shoulder_m, speed_mps), rel=0.15)
    assert p[:, 5, 2].min() == pytest.approx(0.15 * shoulder_m)
    assert np.ptp(p[:, 5, 2]) == pytest.approx(0.15 * shoulder_m, rel=0.01)


def test_diagonal_feet_swing_together_as_in_a_real_trot(shared_data: Path) -> None:
    # per frame: its length, root 3 + 4, then three angles for fore right, fore left, hind right, hind left.
    # A robot's captured from a dog; it goes slowly, so its rate says little about free animals.
    with gzip.open(shared_data / "mocap" / "laikago_walk.txt.gz") as file:
        frames = np.array(json.load(file)["Frames"])[:-1]
    hips = frames[:, [9, 12, 15, 18]] - frames[:, [9, 12, 15, 18]].mean(0)
    bins = np.fft.rfft(hips, axis=0)
    best = int(np.argmax(np.abs(bins).sum(-1)[1:])) + 1
    assert 0.8 < best / frames[:, 0].sum() < 2.2
    real = np.angle(bins[best] / bins[best, 1]) / (2.0 * np.pi)  # to fore left

    dog = Dog(route=((1.0, 1.0), (61.0, 1.0)), speed_mps=1.6, shoulder_m=0.4, rests_s=0.0)
    t = np.arange(5.0, 25.0, 0.01)
    p = dog.mover(np.random.default_rng(4)).scatterers(t, VIEW).position_m
    feet = p[:, [7, 5, 11, 9], 0] - p[:, :1, 0]
    bins = np.fft.rfft(feet - feet.mean(0), axis=0)
    ours = np.angle(bins[np.argmax(np.abs(bins[:, 1]))] / bins[np.argmax(np.abs(bins[:, 1])), 1])
    off = (real - ours / (2.0 * np.pi) + 0.5) % 1.0 - 0.5
    assert np.abs(off).max() < 0.1


def test_cat_jumps_as_things_fly_and_comes_down_again() -> None:
    cat = Cat(route=((1.0, 1.0), (3.0, 1.0)), perch_m=0.8, rests_s=2.0, lowers=0.0, fidgets=0.0)
    mover = cat.mover(np.random.default_rng(2))
    t = np.arange(0.0, 60.0, 0.002)
    p = mover.scatterers(t, VIEW).position_m
    z = p[:, 1, 2]
    up = z - 0.8 * cat.shoulder_m
    assert np.mean(np.abs(up - 0.8) < 0.01) > 0.02  # stays up there
    assert np.mean(np.abs(up) < 0.02) > 0.2
    fall = np.diff(z, 2) / 0.002**2
    assert np.mean(np.abs(fall + 9.81) < 0.3) > 0.005
    speed = np.abs(np.diff(z)) / 0.002
    assert 3.0 < speed.max() < 4.0  # sqrt(2 g 0.8 m) is 3.96; its legs reach for the last of it
    assert np.linalg.norm(np.diff(p, axis=0), axis=-1).max() / 0.002 <= mover.highest_speed_mps


def test_it_lies_down_at_stops() -> None:
    dog = Dog(route=((1.0, 1.0), (3.0, 1.0)), shoulder_m=0.5, rests_s=10.0, lowers=1.0)
    heights = []
    for seed in range(10):
        p = dog.mover(np.random.default_rng(seed)).scatterers(np.arange(0.0, 60.0, 0.02), VIEW).position_m
        assert p[..., 2].min() > 0.0
        heights.append(p[:, 0, 2].min())
    assert min(heights) == pytest.approx(0.3 * 0.5, abs=0.01)  # some lie
    assert max(heights) > 0.7 * 0.5  # others sit, chest up


@pytest.mark.parametrize("kind", PETS)
def test_few_knots_follow_it(kind: type[Pet]) -> None:
    for seed in range(12):
        mover = kind.draw(np.random.default_rng(seed), SPACE).mover(np.random.default_rng(seed))
        t = np.arange(0.0, 30.0, 1.0 / mover.knot_rate_hz)
        between = t[5:-5] + 0.5 / mover.knot_rate_hz
        followed = CubicSpline(t, mover.scatterers(t, VIEW).position_m)(between)
        np.testing.assert_allclose(followed, mover.scatterers(between, VIEW).position_m, atol=25e-6)
