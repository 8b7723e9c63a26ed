"""The bus, followed by a page for as long as a browser looks at it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from nicegui import background_tasks, helpers, ui

from noctule.service.bus import Bus, Kind, Message


def follow(
    bus: Bus, handler: Callable[[Message], Awaitable[None] | None], *kinds: Kind, most: int = 64
) -> None:
    """Call `handler` with every message of these kinds from when the browser is connected until it is gone.

    It may change elements; to make new ones it enters their container first. A page that is slower than the
    bus loses the oldest messages.
    """
    client = ui.context.client
    tasks: list[asyncio.Task[None]] = []

    async def read() -> None:
        with bus.subscribe(*kinds, most=most) as messages:
            async for message in messages:
                with client:
                    result = handler(message)
                    if helpers.should_await(result):
                        await result

    def begin() -> None:
        if not tasks:  # a browser that comes back connects again
            tasks.append(background_tasks.create(read(), name=f"follow {' '.join(kinds)}"))

    def end() -> None:
        for task in tasks:
            task.cancel()

    client.on_connect(begin)
    client.on_delete(end)
