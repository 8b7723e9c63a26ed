"""Import of Routines: paste or choose a file, see what would come, then take it over."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nicegui import ui
from nicegui.events import UploadEventArguments

from noctule.core.errors import NoctuleError
from noctule.routines.document import MOST_CHARACTERS, parse_routines
from noctule.routines.schema import Routine
from noctule.web.forms.dialogs import opened
from noctule.web.forms.inputs import named
from noctule.web.forms.words import sentence

if TYPE_CHECKING:
    from noctule.service.service import Service

_WAYS = {False: "Add them", True: "Instead of all that are there"}


def ask_for_import(service: Service, imported: Callable[[list[Routine]], None]) -> None:
    """The dialog; `imported` hears what came."""
    with opened("Import Routines", "import.dialog") as dialog:

        def done(routines: list[Routine]) -> None:
            dialog.close()
            imported(routines)

        ImportForm(service, done)


class ImportForm:
    """Text, a preview of what it says, and the choice to add or to replace."""

    def __init__(self, service: Service, done: Callable[[list[Routine]], None]) -> None:
        self._automation, self._done = service.automation, done
        self._text = ui.textarea("Paste YAML here", on_change=self._look)
        named(self._text.props("outlined input-style='height: 140px; font-family: monospace'"), "import.text")
        self._text.classes("w-full")
        upload = ui.upload(
            label="or choose a file", auto_upload=True, max_file_size=MOST_CHARACTERS, on_upload=self._take
        )
        upload.on("rejected", lambda: self._show_error("This file is larger than a Routine file can be"))
        named(upload.props('flat bordered accept=".yaml,.yml,.txt"').classes("f-upload"), "import.file")
        self._preview = ui.element("div").classes("w-full").props("data-testid=import.preview role=status")
        self._replace = ui.radio(_WAYS, value=False).props("dense")
        named(self._replace, "import.way", "add or replace")
        with ui.row().classes("w-full justify-end gap-2"):
            self._button = ui.button("Import", on_click=self._import).props("unelevated")
            named(self._button, "import.do")
        self._look()

    async def _take(self, event: UploadEventArguments) -> None:
        try:
            self._text.value = await event.file.text()
        except UnicodeDecodeError:
            self._show_error(f"{event.file.name}: not a text file")

    def _look(self) -> None:
        text = str(self._text.value or "")
        self._preview.clear()
        self._button.set_enabled(False)
        if not text.strip():
            return
        try:
            found = parse_routines(text, "import").routines
        except NoctuleError as error:
            self._show_error(str(error).removeprefix("import: "))
            return
        self._button.set_enabled(bool(found))
        with self._preview, ui.element("div").classes("n-list"):
            for one in found:
                with ui.element("div"):
                    known = any(one.id == old.id or one.name == old.name for old in self._automation.routines)
                    ui.label(
                        f"{one.name}{' (takes the place of the one that is there)' if known else ''}"
                    ).classes("font-bold")
                    ui.label(sentence(one)).classes("n-small n-soft")
            if not found:
                ui.label("There is no Routine in it.")

    def _show_error(self, words: str) -> None:
        self._preview.clear()
        self._button.set_enabled(False)
        with self._preview:
            ui.label(words).classes("n-note trouble").props("role=alert data-testid=import.error")

    def _import(self) -> None:
        try:
            came = self._automation.import_text(str(self._text.value), replace=bool(self._replace.value))
        except NoctuleError as error:
            self._show_error(str(error).removeprefix("import: "))
            return
        self._done(came)
