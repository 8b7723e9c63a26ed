"""A Routine as one English sentence, and durations as people say them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from noctule.routines.actions.announce import Announce
from noctule.routines.actions.command import Command
from noctule.routines.actions.home_assistant import CallService
from noctule.routines.actions.light import Light
from noctule.routines.actions.mqtt import Publish
from noctule.routines.actions.notify import Notify
from noctule.routines.actions.play import Play
from noctule.routines.actions.wait import Wait
from noctule.routines.actions.webhook import Webhook
from noctule.routines.parts import UNITS_S, seconds_of
from noctule.routines.schema import DAYS, Condition, MqttIs, Routine, Step, When
from noctule.routines.template import sources_of
from noctule.routines.web import host_of

_UNIT_NAMES = {"d": "day", "h": "hour", "m": "minute", "s": "second"}
_MOTION = {"any": "motion", "minor": "minor motion", "major": "major motion"}
_SOURCES = {"weather": "the weather", "traffic": "the travel time"}
#: A lamp whose topic already says so is not called "the hall light light".
_LAMPS = re.compile(r"(lamp|light|lights|bulb|led|leds|spot|spots)$", re.IGNORECASE)
_LONGEST_QUOTE = 40


def sentence(routine: Routine) -> str:
    """`When motion is detected between sunset and 23:00, Mon-Fri, turn on the lamp; not again for...`."""
    said = f"When {_cause(routine.when)}"
    if routine.only_if is not None:
        said += _conditions(routine.only_if)
    said += ", " + ", ".join(action_words(step) for step in routine.then)
    if routine.suppress_for is not None:
        said += f"; not again for {duration_words(routine.suppress_for)}"
    return said + "."


def duration_words(seconds: float) -> str:
    """5400.0 is "1 hour 30 minutes"."""
    words, left = [], round(seconds, 3)
    for unit, unit_s in UNITS_S.items():
        count = left if unit == "s" else left // unit_s
        left = round(left - count * unit_s, 3)
        if count:
            words.append(f"{count:g} {_UNIT_NAMES[unit]}{'' if count == 1 else 's'}")
    return " ".join(words) or "0 seconds"


def days_words(days: Sequence[str]) -> str:
    """`Mon-Fri`, `Sat and Sun`, `every day`."""
    held = [day for day in DAYS if day in days]
    names = [day.capitalize() for day in held]
    if len(held) == len(DAYS):
        return "every day"
    in_a_row = len(held) > 2 and DAYS.index(held[-1]) - DAYS.index(held[0]) == len(held) - 1
    return f"{names[0]}-{names[-1]}" if in_a_row else _listed(names, "and")


def unquoted(text: str) -> str:
    """Keys of a file as people read them: `mqtt` in backticks is “mqtt”."""
    return re.sub(r"`([^`]+)`", r"“\1”", text)


def action_words(step: Step) -> str:
    """What one entry of `then` does."""
    action = step.action
    match action:
        case Light():
            return _light(action)
        case Publish():
            return f"send {_quoted(action.text) if action.text else 'an empty message'} to {action.topic}"
        case CallService():
            whom = _listed([str(one) for one in action.target.values()], "and")
            return f"call {action.service}" + (f" for {whom}" if whom else "")
        case Webhook():
            return f"call {host_of(action.url)}"
        case Play():
            return f"play {host_of(action.file) if action.is_stream else action.file}"
        case Announce():
            return _announcement(action.text)
        case Notify():
            return f"send {_quoted(action.message)} to {action.to.partition('://')[0]}"
        case Wait():
            return f"wait {duration_words(action.for_s)}"
        case Command():
            return f"run the command {action.name}"
    return action.in_words()


def lamp_name(topic: str) -> str:
    """`zigbee2mqtt/living_room/set` is the living room light."""
    parts = [part for part in topic.split("/") if part]
    if len(parts) > 1 and parts[-1] == "set":
        parts.pop()
    name = re.sub(r"[_-]+", " ", parts[-1]) if parts else topic
    return f"the {name}" if _LAMPS.search(name) else f"the {name} light"


def edge_words(edge: str) -> str:
    """`sunset-30m` is "30 minutes before sunset"."""
    found = re.fullmatch(r"(sunrise|sunset)([+-])(.+)", edge)
    if found is None:
        return edge
    side = "before" if found[2] == "-" else "after"
    return f"{duration_words(float(str(seconds_of(found[3]))))} {side} {found[1]}"


def _cause(when: When) -> str:
    lasting = "" if when.for_s is None else f" for {duration_words(when.for_s)}"
    if when.presence == "present":
        return f"somebody has been here{lasting}" if lasting else "somebody arrives"
    if when.presence == "absent":
        return f"nobody has been here{lasting}" if lasting else "everybody has left"
    if when.motion == "detected":
        return f"{_MOTION[when.level]} is detected"
    return f"no {_MOTION[when.level]} is detected{lasting}"


def _conditions(condition: Condition) -> str:
    """Time and days stand right after the cause, everything else as `if` and `unless`."""
    said = ""
    if condition.between is not None:
        said += f" between {_between(condition.between)}"
    if condition.days is not None:
        said += f", {days_words(condition.days)}"
    rest = condition.model_copy(update={"between": None, "days": None, "not_": None})
    wanted = _parts(rest)
    if wanted:
        said += f", if {' and '.join(wanted)}"
    if condition.not_ is not None:
        said += f", unless {' and '.join(_parts(condition.not_))}"
    return said


def _parts(condition: Condition) -> list[str]:
    said = []
    if condition.between is not None:
        days = f" ({days_words(condition.days)})" if condition.days else ""
        said.append(f"it is between {_between(condition.between)}{days}")
    elif condition.days is not None:
        said.append(f"it is {_listed([day.capitalize() for day in condition.days], 'or')}")
    if condition.mqtt is not None:
        said.append(_topic(condition.mqtt))
    if condition.presence is not None:
        said.append("somebody is here" if condition.presence == "present" else "nobody is here")
    for inner in condition.and_ or ():
        said += _parts(inner)
    if condition.or_ is not None:
        said.append("either " + " or ".join(" and ".join(_parts(one)) for one in condition.or_))
    if condition.not_ is not None:
        said.append(f"not ({' and '.join(_parts(condition.not_))})")
    return said


def _between(between: tuple[str, str]) -> str:
    return f"{edge_words(between[0])} and {edge_words(between[1])}"


def _topic(wanted: MqttIs) -> str:
    return f"{wanted.topic}{' ' + wanted.key if wanted.key else ''} is {wanted.is_}"


def _light(light: Light) -> str:
    name, payload = lamp_name(light.topic), light.payload
    state = payload.get("state") if isinstance(payload, dict) else payload
    word = {"ON": "turn on", "OFF": "turn off", "TOGGLE": "switch"}.get(str(state).upper())
    if word is None:
        return f"send {_quoted(light.text)} to {name}"
    bright = payload.get("brightness") if isinstance(payload, dict) else None
    share = f" at {round(bright / 2.54)} %" if word == "turn on" and isinstance(bright, int | float) else ""
    return f"{word} {name}{share}"


def _announcement(text: str) -> str:
    told = [words for source, words in _SOURCES.items() if source in sources_of(text)]
    return f"say {_listed(told, 'and')}" if told else f"say {_quoted(text)}"


def _quoted(text: str) -> str:
    flat = " ".join(text.split())
    return f"“{flat if len(flat) <= _LONGEST_QUOTE else flat[: _LONGEST_QUOTE - 1].rstrip() + '…'}”"


def _listed(words: list[str], last: str) -> str:
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
