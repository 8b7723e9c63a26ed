"""Presence over days, and what happened: each with what the sensor thought, and what it really was."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from nicegui import ui

from noctule.core.errors import NoctuleError
from noctule.service.clock import ms_of_iso
from noctule.service.days import Days
from noctule.web.components.days import Bands
from noctule.web.components.events import Events
from noctule.web.components.sources import add_styles
from noctule.web.theme import card, empty, follow

if TYPE_CHECKING:
    from noctule.service.service import Service


def build(service: Service) -> None:
    """The page; `?event=12` opens it at that event."""
    add_styles()
    if service.memory is None:
        empty("Nothing is remembered: history is off in Settings.", "event_busy")
        return
    days = Days(service.memory.store.path)
    asked = ui.context.client.request.query_params.get("event", "")
    with card("Who was here when"):
        bands = Bands(days)
    with card("What happened"):
        events = Events(days, service.label, service.capture, waits=asked.isdecimal())

    def any_day() -> None:
        events.show_day(None)
        bands.close()

    bands.on("day", lambda event: events.show_day(event.args))
    events.on("any", any_day, args=[])

    async def find() -> None:
        start_ms = await asyncio.to_thread(_start_of, days, int(asked))
        if start_ms is None:
            events.begin()
        else:
            bands.open(start_ms)
            events.find(int(asked), start_ms)

    def happened(_: object) -> None:
        bands.changed()
        events.changed()

    if asked.isdecimal():
        ui.timer(0.0, find, once=True)
    follow(service.bus, happened, "event", most=1)


def _start_of(days: Days, number: int) -> int | None:
    try:
        found = days.events(event_id=number)
    except NoctuleError:  # the list says so
        return None
    return ms_of_iso(found[0]["start"]) if found else None
