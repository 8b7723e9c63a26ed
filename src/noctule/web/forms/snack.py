"""A line at the bottom that says what was done and can take it back."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from noctule.web.forms.inputs import named

#: So long it can be taken back.
SHOWN_S = 8.0


class Snack:
    """One place for such lines on a page; a new one takes the place of the old."""

    def __init__(self) -> None:
        self._box = ui.element("div")

    def say(self, words: str, action: str | None = None, act: Callable[[], None] | None = None) -> None:
        """Show it for a while; the button does `act`."""
        self.clear()
        with self._box:
            with ui.element("div").classes("f-snack").props("role=status data-testid=snack"):
                ui.label(words)
                if action is not None and act is not None:
                    named(
                        ui.button(action, on_click=lambda: self._act(act)).props("flat dense"), "snack.action"
                    )
            ui.timer(SHOWN_S, self.clear, once=True)

    def clear(self) -> None:
        self._box.clear()

    def _act(self, act: Callable[[], None]) -> None:
        self.clear()
        act()
