"""A server on a free port, a real Chromium, pages of a size: what tests of the app in a browser need.

`python -m tests.web.browser OUT /timeline /room` takes pictures of pages.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.ports import free_port
from tests.web.house import House

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = "/usr/bin/chromium"
#: Nothing of these needs a network, a graphics card or a sandbox.
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PHONE, DESKTOP = (390, 844), (1280, 800)
MOST_S = 20.0


class Served:
    """A house and its server, in threads of their own as in the product.

    `do` runs something in the house's loop, as everything of a service has to be.
    """

    def __init__(self, folder: Path, make: Callable[..., Any] = House, **sections: dict[str, Any]) -> None:
        self.port = free_port()
        web = {"port": self.port} | sections.pop("web", {})
        self.house: Any = make(folder, web=web, **sections)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="main", daemon=True)
        self._thread.start()
        self._wait_until_it_listens()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def do(self, what: Callable[[], Any]) -> Any:
        """Call in the loop, and wait for what it gives; coroutines are awaited."""

        async def call() -> Any:
            result = what()
            return await result if isinstance(result, Coroutine) else result

        return asyncio.run_coroutine_threadsafe(call(), self.house.loop).result(MOST_S)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something go on in the loop until the house is closed."""
        self.do(lambda: self.house._begin(work))

    def close(self) -> None:
        self.house.stop()
        self._thread.join(MOST_S)
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        from noctule.web.app import serve

        try:
            with self.house:
                self.house.run(serve=serve)
        except BaseException as error:
            self._failure = error

    def _wait_until_it_listens(self) -> None:
        for _ in range(400):
            if self._failure is not None:
                raise self._failure
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.5):
                return
            threading.Event().wait(0.05)
        raise TimeoutError("the server does not listen")


@contextlib.contextmanager
def served(folder: Path, make: Callable[..., Any] = House, **sections: dict[str, Any]) -> Iterator[Served]:
    """A server for as long as the block lasts; sections are settings, as in `web={"password_hash": ...}`."""
    one = Served(folder, make, **sections)
    try:
        yield one
    finally:
        one.close()


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def page(browser: Browser, width: int = 1280, height: int = 800, dark: bool = False) -> Iterator[Page]:
    """A page of a size. What goes wrong in it (exceptions, refused files) is in `page.wrongs`."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light",
        reduced_motion="reduce", has_touch=width < 900,
    )  # fmt: skip
    context.set_default_timeout(MOST_S * 1000)
    one = context.new_page()
    wrongs: list[str] = []
    one.on("pageerror", lambda error: wrongs.append(str(error)))
    one.on("console", lambda line: wrongs.append(line.text) if line.type == "error" else None)
    one.wrongs = wrongs  # type: ignore[attr-defined]
    try:
        yield one
    finally:
        context.close()


def open_page(page: Page, address: str) -> None:
    """Go there, and wait until it is connected: from then on it hears clicks."""
    page.goto(address)
    page.wait_for_function("window.socket && window.socket.connected && window.did_handshake")


def _pictures() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("paths", nargs="*")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as one, chromium() as browser:
        one.start(one.house.live())
        for path in arguments.paths or ["/"]:
            for width, height in (PHONE, DESKTOP):
                for dark in (False, True):
                    with page(browser, width, height, dark) as shown:
                        open_page(shown, one.url + path)
                        shown.wait_for_timeout(1500)
                        name = f"{path.strip('/') or 'now'}-{width}-{'dark' if dark else 'light'}.png"
                        shown.screenshot(path=arguments.out / name, full_page=True)
                        print(name, *shown.wrongs, sep="\n  ")  # type: ignore[attr-defined]


if __name__ == "__main__":
    _pictures()
