"""Air against tables that others computed."""

from __future__ import annotations

import pytest

from noctule.core.air import absorption_db_per_m, speed_of_sound_mps

#: (°C, % humidity), and ISO 9613-1 beyond its range in dB/m for each, by frequency.
WEATHER = ((15, 50), (20, 20), (20, 40), (20, 60), (25, 50), (30, 40))
TABLE = {
    20000: (0.55, 0.51, 0.58, 0.47, 0.46, 0.47),
    32000: (0.91, 0.67, 1.01, 0.98, 1.01, 1.05),
    40000: (1.11, 0.78, 1.24, 1.32, 1.39, 1.46),
    48000: (1.30, 0.91, 1.46, 1.65, 1.77, 1.88),
}


@pytest.mark.parametrize("hz", TABLE)
def test_absorption_is_that_of_the_standard(hz: int) -> None:
    for (temperature_c, humidity_percent), db_per_m in zip(WEATHER, TABLE[hz], strict=True):
        assert float(absorption_db_per_m(hz, temperature_c, humidity_percent)) == pytest.approx(
            db_per_m, abs=0.006
        )


def test_speed_of_sound_grows_with_the_root_of_temperature() -> None:
    assert speed_of_sound_mps(20.0) == pytest.approx(343.2, abs=0.1)
    assert speed_of_sound_mps(0.0) == pytest.approx(331.3, abs=0.1)
