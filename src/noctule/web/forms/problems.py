"""What is wrong with a draft: where, and what, for somebody who has never seen a schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from noctule.routines.parts import complaint, seconds_of
from noctule.routines.schema import Condition, Routine, Step, When
from noctule.web.forms.draft import Draft
from noctule.web.forms.lines import Unreadable
from noctule.web.forms.rows import Row, condition_of

EMPTY = "Please fill this in"
HOW_LONG = "Say for how long"
#: Where the schema's own words are about patterns, or about keys that nobody sees in a form.
_PLAIN = {
    "service": "Write it like light.turn_on",
    "url": "An address begins with http:// or https://",
    "is": EMPTY,
    "between": "Choose both times",
    "days": "Choose at least one day",
}


def problems_of(draft: Draft, others: Iterable[Routine] = ()) -> dict[str, str]:
    """Place in the form -> words; empty where it can be saved.

    Places are `name`, `when.for`, `only_if.0.mqtt.topic`, `only_if.0.1.2` (row of a group),
    `then.1.light.topic`, `suppress_for`.
    """
    found = {}
    name = draft.name.strip()
    if not name:
        found["name"] = "Give it a name"
    elif any(one.name == name and one.id != draft.id for one in others):
        found["name"] = "Another Routine has this name"
    lasts = "for" in draft.when or draft.when.get("motion") == "not_detected"
    found |= _duration("when.for", draft.when.get("for"), asked=lasts)
    if "when.for" not in found:
        found |= _of_part(When, draft.when, "when")
    found |= dict(_of_rows(draft.rows, "only_if"))
    found |= _duration("suppress_for", draft.suppress_for, asked=draft.suppress_for is not None)
    if not draft.then:
        found["then"] = "Add at least one thing to do"
    for number, step in enumerate(draft.then):
        found |= _of_part(Step, step, f"then.{number}")
    return found or _of_part(Routine, draft.as_tree(), "")


def _of_rows(rows: list[Row], place: str) -> Iterator[tuple[str, str]]:
    for number, row in enumerate(rows):
        here = f"{place}.{number}"
        if row.kind == "time" and not row.said:
            yield here, "Choose a time or days"
        elif row.kind != "any":
            yield from _of_part(Condition, condition_of([row]) or {}, here).items()
        elif not row.groups:
            yield here, "Add at least one alternative"
        for group_number, group in enumerate(row.groups):
            if not group:
                yield f"{here}.{group_number}", "Add a condition, or take this alternative away"
            yield from _of_rows(group, f"{here}.{group_number}")


def _of_part(kind: type[BaseModel], tree: Any, place: str) -> dict[str, str]:
    """Everything wrong with a part, each at its own place."""
    try:
        kind.model_validate(tree)
    except ValidationError as error:
        return dict(_said(one, place) for one in error.errors(include_url=False))
    return {}


def _said(error: Any, place: str) -> tuple[str, str]:
    if isinstance(error["input"], Unreadable):
        words = error["input"].why
    elif error["type"] == "missing":
        words = EMPTY
    elif error["input"] in ("", None):
        words = HOW_LONG if error["loc"] and error["loc"][-1] in ("for", "timeout") else EMPTY
    else:
        words = _words(error)
    path = [str(one) for one in error["loc"] if one not in ("not", "and")]
    # both ends of a window are one line of the form
    path = path[: path.index("between") + 1] if "between" in path else path
    path = path[: path.index("days") + 1] if "days" in path else path
    return ".".join([*([place] if place else []), *path]), words


def _words(error: Any) -> str:
    key = next((one for one in reversed(error["loc"]) if isinstance(one, str)), "")
    if error["type"] in ("string_pattern_mismatch", "string_too_short", "too_short") and key in _PLAIN:
        return _PLAIN[key]
    if key == "url":
        return _PLAIN["url"]
    said = complaint(ValidationError.from_exception_data("form", [_again(error)]))[1]
    return said[0].upper() + said[1:]


def _again(error: Any) -> Any:
    """An error as pydantic takes it back in."""
    return {key: error[key] for key in ("type", "loc", "input", "ctx") if key in error}


def _duration(place: str, text: Any, asked: bool) -> dict[str, str]:
    if not asked:
        return {}
    if not text:
        return {place: HOW_LONG}
    try:
        seconds_of(text)
    except ValueError as error:
        return {place: str(error)}
    return {}
