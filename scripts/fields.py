"""Tables of a pydantic model's fields, for the pages that are made from the code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

LIMITS = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
WORDS = {float: "number", int: "whole number", str: "text", bool: "true or false", Path: "file"}

#: How the page names a table, a model: usually a link to where it is described.
Named = Callable[[type[BaseModel]], str]


def table(fields: dict[str, FieldInfo], named: Named | None = None) -> list[str]:
    """A row for each field: key, range, default, meaning."""
    head = ["| key | range | default | meaning |", "|---|---|---|---|"]
    return [*head, *(_row(key, field, named) for key, field in fields.items())]


def _row(key: str, field: FieldInfo, named: Named | None) -> str:
    return f"| `{key}` | {_range(field, named)} | {_default(field)} | {field.description or ''} |"


def _default(field: FieldInfo) -> str:
    value = field.default
    if field.is_required():
        return "must be said"
    if value is None or value == "":
        return "none"
    if isinstance(value, BaseModel):
        return "its defaults"
    if isinstance(value, tuple):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _range(field: FieldInfo, named: Named | None) -> str:
    return ", ".join([_kinds(field.annotation, named), *_limits(field.metadata)])


def _kinds(annotation: Any, named: Named | None) -> str:
    """In words; what may be left out is told by the default."""
    if get_origin(annotation) in (Union, UnionType):
        kinds = [_kinds(one, named) for one in get_args(annotation) if one is not type(None)]
        return ", ".join(dict.fromkeys(kinds))
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(annotation))
    if get_origin(annotation) is Annotated:
        kind, *metadata = get_args(annotation)
        limits = [
            limit
            for one in metadata
            for limit in _limits(one.metadata if isinstance(one, FieldInfo) else [one])
        ]
        return ", ".join([_kinds(kind, named), *limits])
    if get_origin(annotation) is tuple:
        return _list(get_args(annotation), named)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        assert named is not None
        return named(annotation)
    return WORDS[annotation]


def _list(kinds: tuple[Any, ...], named: Named | None) -> str:
    first = _kinds(kinds[0], named)
    many = first.replace("number", "numbers", 1)
    if kinds[-1] is not Ellipsis:
        return f"{len(kinds)} {many}"
    return f"list of {first} each" if get_origin(kinds[0]) is tuple else f"list of {many}"


def _limits(metadata: list[Any]) -> list[str]:
    found = [
        f"{sign} {getattr(one, name):g}" for one in metadata for name, sign in LIMITS if hasattr(one, name)
    ]
    for one in metadata:
        if isinstance(one, MinLen):
            found.append(f"at least {one.min_length} of them")
        if isinstance(one, MaxLen):
            found.append(f"at most {one.max_length} of them")
    return found
