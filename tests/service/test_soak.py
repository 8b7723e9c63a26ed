"""A day of a sensor's memory in seconds, with something broken every few minutes."""

from __future__ import annotations

import contextlib
import errno
import gc
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, Engine
from tests.service.made_up import Hands, features, moving, record

from noctule.core.settings import StoreSettings
from noctule.service import retention, store
from noctule.service.clock import iso_of_ms
from noctule.service.database import open_for_writing
from noctule.service.history import History
from noctule.service.memory import Memory
from noctule.service.store import FILE
from noctule.service.systemd import Systemd

SETTINGS = StoreSettings(busy_timeout_s=0.0, largest_mb=2.0, captures_mb=2.0, write_every_s=60.0)

#: Writes events for ever, and says each time which are on disk.
WRITER = """
import sys
from pathlib import Path
from tests.service.test_store import event
from noctule.core.settings import StoreSettings
from noctule.service.store import Store
store, number = Store(StoreSettings(), Path(sys.argv[1])), 0
while True:
    done = [store.keep_event(event(number + k, uid=f"{sys.argv[2]}-{number + k}")) for k in range(20)]
    number += 20
    store.write()
    print(*[f"{sys.argv[2]}-{number - 20 + k}" for k, one in enumerate(done) if one.done()], flush=True)
"""


def killed_writer(folder: Path, name: str) -> set[str]:
    """Events that a process had acknowledged when it was killed with signal 9 in the middle of its work."""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", WRITER, str(folder), name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as writer:
        assert writer.stdout is not None
        acknowledged = {uid for _ in range(5) for uid in writer.stdout.readline().split()}
        writer.kill()
        # what was said before the signal came, without a line cut short
        lines = writer.stdout.read().splitlines(keepends=True)
    assert writer.returncode == -9
    return acknowledged | {uid for line in lines if line.endswith("\n") for uid in line.split()}


def test_what_a_killed_writer_had_acknowledged_is_there(tmp_path: Path) -> None:
    acknowledged = killed_writer(tmp_path, "killed")
    assert len(acknowledged) >= 100
    history = History(tmp_path / FILE)
    assert acknowledged <= {one["uid"] for one in history.events(limit=1_000_000)}
    with sqlite3.connect(tmp_path / FILE) as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    file.close()


class Day:
    """The memory of one sensor, whose clocks we move."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.hands = folder, Hands()
        self.acknowledged: set[str] = set()
        self.told: set[str] = set()
        self.states: set[str] = set()
        self.health: set[str] = set()
        self.start()

    def start(self) -> None:
        self.time_s = 0.0
        self.memory = Memory(
            SETTINGS,
            self.folder,
            clock=self.hands.clock,
            systemd=Systemd({}),
            free_bytes=lambda folder: 1e12,
        )
        keep_event = self.memory.store.keep_event

        def watched(event: Any) -> Any:
            done = keep_event(event)
            uid = event.uid[:1] + event.uid[1:]  # a string of ours, see `memory_held`
            self.told.add(uid)
            done.add_done_callback(lambda future: self.acknowledged.add(uid) if future.result() else None)
            return done

        self.memory.store.keep_event = watched  # type: ignore[method-assign]
        self.memory.resume()

    def go(
        self, seconds: float, every_s: float, make: Callable[..., dict[str, Any]], **different: Any
    ) -> None:
        for _ in range(round(seconds / every_s)):
            self.time_s += every_s
            self.hands.go(every_s)
            self.memory.see(features(self.time_s))
            time = iso_of_ms(self.hands.clock.now_ms())
            self.memory.take({**make(self.time_s, **different), "time": time})
            if self.time_s % 1.0 < every_s:
                self.memory.round()
                self.states.add(self.memory.store.state.name)
                self.health.add(self.memory.health.report.state)

    def visit(self) -> None:
        """Ten minutes: somebody comes, moves about, sits, leaves; the frames of motion at their full rate."""
        self.go(4.0, 0.048, moving)
        self.go(60.0, 1.0, moving, motion="minor")
        self.go(116.0, 4.0, record, presence=True)
        self.go(420.0, 4.0, record)


@contextlib.contextmanager
def locked(day: Day) -> Iterator[None]:
    other = sqlite3.connect(day.folder / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.close()


@contextlib.contextmanager
def disk_full(day: Day) -> Iterator[None]:
    """SQLite may have no further page, and no capture can be written."""

    def open_without_room(engine: Engine, check: bool) -> Connection:
        connection = open_for_writing(engine, check)
        with connection.begin():
            connection.exec_driver_sql("PRAGMA max_page_count = 1")
        return connection

    def full(file: Any, **arrays: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "open_for_writing", open_without_room)
        patch.setattr(np, "savez_compressed", full)
        day.memory.store._disconnect()
        yield
    day.memory.store._disconnect()


@contextlib.contextmanager
def clock_jumps(day: Day) -> Iterator[None]:
    day.hands.wall_s += 400 * 86400.0
    yield
    day.hands.wall_s -= 401 * 86400.0


@contextlib.contextmanager
def device_gone(day: Day) -> Iterator[None]:
    day.go(400.0, 4.0, record, presence=True, fault="device_lost")
    yield


@contextlib.contextmanager
def sensor_killed(day: Day) -> Iterator[None]:
    """Nothing is closed; what was not acknowledged may be gone."""
    day.told &= day.acknowledged
    day.memory.store._disconnect()  # as the system does
    day.start()
    yield


@contextlib.contextmanager
def other_writer_killed(day: Day) -> Iterator[None]:
    if not any(uid.startswith("other") for uid in day.told):
        acknowledged = killed_writer(day.folder, "other")
        day.told |= acknowledged
        day.acknowledged |= acknowledged
    yield


#: A day.
VISITS = 144
FAULTS = (locked, disk_full, clock_jumps, device_gone, sensor_killed, other_writer_killed)


def sizes(folder: Path) -> tuple[int, int]:
    """Bytes of the history with its log, and of the captures."""
    history = sum(file.stat().st_size for file in folder.glob(f"{FILE}*"))
    return history, sum(file.stat().st_size for file in (folder / "captures").glob("*"))


def memory_held() -> int:
    """Bytes that Python holds, without what this test notes down."""
    gc.collect()
    others = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(False, __file__)])
    return sum(trace.size for trace in others.traces)


@pytest.mark.slow
def test_a_day_with_a_fault_every_few_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "NEWEST_STAY", 10)  # nothing but reason keeps events of a set clock
    day = Day(tmp_path)
    held: list[int] = []
    objects: list[int] = []
    tracemalloc.start()
    for visit in range(VISITS):
        with FAULTS[visit % len(FAULTS)](day):
            day.visit()
        if visit % 36 == 35:  # all faults have been, six times
            held.append(memory_held())
            objects.append(len(gc.get_objects()))
            history, captures = sizes(tmp_path)
            assert history < 2e6 + 5e6  # and its log
            assert captures < 2e6 + 1e6
    tracemalloc.stop()
    day.go(600.0, 4.0, record)
    day.memory.close()
    kept = {one["uid"]: one for one in day.memory.history.events(limit=1_000_000)}
    assert day.told == day.acknowledged
    assert day.acknowledged <= set(kept)
    assert len([one for one in kept.values() if one["kind"] == "entered"]) >= 140
    assert not any(one["ongoing"] for one in kept.values())
    assert day.states == {"ready", "locked", "full"}
    assert {"healthy", "alarmed", "recovering", "escalated"} <= day.health
    assert day.memory.health.report.state == "healthy"
    assert (day.memory.store.state.lost, day.memory.store.state.waiting) == (0, 0)
    # by noon all caches are full; a dict of the library that is made anew may be twice as large
    assert max(held[2:]) - held[1] < 100_000, held
    assert max(objects[2:]) - objects[1] < 1000, objects  # one a record would be 30 000
