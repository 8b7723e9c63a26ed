"""Real recordings whose licence lets them train, as shards like those of simulated scenes.

What stands in `shared/data` is described there (README.md). Most of it may only be used for evaluation; what
is listed here may train. Splits are by file and by person: nobody's hand is in two of them, and both takes of
the 40 kHz bench set are kept for the test, because claims about real silence are checked on them.

`libas_phone_loudspeakers_48k` may train too, but holds sweeps and ramps and no steady tone: nothing to label.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from noctule.audio.files import open_audio_file
from noctule.core.errors import NoctuleError
from noctule.core.frames import BLOCKING_FAULTS, FeatureBlock
from noctule.lab.features import audio_features
from noctule.lab.labels import SETTLING_S, Labels, shard_of
from noctule.lab.shards import MINOR, OTHER, SPLITS, Shard, Split, join, write_shard
from noctule.lab.summary import summary

Content = Literal["nothing", "ball", "fingers"]

_BITS: dict[Content, int] = {"nothing": 0, "ball": OTHER, "fingers": MINOR}
#: Motion is evident where the three strongest of the grid's slow bins are on average so far above the floor.
_EVIDENT_DB, _SLOW_MPS, _STRONGEST = 12.0, {"nothing": 6.0, "ball": 6.0, "fingers": 1.2}, 3
#: Whoever throws the ball moves too, until then.
_THROWN_S = 1.1
#: Who drew the digits, and in which split: "p1" to "p5" of the file names.
_PERSONS: dict[str, Split] = {
    "p1": "train", "p2": "train", "p3": "train", "p4": "validation", "p5": "test",
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A recording, what moves in it, and its split. `licence` as its authors state it."""

    path: Path
    content: Content
    split: Split
    carrier_hz: float
    licence: str


def sources(data: Path) -> list[Source]:
    """The recordings of a data folder that may train.

    Raises
    ------
    NoctuleError
        There are none.
    """
    found = [*_bench_set(data / "uct_edwards_192k"), *_fingers(data / "ultragsattack_19k_44k1")]
    if not found:
        raise NoctuleError(f"{data}: holds none of the recordings that may train (see lab/sources.py)")
    return found


def _bench_set(folder: Path) -> Iterator[Source]:
    """Its tone is at 40 kHz; takes at 12 kHz are below what the sensor looks at."""
    contents: dict[str, Content] = {"static_no_motion_a": "nothing", "ultra_6m_BB": "ball"}
    for name, content in contents.items():
        path = folder / f"{name}.flac"
        if path.exists():
            yield Source(path, content, "test", 40000.0, "MIT")


def _fingers(folder: Path) -> Iterator[Source]:
    """Digits drawn in the air by five people, in a laboratory and outdoors."""
    for path in sorted(folder.glob("*.flac")):
        person = re.search(r"_(p\d+)-", path.name)
        if person and person[1] in _PERSONS:
            yield Source(path, "fingers", _PERSONS[person[1]], 19000.0, "CC-BY-4.0")


def write_real(folder: Path, first_number: int, data: Path) -> list[dict[str, Any]]:
    """One shard a split, numbered on from `first_number`; what the manifest says of them."""
    found = sources(data)
    summaries: list[dict[str, Any]] = []
    for split in SPLITS:
        parts = [real_shard(one, data) for one in found if one.split == split]
        if parts:
            path = folder / f"shard-{first_number + len(summaries):05d}.npz"
            shard = join(parts)
            write_shard(path, shard)
            summaries.append(summary(path, shard))
    return summaries


def real_shard(source: Source, data: Path) -> Shard:
    """One recording as a shard of its own."""
    file = open_audio_file(source.path)
    features, _ = audio_features(file.blocks(), source.carrier_hz, file.sample_rate_hz, file.channels)
    about = {
        "seed": int.from_bytes(hashlib.sha256(source.path.name.encode()).digest()[:6], "big"),
        "stratum": f"real_{source.content}",
        "split": source.split,
        "carrier_hz": source.carrier_hz,
        "sample_rate_hz": file.sample_rate_hz,
        "microphones": file.channels,
        "duration_s": round((file.samples or 0) / file.sample_rate_hz, 3),
        "people": int(source.content == "fingers"),
        "causes": ["ball"] if source.content == "ball" else [],
        "music": False,
        "tone_db_spl": None,
        "skirt_db": None,
        "cover": False,
        "dead": False,
        "drops": False,
        "file": source.path.relative_to(data).as_posix(),
        "licence": source.licence,
    }
    return shard_of(features, _labels(source.content, features), about)


def _labels(content: Content, features: FeatureBlock) -> Labels:
    """Of a moving thing only frames in which it is evident count: nobody has noted when it rests."""
    count = len(features)
    usable = (features.faults & int(BLOCKING_FAULTS) == 0) & (features.time_s >= SETTLING_S)
    evident = _evident(content, features) & usable
    if content == "ball":
        evident &= features.time_s > _THROWN_S
    return Labels(
        label=np.where(evident, _BITS[content], 0).astype(np.uint8),
        weight=(usable if content == "nothing" else evident).astype(np.uint8),
        presence=np.full(count, content == "fingers", np.uint8),
        range_m=np.full(count, np.nan, np.float16),
        people=int(content == "fingers"),
    )


def _evident(content: Content, features: FeatureBlock) -> npt.NDArray[np.bool_]:
    slow = np.abs(features.velocity_mps) <= _SLOW_MPS[content]
    strongest = np.sort(features.log_power_db[:, slow], axis=1)[:, -_STRONGEST:].mean(1)
    return np.asarray(strongest >= _EVIDENT_DB)
