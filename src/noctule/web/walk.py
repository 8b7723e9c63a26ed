"""A walk as the sensor's records tell it: when it noticed somebody, and about how far away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from noctule.routines.records import BLINDING

#: Shorter than this, neither noticed nor lost is worth a line: motion flickers.
FLICKER_S = 0.6
#: Between two records there is never more in a stream that goes on.
_LONGEST_STEP_S = 1.0


@dataclass(frozen=True)
class Stretch:
    """From when it began to notice, or to miss, until it changed."""

    noticed: bool
    began_s: float
    far_m: float = 0.0

    @property
    def words(self) -> str:
        moment = f"{int(self.began_s // 60)}:{int(self.began_s % 60):02d}"
        if not self.noticed:
            return f"{moment} nothing noticed"
        return f"{moment} noticed, about {self.far_m:.1f} m away"


@dataclass
class Walk:
    """Takes records from Start to Stop.

    Distance is reckoned from the radial velocity while somebody walks, beginning beside the sensor: the tone
    itself knows speeds only.
    """

    seconds: float = 0.0
    noticed_s: float = 0.0
    longest_gap_s: float = 0.0
    distance_m: float = 0.0
    farthest_m: float = 0.0
    score: float = 0.0
    motion: str = "none"
    noticed: bool = False
    blind: str = ""
    lines: list[Stretch] = field(default_factory=list)
    _last_s: float | None = None
    _other_s: float = 0.0
    _gap_s: float = 0.0

    def take(self, record: Mapping[str, Any]) -> None:
        """One record."""
        time_s = float(record["t"])
        step_s = 0.0 if self._last_s is None else min(max(time_s - self._last_s, 0.0), _LONGEST_STEP_S)
        self._last_s = time_s
        self.seconds += step_s
        self.motion = str(record["motion"])
        self.score = max(float(record["score_major"]), float(record["score_minor"]))
        self.blind = str(record["fault"]) if record["fault"] in BLINDING else ""
        moves = self.motion != "none"
        if moves:
            if self.motion == "major":
                self.distance_m = max(0.0, self.distance_m - float(record["radial_velocity_mps"]) * step_s)
            self.farthest_m = max(self.farthest_m, self.distance_m)
            self.noticed_s += step_s
            self._gap_s = 0.0
        else:
            self._gap_s += step_s
            self.longest_gap_s = max(self.longest_gap_s, self._gap_s)
        self._draw_line(moves, step_s)

    def _draw_line(self, moves: bool, step_s: float) -> None:
        """Another line where it changed: at once where somebody is noticed, else once it is no flicker."""
        self._other_s = self._other_s + step_s if moves != self.noticed else 0.0
        changed = moves != self.noticed and (moves or self._other_s >= FLICKER_S)
        if changed or not self.lines:
            began_s = max(0.0, self.seconds - max(self._other_s, step_s))
            self.noticed, self._other_s = moves, 0.0
            self.lines.append(Stretch(moves, began_s, self.distance_m))

    @property
    def state(self) -> str:
        if self.blind:
            return f"The sensor cannot see: {self.blind.replace('_', ' ')}"
        if not self.noticed:
            return "Nothing noticed"
        return "I notice you walking" if self.motion == "major" else "I notice you"

    @property
    def figures(self) -> str:
        return f"{self.seconds:.0f} s · score {self.score:.2f} · about {self.distance_m:.1f} m away"

    @property
    def sentence(self) -> str:
        """What came of it."""
        if self.seconds < 1.0:
            return "The test was too short to tell anything."
        if self.noticed_s == 0.0:
            return (
                f"You were not noticed in {self.seconds:.0f} s. Is the loudspeaker on, is nothing between "
                "you and the sensor? Calibrate again, or choose a higher sensitivity."
            )
        return (
            f"You were noticed for {self.noticed_s / self.seconds:.0%} of {self.seconds:.0f} s, to about "
            f"{self.farthest_m:.1f} m away; the longest time without was {self.longest_gap_s:.1f} s. "
            "Distances are only reckoned from your speed."
        )
