"""The guided tour of the demo: what is said, where one should look, and what happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from noctule.cli._stage import RoomStage

_TICK_S = 0.1
Look = Literal["device", "person", "fan", "curtain", "music", "lamp", "door", "verdict"]


def _nothing(stage: RoomStage) -> None: ...


@dataclass(frozen=True)
class Step:
    """One bubble.

    Attributes
    ----------
    look : what is pointed at.
    for_s : so long, to read it and to see it happen.
    until : goes on sooner than that where it holds, though not before `least_s`.
    """

    text: str
    look: Look
    for_s: float
    do: Callable[[RoomStage], None] = _nothing
    until: Callable[[RoomStage], bool] = lambda stage: False
    least_s: float = 5.0


def _empty(stage: RoomStage) -> None:
    for name in ("fan", "curtain", "cat"):
        if stage.state()["on"][name]:
            stage.switch(name, False)
    if stage.state()["music"]:
        stage.play(False)
    stage.do(0, "leave")


def _come_in(stage: RoomStage) -> None:
    x, y = stage.room.size_m[:2]
    stage.go(0, [(0.5 * x, 0.6 * y)])


def _walk_about(stage: RoomStage) -> None:
    width, depth = stage.room.size_m[:2]
    shares = ((0.75, 0.55), (0.4, 0.65), (0.7, 0.6), (0.35, 0.6))
    stage.go(0, [(a * width, b * depth) for a, b in shares])


def _quiet(stage: RoomStage) -> None:
    stage.play(False)
    stage.switch("fan", False)


STEPS: tuple[Step, ...] = (
    Step(
        "A room, seen from above. The sensor plays a tone that nobody hears and listens to what comes back. "
        "Nobody is here: the room is dark.",
        "device",
        10.0,
        _empty,
    ),
    Step(
        "Ada comes in. The sensor notices at once, and a Routine that waits for that lights the lamp.",
        "person",
        9.0,
        _come_in,
    ),
    Step(
        "Left: what is true. Right: what the sensor says. It cannot see her; it hears how fast she comes "
        "nearer or goes away.",
        "verdict",
        13.0,
        _walk_about,
    ),
    Step("She sits down ...", "person", 9.0, lambda stage: stage.do(0, "sit")),
    Step(
        "... and reads. Turning a page is enough: somebody is still here, and the lamp stays on.",
        "person",
        17.0,
        lambda stage: stage.do(0, "read"),
    ),
    Step(
        "A fan starts. Its blades move fast, yet they go nowhere: the sensor has learnt the difference.",
        "fan",
        13.0,
        lambda stage: stage.switch("fan", True),
    ),
    Step(
        "Music plays from the same loudspeaker. The sensor takes off what the music does to its tone.",
        "music",
        13.0,
        lambda stage: stage.play(True),
    ),
    Step("Music and fan stop.", "verdict", 6.0, _quiet),
    Step("Ada gets up and leaves.", "door", 11.0, lambda stage: stage.do(0, "leave")),
    Step(
        "The room is empty. The sensor waits ten seconds to be sure; then a Routine puts out the lamp.",
        "lamp",
        16.0,
        until=lambda stage: not stage.presence,
        least_s=8.0,
    ),
    Step(
        "Now you: drag Ada, draw her a path, switch things on. Try to fool the sensor.",
        "person",
        8.0,
    ),
)


class Tour:
    """Steps, one after the other; everything in the house's loop."""

    def __init__(self, stage: RoomStage) -> None:
        self._stage = stage
        self._step, self._share = 0, 0.0
        self._paused = self._skipped = False
        self._run = 0  # which of the runs is on; 0: none
        self._runs = 0

    @property
    def running(self) -> bool:
        return self._run != 0

    def state(self) -> dict[str, Any] | None:
        """For the app; None: no tour is on."""
        if not self.running:
            return None
        step = STEPS[self._step]
        return {
            "text": step.text,
            "look": step.look,
            "step": self._step + 1,
            "steps": len(STEPS),
            "share": round(self._share, 3),
            "paused": self._paused,
        }

    def pause(self, on: bool) -> None:
        self._paused = on

    def skip(self) -> None:
        self._skipped, self._paused = True, False

    def end(self) -> None:
        self._run = 0

    async def run(self) -> None:
        """From the beginning; a run that is on ends."""
        self._runs += 1
        mine = self._run = self._runs
        for self._step, step in enumerate(STEPS):
            self._share, self._paused, self._skipped = 0.0, False, False
            step.do(self._stage)
            gone_s = 0.0
            while gone_s < step.for_s and not self._skipped:
                await asyncio.sleep(_TICK_S)
                if self._run != mine:
                    return
                if self._paused:
                    continue
                gone_s += _TICK_S
                self._share = gone_s / step.for_s
                if gone_s >= step.least_s and step.until(self._stage):
                    break
        self._run = 0
