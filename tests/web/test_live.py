"""The stream: what comes, in which form, and what becomes of those who read slowly."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.web.browser import Served
from tests.web.house import moving, record, row
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from noctule.web.live import KINDS, MOST_WAITING


@pytest.fixture
def stream(home: Served) -> Iterator[Any]:
    """Opens streams of some kinds."""
    with contextlib.ExitStack() as opened:

        def begin(kinds: str) -> ClientConnection:
            address = f"{home.url.replace('http', 'ws')}/api/v1/live?kinds={kinds}"
            return opened.enter_context(connect(address))

        yield begin


def told(stream: ClientConnection, kind: str) -> Any:
    """The next body of a kind."""
    for _ in range(2000):
        said = stream.recv(timeout=10.0)
        if isinstance(said, str) and (message := json.loads(said))["kind"] == kind:
            return message["body"]
    raise AssertionError(f"no {kind}")


def test_the_newest_record_comes_at_once_and_then_each(home: Served, stream: Any) -> None:
    listening = stream("record")
    before = told(listening, "record")
    home.house.say(moving(0.0))
    while not told(listening, "record")["presence"]:
        pass
    assert set(before) >= {"t", "time", "motion", "carrier_hz", "emission_share"}
    home.house.say(record(0.0))


def test_only_what_was_asked_for_comes(home: Served, stream: Any) -> None:
    listening = stream("settings,routine")
    home.house.say(moving(0.0))
    home.do(lambda: home.house.change_settings({"presence": {"hold_s": 4.0}}))
    assert json.loads(listening.recv(timeout=10.0)) == {
        "kind": "settings",
        "body": {"presence": {"hold_s": 4.0}},
    }
    home.do(lambda: home.house.change_settings({"presence": {"hold_s": None}}))
    home.house.say(record(0.0))


def test_rows_are_binary(home: Served, stream: Any) -> None:
    listening = stream("row")
    deadline = time.monotonic() + 10.0
    said: Any = None
    while said is None and time.monotonic() < deadline:
        home.house.say(moving(0.0), 1.0)
        try:
            said = listening.recv(timeout=0.2)
        except TimeoutError:
            continue
    assert isinstance(said, bytes)
    (time_s,) = struct.unpack("<d", said[:8])
    assert time_s == pytest.approx(home.house.sensor.time_s, abs=2.0)
    assert len(said) == 8 + 241
    assert max(said[8:]) == max(said[8 + 120 + 15 : 8 + 120 + 26])  # about +1 m/s
    home.house.say(record(0.0))


@pytest.mark.parametrize("kinds", ["", "records", "record,nothing", "record;row"])
def test_kinds_that_are_none_are_refused(stream: Any, kinds: str) -> None:
    with pytest.raises(ConnectionClosed) as closed:
        stream(kinds).recv(timeout=10.0)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert "record" in closed.value.rcvd.reason


def test_all_kinds_together(home: Served, stream: Any) -> None:
    listening = stream(",".join(KINDS))
    home.do(lambda: home.house.bus.publish("stage", {"on": {}}))
    assert told(listening, "stage") == {"on": {}}


def test_a_slow_reader_loses_the_oldest_and_is_told_how_many(home: Served) -> None:
    """It is a plain socket with little room: what does not fit waits in the bus, and only so much of it."""
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", home.port))
        with connect(
            f"ws://127.0.0.1:{home.port}/api/v1/live?kinds=row,stage", sock=raw, max_queue=1
        ) as listening:
            home.do(lambda: home.house.bus.publish("stage", {"number": -1}))
            assert told(listening, "stage") == {"number": -1}
            rows = 0
            waiting = home.house.bus._subscriptions
            lost_before = sum(one.lost for one in waiting)
            while sum(one.lost for one in waiting) - lost_before < 500:
                home.do(lambda: [home.house.bus.publish("row", row(float(k))) for k in range(200)])
                rows += 200
                assert rows < 200_000, "nothing was lost"
            assert all(len(one._waiting) <= MOST_WAITING for one in waiting)
            home.do(lambda: home.house.bus.publish("stage", {"number": 1}))
            seen = lost = 0
            while True:
                said = listening.recv(timeout=10.0)
                if isinstance(said, bytes):
                    seen += 1
                elif (message := json.loads(said))["kind"] == "lost":
                    lost += message["body"]
                elif message["body"] == {"number": 1}:
                    break
    assert lost >= 500
    assert seen + lost == rows  # each is seen, or told to be lost


def test_who_goes_away_is_forgotten(home: Served, stream: Any) -> None:
    before = len(home.house.bus._subscriptions)
    listening = stream("record")
    told(listening, "record")
    assert len(home.house.bus._subscriptions) == before + 1
    listening.close()
    deadline = time.monotonic() + 10.0
    while len(home.house.bus._subscriptions) > before:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_past_comes_first_and_goes_over_into_the_present(home: Served, stream: Any) -> None:
    home.do(lambda: home.house.bus.publish("stage", {"over": "there"}))
    home.do(lambda: [home.house.bus.publish("row", row(1000.0 + k)) for k in range(200)])
    listening = stream("row,stage&past_s=30")
    first = json.loads(listening.recv(timeout=10.0))
    assert first["kind"] == "past"
    assert first["body"]["run"] == home.house.started.isoformat()
    past = [listening.recv(timeout=10.0) for _ in range(first["body"]["messages"])]
    times = [struct.unpack("<d", one[:8])[0] for one in past][-200:]
    assert times == [1000.0 + k for k in range(200)]
    home.do(lambda: home.house.bus.publish("row", row(1200.0)))
    assert struct.unpack("<d", listening.recv(timeout=10.0)[:8]) == (1200.0,)


@pytest.mark.parametrize("past_s", ["-1", "31", "nan", "x"])
def test_a_past_that_nobody_keeps_is_refused(stream: Any, past_s: str) -> None:
    with pytest.raises((ConnectionClosed, InvalidStatus)):
        stream(f"row&past_s={past_s}").recv(timeout=10.0)
