"""Sitting down, minor motion, standing up: bones, floors, joins, truth, from many drawn people."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from noctule.simulate.body import Body
from noctule.simulate.parts import FloatArray
from noctule.simulate.pose import JOINT, Doing, Stance
from noctule.simulate.seated import (
    SEATED_ACTIONS,
    STANDING_MINOR,
    CrossLegs,
    Drink,
    OpenFolder,
    Reach,
    Sit,
    SitDown,
    StandUp,
    Telephone,
    TurnPages,
    Type,
    WaveHand,
    Work,
)
from noctule.simulate.walking import Walk

SEEDS = 12
BONES = {
    ("pelvis", "neck"): "trunk_m",
    ("neck", "head"): "neck_to_head_m",
    **{(f"{side}_shoulder", f"{side}_elbow"): "upper_arm_m" for side in ("left", "right")},
    **{(f"{side}_elbow", f"{side}_wrist"): "forearm_m" for side in ("left", "right")},
    **{(f"{side}_hip", f"{side}_knee"): "thigh_m" for side in ("left", "right")},
    **{(f"{side}_knee", f"{side}_ankle"): "shank_m" for side in ("left", "right")},
}
#: Every action in the postures it can begin in.
CASES = [(kind, seated) for kind in SEATED_ACTIONS for seated in (True, False) if seated or kind is SitDown]
CASES = [case for case in CASES if case != (SitDown, True)] + [(kind, False) for kind in STANDING_MINOR]
every_action = pytest.mark.parametrize(("kind", "seated"), CASES)


def _stance(body: Body, rng: np.random.Generator, *, seated: bool) -> Stance:
    stance = body.standing_stance(2.0, 2.0, 0.7)
    return SitDown.draw(rng).begin(body, stance, rng).end if seated else stance


def _begun(kind: Any, seed: int, *, seated: bool) -> tuple[Body, Stance, Doing]:
    rng = np.random.default_rng(seed)
    body = Body.draw(rng)
    stance = _stance(body, rng, seated=seated)
    action = kind(for_s=5.0) if kind is Sit else kind.draw(rng) if kind is not Work else Work(for_s=15.0)
    return body, stance, action.begin(body, stance, rng)


def _grid(doing: Doing, rate_hz: float = 240.0) -> FloatArray:
    return np.arange(0.0, min(doing.duration_s, 40.0), 1.0 / rate_hz)


def _speeds(doing: Doing, time_s: FloatArray) -> FloatArray:
    joints = doing.pose(time_s).joints_m
    return np.asarray(np.linalg.norm(np.diff(joints, axis=0), axis=-1) / (time_s[1] - time_s[0]))


@every_action
def test_bones_keep_their_length_and_nothing_sinks_into_the_floor(kind: Any, seated: bool) -> None:
    for seed in range(SEEDS):
        body, _, doing = _begun(kind, seed, seated=seated)
        joints = doing.pose(_grid(doing, 60.0)).joints_m
        for (one, other), name in BONES.items():
            length = np.linalg.norm(joints[:, JOINT[one]] - joints[:, JOINT[other]], axis=-1)
            assert length == pytest.approx(getattr(body, name), rel=0.01)
        assert joints[..., 2].min() > 0.0


@every_action
def test_begins_in_the_stance_and_ends_in_its_own(kind: Any, seated: bool) -> None:
    for seed in range(SEEDS):
        _, stance, doing = _begun(kind, seed, seated=seated)
        first, last = doing.pose(np.array([0.0, doing.duration_s])).joints_m
        assert first == pytest.approx(stance.joints_m, abs=1e-9)
        assert last == pytest.approx(doing.end.joints_m, abs=1e-9)
        assert doing.end.posture == (
            "standing" if kind is StandUp or not (seated or kind is SitDown) else "seated"
        )


@every_action
def test_same_answer_in_any_order_and_pieces(kind: Any, seated: bool) -> None:
    _, _, doing = _begun(kind, 5, seated=seated)
    time_s = _grid(doing, 60.0)
    whole = doing.pose(time_s).joints_m
    later, sooner = time_s[len(time_s) // 3 :], time_s[: len(time_s) // 3]
    assert np.array_equal(doing.pose(later).joints_m, whole[len(sooner) :])
    assert np.array_equal(doing.pose(sooner).joints_m, whole[: len(sooner)])
    _, _, again = _begun(kind, 5, seated=seated)
    assert np.array_equal(again.pose(time_s).joints_m, whole)


@every_action
def test_no_joint_is_faster_than_said(kind: Any, seated: bool) -> None:
    for seed in range(SEEDS):
        _, _, doing = _begun(kind, seed, seated=seated)
        fastest = _speeds(doing, _grid(doing)).max()
        assert fastest <= doing.highest_speed_mps
        assert doing.highest_speed_mps < 1.5 * fastest + 0.1  # else renderers work for nothing


@every_action
def test_truth_says_none_only_while_hardly_anything_moves(kind: Any, seated: bool) -> None:
    """Balance moves a standing head by some mm/s; a hand that moves is never faster than 30 mm/s unseen."""
    for seed in range(SEEDS):
        _, _, doing = _begun(kind, seed, seated=seated)
        time_s = _grid(doing)
        motion = np.array(doing.motion(time_s))
        assert set(motion) <= ({"major"} if kind in (SitDown, StandUp) else {"minor", "none"})
        still = motion[:-1] == "none"
        assert _speeds(doing, time_s)[still].max(initial=0.0) < 0.03


@pytest.mark.parametrize("kind", [kind for kind in SEATED_ACTIONS if kind not in (SitDown, StandUp, Sit)])
def test_minor_motion_stays_in_its_place_and_shows(kind: Any) -> None:
    for seed in range(SEEDS):
        _, _, doing = _begun(kind, seed, seated=True)
        time_s = _grid(doing, 60.0)
        pelvis = doing.pose(time_s).joints_m[:, JOINT["pelvis"]]
        assert np.ptp(pelvis, axis=0).max() < 0.05
        assert _speeds(doing, time_s).max() > 0.03
        assert "minor" in doing.motion(time_s)


def test_sitting_down_and_up_leave_the_feet_and_end_over_them() -> None:
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        body = Body.draw(rng)
        standing = body.standing_stance(2.0, 2.0, 0.7)
        feet = [JOINT[f"{side}_{part}"] for side in ("left", "right") for part in ("ankle", "toe")]
        down = SitDown(seat_height_m=0.45).begin(body, standing, rng)
        # hips 5 cm over the seat, one thigh's way behind the ankles
        assert down.end.joints_m[JOINT["pelvis"], 2] == pytest.approx(0.5, abs=0.005)
        up = StandUp().begin(body, down.end, rng)
        for doing in (down, up):
            joints = doing.pose(_grid(doing, 60.0)).joints_m[:, feet]
            assert np.ptp(joints, axis=0).max() < 0.005
            neck_ahead = doing.pose(np.array([0.5 * doing.duration_s])).joints_m[0]
            ahead = (neck_ahead[JOINT["neck"]] - neck_ahead[JOINT["pelvis"]])[:2]
            assert ahead @ [np.cos(0.7), np.sin(0.7)] > 0.2 * body.trunk_m  # leans on the way
        assert (up.end.x_m, up.end.y_m) == pytest.approx((2.0, 2.0), abs=0.01)
        assert up.end.joints_m == pytest.approx(standing.joints_m, abs=0.01)


def test_actions_that_do_not_fit_the_posture_are_refused() -> None:
    rng, body = np.random.default_rng(0), Body()
    standing, seated = _stance(body, rng, seated=False), _stance(body, rng, seated=True)
    with pytest.raises(ValueError, match="stands already"):
        StandUp().begin(body, standing, rng)
    with pytest.raises(ValueError, match="sits already"):
        SitDown().begin(body, seated, rng)
    with pytest.raises(ValueError, match="sit_down comes first"):
        Sit().begin(body, standing, rng)


def test_from_the_middle_of_a_walk_nothing_jumps_and_bones_hold() -> None:
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        body = Body.draw(rng)
        walk = Walk(to=(4.0, 3.0), speed_mps=1.3).begin(body, body.standing_stance(2.0, 2.0, 0.0), rng)
        for action in (SitDown.draw(rng), WaveHand.draw(rng), Telephone.draw(rng)):
            doing = action.begin(body, walk.end, rng)
            joints = doing.pose(_grid(doing, 60.0)).joints_m
            assert joints[0] == pytest.approx(walk.end.joints_m, abs=1e-9)
            for (one, other), name in BONES.items():
                length = np.linalg.norm(joints[:, JOINT[one]] - joints[:, JOINT[other]], axis=-1)
                assert length == pytest.approx(getattr(body, name), rel=0.01)


def test_a_wave_of_the_hand_has_its_rate() -> None:
    rng, body = np.random.default_rng(3), Body()
    doing = WaveHand(for_s=10.0, rate_hz=1.5).begin(body, body.standing_stance(2.0, 2.0, 0.0), rng)
    middle = 0.5 * doing.duration_s + np.arange(-4.0, 4.0, 0.01)
    across = doing.pose(middle).joints_m[:, JOINT["right_wrist"], 1]
    spectrum = np.abs(np.fft.rfft((across - across.mean()) * np.hanning(len(across))))
    assert np.fft.rfftfreq(len(across), 0.01)[spectrum.argmax()] == pytest.approx(1.5, abs=0.13)


def test_fingers_tremble_by_millimetres_at_three_hertz_and_more() -> None:
    """The elbow's tremor is 3-7 Hz; drift over the keyboard lies below 1 Hz."""
    for seed in range(SEEDS):
        rng, body = np.random.default_rng(seed), Body()
        doing = Type(for_s=60.0).begin(body, _stance(body, rng, seated=True), rng)
        height = doing.pose(3.0 + np.arange(0.0, 55.0, 0.01)).joints_m[:, JOINT["right_wrist"], 2]
        hz, spectrum = np.fft.rfftfreq(len(height), 0.01), np.fft.rfft(height - height.mean())
        spectrum[(hz < 2.0) | (hz > 9.0)] = 0.0
        assert 0.0003 < np.std(np.fft.irfft(spectrum, len(height))) < 0.015


def test_work_is_as_busy_as_asked() -> None:
    """Pauses of 2 s leave more motion than pauses of 20 s."""
    body = Body()
    shares = []
    for pause_s in (2.0, 20.0):
        rng = np.random.default_rng(1)
        doing = Work(for_s=600.0, pause_s=pause_s).begin(body, _stance(body, rng, seated=True), rng)
        assert doing.duration_s >= 600.0
        shares.append(np.mean(np.array(doing.motion(np.arange(0.0, 600.0, 0.1))) == "minor"))
    assert shares[0] > shares[1] + 0.1
    assert shares[1] > 0.02


def test_any_draw_is_valid_and_names_differ() -> None:
    names = [kind.model_fields["do"].default for kind in SEATED_ACTIONS]
    assert len(set(names)) == len(names)
    drawable: list[Any] = [kind for kind in SEATED_ACTIONS if hasattr(kind, "draw")]
    assert len(drawable) == len(SEATED_ACTIONS)
    for seed in range(100):
        for kind in drawable:
            drawn = kind.draw(np.random.default_rng(seed))
            assert kind.model_validate(drawn.model_dump()) == drawn


@pytest.mark.parametrize("kind", [SitDown, StandUp])
def test_speed_never_jumps_while_sitting_down(kind: Any) -> None:
    """The knee used to follow the hips' height as a square root: 0.15 m/s at once, at any sampling rate."""
    for seed in range(SEEDS):
        _, _, doing = _begun(kind, seed, seated=kind is StandUp)
        joints = doing.pose(np.arange(0.0, doing.duration_s, 1.0 / 4800.0)).joints_m
        jump = np.linalg.norm(np.diff(joints, 2, axis=0), axis=-1).max() * 4800.0
        assert jump < 0.02  # 96 m/s² would still pass, 0.15 m/s at once does not


@pytest.mark.parametrize("kind", [Reach, Telephone, Drink, TurnPages, OpenFolder, CrossLegs])
def test_hands_and_feet_move_at_everyday_speed(kind: Any) -> None:
    for seed in range(40):
        _, _, doing = _begun(kind, seed, seated=True)
        assert 0.2 < _speeds(doing, _grid(doing, 120.0)).max() < 1.5


@pytest.mark.parametrize("action", [Telephone(for_s=300.0), CrossLegs(for_s=300.0), TurnPages(pages=100)])
def test_what_comes_late_counts_for_the_highest_speed(action: Any) -> None:
    """Only the first two minutes used to be looked at."""
    for seed in range(8):
        rng = np.random.default_rng(seed)
        body = Body.draw(rng)
        doing = action.begin(body, _stance(body, rng, seated=True), rng)
        assert _speeds(doing, np.arange(0.0, doing.duration_s, 1 / 120.0)).max() <= doing.highest_speed_mps
