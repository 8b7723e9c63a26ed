"""The whole service on a real JACK server, four microphones at 96 kHz: CPU, memory, rows, and how soon pages
are there.

    python -m benchmarks.service [--write]

The room is a process of its own, and so is the browser; neither is counted.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import numpy as np
import typer
from rich.console import Console
from tests.ports import free_port
from tests.soundservers.servers import Jack, ServerError, missing_programs, until
from tests.web.browser import chromium, open_page, page

from benchmarks import machine, report
from benchmarks.live import CARRIER_HZ, SAMPLE_RATE_HZ, WALKING, cpu_s, family_of
from benchmarks.plain import run_plain

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MICROPHONES = 4
WARM_UP_S, MEASURE_S, VISITS = 10.0, 30.0, 3
#: The app is there within this, on a busy machine.
STARTS_WITHIN_S = 120.0
WITH_NUMBERS = ("/", "/timeline")
PATHS = (*WITH_NUMBERS, "/routines", "/setup", "/status", "/settings")
#: In the page: how long after the navigation began it was connected, and something stood in it, ms.
WATCH = """
  const look = () => {
    const shown = document.querySelector("main.n-page")?.innerText ?? "";
    if (%s.test(shown) && window.did_handshake) window.__interactive = performance.now();
    else setTimeout(look, 5);
  };
  look();
"""
#: A number, where there always is one; else more than the heading.
NUMBER, WORDS = "/[0-9]/", "/\\n.*\\S/"


def main(
    seconds: Annotated[float, typer.Option(min=5.0, help="how long each figure is measured")] = MEASURE_S,
    write: Annotated[
        bool, typer.Option("--write", help="keep the results beside those of the chain")
    ] = False,
) -> None:
    """Measure `noctule run` alone, with a browser on Now, and with one on Timeline."""
    if missing := missing_programs(Jack.programs):
        raise SystemExit(f"bench: not installed: {', '.join(missing)}")
    results: report.Results = {"machine": machine.describe()}
    try:
        results["service"] = measure_service(seconds)
    except ServerError as error:
        raise SystemExit(f"bench: {error}") from None
    report.print_figures(results)
    Console(highlight=False).print(loads(results["service"]), style="dim")
    if write:
        report.write(results)


def loads(figures: dict[str, float]) -> str:
    """How busy the machine was meanwhile, all of it."""
    names = {"alone": "without a browser", "now": "on Now", "timeline": "on Timeline", "pages": "pages"}
    return "load average " + ", ".join(f"{figures[f'load_{key}']:.1f} {name}" for key, name in names.items())


def machine_speed() -> float:
    """Of plain SciPy on ten seconds of noise, times real time by CPU: beside `plain` of the chain it says how
    much slower the machine is now."""
    noise = np.random.default_rng(1).standard_normal((10 * SAMPLE_RATE_HZ, MICROPHONES), np.float32)
    return 10.0 / run_plain(noise, SAMPLE_RATE_HZ, CARRIER_HZ).cpu_s


def measure_service(seconds: float = MEASURE_S) -> dict[str, float]:
    """All figures. ServerError where JACK or the sensor does not run."""
    with tempfile.TemporaryDirectory() as folder:
        server = Jack(Path(folder), SAMPLE_RATE_HZ, MICROPHONES)
        try:
            server.start()
            with server.room(script=WALKING * 3), running(server) as (process, url):
                return _figures(process.pid, url, seconds)
        finally:
            server.stop()


@contextlib.contextmanager
def running(server: Jack) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """`noctule run` and the address of its app, which answers."""
    port = free_port()
    options = ["--input", server.device, "--output", server.device, "--sample-rate-hz", str(SAMPLE_RATE_HZ)]
    command = [
        sys.executable,
        "-m",
        "noctule",
        "run",
        *options,
        "--carrier-hz",
        str(CARRIER_HZ),
    ]
    environment = server.environment | {
        "NOCTULE_WEB__PORT": str(port),
        "XDG_STATE_HOME": str(server.folder / "state"),
    }
    log = server.folder / "run.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=out)
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: process.poll() is not None or _answers(url), STARTS_WITHIN_S, log.read_text)
        if process.poll() is not None:
            raise ServerError(f"run ended with {process.returncode}: {log.read_text()[-500:]}")
        yield process, url
    finally:
        process.terminate()
        process.wait(20.0)


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{url}/api/v1/state", timeout=2.0).status_code == 200
    return False


def _figures(pid: int, url: str, seconds: float) -> dict[str, float]:
    found: dict[str, float] = {}
    time.sleep(WARM_UP_S)
    speeds = [machine_speed()]
    found |= _cost("alone", pid, seconds)
    with chromium() as browser:
        with page(browser) as shown:
            open_page(shown, url)
            time.sleep(WARM_UP_S)
            before, start_s = _rows(shown), time.monotonic()
            found |= _cost("now", pid, seconds)
            after, took_s = _rows(shown), time.monotonic() - start_s
            found["rows_per_s"] = (after["received"] - before["received"]) / took_s
            found["rows_lost"] = after["lost"] - before["lost"]
            found["pictures_per_s"] = (after["frames"] - before["frames"]) / took_s
        with page(browser) as shown:
            open_page(shown, f"{url}/timeline")
            time.sleep(WARM_UP_S)
            found |= _cost("timeline", pid, seconds)
        speeds.append(machine_speed())
        found["load_pages"] = os.getloadavg()[0]
        took = {path: _interactive_s(browser, url, path) for path in PATHS}
    found |= {f"interactive_{path.strip('/') or 'now'}_s": took_s for path, took_s in took.items()}
    found["plain_times_real_time_cpu"] = statistics.median([*speeds, machine_speed()])
    return found | {"interactive_slowest_s": max(took.values())}


def _cost(name: str, pid: int, seconds: float) -> dict[str, float]:
    """CPU in percent of a core, and memory of the process with its sound card's."""
    used_s, start_s = cpu_s(pid), time.monotonic()
    time.sleep(seconds)
    took_s = time.monotonic() - start_s
    return {
        f"percent_{name}": 100.0 * (cpu_s(pid) - used_s) / took_s,
        f"memory_{name}_mb": sum(_pss_bytes(one) for one in family_of(pid)) / 1e6,
        f"load_{name}": os.getloadavg()[0],
    }


def _pss_bytes(pid: int) -> int:
    """Resident memory; what processes share is counted once."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return 1024 * int(line.split()[1])
    return 0


def _rows(shown: Page) -> dict[str, Any]:
    return dict(shown.evaluate("({ ...window.__noctuleRows })"))


def _interactive_s(browser: Browser, url: str, path: str) -> float:
    """The median of browsers that were never here before."""
    found = []
    for _ in range(VISITS):
        with page(browser) as shown:
            shown.add_init_script(WATCH % (NUMBER if path in WITH_NUMBERS else WORDS))
            shown.goto(url + path)
            shown.wait_for_function("window.__interactive")
            found.append(float(shown.evaluate("window.__interactive")) / 1000.0)
    return statistics.median(found)


if __name__ == "__main__":
    machine.with_one_blas_thread("benchmarks.service")
    typer.run(main)
