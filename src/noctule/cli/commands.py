"""The list of commands: one line each, one module each."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import typer

#: command name -> module in this package; the module's function has the same name.
COMMANDS = {
    "calibrate": "calibrate",
    "dataset": "dataset",
    "demo": "demo",
    "devices": "devices",
    "doctor": "doctor",
    "evaluate": "evaluate",
    "events": "events",
    "export": "export",
    "music": "music",
    "password": "password",
    "record": "record",
    "replay": "replay",
    "routines": "routines",
    "run": "run",
    "simulate": "simulate",
    "support": "support",
    "train": "train",
}


def register(app: typer.Typer) -> None:
    """Add every command to the application, in the order of the list."""
    for name, module in COMMANDS.items():
        function = getattr(importlib.import_module(f"noctule.cli.{module}"), name)
        if isinstance(function, typer.Typer):  # commands of its own
            app.add_typer(function, name=name)
        else:
            app.command(name)(_with_status(function))


def _with_status(function: Callable[..., int | None]) -> Callable[..., None]:
    """Commands return their exit status; typer wants it raised."""

    @functools.wraps(function)
    def command(*args: Any, **kwargs: Any) -> None:
        raise typer.Exit(function(*args, **kwargs) or 0)

    return command
