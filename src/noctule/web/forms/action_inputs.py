"""Inputs of actions that are more than a line of text: lamps, announcements, sounds, commands."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from noctule.routines.settings import Home
from noctule.routines.template import FIELDS
from noctule.web.forms.form import Form
from noctule.web.forms.inputs import choice, named, shown_at, text
from noctule.web.forms.lines import message_text, payload_of

#: zigbee2mqtt's brightness goes to here.
BRIGHTEST = 254
#: So many files of the media folder are offered.
_MOST_FILES = 300
_SOUNDS = (".flac", ".mp3", ".ogg", ".opus", ".wav", ".m4a", ".aac")

_SWITCH = {
    "on": "On",
    "off": "Off",
    "toggle": "The other way round",
    "bright": "On, so bright",
    "own": "Own message",
}
_PAYLOADS = {"on": {"state": "ON"}, "off": {"state": "OFF"}, "toggle": {"state": "TOGGLE"}}

_FIELD_WORDS = {
    "time": "Time",
    "weekday": "Weekday",
    "date": "Date",
    "weather.temperature": "Temperature",
    "weather.feels_like": "Feels like",
    "weather.description": "Weather in words",
    "weather.high": "High",
    "weather.low": "Low",
    "weather.rain_chance": "Chance of rain",
    "weather.wind": "Wind",
    "traffic.minutes": "Travel time",
    "traffic.delay_minutes": "Delay",
}


def light_inputs(form: Form, place: str, light: dict[str, Any], home: Home) -> None:
    """What the lamp is told, in the words of zigbee2mqtt, or in one's own."""
    here = f"{place}.payload"

    def choose(kind: str) -> None:
        bright.set_visibility(kind == "bright")
        own.set_visibility(kind == "own")
        if kind == "bright":
            set_share(round(float(share.value)))
        elif kind != "own":
            light["payload"] = dict(_PAYLOADS[kind])
            form.touch(here)

    def set_share(percent: int) -> None:
        said.set_text(f"{percent} %")
        light["payload"] = {"state": "ON", "brightness": round(BRIGHTEST * percent / 100)}
        form.touch(here)

    kind = _kind_of(light.get("payload", _PAYLOADS["on"]))
    choice(f"{here}.kind", "Switch it", _SWITCH, kind, choose)
    with ui.column().classes("w-full gap-0 f-slider") as bright:
        percent = round(light["payload"]["brightness"] * 100 / BRIGHTEST) if kind == "bright" else 50
        said = ui.label(f"{percent} %").classes("n-small n-soft")
        share = ui.slider(min=1, max=100, value=percent, on_change=lambda event: set_share(int(event.value)))
        named(share, f"{here}.share", "brightness in percent")
    bright.set_visibility(kind == "bright")
    with ui.column().classes("w-full") as own:
        light.setdefault("payload", dict(_PAYLOADS["on"]))
        text(form, here, "Message", light, "payload", lines=True, read=payload_of, write=message_text)
    own.set_visibility(kind == "own")


def _kind_of(payload: Any) -> str:
    for kind, one in _PAYLOADS.items():
        if payload == one:
            return kind
    is_bright = (
        isinstance(payload, dict) and set(payload) == {"state", "brightness"} and payload["state"] == "ON"
    )
    if is_bright and isinstance(payload["brightness"], int) and 1 <= payload["brightness"] <= BRIGHTEST:
        return "bright"
    return "own"


def announce_inputs(form: Form, place: str, announce: dict[str, Any], home: Home) -> None:
    """The text, and buttons that put fields where the cursor is."""
    box = text(form, f"{place}.text", "Say", announce, "text", lines=True)

    async def insert(field: str) -> None:
        at = await ui.run_javascript(f"document.getElementById('{box.html_id}')?.selectionStart ?? -1")
        said = str(box.value or "")
        at = at if isinstance(at, int) and 0 <= at <= len(said) else len(said)
        space = " " if at and not said[at - 1].isspace() else ""
        box.value = f"{said[:at]}{space}{{{field}}}{said[at:]}"

    ui.label("Tap to put in:").classes("n-small n-soft")
    with ui.row().classes("gap-1"):
        for field in FIELDS:
            button = ui.button(_FIELD_WORDS.get(field, field), on_click=lambda field=field: insert(field))
            named(button.props("outline rounded dense no-caps size=sm"), f"{place}.insert.{field}")


def play_inputs(form: Form, place: str, play: dict[str, Any], home: Home) -> None:
    """A file of the media folder, or a stream."""
    known = _files(home)
    hint = "as in chime.flac, or https:// and where a stream is"
    text(form, f"{place}.file", "File or stream", play, "file", hint=hint, suggestions=known)


def _files(home: Home) -> list[str]:
    folder = home.media_folder
    if folder is None or not folder.is_dir():
        return []
    found = (one for one in sorted(folder.iterdir()) if one.suffix.lower() in _SOUNDS)
    return [one.name for _, one in zip(range(_MOST_FILES), found, strict=False)]


def command_inputs(form: Form, place: str, command: dict[str, Any], home: Home) -> None:
    """One of those that the file allows."""

    def choose(name: str) -> None:
        command["name"] = name
        form.touch(f"{place}.name")

    options = {name: name for name in (*home.allow_commands, command["name"]) if name}
    box = choice(f"{place}.name", "Command", options, command["name"] or None, choose)
    shown_at(form, f"{place}.name", box)
