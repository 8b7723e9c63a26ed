"""What actions have in common: postures over time at a place, joined smoothly to what was before."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from noctule.core.frames import Motion
from noctule.simulate import posture
from noctule.simulate.body import Body, in_room
from noctule.simulate.parts import FloatArray
from noctule.simulate.pose import JOINT, Pose, Posture, Stance
from noctule.simulate.smooth import minimum_jerk, step

#: Time in which an action goes over from the stance it began in, and the speed of that where it is far.
BLEND_S, BLEND_MPS = 0.35, 0.7
#: The speed with which an action begins is looked at over this.
_SWING_LOOK_S = 1e-3
#: Pauses longer than this are no motion.
PAUSE_S = 1.0

#: So much time with motion in it is looked at for the highest speed; more of it brings hardly more.
LONGEST_LOOK_S = 3600.0
_LOOK_PIECE_S = 60.0

OverTime = Callable[[FloatArray], FloatArray]
#: (from, to, what) in seconds of the action; nothing else in between.
Motions = Sequence[tuple[float, float, Motion]]


class Performance:
    """An action under way.

    Parameters
    ----------
    rows : (times,) seconds to postures (times, angles).
    place_m, heading_rad : (times,) to (times, 2) and (times,).
    motions : when it moves, and how.
    posture_after : how the person rests afterwards.
    settle : whether the stance's own joints are left for the action's; else it goes on from them.
    """

    def __init__(
        self,
        body: Body,
        stance: Stance,
        duration_s: float,
        rows: OverTime,
        *,
        place_m: OverTime | None = None,
        heading_rad: OverTime | None = None,
        motions: Motions = (),
        posture_after: Posture | None = None,
        settle: bool = True,
    ) -> None:
        self.duration_s = duration_s
        self._body, self._rows, self._motions = body, rows, motions
        here, facing = np.array([[stance.x_m, stance.y_m]]), np.array([stance.heading_rad])
        self._place_m = place_m or (lambda time_s: np.repeat(here, len(time_s), 0))
        self._heading_rad = heading_rad or (lambda time_s: np.repeat(facing, len(time_s)))
        self._offset_m, self._swing_mps = np.zeros_like(stance.joints_m), np.zeros_like(stance.joints_m)
        self._offset_m = stance.joints_m - self._joints(np.zeros(1))[0]
        far_m = float(np.abs(self._offset_m).max())
        self._blend_s = max(BLEND_S, 1.5 * far_m / BLEND_MPS) if settle else np.inf
        if stance.joints_mps is not None:
            first = self._joints(np.array([0.0, _SWING_LOOK_S]))
            self._swing_mps = stance.joints_mps - (first[1] - first[0]) / _SWING_LOOK_S
        at_end = self._joints(np.array([duration_s]))[0]
        pelvis = at_end[JOINT["pelvis"]]
        self.end = Stance(
            float(pelvis[0]),
            float(pelvis[1]),
            float(self._heading_rad(np.array([duration_s]))[0]),
            posture_after or stance.posture,
            at_end,
        )
        self.highest_speed_mps = self._fastest_mps()

    def pose(self, time_s: FloatArray) -> Pose:
        return Pose(self._joints(np.asarray(time_s)), np.zeros(len(time_s)))

    def motion(self, time_s: FloatArray) -> list[Motion]:
        found: list[Motion] = ["none"] * len(time_s)
        for low, high, what in self._motions:
            for n in np.flatnonzero((time_s >= low) & (time_s < high)):
                found[n] = what
        return found

    def _joints(self, time_s: FloatArray) -> FloatArray:
        own = posture.joints(self._body, self._rows(time_s))
        joints = in_room(own, self._place_m(time_s), self._heading_rad(time_s))
        left = 1.0 if np.isinf(getattr(self, "_blend_s", np.inf)) else 1.0 - step(time_s / self._blend_s)
        joints += np.multiply.outer(left * np.ones(len(time_s)), self._offset_m)
        if self._swing_mps.any():
            joints += np.multiply.outer(time_s * (1.0 - step(time_s / BLEND_S)), self._swing_mps)
        return np.asarray(joints)

    def _fastest_mps(self) -> float:
        """Of any joint, with something in hand for the surface around it."""
        rate_hz, fastest_mps, looked_s = 30.0, 0.0, 0.0
        for low_s, high_s in self._busy_s():
            high_s = min(high_s, low_s + LONGEST_LOOK_S - looked_s)
            looked_s += high_s - low_s
            for start_s in np.arange(low_s, high_s, _LOOK_PIECE_S):
                length_s = min(_LOOK_PIECE_S, high_s - start_s)
                joints = self._joints(start_s + np.arange(max(3.0, length_s * rate_hz + 2.0)) / rate_hz)
                step_m = float(np.linalg.norm(np.diff(joints, axis=0), axis=-1).max())
                fastest_mps = max(fastest_mps, step_m * rate_hz)
        return 1.15 * fastest_mps + 0.05

    def _busy_s(self) -> list[tuple[float, float]]:
        """(from, to): the way out of the stance before, and every motion, however late it comes."""
        first_s = min(self.duration_s, 2.0 if np.isinf(self._blend_s) else self._blend_s)
        return [(0.0, first_s), *((low_s, high_s) for low_s, high_s, _ in self._motions)]


class Keyframes:
    """Postures at given times, and from one to the next as hands go (minimum jerk).

    Parameters
    ----------
    frames : (arrives at, leaves at, posture row) in rising order; the first arrives at 0.
    """

    def __init__(self, frames: Sequence[tuple[float, float, FloatArray]]) -> None:
        self._frames = frames
        self._arrives_s, self._leaves_s = (np.array([one[n] for one in frames]) for n in (0, 1))
        self._rows = np.stack([one[2] for one in frames])

    @property
    def duration_s(self) -> float:
        return self._frames[-1][1]

    def __call__(self, time_s: FloatArray) -> FloatArray:
        time_s = np.asarray(time_s)
        last = len(self._rows) - 2
        n = np.clip(np.searchsorted(self._arrives_s, time_s, side="right") - 1, 0, last)
        share = minimum_jerk((time_s - self._leaves_s[n]) / (self._arrives_s[n + 1] - self._leaves_s[n]))
        return np.asarray(self._rows[n] + share[:, None] * (self._rows[n + 1] - self._rows[n]))

    def motions(self, what: Motion) -> list[tuple[float, float, Motion]]:
        """Every move, short pauses between two included."""
        moves: list[tuple[float, float, Motion]] = []
        for (_, leaves_s, before), (arrives_s, _, after) in zip(
            self._frames[:-1], self._frames[1:], strict=True
        ):
            if np.array_equal(before, after):
                continue
            if moves and leaves_s - moves[-1][1] < PAUSE_S:
                moves[-1] = (moves[-1][0], arrives_s, what)
            else:
                moves.append((leaves_s, arrives_s, what))
        return moves
