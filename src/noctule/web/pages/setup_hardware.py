"""The step Hardware: which devices, at which rate, and whether they can sense."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nicegui import background_tasks, ui

from noctule.audio.devices import COMMON_RATES_HZ, Device, DeviceList, Direction, find_device
from noctule.calibrate.steps import remedy_for
from noctule.core.errors import NoctuleError
from noctule.web.forms.inputs import choice, named
from noctule.web.theme import card, note

if TYPE_CHECKING:
    from noctule.calibrate.doctor import Check, Diagnosis
    from noctule.service.bus import Message
    from noctule.service.service import Service

#: An examination takes about so long.
CHECK_S = 15.0
_VERDICTS = {
    "ok": ("Ready to sense", ""),
    "warning": ("It can sense, with the limits below", "warning"),
    "fail": ("It cannot sense before the failures below are mended", "trouble"),
}
_ICONS = {"ok": ("check_circle", "f-yes"), "warning": ("error", "f-warning"), "fail": ("cancel", "f-no")}


class HardwareStep:
    """Devices to choose from, and the examination."""

    def __init__(self, service: Service, told: Callable[[], None]) -> None:
        self._service, self._told = service, told
        self._found: Diagnosis | None = None
        self._error = ""
        self._began_s: float | None = None
        self._box: ui.element | None = None

    @property
    def done(self) -> bool:
        return self._found is not None and self._found.sensing_possible

    def heard(self, message: Message) -> None:
        """Nothing on the bus is about hardware."""

    def draw(self) -> None:
        with card("Loudspeaker and microphones"):
            self._devices = ui.column().classes("w-full gap-3")
            with self._devices:
                ui.label("Looking for sound devices...").classes("n-soft")
            ui.timer(0.0, self._list_devices, once=True)
        with card("Check"):
            self._box = ui.column().classes("w-full gap-3")
            self._draw_check()

    # -- devices

    async def _list_devices(self) -> None:
        try:
            known = await self._service.devices()
        except NoctuleError as error:
            self._devices.clear()
            with self._devices:
                note(str(error), "trouble")
            return
        self._devices.clear()
        with self._devices:
            self._choices(known)

    def _choices(self, known: DeviceList) -> None:
        audio = self._service.settings.audio
        wanted: dict[str, Any] = {
            "input": _named_in(known, audio.input, "input"),
            "output": _named_in(known, audio.output, "output"),
            "sample_rate_hz": audio.sample_rate_hz,
        }
        before = dict(wanted)

        def change(key: str, value: Any) -> None:
            wanted[key] = value
            apply.set_enabled(wanted != before)

        def use() -> None:
            try:
                self._service.change_settings({"audio": {k: v for k, v in wanted.items() if v != before[k]}})
            except NoctuleError as error:
                said.set_text(str(error))
                said.classes(replace="f-error")
                return
            before.update(wanted)
            apply.set_enabled(False)
            self._found = None
            said.set_text("In use. The sensor starts anew; check it next.")
            said.classes(replace="n-soft")
            self._draw_check()

        choice(
            "hardware.output",
            "Loudspeaker",
            _options(known, "output", wanted["output"]),
            wanted["output"],
            lambda value: change("output", value),
        )
        choice(
            "hardware.input",
            "Microphones",
            _options(known, "input", wanted["input"]),
            wanted["input"],
            lambda value: change("input", value),
        )
        rates = sorted({*COMMON_RATES_HZ, audio.sample_rate_hz})
        choice(
            "hardware.rate",
            "Sample rate",
            {rate: f"{rate / 1000:g} kHz" for rate in rates},
            audio.sample_rate_hz,
            lambda value: change("sample_rate_hz", value),
        )
        if not known.devices:
            note("There is no sound device: connect one, or start the sound server.", "trouble")
        with ui.row().classes("w-full items-center gap-3"):
            apply = named(ui.button("Use these", on_click=use).props("unelevated"), "hardware.use")
            apply.set_enabled(False)
            said = ui.label().props("role=status data-testid=hardware.said")

    # -- check

    def _draw_check(self) -> None:
        if self._box is None or self._box.is_deleted:
            return
        self._box.clear()
        with self._box:
            if self._began_s is not None:
                self._draw_progress(self._began_s)
                return
            if self._error:
                note(self._error, "trouble").props("role=alert data-testid=check.error")
                ui.label(remedy_for(self._error))
            elif self._found is not None:
                _draw_diagnosis(self._found)
            words = "Check again" if self._found or self._error else "Check"
            button = ui.button(words, icon="hearing", on_click=self._examine)
            named(button.props("unelevated" if words == "Check" else "flat"), "check")

    def _draw_progress(self, began_s: float) -> None:
        ui.label("Listening to inaudible test sounds...").props("role=status data-testid=check.progress")
        bar = ui.linear_progress(0.0, show_value=False).props("rounded size=8px")

        def grow() -> None:
            bar.set_value(min(0.97, (time.monotonic() - began_s) / CHECK_S))

        ui.timer(0.25, grow)

    def _examine(self) -> None:
        if self._began_s is None:
            self._began_s, self._error, self._found = time.monotonic(), "", None
            self._draw_check()
            background_tasks.create(self._run(), name="examine")

    async def _run(self) -> None:
        """Goes on while somebody looks at another step."""
        try:
            self._found = await self._service.examine()
        except NoctuleError as error:
            self._error = str(error)
        finally:
            self._began_s = None
        self._draw_check()
        self._told()


def _draw_diagnosis(found: Diagnosis) -> None:
    words, mood = _VERDICTS[found.status]
    note(words, mood).classes("font-bold").props("role=status data-testid=check.verdict")
    with ui.element("div").classes("n-list"):
        for one in sorted(found.checks, key=lambda check: ("fail", "warning", "ok").index(check.status)):
            _draw_check(one)


def _draw_check(one: Check) -> None:
    icon, colour = _ICONS[one.status]
    with ui.element("div").classes("f-line").props(f'data-testid="check.{one.name}"'):
        ui.icon(icon).classes(colour).props(f"aria-label={one.status}")
        with ui.element("div").classes("min-w-0 grow"):
            ui.label(one.name.capitalize()).classes("font-bold")
            ui.label(one.finding)
            if one.fix:
                ui.label(f"What to do: {one.fix}").classes("f-warning")


def _named_in(known: DeviceList, setting: str | None, direction: Direction) -> str | None:
    """The identity of what the settings name, or their own words where nothing fits."""
    if setting is None:
        return None
    try:
        return find_device(known, setting, direction).identity
    except NoctuleError:
        return setting


def _options(known: DeviceList, direction: Direction, current: str | None) -> dict[str | None, str]:
    default: Device | None = known.default_input if direction == "input" else known.default_output
    options: dict[str | None, str] = {
        None: f"System default ({default.name})" if default else "System default"
    }
    for one in known.devices:
        count = one.channels(direction)
        if count:
            options[one.identity] = f"{one.name} ({one.host_api}, {count} channel{'' if count == 1 else 's'})"
    if current is not None:
        options.setdefault(current, f"{current} (not there now)")
    return options
