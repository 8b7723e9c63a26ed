"""*Set-up*: hardware, calibration, sensitivity, walk test. Each step can be left and come back to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from nicegui import ui

from noctule.calibrate.steps import SETUP_STEPS, SetupStep
from noctule.web.forms.inputs import named
from noctule.web.pages.setup_calibration import CalibrationStep
from noctule.web.pages.setup_hardware import HardwareStep
from noctule.web.pages.setup_sensitivity import SensitivityStep
from noctule.web.pages.setup_walk import WalkStep
from noctule.web.theme import follow, url

if TYPE_CHECKING:
    from noctule.service.bus import Message
    from noctule.service.service import Service


class Shown(Protocol):
    """A step as it is shown. It is drawn anew whenever somebody comes back to it."""

    def draw(self) -> None: ...

    def heard(self, message: Message) -> None: ...

    @property
    def done(self) -> bool: ...


_MAKERS: dict[str, Callable[[Service, Callable[[], None]], Shown]] = {
    "hardware": HardwareStep,
    "calibration": CalibrationStep,
    "sensitivity": SensitivityStep,
    "walk": WalkStep,
}


def build(service: Service) -> None:
    """The page."""
    SetupPage(service)


class SetupPage:
    """A rail that shows where one is, and the step."""

    def __init__(self, service: Service) -> None:
        ui.add_head_html(f'<link rel="stylesheet" href="{url("/static/forms.css")}">')
        self._steps = {one.key: _MAKERS[one.key](service, self._draw_rail) for one in SETUP_STEPS}
        self._current, self._client = 0, ui.context.client
        self._rail = ui.element("ol").classes("f-rail").props('aria-label="steps"')
        self._box = ui.element("div").classes("f-step")
        follow(service.bus, self._heard, "record", "calibration", most=64)
        self._show(0)

    @property
    def _step(self) -> Shown:
        return self._steps[SETUP_STEPS[self._current].key]

    def _heard(self, message: Message) -> None:
        self._step.heard(message)

    def _go(self, number: int) -> None:
        """To another step, from its top."""
        self._show(number)
        self._client.run_javascript("window.scrollTo(0, 0)")

    def _show(self, number: int) -> None:
        self._current = number
        self._draw_rail()
        about = SETUP_STEPS[number]
        self._box.clear()
        with self._box:
            with ui.element("div").classes("f-lead"):
                ui.label(about.what).classes("text-lg font-bold")
                ui.label(about.why).classes("n-soft")
            self._step.draw()
            self._way_on(number)

    def _way_on(self, number: int) -> None:
        with ui.row().classes("w-full justify-between mt-2"):
            if number:
                back = ui.button("Back", icon="arrow_back", on_click=lambda: self._go(number - 1))
                named(back.props("flat"), "step.back")
            if number + 1 < len(SETUP_STEPS):
                words = f"Next: {SETUP_STEPS[number + 1].title}"
                on = ui.button(words, on_click=lambda: self._go(number + 1)).props("icon-right=arrow_forward")
                named(on.props("flat").style("margin-left: auto"), "step.next")

    def _draw_rail(self) -> None:
        self._rail.clear()
        with self._rail:
            for number, one in enumerate(SETUP_STEPS):
                self._stop(number, one)

    def _stop(self, number: int, one: SetupStep) -> None:
        current = number == self._current
        with ui.element("li"):
            button = ui.element("button").props("type=button").on("click", lambda: self._go(number))
            named(button, f"step.{one.key}")
            if current:
                button.props("aria-current=step")
            done = self._steps[one.key].done
            with button.classes("f-done" if done else ""):
                ui.icon("check" if done else one.icon).props("aria-hidden=true")
                ui.label(one.title)
