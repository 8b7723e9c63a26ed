"""Measure detectors on the benchmark: every scene rendered once, heard by all of them, judged event by event.

Rows go to `rows.jsonl` as scenes are finished, one a scene, so a run that was cut off goes on where it was.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from noctule.core.errors import NoctuleError
from noctule.core.frames import BasebandBlock, Decision, FeatureBlock
from noctule.core.protocols import Detector
from noctule.core.settings import Settings
from noctule.dsp.downconvert import plan_decimation
from noctule.dsp.features import FeatureExtractor
from noctule.lab import baselines
from noctule.lab.baselines import Operating
from noctule.lab.benchmark import NEGATIVE_S, SETS, VERSION, Case, Purpose, case, scene_set
from noctule.lab.features import scene_features
from noctule.lab.labels import causes, scene_time_s
from noctule.lab.limit import Limit, detection_probability, limit_of, margin_db
from noctule.lab.metrics import (
    Decisions,
    Truth,
    alarms,
    decisions_of,
    events,
    hold,
    outcome,
    score_counts,
    truth_of,
)
from noctule.pipeline import SensingPipeline
from noctule.simulate.scenes import Scene

Row = dict[str, Any]

ROWS, RUN, BASELINES = "rows.jsonl", "run.json", "baselines.json"
FORMAT = "noctule-evaluation-2"
#: What is measured beside a model.
ALWAYS = ("cfar", *baselines.STATISTICS)
#: Validation scenes that thresholds are fitted on: (set, how many).
VALIDATION: tuple[tuple[str, int], ...] = (
    ("walks", 18), ("fan_walks", 6), ("seated", 6), ("everyday", 9),
    *((name, 2) for name, one in SETS.items() if one.negative),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure. scenes : of each set with people; hours : of all negative sets together."""

    detectors: tuple[str, ...]
    sets: tuple[str, ...]
    scenes: int
    hours: float

    def cases(self) -> list[tuple[str, int]]:
        """Every scene, the sets in turn, so that what is there at any time is of all of them."""
        negative = [name for name in self.sets if scene_set(name).negative]
        each = math.ceil(self.hours * 3600.0 / NEGATIVE_S / max(1, len(negative)))
        counts = {name: each if name in negative else self.scenes for name in self.sets}
        wanted = [((n + 0.5) / count, name, n) for name, count in counts.items() for n in range(count)]
        return [(name, n) for _, name, n in sorted(wanted)]


class _Prepared(FeatureExtractor):
    """An extractor whose features are there already: they are the same for every detector."""

    def __init__(self, features: FeatureBlock) -> None:
        self._features = features

    def process_baseband(self, block: BasebandBlock) -> FeatureBlock:
        return self._features


class Heard:
    """A scene as its sensor hears it."""

    def __init__(self, scene: Scene, settings: Settings) -> None:
        self._scene, self._settings = scene, settings
        self.features, _ = scene_features(scene)
        self._given: dict[str, Any] = {
            "carrier_hz": scene.carrier_hz,
            "channels": len(scene.device.transducers(scene.carrier_hz).microphones_m),
            "baseband_rate_hz": plan_decimation(
                scene.sample_rate_hz, scene.carrier_hz, settings.features
            ).baseband_rate_hz,
        }
        self.extractor = FeatureExtractor(settings.features, **self._given)

    def decisions(self, make: baselines.Factory) -> list[Decision]:
        """What the chain says with a detector, as `replay` would."""
        detector: Detector = make(self.extractor)
        pipeline = SensingPipeline(self._settings, **self._given, detector=detector)
        pipeline.extractor = _Prepared(self.features)
        nothing = np.zeros((0, self._given["channels"]), np.complex64)
        rate_hz, carrier_hz = self._given["baseband_rate_hz"], self._given["carrier_hz"]
        return pipeline.process_baseband(BasebandBlock(nothing, rate_hz, carrier_hz, 0))


def evaluate_case(
    one: Case,
    factories: dict[str, baselines.Factory],
    settings: Settings | None = None,
    with_limit: bool | None = None,
) -> Row:
    """Everything that is to be known of one scene, as a row of JSON."""
    start_s = time.process_time()
    chosen = scene_set(one.of)
    scene, truth = one.scene, truth_of(one.scene)
    heard = Heard(scene, settings or Settings())
    limited = chosen.limited if with_limit is None else with_limit
    limit = limit_of(scene) if limited and scene.person else None
    found = [event for kind in ("major", "minor") for event in events(truth, kind)]
    row: Row = {
        "set": one.of,
        "index": one.index,
        "what": one.what,
        "family": one.family,
        "seed": scene.seed,
        "carrier_hz": scene.carrier_hz,
        "microphones": len(scene.device.transducers(scene.carrier_hz).microphones_m),
        "duration_s": scene.duration_s,
        "causes": causes(scene, len(scene.person)),
        "music": scene.programme is not None,
        "events": [_event(event, limit) for event in found],
        "detectors": {},
    }
    held_from_s = _seated_from_s(truth) if chosen.hold else None
    for name, make in factories.items():
        decided = decisions_of(heard.decisions(make), scene)
        row["detectors"][name] = _judged(decided, truth, found, held_from_s)
    row["cpu_s"] = round(time.process_time() - start_s, 3)
    return row


def _event(event: Any, limit: Limit | None) -> Row:
    row = {
        "kind": event.kind,
        "onset_s": round(event.onset_s, 2),
        "stop_s": round(event.stop_s, 2),
        "range_m": round(event.range_m, 2),
    }
    if limit is not None:
        # the time in which a detector may find it: the first second, or all of a small motion
        until_s = event.onset_s + 1.0
        if event.kind == "minor":
            until_s = max(until_s, event.stop_s)
        d2, single, power = (limit.most(event.onset_s, until_s, of) for of in ("together", "each", "power"))
        row["margin_db"] = round(float(margin_db(d2)), 2)
        row["single_margin_db"] = round(float(margin_db(single)), 2)
        row["limit"] = round(float(detection_probability(d2)), 5)
        row["power_limit"] = round(float(detection_probability(power)), 5)
    return row


def _seated_from_s(truth: Truth) -> float:
    """A second after the last major motion: from then on presence hangs on little."""
    major = np.flatnonzero(truth.most == 2)
    return float(truth.time_s[major[-1]]) + 1.0 if len(major) else 0.0


def _judged(decided: Decisions, truth: Truth, found: list[Any], held_from_s: float | None) -> Row:
    counts = score_counts(decided, truth)
    row: Row = {"events": [_rounded(asdict(outcome(one, decided, truth))) for one in found]}
    row["alarms"] = _rounded(asdict(alarms(decided, truth)))
    row |= {name: _sparse(values) for name, values in asdict(counts).items()}
    if held_from_s is not None:
        row["hold"] = _rounded(asdict(hold(decided, truth, held_from_s)))
    return row


def _rounded(values: Row) -> Row:
    return {name: round(one, 4) if isinstance(one, float) else one for name, one in values.items()}


def _sparse(counts: npt.NDArray[np.int64]) -> list[list[int]]:
    """Histograms are mostly empty: pairs of bin and count."""
    at = np.flatnonzero(counts)
    return [[int(n), int(counts[n])] for n in at]


def dense(pairs: Sequence[Sequence[int]], bins: int) -> npt.NDArray[np.float64]:
    """A histogram from its pairs."""
    out = np.zeros(bins)
    for n, count in pairs:
        out[n] = count
    return out


# -- thresholds of the baselines


def fit_baselines(workers: int, progress: Callable[[Iterator[Any], int, str], Iterator[Any]]) -> Any:
    """Thresholds from validation scenes, a name each."""
    wanted = [(name, n) for name, count in VALIDATION for n in range(count)]
    gathered: dict[str, Any] = {name: ([], []) for name in baselines.STATISTICS}
    done = _pooled(_validate, [(name, n, "validation") for name, n in wanted], workers, ())
    for result in progress(done, len(wanted), "validation scenes"):
        for name, (major, minor) in result.items():
            gathered[name][0].append(major)
            gathered[name][1].append(minor)
    return {name: baselines.fit(*lists) for name, lists in gathered.items()}


def _validate(name: str, index: int, purpose: Purpose) -> dict[str, Any]:
    """Each statistic of a scene in the frames in which the truth is plain."""
    scene = case(name, index, purpose).scene
    features, window_s = scene_features(scene)
    hop_s = float(np.median(np.diff(features.time_s)))
    truth = truth_of(scene)
    # the window and the smoothing look back: the middle of both is what is judged
    at_s = scene_time_s(scene, features.time_s - 0.5 * (window_s + baselines.SMOOTH_S))
    most = truth.at(truth.most, np.maximum(at_s, 0.0))
    result = {}
    for statistic in baselines.STATISTICS:
        major, minor = baselines.statistic_of(statistic, features, hop_s)
        result[statistic] = ((major, most == 2), (minor[most != 2], most[most != 2] == 1))
    return result


# -- a whole run


def run(
    folder: Path,
    plan: Plan,
    workers: int = 1,
    progress: Callable[[Iterator[Any], int, str], Iterator[Any]] = lambda things, count, name: things,
) -> list[Row]:
    """Measure what is not measured yet, and give all rows.

    Raises
    ------
    NoctuleError
        The folder holds a run of other detectors, or a model is not there.
    """
    for name in plan.detectors:
        baselines.detector_factory(name)  # says now what is wrong, not in an hour
    folder.mkdir(parents=True, exist_ok=True)
    _check_run(folder, plan)
    fitted = _fitted(folder, plan, workers, progress)
    rows = read_rows(folder)
    there = {(row["set"], row["index"]) for row in rows}
    wanted = [one for one in plan.cases() if one not in there]
    given = (plan.detectors, {name: asdict(one) for name, one in fitted.items()})
    with (folder / ROWS).open("a", encoding="utf-8", buffering=1) as file:
        for row in progress(_pooled(_measure, wanted, workers, given), len(wanted), "scenes"):
            file.write(json.dumps(row) + "\n")
            rows.append(row)
    chosen = set(plan.sets)
    return sorted((row for row in rows if row["set"] in chosen), key=lambda row: (row["set"], row["index"]))


def _check_run(folder: Path, plan: Plan) -> None:
    path = folder / RUN
    said = {
        "format": FORMAT,
        "benchmark": VERSION,
        "detectors": {name: baselines.fingerprint(name) for name in plan.detectors},
        "settings": Settings().model_dump(mode="json", include={"features", "presence"}),
    }
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        if before != said:
            names, version = ", ".join(before.get("detectors", "?")), before.get("benchmark", "?")
            raise NoctuleError(
                f"{folder}: holds a run of {names} as they were, benchmark {version}: choose another folder"
            )
        return
    path.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


def _fitted(folder: Path, plan: Plan, workers: int, progress: Any) -> dict[str, Operating]:
    path = folder / BASELINES
    if not any(baselines.is_baseline(name) for name in plan.detectors):
        return {}
    if not path.is_file():
        fitted = fit_baselines(workers, progress)
        text = json.dumps({name: asdict(one) for name, one in fitted.items()}, indent=1)
        path.write_text(text + "\n", encoding="utf-8")
    return {name: Operating(**one) for name, one in json.loads(path.read_text(encoding="utf-8")).items()}


def read_rows(folder: Path) -> list[Row]:
    """Rows of a run; what was cut off in mid-line is measured again."""
    path = folder / ROWS
    if not path.is_file():
        return []
    rows, kept = [], []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
        kept.append(line)
    path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    return rows


def _measure(name: str, index: int, detectors: tuple[str, ...], fitted: dict[str, Any]) -> Row:
    made = {one: _factory(one, json.dumps(fitted.get(one.split(":")[-1]))) for one in detectors}
    return evaluate_case(case(name, index), made)


_factories: dict[tuple[str, str], baselines.Factory] = {}


def _factory(name: str, operating: str) -> baselines.Factory:
    """A model is read once a process."""
    if (name, operating) not in _factories:
        given = json.loads(operating)
        fitted = {name.split(":")[-1]: Operating(**given)} if given else {}
        _factories[name, operating] = baselines.detector_factory(name, fitted)
    return _factories[name, operating]


def _pooled(
    work: Callable[..., Any], wanted: Sequence[tuple[Any, ...]], workers: int, given: tuple[Any, ...]
) -> Iterator[Any]:
    """Results as they come; with one worker here, else in fresh processes."""
    if workers == 1 or len(wanted) < 2:
        yield from (work(*one, *given) for one in wanted)
        return
    # one thread of linear algebra a process: more would only wait for each other
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    context = multiprocessing.get_context("spawn")
    left = iter(wanted)
    with ProcessPoolExecutor(workers, context) as pool:
        waiting: set[Future[Any]] = set()
        try:
            while True:
                # no more at once than keeps everybody busy: a run may have ten thousand scenes
                waiting |= {
                    pool.submit(work, *one, *given) for one in islice(left, 3 * workers - len(waiting))
                }
                if not waiting:
                    return
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (one.result() for one in done)
        except BrokenProcessPool:
            raise NoctuleError(
                "a worker was ended from outside (too little memory?): start again to go on"
            ) from None
        finally:
            for future in waiting:
                future.cancel()
