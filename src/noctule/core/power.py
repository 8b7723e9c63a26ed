"""Doppler power in a byte: as a corpus holds it, and as it is kept around an event."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from noctule.core.frames import Float32Array

#: Steps of so many dB above the lowest: -16 to 86 dB.
LOWEST_DB, STEP_DB = -16.0, 0.4


def encode_power(log_power_db: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """dB to bytes: round((dB + 16) / 0.4), held within 0 to 255."""
    steps = np.rint((log_power_db - LOWEST_DB) / STEP_DB)
    return np.asarray(np.clip(steps, 0.0, 255.0), np.uint8)


def decode_power(power: npt.NDArray[np.uint8]) -> Float32Array:
    """Bytes to dB."""
    return np.asarray(power * np.float32(STEP_DB) + np.float32(LOWEST_DB), np.float32)
