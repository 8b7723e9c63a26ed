"""`noctule password`: who may come into the app."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from noctule.core.errors import NoctuleError

#: Shorter ones are guessed.
LEAST_CHARACTERS = 8
#: Set on the page of settings, it would hold at once.
_NEXT_START = "from the next start of noctule on; a service: `systemctl restart noctule`"


def password(
    remove: Annotated[bool, typer.Option("--remove", help="nobody is asked for a password any more")] = False,
    config: Annotated[Path | None, typer.Option(help="settings file (TOML)")] = None,
) -> int:
    """Set the password of the app. It is asked for twice; where standard input is no terminal, read from it.

    The settings file gets its hash (argon2), which tells nobody the password. A noctule that runs has to be
    started anew; what is set on the page of settings holds at once. Exit status: 0, or 2 with one line; then
    nothing has changed.
    """
    from noctule.core.settings import default_path, load_settings
    from noctule.core.settings_file import change_file
    from noctule.service.address import check_password

    path = config or default_path()
    settings = load_settings(path if path.exists() else None)
    if remove:
        check_password(settings.web.model_copy(update={"password_hash": None}))
        change_file(path, {"web": {"password_hash": None}})
        print(f"{path}: no password any more, {_NEXT_START}")
        return 0
    from argon2 import PasswordHasher

    change_file(path, {"web": {"password_hash": PasswordHasher().hash(_asked())}})
    print(f"{path}: the password is set, {_NEXT_START}")
    return 0


def _asked() -> str:
    if not sys.stdin.isatty():
        given = sys.stdin.readline().rstrip("\r\n")
    else:
        given = getpass.getpass("new password: ")
        if given != getpass.getpass("once more: "):
            raise NoctuleError("the two are not the same; nothing was changed")
    if len(given) < LEAST_CHARACTERS:
        raise NoctuleError(f"a password has at least {LEAST_CHARACTERS} characters; nothing was changed")
    return given
