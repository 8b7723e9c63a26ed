"""The history: what is acknowledged is there, and whatever is wrong with the file ends in a clear state."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.service.made_up import START_MS, Hands, record

from noctule.core.errors import NoctuleError
from noctule.core.settings import StoreSettings
from noctule.service.episodes import Event
from noctule.service.history import History
from noctule.service.retention import DAY_MS, NEWEST_STAY
from noctule.service.store import (
    FILE,
    MOST_DECISIONS,
    TRIM_EVERY_S,
    TRUST_CLOCK_S,
    WHATS,
    Store,
)
from noctule.service.thinning import Thinner

SETTINGS = StoreSettings(busy_timeout_s=0.0)


def event(number: int = 0, **different: Any) -> Event:
    moment = START_MS + number * 1000
    made = Event(f"u{number}", "major", moment, moment + 500, False, 0.9, 0.8, 0.7, 20000.0, "major motion")
    return replace(made, **different)


def decision(time_s: float) -> dict[str, Any]:
    row = Thinner(0.1).take(record(time_s))
    assert row is not None
    return row


class Bench:
    """A store on a real file, with clocks that the test moves, and what it said."""

    def __init__(self, folder: Path, settings: StoreSettings = SETTINGS, owner: bool = True) -> None:
        self.hands = Hands()
        self.said: list[str] = []
        self.store = Store(settings, folder, warn=self.said.append, clock=self.hands.clock, owner=owner)
        self.history = History(folder / FILE, busy_timeout_s=0.0)

    def write(self, after_s: float = 0.0) -> str:
        self.hands.go(after_s)
        self.store.write()
        return self.store.state.name

    def uids(self) -> list[str]:
        return [one["uid"] for one in self.history.events(limit=1_000_000)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.store.close()


def locked(path: Path) -> sqlite3.Connection:
    """Another program in the middle of writing."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


# -- what is kept


def test_an_event_is_there_when_its_future_says_so(bench: Bench) -> None:
    done = bench.store.keep_event(event(capture="c"))
    assert not done.done()
    assert bench.store.work.is_set()
    bench.write()
    assert done.result(0) == 1
    (kept,) = bench.history.events()
    assert kept == {
        "id": 1,
        "start": "2026-03-01T12:00:00.000Z",
        "end": "2026-03-01T12:00:00.500Z",
        "uid": "u0",
        "kind": "major",
        "ongoing": False,
        "peak_score_major": 0.9,
        "peak_score_minor": 0.8,
        "radial_velocity_mps": 0.7,
        "carrier_hz": 20000.0,
        "reason": "major motion",
        "capture": "c",
        "label": None,
    }


def test_nobody_else_may_read_it(bench: Bench) -> None:
    bench.store.keep_event(event())
    bench.write()
    files = list(bench.store.path.parent.glob("history.sqlite*"))
    assert len(files) == 3
    assert [file.name for file in files if file.stat().st_mode & 0o077] == []


def test_a_later_telling_replaces_an_earlier_one_but_not_its_capture(bench: Bench) -> None:
    bench.store.keep_event(event(ongoing=True, capture="c"))
    bench.write()
    again = bench.store.keep_event(event(end_ms=START_MS + 9000, first=False))
    bench.write()
    assert again.result(0) == 1
    (kept,) = bench.history.events()
    assert (kept["end"][-10:], kept["ongoing"], kept["capture"]) == ("00:09.000Z", False, "c")


def test_tellings_that_wait_together_are_one(bench: Bench) -> None:
    first = bench.store.keep_event(event(ongoing=True, capture="c"))
    second = bench.store.keep_event(event(first=False))
    assert bench.store.state.waiting == 1
    bench.write()
    assert first.result(0) == second.result(0) == 1
    assert bench.history.events()[0]["capture"] == "c"


def test_a_telling_that_comes_while_the_one_before_is_written_is_not_acknowledged_by_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = [bench.store.keep_event(event(ongoing=True))]
    take = bench.store._take

    def take_and_be_overtaken(all_of_it: bool) -> Any:
        taken = take(all_of_it)
        done.append(bench.store.keep_event(event(first=False)))
        return taken

    monkeypatch.setattr(bench.store, "_take", take_and_be_overtaken)
    bench.write()
    monkeypatch.undo()
    assert not any(one.done() for one in done)
    bench.write()
    assert done[1].result(0) == 1
    assert not bench.history.events()[0]["ongoing"]


@pytest.mark.parametrize("what", WHATS)
def test_labels_and_their_last_word(bench: Bench, what: str) -> None:
    bench.store.keep_event(event())
    bench.write()
    for one in ("pet", what):
        done = bench.store.keep_label(1, one)
        bench.write()
        assert done.result(0) == 1
    assert bench.history.events()[0]["label"] == what


def test_a_label_for_no_event_is_refused_and_disturbs_nothing(bench: Bench) -> None:
    label, other = bench.store.keep_label(7, "fan"), bench.store.keep_event(event())
    assert bench.write() == "ready"
    assert other.result(0) == 1
    with pytest.raises(NoctuleError, match="no event 7"):
        label.result(0)


def test_an_unknown_label_is_refused_at_once(bench: Bench) -> None:
    with pytest.raises(NoctuleError, match="curtain, pet or other, not 'ghost'"):
        bench.store.keep_label(1, "ghost")


def test_decisions_wait_to_be_written_together_and_events_do_not(bench: Bench) -> None:
    bench.write(SETTINGS.write_every_s)
    bench.store.keep_decision(decision(1.0))
    bench.store.keep_event(event())
    bench.write(1.0)
    assert bench.history.counts()["events"] == 1
    assert bench.history.counts()["decisions"] == 0
    bench.write(SETTINGS.write_every_s)
    (kept,) = bench.history.decisions(START_MS, START_MS + 5000)
    assert kept["time"] == "2026-03-01T12:00:01.000Z"
    assert kept["presence"] is False


def test_a_decision_that_the_table_refuses_keeps_no_other_waiting(bench: Bench) -> None:
    bench.store.keep_decision({**decision(1.0), "score_major": float("nan")})
    bench.store.keep_decision(decision(2.0))
    assert bench.write(SETTINGS.write_every_s) == "ready"
    assert bench.history.counts()["decisions"] == 1


def test_a_failure_to_forget_writes_no_decision_twice(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError("input/output error")

    bench.store.keep_decision(decision(1.0))
    with monkeypatch.context() as patch:
        patch.setattr("noctule.service.store.trim", fail)
        assert bench.write(TRIM_EVERY_S) == "unavailable"
    assert bench.write(60.0) == "ready"
    assert bench.history.counts()["decisions"] == 1


def test_health_and_settings_changes(bench: Bench) -> None:
    bench.store.keep_health("alarmed", "the input is overdriven")
    bench.store.keep_health("healthy", "all is well")
    bench.store.keep_setting("emit.level_dbfs", "-20.0", "-12.0")
    bench.write()
    assert [one["state"] for one in bench.history.health()] == ["alarmed", "healthy"]
    assert bench.history.settings() == [
        {
            "time": "2026-03-01T12:00:00.000Z",
            "setting": "emit.level_dbfs",
            "before": "-20.0",
            "after": "-12.0",
        }
    ]


def test_numbers_are_never_used_again(bench: Bench) -> None:
    for k in range(3):
        bench.store.keep_event(event(k))
    bench.write()
    with sqlite3.connect(bench.store.path) as other:
        other.execute("DELETE FROM events")
    other.close()
    bench.store.keep_event(event(9))
    bench.write()
    assert bench.history.events()[0]["id"] == 4


def test_telling_an_event_again_takes_no_number(bench: Bench) -> None:
    for k in range(5):
        bench.store.keep_event(event(0, end_ms=START_MS + k))
        bench.write()
    bench.store.keep_event(event(1))
    bench.write()
    assert [one["id"] for one in bench.history.events()] == [1, 2]


def test_what_went_on_when_the_sensor_ended_is_over_when_it_starts(tmp_path: Path) -> None:
    """Only then, and only for the sensor itself: `noctule events` must not end what goes on."""
    first = Bench(tmp_path)
    first.store.keep_event(event(ongoing=True))
    first.write()
    for owner, goes_on in ((False, True), (True, False)):
        again = Bench(tmp_path, owner=owner)
        again.write()
        assert again.history.events()[0]["ongoing"] is goes_on
        again.store.close()
    first.store.close()


def test_whether_somebody_was_here(bench: Bench) -> None:
    assert bench.history.present() is None
    for kind, present in (("entered", True), ("major", True), ("left", False), ("minor", False)):
        bench.store.keep_event(event(bench.history.counts().get("events", 0), kind=kind))
        bench.write()
        assert bench.history.present() is present


def test_questions_about_a_time(bench: Bench) -> None:
    for k in range(10):
        bench.store.keep_event(event(k, end_ms=START_MS + k * 1000 + 1500))
    bench.write()
    found = bench.history.events(since_ms=START_MS + 4000, until_ms=START_MS + 6000)
    assert [one["uid"] for one in found] == ["u3", "u4", "u5"]
    assert [one["uid"] for one in bench.history.events(limit=2)] == ["u8", "u9"]
    assert [one["uid"] for one in bench.history.events(event_id=2)] == ["u1"]


def test_a_reader_waits_for_no_writer(bench: Bench) -> None:
    bench.store.keep_event(event())
    bench.write()
    other = locked(bench.store.path)
    assert bench.uids() == ["u0"]
    other.close()


def test_where_there_is_no_file_nothing_happened(tmp_path: Path) -> None:
    history = History(tmp_path / "none" / FILE)
    assert (history.events(), history.health(), history.counts(), history.present()) == ([], [], {}, None)
    assert not (tmp_path / "none").exists()


# -- what goes wrong


def test_a_locked_file_is_waited_for(bench: Bench) -> None:
    bench.write()
    other = locked(bench.store.path)
    done = [bench.store.keep_event(event(k)) for k in range(5)]
    bench.store.keep_decision(decision(1.0))
    assert bench.write(10.0) == "locked"
    assert bench.store.state.waiting == 5
    assert "locked" in bench.store.state.reason
    for _ in range(20):
        bench.write(60.0)
    assert not any(one.done() for one in done)
    other.close()
    assert bench.write(60.0) == "ready"
    assert [one.result(0) for one in done] == [1, 2, 3, 4, 5]
    assert bench.history.counts()["decisions"] == 1
    assert [line.partition(": ")[2] for line in bench.said] == [
        "another program has locked the history; events wait in memory",
        "the history is written again",
    ]


def test_a_file_that_is_locked_from_the_start_is_waited_for_too(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    bench = Bench(tmp_path)
    done = bench.store.keep_event(event())
    assert bench.write() == "locked"
    other.close()
    assert bench.write(60.0) == "ready"
    assert done.result(0) == 1
    bench.store.close()


def test_attempts_become_rarer_and_never_stop(bench: Bench) -> None:
    bench.write()
    other = locked(bench.store.path)
    bench.store.keep_event(event())
    attempts = []
    connected = bench.store._connected

    def counted() -> Any:
        attempts.append(bench.hands.monotonic_s)
        return connected()

    bench.store._connected = counted  # type: ignore[method-assign]
    for _ in range(300):
        bench.write(1.0)
    other.close()
    pauses = [later - earlier for earlier, later in pairwise(attempts)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (1.0, 30.0)


def test_a_full_disk_is_waited_for(tmp_path: Path) -> None:
    """SQLite's own limit of pages gives the error of a full disk, at the same places."""
    bench = Bench(tmp_path)
    bench.write()
    connection = bench.store._connection
    assert connection is not None
    with connection.begin():
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    done = [bench.store.keep_event(event(k, reason="x" * 1000)) for k in range(100)]
    assert bench.write() == "full"
    assert bench.store.state.reason == "the disk is full"
    assert not any(one.done() for one in done)
    assert bench.uids() == []
    assert bench.write(60.0) == "ready"  # the limit went with the connection
    assert bench.uids() == [f"u{k}" for k in range(100)]
    bench.store.close()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    bench = Bench(tmp_path / "file" / "folder")
    done = bench.store.keep_event(event())
    assert bench.write() == "unavailable"
    assert "not a directory" in bench.store.state.reason
    (tmp_path / "file").unlink()
    assert bench.write(60.0) == "ready"
    assert done.result(0) == 1
    bench.store.close()


def test_memory_is_bounded_and_what_is_lost_is_said(tmp_path: Path) -> None:
    bench = Bench(tmp_path, StoreSettings(busy_timeout_s=0.0, waiting_events=10))
    done = [bench.store.keep_event(event(k)) for k in range(25)]
    for k in range(MOST_DECISIONS + 5):
        bench.store.keep_decision({**decision(1.0), "at_ms": k})
    assert (bench.store.state.waiting, bench.store.state.lost) == (10, 15)
    with pytest.raises(NoctuleError, match="too long"):
        done[14].result(0)
    bench.write(10.0)
    assert bench.uids() == [f"u{k}" for k in range(15, 25)]
    assert bench.history.decisions(0, 10**9, 10**6)[0]["time"] == "1970-01-01T00:00:00.005Z"
    bench.store.close()


def damage_header(path: Path) -> None:
    path.write_bytes(b"this is no database at all" * 100)


def damage_middle(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))


@pytest.mark.parametrize("damage", [damage_header, damage_middle])
def test_a_damaged_file_is_set_aside_and_begun_anew(tmp_path: Path, damage: Any) -> None:
    first = Bench(tmp_path)
    for k in range(200):
        first.store.keep_event(event(k))
    first.write()
    first.store.close()
    damage(tmp_path / FILE)
    held = (tmp_path / FILE).read_bytes()
    with pytest.raises(NoctuleError, match="damaged"):
        first.history.events()
    bench = Bench(tmp_path)
    done = bench.store.keep_event(event(500))
    assert bench.write() == "unavailable"
    assert bench.write(60.0) == "ready"
    assert done.result(0) == 1
    assert bench.uids() == ["u500"]
    aside = bench.store.state.aside
    assert aside is not None
    assert aside.read_bytes()[4096:] == held[4096:]  # an attempt to write may count in the header
    assert "set aside as history.damaged-20260301T120000.sqlite" in bench.said[0]
    bench.store.close()


def test_damage_while_it_runs_loses_nothing_that_waits(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for k in range(200):
        bench.store.keep_event(event(k))
    bench.write()
    bench.store._disconnect()  # its log goes into the file, and no page stays in memory
    damage_middle(tmp_path / FILE)
    done = bench.store.keep_event(event(500))
    states = [bench.write(60.0) for _ in range(4)]
    assert states[-1] == "ready"
    assert done.result(0) == 1
    assert bench.store.state.aside is not None
    bench.store.close()


def test_a_file_that_somebody_removed_is_made_again(bench: Bench) -> None:
    bench.store.keep_event(event(0))
    bench.write()
    for file in bench.store.path.parent.iterdir():
        file.unlink()
    bench.store.keep_event(event(1))
    bench.write()
    assert bench.uids() == ["u1"]


def test_a_store_that_is_closed_while_locked_says_what_is_lost(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.write()
    other = locked(bench.store.path)
    bench.store.keep_event(event())
    bench.store.close()
    other.close()
    assert bench.said[-1].endswith("the last 1 entries are lost")


def test_events_come_from_many_threads(bench: Bench) -> None:
    def give(start: int) -> None:
        for k in range(start, start + 200):
            bench.store.keep_event(event(k))

    threads = [threading.Thread(target=give, args=(1000 * k,)) for k in range(4)]
    for one in threads:
        one.start()
    while any(one.is_alive() for one in threads):
        bench.store.write()
    bench.store.write()
    assert len(set(bench.uids())) == 800


# -- what is forgotten


def many_decisions(bench: Bench, count: int, every_ms: int = 1000) -> None:
    for k in range(count):
        bench.store.keep_decision({**decision(0.0), "at_ms": START_MS + k * every_ms})
        if k % MOST_DECISIONS == MOST_DECISIONS - 1:
            bench.store.write(now=True)
    bench.store.write(now=True)


def test_old_things_are_forgotten_and_labelled_ones_are_not(tmp_path: Path) -> None:
    bench = Bench(tmp_path, StoreSettings(busy_timeout_s=0.0, events_keep_days=30.0, decisions_keep_days=7.0))
    for k in range(NEWEST_STAY + 10):
        bench.store.keep_event(event(k))
    many_decisions(bench, NEWEST_STAY + 10)
    bench.store.keep_label(3, "fan")
    bench.write(TRUST_CLOCK_S)
    assert bench.history.counts()["decisions"] == NEWEST_STAY + 10
    bench.hands.wall_s += 10 * DAY_MS / 1000.0  # a clock that was set makes nothing old
    bench.write(TRIM_EVERY_S)
    assert bench.history.counts()["decisions"] == NEWEST_STAY + 10
    bench.write(TRUST_CLOCK_S)
    bench.write(TRIM_EVERY_S)
    assert bench.history.counts()["decisions"] == NEWEST_STAY
    assert bench.history.counts()["events"] == NEWEST_STAY + 10
    bench.hands.wall_s += 30 * DAY_MS / 1000.0
    bench.write(TRIM_EVERY_S)
    bench.write(TRUST_CLOCK_S)
    bench.write(TRIM_EVERY_S)
    assert bench.uids()[:2] == ["u2", "u10"]
    assert bench.history.counts()["events"] == NEWEST_STAY + 1
    bench.store.close()


def test_a_file_that_grows_too_large_forgets_its_oldest_decisions_and_gives_the_room_back(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, StoreSettings(busy_timeout_s=0.0, largest_mb=1.0))
    for k in range(50):
        bench.store.keep_event(event(k))
    many_decisions(bench, 40_000)
    assert bench.store.path.stat().st_size + Path(f"{bench.store.path}-wal").stat().st_size > 2e6
    bench.write(TRIM_EVERY_S)
    bench.store.close()
    assert bench.store.path.stat().st_size < 1.1e6
    kept = bench.history.decisions(0, START_MS * 2, 10**6)
    assert 5000 < len(kept) < 40_000
    assert kept[-1]["time"] == "2026-03-01T23:06:39.000Z"
    assert len(bench.uids()) == 50


def test_events_give_way_last_and_labelled_ones_after_them(tmp_path: Path) -> None:
    bench = Bench(tmp_path, StoreSettings(busy_timeout_s=0.0, largest_mb=1.0))
    for k in range(2000):
        bench.store.keep_event(event(k, reason="x" * 800))
    bench.write()
    for k in (1, 2, 3):
        bench.store.keep_label(k, "me")
    bench.write(TRIM_EVERY_S)
    kept = bench.uids()
    assert kept[:3] == ["u0", "u1", "u2"]
    assert kept[-1] == "u1999"
    assert 0.9 * NEWEST_STAY < len(kept) < 1500
    bench.store.close()


# -- settings


def test_every_setting_has_a_range_and_a_meaning() -> None:
    for name, field in StoreSettings.model_fields.items():
        assert field.description, name
        assert field.metadata or field.annotation in (bool, Path | None), name
    with pytest.raises(ValidationError):
        StoreSettings(typo=1)  # type: ignore[call-arg]


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
