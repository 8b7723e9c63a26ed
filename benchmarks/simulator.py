"""How fast a typical scene is rendered, a process on every core at once: part of `make bench`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.memory import high_water_mark

SCENE = Path(__file__).with_name("typical_scene.toml")
WHAT = "60 s of a person, a floor fan and 4 microphones at baseband (40 kHz)"


def measure_simulator() -> dict[str, float]:
    """The slowest worker counts: times real time by CPU and by the clock, and the largest memory."""
    workers = len(os.sched_getaffinity(0))
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.simulator", str(n)], stdout=subprocess.PIPE, text=True
        )
        for n in range(workers)
    ]
    found = [json.loads(one.communicate()[0]) for one in running]
    return {
        "workers": workers,
        "times_real_time": min(one["times_real_time"] for one in found),
        "times_real_time_cpu": min(one["times_real_time_cpu"] for one in found),
        "peak_memory_mb": max(one["peak_memory_mb"] for one in found),
    }


def _render_one(seed: int, runs: int = 3) -> dict[str, float]:
    """Best of several scenes, after one that compiles and fills the caches."""
    from noctule.simulate.render import render
    from noctule.simulate.scenes import read_scene

    scene = read_scene(SCENE)
    took, cpu = [], []
    for run in range(runs + 1):
        start_s, start_cpu_s = time.perf_counter(), time.process_time()
        for _ in render(scene.model_copy(update={"seed": 100 * seed + run})):
            pass
        took.append(time.perf_counter() - start_s)
        cpu.append(time.process_time() - start_cpu_s)
    return {
        "times_real_time": scene.duration_s / min(took[1:]),
        "times_real_time_cpu": scene.duration_s / min(cpu[1:]),
        "peak_memory_mb": high_water_mark() / 1e6,
    }


if __name__ == "__main__":
    print(json.dumps(_render_one(int(sys.argv[1]))))
