"""Speed and memory of the sensing chain: `make bench`, or `python -m benchmarks.chain --help`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from scripts.make_demo_recording import render
from tests.soundservers.servers import ServerError

from benchmarks import machine, report
from benchmarks.live import measure_live
from benchmarks.memory import measure_replay
from benchmarks.plain import run_plain
from benchmarks.simulator import measure_simulator
from benchmarks.stages import Chain, measure_stages, of_blocks, times_real_time
from noctule.core.frames import Float32Array

SAMPLE_RATE_HZ, CARRIER_HZ, MICROPHONES = 96000, 40000.0, 4
#: The walk in the recording takes 14 s; somebody comes by every 20.
EVERY_S = 20.0
RESULTS = Path("benchmarks/results")
PAGE = Path("docs/reference/performance.md")


def main(
    seconds: Annotated[float, typer.Option(min=10.0, help="length of the recording")] = 60.0,
    runs: Annotated[int, typer.Option(min=1, help="how often; the best and the median are told")] = 15,
    hour: Annotated[bool, typer.Option("--hour", help="also: an hour-long file (2 GB in build/)")] = False,
    live: Annotated[bool, typer.Option("--live", help="also: CPU of `noctule run` through JACK")] = False,
    compare: Annotated[Path | None, typer.Option(help="earlier results to compare with")] = None,
    write: Annotated[bool, typer.Option("--write", help=f"keep the results, and write {PAGE}")] = False,
) -> None:
    """Measure the chain on one core, next to plain SciPy doing the same work."""
    samples = _recording(seconds)
    results: report.Results = {
        "machine": machine.describe(),
        "workload": {
            "what": f"{seconds:g} s of {MICROPHONES} microphones at {SAMPLE_RATE_HZ // 1000} kHz, "
            f"{CARRIER_HZ / 1e3:g} kHz tone, a walker every {EVERY_S:g} s, noise; "
            f"32 ms blocks, one core, {runs} runs.",
            "seconds": seconds,
            "runs": runs,
            "load_before": os.getloadavg()[0],
        },
    }
    with machine.one_core():
        results |= _speed(samples, runs)
    results["minute"] = measure_replay(samples, SAMPLE_RATE_HZ, CARRIER_HZ, repeats=1)
    results["simulator"] = measure_simulator()
    if hour:
        found = measure_replay(samples, SAMPLE_RATE_HZ, CARRIER_HZ, repeats=round(3600.0 / seconds))
        results["hour"] = found | {"times_real_time": found["seconds"] / found["took_s"]}
    if live:
        try:
            results["live"] = measure_live()
        except ServerError as error:  # what was measured so far took minutes: keep it
            print(f"bench: no live figures: {error}", file=sys.stderr)
    report.print_tables(results)
    if compare is not None:
        report.print_comparison(results, compare)
    file = RESULTS / f"{machine.file_name()}.json"
    if write:
        report.write_json(results, file)
        PAGE.write_text(
            report.markdown(json.loads(file.read_text()), "make bench BENCH='--hour --live --write'", file)
        )


def _recording(seconds: float) -> Float32Array:
    return np.concatenate(list(render(SAMPLE_RATE_HZ, CARRIER_HZ, seconds, MICROPHONES, every_s=EVERY_S)))


def _speed(samples: Float32Array, runs: int) -> report.Results:
    chain = Chain(samples, SAMPLE_RATE_HZ, CARRIER_HZ)
    ours, theirs = [], []
    for i in range(runs):  # in turns, so that both meet the same machine
        ours.append(chain.run())
        if i % 3 == 0:
            theirs.append(run_plain(samples, SAMPLE_RATE_HZ, CARRIER_HZ))
    whole, plain = times_real_time(chain.seconds, ours), times_real_time(chain.seconds, theirs)
    whole |= of_blocks(chain.seconds, ours)
    whole |= {
        "times_plain": whole["times_real_time_cpu_best"] / plain["times_real_time_cpu_best"],
        "latency_ms": 1e3 * chain.pipeline.latency_s,
        "window_ms": 1e3 * chain.pipeline.extractor.window_s,
        "major_motion_share": chain.major_share,
    }
    return {"chain": whole, "plain": plain, "stages_ms_per_s": measure_stages(chain, runs)}


if __name__ == "__main__":
    machine.with_one_blas_thread("benchmarks.chain")
    typer.run(main)
