"""Time windows: by the clock on the wall, over midnight, by the sun, on days that have 23 or 25 hours."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noctule.routines import Home
from noctule.routines.windows import sun_time, window_day

BERLIN = Home.model_validate({"latitude": 52.52, "longitude": 13.405, "time_zone": "Europe/Berlin"})
TROMSO = Home.model_validate({"latitude": 69.65, "longitude": 18.96, "time_zone": "Europe/Oslo"})
HELSINKI = Home.model_validate({"latitude": 60.17, "longitude": 24.94, "time_zone": "Europe/Helsinki"})
AUCKLAND = Home.model_validate({"latitude": -36.85, "longitude": 174.76, "time_zone": "Pacific/Auckland"})
HONOLULU = Home.model_validate({"latitude": 21.31, "longitude": -157.86, "time_zone": "Pacific/Honolulu"})

#: 2026 with both changes of the clock (29 March and 25 October), and the ends of the year.
MOMENTS = st.datetimes(datetime(2025, 12, 30), datetime(2027, 1, 2), timezones=st.just(UTC))
CLOCK_TIMES = st.times().map(lambda one: f"{one:%H:%M}")


def inside(between: tuple[str, str], when: str, home: Home = BERLIN) -> bool:
    return window_day(between, datetime.fromisoformat(when).replace(tzinfo=home.zone), home) is not None


@given(CLOCK_TIMES, CLOCK_TIMES, MOMENTS)
def test_a_window_of_clock_times_is_what_the_clock_on_the_wall_reads(
    start: str, end: str, moment: datetime
) -> None:
    """Two roads: days and intervals inside, the reading of a clock without a date here. Any day, also those
    on which an hour comes twice or never."""
    now = moment.astimezone(ZoneInfo("Europe/Berlin"))
    reading, start_t, end_t = now.time(), time.fromisoformat(start), time.fromisoformat(end)
    begun, not_over = reading >= start_t, reading < end_t
    expected = (begun and not_over) if start_t < end_t else (begun or not_over)
    day = window_day((start, end), now, BERLIN)
    assert (day is not None) == expected
    if day is not None:
        assert day == (now.date() if reading >= start_t else now.date() - timedelta(days=1))


@given(CLOCK_TIMES, CLOCK_TIMES, MOMENTS)
def test_a_window_and_its_complement_never_hold_together(start: str, end: str, moment: datetime) -> None:
    if start == end:
        return  # the whole day, twice
    now = moment.astimezone(ZoneInfo("Europe/Berlin"))
    assert (window_day((start, end), now, BERLIN) is None) != (window_day((end, start), now, BERLIN) is None)


@given(st.integers(0, 364), st.sampled_from([BERLIN, AUCKLAND, HONOLULU]))
def test_between_sunset_and_sunrise_it_is_night(day: int, home: Home) -> None:
    """Against a second road: the sun's elevation at that moment, from the same library's other function."""
    from astral import Observer
    from astral.sun import elevation

    assert home.place is not None
    midnight = datetime(2026, 1, 1, tzinfo=home.zone) + timedelta(days=day)
    for hours in range(0, 24, 3):
        now = midnight + timedelta(hours=hours)
        height = elevation(Observer(*home.place), now)
        if abs(height + 0.83) > 0.5:  # within minutes of the event the two may differ
            assert (window_day(("sunset", "sunrise"), now, home) is not None) == (height < -0.83), now


@pytest.mark.parametrize("home", [BERLIN, AUCKLAND, HONOLULU])
def test_the_sun_sets_on_the_day_that_was_asked_for(home: Home) -> None:
    for month in range(1, 13):
        day = date(2026, month, 15)
        assert sun_time("sunset", day, home).date() == day
        assert 3 <= sun_time("sunrise", day, home).hour <= 9


def test_sun_times_of_almanacs() -> None:
    """Berlin 2026-06-21: 04:43 and 21:33 CEST; Auckland 2026-06-21: 07:33 and 17:12 NZST (±2 minutes)."""
    for home, sunrise, sunset in ((BERLIN, "04:43", "21:33"), (AUCKLAND, "07:33", "17:12")):
        for event, clock in (("sunrise", sunrise), ("sunset", sunset)):
            expected = datetime.combine(date(2026, 6, 21), time.fromisoformat(clock))
            assert abs(sun_time(event, date(2026, 6, 21), home) - expected) < timedelta(minutes=2)


@pytest.mark.parametrize(
    ("between", "when", "home", "holds"),
    [
        # Berlin, 30 November: the sun sets at 15:56
        (("sunset", "23:00"), "2026-11-30T15:50", BERLIN, False),
        (("sunset", "23:00"), "2026-11-30T16:00", BERLIN, True),
        (("sunset-30m", "23:00"), "2026-11-30T15:30", BERLIN, True),
        (("sunset", "23:00"), "2026-11-30T22:59", BERLIN, True),
        (("sunset", "23:00"), "2026-11-30T23:00", BERLIN, False),
        (("sunset", "01:00"), "2026-12-01T00:59", BERLIN, True),
        (("sunset", "01:00"), "2026-12-01T01:00", BERLIN, False),
        # Helsinki, 21 June: the sun sets at 22:50, after the window's end, so it is missed and not 24 h long
        (("sunset", "22:00"), "2026-06-21T12:00", HELSINKI, False),
        (("sunset", "22:00"), "2026-06-21T23:00", HELSINKI, False),
        (("sunset+2h", "05:00"), "2026-06-22T00:40", HELSINKI, False),
        (("sunset+2h", "05:00"), "2026-06-22T01:00", HELSINKI, True),
        # dark mornings only: in June the sun is up at 06:00
        (("06:00", "sunrise"), "2026-11-30T07:00", BERLIN, True),
        (("06:00", "sunrise"), "2026-11-30T09:00", BERLIN, False),
        (("06:00", "sunrise"), "2026-06-21T07:00", BERLIN, False),
        (("22:00", "sunrise"), "2026-06-21T02:00", BERLIN, True),
        (("22:00", "sunrise"), "2026-06-21T06:00", BERLIN, False),
        (("sunrise+1h", "sunset-1h"), "2026-11-30T12:00", BERLIN, True),
        (("sunrise+1h", "sunset-1h"), "2026-11-30T08:00", BERLIN, False),
        (("sunset-1h", "sunrise+1h"), "2026-11-30T08:00", BERLIN, True),
        (("sunset-30m", "sunset+2h"), "2026-11-30T17:00", BERLIN, True),
        (("sunset-30m", "sunset+2h"), "2026-12-01T03:00", BERLIN, False),
    ],
)  # fmt: skip
def test_windows_by_the_sun(between: tuple[str, str], when: str, home: Home, holds: bool) -> None:
    assert inside(between, when, home) is holds


def test_where_the_sun_does_not_set_it_is_said() -> None:
    with pytest.raises(LookupError, match="no sunset on this day"):
        inside(("sunset", "23:00"), "2026-06-21T22:00", TROMSO)
    with pytest.raises(LookupError, match="latitude and longitude"):
        inside(("sunset", "23:00"), "2026-06-21T22:00", Home())
