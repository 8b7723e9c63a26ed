"""Tables and messages as lines of text that people can type.

`entity_id: light.office` is one entry a line; a value that reads as JSON is taken as such, anything else is
text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class Unreadable(str):
    """Stands in a tree where something was typed that means nothing; `why` says what is wrong."""

    why: str

    def __new__(cls, typed: str, why: str = "") -> Unreadable:
        one = super().__new__(cls, typed)
        one.why = why
        return one


def lines_of(table: Mapping[str, Any]) -> str:
    return "\n".join(f"{key}: {_value_text(value)}" for key, value in table.items())


def table_of(text: str) -> dict[str, Any]:
    """The other way round.

    Raises
    ------
    ValueError
        A line has no `:`, or a key is said twice.
    """
    table: dict[str, Any] = {}
    for line in filter(None, map(str.strip, text.split("\n"))):
        key, colon, value = line.partition(":")
        key = key.strip()
        if not colon or not key:
            raise ValueError(f"Write each line like name: value, not '{line[:30]}'")
        if key in table:
            raise ValueError(f"'{key}' is there twice")
        table[key] = _value_of(value.strip())
    return table


def message_text(payload: Any) -> str:
    """A payload as a line: text as it is, anything else as JSON."""
    return payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)


def payload_of(text: str) -> Any:
    """What looks like a JSON object or list is one; `5` and `on` stay the text they are."""
    if text.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _value_text(value: Any) -> str:
    if isinstance(value, str) and value and value == value.strip() and value.isprintable():
        return value if _value_of(value) is value else json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)


def _value_of(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
