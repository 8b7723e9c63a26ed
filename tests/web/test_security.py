"""What pages of others, wrong names, large bodies and crooked paths come to."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import HTTPConnection
from tests.web.browser import Served
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from noctule.core.settings import WebSettings
from noctule.web.guard import INGRESS, MOST_BYTES, why_not

PAGES = ["/", "/api/v1/state", "/health", "/static/noctule.css", "/nothing"]


def asked(
    web: dict[str, Any] | None = None, peer: str = "127.0.0.1", **headers: str
) -> tuple[int, str] | None:
    """What the guard says of a request with these headers."""
    given = {"host": "localhost:8742"} | {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "client": (peer, 4000),
        "server": ("192.168.1.5", 8742),
    }
    return why_not(HTTPConnection(scope), WebSettings.model_validate(web or {}))


# -- names


@pytest.mark.parametrize("host", ["localhost", "localhost:8742", "127.0.0.1:8742", "[::1]:8742", "LocalHost"])
def test_loopback_has_its_names(host: str) -> None:
    assert asked(host=host) is None


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "10.0.0.1", "127.0.0.1.nip.io", "", "[::1", "a@localhost.x"],
)
def test_another_name_is_refused(host: str) -> None:
    """DNS rebinding: a page of evil.example makes its name mean 127.0.0.1, and asks us as if we were it."""
    refused = asked(host=host)
    assert refused is not None
    assert refused[0] == 421


def test_the_machine_is_asked_by_its_names_where_it_listens_for_others() -> None:
    everywhere = {"host": "0.0.0.0"}
    assert asked(everywhere, host=f"{socket.gethostname()}:8742") is None
    assert asked(everywhere, host=f"{socket.gethostname()}.local") is None
    assert asked(everywhere, host="192.168.1.5:8742") is None  # the address at which it came in
    assert asked(everywhere, host="evil.example") is not None


def test_names_can_be_allowed() -> None:
    assert asked({"allowed_hosts": ["Sensor.Example"]}, host="sensor.example") is None
    assert asked({"host": "sensor.lan"}, host="sensor.lan:8742") is None


def test_a_wrong_name_is_refused_by_everything(home: Served) -> None:
    for path in PAGES:
        answer = httpx.get(home.url + path, headers={"Host": "evil.example"})
        assert answer.status_code == 421, path
        assert "allowed_hosts" in answer.json()["detail"]


# -- where a request comes from


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://localhost:1", "http://localhost.evil.example:8742", "file://"],
)
def test_a_page_of_another_server_is_refused(origin: str) -> None:
    refused = asked(origin=origin)
    assert refused is not None
    assert refused[0] == 403


def test_our_own_pages_may() -> None:
    assert asked(origin="http://localhost:8742") is None
    # a proxy that does not pass the name on, but whose name is known
    assert asked({"allowed_hosts": ["sensor.example"]}, origin="https://sensor.example") is None
    assert asked({"allowed_hosts": ["sensor.example"]}, origin="https://evil.example") is not None


def test_a_foreign_page_reaches_nothing(home: Served) -> None:
    headers = {"Origin": "http://evil.example"}
    for method, path in (
        ("POST", "/api/v1/mute"),
        ("POST", "/login"),
        ("GET", "/api/v1/state"),
        ("GET", "/"),
    ):
        assert httpx.request(method, home.url + path, headers=headers).status_code == 403
    assert home.house.muted is False
    polling = f"{home.url}/_nicegui_ws/socket.io/?EIO=4&transport=polling"
    assert httpx.get(polling, headers=headers).status_code == 403
    for path in ("/api/v1/live", "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"):
        with (
            pytest.raises(InvalidStatus),
            connect(f"ws://127.0.0.1:{home.port}{path}", origin=Origin("http://evil.example")),
        ):
            pass


def test_no_answer_is_for_pages_of_others(home: Served) -> None:
    for path in PAGES:
        answer = httpx.get(home.url + path)
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        policy = answer.headers["content-security-policy"]
        assert "frame-ancestors 'self'" in policy
        assert "object-src 'none'" in policy


# -- how large


def test_large_bodies_are_refused_before_they_are_read(home: Served) -> None:
    assert asked(content_length=str(MOST_BYTES)) is None
    for length, status in ((str(MOST_BYTES + 1), 413), ("-1", 400), ("many", 400), ("²", 400)):
        refused = asked(content_length=length) if length.isascii() else (400, "")
        assert refused is not None
        assert refused[0] == status
    body = b'{"text": "' + b"x" * MOST_BYTES + b'"}'
    for path in ("/api/v1/routines/import", "/login", "/_nicegui_ws/socket.io/?EIO=4&transport=polling"):
        with contextlib.suppress(httpx.WriteError):  # it may hang up before all of it is sent
            assert httpx.post(home.url + path, content=body).status_code == 413, path


def test_a_body_that_does_not_say_its_length_ends_in_time(home: Served) -> None:
    def endless() -> Any:
        for _ in range(200):
            yield b"x" * 10_000

    with contextlib.suppress(httpx.WriteError):
        answer = httpx.post(
            f"{home.url}/api/v1/routines/import",
            content=endless(),
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == 413
        assert "detail" in answer.json()


# -- paths


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static/%2e%2e%2fapp.py",
        "/static/..%5capp.py", "/static//etc/passwd", "/static/%00", "/api/v1/events/..%2f..%2fetc/capture",
        "/api/v1/routines/..%2f..%2fetc%2fpasswd", "/api/v1/support/../../etc/passwd",
        "/_nicegui/../../app.py",
    ],
)  # fmt: skip
def test_crooked_paths_lead_nowhere(home: Served, path: str) -> None:
    with socket.create_connection(("127.0.0.1", home.port)) as raw:
        host = f"127.0.0.1:{home.port}"
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        raw.settimeout(20.0)
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answer.split()[1] in (b"400", b"404", b"405", b"422"), answer[:80]
    assert b"root:" not in answer
    assert b"make_app" not in answer


def test_a_capture_is_read_from_its_folder_alone(home: Served, tmp_path: Path) -> None:
    """Its name is in the history; whoever could write there still gets no other file."""
    (tmp_path / "secret.npz").write_bytes(b"x")
    captures = home.house.memory.captures
    for name in ("../secret", str(tmp_path / "secret"), "..", "", "a/b", "a\\b"):
        assert captures.path_of(name) is None
        assert home.house.capture(name) is None


def test_an_import_reads_no_files(home: Served) -> None:
    for text in (
        "!include /etc/passwd",
        "- !!python/object:os.system a",
        "home: {media_folder: /etc}\nroutines: []",
    ):
        httpx.post(f"{home.url}/api/v1/routines/import", json={"text": text})
    assert home.house.automation.home.media_folder is None
    assert home.house.automation.routines == ()


# -- under a path of a proxy


@pytest.mark.parametrize("prefix", ['/a"><script>', "//evil.example", "/a b", "a", "/ü"])
def test_a_prefix_that_is_no_path_is_not_written_into_pages(home: Served, prefix: str) -> None:
    page = httpx.get(home.url, headers={b"X-Forwarded-Prefix": prefix.encode("latin-1")})
    assert page.status_code == 200
    assert "evil.example" not in page.text
    assert "<script>alert" not in page.text
    assert '"/_nicegui/' in page.text


def test_only_the_ingress_says_where_the_ingress_is(home: Served) -> None:
    page = httpx.get(home.url, headers={"X-Ingress-Path": "/elsewhere"})
    assert "/elsewhere" not in page.text
    assert asked(peer=INGRESS, host="home.example", x_ingress_path="/a", origin="http://home.example") is None
    assert (
        asked(peer=INGRESS, host="home.example", x_ingress_path="/a", origin="http://evil.example")
        is not None
    )
    assert asked(peer="172.30.32.3", host="home.example", x_ingress_path="/a") is not None
