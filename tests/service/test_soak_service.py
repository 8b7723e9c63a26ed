"""Two hours of the whole service in half a minute, with something broken every few minutes.

`python -m benchmarks.soak --hours 24` is the same for a day, at the sensor's full rate.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from tests.brokers import mosquitto
from tests.service.soaking import FAULTS, HEALTHY_WITHIN_S, broken_promises, soak

from noctule.service.store import FILE

pytestmark = pytest.mark.slow
#: All kinds of faults, once.
HOURS = 1.7


def test_hours_with_a_fault_every_few_minutes(tmp_path: Path) -> None:
    """What is asked while it goes on is in soaking.py: presence, health and timers after each fault."""
    if mosquitto() is None:
        required = os.environ.get("NOCTULE_REQUIRE_SOUNDSERVERS") == "1"
        (pytest.fail if required else pytest.skip)("mosquitto is not installed: scripts/setup.sh tests")
    home = soak(tmp_path, HOURS, every_s=0.5)
    assert broken_promises(home) == []
    assert len(home.faults) == len(FAULTS)
    assert home.visits >= 2 * len(FAULTS)
    assert home.back_s < HEALTHY_WITHIN_S
    assert set(home.late_s) == {"Lamp", "Quiet", "Later", "Quiet over a restart"}
    assert len(home.work.kept) > 100
    assert home.work.stores >= {"ready", "locked", "full"}
    assert home.work.healths >= {"healthy", "alarmed", "recovering"}
    with sqlite3.connect(tmp_path / FILE) as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    file.close()
