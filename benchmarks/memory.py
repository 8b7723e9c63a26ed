"""Peak memory of the real command on a recording, and of an hour-long one."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import soundfile

from noctule.core.frames import Float32Array

FOLDER = Path("build/bench")


def measure_replay(
    samples: Float32Array, sample_rate_hz: int, carrier_hz: float, repeats: int
) -> dict[str, float]:
    """`noctule replay` on a 24-bit FLAC of the samples, over and over; the file is removed afterwards."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / "recording.flac"
    try:
        with soundfile.SoundFile(file, "w", sample_rate_hz, samples.shape[1], "PCM_24", format="FLAC") as out:
            for _ in range(repeats):
                out.write(samples)
        size = file.stat().st_size
        start_s = time.perf_counter()
        peak = peak_memory(
            [sys.executable, "-m", "noctule", "replay", str(file), "--carrier-hz", f"{carrier_hz:g}"]
        )
        took_s = time.perf_counter() - start_s
    finally:
        file.unlink(missing_ok=True)
    seconds = repeats * len(samples) / sample_rate_hz
    return {"seconds": seconds, "file_mb": size / 1e6, "took_s": took_s, "peak_memory_mb": peak / 1e6}


def peak_memory(command: list[str]) -> int:
    """Bytes of the largest resident set of a command, itself only.

    From VmHWM while it runs: `ru_maxrss` would count what its parent held when it was started.
    """
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = max(_high_water_marks(process), default=0)
    if process.returncode:
        raise SystemExit(f"bench: {' '.join(command)} ended with {process.returncode}")
    return peak


def _high_water_marks(process: subprocess.Popen[bytes]) -> Iterator[int]:
    while process.poll() is None:
        yield high_water_mark(process.pid)
        time.sleep(0.05)


def high_water_mark(pid: int | str = "self") -> int:
    """Bytes of the largest resident set of a running process since it began its program."""
    found = re.search(r"VmHWM:\s*([0-9]+) kB", Path(f"/proc/{pid}/status").read_text())
    return 1024 * int(found[1]) if found else 0
