"""Real recordings that may train: their licence, their splits, and what is labelled in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from noctule.core.errors import NoctuleError
from noctule.lab.shards import MINOR, OTHER, Corpus, read_shard
from noctule.lab.sources import real_shard, sources, write_real


def test_a_folder_without_them_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoctuleError, match="none of the recordings that may train"):
        sources(tmp_path)


@pytest.mark.recordings
def test_nobody_is_in_two_splits_and_all_may_train(shared_data: Path) -> None:
    found = sources(shared_data)
    assert {one.licence for one in found} == {"MIT", "CC-BY-4.0"}
    people: dict[str, set[str]] = {}
    for one in found:
        if one.content == "fingers":
            people.setdefault(one.path.name.split("_")[2][:2], set()).add(one.split)
    assert len(people) == 5
    assert all(len(splits) == 1 for splits in people.values())
    assert {one.split for one in found if one.content != "fingers"} == {"test"}


@pytest.mark.recordings
def test_labels_of_real_recordings(shared_data: Path) -> None:
    by_content = {one.content: one for one in sources(shared_data)}
    still = real_shard(by_content["nothing"], shared_data)
    assert still.label.max() == 0
    assert still.weight.sum() > 30
    ball = real_shard(by_content["ball"], shared_data)
    assert set(ball.label[ball.weight == 1].tolist()) == {OTHER}
    assert 20 < ball.weight.sum() < len(ball)
    fingers = real_shard(by_content["fingers"], shared_data)
    assert set(fingers.label[fingers.weight == 1].tolist()) == {MINOR}
    assert fingers.presence.all()
    assert np.isnan(fingers.range_m).all()


@pytest.mark.recordings
def test_they_become_a_shard_a_split(shared_data: Path, tmp_path: Path) -> None:
    told = write_real(tmp_path, 7, shared_data)
    assert [(one["file"], one["split"]) for one in told] == [
        ("shard-00007.npz", "train"), ("shard-00008.npz", "validation"), ("shard-00009.npz", "test"),
    ]  # fmt: skip
    train = read_shard(tmp_path / "shard-00007.npz")
    assert {one["stratum"] for one in train.scenes} == {"real_fingers"}
    assert {one["file"].split("/")[0] for one in train.scenes} == {"ultragsattack_19k_44k1"}
    with pytest.raises(NoctuleError):
        Corpus(tmp_path)  # a manifest is the corpus's business
