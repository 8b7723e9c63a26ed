"""The form of settings is read from the settings tree: nothing is left out, nothing is made up."""

from __future__ import annotations

from typing import Any

import pytest

from noctule.core.settings import Settings
from noctule.service.changes import changed_by
from noctule.web.setting_fields import ELSEWHERE, SettingField, about, fields_of, sections, title_of

FIELDS = [field for section in sections() for field in fields_of(section, {})]


def field(name: str) -> SettingField:
    return next(one for one in FIELDS if one.name == name)


def test_every_setting_is_there_once() -> None:
    tree = Settings().model_dump()
    names = [f"{section}.{key}" for section, values in tree.items() for key in values]
    assert sorted([*(one.name for one in FIELDS), *ELSEWHERE]) == sorted(names)
    assert all(title_of(section) and about(section) for section in sections())


@pytest.mark.parametrize("one", FIELDS, ids=lambda one: one.name)
def test_a_default_goes_in_and_comes_back(one: SettingField) -> None:
    back = one.given(one.shown(one.default))
    assert back == one.default or (back is None and one.default == "")
    assert one.complaint(one.default) is None
    assert one.title[0].isupper()


@pytest.mark.parametrize(
    ("name", "kind", "unit", "hint"),
    [
        ("presence.off_latency_s", "number", "s", "5 to 7200 s, default 10 s"),
        ("gate.enabled", "switch", "", "default off"),
        ("model.detector", "choice", "", "default network"),
        ("emit.carrier_hz", "text", "Hz", "in Hz, default auto"),
        ("web.allowed_hosts", "list", "", "default none"),
        ("audio.input", "text", "", "default none"),
    ],
)
def test_what_a_field_is(name: str, kind: str, unit: str, hint: str) -> None:
    one = field(name)
    assert (one.kind, one.unit, one.hint) == (kind, unit, hint)


@pytest.mark.parametrize(
    ("name", "typed", "value", "complaint"),
    [
        ("presence.off_latency_s", 12.0, 12.0, None),
        ("presence.off_latency_s", 1, 1, "should be greater than or equal to 5"),
        ("presence.off_latency_s", None, None, "needs a value"),
        ("audio.input_channels", None, None, None),
        ("audio.input_channels", 2.0, 2, None),
        ("audio.input_channels", 2.5, 2.5, "should be a valid integer, got a number with a fractional part"),
        ("emit.carrier_hz", "20000", "20000", None),
        ("audio.input", "  ", None, None),
        ("web.allowed_hosts", "a.lan, b.lan ,", ("a.lan", "b.lan"), None),
        ("web.base_path", "no slash", "no slash", "String should match pattern '^(/[\\w.~-]+)*$'"),
    ],
)
def test_what_is_typed(name: str, typed: Any, value: Any, complaint: str | None) -> None:
    one = field(name)
    assert one.given(typed) == value
    assert one.complaint(value) == complaint


def test_the_environment_has_the_last_word() -> None:
    given = {"NOCTULE_PRESENCE__HOLD_S": "4"}
    found = {one.key: one.variable for one in fields_of("presence", given)}
    assert found.pop("hold_s") == "NOCTULE_PRESENCE__HOLD_S"
    assert set(found.values()) == {None}


@pytest.mark.parametrize("one", FIELDS, ids=lambda one: one.name)
def test_what_a_change_takes_is_what_the_service_says(one: SettingField) -> None:
    others: dict[str, Any] = {
        "switch": not one.default,
        "number": one.most if one.least == one.default else one.least,
        "list": ("a",),
        "choice": next((choice for choice in one.choices if choice != one.default), None),
        "text": "20000" if one.unit == "Hz" else "/b",
    }
    after = Settings.model_validate({one.section: {one.key: others[one.kind]}})
    changed = changed_by(Settings(), after)
    expected = {"sensor": (True, ()), "start": (False, (one.name,)), "now": (False, ())}[one.effect]
    assert (changed.restarted, changed.at_next_start) == expected
