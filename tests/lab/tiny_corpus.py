"""A corpus that a network can learn in seconds: a blob that moves against a comb on both signs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from noctule.core.power import encode_power
from noctule.core.settings import FeatureSettings
from noctule.lab.shards import (
    FORMAT,
    MAJOR,
    MINOR,
    OTHER,
    Shard,
    sha256_of,
    write_manifest,
    write_shard,
)

BINS, HOP_S = 241, 0.048
KINDS = ("walk", "hands", "fan", "empty")
BITS = {"walk": MAJOR, "hands": MINOR, "fan": OTHER, "empty": 0}


def noise(frames: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    return rng.exponential(1.0, (frames, BINS))


def scene_power(kind: str, frames: int, on: slice, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """(frames, bins) power over the floor; what moves does so within `on`."""
    power = noise(frames, rng)
    velocity = np.linspace(-6.0, 6.0, BINS)
    t = np.arange(frames)[:, None] * HOP_S
    level = 10.0 ** rng.uniform(1.5, 3.0)
    if kind == "walk":
        way = rng.choice([-1.0, 1.0])
        centre = way * (1.2 + 0.5 * np.sin(2 * np.pi * 0.9 * t + rng.uniform(0, 6)))
        blob = level * np.exp(-(((velocity - centre) / 0.3) ** 2))
    elif kind == "hands":
        centre = 0.5 * np.sin(2 * np.pi * 0.6 * t + rng.uniform(0, 6))
        blob = 0.3 * level * np.exp(-(((velocity - centre) / 0.15) ** 2))
    elif kind == "fan":
        speed = rng.uniform(0.8, 3.0)
        comb = np.exp(-(((np.abs(velocity) - speed) / 0.4) ** 2))
        blob = level * comb * (1.0 + 0.3 * np.sin(2 * np.pi * rng.uniform(1, 4) * t))
    else:
        return power
    power[on] += (blob * rng.exponential(1.0, (frames, BINS)))[on]
    return power


def shard_of(kinds: list[str], frames: int, split: str, rng: np.random.Generator) -> Shard:
    powers, labels = [], []
    for kind in kinds:
        first = int(rng.integers(0, frames // 3))
        on = slice(0, frames) if kind == "fan" else slice(first, first + frames // 2)
        powers.append(scene_power(kind, frames, on, rng))
        label = np.zeros(frames, np.uint8)
        label[on] = BITS[kind]
        labels.append(label)
    count = len(kinds) * frames
    label = np.concatenate(labels)
    scenes = [
        {"seed": i, "stratum": kind, "split": split, "carrier_hz": 40000.0} for i, kind in enumerate(kinds)
    ]
    power = encode_power(10.0 * np.log10(np.concatenate(powers)))
    return Shard(
        clean=power,
        fresh=power,
        broadband_db=np.zeros(count, np.float16),
        removed_db=np.zeros(count, np.float16),
        carrier_snr_db=np.full(count, 60.0, np.float16),
        carrier_level_dbfs=np.full(count, -30.0, np.float16),
        faults=np.zeros(count, np.int32),
        label=label,
        weight=np.ones(count, np.uint8),
        presence=((label & (MAJOR | MINOR)) != 0).astype(np.uint8),
        margin_db=np.full(count, np.nan, np.float16),
        range_m=np.full(count, 2.0, np.float16),
        time_s=np.tile(np.arange(frames) * HOP_S, len(kinds)).astype(np.float32),
        scene=np.repeat(np.arange(len(kinds)), frames).astype(np.int32),
        scenes=scenes,
    )


def write_tiny_corpus(folder: Path, each: int = 6, frames: int = 250, seed: int = 1) -> Path:
    """`each` scenes of every kind to learn from in two shards, half as many for validation."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    listed = []
    for number, (split, count) in enumerate(
        [("train", each), ("train", each), ("validation", each), ("test", 1)]
    ):
        file = folder / f"shard-{number:05d}.npz"
        write_shard(file, shard_of(list(KINDS) * count, frames, split, rng))
        listed.append({"file": file.name, "split": split, "sha256": sha256_of(file)})
    features = {"digest": FeatureSettings().digest()}
    about = {
        "command": "tiny",
        "features": features,
        "takes": [],
        "totals": {"hours": {"train": dict.fromkeys(KINDS, 0.1)}},
    }
    write_manifest(folder, {"format": FORMAT, "complete": True, "shards": listed} | about)
    return folder
