"""Something that goes about and can be told to rest: it stops where it is, and goes on from there."""

from __future__ import annotations

import numpy as np

from noctule.simulate.movers.routes import running_s
from noctule.simulate.parts import FloatArray, Mover, Scatterers

#: It stops and starts within so long.
_STOPS_S = 0.6


class Paced(Mover):
    """`mover` in a time of its own, which runs while it is on."""

    def __init__(self, mover: Mover) -> None:
        self._mover = mover
        self.knot_rate_hz, self.highest_speed_mps = mover.knot_rate_hz, mover.highest_speed_mps
        self._on: list[tuple[float, float | None]] = []
        self._rested_s = 0.0

    def switch(self, on: bool, at_s: float) -> None:
        running = bool(self._on) and self._on[-1][1] is None
        if on and not running:
            self._on.append((max(at_s, self._rested_s), None))
        elif not on and running:
            from_s = self._on[-1][0]
            stops_s = max(at_s, from_s + _STOPS_S)
            self._on[-1] = from_s, stops_s
            self._rested_s = stops_s + _STOPS_S  # no earlier does it go on

    def scatterers(self, time_s: FloatArray, viewpoint_m: FloatArray) -> Scatterers:
        own_s = np.zeros(len(time_s))
        for from_s, to_s in self._on:
            own_s += running_s(np.asarray(time_s), max(from_s, 1e-3), to_s, _STOPS_S)
        return self._mover.scatterers(own_s, viewpoint_m)
