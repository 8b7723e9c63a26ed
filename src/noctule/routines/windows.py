"""Time windows: between two readings of the clock on the wall, or two moments of the sun."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

from noctule.routines.parts import seconds_of
from noctule.routines.settings import Home

_DAY = timedelta(days=1)
#: On one day the sun rises and sets, in hours: where a window also has a clock time, this tells whether it is
#: meant over midnight (sunset to 01:00) or only missed today (sunset to 23:00 in a northern June).
_EARLIEST_H = {"sunrise": 2.5, "sunset": 12.0}
_LATEST_H = {"sunrise": 12.0, "sunset": 22.5}


def window_day(between: tuple[str, str], now: datetime, home: Home) -> date | None:
    """The day on which the window began that `now` is in; None: it is in none.

    Windows hold their beginning and not their end, by the reading of the local clock: an hour that comes
    twice in autumn is in it twice, one that never comes in spring never.

    Raises
    ------
    LookupError
        The sun does not rise or set on this day, or nobody said where the home is.
    """
    local = now.replace(tzinfo=None)
    for day in (local.date(), local.date() - _DAY):
        start, end = (moment(edge, day, home) for edge in between)
        if over_midnight(between, start, end):
            end = moment(between[1], day + _DAY, home)
        if start <= local < end:
            return day
    return None


def over_midnight(between: tuple[str, str], start: datetime, end: datetime) -> bool:
    """Whether a window ends on the day after it began."""
    suns = [_parts(edge)[0] for edge in between]
    if suns == [None, None] or suns[0] == suns[1]:
        return end <= start and suns == [None, None]
    if None not in suns:
        return suns[0] == "sunset"
    start_h, end_h = (_hours(edge, end=edge is between[1]) for edge in between)
    return end_h <= start_h


def moment(edge: str, day: date, home: Home) -> datetime:
    """An end of a window on a day, as the local clock reads it."""
    sun, offset = _parts(edge)
    if sun is None:
        hour, minute = edge.split(":")
        return datetime(day.year, day.month, day.day, int(hour), int(minute))
    return sun_time(sun, day, home) + offset


def sun_time(event: str, day: date, home: Home) -> datetime:
    """When the sun rises or sets on a day, as the local clock reads it."""
    from astral import Observer, sun

    if home.place is None:
        raise LookupError("where the sun is needs latitude and longitude in `home`")
    of = {"sunrise": sun.sunrise, "sunset": sun.sunset}[event]
    try:
        found = of(Observer(*home.place), day, tzinfo=home.zone)
    except ValueError:  # astral says so in several ways
        raise LookupError(f"there is no {event} on this day") from None
    return found.replace(tzinfo=None)


def uses_sun(edge: str) -> bool:
    return _parts(edge)[0] is not None


def _parts(edge: str) -> tuple[str | None, timedelta]:
    """The event of the sun and the offset from it; None for a clock time."""
    found = re.fullmatch(r"(sunrise|sunset)(?:([+-])(.+))?", edge)
    if found is None:
        return None, timedelta()
    offset_s = float(str(seconds_of(found[3]))) if found[3] else 0.0
    return found[1], timedelta(seconds=-offset_s if found[2] == "-" else offset_s)


def _hours(edge: str, end: bool) -> float:
    """Hours of the day of a clock time; of a sun's, the side of its range that makes a window long."""
    sun, offset = _parts(edge)
    if sun is None:
        hour, minute = edge.split(":")
        return int(hour) + int(minute) / 60
    return (_LATEST_H if end else _EARLIEST_H)[sun] + offset.total_seconds() / 3600
