"""Routines in the running product: the file, the records, and what outlives a kill."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from tests.routines.house import HandClock
from tests.service.made_up import record

from noctule.core.errors import NoctuleError
from noctule.routines.document import parse_routines
from noctule.routines.schema import Routine
from noctule.service import automation as automation_module
from noctule.service import broker as broker_module
from noctule.service.automation import LOG_FILE, STATE_FILE, Automation
from noctule.service.bus import Bus
from noctule.service.home_changes import told_of
from noctule.service.routine_log import MOST_LINES

LAMP = {
    "name": "Lamp",
    "when": {"motion": "detected"},
    "suppress_for": "10m",
    "then": [{"mqtt": {"topic": "lamp", "payload": "on"}}],
}
FILE = """\
# the house of the Jansens
home:
  latitude: 52.5 # about
  longitude: 13.4
  mqtt: {host: broker, password: "${MQTT_PASSWORD}"}

routines:
  # whoever comes in sees something
  - name: Hall
    when: {motion: detected}
    then: [{mqtt: {topic: hall, payload: "on"}}]

# that is all
"""

#: Files that people write.
WAYS_OF_WRITING = [
    "",
    "# nothing yet\n",
    "[]\n",
    "# mine\n- name: Hall\n  when: {motion: detected}\n  then: [{wait: 3s}]\n# end\n",
    "  - name: Hall\n    when: {motion: detected}\n    then:\n      - wait: 3s\n",
    "home: {latitude: 1, longitude: 2}\n",
    "home: {latitude: 1, longitude: 2} # here\nroutines:\n",
    "routines: []\nhome: {latitude: 1, longitude: 2}\n",
    "routines: [{name: Hall, when: {motion: detected}, then: [{wait: 3s}]}]\nhome:\n  latitude: 1\n"
    "  longitude: 2",
    "{home: {latitude: 1, longitude: 2}, routines: []}\n",
    "---\nroutines:\n- name: Hall\n  when: {motion: detected}\n  then:\n  - announce: |\n      Hello,\n"
    "      you\n\n# end\nhome: {latitude: 1, longitude: 2}\n",
]


def routine(**different: Any) -> Routine:
    return Routine.model_validate({**LAMP, **different})


class Paper:
    """A broker that remembers."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    async def publish(self, topic: str, payload: str, *, qos: int, retain: bool) -> None:
        self.told.append((topic, payload))


class Home:
    """Routines of a folder, with a clock that is set by hand."""

    def __init__(self, folder: Path, clock: HandClock | None = None, **parts: Any) -> None:
        self.clock = clock or HandClock()
        self.paper, self.said = Paper(), list[str]()
        self.bus = Bus()
        self.path = folder / "config" / "routines.yaml"
        self.automation = Automation(
            self.path,
            folder / "state",
            bus=self.bus,
            clock=self.clock,
            warn=self.said.append,
            **{"publisher": self.paper, **parts},
        )

    async def sense(self, seconds: float = 0.5, **what: Any) -> None:
        """Records twice a second of the house's clock."""
        for _ in range(round(seconds / 0.5)):
            self.automation.take(record(self.clock.steady, **what))
            self.clock.advance(0.5)
            await self.settled()

    async def moves(self, seconds: float = 0.5) -> None:
        await self.sense(seconds, presence=True, motion="major")

    async def settled(self) -> None:
        """Everything that runs is done."""
        await asyncio.sleep(0)
        await asyncio.wait_for(self.automation._runner.idle(), 20.0)

    async def until(self, holds: Callable[[], object]) -> None:
        until_s = time.monotonic() + 20.0
        while not holds():
            assert time.monotonic() < until_s, self.said
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def opened(folder: Path, clock: HandClock | None = None, **parts: Any) -> AsyncIterator[Home]:
    home = Home(folder, clock, **parts)
    home.automation.open()
    watching = asyncio.create_task(home.automation.run())
    try:
        yield home
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await home.automation.close()


def in_loop(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automation_module, "TICK_S", 0.01)
    monkeypatch.setenv("MQTT_PASSWORD", "secret")


def full_disk(descriptor: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


# -- from records to actions


def test_a_routine_that_was_put_fires_and_is_suppressed_and_says_so(tmp_path: Path) -> None:
    async def go() -> None:
        async with opened(tmp_path) as home:
            automation = home.automation
            assert automation.routines == ()
            automation.put(routine())
            with home.bus.subscribe("routine") as subscription:
                await home.moves()
                await home.until(lambda: home.paper.told == [("lamp", "on")])
                await home.sense(8.0)
                await home.moves()
                assert home.paper.told == [("lamp", "on")]
                told = [(await anext(subscription)).body for _ in range(3)]
            assert [one.get("runs") for one in told] == [True, None, False]
            assert told[1]["ok"] is True
            assert "not again for 10m" in told[2]["text"]
            assert list(automation.log) == told
            assert automation.last_run("lamp") == told[0]
            await home.sense(600.0)
            await home.moves()
            assert len(home.paper.told) == 2

    in_loop(go())


def test_silence_is_no_proof_while_no_records_come(tmp_path: Path) -> None:
    async def go() -> None:
        async with opened(tmp_path) as home:
            home.automation.put(routine(when={"motion": "not_detected", "for": "30s"}, suppress_for=None))
            await home.moves(2.0)
            for _ in range(60):  # a minute of ticks alone: the sensor hangs
                home.clock.advance(1.0)
                await asyncio.sleep(0.015)
            assert home.paper.told == []
            await home.sense(8.0, presence=True)
            assert home.paper.told == [("lamp", "on")]

    in_loop(go())


def test_where_routines_are_switched_off_the_file_can_be_changed_and_nothing_runs(tmp_path: Path) -> None:
    async def go() -> None:
        async with opened(tmp_path, enabled=False) as home:
            home.automation.put(routine())
            await home.moves(2.0)
            assert home.paper.told == []
            assert "switched off" in home.automation.warnings()[0]
            assert home.path.exists()

    in_loop(go())


def test_what_would_happen_and_a_test_need_no_file(tmp_path: Path) -> None:
    async def go() -> None:
        async with opened(tmp_path) as home:
            weekend = routine(only_if=[{"days": ["sat", "sun"]}])  # it is Monday
            assert home.automation.would_run(routine()).runs
            assert not home.automation.would_run(weekend).runs
            assert [done.ok for done in await home.automation.test(weekend)] == [True]
            assert home.paper.told == [("lamp", "on")]
            home.automation.put(routine())
            await home.moves()
            verdict = home.automation.would_run(routine())
            assert not verdict.runs
            assert "not again for 10m" in verdict.text
            assert not home.path.with_suffix(".yaml.part").exists()

    in_loop(go())


# -- the file


def test_the_first_save_makes_the_file_and_it_is_nobody_elses_business(tmp_path: Path) -> None:
    async def go() -> None:
        async with opened(tmp_path) as home:
            home.automation.put(routine())
            assert stat.S_IMODE(home.path.stat().st_mode) == 0o600
            assert home.said == []
        async with opened(tmp_path) as home:
            assert home.automation.routines == (routine(),)

    in_loop(go())


def test_home_and_comments_stay_as_they_were_written(tmp_path: Path) -> None:
    async def go() -> None:
        async with opened(tmp_path) as home:
            _write(home.path, FILE)
            home.path.chmod(0o640)
            await home.until(lambda: home.automation.routines)
            home.automation.put(routine())
            text = home.path.read_text()
            head, _, _ = FILE.partition("routines:")
            assert text.startswith(head)
            assert text.endswith("\n# that is all\n")
            assert [one.name for one in parse_routines(text).routines] == ["Hall", "Lamp"]
            assert stat.S_IMODE(home.path.stat().st_mode) == 0o640

    in_loop(go())


def test_an_edit_by_hand_takes_effect(tmp_path: Path) -> None:
    async def go() -> None:
        async with opened(tmp_path) as home:
            _write(home.path, FILE)
            await home.until(lambda: home.automation.routines)
            assert home.automation.home.latitude == 52.5
            await home.moves()
            assert home.paper.told == [("hall", "on")]
            _write(home.path, FILE.replace("topic: hall", "topic: stairs"))
            await home.until(lambda: "stairs" in home.automation.export_text())
            await home.sense(8.0)
            await home.moves()
            assert home.paper.told[1:] == [("stairs", "on")]
            home.path.unlink()
            await home.until(lambda: not home.automation.routines)
            assert home.automation.problem is None

    in_loop(go())


def test_a_broken_edit_leaves_the_old_ones_and_says_so_and_is_not_overwritten(tmp_path: Path) -> None:
    async def go() -> None:
        async with opened(tmp_path) as home:
            _write(home.path, FILE)
            await home.until(lambda: home.automation.routines)
            broken = FILE.replace("when:", "whenn:")
            _write(home.path, broken)
            await home.until(lambda: home.automation.problem)
            assert "did you mean 'when'" in str(home.automation.problem)
            assert home.said == [f"{home.automation.problem}; the Routines stay as they were"]
            await home.moves()
            assert home.paper.told == [("hall", "on")]
            with pytest.raises(NoctuleError, match="mend the file first"):
                home.automation.put(routine())
            assert home.path.read_text() == broken
            _write(home.path, FILE)
            await home.until(lambda: home.automation.problem is None)
            home.automation.put(routine())

    in_loop(go())


def test_a_change_meets_an_edit_that_nobody_has_looked_at_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(automation_module, "TICK_S", 3600.0)

    async def go() -> None:
        async with opened(tmp_path) as home:
            _write(home.path, FILE)
            home.automation.put(routine())
            assert [one.name for one in home.automation.routines] == ["Hall", "Lamp"]
            _write(home.path, "whenn: 3\n")
            with pytest.raises(NoctuleError, match="mend the file first"):
                home.automation.remove("lamp")

    in_loop(go())


def test_a_full_disk_is_one_line_and_the_old_file_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def go() -> None:
        async with opened(tmp_path) as home:
            _write(home.path, FILE)
            await home.until(lambda: home.automation.routines)
            with monkeypatch.context() as patch:
                patch.setattr(os, "fsync", full_disk)
                with pytest.raises(NoctuleError, match=r"no space left on device.*nothing was") as error:
                    home.automation.put(routine())
                assert "\n" not in str(error.value)
                assert home.path.read_text() == FILE
                assert [one.name for one in home.automation.routines] == ["Hall"]
                assert list(home.path.parent.iterdir()) == [home.path]
                await home.moves()  # and what cannot be kept keeps no light from going on
                assert home.paper.told == [("hall", "on")]
                await home.moves(5.0)
            assert len([line for line in home.said if "timers" in line]) == 1

    in_loop(go())


def test_order_removal_and_names(tmp_path: Path) -> None:
    async def go() -> None:
        async with opened(tmp_path) as home:
            automation = home.automation
            for name in ("One", "Two", "Three"):
                automation.put(routine(name=name))
            automation.reorder(["three", "one"])
            assert [one.id for one in automation.routines] == ["three", "one", "two"]
            automation.remove("one")
            assert [one.id for one in parse_routines(home.path.read_text()).routines] == ["three", "two"]
            with pytest.raises(NoctuleError, match="no Routine 'one'"):
                automation.remove("one")
            with pytest.raises(NoctuleError, match="have the name 'Two'"):
                automation.save([routine(id="a", name="Two"), routine(id="b", name="Two")])
            assert [one.id for one in automation.routines] == ["three", "two"]
            automation.save([])
            assert parse_routines(home.path.read_text()).routines == ()

    in_loop(go())


def test_import_joins_or_replaces_and_export_can_be_imported(tmp_path: Path) -> None:
    async def go() -> None:
        async with opened(tmp_path) as home:
            automation = home.automation
            _write(home.path, FILE)
            await home.until(lambda: automation.routines)
            given = automation.import_text(
                "routines:\n- {name: Hall, id: other, when: {presence: absent}, then: [{wait: 3s}]}\n"
                "- {name: New, when: {presence: absent}, then: [{wait: 3s}]}\n"
            )
            assert [one.name for one in given] == ["Hall", "New"]
            assert [(one.name, one.id) for one in automation.routines] == [("Hall", "other"), ("New", "new")]
            there, text = automation.routines, automation.export_text()
            automation.save([])
            automation.import_text(text, replace=True)
            assert automation.routines == there
            assert automation.home.latitude == 52.5
            with pytest.raises(NoctuleError, match=r"import: .*did you mean") as error:
                automation.import_text("- {nam: New}\n", replace=True)
            assert "\n" not in str(error.value)
            assert automation.routines == there

    in_loop(go())


@pytest.mark.parametrize("text", WAYS_OF_WRITING)
def test_every_way_of_writing_a_file_can_be_changed(tmp_path: Path, text: str) -> None:
    async def go() -> None:
        async with opened(tmp_path) as home:
            _write(home.path, text)
            await home.until(lambda: home.automation._signature)
            before = parse_routines(text) if ":" in text or "[" in text else None
            for name in ("One", "Two"):
                home.automation.put(routine(name=name))
            found = parse_routines(home.path.read_text())
            assert [one.name for one in found.routines][-2:] == ["One", "Two"]
            if before is not None:
                assert found.home == before.home
                assert found.routines[:-2] == before.routines
            comments = [line for line in text.splitlines() if line.startswith("#")]
            assert [line for line in home.path.read_text().splitlines() if line.startswith("#")] == comments

    in_loop(go())


# -- what outlives a restart


def test_the_log_outlives_a_restart_and_stays_short(tmp_path: Path) -> None:
    async def go() -> None:
        async with opened(tmp_path) as home:
            home.automation.put(routine(suppress_for=None))
            for _ in range(2 * MOST_LINES + 10):
                home.automation._tell(home.automation.would_run(routine()))
            last = list(home.automation.log)
        file = tmp_path / "state" / LOG_FILE
        assert MOST_LINES <= len(file.read_text().splitlines()) < 2 * MOST_LINES
        with file.open("a") as half:
            half.write('{"time": "2026-')
        async with opened(tmp_path) as home:
            assert list(home.automation.log) == last
            assert home.automation.last_run("lamp") == last[-1]

    in_loop(go())


def test_suppression_outlives_a_restart_even_with_a_broken_file_between(tmp_path: Path) -> None:
    clock = HandClock()

    async def go() -> None:
        async with opened(tmp_path, clock) as home:
            home.automation.put(routine())
            await home.moves()
            assert home.paper.told == [("lamp", "on")]
            text = home.path.read_text()
        _write(home.path, text.replace("when:", "whenn:"))
        clock.advance(30.0)
        async with opened(tmp_path, clock) as home:
            assert home.said[0].endswith("no Routine runs")
            await home.moves(8.0)
        async with opened(tmp_path, clock) as home:
            _write(home.path, text)
            await home.until(lambda: home.automation.problem is None)
            await home.sense(8.0)
            await home.moves()
            assert home.paper.told == []
            await home.sense(600.0)
            await home.moves()
            assert home.paper.told == [("lamp", "on")]

    in_loop(go())


@pytest.mark.parametrize("text", ["{", "[1]", '{"now_s": "soon"}'])
def test_a_damaged_state_costs_the_timers_and_no_more(tmp_path: Path, text: str) -> None:
    async def go() -> None:
        _write(tmp_path / "state" / STATE_FILE, text)
        async with opened(tmp_path) as home:
            assert "without their timers" in home.said[0]
            home.automation.put(routine())
            await home.moves()
            assert home.paper.told == [("lamp", "on")]
        json.loads((tmp_path / "state" / STATE_FILE).read_text())

    in_loop(go())


class Process:
    """A house in a process of its own."""

    def __init__(self, folder: Path, moves_for_s: float, again_at_s: float = 1e9) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "tests.service.house_process"]
        self.process = subprocess.Popen([*command, str(folder), str(moves_for_s), str(again_at_s)])

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def until(self, holds: Callable[[], object]) -> None:
        until_s = time.monotonic() + 60.0
        while not holds():
            assert self.process.poll() is None
            assert time.monotonic() < until_s
            time.sleep(0.02)


@pytest.mark.slow
def test_a_kill_costs_no_timer_and_nothing_is_done_twice(tmp_path: Path) -> None:
    _write(
        tmp_path / "routines.yaml",
        """
- name: Later
  when: {motion: detected}
  suppress_for: 10m
  then: [{mqtt: {topic: began, payload: x}}, {wait: 9s}, {mqtt: {topic: later, payload: x}}]
- name: Dark
  when: {motion: not_detected, for: 12s}
  then: [{mqtt: {topic: dark, payload: x}}]
""",
    )

    def done() -> dict[str, float]:
        path = tmp_path / "done.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        assert len({line.split()[1] for line in lines}) == len(lines), "done twice"
        return {line.split()[1]: float(line.split()[0]) for line in lines}

    def log() -> str:
        path = tmp_path / LOG_FILE
        return path.read_text() if path.exists() else ""

    def waits() -> bool:
        return any(run["until_s"] for run in json.loads((tmp_path / STATE_FILE).read_text())["runs"])

    with Process(tmp_path, moves_for_s=2.0) as first:
        first.until(lambda: "began" in done())
        began_s = done()["began"]
        first.until(waits)
        first.until(lambda: time.time() > began_s + 3.0)
    with Process(tmp_path, moves_for_s=0.0, again_at_s=16.0) as second:
        second.until(lambda: {"later", "dark"} <= set(done()))
        second.until(lambda: "not again for 10m" in log())
    assert done()["later"] - began_s == pytest.approx(9.0, abs=1.5)
    assert done()["dark"] - began_s == pytest.approx(2.0 + 12.0, abs=2.0)


# -- the broker


def test_the_broker_is_called_anew_where_topics_or_the_broker_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, list[str]]] = []
    called: list[str] = []
    hung_up: list[str] = []

    class Link:
        def __init__(self, broker: Any, topics: Any, heard: Any) -> None:
            self._name, self._heard = broker.host, heard
            calls.append((broker.host, sorted(topics)))

        async def run(self) -> None:
            called.append(self._name)
            for topic in calls[-1][1]:
                self._heard(topic, "on")
            try:
                await asyncio.sleep(3600.0)
            finally:
                hung_up.append(self._name)

        async def publish(self, topic: str, payload: str, *, qos: int, retain: bool) -> None:
            calls.append((f"{self._name} told", [topic]))

    monkeypatch.setattr(broker_module, "MqttLink", Link)

    async def go() -> None:
        async with opened(tmp_path, publisher=None) as home:
            assert calls == []
            _write(home.path, FILE)
            await home.until(lambda: called)
            assert calls == [("broker", [])]
            condition = [{"mqtt": {"topic": "tv", "is": "on"}}]
            home.automation.put(routine(only_if=condition))
            await home.settled()
            assert calls[1:] == [("broker", ["tv"])]
            await home.moves()
            assert sorted(calls[2:]) == [("broker told", ["hall"]), ("broker told", ["lamp"])]
            home.automation.put(routine(only_if=condition, suppress_for="1h"))  # no news for the broker
            await home.settled()
            assert len(calls) == 4
            _write(home.path, home.path.read_text().replace("host: broker", "host: other"))
            await home.until(lambda: len(calls) == 5)
            assert calls[4] == ("other", ["tv"])
            await home.until(lambda: len(called) == 3 and hung_up == ["broker", "broker"])
        assert hung_up == ["broker", "broker", "other"]

    in_loop(go())


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


# -- the home


def test_the_home_is_changed_and_the_rest_of_the_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MQTT_PASSWORD", "hush")

    async def go() -> None:
        async with opened(tmp_path) as home:
            _write(home.path, FILE)
            await home.until(lambda: home.automation.routines)
            home.automation.change_home({"latitude": 48.1, "longitude": 11.6, "mqtt": {"port": 1884}})
            text = home.path.read_text()
            _, list_of_routines, below = FILE.partition("routines:")
            assert text.startswith("# the house of the Jansens\nhome:\n")
            assert text.endswith(list_of_routines + below)
            assert "${MQTT_PASSWORD}" in text
            assert "hush" not in text
            now = home.automation.home
            assert now == parse_routines(text).home
            assert (now.place, getattr(now.mqtt, "port", None)) == ((48.1, 11.6), 1884)
            home.automation.change_home({"mqtt": {"password": "new"}})  # a secret is replaced
            assert home.automation.home.mqtt is not None
            assert "${MQTT_PASSWORD}" not in home.path.read_text()
            assert home.automation.home.mqtt.password.get_secret_value() == "new"  # type: ignore[union-attr]
            home.automation.change_home({"mqtt": None})  # and taken out
            assert home.automation.home.mqtt is None
            assert "mqtt: {" not in home.path.read_text().partition("routines:")[0]
            assert [one.name for one in home.automation.routines] == ["Hall"]

    in_loop(go())


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"latitude": 91, "longitude": 0}, "latitude"),
        ({"latitude": None}, "belong together"),
        ({"time_zone": "Europe/Berln"}, "did you mean 'Europe/Berlin'"),
        ({"mqqt": {}}, "did you mean 'mqtt'"),
        ({"home_assistant": {"url": "http://ha.local"}}, "lacks 'token'"),
        ({"home_assistant": {"url": "ftp://ha.local", "token": "x"}}, "http://"),
        ({"notify": {"phone": "${NOBODY_SET_IT}"}}, "NOBODY_SET_IT"),
        ({"allow_commands": {"rm": ["rm"]}}, "in the file alone"),
        ({"mqtt": {"host": "thief"}}, "needs the password again"),
        ({"mqtt": {"host": "thief", "password": "***"}}, "needs the password again"),
        ({"media_folder": "~nobody-at-all/sounds"}, "no such user"),
    ],
)
def test_a_home_that_cannot_be_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], why: str
) -> None:
    monkeypatch.setenv("MQTT_PASSWORD", "hush")

    async def go() -> None:
        async with opened(tmp_path) as home:
            _write(home.path, FILE)
            await home.until(lambda: home.automation.routines)
            before = home.automation.home
            with pytest.raises(NoctuleError, match=re.escape(why)) as error:
                home.automation.change_home(changes)
            assert "\n" not in str(error.value)
            assert "hush" not in str(error.value)
            assert (home.path.read_text(), home.automation.home) == (FILE, before)

    in_loop(go())


@pytest.mark.parametrize("text", WAYS_OF_WRITING)
def test_the_home_of_every_way_of_writing_a_file_can_be_changed(tmp_path: Path, text: str) -> None:
    async def go() -> None:
        async with opened(tmp_path) as home:
            _write(home.path, text)
            await home.until(lambda: home.automation._signature)
            before = home.automation.routines
            home.automation.change_home({"latitude": 60.0, "longitude": 10.0})
            home.automation.change_home({"language": "de"})
            found = parse_routines(home.path.read_text())
            assert (found.home.place, found.home.language, found.routines) == ((60.0, 10.0), "de", before)
            comments = [line for line in text.splitlines() if line.startswith("#")]
            assert [line for line in home.path.read_text().splitlines() if line.startswith("#")] == comments

    in_loop(go())


def test_what_is_told_of_a_home_holds_no_secret_and_changes_nothing_when_it_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MQTT_PASSWORD", "hush")

    async def go() -> None:
        async with opened(tmp_path) as home:
            _write(home.path, FILE)
            await home.until(lambda: home.automation.routines)
            home.automation.change_home({"notify": {"phone": "pover://secretuser@secretkey"}})
            told = json.loads(json.dumps(told_of(home.automation.home)))
            assert told["mqtt"]["password"] == told["notify"]["phone"] == "***"
            assert "hush" not in json.dumps(told)
            before = home.automation.home
            told.pop("allow_commands")
            home.automation.change_home(told)
            assert home.automation.home == before
            assert "${MQTT_PASSWORD}" in home.path.read_text()

    in_loop(go())
