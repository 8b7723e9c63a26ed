"""A real broker: what is published arrives, what is asked for is heard, and a broker may go away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiomqtt
import pytest
from tests.brokers import Broker
from tests.ports import free_port
from tests.routines.house import BERLIN, HandClock, Remembers, parsed, tools_of

from noctule.routines import ActionError, Engine, Home, MqttState
from noctule.routines.mqtt_link import MqttLink, NoBroker
from noctule.routines.schema import Step
from noctule.routines.settings import MqttBroker

LIMIT_S = 20.0


@contextlib.asynccontextmanager
async def running(link: MqttLink) -> AsyncIterator[None]:
    task = asyncio.create_task(link.run())
    try:
        async with asyncio.timeout(LIMIT_S):
            yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_light_and_mqtt_arrive(broker: Broker) -> None:
    async def scene() -> list[tuple[str, str, bool]]:
        link = MqttLink(broker.settings)
        tools = tools_of(Home.model_validate(BERLIN), Remembers())
        object.__setattr__(tools, "publisher", link)
        steps = (
            {"light": {"topic": "z/lamp/set"}},
            {"mqtt": {"topic": "z/text", "payload": "Grüße", "qos": 0}},
            {"mqtt": {"topic": "z/kept", "payload": [1, True], "qos": 2, "retain": True}},
        )
        heard = []
        async with (
            running(link),
            aiomqtt.Client("127.0.0.1", broker.settings.port) as other,
        ):
            await other.subscribe("z/#")
            for step in steps:
                await Step.model_validate(step).action.run(tools)
            async for message in other.messages:
                assert isinstance(message.payload, bytes)
                heard.append((str(message.topic), message.payload.decode(), bool(message.retain)))
                if len(heard) == 3:
                    break
        async with aiomqtt.Client("127.0.0.1", broker.settings.port) as late:
            await late.subscribe("z/#")
            message = await anext(aiter(late.messages))
            heard.append((str(message.topic), "kept", bool(message.retain)))
        return heard

    assert asyncio.run(scene()) == [
        ("z/lamp/set", '{"state": "ON"}', False),
        ("z/text", "Grüße", False),
        ("z/kept", "[1, true]", False),
        ("z/kept", "kept", True),
    ]


def test_the_state_of_a_topic_reaches_the_engine_retained_or_new(broker: Broker) -> None:
    async def scene() -> None:
        async with aiomqtt.Client("127.0.0.1", broker.settings.port) as other:
            await other.publish("home/alarm", "off", retain=True)
        asks = "only_if: {mqtt: {topic: home/alarm, is: off}}"
        found = parsed(f"- {{name: r, when: {{motion: detected}}, {asks}, then: [{{wait: 1s}}]}}")
        engine = Engine(found.routines, found.home, HandClock())
        heard = asyncio.Event()

        def take(topic: str, payload: str) -> None:
            engine.handle(MqttState(topic, payload))
            heard.set()

        async with running(MqttLink(broker.settings, engine.topics, take)):
            await heard.wait()
            assert engine.dry_run(motion="major")[0].runs
            heard.clear()
            async with aiomqtt.Client("127.0.0.1", broker.settings.port) as other:
                await other.publish("home/alarm", "on")
            await heard.wait()
            assert not engine.dry_run(motion="major")[0].runs

    asyncio.run(scene())


def test_a_broker_that_went_away_comes_back(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noctule.routines.mqtt_link.FIRST_RETRY_S", 0.05)

    async def publish_for_ever(link: MqttLink) -> None:
        while True:  # until the connection is known to be gone, then in vain
            await link.publish("z/a", "2", qos=1, retain=False)

    async def scene() -> None:
        link = MqttLink(broker.settings, ["z/back"], lambda topic, payload: heard.append(payload))
        heard: list[str] = []
        async with running(link):
            await link.publish("z/a", "1", qos=1, retain=False)
            await asyncio.to_thread(broker.stop)
            with pytest.raises((ActionError, TimeoutError)):
                await asyncio.wait_for(publish_for_ever(link), 0.3)
            await asyncio.to_thread(broker.start)
            await link.publish("z/back", "3", qos=1, retain=False)
            while not heard:
                await asyncio.sleep(0.01)
            assert heard == ["3"]

    asyncio.run(scene())


def test_no_broker_keeps_nobody_waiting() -> None:
    async def scene() -> None:
        with pytest.raises(ActionError, match="say `mqtt` in `home`"):
            await NoBroker().publish("a", "b", qos=1, retain=False)
        link = MqttLink(MqttBroker(host="127.0.0.1", port=free_port()))
        async with running(link):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await link.publish("a", "b", qos=1, retain=False)

    asyncio.run(scene())
