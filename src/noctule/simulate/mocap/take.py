"""What every reader gives: the eighteen joints over time, in metres, z up, on the floor."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from noctule.core.errors import NoctuleError
from noctule.simulate.parts import FloatArray
from noctule.simulate.pose import JOINT, JOINTS

#: Shorter takes make no sense.
FEWEST_FRAMES = 4
#: A joint further from the median of five frames than two frames at this speed has jumped, not moved. [A]
_SPIKE_MPS = 9.0
#: What files call the joints, without case, spaces and prefixes.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "pelvis": ("pelvis", "hips", "hip", "root", "hipcenter"),
    "chest": (
        "chest",
        "spine2",
        "spine1",
        "thorax",
        "upperback",
        "abdomen",
        "spine",
        "torso",
        "shouldercenter",
    ),
    "neck": ("neck", "neck1", "lowerneck", "upperneck"),
    "head": ("head", "headend"),
}
for _side, _letter in (("left", "l"), ("right", "r")):
    SYNONYMS |= {
        f"{_side}_shoulder": (
            f"{_side}arm",
            f"{_letter}shldr",
            f"shoulder{_side}",
            f"{_side}uparm",
            f"{_side}shoulder",
        ),
        f"{_side}_elbow": (
            f"{_side}forearm",
            f"{_letter}forearm",
            f"elbow{_side}",
            f"{_side}lowarm",
            f"{_side}elbow",
        ),
        f"{_side}_wrist": (f"{_side}hand", f"{_letter}hand", f"wrist{_side}", f"{_side}wrist"),
        f"{_side}_hip": (f"{_side}upleg", f"{_letter}thigh", f"hip{_side}", f"{_side}thigh", f"{_side}hip"),
        f"{_side}_knee": (f"{_side}leg", f"{_letter}shin", f"knee{_side}", f"{_side}lowleg", f"{_side}knee"),
        f"{_side}_ankle": (f"{_side}foot", f"{_letter}foot", f"ankle{_side}", f"{_side}ankle"),
        f"{_side}_toe": (
            f"{_side}toebase",
            f"{_side}toe",
            f"{_letter}toe",
            f"foot{_side}",
            f"{_side}footend",
        ),
    }


@dataclass(frozen=True, slots=True)
class Take:
    """joints_m : (frames, 18, 3) in the order of `JOINTS`; rate_hz : frames a second."""

    joints_m: FloatArray
    rate_hz: float


def take_of(path: Path, found: Mapping[str, FloatArray], rate_hz: float, cutoff_hz: float) -> Take:
    """A take from joints `(frames, 3)` by name, z up: missing ones worked out, noise above the cutoff gone.

    Raises
    ------
    NoctuleError
        A joint that cannot be worked out is missing, or there are no numbers.
    """
    plain = {re.sub(r"^.*:|[^a-z0-9]", "", name.lower()): track for name, track in found.items()}
    named: dict[str, FloatArray] = {}
    for joint, names in SYNONYMS.items():
        known = next((plain[name] for name in (joint.replace("_", ""), *names) if name in plain), None)
        if known is not None:
            named[joint] = known
    for side in ("left", "right"):
        if f"{side}_toe" not in named and f"{side}_ankle" in named:
            named[f"{side}_toe"] = named[f"{side}_ankle"] + _foot(named)
    if "left_hip" in named and "right_hip" in named:
        named["pelvis"] = 0.5 * (named["left_hip"] + named["right_hip"])
    if "left_shoulder" in named and "right_shoulder" in named:
        named.setdefault("neck", 0.5 * (named["left_shoulder"] + named["right_shoulder"]))
    if "neck" in named and "pelvis" in named:
        named["chest"] = named["pelvis"] + 0.72 * (named["neck"] - named["pelvis"])
        named.setdefault("head", named["neck"] + 0.25 * (named["neck"] - named["pelvis"]))
    missing = [joint for joint in JOINTS if joint not in named]
    if missing:
        raise NoctuleError(
            f"{path}: has no {missing[0].replace('_', ' ')} (joints: {', '.join(sorted(found))[:200]})"
        )
    joints = np.stack([named[joint] for joint in JOINTS], 1).astype(np.float64)
    if len(joints) < FEWEST_FRAMES:
        raise NoctuleError(f"{path}: {len(joints)} frames are no movement")
    joints = _repaired(path, joints, rate_hz)
    joints = smoothed(joints, sigma_frames(cutoff_hz, rate_hz))
    feet = [JOINT[f"{side}_{part}"] for side in ("left", "right") for part in ("ankle", "toe")]
    joints[:, :, 2] -= np.quantile(joints[:, feet, 2].min(1), 0.05)
    return Take(joints, rate_hz)


def _foot(named: Mapping[str, FloatArray]) -> FloatArray:
    """From ankle to toe of a foot that is flat on the floor and points where the hips do."""
    if "left_hip" not in named or "right_hip" not in named:
        return np.array([0.0, 0.0, -0.05])
    across = named["left_hip"] - named["right_hip"]
    ahead = np.stack([across[:, 1], -across[:, 0]], -1)
    ahead /= np.maximum(np.linalg.norm(ahead, axis=-1, keepdims=True), 1e-6)
    return np.column_stack([0.15 * ahead, np.full(len(ahead), -0.05)])


def _repaired(path: Path, joints: FloatArray, rate_hz: float) -> FloatArray:
    """Gaps that a tracker left, and frames that jump away and back, are bridged in a straight line."""
    bad = ~np.isfinite(joints).all(axis=(1, 2))
    around = np.lib.stride_tricks.sliding_window_view(
        np.pad(joints, ((2, 2), (0, 0), (0, 0)), "edge"), 5, axis=0
    )
    away_m = np.linalg.norm(joints - np.median(around, axis=-1), axis=-1).max(1)
    bad |= away_m > 2.0 * _SPIKE_MPS / rate_hz
    if bad.mean() > 0.2:
        raise NoctuleError(f"{path}: {bad.sum()} of {len(joints)} frames hold no numbers")
    if bad.any():
        good, flat = np.flatnonzero(~bad), joints.reshape(len(joints), -1)
        for column in flat.T:
            column[bad] = np.interp(np.flatnonzero(bad), good, column[good])
    return joints


def sigma_frames(cutoff_hz: float, rate_hz: float) -> float:
    """Width of the Gaussian that is 3 dB down at the cutoff: sqrt(ln 2)/(2·pi·f)."""
    return 0.1325 / cutoff_hz * rate_hz


def smoothed(joints: FloatArray, sigma: float) -> FloatArray:
    """Gaussian low-pass of (frames, n, 3) tracks; the ends go on by their mirror images."""
    half = min(int(np.ceil(4 * sigma)), len(joints) - 1)
    taps = np.exp(-0.5 * np.square(np.arange(-half, half + 1) / sigma))
    taps /= taps.sum()
    before, after = 2 * joints[:1] - joints[half:0:-1], 2 * joints[-1:] - joints[-2 : -half - 2 : -1]
    longer = np.concatenate([before, joints, after]).reshape(len(joints) + 2 * half, -1)
    smooth = np.stack([np.convolve(column, taps, "valid") for column in longer.T], -1)
    return smooth.reshape(joints.shape)


def text_lines(path: Path) -> list[str]:
    """Of a text file, packed or not."""
    raw = path.read_bytes()
    return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("latin-1").splitlines()


def rotation(axis: str, degrees: FloatArray) -> FloatArray:
    """Right-handed rotation matrices about X, Y or Z, (times, 3, 3)."""
    angle = np.radians(np.where(np.isfinite(degrees), degrees, np.nan))
    c, s, zero, one = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    rows = {
        "X": [[one, zero, zero], [zero, c, -s], [zero, s, c]],
        "Y": [[c, zero, s], [zero, one, zero], [-s, zero, c]],
        "Z": [[c, -s, zero], [s, c, zero], [zero, zero, one]],
    }[axis]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def upright(position: FloatArray) -> FloatArray:
    """y up, as animators have it, to z up; still right-handed."""
    return position[..., [2, 0, 1]]
