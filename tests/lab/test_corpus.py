"""A corpus built: the same on any number of workers, after any interruption, and honest about what failed."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from noctule.cli import main
from noctule.core.errors import NoctuleError
from noctule.core.power import encode_power
from noctule.core.settings import FeatureSettings
from noctule.lab import corpus as building
from noctule.lab.captures import Take, takes_in
from noctule.lab.corpus import Progress, build_corpus, plan_shards, scene_seeds, scene_shard
from noctule.lab.shards import (
    ARRAYS,
    MAJOR,
    SPLITS,
    Corpus,
    Shard,
    Split,
    read_shard,
    sha256_of,
    write_shard,
)
from noctule.lab.strata import STRATA, Stratum, draw, split_of
from noctule.lab.summary import summary

SHORT = ["cold_starts"]


def files(folder: Path) -> dict[str, str]:
    """Checksums: where whole files differ, pytest looks for minutes for the bytes that do."""
    return {path.name: sha256_of(path) for path in sorted(folder.iterdir())}


def quietly(progress: Progress) -> None: ...


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus") / "tiny"
    build_corpus(folder, 0.01, 5, 1, SHORT, tell=quietly)
    return folder


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_workers(tiny: Path, tmp_path: Path) -> None:
    """Nor on whether its code was just compiled or comes from the cache.

    Seen in CI alone, where nothing was compiled before: with `reassoc` in the canceller's fast mathematics
    each copy of an inlined function adds up in an order of its own, and which copy runs hangs on the cache.
    """
    build_corpus(tmp_path / "two", 0.01, 5, 2, SHORT, tell=quietly)
    assert files(tmp_path / "two") == files(tiny)
    assert len(files(tiny)) == 4  # a shard each of three splits, and the manifest


def test_who_was_killed_goes_on(tiny: Path, tmp_path: Path) -> None:
    """As kill -9 leaves it: one shard half written, one whole that the manifest has not heard of."""
    folder = tmp_path / "again"
    folder.mkdir()
    for path in tiny.iterdir():
        shutil.copy(path, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest |= {"complete": False, "shards": manifest["shards"][:1]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "shard-00002.npz").rename(folder / "shard-00002.npz.part")
    (folder / "shard-00002.npz.part").write_bytes(b"half")
    kept = {name: os.stat(folder / name).st_mtime_ns for name in ("shard-00000.npz", "shard-00001.npz")}
    assert not Corpus(folder).complete
    told: list[Progress] = []
    build_corpus(folder, 0.01, 5, 1, SHORT, tell=told.append)
    assert files(folder) == files(tiny)
    assert {name: os.stat(folder / name).st_mtime_ns for name in kept} == kept
    assert [one.shard for one in told] == ["shard-00002.npz"]


def test_what_is_in_it(tiny: Path) -> None:
    corpus = Corpus(tiny)
    corpus.verify()
    manifest = corpus.manifest
    assert corpus.complete
    assert manifest["features"]["digest"] == FeatureSettings().digest()
    assert manifest["command"] == "noctule dataset OUT --hours 0.01 --seed 5 --only cold_starts"
    assert (manifest["seed"], manifest["totals"]["failed"]) == (5, 0)
    assert "modulo 10" in manifest["split_rule"]
    seen: set[int] = set()
    frames = {"all": 0, "major": 0}
    for split in ("train", "validation", "test"):
        for shard in corpus.read(split):
            assert {len(getattr(shard, name)) for name in ARRAYS} == {len(shard)}
            assert shard.clean.shape[1] == 241
            assert shard.scene.tolist() == sorted(shard.scene.tolist())
            assert set(shard.scene.tolist()) == set(range(len(shard.scenes)))
            for number, scene in enumerate(shard.scenes):
                assert scene["split"] == split == split_of(scene["seed"])
                assert scene["stratum"] == "cold_starts"
                time_s = shard.time_s[shard.frames_of(number)]
                assert (np.diff(time_s) > 0).all()
                least_s = scene["duration_s"] - (2.0 if scene["drops"] else 0.1)
                assert least_s < time_s[-1] <= scene["duration_s"]
            seeds = {one["seed"] for one in shard.scenes}
            assert not seeds & seen
            seen |= seeds
            frames["all"] += len(shard)
            frames["major"] += int(np.count_nonzero(shard.label & MAJOR))
    told = manifest["totals"]["frames"].values()
    assert sum(one["all"] for one in told) == frames["all"] > 500
    assert sum(one["major"] for one in told) == frames["major"] > 0


def test_another_corpus_is_not_continued(tiny: Path) -> None:
    with pytest.raises(NoctuleError, match="holds a corpus with other seed"):
        build_corpus(tiny, 0.01, 6, 1, SHORT)
    with pytest.raises(NoctuleError, match="other hours_asked"):
        build_corpus(tiny, 0.02, 5, 1, SHORT)
    with pytest.raises(NoctuleError, match="other strata"):
        build_corpus(tiny, 0.01, 5, 1, ["empty"])


def test_shards_without_a_manifest_are_not_adopted(tmp_path: Path) -> None:
    (tmp_path / "shard-00000.npz").write_bytes(b"")
    with pytest.raises(NoctuleError, match="holds shards without a manifest"):
        build_corpus(tmp_path, 0.01, 5, 1, SHORT)


# -- the plan


def test_the_plan_holds_the_hours_in_shards_of_twenty_minutes() -> None:
    plans = plan_shards(60.0, 1, ["people"])
    for split, hours in (("train", 48.0), ("validation", 9.0), ("test", 3.0)):
        mine = [one for one in plans if one.split == split]
        assert sum(one.seconds for one in mine) == pytest.approx(3600.0 * hours)
        assert len(mine) == 3 * hours
    assert [one.number for one in plans] == list(range(180))
    assert {one.split for one in plans[:20]} == {"train", "validation", "test"}
    (only,) = plan_shards(0.2, 1, ["people"], ["test"])
    assert only.split == "test"
    assert only.seconds == pytest.approx(720.0)


def test_no_seed_is_in_two_shards_or_in_another_split() -> None:
    found: list[int] = []
    for plan in plan_shards(5.0, 1, ["people"]):
        seeds = [seed for seed, _ in zip(scene_seeds(plan), range(20), strict=False)]
        assert {split_of(seed) for seed in seeds} == {plan.split}
        found += seeds
    assert len(set(found)) == len(found)


# -- a scene


def scene_where(restarts: bool) -> tuple[Shard, float]:
    """The first seed whose scene is heard in two stretches, or in one; and how long the scene is."""
    stratum = next(one for one in STRATA if one.name == "cold_starts")
    for seed in range(50):
        shard = scene_shard(seed, stratum, "train")
        if (len(shard.scenes) == 2) == restarts:
            return shard, draw(seed, stratum).duration_s
    raise AssertionError("none of 50")


def test_a_sensor_that_starts_again_has_a_stretch_of_its_own() -> None:
    shard, whole_s = scene_where(restarts=True)
    first, second = shard.scenes
    assert first["seed"] == second["seed"]
    assert (first["started_s"], second["started_s"]) == (0.0, pytest.approx(first["duration_s"]))
    assert first["duration_s"] + second["duration_s"] == pytest.approx(whole_s, abs=0.01)
    for number in range(2):
        time_s = shard.time_s[shard.frames_of(number)]
        assert time_s[0] < 0.6, "it counts from its own start"
        assert time_s[-1] == pytest.approx(shard.scenes[number]["duration_s"], abs=0.1)


def test_the_truth_goes_on_where_the_sensor_starts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heard in one stretch or in two: the same is true at the same time, but for where nothing is known."""
    shard, _ = scene_where(restarts=True)
    seed, started_s = shard.scenes[0]["seed"], shard.scenes[1]["started_s"]
    monkeypatch.setattr(building, "RESTARTED", 0.0)
    whole = scene_shard(seed, next(one for one in STRATA if one.name == "cold_starts"), "train")
    second = shard.frames_of(1)
    at = np.searchsorted(whole.time_s, shard.time_s[second] + started_s - 1e-3).clip(max=len(whole) - 1)
    same = whole.label[at] == shard.label[second]
    assert same[shard.weight[second] > 0].mean() > 0.95


# -- motion capture


def test_people_move_by_takes_of_their_own_split(shared_data: Path) -> None:
    takes = {split: takes_in(shared_data / "mocap", split) for split in SPLITS}
    names = [{take.file.name for take in one} for one in takes.values()]
    assert sum(map(len, names)) == len(set.union(*names)) > 12
    assert "laikago_walk.txt.gz" not in set.union(*names), "it has four legs"
    stratum = next(one for one in STRATA if one.name == "past_fans")
    scenes = [draw(seed, stratum, takes["train"]) for seed in range(20)]
    captured = [one for scene in scenes for one in scene.person[0].does if one.do == "capture"]
    assert {one.file.name for one in captured} <= names[0]
    assert len(captured) > 10


def test_a_folder_without_takes_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(NoctuleError, match="holds no motion capture"):
        build_corpus(tmp_path / "out", 0.01, 5, 1, SHORT, tell=quietly, captures=tmp_path)


# -- what goes wrong


def quick_scene(seed: int, stratum: Stratum, split: Split, takes: tuple[Take, ...] = ()) -> Shard:
    """Instead of rendering: five seconds of nothing."""
    n = 4
    zeros = np.zeros(n)
    about: dict[str, Any] = {
        "seed": seed, "stratum": stratum.name, "split": split, "duration_s": 30.0, "causes": ["fan"],
    }  # fmt: skip
    half, byte = zeros.astype(np.float16), zeros.astype(np.uint8)
    power = encode_power(np.zeros((n, 241)))
    return Shard(
        power, power, half, half, half, half, zeros.astype(np.int32), byte, byte, byte, half, half,
        zeros.astype(np.float32), zeros.astype(np.int32), [about],
    )  # fmt: skip


def failing(monkeypatch: pytest.MonkeyPatch, every: int) -> list[int]:
    """Every so-manieth scene fails; their seeds."""
    failed: list[int] = []
    count = 0

    def scene_shard(seed: int, stratum: Stratum, split: Split, takes: tuple[Take, ...]) -> Shard:
        nonlocal count
        count += 1
        if count % every == 0:
            failed.append(seed)
            raise ValueError("a wall fell down")
        return quick_scene(seed, stratum, split)

    monkeypatch.setattr(building, "scene_shard", scene_shard)
    return failed


def test_a_scene_that_fails_is_left_out_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failed = failing(monkeypatch, 150)
    corpus = build_corpus(tmp_path / "c", 2.0, 3, 1, tell=quietly)
    assert len(failed) == 1
    assert corpus.manifest["totals"]["failed"] == 1
    assert [one["seed"] for shard in corpus.manifest["shards"] for one in shard["failed"]] == failed
    assert failed[0] not in [one["seed"] for shard in corpus.read() for one in shard.scenes]
    assert f"scene {failed[0]} of stratum" in caplog.text
    hours = {split: sum(table.values()) for split, table in corpus.manifest["totals"]["hours"].items()}
    assert hours["train"] == pytest.approx(1.6, abs=0.05)


def test_more_than_one_in_a_hundred_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, 60)
    with pytest.raises(
        NoctuleError, match=r"of \d+ scenes failed, the first with seed \d+: ValueError: a wall"
    ):
        build_corpus(tmp_path / "c", 2.0, 3, 1, tell=quietly)
    assert not Corpus(tmp_path / "c").complete


def test_scene_after_scene_failing_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = failing(monkeypatch, 1)
    with pytest.raises(NoctuleError, match=r"shard-00000\.npz: 5 scenes failed"):
        build_corpus(tmp_path / "c", 2.0, 3, 1, tell=quietly)
    assert len(failed) == 5


# -- the command


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["dataset", *map(str, arguments)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_command_builds_checks_and_notices_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(building, "scene_shard", quick_scene)
    out = tmp_path / "c"
    assert run(out, "--hours", 2, "--seed", 3, "--workers", 1, "--only", "empty", "--split", "test") == 0
    said = capsys.readouterr()
    assert "6 shards, 240 scenes; test 2.00 h" in said.out
    assert len(said.err.splitlines()) == 6  # a line a shard where there is no terminal
    assert "shard-00000.npz: 1 of 6 shards, 0.33 of 2.00 h" in said.err
    assert run(out, "--check") == 0
    said = capsys.readouterr()
    assert "whole; checksums agree" in said.out
    assert "empty" in said.out
    assert "fan" in said.out
    path = out / "shard-00003.npz"
    path.write_bytes(path.read_bytes()[:-10])
    assert run(out, "--check") == 2
    said = capsys.readouterr()
    assert said.err == f"noctule: {path}: cut short or changed since it was built (checksum)\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say how much: --hours H"),
        (("--check",), "no corpus: it holds no manifest.json"),
        (("--hours", "1", "--only", "walks"), "there is no stratum 'walks'"),
        (("--hours", "1", "--split", "tset"), "there is no split 'tset'"),
    ],
)
def test_the_command_refuses_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert run(tmp_path / "c", *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_real_recordings_stay_when_a_corpus_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "scene_shard", quick_scene)

    def write_real(folder: Path, first_number: int, data: Path) -> list[dict[str, Any]]:
        path = folder / f"shard-{first_number:05d}.npz"
        real = replace(read_shard(folder / "shard-00000.npz"), failed=[])
        real.scenes[0]["stratum"] = "real_fingers"
        write_shard(path, real)
        return [summary(path, real)]

    monkeypatch.setattr(building, "write_real", write_real)
    for real in (tmp_path, None):
        corpus = build_corpus(tmp_path / "c", 0.1, 3, 1, tell=quietly, real=real)
        assert "real_fingers" in corpus.manifest["totals"]["hours"]["train"]
        assert len(corpus.shards()) == 4
