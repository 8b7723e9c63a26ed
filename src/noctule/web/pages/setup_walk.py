"""The step Walk test: who walks about sees where the sensor notices them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nicegui import ui

from noctule.web.forms.inputs import named
from noctule.web.theme import card
from noctule.web.walk import Walk

if TYPE_CHECKING:
    from noctule.service.bus import Message
    from noctule.service.service import Service

#: A test that nobody ends, ends itself.
MOST_S = 180.0
_BEEP = """
    const audio = window.walkAudio ||= new AudioContext();
    const tone = audio.createOscillator(), gain = audio.createGain();
    tone.frequency.value = %d; gain.gain.value = 0.08;
    tone.connect(gain).connect(audio.destination); tone.start(); tone.stop(audio.currentTime + 0.12);
"""


class WalkStep:
    """Start, walk, stop; a sentence at the end."""

    def __init__(self, service: Service, told: Callable[[], None]) -> None:
        self._service, self._told = service, told
        self._walk: Walk | None = None
        self._going_on = False
        self._lines_shown = -1
        self._beeps = False

    @property
    def done(self) -> bool:
        return self._walk is not None and not self._going_on and self._walk.seconds > 0.0

    def draw(self) -> None:
        with card():
            with ui.element("div").classes("f-walk") as self._light:
                self._state = ui.label().classes("f-walk-state").props("role=status data-testid=walk.state")
                self._meter = ui.linear_progress(0.0, show_value=False).props("rounded size=10px")
                named(self._meter, "walk.score", "how sure the sensor is")
                self._figures = ui.label().classes("n-soft tabular").props("data-testid=walk.figures")
            with ui.row().classes("w-full items-center gap-3 mt-4"):
                self._button = ui.button(on_click=self._turn).props("unelevated")
                named(self._button, "walk.turn")
                beep = ui.switch("Beep when it notices me", value=self._beeps, on_change=self._set_beeps)
                named(beep, "walk.beep")
            self._result = ui.label().classes("n-note mt-4").props("role=status data-testid=walk.result")
            self._list = ui.element("div").classes("n-list mt-2").props("data-testid=walk.list")
        self._lines_shown = -1
        self._show()

    def heard(self, message: Message) -> None:
        walk = self._walk
        if message.kind != "record" or walk is None or not self._going_on:
            return
        began = walk.noticed
        walk.take(message.body)
        if walk.noticed and not began and self._beeps:
            ui.run_javascript(_BEEP % 880)
        if walk.seconds >= MOST_S:
            self._end()
        self._show()

    def _set_beeps(self, event: object) -> None:
        self._beeps = bool(getattr(event, "value", False))

    def _turn(self) -> None:
        if self._going_on:
            self._end()
        else:
            self._walk, self._going_on, self._lines_shown = Walk(), True, -1
        self._show()

    def _end(self) -> None:
        self._going_on = False
        self._told()

    def _show(self) -> None:
        walk, on = self._walk, self._going_on
        self._button.set_text("Stop" if on else "Start" if walk is None else "Walk again")
        noticed = on and walk is not None and walk.noticed
        self._light.classes(add="noticed" if noticed else "", remove="" if noticed else "noticed")
        self._meter.set_value(round(walk.score, 2) if on and walk else 0.0)
        self._result.set_visibility(walk is not None and not on)
        if walk is None:
            self._state.set_text("Press Start, then walk away from the sensor")
            self._figures.set_text("Come back again, sit down, wave: whatever you want to know.")
            return
        self._state.set_text(walk.state if on else "Ended")
        self._figures.set_text(walk.figures)
        self._result.set_text(walk.sentence)
        if len(walk.lines) != self._lines_shown:
            self._draw_lines(walk)

    def _draw_lines(self, walk: Walk) -> None:
        self._lines_shown = len(walk.lines)
        self._list.clear()
        with self._list:
            for one in reversed(walk.lines[-30:]):
                with ui.element("div").classes("f-line"):
                    ui.icon("sensors" if one.noticed else "sensors_off").classes(
                        "f-yes" if one.noticed else "n-faint"
                    )
                    ui.label(one.words)
