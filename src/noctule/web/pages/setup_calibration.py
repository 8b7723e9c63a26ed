"""The step Calibration: sweep, choice, proof, and the verdict with its picture."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nicegui import background_tasks, ui

from noctule.calibrate.calibration import STEPS, Calibration
from noctule.calibrate.picture import as_svg
from noctule.calibrate.steps import remedy_for
from noctule.core.errors import NoctuleError
from noctule.web.forms.inputs import named
from noctule.web.theme import card, fact, facts, note, when_text

if TYPE_CHECKING:
    from noctule.service.bus import Message
    from noctule.service.service import Service

_NAMES = {"sweep": "Sweep", "choose": "Choose", "prove": "Prove"}


class CalibrationStep:
    """What is known, what goes on, and what came of it."""

    def __init__(self, service: Service, told: Callable[[], None]) -> None:
        self._service, self._told = service, told
        self._error = ""
        self._fresh = False
        self._box: ui.element | None = None
        self._lines: dict[str, tuple[ui.icon, ui.label]] = {}

    @property
    def done(self) -> bool:
        return self._service.calibration() is not None

    @property
    def _state(self) -> dict[str, Any]:
        return self._service.bus.latest("calibration") or {"running": False}

    def draw(self) -> None:
        with card():
            self._box = ui.column().classes("w-full gap-3")
            self._draw()

    def heard(self, message: Message) -> None:
        """Also of a calibration that the sensor, or somebody else, has begun."""
        if message.kind != "calibration":
            return
        state = self._state  # where several messages wait, the newest tells
        if state["running"] and self._lines:
            self._show_progress(state)
            return
        self._error = state.get("error") or ""
        self._draw()
        self._told()

    def _draw(self) -> None:
        if self._box is None or self._box.is_deleted:
            return
        self._lines = {}
        self._box.clear()
        with self._box:
            if self._state["running"]:
                self._draw_progress()
                return
            found = self._service.calibration()
            if self._error:
                self._draw_error(found)
            if found is not None:
                _draw_found(found, self._fresh and not self._error)
            elif not self._error:
                ui.label("This room has not been calibrated with these devices yet.").classes("n-soft")
            words = "Calibrate" if found is None and not self._error else "Calibrate again"
            button = ui.button(words, icon="graphic_eq", on_click=self._begin)
            named(button.props("unelevated" if found is None or self._error else "outline"), "calibrate")

    def _draw_progress(self) -> None:
        ui.label("Calibrating, ten seconds or so").classes("font-bold").props("role=status")
        self._bar = ui.linear_progress(0.0, show_value=False).props("rounded size=8px")
        named(self._bar, "calibration.progress", "how far the calibration is")
        for key, words, _ in STEPS:
            with ui.element("div").classes("f-reason"):
                icon = ui.icon("radio_button_unchecked").classes("n-faint")
                with ui.element("div"):
                    label = ui.label(_NAMES[key]).classes("font-bold")
                    ui.label(words[0].upper() + words[1:]).classes("n-small n-soft")
                self._lines[words] = (icon, label)
        self._show_progress(self._state)

    def _show_progress(self, state: dict[str, Any]) -> None:
        self._bar.set_value(float(state["share"]))
        words = list(self._lines)
        current = words.index(state["step"]) if state["step"] in words else 0
        for number, (icon, _) in enumerate(self._lines.values()):
            name = "check_circle" if number < current else "pending" if number == current else None
            icon.set_name(name or "radio_button_unchecked")
            icon.classes(
                replace="f-yes" if number < current else "n-soft" if number == current else "n-faint"
            )

    def _draw_error(self, found: Calibration | None) -> None:
        with ui.element("div").classes("n-note trouble").props("role=alert data-testid=calibration.error"):
            ui.label("The calibration did not work").classes("font-bold")
            ui.label(self._error[:1].upper() + self._error[1:])
        ui.label(remedy_for(self._error)).props("data-testid=calibration.remedy")
        if found is not None:
            ui.label("The last good calibration stays in use:").classes("n-soft")

    def _begin(self) -> None:
        if not self._state["running"]:
            self._error = ""
            background_tasks.create(self._run(), name="calibrate")

    async def _run(self) -> None:
        """The bus tells the rest; this is for what goes wrong before anything was told."""
        try:
            await self._service.calibrate()
            self._fresh = True
        except NoctuleError as error:
            self._error = str(error)
        self._draw()
        self._told()


def _draw_found(found: Calibration, fresh: bool) -> None:
    enough = found.walk_range_m >= 0.95 * found.wanted_range_m
    words = "Done. " if fresh else f"From {when_text(found.made_at.isoformat())}. "
    words += f"Walks are found to {found.walk_range_m:.1f} m, small motions to {found.small_range_m:.1f} m."
    if not enough:
        words += f" That is less than the {found.wanted_range_m:g} m that were wanted."
    note(words, "" if enough else "warning").props("role=status data-testid=calibration.verdict")
    if found.moved_meanwhile:
        ui.label("Somebody moved meanwhile: the quietest moments were taken. Repeat it if you like.").classes(
            "n-soft"
        )
    with facts():
        fact("Tone", f"{found.carrier_hz / 1000:g} kHz")
        fact("Level", f"{found.level_dbfs:.0f} dBFS")
        fact("Over the noise", f"{found.carrier_snr_db:.0f} dB")
        fact("Hardware carries", f"{found.true_bandwidth_hz / 1000:.1f} kHz")
        fact("Echoes to direct sound", f"{found.clutter_db:+.0f} dB")
        fact("Distortion to tones", f"{found.bent_db:.0f} dB")
    picture = base64.b64encode(as_svg(found).encode()).decode()
    alt = f"What comes back at each frequency, the noise, and the tone at {found.carrier_hz / 1000:g} kHz"
    with ui.element("div").classes("f-picture"):
        image = ui.element("img").props(f'src="data:image/svg+xml;base64,{picture}" alt="{alt}"')
        named(image, "calibration.picture")
    with ui.expansion("Why this tone and this level").props("dense").classes("w-full f-options"):
        for line in found.reasons:
            ui.label(line[0].upper() + line[1:]).classes("n-small")
