"""Scores of the detector beside what they have to reach."""

from __future__ import annotations

from nicegui.element import Element

from noctule.core.settings import PresenceSettings
from noctule.web.components.sources import BROWSER


class Scores(Element, component="scores.js", esm=BROWSER):
    """Two bars, kept up by the browser from the stream."""

    def __init__(self, settings: PresenceSettings) -> None:
        super().__init__()
        self.set_settings(settings)

    def set_settings(self, settings: PresenceSettings) -> None:
        """The thresholds of these sensitivities (`presence.tracker`)."""
        self._props["trigger"] = 1.0 - settings.trigger_sensitivity
        self._props["sustain"] = 1.0 - max(settings.sustain_sensitivity, settings.trigger_sensitivity)
        self.update()
