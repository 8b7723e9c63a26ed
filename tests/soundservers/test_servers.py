"""Whatever a test does, no server of its stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.processes import runs
from tests.soundservers.servers import Group, until

# One that sets itself apart with a session of its own, as jackd does, and one plain child beside it.
STUBBORN = "exec setsid sh -c 'echo $$ > apart; exec sleep 100'"
PAIR = "exec sh -c 'sleep 100 & echo $! > child; echo $$ > parent; wait'"
DEAF = "exec sh -c \"trap '' TERM; echo \\$\\$ > deaf; sleep 100 & wait; sleep 100\""


def _pids(folder: Path, *names: str) -> list[int]:
    until(lambda: all((folder / name).exists() for name in names), 5.0, lambda: f"no {names} in {folder}")
    until(lambda: all((folder / name).read_text().strip() for name in names), 5.0, lambda: "no pid")
    return [int((folder / name).read_text()) for name in names]


def _gone(pids: list[int]) -> None:
    until(lambda: not any(runs(pid) for pid in pids), 5.0, lambda: f"one of {pids} still runs")


@pytest.mark.parametrize("word", [b"", b"kill\n"])
@pytest.mark.parametrize(("command", "names"), [(PAIR, ("parent", "child")), (STUBBORN, ("apart",))])
def test_a_group_ends_with_all_its_processes(
    tmp_path: Path, word: bytes, command: str, names: tuple[str, ...]
) -> None:
    group = Group(f"cd '{tmp_path}' && {command}", os.environ, tmp_path / "log")
    pids = _pids(tmp_path, *names)
    assert all(runs(pid) for pid in pids)
    group.end(word)
    _gone(pids)
    group.end()


@pytest.mark.slow
def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    group = Group(f"cd '{tmp_path}' && {DEAF}", os.environ, tmp_path / "log")
    pids = _pids(tmp_path, "deaf")
    group.end()
    _gone(pids)


def test_a_group_ends_when_the_test_run_itself_is_killed(tmp_path: Path) -> None:
    """Seen: a killed test run left servers behind, and the next run met them."""
    code = f"""
import os, pathlib, time
from tests.soundservers.servers import Group
group = Group({f"cd '{tmp_path}' && {PAIR}"!r}, os.environ, pathlib.Path({str(tmp_path / "log")!r}))
time.sleep(100)
"""
    root = Path(__file__).resolve().parents[2]
    starter = subprocess.Popen([sys.executable, "-c", code], cwd=root)
    try:
        pids = _pids(tmp_path, "parent", "child")
    finally:
        starter.send_signal(signal.SIGKILL)
        starter.wait()
    _gone(pids)
