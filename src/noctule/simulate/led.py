"""A person of a live room: begins what it is told, in the middle of whatever it does, without a jerk."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from noctule.core.errors import NoctuleError
from noctule.simulate.person import PersonMover
from noctule.simulate.pose import JOINT, Action, Doing, Stance
from noctule.simulate.seated import SitDown, StandUp
from noctule.simulate.steering import Momentum, Point, Steered
from noctule.simulate.walking import rest

#: Whoever has nothing to do rests for so long.
_EVER_S = 1e5
#: What ended so long ago is forgotten: echoes look back by less.
_REMEMBERED_S = 3.0
#: Whoever is asked for something while walking takes this much of their speed to stop.
_STOPS_S = 0.45
_LOOK_S = 1e-3


class Led:
    """`mover`, and what it has been told last. Times are seconds of the room."""

    def __init__(self, mover: PersonMover, seed: Sequence[int]) -> None:
        self.mover = mover
        self._seed, self._told = list(seed), 0
        self._kept_s = 0.0  # whoever sits down or stands up does so to the end
        self._busy_s = max(mover.sequence.duration_s - _EVER_S, 0.0)  # what the scene lets it do
        self._steered: tuple[float, Steered] | None = None

    def free_s(self) -> float:
        """When everything that was asked for is done."""
        return self._busy_s + self.mover.from_s

    def do(self, action: Action, at_s: float) -> None:
        """Begin something, whatever was going on; who walks stops first.

        Raises
        ------
        NoctuleError
            It cannot follow (who sits cannot walk).
        """
        start_s = self._from(at_s)
        stance, since = self._stance(start_s), self._steering(start_s)
        stop = None
        if since is not None and np.hypot(since.vx_mps, since.vy_mps) > 0.1:
            way = [(since.x_m + _STOPS_S * since.vx_mps, since.y_m + _STOPS_S * since.vy_mps)]
            stop = Steered(self.mover.body, stance, way, 1.2, self._chance(), since)
            stance = stop.end
        doing = self._begun(action, stance)
        if stop is not None:
            self._add(stop, start_s)
            start_s += stop.duration_s
        self._add(doing, start_s)
        self._then_rest(action)

    def then(self, action: Action, at_s: float) -> None:
        """The same after everything that was asked for."""
        start_s = max(self._from(at_s), self._busy_s)
        self._add(self._begun(action, self._stance(start_s)), start_s)
        self._then_rest(action)

    def follow(self, way: Sequence[Point], at_s: float, speed_mps: float) -> None:
        """Walk along a way from now on; who sits stands up first."""
        start_s, body = self._from(at_s), self.mover.body
        stance, since = self._stance(start_s), self._steering(start_s)
        if stance.posture == "seated":
            self._add(StandUp().begin(body, stance, self._chance()), start_s)
            start_s = self._kept_s = self._busy_s
            stance, since = self.mover.sequence.end, None
        steered = Steered(body, stance, way, speed_mps, self._chance(), since)
        self._add(steered, start_s)
        self._steered = start_s, steered
        self._then_rest()

    def _from(self, at_s: float) -> float:
        now_s = at_s - self.mover.from_s
        self.mover.sequence.forget(now_s - _REMEMBERED_S)
        return max(now_s, self._kept_s)

    def _steering(self, time_s: float) -> Momentum | None:
        if self._steered is None:
            return None
        start_s, steered = self._steered
        since_s = time_s - start_s
        return steered.momentum(since_s) if 0.0 <= since_s < steered.duration_s else None

    def _begun(self, action: Action, stance: Stance) -> Doing:
        try:
            return action.begin(self.mover.body, stance, self._chance())
        except ValueError as error:
            raise NoctuleError(str(error)) from None

    def _add(self, doing: Doing, start_s: float) -> None:
        self.mover.sequence.then(doing, start_s)
        self._busy_s = start_s + doing.duration_s
        self._steered = None

    def _then_rest(self, action: Action | None = None) -> None:
        if isinstance(action, SitDown | StandUp):
            self._kept_s = self._busy_s
        sequence = self.mover.sequence
        sequence.then(rest(self.mover.body, sequence.end, _EVER_S, self._chance()))

    def _chance(self) -> np.random.Generator:
        self._told += 1
        return np.random.default_rng([*self._seed, self._told])

    def _stance(self, time_s: float) -> Stance:
        """How somebody stands, sits or goes in the middle of whatever they do."""
        before, joints = self.mover.sequence.pose(np.array([time_s - _LOOK_S, time_s])).joints_m
        pelvis = joints[JOINT["pelvis"]]
        across = joints[JOINT["left_hip"]] - joints[JOINT["right_hip"]]
        sits = pelvis[2] < 0.75 * self.mover.body.standing_pelvis_m
        return Stance(
            float(pelvis[0]),
            float(pelvis[1]),
            float(np.arctan2(-across[0], across[1])),
            "seated" if sits else "standing",
            joints,
            (joints - before) / _LOOK_S,
        )
