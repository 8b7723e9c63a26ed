"""Model folders: weights that say what they are, and refuse to run where they would be wrong.

    zoo/<name>/manifest.json, MODEL_CARD.md, network.onnx, network-int8.onnx

Scores and sensitivity: the score of a model is its logit on a scale on which 0.5 is the default preset's
operating point; the tracker calls motion what reaches 1 - sensitivity. So each preset is a trigger
sensitivity, the manifest says what it found and what it cost, and between presets more sensitivity always
means more found and more false alarms. `probability` turns logits into probabilities.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

import noctule
from noctule.core.errors import NoctuleError
from noctule.model.rules import OUTPUTS

FORMAT: Literal["noctule-model-1"] = "noctule-model-1"
MANIFEST, CARD = "manifest.json", "MODEL_CARD.md"
#: Where models that come with noctule lie.
ZOO = Path(__file__).resolve().parents[1] / "zoo"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelFile(_Part):
    """A file of the folder and its checksum."""

    file: str
    sha256: str


class Preset(_Part):
    """One setting for people: the tracker's trigger sensitivity, the logits there, and what was measured."""

    trigger_sensitivity: float
    logit_human: float
    logit_major: float
    measured: dict[str, Any] = {}


class Manifest(_Part):
    """What a model says of itself.

    Attributes
    ----------
    feature_digest : of the `FeatureSettings` it was trained with.
    files : "float" for PCs, "int8" for small processors.
    probability : output -> slope and offset from logit to the logit of the probability.
    training : data and settings, in figures.
    """

    format: Literal["noctule-model-1"] = FORMAT
    name: str
    version: str
    minimum_noctule: str
    feature_digest: str
    hop_s: float
    bins: int
    outputs: list[str]
    parameters: int
    macs_per_frame: int
    files: dict[str, ModelFile]
    presets: dict[str, Preset]
    default_preset: str
    probability: dict[str, tuple[float, float]]
    int8: dict[str, float]
    training: dict[str, Any]


@dataclass(frozen=True)
class Model:
    """A folder that was checked."""

    folder: Path
    manifest: Manifest

    def file(self, kind: str = "float") -> Path:
        """The weights.

        Raises
        ------
        NoctuleError
            The model has none of this kind, or their checksum is wrong.
        """
        if kind not in self.manifest.files:
            raise NoctuleError(f"model {self.folder}: has no {kind} weights")
        one = self.manifest.files[kind]
        path = self.folder / one.file
        if _sha256(path) != one.sha256:
            raise NoctuleError(f"model {path}: damaged or changed (checksum); install it anew")
        return path


def load_model(name: str, feature_digest: str) -> Model:
    """A model of the zoo by its name, or of any folder by its path.

    Raises
    ------
    NoctuleError
        One line: no such model, files missing or changed, made for other features, other questions or a newer
        noctule.
    """
    folder = Path(name) if os.sep in name or (os.altsep and os.altsep in name) else ZOO / name
    manifest = read_manifest(folder, name)
    if manifest.feature_digest != feature_digest:
        raise NoctuleError(
            f"model {name}: trained on other features ({manifest.feature_digest}, here {feature_digest}); "
            "use the default [features] settings, or train anew"
        )
    if manifest.outputs != list(OUTPUTS):
        raise NoctuleError(
            f"model {name}: answers {', '.join(manifest.outputs)}, not {', '.join(OUTPUTS)}; train anew"
        )
    if _version(noctule.__version__) < _version(manifest.minimum_noctule):
        raise NoctuleError(
            f"model {name}: needs noctule {manifest.minimum_noctule}, this is {noctule.__version__}"
        )
    if not (folder / CARD).is_file():
        raise NoctuleError(f"model {folder}: {CARD} is missing; install it anew")
    return Model(folder, manifest)


def read_manifest(folder: Path, name: str | None = None) -> Manifest:
    """The manifest of a folder.

    Raises
    ------
    NoctuleError
        It is missing, or not one of ours.
    """
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except OSError:
        have = ", ".join(available()) or "none"
        raise NoctuleError(f"model {name or folder}: not found; models here: {have}") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "JSON"
        raise NoctuleError(f"model {folder}: {MANIFEST}: {key}: {first['msg'].lower()}") from None


def available() -> list[str]:
    """Names of the models that come with noctule."""
    return sorted(path.parent.name for path in ZOO.glob(f"*/{MANIFEST}"))


def write_model_folder(
    folder: Path, about: Mapping[str, Any], files: Mapping[str, Path], card: str, force: bool = False
) -> Model:
    """Copy the weights, and write their manifest and card; whole or not at all.

    Parameters
    ----------
    about : the manifest without `files`.
    files : kind -> file to copy; its name stays.

    Raises
    ------
    NoctuleError
        The folder exists already and `force` is not given, or cannot be written.
    """
    if folder.exists() and not force:
        raise NoctuleError(f"{folder}: exists already; choose another name or replace it (--force)")
    part = folder.with_name(f".{folder.name}.part")
    listed = {kind: ModelFile(file=path.name, sha256=_sha256(path)) for kind, path in files.items()}
    manifest = Manifest(**dict(about), files=listed)
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        for path in files.values():
            shutil.copyfile(path, part / path.name)
        (part / CARD).write_text(card, encoding="utf-8")
        text = json.dumps(manifest.model_dump(mode="json"), indent=2, ensure_ascii=False)
        (part / MANIFEST).write_text(text + "\n", encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(part, folder)
    except OSError as error:
        raise NoctuleError(f"{folder}: cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Model(folder, manifest)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        raise NoctuleError(f"model {path}: missing; install it anew") from None


def _version(text: str) -> tuple[int, ...]:
    """Its leading numbers: 1.2.0rc1 counts as 1.2.0."""
    numbers = []
    for part in text.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)
