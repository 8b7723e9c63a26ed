"""The history on disk: what happened, what people say of it, and how the sensor was.

`keep...` only queues, from any thread; `write` does one round of work and belongs to one thread. Whatever
goes wrong with the file ends in a state with a reason, never in an exception: events wait in memory, in
bounds, and are written later. A future's result is the row's number, and says that it is on disk for good.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from sqlalchemy import Connection, delete, insert, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from noctule.core.errors import NoctuleError
from noctule.core.settings import StoreSettings
from noctule.service.clock import Clock, ClockWatch
from noctule.service.database import (
    DamagedError,
    Trouble,
    open_for_writing,
    set_aside,
    trouble_of,
    writer_engine,
)
from noctule.service.episodes import Event
from noctule.service.retention import trim
from noctule.service.tables import DecisionRow, EventRow, HealthRow, LabelRow, SettingRow, Table

FILE = "history.sqlite"

What = Literal["me", "nobody", "fan", "curtain", "pet", "other"]
WHATS: tuple[str, ...] = get_args(What)

#: Between attempts on a file that cannot be written: the first pause, and the longest, s.
RETRY_S, LONGEST_RETRY_S = 1.0, 30.0
#: How often old things are looked for, s.
TRIM_EVERY_S = 600.0
#: A clock that was set is believed, and may make things old, after so long, s.
TRUST_CLOCK_S = 6 * 3600.0
#: Decisions that wait: more are of no use to anybody.
MOST_DECISIONS = 10_000

#: What may be written again: by which column it is known, its number, and what may change.
_KNOWN_BY: dict[type[Table], tuple[Any, Any, tuple[str, ...]]] = {
    EventRow: (
        EventRow.uid,
        EventRow.id,
        ("end_ms", "ongoing", "peak_score_major", "peak_score_minor", "radial_velocity_mps", "reason"),
    ),
    LabelRow: (LabelRow.event_id, LabelRow.event_id, ("what", "at_ms")),
}


StoreName = Literal["starting", "ready", "locked", "full", "unavailable"]


@dataclass(frozen=True, slots=True)
class StoreState:
    """How the history is.

    Attributes
    ----------
    name : `starting` until the file was first opened.
    reason : in words; empty where all is well.
    waiting : events and other things that are not yet on disk.
    lost : of them, how many never will be: memory is bounded too.
    aside : the last damaged file, under its new name.
    """

    name: StoreName
    reason: str = ""
    waiting: int = 0
    lost: int = 0
    aside: Path | None = None


@dataclass(slots=True)
class _Waiting:
    table: type[Table]
    values: dict[str, Any]
    done: Future[int]


_NAMES: dict[Trouble, StoreName] = {Trouble.LOCKED: "locked", Trouble.FULL: "full"}
_REASONS = {Trouble.LOCKED: "another program has locked the history", Trouble.FULL: "the disk is full"}


class Store:
    """The history of one sensor.

    Parameters
    ----------
    folder : where its file lies; made where it is missing.
    warn : one line for people, when it gets worse and when it is well again.
    owner : this is the sensor itself: what went on when it was last ended is over.
    """

    def __init__(
        self,
        settings: StoreSettings,
        folder: Path,
        *,
        warn: Callable[[str], None] = lambda line: None,
        clock: Clock | None = None,
        owner: bool = False,
    ) -> None:
        self.path = folder / FILE
        self.work = threading.Event()  # something is to be written at once
        self._settings, self._warn, self._clock = settings, warn, clock or Clock()
        self._watch = ClockWatch(self._clock)
        self._lock = threading.Lock()  # of the two queues
        self._firm: dict[str, _Waiting] = {}  # what is never given up while there is room, by its key
        self._loose: deque[dict[str, Any]] = deque(maxlen=MOST_DECISIONS)
        self._numbered = 0
        self._engine = writer_engine(self.path, settings.busy_timeout_s)
        self._connection: Connection | None = None
        self._check = self._ends_what_went_on = owner
        self._state = StoreState("starting")
        self._lost = 0
        self._retry_s, self._retry_at_s = RETRY_S, float("-inf")
        now_s = self._clock.monotonic_s()
        self._write_due_s = now_s
        self._trim_due_s = now_s + TRIM_EVERY_S
        self._trusted_from_s = now_s + TRUST_CLOCK_S

    @property
    def state(self) -> StoreState:
        return replace(self._state, waiting=len(self._firm), lost=self._lost)

    # Any thread:

    def keep_event(self, event: Event) -> Future[int]:
        """Queue an event, or what became of it; the future gives its number."""
        values = asdict(event)
        del values["first"]
        return self._keep(EventRow, values, f"event {event.uid}")

    def keep_label(self, event_id: int, what: str | None) -> Future[int]:
        """Queue what an event really was; None takes back what was said.

        Raises
        ------
        NoctuleError
            Not one of `WHATS`. An event that does not exist is told by the future.
        """
        if what is not None and what not in WHATS:
            raise NoctuleError(f"an event was {', '.join(WHATS[:-1])} or {WHATS[-1]}, not '{what}'")
        values = {"event_id": event_id, "what": what, "at_ms": self._clock.now_ms()}
        return self._keep(LabelRow, values, f"label {event_id}")

    def keep_health(self, state: str, reason: str) -> Future[int]:
        """Queue a change of health."""
        return self._keep(HealthRow, {"at_ms": self._clock.now_ms(), "state": state, "reason": reason})

    def keep_setting(self, setting: str, before: str, after: str) -> Future[int]:
        """Queue a change of a setting (`section.key`), values as JSON."""
        values = {"at_ms": self._clock.now_ms(), "setting": setting, "before": before, "after": after}
        return self._keep(SettingRow, values)

    def keep_decision(self, row: dict[str, Any]) -> None:
        """Queue a thinned decision, see `Thinner`; the oldest give way where too many wait."""
        with self._lock:
            self._loose.append(row)

    def _keep(self, table: type[Table], values: dict[str, Any], key: str | None = None) -> Future[int]:
        with self._lock:
            self._numbered += 1
            key = key or f"{table.__tablename__} {self._numbered}"
            waiting = self._firm.get(key)
            if waiting is not None:  # the newer telling holds all of the older one
                capture = waiting.values.get("capture")
                waiting.values = values | ({"capture": capture} if capture else {})
            else:
                waiting = self._firm[key] = _Waiting(table, values, Future())
            while len(self._firm) > self._settings.waiting_events:
                oldest = self._firm.pop(next(iter(self._firm)))
                self._lost += 1
                oldest.done.set_exception(NoctuleError("the history could not be written for too long"))
        self.work.set()
        return waiting.done

    # One thread:

    def write(self, now: bool = False) -> None:
        """One round: write what is due, forget what is old. `now`: all of it, whatever was due when."""
        self.work.clear()
        now_s = self._clock.monotonic_s()
        if self._watch.jump_s() is not None:
            self._trusted_from_s = now_s + TRUST_CLOCK_S
        if now_s < self._retry_at_s and not now:
            return
        firm, loose = self._take(now or now_s >= self._write_due_s)
        try:
            self._work(firm, loose, now_s)
        except (DBAPIError, DamagedError, OSError) as error:
            with self._lock:
                room = MOST_DECISIONS - len(self._loose)
                self._loose.extendleft(reversed(loose[-room:] if room else []))
            self._fail(error, now_s)

    def close(self) -> None:
        """Write what waits, and close the file."""
        self.write(now=True)
        self._disconnect()
        if self._firm:
            self._warn(f"{self.path}: {self._state.reason}; the last {len(self._firm)} entries are lost")

    def _take(self, all_of_it: bool) -> tuple[dict[str, _Waiting], list[dict[str, Any]]]:
        with self._lock:
            loose = list(self._loose) if all_of_it else []
            if all_of_it:
                self._loose.clear()
                self._write_due_s = self._clock.monotonic_s() + self._settings.write_every_s
            return {key: _Waiting(one.table, one.values, one.done) for key, one in self._firm.items()}, loose

    def _work(self, firm: dict[str, _Waiting], loose: list[dict[str, Any]], now_s: float) -> None:
        connection = self._connected()
        if firm or loose:
            with connection.begin():
                written = {key: _written(connection, one) for key, one in firm.items()}
                if loose:  # one that the table refuses must not keep all others waiting
                    connection.execute(insert(DecisionRow).prefix_with("OR IGNORE"), loose)
            loose.clear()
            self._settle(firm, written)
        if now_s >= self._trim_due_s:
            self._trim_due_s = now_s + TRIM_EVERY_S
            trusted = now_s >= self._trusted_from_s
            trim(connection, self._settings, self._clock.now_ms() if trusted else None)
        if self._state.name != "ready":
            if self._state.name != "starting":
                self._warn(f"{self.path}: the history is written again")
            self._state, self._retry_s = replace(self._state, name="ready", reason=""), RETRY_S

    def _connected(self) -> Connection:
        if self._connection is not None and not self.path.exists():
            self._disconnect()  # somebody removed it: what comes next would go nowhere
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self.path.exists():
                self.path.touch(mode=0o600)  # who was home when is nobody else's business
            self._connection = open_for_writing(self._engine, self._check)
            self._check = False
        if self._ends_what_went_on:
            with self._connection.begin():
                self._connection.execute(update(EventRow).where(EventRow.ongoing).values(ongoing=False))
            self._ends_what_went_on = False
        return self._connection

    def _settle(self, firm: dict[str, _Waiting], written: Mapping[str, int | NoctuleError]) -> None:
        done = []
        with self._lock:
            for key, one in firm.items():
                now = self._firm.get(key)
                if now is not None and now.values is one.values:  # else it grew meanwhile, and waits on
                    del self._firm[key]
                    done.append((one.done, written[key]))
        for future, result in done:  # outside the lock: whoever waits may come back at once
            if isinstance(result, NoctuleError):
                future.set_exception(result)
            else:
                future.set_result(result)

    def _fail(self, error: Exception, now_s: float) -> None:
        self._disconnect()
        trouble = trouble_of(error)
        self._check = self._check or trouble not in (Trouble.LOCKED, Trouble.FULL)
        self._retry_at_s = now_s + self._retry_s
        self._retry_s = min(2.0 * self._retry_s, LONGEST_RETRY_S)
        state = self._set_aside() if trouble is Trouble.DAMAGED else None
        if state is None:
            cause = error.orig if isinstance(error, DBAPIError) else error
            reason = _REASONS.get(trouble) or f"the history cannot be written ({str(cause).lower()})"
            state = replace(self._state, name=_NAMES.get(trouble, "unavailable"), reason=reason)
        if state.reason != self._state.reason:
            self._warn(f"{self.path}: {state.reason}; events wait in memory")
        self._state = state

    def _set_aside(self) -> StoreState | None:
        try:
            aside = set_aside(self.path, self._clock.now_ms())
        except OSError:
            return None
        return replace(
            self._state,
            name="unavailable",
            reason=f"the history was damaged: set aside as {aside.name}",
            aside=aside,
        )

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def _written(connection: Connection, one: _Waiting) -> int | NoctuleError:
    """The number of the row; what the tables refuse must not keep the others from being written."""
    if one.table is LabelRow and one.values["what"] is None:
        event_id = int(one.values["event_id"])
        connection.execute(delete(LabelRow).where(LabelRow.event_id == event_id))
        return event_id
    try:
        with connection.begin_nested():
            return _rewritten(connection, one) or _inserted(connection, one)
    except IntegrityError:
        wanted = one.values.get("event_id")
        return NoctuleError(f"there is no event {wanted}" if wanted else f"refused: {one.values}")


def _rewritten(connection: Connection, one: _Waiting) -> int | None:
    """An event that was told before, a label that was given before; None: neither.

    Not an upsert: one that only updates takes a number all the same.
    """
    if one.table not in _KNOWN_BY:
        return None
    known, number, changes = _KNOWN_BY[one.table]
    statement = update(one.table).where(known == one.values[known.key]).returning(number)
    return connection.execute(statement.values({name: one.values[name] for name in changes})).scalar()


def _inserted(connection: Connection, one: _Waiting) -> int:
    number = _KNOWN_BY[one.table][1] if one.table in _KNOWN_BY else one.table.__table__.c.id
    return int(connection.execute(insert(one.table).values(one.values).returning(number)).scalar_one())
