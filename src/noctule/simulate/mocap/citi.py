"""CITI daily activities: 19 joints of a first-generation Kinect, 30 frames a second, many takes in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from noctule.core.errors import NoctuleError
from noctule.simulate.mocap.take import Take, sigma_frames, smoothed, take_of
from noctule.simulate.parts import FloatArray

#: The sensor's own noise is stronger than any movement above this.
_RATE_HZ, _CUTOFF_HZ = 30.0, 3.0
#: A joint that the sensor lost jumps away for a frame or two.
_MEDIAN_FRAMES = 5
#: No bone turns faster: a waving forearm, 40 degrees either way twice a second. [D] Where the sensor takes
#: one arm for the other, or loses a hand behind the trunk, bones flip over within a frame.
_FASTEST_RAD_S = 10.0
#: The body goes up and down on its feet slower than this.
_FLOOR_HZ = 1.5
#: Columns in threes, z up, the person looking along -y.
_JOINTS = (
    "right_shoulder", "left_shoulder", "neck", "torso", "right_hip", "left_hip",
    "right_elbow", "left_elbow", "right_wrist", "left_wrist", "right_hand", "left_hand",
    "right_knee", "left_knee", "right_ankle", "left_ankle", "right_toe", "left_toe", "head",
)  # fmt: skip
_BONES = (
    ("torso", "neck"), ("neck", "head"),
    *((start.format(side), end.format(side)) for side in ("left", "right") for start, end in (
        ("neck", "{}_shoulder"), ("{}_shoulder", "{}_elbow"), ("{}_elbow", "{}_wrist"),
        ("torso", "{}_hip"), ("{}_hip", "{}_knee"), ("{}_knee", "{}_ankle"),
    )),
)  # fmt: skip


def read_citi(path: Path, sequence: str | None) -> Take:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        name = sequence or archive.files[0]
        if name not in archive.files:
            raise NoctuleError(f"{path}: has no {name!r}; it has {', '.join(archive.files[:4])}, ...")
        rows = np.asarray(archive[name], np.float64)
    if rows.ndim != 2 or rows.shape[1] != 3 * len(_JOINTS):
        raise NoctuleError(f"{path}: {name} is {rows.shape}, not frames of {len(_JOINTS)} joints")
    if not np.isfinite(rows).all():
        raise NoctuleError(f"{path}: {name} holds something that is no number")
    half = _MEDIAN_FRAMES // 2
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(rows, ((half, half), (0, 0)), "edge"), _MEDIAN_FRAMES, axis=0
    )
    tracks = np.median(windows, axis=-1).reshape(len(rows), -1, 3)
    found = _steadied({joint: tracks[:, n] for n, joint in enumerate(_JOINTS)})
    # places are relative to the trunk: the lower foot is what stands still
    lower = np.minimum(found["left_ankle"][:, 2], found["right_ankle"][:, 2])
    floor = smoothed(lower[:, None, None], sigma_frames(_FLOOR_HZ, _RATE_HZ))[:, 0, 0]
    for track in found.values():
        track[:, 2] -= floor
    return take_of(path, found, _RATE_HZ, _CUTOFF_HZ)


def _steadied(found: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Bones of one length each, and none that flips over; without hands and toes, which are noise."""
    steady = {"torso": found["torso"].copy()}
    for start, end in _BONES:
        bone = found[end] - found[start]
        length = np.linalg.norm(bone, axis=-1)
        way = _followed(bone / np.maximum(length, 1e-6)[:, None], _FASTEST_RAD_S / _RATE_HZ)
        steady[end] = steady[start] + np.median(length) * way
    return steady


def _followed(way: FloatArray, most_rad: float) -> FloatArray:
    """Unit vectors (frames, 3) that go after the given ones by at most so much a frame."""
    out = way.copy()
    out[0] = np.median(way[:5], axis=0)
    out[0] /= max(float(np.linalg.norm(out[0])), 1e-6)
    for n in range(1, len(way)):
        angle = np.arccos(np.clip(out[n - 1] @ way[n], -1.0, 1.0))
        if angle > most_rad:
            aside = way[n] - (out[n - 1] @ way[n]) * out[n - 1]
            aside /= max(float(np.linalg.norm(aside)), 1e-6)
            out[n] = np.cos(most_rad) * out[n - 1] + np.sin(most_rad) * aside
    return out
