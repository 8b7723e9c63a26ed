"""What a training run leaves on disk, whole at every moment: a killed run goes on where it was."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from noctule.core.errors import NoctuleError
from noctule.core.files import written_whole

#: Everything needed to go on, and the best weights so far with what they reached.
LATEST, BEST, METRICS = "checkpoint.pt", "best.pt", "metrics.jsonl"


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Under another name until it is whole and on the disk."""
    try:
        with written_whole(path) as file:
            torch.save(dict(content), file)
    except OSError as error:
        raise NoctuleError(f"{path}: cannot be written: {error.strerror}") from None


def load(path: Path) -> dict[str, Any]:
    """A checkpoint.

    Raises
    ------
    NoctuleError
        It is missing or damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what a damaged file might be
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise NoctuleError(f"{path}: missing; `noctule train CORPUS -o {path.parent}` writes it") from None
    except Exception as error:  # damaged bytes make the unpickler raise anything
        raise NoctuleError(f"{path}: cannot be read: {type(error).__name__}; damaged?") from None
    assert isinstance(content, dict)
    return content


def write_metrics(folder: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """One JSON object an epoch, written anew each time: a resumed run repeats no line."""
    with written_whole(folder / METRICS) as file:
        file.write("".join(json.dumps(one) + "\n" for one in history).encode())
