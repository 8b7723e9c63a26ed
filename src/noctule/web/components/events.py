"""The list of what happened. The browser asks for pages and pictures as somebody looks at them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import numpy as np
from nicegui.element import Element
from nicegui.events import GenericEventArguments

from noctule.core.errors import NoctuleError
from noctule.core.power import LOWEST_DB, STEP_DB
from noctule.service.captures import Capture
from noctule.service.days import ONLY, Days
from noctule.web.components.sources import BROWSER

PAGE = 20
#: Velocities of a picture, to both sides.
SHOWN_MPS = 3.0


class Events(Element, component="events.js", esm=BROWSER):
    """Newest first, with filters, pictures and labels. Emits `any` where all days are wanted again.

    Parameters
    ----------
    label : keeps what an event was; None takes it back.
    capture : what was kept of the signal around an event.
    waits : shows nothing before `find` or `begin`.
    """

    def __init__(
        self,
        days: Days,
        label: Callable[[int, str | None], Awaitable[None]],
        capture: Callable[[str], Capture | None],
        waits: bool = False,
    ) -> None:
        super().__init__()
        self._days, self._label, self._capture = days, label, capture
        self._props["waits"] = waits
        self.on("ask", self._answer)
        self.on("label", self._keep)
        self.on("picture", self._show)

    def show_day(self, day: Mapping[str, int | None] | None) -> None:
        """Only this day, from `at_ms` down; None: all of them."""
        self._props["within"] = None if day is None else {key: day[key] for key in ("start_ms", "end_ms")}
        self._props["at_ms"] = None if day is None else day["at_ms"]
        self.update()

    def find(self, number: int, start_ms: int) -> None:
        """Begin at this event."""
        self.run_method("find", number, start_ms)

    def begin(self) -> None:
        """Begin at the newest."""
        self.run_method("begin", None)

    def changed(self) -> None:
        """Something happened."""
        self.run_method("changed")

    async def _answer(self, event: GenericEventArguments) -> None:
        asked = event.args
        within, before = asked["within"] or {}, asked["before"]
        only = asked["only"] if asked["only"] in ONLY else "all"

        def look() -> list[dict[str, Any]]:
            return self._days.page(
                only=only,
                since_ms=within.get("start_ms"),
                until_ms=within.get("end_ms"),
                before=(int(before[0]), int(before[1])) if before else None,
                limit=PAGE + 1,
            )

        try:
            found = await asyncio.to_thread(look)
        except NoctuleError as error:
            self.run_method("fail", str(error))
        else:
            self.run_method("take", asked["number"], found[:PAGE], len(found) > PAGE, before is None)

    async def _keep(self, event: GenericEventArguments) -> None:
        number, what = int(event.args["id"]), event.args["what"]
        try:
            await self._label(number, what)
        except NoctuleError as error:
            self.run_method("labelled", number, what, str(error))
        else:
            self.run_method("labelled", number, what, None)

    async def _show(self, event: GenericEventArguments) -> None:
        name = str(event.args["name"])
        try:
            found = await asyncio.to_thread(self._capture, name)
        except NoctuleError:  # damaged is as good as gone
            found = None
        self.run_method("show", name, None if found is None else picture_of(found))


def picture_of(capture: Capture, shown_mps: float = SHOWN_MPS) -> dict[str, Any]:
    """Clean power as the browser paints it; frames one after the other, silences left out."""
    shown = np.abs(capture.velocity_mps) <= shown_mps + 1e-6
    power = np.ascontiguousarray(capture.clean[:, shown])
    before = np.searchsorted(capture.time_s, float(capture.about["event_s"]))
    return {
        "columns": power.shape[0],
        "bins": power.shape[1],
        "power": base64.b64encode(power.tobytes()).decode(),
        "lowest_db": LOWEST_DB,
        "step_db": STEP_DB,
        "event": float(before / max(1, len(power))),
    }
