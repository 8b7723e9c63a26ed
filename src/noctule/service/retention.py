"""What is forgotten: by age, and by size where age is not enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, Delete, delete, func, select

from noctule.service.tables import DecisionRow, EventRow, HealthRow, LabelRow, SettingRow

if TYPE_CHECKING:
    from noctule.core.settings import StoreSettings

DAY_MS = 86_400_000.0
#: The newest of each table stay, whatever a clock says of their age.
NEWEST_STAY = 1000
#: How much of a table goes at a time where the file is too large.
SHARE = 0.1

_UNLABELLED = EventRow.id.not_in(select(LabelRow.event_id))


def trim(connection: Connection, settings: StoreSettings, now_ms: int | None) -> None:
    """Forget what is too old, then what is too much, and give the room back.

    Parameters
    ----------
    now_ms : None: the clock is not to be trusted, nothing is old.
    """
    if now_ms is not None:
        decisions_ms = now_ms - settings.decisions_keep_days * DAY_MS
        events_ms = now_ms - settings.events_keep_days * DAY_MS
        with connection.begin():
            for removal in (
                _but_the_newest(DecisionRow).where(DecisionRow.at_ms < decisions_ms),
                _but_the_newest(EventRow).where(EventRow.end_ms < events_ms, _UNLABELLED),
                _but_the_newest(HealthRow).where(HealthRow.at_ms < events_ms),
                _but_the_newest(SettingRow).where(SettingRow.at_ms < events_ms),
            ):
                connection.execute(removal)
    while used_bytes(connection) > settings.largest_mb * 1e6 and _forget_some(connection):
        pass
    # each step of this statement frees a page; only a script is stepped to its end
    file = connection.connection.driver_connection
    assert file is not None
    file.executescript("PRAGMA incremental_vacuum")


def used_bytes(connection: Connection) -> int:
    """What the file holds, without pages that are free."""
    with connection.begin():
        page, pages, free = (
            int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
            for name in ("page_size", "page_count", "freelist_count")
        )
    return page * (pages - free)


def _but_the_newest(table: type[DecisionRow | EventRow | HealthRow | SettingRow]) -> Delete:
    newest = select(func.max(table.id)).scalar_subquery()
    return delete(table).where(table.id <= newest - NEWEST_STAY)


def _forget_some(connection: Connection) -> bool:
    """The oldest part of what matters least; False: nothing is left that may go."""
    for table, may_go in ((DecisionRow, None), (HealthRow, None), (EventRow, _UNLABELLED), (EventRow, None)):
        old = select(table.id).order_by(table.id)
        old = old if may_go is None else old.where(may_go)
        with connection.begin():
            count = connection.execute(select(func.count()).select_from(old.subquery())).scalar_one()
            some = int(count * SHARE)
            if count <= NEWEST_STAY:
                continue
            connection.execute(delete(table).where(table.id.in_(old.limit(some))))
        return True
    return False
