"""Whether conditions hold, and why, in words.

There are three answers, for a topic may not have been heard yet: yes, no, and not known. "Not" of what is
not known is not known either, and only a yes lets a Routine run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from noctule.routines.schema import DAYS, Condition, MqttIs
from noctule.routines.settings import Home
from noctule.routines.windows import moment, uses_sun, window_day


@dataclass(frozen=True)
class Reason:
    """One thing that was asked, and the answer. `holds` None: not known."""

    holds: bool | None
    text: str

    def as_record(self) -> dict[str, object]:
        return {"holds": self.holds, "text": self.text}


@dataclass(frozen=True)
class Situation:
    """What conditions are asked about.

    Attributes
    ----------
    now : with the home's time zone.
    mqtt : the last message of each topic.
    presence : None: not known.
    """

    now: datetime
    home: Home
    mqtt: Mapping[str, str]
    presence: bool | None


def check(condition: Condition, situation: Situation) -> list[Reason]:
    """A reason for each thing the condition says; it holds if all do."""
    reasons = _check_time(condition, situation)
    if condition.mqtt is not None:
        reasons.append(_check_mqtt(condition.mqtt, situation))
    if condition.presence is not None:
        reasons.append(_check_presence(condition.presence == "present", situation.presence))
    for inner in condition.and_ or ():
        reasons += check(inner, situation)
    if condition.or_ is not None:
        reasons.append(_either([_whole(check(inner, situation)) for inner in condition.or_]))
    if condition.not_ is not None:
        inner_reason = _whole(check(condition.not_, situation))
        holds = None if inner_reason.holds is None else not inner_reason.holds
        reasons.append(Reason(holds, f"not ({inner_reason.text})"))
    return reasons


def all_hold(reasons: list[Reason]) -> bool | None:
    """No where one says no, else not known where one is not known."""
    answers = [reason.holds for reason in reasons]
    return False if False in answers else None if None in answers else True


def _whole(reasons: list[Reason]) -> Reason:
    return Reason(all_hold(reasons), " and ".join(reason.text for reason in reasons))


def _either(reasons: list[Reason]) -> Reason:
    answers = [reason.holds for reason in reasons]
    holds = True if True in answers else None if None in answers else False
    return Reason(holds, "either " + ", or ".join(reason.text for reason in reasons))


def _check_time(condition: Condition, situation: Situation) -> list[Reason]:
    """Window and days together: a window over midnight belongs to the day on which it began."""
    reasons, day = [], situation.now.date()
    if condition.between is not None:
        words = " and ".join(_edge_words(edge, situation) for edge in condition.between)
        try:
            began = window_day(condition.between, situation.now, situation.home)
        except LookupError as error:
            return [Reason(None, f"whether it is between {words} cannot be told: {error}")]
        verb = "is" if began else "is not"
        reasons.append(Reason(began is not None, f"{situation.now:%H:%M} {verb} between {words}"))
        day = began or day
    if condition.days is not None:
        name = DAYS[day.weekday()]
        verb = "is" if name in condition.days else "is not"
        reasons.append(Reason(name in condition.days, f"{name} {verb} among {', '.join(condition.days)}"))
    return reasons


def _edge_words(edge: str, situation: Situation) -> str:
    """The sun's with the time it has today."""
    if not uses_sun(edge):
        return edge
    try:
        return f"{edge} ({moment(edge, situation.now.date(), situation.home):%H:%M})"
    except LookupError:
        return edge


def _check_mqtt(wanted: MqttIs, situation: Situation) -> Reason:
    name = wanted.topic + (f" {wanted.key}" if wanted.key else "")
    message = situation.mqtt.get(wanted.topic)
    if message is None:
        return Reason(None, f"{name} has not been heard yet, '{wanted.is_}' is asked for")
    value = message if wanted.key is None else _value_at(message, wanted.key)
    if value is None:
        return Reason(None, f"{name} is not in what was heard, '{wanted.is_}' is asked for")
    if value == wanted.is_:
        return Reason(True, f"{name} is '{value}'")
    return Reason(False, f"{name} is '{value[:60]}', not '{wanted.is_}'")


def _value_at(message: str, key: str) -> str | None:
    """What stands there in a JSON message, as text."""
    try:
        found: Any = json.loads(message)
        for name in key.split("."):
            found = found[name]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if isinstance(found, str) else json.dumps(found)


def _check_presence(wanted: bool, presence: bool | None) -> Reason:
    if presence is None:
        return Reason(None, "whether somebody is here is not known yet")
    return Reason(presence == wanted, "somebody is here" if presence else "nobody is here")
