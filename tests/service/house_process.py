"""Routines in a process that may be killed: its arguments are the folder, and for how long and when again
somebody moves, in seconds.

Records come 20 times a second. What actions publish is a line of `done.txt`: when, and what.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from tests.service.made_up import record

from noctule.service.automation import Automation
from noctule.service.bus import Bus


class Paper:
    """A broker that writes down what it is told."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def publish(self, topic: str, payload: str, *, qos: int, retain: bool) -> None:
        with self._path.open("a") as file:
            file.write(f"{time.time()} {topic}\n")


async def live(folder: Path, moves_for_s: float, again_at_s: float) -> None:
    automation = Automation(
        folder / "routines.yaml", folder, bus=Bus(), publisher=Paper(folder / "done.txt"), warn=print
    )
    automation.open()
    ticking = asyncio.create_task(automation.run())
    start_s = time.monotonic()
    while not ticking.done():
        since_s = time.monotonic() - start_s
        moves = since_s < moves_for_s or since_s >= again_at_s
        automation.take(record(since_s, presence=True, motion="major" if moves else "none"))
        await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(live(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
