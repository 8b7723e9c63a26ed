"""The real service with a sensor of paper: no sound card, and it says what it is told."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from tests.service.made_up import features

from noctule.audio.devices import Device, DeviceList
from noctule.calibrate.calibration import Calibration
from noctule.calibrate.doctor import Diagnosis
from noctule.core.errors import NoctuleError
from noctule.core.power import encode_power
from noctule.core.settings import load_settings
from noctule.service.bus import Row
from noctule.service.runner import Sink, State
from noctule.service.service import Service
from noctule.service.succession import See

STEP_S = 0.048


def record(time_s: float, **different: Any) -> dict[str, Any]:
    """An empty room."""
    return {
        "t": round(time_s, 4),
        "presence": False,
        "motion": "none",
        "score_major": 0.04,
        "score_minor": 0.06,
        "radial_velocity_mps": 0.0,
        "carrier_hz": 38400.0,
        "carrier_snr_db": 61.0,
        "carrier_level_dbfs": -41.0,
        "distortion_removed_db": 0.0,
        "fault": None,
        "reason": "nobody has moved for 42 s",
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "emitting": True,
        "level_dbfs": -20.0,
        "delay_s": 0.1,
        "emission_share": 0.83,
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
            "score_major": 0.93 if motion == "major" else 0.2,
            "score_minor": 0.81,
            "radial_velocity_mps": 0.7,
            "reason": f"{motion} motion at 0.7 m/s towards the sensor",
            **different,
        },
    )


def row(time_s: float, velocity_mps: float | None = None) -> Row:
    """Noise, and a walker where there is one."""
    grid = np.linspace(-6.0, 6.0, 241)
    power_db = np.random.default_rng(round(time_s * 1000)).normal(0.0, 2.5, 241)
    if velocity_mps is not None:
        power_db += 28.0 * np.exp(-(((grid - velocity_mps) / 0.25) ** 2))
    return Row(time_s, encode_power(power_db).tobytes())


def calibration() -> Calibration:
    """What was found with the paper card."""
    hz = tuple(float(one) for one in range(16000, 46000, 250))
    return Calibration(
        made_at=datetime.now(UTC),
        input="paper|ALSA",
        output="paper|ALSA",
        sample_rate_hz=96000.0,
        carrier_hz=38400.0,
        level_dbfs=-20.0,
        carrier_level_dbfs=-41.0,
        carrier_snr_db=61.0,
        wanted_range_m=4.0,
        walk_range_m=5.2,
        small_range_m=2.4,
        true_bandwidth_hz=42000.0,
        interferers_hz=(25000.0,),
        microphones=(0, 1, 2, 3),
        clutter_db=-30.0,
        bent_db=-60.0,
        delay_s=0.1,
        moved_meanwhile=False,
        hz=hz,
        response_db=tuple(-20.0 - abs(one - 30000.0) / 1000.0 for one in hz),
        noise_dbfs=tuple(-110.0 for _ in hz),
        reasons=("38.4 kHz is far from what sounds at 25 kHz", "-20 dBFS reaches 4 m"),
    )


class PaperSensor:
    """What `Service` needs of `LiveSensor`. Twice a second it says again what was said last."""

    def __init__(self, see: See) -> None:
        self.stream, self.state, self.worked = None, State.SENSING, True
        self._see = see
        self.time_s = 0.0
        self._last = record(0.0)
        self._sink: Sink = lambda record: None
        self._turn, self._stop = threading.RLock(), threading.Event()
        self._muted = False

    def run(self, sink: Sink, seconds: float | None = None) -> None:
        self._sink = sink
        said_s = -1.0
        while True:
            with self._turn:  # or it says again what is no longer the last
                if said_s == self.time_s or said_s < 0.0:
                    self.say(record(0.0, fault="muted", reason="muted") if self._muted else self._last)
                said_s = self.time_s
            if self._stop.wait(0.5):
                return

    def say(self, what: Mapping[str, Any], seen_db: float | None = None) -> None:
        """One record, with the next time that there is, and features where something is seen."""
        with self._turn:
            self.time_s = round(max(self.time_s + STEP_S, what["t"]), 4)
            now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            if not self._muted:
                self._last = dict(what)
            if seen_db is not None:
                self._see(features(self.time_s, seen_db, float(what["carrier_hz"])))
            self._sink({**what, "t": self.time_s, "time": now})

    def mute(self, on: bool) -> None:
        self._muted = on

    def stop(self) -> None:
        self._stop.set()

    def wait_until_ended(self, seconds: float) -> bool:
        return True

    def snapshot(self) -> dict[str, Any]:
        return {}

    def follow(self, before: PaperSensor, forget: bool = False) -> None:
        self.time_s, self._last = before.time_s, before._last

    def restore(self, snapshot: Mapping[str, Any], age_s: float) -> None: ...

    def set_presence(self, settings: Any) -> None: ...

    def ask(self, words: str, work: Callable[..., Any], *, new_tone: bool = False) -> Future[Any]:
        refused: Future[Any] = Future()
        refused.set_exception(NoctuleError("not now: the sound card is away"))
        return refused


class House(Service):
    """The service of a home that a test has made up.

    Attributes
    ----------
    found, diagnosis : what a calibration and an examination find; None: the sound card is away.
    told : actions of Routines that left the house, as (topic, payload).
    """

    def __init__(self, folder: Path, **sections: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        overrides: dict[str, dict[str, Any]] = {"store": {"folder": folder}}
        overrides |= {"model": {"detector": "cfar"}, **sections}
        self.found: Calibration | None = None
        self.diagnosis: Diagnosis | None = None
        self.told: list[tuple[str, str]] = []
        super().__init__(
            load_settings(Path("/dev/null"), {}, overrides),
            settings_path=folder / "noctule.toml",
            folder=folder,
            make_sensor=lambda settings, see: PaperSensor(see),  # type: ignore[arg-type, return-value]
            routines_path=folder / "routines.yaml",
            publisher=self,
            calibrations=folder,
        )

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._house.loop

    async def publish(self, topic: str, payload: str, *, qos: int, retain: bool) -> None:
        """Instead of a broker."""
        self.told.append((topic, payload))

    def say(self, what: Mapping[str, Any], velocity_mps: float | None = None) -> None:
        """One record of the sensor, and its row; any thread."""
        paper: Any = self.sensor
        paper.say(what)
        if what["fault"] is None:
            self.bus.publish_from_thread("row", row(paper.time_s, velocity_mps))

    async def live(self) -> None:
        """For whoever looks at a page: somebody walks to and fro half of the time, for ever."""
        for k in range(10**9):
            time_s = k * STEP_S
            if int(time_s / 15.0) % 2:
                velocity_mps = float(1.1 * np.sin(time_s))
                self.say(moving(0.0, radial_velocity_mps=round(velocity_mps, 2)), velocity_mps)
            else:
                self.say(record(0.0))
            await asyncio.sleep(STEP_S)

    def walk_past(self) -> dict[str, Any]:
        """Somebody comes in and goes; the event, when it is kept with what was seen. Not in the loop."""
        assert self.memory is not None
        history, paper = self.memory.history, self.sensor
        assert isinstance(paper, PaperSensor)
        before = {event["id"] for event in history.events()}
        paper.say(record(0.0), 0.0)
        for k in range(round((1.0 + self.settings.store.capture_after_s) / STEP_S) + 3):
            paper.say(moving(0.0), 20.0 if k * STEP_S < 1.0 else 0.0)
        paper.say(record(0.0), 0.0)
        deadline = time.monotonic() + 30.0
        while time.monotonic() < deadline:
            for event in history.events():
                path = self.memory.captures.path_of(event["capture"]) if event["capture"] else None
                if path is not None and event["kind"] == "entered" and event["id"] not in before:
                    return event
            time.sleep(0.05)
        raise TimeoutError(f"the event was not kept: {self.memory.store.state}, {history.events()}")

    def calibration(self) -> Calibration | None:
        return self.found

    async def calibrate(self) -> Calibration:
        return self.found or await super().calibrate()

    async def devices(self) -> DeviceList:
        one = Device(0, "Paper", "ALSA", 4, 2, 96000.0, "paper|ALSA")
        return DeviceList((one,), one, one)

    async def examine(self) -> Diagnosis:
        return self.diagnosis or await super().examine()
