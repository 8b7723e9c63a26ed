"""The settings as a form: changes wait until they are saved, and what is wrong is said at its field."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nicegui import ui
from nicegui.elements.mixins.value_element import ValueElement

from noctule.core.errors import NoctuleError
from noctule.service.bus import Message
from noctule.web.setting_fields import SettingField, about, fields_of, sections, title_of
from noctule.web.theme import chip, follow

if TYPE_CHECKING:
    from noctule.service.service import Service

_EFFECTS = {"sensor": "the sensor starts anew", "start": "at the next start"}


class SettingsForm:
    """All sections, and a bar that comes up while something waits to be saved."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._sections = [_Section(name, service, self._look) for name in sections()]
        with ui.element("div").classes("n-bar").props('role=region aria-label="changes"') as self._bar:
            self._count = ui.label().props('data-testid="changes"')
            ui.element("div").classes("grow")
            ui.button("Discard", on_click=self._discard).props('flat data-testid="discard"')
            ui.button("Save", on_click=self._save).props('unelevated data-testid="save"')
        self._sections[0].open()
        self._look()
        follow(service.bus, self._heard, "settings")

    @property
    def _rows(self) -> list[Row]:
        """Those that were looked at: nothing else can have been typed into."""
        return [row for section in self._sections for row in section.rows]

    def _look(self) -> None:
        """Something was typed."""
        for section in self._sections:
            section.count()
        waiting = [row for row in self._rows if row.waits]
        wrong = [row for row in waiting if row.complaint]
        self._count.text = f"{len(waiting)} to save" + (f", {len(wrong)} not allowed" if wrong else "")
        self._bar.set_visibility(bool(waiting))

    def _discard(self) -> None:
        for row in self._rows:
            row.show(row.saved)
        self._look()

    def _save(self) -> None:
        waiting = [row for row in self._rows if row.waits]
        if any(row.complaint for row in waiting):
            ui.notify("Something is not allowed: see the fields in red.", type="negative")
            return
        changes: dict[str, dict[str, Any]] = {}
        for row in waiting:
            default = row.value == row.field.default
            changes.setdefault(row.field.section, {})[row.field.key] = None if default else row.value
        try:
            changed = self._service.change_settings(changes)
        except NoctuleError as error:
            self._refused(waiting, str(error))
            return
        said = ["Saved."]
        if changed.restarted:
            said.append("The sensor starts anew.")
        if changed.at_next_start:
            said.append("Some of it waits for the next start of noctule.")
        ui.notify(" ".join(said), type="positive")
        self._take_over()

    def _refused(self, waiting: list[Row], why: str) -> None:
        """At the field that it names, where it names one."""
        for row in waiting:
            if row.field.name in why:
                row.complain(why.partition(": ")[2] or why)
                return
        ui.notify(why, type="negative", multi_line=True)

    def _take_over(self) -> None:
        """What is saved now; what is being typed stays."""
        for row in self._rows:
            now = getattr(getattr(self._service.settings, row.field.section), row.field.key)
            if row.waits and row.value != now:
                row.saved = now
            else:
                row.saved = now
                row.show(now)
        self._look()

    def _heard(self, message: Message) -> None:
        if message.body.get("error"):
            ui.notify(f"Back to what it was: {message.body['error']}", type="negative", multi_line=True)
        self._take_over()


class _Section:
    """A sheet that opens; its rows are made when it does, as most are never looked at."""

    def __init__(self, name: str, service: Service, look: Callable[[], None]) -> None:
        self.name, self.rows = name, list[Row]()
        self._service, self._look = service, look
        with (
            ui.element("section").classes("n-card n-fold"),
            ui.expansion().props(f'data-testid="section-{name}"').classes("w-full") as self._fold,
        ):
            with self._fold.add_slot("header"), ui.element("div").classes("grow"):
                with ui.element("div").classes("flex items-center gap-2"):
                    ui.html(title_of(name), sanitize=False, tag="h2").classes("n-heading")
                    self._badge = chip("", "warning")
                if about(name) != f"The {title_of(name).lower()}.":
                    ui.label(about(name)).classes("n-soft n-small")
            self._place = ui.element("div").classes("w-full")
        self._fold.on_value_change(lambda event: self._make() if event.value else None)

    def open(self) -> None:
        self._fold.value = True

    def count(self) -> None:
        """Say how many are not at their default."""
        if self.rows:
            changed = sum(row.is_changed for row in self.rows)
        else:
            values = getattr(self._service.settings, self.name)
            changed = sum(getattr(values, field.key) != field.default for field in fields_of(self.name))
        self._badge.text = f"{changed} changed"
        self._badge.set_visibility(changed > 0)

    def _make(self) -> None:
        if not self.rows:
            values = getattr(self._service.settings, self.name)
            with self._place:
                self.rows = [Row(one, getattr(values, one.key), self._look) for one in fields_of(self.name)]


class Row:
    """One setting: what it is, and its input.

    saved : the value that is in use. complaint : why what was typed cannot be.
    """

    def __init__(self, field: SettingField, saved: Any, look: Callable[[], None]) -> None:
        self.field, self.saved, self._look_at_all = field, saved, look
        self.complaint: str | None = None
        self.value = saved
        with ui.element("div").classes("n-setting").props(f'data-setting="{field.name}"') as self._box:
            with ui.element("div"):
                with ui.element("div").classes("flex items-center gap-2 wrap"):
                    ui.label(field.title).classes("font-bold")
                    self._reset = (
                        ui.button("changed: back to default", icon="undo", on_click=self._to_default)
                        .props(f'flat dense size=sm no-caps data-testid="default-{field.name}"')
                        .classes("n-reset")
                    )
                if field.more:
                    ui.label(field.more[0].upper() + field.more[1:]).classes("n-soft n-small")
                notes = [field.hint, _EFFECTS.get(field.effect, "")]
                ui.label(" · ".join(note for note in notes if note)).classes("n-faint n-small tabular")
                if field.variable:
                    ui.label(f"decided by {field.variable} in the environment").classes("n-small n-soft")
            self._input = self._make()
            self._wrong = ui.label().classes("n-wrong").props("role=alert")
        self._input.on_value_change(lambda event: self._typed(event.value))
        self._mark()

    @property
    def waits(self) -> bool:
        """Typed, and not saved."""
        return self.complaint is not None or bool(self.value != self.saved)

    @property
    def is_changed(self) -> bool:
        """Other than the default."""
        return bool(self.value != self.field.default)

    def show(self, value: Any) -> None:
        """Put a value into the input."""
        self.value, self.complaint = value, None
        self._input.value = self.field.shown(value)
        self._mark()

    def complain(self, why: str) -> None:
        """It cannot be, for a reason that only shows with the others."""
        self.complaint = why
        self._mark()

    def _make(self) -> ValueElement[Any]:
        field, shown = self.field, self.field.shown(self.saved)
        made: ValueElement[Any]
        match field.kind:
            case "switch":
                made = ui.switch(value=shown)
            case "choice":
                made = ui.select(list(field.choices), value=shown).props("outlined dense")
            case "number":
                made = ui.number(value=shown).props(f'outlined dense suffix="{field.unit}" step=any')
            case _:
                made = ui.input(value=shown).props(f'outlined dense suffix="{field.unit}"')
        made.props(f'aria-label="{field.title}" data-testid="set-{field.name}"')
        if field.variable:
            made.props("disable")
        return made

    def _typed(self, shown: Any) -> None:
        self.value = self.field.given(shown)
        if self.value is None and self.field.kind == "text" and self.field.default == "":
            self.value = ""
        self.complaint = self.field.complaint(self.value)
        self._mark()
        self._look_at_all()

    def _to_default(self) -> None:
        self.show(self.field.default)
        self._look_at_all()

    def _mark(self) -> None:
        self._reset.set_visibility(self.is_changed and not self.field.variable)
        self._wrong.text = self.complaint or ""
        self._wrong.set_visibility(self.complaint is not None)
        waits, wrong = "n-waits" if self.waits else "", "n-is-wrong" if self.complaint else ""
        self._box.classes(replace=f"n-setting {waits} {wrong} {'n-changed' if self.is_changed else ''}")
