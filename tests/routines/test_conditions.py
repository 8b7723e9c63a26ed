"""Conditions: yes, no and not known, and the words for it."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.routines.house import BERLIN

from noctule.routines import Home
from noctule.routines.conditions import Situation, all_hold, check
from noctule.routines.schema import Condition

UNHEARD, GONE = {"topic": "b", "is": "on"}, {"topic": "j", "key": "gone", "is": "on"}
NO_JSON = {"topic": "a", "key": "x", "is": "on"}
WEEKEND, HERE = {"days": ["sat"]}, {"presence": "present"}
HOME = Home.model_validate(BERLIN)


def asked(
    tree: object,
    when: str = "2026-11-30T19:42",  # a Monday
    mqtt: dict[str, str] | None = None,
    presence: bool | None = None,
    home: Home = HOME,
) -> tuple[bool | None, str]:
    now = datetime.fromisoformat(when).replace(tzinfo=home.zone)
    reasons = check(Condition.model_validate(tree), Situation(now, home, mqtt or {}, presence))
    return all_hold(reasons), "; ".join(reason.text for reason in reasons)


@pytest.mark.parametrize(
    ("tree", "holds", "words"),
    [
        ({"between": ["sunset-30m", "23:30"]}, True, "19:42 is between sunset-30m (15:26) and 23:30"),
        ({"between": ["06:00", "08:00"]}, False, "19:42 is not between 06:00 and 08:00"),
        ({"days": ["mon", "tue"]}, True, "mon is among mon, tue"),
        ({"days": ["sat", "sun"]}, False, "mon is not among sat, sun"),
        ({"mqtt": {"topic": "a", "is": "off"}}, True, "a is 'off'"),
        ({"mqtt": {"topic": "a", "is": "on"}}, False, "a is 'off', not 'on'"),
        ({"mqtt": UNHEARD}, None, "b has not been heard yet, 'on' is asked for"),
        ({"not": {"mqtt": UNHEARD}}, None, "not (b has not been heard yet, 'on' is asked for)"),
        ({"mqtt": {"topic": "j", "key": "door.open", "is": True}}, True, "j door.open is 'true'"),
        ({"mqtt": {"topic": "j", "key": "level", "is": 21}}, True, "j level is '21'"),
        ({"mqtt": GONE}, None, "j gone is not in what was heard, 'on' is asked for"),
        ({"mqtt": NO_JSON}, None, "a x is not in what was heard, 'on' is asked for"),
        ({"presence": "present"}, True, "somebody is here"),
        ({"presence": "absent"}, False, "somebody is here"),
        ({"or": [WEEKEND, HERE]}, True, "either mon is not among sat, or somebody is here"),
        ([{"days": ["mon"]}, {"presence": "absent"}], False, "mon is among mon; somebody is here"),
        ({"not": [WEEKEND, HERE]}, True, "not (mon is not among sat and somebody is here)"),
    ],
)  # fmt: skip
def test_conditions_and_their_words(tree: object, holds: bool | None, words: str) -> None:
    mqtt = {"a": "off", "j": '{"door": {"open": true}, "level": 21}'}
    assert asked(tree, mqtt=mqtt, presence=True) == (holds, words)


def test_what_is_not_known_is_no_permission() -> None:
    assert asked({"presence": "absent"})[0] is None
    assert asked({"between": ["sunset", "23:00"]}, home=Home(time_zone="UTC"))[0] is None
    # no matter what is not known where one is enough, or one says no
    unknown = {"mqtt": {"topic": "b", "is": "on"}}
    assert asked({"or": [unknown, {"days": ["mon"]}]})[0] is True
    assert asked({"and": [unknown, {"days": ["sun"]}]})[0] is False


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("2026-12-04T23:00", True),  # Friday
        ("2026-12-05T01:00", True),  # the night of Friday goes on
        ("2026-12-04T01:00", False),  # the night of Thursday
        ("2026-12-05T23:00", False),
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_begins(when: str, holds: bool) -> None:
    assert asked({"between": ["22:00", "02:00"], "days": ["fri"]}, when)[0] is holds


def tree_of(answers: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.recursive(
        answers,
        lambda inner: st.one_of(
            st.fixed_dictionaries({"and": st.lists(inner, min_size=1, max_size=3)}),
            st.fixed_dictionaries({"or": st.lists(inner, min_size=1, max_size=3)}),
            st.fixed_dictionaries({"not": inner}),
        ),
        max_leaves=6,
    )


YES, NO = {"days": ["mon"]}, {"days": ["sun"]}
UNKNOWN = {"mqtt": {"topic": "never", "is": "x"}}


def worlds(tree: object) -> set[bool]:
    """Every answer there is, whatever the unknown should turn out to be: the definition of "not known"."""

    def value(one: object, unknown: bool) -> bool:
        assert isinstance(one, dict)
        match next(iter(one.items())):
            case "and", parts:
                return all(value(part, unknown) for part in parts)
            case "or", parts:
                return any(value(part, unknown) for part in parts)
            case "not", part:
                return not value(part, unknown)
        return unknown if one == UNKNOWN else one == YES

    return {value(tree, False), value(tree, True)}


@given(tree_of(st.sampled_from([YES, NO, UNKNOWN])))
def test_a_certain_answer_is_the_same_whatever_the_unknown_is(tree: object) -> None:
    answer = asked(tree)[0]
    if answer is not None:
        assert worlds(tree) == {answer}
