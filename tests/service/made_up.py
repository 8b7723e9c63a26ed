"""Records, features and clocks that tests make up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from noctule.core.frames import BasebandBlock, FeatureBlock
from noctule.service.clock import Clock, iso_of_ms

START_MS = round(datetime.fromisoformat("2026-03-01T12:00:00Z").timestamp() * 1000)
HOP_S = 0.048
GRID_MPS = np.linspace(-6.0, 6.0, 241, dtype=np.float32)


@dataclass
class Hands:
    """Of two clocks, moved by the test."""

    wall_s: float = START_MS / 1000.0
    monotonic_s: float = 500.0

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.wall_s, lambda: self.monotonic_s)

    def go(self, seconds: float) -> None:
        self.wall_s += seconds
        self.monotonic_s += seconds


def record(time_s: float, **different: Any) -> dict[str, Any]:
    """An empty room, so long after the start."""
    return {
        "t": time_s,
        "presence": False,
        "motion": "none",
        "score_major": 0.1,
        "score_minor": 0.1,
        "radial_velocity_mps": 0.0,
        "carrier_hz": 20000.0,
        "carrier_snr_db": 60.0,
        "distortion_removed_db": 0.0,
        "fault": None,
        "reason": "nobody",
        "time": iso_of_ms(START_MS + round(time_s * 1000.0)),
        "emitting": True,
        "level_dbfs": -20.0,
        "delay_s": 0.1,
        "xruns": 0,
        **different,
    }


def moving(time_s: float, motion: str = "major", **different: Any) -> dict[str, Any]:
    """Somebody is here and moves."""
    return record(
        time_s,
        **{
            "presence": True,
            "motion": motion,
            "score_major": 0.9 if motion == "major" else 0.2,
            "score_minor": 0.8,
            "radial_velocity_mps": 0.7,
            "reason": f"{motion} motion",
            **different,
        },
    )


def features(time_s: float, value_db: float = 0.0, carrier_hz: float = 20000.0) -> FeatureBlock:
    """One frame, every cell alike."""
    one = np.full((1, len(GRID_MPS)), value_db, np.float32)
    zero = np.zeros(1, np.float32)
    return FeatureBlock(
        time_s=np.array([time_s]),
        log_power_db=one,
        clean_power_db=one - 1.0,
        fresh_power_db=one - 2.0,
        velocity_mps=GRID_MPS,
        valid_bins=np.ones(len(GRID_MPS), bool),
        broadband_db=zero,
        removed_db=zero + 3.0,
        carrier_level_dbfs=zero - 30.0,
        carrier_snr_db=zero + 60.0,
        faults=np.zeros(1, np.int64),
        carrier_hz=carrier_hz,
    )


def baseband(first_sample: int, count: int = 288, rate_hz: float = 6000.0) -> BasebandBlock:
    """The samples count themselves."""
    at = np.arange(first_sample, first_sample + count, dtype=np.float32) / 1e6
    return BasebandBlock(
        np.stack([at + 0j, 1j * at], axis=1).astype(np.complex64), rate_hz, 20000.0, first_sample
    )
