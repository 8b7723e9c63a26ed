"""Dialogs that are gone when they are closed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nicegui import ui

from noctule.web.forms.inputs import named


@contextmanager
def opened(title: str, testid: str) -> Iterator[ui.dialog]:
    """A sheet with a heading; what is made in the block stands in it."""
    with ui.dialog() as dialog, ui.card().classes("f-dialog"):
        with named(ui.element("h2"), testid):
            ui.label(title)
        yield dialog
    dialog.on("hide", dialog.delete)
    dialog.open()


def close_button(dialog: ui.dialog) -> None:
    with ui.row().classes("w-full justify-end"):
        named(ui.button("Close", on_click=dialog.close).props("flat"), "close")
