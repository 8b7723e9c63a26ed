"""The last events in a few words; the browser says when, in its own time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nicegui.element import Element

from noctule.web.components.sources import BROWSER


class Recent(Element, component="recent.js", esm=BROWSER):
    """A short list.

    Parameters
    ----------
    timeline : address of the page that shows them all.
    """

    def __init__(self, timeline: str, events: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__()
        self._props["timeline"], self._props["events"] = timeline, list(events)

    def show(self, events: Sequence[dict[str, Any]]) -> None:
        """These, oldest first."""
        self._props["events"] = list(events)
        self.update()
