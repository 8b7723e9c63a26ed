"""Routines in a browser, by clicks: made, changed, switched off, deleted and brought back, imported."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Browser, Page, expect
from tests.web.browser import PHONE, Served, open_page, served
from tests.web.browser import page as page_of
from tests.web.house import moving, record

HOME = """
home:
  latitude: 52.52
  longitude: 13.405
  time_zone: Europe/Berlin
"""
LAMP_OFF = """
  - name: Lamp off
    when: {motion: not_detected, for: 10m}
    then:
      - light: {topic: zigbee2mqtt/lamp/set, payload: {state: OFF}}
"""
#: What the sentence in the task says, as a file says it.
EVENING = {
    "id": "evening",
    "name": "Evening",
    "when": {"motion": "detected"},
    "only_if": {"between": ["sunset", "23:00"], "days": ["mon", "tue", "wed", "thu", "fri"]},
    "suppress_for": "5m",
    "then": [
        {"light": {"topic": "zigbee2mqtt/lamp/set"}},
        {"announce": "It is {weather.temperature} degrees."},
    ],
}
MOST_S = 20.0


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Served]:
    """A house that has one Routine."""
    (tmp_path / "routines.yaml").write_text(f"{HOME}routines:{LAMP_OFF}")
    with served(tmp_path) as house:
        yield house


@pytest.fixture
def page(one: Served, browser: Browser) -> Iterator[Page]:
    """The page on a phone; nothing may go wrong in it."""
    expect.set_options(timeout=MOST_S * 1000)
    with page_of(browser, *PHONE) as phone:
        open_page(phone, f"{one.url}/routines")
        yield phone
        assert phone.wrongs == []  # type: ignore[attr-defined]


def saved(one: Served) -> dict[str, Any]:
    """Routines of the file, by name."""
    found = yaml.safe_load(Path(one.house.automation.path).read_text())["routines"]
    return {routine["name"]: routine for routine in found}


def until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + MOST_S
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def choose(page: Page, testid: str, words: str) -> None:
    page.get_by_test_id(testid).click()
    page.get_by_role("option", name=words, exact=True).click()


def make_evening(page: Page) -> None:
    """Clicks and words, nothing else."""
    page.get_by_test_id("new").click()
    page.get_by_test_id("starter.4").click()
    fill_evening(page)
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("routine.evening")).to_be_visible()


def fill_evening(page: Page) -> None:
    """An empty editor."""
    page.get_by_test_id("name").fill("Evening")
    page.get_by_test_id("when.motion-detected").click()
    page.get_by_test_id("only_if.add").click()
    page.get_by_test_id("only_if.add.time").click()
    choose(page, "only_if.0.between.0.kind", "Sunset")
    page.get_by_test_id("only_if.0.between.1.clock").fill("23:00")
    page.get_by_test_id("only_if.0.days.weekdays").click()
    page.get_by_test_id("then.add").click()
    page.get_by_test_id("then.add.light").click()
    page.get_by_test_id("then.0.light.topic").fill("zigbee2mqtt/lamp/set")
    page.get_by_test_id("then.add").click()
    page.get_by_test_id("then.add.announce").click()
    page.get_by_test_id("then.1.announce.text").fill("It is degrees.")
    page.get_by_test_id("then.1.announce.text").press("Home")
    for _ in range(len("It is")):
        page.get_by_test_id("then.1.announce.text").press("ArrowRight")
    page.get_by_test_id("then.1.announce.insert.weather.temperature").click()
    expect(page.get_by_test_id("then.1.announce.text")).to_have_value("It is {weather.temperature} degrees.")
    page.get_by_test_id("suppress").click()
    expect(page.get_by_test_id("says")).to_have_text(
        "When motion is detected between sunset and 23:00, Mon-Fri, turn on the lamp, say the weather; "
        "not again for 5 minutes."
    )


def test_alexa_parity_routine_is_made_kept_changed_copied_and_deleted(one: Served, page: Page) -> None:
    make_evening(page)
    assert saved(one) == {"Lamp off": saved(one)["Lamp off"], "Evening": EVENING}
    home = yaml.safe_load(one.house.automation.path.read_text())["home"]
    assert home["time_zone"] == "Europe/Berlin"

    page.reload()
    expect(page.get_by_test_id("evening.sentence")).to_contain_text("Mon-Fri, turn on the lamp")
    page.get_by_test_id("evening.edit").click()
    expect(page.get_by_test_id("only_if.0.days.sat")).to_have_attribute("aria-pressed", "false")
    page.get_by_test_id("only_if.0.days.sat").click()
    page.get_by_test_id("then.1.up").click()
    page.get_by_test_id("suppress_for").fill("2")
    choose(page, "suppress_for.unit", "hours")
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("evening.sentence")).to_contain_text(
        "Mon-Sat, say the weather, turn on the lamp"
    )
    assert saved(one)["Evening"]["suppress_for"] == "2h"

    page.get_by_test_id("evening.menu").click()
    page.get_by_test_id("evening.duplicate").click()
    expect(page.get_by_test_id("routine.evening-copy")).to_be_visible()
    page.get_by_test_id("evening.enabled").click()
    until(lambda: saved(one)["Evening"].get("enabled") is False)
    assert {**saved(one)["Evening"], "enabled": True} == {
        **saved(one)["Evening copy"], "id": "evening", "name": "Evening", "enabled": True,
    }  # fmt: skip

    page.get_by_test_id("evening.menu").click()
    page.get_by_test_id("evening.delete").click()
    expect(page.get_by_test_id("routine.evening")).to_have_count(0)
    assert list(saved(one)) == ["Lamp off", "Evening copy"]
    page.get_by_test_id("snack.action").click()
    expect(page.get_by_test_id("routine.evening")).to_be_visible()
    assert list(saved(one)) == ["Lamp off", "Evening", "Evening copy"]


def test_what_is_wrong_is_said_at_the_field_and_nothing_is_saved(one: Served, page: Page) -> None:
    page.get_by_test_id("lamp-off.edit").click()
    page.get_by_test_id("then.0.light.topic").fill("lamp/#")
    expect(page.get_by_text("is no topic: it must not be empty or hold + or #")).to_be_visible()
    page.get_by_test_id("name").fill("")
    page.get_by_test_id("when.for").fill("")
    page.get_by_test_id("save").click()
    expect(page.get_by_text("Give it a name")).to_be_visible()
    expect(page.get_by_text("Say for how long")).to_be_visible()
    expect(page.get_by_test_id("complaint")).to_have_text("3 things are missing or wrong: look above")
    assert list(saved(one)) == ["Lamp off"]
    page.get_by_test_id("name").fill("Lamp off")
    page.get_by_test_id("when.for").fill("10")
    page.get_by_test_id("then.0.light.topic").fill("zigbee2mqtt/lamp/set")
    before = one.house.automation.export_text()
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("snack")).to_contain_text("is saved")
    assert one.house.automation.export_text() == before


def test_the_way_back_loses_nothing(one: Served, page: Page) -> None:
    """The phone's own "back" leaves the editor, not the page, and what was typed can be had again."""
    page.get_by_test_id("lamp-off.edit").click()
    page.get_by_test_id("name").fill("Half done")
    page.go_back()
    expect(page.get_by_test_id("routine.lamp-off")).to_be_visible()
    page.get_by_test_id("snack.action").click()
    expect(page.get_by_test_id("name")).to_have_value("Half done")
    page.get_by_test_id("back").click()
    expect(page.get_by_test_id("routine.lamp-off")).to_be_visible()
    assert list(saved(one)) == ["Lamp off"]


def test_would_it_run_and_what_became_of_each_action(one: Served, page: Page) -> None:
    page.get_by_test_id("lamp-off.edit").click()
    page.get_by_test_id("only_if.add").click()
    page.get_by_test_id("only_if.add.mqtt").click()
    page.get_by_test_id("only_if.0.mqtt.topic").fill("home/alarm")
    page.get_by_test_id("only_if.0.mqtt.is").fill("armed")
    page.get_by_test_id("ask").click()
    expect(page.get_by_test_id("verdict")).to_have_text("It would not run now")
    expect(page.get_by_text("home/alarm has not been heard yet")).to_be_visible()
    page.get_by_test_id("close").click()
    page.get_by_test_id("then.add").click()
    page.get_by_test_id("then.add.play").click()
    page.get_by_test_id("then.1.play.file").fill("no-such.flac")
    page.get_by_test_id("test-draft").click()
    expect(page.get_by_test_id("test.result")).to_have_text("1 of 2 failed")
    expect(page.get_by_text('published {"state": "OFF"} to zigbee2mqtt/lamp/set')).to_be_visible()
    assert one.house.told == [("zigbee2mqtt/lamp/set", '{"state": "OFF"}')]


def test_history_says_why_it_did_not_run(one: Served, page: Page) -> None:
    text = (
        "- name: Hall\n  when: {motion: detected}\n  only_if: {presence: absent}\n  then: [{wait: 1s}]\n"
        "- name: Other\n  when: {motion: detected}\n  then: [{wait: 1s}]"
    )
    one.do(lambda: one.house.automation.import_text(text))
    expect(page.get_by_test_id("hall.last")).to_contain_text("Has not run yet")  # the page notices by itself
    one.house.say(record(0.0))
    one.house.say(moving(0.0))
    expect(page.get_by_test_id("hall.last")).to_contain_text("did not run, somebody is here")
    page.get_by_test_id("show.history").click()
    expect(page.get_by_test_id("history")).to_contain_text("Other runs")
    choose(page, "history.filter", "Hall")
    expect(page.get_by_test_id("history")).to_contain_text("Hall did not run")
    expect(page.get_by_test_id("history")).not_to_contain_text("Other")


def test_import_shows_what_would_come_or_the_one_line_that_is_wrong(one: Served, page: Page) -> None:
    page.get_by_test_id("more").click()
    page.get_by_test_id("import").click()
    page.get_by_test_id("import.text").fill("- name: A\n  when: {motoin: detected}\n  then: [{wait: 1s}]")
    expect(page.get_by_test_id("import.error")).to_have_text(
        "routine 'A': when: unknown key 'motoin'; did you mean 'motion'?"
    )
    expect(page.get_by_test_id("import.do")).to_be_disabled()
    file = {
        "name": "a.yaml",
        "mimeType": "text/yaml",
        "buffer": b"- name: A\n  when: {presence: present}\n  then: [{wait: 2s}]",
    }
    page.locator("input[type=file]").set_input_files(file)  # type: ignore[arg-type]
    expect(page.get_by_test_id("import.preview")).to_contain_text("When somebody arrives, wait 2 seconds.")
    page.get_by_text("Instead of all that are there").click()
    page.get_by_test_id("import.do").click()
    expect(page.get_by_test_id("routine.a")).to_be_visible()
    assert list(saved(one)) == ["A"]
    with page.expect_download() as download:
        page.get_by_test_id("more").click()
        page.get_by_test_id("export").click()
    assert download.value.suggested_filename == "routines.yaml"
    assert Path(download.value.path()).read_text() == one.house.automation.export_text()


def test_alternatives_are_made_by_clicks(one: Served, page: Page) -> None:
    page.get_by_test_id("lamp-off.edit").click()
    page.get_by_test_id("only_if.add").click()
    page.get_by_test_id("only_if.add.any").click()
    page.get_by_test_id("only_if.0.0.add").click()
    page.get_by_test_id("only_if.0.0.add.presence").click()
    choose(page, "only_if.0.0.0.presence", "Nobody is here")
    page.get_by_test_id("only_if.0.1.add").click()
    page.get_by_test_id("only_if.0.1.add.time").click()
    page.get_by_test_id("only_if.0.1.0.all-day").click()
    page.get_by_test_id("only_if.0.1.0.days.weekend").click()
    page.get_by_test_id("only_if.0.1.0.not").click()
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("snack")).to_contain_text("is saved")
    assert saved(one)["Lamp off"]["only_if"] == {
        "or": [{"presence": "absent"}, {"not": {"days": ["sat", "sun"]}}]
    }


def test_actions_are_dragged_into_their_order(one: Served, page: Page) -> None:
    page.get_by_test_id("lamp-off.edit").click()
    page.get_by_test_id("then.add").click()
    page.get_by_test_id("then.add.wait").click()
    expect(page.get_by_test_id("says")).to_contain_text("turn off the lamp, wait 2 seconds")
    upper, lower = page.locator(".f-handle").nth(0), page.locator(".f-handle").nth(1)
    lower.scroll_into_view_if_needed()
    there, here = upper.bounding_box(), lower.bounding_box()
    assert there is not None
    assert here is not None
    page.mouse.move(here["x"] + 8, here["y"] + 8)
    page.mouse.down()
    page.mouse.move(there["x"] + 8, there["y"] - 10, steps=25)
    page.mouse.up()
    expect(page.get_by_test_id("says")).to_contain_text("wait 2 seconds, turn off the lamp")
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("snack")).to_contain_text("is saved")
    assert [list(step) for step in saved(one)["Lamp off"]["then"]] == [["wait"], ["light"]]
