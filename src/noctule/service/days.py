"""The history by the day: when somebody was here, when nothing could be sensed, and events page by page."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from noctule.core.frames import BLOCKING_FAULTS
from noctule.service.health import FAULT_WORDS
from noctule.service.history import History, event_record
from noctule.service.store import WHATS
from noctule.service.tables import DecisionRow, EventRow, HealthRow, LabelRow

Only = Literal["all", "unlabelled", "false"]
ONLY: tuple[str, ...] = get_args(Only)
#: What a person says of an event that should not have been.
FALSE_ALARMS = tuple(what for what in WHATS if what != "me")

#: A moment of a day: nothing is known, nobody, somebody, motion, or nothing could be sensed.
UNKNOWN, NOBODY, SOMEBODY, MINOR, MAJOR, BLIND = range(6)
MINUTE_MS = 60_000
#: No decision for so long: the sensor did not run.
GAP_MS = 2 * MINUTE_MS
NOT_RUNNING = "the sensor did not run"

_DEAF = (*(words for fault, words in FAULT_WORDS.items() if fault & BLOCKING_FAULTS), "no records come")

# from row to the last row within the gap: as many steps as a day has minutes, not seconds
_GAPS = text("""
    WITH RECURSIVE steps(before, at) AS (
        SELECT NULL, (SELECT min(at_ms) FROM decisions WHERE at_ms >= :since)
        UNION ALL
        SELECT at, coalesce(
            (SELECT max(at_ms) FROM decisions WHERE at_ms > at AND at_ms <= at + :gap),
            (SELECT min(at_ms) FROM decisions WHERE at_ms > at + :gap AND at_ms < :until))
        FROM steps WHERE at IS NOT NULL)
    SELECT before, at FROM steps WHERE at - before > :gap
""")

Stretch = tuple[int, int]


class Days(History):
    """Answers for the timeline. All moments are milliseconds since 1970.

    Raises
    ------
    NoctuleError
        Each question, where the file cannot be read: one line.
    """

    def page(
        self,
        *,
        only: str = "all",
        since_ms: int | None = None,
        until_ms: int | None = None,
        before: tuple[int, int] | None = None,
        limit: int = 30,
    ) -> list[dict[str, Any]]:
        """Events, newest first, as `History.events` gives them.

        Parameters
        ----------
        only : all, those without a label, or false alarms.
        since_ms, until_ms : those that began in between.
        before : (start_ms, id) of the last one of the page before.
        """
        query = select(EventRow, LabelRow.what).outerjoin(LabelRow)
        if only == "unlabelled":
            query = query.where(LabelRow.what.is_(None))
        elif only == "false":
            query = query.where(LabelRow.what.in_(FALSE_ALARMS), EventRow.kind != "left")
        if since_ms is not None:
            query = query.where(EventRow.start_ms >= since_ms)
        if until_ms is not None:
            query = query.where(EventRow.start_ms < until_ms)
        if before is not None:
            start_ms, number = before
            later = (EventRow.start_ms == start_ms) & (EventRow.id >= number)
            query = query.where(EventRow.start_ms <= start_ms, ~later)
        query = query.order_by(EventRow.start_ms.desc(), EventRow.id.desc()).limit(limit)
        with self._session() as session:
            return [event_record(event, label) for event, label in session.execute(query)] if session else []

    def first_ms(self) -> int | None:
        """The first moment of which anything is remembered."""
        with self._session() as session:
            if session is None:
                return None
            moments = (EventRow.start_ms, DecisionRow.at_ms, HealthRow.at_ms)
            first = [session.scalar(select(func.min(moment))) for moment in moments]
        return min((one for one in first if one is not None), default=None)

    def bands(self, edges_ms: Sequence[int], now_ms: int) -> list[dict[str, Any]]:
        """What was when, of days that lie between these moments, in their order.

        Each is `{"start_ms", "end_ms", "runs": [[start_ms, end_ms, code]], "blind": [[start_ms, end_ms,
        words]], "present_ms", "events"}`; runs are cut at whole minutes, codes are this module's.
        """
        first_ms = self.first_ms()
        known = _clipped((edges_ms[0], edges_ms[-1]), (now_ms if first_ms is None else first_ms, now_ms))
        with self._session() as session:
            if session is None:
                return []
            there = _There.between(session, *known) if known else _There()
        return [_band(start, end, known, there) for start, end in pairwise(edges_ms)]


@dataclass(frozen=True)
class _There:
    """All that is known of some days, in milliseconds since 1970."""

    present: Sequence[Stretch] = ()
    minor: Sequence[Stretch] = ()
    major: Sequence[Stretch] = ()
    blind: Sequence[tuple[int, int, str]] = ()
    starts: Sequence[int] = ()  # of events, in order

    @classmethod
    def between(cls, session: Session, start: int, end: int) -> _There:
        return cls(
            _present(session, start, end),
            _moved(session, start, end, "minor"),
            _moved(session, start, end, "major"),
            _blind(session, start, end),
            session.scalars(
                select(EventRow.start_ms)
                .where(EventRow.start_ms >= start, EventRow.start_ms < end)
                .order_by(EventRow.start_ms)
            ).all(),
        )


def _band(start: int, end: int, known: Stretch | None, there: _There) -> dict[str, Any]:
    day = _clipped((start, end), known) if known else None
    minutes = np.zeros(-(-(end - start) // MINUTE_MS), np.uint8)
    present = _all_clipped(there.present, day)
    blind = [(max(a, start), min(b, end), why) for a, b, why in there.blind if a < end and b > start]
    layers = (
        ([day] if day else [], NOBODY),
        (present, SOMEBODY),
        (_all_clipped(there.minor, day), MINOR),
        (_all_clipped(there.major, day), MAJOR),
        ([(a, b) for a, b, _ in blind if b - a >= MINUTE_MS], BLIND),
    )
    for stretches, code in layers:
        for a, b in stretches:
            first = (a - start) // MINUTE_MS
            minutes[first : max(-((start - b) // MINUTE_MS), first + 1)] = code
    return {
        "start_ms": start,
        "end_ms": end,
        "runs": _runs(minutes, start),
        "blind": blind,
        "present_ms": sum(b - a for a, b in present),
        "events": bisect_left(there.starts, end) - bisect_left(there.starts, start),
    }


def _clipped(one: Stretch, to: Stretch | None) -> Stretch | None:
    if to is None or one[0] >= to[1] or one[1] < to[0]:
        return None
    return max(one[0], to[0]), min(one[1], to[1])


def _all_clipped(stretches: Sequence[Stretch], to: Stretch | None) -> list[Stretch]:
    return [one for one in (_clipped(stretch, to) for stretch in stretches) if one is not None]


def _runs(minutes: npt.NDArray[np.uint8], start_ms: int) -> list[list[int]]:
    edges = [0, *(np.flatnonzero(np.diff(minutes)) + 1).tolist(), len(minutes)]
    runs = [[start_ms + a * MINUTE_MS, start_ms + b * MINUTE_MS, int(minutes[a])] for a, b in pairwise(edges)]
    return [run for run in runs if run[2] != UNKNOWN]


def _present(session: Session, start: int, end: int) -> list[Stretch]:
    """When somebody was here."""
    changes = select(EventRow.start_ms, EventRow.kind).where(EventRow.kind.in_(("entered", "left")))
    earlier = changes.where(EventRow.start_ms < start).order_by(EventRow.start_ms.desc(), EventRow.id.desc())
    within = changes.where(EventRow.start_ms >= start, EventRow.start_ms < end)
    last = session.execute(earlier.limit(1)).first()
    since: int | None = start if last is not None and last.kind == "entered" else None
    found = []
    for at_ms, kind in session.execute(within.order_by(EventRow.start_ms, EventRow.id)):
        if kind == "entered":
            since = at_ms if since is None else since
        elif since is not None:
            found.append((since, at_ms))
            since = None
    return [*found, (since, end)] if since is not None else found


def _moved(session: Session, start: int, end: int, kind: str) -> list[Stretch]:
    # an episode that began the day before is looked for no longer than a day back: the index is on the start
    query = select(EventRow.start_ms, EventRow.end_ms).where(
        EventRow.start_ms >= start - 24 * 60 * MINUTE_MS,
        EventRow.start_ms < end,
        EventRow.end_ms >= start,
        EventRow.kind == kind,
    )
    return [(a, b) for a, b in session.execute(query)]


def _blind(session: Session, start: int, end: int) -> list[tuple[int, int, str]]:
    """When nothing could be sensed, and why."""
    stretches = [
        (max(a, start), min(b, end), NOT_RUNNING)
        for a, b in session.execute(_GAPS, {"since": start - GAP_MS, "until": end, "gap": GAP_MS})
        if b > start
    ]
    changes = select(HealthRow.at_ms, HealthRow.reason)
    earlier = changes.where(HealthRow.at_ms < start).order_by(HealthRow.at_ms.desc(), HealthRow.id.desc())
    within = changes.where(HealthRow.at_ms >= start, HealthRow.at_ms < end)
    last = session.execute(earlier.limit(1)).first()
    why = _why_deaf(last.reason) if last is not None else None
    since = start
    for at_ms, reason in session.execute(within.order_by(HealthRow.at_ms, HealthRow.id)):
        if why is not None:
            stretches.append((since, at_ms, why))
        since, why = at_ms, _why_deaf(reason)
    if why is not None:
        stretches.append((since, end, why))
    return sorted(stretches)


def _why_deaf(reason: str) -> str | None:
    """Why nothing could be sensed with this reason of health; None: something could."""
    if reason.startswith("muted"):
        return "muted"
    if reason.startswith("was: "):
        return None
    return next((part for part in reason.split("; ") if part.startswith(_DEAF)), None)
