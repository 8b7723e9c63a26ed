"""Everything wired together: records in; and what is remembered, through restarts and broken disks."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.service.made_up import HOP_S, START_MS, Hands, features, moving, record

from noctule.core.settings import EmitSettings, Settings, StoreSettings
from noctule.service.captures import read_capture
from noctule.service.clock import iso_of_ms
from noctule.service.episodes import Event
from noctule.service.memory import Memory
from noctule.service.systemd import Systemd

SETTINGS = StoreSettings(busy_timeout_s=0.0)


class Bench:
    """A memory whose rounds and clocks the test moves; records and features come as from a sensor."""

    def __init__(self, folder: Path, hands: Hands | None = None, settings: StoreSettings = SETTINGS) -> None:
        self.hands = hands or Hands()
        self.free_bytes = 1e12
        self.said: list[str] = []
        self.events: list[Event] = []
        self.memory = Memory(
            settings,
            folder,
            warn=self.said.append,
            clock=self.hands.clock,
            systemd=Systemd({}),
            free_bytes=lambda folder: self.free_bytes,
        )
        self.memory.resume()
        self.time_s = 0.0

    def live(self, seconds: float, make: Any = record, **different: Any) -> None:
        for _ in range(round(seconds / HOP_S)):
            self.time_s += HOP_S
            before_s = self.hands.monotonic_s
            self.hands.go(HOP_S)
            self.memory.see(features(self.time_s))
            time = iso_of_ms(self.hands.clock.now_ms())
            self.events += self.memory.take({**make(self.time_s, **different), "time": time})
            if int(before_s) != int(self.hands.monotonic_s):
                self.memory.round()

    def kept(self) -> list[dict[str, Any]]:
        return self.memory.history.events()


def test_an_evening(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.live(10.0)
    bench.live(5.0, moving)
    bench.live(10.0, record, presence=True)
    bench.live(10.0)
    bench.memory.close()
    came, major, left = bench.kept()
    assert [one["kind"] for one in (came, major, left)] == ["entered", "major", "left"]
    assert not major["ongoing"]
    assert came["capture"] == major["capture"] != left["capture"]
    for one in (came, left):
        path = bench.memory.captures.path_of(one["capture"])
        assert path is not None
        assert len(read_capture(path).time_s) > 100
    decisions = bench.memory.history.decisions(START_MS, START_MS + 100_000)
    assert 33 <= len(decisions) <= 40
    assert [one["state"] for one in bench.memory.history.health()] == ["healthy"]
    assert bench.said == []


def test_a_restart_goes_on_where_it_ended(tmp_path: Path) -> None:
    """Not closed: killed. The episode has ended where it was told last, and nobody enters twice."""
    first = Bench(tmp_path)
    first.live(2.0)
    first.live(30.0, moving)
    second = Bench(tmp_path, first.hands)
    second.live(5.0, record, presence=True)
    second.live(5.0, record)
    second.memory.close()
    kinds = [one["kind"] for one in second.kept()]
    assert kinds == ["entered", "major", "left"]
    motion = second.kept()[1]
    assert not motion["ongoing"]
    lasted_s = (np.datetime64(motion["end"][:-1]) - np.datetime64(motion["start"][:-1])) / np.timedelta64(
        1, "s"
    )
    assert 20.0 <= lasted_s <= 30.0


def test_a_restart_on_a_locked_history_works_too(tmp_path: Path) -> None:
    first = Bench(tmp_path)
    first.live(3.0, moving)
    other = sqlite3.connect(tmp_path / "history.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    second = Bench(tmp_path, first.hands)
    second.live(5.0, moving)
    other.close()
    second.live(60.0, moving)
    assert second.memory.store.state.name == "ready"
    assert {event.uid for event in second.events} <= {one["uid"] for one in second.kept()}
    second.memory.close()
    assert [one["ongoing"] for one in second.kept()] == [False] * len(second.kept())


def test_a_broken_disk_reaches_health_and_not_the_sensor(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    bench = Bench(tmp_path / "file" / "state")
    bench.live(10.0, moving)
    assert bench.memory.look().state == "alarmed"
    assert "cannot be written" in bench.memory.look().reason
    (tmp_path / "file").unlink()
    bench.live(90.0)
    assert bench.memory.look().state == "healthy"
    assert len(bench.kept()) == len({event.uid for event in bench.events})


def test_little_room_on_the_disk_is_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.live(5.0)
    bench.free_bytes = 1e6
    bench.live(70.0)
    assert bench.memory.look().reason == "the disk is nearly full: less than 200 MB are left"


def test_a_clock_that_is_set_is_noted(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.live(5.0)
    bench.hands.wall_s += 3600.0
    bench.live(5.0)
    assert "the clock was set by +3600 s" in [one["reason"] for one in bench.memory.history.health()]


def test_changes_of_settings_are_kept(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.memory.note_settings(Settings(), Settings(emit=EmitSettings(level_dbfs=-12.0)))
    bench.memory.round()
    assert bench.memory.history.settings()[0]["setting"] == "emit.level_dbfs"


def test_captures_that_are_too_much_go_unless_they_are_labelled(tmp_path: Path) -> None:
    bench = Bench(tmp_path, settings=StoreSettings(busy_timeout_s=0.0, captures_mb=0.01))
    for _ in range(3):
        bench.live(2.0, moving)
        bench.live(20.0)
    names = [one["capture"] for one in bench.kept() if one["kind"] == "entered"]
    bench.memory.store.keep_label(bench.kept()[0]["id"], "me")
    bench.memory.round()
    size = sum(file.stat().st_size for file in bench.memory.captures.folder.iterdir())
    assert size > 10_000
    bench.hands.go(700.0)
    bench.memory.round()
    left = [bench.memory.captures.path_of(name) is not None for name in names]
    assert left[0] or not any(left)
    assert sum(file.stat().st_size for file in bench.memory.captures.folder.iterdir()) <= 10_000


def test_the_thread_writes_an_event_at_once_and_ends(tmp_path: Path) -> None:
    """With the real clock, and nobody who calls `round`."""
    before = threading.active_count()
    with Memory(SETTINGS, tmp_path, systemd=Systemd({})) as memory:
        memory.take(moving(0.0))
        (event,) = [one for k in range(1, 3) for one in memory.take(moving(k * 0.1)) if one.kind == "major"]
        done = memory.store.keep_event(event)
        assert done.result(10.0) > 0
    assert threading.active_count() == before


def test_a_mistake_of_ours_does_not_end_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    memory = Memory(SETTINGS, tmp_path, warn=said.append, systemd=Systemd({}))
    failed = threading.Event()
    round_ = memory.round

    def fail_once() -> None:
        if not failed.is_set():
            failed.set()
            raise ValueError("a mistake")
        round_()

    monkeypatch.setattr(memory, "round", fail_once)
    with memory:
        assert failed.wait(10.0)
        monkeypatch.setattr("noctule.service.memory.ROUND_S", 0.01)
        done = memory.store.keep_event(memory.take(moving(0.0))[0])
        assert done.result(10.0) == 1
    assert said == ["memory: ValueError: a mistake"]
