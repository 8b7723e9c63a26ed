"""What is remembered, read back. Cheap: a connection for each question, and a writer keeps nobody waiting."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from noctule.core.errors import NoctuleError
from noctule.service.clock import iso_of_ms
from noctule.service.database import (
    SCHEMA,
    DamagedError,
    Trouble,
    open_for_writing,
    reader_engine,
    schema_of,
    trouble_of,
    writer_engine,
)
from noctule.service.tables import DecisionRow, EventRow, HealthRow, LabelRow, SettingRow

_WORDS = {
    Trouble.LOCKED: "is locked by another program: try again",
    Trouble.FULL: "cannot be read: the disk is full",
    Trouble.UNAVAILABLE: "cannot be read",
    Trouble.DAMAGED: "is damaged or not a history: the sensor sets it aside at its next start",
}


class History:
    """Answers about one file; where there is none, nothing happened.

    Moments are ISO 8601 in UTC, `since_ms` and `until_ms` milliseconds since 1970.

    Raises
    ------
    NoctuleError
        Each question, where the file cannot be read: one line.
    """

    def __init__(self, path: Path, busy_timeout_s: float = 2.0) -> None:
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._engine = reader_engine(path, busy_timeout_s)
        self._up_to_date = False

    def events(
        self,
        since_ms: int | None = None,
        until_ms: int | None = None,
        limit: int = 1000,
        event_id: int | None = None,
    ) -> list[dict[str, Any]]:
        """The newest, oldest first, with their labels; those that went on at `since_ms` as well."""
        query = select(EventRow, LabelRow.what).outerjoin(LabelRow).order_by(EventRow.id.desc()).limit(limit)
        if since_ms is not None:
            query = query.where(EventRow.end_ms >= since_ms)
        if until_ms is not None:
            query = query.where(EventRow.start_ms < until_ms)
        if event_id is not None:
            query = query.where(EventRow.id == event_id)
        with self._session() as session:
            rows = session.execute(query).all() if session else []
        return [event_record(event, label) for event, label in reversed(rows)]

    def decisions(self, since_ms: int, until_ms: int, limit: int = 10_000) -> list[dict[str, Any]]:
        """In the order they were made."""
        query = (
            select(DecisionRow)
            .where(DecisionRow.at_ms >= since_ms, DecisionRow.at_ms < until_ms)
            .order_by(DecisionRow.id)
            .limit(limit)
        )
        return self._records(query)

    def health(self, limit: int = 100) -> list[dict[str, Any]]:
        """The last changes of health, oldest first."""
        return self._records(select(HealthRow).order_by(HealthRow.id.desc()).limit(limit))[::-1]

    def settings(self, limit: int = 100) -> list[dict[str, Any]]:
        """The last changes of settings, oldest first."""
        return self._records(select(SettingRow).order_by(SettingRow.id.desc()).limit(limit))[::-1]

    def counts(self) -> dict[str, int]:
        """Rows of each table, and events of each kind and label."""
        with self._session() as session:
            if not session:
                return {}
            tables = (EventRow, LabelRow, DecisionRow, HealthRow, SettingRow)
            counts = {
                table.__tablename__: session.execute(select(func.count()).select_from(table)).scalar_one()
                for table in tables
            }
            for column in (EventRow.kind, LabelRow.what):
                for name, count in session.execute(select(column, func.count()).group_by(column)):
                    counts[f"{column.class_.__tablename__}: {name}"] = count
        return counts

    def present(self) -> bool | None:
        """Whether somebody was here when the last event was written; None: not known."""
        query = select(EventRow.kind).where(EventRow.kind.in_(("entered", "left")))
        with self._session() as session:
            last = session.scalars(query.order_by(EventRow.id.desc()).limit(1)).first() if session else None
        return None if last is None else last == "entered"

    def captures_with_a_label(self) -> set[str]:
        """Names of captures whose event a person has named."""
        query = select(EventRow.capture).join(LabelRow).where(EventRow.capture.is_not(None))
        with self._session() as session:
            return {name for name in session.scalars(query) if name} if session else set()

    def _records(self, query: Any) -> list[dict[str, Any]]:
        with self._session() as session:
            rows = session.scalars(query).all() if session else []
        return [_record(row) for row in rows]

    @contextlib.contextmanager
    def _session(self) -> Iterator[Session | None]:
        if not self._path.exists():
            yield None
            return
        try:
            if not self._up_to_date:
                self._bring_up_to_date()
            with Session(self._engine, expire_on_commit=False) as session:
                yield session
        except (DBAPIError, DamagedError, OSError) as error:
            raise NoctuleError(f"{self._path}: the history {_WORDS[trouble_of(error)]}") from None

    def _bring_up_to_date(self) -> None:
        """A file of an older version, read before a sensor of this version has opened it."""
        with self._engine.connect() as connection:
            found = schema_of(connection)
        if found != SCHEMA:
            open_for_writing(writer_engine(self._path, self._busy_timeout_s), check=False).close()
        self._up_to_date = True


def event_record(event: EventRow, label: str | None) -> dict[str, Any]:
    """An event as it is told: a plain dict that JSON can carry."""
    record = _record(event)
    start, end = iso_of_ms(record.pop("start_ms")), iso_of_ms(record.pop("end_ms"))
    return {"id": record.pop("id"), "start": start, "end": end, **record, "label": label}


def _record(row: Any) -> dict[str, Any]:
    record = {column.key: getattr(row, column.key) for column in row.__table__.columns}
    if "at_ms" in record:
        del record["id"]
        record = {"time": iso_of_ms(record.pop("at_ms")), **record}
    return record
