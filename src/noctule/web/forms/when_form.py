"""*When*: what starts a Routine."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from noctule.web.forms.draft import Draft
from noctule.web.forms.form import Form
from noctule.web.forms.inputs import choice, duration, error_line, tiles

_CAUSES = (
    ("motion-detected", "directions_walk", "Motion is detected"),
    ("motion-not_detected", "timer_off", "No motion for a while"),
    ("presence-present", "login", "Somebody arrives"),
    ("presence-absent", "logout", "Everybody has left"),
)
_LEVELS = {
    "any": "Any motion",
    "major": "Only somebody walking (major)",
    "minor": "Only small movements (minor)",
}


def when_form(form: Form, draft: Draft) -> None:
    """Four causes to choose from, and what belongs to the chosen one."""
    when = draft.when
    key = "motion" if "motion" in when else "presence"

    def choose(cause: str) -> None:
        kind, _, what = cause.partition("-")
        kept = {name: when[name] for name in ("level",) if kind == "motion" and name in when}
        if what != "detected" and when.get("for"):
            kept["for"] = when["for"]
        when.clear()
        when.update({kind: what, **kept})
        if what == "not_detected":
            when.setdefault("for", "10m")
        draw()
        form.touch("when")

    def draw() -> None:
        form.forget("when.for")
        details.clear()
        with details:
            _details(form, when)

    tiles("when", "When", _CAUSES, f"{key}-{when.get(key)}", choose)
    details = ui.column().classes("w-full gap-3")
    error_line(form, "when")
    draw()


def _details(form: Form, when: dict[str, Any]) -> None:
    if "motion" in when:

        def set_level(level: str) -> None:
            when.pop("level", None)
            if level != "any":
                when["level"] = level
            form.touch("when")

        choice("when.level", "Which motion", _LEVELS, when.get("level", "any"), set_level)
    if when.get("motion") == "not_detected":
        duration(form, "when.for", "No motion for", when, "for")
    if "presence" in when:
        duration(form, "when.for", "For at least (optional)", when, "for", required=False)
