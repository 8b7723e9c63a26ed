"""The time: the one on the wall, and the one that nobody sets."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Handed to everything that asks for the time."""

    def wall_s(self) -> float:
        """Seconds since 1970, as this machine believes."""

    def monotonic_s(self) -> float:
        """Seconds since some moment, never set; going back means that it began anew."""


class SystemClock:
    """This machine's clocks."""

    #: Goes on while the machine sleeps, as the wall's does; `time.monotonic` of Linux does not.
    _STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def wall_s(self) -> float:
        return time.time()

    def monotonic_s(self) -> float:
        return time.clock_gettime(self._STEADY)


class RecordClock:
    """The time as records of `noctule run` tell it, going on by itself between two of them.

    Parameters
    ----------
    clock : this machine's, for what lies between two records, and for records without the time of day.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._wall_s, self._monotonic_s = self._clock.wall_s(), 0.0
        self._heard_s = self._clock.monotonic_s()

    def hear(self, t: float, time_of_day: str | None) -> None:
        """Set by a record's `t`, seconds of its stream, and `time`, ISO 8601.

        Raises
        ------
        ValueError
            `time` is no time.
        """
        if time_of_day is not None:
            wall_s = datetime.fromisoformat(time_of_day).timestamp()
        else:
            wall_s = self._wall_s + max(0.0, t - self._monotonic_s)
        self._wall_s, self._monotonic_s = wall_s, t
        self._heard_s = self._clock.monotonic_s()

    def wall_s(self) -> float:
        return self._wall_s + self._since_heard_s

    def monotonic_s(self) -> float:
        return self._monotonic_s + self._since_heard_s

    @property
    def _since_heard_s(self) -> float:
        return self._clock.monotonic_s() - self._heard_s
