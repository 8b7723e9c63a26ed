"""What a corpus is made of: every kind occurs, nothing is shared, and each stratum is what it says."""

from __future__ import annotations

import re

import numpy as np
import pytest

from noctule.core.errors import NoctuleError
from noctule.lab import strata
from noctule.lab.labels import people_in
from noctule.lab.strata import STRATA, draw, pick, split_of
from noctule.simulate.ambient import SOUNDS
from noctule.simulate.ambient.tones import PestRepeller
from noctule.simulate.movers import MOVERS
from noctule.simulate.movers.shakes import Bump
from noctule.simulate.scenes import Scene

BY_NAME = {one.name: one for one in STRATA}
NOBODY = ("other_motion", "transients", "next_door", "empty")


def drawn(name: str, count: int) -> list[Scene]:
    return [draw(seed, BY_NAME[name]) for seed in range(count)]


def kinds(parts: object) -> set[str]:
    return {one.kind for one in parts}  # type: ignore[attr-defined]


def registry(parts: tuple[type, ...]) -> set[str]:
    return {one.model_fields["kind"].default for one in parts}  # type: ignore[attr-defined]


def test_shares_are_of_the_whole() -> None:
    assert sum(one.share for one in STRATA) == pytest.approx(1.0)
    assert len(BY_NAME) == len(STRATA)
    negative = sum(BY_NAME[name].share for name in NOBODY)
    assert 0.3 < negative < 0.5


def test_hours_come_out_by_their_shares() -> None:
    hours: dict[str, float] = dict.fromkeys(BY_NAME, 0.0)
    for seed in range(6000):
        stratum = pick(seed, STRATA)
        hours[stratum.name] += sum(stratum.duration_s) / 2
    whole = sum(hours.values())
    for stratum in STRATA:
        assert hours[stratum.name] / whole == pytest.approx(stratum.share, rel=0.2), stratum.name


def test_every_mover_moves_without_pause() -> None:
    scenes = drawn("other_motion", 150)
    assert kinds(part for scene in scenes for part in scene.mover) == registry(MOVERS)
    for scene in scenes:
        assert 1 <= len(scene.mover) <= 3
        for part in scene.mover:
            if not isinstance(part, Bump):
                assert (part.from_s, part.to_s) == (0.0, None)


def test_some_devices_are_fine_and_the_air_about_them_hardly_stirs() -> None:
    scenes = drawn("storms", 100)
    fine = [one for one in scenes if one.device.rear_db >= strata.FINE_REAR_DB[0]]
    assert 0.2 < len(fine) / len(scenes) < 0.5
    for scene in fine:
        assert scene.unit.skirt_db <= strata.FINE_SKIRT_DB[1]
        assert scene.room.airflow_mps <= 1e-4
        assert all(part.airflow_mps() < 0.006 for part in scene.mover)
    assert max(part.airflow_mps() for scene in scenes for part in scene.mover) > 0.008


def test_every_sound_occurs_also_behind_walls() -> None:
    scenes = drawn("transients", 40)
    sounds = [part for scene in scenes for part in scene.sound]
    assert kinds(sounds) == registry(SOUNDS)
    assert {"open door", "drywall", "door", "brick"} < {one.through for one in sounds}


def test_visitors_come_and_go() -> None:
    for scene in drawn("visits", 8):
        (person,) = people_in(scene)
        inside = person.inside(np.arange(0.0, scene.duration_s, 0.1), scene.room.size_m)
        assert not inside[0]
        assert 0.1 < inside.mean() < 0.98
        assert (np.diff(inside.astype(int)) == -1).any()


def test_some_repellers_sweep_about_the_carrier() -> None:
    scenes = drawn("transients", 60)
    pairs = [(one, scene) for scene in scenes for one in scene.sound if isinstance(one, PestRepeller)]
    here = [abs(one.frequency_hz - scene.carrier_hz) < strata.NEAR_HZ for one, scene in pairs]
    assert 0.2 < np.mean(here) < 0.8


@pytest.mark.parametrize("name", NOBODY)
def test_nobody_is_in_a_negative(name: str) -> None:
    for scene in drawn(name, 12):
        times_s = np.arange(0.0, scene.duration_s, 0.25)
        assert not any(one.inside(times_s, scene.room.size_m).any() for one in people_in(scene))


def motions(scene: Scene) -> list[str]:
    times_s = np.arange(0.0, scene.duration_s, 0.1)
    return [one for person in people_in(scene) for one in person.motion(times_s)]


def test_who_walks_past_fans_hardly_stops() -> None:
    for scene in drawn("past_fans", 10):
        done = motions(scene)
        assert done.count("major") > 0.5 * len(done)
        assert "minor" not in done
        assert kinds(scene.mover) <= {"floor_fan", "desk_fan", "ceiling_fan"}
        assert all((part.from_s, part.to_s) == (0.0, None) for part in scene.mover)


def test_who_sits_does_small_things_and_nothing_for_long() -> None:
    longest_s = []
    for scene in drawn("seated", 10):
        done = motions(scene)
        assert "minor" in done
        runs = "".join(one[1] for one in done)  # none, minor, major: o, i, a
        longest_s.append(0.1 * max(len(one) for one in re.split("[ia]+", runs)))
    assert max(longest_s) > 20.0 > min(longest_s)


def test_people_are_mostly_somewhere_and_mostly_move() -> None:
    scenes = drawn("people", 12)
    assert {len(scene.person) for scene in scenes} == {1, 2}
    assert sum("major" in motions(scene) for scene in scenes) >= 8


def test_what_is_broken_breaks_and_what_plays_plays() -> None:
    scenes = drawn("faults", 40)
    electronics = [scene.electronics for scene in scenes]
    assert all(
        sum(bool(getattr(one, what)) for one in electronics) >= 3 for what in ("agc", "drops", "gain_steps")
    )
    assert any(scene.unit.dead for scene in scenes)
    assert any(scene.unit.covered for scene in scenes)
    assert {"bump", "device_vibration", "phone_on_table"} <= kinds(m for scene in scenes for m in scene.mover)
    music = drawn("music", 10)
    assert all(scene.programme for scene in music)
    assert {bool(scene.person) for scene in music} == {False, True}


def test_motion_begins_soon_after_a_cold_start() -> None:
    times_s = np.arange(0.0, 8.0, 0.02)
    for scene in drawn("cold_starts", 12):
        for person in people_in(scene):
            moves = np.array(person.motion(times_s)) != "none"
            assert not moves[times_s < 0.48].any()
            assert 0.5 <= times_s[moves][0] <= 3.6


def test_equal_seeds_give_equal_scenes_and_others_do_not() -> None:
    one = BY_NAME["faults"]
    assert draw(11, one) == draw(11, one) != draw(12, one)


def test_no_room_and_no_unit_is_on_two_sides() -> None:
    sides: dict[str, tuple[set[int], set[object]]] = {}
    for seed in range(200):
        scene = draw(seed, BY_NAME["empty"])
        side = sides.setdefault(split_of(seed), (set(), set()))
        side[0].add(scene.unit.seed)
        side[1].add(scene.room.size_m)
    assert set(sides) == {"train", "validation", "test"}
    units = [one for side in sides.values() for one in side[0]]
    rooms = [one for side in sides.values() for one in side[1]]
    assert len(units) == len(set(units)) == len(rooms) == len(set(rooms)) == 200


def test_splits_are_eight_one_one() -> None:
    found = [split_of(seed) for seed in range(20000)]
    assert found.count("train") / 20000 == pytest.approx(0.8, abs=0.01)
    assert found.count("test") / 20000 == pytest.approx(0.1, abs=0.01)


def test_no_device_stands_in_furniture() -> None:
    for scene in drawn("empty", 100):
        place = np.array(scene.device.position_m)
        for box in scene.room.furniture:
            low = np.array(box.corner_m)
            assert (place < low).any() or (place > low + box.size_m).any()


def test_an_unknown_stratum_is_refused_with_the_known_ones() -> None:
    with pytest.raises(NoctuleError, match=r"there is no stratum 'poeple'; there are people, visits"):
        strata.choose(["poeple"])
    assert [one.name for one in strata.choose(["empty", "people"])] == ["people", "empty"]
