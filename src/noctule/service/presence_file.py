"""Who was here a moment ago, in a file: a sensor that is killed knows it when it is there again."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from noctule.core.files import written_whole
from noctule.presence.tracker import RESTORE_WITHIN_S
from noctule.service.clock import Clock

FILE = "presence.json"
#: Kept so often, and at each change of presence.
KEEP_EVERY_S = 5.0


class PresenceFile:
    """A snapshot of the tracker, and when it was taken by the wall clock. Written in a thread of its own."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._path, self._clock = folder / FILE, clock
        self._disk = ThreadPoolExecutor(1, "presence")
        self._due_s, self._present = float("-inf"), False

    def read(self) -> tuple[dict[str, Any], float] | None:
        """The snapshot and its age; None: there is none that still says anything."""
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            snapshot, age_s = dict(found["tracker"]), self._clock.wall_s() - float(found["at"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return (snapshot, age_s) if 0.0 <= age_s <= RESTORE_WITHIN_S else None

    def take(self, present: bool, snapshot: Callable[[], Mapping[str, Any] | None]) -> None:
        """With each record: keep it where it is due; never waits."""
        now_s = self._clock.monotonic_s()
        if now_s < self._due_s and present == self._present:
            return
        known = snapshot()
        if known is not None:
            self._due_s, self._present = now_s + KEEP_EVERY_S, present
            self._disk.submit(self._write, known, self._clock.wall_s())

    def close(self) -> None:
        self._disk.shutdown()

    def _write(self, snapshot: Mapping[str, Any], now_s: float) -> None:
        """On a full disk the old one stays, which is soon too old."""
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with written_whole(self._path, 0o600) as file:
                file.write(json.dumps({"at": now_s, "tracker": snapshot}).encode())
