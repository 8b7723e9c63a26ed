"""Motion capture takes that people of a corpus may move by: how real bodies walk, beside how ours do.

Splits are by take: who trained on a gait is not measured on it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from noctule.core.errors import NoctuleError
from noctule.lab.shards import Split
from noctule.simulate.mocap import read_take
from noctule.simulate.pose import JOINT

#: What marker cameras saw. CITI's arrays are left out: a Kinect's noise would be motion that nobody made.
_PATTERNS = ("*.bvh", "*.amc", "*.amc.gz", "*.txt", "*.txt.gz")
#: Shorter takes are no more than a step.
LEAST_S = 1.5
#: Where a take goes is looked at so often.
STEP_S = 0.1
#: Of how many takes one is kept for validation and test each.
_HELD_OUT = 6


@dataclass(frozen=True)
class Take:
    """One take: its length, and where its pelvis is every `STEP_S`, (points, 2) in metres."""

    file: Path
    duration_s: float
    place_m: npt.NDArray[np.float64]

    def covers_m(self, from_s: float, for_s: float) -> float:
        """How far apart the ends of a piece are."""
        last = len(self.place_m) - 1
        ends = [min(round(one / STEP_S), last) for one in (from_s, from_s + for_s)]
        return float(np.linalg.norm(self.place_m[ends[1]] - self.place_m[ends[0]]))


def split_of(file: Path) -> Split:
    """Which split a take belongs to; the same wherever it lies."""
    number = hashlib.sha256(f"noctule take {file.name}".encode()).digest()[0] % _HELD_OUT
    return "test" if number == 0 else "validation" if number == 1 else "train"


@lru_cache(maxsize=4)
def takes_in(folder: Path, split: Split) -> tuple[Take, ...]:
    """The takes of a folder that belong to a split, in the order of their names.

    Raises
    ------
    NoctuleError
        The folder holds none at all that can be read.
    """
    files = sorted({file for pattern in _PATTERNS for file in folder.glob(pattern)})
    found = [take for take in map(_measured, files) if take is not None]
    if not found:
        raise NoctuleError(f"{folder}: holds no motion capture of a person (.bvh, .amc, .txt)")
    return tuple(take for take in found if split_of(take.file) == split)


def _measured(file: Path) -> Take | None:
    try:
        take = read_take(file)
    except NoctuleError:  # of an animal, or something else altogether
        return None
    duration_s = (len(take.joints_m) - 1) / take.rate_hz
    if duration_s < LEAST_S:
        return None
    at = np.minimum(
        np.rint(np.arange(0.0, duration_s, STEP_S) * take.rate_hz).astype(int), len(take.joints_m) - 1
    )
    return Take(file, duration_s, take.joints_m[at, JOINT["pelvis"], :2])
