"""One SQLite file: schema, transactions, damage."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from noctule.service.database import (
    KEEP_ASIDE,
    MIGRATIONS,
    SCHEMA,
    DamagedError,
    Trouble,
    files_aside,
    migrate,
    open_for_writing,
    set_aside,
    trouble_of,
    writer_engine,
)
from noctule.service.tables import Table

FILE = "history.sqlite"


def opened(path: Path) -> Connection:
    return open_for_writing(writer_engine(path, 1.0), check=True)


def revisions() -> list[str]:
    """Every migration, oldest first, and `base`: a file without tables."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    found = [one.revision for one in ScriptDirectory.from_config(config).walk_revisions()]
    return ["base", *reversed(found)]


def test_the_newest_migration_is_the_one_that_is_asked_for() -> None:
    assert revisions()[-1] == SCHEMA


@pytest.mark.parametrize("revision", revisions())
def test_a_file_of_any_version_becomes_what_the_tables_say(tmp_path: Path, revision: str) -> None:
    path = tmp_path / FILE
    with writer_engine(path, 1.0).begin() as connection:
        if revision != "base":
            migrate(connection, revision)
    connection = opened(path)
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    assert compare_metadata(context, Table.metadata) == []
    connection.close()


def test_a_migration_keeps_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version to come, made up here: another column in `health`."""
    path = tmp_path / FILE
    connection = opened(path)
    with connection.begin():
        connection.exec_driver_sql("INSERT INTO health (at_ms, state, reason) VALUES (1, 'failed', 'x')")
    connection.close()
    later = tmp_path / "migrations"
    (later / "versions").mkdir(parents=True)
    (later / "env.py").write_text((MIGRATIONS / "env.py").read_text())
    for file in (MIGRATIONS / "versions").glob("*.py"):
        (later / "versions" / file.name).write_text(file.read_text())
    (later / "versions" / "next.py").write_text(
        f"import sqlalchemy as sa\nfrom alembic import op\nrevision, down_revision = 'next', '{SCHEMA}'\n"
        "def upgrade():\n    op.add_column('health', sa.Column('more', sa.Integer(), server_default='7'))\n"
    )
    monkeypatch.setattr("noctule.service.database.MIGRATIONS", later)
    monkeypatch.setattr("noctule.service.database.SCHEMA", "next")
    connection = opened(path)
    with connection.begin():
        assert connection.exec_driver_sql("SELECT * FROM health").all() == [(1, 1, "failed", "x", 7)]
    connection.close()


def test_a_migration_that_fails_half_way_leaves_the_old_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = tmp_path / "migrations"
    (later / "versions").mkdir(parents=True)
    (later / "env.py").write_text((MIGRATIONS / "env.py").read_text())
    (later / "versions" / "bad.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\nrevision, down_revision = 'bad', None\n"
        "def upgrade():\n    op.create_table('half', sa.Column('a', sa.Integer()))\n"
        "    raise OSError('killed')\n"
    )
    monkeypatch.setattr("noctule.service.database.MIGRATIONS", later)
    with pytest.raises(OSError, match="killed"):
        opened(tmp_path / FILE)
    with sqlite3.connect(tmp_path / FILE) as file:
        assert file.execute("SELECT name FROM sqlite_master").fetchall() == []
    file.close()


def test_a_file_of_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / FILE
    opened(path).close()
    with sqlite3.connect(path) as file:
        file.execute("UPDATE alembic_version SET version_num = '9999'")
    file.close()
    with pytest.raises(DamagedError, match="another version"):
        opened(path)


def test_tables_of_something_else_are_not_taken_for_ours(tmp_path: Path) -> None:
    path = tmp_path / FILE
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE events (title TEXT)")
    file.close()
    with pytest.raises(DamagedError, match="other tables"):
        opened(path)


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (OSError(errno.ENOSPC, "no space left"), Trouble.FULL),
        (OSError(errno.EACCES, "denied"), Trouble.UNAVAILABLE),
        (DamagedError("x"), Trouble.DAMAGED),
    ],
)
def test_errors_of_the_system(error: Exception, trouble: Trouble) -> None:
    assert trouble_of(error) is trouble


def test_what_is_set_aside_keeps_its_log_and_gives_way_in_the_end(tmp_path: Path) -> None:
    path = tmp_path / FILE
    for k in range(KEEP_ASIDE + 2):
        path.write_text(f"file {k}")
        Path(f"{path}-wal").write_text(f"log {k}")
        aside = set_aside(path, 1_000_000_000_000)  # within one second
        os.utime(aside, (k, k))
        assert not path.exists()
        assert aside.read_text() == f"file {k}"
        assert Path(f"{aside}-wal").read_text() == f"log {k}"
    kept = files_aside(path)
    assert [file.read_text() for file in kept] == [f"file {k}" for k in range(2, KEEP_ASIDE + 2)]
    assert len(list(tmp_path.iterdir())) == 2 * KEEP_ASIDE
