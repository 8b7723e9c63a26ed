"""Moments as they are stored and told, and a clock that is set."""

from __future__ import annotations

import pytest
from tests.service.made_up import Hands

from noctule.service.clock import JUMP_S, ClockWatch, iso_of_ms, ms_of_iso


@pytest.mark.parametrize("moment_ms", [0, 1, 999, 1_772_366_400_123, 4_102_444_800_000])
def test_there_and_back(moment_ms: int) -> None:
    assert ms_of_iso(iso_of_ms(moment_ms)) == moment_ms


def test_zones() -> None:
    assert ms_of_iso("1970-01-01T01:00:00+01:00") == ms_of_iso("1970-01-01T00:00:00") == 0


@pytest.mark.parametrize(("moved_s", "noticed"), [(JUMP_S - 1, False), (JUMP_S + 1, True), (-86400.0, True)])
def test_a_clock_that_is_set_is_noticed_once(moved_s: float, noticed: bool) -> None:
    hands = Hands()
    watch = ClockWatch(hands.clock)
    hands.go(10_000.0)
    assert watch.jump_s() is None
    hands.wall_s += moved_s
    assert watch.jump_s() == (pytest.approx(moved_s) if noticed else None)
    assert watch.jump_s() is None
