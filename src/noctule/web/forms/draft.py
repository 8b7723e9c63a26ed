"""A Routine while it is edited: a tree like the file's, in which things may still be missing.

What nobody touched is written as it stood, so a Routine that is opened and saved unchanged stays the same.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, get_args

from noctule.routines.schema import ACTIONS, Routine, Step
from noctule.web.forms.rows import Row, Tree, condition_of, rows_of

#: Action -> the key that is meant where the file holds only a value.
SHORT_KEYS: dict[str, str | None] = {
    name: get_args(Step.model_fields[name].annotation)[0].short for name in ACTIONS
}


@dataclass
class Draft:
    """Parts of a Routine. Durations and times are as the file says them; None: nothing is said."""

    id: str = ""
    name: str = ""
    enabled: bool = True
    when: Tree = field(default_factory=lambda: {"motion": "detected"})
    rows: list[Row] = field(default_factory=list)
    suppress_for: str | None = None
    mode: str = "single"
    then: list[Tree] = field(default_factory=list)
    only_if: Any = None

    @classmethod
    def of(cls, routine: Routine) -> Draft:
        """What a Routine says, ready to be changed."""
        tree: dict[str, Any] = copy.deepcopy(routine.as_tree())
        return cls(
            id=routine.id,
            name=routine.name,
            enabled=routine.enabled,
            when=tree["when"],
            rows=rows_of(tree.get("only_if")),
            suppress_for=tree.get("suppress_for"),
            mode=routine.mode,
            then=[spelled_out(step) for step in tree["then"]],
            only_if=tree.get("only_if"),
        )

    def as_tree(self) -> Tree:
        """For the schema to check and to make a Routine of."""
        untouched = self.rows == rows_of(self.only_if)
        tree: Tree = {
            "id": self.id,
            "name": self.name,
            "enabled": self.enabled,
            "when": self.when,
            "only_if": self.only_if if untouched else condition_of(self.rows),
            "mode": self.mode,
            "then": self.then,
        }
        if self.suppress_for is not None:
            tree["suppress_for"] = self.suppress_for
        return copy.deepcopy(tree)

    def as_routine(self) -> Routine:
        """Raises pydantic's ValidationError where something is wrong; problems.py says it in words."""
        return Routine.model_validate(self.as_tree())


def spelled_out(step: Tree) -> Tree:
    """A step with its action as a table: `{wait: 2s}` is `{wait: {for: 2s}}`."""
    name = action_of(step)
    short, value = SHORT_KEYS[name], step[name]
    return {**step, name: value if short is None or isinstance(value, dict) else {short: value}}


def action_of(step: Tree) -> str:
    return next(name for name in ACTIONS if name in step)
