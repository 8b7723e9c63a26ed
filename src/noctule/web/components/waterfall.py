"""Velocity over time, drawn by the browser from the stream itself: it costs the server no page update."""

from __future__ import annotations

from nicegui.element import Element

from noctule.core.power import LOWEST_DB, STEP_DB
from noctule.core.settings import FeatureSettings
from noctule.web.components.sources import BROWSER


class Waterfall(Element, component="waterfall.js", esm=BROWSER):
    """The last seconds of clean power, with what was decided below.

    The element carries `data-rows` (drawn so far) and `data-lost`, and `window.__noctuleRows` the same.

    Parameters
    ----------
    shown_mps : velocities shown, to both sides.
    """

    def __init__(self, features: FeatureSettings, seconds: float = 30.0, shown_mps: float = 3.0) -> None:
        super().__init__()
        self._props["velocity_max"] = features.velocity_max_mps
        self._props["bins"] = 2 * round(features.velocity_max_mps / features.velocity_step_mps) + 1
        self._props["hop_s"] = features.hop_s
        self._props["lowest_db"], self._props["step_db"] = LOWEST_DB, STEP_DB
        self._props["seconds"], self._props["shown"] = seconds, shown_mps
