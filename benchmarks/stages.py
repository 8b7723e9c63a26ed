"""The chain on one core: as a whole, and what each stage takes of it."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from noctule.core.frames import AudioBlock, Float32Array
from noctule.core.settings import Settings
from noctule.dsp.distortion import DistortionCanceller
from noctule.dsp.doppler import DopplerSpectrum
from noctule.dsp.downconvert import Downconverter
from noctule.dsp.floor import FloorShape, WhiteNoise
from noctule.dsp.quality import AudioCheck, QualityMonitor
from noctule.model.runtime import NetworkDetector
from noctule.pipeline import SensingPipeline
from noctule.presence.tracker import PresenceTracker

BLOCK_S = 0.032
REST = "rest: blocks, frames, glue"
#: stage -> the methods that are its work
STAGES: dict[str, tuple[tuple[type, str], ...]] = {
    "audio check": ((AudioCheck, "check"),),
    "downconvert": ((Downconverter, "process"),),
    "doppler: window, clutter, FFT": ((DopplerSpectrum, "process"),),
    "distortion": ((DistortionCanceller, "update"),),
    "velocity grid, floors, quality": (
        (DopplerSpectrum, "on_grid"),
        (WhiteNoise, "update"),
        (FloorShape, "refer"),
        (QualityMonitor, "update"),
    ),
    "network": ((NetworkDetector, "score"),),
    "tracker": ((PresenceTracker, "update"),),
}


class Run(NamedTuple):
    """One run through a recording, in seconds."""

    wall_s: float
    cpu_s: float
    block_s: tuple[float, ...] = ()


def times_real_time(seconds: float, runs: list[Run]) -> dict[str, float]:
    """Best and median, by the clock and by CPU time, which other work on the machine slows less."""
    wall_s, cpu_s = [run.wall_s for run in runs], [run.cpu_s for run in runs]
    return {
        "times_real_time_best": seconds / min(wall_s),
        "times_real_time_median": seconds / statistics.median(wall_s),
        "times_real_time_cpu_best": seconds / min(cpu_s),
        "times_real_time_cpu_median": seconds / statistics.median(cpu_s),
    }


def of_blocks(seconds: float, runs: list[Run]) -> dict[str, float]:
    """What single blocks took. The best of each, added up, is a run that nothing else disturbed."""
    block_s = np.array([run.block_s for run in runs])
    return {
        "times_real_time_undisturbed": seconds / float(block_s.min(axis=0).sum()),
        "worst_block_ms_best_run": 1e3 * float(block_s.max(axis=1).min()),
        "worst_block_ms_all_runs": 1e3 * float(block_s.max()),
    }


class Chain:
    """The pipeline and a recording cut into blocks."""

    def __init__(self, samples: Float32Array, sample_rate_hz: float, carrier_hz: float) -> None:
        size = round(BLOCK_S * sample_rate_hz)
        self.seconds = len(samples) / sample_rate_hz
        self._blocks = [
            AudioBlock(samples[i : i + size], sample_rate_hz, i) for i in range(0, len(samples), size)
        ]
        self.pipeline = SensingPipeline(
            Settings.model_validate({"model": {"detector": "network"}}),
            carrier_hz=carrier_hz,
            channels=samples.shape[1],
            sample_rate_hz=sample_rate_hz,
        )
        self.major_share = 0.0
        self.run()  # compiles what numba has not yet compiled

    def run(self) -> Run:
        """Once through."""
        self.pipeline.reset()
        times, major, frames = [], 0, 0
        cpu_s = time.process_time()
        for block in self._blocks:
            start_s = time.perf_counter()
            decisions = self.pipeline.process(block)
            times.append(time.perf_counter() - start_s)
            major += sum(d.motion == "major" for d in decisions)
            frames += len(decisions)
        self.major_share = major / frames
        return Run(sum(times), time.process_time() - cpu_s, tuple(times))


def measure_stages(chain: Chain, runs: int) -> dict[str, float]:
    """Milliseconds of each stage a second of audio, the best of several runs.

    The stages' methods are wrapped while this runs, which costs about 3 % and counts as rest.
    """
    best: dict[str, float] = {}
    for _ in range(runs):
        with _timed() as taken_s:
            taken_s[REST] = chain.run().wall_s - sum(taken_s.values())
        for stage, seconds in taken_s.items():
            best[stage] = min(best.get(stage, np.inf), 1e3 * seconds / chain.seconds)
    return best


@contextlib.contextmanager
def _timed() -> Iterator[dict[str, float]]:
    taken_s = dict.fromkeys(STAGES, 0.0)
    originals = [(owner, name, getattr(owner, name)) for parts in STAGES.values() for owner, name in parts]
    for stage, parts in STAGES.items():
        for owner, name in parts:
            setattr(owner, name, _wrap(getattr(owner, name), stage, taken_s))
    try:
        yield taken_s
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)


def _wrap(method: Callable[..., Any], stage: str, taken_s: dict[str, float]) -> Callable[..., Any]:
    def timed(*arguments: Any, **named: Any) -> Any:
        start_s = time.perf_counter()
        result = method(*arguments, **named)
        taken_s[stage] += time.perf_counter() - start_s
        return result

    return timed
