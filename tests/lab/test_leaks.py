"""Leak checks on corpora made by hand: one that is sound, and ones that tell too much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from noctule.cli.dataset import dataset as dataset_command
from noctule.core.power import encode_power
from noctule.lab.leaks import Windows, auc, ridge, room_identity, shared_scenes, shuffled_labels, windows_of
from noctule.lab.shards import FORMAT, MAJOR, Corpus, Shard, Split, write_manifest, write_shard

FRAMES = 800


def shard(seeds: list[int], rooms_differ: float) -> Shard:
    """Scenes in which somebody moves in the second half of each 200 frames, at +1 m/s; 3 dB of noise.

    rooms_differ : dB by which each room's floor has a shape of its own.
    """
    parts: dict[str, list[Any]] = {"clean": [], "label": [], "scene": [], "time_s": []}
    for number, seed in enumerate(seeds):
        rng = np.random.default_rng(seed)
        moves = np.arange(FRAMES) % 200 >= 100
        power = rng.normal(0.0, 3.0, (FRAMES, 241)) + rooms_differ * rng.standard_normal(241)
        power[:, 135:150] += 6.0 * moves[:, None]
        parts["clean"].append(encode_power(power))
        parts["label"].append(np.where(moves, MAJOR, 0))
        parts["scene"].append(np.full(FRAMES, number))
        parts["time_s"].append(0.048 * np.arange(FRAMES))
    count = FRAMES * len(seeds)
    zeros: dict[str, Any] = dict.fromkeys(
        (
            "broadband_db",
            "removed_db",
            "carrier_snr_db",
            "carrier_level_dbfs",
            "faults",
            "presence",
            "margin_db",
            "range_m",
        ),
        np.zeros(count),
    )
    arrays: dict[str, Any] = {name: np.concatenate(one) for name, one in parts.items()}
    return Shard(
        **arrays,
        **zeros,
        fresh=arrays["clean"],
        weight=np.ones(count, np.uint8),
        scenes=[{"seed": seed} for seed in seeds],
    )


def corpus(folder: Path, rooms_differ: float = 0.0, also_in_test: int | None = None) -> Corpus:
    seeds: dict[Split, list[int]] = {
        "train": list(range(20)),
        "validation": list(range(20, 32)),
        "test": [40] + ([also_in_test] if also_in_test is not None else []),
    }
    listed = []
    for number, (split, chosen) in enumerate(seeds.items()):
        name = f"shard-{number:05d}.npz"
        write_shard(folder / name, shard(chosen, rooms_differ))
        listed.append({"file": name, "split": split})
    write_manifest(folder, {"format": FORMAT, "shards": listed, "complete": True})
    return Corpus(folder)


def test_labels_by_lot_teach_nothing_unless_a_scene_is_in_both(tmp_path: Path) -> None:
    made = corpus(tmp_path, rooms_differ=3.0)
    learnt, asked = windows_of(made, "train"), windows_of(made, "validation")
    sound = shuffled_labels(learnt, asked)
    assert sound.true > 0.9
    assert sound.shuffled.mean() == pytest.approx(0.5, abs=0.08)
    assert not sound.leaks
    halves = [
        Windows(*(getattr(learnt, name)[start::2] for name in ("summary", "major", "still", "scene")))
        for start in (0, 1)
    ]
    assert shuffled_labels(halves[0], halves[1]).leaks


def test_rooms_with_a_floor_of_their_own_are_told_and_others_are_not(tmp_path: Path) -> None:
    for rooms_differ, low, high in ((0.0, 0.0, 0.15), (3.0, 0.7, 1.0)):
        folder = tmp_path / f"{rooms_differ:g}"
        folder.mkdir()
        found = room_identity(windows_of(corpus(folder, rooms_differ), "train"))
        assert found.scenes == 20
        assert found.chance == 0.05
        assert low <= found.right <= high


def test_scenes_in_two_splits(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert shared_scenes(corpus(tmp_path / "a")) == {}
    assert shared_scenes(corpus(tmp_path / "b", also_in_test=3)) == {("train", "test"): {3}}


def test_the_command_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder, also_in_test, status in ((tmp_path / "sound", None, 0), (tmp_path / "leaks", 3, 2)):
        folder.mkdir()
        corpus(folder, 3.0, also_in_test)
        assert dataset_command(folder, leaks=True) == status
        said = capsys.readouterr().out.splitlines()
        assert said[0] == f"scenes in two splits: {status // 2}"
        assert "from labels drawn by lot: 0.5" in said[1] or "from labels drawn by lot: 0.4" in said[1]
        assert said[2].startswith("scenes named by their second half")


def test_the_simple_models() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((200, 3))
    y = x @ [1.0, -2.0, 0.5] + 3.0
    assert ridge(x[:100], y[:100], x[100:], 1e-6) == pytest.approx(y[100:], abs=1e-4)
    assert auc(np.array([1.0, 2.0, 3.0]), np.array([False, True, True])) == 1.0
    assert auc(np.array([1.0, 1.0]), np.array([False, True])) == 0.5
