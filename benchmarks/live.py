"""CPU of `noctule run` on a real JACK server at 96 kHz, two microphones, a room with a walker in between."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.soundservers.servers import Jack, ServerError, missing_programs, until

WARM_UP_S, MEASURE_S = 6.0, 30.0
SAMPLE_RATE_HZ, CARRIER_HZ, MICROPHONES = 96000, 32000, 2
WALKING = [["still", 5.0], *[["walk", 2.0, 1.2], ["walk", 2.0, -1.2], ["still", 4.0]] * 10]


def measure_live() -> dict[str, float]:
    """CPU seconds a second, in percent of one core. ServerError where JACK or the sensor does not run."""
    if missing := missing_programs(Jack.programs):
        raise ServerError(f"not installed: {', '.join(missing)}")
    with tempfile.TemporaryDirectory() as folder:
        server = Jack(Path(folder), SAMPLE_RATE_HZ, MICROPHONES)
        try:
            server.start()
            with server.room(script=WALKING):
                return _run(server)
        finally:
            server.stop()


def _run(server: Jack) -> dict[str, float]:
    records = server.folder / "records.jsonl"
    options = ["--input", server.device, "--output", server.device, "--sample-rate-hz", str(SAMPLE_RATE_HZ)]
    command = [sys.executable, "-m", "noctule", "run", "--headless", *options]
    command += ["--carrier-hz", str(CARRIER_HZ), "--jsonl", str(records)]
    process = subprocess.Popen(
        command, env=server.environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        until(lambda: process.poll() is not None or _lines(records) > 0, 30.0, lambda: "no records in 30 s")
        if process.poll() is not None:
            assert process.stderr is not None
            raise ServerError(f"run ended with {process.returncode}: {process.stderr.read()[-500:]}")
        time.sleep(WARM_UP_S)
        used_s, lines, start_s = cpu_s(process.pid), _lines(records), time.monotonic()
        time.sleep(MEASURE_S)
        took_s = time.monotonic() - start_s
        used_s, written = cpu_s(process.pid) - used_s, _lines(records) - lines
    finally:
        process.terminate()
        process.wait(10.0)
    return {"percent_of_one_core": 100.0 * used_s / took_s, "records_per_s": written / took_s}


def _lines(records: Path) -> int:
    return records.read_bytes().count(b"\n") if records.exists() else 0


def cpu_s(pid: int) -> float:
    """CPU time of a process and everything below it that still runs."""
    ticks = [_stat(one) for one in family_of(pid)]
    return sum(int(fields[11]) + int(fields[12]) for fields in ticks if fields) / os.sysconf("SC_CLK_TCK")


def family_of(pid: int) -> list[int]:
    """A process and everything below it that still runs."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        if fields := _stat(int(folder.name)):
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    family = [pid]
    for one in family:  # grows while we walk it
        family += children.get(one, [])
    return family


def _stat(pid: int) -> list[str]:
    """What the system says of a process behind its name; nothing where it has just ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
