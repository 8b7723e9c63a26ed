"""`noctule demo` on a clock of our own: what is said, shown, recorded, and true.

The app on top of it is asked for in `tests/web/test_room_page.py`.
"""

from __future__ import annotations

import asyncio
import functools
import json
import math
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.cli.command import Command

from noctule.cli import _demo_terminal as demo_module
from noctule.cli._rooms import CARRIERS_HZ, ROOMS, DemoRoom
from noctule.cli._stage import LAMP_TOPIC, RoomStage
from noctule.cli._tour import STEPS
from noctule.core.errors import NoctuleError
from noctule.simulate import live
from noctule.simulate.live import LiveRoom, SimulatedCard
from noctule.simulate.scenes import parse_scene
from noctule.simulate.wayfinding import FloorPlan
from noctule.web.stage import Stage

#: Somebody comes in from behind the wall after two seconds, of themselves.
HOME = """\
carrier_hz = 20000
sample_rate_hz = 48000

[device]
microphones = 1
position_m = [0.3, 2.0, 1.1]

[[person]]
name = "Ben"
start = [5.8, 2.0]
heading_deg = 180
from_s = 2
does = [{ do = "walk", to = [1.5, 2.0] }]
"""


@dataclass
class Clock:
    """Time passes while somebody sleeps, and at no other time."""

    now_s: float = 100.0
    slept: list[float] = field(default_factory=list)
    at_each: Callable[[Clock], None] = lambda clock: None

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.slept.append(seconds)
        self.at_each(self)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The room's card on this clock, and things that happen as soon as they are said."""
    clock = Clock()
    monkeypatch.setattr(live, "SimulatedCard", lambda room: SimulatedCard(room, clock, clock.sleep))
    monkeypatch.setattr(demo_module, "_aside", lambda act, room: act(room))
    return clock


@pytest.fixture
def demo(clock: Clock, noctule: Command) -> Command:
    return functools.partial(noctule, "demo", "--terminal")


def test_somebody_who_comes_in_is_present(demo: Command, clock: Clock) -> None:
    """Nobody until she is told to come, then truth and sensor agree; and no second is really waited for."""
    done = demo("--quiet", "--seconds", 9, "--jsonl", "-")
    assert done.returncode == 0
    assert sum(clock.slept) == pytest.approx(9.0, abs=1.5)
    assert "Ada comes in" in done.stderr
    before = [one for one in done.records if one["t"] < 3.0]
    after = [one for one in done.records if one["t"] > 7.0]
    assert len(before) > 10
    assert not any(one["presence"] or one["truth"]["presence"] for one in before)
    assert all(one["presence"] and one["truth"]["presence"] for one in after)
    walking = [one for one in done.records if one["truth"]["motion"] == "major"]
    assert np.mean([one["motion"] == "major" for one in walking]) > 0.5
    (ada,) = after[-1]["truth"]["people"]
    assert (ada["name"], ada["inside"]) == ("Ada", True)
    assert all(abs(one["t"] - one["truth"]["t"]) < 0.5 for one in done.records)
    assert {one["carrier_hz"] for one in done.records} == {40000.0}


def test_a_room_of_ones_own_has_no_tour(demo: Command, tmp_path: Path) -> None:
    (tmp_path / "home.toml").write_text(HOME)
    done = demo("--quiet", "--seconds", 6, "--jsonl", "-", "--scene", tmp_path / "home.toml")
    assert done.returncode == 0
    assert " s  " not in done.stderr  # nothing is told to anybody
    assert not done.records[0]["presence"]
    assert done.records[-1]["presence"]
    assert done.records[-1]["truth"]["people"][0]["name"] == "Ben"
    assert {one["carrier_hz"] for one in done.records} == {20000.0}


def test_records_are_appended(demo: Command, tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text('{"t": 0}\n')
    assert demo("--quiet", "--seconds", 2.5, "--jsonl", path).returncode == 0
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0] == {"t": 0}
    assert len(lines) > 5
    assert "truth" in lines[-1]


@pytest.mark.parametrize("path", ["/nowhere/records.jsonl", "/dev/full"])
def test_records_that_cannot_be_written_are_one_line(demo: Command, path: str) -> None:
    done = demo("--quiet", "--seconds", 3, "--jsonl", path)
    assert done.returncode == 2
    (complaint,) = [line for line in done.stderr.splitlines() if line.startswith("noctule: ")]
    assert f"{path}: cannot be written" in complaint
    assert "Traceback" not in done.stderr


def test_a_scene_that_cannot_be_is_one_line(demo: Command, tmp_path: Path) -> None:
    for text, says in (
        (HOME.replace("carrier_hz = 20000", "carrier_hz = 23900"), "home.toml:1: "),
        ("duration_s = what", "not valid TOML"),
    ):
        (tmp_path / "home.toml").write_text(text)
        done = demo("--scene", tmp_path / "home.toml")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert says in done.stderr
    assert "No such file" in demo("--scene", tmp_path / "none.toml").stderr


def test_ctrl_c_ends_it_gently(demo: Command, clock: Clock) -> None:
    """In the middle of the tour; nothing but what was said is told."""

    def interrupt(clock: Clock) -> None:
        if len(clock.slept) == 60:
            os.kill(os.getpid(), signal.SIGINT)

    clock.at_each = interrupt
    done = demo("--quiet", "--seconds", 60)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert sum(clock.slept) < 20.0


def test_a_terminal_shows_the_floor_the_truth_and_the_sensor(
    demo: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes anything for a terminal then
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    done = demo("--seconds", 6)
    assert done.returncode == 0
    assert done.stdout == ""
    for sign in ("◉", "●", "░", "┌", "true", "sensed", "nobody", "Ada comes in"):
        assert sign in done.stderr


def test_the_floor_from_above() -> None:
    """North is up: a place's column follows x, its row falls with y; who is outside is not drawn."""
    scene = parse_scene(
        HOME
        + """
[[person]]
name = "Eve"
start = [4.95, 3.9]
[room]
size_m = [5.0, 4.0, 2.5]
[[room.furniture]]
corner_m = [0.0, 0.0, 0.0]
size_m = [1.0, 0.5, 0.5]
[[mover]]
kind = "floor_fan"
position_m = [2.5, 2.0, 1.0]
"""
    )
    room = LiveRoom(scene)
    plan = demo_module._plan(room, room.truth(), columns=40)
    rows = [line[3:-1] for line in plan[1:-1]]  # without the edge
    assert len(rows) == 16
    assert plan[0] == "  ┌" + "─" * 40 + "┐"
    assert rows[0].endswith("[bold green]●[/]")  # Eve in the far corner
    assert sum(row.count("●") for row in rows) == 1  # Ben is outside
    assert rows[-1].startswith("[dim]░[/]" * 8 + " ")
    middle = rows[8]
    assert middle.startswith("  [cyan]◉[/]")
    assert "✻" in middle
    assert not any("░" in row for row in rows[:13])


@pytest.mark.slow
def test_the_whole_tour(demo: Command) -> None:
    """She comes, sits and reads; fan and music start and stop; she leaves. Nobody waits for 62 seconds."""
    done = demo("--quiet", "--jsonl", "-")
    assert done.returncode == 0
    said = [line for line in done.stderr.splitlines() if " s  " in line]
    assert len(said) == 9
    for line, (at_s, text, _) in zip(said, demo_module._steps(), strict=True):
        assert text in line
        assert float(line.split()[0]) == pytest.approx(at_s, abs=0.3)

    def during(low_s: float, high_s: float) -> list[dict[str, Any]]:
        return [one for one in done.records if low_s < one["truth"]["t"] < high_s]

    assert done.records[-1]["t"] > 61.0
    assert not any(one["presence"] for one in during(0.0, 3.0))
    assert all(one["presence"] for one in during(8.0, 24.0))
    assert {one["truth"]["motion"] for one in during(20.0, 31.0)} <= {"minor", "none"}
    assert all("fan" in one["truth"]["moving"] for one in during(33.0, 44.0))
    assert all(one["truth"]["music"] for one in during(41.5, 44.5))
    assert not any(one["truth"]["music"] or one["truth"]["moving"] for one in during(46.0, 62.0))
    # somebody who leaves is noticed again, whatever became of her while she read
    assert all(one["presence"] and one["truth"]["presence"] for one in during(49.5, 51.5))
    assert not any(one["truth"]["presence"] for one in during(56.0, 62.0))
    assert not any(one["fault"] for one in during(8.0, 31.0))


def test_rooms_and_carriers_that_are_none_are_one_line(noctule: Command) -> None:
    for flags, says in ((("--room", "Cellar"), "Living room"), (("--carrier-hz", 25000), "32000 Hz")):
        done = noctule("demo", "--no-browser", *flags)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert says in done.stderr


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_every_room_can_be_lived_in(room: DemoRoom) -> None:
    """Scene, plan and ways fit together: Ada waits outside, and everything is where somebody can reach it."""
    for carrier_hz in CARRIERS_HZ:
        scene = room.scene(carrier_hz)
        assert scene.carrier_hz == carrier_hz
    stage = RoomStage(room, CARRIERS_HZ[0])
    live = stage.room_for(CARRIERS_HZ[0])
    assert stage.room_for(CARRIERS_HZ[0]) is live  # a sensor that starts anew finds the same room
    assert stage.room_for(CARRIERS_HZ[1]) is not live
    assert not stage.truth()["people"][0]["inside"]  # type: ignore[index]
    plan = FloorPlan(scene.room, room.door_m, room.door_width_m)
    for place in (room.seat[:2], *room.cat, (0.5 * room.size_m[0], 0.6 * room.size_m[1])):
        way = plan.way(plan.outside(1.0), place)
        assert len(way) < 8
        assert math.dist(way[-1], place) < 0.9  # at the edge of the bed
    assert set(room.switch_places()) == {one["id"] for one in stage.plan()["switches"]}
    shown: Stage = stage
    json.dumps(shown.plan())
    json.dumps(shown.state())


def test_the_lamp_understands_what_lamps_are_told() -> None:
    stage = RoomStage(ROOMS[0], 40000.0)
    for payload, lit in (
        ('{"state": "ON"}', True),
        ("OFF", False),
        ("on", True),
        ('{"state": "OFF"}', False),
    ):
        asyncio.run(stage.publish(LAMP_TOPIC, payload, qos=0, retain=False))
        assert stage.state()["lamp"] is lit
    asyncio.run(stage.publish("hall/fan", "1", qos=0, retain=False))
    assert stage.state()["said"] == "hall/fan: 1"


def test_the_tour_takes_two_minutes() -> None:
    assert 110.0 < sum(step.for_s for step in STEPS) < 135.0
    assert all(len(step.text) < 200 for step in STEPS)


def test_somebody_is_led_sits_reads_and_leaves() -> None:
    """What buttons ask for, on the room itself."""
    stage = RoomStage(ROOMS[0], 40000.0)
    live = stage.room_for(40000.0)

    def pass_time(seconds: float) -> None:
        for _ in range(round(seconds / 0.06)):
            live.hear(np.zeros(5760))

    pass_time(0.2)
    stage.act(0, "read")
    assert stage.state()["doing"]["0"] == "read"
    pass_time(9.0)
    here = stage.where(0)
    assert math.dist(here, ROOMS[0].seat[:2]) < 0.6
    stage.act(0, "leave")
    pass_time(8.0)
    assert not stage.truth()["presence"]  # type: ignore[index]
    assert stage.state()["doing"]["0"] == "stand"
    stage.switch("fan", True)
    pass_time(0.2)
    assert stage.truth()["moving"] == ("fan",)  # type: ignore[index]
    with pytest.raises(NoctuleError, match="no 'tap'"):
        stage.switch("tap", True)
