"""*Routines*: what happens by itself. Cards, an editor, history; import and export."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nicegui import ui

from noctule.core.errors import NoctuleError
from noctule.routines.document import RoutineFile, routines_text
from noctule.routines.schema import Routine, id_of
from noctule.web.forms.dialogs import opened
from noctule.web.forms.draft import Draft
from noctule.web.forms.home_pieces import piece_for
from noctule.web.forms.household import Household
from noctule.web.forms.inputs import named
from noctule.web.forms.snack import Snack
from noctule.web.forms.starters import STARTERS, Starter
from noctule.web.forms.words import sentence, unquoted
from noctule.web.pages.routine_editor import RoutineEditor
from noctule.web.pages.routine_exchange import ask_for_import
from noctule.web.pages.routine_history import RoutineHistory
from noctule.web.pages.routine_runs import last_words, show_test
from noctule.web.theme import card, empty, follow, note, url

if TYPE_CHECKING:
    from noctule.service.bus import Message
    from noctule.service.service import Service

#: The browser's own "back" leaves the editor and not the page.
_BACK = "routines-back"
_LISTEN = f"window.addEventListener('popstate', () => emitEvent('{_BACK}'))"


def build(service: Service) -> None:
    """The page."""
    RoutinesPage(service)


class RoutinesPage:
    """One of three views at a time: the cards, the history, the editor."""

    def __init__(self, service: Service) -> None:
        self._service, self._automation = service, service.automation
        self._house = Household(service.automation, self.show_cards)
        self._editor: RoutineEditor | None = None
        self._last: dict[str, Callable[[], None]] = {}
        self._history: RoutineHistory | None = None
        ui.add_head_html(f'<link rel="stylesheet" href="{url("/static/forms.css")}">')
        self._snack = Snack()
        self._view = ui.element("div")
        ui.on(_BACK, self._back)
        self._client = ui.context.client
        self._client.on_connect(lambda: self._browser(_LISTEN))
        follow(service.bus, self._heard, "routine")
        self._shown = self._known()
        ui.timer(2.0, self._look_at_file)
        self.show_cards()

    # -- views

    def show_cards(self) -> None:
        """Every Routine as a card."""
        self._shown = self._known()
        with self._cleared():
            self._tools("cards")
            for line in self._notes():
                note(line, "warning").classes("mb-2")
            if self._automation.routines:
                with ui.element("div").classes("f-cards"):
                    for one in self._automation.routines:
                        self._card(one)
            else:
                with card():
                    empty("No Routine yet. Start with one of these, or with an empty one.", "bolt")
                    self._starters(self.edit)

    def show_history(self, routine: str | None = None) -> None:
        """What ran and what did not, and why."""
        self._snack.clear()
        with self._cleared():
            self._tools("history")
            self._history = RoutineHistory(self._service, routine)

    def edit(self, draft: Draft) -> None:
        """Open the editor."""
        self._snack.clear()
        with self._cleared():
            self._editor = RoutineEditor(self._service, draft, self._save, self._leave)
        self._browser("history.pushState({editor: true}, ''); window.scrollTo(0, 0)")

    def _cleared(self) -> ui.element:
        self._editor = self._history = None
        self._last.clear()
        self._view.clear()
        return self._view

    def _tools(self, current: str) -> None:
        with ui.element("div").classes("f-tools"):
            with ui.element("div").classes("f-tabs").props('role=group aria-label="view"'):
                for name, words, show in (
                    ("cards", "Routines", self.show_cards),
                    ("history", "History", self.show_history),
                ):
                    button = ui.button(words, on_click=lambda show=show: show()).props("flat")
                    named(
                        button.props(f"aria-pressed={'true' if name == current else 'false'}"), f"show.{name}"
                    )
            ui.element("div").classes("grow")
            named(ui.button("New", icon="add", on_click=self._new).props("unelevated"), "new")
            with (
                named(ui.button(icon="more_vert").props("flat round"), "more", "import and export"),
                ui.menu(),
            ):
                named(
                    ui.menu_item("Import...", lambda: ask_for_import(self._service, self._imported)), "import"
                )
                named(ui.menu_item("Export all", self._export_all), "export")

    # -- cards

    def _card(self, routine: Routine) -> None:
        with card(classes="" if routine.enabled else "off") as sheet:
            sheet.props(f'data-testid="routine.{routine.id}"')
            with ui.row(wrap=False).classes("w-full items-center gap-2"):
                with ui.element("h2").classes("grow min-w-0"):
                    ui.label(routine.name)
                switch = ui.switch(
                    value=routine.enabled, on_change=lambda event: self._turn(routine, event.value)
                )
                named(switch, f"{routine.id}.enabled", f"{routine.name}: on or off")
            ui.label(sentence(routine)).classes("f-sentence").props(f'data-testid="{routine.id}.sentence"')
            if routine.enabled:
                self._show_lacks(routine)
            last = ui.element("div").classes("w-full")
            self._last[routine.id] = lambda: self._show_last(routine, last)
            self._show_last(routine, last)
            with ui.element("div").classes("f-foot"):
                edit = ui.button("Edit", icon="edit", on_click=lambda: self.edit(Draft.of(routine)))
                named(edit.props("flat"), f"{routine.id}.edit")
                run = ui.button(
                    "Run now", icon="play_arrow", on_click=lambda: show_test(self._service, routine)
                )
                named(run.props("flat"), f"{routine.id}.test")
                ui.element("div").classes("grow")
                self._menu(routine)

    def _show_lacks(self, routine: Routine) -> None:
        """Each with a button that helps, where no other has it already."""
        helped: set[str | None] = set()
        for lack in self._lacks(routine):
            with ui.element("div").classes("f-last f-warning"):
                ui.icon("warning_amber").props("aria-hidden=true")
                with ui.element("div").classes("f-lack"):
                    ui.label(unquoted(lack)).props(f'data-testid="{routine.id}.lack"')
                    if piece_for(lack) not in helped:
                        helped.add(self._house.help_with(lack, f"{routine.id}.ask"))

    def _menu(self, routine: Routine) -> None:
        button = ui.button(icon="more_vert").props("flat round")
        with named(button, f"{routine.id}.menu", f"{routine.name}: more"), ui.menu():
            for name, words, act in (
                ("duplicate", "Duplicate", lambda: self._duplicate(routine)),
                ("history", "History", lambda: self.show_history(routine.id)),
                ("export", "Export", lambda: self._download([routine], f"{routine.id}.yaml")),
                ("delete", "Delete", lambda: self._delete(routine)),
            ):
                named(ui.menu_item(words, act), f"{routine.id}.{name}")

    def _show_last(self, routine: Routine, box: ui.element) -> None:
        words = last_words(self._automation, routine)
        box.clear()
        with box, ui.element("div").classes(f"f-last {words.mood}").props(f'data-testid="{routine.id}.last"'):
            ui.icon(words.icon).props("aria-hidden=true")
            ui.label(words.text)

    # -- what people do

    def _new(self) -> None:
        with opened("Start with", "starters") as dialog:

            def begin(draft: Draft) -> None:
                dialog.close()
                self.edit(draft)

            self._starters(begin)

    def _starters(self, begin: Callable[[Draft], None]) -> None:
        empty_one = Starter("Empty", "add", "When, only if and then are all yours.", Draft())
        with ui.element("div").classes("f-starters"):
            for number, one in enumerate((*STARTERS, empty_one)):
                button = ui.element("button").classes("f-starter").props("type=button")
                named(button, f"starter.{number}", one.name)
                button.on("click", lambda one=one: begin(self._with_own_name(one.begin())))
                with button:
                    ui.icon(one.icon).props("aria-hidden=true")
                    with ui.element("div"):
                        ui.label(one.name).classes("font-bold")
                        ui.label(one.what).classes("n-small n-soft")

    def _with_own_name(self, draft: Draft) -> Draft:
        return replace(draft, name=self._free_name(draft.name)) if draft.name else draft

    def _free_name(self, name: str) -> str:
        taken = {one.name for one in self._automation.routines} | {
            one.id for one in self._automation.routines
        }
        names = [name, *(f"{name} {number}" for number in range(2, len(taken) + 3))]
        return next(one for one in names if one not in taken and id_of(one) not in taken)

    def _save(self, routine: Routine) -> None:
        """Raises NoctuleError."""
        self._automation.put(routine)
        self._leave_editor()
        self._snack.say(f"“{routine.name}” is saved")

    def _turn(self, routine: Routine, on: bool) -> None:
        self._try(lambda: self._automation.put(routine.model_copy(update={"enabled": on})))
        self.show_cards()

    def _duplicate(self, routine: Routine) -> None:
        name = self._free_name(f"{routine.name} copy")
        copy = routine.model_copy(update={"name": name, "id": id_of(name)})
        if self._try(lambda: self._automation.put(copy)):
            self.show_cards()
            self._snack.say(f"“{name}” is there", "Edit", lambda: self.edit(Draft.of(copy)))

    def _delete(self, routine: Routine) -> None:
        before = list(self._automation.routines)

        def bring_back() -> None:
            there = {one.id: one for one in self._automation.routines}
            back = [routine if one.id == routine.id else there.pop(one.id, None) for one in before]
            self._try(lambda: self._automation.save([*(one for one in back if one), *there.values()]))
            self.show_cards()

        if self._try(lambda: self._automation.remove(routine.id)):
            self.show_cards()
            self._snack.say(f"“{routine.name}” is deleted", "Undo", bring_back)

    def _imported(self, routines: list[Routine]) -> None:
        self.show_cards()
        count = len(routines)
        self._snack.say(f"{count} Routine{'' if count == 1 else 's'} imported")

    def _export_all(self) -> None:
        self._download(self._automation.routines, "routines.yaml")

    def _download(self, routines: Any, name: str) -> None:
        ui.download.content(routines_text(routines), name, "application/yaml")

    def _try(self, act: Callable[[], None]) -> bool:
        try:
            act()
        except NoctuleError as error:
            self._snack.say(str(error))
            return False
        return True

    # -- leaving the editor

    def _leave(self) -> None:
        """The arrow in the editor: the browser goes back, and `_back` hears of it."""
        self._browser("history.back()")

    def _leave_editor(self) -> None:
        editor, self._editor = self._editor, None
        if editor is not None:
            self._browser("if (history.state?.editor) history.back()")
        self.show_cards()

    def _back(self) -> None:
        editor = self._editor
        if editor is None:
            return
        self.show_cards()
        if editor.changed:
            self._snack.say("What you changed is not saved", "Bring it back", lambda: self.edit(editor.draft))

    def _browser(self, script: str) -> None:
        """The button that was clicked may be gone by now: the client is not."""
        self._client.run_javascript(script)

    # -- what happens meanwhile

    def _known(self) -> tuple[Any, ...]:
        return (self._automation.routines, self._automation.problem, self._automation.home)

    def _notes(self) -> list[str]:
        """What is wrong with all of them; what one of them lacks stands on its card."""
        own = [self._automation.problem] if self._automation.problem else []
        return own + [line for line in self._automation.warnings() if not line.startswith("routine '")]

    def _lacks(self, routine: Routine) -> list[str]:
        """What the home would need, each thing once."""
        found = RoutineFile(self._automation.home, (routine,)).warnings()
        return list(dict.fromkeys(line.removeprefix(f"routine '{routine.name}': ") for line in found))

    def _look_at_file(self) -> None:
        """Changed by hand, or in another browser."""
        if self._last and self._known() != self._shown:
            self.show_cards()

    def _heard(self, message: Message) -> None:
        if (show := self._last.get(message.body["routine"])) is not None:
            show()
        if self._history is not None:
            self._history.heard(message.body)
