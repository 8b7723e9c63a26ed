"""The frame, Health, Settings and signing in, in a real browser; and all of it under a path."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.web.browser import DESKTOP, PHONE, Served, open_page, page
from tests.web.house import moving, record
from tests.web.proxy import proxied
from tests.web.test_auth import HASH, PASSWORD

from noctule.core.settings import load_settings
from noctule.web.pages import PAGES

pytestmark = [pytest.mark.slow]
HERE = [one for one in PAGES if one.path != "/room"]


@pytest.fixture
def shown(home: Served, browser: Browser) -> Iterator[Page]:
    with page(browser, *DESKTOP) as one:
        yield one
        assert one.wrongs == []  # type: ignore[attr-defined]


def by(shown: Page, name: str) -> Any:
    return shown.locator(f'[data-testid="{name}"]')


# -- the frame


@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_every_page_is_reached_and_fits(home: Served, browser: Browser, size: tuple[int, int]) -> None:
    with page(browser, *size) as shown:
        open_page(shown, home.url)
        for one in HERE:
            by(shown, f"go-{one.path}").click()
            expect(shown.locator("h1")).to_have_text(one.title)
            expect(by(shown, f"go-{one.path}")).to_have_attribute("aria-current", "page")
            # nothing is wider than the screen, and nothing to tap is tiny
            assert shown.evaluate("document.documentElement.scrollWidth") <= size[0]
            heights = shown.locator("nav a").evaluate_all("all => all.map(one => one.offsetHeight)")
            assert min(heights) >= 44
        assert shown.wrongs == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [360, 390])
def test_seven_names_are_readable_on_a_phone(
    home: Served, browser: Browser, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demo has one page more: no name is cut, none touches its neighbour."""
    monkeypatch.setattr(home.house, "stage", object())
    with page(browser, width, 844) as shown:
        open_page(shown, home.url + "/status")
        names = shown.locator("nav a span").evaluate_all(
            "all => all.map(one => ({ ...one.getBoundingClientRect().toJSON(), whole: one.scrollWidth, "
            "has: one.clientWidth, size: parseFloat(getComputedStyle(one).fontSize) }))"
        )
    assert len(names) == 7
    assert all(one["whole"] <= one["has"] and one["size"] >= 10 for one in names)
    assert all(left["right"] + 4 <= right["left"] for left, right in pairwise(names))
    assert names[0]["left"] >= 4
    assert names[-1]["right"] <= width - 4


def test_the_header_says_who_is_here(home: Served, shown: Page) -> None:
    home.house.say(record(0.0))
    open_page(shown, home.url + "/status")
    expect(by(shown, "state")).to_contain_text("Nobody")
    home.house.say(moving(0.0))
    expect(by(shown, "state")).to_contain_text("Somebody is here")
    expect(by(shown, "state")).to_have_attribute("data-mood", "present")
    home.house.say(record(0.0, fault="device_lost", reason="the sound card is away"))
    expect(by(shown, "state")).to_contain_text("Cannot sense")
    home.house.say(record(0.0))
    expect(by(shown, "state")).to_contain_text("Nobody")


def test_the_header_does_not_write_at_every_record(home: Served, shown: Page) -> None:
    """Reasons change twenty times a second; whoever looks is told twice."""
    told: list[str] = []
    shown.on(
        "websocket",
        lambda socket: socket.on("framereceived", lambda frame: told.append(str(frame))),
    )
    open_page(shown, home.url + "/settings")
    shown.wait_for_timeout(1000)
    before = len(told)
    for number in range(100):
        home.house.say(record(0.0, reason=f"nobody has moved for {number} s"))
        shown.wait_for_timeout(30)
    assert any("nobody has moved for" in one for one in told[before:])
    assert len(told) - before <= 12
    assert told, "no frame was seen"


def test_mute_is_one_tap_on_every_page(home: Served, shown: Page) -> None:
    open_page(shown, home.url + "/settings")
    by(shown, "mute").click()
    expect(by(shown, "state")).to_contain_text("Muted")
    assert home.house.muted is True
    expect(by(shown, "mute")).to_have_attribute("aria-label", "listen again")
    by(shown, "mute").click()
    expect(by(shown, "state")).not_to_contain_text("Muted")
    assert home.house.muted is False


def test_dark_is_remembered_and_stays_while_the_page_changes(home: Served, shown: Page) -> None:
    open_page(shown, home.url + "/status")
    expect(shown.locator("body")).not_to_have_class(re.compile("body--dark"))
    by(shown, "dark").click()
    expect(shown.locator("body")).to_have_class(re.compile("body--dark"))
    home.house.say(moving(0.0))
    expect(by(shown, "state")).to_contain_text("Somebody is here")
    shown.wait_for_timeout(300)
    expect(shown.locator("body")).to_have_class(re.compile("body--dark"))
    home.house.say(record(0.0))
    open_page(shown, home.url + "/settings")
    expect(shown.locator("body")).to_have_class(re.compile("body--dark"))
    by(shown, "dark").click()
    expect(shown.locator("body")).not_to_have_class(re.compile("body--dark"))


# -- Health


def test_health_says_what_is_wrong_and_what_to_do(home: Served, shown: Page) -> None:
    open_page(shown, home.url + "/status")
    expect(by(shown, "health")).to_contain_text("All is well")
    expect(shown.get_by_text("38.4 kHz")).to_be_visible()
    home.house.say(record(0.0, fault="device_lost", reason="the sound card is away"))
    expect(by(shown, "health")).to_contain_text("The sound card gives no samples")
    expect(by(shown, "health")).to_contain_text("Plug the sound card in")
    expect(by(shown, "changes")).to_contain_text("alarmed")
    home.house.say(record(0.0))
    expect(by(shown, "health")).to_contain_text("It is coming back", timeout=30_000)


def test_the_bundle_is_downloaded(home: Served, shown: Page, tmp_path: Path) -> None:
    open_page(shown, home.url + "/status")
    with shown.expect_download(timeout=60_000) as download:
        by(shown, "support").click()
    assert download.value.suggested_filename == "noctule-support.zip"


# -- Settings


def test_a_setting_is_changed_and_written_down(home: Served, shown: Page) -> None:
    open_page(shown, home.url + "/settings")
    expect(by(shown, "save")).to_be_hidden()
    by(shown, "set-presence.off_latency_s").fill("33")
    expect(by(shown, "changes")).to_have_text("1 to save")
    by(shown, "save").click()
    expect(shown.get_by_text("Saved.")).to_be_visible()
    expect(by(shown, "save")).to_be_hidden()
    assert home.house.settings.presence.off_latency_s == 33
    assert load_settings(home.house.settings_path, {}).presence.off_latency_s == 33
    by(shown, "default-presence.off_latency_s").click()
    by(shown, "save").click()
    expect(by(shown, "default-presence.off_latency_s")).to_be_hidden()
    expect(by(shown, "save")).to_be_hidden()
    assert home.house.settings.presence.off_latency_s == 10


def test_what_is_not_allowed_is_said_at_the_field(home: Served, shown: Page) -> None:
    open_page(shown, home.url + "/settings")
    by(shown, "set-presence.off_latency_s").fill("1")
    row = shown.locator('[data-setting="presence.off_latency_s"]')
    expect(row.get_by_role("alert")).to_contain_text("greater than or equal to 5")
    by(shown, "save").click()
    expect(shown.get_by_text("Something is not allowed")).to_be_visible()
    assert home.house.settings.presence.off_latency_s == 10
    by(shown, "discard").click()
    expect(by(shown, "set-presence.off_latency_s")).to_have_value("10")
    expect(by(shown, "discard")).to_be_hidden()


def test_what_only_the_whole_shows_is_said_at_the_field_too(home: Served, shown: Page) -> None:
    open_page(shown, home.url + "/settings")
    by(shown, "section-web").get_by_role("button").first.click()
    by(shown, "set-web.host").fill("0.0.0.0")
    by(shown, "save").click()
    row = shown.locator('[data-setting="web.host"]')
    expect(row.get_by_role("alert")).to_contain_text("noctule password")
    assert home.house.settings.web.host == "127.0.0.1"


def test_what_others_change_is_seen_and_what_is_typed_stays(home: Served, shown: Page) -> None:
    open_page(shown, home.url + "/settings")
    by(shown, "set-presence.hold_s").fill("7")
    home.do(lambda: home.house.change_settings({"presence": {"off_latency_s": 44}}))
    expect(by(shown, "set-presence.off_latency_s")).to_have_value("44")
    expect(by(shown, "set-presence.hold_s")).to_have_value("7")
    home.do(lambda: home.house.change_settings({"presence": {"off_latency_s": None}}))


# -- access: these come last, and leave the house as it was


def test_a_password_is_set_asked_for_and_removed(home: Served, shown: Page) -> None:
    open_page(shown, home.url + "/settings")
    by(shown, "password-fold").click()
    by(shown, "new-password").fill(PASSWORD)
    by(shown, "again-password").fill(PASSWORD)
    by(shown, "save-password").click()
    shown.wait_for_url("**/login")
    by(shown, "password").fill("a wrong guess")
    by(shown, "sign-in").click()
    expect(shown.get_by_role("alert")).to_have_text("That is not the password.")
    by(shown, "password").fill(PASSWORD)
    by(shown, "sign-in").click()
    expect(shown.locator("h1")).to_have_text("Now")
    open_page(shown, home.url + "/settings")
    by(shown, "token-name").fill("a script")
    by(shown, "make-token").click()
    key = by(shown, "token").input_value()
    assert key.startswith("noctule_")
    by(shown, "token-done").click()
    with_key = shown.context.request.get(
        f"{home.url}/api/v1/state", headers={"Authorization": f"Bearer {key}", "Cookie": ""}
    )
    assert with_key.status == 200
    by(shown, "revoke").click()
    expect(by(shown, "revoke")).to_have_count(0)
    by(shown, "password-fold").click()
    by(shown, "old-password").fill(PASSWORD)
    by(shown, "no-password").click()
    expect(by(shown, "access")).to_contain_text("There is no password")
    assert home.house.settings.web.password_hash is None
    # the browser calls the 401 an error
    shown.wrongs.clear()  # type: ignore[attr-defined]


def test_signing_out_shuts_the_door(home: Served, browser: Browser) -> None:
    home.do(lambda: home.house.change_settings({"web": {"password_hash": HASH}}))
    with page(browser, *PHONE) as shown:
        shown.goto(home.url + "/timeline")
        by(shown, "password").fill(PASSWORD)
        by(shown, "sign-in").click()
        expect(shown.locator("h1")).to_have_text("Timeline")
        open_page(shown, home.url + "/settings")
        by(shown, "sign-out").click()
        expect(by(shown, "sign-in")).to_be_visible()
        shown.goto(home.url)
        expect(by(shown, "sign-in")).to_be_visible()
    home.do(lambda: home.house.change_settings({"web": {"password_hash": None}}))


# -- under a path


def test_all_of_it_works_under_a_path_of_a_proxy(home: Served, browser: Browser) -> None:
    """Every file and stream is asked for under the path: at the proxy's root there is something else."""
    with proxied(home.port, "/sensor") as address, page(browser, *DESKTOP) as shown:
        asked: list[str] = []
        shown.on("request", lambda request: asked.append(request.url))
        shown.on("websocket", lambda socket: asked.append(socket.url))
        open_page(shown, address + "/")
        by(shown, "go-/settings").click()
        shown.wait_for_url("**/sensor/settings")
        shown.wait_for_function("window.did_handshake")
        by(shown, "mute").click()
        expect(by(shown, "state")).to_contain_text("Muted")
        by(shown, "mute").click()
        by(shown, "go-/").click()
        expect(shown.locator("h1")).to_have_text("Now")
        shown.wait_for_function("window.did_handshake")
        assert [url for url in asked if "/sensor/" not in url and not url.startswith("data:")] == []
        assert any(url.startswith("ws") for url in asked)
        assert shown.wrongs == []  # type: ignore[attr-defined]


def test_signing_in_stays_under_the_path(home: Served, browser: Browser) -> None:
    home.do(lambda: home.house.change_settings({"web": {"password_hash": HASH}}))
    with proxied(home.port, "/sensor") as address, page(browser, *DESKTOP) as shown:
        shown.goto(address + "/status")
        shown.wait_for_url("**/sensor/login?next=/status")
        by(shown, "password").fill(PASSWORD)
        by(shown, "sign-in").click()
        shown.wait_for_url("**/sensor/status")
        assert {cookie["path"] for cookie in shown.context.cookies()} == {"/sensor"}
    home.do(lambda: home.house.change_settings({"web": {"password_hash": None}}))
