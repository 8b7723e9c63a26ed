"""From the thread that senses to everybody else. Quick: nothing here waits for a loop or a disk."""

from __future__ import annotations

import contextlib
from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from noctule.core.frames import FeatureBlock
from noctule.core.power import encode_power
from noctule.service.bus import Bus, Row
from noctule.service.clock import Clock, iso_of_ms
from noctule.service.episodes import Episodes, Event
from noctule.service.health import Health, HealthReport
from noctule.service.memory import Memory
from noctule.service.runner import Sink


class Intake:
    """Features and records go to the memory, or to what takes its place; to the loop; and to the sinks.

    Parameters
    ----------
    heard : called in the loop with each record.

    Attributes
    ----------
    sinks : are given each record in the thread that senses, last; what they raise ends the sensor.
    """

    def __init__(
        self,
        memory: Memory | None,
        bus: Bus,
        loop: AbstractEventLoop,
        clock: Clock,
        heard: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self.sinks: list[Sink] = []
        self._rows: list[Row] = []  # they go with the next record: the loop wakes up once for each
        self._memory, self._bus, self._loop, self._clock, self._heard = memory, bus, loop, clock, heard
        # where nothing is remembered
        self._health, self._episodes = Health(clock.monotonic_s()), Episodes()

    def see(self, features: FeatureBlock) -> None:
        """Features, before the records that come of them."""
        if self._memory is not None:
            self._memory.see(features)
        power = encode_power(features.clean_power_db)
        rows = zip(features.time_s.tolist(), power, strict=True)
        self._rows += [Row(time_s, row.tobytes()) for time_s, row in rows]

    def take(self, record: Mapping[str, Any]) -> None:
        """One record."""
        if self._memory is not None:
            events = self._memory.take(record)
        else:
            self._health.take(record, self._clock.monotonic_s())
            events = self._episodes.take(record)
        rows, self._rows = self._rows, []
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._tell, rows, record, events)
        for sink in self.sinks:
            sink(record)

    def health(self) -> HealthReport:
        """How the sensor is, now; any thread."""
        if self._memory is not None:
            return self._memory.look()
        self._health.look(self._clock.monotonic_s())
        return self._health.report

    def _tell(self, rows: list[Row], record: Mapping[str, Any], events: list[Event]) -> None:
        for row in rows:
            self._bus.publish("row", row)
        self._bus.publish("record", record)
        self._heard(record)
        for event in events:
            self._bus.publish("event", event_record(event))


def event_record(event: Event) -> dict[str, Any]:
    """An event as `History.events` gives it, but for its number, which it does not have yet."""
    record = asdict(event)
    del record["first"]
    start, end = iso_of_ms(record.pop("start_ms")), iso_of_ms(record.pop("end_ms"))
    return {"start": start, "end": end, **record, "label": None}
