"""Routines to start from, so that nobody meets an empty form."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from noctule.routines.schema import DAYS
from noctule.web.forms.draft import Draft
from noctule.web.forms.rows import Row

_NAMED_LAMP = "zigbee2mqtt/lamp/set"


@dataclass(frozen=True)
class Starter:
    """A name, an icon, what it is for, and the draft that opens."""

    name: str
    icon: str
    what: str
    draft: Draft

    def begin(self) -> Draft:
        """A draft of one's own."""
        return copy.deepcopy(self.draft)


STARTERS: tuple[Starter, ...] = (
    Starter(
        "Light when I come in",
        "lightbulb",
        "Turns on a lamp when something moves after sunset.",
        Draft(
            name="Light when I come in",
            rows=[Row("time", {"between": ["sunset", "23:00"]})],
            suppress_for="5m",
            then=[{"light": {"topic": _NAMED_LAMP}}],
        ),
    ),
    Starter(
        "Off when nobody for 10 min",
        "timer_off",
        "Turns the lamp off when nothing has moved for ten minutes.",
        Draft(
            name="Off when nobody for 10 min",
            when={"motion": "not_detected", "for": "10m"},
            then=[{"light": {"topic": _NAMED_LAMP, "payload": {"state": "OFF"}}}],
        ),
    ),
    Starter(
        "Good morning",
        "wb_sunny",
        "Says time and weather to the first who comes in, once a day.",
        Draft(
            name="Good morning",
            when={"presence": "present"},
            rows=[Row("time", {"between": ["06:00", "10:00"], "days": list(DAYS[:5])})],
            suppress_for="8h",
            then=[
                {
                    "announce": {
                        "text": "Good morning. It is {time}, and {weather.temperature} degrees outside."
                    }
                }
            ],
        ),
    ),
    Starter(
        "Guard while away",
        "shield",
        "Sends you a message when somebody walks while the alarm is armed.",
        Draft(
            name="Guard while away",
            when={"motion": "detected", "level": "major"},
            rows=[Row("mqtt", {"mqtt": {"topic": "home/alarm", "is": "armed"}})],
            suppress_for="10m",
            then=[{"notify": {"to": "phone", "message": "Somebody moves at home."}}],
        ),
    ),
)
