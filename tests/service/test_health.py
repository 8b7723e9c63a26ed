"""Health: five states, in words, and nothing that flutters."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.service.made_up import record

from noctule.core.frames import BLOCKING_FAULTS, Fault
from noctule.service.health import (
    CLEAR_S,
    ESCALATE_S,
    FAIL_S,
    FAULT_WORDS,
    FIRST_RECORD_S,
    NO_TROUBLE,
    RAISE_S,
    RECOVER_S,
    STALE_S,
    XRUNS_A_MINUTE,
    Health,
    HealthReport,
)
from noctule.service.store import StoreState

STEP_S = 0.1


@dataclass
class Bench:
    """A sensor ten times a second, looked at once a second."""

    now_s: float = 100.0
    store: StoreState = field(default_factory=lambda: StoreState("ready"))
    free_bytes: float = 1e12
    changes: list[HealthReport] = field(default_factory=list)
    xruns: int = 0

    def __post_init__(self) -> None:
        self.health = Health(self.now_s)

    def go(self, seconds: float, records: bool = True, **different: Any) -> str:
        for k in range(round(seconds / STEP_S)):
            self.now_s += STEP_S
            if records:
                self.health.take(record(self.now_s, xruns=self.xruns, **different), self.now_s)
            if k % 10 == 9:
                changed = self.health.look(self.now_s, self.store, self.free_bytes, least=1e8)
                self.changes += [changed] if changed else []
        return self.health.report.state

    @property
    def states(self) -> list[str]:
        return [one.state for one in self.changes]

    @property
    def reason(self) -> str:
        return self.health.report.reason


def test_it_is_not_healthy_before_the_first_record() -> None:
    bench = Bench()
    assert bench.health.report.state == "recovering"
    assert not bench.health.report.sensing
    assert bench.go(FIRST_RECORD_S - 5.0, records=False) == "recovering"
    assert bench.go(10.0, records=False) == "alarmed"
    assert "hangs" in bench.reason


def test_the_first_good_record_makes_it_healthy() -> None:
    bench = Bench()
    assert bench.go(1.0) == "healthy"
    assert bench.health.report.sensing
    assert len(bench.changes) == 1


@pytest.mark.parametrize("fault", [one for one in Fault if one not in NO_TROUBLE], ids=lambda one: one.name)
def test_every_fault_that_lasts_alarms_in_words(fault: Fault) -> None:
    bench = Bench()
    bench.go(5.0)
    assert bench.go(RAISE_S + 1.0, fault=fault.name_for_humans) == "alarmed"
    assert bench.reason == FAULT_WORDS[fault]
    assert bench.health.report.sensing is not bool(fault & BLOCKING_FAULTS)
    assert bench.go(CLEAR_S + 2.0) == "recovering"
    assert bench.reason == f"was: {FAULT_WORDS[fault]}"
    assert bench.go(RECOVER_S) == "healthy"
    assert bench.states == ["healthy", "alarmed", "recovering", "healthy"]


def test_a_gain_that_somebody_turned_is_no_trouble() -> None:
    bench = Bench()
    assert bench.go(60.0, fault="gain_moved") == "healthy"


def test_a_sensor_that_is_muted_is_well_and_senses_nothing() -> None:
    bench = Bench()
    bench.go(5.0)
    assert bench.go(FAIL_S + 10.0, fault="muted") == "healthy"
    assert bench.reason.startswith("muted")
    assert not bench.health.report.sensing
    bench.go(2.0)
    assert bench.reason == "all is well"


def test_a_short_fault_is_no_alarm() -> None:
    bench = Bench()
    for _ in range(20):
        bench.go(RAISE_S - 0.5, fault="dropped_samples")
        assert bench.go(CLEAR_S) == "healthy"


def test_a_fluttering_fault_does_not_make_health_flutter() -> None:
    bench = Bench()
    bench.go(5.0)
    for _ in range(100):
        bench.go(1.0, fault="clipped")
        bench.go(1.0)
    assert bench.states == ["healthy", "alarmed"]


def test_what_does_not_mend_itself_escalates_and_then_fails() -> None:
    bench = Bench()
    bench.go(5.0)
    assert bench.go(ESCALATE_S - 10.0, fault="device_lost") == "alarmed"
    assert bench.go(20.0, fault="device_lost") == "escalated"
    assert bench.go(FAIL_S, fault="device_lost") == "failed"
    assert bench.go(CLEAR_S + 2.0) == "recovering"
    assert bench.go(RECOVER_S + 1.0) == "healthy"


def test_what_blocks_fails_after_its_own_time_whatever_was_wrong_before() -> None:
    bench = Bench()
    bench.go(FAIL_S, fault="clipped")
    assert bench.go(60.0, fault="device_lost") == "escalated"
    assert bench.go(FAIL_S, fault="device_lost") == "failed"


def test_what_leaves_something_to_sense_never_fails() -> None:
    bench = Bench()
    assert bench.go(FAIL_S + 100.0, fault="microphone_covered") == "escalated"
    assert bench.health.report.sensing


def test_an_alarm_that_keeps_coming_back_escalates() -> None:
    bench = Bench()
    bench.go(5.0)
    for _ in range(12):
        bench.go(10.0, fault="device_lost")
        bench.go(CLEAR_S + 5.0)
    bench.go(RAISE_S + 1.0, fault="device_lost")
    assert bench.health.report.state == "escalated"


def test_no_records_is_an_alarm_at_once_and_before_all_else() -> None:
    bench = Bench()
    bench.go(20.0, fault="clipped")
    bench.go(STALE_S - 1.0, records=False)
    assert "hangs" not in bench.reason
    assert bench.go(3.0, records=False) == "alarmed"
    assert bench.reason.startswith("no records come")
    assert not bench.health.report.sensing
    bench.go(CLEAR_S + 2.0)
    assert bench.go(RECOVER_S + 1.0) == "healthy"


@pytest.mark.parametrize(
    ("a_minute", "state"), [(XRUNS_A_MINUTE / 2, "healthy"), (XRUNS_A_MINUTE * 2, "alarmed")]
)
def test_xruns(a_minute: float, state: str) -> None:
    bench = Bench()
    bench.xruns = 1000  # those of before are nobody's trouble
    bench.go(10.0)
    for _ in range(round(5 * a_minute)):
        bench.xruns += 1
        bench.go(60.0 / a_minute)
    assert bench.health.report.state == state


def test_a_history_that_cannot_be_written() -> None:
    bench = Bench()
    bench.go(5.0)
    bench.store = StoreState("full", "the disk is full", waiting=3)
    assert bench.go(5.0) == "alarmed"
    assert bench.reason == "the disk is full; events wait in memory"
    assert bench.health.report.sensing
    bench.store = StoreState("ready")
    bench.go(CLEAR_S + 2.0)
    assert bench.go(RECOVER_S) == "healthy"


def test_a_damaged_history_is_spoken_of_for_a_while() -> None:
    bench = Bench()
    bench.go(5.0)
    bench.store = StoreState("ready", aside=Path("history.damaged-1.sqlite"))
    assert bench.go(5.0) == "alarmed"
    assert "set aside as history.damaged-1.sqlite" in bench.reason
    assert bench.go(150.0) == "healthy"
    assert bench.states == ["healthy", "alarmed", "recovering", "healthy"]


def test_a_disk_that_is_nearly_full() -> None:
    bench = Bench()
    bench.free_bytes = 99e6
    assert bench.go(5.0) == "alarmed"
    assert bench.reason == "the disk is nearly full: less than 100 MB are left"
    bench.free_bytes = 101e6
    bench.go(CLEAR_S + 2.0)
    assert bench.go(RECOVER_S + 1.0) == "healthy"


def test_several_reasons_are_all_told_the_worst_first() -> None:
    bench = Bench()
    bench.go(5.0)
    bench.free_bytes = 1e6
    bench.go(5.0, fault="carrier_lost")
    assert (
        bench.reason
        == f"{FAULT_WORDS[Fault.CARRIER_LOST]}; the disk is nearly full: less than 100 MB are left"
    )


def test_every_fault_has_words_or_is_no_trouble() -> None:
    assert set(FAULT_WORDS) == {one for one in Fault if one not in NO_TROUBLE}
