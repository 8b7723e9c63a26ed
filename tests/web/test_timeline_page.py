"""The page *Timeline* in a real browser: labels are kept, days are the browser's, a long history is quick."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert
from tests.web.browser import PHONE, Served, open_page, page, served

from noctule.core.settings import StoreSettings
from noctule.service.database import writer_engine
from noctule.service.store import FILE, Store
from noctule.service.tables import DecisionRow, EventRow, HealthRow, LabelRow

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SOON_MS = 10_000
DAY_MS, MINUTE_MS = 86_400_000, 60_000
DEAF = "the tone does not come back any more"


@pytest.fixture(scope="module")
def event(home: Served) -> dict[str, Any]:
    """Somebody has come in, and what the sensor saw was kept."""
    return dict(home.house.walk_past())


@pytest.fixture
def timeline(home: Served, event: dict[str, Any], browser: Browser) -> Iterator[Page]:
    with page(browser) as shown:
        open_page(shown, f"{home.url}/timeline?event={event['id']}")
        yield shown
        assert shown.wrongs == []  # type: ignore[attr-defined]


def label_on_disk(home: Served, number: int) -> str | None:
    """As another program reads it from the file."""
    with closing(sqlite3.connect(home.house.memory.store.path)) as history:
        found = history.execute("SELECT what FROM labels WHERE event_id = ?", (number,)).fetchone()
    return None if found is None else str(found[0])


def chip(shown: Page, number: int, what: str) -> Any:
    return shown.locator(f"[data-testid=event][data-id='{number}'] [data-testid=label-{what}]")


def thanked(shown: Page, text: str) -> None:
    shown.locator("[data-testid=thanks]", has_text=text).wait_for(timeout=SOON_MS)


def test_a_click_says_what_it_was_for_good(home: Served, event: dict[str, Any], timeline: Page) -> None:
    """On disk when it says thank you; there after a reload; changed and taken back by clicks as well."""
    number = event["id"]
    chip(timeline, number, "fan").click(timeout=SOON_MS)
    thanked(timeline, "Thank you")
    assert label_on_disk(home, number) == "fan"
    timeline.reload()
    timeline.locator(f"[data-id='{number}'] [data-testid=label-fan][aria-pressed=true]").wait_for(
        timeout=SOON_MS
    )
    chip(timeline, number, "pet").click()
    thanked(timeline, "Thank you")
    assert label_on_disk(home, number) == "pet"
    timeline.locator("[data-testid=undo]").click()
    timeline.locator(f"[data-id='{number}'] [data-testid=label-fan][aria-pressed=true]").wait_for(
        timeout=SOON_MS
    )
    thanked(timeline, "Thank you")
    assert label_on_disk(home, number) == "fan"


def test_the_first_label_can_be_taken_back(home: Served, event: dict[str, Any], timeline: Page) -> None:
    number = event["id"]
    home.do(lambda: home.house.label(number, None))
    timeline.reload()
    chip(timeline, number, "me").click(timeout=SOON_MS)
    thanked(timeline, "Thank you")
    assert label_on_disk(home, number) == "me"
    timeline.locator("[data-testid=undo]").click()
    thanked(timeline, "Taken back")
    assert label_on_disk(home, number) is None


def test_an_event_tells_what_the_sensor_saw_and_thought(event: dict[str, Any], timeline: Page) -> None:
    article = timeline.locator(f"[data-testid=event][data-id='{event['id']}']")
    article.locator("[data-testid=picture][data-ready=true]").wait_for(timeout=SOON_MS)
    words = article.inner_text()
    assert "Somebody came" in words
    assert "The sensor: Major motion at 0.7 m/s towards the sensor." in words
    assert "fastest comes nearer at 0.7 m/s" in words
    assert "moving about 93 %" in words
    colours = article.locator("canvas").evaluate(
        """(canvas) => {
            const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
            return new Set(new Uint32Array(data.buffer)).size;
        }"""
    )
    assert colours > 3  # quiet before, loud after, the lines


def test_new_events_come_by_themselves(home: Served, browser: Browser) -> None:
    with page(browser) as shown:
        open_page(shown, f"{home.url}/timeline")
        shown.locator("[data-testid=event]").first.wait_for(timeout=SOON_MS)
        number = home.house.walk_past()["id"]
        shown.locator(f"[data-testid=event][data-id='{number}']").wait_for(timeout=SOON_MS)


def test_false_alarms_and_what_has_no_label(home: Served, event: dict[str, Any], timeline: Page) -> None:
    number = event["id"]
    home.do(lambda: home.house.label(number, "curtain"))
    timeline.locator("[data-testid=only-false]").click()
    timeline.wait_for_function(
        "document.querySelectorAll('[data-testid=event]').length === 1", timeout=SOON_MS
    )
    assert chip(timeline, number, "curtain").get_attribute("aria-pressed") == "true"
    timeline.locator("[data-testid=only-unlabelled]").click()
    timeline.locator("[data-testid=event]").nth(1).wait_for(timeout=SOON_MS)
    assert timeline.locator(f"[data-testid=event][data-id='{number}']").count() == 0


# -- a history that was written before


def fill(folder: Path, events: list[dict[str, Any]], others: dict[Any, list[dict[str, Any]]]) -> None:
    """A file with these rows, as a sensor left it."""
    store = Store(StoreSettings(folder=folder), folder)
    store.keep_health("healthy", "all is well")
    store.write(now=True)
    store.close()
    with writer_engine(folder / FILE, 5.0).begin() as connection:
        for table, rows in {EventRow: events, **others}.items():
            connection.execute(insert(table), rows)


def made_up(start_ms: int, kind: str = "major", lasts_ms: int = 4000) -> dict[str, Any]:
    return {
        "uid": f"{kind} {start_ms}", "kind": kind, "ongoing": False,
        "start_ms": start_ms, "end_ms": start_ms + lasts_ms,
        "peak_score_major": 0.9, "peak_score_minor": 0.8, "radial_velocity_mps": 0.4, "carrier_hz": 38400.0,
        "reason": "major motion for 0.2 s at +0.4 m/s", "capture": None,
    }  # fmt: skip


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """20 000 events in a year, half of them yesterday, when it was deaf and did not run for a while."""
    folder = tmp_path_factory.mktemp("year")
    now_ms = round(time.time() * 1000)
    noon_ms = now_ms // DAY_MS * DAY_MS - DAY_MS // 2
    long_ago = [made_up(now_ms - 365 * DAY_MS + k * (363 * DAY_MS // 10_000)) for k in range(10_000)]
    yesterday = [made_up(noon_ms - 6 * 60 * MINUTE_MS + k * 2000, lasts_ms=900) for k in range(10_000)]
    fan = [{"event_id": 1 + 50 * k, "what": "fan", "at_ms": now_ms} for k in range(100)]
    deaf = [
        {"at_ms": noon_ms, "state": "alarmed", "reason": DEAF},
        {"at_ms": noon_ms + 90 * MINUTE_MS, "state": "healthy", "reason": "all is well"},
    ]
    decision = {
        "presence": False, "motion": "none", "score_major": 0.0, "score_minor": 0.0, "fault": None,
        "radial_velocity_mps": 0.0, "carrier_snr_db": 60.0, "distortion_removed_db": 0.0,
    }  # fmt: skip
    ran = [
        {"at_ms": at_ms, **decision}
        for at_ms in range(noon_ms - DAY_MS, now_ms, MINUTE_MS)
        if not 0 <= at_ms - (noon_ms + 120 * MINUTE_MS) < 60 * MINUTE_MS
    ]
    fill(folder, long_ago + yesterday, {LabelRow: fan, HealthRow: deaf, DecisionRow: ran})
    with served(folder) as one:
        yield one


def test_twenty_thousand_events_are_quick(year: Served, browser: Browser) -> None:
    with page(browser) as shown:
        open_page(shown, f"{year.url}/timeline")
        begun = time.monotonic()
        shown.locator("[data-testid=event]").first.wait_for(timeout=SOON_MS)
        shown.locator("[data-testid=day]").nth(13).wait_for(timeout=SOON_MS)
        assert time.monotonic() - begun < 5.0
        assert shown.locator("[data-testid=event]").count() == 20
        shown.locator("[data-testid=more]").click()
        shown.wait_for_function(
            "document.querySelectorAll('[data-testid=event]').length === 40", timeout=4000
        )
        shown.locator("[data-testid=only-false]").click()
        chip(shown, 1 + 50 * 99, "fan").wait_for(timeout=4000)  # the newest of them, months ago
        shown.locator("[data-testid=earlier]").click()
        shown.locator("[data-testid=day]").nth(41).wait_for(timeout=4000)


def test_what_could_not_be_sensed_is_said(year: Served, browser: Browser) -> None:
    """In the zone of the browser: the day opens by a click, and gives its gaps in words."""
    yesterday = datetime.now(UTC).date().toordinal() - 1
    context = browser.new_context(timezone_id="UTC")
    try:
        shown = context.new_page()
        open_page(shown, f"{year.url}/timeline")
        day = shown.locator("[data-testid=day]", has_text="Yesterday")
        day.locator("button").first.click(timeout=SOON_MS)
        gaps = day.locator("[data-testid=gaps]")
        gaps.wait_for(timeout=SOON_MS)
        assert f"12:00\u201313:30 not sensed: {DEAF}" in gaps.inner_text()
        assert "not sensed: the sensor did not run" in gaps.inner_text()
        assert datetime.now(UTC).date().toordinal() - 1 == yesterday, "midnight passed meanwhile"
    finally:
        context.close()


def test_a_click_into_a_day_chooses_a_moment(year: Served, browser: Browser) -> None:
    """And the list goes on from there: at the day's left end, with its first."""
    context = browser.new_context(timezone_id="UTC")
    try:
        shown = context.new_page()
        open_page(shown, f"{year.url}/timeline")
        day = shown.locator("[data-testid=day]", has_text="Yesterday")
        day.locator("button").first.click(timeout=SOON_MS)
        shown.locator("[data-testid=any-day]").wait_for(timeout=SOON_MS)
        width = day.locator("[data-testid=zoom]").bounding_box()["width"]  # type: ignore[index]
        day.locator("[data-testid=zoom]").click(position={"x": width * 6.02 / 24.0, "y": 20})
        shown.locator("[data-testid=newer]").wait_for(timeout=SOON_MS)
        first = shown.locator("[data-testid=event] time").first
        first.wait_for(timeout=SOON_MS)
        assert first.inner_text().startswith("06:0")
        shown.locator("[data-testid=any-day]").click()
        shown.locator("[data-testid=any-day]").wait_for(state="detached", timeout=SOON_MS)
    finally:
        context.close()


@pytest.mark.parametrize(("zone", "time_there"), [("Asia/Kolkata", "17:30"), ("America/St_Johns", "08:30")])
def test_times_are_the_browsers(tmp_path: Path, browser: Browser, zone: str, time_there: str) -> None:
    noon = datetime(2026, 1, 14, 12, 0, 0, tzinfo=UTC)
    fill(tmp_path, [made_up(round(noon.timestamp() * 1000), "entered", 0)], {})
    context = browser.new_context(timezone_id=zone)
    try:
        with served(tmp_path) as one:
            shown = context.new_page()
            open_page(shown, f"{one.url}/timeline?event=1")
            shown.locator(".marked time", has_text=time_there).wait_for(timeout=SOON_MS)
    finally:
        context.close()


def test_a_new_house_says_what_to_do(tmp_path: Path, browser: Browser) -> None:
    """Behind a path, on a phone, and nothing is wider than it."""
    with served(tmp_path, web={"base_path": "/sensor"}) as one, page(browser, *PHONE) as shown:
        open_page(shown, f"{one.url}/sensor/timeline")
        shown.locator("[data-testid=no-events]", has_text="Walk past the sensor").wait_for(timeout=SOON_MS)
        assert shown.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        assert shown.wrongs == []  # type: ignore[attr-defined]


def test_without_a_history_it_is_said(tmp_path: Path, browser: Browser) -> None:
    store = {"folder": tmp_path, "enabled": False}
    with served(tmp_path, store=store) as one, page(browser, *PHONE) as shown:
        open_page(shown, f"{one.url}/timeline")
        assert "Nothing is remembered" in shown.inner_text("main")
