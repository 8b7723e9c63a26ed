"""A corpus on disk: shards of features with their truth, frame by frame, and a manifest with checksums.

A corpus is a folder with `manifest.json` and `shard-00000.npz`, ... A shard belongs to one split and holds
whole scenes, one after the other along the frames.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from noctule.core.errors import NoctuleError
from noctule.core.files import written_whole
from noctule.core.frames import Float32Array
from noctule.core.power import decode_power

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

#: Bits of `Shard.label`.
MAJOR, MINOR, OTHER = 1, 2, 4

MANIFEST = "manifest.json"
FORMAT = "noctule-corpus-3"


@dataclass(frozen=True)
class Shard:
    """Frames of whole scenes, concatenated.

    clean, fresh : (frames, bins) uint8, `clean_power_db` and `fresh_power_db`, see `encode_power`.
    broadband_db, removed_db, carrier_snr_db, carrier_level_dbfs : (frames,) float16, as in `FeatureBlock`.
    faults : (frames,) int32, bits of `Fault`.
    label : (frames,) uint8, bits `MAJOR`, `MINOR` of people in the room, `OTHER` of anything else that moves.
    weight : (frames,) uint8, 1 where the label counts, 0 where it is to be ignored.
    presence : (frames,) uint8, 1 while somebody is inside.
    margin_db : (frames,) float16, how much plainer the people show in the second around than where half would
        be found by their power; NaN where that is not known. See `lab.visibility`.
    range_m : (frames,) float16, to the nearest person inside who moves, else the nearest inside; NaN nobody.
    time_s : (frames,) float32, stream time of the end of each frame's window.
    scene : (frames,) int32, place in `scenes`.
    scenes : one description a scene.
    failed : seeds of scenes that could not be rendered, and why.
    """

    clean: npt.NDArray[np.uint8]
    fresh: npt.NDArray[np.uint8]
    broadband_db: npt.NDArray[np.float16]
    removed_db: npt.NDArray[np.float16]
    carrier_snr_db: npt.NDArray[np.float16]
    carrier_level_dbfs: npt.NDArray[np.float16]
    faults: npt.NDArray[np.int32]
    label: npt.NDArray[np.uint8]
    weight: npt.NDArray[np.uint8]
    presence: npt.NDArray[np.uint8]
    margin_db: npt.NDArray[np.float16]
    range_m: npt.NDArray[np.float16]
    time_s: npt.NDArray[np.float32]
    scene: npt.NDArray[np.int32]
    scenes: list[dict[str, Any]]
    failed: list[dict[str, Any]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.time_s)

    def clean_power_db(self) -> Float32Array:
        """(frames, bins) float32 dB over the noise floor, to 0.2 dB."""
        return decode_power(self.clean)

    def frames_of(self, scene: int) -> slice:
        """Where a scene of the list lies."""
        low, high = np.searchsorted(self.scene, [scene, scene + 1])
        return slice(int(low), int(high))


#: What is kept of each frame, in the order of the fields.
ARRAYS = tuple(one.name for one in fields(Shard) if one.name not in ("scenes", "failed"))
_KINDS = {
    "clean": np.uint8, "fresh": np.uint8, "broadband_db": np.float16, "removed_db": np.float16,
    "carrier_snr_db": np.float16, "carrier_level_dbfs": np.float16, "faults": np.int32, "label": np.uint8,
    "weight": np.uint8, "presence": np.uint8, "margin_db": np.float16, "range_m": np.float16,
    "time_s": np.float32, "scene": np.int32,
}  # fmt: skip


def join(parts: Sequence[Shard]) -> Shard:
    """One shard of several; scenes are counted on."""
    before = np.cumsum([0] + [len(one.scenes) for one in parts])
    arrays = {
        name: np.concatenate([getattr(one, name) for one in parts]) for name in ARRAYS if name != "scene"
    }
    scene = np.concatenate([one.scene + first for one, first in zip(parts, before, strict=False)])
    return Shard(
        **arrays,
        scene=scene.astype(np.int32),
        scenes=[scene for one in parts for scene in one.scenes],
        failed=[failure for one in parts for failure in one.failed],
    )


def write_shard(path: Path, shard: Shard) -> None:
    """Under another name until it is whole: half a shard must not pass for one. Equal shards, equal bytes."""
    arrays: dict[str, Any] = {name: np.asarray(getattr(shard, name), kind) for name, kind in _KINDS.items()}
    arrays |= {"scenes": np.array(_text(shard.scenes)), "failed": np.array(_text(shard.failed))}
    try:
        with written_whole(path) as file:
            np.savez_compressed(file, **arrays)
    except OSError as error:
        raise NoctuleError(f"{path}: cannot be written: {error.strerror}") from None


def _text(records: list[dict[str, Any]]) -> str:
    return json.dumps(records, sort_keys=True)


def read_shard(path: str | Path) -> Shard:
    """A shard from its file.

    Raises
    ------
    NoctuleError
        One line: the file is missing, cut short, damaged, or no shard.
    """
    try:
        with Path(path).open("rb") as raw, np.load(raw) as file:
            arrays = {name: file[name] for name in ARRAYS}
            scenes, failed = json.loads(str(file["scenes"])), json.loads(str(file["failed"]))
    except OSError as error:
        raise NoctuleError(f"{path}: {error.strerror or 'cannot be read'}") from None
    except (KeyError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error):
        raise NoctuleError(f"{path}: no shard of a corpus, or damaged: build it anew") from None
    if len({len(one) for one in arrays.values()}) != 1:
        raise NoctuleError(f"{path}: its arrays differ in length: build it anew")
    return Shard(**arrays, scenes=scenes, failed=failed)


def sha256_of(path: Path) -> str:
    """Checksum of a file.

    Raises
    ------
    NoctuleError
        It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise NoctuleError(f"{path}: {(error.strerror or str(error)).lower()}") from None


class Corpus:
    """A folder of shards, as its manifest tells it; checksums are compared by `verify`, and not before.

    Raises
    ------
    NoctuleError
        The folder has no manifest, or one that cannot be read.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        manifest = read_manifest(self.folder)
        if manifest is None:
            raise NoctuleError(f"{self.folder}: no corpus: it holds no {MANIFEST}")
        self.manifest = manifest

    @property
    def complete(self) -> bool:
        """Whether every shard that was planned is there."""
        return bool(self.manifest["complete"])

    def shards(self, split: Split | None = None) -> list[Path]:
        """Files of a split, or of all, in order."""
        if split is not None and split not in SPLITS:
            raise NoctuleError(f"there is no split {split!r}; there are {', '.join(SPLITS)}")
        return [self.folder / one["file"] for one in self.manifest["shards"] if split in (None, one["split"])]

    def read(self, split: Split | None = None) -> Iterator[Shard]:
        """The shards themselves, one after the other."""
        return (read_shard(path) for path in self.shards(split))

    def verify(self) -> None:
        """Compare every file with its checksum.

        Raises
        ------
        NoctuleError
            One line for the first that is missing or has changed.
        """
        for one in self.manifest["shards"]:
            path = self.folder / one["file"]
            if sha256_of(path) != one["sha256"]:
                raise NoctuleError(f"{path}: cut short or changed since it was built (checksum)")


def digest_of(corpora: Sequence[Corpus]) -> str:
    """SHA-256 of the manifests: which corpora these are, in this order."""
    manifests = [(one.folder / MANIFEST).read_bytes() for one in corpora]
    return hashlib.sha256(b"".join(manifests)).hexdigest()


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """What a corpus says of itself; None: the folder holds none."""
    path = folder / MANIFEST
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NoctuleError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    try:
        manifest = json.loads(text)
    except ValueError:
        raise NoctuleError(f"{path}: not valid JSON: damaged") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise NoctuleError(f"{path}: not the manifest of a corpus ({FORMAT})")
    return manifest


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    path = folder / MANIFEST
    try:
        with written_whole(path) as file:
            file.write((json.dumps(manifest, indent=1) + "\n").encode())
    except OSError as error:
        raise NoctuleError(f"{path}: cannot be written: {error.strerror}") from None
