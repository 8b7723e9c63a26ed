"""What a home has, in pieces that can be asked for one at a time: data, drawn by household.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from noctule.routines.settings import Home
from noctule.service.support import mask_text

Kind = Literal["text", "number", "switch", "secret", "place"]


@dataclass(frozen=True)
class Ask:
    """An input: the keys that lead to its value in the home, and how people call it.

    default : what holds where nothing is said. required : not without it.
    """

    path: tuple[str, ...]
    label: str
    kind: Kind = "text"
    hint: str = ""
    default: Any = None
    required: bool = False

    @property
    def name(self) -> str:
        return ".".join(self.path)

    def value_in(self, told: Mapping[str, Any]) -> Any:
        """Of the home as it is told."""
        found: Any = told
        for key in self.path:
            found = found.get(key) if isinstance(found, Mapping) else None
        return self.default if found is None else found


@dataclass(frozen=True)
class Piece:
    """Inputs that belong together.

    name : on the page of settings. title : of the dialog, and on buttons that open it.
    table : a key that can be taken out with all that is in it.
    """

    name: str
    title: str
    icon: str
    what: str
    asks: tuple[Ask, ...]
    table: str | None = None


PIECES: dict[str, Piece] = {
    "place": Piece(
        "Place",
        "Where is this home?",
        "place",
        "For sunrise and sunset, which are reckoned here, and for the weather, which a service is asked for.",
        (
            Ask(("latitude",), "Latitude", "number", "degrees, north is positive"),
            Ask(("longitude",), "Longitude", "number", "degrees, east is positive"),
            Ask(("time_zone",), "Time zone", hint="as in Europe/Berlin; empty: this machine's"),
        ),
    ),
    "mqtt": Piece(
        "MQTT broker",
        "Name the broker",
        "hub",
        "Lamps and many other devices are reached through it.",
        (
            Ask(("mqtt", "host"), "Host", hint="name or address, as in homeassistant.local", required=True),
            Ask(("mqtt", "port"), "Port", "number", "8883 is usual with TLS", 1883),
            Ask(("mqtt", "username"), "User (optional)"),
            Ask(("mqtt", "password"), "Password (optional)", "secret"),
            Ask(("mqtt", "tls"), "TLS, with the certificates this machine trusts", "switch", default=False),
        ),
        "mqtt",
    ),
    "home_assistant": Piece(
        "Home Assistant",
        "Reach Home Assistant",
        "home",
        "For actions that call its services.",
        (
            Ask(("home_assistant", "url"), "Address", hint="as in http://ha.local:8123", required=True),
            Ask(("home_assistant", "token"), "Long-lived access token", "secret", required=True),
        ),
        "home_assistant",
    ),
    "sounds": Piece(
        "Sounds and voice",
        "Choose sounds and voice",
        "record_voice_over",
        "Paths are of the machine that noctule runs on.",
        (
            Ask(("media_folder",), "Folder of sounds", hint="“Play” finds its files in here"),
            Ask(("language",), "Language of the voice", hint="as in en, de or pt-br", default="en"),
            Ask(("piper_voice",), "Piper voice (optional)", hint="a file that ends in .onnx"),
        ),
    ),
    "travel": Piece(
        "Weather and travel",
        "Weather and travel time",
        "commute",
        "For announcements that tell the weather, or how long the way to work takes.",
        (
            Ask(("weather_url",), "Weather service", hint="Open-Meteo, or one's own",
                default="https://api.open-meteo.com"),
            Ask(("travel", "key"), "Key of the TomTom Routing API", "secret"),
            Ask(("travel", "to"), "Where to", "place", "latitude, longitude"),
            Ask(("travel", "start"), "From (optional)", "place", "empty: this home"),
        ),
        "travel",
    ),
    "notify": Piece(
        "Messages",
        "Who gets messages?",
        "notifications",
        "Names for the services that “Send me a message” knows, as Apprise URLs.",
        (),
    ),
}  # fmt: skip


def piece_for(lack: str) -> str | None:
    """The piece that would help where this is lacking (`RoutineFile.warnings`); None: none would."""
    for word, piece in (
        ("latitude", "place"),
        ("`mqtt`", "mqtt"),
        ("`home_assistant`", "home_assistant"),
        ("`travel`", "travel"),
        ("`notify`", "notify"),
        ("`media_folder`", "sounds"),
    ):
        if word in lack:
            return piece
    return None


def asks_of(piece: str, home: Home) -> tuple[Ask, ...]:
    """The inputs; of messages one for each name."""
    if piece != "notify":
        return PIECES[piece].asks
    return tuple(Ask(("notify", name), name, "secret") for name in home.notify)


def summary(piece: str, home: Home, machine_zone: str) -> str:
    """What is known, in a line; secrets are only said to be there."""
    match piece:
        case "place":
            zone = home.time_zone or f"{machine_zone} (this machine's)"
            return f"{_degrees(home)} · {zone}"
        case "mqtt" if home.mqtt is not None:
            user = f" as {home.mqtt.username}" if home.mqtt.username else ""
            return f"{home.mqtt.host}:{home.mqtt.port}{user}" + (
                ", password set" if home.mqtt.password else ""
            )
        case "home_assistant" if home.home_assistant is not None:
            return f"{mask_text(home.home_assistant.url)}, token set"
        case "sounds":
            voice = f"piper, {home.piper_voice.name}" if home.piper_voice else f"espeak-ng, {home.language}"
            return f"{home.media_folder or 'no folder of sounds'} · {voice}"
        case "travel":
            way = "travel time set" if home.travel else "no travel time"
            return f"{home.weather_url.partition('://')[2].rpartition('@')[2]} · {way}"
        case "notify" if home.notify:
            return ", ".join(home.notify)
    return "none"


def _degrees(home: Home) -> str:
    if home.place is None:
        return "not said: Routines know no sun and no weather"
    sides = zip(home.place, ("NS", "EW"), strict=True)
    return ", ".join(f"{abs(degrees):.2f}° {names[degrees < 0]}" for degrees, names in sides)
