"""Walkers: rigid bones, steps as long as people's, feet that hold the floor."""

from __future__ import annotations

import numpy as np
import pytest

from noctule.simulate import gait, posture
from noctule.simulate.body import Body
from noctule.simulate.parts import FloatArray
from noctule.simulate.pose import JOINT
from noctule.simulate.posture import ANGLE, ANGLES

BODIES = [Body(height_m=1.45), Body(), Body(height_m=1.95)]


def _length(joints: FloatArray, a: str, b: str) -> FloatArray:
    return np.asarray(np.linalg.norm(joints[:, JOINT[a]] - joints[:, JOINT[b]], axis=-1))


def _walker(body: Body, speed_mps: float, for_s: float = 6.0) -> tuple[FloatArray, FloatArray]:
    """Times, and joints in the room of somebody who walks along x."""
    time_s = np.arange(0.0, for_s, 0.005)
    speed = np.full(len(time_s), speed_mps)
    rate_hz = float(gait.cycle_rate_hz(body, speed[:1])[0])
    joints = posture.joints(body, gait.walk(body, rate_hz * time_s, speed))
    joints[:, :, 0] += (speed_mps * time_s)[:, None]
    return time_s, joints


@pytest.mark.parametrize("body", BODIES)
def test_bones_keep_their_lengths_in_any_posture(body: Body) -> None:
    rows = np.random.default_rng(1).uniform(-1.5, 1.5, (300, len(ANGLES)))
    joints = posture.joints(body, rows)
    for side in ("left", "right"):
        for a, b, length_m in (
            ("shoulder", "elbow", body.upper_arm_m),
            ("elbow", "wrist", body.forearm_m),
            ("hip", "knee", body.thigh_m),
            ("knee", "ankle", body.shank_m),
            ("ankle", "toe", np.hypot(0.75 * body.foot_m, 0.8 * body.ankle_height_m)),
        ):
            np.testing.assert_allclose(
                _length(joints, f"{side}_{a}", f"{side}_{b}"), length_m, atol=1e-9, err_msg=f"{side} {a}"
            )
    np.testing.assert_allclose(_length(joints, "left_hip", "right_hip"), body.hip_width_m, atol=1e-9)
    np.testing.assert_allclose(
        _length(joints, "left_shoulder", "right_shoulder"), body.shoulder_width_m, atol=1e-9
    )


def test_spine_keeps_its_length_when_it_leans_and_sways() -> None:
    rows = np.tile(posture.angles(Body()), (50, 1))
    rng = np.random.default_rng(2)
    for name in ("lean", "sway", "turn", "twist", "nod", "look"):
        rows[:, ANGLE[name]] = rng.uniform(-0.7, 0.7, 50)
    joints = posture.joints(Body(), rows)
    np.testing.assert_allclose(_length(joints, "pelvis", "neck"), Body().trunk_m, atol=1e-9)
    np.testing.assert_allclose(_length(joints, "neck", "head"), Body().neck_to_head_m, atol=1e-9)


def test_angles_turn_the_way_their_names_say() -> None:
    def place(joint: str, **given: float) -> FloatArray:
        row = posture.angles(Body(), **given)
        return np.asarray(posture.joints(Body(), row[None])[0, JOINT[joint]])

    assert place("head", lean=0.4)[0] > 0.1
    assert place("head", sway=0.4)[1] > 0.1
    for side, out in (("left", 1.0), ("right", -1.0)):
        assert out * place(f"{side}_shoulder")[1] > 0.1
        assert place(f"{side}_wrist", **{f"{side}_raise": 1.2})[0] > 0.3
        assert out * place(f"{side}_wrist", **{f"{side}_spread": 1.2})[1] > 0.5
        assert place(f"{side}_knee", **{f"{side}_hip": 0.5})[0] > 0.15
        assert place(f"{side}_ankle", **{f"{side}_knee": 0.5})[0] < -0.15
        inwards = {f"{side}_elbow": 1.5, f"{side}_inwards": 0.8}
        assert out * (place(f"{side}_wrist", **inwards)[1] - place(f"{side}_elbow", **inwards)[1]) < -0.1


def test_steps_take_as_long_as_people_take() -> None:
    """0.5 to 0.69 s between 1.0 and 1.5 m/s. [R: PHYSICS]"""
    for body in (Body(height_m=1.6), Body(), Body(height_m=1.85)):
        for speed in (1.0, 1.22, 1.5):
            time_s, joints = _walker(body, speed)
            apart = joints[:, JOINT["left_ankle"], 0] - joints[:, JOINT["right_ankle"], 0]
            passes = time_s[:-1][np.diff(np.sign(apart)) != 0]  # once a step
            assert 0.49 <= np.diff(passes).mean() <= 0.70, (body.height_m, speed)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("speed", [0.3, 0.8, 1.22, 2.0])
def test_feet_stay_on_the_floor_not_below(body: Body, speed: float) -> None:
    _, joints = _walker(body, speed)
    soles = [joints[:, JOINT[f"{side}_ankle"], 2] - body.ankle_height_m for side in ("left", "right")]
    soles += [joints[:, JOINT[f"{side}_toe"], 2] - 0.2 * body.ankle_height_m for side in ("left", "right")]
    lowest = np.min(soles, axis=0)
    assert lowest.min() > -0.02
    assert lowest.max() < 0.02  # nobody flies


def test_standing_foot_hardly_slides_and_legs_outrun_the_body() -> None:
    for body in BODIES:
        _, joints = _walker(body, 1.22)
        feet = joints[:, [JOINT["left_ankle"], JOINT["right_ankle"]]]
        speed = np.linalg.norm(np.diff(feet, axis=0), axis=-1) / 0.005
        stands = feet[:-1, :, 2] < feet[:-1, ::-1, 2]
        assert np.median(speed[stands]) < 0.5  # of the lower foot, toe-off included
        assert np.median(speed[stands]) < np.median(speed[~stands]) / 3.0
        assert 2.2 < speed.max() / 1.22 < 3.5


def test_left_heel_strikes_at_whole_cycles_and_nothing_jumps() -> None:
    speed = np.full(2000, 1.2)
    phase = np.linspace(0.0, 2.0, 2000)
    joints = posture.joints(Body(), gait.walk(Body(), phase, speed))
    apart = joints[:, JOINT["left_ankle"], 0] - joints[:, JOINT["right_ankle"], 0]
    assert apart[0] > 0.8 * apart.max()  # in front
    np.testing.assert_allclose(joints[0], joints[-1], atol=1e-9)  # two whole cycles
    change = np.abs(np.diff(joints, 2, axis=0)).max()
    assert change < 2e-4  # no kink in a thousandth of a cycle


def test_standing_still_is_standing_straight() -> None:
    joints = posture.joints(Body(), gait.walk(Body(), np.array([0.3]), np.zeros(1)))[0]
    np.testing.assert_allclose(joints, Body().standing_joints(), atol=0.06)
