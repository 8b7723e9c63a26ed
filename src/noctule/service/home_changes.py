"""What the app is told of a home, and what it may change: secrets stay here, `${NAME}` stays as written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from noctule.core.errors import NoctuleError
from noctule.routines.settings import Home
from noctule.service.support import MASK, mask_text

Tree = dict[str, Any]

#: Whoever came into the app could run anything.
_IN_THE_FILE_ALONE = ("allow_commands",)
#: Where each secret is sent: another place must not be told what was meant for the one before.
_SENT_TO = {
    "mqtt": ("host", "password"),
    "home_assistant": ("url", "token"),
    "travel": ("url", "key"),
}


def told_of(home: Home) -> Tree:
    """The home as JSON carries it; a secret that is set is `***`."""
    told: Tree = _told(home.model_dump())
    return told


def _told(value: Any) -> Any:
    match value:
        case SecretStr():
            return MASK
        case Mapping():
            return {key: _told(one) for key, one in value.items()}
        case list() | tuple():
            return [_told(one) for one in value]
        case str() if "://" in value:
            return mask_text(value)
        case Path():
            return str(value)
    return value


def changed_tree(tree: Tree, home: Home, changes: Mapping[str, Any]) -> Tree:
    """A home as its file would say it with these changes.

    Parameters
    ----------
    tree : as the file says it now.
    home : what that means.
    changes : other values, tables for tables. None takes a key out; what is as `told_of` says stays as it
        stands in the file.

    Raises
    ------
    NoctuleError
        One line: it is not for the app to change.
    """
    told = told_of(home)
    for key in _IN_THE_FILE_ALONE:
        if key in changes:
            raise NoctuleError(f"home: {key} is changed in the file alone")
    for part, (place, secret) in _SENT_TO.items():
        wanted, before = changes.get(part), told[part]
        if not isinstance(wanted, Mapping) or not before or before[secret] is None:
            continue
        if wanted.get(place, before[place]) != before[place] and wanted.get(secret, MASK) == MASK:
            raise NoctuleError(f"home: {part}: another {place} needs the {secret} again")
    return _merged(tree, told, changes)


def _merged(tree: Any, told: Any, changes: Mapping[str, Any]) -> Tree:
    after, before = dict(tree or {}), told or {}
    for key, value in changes.items():
        if value is None:
            after.pop(key, None)
        elif isinstance(value, Mapping):
            there, known = after.get(key), before.get(key)
            after[key] = _merged(there if isinstance(there, Mapping) else {}, known, value)
        elif value != before.get(key):
            after[key] = value
    return after
