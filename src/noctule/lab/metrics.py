"""Decisions against the truth of a scene, event by event.

An event is a stretch in which somebody in the room moves, after a while in which nobody did. Whether it is
found, how soon, and after how many metres is asked of each; what is said while nobody moves counts as false.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from noctule.core.frames import BLOCKING_FAULTS, Decision
from noctule.lab.labels import scene_time_s
from noctule.simulate.scenes import Scene
from noctule.simulate.truth import STEP_S, instants

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
CountArray = npt.NDArray[np.int64]
Kind = Literal["major", "minor"]

#: An event lasts at least so long, after at least so long without.
LEAST_S: dict[Kind, float] = {"major": 0.5, "minor": 0.3}
QUIET_BEFORE_S = 2.0
#: So soon it must be found.
WITHIN_S = 1.0
#: A window looks back: what is said so shortly after a motion is about that motion.
TAIL_S = 1.0
#: Alarms closer together than this are one.
DEAD_S = 1.0
#: Whoever has left may still be there for so long: the off latency and a little.
LEFT_S = 12.0
_MOTION = {"none": 0, "minor": 1, "major": 2}


@dataclass(frozen=True, slots=True)
class Truth:
    """The timeline of a scene, `(times,)` every `STEP_S` unless it says otherwise.

    motion : (people, times) 0 none, 1 minor, 2 major, of those inside. range_m, walked_m : (people, times)
    from the device, and along the floor since the beginning. inside : anybody is. duration_s : of it all.
    """

    time_s: FloatArray
    motion: CountArray
    range_m: FloatArray
    walked_m: FloatArray
    inside: BoolArray
    duration_s: float

    @property
    def most(self) -> CountArray:
        """(times,) what the liveliest person does."""
        return np.asarray(self.motion.max(0, initial=0))

    def at(self, values: npt.NDArray[Any], time_s: FloatArray) -> npt.NDArray[Any]:
        """Values of the timeline at other moments."""
        place = np.clip(np.floor(time_s / STEP_S + 1e-6).astype(int), 0, len(self.time_s) - 1)
        return np.asarray(values[..., place])


def truth_of(scene: Scene) -> Truth:
    """The truth of a scene in its own time."""
    timeline = instants(scene)
    people = [[one.people[n] for one in timeline] for n in range(len(scene.person))]
    count = len(timeline)
    place_m = np.array([[(w.x_m, w.y_m) for w in track] for track in people]).reshape(len(people), count, 2)
    steps_m = np.linalg.norm(np.diff(place_m, axis=1, prepend=place_m[:, :1]), axis=-1)
    return Truth(
        time_s=np.array([one.t for one in timeline]),
        motion=np.array(
            [[_MOTION[w.motion] if w.inside else 0 for w in track] for track in people], np.int64
        ).reshape(len(people), count),
        range_m=np.array([[w.range_m for w in track] for track in people]).reshape(len(people), count),
        walked_m=np.cumsum(steps_m, axis=1),
        inside=np.array([one.presence for one in timeline]),
        duration_s=scene.duration_s,
    )


@dataclass(frozen=True, slots=True)
class Event:
    """Somebody begins to move after a quiet while. `person` counts from 0; `range_m` is at the onset."""

    kind: Kind
    onset_s: float
    stop_s: float
    person: int
    range_m: float


def events(truth: Truth, kind: Kind) -> list[Event]:
    """Every event of a kind, in order.

    Major events: major motion after `QUIET_BEFORE_S` without major motion of anybody. Minor ones: minor
    motion without any major, after as long without any motion.
    """
    most, rank = truth.most, _MOTION[kind]
    disturbing = most >= rank if kind == "major" else most >= 1
    found = []
    for low, high in _runs(most == rank):
        if (high - low) * STEP_S < LEAST_S[kind] - 1e-9:
            continue
        quiet_from = low - round(QUIET_BEFORE_S / STEP_S)
        if quiet_from < 0 or disturbing[quiet_from:low].any():
            continue
        person = int(np.argmax(truth.motion[:, low]))
        stop_s = truth.duration_s if high == len(most) else float(truth.time_s[high])
        range_m = float(truth.range_m[person, low])
        found.append(Event(kind, float(truth.time_s[low]), stop_s, person, range_m))
    return found


def _runs(mask: BoolArray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Decisions:
    """Decisions of a whole scene, `(frames,)`; times are the scene's."""

    time_s: FloatArray
    motion: CountArray
    presence: BoolArray
    score_major: FloatArray
    score_minor: FloatArray
    blocked: BoolArray

    @property
    def hop_s(self) -> float:
        return float(np.median(np.diff(self.time_s))) if len(self.time_s) > 1 else STEP_S

    def between(self, start_s: float, stop_s: float) -> slice:
        """Frames whose answer came after start and by stop."""
        low, high = np.searchsorted(self.time_s, [start_s, stop_s], side="right")
        return slice(int(low), int(high))


def decisions_of(found: Sequence[Decision], scene: Scene) -> Decisions:
    """Decisions as arrays, in the scene's time: samples that were lost make the stream shorter."""
    return Decisions(
        time_s=scene_time_s(scene, np.array([one.time_s for one in found], np.float64)),
        motion=np.array([_MOTION[one.motion] for one in found], np.int64),
        presence=np.array([one.presence for one in found], np.bool_),
        score_major=np.array([one.score_major for one in found], np.float64),
        score_minor=np.array([one.score_minor for one in found], np.float64),
        blocked=np.array([bool(one.fault & BLOCKING_FAULTS) for one in found], np.bool_),
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an event.

    found : major: called major within `WITHIN_S`; minor: called a motion before it is over.
    noticed : called any motion within `WITHIN_S`. latency_s, walked_m : from the onset to the first frame
    that says so, None where none does before the event is over. peak : highest score in the time to be found.
    """

    found: bool
    noticed: bool
    latency_s: float | None
    walked_m: float | None
    peak: float


def outcome(event: Event, decided: Decisions, truth: Truth) -> Outcome:
    """Judge the decisions on one event."""
    rank = _MOTION[event.kind]
    to_be_found_s = event.onset_s + WITHIN_S
    if event.kind == "minor":
        to_be_found_s = max(to_be_found_s, event.stop_s + 0.3)
    soon = decided.between(event.onset_s, event.onset_s + WITHIN_S)
    allowed = decided.between(event.onset_s, to_be_found_s)
    scores = decided.score_major if event.kind == "major" else decided.score_minor
    ever = decided.between(event.onset_s, max(event.stop_s, to_be_found_s))
    hits = np.flatnonzero(decided.motion[ever] >= rank)
    latency_s = walked_m = None
    if len(hits):
        at_s = decided.time_s[ever][hits[:1]]
        latency_s = float(at_s[0]) - event.onset_s
        walked = truth.at(truth.walked_m[event.person], np.array([event.onset_s, at_s[0]]))
        walked_m = float(walked[1] - walked[0])
    return Outcome(
        found=bool((decided.motion[allowed] >= rank).any()),
        noticed=bool((decided.motion[soon] >= 1).any()),
        latency_s=latency_s,
        walked_m=walked_m,
        peak=float(scores[allowed].max(initial=0.0)),
    )


@dataclass(frozen=True, slots=True)
class Hold:
    """Seconds in which somebody was inside, and how many of them presence was true."""

    inside_s: float
    held_s: float


def hold(decided: Decisions, truth: Truth, from_s: float, to_s: float | None = None) -> Hold:
    """How presence lasts while somebody is inside, from a moment on."""
    looked = (decided.time_s >= from_s) & (decided.time_s <= (truth.duration_s if to_s is None else to_s))
    looked &= truth.at(truth.inside, decided.time_s)
    return Hold(float(looked.sum() * decided.hop_s), float((looked & decided.presence).sum() * decided.hop_s))


@dataclass(frozen=True, slots=True)
class Alarms:
    """What was said while nobody moved.

    idle_s : time in which nobody in the room moves, nor did `TAIL_S` before. motion : onsets of any motion
    then. motion_s : time of it. empty_s : time in which the room is empty, and was `LEFT_S` before. presence,
    presence_s : likewise. blocked_s : of all the time, without anything to decide from.
    """

    idle_s: float
    motion: int
    motion_s: float
    empty_s: float
    presence: int
    presence_s: float
    blocked_s: float


def alarms(decided: Decisions, truth: Truth) -> Alarms:
    """Count what is false."""
    idle = truth.at(~_lasting(truth.most > 0, TAIL_S), decided.time_s)
    empty = truth.at(~_lasting(truth.inside, LEFT_S), decided.time_s)
    moving = decided.motion > 0
    hop_s = decided.hop_s
    return Alarms(
        idle_s=float(idle.sum() * hop_s),
        motion=onsets(decided.time_s, moving, idle),
        motion_s=float((moving & idle).sum() * hop_s),
        empty_s=float(empty.sum() * hop_s),
        presence=onsets(decided.time_s, decided.presence, empty),
        presence_s=float((decided.presence & empty).sum() * hop_s),
        blocked_s=float(decided.blocked.sum() * hop_s),
    )


def onsets(time_s: FloatArray, active: BoolArray, counted: BoolArray, dead_s: float = DEAD_S) -> int:
    """How often something begins in counted time, after at least `dead_s` without it."""
    on = np.flatnonzero(active)
    if not len(on):
        return 0
    first = np.concatenate([[True], np.diff(time_s[on]) > dead_s])
    return int((first & counted[on]).sum())


def _lasting(mask: BoolArray, tail_s: float) -> BoolArray:
    """True for as long after it was."""
    reach = round(tail_s / STEP_S)
    total = np.concatenate([[0], np.cumsum(mask)])
    at = np.arange(1, len(mask) + 1)
    return np.asarray(total[at] - total[np.maximum(at - 1 - reach, 0)] > 0)


#: Scores are counted in bins that are equally wide in log odds: fine where it matters, near 0 and 1.
LOG_ODDS = np.linspace(-10.0, 10.0, 101)
SCORE_EDGES = 1.0 / (1.0 + np.exp(-LOG_ODDS))
SCORE_BINS = len(SCORE_EDGES) + 1
#: The score that stands for each bin.
SCORE_MIDDLES = 1.0 / (1.0 + np.exp(-np.linspace(-10.1, 10.1, SCORE_BINS)))


def score_histogram(scores: npt.ArrayLike) -> CountArray:
    """(SCORE_BINS,) how often scores fall between the edges."""
    at = np.searchsorted(SCORE_EDGES, np.asarray(scores, np.float64), side="right")
    return np.asarray(np.bincount(at, minlength=SCORE_BINS), np.int64)


@dataclass(frozen=True, slots=True)
class ScoreCounts:
    """Histograms of one scene's scores, `(SCORE_BINS,)` each.

    windows : highest score of major motion in each second, in which somebody makes one, in which nobody moves
    at all. frames : score of any human motion in each frame with and without. What is neither, such as the
    edges of a motion, is in none.
    """

    windows_major: CountArray
    windows_none: CountArray
    frames_human: CountArray
    frames_none: CountArray


def score_counts(decided: Decisions, truth: Truth) -> ScoreCounts:
    """Where the scores of a scene fall, by what is true."""
    second = np.floor(decided.time_s).astype(int)
    count = int(second.max(initial=-1)) + 1
    peak = np.zeros(count)
    np.maximum.at(peak, second, decided.score_major)
    seen = np.bincount(second, minlength=count) > 0
    most, per_s = truth.most, round(1.0 / STEP_S)
    whole = np.pad(most, (0, max(0, count * per_s - len(most))), mode="edge")[: count * per_s]
    of_second = whole.reshape(count, per_s)
    major = ((of_second == 2).mean(1) >= 0.5) & seen
    # a second before looks into this one through the window
    still = (of_second == 0).all(1) & np.concatenate([[True], (of_second == 0).all(1)[:-1]]) & seen
    steady = ~_near_change(most)
    sure = truth.at(steady, decided.time_s) & ~decided.blocked
    moves = truth.at(most > 0, decided.time_s)
    return ScoreCounts(
        windows_major=score_histogram(peak[major]),
        windows_none=score_histogram(peak[still]),
        frames_human=score_histogram(decided.score_minor[sure & moves]),
        frames_none=score_histogram(decided.score_minor[sure & ~moves]),
    )


def _near_change(values: CountArray, reach_s: float = 0.3) -> BoolArray:
    reach = round(reach_s / STEP_S)
    near = np.zeros(len(values), np.bool_)
    for one in np.flatnonzero(np.diff(values)):
        near[max(0, one + 1 - reach) : one + 1 + reach] = True
    return near
