"""*Then*: actions in their order, each with its inputs."""

from __future__ import annotations

import copy
from typing import Any

from nicegui import ui
from nicegui.events import SortableEventArguments
from pydantic import ValidationError

from noctule.routines.schema import Step
from noctule.routines.settings import Home
from noctule.web.forms.action_fields import ACTION_FORMS, Field
from noctule.web.forms.action_inputs import announce_inputs, command_inputs, light_inputs, play_inputs
from noctule.web.forms.draft import action_of
from noctule.web.forms.form import Form
from noctule.web.forms.household import Household
from noctule.web.forms.inputs import choice, duration, error_line, named, text
from noctule.web.forms.rows import Tree
from noctule.web.forms.words import unquoted

_ON_ERROR = {"continue": "Go on with the next", "stop": "Stop here"}
#: What these need of the home is the same, whatever is typed.
_FILLED_IN = {
    "light": {"topic": "lamp"},
    "mqtt": {"topic": "lamp", "payload": ""},
    "home_assistant": {"service": "light.turn_on"},
}
_MORE_INPUTS = {
    "light": light_inputs,
    "announce": announce_inputs,
    "play": play_inputs,
    "command": command_inputs,
}


class ThenForm:
    """Steps, to be added, changed, moved by dragging or by arrows, and taken away."""

    def __init__(self, form: Form, steps: list[Tree], house: Household) -> None:
        self._form, self._steps, self._house = form, steps, house
        self._box = ui.column().classes("w-full gap-3")
        self.draw()

    def draw(self) -> None:
        """Everything anew, also after the home was changed."""
        self._form.forget("then")
        self._box.clear()
        with self._box:
            with ui.column().classes("w-full gap-3") as steps:
                for number in range(len(self._steps)):
                    self._step(number)
            steps.make_sortable(handle=".f-handle", on_end=self._dragged)
            error_line(self._form, "then")
            self._add_button()

    def _redrawn(self) -> None:
        self.draw()
        self._form.touch("then")

    def _dragged(self, event: SortableEventArguments) -> None:
        self._move(event.old_index, event.new_index)

    def _move(self, old: int, new: int) -> None:
        if 0 <= new < len(self._steps):
            self._steps.insert(new, self._steps.pop(old))
            self._redrawn()

    def _remove(self, number: int) -> None:
        del self._steps[number]
        self._redrawn()

    def _append(self, name: str) -> None:
        self._steps.append({name: copy.deepcopy(ACTION_FORMS[name].seed)})
        self._redrawn()

    def _add_button(self) -> None:
        with ui.button("Add an action", icon="add").props("flat no-caps dense") as button:
            named(button, "then.add")
            with ui.menu():
                for name, about in ACTION_FORMS.items():
                    if name == "command" and not self._house.home.allow_commands:
                        continue
                    item = ui.menu_item(on_click=lambda name=name: self._append(name))
                    with named(item, f"then.add.{name}"), ui.row(wrap=False).classes("items-center gap-3"):
                        ui.icon(about.icon, size="sm").classes("n-soft")
                        with ui.column().classes("gap-0"):
                            ui.label(about.title)
                            ui.label(about.what).classes("n-small n-soft")

    def _step(self, number: int) -> None:
        step, place = self._steps[number], f"then.{number}"
        name = action_of(step)
        about = ACTION_FORMS[name]
        with ui.element("div").classes("f-row").props(f'role=group aria-label="{number + 1}. {about.title}"'):
            with ui.row(wrap=False).classes("w-full items-center gap-0"):
                ui.icon("drag_indicator", size="sm").classes("f-handle n-faint").props("aria-hidden=true")
                ui.icon(about.icon, size="sm").classes("n-soft").props("aria-hidden=true")
                ui.label(f"{number + 1}. {about.title}").classes("font-bold grow f-name")
                last = len(self._steps) - 1
                self._tool(place, "up", "arrow_upward", number > 0, lambda: self._move(number, number - 1))
                self._tool(
                    place, "down", "arrow_downward", number < last, lambda: self._move(number, number + 1)
                )
                self._tool(place, "remove", "close", True, lambda: self._remove(number))
            for field in about.fields:
                _input(self._form, f"{place}.{name}.{field.key}", field, step[name])
            if name in _MORE_INPUTS:
                _MORE_INPUTS[name](self._form, f"{place}.{name}", step[name], self._house.home)
            self._lacking(place, step, name)
            self._options(place, step, name)
            error_line(self._form, place)

    def _tool(self, place: str, what: str, icon: str, enabled: bool, act: Any) -> None:
        button = named(ui.button(icon=icon, on_click=act).props("flat round dense"), f"{place}.{what}", what)
        button.set_enabled(enabled)

    def _lacking(self, place: str, step: Tree, name: str) -> None:
        """What the home would need for it, and a button that says it."""
        box = ui.element("div").classes("w-full")
        shown: list[str | None] = [None]

        def look() -> None:
            lack = _lack_of(step, name, self._house.home)
            if lack == shown[0]:
                return
            shown[0] = lack
            box.clear()
            if lack is not None:
                with box, ui.element("div").classes("f-lack"):
                    ui.label(f"Will not work yet: {unquoted(lack)}.").props(f'data-testid="{place}.lack"')
                    self._house.help_with(lack, f"{place}.ask")

        look()
        self._form.watch(f"{place}.lack", look)

    def _options(self, place: str, step: Tree, name: str) -> None:
        if name == "wait":
            return

        def on_error(value: str) -> None:
            step.pop("on_error", None)
            if value != "continue":
                step["on_error"] = value
            self._form.touch(f"{place}.on_error")

        said = "timeout" in step or "on_error" in step
        with ui.expansion("Options", value=said).props("dense").classes("w-full f-options"):
            duration(
                self._form, f"{place}.timeout", "Give up after (optional)", step, "timeout", required=False
            )
            choice(f"{place}.on_error", "If it fails", _ON_ERROR, step.get("on_error", "continue"), on_error)


def _lack_of(step: Tree, name: str, home: Home) -> str | None:
    """Also of one that is not filled in yet, where that does not matter."""
    for one in (step, {name: _FILLED_IN.get(name)}):
        try:
            return Step.model_validate(one).action.lacks(home)
        except ValidationError:
            continue
    return None


def _input(form: Form, place: str, field: Field, tree: dict[str, Any]) -> None:
    def change(value: Any) -> None:
        tree.pop(field.key, None)
        if value != field.default:
            tree[field.key] = value
        form.touch(place)

    match field.kind:
        case "duration":
            duration(form, place, field.label, tree, field.key, required=field.required)
        case "choice":
            value = tree.get(field.key, field.default)
            choice(place, field.label, field.options or {}, value, change)
        case "switch":
            value = bool(tree.get(field.key, field.default))
            switch = ui.switch(field.label, value=value, on_change=lambda event: change(event.value))
            named(switch.props("dense"), place)
        case _:
            text(
                form,
                place,
                field.label,
                tree,
                field.key,
                hint=field.hint,
                lines=field.kind == "lines",
                required=field.required,
                read=field.read,
                write=field.write,
            )
