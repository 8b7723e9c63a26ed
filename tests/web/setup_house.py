"""A house whose sound card is of paper: it is examined and calibrated when a test says so."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from tests.web.house import House

from noctule.audio.devices import Device, DeviceList
from noctule.calibrate.calibration import STEPS, Calibration
from noctule.calibrate.doctor import Check, Diagnosis
from noctule.core.errors import NoctuleError

DEVICES = (
    Device(0, "HDA Intel PCH: ALC257", "ALSA", 2, 2, 48000.0, "ALSA: HDA Intel PCH: ALC257 (PCH,0)"),
    Device(1, "Scarlett 2i2 USB", "ALSA", 2, 2, 96000.0, "ALSA: Scarlett 2i2 USB (USB,0)"),
)
DIAGNOSIS = Diagnosis(
    (
        Check("bandwidth", "ok", "true bandwidth 43.5 kHz at 96 kHz"),
        Check("transport", "ok", "0 over- or underflows, 0 samples lost in 13 s"),
        Check("carrier", "ok", "38.8 kHz, 61, 58 dB over the noise in 10 Hz"),
        Check("gain", "warning", "microphone 1: gain follows the level", "turn off automatic gain control"),
        Check("microphones", "fail", "microphone 0 gives no sound at all", "unmute it"),
    ),
    38_800.0,
    43_500.0,
    (61.0, 58.0),
)


def calibration(**changes: Any) -> Calibration:
    """A room in which walks are found to 4 m."""
    hz = np.arange(17_000.0, 46_000.0, 500.0)
    values: dict[str, Any] = {
        "made_at": datetime.now(UTC), "input": "mic", "output": "speaker", "sample_rate_hz": 96_000.0,
        "carrier_hz": 38_800.0, "level_dbfs": -23.0, "carrier_level_dbfs": -41.0, "carrier_snr_db": 61.0,
        "wanted_range_m": 4.0, "walk_range_m": 4.1, "small_range_m": 2.5, "true_bandwidth_hz": 43_500.0,
        "interferers_hz": (), "microphones": (0, 1), "clutter_db": -30.0, "bent_db": -50.0, "delay_s": 0.1,
        "moved_meanwhile": False, "hz": tuple(hz), "noise_dbfs": tuple(-118.0 + 0.0 * hz),
        "response_db": tuple(np.round(-20.0 - 12.0 * np.sin(hz / 5000.0) ** 2 - (hz - 17e3) / 3000.0, 1)),
        "reasons": (
            "carrier: the most left of an echo from 4 m at the least that dogs hear",
            "level: the quietest that reaches 4 m",
        ),
    }  # fmt: skip
    return Calibration(**values | changes)


class SetupHouse(House):
    """`outcome` and `verdict` are what the card will say, an error is raised; `go_on` lets it."""

    def __init__(self, folder: Path, **sections: dict[str, Any]) -> None:
        super().__init__(folder, **{"model": {"detector": "network"}} | sections)
        self.outcome: Calibration | NoctuleError = calibration()
        self.verdict: Diagnosis | NoctuleError = DIAGNOSIS
        self.go_on = asyncio.Event()

    async def devices(self) -> DeviceList:
        return DeviceList(DEVICES, DEVICES[0], DEVICES[0])

    async def examine(self) -> Diagnosis:
        await self.go_on.wait()
        if isinstance(self.verdict, NoctuleError):
            raise self.verdict
        return self.verdict

    async def calibrate(self) -> Calibration:
        self._tell(STEPS[0][1], 0.3)
        await self.go_on.wait()
        self._tell(STEPS[2][1], 0.8)
        if isinstance(self.outcome, NoctuleError):
            self._tell("", 0.8, running=False, error=str(self.outcome))
            raise self.outcome
        self.found = self.outcome
        self._tell("", 1.0, running=False)
        return self.outcome

    def _tell(self, step: str, share: float, running: bool = True, error: str | None = None) -> None:
        self.bus.publish("calibration", {"running": running, "step": step, "share": share, "error": error})
