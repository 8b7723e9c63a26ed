"""People: they get where they are sent, as fast as people go, and nothing about them jumps."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from noctule.simulate.body import Body
from noctule.simulate.parts import FloatArray, Space
from noctule.simulate.person import Person, PersonMover
from noctule.simulate.pose import JOINT, Action
from noctule.simulate.seated import Sit, SitDown, StandUp, Work
from noctule.simulate.walking import Stand, Turn, Walk

SPACE = Space((5.0, 4.0, 2.5), (0.3, 2.0, 1.0))
VIEW = np.array(SPACE.device_m)
PELVIS = JOINT["pelvis"]


def _mover(
    *does: Action, start: tuple[float, float] = (1.0, 1.0), seed: int = 0, from_s: float = 0.0
) -> PersonMover:
    person = Person(start=start, does=does, from_s=from_s)
    return person.mover(np.random.default_rng(seed))


def _grid(mover: PersonMover, rate_hz: float = 120.0) -> tuple[FloatArray, FloatArray]:
    time_s = np.arange(0.0, min(mover.from_s + mover.sequence.duration_s - 1e5, 120.0) + 2.0, 1.0 / rate_hz)
    return time_s, mover.pose(time_s).joints_m


def _speeds(joints: FloatArray, rate_hz: float = 120.0) -> FloatArray:
    return np.asarray(np.linalg.norm(np.diff(joints, axis=0), axis=-1) * rate_hz)


@pytest.mark.parametrize("speed_mps", [0.3, 1.2, 2.0])
def test_walker_comes_to_every_corner_and_stops_at_the_last(speed_mps: float) -> None:
    mover = _mover(Walk(to=((4.0, 1.0), (4.0, 3.0)), speed_mps=speed_mps))
    _, joints = _grid(mover)
    place = joints[:, PELVIS, :2]
    assert np.linalg.norm(place - [4.0, 1.0], axis=-1).min() < 0.05  # a square corner: stops there
    np.testing.assert_allclose(place[-1], [4.0, 3.0], atol=0.05)
    speed = np.linalg.norm(np.diff(place, axis=0), axis=-1) * 120.0
    assert speed.max() == pytest.approx(speed_mps, rel=0.2)  # the hips' own swing on top
    assert speed[-100:].max() < 0.02
    corner = np.linalg.norm(place - [4.0, 1.0], axis=-1).argmin()
    assert speed[max(corner - 40, 0) : corner + 40].min() < 0.1
    assert _speeds(joints).max() < 6.5


def test_round_a_blunt_corner_without_stopping() -> None:
    mover = _mover(Walk(to=((2.5, 1.0), (4.0, 2.5)), speed_mps=1.2))
    _, joints = _grid(mover)
    place = joints[:, PELVIS, :2]
    near = np.linalg.norm(place - [2.5, 1.0], axis=-1)
    assert near.min() < 0.25
    assert np.linalg.norm(np.diff(place, axis=0), axis=-1)[near.argmin()] * 120.0 > 0.8


@pytest.mark.parametrize(
    "to",
    [
        ((4.0, 1.0), (1.0, 1.0)),
        ((4.0, 1.0), (4.0, 1.0), (1.0, 1.0)),  # twice the same place
        ((1.0, 1.0), (4.0, 1.0), (1.0, 1.0)),  # where one already is
        ((4.0, 1.0), (1.0, 1.2), (4.0, 1.4)),
    ],
)
@pytest.mark.parametrize("speed_mps", [1.2, 2.0])
def test_turning_back_takes_its_time(to: tuple[tuple[float, float], ...], speed_mps: float) -> None:
    mover = _mover(Walk(to=to, speed_mps=speed_mps))
    _, joints = _grid(mover)
    assert _speeds(joints).max() < 6.5
    np.testing.assert_allclose(joints[-1, PELVIS, :2], to[-1], atol=0.05)
    hips = joints[:, JOINT["left_hip"], :2] - joints[:, JOINT["right_hip"], :2]
    turning = np.abs(np.diff(np.unwrap(np.arctan2(hips[:, 1], hips[:, 0])))) * 120.0
    assert turning.max() < np.radians(420.0)


def test_walk_to_where_one_stands_is_hardly_anything() -> None:
    _, joints = _grid(_mover(Walk(to=(1.0, 1.0))))
    assert np.linalg.norm(joints[:, PELVIS, :2] - [1.0, 1.0], axis=-1).max() < 0.06


def test_truth_says_what_happens() -> None:
    mover = _mover(Walk(to=(3.0, 1.0)), Stand(for_s=4.0), Turn(to_heading_deg=90.0), from_s=2.0)
    time_s, joints = _grid(mover)
    truth = np.array(mover.motion(time_s))
    assert set(truth[time_s < 2.0]) == {"none"}
    assert set(truth[(time_s > 2.1) & (time_s < 3.5)]) == {"major"}
    pelvis = np.concatenate([[0.0], np.linalg.norm(np.diff(joints[:, PELVIS], axis=0), axis=-1) * 120.0])
    assert set(truth[pelvis > 0.2]) == {"major"}
    assert pelvis[truth == "none"].max() < 0.05
    assert (truth[-60:] == "none").all()
    assert np.count_nonzero(np.diff(truth == "major")) == 4  # walks, stands, turns, stands


DAY: tuple[Action, ...] = (
    Walk(to=((3.0, 1.2), (2.0, 2.5))),
    SitDown(),
    Work(for_s=12.0, pause_s=1.0),
    StandUp(),
    Turn(to_heading_deg=-90.0),
    Work(for_s=6.0, pause_s=0.5),
    Walk(to=(4.0, 3.0), speed_mps=1.8),
)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_jumps_from_one_action_to_the_next(seed: int) -> None:
    mover = _mover(*DAY, seed=seed)
    _, joints = _grid(mover, 480.0)
    speed = _speeds(joints, 480.0)
    assert speed.max() < 6.5
    assert speed.max() <= mover.highest_speed_mps
    assert np.abs(np.diff(joints, 2, axis=0)).max() * 480.0**2 < 150.0  # a kink of 0.3 m/s


def test_any_pieces_in_any_order() -> None:
    mover = _mover(*DAY, seed=4)
    time_s = np.linspace(0.0, 50.0, 1500)
    whole = mover.scatterers(time_s, VIEW)
    again = _mover(*DAY, seed=4)
    pieces = [again.scatterers(time_s[n : n + 250], VIEW) for n in (1250, 0, 750, 500, 1000, 250)]
    order = np.concatenate([np.arange(n, n + 250) for n in (1250, 0, 750, 500, 1000, 250)])
    np.testing.assert_allclose(
        np.concatenate([p.position_m for p in pieces]), whole.position_m[order], atol=1e-10
    )
    np.testing.assert_allclose(np.concatenate([p.strength for p in pieces]), whole.strength[order], atol=1e-8)


def test_knots_are_close_enough_for_cubics() -> None:
    mover = _mover(*DAY, seed=5)
    step_s = 1.0 / mover.knot_rate_hz
    time_s = np.arange(0.0, 40.0, step_s)
    at = mover.scatterers(time_s, VIEW).position_m
    between = mover.scatterers(time_s[1:-2] + 0.5 * step_s, VIEW).position_m
    guess = (-at[:-3] + 9.0 * at[1:-2] + 9.0 * at[2:-1] - at[3:]) / 16.0
    error = np.linalg.norm(guess - between, axis=-1)
    assert np.quantile(error.max(-1), 0.995) < 100e-6


@pytest.mark.parametrize(
    ("does", "message"),
    [
        ((SitDown(), Walk(to=(2.0, 2.0))), r"does\[1\]: cannot walk while seated: stand_up comes first"),
        ((SitDown(), Turn(to_heading_deg=3.0)), r"does\[1\]: cannot turn while seated"),
        ((SitDown(), SitDown()), r"does\[1\]: cannot sit_down: sits already"),
        ((Stand(), StandUp()), r"does\[1\]: cannot stand_up: stands already"),
        ((Sit(),), r"does\[0\]: cannot sit while standing"),
    ],
)
def test_impossible_sequences_are_refused(does: tuple[Action, ...], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Person(start=(1.0, 1.0), does=does)


@pytest.mark.parametrize("speed_mps", [0.5, 1.2, 2.0])
def test_highest_speed_is_that_of_the_points(speed_mps: float) -> None:
    mover = _mover(Walk(to=(4.5, 1.0), speed_mps=speed_mps), seed=6)
    time_s, _ = _grid(mover, 240.0)
    at = mover.scatterers(time_s, VIEW).position_m
    fastest = (np.linalg.norm(np.diff(at, axis=0), axis=-1) * 240.0).max()
    assert fastest <= 1.02 * mover.highest_speed_mps
    assert mover.highest_speed_mps < 1.4 * fastest


def test_drawn_people_stay_in_the_room_and_are_no_supermen() -> None:
    kinds = set()
    for seed in range(100):
        person = Person.draw(np.random.default_rng(seed), SPACE)
        if seed % 10 == 0:
            assert Person.model_validate(person.model_dump()) == person
        mover = person.mover(np.random.default_rng(seed))
        time_s = np.arange(0.0, 90.0, 0.05)
        assert mover.inside(time_s, SPACE.size_m).all(), seed
        assert 0.05 <= mover.highest_speed_mps < 8.5, seed
        kinds |= {type(one).__name__ for one in person.does}
    assert kinds >= {"Walk", "Stand", "Turn", "SitDown", "Work"}


def test_breath_is_seen_when_all_else_is_still() -> None:
    for seed in range(5):
        mover = _mover(Stand(for_s=200.0), seed=seed)
        time_s = np.arange(5.0, 185.0, 0.05)
        rise = mover.pose(time_s).chest_rise_m
        assert rise.min() >= 0.0
        assert 0.001 <= np.ptp(rise) <= 0.0081
        power = np.abs(np.fft.rfft((rise - rise.mean()) * np.hanning(len(rise)))) ** 2
        hz = np.fft.rfftfreq(len(rise), 0.05)
        assert 0.15 < hz[power.argmax()] < 0.4
        assert mover.pose(time_s).joints_m.std(0).max() < 0.01
    assert set(mover.motion(time_s)) == {"none"}


def test_body_sizes_change_how_people_go() -> None:
    small = Person(start=(1.0, 1.0), body=Body(height_m=1.4)).mover(np.random.default_rng(0))
    tall = Person(start=(1.0, 1.0), body=Body(height_m=1.9)).mover(np.random.default_rng(0))
    assert tall.centre_m(np.zeros(1))[0, 2] > 1.2 * small.centre_m(np.zeros(1))[0, 2]
