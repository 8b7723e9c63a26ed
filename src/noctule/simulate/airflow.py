"""How air that moves lets the speed of sound fluctuate."""

from __future__ import annotations

import numpy as np

from noctule.simulate.parts import FloatArray

#: Measured 0.5-2.3 m from a fan (Yuan et al., WindDancer, IMWUT 9, 2025) as averages over chirps of 50 ms, 20
#: a second (by their scripts and the length of the series): flat to the last frequency, 10 Hz, nearer than
#: 1 m; farther on large eddies prevail and it falls from 5 Hz (1.7 m) or 2 Hz (2.3 m) as f**(-5/3) does
#: (Kolmogorov). One corner stands for all, that of 1.3 m. [R, D]
#: Such averages keep 0.59 of the rms: their 0.021-0.037 m/s are 0.036-0.064 of `rms_mps`. [D]
CORNER_HZ = 10.0
#: Integral of (1 + x²)**(-5/6) from 0 to infinity: sqrt(pi)/2 · Gamma(1/3) / Gamma(5/6).
_AREA = 2.1032


def airflow_density(frequency_hz: FloatArray, rms_mps: float) -> FloatArray:
    """One-sided power density of the fluctuation, (m/s)² per Hz; it integrates to `rms_mps`² (von Karman)."""
    shape = (1.0 + np.square(np.asarray(frequency_hz) / CORNER_HZ)) ** (-5.0 / 6.0)
    return np.asarray(rms_mps**2 / (_AREA * CORNER_HZ) * shape)
