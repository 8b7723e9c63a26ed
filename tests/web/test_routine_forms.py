"""What the form of a Routine says and keeps, without a browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noctule.routines.document import parse_routines
from noctule.routines.schema import ACTIONS, DAYS, Routine
from noctule.web.forms.action_fields import ACTION_FORMS
from noctule.web.forms.draft import Draft
from noctule.web.forms.lines import lines_of, payload_of, table_of
from noctule.web.forms.problems import EMPTY, HOW_LONG, problems_of
from noctule.web.forms.rows import Row, condition_of, rows_of
from noctule.web.forms.starters import STARTERS
from noctule.web.forms.words import duration_words, sentence

DOCS = Path(__file__).resolve().parents[2] / "docs"


def _examples() -> list[Routine]:
    text = "".join((DOCS / page).read_text() for page in ("how-to/routines.md", "reference/routines.md"))
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    found = [
        parse_routines(block, environment=dict.fromkeys(re.findall(r"\$\{(\w+)\}", block), "x"))
        for block in blocks
    ]
    return [one for file in found for one in file.routines]


def _one(yaml: str) -> Routine:
    return parse_routines(f"- name: Lamp\n{yaml}", environment={}).routines[0]


# -- what is opened and saved unchanged stays the same

_DURATIONS = st.sampled_from(["5s", "1.5s", "10m", "2h", "1h30m", "1d"])
_EDGES = st.sampled_from(["06:00", "6:30", "23:00", "sunset", "sunrise", "sunset-30m", "sunrise+1h30m"])
_DAYS = st.sets(st.sampled_from(DAYS), min_size=1).map(list)
_TIMES = st.fixed_dictionaries(
    {}, optional={"between": st.tuples(_EDGES, _EDGES).map(list), "days": _DAYS}
).filter(bool)
_TOPICS = st.builds(
    lambda topic, key, value: {"topic": topic, "is": value} | ({"key": key} if key else {}),
    st.sampled_from(["home/alarm", "a"]),
    st.sampled_from([None, "a.b"]),
    st.sampled_from(["on", "5", ""]),
)
_ATOMS = st.one_of(
    _TIMES,
    st.builds(lambda word: {"presence": word}, st.sampled_from(["present", "absent"])),
    st.builds(lambda topic: {"mqtt": topic}, _TOPICS),
)
_CONDITIONS = st.recursive(
    _ATOMS,
    lambda inner: (
        st.one_of(
            st.builds(lambda one, other: {**one, **other}, inner, inner),
            st.builds(lambda many: {"and": many}, st.lists(inner, min_size=1, max_size=3)),
            st.builds(lambda many: {"or": many}, st.lists(inner, min_size=1, max_size=3)),
            st.builds(lambda one: {"not": one}, inner),
            st.lists(inner, min_size=1, max_size=3),
        )
        .filter(lambda one: isinstance(one, list | dict))
        .map(lambda one: {"and": one} if isinstance(one, list) else one)
    ),
    max_leaves=8,
)
_PAYLOADS = st.sampled_from(
    [{"state": "ON"}, {"state": "ON", "brightness": 40}, "ON", 5, [1, None], {"a": {"b": True}}]
)
_STEPS = st.one_of(
    st.builds(lambda payload: {"light": {"topic": "lamp/set", "payload": payload}}, _PAYLOADS),
    st.builds(
        lambda payload, retain: {"mqtt": {"topic": "a", "payload": payload, "retain": retain}},
        _PAYLOADS,
        st.booleans(),
    ),
    st.sampled_from(
        [
            {"wait": "2s"},
            {"play": "chime.flac", "timeout": "5s", "on_error": "stop"},
            {"announce": "It is {weather.temperature} degrees."},
            {"notify": {"to": "phone", "message": "Hello"}},
            {"notify": "phone"},
            {"command": "blinds"},
            {"home_assistant": "light.turn_on"},
            {"home_assistant": {"service": "a.b", "target": {"entity_id": ["a", "b"]}, "data": {"x": 1}}},
            {"webhook": "http://127.0.0.1/"},
            {"webhook": {"url": "http://a.b/c", "method": "PUT", "headers": {"A": "b"}, "payload": [1]}},
        ]
    ),
)
_WHENS = st.one_of(
    st.builds(
        lambda level: {"motion": "detected", "level": level}, st.sampled_from(["any", "minor", "major"])
    ),
    st.builds(lambda text: {"motion": "not_detected", "for": text}, _DURATIONS),
    st.sampled_from([{"presence": "present"}, {"presence": "absent", "for": "30m"}]),
)
_ROUTINES = st.fixed_dictionaries(
    {"name": st.just("Lamp"), "when": _WHENS, "then": st.lists(_STEPS, min_size=1, max_size=3)},
    optional={
        "only_if": _CONDITIONS,
        "suppress_for": _DURATIONS,
        "enabled": st.booleans(),
        "mode": st.sampled_from(["single", "restart", "queued"]),
    },
)


@settings(max_examples=60, deadline=None)
@given(_ROUTINES)
def test_a_routine_that_was_opened_and_not_touched_is_the_same(tree: dict[str, Any]) -> None:
    routine = Routine.model_validate(tree)
    draft = Draft.of(routine)
    assert draft.as_routine().as_tree() == routine.as_tree()
    assert problems_of(draft) == {}
    assert sentence(routine).startswith("When ")


@settings(max_examples=60, deadline=None)
@given(_CONDITIONS)
def test_rows_mean_what_the_condition_meant(tree: dict[str, Any]) -> None:
    """Also where they are written anew: the second time nothing changes any more, and nothing is lost."""
    written = condition_of(rows_of(tree))
    assert written is not None
    assert condition_of(rows_of(written)) == written
    assert _atoms(written) == _atoms(tree)


def _atoms(tree: Any) -> list[str]:
    """Every single thing that is asked, each with the number of "not" around it."""
    if isinstance(tree, list):
        return sorted(atom for one in tree for atom in _atoms(one))
    found = [f"{key}={tree[key]}" for key in ("mqtt", "presence") if key in tree]
    if "between" in tree or "days" in tree:  # together they mean one night
        found.append(f"time={tree.get('between')} {tree.get('days')}")
    for key in ("and", "or"):
        found += _atoms(tree.get(key, []))
    return sorted(found + ([f"not {atom}" for atom in _atoms(tree["not"])] if "not" in tree else []))


@pytest.mark.parametrize("routine", _examples(), ids=lambda one: one.name)
def test_every_example_of_the_docs_can_be_edited(routine: Routine) -> None:
    draft = Draft.of(routine)
    assert draft.as_routine().as_tree() == routine.as_tree()
    assert all(row.kind != "yaml" for row in draft.rows)


def test_what_a_form_cannot_show_is_kept_word_for_word_when_the_rest_changes() -> None:
    deep = {"not": {"presence": "present", "mqtt": {"topic": "a", "is": "on"}}}
    draft = Draft.of(
        Routine.model_validate(
            {"name": "A", "when": {"motion": "detected"}, "only_if": deep, "then": [{"wait": "1s"}]}
        )
    )
    assert [row.kind for row in draft.rows] == ["yaml"]
    draft.rows.append(Row("presence", {"presence": "absent"}))
    assert draft.as_routine().as_tree()["only_if"] == {**deep, "presence": "absent"}


def test_days_and_window_of_one_row_stay_one_night() -> None:
    """A window over midnight belongs to the day on which it began: two rows are two questions."""
    night = {"between": ["22:00", "02:00"], "days": ["fri"]}
    assert condition_of(rows_of(night)) == night
    apart = [Row("time", {"between": ["22:00", "02:00"]}), Row("time", {"days": ["fri"]})]
    assert condition_of(apart) == {"between": ["22:00", "02:00"], "and": [{"days": ["fri"]}]}


# -- sentences


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        (
            """
  when: {motion: detected}
  only_if: {between: [sunset, "23:00"], days: [mon, tue, wed, thu, fri]}
  suppress_for: 5m
  then: [{light: {topic: zigbee2mqtt/lamp/set}}, {announce: "{weather.high} degrees"}]""",
            "When motion is detected between sunset and 23:00, Mon-Fri, turn on the lamp, say the weather; "
            "not again for 5 minutes.",
        ),
        (
            """
  when: {motion: not_detected, for: 1h30m}
  then: [{light: {topic: a/living_room/set, payload: OFF}}]""",
            "When no motion is detected for 1 hour 30 minutes, turn off the living room light.",
        ),
        (
            """
  when: {presence: absent, for: 1d}
  only_if: {or: [{days: [sat, sun]}, {presence: absent}], not: {mqtt: {topic: alarm, is: on}}}
  then: [{wait: 1s}]""",
            "When nobody has been here for 1 day, if either it is Sat or Sun or nobody is here, unless alarm "
            "is on, wait 1 second.",
        ),
        (
            """
  when: {presence: present}
  only_if: {between: [sunrise+1h30m, sunset-1m]}
  then: [{notify: mailto://a:b@c}]""",
            "When somebody arrives between 1 hour 30 minutes after sunrise and 1 minute before sunset, "
            "send “Motion at home.” to mailto.",
        ),
    ],
)
def test_a_routine_reads_as_one_sentence(yaml: str, said: str) -> None:
    assert sentence(_one(yaml)) == said


def test_durations_are_said_in_full() -> None:
    assert [duration_words(seconds) for seconds in (0.5, 1, 90, 5400, 90061)] == [
        "0.5 seconds", "1 second", "1 minute 30 seconds", "1 hour 30 minutes",
        "1 day 1 hour 1 minute 1 second",
    ]  # fmt: skip


# -- what is wrong


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"name": " "}, {"name": "Give it a name"}),
        ({"then": []}, {"then": "Add at least one thing to do"}),
        ({"when": {"motion": "not_detected"}}, {"when.for": HOW_LONG}),
        ({"suppress_for": ""}, {"suppress_for": HOW_LONG}),
        ({"then": [{"light": {"topic": ""}}]}, {"then.0.light.topic": EMPTY}),
        ({"then": [{"wait": {"for": ""}}]}, {"then.0.wait.for": HOW_LONG}),
        (
            {"then": [{"wait": {"for": "1s"}}, {"announce": {"text": "{weather.hihg}"}}]},
            {"then.1.announce.text": "'{weather.hihg}' is no field; did you mean '{weather.high}'?"},
        ),
        (
            {"then": [{"webhook": {"url": "a.b"}}]},
            {"then.0.webhook.url": "An address begins with http:// or https://"},
        ),
        (
            {"then": [{"home_assistant": {"service": "x"}}]},
            {"then.0.home_assistant.service": "Write it like light.turn_on"},
        ),
        ({"rows": [Row("time", {"between": ["", "23:00"]})]}, {"only_if.0.between": EMPTY}),
        ({"rows": [Row("time", {"days": []})]}, {"only_if.0.days": "Choose at least one day"}),
        (
            {"rows": [Row("mqtt", {"mqtt": {"topic": "", "is": "on"}}, negated=True)]},
            {"only_if.0.mqtt.topic": EMPTY},
        ),
        (
            {"rows": [Row("any", groups=[[], [Row("mqtt", {"mqtt": {"topic": "a/#", "is": "on"}})]])]},
            {
                "only_if.0.0": "Add a condition, or take this alternative away",
                "only_if.0.1.0.mqtt.topic": "'a/#' is no topic: it must not be empty or hold + or #",
            },
        ),
    ],
)  # fmt: skip
def test_each_problem_stands_at_its_place(changes: dict[str, Any], problems: dict[str, str]) -> None:
    draft = Draft(**{"name": "Lamp", "then": [{"wait": {"for": "1s"}}]} | changes)
    assert problems_of(draft) == problems


def test_a_name_is_there_once() -> None:
    other = _one("  when: {motion: detected}\n  then: [{wait: 1s}]")
    draft = Draft(name="Lamp ", then=[{"wait": {"for": "1s"}}])
    assert problems_of(draft, [other]) == {"name": "Another Routine has this name"}
    assert problems_of(Draft.of(other), [other]) == {}


def test_every_action_has_a_form_and_every_starter_works() -> None:
    assert set(ACTION_FORMS) == set(ACTIONS)
    for one in STARTERS:
        assert problems_of(one.begin()) == {}, one.name
    one.begin().then.clear()
    assert one.begin().then


# -- lines


_VALUES = st.one_of(st.text(), st.integers(), st.booleans(), st.none(), st.lists(st.text()))


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), _VALUES))
def test_tables_survive_being_lines(table: dict[str, Any]) -> None:
    assert table_of(lines_of(table)) == table


def test_lines_that_are_no_table_say_why() -> None:
    with pytest.raises(ValueError, match="like name: value"):
        table_of("brightness 40")
    with pytest.raises(ValueError, match="there twice"):
        table_of("a: 1\na: 2")


def test_only_what_looks_like_json_is_json() -> None:
    assert payload_of('{"state": "ON"}') == {"state": "ON"}
    assert [payload_of(text) for text in ("5", "on", "{not json")] == ["5", "on", "{not json"]
