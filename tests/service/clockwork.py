"""The whole service with clocks that a test moves: a day passes in minutes, and nothing waits for the wall.

The service, its loop, its threads and its files are the real ones; the sound card is missing. A record comes
when the test says so, made by the real pipeline of scores that the test chose. Time passes second by second:
what is due in one is done before the next begins.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from tests.service.made_up import HOP_S, Hands, features
from tests.service.running import Eyes

from noctule.core.errors import NoctuleError
from noctule.core.frames import Decision, Fault
from noctule.core.settings import Settings
from noctule.pipeline import SensingPipeline
from noctule.service.runner import Sink, State
from noctule.service.service import Service
from noctule.service.succession import See

T = TypeVar("T")
CARRIER_HZ = 20000.0
#: Whatever happens in another thread happens within this, of real time, on a busy machine.
WITHIN_S = 60.0
#: Records wait for the loop after so many of them.
TOGETHER = 5
#: A second in which somebody waits for a socket lasts so long in truth.
NETWORK_S = 0.2
_A_MISTAKE = re.compile(r"^(memory: )?\w*(Error|Exception|Interrupt)\b")


class Given:
    """Instead of the extractor: features are given, not made of sound."""

    def process(self, block: Any) -> Any:
        return block

    def reset(self) -> None: ...


class ClockworkSensor:
    """What `Service` needs of `LiveSensor`; `step` gives the next record."""

    def __init__(self, settings: Settings, see: See, eyes: Eyes, hands: Hands) -> None:
        self.stream, self.state, self.worked = None, State.STARTING, False
        self.fault: Fault | None = None
        self.time_s, self._sink = 0.0, None  # type: float, Sink | None
        self._settings, self._hands = settings, hands
        self._muted, self._stop = False, threading.Event()
        self._pipeline = SensingPipeline(
            settings, carrier_hz=CARRIER_HZ, sample_rate_hz=48000, channels=1, detector=eyes, see=see
        )
        self._pipeline.extractor = Given()  # type: ignore[assignment]

    @property
    def runs(self) -> bool:
        return self._sink is not None and not self._stop.is_set()

    def run(self, sink: Sink, seconds: float | None = None) -> None:
        self.worked, self.state = True, State.SENSING
        self._sink = sink
        self._stop.wait()

    def step(self, seconds: float = HOP_S) -> dict[str, Any]:
        """A frame, so long after the last: what is seen, or why nothing is."""
        self.time_s = round(self.time_s + seconds, 4)
        silent = Fault.MUTED if self._muted else self.fault
        if silent is None:
            (decision,) = self._pipeline.process(features(self.time_s))  # type: ignore[arg-type]
        else:
            decision = self._pipeline.unavailable(self.time_s, silent)
        record = self._record(decision, emitting=silent is None)
        assert self._sink is not None
        self._sink(record)
        return record

    def _record(self, decision: Decision, emitting: bool) -> dict[str, Any]:
        now = datetime.fromtimestamp(self._hands.wall_s, UTC).isoformat(timespec="milliseconds")
        facts = {
            "level_dbfs": self._settings.emit.level_dbfs,
            "delay_s": 0.1,
            "emission_share": 1.0,
            "xruns": 0,
        }
        return {
            **decision.as_record(),
            **facts,
            "carrier_level_dbfs": -30.0,
            "emitting": emitting,
            "time": now.replace("+00:00", "Z"),
        }

    def stop(self) -> None:
        self._stop.set()

    def mute(self, on: bool) -> None:
        self._muted = on

    def wait_until_ended(self, seconds: float) -> bool:
        return self._stop.wait(seconds)

    def snapshot(self) -> dict[str, Any]:
        return self._pipeline.snapshot()

    def follow(self, before: ClockworkSensor, forget: bool = False) -> None:
        self.time_s = before.time_s
        if not forget:
            self.restore(before.snapshot(), 0.0)

    def restore(self, snapshot: Mapping[str, Any], age_s: float) -> None:
        self._pipeline.restore(snapshot, age_s)

    def set_presence(self, settings: Any) -> None:
        self._pipeline.set_presence(settings)

    def ask(self, words: str, work: Callable[..., Any], *, new_tone: bool = False) -> Future[Any]:
        refused: Future[Any] = Future()
        refused.set_exception(NoctuleError("not now: the sound card is away"))
        return refused


class Clockwork:
    """A service, its clocks, and what became of everything it was told.

    Attributes
    ----------
    elapsed_s : simulated seconds so far, whatever the clocks were set to.
    refuse : what the next sensors say instead of starting.
    said : lines for people. told, kept, refused : of events: heard of, acknowledged, given up with a word.
    entries : the log of Routines, each with when it came.
    """

    def __init__(self, folder: Path, settings: Settings, hands: Hands | None = None) -> None:
        self.folder, self.hands, self.eyes = folder, hands or Hands(), Eyes()
        self.elapsed_s, self._settings = 0.0, settings
        self.refuse, self.said = list[str](), list[str]()
        self.told, self.kept, self.refused = set[str](), set[str](), set[str]()
        self.entries: list[tuple[float, dict[str, Any]]] = []
        self.stores: set[str] = set()
        self.healths: set[str] = set()
        self.records = 0
        self._rounds, self._since_settled, self._second_s = 0, 0, 0.0
        self.failure: BaseException | None = None

    # -- its life

    def start(self) -> None:
        """A process begins."""
        self.service = Service(
            self._settings,
            settings_path=self.folder / "noctule.toml",
            folder=self.folder,
            make_sensor=self._make,  # type: ignore[arg-type]
            routines_path=self.folder / "routines.yaml",
            calibrations=self.folder,
            warn=self.said.append,
            clock=self.hands.clock,
        )
        self.service.loop.time = lambda: self.hands.monotonic_s  # type: ignore[method-assign]
        self.service.loop.set_exception_handler(self._went_wrong)
        self._watch_memory()
        self.service.__enter__()
        self.call(lambda: self.service._house.begin(self._listen()))
        self._thread = threading.Thread(target=self._run, name="main", daemon=True)
        self._thread.start()
        self.sensor_is_there()

    def close(self) -> None:
        """It ends gently."""
        self.service.stop()
        self._thread.join(WITHIN_S)
        assert not self._thread.is_alive()
        self.service.__exit__()
        self._settings = self.service.settings

    def _run(self) -> None:
        try:
            self.service.run()
        except BaseException as error:
            self.failure = error

    def _make(self, settings: Settings, see: See) -> ClockworkSensor:
        if self.refuse:
            raise NoctuleError(self.refuse.pop(0))
        return ClockworkSensor(settings, see, self.eyes, self.hands)

    def _went_wrong(self, loop: asyncio.AbstractEventLoop, about: dict[str, Any]) -> None:
        self.said.append(f"Error in the loop: {about.get('message')} {about.get('exception')!r}")

    def _watch_memory(self) -> None:
        memory = self.service.memory
        assert memory is not None
        keep_event, once = memory.store.keep_event, memory.round

        def keep(event: Any) -> Any:
            uid = event.uid[:1] + event.uid[1:]  # a string of ours
            self.told.add(uid)
            done = keep_event(event)
            done.add_done_callback(lambda one: (self.refused if one.exception() else self.kept).add(uid))
            return done

        def round_() -> None:
            try:
                once()
            finally:
                self._rounds += 1

        memory.store.keep_event, memory.round = keep, round_  # type: ignore[method-assign]

    async def _listen(self) -> None:
        with self.service.bus.subscribe("routine", most=1000) as messages:
            async for message in messages:
                self.entries.append((self.elapsed_s, message.body))

    # -- time

    def go(self, seconds: float, every_s: float = HOP_S) -> None:
        """So long it senses, and all of it goes on; a record each `every_s`."""
        for _ in range(round(seconds / every_s)):
            self.forward(every_s)
            self.last = self.sensor.step(every_s)
            self.records += 1
            self._since_settled += 1
            if self.elapsed_s >= self._second_s:
                self.second()
            elif self._since_settled >= TOGETHER:
                self.settle()

    def forward(self, seconds: float) -> None:
        """Clocks go on, and nothing else happens."""
        self.hands.go(seconds)
        self.elapsed_s += seconds

    def set_clock(self, by_s: float) -> None:
        """Somebody sets the clock on the wall."""
        self.hands.wall_s += by_s

    def silence(self, seconds: float) -> None:
        """So long nothing comes of the sensor."""
        for _ in range(round(seconds)):
            self.forward(1.0)
            self.second()

    def second(self) -> None:
        """Each second: whatever is due is done, in the loop, in the memory, on the disk."""
        self._second_s = self.elapsed_s + 1.0
        self.settle()
        memory, service = self.service.memory, self.service
        assert memory is not None
        before = self._rounds
        memory.store.work.set()
        self.until(lambda: self._rounds > before)
        service.automation._disk.submit(lambda: None).result(WITHIN_S)
        self.settle()
        until_s = time.monotonic() + NETWORK_S
        while self.acting and time.monotonic() < until_s:
            time.sleep(0.001)
        self.stores.add(memory.store.state.name)
        self.healths.add(str(memory.health.report.state))
        wrong = [line for line in self.said if _A_MISTAKE.match(line)]
        assert not wrong, wrong
        if self.failure is not None:
            raise self.failure

    @property
    def acting(self) -> bool:
        """A Routine is doing something that is not merely a wait."""
        runner = self.service.automation._runner
        return len(runner._tasks) > len(runner._waits)

    def settle(self) -> None:
        """The loop has seen what came so far."""
        self._since_settled = 0
        self.call(lambda: None)

    def call(self, function: Callable[[], T]) -> T:
        """In the loop."""

        async def calling() -> T:
            return function()

        return self.service._house.wait_for(calling(), WITHIN_S)

    def until(self, holds: Callable[[], object]) -> None:
        """Wait for another thread; no simulated time passes."""
        until_s = time.monotonic() + WITHIN_S
        while not holds():
            assert time.monotonic() < until_s, self.said[-5:]
            time.sleep(0.0002)

    def sensor_is_there(self, other_than: ClockworkSensor | None = None) -> None:
        """One runs, and it is another one."""
        self.until(lambda: self.sensor is not other_than and self.sensor is not None and self.sensor.runs)

    @property
    def sensor(self) -> Any:
        return self.service.sensor

    @property
    def health(self) -> str:
        return str(self.call(self.service.health).state)
