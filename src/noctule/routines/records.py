"""Records of `noctule run` and `replay` as events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from noctule.core.errors import NoctuleError
from noctule.core.frames import BLOCKING_FAULTS, Fault
from noctule.routines.clock import RecordClock
from noctule.routines.engine import Sensed

#: Nothing to decide from, by the name that a record carries.
BLINDING = frozenset(str(fault.name_for_humans) for fault in Fault if fault & BLOCKING_FAULTS)


def sensed(record: Mapping[str, Any]) -> Sensed:
    """What a record says.

    Motion counts once the tracker has taken it for somebody: one frame alone may be wrong. While the tone is
    silent, or a blocking fault holds, nobody looks.

    Raises
    ------
    KeyError, ValueError
        It is no record.
    """
    motion, presence = record["motion"], record["presence"]
    if motion not in ("none", "minor", "major") or not isinstance(presence, bool):
        raise ValueError("motion or presence is not what it can be")
    if record.get("fault") in BLINDING:  # first: whose card is lost emits nothing either
        return Sensed("none", presence, "blind")
    if record.get("emitting", True) is False:
        return Sensed("none", presence, "pause")
    return Sensed(motion if presence else "none", presence)


def _refuse(word: str) -> float:
    raise ValueError(f"{word} is no JSON")


def read_record(line: str, clock: RecordClock) -> Sensed:
    """An event of one line, and the clock set to it.

    Raises
    ------
    NoctuleError
        The line holds no record.
    """
    try:
        record = json.loads(line, parse_constant=_refuse)
        event = sensed(record)
        clock.hear(float(record["t"]), record.get("time"))
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        raise NoctuleError(f"no record of noctule run: {line.strip()[:60]!r}") from None
    return event
