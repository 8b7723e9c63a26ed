"""Reference movers: where they are on paper, and that they tell the truth about their speed."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from noctule.simulate.movers.references import REFERENCES, PointTarget, ReferenceArm
from noctule.simulate.parts import MoverPart, Space

SPACE = Space((5.0, 4.0, 2.5), (0.3, 2.0, 1.0))
VIEW = np.array(SPACE.device_m)


def test_point_is_exactly_where_its_formula_says(rng: np.random.Generator) -> None:
    part = PointTarget(
        position_m=(1.0, 2.0, 1.0),
        velocity_mps=(0.5, -0.2, 0.1),
        amplitude_m=0.01,
        frequency_hz=3.0,
        axis=(0.0, 0.0, 2.0),
        radius_m=0.2,
        turn_rate_hz=0.5,
        target_strength_db=-20.0,
        from_s=1.0,
        to_s=3.0,
    )
    t = np.linspace(1.05, 2.95, 200)
    seen = part.mover(rng).scatterers(t, VIEW)
    s = t - 1.0
    x = 1.0 + 0.5 * s + 0.2 * np.cos(np.pi * s)
    z = 1.0 + 0.1 * s + 0.01 * np.sin(6.0 * np.pi * s)
    np.testing.assert_allclose(seen.position_m[:, 0, 0], x, atol=1e-12)
    np.testing.assert_allclose(seen.position_m[:, 0, 2], z, atol=1e-12)
    np.testing.assert_allclose(seen.strength, 0.1)
    late = part.mover(rng).scatterers(np.array([3.2, 99.0]), VIEW).position_m
    np.testing.assert_array_equal(late[0], late[1])


def test_point_without_a_beginning_moved_before(rng: np.random.Generator) -> None:
    mover = PointTarget(position_m=(1.0, 2.0, 1.0), velocity_mps=(0.5, 0.0, 0.0)).mover(rng)
    x = mover.scatterers(np.array([-1.0, 0.0, 1.0]), VIEW).position_m[:, 0, 0]
    np.testing.assert_allclose(x, [0.5, 1.0, 1.5], atol=1e-12)
    assert mover.highest_speed_mps == pytest.approx(0.5)


def test_arm_turns_as_the_standard_says(rng: np.random.Generator) -> None:
    part = ReferenceArm(position_m=(2.0, 2.0, 0.914), rest_s=1.0)
    t = np.arange(0.0, 4.2, 0.001)
    p = part.mover(rng).scatterers(t, np.array([100.0, 2.0, 0.914])).position_m
    along = p[:, 3, :2] - p[:, 0, :2]
    angle = np.degrees(np.unwrap(np.arctan2(along[:, 1], along[:, 0])))
    assert angle.min() == pytest.approx(-45.0, abs=0.01)
    assert angle.max() == pytest.approx(45.0, abs=0.01)
    assert np.diff(angle).max() * 1000.0 == pytest.approx(90.0, rel=1e-3)
    assert np.all(p[..., 2] == 0.914)
    tip_mps = np.linalg.norm(np.diff(p[:, 3], axis=0), axis=-1).max() * 1000.0
    assert tip_mps == pytest.approx(0.6, abs=0.05)  # PHYSICS


@pytest.mark.parametrize("kind", REFERENCES)
def test_drawn_ones_stay_inside_and_below_their_speed(kind: type[MoverPart]) -> None:
    for seed in range(100):
        part = kind.draw(np.random.default_rng(seed), SPACE)
        mover = part.mover(np.random.default_rng(seed))
        t = np.arange(0.0, 60.0, 1.0 / mover.knot_rate_hz)
        p = mover.scatterers(t, VIEW).position_m
        assert np.all((p >= 0.0) & (p <= np.array(SPACE.size_m)))
        speed = np.linalg.norm(np.diff(p, axis=0), axis=-1) * mover.knot_rate_hz
        assert speed.max() <= mover.highest_speed_mps * 1.001 + 1e-9
    pieces = mover.scatterers(t[70:90], VIEW)
    np.testing.assert_array_equal(pieces.position_m, p[70:90])


def test_impossible_ones_are_refused() -> None:
    with pytest.raises(ValidationError, match="axis"):
        PointTarget(position_m=(1.0, 1.0, 1.0), axis=(0.0, 0.0, 0.0))
    with pytest.raises(ValidationError, match="to_s"):
        PointTarget(position_m=(1.0, 1.0, 1.0), from_s=5.0, to_s=4.0)
