"""A connection to the MQTT broker that comes back by itself."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from noctule.routines.settings import MqttBroker
from noctule.routines.tools import ActionError

#: Tries follow each other so far apart, doubled from the first to the last, seconds.
FIRST_RETRY_S, LAST_RETRY_S = 1.0, 30.0

if TYPE_CHECKING:
    import aiomqtt

log = logging.getLogger(__name__)


class MqttLink:
    """Publishes for actions, and listens to topics for conditions. `run` keeps it connected.

    Parameters
    ----------
    topics : to listen to.
    heard : takes topic and message, in the loop of `run`.
    """

    def __init__(
        self, broker: MqttBroker, topics: Iterable[str] = (), heard: Callable[[str, str], None] | None = None
    ) -> None:

        self._broker, self._topics, self._heard = broker, sorted(topics), heard
        self._client: aiomqtt.Client | None = None
        self._connected = asyncio.Event()

    async def publish(self, topic: str, payload: str, *, qos: int, retain: bool) -> None:
        """Publish, after connecting where that is still under way; the caller limits the time.

        Raises
        ------
        ActionError
            The broker went away meanwhile.
        """
        import aiomqtt

        await self._connected.wait()
        assert self._client is not None
        try:
            await self._client.publish(topic, payload, qos=qos, retain=retain)
        except aiomqtt.MqttError as error:
            raise ActionError(f"the broker at {self._where} did not take it ({error})") from None

    async def connected(self) -> None:
        """Until the broker is there."""
        await self._connected.wait()

    async def run(self) -> None:
        """Stay connected until cancelled."""
        import aiomqtt

        retry_s, silent = FIRST_RETRY_S, False
        while True:
            try:
                async with self._new_client() as client:
                    await self._serve(client)
            except aiomqtt.MqttError as error:
                if self._connected.is_set():
                    retry_s, silent = FIRST_RETRY_S, False
                if not silent:  # once an outage
                    log.warning("no MQTT broker at %s (%s); trying again", self._where, error)
                silent = True
            finally:
                self._connected.clear()
                self._client = None
            await asyncio.sleep(retry_s)
            retry_s = min(2 * retry_s, LAST_RETRY_S)

    async def _serve(self, client: aiomqtt.Client) -> None:
        for topic in self._topics:
            await client.subscribe(topic, qos=1)
        self._client = client
        self._connected.set()
        async for message in client.messages:
            if self._heard is not None:
                self._heard(str(message.topic), _text(message.payload))

    def _new_client(self) -> aiomqtt.Client:
        import aiomqtt

        broker = self._broker
        return aiomqtt.Client(
            broker.host,
            broker.port,
            username=broker.username,
            password=broker.password.get_secret_value() if broker.password else None,
            tls_context=ssl.create_default_context() if broker.tls else None,
        )

    @property
    def _where(self) -> str:
        return f"{self._broker.host}:{self._broker.port}"


def _text(payload: object) -> str:
    return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else str(payload or "")


class NoBroker:
    """Where no broker is named."""

    async def publish(self, topic: str, payload: str, *, qos: int, retain: bool) -> None:
        raise ActionError("there is no broker: say `mqtt` in `home`")
