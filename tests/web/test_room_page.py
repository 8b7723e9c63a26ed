"""The demo's page in a real browser, on a real `noctule demo`: somebody is dragged in, and it is told."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.ports import free_port
from tests.web.browser import chromium, open_page, page

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow]

STARTS_WITHIN_S = 90.0
#: What the page says now.
PLAN = "document.querySelector('[data-testid=floorplan]').dataset"
#: Every change of what the page says, in seconds of the room: a busy machine may let that go slower.
WATCH = """
() => {
  const plan = document.querySelector('[data-testid=floorplan]');
  window.seen = [];
  const note = () => {
    const { t, sensedT, inside, motion, presence, lamp, x, y } = plan.dataset;
    const moving = inside === 'true' && motion !== 'none';
    const [here, somebody, lit] = [inside, presence, lamp].map((one) => one === 'true');
    window.seen.push({ at: +t, told: +sensedT, here, moving, somebody, lit, x: +x, y: +y });
  };
  new MutationObserver(note).observe(plan, { attributes: true });
  note();
}
"""


class Demo:
    """`noctule demo` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "noctule", "demo", "--no-browser", "--port", str(self.port)]
        environment = {**os.environ, "TMPDIR": str(folder), "XDG_STATE_HOME": str(folder)}
        self._said = (folder / "said").open("w+")
        self.process = subprocess.Popen(command, env=environment, stderr=self._said)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/room"

    @property
    def said(self) -> str:
        self._said.seek(0)
        return self._said.read()

    def wait(self) -> None:
        import httpx

        until = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < until:
            assert self.process.poll() is None, self.said
            try:
                if httpx.get(self.url).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.2)
        raise TimeoutError(self.said)

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(20.0)
        self._said.close()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    one = Demo(tmp_path)
    try:
        one.wait()
        yield one
    finally:
        one.end()


@pytest.fixture
def shown(demo: Demo) -> Iterator[Page]:
    """The page, once it is drawn and the sensor has said that nobody is here."""
    with chromium() as browser, page(browser) as one:
        open_page(one, demo.url)
        until(one, "plan.inside === 'false' && plan.presence === 'false' && +plan.x > 5")
        one.evaluate(WATCH)
        yield one
        assert one.wrongs == []  # type: ignore[attr-defined]


def until(one: Page, holds: str, within_s: float = 20.0) -> None:
    """Wait until an expression of the plan's `data-` attributes holds."""
    one.wait_for_function(f"(plan => {holds})({PLAN})", timeout=1000 * within_s)


def first(
    seen: list[dict[str, Any]], holds: Callable[[dict[str, Any]], bool], after_s: float = 0.0
) -> dict[str, Any]:
    return next(one for one in seen if one["at"] >= after_s and holds(one))


def drag(one: Page, x_m: float, y_m: float) -> None:
    """Take her by the hand, to a place of the living room, in a second."""
    one.evaluate("scrollTo(0, 0)")
    start = one.get_by_test_id("person").bounding_box()
    assert start is not None
    scale = one.evaluate("document.querySelector('[data-testid=floorplan] svg').getScreenCTM().a")
    plan = one.evaluate(PLAN)
    here_x, here_y = start["x"] + start["width"] / 2, start["y"] + start["height"] / 2
    dx, dy = 100 * scale * (x_m - float(plan["x"])), -100 * scale * (y_m - float(plan["y"]))
    one.mouse.move(here_x, here_y)
    one.mouse.down()
    for share in (0.25, 0.5, 0.75, 1.0):
        one.mouse.move(here_x + share * dx, here_y + share * dy)
        one.wait_for_timeout(250)
    one.mouse.up()


def comes_in(one: Page) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any], float]:
    """All that was seen; where she first moved inside, where she was first sensed, and since when."""
    since_s = float(one.evaluate("seen.at(-1)?.at ?? 0"))
    drag(one, 2.4, 2.8)
    until(one, "plan.lamp === 'true'")
    until(one, "plan.doing === 'stand'")
    seen = one.evaluate("seen")
    came = first(seen, lambda at: at["moving"], since_s)
    return seen, came, first(seen, lambda at: at["somebody"], since_s), since_s


def test_a_newcomer_drags_somebody_in_and_out(shown: Page) -> None:
    """Who comes in is somebody within a second, and a Routine lights the lamp.

    Ten seconds after she left nobody is here, and the lamp is dark. A fan is nobody.
    """
    seen, came, sensed, since_s = comes_in(shown)
    if sensed["told"] >= came["at"] + 1.0:  # on a busy machine she is led in jerks: once more
        drag(shown, 6.2, 2.9)
        until(shown, "plan.presence === 'false' && plan.lamp === 'false'", 60.0)
        seen, came, sensed, since_s = comes_in(shown)
    assert sensed["told"] < came["at"] + 1.0
    assert first(seen, lambda one: one["lit"], since_s)["at"] < sensed["at"] + 1.0
    jumps = [abs(a["x"] - b["x"]) + abs(a["y"] - b["y"]) for a, b in pairwise(seen)]
    assert max(jumps) < 1.0  # she walks; she is not put there

    drag(shown, 6.2, 2.9)
    until(shown, "plan.presence === 'false'", 60.0)
    until(shown, "plan.lamp === 'false'")
    seen = shown.evaluate("seen")
    left_s = max(one["at"] for one in seen if one["here"])
    nobody = first(seen, lambda one: not one["somebody"], left_s)
    assert nobody["told"] - left_s == pytest.approx(10.0, abs=2.0)

    shown.get_by_test_id("plan-fan").click()
    shown.wait_for_timeout(10_000)
    seen = shown.evaluate("seen")
    assert not any(one["somebody"] for one in seen if one["at"] > nobody["at"])


def test_everything_is_reached_by_keyboard(shown: Page) -> None:
    """Tab leads to every control, in an order; arrows lead her, Enter and Space switch."""
    wanted = {
        "room", "carrier", "tour", "plan-fan", "plan-curtain", "plan-cat", "person", "act-path", "act-enter",
        "act-sit", "act-read", "act-stand", "act-leave", "switch-fan", "switch-curtain",
        "switch-cat", "switch-music",
    }  # fmt: skip
    found = set()
    for _ in range(60):
        shown.keyboard.press("Tab")
        found.add(shown.evaluate("document.activeElement.closest('[data-testid]')?.dataset.testid ?? ''"))
    assert wanted <= found, wanted - found

    shown.get_by_test_id("plan-curtain").focus()
    shown.keyboard.press("Enter")
    shown.wait_for_selector("[data-testid=plan-curtain][aria-checked=true]")
    shown.keyboard.press("Space")
    shown.wait_for_selector("[data-testid=plan-curtain][aria-checked=false]")
    shown.get_by_test_id("person").focus()
    for _ in range(3):
        shown.keyboard.press("Shift+ArrowLeft")
    until(shown, "plan.inside === 'true' && plan.doing === 'stand'")
    assert float(shown.evaluate(f"{PLAN}.x")) < 4.0


def test_another_room_and_carrier_and_the_tour(shown: Page) -> None:
    """Choosing builds the room anew, with the page open; the tour begins, goes on, pauses and ends."""
    shown.get_by_test_id("carrier").click()
    shown.get_by_role("option", name="20 kHz").click()
    shown.get_by_test_id("room").click()
    shown.get_by_role("option", name="Corridor").click()
    until(shown, "plan.room === 'Corridor' && plan.changing === 'false' && +plan.x > 6", 40.0)
    shown.wait_for_selector("[data-testid=waterfall][data-state=live]")
    shown.get_by_test_id("tour").click()
    bubble = shown.get_by_test_id("bubble")
    bubble.get_by_text("1 of").wait_for()
    shown.get_by_test_id("tour-next").click()
    bubble.get_by_text("Ada comes in").wait_for()
    until(shown, "plan.inside === 'true'")
    shown.get_by_test_id("tour-pause").click()
    bubble.get_by_text("Go on").wait_for()
    shown.get_by_test_id("tour-end").click()
    bubble.wait_for(state="hidden")
