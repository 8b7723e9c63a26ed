"""Stretches of a corpus: what is shown to the network, and where it starts anew."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from tests.lab.tiny_corpus import HOP_S, shard_of

from noctule.core.errors import NoctuleError
from noctule.core.frames import Fault
from noctule.lab.crops import PRESENT, VISIBLE_DB, ZERO_DB, cut, draw_crops, open_store, open_unpacked
from noctule.lab.shards import FORMAT, MAJOR, Corpus, sha256_of, write_manifest, write_shard


def corpus_with(folder: Path, faults: dict[int, Fault], unheard: slice = slice(0, 0)) -> Corpus:
    """A walk of 100 frames and an empty room of 100; faults by frame, bins that are never heard."""
    shard = shard_of(["walk", "empty"], 100, "train", np.random.default_rng(1))
    for frame, fault in faults.items():
        shard.faults[frame] = int(fault)
    shard.clean[:100, unheard] = ZERO_DB
    folder.mkdir()
    write_shard(folder / "shard-00000.npz", dataclasses.replace(shard))
    listed = [{"file": "shard-00000.npz", "split": "train", "sha256": sha256_of(folder / "shard-00000.npz")}]
    write_manifest(folder, {"format": FORMAT, "complete": True, "shards": listed})
    return Corpus(folder)


def test_blocked_frames_are_left_out_and_a_long_gap_is_a_new_start(tmp_path: Path) -> None:
    faults = dict.fromkeys((*range(10, 14), *range(40, 55)), Fault.CARRIER_LOST)
    faults[60] = Fault.CLIPPED  # no reason to look away
    store = open_store([corpus_with(tmp_path / "c", faults)], "train", tmp_path / "store", HOP_S)
    assert [(one.scene, len(one), one.stratum) for one in store.segments] == [
        (0, 36, "walk"),
        (0, 45, "walk"),
        (1, 100, "empty"),
    ]


def test_velocities_that_are_never_heard_are_known(tmp_path: Path) -> None:
    corpus = corpus_with(tmp_path / "c", {}, slice(200, 241))
    store = open_store([corpus], "train", tmp_path / "store", HOP_S)
    assert store.valid[0].tolist() == [True] * 200 + [False] * 41
    assert store.valid[1].all()


def test_who_moves_unseen_is_not_asked_about(tmp_path: Path) -> None:
    corpus = corpus_with(tmp_path / "c", {})
    shard = next(corpus.read("train"))
    moves = shard.label & MAJOR != 0
    hidden = np.arange(len(shard)) % 3 == 0
    shard.margin_db[:] = np.where(hidden, VISIBLE_DB - 1.0, VISIBLE_DB + 1.0)
    write_shard(corpus.folder / "shard-00000.npz", shard)
    store = open_store([corpus], "train", tmp_path / "store", HOP_S)
    assert np.array_equal(store.weight != 0, ~(moves & hidden))
    assert 0 < (moves & hidden).sum() < moves.sum()


def test_crops_hold_what_the_shard_holds(tmp_path: Path) -> None:
    corpus = corpus_with(tmp_path / "c", {})
    shard = next(corpus.read("train"))
    store = open_store([corpus], "train", tmp_path / "store", HOP_S)
    batch = cut(store, [(0, 30), (1, 90)], 40)
    assert np.array_equal(batch.power[0, 0], shard.clean[30:70])
    assert np.array_equal(batch.label[0] & MAJOR, shard.label[30:70] & MAJOR)
    assert np.array_equal(batch.label[0] & PRESENT != 0, shard.presence[30:70] != 0)
    # the second crop is cut short by the end of its scene
    assert batch.weight[1].tolist() == [1.0] * 10 + [0.0] * 30
    assert np.array_equal(batch.power[1, 1, 10:], np.tile(shard.fresh[199], (30, 1)))
    assert batch.cold.tolist() == [False, False]


def test_crops_are_drawn_from_all_and_begin_cold_as_often_as_asked(tmp_path: Path) -> None:
    store = open_store([corpus_with(tmp_path / "c", {})], "train", tmp_path / "store", HOP_S)
    crops = draw_crops(store, 4000, 20, 0.25, np.random.default_rng(2))
    assert {number for number, _ in crops} == {0, 1}
    assert max(offset for _, offset in crops) == 80
    cold = sum(offset == 0 for _, offset in crops) / len(crops)
    assert cold == pytest.approx(0.25 + 0.75 / 81, abs=0.03)


def test_the_store_is_made_once_and_found_again(tmp_path: Path) -> None:
    corpus = corpus_with(tmp_path / "c", {})
    open_store([corpus], "train", tmp_path / "store", HOP_S)
    (tmp_path / "c" / "shard-00000.npz").unlink()
    again = open_unpacked(tmp_path / "store", "train", sha256_of(tmp_path / "c" / "manifest.json"))
    assert again.frames == 200
    with pytest.raises(NoctuleError, match="is gone"):
        open_unpacked(tmp_path / "store", "train", "0" * 64)


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoctuleError, match="no frames"):
        open_store([corpus_with(tmp_path / "c", {})], "validation", tmp_path / "store", HOP_S)
