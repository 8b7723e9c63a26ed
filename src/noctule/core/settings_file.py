"""Changes in the settings file: its comments, its order and its permissions stay."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from noctule.core.errors import NoctuleError
from noctule.core.files import written_whole

#: It may hold the hash of a password.
NEW_FILE_MODE = 0o600


def change_file(path: Path, changes: Mapping[str, Mapping[str, Any]]) -> None:
    """Write `{section: {key: value}}` into the TOML file; None takes a key out, which is its default again.

    The file, and its folder, are made where they are missing.

    Raises
    ------
    NoctuleError
        One line: it is no TOML, or cannot be written. The file is as it was.
    """
    place = Path(os.path.realpath(path))  # a link stays one
    try:
        there = place.exists()
        text = changed_text(place.read_text(encoding="utf-8") if there else "", changes)
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with written_whole(place, stat.S_IMODE(place.stat().st_mode) if there else NEW_FILE_MODE) as file:
            file.write(text.encode())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise NoctuleError(f"settings {path}: cannot be written ({reason}); nothing was changed") from None
    except ValueError as error:  # no TOML, no UTF-8, or a section that is none
        raise NoctuleError(f"settings {path}: {error}; nothing was changed") from None


def changed_text(text: str, changes: Mapping[str, Mapping[str, Any]]) -> str:
    """The same for the file's text.

    Raises
    ------
    ValueError
        The text is no TOML, or has something else in a section's place.
    """
    import tomlkit

    document = tomlkit.parse(text)
    for section, values in changes.items():
        if section not in document:
            if all(value is None for value in values.values()):
                continue
            document[section] = tomlkit.table()
        table: Any = document[section]
        if not isinstance(table, dict):
            raise ValueError(f"'{section}' is no section")
        for key, value in values.items():
            if value is None:
                table.pop(key, None)
            else:
                _set(table, key, str(value) if isinstance(value, Path) else value)
    return tomlkit.dumps(document)


def _set(table: Any, key: str, value: Any) -> None:
    """A new key comes behind the last one: comments below that belong to the next section, for people."""
    from tomlkit.items import Table

    if key in table or not isinstance(table, Table):
        table[key] = value
        return
    body, below = table.value.body, []
    while body and body[-1][0] is None:
        below.append(body.pop())
    table[key] = value
    body.extend(reversed(below))
