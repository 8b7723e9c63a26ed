"""Where noctule keeps what it has found out and remembers (XDG base directories, or systemd's)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def state_folder(named: Path | None = None, environment: Mapping[str, str] | None = None) -> Path:
    """The folder that the settings name, else systemd's for us alone, else the user's."""
    known = os.environ if environment is None else environment
    if named is not None:
        return named
    if known.get("STATE_DIRECTORY"):
        return Path(known["STATE_DIRECTORY"].split(":")[0])
    return Path(known.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "noctule"
