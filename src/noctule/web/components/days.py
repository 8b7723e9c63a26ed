"""Days as bands: when somebody was here, moved, or could not be sensed. The browser knows its midnights."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from nicegui.element import Element
from nicegui.events import GenericEventArguments

from noctule.core.errors import NoctuleError
from noctule.service.days import Days
from noctule.web.components.sources import BROWSER

#: Days that are answered for at once: more is no click of ours.
MOST_DAYS = 400


class Bands(Element, component="days.js", esm=BROWSER):
    """A row a day, which opens. Emits `day`: which was chosen, `{"start_ms", "end_ms", "at_ms"}`, or None."""

    def __init__(self, days: Days) -> None:
        super().__init__()
        self._days = days
        self.on("ask", self._answer)

    def changed(self) -> None:
        """Something happened."""
        self.run_method("changed")

    def open(self, at_ms: int) -> None:
        """The day of a moment."""
        self.run_method("open", at_ms)

    def close(self) -> None:
        """No day more than another."""
        self.run_method("close")

    async def _answer(self, event: GenericEventArguments) -> None:
        edges = [int(edge) for edge in event.args["edges"]][-MOST_DAYS:]
        try:
            found, first_ms = await asyncio.to_thread(self._look, edges)
        except NoctuleError as error:
            self.run_method("fail", str(error))
        else:
            self.run_method("take", found, first_ms)

    def _look(self, edges: list[int]) -> tuple[list[dict[str, Any]], int | None]:
        return self._days.bands(edges, round(time.time() * 1000.0)), self._days.first_ms()
