"""What Routines know of the home, a piece a line, each to be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nicegui import ui

from noctule.routines.settings import machine_zone
from noctule.web.forms.home_pieces import PIECES, summary
from noctule.web.forms.household import Household
from noctule.web.forms.inputs import named
from noctule.web.theme import card, note, url

if TYPE_CHECKING:
    from noctule.service.service import Service

#: It may be changed in another browser, or in the file.
_LOOK_EVERY_S = 2.0


def home_card(service: Service) -> None:
    """All of them."""
    ui.add_head_html(f'<link rel="stylesheet" href="{url("/static/forms.css")}">')
    automation, zone = service.automation, machine_zone()
    lines: dict[str, ui.label] = {}
    with card("Home") as sheet:
        sheet.props('data-testid="home"')
        ui.label("What Routines know of where they are, and what they reach.").classes("n-soft")
        problem = note("", "warning")

        def show() -> None:
            problem.text = f"{automation.problem}: nothing can be changed here until it is mended"
            problem.set_visibility(automation.problem is not None)
            for piece, line in lines.items():
                line.text = summary(piece, automation.home, zone)

        house = Household(automation, show)
        with ui.element("div").classes("n-list mt-2"):
            for piece, about in PIECES.items():
                with ui.element("div").classes("flex no-wrap items-center gap-3"):
                    ui.icon(about.icon, size="sm").classes("n-soft").props("aria-hidden=true")
                    with ui.element("div").classes("grow min-w-0"):
                        ui.label(about.name).classes("font-bold")
                        lines[piece] = ui.label().classes("n-soft n-small").style("overflow-wrap: anywhere")
                        lines[piece].props(f'data-testid="home.{piece}.line"')
                    button = ui.button("Change", on_click=lambda piece=piece: house.ask(piece)).props("flat")
                    named(button, f"home.{piece}.change", f"change: {about.name}")
        show()
    ui.timer(_LOOK_EVERY_S, show)
