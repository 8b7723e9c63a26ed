"""The benchmark has something to work on, and compares like with like."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from benchmarks import report
from benchmarks.live import cpu_s, family_of
from benchmarks.memory import peak_memory
from benchmarks.plain import spectrum
from benchmarks.simulator import SCENE
from benchmarks.stages import REST, STAGES, Chain, Run, measure_stages, of_blocks, times_real_time

from noctule.simulate.render import render
from noctule.simulate.scenes import read_scene


@pytest.fixture(scope="module")
def chain() -> Chain:
    scene = read_scene(SCENE).model_copy(update={"duration_s": 6.0})
    return Chain(np.concatenate(list(render(scene, "audio"))), round(scene.sample_rate_hz), scene.carrier_hz)


def test_every_stage_of_the_benchmark_is_at_work(chain: Chain) -> None:
    """A method that was renamed, or is not called any more, would take no time."""
    before = [getattr(owner, name) for parts in STAGES.values() for owner, name in parts]
    taken_ms = measure_stages(chain, runs=1)
    assert set(taken_ms) == {*STAGES, REST}
    assert all(ms > 0 for ms in taken_ms.values()), taken_ms
    assert taken_ms[REST] < 0.5 * sum(taken_ms.values()), "the stages miss most of the work"
    assert before == [getattr(owner, name) for parts in STAGES.values() for owner, name in parts]


def test_the_benchmarked_recording_has_motion_to_work_on(chain: Chain) -> None:
    chain.run()
    assert chain.major_share > 0.2  # she walks for 3 s of 6 s, at 4 m first


def test_plain_scipy_finds_the_same_spectrum() -> None:
    """A tone 300 Hz above the carrier: same bin, same power as in the chain's third stage."""
    t = np.arange(96000) / 96000
    beside = 0.01 * np.cos(2 * np.pi * 40300.0 * t).astype(np.float32)[:, None]
    power = spectrum(beside, 96000, 40000.0)[:, :, :].max(axis=(1, 2))
    peak = np.unravel_index(np.argmax(power), power.shape)[0]
    assert peak * 6000.0 / len(power) == pytest.approx(300.0, abs=6000.0 / len(power))


def test_best_and_median() -> None:
    found = times_real_time(60.0, [Run(1.0, 0.5), Run(0.2, 0.2), Run(2.0, 1.0)])
    assert found["times_real_time_best"] == pytest.approx(300.0)
    assert found["times_real_time_median"] == pytest.approx(60.0)
    assert found["times_real_time_cpu_median"] == pytest.approx(120.0)


def test_what_disturbs_single_blocks_is_left_out() -> None:
    found = of_blocks(60.0, [Run(0.3, 0.3, (0.1, 0.2)), Run(0.6, 0.6, (0.5, 0.1))])
    assert found["times_real_time_undisturbed"] == pytest.approx(300.0)
    assert found["worst_block_ms_best_run"] == pytest.approx(200.0)
    assert found["worst_block_ms_all_runs"] == pytest.approx(500.0)


def test_peak_memory_is_the_childs_own() -> None:
    """Seen: `ru_maxrss` of a small child is that of its large parent."""
    ours = np.ones(50_000_000, dtype=np.uint8)  # 50 MB here
    small = peak_memory(["python3", "-c", "import time; time.sleep(0.2)"])
    large = peak_memory(["python3", "-c", "import time; x = b'1' * 60_000_000; time.sleep(0.2)"])
    assert small < 30e6
    assert 60e6 < large < 90e6
    assert ours.all()


def test_results_are_merged_compared_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "results" / "here.json"
    workload = {"what": "a walk", "load_before": 0.0}
    first = {"machine": {"cpu": "x"}, "workload": workload, "stages_ms_per_s": {"cfar": 1.0}}
    report.write_json(first | {"hour": {"peak_memory_mb": 123.4567}}, file)
    report.write_json(first | {"chain": {"times_real_time_best": 400.0}}, file)
    assert '"peak_memory_mb": 123.5' in file.read_text()  # measured earlier, kept
    slower = first | {"chain": {"times_real_time_best": 200.0}}
    report.print_comparison(slower, file)
    assert re.search(r"best run, x real time +400 +200 +0\.50", capsys.readouterr().out)
    page = report.markdown(slower, "make bench", Path("benchmarks/results/here.json"))
    assert "| whole chain with the network, best run | 200 x real time | >= 150 |" in page


def test_cpu_is_that_of_a_process_and_its_children() -> None:
    busy = "import time; end = time.process_time() + 0.7\nwhile time.process_time() < end: pass\n"
    child = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {busy + 'time.sleep(60)'!r}])\n"
    with subprocess.Popen([sys.executable, "-c", child + "import time; time.sleep(60)"]) as process:
        try:
            until_s = time.monotonic() + 60.0
            while len(family_of(process.pid)) < 2 or cpu_s(family_of(process.pid)[1]) < 0.5:
                assert time.monotonic() < until_s
                time.sleep(0.05)
            family = family_of(process.pid)
            assert len(family) == 2
            assert cpu_s(process.pid) >= cpu_s(family[1]) >= 0.5
            assert cpu_s(process.pid) < 5.0
        finally:
            for pid in family_of(process.pid)[::-1]:
                os.kill(pid, signal.SIGKILL)
    assert cpu_s(process.pid) == 0.0
