"""Records of the sensor to events: somebody entered, left, or moved for a while.

Pure and streaming. Lengths are measured by stream time `t`, which no clock jump touches; `time` only says
when. An episode is given when it begins, again every few seconds, and when it is over, always under the same
`uid`: whoever keeps the last of them has lost nothing when the process is killed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import uuid4

from noctule.core.frames import BLOCKING_FAULTS
from noctule.service.clock import ms_of_iso

EventKind = Literal["entered", "left", "major", "minor"]

#: Motion that pauses for less goes on.
GAP_S = 5.0
#: So much silence on purpose (the tone rests because it is known who is here) is no pause of motion.
LONGEST_SILENCE_S = 15.0
#: Motion must come together to so much; a flicker is no event.
LEAST_S: dict[str, float] = {"major": 0.2, "minor": 1.0}
#: One frame stands for so much motion at most: records that did not come prove nothing.
MOST_OF_A_FRAME_S = 0.1
#: An episode that goes on is told so often.
TELL_EVERY_S = 10.0

_BLOCKING = {fault.name_for_humans for fault in BLOCKING_FAULTS}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, as far as it is known by now.

    Attributes
    ----------
    uid : the same each time an episode is told.
    kind : somebody entered or left (a moment), or major or minor motion (an episode).
    start_ms, end_ms : milliseconds since 1970, UTC; the end so far while `ongoing`.
    peak_score_major, peak_score_minor : the highest, 0..1.
    radial_velocity_mps : the fastest; positive came nearer.
    reason : why, in words a user understands; of an episode, at its fastest.
    capture : name of what was kept of the signal, None: nothing.
    first : told for the first time.
    """

    uid: str
    kind: EventKind
    start_ms: int
    end_ms: int
    ongoing: bool
    peak_score_major: float
    peak_score_minor: float
    radial_velocity_mps: float
    carrier_hz: float
    reason: str
    capture: str | None = None
    first: bool = True


@dataclass(slots=True)
class _Motion:
    """An episode that may become an event, or is one.

    begun_s, last_s, end_s : stream time of its first frame, of its last of this kind, of its last of any.
    gathered_s : motion so far, until it is an event.
    silent_s : since its last frame of this kind, the time in which nobody looked, on purpose.
    told_s : when it was told last, None: it is no event yet.
    """

    event: Event
    begun_s: float
    last_s: float
    end_s: float
    gathered_s: float = 0.0
    silent_s: float = 0.0
    told_s: float | None = None

    def grow(self, record: Mapping[str, Any], time_s: float, step_s: float) -> None:
        self.last_s = self.end_s = time_s
        self.silent_s = 0.0
        self.gathered_s += step_s
        event, velocity_mps = self.event, float(record["radial_velocity_mps"])
        faster = abs(velocity_mps) > abs(event.radial_velocity_mps)
        self.event = replace(
            event,
            peak_score_major=max(event.peak_score_major, float(record["score_major"])),
            peak_score_minor=max(event.peak_score_minor, float(record["score_minor"])),
            radial_velocity_mps=velocity_mps if faster else event.radial_velocity_mps,
            reason=str(record["reason"]) if faster else event.reason,
        )

    def has_paused(self, time_s: float) -> bool:
        return time_s - self.last_s - min(self.silent_s, LONGEST_SILENCE_S) >= GAP_S

    @property
    def is_event(self) -> bool:
        return self.told_s is not None or self.gathered_s >= LEAST_S[self.event.kind] - 1e-6

    def tell(self, time_s: float, over: bool) -> list[Event]:
        """The event, where it is time to tell it."""
        if not self.is_event or not (over or self.told_s is None or time_s - self.told_s >= TELL_EVERY_S):
            return []
        end_ms = self.event.start_ms + round((self.end_s - self.begun_s) * 1000.0)
        first, self.told_s = self.told_s is None, time_s
        return [replace(self.event, end_ms=end_ms, ongoing=not over, first=first)]


class Episodes:
    """Events of one sensor.

    Minor motion inside a major episode belongs to it; where major motion has paused for `GAP_S` and minor
    motion goes on, that is an episode of its own.

    Parameters
    ----------
    present : whether somebody was here when the last process ended; None: not known.
    new_uid : makes names of events.
    """

    def __init__(self, present: bool | None = None, new_uid: Callable[[], str] = lambda: uuid4().hex) -> None:
        self._present = present
        self._new_uid = new_uid
        self._decided = False  # in this process
        self._last_s: float | None = None
        self._major: _Motion | None = None
        self._minor: _Motion | None = None

    def take(self, record: Mapping[str, Any]) -> list[Event]:
        """What the record of one frame began, continued or ended; usually nothing."""
        time_s = float(record["t"])
        last_s, self._last_s = self._last_s, time_s
        began_anew = last_s is not None and time_s < last_s
        told = self.close() if began_anew else []
        step_s = 0.0 if last_s is None else max(0.0, time_s - last_s)
        if not record.get("emitting", True):
            for one in (self._major, self._minor):
                if one:
                    one.silent_s += step_s
        told += self._end_what_paused(time_s)
        if record["fault"] not in _BLOCKING:
            told += self._note_presence(record)
            told += self._note_motion(record, time_s, min(step_s, MOST_OF_A_FRAME_S))
        return told

    def close(self) -> list[Event]:
        """End what goes on: the stream is over, or began anew."""
        motions = (self._major, self._minor)
        self._major = self._minor = None
        return [event for one in motions if one for event in one.tell(one.end_s, over=True)]

    def _end_what_paused(self, time_s: float) -> list[Event]:
        told = []
        if self._major and self._major.has_paused(time_s):
            told += self._major.tell(time_s, over=True)
            self._major = None
        if self._minor and self._minor.has_paused(time_s):
            told += self._minor.tell(time_s, over=True)
            self._minor = None
        return told

    def _note_presence(self, record: Mapping[str, Any]) -> list[Event]:
        before, self._present = self._present, bool(record["presence"])
        first, self._decided = not self._decided, True
        if self._present is bool(before):
            return []
        reason = str(record["reason"])
        if first:  # nobody looked in between: it may have been at any time
            reason = f"so found at the start; {reason}"
        return [self._event("entered" if self._present else "left", record, reason)]

    def _note_motion(self, record: Mapping[str, Any], time_s: float, step_s: float) -> list[Event]:
        told: list[Event] = []
        if record["motion"] == "major":
            self._major = self._major or self._begun("major", record, time_s)
            self._major.grow(record, time_s, step_s)
        if record["motion"] == "none":
            pass
        elif self._major and self._major.is_event:
            self._major.end_s = time_s
            if self._minor:  # it turned into major motion
                told += self._minor.tell(time_s, over=True)
                self._minor = None
        else:
            self._minor = self._minor or self._begun("minor", record, time_s)
            self._minor.grow(record, time_s, step_s)
        for one in (self._major, self._minor):
            told += one.tell(time_s, over=False) if one else []
        return told

    def _begun(self, kind: EventKind, record: Mapping[str, Any], time_s: float) -> _Motion:
        return _Motion(self._event(kind, record, str(record["reason"])), time_s, time_s, time_s)

    def _event(self, kind: EventKind, record: Mapping[str, Any], reason: str) -> Event:
        at_ms = ms_of_iso(str(record["time"]))
        return Event(
            uid=self._new_uid(),
            kind=kind,
            start_ms=at_ms,
            end_ms=at_ms,
            ongoing=kind in ("major", "minor"),
            peak_score_major=float(record["score_major"]),
            peak_score_minor=float(record["score_minor"]),
            radial_velocity_mps=float(record["radial_velocity_mps"]),
            carrier_hz=float(record["carrier_hz"]),
            reason=reason,
        )
