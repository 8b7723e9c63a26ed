"""The running process: a sound card, the pipeline, records, what is remembered of them, and what to do when
something goes away.
Takes settings and parts that are handed in. Gives records, and answers about the past. Start at runner.py
and memory.py.
Never decides what motion is; never draws anything."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from noctule.service.memory import Memory
    from noctule.service.runner import LiveSensor

__all__ = ["LiveSensor", "Memory"]

_HOMES = {"LiveSensor": "noctule.service.runner", "Memory": "noctule.service.memory"}


def __getattr__(name: str) -> Any:
    """Loaded when they are asked for: looking back needs no sound card, sensing no database."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
