"""The running process: a sound card, the pipeline, records, what is remembered of them, Routines, and what to
do when something goes away.
Takes settings and parts that are handed in. Gives records, and answers about the past. Start at service.py,
which is all of it; runner.py senses, memory.py remembers, automation.py acts.
Never decides what motion is; never draws anything."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from noctule.service.memory import Memory
    from noctule.service.runner import LiveSensor
    from noctule.service.service import Service

__all__ = ["LiveSensor", "Memory", "Service"]

_HOMES = {
    "LiveSensor": "noctule.service.runner",
    "Memory": "noctule.service.memory",
    "Service": "noctule.service.service",
}


def __getattr__(name: str) -> Any:
    """Loaded when they are asked for: looking back needs no sound card, sensing no database."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
