"""Who is here, why, and since when: large, and kept up by the browser from the stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nicegui.element import Element

from noctule.core.frames import BLOCKING_FAULTS
from noctule.service.health import FAULT_WORDS
from noctule.web.components.sources import BROWSER

_FIX = {
    "device_lost": "Plug it in again, or start the sound server: it goes on by itself.",
    "carrier_missing": "Is the loudspeaker muted or its volume at zero? Health looks closer.",
    "carrier_lost": "What changed just now: the volume, a plug, another program? Health looks closer.",
    "dropped_samples": "Fewer programs on this machine help, or a longer audio.block_s.",
    "bad_samples": "The driver or the file is broken.",
    "microphone_dead": "The others go on without it.",
    "microphone_covered": "Uncover it.",
    "clipped": "A lower input gain helps, or a lower emit.level_dbfs.",
    "clock_slewing": "One card for both helps.",
    "agc_suspected": "Switch off automatic gain: Health looks closer.",
    "interference": "Another carrier helps: calibrate anew.",
}


class Answer(Element, component="answer.js", esm=BROWSER):
    """The large card of the page *Now*.

    Parameters
    ----------
    waiting : why there is no record yet.
    """

    def __init__(self, waiting: str, muted: bool, on_listen: Callable[[], object]) -> None:
        super().__init__()
        self._props["faults"] = {
            str(fault.name_for_humans): {
                "words": words,
                "blocking": bool(fault & BLOCKING_FAULTS),
                "fix": _FIX[str(fault.name_for_humans)],
            }
            for fault, words in FAULT_WORDS.items()
            if str(fault.name_for_humans) in _FIX
        }
        self._props["waiting"], self._props["muted"] = waiting, muted
        self.on("listen", lambda: on_listen(), args=[])

    def set_since(self, since: Mapping[str, Any] | None) -> None:
        """`{"presence": bool, "at_ms": int}` of the last time somebody came or left; None: not known."""
        self._props["since"] = since
        self.update()
