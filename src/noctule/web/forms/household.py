"""The home as it is now, and small dialogs that say more of it, the same wherever something is lacking."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nicegui import ui

from noctule.core.errors import NoctuleError
from noctule.routines.settings import Home
from noctule.service.home_changes import told_of
from noctule.web.forms.dialogs import opened
from noctule.web.forms.home_pieces import PIECES, Ask, Piece, asks_of, piece_for
from noctule.web.forms.inputs import named
from noctule.web.forms.problems import EMPTY

if TYPE_CHECKING:
    from noctule.service.automation import Automation

_FIELD = "outlined dense autocomplete=off autocapitalize=off spellcheck=false"
#: Browsers tell it to pages from this machine or over https alone.
_MAY_ASK = "window.isSecureContext && 'geolocation' in navigator"
_WHERE = """
    new Promise((done) => navigator.geolocation.getCurrentPosition(
        ({ coords: { latitude, longitude } }) =>
            done([latitude, longitude, Intl.DateTimeFormat().resolvedOptions().timeZone]),
        (error) => done(error.message || 'it does not know'),
        { timeout: 20000, maximumAge: 600000 },
    ))
"""
_WITHIN_S = 30.0
#: Some hundred metres: neither sun nor weather need more.
_DIGITS = 3


class Household:
    """changed : called after something was said."""

    def __init__(self, automation: Automation, changed: Callable[[], None] = lambda: None) -> None:
        self.automation, self._changed = automation, changed

    @property
    def home(self) -> Home:
        return self.automation.home

    def ask(self, piece: str) -> None:
        """Open the dialog of a piece."""
        with ui.context.client.content:  # what was clicked may be drawn anew meanwhile
            _Dialog(self.automation, piece, self._changed)

    def button(self, piece: str, testid: str) -> ui.button:
        """One that opens it."""
        button = ui.button(PIECES[piece].title, icon=PIECES[piece].icon, on_click=lambda: self.ask(piece))
        return named(button.props("outline dense no-caps").classes("f-ask"), testid)

    def help_with(self, lack: str, testid: str) -> str | None:
        """The button that helps where this is lacking, if there is one; its piece."""
        piece = piece_for(lack)
        if piece is not None:
            self.button(piece, testid)
        return piece


class _Dialog:
    """Inputs of one piece. Only what was changed is written; of a secret is only told that it is set."""

    def __init__(self, automation: Automation, piece: str, changed: Callable[[], None]) -> None:
        self._automation, self._piece, self._changed = automation, piece, changed
        self._told = told_of(automation.home)
        self._inputs: dict[Ask, _Input] = {}
        about = PIECES[piece]
        with opened(about.title, f"home.{piece}") as self._dialog:
            ui.label(about.what).classes("n-soft n-small")
            for ask in asks_of(piece, automation.home):
                self._inputs[ask] = _Input(ask, self._told)
            if piece == "place":
                self._offer_place()
            if piece == "notify":
                self._name = ui.input("New name, as in phone").props(_FIELD).classes("w-full")
                named(self._name, "home.notify.name")
                self._url = ui.input("Its Apprise URL", password=True).props(_FIELD).classes("w-full")
                named(self._url, "home.notify.url")
            self._wrong = named(ui.label().classes("f-error").props("role=alert"), "home.error")
            self._wrong.set_visibility(False)
            self._foot(about)

    def _foot(self, about: Piece) -> None:
        with ui.element("div").classes("flex no-wrap w-full items-center gap-1"):
            if about.table is not None and self._told[about.table] is not None:
                away = ui.button("Remove", on_click=lambda: self._write({str(about.table): None}))
                named(away.props("flat"), "home.away")
            ui.element("div").classes("grow")
            named(ui.button("Cancel", on_click=self._dialog.close).props("flat"), "home.cancel")
            named(ui.button("Save", on_click=self._save).props("unelevated"), "home.save")

    def _offer_place(self) -> None:
        button = ui.button("Use this device's place", icon="my_location", on_click=self._use_place)
        named(button.props("outline no-caps"), "home.here").set_visibility(False)

        async def look() -> None:
            button.set_visibility(bool(await ui.run_javascript(_MAY_ASK, timeout=5.0)))

        ui.timer(0.0, look, once=True)

    async def _use_place(self) -> None:
        try:
            found = await ui.run_javascript(_WHERE, timeout=_WITHIN_S)
        except TimeoutError:
            found = "nothing came"
        if not isinstance(found, list):
            self._complain(f"The browser does not tell its place ({str(found)[:100]}): type it in")
            return
        latitude, longitude, zone = found
        values = {
            "latitude": round(latitude, _DIGITS),
            "longitude": round(longitude, _DIGITS),
            "time_zone": zone,
        }
        for ask, one in self._inputs.items():
            one.box.value = values[ask.name]
        self._wrong.set_visibility(False)

    def _save(self) -> None:
        self._wrong.set_visibility(False)
        changes: dict[str, Any] = {}
        lacking = [one for one in self._inputs.values() if one.lacks()]
        try:
            for ask, one in self._inputs.items():
                if one.changed():
                    _put(changes, ask.path, one.value())
            if self._piece == "notify" and (self._name.value or self._url.value):
                changes.setdefault("notify", {})[(self._name.value or "").strip()] = self._url.value or ""
        except ValueError as error:
            self._complain(str(error))
            return
        if not lacking:
            self._write(changes)

    def _write(self, changes: dict[str, Any]) -> None:
        try:
            if changes:
                self._automation.change_home(changes)
        except NoctuleError as error:
            self._refused(str(error))
            return
        self._dialog.close()
        self._changed()

    def _refused(self, why: str) -> None:
        """At the input that it names, where it names one."""
        for ask, one in self._inputs.items():
            _, found, words = why.partition(f"home.{ask.name}: ")
            if found:
                one.box.error = words
                return
        self._complain(why.partition("home: ")[2] or why)

    def _complain(self, words: str) -> None:
        self._wrong.set_text(words)
        self._wrong.set_visibility(True)


class _Input:
    """One value of the home."""

    def __init__(self, ask: Ask, told: dict[str, Any]) -> None:
        self._ask = ask
        self._was_there = ask.value_in(told)
        self._is_set = ask.kind == "secret" and self._was_there is not None
        self._away: ui.checkbox | None = None
        label = f"{ask.label}: set" if self._is_set else ask.label
        hint = "empty: it stays as it is" if self._is_set else ask.hint
        self.box: Any
        match ask.kind:
            case "switch":
                self.box = ui.switch(label, value=bool(self._was_there))
            case "number":
                self.box = ui.number(label, value=self._was_there).props("step=any inputmode=decimal")
            case "secret":
                self.box = ui.input(label, password=True, password_toggle_button=True)
                self.box.props("autocomplete=new-password")
            case _:
                self.box = ui.input(label, value=_typed(self._was_there))
        if ask.kind != "switch":
            self.box.props(f'{_FIELD} hint="{hint}"' if hint else _FIELD).classes("w-full")
            self.box.without_auto_validation()
            self.box.on_value_change(lambda: setattr(self.box, "error", None))
        named(self.box, f"home.{ask.name}")
        if self._is_set and not ask.required:
            self._away = named(ui.checkbox("Take it out").props("dense"), f"home.{ask.name}.away")

    def value(self) -> Any:
        """As the home has it; raises ValueError in words."""
        given = self.box.value
        if self._ask.kind == "switch":
            return given
        if self._ask.kind == "number":
            return int(given) if given is not None and float(given).is_integer() else given
        given = str(given or "").strip()
        if self._ask.kind == "secret" and not given:
            return None
        if self._ask.kind == "place" and given:
            try:
                latitude, longitude = (float(one) for one in given.split(","))
            except ValueError:
                raise ValueError(f"{self._ask.label}: write it like 52.52, 13.405") from None
            return [latitude, longitude]
        return given or None

    def changed(self) -> bool:
        if self._ask.kind == "secret":
            return bool(self.box.value) or bool(self._away and self._away.value)
        return bool(self.value() != self._was_there)

    def lacks(self) -> bool:
        """Say so where it does."""
        missing = self._ask.required and not self._is_set and not self.box.value
        if missing:
            self.box.error = EMPTY
        return missing


def _typed(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(f"{one:g}" for one in value)
    return "" if value is None else str(value)


def _put(tree: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        tree = tree.setdefault(key, {})
    tree[path[-1]] = value
