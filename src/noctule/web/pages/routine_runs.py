"""What became of a Routine: its last run in a line, a dry run with its reasons, a test with its results."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nicegui import ui

from noctule.routines.schema import Routine
from noctule.routines.verdict import Verdict
from noctule.web.forms.action_fields import ACTION_FORMS
from noctule.web.forms.dialogs import close_button, opened
from noctule.web.forms.words import action_words, unquoted
from noctule.web.theme import when_text

if TYPE_CHECKING:
    from noctule.service.automation import Automation
    from noctule.service.service import Service

_ICONS = {True: ("check_circle", "f-yes"), False: ("cancel", "f-no"), None: ("help", "n-soft")}

_ANSWERS = {True: "yes", False: "no", None: "not known"}


@dataclass(frozen=True)
class Last:
    """The newest thing about a Routine. `mood`: ran, failed, or nothing."""

    icon: str
    mood: str
    text: str


def last_words(automation: Automation, routine: Routine) -> Last:
    """Whether it ran last time, and if not, why."""
    entries = [one for one in automation.log if one.get("routine") == routine.id]
    verdict = next((one for one in reversed(entries) if "runs" in one), None)
    failed = next((one for one in reversed(entries) if "runs" not in one), None)
    if failed is not None and not failed["ok"] and (verdict is None or failed["time"] >= verdict["time"]):
        action = ACTION_FORMS[failed["action"]].title
        words = f"{when_text(failed['time'])}: {action} failed: {unquoted(failed['what'])}"
        return Last("error", "failed", words)
    if verdict is None:
        ran = automation.last_run(routine.id)
        return Last("history", "", f"Ran {when_text(str(ran['time']))}" if ran else "Has not run yet")
    moment = when_text(verdict["time"])
    if verdict["runs"]:
        return Last("check_circle", "ran", f"Ran {moment}")
    against = [one["text"] for one in verdict["reasons"] if one["holds"] is not True]
    return Last("do_not_disturb_on", "", f"{moment}: did not run, {'; '.join(against)}")


def reasons_list(reasons: list[dict[str, Any]]) -> None:
    """Each reason with a yes, a no, or a question mark."""
    for one in reasons:
        icon, colour = _ICONS[one["holds"]]
        with ui.element("div").classes("f-reason"):
            ui.icon(icon).classes(colour).props(f'aria-label="{_ANSWERS[one["holds"]]}"')
            ui.label(one["text"])


def show_verdict(verdict: Verdict) -> None:
    """Would it run now?"""
    with opened("It would run now" if verdict.runs else "It would not run now", "verdict") as dialog:
        reasons_list([dict(one.as_record()) for one in verdict.reasons])
        close_button(dialog)


def show_test(service: Service, routine: Routine) -> None:
    """Do the actions, and show what becomes of each."""
    with opened(f"Running “{routine.name}”", "test") as dialog:
        ui.label("Its actions, whatever its conditions say.").classes("n-small n-soft")
        lines = [_pending(action_words(step)) for step in routine.then]
        summary = ui.label("Please wait...").props("role=status data-testid=test.result")
        close_button(dialog)

        def show(step: int, ok: bool, what: str) -> None:
            icon, words = lines[step]
            name, colour = _ICONS[ok]
            icon.set_name(name)
            icon.classes(replace=colour)
            words.set_text(unquoted(what))

        async def run() -> None:
            with service.bus.subscribe("routine") as messages:
                test = asyncio.ensure_future(service.automation.test(routine))
                test.add_done_callback(lambda _: messages.close())
                async for message in messages:
                    told = message.body
                    if told["routine"] == routine.id and "step" in told:
                        show(told["step"], told["ok"], told["what"])
            done = await test
            for icon, words in lines[len(done) :]:
                icon.set_name("remove_circle_outline")
                words.set_text("left out")
            failed = sum(not one.ok for one in done)
            summary.set_text("All done" if not failed else f"{failed} of {len(done)} failed")

        ui.timer(0.0, run, once=True)


def _pending(what: str) -> tuple[ui.icon, ui.label]:
    with ui.element("div").classes("f-reason"):
        icon = ui.icon("pending").classes("n-soft")
        with ui.element("div"):
            ui.label(what)
            return icon, ui.label().classes("n-small n-soft")
