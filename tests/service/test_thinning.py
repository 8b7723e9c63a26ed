"""Thinned decisions: one a second, every change, and no peak is lost."""

from __future__ import annotations

from tests.service.made_up import HOP_S, moving, record

from noctule.service.thinning import Thinner


def test_one_a_second() -> None:
    thinner = Thinner(1.0)
    rows = [thinner.take(record(k * HOP_S)) for k in range(round(60 / HOP_S))]
    assert 57 <= sum(row is not None for row in rows) <= 60


def test_every_change_is_kept() -> None:
    thinner = Thinner(1.0)
    story = [
        record(0.0),
        record(0.05),
        moving(0.1),
        moving(0.15),
        moving(0.2, "minor"),
        moving(0.25, "minor"),
    ]
    story += [record(0.3, presence=True), record(0.35, presence=True, fault="clipped"), record(0.4)]
    kept = [k for k, one in enumerate(story) if thinner.take(one)]
    assert kept == [0, 2, 4, 6, 7, 8]


def test_the_highest_scores_in_between_are_kept_once() -> None:
    thinner = Thinner(1.0)
    thinner.take(record(0.0))
    thinner.take(record(0.5, score_major=0.45))
    first, second = thinner.take(record(1.0)), thinner.take(record(2.0))
    assert first
    assert second
    assert (first["score_major"], second["score_major"]) == (0.45, 0.1)


def test_a_stream_that_begins_anew_is_kept_at_once() -> None:
    thinner = Thinner(1.0)
    assert thinner.take(record(1000.0))
    assert thinner.take(record(0.0))
