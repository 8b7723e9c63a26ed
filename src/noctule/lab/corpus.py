"""A corpus built: scenes drawn, rendered and labelled by all cores, shard by shard.

A shard is a pure function of the corpus's seed and its own place in the plan, so the bytes are the same on
any number of workers, and whoever was interrupted goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import logging
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from typing import Any

import noctule
from noctule.core.errors import NoctuleError
from noctule.core.settings import FeatureSettings
from noctule.lab import strata as mixture
from noctule.lab.captures import Take, takes_in
from noctule.lab.features import scene_stretches
from noctule.lab.labels import describe, label_frames, shard_of
from noctule.lab.shards import (
    FORMAT,
    SPLITS,
    Corpus,
    Shard,
    Split,
    join,
    read_manifest,
    read_shard,
    write_manifest,
    write_shard,
)
from noctule.lab.sources import write_real
from noctule.lab.summary import code_digest, summary, totals
from noctule.lab.visibility import margins_db
from noctule.simulate.parts import generator

#: Hours of each split. They are cut into shards of at most so many seconds of scenes.
SHARES: dict[Split, float] = {"train": 0.8, "validation": 0.15, "test": 0.05}
SHARD_S = 1200.0
#: Share of scenes in whose midst the sensor starts anew, whoever moves just then.
RESTARTED = 0.5
#: More scenes than this share that cannot be rendered are a fault of the simulator; so many in one shard too.
MOST_FAILED, MOST_FAILED_IN_SHARD = 0.01, 5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """One shard to build: its place in the corpus, its split, and how many seconds of scenes it holds.

    captures : folder of motion capture takes that people may move by.
    """

    number: int
    split: Split
    seconds: float
    seed: int
    strata: tuple[str, ...]
    captures: Path | None = None

    @property
    def file(self) -> str:
        return f"shard-{self.number:05d}.npz"


@dataclass(frozen=True)
class Progress:
    """How far a corpus is: after each shard. `rate`: simulated seconds a second, of what was built now."""

    shard: str
    shards: int
    of_shards: int
    hours: float
    of_hours: float
    failed: int
    rate: float
    left_s: float

    def line(self) -> str:
        return (
            f"{self.shard}: {self.shards} of {self.of_shards} shards, "
            f"{self.hours:.2f} of {self.of_hours:.2f} h, {self.rate:.0f} x real time, "
            f"{self.left_s / 3600.0:.2f} h left, {self.failed} scenes failed"
        )


def plan_shards(
    hours: float,
    seed: int,
    strata: Sequence[str],
    splits: Sequence[Split] = SPLITS,
    captures: Path | None = None,
) -> list[Plan]:
    """Splits are spread evenly over the order, so that half a corpus holds all of them."""
    found: list[tuple[float, Split, float]] = []
    whole = sum(SHARES[one] for one in splits)
    for split in splits:
        seconds = 3600.0 * hours * SHARES[split] / whole
        count = math.ceil(seconds / SHARD_S - 1e-9)
        found += [((k + 0.5) / count, split, seconds / count) for k in range(count)]
    found.sort(key=lambda one: (one[0], SPLITS.index(one[1])))
    return [
        Plan(n, split, seconds, seed, tuple(strata), captures) for n, (_, split, seconds) in enumerate(found)
    ]


def scene_seeds(plan: Plan) -> Iterator[int]:
    """Seeds of a shard's scenes, without end; none of another split, none in two shards."""
    for n in range(1 << 62):
        text = f"noctule scene {plan.seed} {plan.number} {n}"
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")
        if mixture.split_of(seed) == plan.split:
            yield seed


def build_shard(plan: Plan, folder: Path) -> dict[str, Any]:
    """Render, label and write a shard; what the manifest says of it comes back.

    Raises
    ------
    NoctuleError
        It cannot be written, or scene after scene fails.
    """
    chosen = mixture.choose(plan.strata)
    takes = takes_in(plan.captures, plan.split) if plan.captures else ()
    parts: list[Shard] = []
    failed: list[dict[str, Any]] = []
    done_s = 0.0
    for seed in scene_seeds(plan):
        if done_s >= plan.seconds:
            break
        stratum = mixture.pick(seed, chosen)
        try:
            part = scene_shard(seed, stratum, plan.split, takes)
        except Exception as error:  # one scene in ten thousand must not cost a night
            log.exception("scene %d of stratum %s failed", seed, stratum.name)
            said = f"{type(error).__name__}: {error}"
            failed.append({"seed": seed, "stratum": stratum.name, "error": said})
            if len(failed) >= MOST_FAILED_IN_SHARD:
                raise NoctuleError(
                    f"{plan.file}: {len(failed)} scenes failed, the last with seed {seed}: {error}"
                ) from error
            continue
        parts.append(part)
        done_s += sum(one["duration_s"] for one in part.scenes)
    shard = join(parts)
    shard.failed.extend(failed)
    path = folder / plan.file
    write_shard(path, shard)
    return summary(path, shard)


def scene_shard(seed: int, stratum: mixture.Stratum, split: Split, takes: tuple[Take, ...] = ()) -> Shard:
    """One scene as a shard of its own; a scene in whose midst the sensor starts anew is two to it."""
    scene = mixture.draw(seed, stratum, takes)
    rng = generator(seed, "restart")
    restarts_s = [rng.uniform(0.1, 0.9) * scene.duration_s] if rng.random() < RESTARTED else []
    stretches, window_s = scene_stretches(scene, restarts_s)
    ends_s = [*(one.started_s for one in stretches[1:]), scene.duration_s]
    parts = []
    shown_db = margins_db(scene, stretches)
    for one, ended_s, margin_db in zip(stretches, ends_s, shown_db, strict=True):
        labels = label_frames(scene, one.features, window_s, one.started_s)
        about = describe(scene, stratum.name, split, labels.people, (one.started_s, ended_s))
        parts.append(shard_of(one.features, labels, about, margin_db))
    return join(parts)


def build_corpus(
    folder: str | Path,
    hours: float,
    seed: int,
    workers: int | None = None,
    strata: Iterable[str] | None = None,
    splits: Iterable[str] | None = None,
    tell: Callable[[Progress], None] | None = None,
    real: str | Path | None = None,
    captures: str | Path | None = None,
) -> Corpus:
    """Build a corpus, or go on with one that was interrupted.

    Parameters
    ----------
    hours, seed : of simulated scenes; equal seeds, hours and strata give equal bytes.
    workers : processes; None takes all cores. The bytes do not depend on it.
    strata : names, see `strata.STRATA`; None takes all.
    splits : None makes 80 % train, 15 % validation, 5 % test; else these alone, in the same proportion.
    tell : called after every shard; None writes a line to standard error.
    real : folder of the real recordings; those that may train come as further shards.
    captures : folder of motion capture takes; some people move by them.

    Raises
    ------
    NoctuleError
        The folder holds another corpus, cannot be written, or more than 1 % of the scenes fail.
    """
    folder = Path(folder)
    names = [one.name for one in mixture.choose(strata)]
    wanted = _chosen(splits)
    captures = Path(captures) if captures else None
    takes = [take.file.name for split in SPLITS for take in takes_in(captures, split)] if captures else []
    manifest = _opened(folder, hours, seed, names, wanted, sorted(takes), real is not None)
    plans = plan_shards(hours, seed, names, wanted, captures)
    board = _Board(folder, manifest, plans, tell or _say)
    board.known(_finished(folder, plans, manifest))
    missing = [one for one in plans if one.file not in board.shards]
    if missing:
        workers = min(workers or os.cpu_count() or 1, len(missing))
        if workers == 1:
            for one in missing:
                board.add(build_shard(one, folder))
        else:
            _in_parallel(missing, folder, workers, board)
    board.close(write_real(folder, len(plans), Path(real)) if real else [])
    return Corpus(folder)


def _chosen(splits: Iterable[str] | None) -> list[Split]:
    asked = list(splits or SPLITS)
    for one in asked:
        if one not in SPLITS:
            raise NoctuleError(f"there is no split {one!r}; there are {', '.join(SPLITS)}")
    return [one for one in SPLITS if one in asked]


def _opened(
    folder: Path,
    hours: float,
    seed: int,
    names: list[str],
    splits: list[Split],
    takes: list[str],
    real: bool,
) -> dict[str, Any]:
    """The manifest of the folder, new or as it was left."""
    fresh = {
        "format": FORMAT,
        "complete": False,
        "command": f"noctule dataset OUT --hours {hours:g} --seed {seed}"
        + "".join(f" --only {name}" for name in names if len(names) < len(mixture.STRATA))
        + "".join(f" --split {name}" for name in splits if len(splits) < len(SPLITS))
        + (" --captures FOLDER" if takes else "")
        + (" --real FOLDER" if real else ""),
        "noctule": noctule.__version__,
        "seed": seed,
        "hours_asked": hours,
        "strata": names,
        "splits": splits,
        "takes": takes,
        "features": {"digest": FeatureSettings().digest(), **FeatureSettings().model_dump()},
        "split_rule": mixture.SPLIT_RULE,
        "power": "log power in dB = 0.4 * byte - 16",
    }
    found = read_manifest(folder) if folder.exists() else None
    if found is None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NoctuleError(f"{folder}: cannot be made: {error.strerror}") from None
        if any(folder.glob("shard-*.npz")):
            raise NoctuleError(f"{folder}: holds shards without a manifest; choose an empty folder")
        return fresh
    for key in ("seed", "hours_asked", "strata", "splits", "takes", "features"):
        if found.get(key) != fresh[key]:
            raise NoctuleError(f"{folder}: holds a corpus with other {key}; choose another folder")
    return fresh | {"shards": found["shards"]}


def _finished(folder: Path, plans: list[Plan], manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Shards that are there; of one that the manifest does not know yet, its own word counts."""
    told = {one["file"]: one for one in manifest.get("shards", [])}
    # real recordings from before stay
    planned = {one.file for one in plans}
    found = [one for name, one in told.items() if name not in planned and (folder / name).exists()]
    for plan in plans:
        path = folder / plan.file
        path.with_name(f"{path.name}.part").unlink(missing_ok=True)
        if path.exists():
            found.append(told.get(plan.file) or summary(path, read_shard(path)))
    if found and {one["code"] for one in found} != {code_digest()}:
        log.warning("%s: the source has changed since its first shards were built", folder)
    return found


class _Board:
    """Keeps the manifest up to date, and tells how far it is."""

    def __init__(
        self, folder: Path, manifest: dict[str, Any], plans: list[Plan], tell: Callable[[Progress], None]
    ) -> None:
        self._folder, self._manifest, self._plans, self._tell = folder, manifest, plans, tell
        self.shards: dict[str, dict[str, Any]] = {}
        self._begun_s, self._known_h = time.monotonic(), 0.0

    def known(self, shards: Iterable[dict[str, Any]]) -> None:
        self.shards = {one["file"]: one for one in shards}
        self._known_h = self._hours()
        self._write()

    def add(self, shard: dict[str, Any]) -> None:
        self.shards[shard["file"]] = shard
        self._write()
        built_h, spent_s = self._hours() - self._known_h, time.monotonic() - self._begun_s
        rate = 3600.0 * built_h / max(spent_s, 1e-9)
        of_hours = sum(one.seconds for one in self._plans) / 3600.0
        left_s = 3600.0 * max(of_hours - self._hours(), 0.0) / max(rate, 1e-9)
        self._tell(
            Progress(
                shard["file"],
                len(self.shards),
                len(self._plans),
                self._hours(),
                of_hours,
                self._failed(),
                rate,
                left_s,
            )
        )

    def close(self, real: list[dict[str, Any]]) -> None:
        """All is there, unless too much has failed."""
        scenes, failed = sum(one["scenes"] for one in self.shards.values()), self._failed()
        if failed > MOST_FAILED * (scenes + failed):
            first = next(one for shard in self.shards.values() for one in shard["failed"])
            raise NoctuleError(
                f"{self._folder}: {failed} of {scenes + failed} scenes failed, "
                f"the first with seed {first['seed']}: {first['error']}"
            )
        self.shards |= {one["file"]: one for one in real}
        self._manifest["complete"] = True
        self._write()

    def _hours(self) -> float:
        planned = {one.file for one in self._plans}
        shards = [one for name, one in self.shards.items() if name in planned]
        return sum(sum(one["hours"].values()) for one in shards)

    def _failed(self) -> int:
        return sum(len(one["failed"]) for one in self.shards.values())

    def _write(self) -> None:
        shards = [self.shards[name] for name in sorted(self.shards)]
        self._manifest |= {"shards": shards, "totals": totals(shards)}
        write_manifest(self._folder, self._manifest)


def _in_parallel(plans: list[Plan], folder: Path, workers: int, board: _Board) -> None:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # for the workers, which inherit it
    # fresh processes: threads of the one that asks must not be copied half-way
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin_work)
    waiting: set[Future[dict[str, Any]]] = {pool.submit(build_shard, one, folder) for one in plans}
    try:
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for one in done:
                board.add(one.result())
    except BrokenProcessPool:
        raise NoctuleError(
            f"{folder}: a worker was ended (memory?); the same command goes on where it stopped"
        ) from None
    finally:
        pool.shutdown(wait=not waiting, cancel_futures=True)


def _begin_work() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends workers without a word
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Whoever is left behind by a kill -9 would write the shards that the next run writes."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _say(progress: Progress) -> None:
    print(progress.line(), file=sys.stderr, flush=True)
