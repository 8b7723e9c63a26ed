"""What the header says in every case, and moments and lengths in words."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from tests.web.house import moving, record

from noctule.core.frames import BLOCKING_FAULTS, Fault
from noctule.service.health import FAULT_WORDS
from noctule.web.advice import advice
from noctule.web.words import answer, duration_text, when_text

WELL = {"state": "healthy", "reason": "all is well", "sensing": True}
STARTING = {"state": "recovering", "reason": "starting: no record yet", "sensing": False}
HANGS = {"state": "alarmed", "reason": "no records come: the sensor hangs", "sensing": False}
LOST = {"state": "alarmed", "reason": "the sound card gives no samples", "sensing": False}


def gone(fault: str) -> dict[str, Any]:
    return record(0.0, presence=True, fault=fault)


@pytest.mark.parametrize(
    ("newest", "health", "muted", "words", "more"),
    [
        (record(0.0), WELL, False, "Nobody", "nobody has moved for 42 s"),
        (moving(0.0), WELL, False, "Somebody is here", "major motion at 0.7 m/s towards the sensor"),
        (moving(0.0), WELL, True, "Muted", "nothing sounds, nothing is heard"),
        (None, STARTING, False, "Starting", "starting: no record yet"),
        (record(0.0), STARTING, False, "Nobody", "nobody has moved for 42 s"),  # health is a second late
        (gone("device_lost"), WELL, False, "Cannot sense", "device lost"),
        (gone("device_lost"), LOST, False, "Cannot sense", "the sound card gives no samples"),
        (moving(0.0), HANGS, False, "Cannot sense", "no records come: the sensor hangs"),
        (gone("clipped"), WELL, False, "Somebody is here", "nobody has moved for 42 s"),
        (record(0.0, fault="muted"), WELL, False, "Starting", "it begins to listen again"),
    ],
)
def test_the_answer(newest: Any, health: Any, muted: bool, words: str, more: str) -> None:
    said = answer(newest, health, muted)
    assert (said.words, said.more) == (words, more)


def test_whoever_was_here_is_not_said_to_be_here_while_nothing_is_sensed() -> None:
    for fault in Fault:
        if fault & BLOCKING_FAULTS and fault is not Fault.MUTED:
            assert answer(gone(str(fault.name_for_humans)), WELL, False).mood == "trouble"


def test_every_fault_has_something_to_do() -> None:
    for words in FAULT_WORDS.values():
        assert len(advice(words)) == 1, words
    assert advice("all is well") == []
    assert len(advice("; ".join(FAULT_WORDS.values()))) == len(FAULT_WORDS)


@pytest.mark.parametrize(
    ("iso", "said"),
    [
        ("2026-11-30T09:03:00", "09:03"),
        ("2026-11-29T23:59:59", "yesterday 23:59"),
        ("2026-11-26T08:00:00", "Thu 08:00"),
        ("2026-11-01T08:00:00", "1 Nov 08:00"),
        ("2025-11-30T08:00:00", "30 Nov 2025"),
    ],
)
def test_moments(iso: str, said: str) -> None:
    now = datetime.fromisoformat("2026-11-30T12:00:00").astimezone()
    assert when_text(datetime.fromisoformat(iso).astimezone().isoformat(), now) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.44, "0.4 s"),
        (2.0, "2 s"),
        (9.96, "10 s"),
        (89.4, "89 s"),
        (150.0, "2 min"),
        (3599.0, "1 h"),
        (3900.0, "1 h 5 min"),
        (86400.0, "1 day"),
        (3 * 86400.0 + 7200.0, "3 days 2 h"),
    ],
)
def test_lengths(seconds: float, said: str) -> None:
    assert duration_text(seconds) == said
