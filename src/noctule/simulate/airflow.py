"""How air that moves lets the speed of sound fluctuate."""

from __future__ import annotations

import numpy as np

from noctule.simulate.parts import FloatArray

#: Eddies of some 10 cm pass at about 1 m/s: measured series with a fan are flat up to their last frequency
#: (tens of hertz), beyond turbulence falls as f**(-5/3) (Kolmogorov). [R: winddancer, D]
CORNER_HZ = 10.0
#: Integral of (1 + x²)**(-5/6) from 0 to infinity: sqrt(pi)/2 · Gamma(1/3) / Gamma(5/6).
_AREA = 2.1032


def airflow_density(frequency_hz: FloatArray, rms_mps: float) -> FloatArray:
    """One-sided power density of the fluctuation, (m/s)² per Hz; it integrates to `rms_mps`² (von Karman)."""
    shape = (1.0 + np.square(np.asarray(frequency_hz) / CORNER_HZ)) ** (-5.0 / 6.0)
    return np.asarray(rms_mps**2 / (_AREA * CORNER_HZ) * shape)
