"""*Only if*: conditions as rows, with groups of which any will do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml
from nicegui import ui

from noctule.web.forms.form import Form
from noctule.web.forms.household import Household
from noctule.web.forms.inputs import choice, day_chips, edge, error_line, named, text
from noctule.web.forms.rows import Kind, Row

_KINDS: dict[Kind, tuple[str, str]] = {
    "time": ("schedule", "Time and days"),
    "presence": ("person", "Presence"),
    "mqtt": ("hub", "MQTT state"),
    "any": ("call_split", "Any of several"),
    "yaml": ("code", "Kept as it stands in the file"),
}
_NEW: dict[Kind, Callable[[], Row]] = {
    "time": lambda: Row("time", {"between": ["sunset", "23:00"]}),
    "presence": lambda: Row("presence", {"presence": "present"}),
    "mqtt": lambda: Row("mqtt", {"mqtt": {"topic": "", "is": ""}}),
    "any": lambda: Row("any", groups=[[], []]),
}


class OnlyIfForm:
    """Rows that must all hold. Inside a group of "any of" there are no further groups."""

    def __init__(self, form: Form, rows: list[Row], house: Household, place: str = "only_if") -> None:
        self._form, self._rows, self._house, self._place = form, rows, house, place
        self._inside = place != "only_if"
        self._box = ui.column().classes("w-full gap-3")
        self.draw()

    def draw(self) -> None:
        """Everything anew, also after the home was changed."""
        self._form.forget(self._place)
        self._box.clear()
        with self._box:
            for number, row in enumerate(self._rows):
                if number:
                    ui.label("and").classes("f-and")
                self._row(f"{self._place}.{number}", row)
            error_line(self._form, self._place)
            self._add_buttons()

    def _add_buttons(self) -> None:
        with ui.button("Add a condition", icon="add").props("flat no-caps dense") as button:
            named(button, f"{self._place}.add")
            with ui.menu():
                for kind in _NEW:
                    if kind == "any" and self._inside:
                        continue
                    item = ui.menu_item(on_click=lambda kind=kind: self._append(kind))
                    named(item, f"{self._place}.add.{kind}")
                    with item, ui.row(wrap=False).classes("items-center gap-3"):
                        ui.icon(_KINDS[kind][0], size="sm")
                        ui.label(_KINDS[kind][1])

    def _append(self, kind: Kind) -> None:
        self._rows.append(_NEW[kind]())
        self._redrawn()

    def _remove(self, row: Row) -> None:
        self._rows[:] = [one for one in self._rows if one is not row]
        self._redrawn()

    def _redrawn(self) -> None:
        self.draw()
        self._form.touch(self._place)

    def _row(self, place: str, row: Row) -> None:
        icon, title = _KINDS[row.kind]
        with ui.card().props("flat bordered").classes("f-row"):
            named_card = ui.row(wrap=False).classes("w-full items-center gap-2")
            with named_card:
                ui.icon(icon, size="sm").classes("n-soft")
                ui.label(title).classes("font-bold grow")
                if row.kind != "yaml":
                    self._negation(place, row)
                away = ui.button(icon="close", on_click=lambda: self._remove(row)).props("flat round dense")
                named(away, f"{place}.remove", f"remove condition: {title}")
            self._content(place, row)

    def _negation(self, place: str, row: Row) -> None:
        def turn(value: bool) -> None:
            row.negated = value
            self._form.touch(place)

        switch = ui.switch("Not", value=row.negated, on_change=lambda event: turn(event.value)).props("dense")
        named(switch, f"{place}.not", "not: the opposite must hold")

    def _content(self, place: str, row: Row) -> None:
        match row.kind:
            case "time":
                _time(self._form, place, row.said, self._house)
            case "presence":
                _presence(self._form, place, row.said)
            case "mqtt":
                _mqtt(self._form, place, row.said["mqtt"], self._house)
            case "any":
                self._groups(place, row)
            case "yaml":
                ui.code(
                    yaml.safe_dump(row.said, sort_keys=False, allow_unicode=True).strip(), language="yaml"
                )
                ui.label("Change it in an exported file.").classes("n-small n-soft")

    def _groups(self, place: str, row: Row) -> None:
        for number, group in enumerate(row.groups):
            if number:
                ui.label("or").classes("f-and font-bold")
            with ui.column().classes("f-group"):
                OnlyIfForm(self._form, group, self._house, f"{place}.{number}")
                if len(row.groups) > 1:
                    away = ui.button(
                        "Take this alternative away",
                        icon="remove",
                        on_click=lambda number=number: self._ungroup(row, number),
                    )
                    named(away.props("flat dense no-caps").classes("f-shortcut"), f"{place}.{number}.ungroup")
        error_line(self._form, place)
        more = ui.button("Or...", icon="call_split", on_click=lambda: self._regroup(row))
        named(more.props("flat dense no-caps"), f"{place}.or", "add an alternative")

    def _ungroup(self, row: Row, number: int) -> None:
        del row.groups[number]
        self._redrawn()

    def _regroup(self, row: Row) -> None:
        row.groups.append([])
        self._redrawn()


def _time(form: Form, place: str, said: dict[str, Any], house: Household) -> None:
    """A window, days, or both."""
    here = f"{place}.between"

    def set_edge(number: int, value: str) -> None:
        ends = list(said.get("between") or ["sunset", "23:00"])
        ends[number] = value
        said["between"] = ends
        hint.set_visibility(house.home.place is None and any(end.startswith("sun") for end in ends))
        form.touch(here)

    def all_day(value: bool) -> None:
        ends.set_visibility(not value)
        if value:
            said.pop("between", None)
        else:
            said["between"] = ["sunset", "23:00"]
        hint.set_visibility(house.home.place is None and not value)
        form.touch(place)

    between = said.get("between") or ["sunset", "23:00"]
    switch = ui.switch("All day", value="between" not in said, on_change=lambda event: all_day(event.value))
    named(switch.props("dense"), f"{place}.all-day")
    with ui.row().classes("w-full gap-3 items-start") as ends:
        edge(f"{here}.0", "From", between[0], lambda value: set_edge(0, value))
        edge(f"{here}.1", "Until", between[1], lambda value: set_edge(1, value))
    ends.set_visibility("between" in said)
    error_line(form, here)
    with ui.element("div").classes("f-lack") as hint:
        ui.label("Nobody knows yet when the sun rises and sets here.")
        house.button("place", f"{place}.ask.place")
    hint.set_visibility(
        house.home.place is None and any(end.startswith("sun") for end in said.get("between", ()))
    )
    day_chips(form, f"{place}.days", said)
    error_line(form, place)


def _presence(form: Form, place: str, said: dict[str, Any]) -> None:
    def choose(value: str) -> None:
        said["presence"] = value
        form.touch(place)

    options = {"present": "Somebody is here", "absent": "Nobody is here"}
    choice(f"{place}.presence", "Only if", options, said["presence"], choose)
    error_line(form, place)


def _mqtt(form: Form, place: str, said: dict[str, Any], house: Household) -> None:
    here = f"{place}.mqtt"
    text(form, f"{here}.topic", "Topic", said, "topic", hint="as in home/alarm")
    text(form, f"{here}.key", "Key inside the message (optional)", said, "key", required=False)
    text(form, f"{here}.is", "is", said, "is", hint="as in off", write=_as_text)
    if house.home.mqtt is None:
        with ui.element("div").classes("f-lack"):
            ui.label("This is heard from a broker.")
            house.button("mqtt", f"{place}.ask.mqtt")
    error_line(form, place)


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
