"""Where the app is served: asked before anything sounds."""

from __future__ import annotations

import ipaddress
import socket

from noctule.core.errors import NoctuleError
from noctule.core.settings import WebSettings


def check_password(web: WebSettings) -> None:
    """Refuse an address that others reach while nobody is asked for a password.

    Raises
    ------
    NoctuleError
        One line, with the fix.
    """
    if web.password_hash is None and not is_loopback(web.host):
        raise NoctuleError(
            f"web.host = {web.host}: whoever reaches it could come in; set a password first: "
            "`noctule password`, or listen on 127.0.0.1"
        )


def check_free(web: WebSettings) -> None:
    """Refuse an address that cannot be listened on.

    Raises
    ------
    NoctuleError
        One line, with the fix.
    """
    try:
        found = socket.getaddrinfo(web.host, web.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, place = found[0]
        with socket.socket(family, kind, protocol) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(place)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise NoctuleError(
            f"the app cannot be served at {web.host} port {web.port} ({reason}): "
            "choose another `port` in [web], or run with --headless"
        ) from None


def is_loopback(host: str) -> bool:
    """Only this machine reaches it."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


def address_of(web: WebSettings) -> str:
    """For a browser on this machine."""
    everywhere = host_is_any(web.host)
    host = "127.0.0.1" if everywhere else f"[{web.host}]" if ":" in web.host else web.host
    return f"http://{host}:{web.port}{web.base_path}/"


def host_is_any(host: str) -> bool:
    """All addresses of this machine."""
    return host in ("0.0.0.0", "::")
