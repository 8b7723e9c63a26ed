"""The home's MQTT broker, whichever it is now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from noctule.routines.mqtt_link import MqttLink, NoBroker
from noctule.routines.settings import MqttBroker
from noctule.routines.tools import Publisher


class Broker:
    """A publisher for actions that stays the same while the connection behind it changes.

    Parameters
    ----------
    heard : takes topic and message.
    """

    def __init__(self, heard: Callable[[str, str], None]) -> None:
        self._heard = heard
        self._link: Publisher = NoBroker()
        self._task: asyncio.Task[None] | None = None
        self._used: tuple[MqttBroker | None, frozenset[str]] = (None, frozenset())

    async def publish(self, topic: str, payload: str, *, qos: int, retain: bool) -> None:
        """As `MqttLink.publish`."""
        await self._link.publish(topic, payload, qos=qos, retain=retain)

    def use(self, broker: MqttBroker | None, topics: Iterable[str]) -> None:
        """Be connected to this one from now on, and listen to these topics; None: to none."""
        wanted = (broker, frozenset(topics))
        if wanted == self._used:
            return
        self._used = wanted
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._link = NoBroker()
        if broker is not None:
            self._link = link = MqttLink(broker, wanted[1], self._heard)
            self._task = asyncio.get_running_loop().create_task(link.run())

    async def close(self) -> None:
        """Hang up."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
