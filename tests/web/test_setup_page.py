"""Set-up in a browser, by clicks: hardware, calibration, sensitivity, walk test."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.web.browser import PHONE, Served, open_page, served
from tests.web.browser import page as page_of
from tests.web.house import moving, record
from tests.web.setup_house import DEVICES, SetupHouse, calibration

from noctule.calibrate.steps import SETUP_STEPS, remedy_for
from noctule.core.errors import NoctuleError
from noctule.web.walk import Walk

MOST_S = 20.0
NO_ECHO = (
    "nothing inaudible comes back from the loudspeaker: is it muted or its volume at zero, and does the "
    "microphone hear it? `noctule doctor` looks closer"
)


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, SetupHouse) as house:
        yield house


@pytest.fixture
def page(one: Served, browser: Browser) -> Iterator[Page]:
    """The page on a phone; nothing may go wrong in it."""
    expect.set_options(timeout=MOST_S * 1000)
    with page_of(browser, *PHONE) as phone:
        open_page(phone, f"{one.url}/setup")
        yield phone
        assert phone.wrongs == []  # type: ignore[attr-defined]


def until_said(one: Served, section: str, key: str, value: object) -> None:
    deadline = time.monotonic() + MOST_S
    while getattr(getattr(one.house.settings, section), key) != value:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_hardware_is_chosen_and_checked(one: Served, page: Page) -> None:
    page.get_by_test_id("hardware.output").click()
    page.get_by_role("option", name="Scarlett 2i2 USB (ALSA, 2 channels)").click()
    page.get_by_test_id("hardware.use").click()
    expect(page.get_by_test_id("hardware.said")).to_contain_text("In use")
    assert one.house.settings.audio.output == DEVICES[1].identity
    assert one.house.settings.audio.input is None

    page.get_by_test_id("check").click()
    expect(page.get_by_test_id("check.progress")).to_be_visible()
    page.get_by_test_id("step.calibration").click()  # it goes on while somebody looks elsewhere
    one.do(one.house.go_on.set)
    page.get_by_test_id("step.hardware").click()
    expect(page.get_by_test_id("check.verdict")).to_have_text(
        "It cannot sense before the failures below are mended"
    )
    expect(page.get_by_test_id("check.microphones")).to_contain_text("What to do: unmute it")
    expect(page.get_by_test_id("check.gain")).to_contain_text("gain follows the level")
    expect(page.get_by_test_id("step.hardware")).not_to_have_class("f-done")


def test_a_check_that_fails_says_why(one: Served, page: Page) -> None:
    one.house.verdict = NoctuleError("not now: a calibration is under way")
    one.do(one.house.go_on.set)
    page.get_by_test_id("check").click()
    expect(page.get_by_test_id("check.error")).to_have_text("not now: a calibration is under way")


def test_calibration_shows_progress_verdict_and_picture(one: Served, page: Page) -> None:
    page.get_by_test_id("step.calibration").click()
    page.get_by_test_id("calibrate").click()
    expect(page.get_by_test_id("calibration.progress")).to_have_attribute("aria-valuenow", "0.3")
    expect(page.get_by_text("An inaudible sweep")).to_be_visible()
    one.do(one.house.go_on.set)
    expect(page.get_by_test_id("calibration.verdict")).to_have_text(
        "Done. Walks are found to 4.1 m, small motions to 2.5 m."
    )
    picture = page.get_by_test_id("calibration.picture")
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    expect(page.get_by_test_id("step.calibration")).to_have_class("f-done")

    one.house.outcome = calibration(walk_range_m=2.0, moved_meanwhile=True)
    page.get_by_test_id("calibrate").click()
    expect(page.get_by_test_id("calibration.verdict")).to_contain_text("less than the 4 m that were wanted")
    expect(page.get_by_text("Somebody moved meanwhile")).to_be_visible()


def test_a_calibration_that_fails_says_what_to_do_and_keeps_the_last(one: Served, page: Page) -> None:
    one.house.found = calibration()
    one.house.outcome = NoctuleError(NO_ECHO)
    one.do(one.house.go_on.set)
    page.get_by_test_id("step.calibration").click()
    page.get_by_test_id("calibrate").click()
    expect(page.get_by_test_id("calibration.error")).to_contain_text(
        "nothing inaudible comes back", ignore_case=True
    )
    expect(page.get_by_test_id("calibration.remedy")).to_contain_text("Turn the loudspeaker on and up")
    expect(page.get_by_text("The last good calibration stays in use")).to_be_visible()
    expect(page.get_by_test_id("calibration.picture")).to_be_visible()


def test_a_calibration_that_the_sensor_began_itself_is_shown(one: Served, page: Page) -> None:
    page.get_by_test_id("step.calibration").click()
    expect(page.get_by_test_id("calibrate")).to_be_visible()
    one.do(lambda: one.house._tell("choosing carrier and level", 0.5))
    expect(page.get_by_test_id("calibration.progress")).to_have_attribute("aria-valuenow", "0.5")
    page.reload()
    page.get_by_test_id("step.calibration").click()
    expect(page.get_by_test_id("calibration.progress")).to_be_visible()


def test_presets_say_what_was_measured_and_where(one: Served, page: Page) -> None:
    page.get_by_test_id("step.sensitivity").click()
    slightly, very = page.get_by_test_id("preset.slightly"), page.get_by_test_id("preset.very")
    measured = one.house.model["presets"]["Very sensitive"]["measured"]
    expect(very).to_contain_text(f"{measured['false_alarms_per_day']:,.0f}")
    expect(very).to_contain_text("simulated")
    expect(very).to_contain_text(f"{measured['onsets_found_within_1_s']:.0%}")
    expect(page.get_by_test_id("preset.moderately")).to_have_attribute("aria-pressed", "true")
    slightly.click()
    expect(slightly).to_have_attribute("aria-pressed", "true")
    assert one.house.settings.presence.trigger_sensitivity == 0.25
    assert "trigger_sensitivity = 0.25" in one.house.settings_path.read_text()
    page.get_by_test_id("off_latency_s").locator("[tabindex]").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(page.get_by_test_id("off_latency_s.value")).to_have_text("1 minute")
    until_said(one, "presence", "off_latency_s", 60.0)


def test_a_walk_is_told_in_a_sentence(one: Served, page: Page) -> None:
    page.get_by_test_id("step.walk").click()
    expect(page.get_by_test_id("walk.beep")).to_have_attribute("aria-checked", "false")
    page.get_by_test_id("walk.turn").click()
    expect(page.get_by_test_id("walk.turn")).to_have_text("Stop")
    for number in range(45):
        one.house.say(record(0.0) if number < 15 else moving(0.0, radial_velocity_mps=-1.0))
    expect(page.get_by_test_id("walk.state")).to_have_text("I notice you walking")
    expect(page.get_by_test_id("walk.list")).to_contain_text("nothing noticed")
    page.get_by_test_id("walk.turn").click()
    expect(page.get_by_test_id("walk.result")).to_contain_text("You were noticed for")


# -- without a browser


def test_a_walk_reckons_how_far_and_how_long() -> None:
    walk = Walk()
    for number in range(1, 301):
        gone = 100 < number <= 150
        walk.take(record(number * 0.05) if gone else moving(number * 0.05, radial_velocity_mps=-0.5))
    assert walk.longest_gap_s == pytest.approx(2.5)
    assert walk.noticed_s == pytest.approx(12.45)
    assert walk.farthest_m == pytest.approx(0.5 * 12.45)
    assert [line.noticed for line in walk.lines] == [True, False, True]
    assert [line.began_s for line in walk.lines] == pytest.approx([0.0, 4.95, 7.45])
    assert "noticed for 83% of 15 s, to about 6.2 m" in walk.sentence


def test_a_flicker_is_no_line_and_nothing_heard_is_said_so() -> None:
    walk = Walk()
    for number in range(100):
        walk.take(record(number * 0.05) if number % 10 == 9 else moving(number * 0.05))
    assert len(walk.lines) == 1
    silent = Walk()
    for number in range(100):
        silent.take(record(number * 0.05))
    assert silent.sentence.startswith("You were not noticed in 5 s.")
    silent.take(record(5.0, fault="device_lost"))
    assert silent.state == "The sensor cannot see: device lost"


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (NO_ECHO, "Turn the loudspeaker on"),
        ("no microphone hears the loudspeaker: all are dead or covered", "Unmute the microphone"),
        ("the microphones give digital silence: unmute the input", "Unmute the microphone"),
        ("echo cancelling stands in the way; turn off echo cancelling", "cleans the sound"),
        ("something takes steady tones away; turn it off", "cleans the sound"),
        ("somebody moved all the time", "sits still"),
        ("no carrier is good enough", "Another ultrasonic device"),
        ("the sound card is lost", "Plug the sound card in"),
        ("something nobody thought of", "Try again in a quieter moment"),
    ],
)  # fmt: skip
def test_every_error_has_a_remedy(error: str, remedy: str) -> None:
    assert remedy in remedy_for(error)


def test_steps_have_their_own_keys() -> None:
    assert [one.key for one in SETUP_STEPS] == ["hardware", "calibration", "sensitivity", "walk"]
