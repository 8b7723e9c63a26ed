"""Where there is a password, nobody gets past the door without it: pages, files, streams, the API."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from starlette.routing import Mount, Route, WebSocketRoute
from tests.web.browser import Served, served
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from noctule.core.errors import NoctuleError
from noctule.service.support import MASK
from noctule.web import access
from noctule.web.access import Patience, Sessions, Tokens, hash_password, password_fits
from noctule.web.app import make_app, serve
from noctule.web.auth import TOKENS_FILE

PASSWORD = "correct horse"


def cheap_hash(password: str) -> str:
    """The product's own takes a tenth of a second on purpose."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(password)


HASH = cheap_hash(PASSWORD)
#: What strangers may see.
OPEN = {"/login", "/logout", "/health", "/static/noctule.css", "/static/logo.svg", "/favicon.ico"}


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("locked"), web={"password_hash": HASH}) as one:
        yield one


@pytest.fixture
def stranger(locked: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=locked.url, timeout=20.0) as client:
        yield client


@pytest.fixture
def owner(locked: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=locked.url, timeout=20.0) as client:
        assert client.post("/login", data={"password": PASSWORD}).status_code == 303
        yield client


def routes(app: Any, above: str = "") -> Iterator[tuple[str, set[str]]]:
    """Every path of an application and of those within it, with its methods; web sockets have none."""
    for route in app.routes:
        if isinstance(route, Mount):
            yield from routes(route, above + route.path)
            yield above + route.path + "/anything", {"GET", "POST"}
        elif isinstance(route, Route):
            yield above + route.path, set(route.methods or {"GET"})
        elif isinstance(route, WebSocketRoute):
            yield above + route.path, set()
        elif hasattr(route, "original_router"):
            yield from routes(route.original_router, above)


# -- the door


def test_no_route_is_open_to_strangers(locked: Served, stranger: httpx.Client) -> None:
    """Walks everything that is mounted, NiceGUI's own routes too: whatever comes later is walked as well."""
    paths = dict(routes(locked.do(lambda: make_app(locked.house))))
    assert {"/api/v1/settings", "/api/v1/live", "/timeline", "/_nicegui_ws/anything"} <= set(paths)
    assert any(path.startswith("/_nicegui/") for path in paths)
    for path, methods in paths.items():
        real = re.sub(r"\{[^}]*\}", "1", path)
        if real in OPEN or real.startswith("/static/anything"):
            continue
        for method in methods - {"HEAD", "OPTIONS"}:
            answer = stranger.request(method, real)
            sent_to_login = answer.headers.get("location", "").startswith("/login")
            assert answer.status_code == 401 or (answer.status_code == 303 and sent_to_login), (method, real)
        assert stranger.head(real).status_code in (401, 303), real


def test_what_changes_something_is_shut(stranger: httpx.Client, locked: Served) -> None:
    for method, path, body in (
        ("POST", "/api/v1/mute", {"on": True}),
        ("PATCH", "/api/v1/settings", {"presence": {"hold_s": 3}}),
        ("POST", "/api/v1/routines", {"name": "a", "when": {"motion": "detected"}, "then": [{"wait": "1s"}]}),
    ):
        assert stranger.request(method, path, json=body).status_code == 401
    assert (locked.house.muted, locked.house.settings.presence.hold_s) == (False, 2.0)
    assert locked.house.automation.routines == ()


@pytest.mark.parametrize("path", ["/api/v1/live", "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"])
def test_no_stream_for_strangers(locked: Served, path: str) -> None:
    address = locked.url.replace("http", "ws") + path
    for headers in (
        {},
        {"Authorization": "Bearer noctule_x"},
        {"Cookie": f"noctule-session-{locked.port}=x"},
    ):
        with pytest.raises(InvalidStatus) as refused, connect(address, additional_headers=headers):
            pass
        assert refused.value.response.status_code == 403


def test_polling_instead_of_a_web_socket_is_shut_too(stranger: httpx.Client) -> None:
    answer = stranger.get("/_nicegui_ws/socket.io/", params={"EIO": 4, "transport": "polling"})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "path", ["/login/../api/v1/state", "/static/../api/v1/state", "//api/v1/state", "/LOGIN"]
)
def test_no_way_around_by_another_spelling(locked: Served, path: str) -> None:
    with socket.create_connection(("127.0.0.1", locked.port)) as raw:
        host = f"127.0.0.1:{locked.port}"
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        raw.settimeout(10.0)
        assert raw.recv(64).split()[1] in (b"401", b"303")


# -- signing in


def test_the_password_opens_and_leaving_shuts(locked: Served, stranger: httpx.Client) -> None:
    asked = stranger.get("/timeline")
    assert asked.headers["location"] == "/login?next=/timeline"
    form = stranger.get(asked.headers["location"]).text
    assert 'value="/timeline"' in form
    done = stranger.post("/login", data={"password": PASSWORD, "next": "/timeline"})
    assert (done.status_code, done.headers["location"]) == (303, "/timeline")
    cookie = done.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secure" not in cookie  # plain HTTP: it would never come back
    assert stranger.get("/api/v1/state").status_code == 200
    with connect(
        locked.url.replace("http", "ws") + "/api/v1/live",
        additional_headers={"Cookie": "; ".join(f"{k}={v}" for k, v in stranger.cookies.items())},
    ) as stream:
        assert stream.recv(timeout=10.0)
    stranger.post("/logout")
    assert stranger.get("/api/v1/state").status_code == 401


def test_the_cookie_is_secure_behind_https(stranger: httpx.Client) -> None:
    done = stranger.post("/login", data={"password": PASSWORD}, headers={"X-Forwarded-Proto": "https"})
    assert "secure" in done.headers["set-cookie"].lower()


@pytest.mark.parametrize(
    "next",
    ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "", "/\r\nX: y"],
)
def test_signing_in_leads_nowhere_else(owner: httpx.Client, next: str) -> None:
    done = owner.post("/login", data={"password": PASSWORD, "next": next})
    assert done.headers["location"] == "/"
    assert owner.get("/login", params={"next": next}).headers["location"] == "/"


def test_a_password_of_a_book_is_not_looked_at(stranger: httpx.Client) -> None:
    refused = stranger.post("/login", data={"password": "x" * 1001})
    assert (refused.status_code, list(refused.json())) == (422, ["detail"])
    assert "password" in refused.json()["detail"]


def test_what_is_asked_for_is_not_written_as_html(stranger: httpx.Client) -> None:
    page = stranger.get("/login", params={"next": '/"><script>alert(1)</script>'}).text
    assert "<script>" not in page


def test_guessing_takes_longer_and_longer(stranger: httpx.Client) -> None:
    """A proxy on this machine says whom it asks for; each waits for their own guesses."""
    guesser = {"X-Forwarded-For": "203.0.113.7"}
    for _ in range(access.FREE_ATTEMPTS):
        assert stranger.post("/login", data={"password": "guess"}, headers=guesser).status_code == 401
    # even the right one has to wait: else a guesser would know which it is
    refused = stranger.post("/login", data={"password": PASSWORD}, headers=guesser)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) == 1
    assert stranger.get("/api/v1/state").status_code == 401
    other = {"X-Forwarded-For": "203.0.113.7, 203.0.113.8"}  # the last is what our proxy saw
    assert stranger.post("/login", data={"password": PASSWORD}, headers=other).status_code == 303


def test_waits_double_and_end() -> None:
    now_s = [0.0]
    patience = Patience(lambda: now_s[0])
    assert [patience.attempt("a") for _ in range(access.FREE_ATTEMPTS)] == [0.0] * access.FREE_ATTEMPTS
    waits = []
    for _ in range(14):
        waits.append(patience.attempt("a"))
        assert patience.attempt("a") == waits[-1]  # asking meanwhile changes nothing
        now_s[0] += waits[-1]
        assert patience.attempt("a") == 0.0
    assert waits == [min(2.0**k, access.LONGEST_WAIT_S) for k in range(14)]
    now_s[0] += access.FORGET_S + 1.0
    assert patience.attempt("a") == 0.0
    assert patience.attempt("a") == 0.0


def test_guesses_from_everywhere_wait_for_each_other() -> None:
    now_s = [0.0]
    patience = Patience(lambda: now_s[0])
    for k in range(access.FREE_IN_ALL):
        assert patience.attempt(f"address {k}") == 0.0
    assert patience.attempt("another") > 0.0
    for k in range(3000):
        now_s[0] += access.LONGEST_FOR_ALL_S
        assert patience.attempt(f"more {k}") == 0.0
    assert len(patience._by) <= access.MOST_ADDRESSES


def test_who_knows_the_password_forgives_their_mistakes() -> None:
    patience = Patience(lambda: 0.0)
    for _ in range(20):
        for _ in range(access.FREE_ATTEMPTS - 1):
            assert patience.attempt("a") == 0.0
        patience.right("a")


def test_another_password_ends_sessions(locked: Served, owner: httpx.Client) -> None:
    assert owner.get("/api/v1/state").status_code == 200
    _use(locked, cheap_hash("another horse"))
    assert owner.get("/api/v1/state").status_code == 401
    _use(locked, HASH)
    assert owner.get("/api/v1/settings").json()["settings"]["web"]["password_hash"] == MASK


def _use(locked: Served, password_hash: str) -> None:
    locked.do(lambda: locked.house.change_settings({"web": {"password_hash": password_hash}}))


def test_sessions_outlive_a_restart_and_end_when_told(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    first = Sessions(path)
    cookie = first.begin(HASH)
    assert Sessions(path).holds(cookie, HASH)
    assert not Sessions(path).holds(cookie, "another hash")
    assert not Sessions(path).holds(cookie[:-2] + "xx", HASH)
    assert not Sessions(tmp_path / "other").holds(cookie, HASH)
    first.end_all()
    assert not first.holds(cookie, HASH)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_sessions_end_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = Sessions(tmp_path / "secret")
    cookie = sessions.begin(HASH)
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s + access.SESSION_S - 60.0)
    assert sessions.holds(cookie, HASH)
    monkeypatch.setattr(time, "time", lambda: now_s + access.SESSION_S + 60.0)
    assert not sessions.holds(cookie, HASH)


def test_passwords_are_not_kept() -> None:
    kept = hash_password(PASSWORD)
    assert kept.startswith("$argon2id$")
    assert PASSWORD not in kept
    assert kept != hash_password(PASSWORD)
    assert password_fits(PASSWORD, kept)
    assert not password_fits(PASSWORD + " ", kept)
    assert not password_fits(PASSWORD, "no hash")
    with pytest.raises(NoctuleError, match="at least"):
        hash_password("short")


# -- tokens


def test_a_token_opens_until_it_is_revoked(locked: Served, stranger: httpx.Client) -> None:
    tokens = Tokens(locked.house.settings.store.folder / TOKENS_FILE)
    token, key = tokens.create("Home Assistant")
    headers = {"Authorization": f"Bearer {key}"}
    assert stranger.get("/api/v1/state", headers=headers).status_code == 200
    with connect(locked.url.replace("http", "ws") + "/api/v1/live", additional_headers=headers) as stream:
        assert stream.recv(timeout=10.0)
        tokens.revoke(token.id)
        assert stranger.get("/api/v1/state", headers=headers).status_code == 401
        with contextlib.suppress(ConnectionClosed):
            for _ in range(1000):
                stream.recv(timeout=10.0)
        assert stream.close_code == 1008


def test_keys_are_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    token, key = Tokens(path).create("  a script  ")
    assert token.name == "a script"
    assert key not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = Tokens(path)
    assert again.knows(key)
    assert not again.knows(key[:-1])
    assert not again.knows("")
    with pytest.raises(NoctuleError, match="name"):
        again.create("  ")


def test_a_file_that_cannot_be_read_lets_nobody_in(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    _, key = Tokens(path).create("a")
    path.write_text('{"half": ')
    assert not Tokens(path).knows(key)


# -- where it listens


def test_others_are_not_served_without_a_password(locked: Served) -> None:
    web = locked.house.settings.web.model_copy(update={"host": "0.0.0.0", "password_hash": None})
    house = type("House", (), {"settings": locked.house.settings.model_copy(update={"web": web})})
    with pytest.raises(NoctuleError, match="noctule password"):
        asyncio.run(serve(house))  # type: ignore[arg-type]


def test_a_port_in_use_is_said_in_one_line(locked: Served) -> None:
    with pytest.raises(NoctuleError, match=f"port {locked.port}") as refused:
        asyncio.run(serve(locked.house))
    assert "\n" not in str(refused.value)
