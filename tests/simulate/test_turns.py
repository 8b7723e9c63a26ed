"""The quick sine and cosine of inner loops."""

from __future__ import annotations

import numpy as np
from numba import njit

from noctule.simulate.turns import FAST, sine_cosine


@njit(fastmath=FAST)
def _all(turns, out):  # type: ignore[no-untyped-def]
    for n in range(len(turns)):
        out[n, 0], out[n, 1] = sine_cosine(turns[n])


def test_they_are_good_to_88_db_also_after_many_turns() -> None:
    """A compiler that may reorder sums would drop the rounding to the nearest turn."""
    for offset in (0, -3, 1000):
        turns = (offset + np.linspace(-0.5, 0.5, 4097)).astype(np.float32)
        out = np.empty((len(turns), 2), np.float32)
        _all(turns, out)
        angle = 2.0 * np.pi * turns.astype(np.float64)
        wrong = np.abs(out - np.stack([np.sin(angle), np.cos(angle)], -1))
        assert wrong.max() < 10.0 ** (-87.5 / 20.0)
