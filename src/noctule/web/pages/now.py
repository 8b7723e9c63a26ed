"""Who is here, why the sensor thinks so, and what it sees."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from nicegui import ui

from noctule.core.errors import NoctuleError
from noctule.service.clock import ms_of_iso
from noctule.web.components.answer import Answer
from noctule.web.components.recent import Recent
from noctule.web.components.scores import Scores
from noctule.web.components.sound import Sound
from noctule.web.components.sources import add_styles
from noctule.web.components.waterfall import Waterfall
from noctule.web.theme import card, follow, url

if TYPE_CHECKING:
    from noctule.service.service import Service

#: Events shown, and how many of the last are searched for who came or left.
SHOWN, SEARCHED = 5, 200
#: An event is told first and written then.
WRITTEN_S = 2.0


def build(service: Service) -> None:
    """The page. The browser reads the stream itself; the server only says when something happened."""
    add_styles()
    answer = Answer(service.health().reason, service.muted, lambda: service.mute(False))
    with card("What it sees"):
        Waterfall(service.settings.features)
    with ui.element("div").classes("n-grid"):
        with card("How sure it is"):
            scores = Scores(service.settings.presence)
        with card("What it plays"):
            Sound()
        with card("What happened last"):
            recent = Recent(url("/timeline"))

    async def look() -> None:
        events = await asyncio.to_thread(_events, service)
        recent.show(events[-SHOWN:])
        answer.set_since(_since(events))

    async def happened(_: object) -> None:
        await look()
        await asyncio.sleep(WRITTEN_S)
        await look()

    ui.timer(0.0, look, once=True)
    follow(service.bus, happened, "event", most=1)
    follow(service.bus, lambda _: scores.set_settings(service.settings.presence), "settings", most=1)


def _events(service: Service) -> list[dict[str, Any]]:
    try:
        return service.memory.history.events(limit=SEARCHED) if service.memory else []
    except NoctuleError:  # Health says what is wrong with it
        return []


def _since(events: list[dict[str, Any]]) -> dict[str, Any] | None:
    for event in reversed(events):
        if event["kind"] in ("entered", "left"):
            return {"presence": event["kind"] == "entered", "at_ms": ms_of_iso(event["start"])}
    return None
