"""The whole app: REST, stream and pages in one ASGI application, and its server."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import socket
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from nicegui import core, ui

from noctule import __version__
from noctule.core.errors import NoctuleError
from noctule.service.address import check_password
from noctule.web import auth
from noctule.web.api import make_api, not_understood
from noctule.web.api_models import Word
from noctule.web.guard import MOST_BYTES, Guard
from noctule.web.pages import PAGES, Page
from noctule.web.theme import frame

if TYPE_CHECKING:
    from noctule.service.service import Service

_STATIC = Path(__file__).parent / "static"


def make_app(service: Service) -> FastAPI:
    """REST, stream and pages of one service.

    NiceGUI has one application for the whole process; whose pages it shows stands in each request.
    """
    app = FastAPI(title="noctule", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/api/v1", make_api())
    app.mount("/static", StaticFiles(directory=_STATIC))
    app.include_router(auth.router)
    app.add_api_route("/health", _health)
    app.add_exception_handler(RequestValidationError, not_understood)
    _register_pages()
    # of an application that was made before in this process
    core.app.middleware_stack = None
    core.app.user_middleware.clear()
    ui.run_with(
        app,
        title="noctule",
        favicon=_STATIC / "logo.svg",
        dark=None,
        binding_refresh_interval=0.5,
        message_history_length=100,
        tailwind=False,
        show_welcome_message=False,
    )
    app.add_middleware(auth.Door, access=auth.Access(service))
    app.add_middleware(Guard, service=service)
    return app


async def _health(request: Request, response: Response) -> Word:
    """For whatever watches over services: 200 while it senses or is muted on purpose, else 503."""
    service = request.scope["noctule.service"]
    report = service.health()
    well = (report.sensing or service.muted) and report.state not in ("escalated", "failed")
    response.status_code = 200 if well else 503
    return Word(state=report.state)


@cache
def _register_pages() -> None:
    for page in PAGES:
        _register(page)


def _register(page: Page) -> None:
    @ui.page(page.path, title=f"{page.title} · noctule")
    def show(request: Request) -> None:
        service = request.scope["noctule.service"]
        with frame(service, page.title):
            page.build(service)


class _Server(uvicorn.Server):
    """Signals are the process's own business: the service is told to stop, and then we are."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(service: Service) -> None:
    """Serve until cancelled; browsers are told to go then.

    Raises
    ------
    NoctuleError
        One line: the address cannot be listened on, or others would reach it without a password.
    """
    web = service.settings.web
    check_password(web)
    listening = _listen(web.host, web.port)
    config = uvicorn.Config(
        make_app(service),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws_max_size=MOST_BYTES,
        ws_per_message_deflate=False,  # costs more than it saves at home
        timeout_graceful_shutdown=2,
    )
    server = _Server(config)
    _show_nicegui(server)
    serving = asyncio.create_task(server.serve(sockets=[listening]), name="web")
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise


def _show_nicegui(server: uvicorn.Server) -> None:
    """NiceGUI looks for its server among all objects of the process when it starts.

    Whoever does that holds tuples that another thread is just making from a generator, and there Python
    gives up with a SystemError: the sensor ended by it.
    """
    run_with = importlib.import_module("nicegui.ui_run_with")
    run_with.gc = SimpleNamespace(get_objects=lambda: [server])  # type: ignore[attr-defined]


def _listen(host: str, port: int) -> socket.socket:
    with contextlib.ExitStack() as undone:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            one = undone.enter_context(socket.socket(family, kind, protocol))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(address)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise NoctuleError(
                f"the app cannot be served at {host} port {port} ({why}): choose another `port` in [web]"
            ) from None
        undone.pop_all()
    return one
