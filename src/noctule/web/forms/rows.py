"""Conditions as rows of a form, and back.

A row is one thing that must hold, or with `negated` must not. "Any of" holds groups of rows. What a form of
this depth cannot show is a row that keeps the file's own words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["time", "mqtt", "presence", "any", "yaml"]
Tree = dict[str, Any]

#: Keys that belong together: days and a window that are said together mean one night.
_SLOTS = {"between": "time", "days": "time"}


@dataclass
class Row:
    """One condition. `said` is what the file says of it; of "any" it is made of `groups`."""

    kind: Kind
    said: Tree = field(default_factory=dict)
    negated: bool = False
    groups: list[list[Row]] = field(default_factory=list)


def rows_of(condition: Any, inside: bool = False) -> list[Row]:
    """Rows of an `only_if` as its file says it; `inside` a group there are no further groups."""
    if condition is None:
        return []
    if isinstance(condition, list):
        condition = {"and": condition}
    rows: list[Row] = []
    time = {key: condition[key] for key in ("between", "days") if key in condition}
    if time:
        rows.append(Row("time", dict(time)))
    rows += [Row(key, {key: _copied(condition[key])}) for key in ("mqtt", "presence") if key in condition]
    if "or" in condition:
        rows.append(_any_row(condition["or"], inside))
    if "not" in condition:
        rows.append(_negated(condition["not"], inside))
    for inner in condition.get("and", ()):
        rows += rows_of(inner, inside)
    return rows


def condition_of(rows: Iterable[Row]) -> Tree | None:
    """An `only_if` in which all rows hold; None: there are none."""
    tree: Tree = {}
    further: list[Tree] = []
    for row in rows:
        one = _said_by(row)
        taken = {_SLOTS.get(key, key) for key in tree}
        if "and" in one or taken & {_SLOTS.get(key, key) for key in one}:
            further.append(one)
        else:
            tree |= one
    if further:
        tree["and"] = further
    return tree or None


def _said_by(row: Row) -> Tree:
    said = row.said
    if row.kind == "any":
        said = {"or": [condition_of(group) or {} for group in row.groups]}
    return {"not": said} if row.negated else said


def _any_row(alternatives: Any, inside: bool) -> Row:
    if inside:
        return Row("yaml", {"or": alternatives})
    return Row("any", groups=[rows_of(one, inside=True) for one in alternatives])


def _negated(inner: Any, inside: bool) -> Row:
    """One row that must not hold; "not" of several at once is left in the file's words."""
    rows = rows_of(inner, inside)
    if len(rows) == 1 and rows[0].kind != "yaml" and not rows[0].negated:
        rows[0].negated = True
        return rows[0]
    return Row("yaml", {"not": inner})


def _copied(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value
