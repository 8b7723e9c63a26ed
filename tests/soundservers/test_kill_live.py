"""`noctule run` is killed with signal 9 amid timers of Routines, and started again on the same folders."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from benchmarks.live import family_of
from tests.ports import free_port
from tests.processes import runs
from tests.soundservers.product import Command, noctule, sensing
from tests.soundservers.servers import Server, until

from noctule.routines.engine import SETTLES_S
from noctule.service.history import History

pytestmark = [pytest.mark.soundserver, pytest.mark.slow]

#: Somebody walks, and once more when the other process has looked for long enough.
SCRIPT = [["still", 1.0], ["walk", 2.5, 1.2], ["still", 60.0], ["walk", 2.5, -1.2]]
QUIET_S = 40.0
#: The app is there within this, on a busy machine.
STARTS_WITHIN_S = 90.0


class Bells:
    """What webhooks ring, and when."""

    def __init__(self) -> None:
        self.rang: list[tuple[str, float]] = []
        bells = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bells.rang.append((self.path, time.time()))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{name}"

    def of(self, name: str) -> list[float]:
        return [at for path, at in self.rang if path == f"/{name}"]

    def __enter__(self) -> Bells:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextlib.contextmanager
def running(server: Server, port: int) -> Iterator[tuple[Command, httpx.Client]]:
    """The product with its app, which answers."""
    arguments = [part for part in sensing(server, "--carrier-hz", "32000") if part != "--headless"]
    remembers = {"NOCTULE_PRESENCE__OFF_LATENCY_S": "60", "NOCTULE_PRESENCE__SETTLED_OFF_LATENCY_S": "60"}
    with (
        noctule(server, *arguments, NOCTULE_WEB__PORT=str(port), **remembers) as run,
        httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=10.0) as api,
    ):

        def answers() -> bool:
            with contextlib.suppress(httpx.HTTPError):
                return api.get("/routines").status_code == 200
            return not run.running

        until(answers, STARTS_WITHIN_S, lambda: f"no app: {run.stderr}")
        assert run.running, run.stderr
        yield run, api


def test_nothing_is_lost_by_a_kill(jack_96k: Server) -> None:
    """A Routine made over the API, its suppression, a timer that runs, events, and who is here."""
    port, history = free_port(), History(jack_96k.folder / "state" / "noctule" / "history.sqlite")
    begin = jack_96k.folder / "begin"
    with Bells() as bells, jack_96k.room(script=SCRIPT, begins_with=str(begin)) as room:
        with running(jack_96k, port) as (first, api):
            for name, when, more in (
                ("Bell", {"motion": "detected"}, {"suppress_for": "5m"}),
                ("Quiet", {"motion": "not_detected", "for": f"{QUIET_S:g}s"}, {}),
            ):
                made = {"name": name, "when": when, "then": [{"webhook": bells.url(name)}], **more}
                assert api.post("/routines", json=made).status_code == 201
            begin.touch()
            until(lambda: bool(room.wall_times("motion_stop")), 40.0, lambda: first.stderr)
            until(lambda: len(bells.of("Bell")) == 1, 5.0, lambda: str(api.get("/routines/log").json()))
            until(lambda: bool(history.events()), 5.0, lambda: first.stderr)
            time.sleep(2.0)
            moved = [one["at"] for one in first.records() if one["presence"] and one["motion"] != "none"]
            kept = {(one["uid"], one["start"]) for one in history.events()}
            first.end()
        assert moved
        assert kept
        with running(jack_96k, port) as (second, api):
            names = [one["name"] for one in api.get("/routines").json()["routines"]]
            assert names == ["Bell", "Quiet"]
            assert second.records()[0]["presence"], "who was here is not known any more"
            assert {one["presence"] for one in second.records()} == {True}
            until(lambda: bool(bells.of("Quiet")), 40.0, lambda: _story(second, moved[-1]))
            looks = [one["at"] for one in second.records() if one["fault"] is None and one["carrier_snr_db"]]
            late_s = bells.of("Quiet")[0] - (moved[-1] + QUIET_S)
            # silence is proof when somebody has looked for a while; on a busy machine it starts later
            ready = looks[0] + SETTLES_S < moved[-1] + QUIET_S
            assert -1.5 <= late_s <= (1.5 if ready else 20.0), f"{late_s} s late: {_story(second, moved[-1])}"
            assert len(bells.of("Quiet")) == 1
            until(lambda: len(room.wall_times("motion_stop")) == 2, 40.0, lambda: second.stderr)
            verdicts = _verdicts(api, "Bell")
            assert [one["runs"] for one in verdicts] == [True, False], verdicts
            assert "not again for 5m" in verdicts[-1]["text"]
            assert len(bells.of("Bell")) == 1
            assert kept <= {(one["uid"], one["start"]) for one in history.events()}


def _story(run: Command, since: float) -> str:
    """What it said, a word a second."""
    seconds: dict[int, set[str]] = {}
    for one in run.records():
        seconds.setdefault(int(one["at"] - since), set()).add(one["fault"] or one["motion"])
    return f"{run.stderr}: { ({at: '/'.join(sorted(what)) for at, what in seconds.items()}) }"


def _verdicts(api: httpx.Client, name: str) -> list[dict[str, Any]]:
    return [
        one for one in api.get("/routines/log").json() if one["name"] == name and one.get("runs") is not None
    ]


def test_the_killed_process_leaves_no_child(jack_96k: Server) -> None:
    """Its sound card's process ends by itself: else nobody could open the card again."""
    with jack_96k.room(), noctule(jack_96k, *sensing(jack_96k, "--carrier-hz", "32000")) as run:
        run.until_record(60.0)
        children = family_of(run._process.pid)[1:]
        assert children
        run.end()
        until(lambda: not any(runs(pid) for pid in children), 10.0, lambda: f"still there: {children}")
