"""Power in a byte."""

from __future__ import annotations

import numpy as np

from noctule.core.power import LOWEST_DB, STEP_DB, decode_power, encode_power


def test_to_half_a_step_and_within_its_limits() -> None:
    power_db = np.linspace(LOWEST_DB, LOWEST_DB + 255 * STEP_DB, 1001, dtype=np.float32)
    np.testing.assert_allclose(decode_power(encode_power(power_db)), power_db, atol=STEP_DB / 2 + 1e-4)
    assert encode_power(np.array([-1000.0, 1000.0])).tolist() == [0, 255]
