"""The tone: which, how loud, how much of the time, how well it comes back, and what music does to it."""

from __future__ import annotations

from nicegui.element import Element

from noctule.web.components.sources import BROWSER


class Sound(Element, component="sound.js", esm=BROWSER):
    """Facts, kept up by the browser from the stream."""
