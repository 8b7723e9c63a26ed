"""The home by clicks: its place, its broker, its secrets; in the settings, and where something is lacking."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Browser, Page, expect
from tests.web.browser import PHONE, Served, open_page, served
from tests.web.browser import page as page_of
from tests.web.test_routines_page import EVENING, MOST_S, fill_evening, until


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Served]:
    """A house that nothing is known of."""
    with served(tmp_path) as house:
        yield house


@pytest.fixture
def page(one: Served, browser: Browser) -> Iterator[Page]:
    """A phone in Hamburg; nothing may go wrong in it."""
    expect.set_options(timeout=MOST_S * 1000)
    with page_of(browser, *PHONE) as phone:
        phone.context.grant_permissions(["geolocation"])
        phone.context.set_geolocation({"latitude": 53.551086, "longitude": 9.993682})
        yield phone
        assert phone.wrongs == []  # type: ignore[attr-defined]


def file_of(one: Served) -> dict[str, Any]:
    """What the file says."""
    path = Path(one.house.automation.path)
    return dict(yaml.safe_load(path.read_text()) or {}) if path.exists() else {}


def test_a_routine_between_sunset_and_23_is_made_by_clicks_alone(one: Served, page: Page) -> None:
    """It names what it lacks, each lack has a button, and in the end nothing is lacking."""
    open_page(page, f"{one.url}/routines")
    page.get_by_test_id("starter.4").click()
    fill_evening(page)

    expect(page.get_by_text("Nobody knows yet when the sun rises")).to_be_visible()
    expect(page.get_by_test_id("then.0.lack")).to_contain_text("needs a broker")
    expect(page.get_by_test_id("then.1.lack")).to_contain_text("latitude and longitude")
    page.get_by_test_id("then.0.ask").click()
    page.get_by_test_id("home.mqtt.host").fill("broker.lan")
    page.get_by_test_id("home.mqtt.password").fill("hush")
    page.get_by_test_id("home.save").click()
    expect(page.get_by_test_id("then.0.lack")).to_have_count(0)
    expect(page.get_by_test_id("then.1.lack")).to_be_visible()
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("evening.lack").nth(0)).to_contain_text("the sun needs latitude and longitude")

    page.get_by_test_id("evening.ask").nth(0).click()
    page.get_by_test_id("home.here").click()
    expect(page.get_by_test_id("home.latitude")).to_have_value("53.551")
    page.get_by_test_id("home.time_zone").fill("Europe/Berlin")
    page.get_by_test_id("home.save").click()
    expect(page.get_by_test_id("evening.lack")).to_have_count(0)

    assert file_of(one)["routines"] == [EVENING]
    assert file_of(one)["home"] == {
        "mqtt": {"host": "broker.lan", "password": "hush"},
        "latitude": 53.551,
        "longitude": 9.994,
        "time_zone": "Europe/Berlin",
    }
    assert one.house.automation.warnings() == []
    evening = one.house.automation.routines[0]
    said = one.do(lambda: one.house.automation.would_run(evening)).text
    assert "sunset" in said
    assert "not known" not in said


def test_the_place_is_asked_for_where_the_sun_is_chosen(one: Served, page: Page) -> None:
    open_page(page, f"{one.url}/routines")
    page.get_by_test_id("starter.0").click()
    page.get_by_test_id("only_if.0.ask.place").click()
    page.get_by_test_id("home.latitude").fill("95")
    page.get_by_test_id("home.longitude").fill("10")
    page.get_by_test_id("home.save").click()
    expect(page.get_by_text("less than or equal to 90")).to_be_visible()
    page.get_by_test_id("home.latitude").fill("")
    page.get_by_test_id("home.save").click()
    expect(page.get_by_test_id("home.error")).to_have_text("latitude and longitude belong together")
    page.get_by_test_id("home.latitude").fill("59.91")
    page.get_by_test_id("home.save").click()
    expect(page.get_by_text("Nobody knows yet when the sun rises")).to_be_hidden()
    expect(page.get_by_test_id("name")).to_have_value("Light when I come in")
    assert one.house.automation.home.place == (59.91, 10.0)


def test_secrets_stay_in_the_house(one: Served, page: Page) -> None:
    """They are set, replaced and taken out; a browser is only told that they are there."""
    open_page(page, f"{one.url}/settings")
    expect(page.get_by_test_id("home.mqtt.line")).to_have_text("none")
    page.get_by_test_id("home.home_assistant.change").click()
    page.get_by_test_id("home.home_assistant.url").fill("http://ha.lan:8123")
    page.get_by_test_id("home.save").click()
    expect(page.get_by_text("Please fill this in")).to_be_visible()
    page.get_by_test_id("home.home_assistant.token").fill("ey-first")
    page.get_by_test_id("home.save").click()
    expect(page.get_by_test_id("home.home_assistant.line")).to_have_text("http://ha.lan:8123, token set")

    page.get_by_test_id("home.home_assistant.change").click()
    expect(page.get_by_test_id("home.home_assistant.token")).to_have_value("")
    assert "ey-first" not in page.content()
    page.get_by_test_id("home.home_assistant.url").fill("http://thief.lan")
    page.get_by_test_id("home.save").click()
    expect(page.get_by_test_id("home.error")).to_contain_text("needs the token again")
    page.get_by_test_id("home.home_assistant.token").fill("ey-second")
    page.get_by_test_id("home.save").click()
    until(lambda: file_of(one)["home"]["home_assistant"]["token"] == "ey-second")

    page.get_by_test_id("home.notify.change").click()
    page.get_by_test_id("home.notify.name").fill("phone")
    page.get_by_test_id("home.notify.url").fill("json://localhost/hush")
    page.get_by_test_id("home.save").click()
    expect(page.get_by_test_id("home.notify.line")).to_have_text("phone")
    page.get_by_test_id("home.notify.change").click()
    page.get_by_test_id("home.notify.phone.away").click()
    page.get_by_test_id("home.save").click()
    expect(page.get_by_test_id("home.notify.line")).to_have_text("none")

    page.get_by_test_id("home.home_assistant.change").click()
    page.get_by_test_id("home.away").click()
    expect(page.get_by_test_id("home.home_assistant.line")).to_have_text("none")
    assert file_of(one)["home"] == {"notify": {}}
