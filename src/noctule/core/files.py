"""Files that are whole at every moment, whatever ends the process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def written_whole(path: Path, mode: int | None = None) -> Iterator[BinaryIO]:
    """A file to write into, which takes the place of `path` when all of it is on the disk.

    It is `path` with `.part` behind until then. Whoever reads meanwhile, and whoever comes after a kill,
    finds the old file or the new one. Costs one fsync: else a power cut may leave an empty file under the
    good name.

    Raises
    ------
    OSError
        It cannot be written; nothing of it is left, and `path` is as it was.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            if mode is not None:
                part.chmod(mode)  # before there is anything to read
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
