"""`noctule events` and `noctule support`."""

from __future__ import annotations

import json
import sqlite3
import time
import zipfile
from pathlib import Path

import pytest
from tests.cli.command import Command
from tests.service.test_store import event

from noctule.cli.events import moment_ms
from noctule.core.errors import NoctuleError
from noctule.core.settings import StoreSettings
from noctule.service.store import FILE, Store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A history of now: somebody came two hours ago, and moved; somebody left a minute ago."""
    now_ms = round(time.time() * 1000)
    store = Store(StoreSettings(), tmp_path, owner=True)
    hours_ago = now_ms - 7_200_000
    store.keep_event(event(1, kind="entered", start_ms=hours_ago, end_ms=hours_ago, reason="major motion"))
    store.keep_event(event(2, start_ms=hours_ago, end_ms=hours_ago + 4000))
    store.keep_event(
        event(3, kind="left", start_ms=now_ms - 60_000, end_ms=now_ms - 60_000, reason="no motion")
    )
    store.close()
    return tmp_path


def test_events_in_words(noctule: Command, folder: Path) -> None:
    done = noctule("events", "--folder", folder)
    assert done.returncode == 0
    came, moved, left = done.stdout.splitlines()
    assert came.split()[0] == "1"
    assert "somebody came" in came
    assert came.endswith("(major motion)")
    assert "major motion for 4 s, up to +0.7 m/s" in moved
    assert "nobody any more" in left


def test_since_and_limit(noctule: Command, folder: Path) -> None:
    for arguments, expected in (
        (("--since", "1h"), [3]),
        (("--since", "3h"), [1, 2, 3]),
        (("--since", "2000-01-01"), [1, 2, 3]),
        (("--limit", "1"), [3]),
    ):
        done = noctule("events", "--json", "--folder", folder, *arguments)
        assert [one["id"] for one in done.records] == expected
    assert noctule("events", "--since", "1s", "--folder", folder).stdout == "nothing happened (--since 1s)\n"
    assert noctule("events", "--since", "1s", "--json", "--folder", folder).stdout == ""


def test_a_label_is_kept_and_shown(noctule: Command, folder: Path) -> None:
    done = noctule("events", "--label", 2, "curtain", "--folder", folder)
    assert (done.returncode, done.stdout) == (0, "event 2: curtain\n")
    assert [one["label"] for one in noctule("events", "--json", "--folder", folder).records] == [
        None, "curtain", None,
    ]  # fmt: skip
    assert "[that was: curtain]" in noctule("events", "--folder", folder).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--label", 9, "fan"), "there is no event 9"),
        (("--label", 1, "ghost"), "pet or other, not 'ghost'"),
        (("--since", "yesterday"), "--since yesterday: neither"),
        (("--label", "x", "fan"), "valid integer"),
    ],
)
def test_what_cannot_be_is_one_line(
    noctule: Command, folder: Path, arguments: tuple[object, ...], said: str
) -> None:
    done = noctule("events", "--folder", folder, *arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_label_on_a_locked_history_is_refused(
    noctule: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = sqlite3.connect(folder / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(StoreSettings.model_fields["busy_timeout_s"], "default", 0.0)
    StoreSettings.model_rebuild(force=True)
    done = noctule("events", "--label", 2, "fan", "--folder", folder)
    other.close()
    monkeypatch.undo()
    StoreSettings.model_rebuild(force=True)
    assert done.returncode == 2
    assert "locked" in done.stderr


def test_without_a_history(noctule: Command, tmp_path: Path) -> None:
    assert noctule("events", "--folder", tmp_path).stdout == "nothing happened (--since 1d)\n"
    done = noctule("events", "--label", 1, "fan", "--folder", tmp_path)
    assert done.returncode == 2
    assert "no history yet" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_history(noctule: Command, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("no database")
    done = noctule("events", "--folder", tmp_path)
    assert done.returncode == 2
    assert "damaged or not a history" in done.stderr
    assert (tmp_path / FILE).read_text() == "no database"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("1.5h", 5400), ("7d", 604800), ("1w", 604800)]
)
def test_spans(text: str, seconds: float) -> None:
    assert moment_ms(text, 1e9) == round((1e9 - seconds) * 1000)


def test_moments() -> None:
    assert moment_ms("2001-09-09T01:46:40Z", 0.0) == 1_000_000_000_000
    assert moment_ms("2001-09-09T03:46:40+02:00", 0.0) == 1_000_000_000_000
    with pytest.raises(NoctuleError):
        moment_ms("5", 0.0)


def test_support_writes_a_bundle(
    noctule: Command, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noctule.cli.support._devices", list)
    monkeypatch.setattr("noctule.service.support.journal", list)
    out = tmp_path / "out.zip"
    settings = tmp_path / "bad.toml"
    settings.write_text("[emit]\nlevl_dbfs = 1\n")
    done = noctule("support", out, "--folder", folder, "--config", settings)
    assert done.returncode == 0
    assert done.stdout.startswith(f"{out}: versions.json")
    with zipfile.ZipFile(out) as bundle:
        assert json.loads(bundle.read("history.json"))["counts"]["events"] == 3
        assert "levl_dbfs" in json.loads(bundle.read("settings.json"))["error"]
