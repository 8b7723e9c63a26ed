"""The editor of a Routine: when, only if, then; what is wrong stands where it is wrong."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from nicegui import ui
from pydantic import ValidationError

from noctule.core.errors import NoctuleError
from noctule.routines.schema import Routine, id_of
from noctule.web.forms.draft import Draft
from noctule.web.forms.form import Form
from noctule.web.forms.household import Household
from noctule.web.forms.inputs import choice, duration, error_line, named, text
from noctule.web.forms.only_if_form import OnlyIfForm
from noctule.web.forms.problems import problems_of
from noctule.web.forms.then_form import ThenForm
from noctule.web.forms.when_form import when_form
from noctule.web.forms.words import sentence
from noctule.web.pages.routine_runs import show_test, show_verdict
from noctule.web.theme import card

if TYPE_CHECKING:
    from noctule.service.service import Service

_MODES = {
    "single": "leave the first alone",
    "restart": "begin anew",
    "queued": "wait until it is done",
}


class RoutineEditor:
    """A draft and its form.

    Parameters
    ----------
    save : keeps the Routine; may raise NoctuleError.
    leave : the way back.
    """

    def __init__(
        self,
        service: Service,
        draft: Draft,
        save: Callable[[Routine], None],
        leave: Callable[[], None],
    ) -> None:
        self._service, self._save_routine, self._leave = service, save, leave
        self.draft, self._before = draft, copy.deepcopy(draft)
        self._form = Form(self._problems, self._say)
        self._house = Household(service.automation, self._home_changed)
        with ui.element("div").classes("f-editor"):
            self._build()
        self._say()

    @property
    def changed(self) -> bool:
        """Whether something would be lost."""
        return self.draft != self._before

    def _build(self) -> None:
        with ui.element("div").classes("f-head"):
            back = ui.button(icon="arrow_back", on_click=self._leave).props("flat round")
            named(back, "back", "back to all Routines")
            with ui.element("h2"):
                ui.label("Edit Routine" if self._is_known else "New Routine")
        self._sentence = ui.label().classes("f-says").props("role=status data-testid=says")
        with card():
            text(self._form, "name", "Name", self.draft.__dict__, "name")
        with card("When"):
            when_form(self._form, self.draft)
        with card("Only if"):
            self._only_if = OnlyIfForm(self._form, self.draft.rows, self._house)
        with card("Then"):
            self._then = ThenForm(self._form, self.draft.then, self._house)
        with card("And then"):
            self._afterwards()
        with ui.element("div").classes("f-bar"):
            named(ui.button("Save", icon="check", on_click=self._save).props("unelevated"), "save")
            named(ui.button("Would it run?", on_click=self._ask).props("flat"), "ask")
            named(ui.button("Test", icon="play_arrow", on_click=self._test).props("flat"), "test-draft")
            self._complaint = ui.label().classes("f-error w-full").props("role=alert data-testid=complaint")
            self._complaint.set_visibility(False)

    def _home_changed(self) -> None:
        self._only_if.draw()
        self._then.draw()
        self._form.show()

    def _afterwards(self) -> None:
        suppress = self.draft.__dict__

        def turn(on: bool) -> None:
            rest.set_visibility(on)
            self.draft.suppress_for = (self.draft.suppress_for or "5m") if on else None
            if on:
                self._form.forget("suppress_for")
                rest.clear()
                with rest:
                    duration(self._form, "suppress_for", "Not again for", suppress, "suppress_for")
            self._form.touch("suppress_for")

        def set_mode(mode: str) -> None:
            self.draft.mode = mode
            self._form.touch("mode")

        on = self.draft.suppress_for is not None
        switch = ui.switch(
            "Not again for a while after it ran", value=on, on_change=lambda event: turn(bool(event.value))
        )
        named(switch, "suppress")
        rest = ui.column().classes("w-full")
        with rest:
            duration(self._form, "suppress_for", "Not again for", suppress, "suppress_for")
        rest.set_visibility(on)
        choice("mode", "If it starts while it still runs", _MODES, self.draft.mode, set_mode).classes("mt-2")
        error_line(self._form, "mode")

    @property
    def _is_known(self) -> bool:
        return any(one.id == self.draft.id for one in self._service.automation.routines)

    def _problems(self) -> dict[str, str]:
        return problems_of(self.draft, self._service.automation.routines)

    def _say(self) -> None:
        """The sentence, as far as there is one."""
        try:
            self._sentence.set_text(sentence(self._named().as_routine()))
        except ValidationError:
            self._sentence.set_text("Say when, and what is to be done then.")
        self._complaint.set_visibility(False)

    def _named(self) -> Draft:
        """With the name as it will be kept, and an id that nobody else has."""
        name = self.draft.name.strip()
        others = {one.id for one in self._service.automation.routines}
        ids = [id_of(name), *(f"{id_of(name)}-{number}" for number in range(2, len(others) + 3))]
        id_ = self.draft.id or next(one for one in ids if one not in others)
        return replace(self.draft, name=name or "Routine", id=id_)

    def _checked(self) -> Routine | None:
        """The Routine; None where something is wrong, which is shown then."""
        problems = self._form.show_all()
        if not problems:
            return self._named().as_routine()
        count = len(problems)
        self._complain(f"{count} thing{' is' if count == 1 else 's are'} missing or wrong: look above")
        ui.run_javascript(
            "document.querySelector('.q-field--error, [role=alert]:not(.hidden)')"
            "?.scrollIntoView({block: 'center', behavior: 'smooth'})"
        )
        return None

    def _complain(self, words: str) -> None:
        self._complaint.set_text(words)
        self._complaint.set_visibility(True)

    def _save(self) -> None:
        routine = self._checked()
        if routine is not None:
            try:
                self._save_routine(routine)
            except NoctuleError as error:
                self._complain(str(error))

    def _ask(self) -> None:
        routine = self._checked()
        if routine is not None:
            show_verdict(self._service.automation.would_run(routine))

    def _test(self) -> None:
        routine = self._checked()
        if routine is not None:
            show_test(self._service, routine)
