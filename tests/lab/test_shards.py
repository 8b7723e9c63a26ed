"""Shards on disk: what comes back is what went in, and what is damaged is refused in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from noctule.core.errors import NoctuleError
from noctule.core.power import decode_power, encode_power
from noctule.lab.shards import (
    ARRAYS,
    FORMAT,
    MINOR,
    OTHER,
    Corpus,
    Shard,
    join,
    read_shard,
    sha256_of,
    write_manifest,
    write_shard,
)


def a_shard(frames: int = 40, seed: int = 7, first_s: float = 0.0) -> Shard:
    rng = np.random.default_rng(seed)
    return Shard(
        clean=rng.integers(0, 256, (frames, 241)).astype(np.uint8),
        fresh=rng.integers(0, 256, (frames, 241)).astype(np.uint8),
        broadband_db=rng.uniform(0.0, 20.0, frames).astype(np.float16),
        removed_db=rng.uniform(0.0, 20.0, frames).astype(np.float16),
        carrier_snr_db=np.full(frames, 70.0, np.float16),
        carrier_level_dbfs=np.full(frames, -30.0, np.float16),
        faults=np.full(frames, 1 << 10, np.int32),
        label=np.full(frames, MINOR | OTHER, np.uint8),
        weight=np.ones(frames, np.uint8),
        presence=np.ones(frames, np.uint8),
        margin_db=rng.uniform(-99.0, 60.0, frames).astype(np.float16),
        range_m=np.full(frames, np.nan, np.float16),
        time_s=(first_s + 0.048 * np.arange(frames)).astype(np.float32),
        scene=np.zeros(frames, np.int32),
        scenes=[{"seed": seed, "stratum": "people", "duration_s": 2.0}],
        failed=[{"seed": 5, "error": "ValueError: no"}],
    )


def test_power_survives_to_half_a_step() -> None:
    power_db = np.linspace(-16.0, 86.0, 1001)
    assert np.abs(decode_power(encode_power(power_db)) - power_db).max() <= 0.2 + 1e-4
    assert encode_power(np.array([0.0])) == 40  # (0 + 16) / 0.4
    assert encode_power(np.array([-99.0, 99.0])).tolist() == [0, 255]


def test_a_shard_comes_back(tmp_path: Path) -> None:
    before = a_shard()
    write_shard(tmp_path / "shard-00000.npz", before)
    after = read_shard(tmp_path / "shard-00000.npz")
    for name in ARRAYS:
        given, found = getattr(before, name), getattr(after, name)
        assert found.dtype == given.dtype
        np.testing.assert_array_equal(found, given)
    assert (after.scenes, after.failed) == (before.scenes, before.failed)
    assert [one.name for one in tmp_path.iterdir()] == ["shard-00000.npz"]


def test_equal_shards_are_equal_files(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.npz", a_shard())
    write_shard(tmp_path / "b.npz", a_shard())
    write_shard(tmp_path / "c.npz", a_shard(seed=8))
    assert sha256_of(tmp_path / "a.npz") == sha256_of(tmp_path / "b.npz") != sha256_of(tmp_path / "c.npz")


def test_scenes_are_counted_on_when_shards_are_joined() -> None:
    two = join([a_shard(10), a_shard(20, seed=8), a_shard(5, seed=9)])
    assert len(two) == 35
    assert [one["seed"] for one in two.scenes] == [7, 8, 9]
    assert two.scene.tolist() == [0] * 10 + [1] * 20 + [2] * 5
    assert two.frames_of(1) == slice(10, 30)
    assert len(two.failed) == 3


@pytest.mark.parametrize("keep", [0, 50, 5000])
def test_a_shard_that_was_cut_short_is_one_line(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "shard-00000.npz"
    write_shard(path, a_shard())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(NoctuleError, match=r"shard-00000\.npz: no shard of a corpus, or damaged") as refused:
        read_shard(path)
    assert "\n" not in str(refused.value)


def test_a_bit_that_turned_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "shard-00000.npz"
    write_shard(path, a_shard())
    content = bytearray(path.read_bytes())
    content[3000] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(NoctuleError, match="damaged"):
        read_shard(path)


def test_arrays_of_different_length_are_no_shard(tmp_path: Path) -> None:
    write_shard(tmp_path / "x.npz", replace(a_shard(), label=np.zeros(3, np.uint8)))
    with pytest.raises(NoctuleError, match="differ in length"):
        read_shard(tmp_path / "x.npz")


def test_a_missing_shard_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(NoctuleError, match="No such file"):
        read_shard(tmp_path / "nothing.npz")


def a_corpus(folder: Path) -> Corpus:
    shards = []
    for number, split in enumerate(("train", "train", "test")):
        path = folder / f"shard-{number:05d}.npz"
        write_shard(path, a_shard(seed=number))
        shards.append({"file": path.name, "split": split, "sha256": sha256_of(path)})
    write_manifest(folder, {"format": FORMAT, "complete": True, "shards": shards})
    return Corpus(folder)


def test_a_corpus_knows_its_splits(tmp_path: Path) -> None:
    corpus = a_corpus(tmp_path)
    assert [path.name for path in corpus.shards("train")] == ["shard-00000.npz", "shard-00001.npz"]
    assert [one.scenes[0]["seed"] for one in corpus.read("test")] == [2]
    assert corpus.shards("validation") == []
    assert len(corpus.shards()) == 3
    with pytest.raises(NoctuleError, match="there is no split 'tset'"):
        corpus.shards("tset")  # type: ignore[arg-type]


def test_checksums_tell_a_file_that_changed(tmp_path: Path) -> None:
    corpus = a_corpus(tmp_path)
    corpus.verify()
    write_shard(tmp_path / "shard-00001.npz", a_shard(seed=99))  # whole, but another
    with pytest.raises(NoctuleError, match=r"shard-00001\.npz: cut short or changed"):
        corpus.verify()
    (tmp_path / "shard-00001.npz").unlink()
    with pytest.raises(NoctuleError, match=r"shard-00001\.npz: no such file"):
        corpus.verify()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "another"}'])
def test_what_is_no_corpus_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(NoctuleError, match="no corpus"):
        Corpus(tmp_path)
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(NoctuleError, match=r"manifest\.json: not"):
        Corpus(tmp_path)
