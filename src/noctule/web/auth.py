"""The door: everything but the login page and `/health` is behind it where there is a password."""

from __future__ import annotations

import asyncio
import ipaddress
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.requests import HTTPConnection

from noctule.core.paths import state_folder
from noctule.web.access import SESSION_S, Patience, Sessions, Tokens, password_fits
from noctule.web.guard import INGRESS, refuse
from noctule.web.pages.login import login_page

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from noctule.service.service import Service

TOKENS_FILE, SECRET_FILE = "web-tokens.json", "web-secret"
#: Open to everybody: what the login page is made of, and a word for those who watch over services.
_OPEN = ("/login", "/health", "/static/noctule.css", "/static/logo.svg", "/favicon.ico")


@dataclass
class Access:
    """What the door knows."""

    service: Service
    tokens: Tokens = field(init=False)
    sessions: Sessions = field(init=False)
    cookie: str = field(init=False)
    patience: Patience = field(default_factory=Patience)
    #: argon2 takes memory and a core: one at a time.
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        folder = state_folder(self.service.settings.store.folder)
        self.tokens = Tokens(folder / TOKENS_FILE)
        self.sessions = Sessions(folder / SECRET_FILE)
        # cookies know no ports: two services on one machine would end each other's sessions
        self.cookie = f"noctule-session-{self.service.settings.web.port}"

    def welcomes(self, asked: HTTPConnection) -> bool:
        """No password, a session, or a token."""
        password_hash = self.service.settings.web.password_hash
        if password_hash is None:
            return True
        kind, _, key = asked.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self.tokens.knows(key.strip()):
            return True
        return self.sessions.holds(asked.cookies.get(self.cookie, ""), password_hash)

    async def fits(self, password: str) -> bool:
        """Compare without keeping the loop waiting."""
        password_hash = self.service.settings.web.password_hash
        async with self.turn:
            return password_hash is not None and await asyncio.to_thread(
                password_fits, password, password_hash
            )


class Door:
    """Behind the guard, before everything else."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        scope["noctule.access"] = self._access
        asked, path = HTTPConnection(scope), scope["path"].removeprefix(scope["root_path"])
        if path in _OPEN or self._access.welcomes(asked):
            await self._app(scope, receive, send)
        elif scope["type"] == "http" and scope["method"] == "GET" and _is_page(path):
            there = f"{scope['root_path']}/login?next={quote(path, safe='/')}"
            await RedirectResponse(there, 303)(scope, receive, send)
        else:
            await refuse(scope, receive, send, 401, "sign in first", {"WWW-Authenticate": "Bearer"})


def _is_page(path: str) -> bool:
    return not path.startswith(("/api/", "/_nicegui"))


router = APIRouter(include_in_schema=False)


@router.get("/login")
async def ask(request: Request, next: str = "/") -> Response:
    """The form."""
    if _access(request).welcomes(request):
        return RedirectResponse(_back(request, next), 303)
    return HTMLResponse(login_page(request.scope["root_path"], next))


@router.post("/login")
async def sign_in(
    request: Request, password: Annotated[str, Form(max_length=1000)] = "", next: Annotated[str, Form()] = "/"
) -> Response:
    """A session, or the form again."""
    access, prefix = _access(request), request.scope["root_path"]
    if access.service.settings.web.password_hash is None:
        return RedirectResponse(_back(request, "/"), 303)
    address = _address(request)
    wait_s = math.ceil(access.patience.attempt(address))
    if wait_s > 0:
        page = login_page(prefix, next, f"Too many attempts. Try again in {wait_s} s.")
        return HTMLResponse(page, 429, {"Retry-After": str(wait_s)})
    if not await access.fits(password):
        access.patience.wrong(address)
        return HTMLResponse(login_page(prefix, next, "That is not the password."), 401)
    access.patience.right(address)
    answer = RedirectResponse(_back(request, next), 303)
    set_session(request, answer)
    return answer


@router.post("/logout")
async def sign_out(request: Request) -> Response:
    """This browser forgets."""
    answer = RedirectResponse(f"{request.scope['root_path']}/login", 303)
    answer.delete_cookie(_access(request).cookie, path=request.scope["root_path"] or "/")
    return answer


def set_session(request: Request, answer: Response) -> None:
    """Signed in from now on."""
    access = _access(request)
    secure = request.url.scheme == "https" or request.headers.get("x-forwarded-proto", "") == "https"
    answer.set_cookie(
        access.cookie,
        access.sessions.begin(access.service.settings.web.password_hash or ""),
        max_age=SESSION_S,
        path=request.scope["root_path"] or "/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )


def _access(request: HTTPConnection) -> Access:
    access: Access = request.scope["noctule.access"]
    return access


def _back(request: Request, path: str) -> str:
    """Only to a page of ours: `//elsewhere`, `/\\elsewhere` and whole addresses lead away."""
    ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    prefix: str = request.scope["root_path"]
    return prefix + (quote(path, safe="/?=&%") if ours else "/")


def _address(request: HTTPConnection) -> str:
    """Of whoever asks; what a proxy on this machine says of them counts, of others it could be made up."""
    peer = request.client.host if request.client else ""
    try:
        near = ipaddress.ip_address(peer).is_loopback or peer == INGRESS
    except ValueError:
        near = False
    said = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    return said[:64] if near and said else peer
