"""Stretches of a corpus, cut at random for training, without reading shards again and again.

The shards of a split are unpacked once into flat files (a *store*) that are mapped into memory, so that a
batch costs a few copies. Frames that the running detector never shows to the network (blocking faults) are
left out, and a stretch ends where the detector would start anew: what is learnt from is what runs.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from noctule.core.errors import NoctuleError
from noctule.core.power import LOWEST_DB, STEP_DB
from noctule.lab.labels import GOES_ABOUT, NEXT_ROOM
from noctule.lab.shards import MAJOR, MINOR, Corpus, Shard, Split, digest_of
from noctule.model.rules import NOT_JUDGED, RESET_AFTER_S

#: A bin that stands at 0 dB all the time is one that this carrier and rate cannot carry.
ZERO_DB = round(-LOWEST_DB / STEP_DB)
#: A fourth bit of the label in a store: somebody is inside, moving or not.
PRESENT = 8
#: A fifth bit, of a batch: a pet or a vacuum is in the scene.
GOES_ABOUT_HERE = 16
#: What a scene's false alarms are told apart for: thresholds do not hang on who goes about as people do.
PETS = "pets and vacuums"
APART = ("", PETS, NEXT_ROOM)
#: Whoever moves with a margin below this shows in no more than a third of all seconds: nobody is asked then.
VISIBLE_DB = -3.0
#: A store of another layout is unpacked anew.
_LAYOUT = 5
#: Kinds of scenes with few hours of which much is asked: so much oftener than their hours.
_OFTENER = {"close_by": 2.5, "cold_starts": 2.0}
_INDEX = "segments.json"
_ARRAYS: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
    "label": (np.uint8, ()),
    "weight": (np.uint8, ()),
    "scalars": (np.float32, (3,)),  # broadband_db, carrier_snr_db, removed_db
}


@dataclass(frozen=True)
class Segment:
    """Frames that the network sees in one go from a cold start: `first` to `stop` in the store.

    apart : one of `APART`, by who is in the scene.
    """

    first: int
    stop: int
    scene: int
    stratum: str
    apart: str

    def __len__(self) -> int:
        return self.stop - self.first


@dataclass(frozen=True)
class Store:
    """A split of a corpus as flat arrays, leading axis frames.

    clean, fresh : (frames, bins) uint8, as in `Shard`. label : its bits, and `PRESENT`. weight : 0 also where
    somebody moves and cannot be seen to. scalars : (frames, 3) broadband_db, carrier_snr_db, removed_db.
    valid : (segments, bins) bool.
    """

    clean: npt.NDArray[np.uint8]
    fresh: npt.NDArray[np.uint8]
    label: npt.NDArray[np.uint8]
    weight: npt.NDArray[np.uint8]
    scalars: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
    segments: list[Segment]

    @property
    def frames(self) -> int:
        return len(self.clean)


@dataclass(frozen=True)
class Batch:
    """Crops of one length, (batch, frames, ..). Frames behind the end of a segment have weight 0.

    power : (2, batch, frames, bins), without distortion and over what goes on.
    cold : (batch,) bool, the crop begins where its segment does.
    """

    power: npt.NDArray[np.uint8]
    scalars: npt.NDArray[np.float32]
    label: npt.NDArray[np.uint8]
    weight: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
    cold: npt.NDArray[np.bool_]
    segment: npt.NDArray[np.intp]


def open_store(corpora: Sequence[Corpus], split: Split, folder: Path, hop_s: float) -> Store:
    """The store of a split of some corpora under `folder`; unpacked now where it is missing or of others.

    Raises
    ------
    NoctuleError
        The split holds no frames, a shard is damaged, or the disk is full.
    """
    digest = digest_of(corpora)
    place = _place(folder, split, digest)
    if not (place / _INDEX).is_file():
        try:
            _unpack(corpora, split, place, hop_s)
        except OSError as error:
            raise NoctuleError(f"{place}: cannot be written: {error.strerror}") from None
    return open_unpacked(folder, split, digest)


def open_unpacked(folder: Path, split: Split, digest: str) -> Store:
    """The store of corpora that were unpacked before; `digest` is theirs, see `digest_of`.

    Raises
    ------
    NoctuleError
        It is gone, or holds no frames.
    """
    place = _place(folder, split, digest)
    try:
        index = json.loads((place / _INDEX).read_text())
    except OSError:
        raise NoctuleError(f"{place}: the unpacked corpus is gone: go on with the training first") from None
    if not index["segments"]:
        raise NoctuleError(f"{place}: no frames in the split '{split}'")
    arrays = {
        name: np.memmap(place / name, kind, "r", shape=(index["frames"], *rest))
        for name, (kind, rest) in _arrays(index["bins"]).items()
    }
    valid = np.load(place / "valid.npy")
    return Store(**arrays, valid=valid, segments=[Segment(*one) for one in index["segments"]])


def _place(folder: Path, split: Split, digest: str) -> Path:
    return folder / f"{split}-{digest[:12]}-{_LAYOUT}"


def _arrays(bins: int) -> dict[str, tuple[type[np.generic], tuple[int, ...]]]:
    return {"clean": (np.uint8, (bins,)), "fresh": (np.uint8, (bins,)), **_ARRAYS}


def _unpack(corpora: Sequence[Corpus], split: Split, place: Path, hop_s: float) -> None:
    part = place.with_name(place.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    frames, bins, scenes, segments, valid = 0, 0, 0, [], []
    files = {name: (part / name).open("wb") for name in _arrays(0)}
    try:
        for shard in chain.from_iterable(corpus.read(split) for corpus in corpora):
            for scene, kept in _stretches(shard, hop_s):
                _append(files, shard, kept)
                bins = shard.clean.shape[1]
                usable = (shard.clean[kept] != ZERO_DB).any(axis=0)
                valid.append(usable if usable.any() else np.ones(bins, bool))
                about = shard.scenes[scene]
                stratum = str(about.get("stratum", ""))
                segments.append((frames, frames + len(kept), scenes + scene, stratum, _apart(about)))
                frames += len(kept)
            scenes += len(shard.scenes)
    finally:
        for file in files.values():
            file.close()
    np.save(part / "valid.npy", np.array(valid, dtype=bool).reshape(len(segments), bins))
    index = {"frames": frames, "bins": bins, "segments": segments}
    (part / _INDEX).write_text(json.dumps(index))
    shutil.rmtree(place, ignore_errors=True)
    os.replace(part, place)


def _apart(about: dict[str, Any]) -> str:
    causes = set(about.get("causes", ()))
    return PETS if causes & GOES_ABOUT else NEXT_ROOM if NEXT_ROOM in causes else ""


def _append(files: dict[str, Any], shard: Shard, kept: npt.NDArray[np.intp]) -> None:
    scalars = np.stack([shard.broadband_db[kept], shard.carrier_snr_db[kept], shard.removed_db[kept]], axis=1)
    label = shard.label[kept] | np.where(shard.presence[kept] != 0, PRESENT, 0).astype(np.uint8)
    hidden = (label & (MAJOR | MINOR) != 0) & (shard.margin_db[kept] < VISIBLE_DB)
    weight = np.where(hidden, 0, shard.weight[kept]).astype(np.uint8)
    values = {"clean": shard.clean[kept], "fresh": shard.fresh[kept], "label": label, "weight": weight}
    for name, array in (values | {"scalars": np.nan_to_num(scalars.astype(np.float32))}).items():
        files[name].write(np.ascontiguousarray(array).tobytes())


def _stretches(shard: Shard, hop_s: float) -> Iterator[tuple[int, npt.NDArray[np.intp]]]:
    """(scene, frames shown to the network between two resets)."""
    longest = round(RESET_AFTER_S / hop_s)
    for scene in range(len(shard.scenes)):
        inside = np.arange(len(shard))[shard.frames_of(scene)]
        shown = inside[(shard.faults[inside] & NOT_JUDGED) == 0]
        breaks = np.flatnonzero(np.diff(shown) > longest + 1) + 1
        yield from ((scene, part) for part in np.split(shown, breaks) if len(part))


def draw_crops(
    store: Store, count: int, frames: int, cold_share: float, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """(segment, offset) of crops: of one kind every frame is as likely; some crops begin at the start."""
    lengths = np.array([len(one) for one in store.segments])
    chances = lengths * np.array([_OFTENER.get(one.stratum, 1.0) for one in store.segments])
    which = rng.choice(len(lengths), size=count, p=chances / chances.sum())
    latest = np.maximum(lengths[which] - frames, 0)
    offsets = np.where(rng.random(count) < cold_share, 0, rng.integers(0, latest + 1))
    return list(zip(which.tolist(), offsets.tolist(), strict=True))


def cut(store: Store, crops: list[tuple[int, int]], frames: int) -> Batch:
    """The crops as one batch of `frames` each; what is missing repeats the last frame, with weight 0."""
    rows = np.empty((len(crops), frames), dtype=np.intp)
    weight = np.zeros((len(crops), frames), dtype=np.float32)
    for i, (number, offset) in enumerate(crops):
        segment = store.segments[number]
        rows[i] = np.minimum(np.arange(frames) + segment.first + offset, segment.stop - 1)
        here = min(frames, len(segment) - offset)
        weight[i, :here] = store.weight[segment.first + offset :][:here]
    which = np.array([number for number, _ in crops])
    pets = np.array([store.segments[n].apart == PETS for n in which])
    goes_about = np.where(pets, GOES_ABOUT_HERE, 0).astype(np.uint8)
    return Batch(
        power=np.stack([store.clean[rows], store.fresh[rows]]),
        scalars=store.scalars[rows],
        label=store.label[rows] | goes_about[:, None],
        weight=weight,
        valid=store.valid[which],
        cold=np.array([offset == 0 for _, offset in crops]),
        segment=which,
    )
