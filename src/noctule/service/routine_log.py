"""The log of Routines: the newest lines, kept in a file over restarts."""

from __future__ import annotations

import contextlib
import json
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from noctule.core.files import written_whole

#: So many lines are kept; the file is cut to them when it has twice as many.
MOST_LINES = 500


class RoutineLog:
    """Entries as the bus tells them. The file is written by `disk`, one thread.

    Attributes
    ----------
    entries : the newest, oldest first.
    """

    def __init__(self, path: Path, disk: Executor) -> None:
        self.entries: deque[dict[str, Any]] = deque(maxlen=MOST_LINES)
        self._path, self._disk = path, disk
        self._lines = 0
        self._last_run: dict[str, dict[str, Any]] = {}

    def read(self) -> None:
        """What the last process left; half a line of one that was killed is no line."""
        with contextlib.suppress(OSError):
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
            self._lines = len(lines)
            for line in lines:
                with contextlib.suppress(ValueError):
                    entry = json.loads(line)
                    if isinstance(entry, dict):
                        self._note(entry)

    def add(self, entry: dict[str, Any]) -> None:
        """One more."""
        self._note(entry)
        self._lines += 1
        if self._lines >= 2 * MOST_LINES:
            self._lines = len(self.entries)
            self._disk.submit(self._cut, list(self.entries))
        else:
            self._disk.submit(self._append, entry)

    def last_run(self, id: str) -> dict[str, Any] | None:
        """The newest entry that says that this Routine ran."""
        return self._last_run.get(id)

    def _note(self, entry: dict[str, Any]) -> None:
        self.entries.append(entry)
        if entry.get("runs") is True:
            self._last_run[str(entry.get("routine"))] = entry

    def _append(self, entry: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # a full disk: it is still in memory
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(_line(entry))

    def _cut(self, entries: Iterable[dict[str, Any]]) -> None:
        with contextlib.suppress(OSError), written_whole(self._path) as file:
            file.writelines(_line(entry).encode() for entry in entries)


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry) + "\n"
