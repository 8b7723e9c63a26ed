"""Wall time and monotonic time, handed in; and wall time as it is stored (ms) and told (ISO 8601)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

#: Network time moves a clock by less; whoever sets it moves it by more.
JUMP_S = 30.0


@dataclass(frozen=True, slots=True)
class Clock:
    """wall_s : seconds since 1970, may jump. monotonic_s : never goes back, means nothing after a restart."""

    wall_s: Callable[[], float] = time.time
    monotonic_s: Callable[[], float] = time.monotonic

    def now_ms(self) -> int:
        return round(self.wall_s() * 1000.0)


class ClockWatch:
    """Notices that the wall clock was set."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_s = clock.wall_s() - clock.monotonic_s()

    def jump_s(self) -> float | None:
        """By how much it was set since the last call, None: it was not."""
        offset_s = self._clock.wall_s() - self._clock.monotonic_s()
        moved_s, self._offset_s = offset_s - self._offset_s, offset_s
        return moved_s if abs(moved_s) > JUMP_S else None


def iso_of_ms(moment_ms: int) -> str:
    """As records tell it: UTC, milliseconds, `Z`."""
    moment = datetime.fromtimestamp(moment_ms / 1000.0, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ms_of_iso(text: str) -> int:
    """Milliseconds since 1970; a time without zone is UTC."""
    moment = datetime.fromisoformat(text)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000.0)
