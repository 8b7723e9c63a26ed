"""What a command shows: records, one JSON object a line, and how far long work is."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO, TypeVar

from noctule.core.errors import NoctuleError

Thing = TypeVar("Thing")

#: One for all records: `json.dumps` with options makes a new one each time.
_ENCODER = json.JSONEncoder(allow_nan=False)


def with_progress(things: Iterator[Thing], count: int, name: str) -> Iterator[Thing]:
    """The things as they come, with a bar on a terminal that says how many there will be."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield from progress.track(things, total=count, description=name)


class OutputError(NoctuleError):
    """The output is lost; going on with the next input would be for nothing."""


class OutputClosedError(Exception):
    """The reader of our output left, as `head` does: nobody's failure."""


class JsonLines:
    """Line-buffered JSON objects; what was written stays valid whatever happens next.

    Parameters
    ----------
    path : a file, or `-` for standard output.
    append : go on behind what the file holds, as a sensor that was restarted must; else write anew.

    Raises
    ------
    OutputError
        The file cannot be created, or the disk fills up.
    """

    def __init__(self, path: str | Path, append: bool = False) -> None:
        self._name = "standard output" if str(path) == "-" else str(path)
        try:
            self._file = sys.stdout if str(path) == "-" else _opened(Path(path), append)
        except OSError as error:
            raise OutputError(
                f"{path}: cannot be written ({(error.strerror or str(error)).lower()})"
            ) from None

    def write(self, record: Mapping[str, object]) -> None:
        try:
            self._file.write(_ENCODER.encode(record) + "\n")
        except BrokenPipeError:
            raise OutputClosedError from None
        except OSError as error:
            raise self._failed(error) from None

    def close(self) -> None:
        try:
            if self._file is sys.stdout:
                self._file.flush()
            else:
                self._file.close()
        except BrokenPipeError:
            raise OutputClosedError from None
        except OSError as error:
            raise self._failed(error) from None

    def _failed(self, error: OSError) -> OutputError:
        return OutputError(f"{self._name}: cannot be written ({(error.strerror or str(error)).lower()})")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        elif self._file is not sys.stdout:
            try:
                self._file.close()
            except OSError:  # the first failure is the one to tell
                return


def _opened(path: Path, append: bool) -> TextIO:
    file = path.open("a" if append else "w", buffering=1, encoding="utf-8")
    if append and path.is_file() and path.stat().st_size and not _ends_with_a_line(path):
        file.write("\n")  # whoever wrote before was killed in mid-line
    return file


def _ends_with_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
