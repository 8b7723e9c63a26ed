"""Level: both sides of each ceiling."""

from __future__ import annotations

import pytest

from noctule.emit.level import choose_level, spl_ceiling_db


def test_below_the_ceiling_nothing_changes() -> None:
    choice = choose_level(-20.0, -6.0, 32_000)
    assert (choice.level_dbfs, choice.reason) == (-20.0, None)
    assert choice.amplitude == pytest.approx(0.1)


def test_above_the_ceiling_it_is_capped_and_says_so() -> None:
    choice = choose_level(0.0, -6.0, 32_000)
    assert choice.level_dbfs == -6.0
    assert choice.reason is not None
    assert "ceiling_dbfs" in choice.reason


@pytest.mark.parametrize(
    ("carrier_hz", "spl_db"),
    [(18_500, 70.0), (22_000, 70.0), (30_000, 85.0), (45_000, 85.0), ((22_000 * 30_000) ** 0.5, 77.5)],
)
def test_spl_ceiling(carrier_hz: float, spl_db: float) -> None:
    """The geometric mean of the two corners is half-way on a logarithmic axis."""
    assert spl_ceiling_db(carrier_hz) == pytest.approx(spl_db)


def test_known_sensitivity_lowers_the_level_only_where_it_is_too_loud() -> None:
    # 100 dB SPL at full scale: 85 dB are -15 dBFS, 70 dB are -30 dBFS.
    assert choose_level(-16.0, -6.0, 40_000, 100.0).level_dbfs == -16.0
    assert choose_level(-14.0, -6.0, 40_000, 100.0).level_dbfs == -15.0
    low = choose_level(-14.0, -6.0, 20_000, 100.0)
    assert low.level_dbfs == -30.0
    assert low.reason is not None
    assert "70 dB SPL" in low.reason


def test_the_lower_of_two_ceilings_counts() -> None:
    assert choose_level(0.0, -40.0, 40_000, 100.0).level_dbfs == -40.0
    assert choose_level(0.0, -1.0, 40_000, 60.0).level_dbfs == -1.0
