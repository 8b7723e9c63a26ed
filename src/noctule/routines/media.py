"""Files of the media folder, and nothing outside it."""

from __future__ import annotations

from pathlib import Path

from noctule.routines.tools import ActionError


def find_media(folder: Path | None, name: str) -> Path:
    """A file in the folder, by its path from there.

    Raises
    ------
    ActionError
        There is no folder or file, or the path leads out of the folder, be it by `..` or by a link.
    """
    if folder is None:
        raise ActionError("files are played from `media_folder`, which `home` does not name")
    try:
        inside = folder.resolve(strict=True)
        found = (inside / name).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):  # not there, links in a circle, a NUL in the name
        raise ActionError(f"there is no {name!r} in {folder}") from None
    if not found.is_relative_to(inside):
        raise ActionError(f"{name!r} leads out of {folder}")
    if not found.is_file():
        raise ActionError(f"{name!r} in {folder} is no file")
    return found
