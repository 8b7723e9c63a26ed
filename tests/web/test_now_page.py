"""The page *Now* in a real browser: the answer at once, and rows at the pace of the sensor."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.web.browser import MOST_S, PHONE, Served, open_page, page, served
from tests.web.house import STEP_S, moving, record

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, WebSocketRoute

#: Of Playwright's looks at the page: on a busy machine it has to wait for its turn.
SOON_MS = 10_000
COUNTS = "() => window.__noctuleRows"


@pytest.fixture
def now(home: Served, browser: Browser) -> Iterator[Page]:
    with page(browser) as shown:
        open_page(shown, home.url)
        yield shown
        assert shown.wrongs == []  # type: ignore[attr-defined]


def says(shown: Page, name: str, text: str) -> None:
    """Wait until a part of the page says so."""
    shown.wait_for_function(
        "([name, text]) => document.querySelector(`[data-testid=${name}]`)?.textContent.includes(text)",
        arg=[name, text],
        timeout=SOON_MS,
    )


@contextlib.contextmanager
def rows(home: Served, count: int) -> Iterator[None]:
    """So many frames at the sensor's own pace, however busy the machine is; all are said when it is left."""

    async def say() -> None:
        start_s = time.monotonic()
        for k in range(count):
            home.house.say(moving(0.0), 1.0)
            await asyncio.sleep(max(0.0, start_s + (k + 1) * STEP_S - time.monotonic()))

    said = asyncio.run_coroutine_threadsafe(say(), home.house.loop)
    try:
        yield
    finally:
        said.result(MOST_S)


def test_every_row_is_drawn_at_the_pace_of_the_sensor(home: Served, now: Page) -> None:
    """20.8 rows a second while records come too; one that is lost on the way leaves a gap in time."""
    with rows(home, 100):
        now.wait_for_function("window.__noctuleRows?.drawn >= 5")
        before = now.evaluate(COUNTS)
        now.wait_for_timeout(3000)
        after = now.evaluate(COUNTS)
    assert after["drawn"] - before["drawn"] >= 60
    assert after["drawn"] == after["received"]
    assert after["lost"] == before["lost"]
    assert now.locator("[data-testid=waterfall]").get_attribute("data-state") == "live"


def test_rows_leave_colour_where_something_moves(home: Served, now: Page) -> None:
    """A walker at +1 m/s is seen above the middle and nowhere else."""
    now.wait_for_function("window.__noctuleRows?.drawn > 0")
    before = now.evaluate(COUNTS)["drawn"]
    with rows(home, 40):
        now.wait_for_function("before => window.__noctuleRows.drawn >= before + 40", arg=before)
    now.wait_for_timeout(100)
    strongest = now.evaluate(
        """() => {
            const canvas = document.querySelector('[data-testid=waterfall] canvas');
            const plot = Math.round((canvas.clientHeight - 22 - 20) * devicePixelRatio);
            const x = canvas.width - 8;
            const {data} = canvas.getContext('2d').getImageData(x, 0, 1, plot);
            const light = (y) => data[4 * y] + data[4 * y + 1] + data[4 * y + 2];
            const darkest = [...Array(plot).keys()].reduce((best, y) => light(y) < light(best) ? y : best, 0);
            return 3 - 6 * darkest / plot;
        }"""
    )
    assert strongest == pytest.approx(1.0, abs=0.25)


def test_presence_is_there_within_half_a_second(home: Served, now: Page) -> None:
    home.house.say(record(0.0))
    says(now, "headline", "Nobody")
    now.evaluate(
        """() => {
            const headline = document.querySelector('[data-testid=headline]');
            new MutationObserver(() => {
                if (headline.textContent.startsWith('Somebody')) window.changedAt ??= Date.now();
            }).observe(headline, {characterData: true, childList: true, subtree: true});
        }"""
    )
    said_ms = time.time() * 1000.0
    home.house.say(moving(0.0))
    now.wait_for_function("window.changedAt", timeout=SOON_MS)
    assert now.evaluate("window.changedAt") - said_ms < 500.0


def test_the_answer_in_words(home: Served, now: Page) -> None:
    house = home.house
    house.say(moving(0.0, radial_velocity_mps=-0.7, reason="major motion for 0.4 s at -0.7 m/s"))
    says(now, "headline", "Somebody is here, moving about")
    says(now, "velocity", "goes away at 0.7 m/s")
    says(now, "why", "Major motion for 0.4 s going away at 0.7 m/s.")
    still = record(0.0, presence=True, reason="held: major motion 130 s ago, sustain sensitivity 0.65")
    for _ in range(70):  # 3 s of the stream: nothing moves any more
        house.say(still)
    says(now, "headline", "Somebody is here, sitting still")
    says(now, "why", "Still here: major motion 2 min ago, sustain sensitivity 0.65.")
    house.say(record(0.0, fault="carrier_lost", reason="unavailable: carrier lost"))
    says(now, "headline", "Cannot sense: the tone does not come back any more")
    says(now, "answer", "Known last: nobody was here")
    house.say(record(0.0, reason="nobody: no motion for 12 s"))
    says(now, "headline", "Nobody since ")
    assert now.locator("[data-testid=answer]").get_attribute("data-mood") == "absent"


def test_sound_and_scores(home: Served, now: Page) -> None:
    house = home.house
    for _ in range(60):
        house.say(moving(0.0, distortion_removed_db=14.0))
    says(now, "music", "Music plays: 1")
    says(now, "tone", "38.4 kHz")
    says(now, "snr", "61 dB")
    assert now.locator("[data-testid=score-major]").get_attribute("aria-valuenow") == "93"
    for _ in range(120):
        house.say(
            record(0.0, emitting=False, reason="silent: nobody has been here for a while; looks again in 5 s")
        )
    says(now, "share", "silent on purpose, looks again in 5 s")
    now.locator("[data-testid=music]").wait_for(state="detached", timeout=SOON_MS)


def test_muted_can_be_ended_here(home: Served, now: Page) -> None:
    home.do(lambda: home.house.mute(True))
    try:
        says(now, "headline", "Muted")
        now.locator("[data-testid=listen]").click()
        now.wait_for_function("!document.querySelector('[data-testid=listen]')", timeout=SOON_MS)
        assert not home.house.muted
    finally:
        home.do(lambda: home.house.mute(False))


def test_a_lost_connection_is_said_and_comes_back(home: Served, browser: Browser) -> None:
    """The rest of the page stays connected: only the stream is cut, twice refused, and let through again."""
    with page(browser) as shown:
        streams: list[WebSocketRoute] = []

        def connect(stream: WebSocketRoute) -> None:
            streams.append(stream)
            if len(streams) in (2, 3):
                stream.close()
            else:
                stream.connect_to_server()

        shown.route_web_socket("**/api/v1/live**", connect)
        open_page(shown, home.url)
        home.house.say(moving(0.0))
        says(shown, "headline", "Somebody is here")
        streams[0].close()
        shown.locator("[data-testid=reconnecting]").wait_for(timeout=SOON_MS)
        says(shown, "headline", "No connection")
        says(shown, "waterfall", "Reconnecting")
        shown.locator("[data-testid=reconnecting]").wait_for(state="detached", timeout=SOON_MS)
        says(shown, "headline", "Somebody is here")
        assert len(streams) == 4


def test_what_happened_last_leads_to_the_timeline(home: Served, now: Page) -> None:
    event = home.house.walk_past()
    link = now.locator(f"[data-testid=recent-event][href$='?event={event['id']}']")
    link.click(timeout=SOON_MS)
    now.locator(f"[data-testid=event][data-id='{event['id']}'].marked").wait_for(timeout=SOON_MS)


def test_an_empty_history_says_what_to_do(tmp_path: Path, browser: Browser) -> None:
    with served(tmp_path) as one, page(browser) as shown:
        open_page(shown, one.url)
        says(shown, "recent", "Walk past the sensor")


def test_on_a_phone_behind_a_path(tmp_path: Path, browser: Browser) -> None:
    """The stream is found under the path, and nothing is wider than the screen."""
    with served(tmp_path, web={"base_path": "/sensor"}) as one, page(browser, *PHONE) as shown:
        open_page(shown, f"{one.url}/sensor/")
        one.house.say(moving(0.0))
        says(shown, "headline", "Somebody is here")
        assert shown.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        assert shown.wrongs == []  # type: ignore[attr-defined]


def test_the_last_half_minute_is_there_at_once_and_no_row_is_drawn_twice(
    tmp_path: Path, browser: Browser
) -> None:
    """Whoever opens the page sees what was; a connection that comes back brings only what was missed."""
    with served(tmp_path) as one, page(browser) as shown:
        streams: list[WebSocketRoute] = []

        def connect(stream: WebSocketRoute) -> None:
            streams.append(stream)
            stream.connect_to_server()

        shown.route_web_socket("**/api/v1/live**", connect)
        for _ in range(200):
            one.house.say(moving(0.0), 1.0)
        open_page(shown, one.url)
        shown.wait_for_function("window.__noctuleRows?.drawn === 200", timeout=SOON_MS)
        assert len(streams) == 1
        streams[0].close()
        for _ in range(5):
            one.house.say(moving(0.0), 1.0)
        shown.wait_for_function("window.__noctuleRows.drawn === 205", timeout=SOON_MS)
        one.house.say(moving(0.0), 1.0)
        shown.wait_for_function("window.__noctuleRows.drawn === 206", timeout=SOON_MS)
        assert len(streams) == 2
