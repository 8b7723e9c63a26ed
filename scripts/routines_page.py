"""The page about Routine files, from the models that read them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import SecretStr, WithJsonSchema
from pydantic.fields import FieldInfo

from noctule.routines.parts import Part, duration_text
from noctule.routines.schema import ACTIONS, Condition, MqttIs, Routine, Step, When
from noctule.routines.settings import Home, HomeAssistant, MqttBroker, Travel
from noctule.routines.template import FIELDS

INTRODUCTION = """\
# Routines

A file of Routines is a YAML list of them, or has two keys: `home`, what they need to know of the home, and
`routines`, the list. [How to write them](../how-to/routines.md); `noctule routines check FILE` reads a file
and names what is wrong.

- **Durations** are written like `5s`, `10m`, `2h`, `1d` or `1h30m`.
- **Times** are `23:30`, `sunrise`, `sunset`, or the sun's with an offset up to 12 hours: `sunset-30m`.
- **Windows** hold their beginning and not their end, by the clock on the wall. One with the sun in it that
  ends before it begins, as sunset to 22:00 in a northern June, does not open on that day.
- **Words** are what they look like: `on`, `ON` and `22:00` need no quotes (YAML 1.2).
- **Short forms**: where only one thing is said, its value is enough: `wait: 2s` is `wait: {for: 2s}`.
"""

WIDTH = 110

WORDS = {float: "number", int: "whole number", str: "text", bool: "`true` or `false`", Path: "path"}
TITLES: dict[type[Part], str] = {
    Routine: "A Routine",
    When: "when",
    Condition: "only_if",
    MqttIs: "The state of a topic",
    Step: "then",
    Home: "home",
    MqttBroker: "home: mqtt",
    HomeAssistant: "home: home_assistant",
    Travel: "home: travel",
}

ROUTINE: tuple[type[Part], ...] = (Routine, When, Condition, MqttIs, Step)
HOME: tuple[type[Part], ...] = (Home, MqttBroker, HomeAssistant, Travel)


def routines_page(mark: str) -> str:
    """Every table of a Routine file, and every key."""
    lines = [mark, INTRODUCTION]
    for part in ROUTINE:
        lines += _section(2, TITLES[part], part)
    for name in ACTIONS:
        lines += _section(3, name, _action(name))
    lines += ["## What announcements can tell", "", *_fields(), ""]
    for part in HOME:
        lines += _section(2, TITLES[part], part)
    return "\n".join(lines).rstrip() + "\n"


def _section(level: int, title: str, part: type[Part]) -> Iterator[str]:
    about = _about(part)
    if part.short:
        about += f" Short: its `{part.short}` alone."
    if limit_s := getattr(part, "timeout_s", None):
        about += f" It is ended after {duration_text(limit_s)}, unless `timeout` says otherwise."
    yield from (f"{'#' * level} {title}", "", *textwrap.wrap(about, WIDTH), "")
    yield from ("| key | what | default | meaning |", "|---|---|---|---|")
    for name, field in part.model_fields.items():
        what = _kind(field.annotation, field.metadata)
        meaning = field.description or _about(_action(name))
        yield f"| `{field.alias or name}` | {what} | {_default(field)} | {meaning} |"
    yield ""


def _about(part: type[Part]) -> str:
    return " ".join((part.__doc__ or "").split("\n\n")[0].split())


def _action(name: str) -> type[Part]:
    parts = [one for one in get_args(Step.model_fields[name].annotation) if one is not type(None)]
    part: type[Part] = parts[0]
    return part


def _fields() -> Iterator[str]:
    names = ", ".join(f"`{{{field}}}`" for field in FIELDS)
    said = (
        f"{names}. Degrees Celsius, km/h and percent, as whole numbers. "
        "What is not to be had is said in words, in place of the sentence that needed it."
    )
    yield from textwrap.wrap(said, WIDTH)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be said"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ("", {}, ()):
        return "none"
    if isinstance(value, float) and _is_duration(field.metadata):
        return duration_text(value)
    return f"`{value}`".lower() if isinstance(value, bool) else f"`{value}`"


def _is_duration(metadata: list[Any]) -> bool:
    return any(isinstance(one, WithJsonSchema) for one in metadata)


def _kind(annotation: Any, metadata: list[Any]) -> str:
    """In words; what may be left out is told by the default."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if _is_duration(metadata):
        return "duration"
    if origin is Annotated:
        return _kind(arguments[0], list(arguments[1:]))
    if origin in (Union, UnionType):
        return ", ".join(_kind(one, []) for one in arguments if one is not type(None))
    if origin is Literal:
        return ", ".join(f"`{one}`" for one in arguments)
    if origin is tuple:
        many = "list of " if arguments[-1] is Ellipsis else f"{len(arguments)} times "
        return many + _kind(arguments[0], [])
    if origin is dict:
        return "names and values"
    if annotation is SecretStr:
        return "secret text"
    if isinstance(annotation, type) and issubclass(annotation, Part):
        title = TITLES.get(annotation)
        return f"[{title}](#{_anchor(title)})" if title else _action_link(annotation)
    return WORDS.get(annotation, "anything")


def _action_link(part: type[Part]) -> str:
    (name,) = (one for one in ACTIONS if _action(one) is part)
    return f"[{name}](#{name})"


def _anchor(title: str) -> str:
    return title.lower().replace(":", "").replace(" ", "-")
