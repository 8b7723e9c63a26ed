"""Model folders: what is refused, each with one clear line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.model.tiny_model import CARD, about

from noctule.core.errors import NoctuleError
from noctule.core.settings import FeatureSettings, Settings
from noctule.model.zoo import ZOO, load_model, write_model_folder

DIGEST = FeatureSettings().digest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "weights.onnx").write_bytes(b"weights")
    write_model_folder(tmp_path / "tiny", about(), {"float": tmp_path / "weights.onnx"}, CARD)
    return tmp_path / "tiny"


def with_manifest(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_was_written_is_read(folder: Path) -> None:
    model = load_model(str(folder), DIGEST)
    assert model.file().read_bytes() == b"weights"
    assert model.manifest.default_preset in model.manifest.presets
    assert (folder / "MODEL_CARD.md").read_text() == CARD


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda folder: (folder / "weights.onnx").write_bytes(b"other"), "damaged or changed"),
        (lambda folder: (folder / "weights.onnx").unlink(), "weights.onnx: missing"),
        (lambda folder: (folder / "MODEL_CARD.md").unlink(), "MODEL_CARD.md is missing"),
        (lambda folder: (folder / "manifest.json").unlink(), "not found"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "manifest.json"),
        (lambda folder: with_manifest(folder, format="another-model-3"), "format"),
        (lambda folder: with_manifest(folder, extra=1), "extra"),
        (lambda folder: with_manifest(folder, feature_digest="0123"), "trained on other features"),
        (lambda folder: with_manifest(folder, minimum_noctule="99.0.1"), "needs noctule 99.0.1"),
        (lambda folder: with_manifest(folder, outputs=["human", "major"]), "answers human, major"),
        (lambda folder: with_manifest(folder, files={}), "no float weights"),
    ],
)
def test_a_spoilt_folder_is_refused(folder: Path, spoil: Callable[[Path], object], says: str) -> None:
    spoil(folder)
    with pytest.raises(NoctuleError, match=says) as refused:
        load_model(str(folder), DIGEST).file()
    assert "\n" not in str(refused.value)


def test_other_feature_settings_are_refused(folder: Path) -> None:
    with pytest.raises(NoctuleError, match="trained on other features"):
        load_model(str(folder), FeatureSettings(hop_s=0.04).digest())


def test_an_unknown_name_lists_what_is_there() -> None:
    with pytest.raises(NoctuleError, match="model nobody: not found; models here:"):
        load_model("nobody", DIGEST)


def test_a_model_is_not_overwritten_by_accident(folder: Path) -> None:
    files = {"float": folder.parent / "weights.onnx"}
    with pytest.raises(NoctuleError, match="exists already"):
        write_model_folder(folder, about(), files, CARD)
    write_model_folder(folder, about(version="2"), files, CARD, force=True)
    assert load_model(str(folder), DIGEST).manifest.version == "2"
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("kind", ["float", "int8"])
def test_the_model_that_the_settings_name_comes_along(kind: str) -> None:
    settings = Settings()
    model = load_model(settings.model.name, settings.features.digest())
    assert model.folder.parent == ZOO
    assert 20_000 < model.file(kind).stat().st_size < 500_000
