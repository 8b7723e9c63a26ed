"""Announcements: fields of a list, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noctule.routines.template import FIELDS, check_template, fill, sources_of

MORNING = "Good morning. It is {weather.temperature} degrees; {traffic.minutes} minutes to work."


def test_fields_are_filled() -> None:
    assert check_template(MORNING) == MORNING
    assert sources_of(MORNING) == {"weather", "traffic"}
    facts = {"weather.temperature": "3", "traffic.minutes": "25"}
    assert fill(MORNING, facts) == "Good morning. It is 3 degrees; 25 minutes to work."
    assert fill("{{time}} is {time}", {"time": "7:00"}) == "{time} is 7:00"


def test_a_sentence_that_lacks_something_says_so_instead() -> None:
    assert fill(MORNING, {"traffic.minutes": "25"}) == (
        "Good morning. The weather is not known right now. 25 minutes to work."
    )
    assert fill("{weather.high} at most. {weather.low} at least. Bye.", {}) == (
        "The weather is not known right now. Bye."
    )
    assert fill("{weather.temperature} and {traffic.minutes}", {}) == (
        "The travel time is not known right now. The weather is not known right now."
    )


@pytest.mark.parametrize(
    "attack",
    [
        "{weather.__class__}",
        "{weather.temperature.__class__.__mro__}",
        "{0.__class__.__init__.__globals__}",
        "{weather[temperature]}",
        "{weather.temperature!r}",
        "{weather.temperature:>999999999}",
        "{}",
        "{ time }",
        "{% for x in y %}",
        "{time",
        "time}",
        "{{ ''.__class__ }",
    ],
)
def test_nothing_but_fields_is_understood(attack: str) -> None:
    with pytest.raises(ValueError, match=r"is no field; did you mean|a lonely"):
        check_template(attack)


@given(st.text("{}. ;abtimewrh_!", max_size=30), st.text("{}.timea ", max_size=10))
def test_what_a_service_sends_is_never_a_template(text: str, sent: str) -> None:
    facts = dict.fromkeys(FIELDS, sent)
    try:
        check_template(text)
    except ValueError:
        return
    fill(text, facts)
    assert fill("<{time}>", facts) == f"<{sent}>"
