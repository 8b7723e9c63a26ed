"""What the app says: the sensor's answer in a few words, moments and lengths as people say them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from noctule.core.frames import BLOCKING_FAULTS

if TYPE_CHECKING:
    from noctule.service.service import Service

_BLOCKING = {fault.name_for_humans for fault in BLOCKING_FAULTS}

Mood = Literal["present", "absent", "trouble", "muted", "starting"]


@dataclass(frozen=True)
class Answer:
    """The sensor's answer now. `mood` is its colour, `more` the whole reason."""

    mood: Mood
    words: str
    more: str = ""


def answer(record: Mapping[str, Any] | None, health: Mapping[str, Any], muted: bool) -> Answer:
    """From the newest record, the newest health on the bus, and whether it is wanted silent."""
    if muted:
        return Answer("muted", "Muted", "nothing sounds, nothing is heard")
    if record is None:
        return Answer("starting", "Starting", str(health["reason"]))
    if record["fault"] == "muted":
        return Answer("starting", "Starting", "it begins to listen again")
    hangs = not health["sensing"] and health["state"] in ("alarmed", "escalated", "failed")
    if record["fault"] in _BLOCKING or hangs:
        return Answer("trouble", "Cannot sense", _why(record, health))
    reason = str(record["reason"])
    if record["presence"]:
        return Answer("present", "Somebody is here", reason)
    return Answer("absent", "Nobody", reason)


def present_answer(service: Service) -> Answer:
    """As of now."""
    health = service.bus.latest("health") or {"state": "recovering", "reason": "starting", "sensing": False}
    return answer(service.bus.latest("record"), health, service.muted)


def _why(record: Mapping[str, Any], health: Mapping[str, Any]) -> str:
    """Health waits for seconds before it calls something an alarm; the record knows at once."""
    waits = health["sensing"] or health["state"] in ("healthy", "recovering")
    return str(record["fault"]).replace("_", " ") if waits and record["fault"] else str(health["reason"])


def when_text(iso: str, now: datetime | None = None) -> str:
    """`14:03`, `yesterday 14:03`, `Mon 14:03`, `3 Nov 14:03`, `3 Nov 2025`, in the machine's own time."""
    moment = datetime.fromisoformat(iso).astimezone()
    today = (now or datetime.now().astimezone()).date()
    days = (today - moment.date()).days
    if days == 0:
        return f"{moment:%H:%M}"
    if days == 1:
        return f"yesterday {moment:%H:%M}"
    if 1 < days < 7:
        return f"{moment:%a %H:%M}"
    day = f"{moment.day} {moment:%b}"
    return (
        f"{day} {moment:%H:%M}" if timedelta(days=300) > abs(today - moment.date()) else f"{day} {moment:%Y}"
    )


def duration_text(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min`, `1 h 5 min`, `2 days 4 h`."""
    if seconds < 10.0:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    if seconds < 90.0:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60.0)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    name = "day" if days == 1 else "days"
    return f"{days} {name} {hours} h" if hours else f"{days} {name}"
