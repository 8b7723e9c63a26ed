"""What goes on, told to everybody who wants to know: pages, the web socket, whoever comes next.

One loop publishes and reads; other threads hand in. A reader that is slow loses the oldest messages and may
know how many: nobody keeps the sensor waiting, and nobody's memory grows.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self

Kind = Literal["record", "row", "event", "health", "routine", "calibration", "settings", "stage"]

#: These are kept for so long, so that whoever begins to look sees at once what was: about 1 MB.
KEPT: tuple[Kind, ...] = ("record", "row")
PAST_S, MOST_KEPT = 30.0, 4096


@dataclass(frozen=True, slots=True)
class Message:
    """kind : what `body` is. A body belongs to everybody: nobody changes it."""

    kind: Kind
    body: Any


@dataclass(frozen=True, slots=True)
class Row:
    """Doppler of one frame that was looked at, for whoever draws it.

    power : a byte a bin, `core.power.encode_power` of `FeatureBlock.clean_power_db`; the middle one is 0 m/s.
    """

    time_s: float
    power: bytes


class Subscription:
    """Messages of some kinds, as they come: `async for message in subscription`.

    Attributes
    ----------
    lost : messages that came while too many waited, the oldest of them.
    """

    def __init__(self, kinds: frozenset[Kind], most: int) -> None:
        self.kinds, self.lost = kinds, 0
        self._waiting: deque[Message] = deque(maxlen=most)
        self._news = asyncio.Event()
        self._over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        while not self._waiting:
            if self._over:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()

    def give(self, message: Message) -> None:
        """One more; the bus calls it."""
        if len(self._waiting) == self._waiting.maxlen:
            self.lost += 1
        self._waiting.append(message)
        self._news.set()

    def close(self) -> None:
        """What waits may still be read; then it ends."""
        self._over = True
        self._news.set()


class Bus:
    """Everything but `publish_from_thread` is called in the loop.

    Parameters
    ----------
    loop : None: the one that runs now, where one does; needed by `publish_from_thread` alone.
    monotonic : seconds, for what is kept.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if loop is None:
            with contextlib.suppress(RuntimeError):
                loop = asyncio.get_running_loop()
        self._loop = loop
        self._subscriptions: list[Subscription] = []
        self._latest: dict[Kind, Any] = {}
        self._now = monotonic
        self._kept: deque[tuple[float, Message]] = deque(maxlen=MOST_KEPT)
        self._row_s = float("-inf")

    def publish(self, kind: Kind, body: Any) -> None:
        """Tell everybody."""
        self._latest[kind] = body
        message = Message(kind, body)
        if kind in KEPT:
            self._keep(message)
        for subscription in self._subscriptions:
            if kind in subscription.kinds:
                subscription.give(message)

    def publish_from_thread(self, kind: Kind, body: Any) -> None:
        """The same from another thread; never waits. After the loop's end nobody hears it."""
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self.publish, kind, body)

    def latest(self, kind: Kind) -> Any | None:
        """The newest body of a kind, None: there was none."""
        return self._latest.get(kind)

    def past(self, kinds: Collection[Kind], seconds: float = PAST_S) -> list[Message]:
        """Records and rows of the last seconds, oldest first; of the present stream only."""
        since_s = self._now() - min(seconds, PAST_S)
        return [one for at_s, one in self._kept if at_s > since_s and one.kind in kinds]

    def _keep(self, message: Message) -> None:
        now_s = self._now()
        if isinstance(message.body, Row):
            if message.body.time_s < self._row_s:  # another stream, maybe of another room
                self._kept.clear()
            self._row_s = message.body.time_s
        self._kept.append((now_s, message))
        while self._kept[0][0] <= now_s - PAST_S:
            self._kept.popleft()

    @contextlib.contextmanager
    def subscribe(self, *kinds: Kind, most: int = 64) -> Iterator[Subscription]:
        """Messages of these kinds from now on, at most `most` of them waiting."""
        subscription = Subscription(frozenset(kinds), most)
        self._subscriptions.append(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.remove(subscription)
            subscription.close()

    def close(self) -> None:
        """Nothing comes any more: every subscription ends."""
        for subscription in self._subscriptions:
            subscription.close()
