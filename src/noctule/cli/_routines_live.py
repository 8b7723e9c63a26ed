"""The loop of `noctule routines run`: records in, Routines out."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from noctule.core.errors import NoctuleError
from noctule.routines import Engine, MqttState, RoutineFile, Runner, Sensed, Tick
from noctule.routines.clock import RecordClock
from noctule.routines.mqtt_link import MqttLink
from noctule.routines.records import read_record
from noctule.routines.standalone import machine_tools
from noctule.routines.state_file import StateFile
from noctule.routines.verdict import Entry

#: Timers are as exact as this where no records come, seconds.
TICK_S = 0.25
#: Without a record for so long, nobody looks: silence is no proof then.
STALLED_S = 5.0
#: What the broker keeps of topics has come by then, or there is no broker: the sensor is not kept waiting.
BROKER_WITHIN_S, RETAINED_WITHIN_S = 3.0, 0.3
#: So many lines are read ahead.
READ_AHEAD = 256


class Lines:
    """Lines of a file, read in a thread, for a pipe may be silent as long as it likes.

    The thread closes the file: whoever else did would wait for the read that is under way.
    """

    def __init__(self, file: TextIO) -> None:
        self._queue: asyncio.Queue[str | Exception | None] = asyncio.Queue()
        self._room = threading.Semaphore(READ_AHEAD)
        self._loop = asyncio.get_running_loop()
        self._closed = False
        threading.Thread(target=self._read, args=(file,), name="records", daemon=True).start()

    async def next(self) -> str | None:
        """The next line; None: there are no more. Whoever has dealt with one says `done`.

        Raises
        ------
        NoctuleError
            The file cannot be read on, or holds no text.
        """
        line = await self._queue.get()
        if isinstance(line, Exception):
            raise NoctuleError(f"the records cannot be read ({line})")
        return line

    def done(self) -> None:
        self._room.release()

    def close(self) -> None:
        """Nobody asks any more; the thread ends with the next line."""
        self._closed = True
        self._room.release()

    def _read(self, file: TextIO) -> None:
        with file:
            try:
                for line in file:
                    self._room.acquire()
                    if self._closed:
                        return
                    self._give(line)
                self._give(None)
            except (OSError, ValueError) as error:  # among them: bytes that are no text
                self._give(error)

    def _give(self, line: str | Exception | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody asks any more
            self._loop.call_soon_threadsafe(self._queue.put_nowait, line)


class Live:
    """Reads records until they end, then lets what runs finish.

    Parameters
    ----------
    found : home and Routines.
    state : where timers outlive a restart; None: they do not.
    tell : takes each line of the log; what it raises ends everything.
    """

    def __init__(self, found: RoutineFile, state: Path | None, tell: Callable[[Entry], None]) -> None:
        self._home, self._tell = found.home, tell
        self._clock = RecordClock()
        self._engine = Engine(found.routines, found.home, self._clock)
        self._state_path, self._state = state, StateFile(state) if state else None
        # read before anything is decided: a file that cannot be used is told at once
        self._snapshot = self._state.read() if self._state else None
        self._runner: Runner | None = None
        self._failure: Exception | None = None

    async def run(self, file: TextIO) -> None:
        """Until the records end, or a signal; the file is closed.

        Raises
        ------
        NoctuleError
            A line is no record, or the snapshot is not one of ours.
        """
        async with _cancelled_by_signals(), self._broker() as link:
            runner = Runner(
                self._engine,
                machine_tools(self._home, self._clock, link),
                keep=self._state.write if self._state else None,
                tell=self._say,
            )
            lines = Lines(file)
            try:
                await self._take_all(lines, runner)
                await self._finish(runner)
            finally:
                lines.close()
                if self._runner is not None:  # else the old snapshot is still the better one
                    await runner.close()

    @contextlib.asynccontextmanager
    async def _broker(self) -> AsyncIterator[MqttLink | None]:
        """The connection to the broker, with what it keeps of the topics already heard."""
        if self._home.mqtt is None:
            yield None
            return
        link = MqttLink(self._home.mqtt, self._engine.topics, self._heard)
        task = asyncio.create_task(link.run())
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BROKER_WITHIN_S):
                    await link.connected()
                await asyncio.sleep(RETAINED_WITHIN_S if self._engine.topics else 0.0)
            yield link
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _heard(self, topic: str, payload: str) -> None:
        (self._runner or self._engine).handle(MqttState(topic, payload))

    async def _take_all(self, lines: Lines, runner: Runner) -> None:
        last, quiet_s = Sensed("none", None, "blind"), 0.0
        while self._failure is None:
            try:
                # not wait_for: where a line comes at that moment, Python 3.11 forgets that it was cancelled
                async with asyncio.timeout(TICK_S):
                    line = await lines.next()
            except TimeoutError:
                quiet_s += TICK_S
                if self._runner is not None:
                    stalled = last.sight != "blind" and quiet_s >= STALLED_S
                    last = replace(last, motion="none", sight="blind") if stalled else last
                    runner.handle(last if stalled else Tick())
                continue
            if line is None:
                break
            if (event := self._read(line)) is not None:
                last, quiet_s = event, 0.0
                if self._runner is None:
                    self._begin(runner)
                runner.handle(event)
            lines.done()
            await asyncio.sleep(0)  # lines may come faster than they are read, and actions want their turn
        if self._failure is not None:
            raise self._failure

    def _read(self, line: str) -> Sensed | None:
        """The event of a line; None for an empty one, and for the half line of a writer that was killed."""
        try:
            return read_record(line, self._clock) if line.strip() else None
        except NoctuleError:
            if line.endswith("\n"):
                raise
            return None

    def _begin(self, runner: Runner) -> None:
        """With the first record, for it sets the clock that the snapshot is seen by."""
        try:
            if self._snapshot is not None:
                self._engine.restore(self._snapshot)
        except NoctuleError as error:
            raise NoctuleError(f"{self._state_path}: {error}") from None
        self._runner = runner
        runner.resume()

    async def _finish(self, runner: Runner) -> None:
        if self._runner is None:
            return
        runner.handle(Sensed("none", None, "blind"))
        finished = asyncio.create_task(runner.idle())
        while not finished.done():
            await asyncio.wait({finished}, timeout=TICK_S)
            runner.handle(Tick())

    def _say(self, entry: Entry) -> None:
        try:
            self._tell(entry)
        except Exception as error:
            self._failure = error


@contextlib.asynccontextmanager
async def _cancelled_by_signals() -> AsyncIterator[None]:
    """Ctrl-C and SIGTERM end the block, and that is no failure."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    numbers = (signal.SIGINT, signal.SIGTERM)
    asked = False

    def stop() -> None:
        nonlocal asked
        asked = True
        task.cancel()

    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    except asyncio.CancelledError:
        if not asked:
            raise
        task.uncancel()
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
