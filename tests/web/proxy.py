"""A small reverse proxy, as people put one before the app: it shows it under a path, which it takes away."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from tests.ports import free_port
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
_OWN = {"connection", "keep-alive", "transfer-encoding", "upgrade", "content-length", "content-encoding"}


@contextlib.contextmanager
def proxied(port: int, prefix: str) -> Iterator[str]:
    """The address at which what listens on `port` is seen under `prefix`."""
    own = free_port()
    server = uvicorn.Server(uvicorn.Config(_proxy(port, prefix), port=own, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            threading.Event().wait(0.02)
        yield f"http://127.0.0.1:{own}{prefix}"
    finally:
        server.should_exit = True
        thread.join(10.0)


def _proxy(port: int, prefix: str) -> Starlette:
    async def forward(request: Request) -> Response:
        path = request.url.path.removeprefix(prefix)
        headers = dict(request.headers) | {"x-forwarded-prefix": prefix}
        async with httpx.AsyncClient(timeout=30.0) as client:
            answer = await client.request(
                request.method,
                f"http://127.0.0.1:{port}{path}?{request.url.query}",
                content=await request.body(),
                headers=headers,
            )
        passed = Response(answer.content, answer.status_code)
        for name, value in answer.headers.multi_items():
            if name.lower() not in _OWN:
                passed.headers.append(name, value)
        return passed

    async def stream(socket: WebSocket) -> None:
        path = socket.url.path.removeprefix(prefix)
        names = ("cookie", "origin", "authorization", "host")
        headers = {name: value for name, value in socket.headers.items() if name in names}
        await socket.accept()
        async with connect(
            f"ws://127.0.0.1:{port}{path}?{socket.url.query}",
            additional_headers={k: v for k, v in headers.items() if k in ("cookie", "authorization")}
            | {"X-Forwarded-Prefix": prefix},
            origin=None,
        ) as behind:
            await _both_ways(socket, behind)

    async def elsewhere(request: Request) -> Response:
        return PlainTextResponse("not the sensor", 404)

    return Starlette(
        routes=[
            Route(f"{prefix}{{rest:path}}", forward, methods=METHODS),
            WebSocketRoute(f"{prefix}{{rest:path}}", stream),
            Route("/{rest:path}", elsewhere, methods=METHODS),
        ]
    )


async def _both_ways(socket: WebSocket, behind: ClientConnection) -> None:
    async def to_the_sensor() -> None:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            await behind.send(message.get("text") or message.get("bytes") or "")

    async def from_the_sensor() -> None:
        async for said in behind:
            await (socket.send_text(said) if isinstance(said, str) else socket.send_bytes(said))

    tasks = [asyncio.create_task(to_the_sensor()), asyncio.create_task(from_the_sensor())]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    with contextlib.suppress(WebSocketDisconnect, ConnectionClosed, RuntimeError):
        await asyncio.gather(*tasks, return_exceptions=True)
