"""A house for tests: a clock that is set by hand, a sensor that says what it is told, tools that remember."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from noctule.routines import Engine, Home, RoutineFile, Sensed, Tick, Tools, Verdict, parse_routines
from noctule.routines.tools import Facts

#: A Monday in Berlin, where the sun sets at 15:56.
BERLIN = {"latitude": 52.52, "longitude": 13.405, "time_zone": "Europe/Berlin"}
MONDAY_NOON = datetime.fromisoformat("2026-11-30T12:00:00+01:00").timestamp()
STEP_S = 0.5


@dataclass
class HandClock:
    """Both clocks, moved by hand."""

    wall: float = MONDAY_NOON
    steady: float = 1000.0

    def wall_s(self) -> float:
        return self.wall

    def monotonic_s(self) -> float:
        return self.steady

    def advance(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds

    def reads(self, text: str) -> None:
        """Move on to a moment (ISO 8601)."""
        self.advance(datetime.fromisoformat(text).timestamp() - self.wall)


def parsed(text: str, **home: object) -> RoutineFile:
    found = parse_routines(text, environment={})
    return RoutineFile(Home.model_validate(BERLIN | home), found.routines)


@dataclass
class House:
    """Routines, a clock and a sensor. `log` has every verdict in words, `ran` the names of what ran."""

    text: str
    clock: HandClock = field(default_factory=HandClock)
    snapshot: Mapping[str, object] | None = None
    log: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        found = parsed(self.text)
        self.engine = Engine(found.routines, found.home, self.clock)
        if self.snapshot is not None:
            self.engine.restore(self.snapshot)

    def sense(
        self,
        motion: Literal["none", "minor", "major"] = "none",
        presence: bool | None = None,
        sight: Literal["looking", "pause", "blind"] = "looking",
        seconds: float = STEP_S,
    ) -> list[Verdict]:
        """So long the sensor says so, a record every half a second; all that was decided."""
        verdicts = []
        for _ in range(round(seconds / STEP_S)):
            verdicts += self._note(self.engine.handle(Sensed(motion, presence, sight)))
            self.clock.advance(STEP_S)
        return verdicts

    def quiet(self, seconds: float) -> list[Verdict]:
        return self.sense(seconds=seconds)

    def tick(self) -> list[Verdict]:
        return self._note(self.engine.handle(Tick()))

    def restarted(self, down_s: float) -> House:
        """Killed and started again so much later; the steady clock begins anew."""
        snapshot = self.engine.snapshot()
        clock = HandClock(self.clock.wall + down_s, 0.0)
        return House(self.text, clock, snapshot, self.log, self.ran)

    def finish_all(self) -> None:
        for run in list(self.engine.runs):
            self.engine.finish(run)

    def _note(self, verdicts: list[Verdict]) -> list[Verdict]:
        self.log += [verdict.text for verdict in verdicts]
        self.ran += [verdict.routine.name for verdict in verdicts if verdict.runs]
        return verdicts


class Remembers:
    """Publisher, player and voice at once; `did` has what they were asked, in order."""

    def __init__(self) -> None:
        self.did: list[str] = []
        #: what playing waits for
        self.silence: Callable[[], Awaitable[object]] | None = None

    async def publish(self, topic: str, payload: str, *, qos: int, retain: bool) -> None:
        self.did.append(f"{topic}={payload}")

    async def play(self, source: Path | str) -> None:
        self.did.append(f"play {source if isinstance(source, str) else source.name}")
        if self.silence is not None:
            try:
                await self.silence()
            except asyncio.CancelledError:
                self.did.append("stopped")
                raise

    async def speak(self, text: str, file: Path) -> None:
        self.did.append(f"speak {text}")
        file.write_bytes(b"")


def tools_of(home: Home, does: Remembers, facts: Mapping[str, Facts] | None = None) -> Tools:
    now = datetime.fromisoformat("2026-11-30T19:42:00+01:00")
    return Tools(home=home, publisher=does, player=does, speech=does, facts=facts or {}, now=lambda: now)


async def breathe() -> None:
    """Let every task go as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)
