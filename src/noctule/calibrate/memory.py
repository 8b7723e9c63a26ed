"""Where calibrations are kept: one file a pair of devices and rate; the last good one stays."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from noctule.calibrate.calibration import Calibration
from noctule.core.errors import NoctuleError
from noctule.core.files import written_whole
from noctule.core.paths import state_folder


def place_of(identities: tuple[str, str], sample_rate_hz: float, folder: Path | None = None) -> Path:
    """The file of these devices at this rate."""
    text = f"{identities[0]}\n{identities[1]}\n{sample_rate_hz:g}"
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return (folder or state_folder()) / f"calibration-{digest}.json"


def save(calibration: Calibration, folder: Path | None = None) -> Path:
    """Keep it; whoever reads meanwhile sees the old one or the new one, never half of one.

    Raises
    ------
    NoctuleError
        It cannot be written; the last good one is still there.
    """
    path = place_of((calibration.input, calibration.output), calibration.sample_rate_hz, folder)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as file:
            file.write(calibration.model_dump_json(indent=1).encode())
    except OSError as error:
        raise NoctuleError(f"{path}: cannot be written: {error.strerror}") from None
    return path


def load(
    identities: tuple[str, str], sample_rate_hz: float, folder: Path | None = None
) -> Calibration | None:
    """The last good one, None: there is none, or none that can be read."""
    path = place_of(identities, sample_rate_hz, folder)
    try:
        return Calibration.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, ValidationError):
        return None


def age_days(calibration: Calibration, now: datetime | None = None) -> float:
    """How long ago it was made; a clock that went back makes it as good as new."""
    return max(0.0, ((now or datetime.now(UTC)) - calibration.made_at).total_seconds() / 86400.0)
