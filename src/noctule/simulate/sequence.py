"""One action after another."""

from __future__ import annotations

import numpy as np

from noctule.core.frames import Motion
from noctule.simulate.parts import FloatArray
from noctule.simulate.pose import JOINTS, Doing, Pose, Stance


class Sequence:
    """Actions that follow each other, as one; before the first and after the last it stays at its ends."""

    def __init__(self, stance: Stance) -> None:
        self._starts_s: list[float] = []
        self._doings: list[Doing] = []
        self.duration_s, self.end, self.highest_speed_mps = 0.0, stance, 0.05

    def then(self, doing: Doing, from_s: float | None = None) -> None:
        """Add one that begins at the end of the last, or at `from_s`, which cuts the last one short."""
        start_s = self.duration_s if from_s is None else from_s
        while self._starts_s and self._starts_s[-1] >= start_s:  # had not begun: never will
            self._starts_s.pop()
            self._doings.pop()
        self._starts_s.append(start_s)
        self._doings.append(doing)
        self.duration_s, self.end = start_s + doing.duration_s, doing.end
        self.highest_speed_mps = max(self.highest_speed_mps, doing.highest_speed_mps)

    def forget(self, before_s: float) -> None:
        """Drop what ended by then; nobody asks for it again."""
        gone = int(np.searchsorted(self._starts_s[1:], before_s, side="right"))
        del self._starts_s[:gone], self._doings[:gone]

    def pose(self, time_s: FloatArray) -> Pose:
        if not self._doings:
            return Pose(np.repeat(self.end.joints_m[None], len(time_s), 0), np.zeros(len(time_s)))
        joints = np.empty((len(time_s), len(JOINTS), 3))
        for n, chosen, since_s in self._shares(time_s):
            since_s = np.clip(since_s, 0.0, self._doings[n].duration_s)
            joints[chosen] = self._doings[n].pose(since_s).joints_m
        return Pose(joints, np.zeros(len(time_s)))

    def motion(self, time_s: FloatArray) -> list[Motion]:
        found: list[Motion] = ["none"] * len(time_s)
        for n, chosen, since_s in self._shares(time_s):
            for at, motion in zip(np.flatnonzero(chosen), self._doings[n].motion(since_s), strict=True):
                found[at] = motion
        return found

    def _shares(self, time_s: FloatArray) -> list[tuple[int, np.ndarray, FloatArray]]:
        """Which doing each time belongs to: (its number, which times, seconds since it began)."""
        index = np.clip(np.searchsorted(self._starts_s, time_s, side="right") - 1, 0, None)
        return [(int(n), index == n, time_s[index == n] - self._starts_s[n]) for n in np.unique(index)]
