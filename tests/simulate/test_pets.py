"""Cats and dogs: they stay in the room, away from the device, and move as animals do."""

from __future__ import annotations

import numpy as np
import pytest

from noctule.simulate.movers.pets import PETS, Dog, Pet
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


def test_legs_swing_at_the_rate_of_its_strides(rng: np.random.Generator) -> None:
    dog = Dog(route=((1.0, 1.0), (41.0, 1.0)), speed_mps=1.0, shoulder_m=0.5, rests_s=0.0)
    t = np.arange(5.0, 25.0, 0.01)
    p = dog.mover(rng).scatterers(t, VIEW).position_m
    foot = p[:, 5, 0] - p[:, 0, 0]
    hz = np.argmax(np.abs(np.fft.rfft(foot - foot.mean()))) / 20.0
    assert 1.0 < hz < 2.5  # a dog of this size walks so [A]
    assert np.ptp(foot) > 0.2
