"""Scores to presence: the memory between "something moved just now" and "somebody is here"."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from noctule.core.errors import NoctuleError
from noctule.core.frames import BLOCKING_FAULTS, Fault, Motion, MotionScore
from noctule.core.settings import PresenceSettings

#: One step of the clock counts at most so long: frames that never came prove nothing.
MAX_STEP_S = 1.0
#: Blocked for longer than this, half-gathered evidence is about another moment and is dropped.
EVIDENCE_OUTLIVES_S = 1.0
#: Minor motion comes and goes: its evidence fades at half the speed at which it grew, so that
#: motion in more than a third of the time is enough.
MINOR_LEAK = 0.5
#: Whether somebody stays is asked for so long (networks remember some seconds) after motion that has lasted
#: at least so long; 0.5: as likely as not.
STAYS_ASKED_S, LASTS_S, STAYS = 4.0, 0.2, 0.5
#: Whoever looks again after a silence on purpose looks at least so long before nobody is there.
LOOKED_S = 10.0
#: Whoever seemed to have stayed may have left unseen in a silence: they are taken to be gone when somebody
#: has looked for them for this share of the settled off latency. Shorter loses who sits still, longer holds
#: who has left (tests/test_gate.py measures both).
PATIENCE = 0.5
#: A snapshot older than this says nothing of who is in the room now.
RESTORE_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class TrackerState:
    """The tracker's answer for one frame.

    Attributes
    ----------
    presence : somebody is here; while not `available`, the last answer that could be given.
    motion : of this frame, at the sensitivity that holds now.
    available : False while a blocking fault leaves nothing to decide from.
    sensitivity : 0..1, the one this frame was judged by.
    seconds_since_major, seconds_since_motion : time in which outages do not count and silence on purpose
        does, None: never.
    reason : why, in words a user understands.
    doubt : 0..1, how much speaks for presence being a mere memory: 0 while somebody moves, 1 where nobody is
        here or whoever moved last seems to have gone.
    """

    time_s: float
    presence: bool
    motion: Motion
    available: bool
    sensitivity: float
    seconds_since_major: float | None
    seconds_since_motion: float | None
    reason: str
    doubt: float = 1.0


@dataclass(slots=True)
class _Memory:
    """All that is remembered. Times are seconds, without outages; None: never."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    time_s: float | None = None
    presence: bool = False
    last_motion: Motion = "none"
    observed_s: float = 0.0
    blocked_s: float = 0.0
    run_s: float = 0.0  # how long the motion at hand has lasted
    since_motion_s: float | None = None
    since_major_s: float | None = None
    since_confirmed_s: float | None = None  # since motion last lasted its on-latency
    evidence_major_s: float = 0.0
    evidence_minor_s: float = 0.0
    since_lasting_s: float | None = None  # since motion last lasted LASTS_S
    stays: float = 0.0  # mean of the scores since then
    stays_asked: int = 0
    looked_s: float | None = None  # looked since the last silence on purpose; None: there was none
    unmoved_s: float = 0.0  # looked since motion last lasted LASTS_S, silences left out


class PresenceTracker:
    """Trigger and sustain sensitivity, on and off latency, hold. Its clock is `score.time_s`.

    Absent to present takes motion that lasts: each frame of motion adds the time it covers to the
    evidence, each frame without takes it away again, so a single missing frame costs little and a
    single false one achieves nothing. Major motion must gather `on_latency_s`, minor motion alone
    `minor_on_latency_s`. Present to absent takes `off_latency_s` without a frame of motion, or
    `settled_off_latency_s` where the detector says that whoever moved has stayed.

    After a major motion the sensitivity is the sustain sensitivity, and it falls linearly back to
    the trigger sensitivity over `sustain_decay_s`. What counts as a major motion there is judged
    by the trigger sensitivity and the on-latency: otherwise the lowered threshold could keep
    itself lowered for ever.
    """

    def __init__(self, settings: PresenceSettings) -> None:
        self._memory = _Memory()
        self.set_settings(settings)

    def set_settings(self, settings: PresenceSettings) -> None:
        """Others from the next frame on; everything remembered stays."""
        self._settings = settings
        self._minor_latency_s = max(settings.minor_on_latency_s, settings.on_latency_s)

    def reset(self) -> None:
        self._memory = _Memory()

    def update(self, score: MotionScore) -> TrackerState:
        """Take one frame; any hop up to `MAX_STEP_S`, and a clock that jumps does no harm."""
        step_s = self._step(score.time_s)
        if score.fault and score.fault & BLOCKING_FAULTS:  # enumerations are slow to combine
            return self._stand_still(score, step_s)
        self._memory.blocked_s = 0.0
        self._let_time_pass(step_s)
        self._look(step_s)
        sensitivity = self.sensitivity
        motion = _classify(score, sensitivity)
        self._note_motion(motion, step_s)
        self._note_staying(motion, score.score_stays)
        confirmed = self._gather_evidence(_classify(score, self._settings.trigger_sensitivity), step_s)
        self._decide(confirmed)
        return self._state(score.time_s, motion, sensitivity, self._explain(motion, score, sensitivity))

    def pause(self, time_s: float, look_in_s: float = 0.0) -> TrackerState:
        """A moment in which nobody looks, on purpose; `look_in_s` seconds later somebody will.

        Whoever is known to be here is not looked for all the time. Time goes on, so "nobody has moved
        for 5 minutes" means five minutes; but nobody ends being here unseen: after a silence presence
        ends only when somebody has looked again for the off latency, `LOOKED_S` at most.
        """
        step_s = self._step(time_s)
        self._let_time_pass(step_s)
        self._lose_sight(step_s)
        self._memory.looked_s = 0.0
        return self._state(time_s, "none", self.sensitivity, self._explain_silence(look_in_s))

    @property
    def sensitivity(self) -> float:
        """Sensitivity that holds now: trigger, or sustain on its way back to trigger."""
        trigger, since_major_s = self._settings.trigger_sensitivity, self._memory.since_major_s
        if not self._memory.presence or since_major_s is None:
            return trigger
        left = max(0.0, 1.0 - since_major_s / self._settings.sustain_decay_s)
        # A sustain sensitivity below the trigger sensitivity would drop what it just found.
        return trigger + max(0.0, self._settings.sustain_sensitivity - trigger) * left

    def snapshot(self) -> dict[str, Any]:
        """Everything remembered, as a plain dict that JSON can carry."""
        return asdict(self._memory)

    def restore(self, snapshot: Mapping[str, Any], age_s: float = 0.0) -> None:
        """Go on from a snapshot, `age_s` seconds of wall clock later.

        Nobody looked in between, so silence and hold do not grow; only the sustain sensitivity
        has decayed. A snapshot older than `RESTORE_WITHIN_S` starts afresh.

        Raises
        ------
        NoctuleError
            When the dict is not one of ours.
        """
        memory = _memory_from(snapshot)
        if not 0.0 <= age_s <= RESTORE_WITHIN_S:
            memory = _Memory()
        elif memory.since_major_s is not None:
            memory.since_major_s += age_s
        _close_question(memory)
        self._memory = memory

    def _step(self, time_s: float) -> float:
        before = self._memory.time_s
        if not math.isfinite(time_s):
            return 0.0
        self._memory.time_s = time_s
        return 0.0 if before is None else min(max(time_s - before, 0.0), MAX_STEP_S)

    def _stand_still(self, score: MotionScore, step_s: float) -> TrackerState:
        """Nothing to decide from: neither "nobody" grows old nor does presence run out."""
        self._lose_sight(step_s)
        reason = f"unavailable: {_fault_in_words(score.fault & BLOCKING_FAULTS)}"
        return self._state(score.time_s, "none", self.sensitivity, reason, available=False)

    def _lose_sight(self, step_s: float) -> None:
        """Half-gathered evidence outlives a short outage only."""
        memory = self._memory
        memory.blocked_s += step_s
        memory.run_s = 0.0
        if memory.blocked_s > EVIDENCE_OUTLIVES_S:
            memory.evidence_major_s = memory.evidence_minor_s = 0.0
            _close_question(memory)

    def _let_time_pass(self, step_s: float) -> None:
        memory = self._memory
        memory.observed_s += step_s
        memory.since_motion_s = _later(memory.since_motion_s, step_s)
        memory.since_major_s = _later(memory.since_major_s, step_s)
        memory.since_confirmed_s = _later(memory.since_confirmed_s, step_s)
        memory.since_lasting_s = _later(memory.since_lasting_s, step_s)

    def _look(self, step_s: float) -> None:
        memory = self._memory
        memory.looked_s = _later(memory.looked_s, step_s)
        memory.unmoved_s += step_s

    def _note_motion(self, motion: Motion, step_s: float) -> None:
        memory = self._memory
        if motion == "none":
            memory.run_s = 0.0
            return
        memory.run_s += step_s
        memory.last_motion = motion
        memory.since_motion_s = 0.0

    def _note_staying(self, motion: Motion, score_stays: float) -> None:
        """The mean of what the detector says in the seconds after a motion, for it wavers."""
        memory = self._memory
        if motion != "none" and _reached(memory.run_s, LASTS_S):
            memory.since_lasting_s, memory.stays, memory.stays_asked = 0.0, 0.0, 0
            memory.unmoved_s = 0.0
            return
        asked = memory.since_lasting_s is not None and memory.since_lasting_s < STAYS_ASKED_S
        if motion == "none" and asked and math.isfinite(score_stays):
            memory.stays_asked += 1
            memory.stays += (score_stays - memory.stays) / memory.stays_asked

    def _gather_evidence(self, motion: Motion, step_s: float) -> bool:
        """Add this frame to the evidence; True when motion has now lasted its on-latency."""
        memory = self._memory
        # A minor frame inside a major motion is neither for nor against it.
        weight = {"major": 1.0, "minor": 0.0, "none": -1.0}[motion]
        latency_s = self._settings.on_latency_s
        memory.evidence_major_s = _added(memory.evidence_major_s, weight, step_s, latency_s)
        major = motion == "major" and _reached(memory.evidence_major_s, latency_s)
        if major:
            memory.since_major_s = 0.0
        weight = -MINOR_LEAK if motion == "none" else 1.0
        latency_s = self._minor_latency_s
        memory.evidence_minor_s = _added(memory.evidence_minor_s, weight, step_s, latency_s)
        return major or (motion != "none" and _reached(memory.evidence_minor_s, latency_s))

    def _decide(self, confirmed: bool) -> None:
        memory = self._memory
        if confirmed:
            memory.presence = True
            memory.since_confirmed_s = 0.0
        elif memory.presence and self._silent_long_enough() and not (self._settled() or self._held()):
            memory.presence = not self._looked_long_enough()

    def _silent_long_enough(self) -> bool:
        since_motion_s = self._memory.since_motion_s
        return since_motion_s is None or _reached(since_motion_s, self._settings.off_latency_s)

    def _looked_long_enough(self) -> bool:
        looked_s = self._memory.looked_s
        return looked_s is None or _reached(looked_s, min(self._settings.off_latency_s, LOOKED_S))

    def _settled(self) -> bool:
        """Whoever moved last seems to have stayed; flickers since then neither say so nor count."""
        memory = self._memory
        if memory.since_lasting_s is None or memory.stays < STAYS:
            return False
        if self._may_have_left_unseen:
            return not _reached(memory.unmoved_s, self._patience_s)
        return not _reached(memory.since_lasting_s, self._settings.settled_off_latency_s)

    @property
    def _may_have_left_unseen(self) -> bool:
        """There was a silence on purpose since somebody last moved."""
        looked_s, since_lasting_s = self._memory.looked_s, self._memory.since_lasting_s
        return looked_s is not None and (since_lasting_s is None or looked_s < since_lasting_s)

    @property
    def _patience_s(self) -> float:
        return PATIENCE * self._settings.settled_off_latency_s

    @property
    def _doubt(self) -> float:
        """How far it is to the moment from which on nobody is here, if nobody moves."""
        memory = self._memory
        if not memory.presence or (memory.stays_asked and memory.stays < STAYS):
            return 1.0
        if memory.stays_asked:
            return min(1.0, memory.unmoved_s / self._patience_s)
        return min(1.0, (memory.since_motion_s or 0.0) / self._settings.off_latency_s)

    def _held(self) -> bool:
        since_confirmed_s = self._memory.since_confirmed_s
        return since_confirmed_s is not None and not _reached(since_confirmed_s, self._settings.hold_s)

    def _explain(self, motion: Motion, score: MotionScore, sensitivity: float) -> str:
        memory, settings = self._memory, self._settings
        if motion != "none" and memory.presence:
            return f"{motion} motion for {memory.run_s:.1f} s at {score.radial_velocity_mps:+.1f} m/s"
        if motion != "none":
            major = motion == "major"
            gathered_s = memory.evidence_major_s if major else memory.evidence_minor_s
            needed_s = settings.on_latency_s if major else self._minor_latency_s
            return f"nobody yet: {motion} motion for {gathered_s:.2f} s, {needed_s:g} s are asked for"
        if not memory.presence:
            silent_s = memory.observed_s if memory.since_motion_s is None else memory.since_motion_s
            return f"nobody: no motion for {silent_s:.0f} s"
        last = f"{memory.last_motion} motion {memory.since_motion_s or 0.0:.0f} s ago"
        if self._silent_long_enough() and self._settled():
            return f"held: {last}, whoever it was seems to have stayed"
        if self._silent_long_enough() and self._held():
            return f"held: {last}, presence lasts at least {settings.hold_s:g} s"
        if self._silent_long_enough():
            return f"held: {last}, looked for again for {self._memory.looked_s or 0.0:.0f} s"
        name = "trigger" if sensitivity == settings.trigger_sensitivity else "sustain"
        return f"held: {last}, {name} sensitivity {sensitivity:.2f}"

    def _explain_silence(self, look_in_s: float) -> str:
        why = "somebody is known to be here" if self._memory.presence else "nobody has been here for a while"
        return f"silent: {why}; looks again " + (f"in {look_in_s:.0f} s" if look_in_s >= 0.5 else "now")

    def _state(
        self, time_s: float, motion: Motion, sensitivity: float, reason: str, available: bool = True
    ) -> TrackerState:
        memory = self._memory
        return TrackerState(
            time_s=time_s,
            presence=memory.presence,
            motion=motion,
            available=available,
            sensitivity=sensitivity,
            seconds_since_major=memory.since_major_s,
            seconds_since_motion=memory.since_motion_s,
            reason=reason,
            doubt=self._doubt,
        )


def _classify(score: MotionScore, sensitivity: float) -> Motion:
    # A score of zero is no motion even at sensitivity 1.
    threshold = max(1.0 - sensitivity, 1e-6)
    if score.score_major >= threshold:
        return "major"
    return "minor" if score.score_minor >= threshold else "none"


def _added(evidence_s: float, weight: float, step_s: float, latency_s: float) -> float:
    # One frame alone is never enough, however long the hop: it counts for half at most.
    return min(max(evidence_s + weight * min(step_s, latency_s / 2), 0.0), latency_s)


def _reached(elapsed_s: float, limit_s: float) -> bool:
    # A sum of hops misses its limit by rounding: 5 x 0.04 s is 0.2 s.
    return elapsed_s >= limit_s - 1e-6


def _close_question(memory: _Memory) -> None:
    """Whoever starts to look now has not seen the motion: what was said of it stands."""
    if memory.since_lasting_s is not None:
        memory.since_lasting_s = max(memory.since_lasting_s, STAYS_ASKED_S)


def _later(elapsed_s: float | None, step_s: float) -> float | None:
    return None if elapsed_s is None else elapsed_s + step_s


def _fault_in_words(fault: Fault) -> str:
    return (fault.name_for_humans or "unknown fault").replace("_", " ")


def _memory_from(snapshot: Mapping[str, Any]) -> _Memory:
    try:
        return TypeAdapter(_Memory).validate_python(dict(snapshot))
    except ValidationError as error:
        key = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise NoctuleError(f"presence snapshot: '{key}' is not usable; start without it") from None
