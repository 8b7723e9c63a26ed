"""Real counterparts of actions: an HTTP server, a broker."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.brokers import Broker, mosquitto

#: Where CI has installed everything, a test that is skipped would hide that it has not.
REQUIRED = os.environ.get("NOCTULE_REQUIRE_SOUNDSERVERS") == "1"

needs_espeak = pytest.mark.skipif(
    shutil.which("espeak-ng") is None and not REQUIRED,
    reason="espeak-ng is not installed: scripts/setup.sh tests",
)


@dataclass
class Asked:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class WebServer:
    """Answers what `answers` says for a path: status, headers, body; anything else is 404."""

    url: str = ""
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    #: requests for /slow are answered once this is set
    slow: threading.Event = field(default_factory=threading.Event)

    def answer(self, path: str, body: object = b"", status: int = 200, **headers: str) -> None:
        self.answers[path] = (status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.fixture
def web() -> Iterator[WebServer]:
    known = WebServer()

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            known.asked.append(Asked(self.command, self.path, dict(self.headers.items()), body))
            if self.path == "/slow":
                known.slow.wait(20)
            status, headers, answer = known.answers.get(self.path.partition("?")[0], (404, {}, b""))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(answer))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = do_DELETE = _any  # noqa: N815 - the library's names

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield known
    known.slow.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if mosquitto() is None:
        (pytest.fail if REQUIRED else pytest.skip)("mosquitto is not installed: scripts/setup.sh tests")
    one = Broker(tmp_path)
    yield one
    one.stop()


@pytest.fixture
def program_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Makes a shell script of this name that is found before the real one."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def make(name: str, text: str) -> Path:
        file = folder / name
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)
        return file

    return make
