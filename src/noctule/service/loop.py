"""The house: one asyncio loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """A loop that runs from `start` to `stop`.

    Attributes
    ----------
    loop : for `call_soon_threadsafe`.
    """

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="house", daemon=True)
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        self._thread.start()

    def wait_for(self, work: Coroutine[Any, Any, T], seconds: float | None = None) -> T:
        """From another thread: do it in the loop, and give what came of it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds)

    def begin(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """In the loop: something that goes on until it is done, or until `stop`."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def cancel(self) -> None:
        """In the loop: end what goes on."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self) -> None:
        """From another thread: cancel what goes on, and end."""
        if self._thread.is_alive():
            self.wait_for(self._end())
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()
        self.loop.close()

    async def _end(self) -> None:
        await self.cancel()
        others = asyncio.all_tasks() - {
            asyncio.current_task()
        }  # of libraries, as the pings of the web server
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self.loop.shutdown_asyncgens()
        await self.loop.shutdown_default_executor()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
