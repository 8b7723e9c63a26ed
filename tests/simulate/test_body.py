"""What a body sends back, against geometric optics."""

from __future__ import annotations

import math

import numpy as np
import pytest

from noctule.simulate.body import _HALF_WIDTHS, POINTS, Body, Speckle
from noctule.simulate.parts import FloatArray
from noctule.simulate.pose import JOINT, JOINTS, Pose

HEAD, RIGHT_FOREARM = 2, 6


class _Smooth(Speckle):
    """One wave a point: no twinkling at all."""

    def __init__(self) -> None:
        self.waves, self.phase = np.zeros((POINTS, 1, 3)), np.zeros((POINTS, 1))


def _pose(joints: FloatArray, rise_m: float = 0.0) -> Pose:
    joints = joints.reshape(-1, len(JOINTS), 3)
    return Pose(joints, np.full(len(joints), rise_m))


def _around(count: int, distance_m: float, height_m: float) -> list[FloatArray]:
    turns = np.linspace(0.0, 2.0 * np.pi, count, endpoint=False)
    return [np.array([distance_m * np.cos(a), distance_m * np.sin(a), height_m]) for a in turns]


def test_a_sphere_sends_back_half_its_radius() -> None:
    body = Body(height_m=1.72, girth=1.0, clothing_db=0.0)
    joints = body.standing_joints()
    joints[JOINT["head"]] = joints[JOINT["neck"]] + [0.0, 0.0, 1e-4]  # as short as it is thick
    radius_m = 0.048 * 1.72
    for view in _around(7, 3.0, 1.2):
        seen = body.scatterers(_pose(joints), view, _Smooth())
        # speckle is as exact as its quick sines, 4e-5
        assert seen.strength[0, HEAD] == pytest.approx(radius_m / 2.0, rel=5e-5)
        centre = joints[JOINT["neck"]] + [0.0, 0.0, 0.5e-4]
        way = (view - centre) / np.linalg.norm(view - centre)
        np.testing.assert_allclose(seen.position_m[0, HEAD], centre + radius_m * way, atol=1e-6)


def test_limb_broadside_end_on_and_aslant_answers_as_an_ellipsoid() -> None:
    """Amplitude at 1 m: half the root of the product of the radii of curvature where it is square on."""
    body = Body(height_m=1.8, girth=1.1, clothing_db=0.0)
    joints = body.standing_joints()
    elbow = np.array([1.0, -0.8, 1.1])
    joints[JOINT["right_elbow"]] = elbow
    joints[JOINT["right_wrist"]] = elbow + np.array([0.0, -0.34, 0.0])
    a, c = 0.022 * 1.8 * 1.1, 0.5 * 1.25 * 0.34
    middle = elbow + np.array([0.0, -0.17, 0.0])
    for slant in (0.0, 0.3, 0.9, math.pi / 2):  # from broadside to end-on
        way = np.array([math.cos(slant), -math.sin(slant), 0.0])
        seen = body.scatterers(_pose(joints), middle + 50.0 * way, _Smooth())
        expected = 0.5 * a * a * c / ((a * math.cos(slant)) ** 2 + (c * math.sin(slant)) ** 2)
        assert seen.strength[0, RIGHT_FOREARM] == pytest.approx(expected, rel=1e-3), slant
    broadside = 0.5 * math.sqrt(a * (c * c / a))
    seen = body.scatterers(_pose(joints), middle + np.array([50.0, 0.0, 0.0]), _Smooth())
    assert seen.strength[0, RIGHT_FOREARM] == pytest.approx(broadside, rel=1e-3)


def test_clothing_takes_its_decibels_from_every_echo() -> None:
    rng = np.random.default_rng(3)
    speckle, view = Speckle(rng), np.array([2.0, 0.3, 1.0])
    pose = _pose(Body().standing_joints())
    bare = Body(clothing_db=0.0).scatterers(pose, view, speckle).strength
    dressed = Body(clothing_db=10.0).scatterers(pose, view, speckle).strength
    np.testing.assert_allclose(20.0 * np.log10(bare / dressed), 10.0, atol=1e-9)


@pytest.mark.parametrize("clothing_db", [3.0, 10.0])
def test_whole_body_is_as_strong_as_people_are(clothing_db: float) -> None:
    body = Body(clothing_db=clothing_db)
    pose = _pose(body.standing_joints())
    powers = np.array(
        [
            np.square(body.scatterers(pose, view, Speckle(np.random.default_rng(n))).strength).sum()
            for n in range(6)
            for view in _around(24, 2.5, 1.0)
        ]
    )  # fmt: skip
    assert -25.0 < 10.0 * np.log10(powers.mean()) < -5.0
    assert np.mean((powers > 10**-2.5) & (powers < 10**-0.5)) > 0.9


def test_speckle_twinkles_as_the_sum_of_many_folds() -> None:
    body = Body(clothing_db=0.0)
    pose = _pose(body.standing_joints())
    views = _around(40, 2.5, 1.0)
    plain = np.array([body.scatterers(pose, view, _Smooth()).strength[0] for view in views])
    speckles = [Speckle(np.random.default_rng(n)) for n in range(40)]
    power = np.square(
        np.array([[body.scatterers(pose, view, one).strength[0] for view in views] for one in speckles])
        / plain
    )
    assert power.mean() == pytest.approx(1.0, abs=0.08)
    # exponential: 1 - exp(-x) is below x; five waves come near
    for x in (0.1, 0.7, 2.0):
        assert np.mean(power < x) == pytest.approx(1.0 - math.exp(-x), abs=0.05)
    # it is the aspect that twinkles: some degrees do not agree, a tenth of a degree does
    near, far = power[:, 0], power[:, 1]
    assert abs(np.corrcoef(near.ravel(), far.ravel())[0, 1]) < 0.25
    nearby = np.array([2.5 * math.cos(2e-3), 2.5 * math.sin(2e-3), 1.0])
    again = np.array([np.square(body.scatterers(pose, nearby, one).strength[0]) for one in speckles])
    assert np.corrcoef(near.ravel(), (again / np.square(plain[0])).ravel())[0, 1] > 0.95


def test_points_lie_on_the_surface_that_faces_the_device() -> None:
    body = Body(height_m=1.9, girth=1.2)
    joints = body.standing_joints()
    from noctule.simulate.body import _ENDS, _STARTS

    for view in _around(9, 2.0, 0.8):
        points = body.scatterers(_pose(joints), view, _Smooth()).position_m[0]
        for p in range(POINTS):
            a, b = joints[_STARTS[p]], joints[_ENDS[p]]
            share = np.clip((points[p] - a) @ (b - a) / ((b - a) @ (b - a)), 0.0, 1.0)
            from_bone = points[p] - (a + share * (b - a))
            beyond_m = 0.125 * float(np.linalg.norm(b - a))  # segments reach beyond their joints
            girth_m = _HALF_WIDTHS[p] * body.height_m * body.girth
            assert np.linalg.norm(from_bone) <= math.hypot(girth_m, beyond_m) + 1e-9
            assert (points[p] - 0.5 * (a + b)) @ (view - 0.5 * (a + b)) > 0.0


def test_breath_moves_the_chest_towards_the_front_and_no_limb() -> None:
    body = Body()
    joints = body.standing_joints()
    view = np.array([3.0, 0.0, 1.3])
    still = body.scatterers(_pose(joints), view, _Smooth()).position_m[0]
    moved = body.scatterers(_pose(joints, 0.004), view, _Smooth()).position_m[0] - still
    np.testing.assert_allclose(moved[1], [0.004, 0.0, 0.0], atol=1e-5)
    np.testing.assert_allclose(moved[2:], 0.0, atol=1e-12)
    assert 0.0 < moved[0, 0] < 0.004


def test_draws_cover_their_range() -> None:
    bodies = [Body.draw(np.random.default_rng(n)) for n in range(200)]
    heights, clothes = [b.height_m for b in bodies], [b.clothing_db for b in bodies]
    assert min(heights) < 1.45
    assert max(heights) > 1.9
    assert min(clothes) >= 3.0
    assert max(clothes) <= 10.0
    assert max(clothes) - min(clothes) > 6.0
