"""The snapshot in a file: written whole or not at all, and only where it changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from noctule.core.errors import NoctuleError
from noctule.core.files import written_whole


class StateFile:
    """One file. A process that is killed leaves the old or the new snapshot, never half of one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: Mapping[str, Any] | None = None

    def read(self) -> Mapping[str, Any] | None:
        """The snapshot, or None where there is none.

        Raises
        ------
        NoctuleError
            There is a file, and it holds no snapshot.
        """
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise NoctuleError(f"{self._path}: cannot be read ({error.strerror})") from None
        except ValueError:
            raise NoctuleError(f"{self._path}: holds no snapshot; remove it to start without") from None
        if not isinstance(found, dict):
            raise NoctuleError(f"{self._path}: holds no snapshot; remove it to start without")
        return found

    def write(self, snapshot: Mapping[str, Any]) -> None:
        """Keep a snapshot; one that tells nothing new but the time is not written.

        Raises
        ------
        OSError
            The disk is full, or the file cannot be written.
        """
        news = {key: value for key, value in snapshot.items() if key != "now_s"}
        if news == self._written:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(self._path) as file:
            file.write(json.dumps(snapshot).encode())
        self._written = news
