"""When Routines run, and that restarts, outages and clocks that are set neither add a run nor lose one."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.routines.house import MONDAY_NOON, HandClock, House

from noctule.core.errors import NoctuleError
from noctule.routines import MqttState, Sensed, parse_routines
from noctule.routines.engine import GLANCE_S, MOST_RUNS, QUIET_S, SETTLES_S

COMES = "- {name: comes, when: {motion: detected}, then: [{play: a}]}"
MAJOR = "- {name: major, when: {motion: detected, level: major}, then: [{play: a}]}"
MINOR = "- {name: minor, when: {motion: detected, level: minor}, then: [{play: a}]}"
STILL = "- {name: still, when: {motion: not_detected, for: 10m}, then: [{play: a}]}"
PRESENT = "- {name: present, when: {presence: present}, then: [{play: a}]}"
ABSENT = "- {name: absent, when: {presence: absent}, then: [{play: a}]}"
LEFT = "- {name: left, when: {presence: absent, for: 30m}, then: [{play: a}]}"


def house(*routines: str, clock: HandClock | None = None) -> House:
    one = House("\n".join(routines), clock or HandClock())
    one.quiet(10)  # the sensor is awake
    return one


# -- what starts a Routine


def test_motion_starts_once_however_it_flickers() -> None:
    one = house(COMES)
    for _ in range(20):
        one.sense("major", True, seconds=1.0)
        one.sense("none", True, seconds=QUIET_S - 1.0)
    assert one.ran == ["comes"]
    one.quiet(QUIET_S + 1.0)
    one.finish_all()
    one.sense("minor", True)
    assert one.ran == ["comes", "comes"]


def test_levels() -> None:
    one = house(COMES, MAJOR, MINOR)
    one.sense("minor", True)
    assert one.ran == ["comes", "minor"]
    one.sense("major", True)
    assert one.ran == ["comes", "minor", "major"]


def test_no_motion_for_some_time_counts_from_the_last_moment_of_motion() -> None:
    one = house(STILL)
    one.quiet(3600)
    assert one.ran == []  # nobody was there to stop
    one.sense("major", True, seconds=60)
    one.quiet(600 - 1)
    assert one.ran == []
    one.quiet(2)
    assert one.ran == ["still"]
    one.quiet(3600)
    assert one.ran == ["still"]


def test_motion_in_between_begins_the_time_anew() -> None:
    one = house(STILL)
    one.sense("major", True)
    one.quiet(590)
    one.sense("minor", True)
    one.quiet(590)
    assert one.ran == []
    one.quiet(20)
    assert one.ran == ["still"]


@pytest.mark.parametrize("seconds", [5, 86400])
def test_any_time_from_seconds_to_days(seconds: int) -> None:
    clock = HandClock()
    one = House(f"- {{name: x, when: {{motion: not_detected, for: {seconds}s}}, then: [{{play: a}}]}}", clock)
    one.quiet(10)
    one.sense("major", True)
    last = clock.wall - 0.5
    while not one.ran:
        one.engine.handle(Sensed("none", False))
        clock.advance(0.25 if seconds < 60 else 60)
        one.tick()
        assert clock.wall < last + seconds + 61
    assert clock.wall - last >= seconds


def test_presence_comes_and_goes() -> None:
    one = house(PRESENT, ABSENT, LEFT)
    assert one.ran == []
    one.sense("major", True, seconds=60)
    assert one.ran == ["present"]
    one.sense("none", False, seconds=60)
    assert one.ran == ["present", "absent"]
    one.sense("none", False, seconds=1800)
    assert one.ran == ["present", "absent", "left"]


def test_nobody_at_the_start_has_not_left() -> None:
    one = House(ABSENT + "\n" + LEFT)
    one.sense("none", False, seconds=4000)
    assert one.ran == []


def test_a_routine_that_is_switched_off_does_nothing() -> None:
    one = house(COMES.replace("when:", "enabled: false, when:"))
    one.sense("major", True)
    assert (one.ran, one.log) == ([], [])


# -- only if, suppression, modes


def test_a_cause_that_came_at_the_wrong_time_is_gone() -> None:
    """Who has been moving since before the window opened does not start it when it opens."""
    one = house(COMES.replace("then", 'only_if: {between: ["12:01", "13:00"]}, then'))
    one.sense("major", True, seconds=120)
    assert one.ran == []
    assert one.log == [
        "12:00:10 comes: does not run: 12:00 is not between 12:01 and 13:00 (though motion was detected)"
    ]


def test_conditions_see_mqtt_and_presence() -> None:
    one = house(
        COMES.replace("then", 'only_if: {mqtt: {topic: home/alarm, is: "off"}, presence: present}, then')
    )
    assert one.engine.topics == {"home/alarm"}
    one.sense("major", True)
    one.quiet(10)
    one.engine.handle(MqttState("home/alarm", "off"))
    one.sense("major", True)
    assert "home/alarm has not been heard yet" in one.log[0]
    assert one.log[1].endswith("comes: runs: motion was detected; home/alarm is 'off'; somebody is here")


def test_suppression() -> None:
    one = house(COMES.replace("then", "suppress_for: 5m, then"))
    for _ in range(30):  # a new motion every 20 s for 10 min
        one.sense("major", True, seconds=1)
        one.finish_all()
        one.quiet(19)
    assert one.ran == ["comes", "comes"]
    assert "it ran 20s ago, not again for 5m (though motion was detected)" in one.log[1]


def test_single_leaves_a_run_alone() -> None:
    one = house(COMES)
    for _ in range(2):
        one.sense("major", True)
        one.quiet(10)
    assert one.ran == ["comes"]
    assert "does not run: it is still running" in one.log[1]
    assert len(one.engine.runs) == 1


def test_restart_ends_what_runs() -> None:
    one = house(COMES.replace("then", "mode: restart, then"))
    (first,) = one.sense("major", True)
    one.quiet(10)
    (second,) = one.sense("major", True)
    assert first.run is not None
    assert second.replaced == (first.run.number,)
    assert one.engine.runs == [second.run]


def test_queued_runs_wait_for_their_turn_and_not_without_end() -> None:
    one = house(COMES.replace("then", "mode: queued, then"))
    for _ in range(MOST_RUNS + 3):
        one.sense("major", True)
        one.quiet(10)
    assert [run.queued for run in one.engine.runs] == [False] + [True] * (MOST_RUNS - 1)
    assert f"does not run: {MOST_RUNS} runs go on or wait for their turn" in one.log[-1]
    following = one.engine.finish(one.engine.runs[0])
    assert following is one.engine.runs[0]
    assert not following.queued


# -- looking away


@pytest.mark.parametrize(("look_s", "silent_s"), [(3.0, 10.0), (1.0, 300.0), (60.0, 1.0)])
def test_a_pause_of_the_tone_does_not_break_the_timer(look_s: float, silent_s: float) -> None:
    """The gate looks for 1 s at least and is silent for up to 300: the timer hangs on the last motion."""
    one = house(STILL)
    one.sense("major", True)
    motion_s = one.clock.wall - 0.5
    while not one.ran:
        one.sense("none", True, "pause", seconds=silent_s)
        one.sense("none", True, seconds=look_s)
        assert one.clock.wall - motion_s < 600 + silent_s + look_s + 1
    fired_s = datetime.fromisoformat(f"2026-11-30T{one.log[0][:8]}+01:00").timestamp()
    assert 600 <= fired_s - motion_s <= 600 + silent_s + GLANCE_S + 1


def test_a_pause_does_not_say_nobody() -> None:
    """What falls due while the tone is silent waits for the next look, and that may see somebody move."""
    one = house(STILL.replace("10m", "10s"))
    one.sense("major", True)
    one.sense("none", True, "pause", seconds=60)
    one.sense("none", True)  # the first frame of the look: motion takes a moment to be noticed
    one.sense("major", True, seconds=1)
    assert one.ran == []
    one.sense("none", True, seconds=11)
    assert one.ran == ["still"]


def test_who_does_not_see_does_not_say_nobody() -> None:
    """A sensor that has lost its card for hours must not switch off the light of who sits there."""
    one = house(STILL, ABSENT)
    one.sense("major", True)
    one.sense("none", True, "blind", seconds=7200)
    one.sense("none", True, seconds=SETTLES_S - 1)
    one.sense("major", True)  # still there
    assert one.ran == []
    one.sense("none", True, seconds=610)
    assert one.ran == ["still"]


def test_a_machine_that_slept_has_not_looked() -> None:
    """The lid is opened after a night: nobody knows yet who is there."""
    one = house(STILL, ABSENT)
    one.sense("major", True)
    one.clock.advance(8 * 3600)
    one.sense("none", False, seconds=SETTLES_S - 1)
    one.sense("major", True)
    assert one.ran == []
    one.sense("none", True, seconds=610)
    assert one.ran == ["still"]


@pytest.mark.parametrize("sight", ["pause", "blind"])
def test_looking_away_does_not_make_one_motion_two(sight: Literal["pause", "blind"]) -> None:
    one = house(COMES)
    one.sense("major", True)
    for _ in range(3):
        one.sense("none", True, sight, seconds=30)
        one.sense("major", True)
    assert one.ran == ["comes"]
    for _ in range(3):  # 6 s of looks see nobody move
        one.sense("none", True, sight, seconds=30)
        one.sense("none", True, seconds=2)
    one.finish_all()
    one.sense("major", True)
    assert one.ran == ["comes", "comes"]


# -- restarts


def test_timers_go_on_over_a_restart_by_the_wall_clock() -> None:
    one = house(STILL)
    one.sense("major", True)
    one.quiet(100)
    again = one.restarted(down_s=400)
    again.quiet(95)
    assert again.ran == []
    again.quiet(10)
    assert again.ran == ["still"]


def test_what_fell_due_meanwhile_runs_once_after_a_look() -> None:
    one = house(STILL)
    one.sense("major", True)
    again = one.restarted(down_s=86400)
    again.quiet(SETTLES_S - 0.5)
    assert again.ran == []
    again.quiet(5)
    assert again.ran == ["still"]
    third = again.restarted(down_s=5)
    third.quiet(3600)
    assert third.ran == ["still"]


def test_a_restart_in_the_middle_of_motion_is_no_new_motion() -> None:
    one = house(COMES, PRESENT)
    one.sense("major", True)
    again = one.restarted(down_s=30)
    again.sense("major", True, seconds=60)
    assert again.ran == ["comes", "present"]


def test_motion_long_after_a_restart_is_new() -> None:
    one = house(COMES)
    one.sense("major", True)
    one.finish_all()
    again = one.restarted(down_s=3600)
    again.sense("major", True)
    assert again.ran == ["comes", "comes"]


def test_a_sensor_that_starts_anew_does_not_say_that_somebody_left() -> None:
    """`noctule run` begins with nobody; the first motion of who sits there comes seconds later."""
    one = house(ABSENT)
    one.sense("major", True)
    again = one.restarted(down_s=10)
    again.sense("none", False, seconds=SETTLES_S - 1)
    again.sense("major", True, seconds=10)
    assert again.ran == []
    again.sense("none", False, seconds=1)
    assert again.ran == ["absent"]


def test_suppression_outlives_a_restart() -> None:
    one = house(COMES.replace("then", "suppress_for: 5m, then"))
    one.sense("major", True)
    one.finish_all()
    again = one.restarted(down_s=100)
    again.sense("major", True)
    assert again.ran == ["comes"]
    later = again.restarted(down_s=300)
    later.sense("major", True)
    assert later.ran == ["comes", "comes"]


def test_a_snapshot_is_json_and_strange_ones_are_refused() -> None:
    one = house(COMES, STILL)
    one.sense("major", True)
    snapshot = one.engine.snapshot()
    assert json.loads(json.dumps(snapshot)) == snapshot
    for broken in (
        {},
        {**snapshot, "more": 1},
        {**snapshot, "runs": [{"number": "x"}]},
        {**snapshot, "now_s": float("nan")},
    ):
        with pytest.raises(NoctuleError, match=r"no snapshot of Routines: '.*' is not usable"):
            one.engine.restore(broken)


# -- clocks


@pytest.mark.parametrize("set_by_s", [-3600.0, 3600.0, -86400.0 * 365, 86400.0 * 3650])
def test_a_clock_that_is_set_moves_no_timer(set_by_s: float) -> None:
    one = house(STILL, COMES.replace("then", "suppress_for: 5m, then"))
    one.sense("major", True)
    one.finish_all()
    one.quiet(100)
    one.clock.wall += set_by_s
    one.quiet(190)
    one.sense("major", True)  # 290 s after the first: suppressed
    assert one.ran == ["comes"]
    one.quiet(300)
    one.clock.wall -= 2 * set_by_s
    one.quiet(290)
    assert one.ran == ["comes"]
    one.quiet(20)
    assert one.ran == ["comes", "still"]


@pytest.mark.parametrize("set_by_s", [-7200.0, -20.0, 20.0, 7200.0])
def test_a_clock_that_is_set_amid_motion_or_presence_starts_nothing(set_by_s: float) -> None:
    one = house(*(text.replace("then", "mode: restart, then") for text in (COMES, PRESENT)))
    one.quiet(60)
    one.sense("major", True, seconds=5)
    one.clock.wall += set_by_s
    one.sense("major", True, seconds=5)
    assert one.ran == ["comes", "present"]


def test_a_machine_without_a_battery_comes_back_in_the_past() -> None:
    """At its start the clock stands years ago, minutes later the network sets it."""
    one = house(STILL)
    one.sense("major", True)
    one.quiet(300)
    again = House(STILL, HandClock(MONDAY_NOON - 1e8, 0.0), one.engine.snapshot(), one.log, one.ran)
    again.quiet(100)
    again.clock.wall += 1e8 + 3600
    again.quiet(190)
    assert again.ran == []
    again.quiet(20)
    assert again.ran == ["still"]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_happens_a_motion_starts_one_run_and_its_end_one(data: st.DataObject) -> None:
    """Motion, then silence, with restarts (or not) and clocks set by up to a day in between: the timer runs
    exactly once, between its time and that plus the outages."""
    one = house(*(text.replace("then", "mode: restart, then") for text in (COMES, STILL)))
    one.sense("major", True, seconds=2)
    outages_s = 0.0
    for _ in range(data.draw(st.integers(1, 5))):
        what = data.draw(st.sampled_from(["quiet", "restart", "set", "away"]))
        if what == "quiet":
            one.quiet(data.draw(st.integers(1, 120)))
        elif what == "restart":
            down_s = data.draw(st.floats(0, 100))
            one = one.restarted(down_s)
            outages_s += SETTLES_S + 1
        elif what == "set":
            one.clock.wall += data.draw(st.floats(-86400, 86400))
            one.tick()
        else:
            one.sense(sight="blind", seconds=data.draw(st.integers(1, 60)))
            outages_s += 60 + SETTLES_S
    one.quiet(600 + outages_s + 1)
    assert one.ran == ["comes", "still"]
    one.quiet(1200)
    assert one.ran == ["comes", "still"]


def test_the_change_to_winter_time_moves_no_timer() -> None:
    one = house(STILL)
    one.clock.reads("2026-10-25T02:55:00+02:00")
    one.sense("major", True)
    one.quiet(590)  # now it is 02:04 again
    assert one.ran == []
    one.quiet(20)
    assert one.log == ["02:05:00 still: runs: no motion for 10m, since 02:55:00"]


# -- Routines that change


def test_changed_routines_keep_their_timers_and_new_ones_look_ahead() -> None:
    one = house(COMES, STILL)
    one.sense("major", True)
    one.quiet(300)
    found = parse_routines("\n".join((COMES, STILL.replace("play: a", "play: b"), PRESENT, MINOR)))
    one.engine.set_routines(found.routines)
    one.sense("none", True, seconds=310)
    assert one.ran == ["comes", "still"]  # `present` came before it was there


def test_runs_of_a_routine_that_is_gone_are_gone() -> None:
    one = house(COMES, MAJOR)
    one.sense("major", True)
    one.engine.set_routines([one.engine.routines["major"]])
    assert [run.routine for run in one.engine.runs] == ["major"]


def test_switching_on_does_not_start_it() -> None:
    off = COMES.replace("when:", "enabled: false, when:")
    one = house(off)
    one.sense("major", True)
    one.engine.set_routines(parse_routines(COMES).routines)
    one.sense("major", True, seconds=10)
    assert one.ran == []


# -- dry run


def test_a_dry_run_says_everything_and_does_nothing() -> None:
    one = house(
        COMES.replace("then", 'only_if: {between: [sunset, "23:00"]}, suppress_for: 5m, then'),
        STILL,
        ABSENT.replace("when:", "enabled: false, when:"),
    )
    before = one.engine.snapshot()
    evening = datetime.fromisoformat("2026-11-30T19:42:00+01:00")
    comes, still, absent = one.engine.dry_run(motion="major", at=evening)
    assert comes.runs
    assert comes.text == (
        "19:42:00 comes: runs: motion; 19:42 is between sunset (15:56) and 23:00; "
        "it has not run yet, not again for 5m"
    )
    assert still.text == "19:42:00 still: does not run: it waits for: no motion for 10m"
    assert absent.text == "19:42:00 absent: does not run: it is switched off; it waits for: nobody is here"
    comes, still, _ = one.engine.dry_run(motion="none")
    assert (comes.runs, still.runs) == (False, True)
    assert one.engine.dry_run(at=evening)[0].reasons[0].text == "taken to happen: motion"
    assert one.engine.snapshot() == before


def test_a_verdict_as_a_record() -> None:
    one = house(COMES)
    (verdict,) = one.sense("major", True)
    assert json.loads(json.dumps(verdict.as_record())) == {
        "time": "2026-11-30T12:00:10.000+01:00",
        "routine": "comes",
        "name": "comes",
        "runs": True,
        "reasons": [{"holds": True, "text": "motion was detected"}],
    }
