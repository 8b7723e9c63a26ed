"""`noctule support`: what a bug report needs, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def support(
    out: Annotated[Path | None, typer.Argument(help="[default: noctule-support-TIME.zip]")] = None,
    config: Annotated[Path | None, typer.Option(help="settings file (TOML)")] = None,
    folder: Annotated[Path | None, typer.Option(help="of the history, where it is not the usual one")] = None,
) -> int:
    """Write a bundle for a bug report: no secrets, no sound, and not what happened in the room.

    Versions, devices, settings with secrets masked, health, how many events there were, the last lines of the
    log. Look through it before you send it. Exit status: 0, or 2 where it cannot be written.
    """
    from datetime import datetime

    from noctule.core.paths import state_folder
    from noctule.core.settings import load_settings
    from noctule.service.support import write_bundle

    out = out or Path(f"noctule-support-{datetime.now():%Y%m%d-%H%M%S}.zip")
    names = write_bundle(
        out,
        lambda: load_settings(config),
        state_folder(folder),
        devices=_devices,
    )
    print(f"{out}: {', '.join(names)}")
    return 0


def _devices() -> list[dict[str, Any]]:
    from dataclasses import asdict

    from noctule.audio.devices import list_devices

    return [asdict(device) for device in list_devices().devices]
