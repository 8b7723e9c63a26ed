"""The gate on paper, and what must hold for every sequence of frames."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from noctule.core.frames import Motion
from noctule.core.settings import GateSettings
from noctule.emit.gate import METER_STEP_S, EmissionGate, EmissionMeter

#: Exact in binary, so that sums of hops have no rounding to argue about.
HOP_S = 1 / 8
quick = hypothesis_settings(max_examples=60, deadline=None)
#: presence, motion, doubt
Frame = tuple[bool, Motion, float]
NOBODY: Frame = (False, "none", 1.0)
STILL: Frame = (True, "none", 0.0)
MOVES: Frame = (True, "minor", 0.0)
DOUBTFUL: Frame = (True, "none", 0.9)


def settings(**values: float) -> GateSettings:
    given = {
        "look_s": 3.0,
        "rest_s": 2.0,
        "silent_s": 10.0,
        "silent_growth": 0.1,
        "longest_silent_s": 12.0,
        "doubt": 0.4,
        "absent_after_s": 60.0,
        "absent_silent_s": 4.0,
    }
    return GateSettings.model_validate({"enabled": True, **given, **values})


def drive(gate: EmissionGate, frames: Iterable[Frame], start_s: float = 0.0) -> list[bool]:
    """What sounds in each hop: the world goes on whether the gate looks or not."""
    sounds = []
    for i, (presence, motion, doubt) in enumerate(frames):
        time_s = start_s + i * HOP_S
        sounds.append(gate.emit)
        if gate.emit:
            gate.see(time_s, presence=presence, motion=motion, doubt=doubt)
        else:
            gate.wait(time_s)
    return sounds


def stretches(sounds: list[bool]) -> list[tuple[bool, float]]:
    """(the tone was on, for so many seconds), one after the other."""
    return [(on, len(list(run)) * HOP_S) for on, run in groupby(sounds)]


def hops(seconds: float) -> int:
    return round(seconds / HOP_S)


def worlds() -> st.SearchStrategy[list[Frame]]:
    """Runs of equal frames, from one hop to 50 s."""
    frame = st.sampled_from([NOBODY, STILL, MOVES, DOUBTFUL])
    run = st.tuples(frame, st.sampled_from([1, 3, 10, 40, 100, 400]))
    return st.lists(run, min_size=1, max_size=10).map(
        lambda parts: [frame for frame, count in parts for _ in range(count)]
    )


def test_somebody_known_is_looked_at_now_and_then() -> None:
    """A look of 3 s (the first hop covers no time yet), 10 s of silence, and so on."""
    ran = stretches(drive(EmissionGate(settings()), [STILL] * hops(60.0)))
    assert ran[:5] == [(True, 3.0 + HOP_S), (False, 10.0), (True, 3.0), (False, 10.0), (True, 3.0)]


def test_whoever_moves_is_looked_at_until_they_rest() -> None:
    frames = [MOVES] * (hops(20.0) + 1) + [STILL] * hops(5.0)
    assert stretches(drive(EmissionGate(settings()), frames))[0] == (True, 22.0 + HOP_S)


def test_silences_grow_with_how_long_somebody_has_been_here_up_to_the_longest() -> None:
    *ran, _ = stretches(drive(EmissionGate(settings(longest_silent_s=40.0)), [STILL] * hops(900.0)))
    silences_s = [seconds for on, seconds in ran if not on]
    assert silences_s[0] == 10.0
    assert silences_s == sorted(silences_s)
    at_s = 0.0
    for (_, look_s), (_, silent_s) in zip(ran[::2], ran[1::2], strict=False):
        at_s += look_s
        assert silent_s == pytest.approx(min(max(0.1 * at_s, 10.0), 40.0), abs=2 * HOP_S)
        at_s += silent_s
    assert silences_s[-1] == 40.0


def test_a_longest_silence_below_the_first_one_does_not_shorten_it() -> None:
    ran = stretches(drive(EmissionGate(settings(longest_silent_s=2.0)), [STILL] * hops(60.0)))
    assert ran[1] == (False, 10.0)


def test_where_somebody_may_have_left_it_looks_on() -> None:
    gate = EmissionGate(settings())
    assert all(drive(gate, [DOUBTFUL] * hops(300.0)))
    assert not all(drive(gate, [STILL] * hops(5.0), start_s=300.0))


def test_a_doubt_that_is_no_number_is_a_doubt() -> None:
    assert all(drive(EmissionGate(settings()), [(True, "none", math.nan)] * hops(60.0)))


@quick
@given(st.lists(st.sampled_from(["none", "minor", "major"]), max_size=800))
def test_never_silent_before_presence(motions: list[Motion]) -> None:
    gate = EmissionGate(settings())
    assert all(drive(gate, [(False, motion, 0.0) for motion in motions]))
    assert gate.emit


@quick
@given(worlds(), st.booleans())
def test_no_silence_is_longer_than_asked_for_and_a_look_follows_each(
    world: list[Frame], absent_looks: bool
) -> None:
    gate = EmissionGate(settings(absent_looks=absent_looks, absent_after_s=20.0))
    ran = stretches(drive(gate, world))
    assert all(seconds <= 12.0 for on, seconds in ran if not on)
    # the last one may have been cut short by the end
    assert all(seconds >= 3.0 for on, seconds in ran[:-1] if on)


@quick
@given(worlds())
def test_a_silence_begins_only_where_somebody_is_known_to_be_here(world: list[Frame]) -> None:
    sounds = drive(EmissionGate(settings()), world)
    for i in range(1, len(sounds)):
        if sounds[i - 1] and not sounds[i]:
            presence, motion, doubt = world[i - 1]
            assert (presence, motion) == (True, "none")
            assert doubt <= 0.4


@pytest.mark.parametrize("jump_s", [-1e6, -0.001, 0.0, math.nan, math.inf, -math.inf])
def test_a_clock_that_goes_back_or_nowhere_neither_ends_nor_prolongs_a_silence(jump_s: float) -> None:
    gate = EmissionGate(settings())
    drive(gate, [STILL] * hops(4.0))
    left_s = gate.silence_left_s
    assert 0.0 < left_s < 10.0
    assert not gate.wait(4.0 - HOP_S + jump_s)
    assert gate.silence_left_s == left_s


def test_a_clock_that_jumps_ahead_ends_a_silence() -> None:
    """Lost time is over: nobody is left alone longer than was asked for."""
    gate = EmissionGate(settings())
    drive(gate, [STILL] * hops(4.0))
    assert gate.wait(1e9)
    assert gate.silence_left_s == 0.0


def test_frames_that_never_came_are_no_look() -> None:
    gate = EmissionGate(settings())
    presence, motion, doubt = STILL
    for time_s in (0.0, 1e6):
        assert gate.see(time_s, presence=presence, motion=motion, doubt=doubt)


def test_moments_without_frames_are_no_look() -> None:
    """The tone is on and nothing can be seen: it is on its way, or something is wrong with the signal."""
    gate = EmissionGate(settings())
    gate.see(0.0, presence=True, motion="none")
    for i in range(1, hops(60.0)):
        assert gate.wait(i * HOP_S)
    assert all(drive(gate, [STILL] * hops(2.5), start_s=60.0))


def test_after_the_card_was_away_it_looks() -> None:
    gate = EmissionGate(settings())
    drive(gate, [STILL] * hops(4.0))
    assert not gate.emit
    gate.restart()
    assert stretches(drive(gate, [STILL] * hops(4.0), start_s=4.0))[0] == (True, 3.0)


def test_an_empty_room_is_listened_to_all_the_time() -> None:
    assert all(drive(EmissionGate(settings()), [NOBODY] * hops(600.0)))


def test_an_empty_room_gets_short_looks_where_asked_for() -> None:
    gate = EmissionGate(settings(absent_looks=True))
    ran = stretches(drive(gate, [NOBODY] * hops(120.0)))
    assert ran[:4] == [(True, 60.0 + HOP_S), (False, 4.0), (True, 3.0), (False, 4.0)]
    flicker: Frame = (False, "minor", 1.0)
    drive(gate, [NOBODY] * hops(8.0), start_s=120.0)
    while not gate.emit:
        gate.wait(128.0 + 4.0)
    assert all(drive(gate, [flicker] + [NOBODY] * hops(59.0), start_s=132.0 + HOP_S))


# The meter


def test_the_meter_counts_the_time_before_each_note() -> None:
    meter = EmissionMeter()
    assert (meter.share, meter.share_of_last_hour, meter.saved_s) == (1.0, 1.0, 0.0)
    for time_s, emitting in ((5.0, True), (8.0, True), (9.0, False), (11.0, True)):
        meter.note(time_s, emitting)
    assert meter.share == meter.share_of_last_hour == pytest.approx(5.0 / 6.0)
    assert meter.saved_s == pytest.approx(1.0)


def test_the_meter_forgets_after_an_hour_what_the_whole_run_keeps() -> None:
    meter = EmissionMeter()
    for second in range(2 * 3600 + 1):
        meter.note(float(second), second <= 3600)
    assert meter.share == pytest.approx(0.5)
    assert meter.share_of_last_hour == 0.0
    assert meter.saved_s == 3600.0


@pytest.mark.parametrize("jump_s", [-1e6, 0.0, math.nan, math.inf, 1e9])
def test_a_jumping_clock_does_not_move_the_meter_far(jump_s: float) -> None:
    meter = EmissionMeter()
    for second in range(101):
        meter.note(float(second), True)
    meter.note(100.0 + jump_s, False)
    assert meter.share >= 100.0 / (100.0 + METER_STEP_S)


@quick
@given(st.lists(st.tuples(st.floats(0.0, 8.0), st.booleans()), max_size=300))
def test_shares_are_shares(steps: list[tuple[float, bool]]) -> None:
    meter, time_s, on_s = EmissionMeter(), 0.0, 0.0
    meter.note(0.0, True)
    for step_s, emitting in steps:
        time_s += step_s
        on_s += step_s if emitting else 0.0
        meter.note(time_s, emitting)
    assert 0.0 <= meter.share_of_last_hour <= 1.0
    if time_s > 0.0:
        assert meter.share == pytest.approx(on_s / time_s)
    if 0.0 < time_s < 3600.0:
        assert meter.share_of_last_hour == pytest.approx(on_s / time_s)
