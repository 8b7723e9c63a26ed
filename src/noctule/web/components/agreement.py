"""What is true in the simulated room beside what is sensed, now and over the last minute."""

from __future__ import annotations

from nicegui.element import Element

from noctule.web.components.sources import BROWSER


class Agreement(Element, component="agreement.js", esm=BROWSER):
    """Drawn by the browser from the stream itself."""

    def __init__(self, off_latency_s: float) -> None:
        super().__init__()
        self._props["off_s"] = off_latency_s
