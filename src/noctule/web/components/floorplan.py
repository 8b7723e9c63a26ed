"""The simulated room from above: people are dragged or led by arrow keys, things are switched in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nicegui import ui
from nicegui.element import Element

from noctule.web.components.sources import BROWSER
from noctule.web.stage import Point

_STYLES = Path(__file__).with_name("floorplan.css")


class FloorPlan(Element, component="floorplan.js", esm=BROWSER):
    """Drawn by the browser from the stream itself. Metres from the room's corner, y upwards.

    What is true and sensed now stands in its attributes: `data-t` (seconds of the room), `data-inside`,
    `data-motion`, `data-x`, `data-y`, `data-presence`, `data-sensed-t` (since), `data-lamp`, `data-room`.

    Parameters
    ----------
    plan : `Stage.plan`.
    on_move : is given a person and a place, again and again while they are dragged.
    on_follow : is given a person and the path that was drawn.
    on_switch : is given a switch and whether it is to be on.
    """

    def __init__(
        self,
        plan: Mapping[str, Any],
        on_move: Callable[[int, float, float], object],
        on_follow: Callable[[int, list[Point]], object],
        on_switch: Callable[[str, bool], object],
    ) -> None:
        super().__init__()
        ui.add_css(_STYLES)
        self._props["plan"], self._props["drawing"] = dict(plan), False
        self.on("move", lambda e: on_move(e.args["person"], e.args["x"], e.args["y"]))
        self.on("follow", lambda e: on_follow(e.args["person"], [(x, y) for x, y in e.args["points"]]))
        self.on("switch", lambda e: on_switch(e.args["id"], e.args["on"]))

    def set_plan(self, plan: Mapping[str, Any]) -> None:
        """Another room."""
        self._props["plan"] = dict(plan)
        self.update()

    def draw_path(self, on: bool) -> None:
        """Whether the next stroke on the floor is a path."""
        self._props["drawing"] = on
        self.update()
