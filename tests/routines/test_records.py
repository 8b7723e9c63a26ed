"""Records of `noctule run` as events, and the time they tell."""

from __future__ import annotations

import json

import pytest
from tests.routines.house import MONDAY_NOON, HandClock

from noctule.core.errors import NoctuleError
from noctule.core.frames import BLOCKING_FAULTS, Fault
from noctule.routines import Sensed
from noctule.routines.clock import RecordClock, SystemClock
from noctule.routines.records import read_record, sensed

#: As docs/reference/jsonl.md has it.
RECORD = {
    "t": 3.6297, "presence": True, "motion": "major", "score_major": 0.9991, "score_minor": 0.9991,
    "radial_velocity_mps": 0.696, "carrier_hz": 20000.0, "carrier_snr_db": 74.2,
    "distortion_removed_db": 0.0,
    "fault": None, "reason": "major motion for 0.2 s at +0.7 m/s",
}  # fmt: skip


def test_a_record_says_what_is_sensed() -> None:
    assert sensed(RECORD) == Sensed("major", True)
    # one frame is nobody yet: the tracker decides
    assert sensed(RECORD | {"presence": False}) == Sensed("none", False)
    assert sensed(RECORD | {"emitting": True}) == Sensed("major", True)
    assert sensed(RECORD | {"emitting": False}) == Sensed("none", True, "pause")


@pytest.mark.parametrize("fault", Fault)
def test_every_blocking_fault_is_blind(fault: Fault) -> None:
    record = RECORD | {"fault": fault.name_for_humans, "emitting": fault is not Fault.DEVICE_LOST}
    assert (sensed(record).sight == "blind") == bool(fault & BLOCKING_FAULTS)


@pytest.mark.parametrize(
    "line",
    [
        "", "{", "[]", "5", "null", '{"t": 1}', "\x00", "[" * 100_000,
        json.dumps(RECORD | {"motion": "walks"}), json.dumps(RECORD | {"presence": "yes"}),
        json.dumps(RECORD | {"t": None}), json.dumps(RECORD | {"t": "x"}),
        json.dumps(RECORD | {"time": "noon"}),
        json.dumps(RECORD | {"time": 5}), json.dumps(RECORD | {"t": float("nan")}),
        json.dumps(RECORD | {"motion": []}),
    ],
)  # fmt: skip
def test_what_is_no_record_is_refused(line: str) -> None:
    with pytest.raises(NoctuleError, match="no record of noctule run"):
        read_record(line, RecordClock(HandClock()))


def test_records_tell_the_time() -> None:
    machine = HandClock()
    clock = RecordClock(machine)
    read_record(json.dumps(RECORD | {"time": "2026-11-30T18:42:00.500Z"}), clock)
    assert (clock.wall_s() - MONDAY_NOON) / 3600 == pytest.approx(7.7001, abs=1e-4)
    assert clock.monotonic_s() == 3.6297
    machine.advance(2.0)  # nothing comes: it goes on
    assert clock.monotonic_s() == pytest.approx(5.6297)
    assert clock.wall_s() == pytest.approx(MONDAY_NOON + 7.7 * 3600 + 2.5)


def test_records_without_the_time_of_day_go_on_from_now() -> None:
    machine = HandClock()
    clock = RecordClock(machine)
    for t in (10.0, 11.0, 500.0):
        read_record(json.dumps(RECORD | {"t": t}), clock)
    assert clock.wall_s() == pytest.approx(MONDAY_NOON + 490, abs=11)
    assert clock.monotonic_s() == 500.0


def test_the_machines_clocks_run() -> None:
    clock = SystemClock()
    first = clock.monotonic_s()
    assert clock.monotonic_s() >= first
    assert clock.wall_s() > MONDAY_NOON - 1e9
