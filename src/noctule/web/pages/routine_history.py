"""The log of Routines: what ran and what did not, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nicegui import ui

from noctule.web.forms.action_fields import ACTION_FORMS
from noctule.web.forms.inputs import choice
from noctule.web.forms.words import unquoted
from noctule.web.theme import card, empty, when_text

if TYPE_CHECKING:
    from noctule.service.service import Service

_EVERY = "every Routine"
#: So many lines are drawn; the log has more.
_MOST_LINES = 100


class RoutineHistory:
    """Newest first, of one Routine or of all."""

    def __init__(self, service: Service, routine: str | None = None) -> None:
        self._log, self._routine = service.automation.log, routine
        names = {one.id: one.name for one in service.automation.routines}
        names |= {one["routine"]: one["name"] for one in self._log if one["routine"] not in names}
        options = {"": _EVERY, **names}
        with card():
            box = choice(
                "history.filter", "Show", options, routine if routine in options else "", self._choose
            )
            box.classes("mb-2")
            self._box = ui.element("div").classes("n-list").props("data-testid=history")
        self._draw()

    def _choose(self, routine: str) -> None:
        self._routine = routine or None
        self._draw()

    def heard(self, entry: dict[str, Any]) -> None:
        """Another line was told."""
        if self._routine in (None, entry["routine"]):
            self._draw()

    def _draw(self) -> None:
        lines = [one for one in self._log if self._routine in (None, one["routine"])][-_MOST_LINES:]
        self._box.clear()
        with self._box:
            for one in reversed(lines):
                _line(one)
            if not lines:
                empty(
                    "Nothing has happened yet. Each time its moment comes, a line says why it ran or not.",
                    "history",
                )


def _line(entry: dict[str, Any]) -> None:
    icon, colour, words, more = _words(entry)
    with ui.element("div").classes("f-line"):
        ui.icon(icon).classes(colour).props("aria-hidden=true")
        with ui.element("div").classes("min-w-0 grow"):
            ui.label(words)
            with ui.element("time").props(f'datetime="{entry["time"]}"'):
                ui.label(" · ".join(filter(None, (when_text(entry["time"]), unquoted(more)))))


def _words(entry: dict[str, Any]) -> tuple[str, str, str, str]:
    """Icon, its colour, a line, and what stands below it."""
    name = entry["name"]
    if "runs" not in entry:
        step = f"{name}: {ACTION_FORMS[entry['action']].title}"
        if entry["ok"]:
            return "done", "f-yes", step, entry["what"]
        return "error", "f-no", f"{step} failed", entry["what"]
    if entry["runs"]:
        return "play_circle", "f-yes", f"{name} runs", "; ".join(one["text"] for one in entry["reasons"])
    against = "; ".join(one["text"] for one in entry["reasons"] if one["holds"] is not True)
    return "do_not_disturb_on", "n-soft", f"{name} did not run", against
