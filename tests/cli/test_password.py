"""`noctule password`: asked twice, kept as a hash, and the rest of the settings file stays."""

from __future__ import annotations

import getpass
import io
import stat
import sys
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from tests.cli.command import Command

from noctule.core.settings import load_settings

GOOD = "correct horse"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "noctule" / "noctule.toml"


def typed(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    """At a terminal, which is asked without echo."""
    left = list(words)
    monkeypatch.setattr(sys, "stdin", io.StringIO("echoed\n"))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(getpass, "getpass", lambda prompt="": left.pop(0))


def hash_in(path: Path) -> str:
    kept = load_settings(path, environment={}).web.password_hash
    assert kept is not None
    return kept


def test_the_file_gets_the_hash_and_nobody_else_reads_it(
    noctule: Command, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, GOOD, GOOD)
    done = noctule("password")
    assert done.returncode == 0, done.stderr
    assert PasswordHasher().verify(hash_in(config), GOOD)
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert GOOD not in config.read_text() + done.stdout + done.stderr


def test_it_can_come_from_a_pipe_and_comments_stay(
    noctule: Command, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.parent.mkdir()
    config.write_text("[web]\nport = 9000 # the old one was taken\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{GOOD}\n"))
    assert noctule("password").returncode == 0
    assert "port = 9000 # the old one was taken" in config.read_text()
    assert PasswordHasher().verify(hash_in(config), GOOD)


@pytest.mark.parametrize(
    ("words", "complaint"), [((GOOD, GOOD.upper()), "not the same"), (("short", "short"), "8 characters")]
)
def test_what_will_not_do_is_one_line_and_the_old_one_stays(
    noctule: Command,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, str],
    complaint: str,
) -> None:
    typed(monkeypatch, GOOD, GOOD)
    noctule("password")
    before = config.read_bytes()
    typed(monkeypatch, *words)
    done = noctule("password")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert complaint in line
    assert config.read_bytes() == before


def test_it_can_be_removed_unless_others_could_come_in_then(
    noctule: Command, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.parent.mkdir()
    config.write_text('[web]\nhost = "0.0.0.0"\n')
    typed(monkeypatch, GOOD, GOOD)
    assert noctule("password").returncode == 0
    done = noctule("password", "--remove")
    assert done.returncode == 2
    assert "0.0.0.0" in done.stderr
    assert hash_in(config)
    config.write_text(config.read_text().replace("0.0.0.0", "::1"))
    assert noctule("password", "--remove").returncode == 0
    assert load_settings(config, environment={}).web.password_hash is None


def test_a_settings_file_that_is_none_is_said_before_anybody_is_asked(
    noctule: Command, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.parent.mkdir()
    config.write_text("[web\n")
    typed(monkeypatch)  # asking would fail
    done = noctule("password")
    assert done.returncode == 2
    assert "not valid TOML" in done.stderr
