"""Days in a home in which something breaks every few minutes, and what has to hold all the same."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from tests.brokers import Broker
from tests.service.clockwork import WITHIN_S, Clockwork
from tests.service.made_up import HOP_S

from noctule.core.errors import NoctuleError
from noctule.core.frames import Fault
from noctule.core.settings import Settings, checked_settings
from noctule.service import retention, routine_log, store
from noctule.service.history import History
from noctule.service.store import FILE

#: Presence follows motion within so long, and is over so long after the last of it.
ON_S, OFF_S = 0.6, 10.0
#: What is decided may be so late: the tick of Routines, and a second's grain of this test.
TICK_S, GRAIN_S = 1.0, 0.3
#: A cause is over after 10 s, recovering takes 30 s, and a file is tried again within 30 s.
HEALTHY_WITHIN_S = 80.0
QUIET_S, RARE_S, LATER_S = 20.0, 300.0, 30.0
#: Fault, recovery, two visits: a fault begins so often.
CYCLE_S = 480.0
#: Nothing is lost but where more waits than this.
WAITING = 60
#: When caches are full, memory (MB) and blocks of it that Python holds may grow by so much to the end. One a
#: record would be 18 000 in the ordinary test, half a million in a day.
GROWS_MB, GROWS_BLOCKS = 20.0, 15_000

ROUTINES = """\
home:
  mqtt: {{host: 127.0.0.1, port: {port}}}
routines:
  - name: Lamp
    when: {{presence: present}}
    then: [{{mqtt: {{topic: lamp, payload: "on"}}}}]
  - name: Quiet
    when: {{motion: not_detected, for: 20s}}
    then: [{{mqtt: {{topic: lamp, payload: "off"}}}}]
  - name: Rare
    when: {{motion: detected}}
    suppress_for: 5m
    then: [{{mqtt: {{topic: bell, payload: rings}}}}]
  - name: Later
    when: {{presence: present}}
    then: [{{wait: 30s}}, {{mqtt: {{topic: fan, payload: "on"}}}}]
"""
ONE_MORE = "  - name: More\n    when: {presence: present}\n    then: [{wait: 1s}]\n"


def settings() -> Settings:
    """Small bounds, so that a day reaches them."""
    return checked_settings(
        {
            "model": {"detector": "cfar"},
            "emit": {"carrier_hz": 20000.0},
            "presence": {"off_latency_s": OFF_S, "settled_off_latency_s": OFF_S},
            "store": {
                "busy_timeout_s": 0.0, "largest_mb": 2.0, "captures_mb": 2.0, "waiting_events": WAITING,
            },
        }
    )  # fmt: skip


@dataclass(frozen=True)
class Sizes:
    """What must not grow."""

    hours: float
    memory_mb: float
    blocks: int
    threads: int
    files: int


@dataclass
class Home:
    """A service that is soaked.

    Attributes
    ----------
    faults, late_s, back_s : how many there were; how late timers were, the latest; how long it took to be
        healthy again, the longest.
    """

    work: Clockwork
    broker: Broker
    sizes: list[Sizes] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    late_s: dict[str, float] = field(default_factory=dict)
    back_s: float = 0.0
    visits: int = 0

    @property
    def routines(self) -> str:
        return ROUTINES.format(port=self.broker.settings.port)

    def write_routines(self, text: str) -> None:
        """As an editor does it."""
        path = self.work.folder / "routines.yaml"
        part = path.with_suffix(".new")
        part.write_text(text)
        part.replace(path)

    # -- what people do

    def move(self, seconds: float = 4.0) -> None:
        self.work.eyes.major = 0.95
        self.work.go(seconds)
        self.work.eyes.major = 0.0

    def come_and_go(self) -> None:
        """Whatever is broken; nothing is asked of it."""
        self.move()
        self.work.go(OFF_S + 3.0)

    def visit(self, at_its_end: Callable[[], None] = lambda: None) -> None:
        """Somebody comes, moves and goes; presence and Routines must follow."""
        work = self.work
        first, start_s = len(work.entries), work.elapsed_s
        assert not work.last["presence"], work.last
        work.eyes.major = 0.95
        work.go(ON_S)
        assert work.last["presence"], f"nobody noticed: {work.last}"
        work.go(3.4)
        end_s, work.eyes.major = work.elapsed_s, 0.0
        at_its_end()
        work.go(OFF_S - 1.0)
        assert work.last["presence"], "gone too soon"
        work.go(1.0 + TICK_S)
        assert not work.last["presence"], "somebody is held who has gone"
        work.go(LATER_S + 2.0 * TICK_S - (work.elapsed_s - start_s), 0.25)
        work.until(lambda: not work.acting)
        work.settle()
        self._check(work.entries[first:], start_s, end_s)
        self.visits += 1

    def _check(self, entries: list[tuple[float, dict[str, Any]]], start_s: float, end_s: float) -> None:
        came = {
            name: [one for one in entries if one[1]["name"] == name] for name in ("Lamp", "Quiet", "Later")
        }
        self._once("Lamp", came["Lamp"], start_s, ON_S)
        self._once("Quiet", came["Quiet"], end_s + QUIET_S, TICK_S)
        (at_s, _), *rest = came["Later"]
        (waited_s, _), (_, done) = [one for one in rest if "step" in one[1]]
        self._in_time("Later", waited_s, at_s + LATER_S, TICK_S)
        assert done["ok"], done
        asked = [one for one in self.work.entries if one[1]["name"] == "Rare" and "runs" in one[1]]
        assert asked[-1] in entries
        rang = [at_s for at_s, one in asked[:-1] if one["runs"]]
        assert asked[-1][1]["runs"] is (not rang or asked[-1][0] - rang[-1] >= RARE_S), (asked[-1], rang)
        failed = [one for _, one in entries if one.get("ok") is False]
        assert not failed, failed

    def _once(self, name: str, came: list[Any], due_s: float, most_s: float) -> None:
        (verdict,) = [one for one in came if "runs" in one[1]]
        assert verdict[1]["runs"], verdict
        self._in_time(name, verdict[0], due_s, most_s)

    def _in_time(self, name: str, at_s: float, due_s: float, most_s: float) -> None:
        late_s = at_s - due_s
        assert -GRAIN_S <= late_s <= most_s + GRAIN_S, f"{name} came {late_s:+.2f} s late"
        self.late_s[name] = max(self.late_s.get(name, 0.0), late_s)

    def recover(self) -> None:
        """What was broken is whole: it must be healthy soon."""
        work, start_s = self.work, self.work.elapsed_s
        assert work.service.memory is not None
        while work.health != "healthy" or work.service.memory.store.state.name != "ready":
            assert work.elapsed_s - start_s < HEALTHY_WITHIN_S, (work.service.health(), work.said[-5:])
            work.go(1.0, 0.25)
        self.back_s = max(self.back_s, work.elapsed_s - start_s)
        work.second()
        assert work.service.memory.store.state.waiting == 0
        assert work.call(lambda: work.service.automation.problem) is None
        work.go(max(0.0, QUIET_S + 10.0 - (work.elapsed_s - start_s)), 0.25)  # nothing is due any more

    # -- a day

    def cycle(self, fault: Callable[[Home], contextlib.AbstractContextManager[None]], every_s: float) -> None:
        """A fault with all that comes after it; records each `every_s` while nothing happens."""
        start_s = self.work.elapsed_s
        with fault(self):
            pass
        self.recover()
        self.visit()
        self.work.go(60.0, every_s)
        self.visit()
        self.work.go(max(0.0, CYCLE_S - (self.work.elapsed_s - start_s)), every_s)
        name = fault.__name__.replace("_", " ")
        self.faults[name] = self.faults.get(name, 0) + 1
        self.measure()

    @property
    def settled(self) -> int:
        """From this cycle on nothing may grow: each kind of fault was there twice, or half is over."""
        return min(2 * len(FAULTS), len(self.sizes) // 2)

    def grows(self) -> list[str]:
        """What grew, in words."""
        before, after = self.sizes[: self.settled], self.sizes[self.settled :]
        settled, last = after[0], after[-1]
        most = {
            "MB of memory": (last.memory_mb, settled.memory_mb + GROWS_MB),
            "blocks of memory": (last.blocks, settled.blocks + GROWS_BLOCKS),
            "threads": (max(one.threads for one in after), max(one.threads for one in before)),
            "files": (max(one.files for one in after), max(one.files for one in before)),
        }
        return [f"{now:g} {name}, at most {bound:g}" for name, (now, bound) in most.items() if now > bound]

    def measure(self) -> None:
        work = self.work
        del work.entries[:-300]
        work.said[:] = work.said[-100:]
        gc.collect()
        with open("/proc/self/statm") as file:
            resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        self.sizes.append(
            Sizes(
                work.elapsed_s / 3600.0, resident / 1e6, sys.getallocatedblocks(), threading.active_count(),
                len(os.listdir("/proc/self/fd")),
            )
        )  # fmt: skip


# -- what breaks; each lasts minutes


@contextlib.contextmanager
def sound_card_gone(home: Home) -> Iterator[None]:
    home.move()
    home.work.sensor.fault = Fault.DEVICE_LOST
    home.work.go(100.0)
    assert home.work.health == "alarmed"
    yield
    home.work.sensor.fault = None


@contextlib.contextmanager
def sensor_hangs(home: Home) -> Iterator[None]:
    home.work.silence(30.0)
    assert home.work.health == "alarmed"
    yield


@contextlib.contextmanager
def broker_killed(home: Home) -> Iterator[None]:
    home.broker.kill()
    home.come_and_go()
    home.work.go(20.0, 0.25)
    failed = [one for _, one in home.work.entries[-20:] if one.get("ok") is False]
    assert failed, "nothing noticed that there is no broker"
    yield
    home.broker.start()


@contextlib.contextmanager
def history_locked(home: Home) -> Iterator[None]:
    """And somebody says meanwhile what the last event was."""
    memory = home.work.service.memory
    assert memory is not None
    number = memory.history.events(limit=1)[-1]["id"]
    other = sqlite3.connect(home.work.folder / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    home.come_and_go()
    label = memory.store.keep_label(number, "fan")
    home.come_and_go()
    home.work.go(60.0, 0.25)
    assert not label.done()
    assert home.work.health == "alarmed"
    other.close()
    yield
    home.work.go(40.0, 0.25)
    assert label.result(0.0)
    assert memory.history.events(event_id=number)[0]["label"] == "fan"


@contextlib.contextmanager
def disk_full(home: Home) -> Iterator[None]:
    """Nothing can be written: no event, no capture, no file in another's place."""

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    work = home.work
    with (
        mock.patch.object(store, "_written", full),
        mock.patch.object(np, "savez_compressed", full),
        mock.patch.object(os, "fsync", full),
    ):
        home.come_and_go()
        before = work.service.settings
        with pytest.raises(NoctuleError, match="no space left"):
            work.call(lambda: work.service.change_settings({"emit": {"level_dbfs": -31.0}}))
        assert work.service.settings == before
        home.come_and_go()
        work.go(60.0, 0.25)
        assert work.health == "alarmed"
    yield


@contextlib.contextmanager
def clock_set(home: Home) -> Iterator[None]:
    """Amid timers, forwards and back, by an hour and by a year."""
    for by_s in (3600.0, -3700.0, 400 * 86400.0, -401 * 86400.0):
        home.visit(partial(home.work.set_clock, by_s))
        home.work.go(10.0, 0.25)
    yield


@contextlib.contextmanager
def loop_hangs(home: Home) -> Iterator[None]:
    """A minute of everything waits for it."""
    release, work = threading.Event(), home.work
    work.service.loop.call_soon_threadsafe(release.wait, WITHIN_S)
    for _ in range(1250):
        work.forward(HOP_S)
        work.eyes.major = 0.95 if work.elapsed_s % 20.0 < 3.0 else 0.0
        work.sensor.step()
    work.eyes.major = 0.0
    release.set()
    work.second()
    yield


@contextlib.contextmanager
def queue_full(home: Home) -> Iterator[None]:
    """The history is locked, and more happens than may wait."""
    memory = home.work.service.memory
    assert memory is not None
    other = sqlite3.connect(home.work.folder / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    before = len(home.work.refused)
    for _ in range(WAITING // 2):
        home.come_and_go()
        if len(home.work.refused) > before:
            break
    assert len(home.work.refused) > before
    assert memory.store.state.waiting <= WAITING
    other.close()
    yield


@contextlib.contextmanager
def slow_readers(home: Home) -> Iterator[None]:
    """They never read; nobody waits for them, and they keep little."""
    bus = home.work.service.bus
    with bus.subscribe("record", "row", most=8) as one, bus.subscribe("record", "event", most=128) as other:
        home.visit()
        assert one.lost > 500
        assert other.lost > 100
        assert (len(one._waiting), len(other._waiting)) == (8, 128)
    yield


@contextlib.contextmanager
def settings_changed(home: Home) -> Iterator[None]:
    """Those of presence, those that need another sensor, and one that cannot be."""
    work = home.work
    service, here = work.service, home.work.sensor
    home.move()
    work.call(lambda: service.change_settings({"presence": {"hold_s": 3.0}}))
    work.go(1.0)
    assert work.sensor is here
    level = -30.0 if service.settings.emit.level_dbfs != -30.0 else -28.0
    work.call(lambda: service.change_settings({"emit": {"level_dbfs": level}}))
    work.sensor_is_there(here)
    work.go(1.0)
    assert work.last["level_dbfs"] == level
    assert work.last["presence"]
    here = work.sensor
    work.refuse = ["there is no such card"]
    work.call(lambda: service.change_settings({"audio": {"input": "gone"}}))
    work.sensor_is_there(here)
    work.go(2.0)
    assert service.settings.audio.input is None
    work.call(lambda: service.change_settings({"presence": {"hold_s": None}}))
    work.go(60.0, 0.25)
    yield


@contextlib.contextmanager
def routines_broken(home: Home) -> Iterator[None]:
    """Edited, broken, and mended by hand."""
    work, automation = home.work, home.work.service.automation

    def soon(holds: Callable[[], bool]) -> None:
        for _ in range(5):
            work.go(1.0, 0.25)
            time.sleep(0.02)  # it is read aside
            if work.call(holds):
                return
        raise AssertionError("the file was not looked at")

    home.write_routines(home.routines + ONE_MORE)
    soon(lambda: len(automation.routines) == 5)
    home.write_routines(home.routines + "  - name: [")
    soon(lambda: automation.problem is not None)
    assert len(automation.routines) == 5
    with pytest.raises(NoctuleError, match="mend the file first"):
        work.call(lambda: automation.remove(automation.routines[-1].id))
    home.visit()
    home.write_routines(home.routines)
    soon(lambda: automation.problem is None and len(automation.routines) == 4)
    yield


@contextlib.contextmanager
def muted(home: Home) -> Iterator[None]:
    home.move()
    home.work.service.mute(True)
    home.work.go(90.0)
    assert home.work.last["fault"] == "muted"
    assert home.work.health == "healthy"
    yield
    home.work.service.mute(False)


@contextlib.contextmanager
def restarted(home: Home) -> Iterator[None]:
    """While somebody is here and timers run; five seconds pass."""
    work, first = home.work, len(home.work.entries)
    home.move()
    end_s = work.elapsed_s
    work.go(3.0)
    work.close()
    work.forward(5.0)
    work.start()
    work.go(1.0)
    assert work.last["presence"], "who was here is not known any more"
    work.go(QUIET_S + LATER_S, 0.25)
    (quiet,) = [one for one in work.entries[first:] if one[1]["name"] == "Quiet" and "runs" in one[1]]
    home._in_time("Quiet over a restart", quiet[0], end_s + QUIET_S, TICK_S)
    (later,) = [one for one in work.entries[first:] if one[1]["name"] == "Later" and one[1].get("step") == 1]
    assert later[1]["ok"], later
    yield


FAULTS = (
    sound_card_gone, broker_killed, history_locked, clock_set, disk_full, settings_changed, loop_hangs,
    routines_broken, sensor_hangs, queue_full, muted, slow_readers, restarted,
)  # fmt: skip


def soak(
    folder: Path, hours: float, every_s: float, told: Callable[[Home], None] = lambda home: None
) -> Home:
    """So many hours with a fault every few minutes, all kinds in turn; `told` after each."""
    broker = Broker(folder)
    home = Home(Clockwork(folder, settings()), broker)
    home.write_routines(home.routines)
    try:
        with (
            mock.patch.object(retention, "NEWEST_STAY", 10),  # nothing but reason keeps events
            mock.patch.object(routine_log, "MOST_LINES", 50),  # full soon
        ):
            home.work.start()
            home.work.go(QUIET_S + 15.0, 0.25)
            turn = 0
            while home.work.elapsed_s < hours * 3600.0 or turn % len(FAULTS):
                home.cycle(FAULTS[turn % len(FAULTS)], every_s)
                turn += 1
                told(home)
            home.work.close()
    finally:
        broker.kill()
    return home


def broken_promises(home: Home) -> list[str]:
    """What did not hold in the end, in words; asked when it has ended."""
    work, broken = home.work, home.grows()
    history = History(work.folder / FILE)
    there = {one["uid"]: one for one in history.events(limit=1_000_000)}
    if lost := work.kept - set(there):
        broken.append(f"{len(lost)} events were acknowledged and are not there: {sorted(lost)[:3]}")
    if silent := work.told - work.kept - work.refused:
        broken.append(f"of {len(silent)} events nobody knows whether they are kept: {sorted(silent)[:3]}")
    if any(one["ongoing"] for one in there.values()):
        broken.append("events go on for ever")
    size = sum(file.stat().st_size for file in work.folder.glob(f"{FILE}*"))
    captures = sum(file.stat().st_size for file in (work.folder / "captures").glob("*"))
    if size > 2e6 + 5e6 or captures > 2e6 + 1e6:
        broken.append(f"the history has {size} bytes, captures {captures}")
    return broken
