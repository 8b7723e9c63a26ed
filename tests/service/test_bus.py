"""The bus: everybody hears what they asked for, and nobody who is slow keeps others waiting."""

from __future__ import annotations

import asyncio
import threading

import pytest

from noctule.service.bus import MOST_KEPT, Bus, Message, Row


async def heard(bus: Bus, *kinds: str, count: int) -> list[Message]:
    with bus.subscribe(*kinds) as subscription:  # type: ignore[arg-type]
        return [await anext(subscription) for _ in range(count)]


def test_readers_hear_only_their_kinds_in_order() -> None:
    async def go() -> None:
        bus = Bus()
        reading = asyncio.create_task(heard(bus, "record", "event", count=3))
        await asyncio.sleep(0)
        for kind, body in (("record", 1), ("row", 2), ("event", 3), ("record", 4)):
            bus.publish(kind, body)  # type: ignore[arg-type]
        assert [(one.kind, one.body) for one in await reading] == [("record", 1), ("event", 3), ("record", 4)]

    asyncio.run(go())


def test_a_slow_reader_loses_the_oldest_and_may_know_how_many() -> None:
    async def go() -> None:
        bus = Bus()
        with bus.subscribe("row", most=4) as slow, bus.subscribe("row", most=64) as quick:
            for k in range(10):
                bus.publish("row", k)
            assert slow.lost == 6
            assert [(await anext(slow)).body for _ in range(4)] == [6, 7, 8, 9]
            assert quick.lost == 0
            assert (await anext(quick)).body == 0
            bus.publish("row", 10)
            assert (await anext(slow)).body == 10
            assert slow.lost == 6

    asyncio.run(go())


def test_the_newest_of_each_kind_is_known_to_those_who_come_late() -> None:
    async def go() -> None:
        bus = Bus()
        assert bus.latest("health") is None
        bus.publish("health", {"state": "alarmed"})
        bus.publish("health", {"state": "healthy"})
        assert bus.latest("health") == {"state": "healthy"}
        with bus.subscribe("health") as subscription:
            bus.publish("health", {"state": "failed"})
            assert (await anext(subscription)).body == {"state": "failed"}  # nothing from before it asked

    asyncio.run(go())


def hand_in(bus: Bus) -> None:
    for k in range(500):
        bus.publish_from_thread("record", k)


def test_another_thread_hands_in_and_never_waits() -> None:
    async def go() -> None:
        bus = Bus()
        with bus.subscribe("record", most=1000) as subscription:
            thread = threading.Thread(target=hand_in, args=(bus,))
            thread.start()
            thread.join()  # the loop stands still meanwhile: whoever waited for it would hang here
            assert [(await anext(subscription)).body for _ in range(500)] == list(range(500))

    asyncio.run(go())


def test_a_thread_that_comes_after_the_end_meets_silence() -> None:
    async def make() -> Bus:
        return Bus()

    asyncio.run(make()).publish_from_thread("record", 1)


def test_reading_ends_with_the_bus_and_what_waited_is_still_read() -> None:
    async def go() -> None:
        bus = Bus()
        with bus.subscribe("event") as subscription:
            bus.publish("event", 1)
            bus.close()
            assert [message.body async for message in subscription] == [1]

    asyncio.run(go())


def test_whoever_has_left_gets_nothing_and_costs_nothing() -> None:
    async def go() -> None:
        bus = Bus()
        with pytest.raises(ZeroDivisionError), bus.subscribe("row", most=1) as subscription:
            raise ZeroDivisionError
        bus.publish("row", 1)
        bus.publish("row", 2)
        assert subscription.lost == 0
        with pytest.raises(StopAsyncIteration):
            await anext(subscription)

    asyncio.run(go())


def test_records_and_rows_of_the_last_half_minute_are_kept_in_order() -> None:
    now_s = 0.0
    bus = Bus(monotonic=lambda: now_s)
    for k in range(100):
        now_s = float(k)
        bus.publish("row", k)
        bus.publish("record", -k)
        bus.publish("event", "never")
    assert [one.body for one in bus.past(["row", "event"])] == list(range(70, 100))
    assert [one.body for one in bus.past(["row", "record"], 2.0)] == [98, -98, 99, -99]
    assert [one.body for one in bus.past(["row"], 1000.0)] == list(range(70, 100))
    now_s = 200.0
    assert bus.past(["row", "record"]) == []


def test_what_is_kept_has_an_end_however_much_comes() -> None:
    bus = Bus(monotonic=lambda: 0.0)
    for k in range(MOST_KEPT + 10):
        bus.publish("row", k)
    assert len(bus.past(["row"])) == MOST_KEPT


def test_a_stream_that_begins_anew_has_no_past() -> None:
    bus = Bus(monotonic=lambda: 0.0)
    for time_s in (5.0, 6.0, 0.0, 1.0):
        bus.publish("row", Row(time_s, b""))
    assert [one.body.time_s for one in bus.past(["row"])] == [0.0, 1.0]
