"""When to be silent: whoever is known to be here need not be looked for all the time.

A look is a stretch with the tone on, a silence one with the tone off. Nobody present: the tone stays on,
so that nobody comes unnoticed (or, where the settings ask for it, after a long while without motion: looks
now and then). Somebody present: a short look, a short silence, and so on, for as long as nothing speaks for
their having left. Where something does, the tone stays on until it is known.

Why silences are short: whoever leaves walks for some seconds, and a look that falls into their walk sees
them go. One who leaves within a silence is missed, and held for a while.
"""

from __future__ import annotations

import math
from collections import deque

from noctule.core.frames import Motion
from noctule.core.settings import GateSettings

#: One step of a look counts at most so long: frames that never came saw nothing.
MAX_STEP_S = 1.0
#: The meter's hour, in pieces of a minute.
HOUR_S, PIECE_S = 3600.0, 60.0
#: The meter takes no step for longer than this: the machine slept, and nothing was played.
METER_STEP_S = 10.0


class EmissionGate:
    """Looks and silences; its clock is the stream's time, and a clock that jumps does no harm.

    Tell it of each frame by `see`, of each moment without one by `wait`. Both answer whether the tone
    shall sound from now on.

    Attributes
    ----------
    emit : the tone shall sound.
    """

    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        self._time_s: float | None = None
        self._known_s = 0.0  # how long somebody has been known to be here
        self._unmoved_s = 0.0  # since motion, silences included
        self.restart()

    def restart(self) -> None:
        """Look anew: the card was away. What is known of the room stays."""
        self.emit = True
        self._looked_s = 0.0
        self._silence_left_s = 0.0

    @property
    def silence_left_s(self) -> float:
        """Seconds until the next look; 0 in a look."""
        return self._silence_left_s

    def see(self, time_s: float, *, presence: bool, motion: Motion, doubt: float = 0.0) -> bool:
        """One frame of a look; False: fall silent now.

        Parameters
        ----------
        doubt : 0..1, how much speaks for their having left (`TrackerState.doubt`).
        """
        step_s = self._step(time_s)
        self._looked_s += min(step_s, MAX_STEP_S)
        self._unmoved_s = 0.0 if motion != "none" else self._unmoved_s + step_s
        self._known_s = self._known_s + step_s if presence else 0.0
        silent_s = self._silence_after(presence, doubt)
        if silent_s > 0.0:
            self.emit, self._looked_s, self._silence_left_s = False, 0.0, silent_s
        return self.emit

    def wait(self, time_s: float) -> bool:
        """A moment without a frame: in silence, or while the tone is not back yet; True: look now."""
        step_s = self._step(time_s)
        self._unmoved_s += step_s
        self._known_s += step_s if self._known_s else 0.0
        if not self.emit:
            self._silence_left_s = max(0.0, self._silence_left_s - step_s)
            self.emit = self._silence_left_s <= 1e-9
        return self.emit

    def _silence_after(self, presence: bool, doubt: float) -> float:
        """Seconds of silence that may begin now, 0: none."""
        settings = self._settings
        if self._looked_s < settings.look_s - 1e-9:
            return 0.0
        if not presence:
            unmoved = self._unmoved_s >= settings.absent_after_s
            return settings.absent_silent_s if settings.absent_looks and unmoved else 0.0
        # Whether somebody stays shows when they have come to rest.
        if self._unmoved_s < settings.rest_s - 1e-9 or not doubt <= settings.doubt:
            return 0.0
        longest_s = max(settings.silent_s, settings.longest_silent_s)
        return min(max(settings.silent_growth * self._known_s, settings.silent_s), longest_s)

    def _step(self, time_s: float) -> float:
        if not math.isfinite(time_s):
            return 0.0
        before, self._time_s = self._time_s, time_s
        return 0.0 if before is None else max(0.0, time_s - before)


class EmissionMeter:
    """For how much of the time the tone was on."""

    def __init__(self) -> None:
        self._time_s: float | None = None
        self._on_s = self._all_s = 0.0
        self._pieces: deque[tuple[float, float]] = deque(maxlen=round(HOUR_S / PIECE_S))
        self._piece = (0.0, 0.0)  # seconds on, seconds in all

    def note(self, time_s: float, emitting: bool) -> None:
        """The tone was on, or not, since the moment noted before."""
        if not math.isfinite(time_s):
            return
        before, self._time_s = self._time_s, time_s
        step_s = 0.0 if before is None else min(max(0.0, time_s - before), METER_STEP_S)
        on_s = step_s if emitting else 0.0
        self._on_s += on_s
        self._all_s += step_s
        self._piece = (self._piece[0] + on_s, self._piece[1] + step_s)
        if self._piece[1] >= PIECE_S:
            self._pieces.append(self._piece)
            self._piece = (0.0, 0.0)

    @property
    def share(self) -> float:
        """0..1, of the whole run; 1 before any time has passed."""
        return self._on_s / self._all_s if self._all_s else 1.0

    @property
    def share_of_last_hour(self) -> float:
        """0..1, of the last hour, to the minute; 1 before any time has passed."""
        pieces = [*self._pieces, self._piece]
        total_s = sum(all_s for _, all_s in pieces)
        return sum(on_s for on_s, _ in pieces) / total_s if total_s else 1.0

    @property
    def saved_s(self) -> float:
        """Seconds without the tone."""
        return self._all_s - self._on_s
