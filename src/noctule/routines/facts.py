"""Weather and travel time, from services on the net."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from noctule.routines.settings import Home
from noctule.routines.tools import ActionError, Facts
from noctule.routines.web import get_json

WEATHER_FRESH_S, TRAFFIC_FRESH_S = 600.0, 120.0

#: WMO code table 4677 as Open-Meteo uses it, in words one would say.
WEATHER_WORDS = {
    0: "clear",
    1: "mostly clear",
    2: "partly cloudy",
    3: "overcast",
    **dict.fromkeys((45, 48), "foggy"),
    **dict.fromkeys((51, 53, 55), "drizzle"),
    **dict.fromkeys((56, 57, 66, 67), "freezing rain"),
    61: "light rain",
    63: "rain",
    65: "heavy rain",
    71: "light snow",
    73: "snow",
    75: "heavy snow",
    77: "snow grains",
    **dict.fromkeys((80, 81, 82), "showers"),
    **dict.fromkeys((85, 86), "snow showers"),
    **dict.fromkeys((95, 96, 99), "thunderstorms"),
}


def all_facts(home: Home, monotonic: Callable[[], float] = time.monotonic) -> dict[str, Facts]:
    """The sources of `template.SOURCES`, each remembered for some time."""

    async def weather() -> Mapping[str, str]:
        return await ask_weather(home)

    async def traffic() -> Mapping[str, str]:
        return await ask_traffic(home)

    return {
        "weather": remembered(weather, WEATHER_FRESH_S, monotonic),
        "traffic": remembered(traffic, TRAFFIC_FRESH_S, monotonic),
    }


def remembered(ask: Facts, fresh_s: float, monotonic: Callable[[], float]) -> Facts:
    """The same source, asked again only after `fresh_s` seconds; failures are not remembered."""
    known: Mapping[str, str] | None = None
    asked_s = 0.0
    turn = asyncio.Lock()  # two announcements at a time ask once

    async def answer() -> Mapping[str, str]:
        nonlocal known, asked_s
        async with turn:
            if known is None or monotonic() - asked_s >= fresh_s:
                known = await ask()
                asked_s = monotonic()
            return known

    return answer


async def ask_weather(home: Home) -> dict[str, str]:
    """Weather now and today by Open-Meteo: degrees Celsius, km/h, percent, whole numbers."""
    if home.place is None:
        raise ActionError("the weather needs latitude and longitude in `home`")
    found = await get_json(
        f"{home.weather_url.rstrip('/')}/v1/forecast",
        {
            "latitude": str(home.place[0]),
            "longitude": str(home.place[1]),
            "current": "temperature_2m,apparent_temperature,weather_code,wind_speed_10m",
            "daily": "temperature_2m_max,temperature_2m_min,precipitation_probability_max",
            "forecast_days": "1",
            "timezone": "auto",
        },
    )
    code = _at(found, "current", "weather_code")
    told = {
        "temperature": _whole(_at(found, "current", "temperature_2m")),
        "feels_like": _whole(_at(found, "current", "apparent_temperature")),
        "description": WEATHER_WORDS.get(code) if isinstance(code, int) else None,
        "high": _whole(_at(found, "daily", "temperature_2m_max", 0)),
        "low": _whole(_at(found, "daily", "temperature_2m_min", 0)),
        "rain_chance": _whole(_at(found, "daily", "precipitation_probability_max", 0)),
        "wind": _whole(_at(found, "current", "wind_speed_10m")),
    }
    return {name: value for name, value in told.items() if value is not None}


async def ask_traffic(home: Home) -> dict[str, str]:
    """Travel time by car with the traffic of now, by TomTom's Routing API, in whole minutes."""
    travel = home.travel
    start = travel and (travel.start or home.place)
    if not travel or not start:
        raise ActionError("the travel time needs `travel` and a place in `home`")
    way = f"{start[0]},{start[1]}:{travel.to[0]},{travel.to[1]}"
    found = await get_json(
        f"{travel.url.rstrip('/')}/routing/1/calculateRoute/{way}/json",
        {"key": travel.key.get_secret_value(), "traffic": "true"},
    )
    told = {
        "minutes": _minutes(_at(found, "routes", 0, "summary", "travelTimeInSeconds")),
        "delay_minutes": _minutes(_at(found, "routes", 0, "summary", "trafficDelayInSeconds")),
    }
    return {name: value for name, value in told.items() if value is not None}


def _at(tree: Any, *path: str | int) -> Any:
    """What lies there in an answer, or None: services leave fields out when they do not know."""
    for key in path:
        try:
            tree = tree[key]
        except (KeyError, IndexError, TypeError):
            return None
    return tree


def _whole(value: object) -> str | None:
    """A number as it is said."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e6:
        return None
    return str(round(value))


def _minutes(seconds: object) -> str | None:
    return _whole(seconds / 60) if isinstance(seconds, int | float) else None
