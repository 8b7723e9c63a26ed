"""Speed and memory of the sensing chain: `make bench`, or `python -m benchmarks.chain --help`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from tests.soundservers.servers import ServerError

from benchmarks import machine, report
from benchmarks.live import measure_live
from benchmarks.memory import measure_replay
from benchmarks.plain import run_plain
from benchmarks.simulator import SCENE, measure_simulator
from benchmarks.stages import Chain, measure_stages, of_blocks, times_real_time
from noctule.core.frames import Float32Array
from noctule.simulate.render import render
from noctule.simulate.scenes import read_scene


def main(
    seconds: Annotated[float, typer.Option(min=10.0, help="length of the recording")] = 60.0,
    runs: Annotated[int, typer.Option(min=1, help="how often; the best and the median are told")] = 15,
    hour: Annotated[bool, typer.Option("--hour", help="also: an hour-long file (2 GB in build/)")] = False,
    live: Annotated[bool, typer.Option("--live", help="also: CPU of `noctule run` through JACK")] = False,
    compare: Annotated[Path | None, typer.Option(help="earlier results to compare with")] = None,
    write: Annotated[
        bool, typer.Option("--write", help=f"keep the results, and write {report.PAGE}")
    ] = False,
) -> None:
    """Measure the chain on one core, next to plain SciPy doing the same work."""
    scene = read_scene(SCENE).model_copy(update={"duration_s": seconds})
    samples = np.concatenate(list(render(scene, "audio", os.cpu_count() or 1)))
    sample_rate_hz = round(scene.sample_rate_hz)
    results: report.Results = {
        "machine": machine.describe(),
        "workload": {
            "what": f"{seconds:g} s of {samples.shape[1]} microphones at {sample_rate_hz // 1000} kHz, "
            f"{scene.carrier_hz / 1e3:g} kHz tone, a simulated person and a fan ({SCENE.name}); "
            f"32 ms blocks, one core, {runs} runs.",
            "seconds": seconds,
            "runs": runs,
            "load_before": os.getloadavg()[0],
        },
    }
    with machine.one_core():
        results |= _speed(samples, sample_rate_hz, scene.carrier_hz, runs)
    results["minute"] = measure_replay(samples, sample_rate_hz, scene.carrier_hz, repeats=1)
    results["simulator"] = measure_simulator()
    if hour:
        found = measure_replay(samples, sample_rate_hz, scene.carrier_hz, repeats=round(3600.0 / seconds))
        results["hour"] = found | {"times_real_time": found["seconds"] / found["took_s"]}
    if live:
        try:
            results["live"] = measure_live()
        except ServerError as error:  # what was measured so far took minutes: keep it
            print(f"bench: no live figures: {error}", file=sys.stderr)
    report.print_tables(results)
    if compare is not None:
        report.print_comparison(results, compare)
    if write:
        report.write(results)


def _speed(samples: Float32Array, sample_rate_hz: int, carrier_hz: float, runs: int) -> report.Results:
    chain = Chain(samples, sample_rate_hz, carrier_hz)
    ours, theirs = [], []
    for i in range(runs):  # in turns, so that both meet the same machine
        ours.append(chain.run())
        if i % 3 == 0:
            theirs.append(run_plain(samples, sample_rate_hz, carrier_hz))
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
