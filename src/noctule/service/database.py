"""One SQLite file: opened, checked, migrated; and what its errors mean.

The writer's transactions begin with the write lock, so that none of them fails half way for want of it; and
they hold what alters tables too, so that a kill in a migration leaves the old schema.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError

MIGRATIONS = Path(__file__).with_name("migrations")

#: The newest migration: what the tables are like in `tables.py`.
SCHEMA = "0001"

#: Of files that were set aside, so many are kept.
KEEP_ASIDE = 3

#: durable once committed, also through a power cut; the log beside the file stays small
_WRITER_PRAGMAS = (
    "auto_vacuum = INCREMENTAL",
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "journal_size_limit = 4194304",
)
_READER_PRAGMAS = ("query_only = ON",)


class Trouble(Enum):
    """Why the file could not be used."""

    LOCKED = "locked"
    FULL = "full"
    UNAVAILABLE = "unavailable"
    DAMAGED = "damaged"


class DamagedError(Exception):
    """The file is no history that this version can use."""


def writer_engine(path: Path, busy_timeout_s: float) -> Engine:
    """For the one thread that writes; makes the file."""
    return _engine(path, "rwc", busy_timeout_s, _WRITER_PRAGMAS, "BEGIN IMMEDIATE")


def reader_engine(path: Path, busy_timeout_s: float) -> Engine:
    """For everybody else; makes no file, and a writer never keeps it waiting."""
    return _engine(path, "rw", busy_timeout_s, _READER_PRAGMAS, "BEGIN")


def _engine(path: Path, mode: str, busy_timeout_s: float, pragmas: tuple[str, ...], begin: str) -> Engine:
    # no pool: a file that was set aside must not live on in an idle connection
    engine = create_engine(
        URL.create(
            "sqlite", database=f"file:{quote(str(path.absolute()))}", query={"mode": mode, "uri": "true"}
        ),
        poolclass=NullPool,
        connect_args={"timeout": busy_timeout_s, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # the module's own idea of transactions leaves out DDL
        try:
            for pragma in pragmas:
                connection.execute(f"PRAGMA {pragma}")
        except sqlite3.Error:
            connection.close()
            raise

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def open_for_writing(engine: Engine, check: bool) -> Connection:
    """A connection to the newest schema, on a file that was looked through, if asked for.

    Raises
    ------
    DamagedError, DBAPIError
        See `trouble_of`.
    """
    connection = engine.connect()
    try:
        with connection.begin():
            found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar() if check else "ok"
            if found != "ok":
                raise DamagedError(str(found))
            if schema_of(connection) != SCHEMA:
                migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def schema_of(connection: Connection) -> str | None:
    """The migration that a file is at; None: it has no tables yet."""
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def migrate(connection: Connection, revision: str = "head") -> None:
    """Bring the schema up to date, inside the transaction at hand; data stays.

    Raises
    ------
    DamagedError
        A newer version of noctule made the file, or it holds tables of something else.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise DamagedError(f"made by another version: {error}") from None
    except OperationalError as error:
        if getattr(error.orig, "sqlite_errorcode", 0) != sqlite3.SQLITE_ERROR:
            raise
        raise DamagedError(f"holds other tables: {error.orig}") from None


def trouble_of(error: Exception) -> Trouble:
    """What an error of SQLite or of the system means for whoever wants to write."""
    if isinstance(error, DamagedError):
        return Trouble.DAMAGED
    if isinstance(error, OSError):
        return Trouble.FULL if error.errno == errno.ENOSPC else Trouble.UNAVAILABLE
    cause = error.orig if isinstance(error, DBAPIError) else None
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF  # the rest of it says where
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Trouble.LOCKED
    if code == sqlite3.SQLITE_FULL:
        return Trouble.FULL
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return Trouble.DAMAGED
    return Trouble.UNAVAILABLE


def set_aside(path: Path, now_ms: int) -> Path:
    """Move a damaged file, with its log, to another name, and give that name.

    Whoever repairs it finds all that it held; the oldest of several are removed.
    """
    stamp = datetime.fromtimestamp(now_ms / 1000.0, UTC).strftime("%Y%m%dT%H%M%S")
    target = path.with_name(f"{path.stem}.damaged-{stamp}{path.suffix}")
    while target.exists():
        target = target.with_stem(f"{target.stem}-again")
    with contextlib.suppress(FileNotFoundError):
        os.replace(f"{path}-wal", f"{target}-wal")
    Path(f"{path}-shm").unlink(missing_ok=True)
    os.replace(path, target)
    for old in files_aside(path)[:-KEEP_ASIDE]:
        Path(f"{old}-wal").unlink(missing_ok=True)
        old.unlink(missing_ok=True)
    return target


def files_aside(path: Path) -> list[Path]:
    """Files that were set aside, oldest first."""
    return sorted(
        path.parent.glob(f"{path.stem}.damaged-*{path.suffix}"), key=lambda file: file.stat().st_mtime
    )
