"""CITI daily activities: 19 joints of a first-generation Kinect, 30 frames a second, many takes in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from noctule.core.errors import NoctuleError
from noctule.simulate.mocap.take import Take, take_of

#: The sensor's own noise is stronger than any movement above this.
_RATE_HZ, _CUTOFF_HZ = 30.0, 3.0
#: A joint that the sensor lost jumps away for a frame or two.
_MEDIAN_FRAMES = 5
#: Columns in threes, z up, the person looking along -y.
_JOINTS = (
    "right_shoulder", "left_shoulder", "neck", "torso", "right_hip", "left_hip",
    "right_elbow", "left_elbow", "right_wrist", "left_wrist", "right_hand", "left_hand",
    "right_knee", "left_knee", "right_ankle", "left_ankle", "right_toe", "left_toe", "head",
)  # fmt: skip


def read_citi(path: Path, sequence: str | None) -> Take:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        name = sequence or archive.files[0]
        if name not in archive.files:
            raise NoctuleError(f"{path}: has no {name!r}; it has {', '.join(archive.files[:4])}, ...")
        rows = np.asarray(archive[name], np.float64)
    if rows.ndim != 2 or rows.shape[1] != 3 * len(_JOINTS):
        raise NoctuleError(f"{path}: {name} is {rows.shape}, not frames of {len(_JOINTS)} joints")
    half = _MEDIAN_FRAMES // 2
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(rows, ((half, half), (0, 0)), "edge"), 5, axis=0
    )
    tracks = np.median(windows, axis=-1).reshape(len(rows), -1, 3)
    # places are relative to the trunk: the lower foot is what stands still
    feet = [n for n, joint in enumerate(_JOINTS) if joint.endswith(("ankle", "toe"))]
    tracks[:, :, 2] -= tracks[:, feet, 2].min(1, keepdims=True)
    found = {joint: tracks[:, n] for n, joint in enumerate(_JOINTS)}
    return take_of(path, found, _RATE_HZ, _CUTOFF_HZ)
