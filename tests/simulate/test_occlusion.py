"""Shadows: Kurze and Anderson's loss over the nearest free edge, from the front, the side and above."""

from __future__ import annotations

import math

import numpy as np
import pytest

from noctule.simulate.field import ToneField
from noctule.simulate.occlusion import DARKEST_DB, Obstacles, lit_share
from noctule.simulate.parts import FloatArray, Scatterers, Vector
from noctule.simulate.room import Furniture, Room
from noctule.simulate.transducers import Band, Transducers

WAVELENGTH_M = 343.2 / 40000.0
DARKEST = 10.0 ** (-DARKEST_DB / 20.0)
DEVICE_M = np.array([0.0, 0.0, 1.0])


def box(corner_m: Vector, size_m: Vector) -> tuple[FloatArray, FloatArray, bool]:
    half = np.array(size_m) / 2
    return np.array(corner_m) + half, half, False


def person(x_m: float, y_m: float, radius_m: float = 0.18) -> tuple[FloatArray, FloatArray, bool]:
    return np.array([x_m, y_m, 0.9]), np.array([radius_m, radius_m, 0.9]), True


def lit(point_m: Vector, *things: tuple[FloatArray, FloatArray, bool]) -> float:
    centre, half, is_round = (np.array(one) for one in zip(*things, strict=True))
    obstacles = Obstacles(centre[None], half, is_round)
    return float(lit_share(np.array(point_m)[None, None], DEVICE_M, obstacles, WAVELENGTH_M)[0, 0])


def loss_db(point_m: Vector, *things: tuple[FloatArray, FloatArray, bool]) -> float:
    return -20.0 * math.log10(lit(point_m, *things))


def kurze_anderson_db(fresnel_number: float) -> float:
    root = math.sqrt(2.0 * math.pi * max(fresnel_number, 1e-9))
    return 5.0 + 20.0 * math.log10(root / math.tanh(root))


def screen(top_m: float, x_m: float = 1.0, thick_m: float = 0.02) -> tuple[FloatArray, FloatArray, bool]:
    """A board across the whole room, on the floor."""
    return box((x_m - thick_m / 2, -5.0, 0.0), (thick_m, 10.0, top_m))


@pytest.mark.parametrize("number", [0.2, 1.0, 5.0, 20.0])
def test_a_board_takes_what_the_formula_says(number: float) -> None:
    """Half way to a point 2 m off, h above the line: a detour of h² to first order, N = 2h²/wavelength.

    A thin board took next to nothing: the way through its front counted as the way to an edge.
    """
    high_m = math.sqrt(number * WAVELENGTH_M / 2.0)
    detour_m = 2.0 * (math.hypot(1.0, high_m) - 1.0)
    assert detour_m == pytest.approx(high_m**2, rel=0.05)
    for thick_m in (0.005, 0.02, 0.2):
        found_db = loss_db((2.0, 0.0, 1.0), screen(1.0 + high_m, thick_m=thick_m))
        assert found_db == pytest.approx(min(kurze_anderson_db(number), DARKEST_DB), abs=0.2)
    # on paper: 5 + 20·lg(2.507 / 0.9868) at N = 1
    assert kurze_anderson_db(1.0) == pytest.approx(13.1, abs=0.01)


def test_an_edge_takes_5_db_and_the_light_comes_back_smoothly() -> None:
    heights_m = np.arange(0.6, 1.5, 0.005)
    losses_db = np.array([loss_db((2.0, 0.0, 1.0), screen(float(top))) for top in heights_m])
    assert loss_db((2.0, 0.0, 1.0), screen(1.0)) == pytest.approx(5.0, abs=0.01)
    assert losses_db[0] == 0.0
    assert losses_db[-1] == pytest.approx(DARKEST_DB, abs=0.01)
    assert np.all(np.diff(losses_db) >= -1e-6)
    assert np.diff(losses_db).max() < 2.0  # in half a centimetre: a person's point goes 5 cm in a look


def test_nearer_to_the_point_or_to_the_device_a_board_is_darker() -> None:
    """The detour over the same edge is longer: 1/near + 1/far."""
    middle, near, far = (loss_db((2.0, 0.0, 1.0), screen(1.05, x_m)) for x_m in (1.0, 0.2, 1.8))
    assert near == pytest.approx(far, abs=0.1)
    assert near > middle + 1.0


@pytest.mark.parametrize("y_m", [0.0, 0.05, 0.1, 0.15, 0.18, 0.25])
def test_people_throw_a_shadow_of_their_width(y_m: float) -> None:
    """Somebody of 18 cm radius, a board as wide as that: the same loss, to both sides."""
    sideways = [loss_db((3.0, 0.0, 1.0), person(1.5, side * y_m)) for side in (1.0, -1.0)]
    assert sideways[0] == pytest.approx(sideways[1], abs=1e-3)
    depth = 0.18 - y_m
    number = 2.0 * 0.5 * depth**2 * (1 / 1.5 + 1 / 1.5) / WAVELENGTH_M
    if depth >= 0.0:
        assert sideways[0] == pytest.approx(min(kurze_anderson_db(number), DARKEST_DB), abs=0.1)
    else:
        assert sideways[0] == 0.0
    board = box((1.49, y_m - 0.18, 0.0), (0.02, 0.36, 1.8))
    assert loss_db((3.0, 0.0, 1.0), board) == pytest.approx(sideways[0], abs=0.2)


def test_a_slanting_way_meets_the_edge_across_itself() -> None:
    """45 degrees on to a long board: 0.1 m before its end is 0.07 m across the way."""
    found = loss_db((2.0, 2.0, 1.0), box((1.0, -3.0, 0.0), (0.01, 4.1, 3.0)))
    depth = 0.1 / math.sqrt(2.0)
    leg_m = math.sqrt(2.0)
    number = 2.0 * 0.5 * depth**2 * (2.0 / leg_m) / WAVELENGTH_M
    assert found == pytest.approx(kurze_anderson_db(number), abs=0.3)
    before = loss_db((0.9, 0.9, 1.0), box((1.0, -3.0, 0.0), (0.01, 4.1, 3.0)))
    assert before == 0.0  # the line would meet it, but the point is nearer


def test_loss_is_that_of_the_way_round_the_nearer_end(rng: np.random.Generator) -> None:
    """Two roads: the detour from the lengths of both legs round either end of a board, over random places."""
    compared = 0
    while compared < 40:
        x_m, y_m = rng.uniform(1.0, 4.0), rng.uniform(-2.0, 2.0)
        ends_y_m = np.sort(rng.uniform(-1.0, 1.0, 2))
        at_m = rng.uniform(0.3, x_m - 0.3)
        crossing_m = y_m * at_m / x_m
        if not ends_y_m[0] < crossing_m < ends_y_m[1]:
            continue
        straight_m = math.hypot(x_m, y_m)
        detour_m = min(
            math.hypot(at_m, end) + math.hypot(x_m - at_m, y_m - end) - straight_m for end in ends_y_m
        )
        expected_db = kurze_anderson_db(2.0 * detour_m / WAVELENGTH_M)
        if expected_db < DARKEST_DB - 3.0:
            board = box((at_m - 5e-4, float(ends_y_m[0]), 0.0), (1e-3, float(np.ptp(ends_y_m)), 3.0))
            assert loss_db((x_m, y_m, 1.0), board) == pytest.approx(expected_db, abs=1.5)
            compared += 1


def test_the_floor_is_no_free_edge_but_what_hangs_has_one_below() -> None:
    """A cat behind the sofa: sound does not creep under it, as it did. Under a cupboard it passes."""
    device_m = np.array([[0.0, 0.0, 0.05]])
    cat = np.array([[[3.0, 0.0, 0.05]]])

    def loss(thing: tuple[FloatArray, FloatArray, bool]) -> float:
        obstacles = Obstacles(thing[0][None, None], thing[1][None], np.array([thing[2]]))
        return float(-20 * np.log10(lit_share(cat, device_m[0], obstacles, WAVELENGTH_M)[0, 0]))

    assert loss(box((1.0, -1.0, 0.0), (1.0, 2.0, 0.9))) == pytest.approx(DARKEST_DB, abs=0.01)
    assert loss(box((1.0, -1.0, 0.4), (1.0, 2.0, 0.9))) == 0.0


def test_only_what_stands_between_is_in_the_way() -> None:
    behind, before = box((2.5, -1.0, 0.0), (0.5, 2.0, 2.0)), box((-1.0, -1.0, 0.0), (0.5, 2.0, 2.0))
    assert lit((2.0, 0.0, 1.0), behind, before, person(1.0, 1.0)) == 1.0
    assert lit((2.0, 0.0, 1.0), behind, before, person(1.0, 0.0)) == lit((2.0, 0.0, 1.0), person(1.0, 0.0))


def test_many_shadows_are_no_darker_than_one() -> None:
    """Something always comes round by other ways: three boards in a row took 90 dB."""
    boards = [screen(2.0, x_m) for x_m in (0.5, 1.0, 1.5)]
    assert lit((2.0, 0.0, 1.0), *boards) == pytest.approx(DARKEST, rel=1e-6)
    shallow = [screen(1.02, x_m) for x_m in (0.5, 1.5)]
    assert loss_db((2.0, 0.0, 1.0), *shallow) == pytest.approx(
        sum(loss_db((2.0, 0.0, 1.0), one) for one in shallow), abs=0.01
    )


def test_from_the_ceiling_a_person_hides_the_floor_at_their_feet() -> None:
    """Device above: right behind somebody it is dark, far beyond it is light again."""
    device_m = np.array([0.0, 0.0, 2.4])
    centre, half, is_round = person(1.0, 0.0)
    obstacles = Obstacles(centre[None, None], half[None], np.array([is_round]))
    points = np.array([[[x, 0.0, 0.0] for x in (0.5, 1.6, 8.0)]])
    share = lit_share(points, device_m, obstacles, WAVELENGTH_M)[0]
    assert share[0] == share[2] == 1.0
    # 0.18 m to either side, half a metre from the feet
    assert 0.05 < share[1] < 0.12


def test_shadows_follow_whoever_throws_them() -> None:
    """Somebody walks across the line: dark while they pass, the same before and after."""
    time_s = np.linspace(-1.0, 1.0, 81)
    centre = np.stack([np.full(81, 1.5), 1.2 * time_s, np.full(81, 0.9)], -1)[:, None]
    obstacles = Obstacles(centre, np.array([[0.18, 0.18, 0.9]]), np.array([True]))
    share = lit_share(np.tile([3.0, 0.0, 1.0], (81, 1, 1)), DEVICE_M, obstacles, WAVELENGTH_M)[:, 0]
    np.testing.assert_allclose(share, share[::-1], atol=1e-6)
    dark = np.abs(time_s) < 0.1 / 1.2
    assert share[dark].max() < 0.2
    assert np.all(share[np.abs(time_s) > 0.3 / 1.2] == 1.0)


# ---- in the field


class Rests:
    knot_rate_hz, highest_speed_mps = 60.0, 0.01

    def scatterers(self, time_s: FloatArray, viewpoint_m: FloatArray) -> Scatterers:
        return Scatterers(np.tile([3.3, 2.0, 1.0], (len(time_s), 1, 1)), np.full((len(time_s), 1), 0.1))


def test_a_shadow_is_met_on_the_way_out_and_on_the_way_back() -> None:
    """Twice the dB of one way; a box that is not between changes nothing."""
    dead = Room(
        floor_absorption=0.99,
        ceiling_absorption=0.99,
        wall_absorption=(0.99,) * 4,
        scattering=0.99,
        airflow_mps=0.0,
    )
    place = Transducers(
        loudspeakers_m=np.array([[0.3, 2.0, 1.0]]),
        axes=np.array([[1.0, 0.0, 0.0]]),
        directivity=np.ones(256),
        source_pa=1.0,
        microphones_m=np.array([[0.3, 2.0, 1.0]]),
    )

    def level(*furniture: Furniture) -> float:
        room = dead.model_copy(update={"furniture": furniture})
        band = Band(6000.0, 1400.0, 4600.0)
        field = ToneField(room, place, 40000.0, band, [Rests()], seed=1, duration_s=2.0)
        return float(np.abs(field.moving(600, 300)).mean())

    between = Furniture(corner_m=(1.6, 1.0, 0.0), size_m=(0.4, 2.0, 1.03))
    beside = Furniture(corner_m=(1.6, 3.0, 0.0), size_m=(0.4, 0.9, 2.0))
    # its deepest place is anywhere on its top: a little more than the nearer edge's, and the same both ways
    centre, half = between.centre_m, np.array(between.size_m) / 2
    obstacles = Obstacles(centre[None, None], half[None], np.array([False]))
    one_way = lit_share(
        np.array([[[3.3, 2.0, 1.0]]]), np.array([0.3, 2.0, 1.0]), obstacles, dead.speed_of_sound_mps / 40000.0
    )
    assert 0.1 < one_way[0, 0] < 0.6
    assert level(between) / level() == pytest.approx(one_way[0, 0] ** 2, rel=0.01)
    assert level(beside) == pytest.approx(level(), rel=1e-4)
