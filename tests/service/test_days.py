"""The history by the day. Every moment is made up; days are of 24 hours in UTC here."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from tests.service.made_up import START_MS, Hands

from noctule.core.settings import StoreSettings
from noctule.service.days import BLIND, MAJOR, MINUTE_MS, NOBODY, NOT_RUNNING, SOMEBODY, Days
from noctule.service.episodes import Event, EventKind
from noctule.service.store import Store

HOUR_MS, DAY_MS = 60 * MINUTE_MS, 24 * 60 * MINUTE_MS
MIDNIGHT_MS = START_MS // DAY_MS * DAY_MS
DEAF = "the tone does not come back any more"


class Book:
    """A history that is written by hand; hours count from the midnight of the day before."""

    def __init__(self, folder: Path) -> None:
        self.hands = Hands()
        self.store = Store(StoreSettings(folder=folder), folder, clock=self.hands.clock)
        self.days = Days(self.store.path)

    def event(self, kind: EventKind, hour: float, minutes: float = 0.0) -> int:
        start_ms = at(hour)
        end_ms = start_ms + round(minutes * MINUTE_MS)
        event = Event(f"{kind} {hour}", kind, start_ms, end_ms, False, 0.9, 0.8, 0.7, 20000.0, "because")
        return self.written(self.store.keep_event(event))

    def health(self, reason: str, hour: float) -> None:
        self.hands.wall_s = at(hour) / 1000.0
        self.written(self.store.keep_health("alarmed", reason))

    def decisions(self, hour: float, until: float) -> None:
        row = {
            "presence": False, "motion": "none", "score_major": 0.0, "score_minor": 0.0, "fault": None,
            "radial_velocity_mps": 0.0, "carrier_snr_db": 60.0, "distortion_removed_db": 0.0,
        }  # fmt: skip
        for at_ms in range(at(hour), at(until), MINUTE_MS // 2):
            self.store.keep_decision({"at_ms": at_ms, **row})
        self.store.write(now=True)

    def written(self, future: Future[int]) -> int:
        self.store.write(now=True)
        return future.result(timeout=0)

    def bands(self, now: float = 48.0) -> list[dict[str, Any]]:
        return self.days.bands([at(0.0), at(24.0), at(48.0)], at(now))


def at(hour: float) -> int:
    return MIDNIGHT_MS - DAY_MS + round(hour * HOUR_MS)


def hours(runs: list[list[int]]) -> list[tuple[float, float, int]]:
    return [((a - at(0.0)) / HOUR_MS, (b - at(0.0)) / HOUR_MS, code) for a, b, code in runs]


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    one = Book(tmp_path)
    yield one
    one.store.close()


def test_who_stays_over_midnight_is_here_on_both_days(book: Book) -> None:
    book.event("entered", 22.0)
    book.event("left", 25.0)
    first, second = book.bands()
    assert hours(first["runs"]) == [(22.0, 24.0, SOMEBODY)]  # nothing is known of what was before
    assert hours(second["runs"]) == [(24.0, 25.0, SOMEBODY), (25.0, 48.0, NOBODY)]
    assert (first["present_ms"], second["present_ms"]) == (2 * HOUR_MS, HOUR_MS)
    assert (first["events"], second["events"]) == (1, 1)


def test_nothing_is_said_of_what_is_to_come(book: Book) -> None:
    book.event("entered", 30.0)
    _, today = book.bands(now=33.0)
    assert hours(today["runs"]) == [(30.0, 33.0, SOMEBODY)]


def test_a_motion_of_seconds_is_seen_in_a_day(book: Book) -> None:
    book.event("entered", 1.0)
    book.event("major", 2.0, minutes=0.05)
    assert (2.0, 2.0 + 1 / 60, MAJOR) in hours(book.bands()[0]["runs"])


def test_where_no_decision_was_made_nobody_is_not_claimed(book: Book) -> None:
    book.decisions(1.0, 3.0)
    book.decisions(5.0, 48.0)
    first, _ = book.bands()
    assert next(run for run in hours(first["runs"]) if run[2] == BLIND)[1] == 5.0
    [(start, end, words)] = first["blind"]
    assert (end, words) == (at(5.0), NOT_RUNNING)
    assert abs(start - at(3.0)) <= MINUTE_MS


@pytest.mark.parametrize(
    "reason", [DEAF, f"{DEAF}; the disk is full", "muted: nothing sounds", "no records come: x"]
)
def test_what_could_not_be_sensed_is_blind_until_it_is_over(book: Book, reason: str) -> None:
    book.health("all is well", 1.0)
    book.health(reason, 20.0)
    book.health(f"was: {reason}", 26.0)
    first, second = book.bands()
    assert hours(first["runs"])[-1] == (20.0, 24.0, BLIND)
    assert hours(second["runs"]) == [(24.0, 26.0, BLIND), (26.0, 48.0, NOBODY)]
    assert [one[2] for one in first["blind"]] == [reason.split(";")[0] if "muted" not in reason else "muted"]


def test_an_overdriven_input_still_senses(book: Book) -> None:
    book.health("the input is overdriven", 1.0)
    assert book.bands()[0]["blind"] == []


def test_pages_meet_without_a_gap_and_without_twice(book: Book) -> None:
    numbers = [book.event("major", 1.0), book.event("minor", 1.0)]  # at the same moment
    numbers += [book.event("major", 2.0 + k) for k in range(5)]
    seen: list[int] = []
    before = None
    while page := book.days.page(before=before, limit=2):
        seen += [one["id"] for one in page]
        last = page[-1]
        before = (
            round(at(1.0) if last["id"] in numbers[:2] else at(2.0 + numbers.index(last["id"]) - 2)),
            last["id"],
        )
    assert seen == numbers[::-1]


def test_filters(book: Book) -> None:
    me, fan, unnamed = (book.event("major", hour) for hour in (1.0, 2.0, 3.0))
    left = book.event("left", 4.0)
    for number, what in ((me, "me"), (fan, "fan"), (left, "nobody")):
        book.written(book.store.keep_label(number, what))
    assert [one["id"] for one in book.days.page(only="unlabelled")] == [unnamed]
    assert [one["id"] for one in book.days.page(only="false")] == [fan]  # that nobody is here was right
    assert [one["id"] for one in book.days.page(since_ms=at(2.0), until_ms=at(4.0))] == [unnamed, fan]


def test_a_label_is_taken_back(book: Book) -> None:
    number = book.event("major", 1.0)
    book.written(book.store.keep_label(number, "fan"))
    book.written(book.store.keep_label(number, None))
    assert [one["label"] for one in book.days.page()] == [None]


def test_without_a_file_nothing_happened(tmp_path: Path) -> None:
    days = Days(tmp_path / "none.sqlite")
    assert (days.page(), days.bands([0, DAY_MS], DAY_MS), days.first_ms()) == ([], [], None)
