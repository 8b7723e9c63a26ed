"""The stream: `/api/v1/live?kinds=record,row`, a web socket.

Each message is JSON, `{"kind": ..., "body": ...}`, but rows are binary: a float64 of stream time, little
endian, then the bytes of the row. Who reads too slowly loses the oldest, and is told how many:
`{"kind": "lost", "body": 12}`.

With `past_s=30` records and rows of the last seconds come first, behind one message that says how many they
are, and of which run of the program: `{"kind": "past", "body": {"messages": 1240, "run": "2026-03-01T..."}}`.
"""

from __future__ import annotations

import asyncio
import json
import struct
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect

from noctule.service.bus import PAST_S, Kind, Message, Subscription
from noctule.service.service import Service
from noctule.web.api import _service

KINDS: tuple[Kind, ...] = get_args(Kind)
#: Some three seconds of records and rows.
MOST_WAITING = 128
#: Others have their turn after so many messages of the past.
SENT_AT_ONCE = 64
#: Whether they are still welcome is asked so often: a token may be revoked, a password changed.
ASK_EVERY_S = 2.0

router = APIRouter()


@router.websocket("/live")
async def live(
    socket: WebSocket,
    kinds: str = "record,event,health",
    past_s: Annotated[float, Query(ge=0.0, le=PAST_S)] = 0.0,
) -> None:
    """Messages of the bus, as they come."""
    wanted = [kind for kind in KINDS if kind in kinds.split(",")]
    unknown = sorted(set(kinds.split(",")) - set(KINDS))
    await socket.accept()
    if unknown or not wanted:
        await socket.close(1008, f"kinds are {', '.join(KINDS)}"[:120])
        return
    parts = {_hear(socket), _watch(socket), _tell(socket, _service(socket), wanted, past_s)}
    tasks = {asyncio.create_task(part) for part in parts}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        if isinstance(task.exception(), WebSocketDisconnect):
            return
        task.result()


async def _tell(socket: WebSocket, service: Service, kinds: list[Kind], past_s: float) -> None:
    bus = service.bus
    with bus.subscribe(*kinds, most=MOST_WAITING) as messages:
        if past_s > 0.0:
            past = bus.past(kinds, past_s)  # up to where the subscription begins
            await socket.send_text(_text("past", {"messages": len(past), "run": service.started.isoformat()}))
            for number, message in enumerate(past, 1):
                await _send(socket, message)
                if number % SENT_AT_ONCE == 0:
                    await asyncio.sleep(0.0)
        for kind in kinds:
            if kind in ("record", "health") and (latest := bus.latest(kind)) is not None:
                await _send(socket, Message(kind, latest))
        await _forward(socket, messages)
    await socket.close(1001)


async def _forward(socket: WebSocket, messages: Subscription) -> None:
    told = 0
    async for message in messages:
        if messages.lost != told:
            await socket.send_text(_text("lost", messages.lost - told))
            told = messages.lost
        await _send(socket, message)


async def _send(socket: WebSocket, message: Message) -> None:
    if message.kind == "row":
        await socket.send_bytes(struct.pack("<d", message.body.time_s) + message.body.power)
    else:
        await socket.send_text(_text(message.kind, message.body))


def _text(kind: str, body: Any) -> str:
    return json.dumps({"kind": kind, "body": body}, default=str, separators=(",", ":"))


async def _hear(socket: WebSocket) -> None:
    """What is said to us is not listened to; that they are gone is."""
    while True:
        await socket.receive_text()


async def _watch(socket: WebSocket) -> None:
    access = socket.scope["noctule.access"]
    while access.welcomes(socket):
        await asyncio.sleep(ASK_EVERY_S)
    await socket.close(1008, "signed out")
