"""What no request gets past: who it was meant for, where it came from, how large it is.

A browser may be made to send us requests by any page that somebody looks at. What gives them away is the name
they were sent to (`Host`: DNS rebinding) and the page that sent them (`Origin`).
"""

from __future__ import annotations

import re
import socket
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fastapi import HTTPException
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse
from starlette.websockets import WebSocketClose

from noctule.core.settings import WebSettings
from noctule.service.address import host_is_any, is_loopback

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from noctule.service.service import Service

#: No request is larger, nor a message of a web socket.
MOST_BYTES = 1_000_000
#: Where Home Assistant's ingress comes from, and nobody else inside it.
INGRESS = "172.30.32.2"
#: A path that a proxy may serve us under; it is written into pages.
_PREFIX = re.compile(r"(/[\w.~-]+)*", re.ASCII)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Guard:
    """Outermost. Puts the service and the path that we are served under into the scope."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service
        self._web = service.settings.web  # of the start: other addresses wait for the next

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        scope["noctule.service"] = self._service
        asked = HTTPConnection(scope)
        refusal = why_not(asked, self._web)
        if refusal is not None:
            await refuse(scope, receive, send, *refusal)
            return
        prefix = _prefix_of(asked, self._web)
        if prefix and scope["path"] == prefix:  # else pages would be looked for beside it
            await RedirectResponse(f"{prefix}/")(scope, receive, _with_headers(send, ""))
            return
        _serve_under(scope, prefix)
        if scope["type"] == "http":
            send = _with_headers(send, asked.headers["host"])
            receive = _bounded(receive)
        await self._app(scope, receive, send)


async def refuse(
    scope: Scope, receive: Receive, send: Send, status: int, why: str, headers: dict[str, str] | None = None
) -> None:
    """Answer with one line."""
    if scope["type"] == "websocket":
        await WebSocketClose(1008, why)(scope, receive, send)
    else:
        await JSONResponse({"detail": why}, status, headers)(scope, receive, _with_headers(send, ""))


def why_not(asked: HTTPConnection, web: WebSettings) -> tuple[int, str] | None:
    """Status and reason where a request is not for us; None: it is."""
    given = asked.headers.get("host", "")
    host = _name_of(given)
    ours = host in _names(web.host) or host in _listed(web) or host == _arrived_at(asked)
    if not ours and not from_ingress(asked):
        return 421, f"no service is called {host or 'that'!r} here; `web.allowed_hosts` can name it"
    origin = asked.headers.get("origin")
    if origin is not None:
        page = urlsplit(origin)
        if page.netloc.lower() != given.lower() and _name_of(page.netloc) not in _listed(web):
            return 403, "a page of another server may not do this"
    length = asked.headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit():
        return 400, "Content-Length is no number"
    if int(length) > MOST_BYTES:
        return 413, f"more than {MOST_BYTES} bytes"
    return None


def from_ingress(asked: HTTPConnection) -> bool:
    """Home Assistant has let them in, and sends them on."""
    return asked.client is not None and asked.client.host == INGRESS and "x-ingress-path" in asked.headers


def _name_of(netloc: str) -> str:
    try:
        return (urlsplit(f"//{netloc}").hostname or "").lower()
    except ValueError:
        return ""


def _listed(web: WebSettings) -> set[str]:
    return {name.lower() for name in web.allowed_hosts}


def _arrived_at(asked: HTTPConnection) -> str | None:
    """The address of this machine that was asked; None: a socket without one."""
    server = asked.scope.get("server")
    return str(server[0]).lower() if server and not is_loopback(str(server[0])) else None


@cache
def _names(bound: str) -> frozenset[str]:
    """Names of this machine as far as `bound` is reached by them."""
    names = _LOOPBACK if host_is_any(bound) else _LOOPBACK | {bound.lower()}
    if not is_loopback(bound):
        own = socket.gethostname().lower()
        names = names | {own, f"{own}.local", f"{own}.lan", f"{own}.fritz.box", socket.getfqdn().lower()}
    return names


def _prefix_of(asked: HTTPConnection, web: WebSettings) -> str:
    """Where browsers see us: what the proxy says, else what the settings say."""
    given = asked.headers.get("x-forwarded-prefix", "")
    if from_ingress(asked):
        given = asked.headers["x-ingress-path"]
    given = given.rstrip("/")
    return given if given and _PREFIX.fullmatch(given) else web.base_path


def _serve_under(scope: Scope, prefix: str) -> None:
    """As ASGI wants it, whether or not the proxy has left the prefix in the path."""
    # NiceGUI would put it in front of what stands in the scope, and does not check it
    scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"x-forwarded-prefix"]
    path = scope["path"]
    if prefix and not path.startswith(f"{prefix}/"):
        scope["path"] = prefix + path
        scope["raw_path"] = prefix.encode() + scope.get("raw_path", path.encode())
    scope["root_path"] = prefix


def _bounded(receive: Receive) -> Receive:
    """A body that does not say how long it is must end in time as well."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MOST_BYTES:
            raise HTTPException(413, f"more than {MOST_BYTES} bytes")
        return message

    return counted


def _with_headers(send: Send, host: str) -> Send:
    """NiceGUI's templates are compiled in the browser: scripts inline and `eval` are what it stands on."""
    policy = (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
        "style-src 'self' 'unsafe-inline'; "
        f"img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' ws://{host} wss://{host}; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
    )

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Content-Security-Policy"] = policy
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "same-origin"
            headers["Cross-Origin-Resource-Policy"] = "same-origin"
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return sent
