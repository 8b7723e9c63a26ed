"""Routines in the running product: what is sensed goes in, things happen, and the file is kept.

Everything is called in the loop that `run` runs in. The file may also be changed by hand at any time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from noctule.core.errors import NoctuleError
from noctule.routines.clock import Clock, SystemClock
from noctule.routines.document import RoutineFile, parse_routines, routines_text
from noctule.routines.engine import Engine, MqttState, Sensed, Tick
from noctule.routines.records import sensed
from noctule.routines.runner import Runner
from noctule.routines.schema import Routine
from noctule.routines.settings import Home
from noctule.routines.standalone import machine_tools
from noctule.routines.state_file import StateFile
from noctule.routines.tools import Facts, Player, Publisher, Tools
from noctule.routines.verdict import Done, Entry, Verdict
from noctule.service import routine_file
from noctule.service.broker import Broker
from noctule.service.bus import Bus
from noctule.service.routine_log import RoutineLog

STATE_FILE, LOG_FILE = "routines-state.json", "routines-log.jsonl"
TICK_S = 1.0
#: Without a record for so long, nobody looks: silence is no proof then.
STALLED_S = 5.0
#: It is read in the loop: a text of this length keeps the others waiting for a second or two.
MOST_IMPORTED = 100_000

log = logging.getLogger(__name__)


class Automation:
    """All Routines of one home.

    Parameters
    ----------
    path : the file of Routines; it need not exist.
    folder : where timers and the log outlive a restart.
    publisher, player, facts : instead of the home's broker, this machine's player, services on the net.
    enabled : False: the file can be read and changed, and nothing runs.
    warn : one line for people.

    Attributes
    ----------
    problem : the file cannot be used, in one line; what it said before goes on.
    """

    def __init__(
        self,
        path: Path,
        folder: Path,
        *,
        bus: Bus,
        publisher: Publisher | None = None,
        player: Player | None = None,
        facts: Mapping[str, Facts] | None = None,
        clock: Clock | None = None,
        enabled: bool = True,
        warn: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.path = path
        self.problem: str | None = None
        self._bus, self._warn, self._enabled = bus, warn, enabled
        self._publisher, self._player, self._facts = publisher, player, facts
        self._clock = clock or SystemClock()
        self._found = RoutineFile(Home(), ())
        self._signature: routine_file.Signature = None
        self._engine = Engine((), self._found.home, self._clock)
        self._broker = Broker(self._heard)
        self._disk = ThreadPoolExecutor(1, "routines")
        self._state = StateFile(folder / STATE_FILE)
        self._log = RoutineLog(folder / LOG_FILE, self._disk)
        self._runner = Runner(self._engine, self._tools(), keep=self._keep, tell=self._tell)
        self._sensed = Sensed("none", None, "blind")
        self._heard_s = self._clock.monotonic_s()
        self._state_works = True
        self._snapshot: Mapping[str, Any] | None = None
        self._runs = False  # the file has been good once, and timers are known

    @property
    def home(self) -> Home:
        return self._found.home

    @property
    def routines(self) -> tuple[Routine, ...]:
        """As they stand in the file, in its order."""
        return self._found.routines

    @property
    def log(self) -> Sequence[dict[str, Any]]:
        """What was decided and done, newest last, as the bus told it under `routine`."""
        return self._log.entries

    def warnings(self) -> list[str]:
        """What could not be done as the home is now."""
        off = [] if self._enabled else ["Routines are switched off: `enabled` in [routines] of the settings"]
        return off + self._found.warnings()

    # -- changes

    def save(self, routines: Iterable[Routine]) -> None:
        """Write these into the file, in this order; they hold at once.

        Raises
        ------
        NoctuleError
            One line: the file is broken, or cannot be written. Nothing has changed.
        """
        wanted = tuple(routines)
        self._look_before_change()
        routine_file.write(self.path, wanted)
        self._signature = routine_file.signature_of(self.path)
        self._use(RoutineFile(self.home, wanted))

    def change_home(self, changes: Mapping[str, Any]) -> None:
        """Write other values into the file's `home`, see `home_changes.changed_tree`; they hold at once.

        Raises
        ------
        NoctuleError
            One line: what is wrong with them, or as `save`. Nothing has changed.
        """
        self._look_before_change()
        home = routine_file.write_home(self.path, self.home, changes)
        self._signature = routine_file.signature_of(self.path)
        self._use(RoutineFile(home, self.routines))

    def put(self, routine: Routine) -> None:
        """Add it, or put it in the place of the one with its id; raises as `save`."""
        self._look_at_file()
        self.save(_merged(self.routines, [routine]))

    def remove(self, id: str) -> None:
        """Raises as `save`, and where there is none."""
        self._look_at_file()
        left = [one for one in self.routines if one.id != id]
        if len(left) == len(self.routines):
            raise NoctuleError(f"there is no Routine '{id}'")
        self.save(left)

    def reorder(self, ids: Sequence[str]) -> None:
        """These first, in this order; raises as `save`."""
        self._look_at_file()
        places = {id_: place for place, id_ in enumerate(ids)}
        self.save(sorted(self.routines, key=lambda one: places.get(one.id, len(places))))

    def import_text(self, text: str, replace: bool = False) -> list[Routine]:
        """Add the Routines of a file's text, or have these instead; its `home` is left out.

        One with the id or the name of one that is there takes its place.

        Raises
        ------
        NoctuleError
            One line: what is wrong in the text, or as `save`.
        """
        if len(text) > MOST_IMPORTED:
            raise NoctuleError(f"import: longer than {MOST_IMPORTED} characters; put the file in its place")
        given = parse_routines(text, "import").routines
        self._look_at_file()
        self.save(given if replace else _merged(self.routines, given))
        return list(given)

    def export_text(self) -> str:
        """The Routines as the text of a file, without the home."""
        return routines_text(self.routines)

    # -- questions

    def would_run(self, routine: Routine) -> Verdict:
        """What would become of it if what it waits for happened now; it need not be in the file."""
        return self._engine.dry_run(asked=[routine])[0]

    async def test(self, routine: Routine) -> list[Done]:
        """Do now what it does, whatever its conditions say; it need not be in the file."""
        return await self._runner.test(routine)

    def last_run(self, id: str) -> dict[str, Any] | None:
        """The newest entry of the log that says that it ran, None: the log has none."""
        return self._log.last_run(id)

    # -- the running product

    def take(self, record: Mapping[str, Any]) -> None:
        """One record of the sensor."""
        self._heard_s = self._clock.monotonic_s()
        self._sensed = sensed(record)
        if self._runs:
            self._runner.handle(self._sensed)

    def open(self) -> None:
        """Read what there is, and go on where the last process ended."""
        self._log.read()
        try:
            self._snapshot = self._state.read()
        except NoctuleError as error:
            self._warn(f"{error}; Routines start without their timers")
        self._take_over(routine_file.signature_of(self.path), self._read())

    async def run(self) -> None:
        """Ticks, and a look at the file, each second; until it is cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            await self._watch_file()
            self._tick()

    async def close(self) -> None:
        """Stop what runs; it goes on after a restart."""
        ran, self._runs = self._runs, False
        if ran:
            await self._runner.close()
        await self._broker.close()
        await asyncio.to_thread(self._disk.shutdown)

    def _tick(self) -> None:
        if not self._runs:
            return
        stalled = self._clock.monotonic_s() - self._heard_s >= STALLED_S
        if stalled and self._sensed.sight != "blind":
            self._sensed = replace(self._sensed, motion="none", sight="blind")
            self._runner.handle(self._sensed)
        else:
            self._runner.handle(Tick())

    def _heard(self, topic: str, payload: str) -> None:
        if self._runs:
            self._runner.handle(MqttState(topic, payload))

    # -- the file

    def _look_at_file(self) -> None:
        """Read it where somebody changed it."""
        signature = routine_file.signature_of(self.path)
        if signature != self._signature:
            self._take_over(signature, self._read())

    def _look_before_change(self) -> None:
        self._look_at_file()
        if self.problem is not None:
            raise NoctuleError(f"{self.problem}: mend the file first, it would be overwritten")

    async def _watch_file(self) -> None:
        signature = routine_file.signature_of(self.path)
        if signature != self._signature:
            found = await asyncio.to_thread(self._read)
            if signature == routine_file.signature_of(self.path):  # else: somebody is still at it
                self._take_over(signature, found)

    def _read(self) -> RoutineFile | NoctuleError:
        try:
            return routine_file.read(self.path)
        except NoctuleError as error:
            return error

    def _take_over(self, signature: routine_file.Signature, found: RoutineFile | NoctuleError) -> None:
        self._signature = signature
        if isinstance(found, NoctuleError):
            self.problem = str(found)
            self._warn(f"{found}; " + ("the Routines stay as they were" if self._runs else "no Routine runs"))
            return
        self.problem = None
        self._use(found)

    def _use(self, found: RoutineFile) -> None:
        other_home, self._found = found.home != self._found.home, found
        if other_home:
            self._engine.set_home(found.home)
            self._runner.set_tools(self._tools())
        if not self._enabled:
            return
        self._runner.set_routines(found.routines)
        if not self._runs:
            self._go_on()
        if self._publisher is None:
            self._broker.use(found.home.mqtt, self._engine.topics)

    def _go_on(self) -> None:
        """Where the last process ended; a file that was broken meanwhile costs no timers."""
        self._runs = True
        try:
            if self._snapshot is not None:
                self._engine.restore(self._snapshot)
        except NoctuleError as error:
            self._warn(f"{error}; Routines start without their timers")
        self._runner.resume()

    def _tools(self) -> Tools:
        tools = machine_tools(self.home, self._clock, self._publisher or self._broker)
        player, facts = self._player or tools.player, self._facts or tools.facts
        return replace(tools, player=player, facts=facts)

    # -- what outlives a restart

    def _keep(self, snapshot: Mapping[str, Any]) -> asyncio.Future[None]:
        return asyncio.get_running_loop().run_in_executor(self._disk, self._write_state, snapshot)

    def _write_state(self, snapshot: Mapping[str, Any]) -> None:
        try:
            self._state.write(snapshot)
        except OSError as error:
            if self._state_works:  # once: it would be said each second
                self._warn(f"timers of Routines cannot be kept ({(error.strerror or str(error)).lower()})")
            self._state_works = False
        else:
            self._state_works = True

    def _tell(self, entry: Entry) -> None:
        told = {**entry.as_record(), "text": entry.text}
        self._log.add(told)
        self._bus.publish("routine", told)


def _merged(there: Sequence[Routine], given: Sequence[Routine]) -> list[Routine]:
    merged = list(there)
    for one in given:
        places = [i for i, old in enumerate(merged) if one.id == old.id] or [
            i for i, old in enumerate(merged) if one.name == old.name
        ]
        if places:
            merged[places[0]] = one
        else:
            merged.append(one)
    return merged
