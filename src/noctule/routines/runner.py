"""Executes what the engine decides: one task a run, and an action that fails harms nobody."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from noctule.routines.actions.wait import Wait
from noctule.routines.engine import Engine, Event
from noctule.routines.memory import Run
from noctule.routines.schema import Routine, Step
from noctule.routines.tools import ActionError, Tools
from noctule.routines.verdict import Done, Entry, Verdict

#: While nothing is decided the snapshot is kept so often: a kill loses at most so much of the last motion.
KEEP_EVERY_S = 1.0

Keep = Callable[[Mapping[str, Any]], Awaitable[None] | None]
Tell = Callable[[Entry], None]

log = logging.getLogger(__name__)


class Runner:
    """Feeds events to the engine and runs actions. Everything is called from one event loop.

    A snapshot is kept before an action begins: killed at any moment, no action is done twice, at the price
    that the one under way at that moment may be lost.

    Parameters
    ----------
    keep : takes the engine's snapshot; what it raises is logged. Where it gives back something to await, an
        action waits for that; it must not fail.
    tell : takes each line of the log.
    """

    def __init__(
        self, engine: Engine, tools: Tools, *, keep: Keep | None = None, tell: Tell | None = None
    ) -> None:
        self._engine, self._tools = engine, tools
        self._keep, self._tell = keep, tell
        self._kept_s = float("-inf")
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._waits: dict[int, tuple[Run, asyncio.Event]] = {}

    def handle(self, event: Event) -> list[Verdict]:
        """Take an event; runs begin with the loop's next turn."""
        verdicts = self._engine.handle(event)
        self._keep_snapshot(bool(verdicts))
        for run, over in self._waits.values():
            if self._engine.wait_is_over(run):
                over.set()
        for verdict in verdicts:
            self._say(verdict)
            if verdict.run is not None and not verdict.run.queued:
                self._start(verdict.run, [self._tasks[n] for n in verdict.replaced if n in self._tasks])
        return verdicts

    def resume(self) -> None:
        """Go on with the runs of a restored snapshot."""
        for run in self._engine.runs:
            if not run.queued and run.number not in self._tasks:
                self._start(run, [])

    def set_routines(self, routines: Iterable[Routine]) -> None:
        """Others from now on; runs of those that are gone end."""
        self._engine.set_routines(routines)
        wanted = {run.number for run in self._engine.runs}
        for number, task in self._tasks.items():
            if number not in wanted:
                task.cancel()

    def set_tools(self, tools: Tools) -> None:
        """Others from the next action on."""
        self._tools = tools

    async def test(self, routine: Routine) -> list[Done]:
        """Run the actions of a Routine now, whatever its conditions say; its timers do not notice."""
        results = []
        for index, step in enumerate(routine.then):
            if isinstance(step.action, Wait):
                await asyncio.sleep(step.action.for_s)
            results.append(await self._do(routine, index, step))
            if not results[-1].ok and step.on_error == "stop":
                break
        return results

    async def idle(self) -> None:
        """Until nothing runs."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    async def close(self) -> None:
        """Stop everything at once; the snapshot knows how far each run was."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if (kept := self._keep_snapshot(now=True)) is not None:
            await kept

    def _start(self, run: Run, replaced: list[asyncio.Task[None]]) -> None:
        task = asyncio.get_running_loop().create_task(self._execute(run, replaced))
        self._tasks[run.number] = task
        task.add_done_callback(lambda _: self._tasks.pop(run.number, None))

    async def _execute(self, run: Run, replaced: list[asyncio.Task[None]]) -> None:
        for task in replaced:  # what it began is ended first: a voice must not talk over itself
            task.cancel()
        await asyncio.gather(*replaced, return_exceptions=True)
        if run.until_s is not None:  # it waited when the process ended
            await self._wait(run)
        routine = self._engine.routines[run.routine]
        while run.next_step < len(routine.then):
            index = self._engine.begin_step(run)
            step = routine.then[index]
            if isinstance(step.action, Wait):
                self._engine.begin_wait(run, step.action.for_s)
                self._keep_snapshot(now=True)
                await self._wait(run)
            elif (kept := self._keep_snapshot(now=True)) is not None:
                await kept
            done = await self._do(routine, index, step)
            if not done.ok and step.on_error == "stop":
                break
        following = self._engine.finish(run)
        self._keep_snapshot(now=True)
        if following is not None:
            self._start(following, [])

    async def _wait(self, run: Run) -> None:
        """Until the engine's clock says so; `handle` looks at each event."""
        over = asyncio.Event()
        self._waits[run.number] = (run, over)
        if self._engine.wait_is_over(run):
            over.set()
        try:
            await over.wait()
        finally:
            del self._waits[run.number]

    async def _do(self, routine: Routine, index: int, step: Step) -> Done:
        """One action; whatever goes wrong is a line of the log."""
        ok, what = await self._attempt(step)
        done = Done(self._engine.local(), routine, index, ok, what)
        self._say(done)
        return done

    async def _attempt(self, step: Step) -> tuple[bool, str]:
        action = step.action
        if isinstance(action, Wait):
            return True, f"waited {action.in_words().removeprefix('wait ')}"
        limit_s = step.timeout_s or action.timeout_s
        limit = asyncio.timeout(limit_s)
        try:
            async with limit:
                return True, await action.run(self._tools)
        except TimeoutError:
            return False, f"not done within {limit_s:g} s" if limit.expired() else "timed out"
        except ActionError as error:
            return False, str(error)
        except Exception as error:
            log.debug("an action failed", exc_info=True)
            return False, f"{type(error).__name__}: {error}".strip(": ")

    def _keep_snapshot(self, now: bool) -> Awaitable[None] | None:
        if self._keep is None:
            return None
        if not now and abs(self._engine.now_s - self._kept_s) < KEEP_EVERY_S:
            return None
        self._kept_s = self._engine.now_s
        try:
            return self._keep(self._engine.snapshot())
        except Exception as error:  # a full disk must not keep the light from going on
            log.error("the state of Routines could not be kept: %s", error)
            return None

    def _say(self, entry: Entry) -> None:
        if self._tell is None:
            return
        with contextlib.suppress(Exception):
            self._tell(entry)
