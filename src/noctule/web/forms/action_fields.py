"""Which inputs each action has: data, drawn by then_form.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from noctule.web.forms.lines import lines_of, message_text, payload_of, table_of


@dataclass(frozen=True)
class Field:
    """An input of an action: which key it sets, and how people call it."""

    key: str
    label: str
    kind: Literal["text", "lines", "duration", "choice", "switch"] = "text"
    hint: str = ""
    required: bool = True
    options: dict[Any, str] | None = None
    default: Any = None
    read: Callable[[str], Any] = str
    write: Callable[[Any], str] = str


@dataclass(frozen=True)
class ActionForm:
    """An action as people choose it.

    Attributes
    ----------
    seed : what a new one begins with.
    fields : its inputs; those that are more than a `Field` are in action_inputs.py.
    """

    title: str
    icon: str
    what: str
    seed: dict[str, Any]
    fields: tuple[Field, ...] = ()


def _payload(label: str) -> Field:
    return Field("payload", label, "lines", required=False, read=payload_of, write=message_text)


def _table(key: str, label: str, hint: str) -> Field:
    return Field(key, label, "lines", hint, required=False, read=table_of, write=lines_of)


_METHODS = {name: name for name in ("GET", "POST", "PUT", "PATCH", "DELETE")}
_QUALITY = {0: "0: at most once", 1: "1: at least once", 2: "2: exactly once"}

ACTION_FORMS: dict[str, ActionForm] = {
    "light": ActionForm(
        "Light",
        "lightbulb",
        "Switch a lamp over MQTT",
        {"topic": ""},
        (Field("topic", "Topic of the lamp", hint="as in zigbee2mqtt/lamp/set"),),
    ),
    "announce": ActionForm("Say something", "record_voice_over", "Speak, with weather or time", {"text": ""}),
    "play": ActionForm("Play", "music_note", "A sound file or a stream", {"file": ""}),
    "notify": ActionForm(
        "Send me a message",
        "notifications",
        "To a phone or any other service",
        {"to": "", "message": "Motion at home."},
        (
            Field("to", "To", hint="a name under notify in the file, or an Apprise URL"),
            Field("message", "Message"),
            Field("title", "Title", required=False),
        ),
    ),
    "wait": ActionForm(
        "Wait", "hourglass_empty", "Before the next action", {"for": "2s"}, (Field("for", "For", "duration"),)
    ),
    "home_assistant": ActionForm(
        "Home Assistant",
        "home",
        "Call a service",
        {"service": ""},
        (
            Field("service", "Service", hint="as in light.turn_on"),
            _table("target", "For what, one a line", "as in entity_id: light.office"),
            _table("data", "With what, one a line", "as in brightness_pct: 40"),
        ),
    ),
    "mqtt": ActionForm(
        "MQTT message",
        "hub",
        "Publish anything",
        {"topic": "", "payload": ""},
        (
            Field("topic", "Topic"),
            _payload("Message"),
            Field("retain", "Keep it for who comes later", "switch", default=False),
            Field("qos", "Quality of service", "choice", options=_QUALITY, default=1),
        ),
    ),
    "webhook": ActionForm(
        "Web address",
        "public",
        "Call a webhook",
        {"url": ""},
        (
            Field("url", "Address", hint="begins with http:// or https://"),
            Field("method", "Method", "choice", options=_METHODS, default="POST"),
            _payload("Body (optional)"),
            _table("headers", "Headers, one a line (optional)", "as in Authorization: ..."),
        ),
    ),
    "command": ActionForm("Command", "terminal", "A program you have allowed", {"name": ""}),
}
