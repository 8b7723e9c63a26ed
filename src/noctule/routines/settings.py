"""The home that Routines live in: the `home` block of the file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from noctule.routines.parts import Part, nearest

_VARIABLE = re.compile(r"\$\{(\w+)\}")

Latitude = Annotated[float, Field(ge=-90.0, le=90.0)]
Longitude = Annotated[float, Field(ge=-180.0, le=180.0)]


def _web_address(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+.*", value):
        raise ValueError(f"{value!r} is no address that begins with http:// or https://")
    return value


WebAddress = Annotated[str, AfterValidator(_web_address)]


class MqttBroker(Part):
    """The MQTT broker that actions publish to and conditions listen to."""

    host: str = Field("localhost", min_length=1, description="name or address")
    port: int = Field(1883, ge=1, le=65535, description="8883 is usual with TLS")
    username: str | None = Field(None, description="where the broker asks for one")
    password: SecretStr | None = Field(None, description="as in ${MQTT_PASSWORD}")
    tls: bool = Field(False, description="with the certificates this machine trusts")


class HomeAssistant(Part):
    """Home Assistant, for `home_assistant` actions."""

    url: WebAddress = Field(description="as in http://homeassistant.local:8123")
    token: SecretStr = Field(description="a long-lived access token")


class Travel(Part):
    """A way whose travel time announcements tell; TomTom counts the traffic, and gives keys away."""

    key: SecretStr = Field(description="of the TomTom Routing API")
    to: tuple[Latitude, Longitude] = Field(description="latitude, longitude")
    start: tuple[Latitude, Longitude] | None = Field(None, description="none: the home's place")
    url: WebAddress = Field("https://api.tomtom.com", description="another service that answers alike")


class Home(Part):
    """Where the home is, and what it has.

    Words like `${NAME}` stand for variables of the environment, so that secrets need not be in the file.
    """

    latitude: Latitude | None = Field(None, description="degrees, north is positive; for sun and weather")
    longitude: Longitude | None = Field(None, description="degrees, east is positive")
    time_zone: str | None = Field(None, description="as in Europe/Berlin; none: this machine's")
    media_folder: Path | None = Field(None, description="`play` finds its files in here and nowhere else")
    language: str = Field(
        "en", pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9-]+)?$", description="espeak-ng's voice"
    )
    piper_voice: Path | None = Field(None, description="a voice file (.onnx); piper speaks then")
    mqtt: MqttBroker | None = Field(None, description="for `light`, `mqtt`, and the state of topics")
    home_assistant: HomeAssistant | None = Field(None, description="for `home_assistant`")
    travel: Travel | None = Field(None, description="for `{traffic.minutes}`")
    weather_url: WebAddress = Field("https://api.open-meteo.com", description="Open-Meteo, or one's own")
    notify: dict[str, SecretStr] = Field({}, description="names for Apprise URLs: {phone: ${PHONE_URL}}")
    allow_commands: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]] = Field(
        {}, description="names and the program and arguments each stands for; no shell reads them"
    )

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str | None) -> str | None:
        try:
            ZoneInfo(name or "UTC")
        except (ZoneInfoNotFoundError, ValueError, OSError):
            from zoneinfo import available_timezones

            near = nearest(str(name), sorted(available_timezones()))
            raise ValueError(f"there is no time zone {name!r}; did you mean '{near}'?") from None
        return name

    @model_validator(mode="after")
    def _whole_place(self) -> Self:
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("latitude and longitude belong together")
        return self

    @property
    def place(self) -> tuple[float, float] | None:
        """Latitude and longitude in degrees."""
        if self.latitude is None or self.longitude is None:
            return None
        return self.latitude, self.longitude

    @property
    def zone(self) -> tzinfo:
        """The time zone of days, time windows and announcements."""
        return ZoneInfo(self.time_zone or machine_zone())


def machine_zone() -> str:
    """Name of this machine's time zone; its rules are needed, not only today's offset."""
    link = os.path.realpath("/etc/localtime")
    for name in (os.environ.get("TZ", "").lstrip(":"), link.partition("zoneinfo/")[2]):
        try:
            if name:
                return ZoneInfo(name).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return "UTC"


def with_environment(value: Any, environment: Mapping[str, str]) -> Any:
    """A tree in which each `${NAME}` is replaced.

    Raises
    ------
    KeyError
        With the name of a variable that is not set.
    """
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: environment[found[1]], value)
    if isinstance(value, Mapping):
        return {key: with_environment(one, environment) for key, one in value.items()}
    return [with_environment(one, environment) for one in value] if isinstance(value, list) else value
