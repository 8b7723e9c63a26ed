"""Every setting with what it means, its range and its default; the home; who may come in; what this is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nicegui import ui

from noctule.web.pages.access_card import access_card
from noctule.web.pages.home_card import home_card
from noctule.web.pages.settings_form import SettingsForm
from noctule.web.theme import card, fact, facts, url, when_text

if TYPE_CHECKING:
    from noctule.service.service import Service


def build(service: Service) -> None:
    """The page."""
    SettingsForm(service)
    home_card(service)
    access_card(service)
    _about(service)


def _about(service: Service) -> None:
    from noctule import __version__

    with card("About"):
        ui.label("A motion and presence sensor made of any loudspeaker and microphones.").classes("n-soft")
        with facts():
            fact("Version", __version__)
            fact("Running since", when_text(service.started.isoformat()))
        for name, path in (("Settings", service.settings_path), ("Routines", service.automation.path)):
            with ui.element("div").classes("n-small mt-1"):
                ui.html(f"{name}: ", sanitize=False, tag="span").classes("n-soft")
                ui.label(str(path)).style("display: inline; overflow-wrap: anywhere")
        with ui.element("p").classes("n-soft n-small"):
            ui.html("For programs: ", sanitize=False, tag="span")
            link = ui.element("a").props(f'href="{url("/api/v1/openapi.json")}" data-testid="openapi"')
            with link:
                ui.html("the description of the API (OpenAPI)", sanitize=False, tag="span")
