"""Small inputs, each bound to one key of a tree that is a Routine some day."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from nicegui import ui
from nicegui.elements.mixins.validation_element import ValidationElement

from noctule.routines.parts import UNITS_S, duration_text, seconds_of
from noctule.routines.schema import DAYS
from noctule.web.forms.form import Form
from noctule.web.forms.lines import Unreadable

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_FIELD = "outlined dense"

E = TypeVar("E", bound=ui.element)


def named(element: E, testid: str, label: str | None = None) -> E:
    """What tests and screen readers call it."""
    element.props(f'data-testid="{testid}"')
    if label is not None:
        element.props(f'aria-label="{label}"')
    return element


def error_line(form: Form, place: str) -> None:
    """Words below something that is no input."""
    line = ui.label().classes("f-error").props(f'role=alert data-testid="{place}.error"')
    line.set_visibility(False)

    def show(words: str | None) -> None:
        line.set_text(words or "")
        line.set_visibility(bool(words))

    form.place(place, show)


def shown_at(form: Form, place: str, element: ValidationElement[Any]) -> None:
    """The element's own error message."""

    def show(words: str | None) -> None:
        element.error = words

    element.without_auto_validation()  # it would take the message away
    form.place(place, show)


def text(
    form: Form,
    place: str,
    label: str,
    tree: dict[str, Any],
    key: str,
    *,
    hint: str = "",
    lines: bool = False,
    required: bool = True,
    suggestions: list[str] | None = None,
    read: Callable[[str], Any] = str,
    write: Callable[[Any], str] = str,
) -> ui.input | ui.textarea:
    """Text of a key.

    Parameters
    ----------
    read, write : a value of what was typed, may raise ValueError; and text of a value.
    """

    def changed(typed: str | None) -> None:
        typed = typed or ""
        try:
            if typed.strip() or required:
                tree[key] = read(typed)
            else:
                tree.pop(key, None)
        except ValueError as error:
            tree[key] = Unreadable(typed, str(error))
        form.touch(place)

    held = tree.get(key, "")
    value = str(held) if isinstance(held, Unreadable) or key not in tree else write(held)
    box: ui.input | ui.textarea
    if lines:
        box = ui.textarea(label, value=value, on_change=lambda event: changed(event.value))
        box.props(f"{_FIELD} autogrow")
    else:
        box = ui.input(
            label, value=value, on_change=lambda event: changed(event.value), autocomplete=suggestions
        )
        box.props(f"{_FIELD} autocomplete=off autocapitalize=off spellcheck=false")
    box.classes("w-full").props(f'hint="{hint}"' if hint else "")
    named(box, place)
    shown_at(form, place, box)
    return box


def duration(
    form: Form, place: str, label: str, tree: dict[str, Any], key: str, *, required: bool = True
) -> None:
    """A number and its unit."""
    amount, unit = _amount_of(tree.get(key))

    def changed() -> None:
        if box.value is None:
            if required:
                tree[key] = ""
            else:
                tree.pop(key, None)
        else:
            tree[key] = duration_text(float(box.value) * UNITS_S[str(units.value)])
        form.touch(place)

    with ui.row(wrap=False).classes("w-full items-start gap-2"):
        box = ui.number(label, value=amount, min=0, on_change=changed, format="%g")
        box.props(f"{_FIELD} inputmode=decimal").classes("grow min-w-0")
        named(box, place)
        units = ui.select(_UNITS, value=unit, on_change=changed).props(f"{_FIELD} options-dense")
        units.classes("f-unit")
        named(units, f"{place}.unit", f"unit of: {label}")
    shown_at(form, place, box)


def _amount_of(text: Any) -> tuple[float | None, str]:
    """`90m` is 90 minutes and not 1.5 hours."""
    try:
        seconds = float(str(seconds_of(text)))
    except ValueError:
        return None, "m"
    unit = next((one for one in UNITS_S if seconds % UNITS_S[one] == 0), "s")
    return seconds / UNITS_S[unit], unit


def choice(
    place: str, label: str, options: Mapping[Any, str], value: Any, on_change: Callable[[Any], None]
) -> ui.select:
    """One of a list."""
    box = ui.select(dict(options), value=value, label=label, on_change=lambda event: on_change(event.value))
    box.props(f"{_FIELD} options-dense").classes("w-full")
    named(box, place, label)
    return box


def tiles(
    place: str,
    label: str,
    options: Sequence[tuple[str, str, str]],
    value: str,
    on_change: Callable[[str], None],
) -> None:
    """One of a few, as large buttons: (value, icon, words)."""
    buttons: dict[str, ui.button] = {}

    def choose(wanted: str) -> None:
        mark(wanted)
        on_change(wanted)

    def mark(chosen: str) -> None:
        for one, button in buttons.items():
            pressed = one == chosen
            button.props(f"aria-pressed={'true' if pressed else 'false'}")
            button.props(remove="outline" if pressed else "unelevated")
            button.props(add="unelevated" if pressed else "outline")

    with ui.element("div").classes("f-tiles").props(f'role=group aria-label="{label}"'):
        for one, icon, words in options:
            button = ui.button(words, icon=icon, on_click=lambda one=one: choose(one))
            button.props("no-caps align=left").classes("f-tile")
            named(button, f"{place}.{one}")
            buttons[one] = button
    mark(value)


def day_chips(form: Form, place: str, said: dict[str, Any]) -> None:
    """The days of a condition; all of them is the same as none said."""
    buttons: dict[str, ui.button] = {}

    def now() -> list[str]:
        return list(said.get("days") or DAYS)

    def choose(days: Sequence[str]) -> None:
        if set(days) == set(DAYS):
            said.pop("days", None)
        else:
            said["days"] = [day for day in DAYS if day in days]
        mark()
        form.touch(place)

    def turn(day: str) -> None:
        held = set(said["days"]) if "days" in said else set(DAYS)
        choose(tuple(held ^ {day}))

    def mark() -> None:
        held = said.get("days", DAYS)
        for day, button in buttons.items():
            pressed = day in held
            button.props(f"aria-pressed={'true' if pressed else 'false'}")
            button.props(remove="outline" if pressed else "unelevated")
            button.props(add="unelevated" if pressed else "outline")

    with ui.row(wrap=False).classes("f-days").props('role=group aria-label="days"'):
        for day in DAYS:
            button = ui.button(day.capitalize()[:2], on_click=lambda day=day: turn(day))
            button.props("no-caps padding=none").classes("f-day")
            named(button, f"{place}.{day}", day.capitalize())
            buttons[day] = button
    with ui.row().classes("gap-1"):
        for words, days in (("Weekdays", DAYS[:5]), ("Weekend", DAYS[5:]), ("Every day", DAYS)):
            shortcut = ui.button(words, on_click=lambda days=days: choose(days))
            named(
                shortcut.props("flat dense no-caps").classes("f-shortcut"),
                f"{place}.{words.lower().replace(' ', '-')}",
            )
    error_line(form, place)
    mark()


def edge(place: str, label: str, value: str, on_change: Callable[[str], None]) -> None:
    """One end of a time window: a clock time, or the sun and how long before or after it."""
    found = re.fullmatch(r"(sunrise|sunset)(?:([+-])(.+))?", value)
    kind = found[1] if found else "clock"

    def changed() -> None:
        clock.set_visibility(kind_box.value == "clock")
        shift_row.set_visibility(kind_box.value != "clock")
        if kind_box.value == "clock":
            on_change(str(clock.value or ""))
        else:
            minutes = float(shift.value or 0.0)
            off = f"{side.value}{duration_text(minutes * 60.0)}" if minutes else ""
            on_change(f"{kind_box.value}{off}")

    kinds = {"clock": "Clock time", "sunset": "Sunset", "sunrise": "Sunrise"}
    shift_s = float(str(seconds_of(found[3]))) if found and found[3] else 0.0
    with ui.column().classes("f-edge"):
        kind_box = ui.select(kinds, value=kind, label=label, on_change=changed)
        named(kind_box.props(f"{_FIELD} options-dense").classes("w-full"), f"{place}.kind", label)
        clock = ui.input(value="" if found else value.zfill(5), on_change=changed)
        named(clock.props(f"{_FIELD} type=time").classes("w-full"), f"{place}.clock", f"{label} clock time")
        with ui.row(wrap=False).classes("w-full gap-1 items-center") as shift_row:
            shift = ui.number(
                value=shift_s / 60.0, min=0, max=720, on_change=changed, format="%g", suffix="min"
            )
            shift.props(_FIELD).classes("grow min-w-0")
            named(shift, f"{place}.shift", f"{label}: minutes from the sun")
            side = ui.select(
                {"-": "before", "+": "after"},
                value=found[2] if found and found[2] else "-",
                on_change=changed,
            )
            named(side.props(f"{_FIELD} options-dense").classes("f-side"), f"{place}.side", f"{label}: side")
        clock.set_visibility(kind == "clock")
        shift_row.set_visibility(kind != "clock")
