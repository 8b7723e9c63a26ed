"""Conversions against numbers worked out by hand."""

from __future__ import annotations

import pytest

from noctule.core.frames import BLOCKING_FAULTS, Fault
from noctule.core.units import amplitude_to_db, db_to_amplitude, doppler_hz, hz_per_mps


def test_doppler_of_a_walker() -> None:
    # 2·1·20000/(343.2 − 1) and, to first order, 2·20000/343.2
    assert doppler_hz(1.0, 20000.0) == pytest.approx(116.89, abs=0.01)
    assert hz_per_mps(20000.0) == pytest.approx(116.55, abs=0.01)
    assert doppler_hz(-1.0, 20000.0) == pytest.approx(-116.21, abs=0.01)


def test_decibels_and_back() -> None:
    assert db_to_amplitude(-6.0206) == pytest.approx(0.5, rel=1e-4)
    assert amplitude_to_db(0.5) == pytest.approx(-6.0206, abs=1e-3)
    assert amplitude_to_db(0.0) == -200.0


def test_the_most_serious_fault_is_the_one_that_is_named() -> None:
    assert Fault(0).name_for_humans is None
    assert (Fault.CLIPPED | Fault.CARRIER_LOST).name_for_humans == "carrier_lost"
    assert Fault.CARRIER_LOST & BLOCKING_FAULTS
    assert not Fault.CLIPPED & BLOCKING_FAULTS
