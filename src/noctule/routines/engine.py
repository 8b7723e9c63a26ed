"""Events and the time -> which Routines run, and why. Nothing is executed here, and nothing is waited for.

Every Routine has a *cause*: the moment at which what it waits for began. Motion that is detected begins an
episode; "not detected for" counts from the last moment of motion; presence from its change. A Routine deals
with each cause once, and the cause is remembered by its moment, so that a restart does not make it a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from noctule.routines.clock import Clock
from noctule.routines.conditions import Reason, Situation, check
from noctule.routines.memory import Episode, Level, Memory, RoutineMemory, Run, memory_of
from noctule.routines.parts import duration_text
from noctule.routines.schema import Routine, When
from noctule.routines.settings import Home
from noctule.routines.verdict import Verdict

#: Motion flickers: what comes within so long of the last is the same motion.
QUIET_S = 5.0
#: Who begins to look knows nothing of the time before: so long it takes until silence means something.
SETTLES_S = 5.0
#: After a pause of the tone a shorter look will do; the shortest of the emission gate is twice as long.
GLANCE_S = 0.5
#: Between two events a clock may drift from the other by so much before it counts as set.
CLOCK_SET_S = 1.0
#: Nothing, not even a tick, for longer than this: the machine slept, and nobody looked.
WATCHED_WITHIN_S = 60.0
#: After a longer outage motion is new motion. As long as the presence tracker's snapshot lives.
SAME_MOTION_WITHIN_S = 60.0
#: So many runs of a Routine go on or wait for their turn, as in Home Assistant.
MOST_RUNS = 10

_LEVELS: dict[str, tuple[Level, ...]] = {"none": (), "minor": ("minor", "any"), "major": ("major", "any")}
_MOTION_WORDS = {"any": "motion", "minor": "minor motion", "major": "major motion"}


@dataclass(frozen=True)
class Sensed:
    """What the sensor says now; it holds until the next one.

    Attributes
    ----------
    sight : "pause": the tone is silent for a while; "blind": a fault, or nothing is heard of the sensor.
        Timers go on in both, but silence is no proof: what falls due waits until somebody has looked again.
    """

    motion: Literal["none", "minor", "major"]
    presence: bool | None
    sight: Literal["looking", "pause", "blind"] = "looking"

    @property
    def looking(self) -> bool:
        return self.sight == "looking"


@dataclass(frozen=True)
class MqttState:
    """A message on a topic that conditions ask for."""

    topic: str
    payload: str


@dataclass(frozen=True)
class Tick:
    """Time has passed. Timers are as exact as ticks are frequent; one a second is plenty."""


Event = Sensed | MqttState | Tick


class Engine:
    """Decides which Routines run. Its clock is handed in.

    The wall clock may be set forwards or backwards, and may differ from the truth at the start: what is
    remembered moves with it, so timers go on as if nothing had been. Changes between summer and winter time
    touch only time windows.
    """

    def __init__(self, routines: Iterable[Routine], home: Home, clock: Clock) -> None:
        self._home, self._clock = home, clock
        self._memory = Memory(now_s=clock.wall_s())
        self._monotonic_s = clock.monotonic_s()
        self._sensed = Sensed("none", None, "blind")
        # seconds in which somebody looked: in all, and as they stood when something happened
        self._looked_s = self._looked_at_blind_s = self._looked_at_pause_s = 0.0
        self._looked_at_motion_s: dict[Level, float] = {}
        self._mqtt: dict[str, str] = {}
        self.routines: dict[str, Routine] = {}
        self.set_routines(routines)

    def set_routines(self, routines: Iterable[Routine]) -> None:
        """Others from now on. Those whose id stays keep their timers, suppression and runs.

        One that waits for something else than before, or was switched on, waits from now on.
        """
        now_s, before, known = self._now_s(), self.routines, self._memory.routines
        self.routines = {one.id: one for one in routines}
        self._memory.routines = {id_: known.get(id_) or RoutineMemory(now_s) for id_ in self.routines}
        for id_, one in self.routines.items():
            was = before.get(id_, one)
            if (was.when, was.enabled) != (one.when, one.enabled):
                self._memory.routines[id_].known_since_s = now_s
        self._memory.runs = [run for run in self._memory.runs if run.routine in self.routines]

    def set_home(self, home: Home) -> None:
        """Another home from now on: its place, its time zone."""
        self._home = home

    @property
    def now_s(self) -> float:
        """The wall clock as of the last event, seconds since 1970."""
        return self._memory.now_s

    @property
    def runs(self) -> list[Run]:
        """Begun or queued, and not finished."""
        return self._memory.runs

    @property
    def topics(self) -> set[str]:
        """MQTT topics that conditions ask for."""
        conditions = [one.only_if for one in self.routines.values() if one.only_if is not None]
        return {part.mqtt.topic for one in conditions for part in one.all_parts() if part.mqtt}

    def handle(self, event: Event) -> list[Verdict]:
        """Take an event; a verdict for each Routine whose cause has come, whether it runs or not."""
        now_s = self._now_s()
        self._end_episodes()
        if isinstance(event, MqttState):
            self._mqtt[event.topic] = event.payload
        elif isinstance(event, Sensed):
            self._look(event)
        self._note_motion(now_s)
        self._note_presence(now_s)
        verdicts = (self._consider(one, now_s) for one in self.routines.values() if one.enabled)
        return [verdict for verdict in verdicts if verdict is not None]

    def local(self, wall_s: float | None = None) -> datetime:
        """A moment, or now, in the home's time zone."""
        return datetime.fromtimestamp(self._clock.wall_s() if wall_s is None else wall_s, self._home.zone)

    # -- runs; the runner tells how far they are, so that a snapshot knows

    def begin_step(self, run: Run) -> int:
        """The run begins its next step; after a restart it goes on behind it."""
        run.until_s = None
        run.next_step += 1
        return run.next_step - 1

    def begin_wait(self, run: Run, seconds: float) -> None:
        run.until_s = self._now_s() + seconds

    def wait_is_over(self, run: Run) -> bool:
        return run.until_s is None or self._now_s() >= run.until_s

    def finish(self, run: Run) -> Run | None:
        """The run is over; the next in the queue of its Routine, which may begin."""
        self._memory.runs = [one for one in self._memory.runs if one is not run]
        waiting = [one for one in self._memory.runs if one.routine == run.routine]
        if waiting and all(one.queued for one in waiting):
            waiting[0].queued = False
            return waiting[0]
        return None

    # -- over a restart

    def snapshot(self) -> dict[str, Any]:
        """Everything that must outlive a restart, as JSON can hold it. Messages of MQTT are heard anew."""
        self._now_s()
        return self._memory.as_json()

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from a snapshot. Timers count the time in between by the wall clock.

        Raises
        ------
        NoctuleError
            The snapshot is not one of ours.
        """
        memory, now_s = memory_of(snapshot), self._clock.wall_s()
        if memory.now_s > now_s:  # without a battery, or set back: nobody knows how long it was
            memory.shift(now_s - memory.now_s)
        for episode in memory.episodes.values():
            episode.going_on = episode.going_on and now_s - memory.now_s <= SAME_MOTION_WITHIN_S
        memory.now_s = now_s
        self._memory, self._monotonic_s = memory, self._clock.monotonic_s()
        self._looked_s = self._looked_at_blind_s = self._looked_at_pause_s = 0.0
        self._looked_at_motion_s.clear()
        self.set_routines(list(self.routines.values()))

    # -- dry run

    def dry_run(
        self,
        motion: Literal["none", "minor", "major"] | None = None,
        presence: bool | None = None,
        at: datetime | None = None,
        asked: Iterable[Routine] | None = None,
    ) -> list[Verdict]:
        """What would happen, with every reason; nothing changes.

        Parameters
        ----------
        motion, presence : what the sensor is taken to say; "none": there has been no motion for as long as a
            Routine asks for. Both None: what each Routine waits for is taken to happen.
        at : the time it is taken to be.
        asked : of these Routines, which need not be the engine's; None: of all that are.
        """
        now = (at or self.local()).astimezone(self._home.zone)
        situation = self._situation(now)
        if presence is not None:
            situation = replace(situation, presence=presence)
        verdicts = []
        for routine in self.routines.values() if asked is None else asked:
            reasons = [] if routine.enabled else [Reason(False, "it is switched off")]
            reasons.append(_would_start(routine.when, motion, presence))
            reasons += check(routine.only_if, situation) if routine.only_if else []
            reasons += self._obstacles(routine, now.timestamp())
            verdicts.append(Verdict(now, routine, tuple(reasons)))
        return verdicts

    # -- time and what was sensed

    def _now_s(self) -> float:
        """The wall clock; where it was set since the last look, what is remembered moves along."""
        wall_s, monotonic_s = self._clock.wall_s(), self._clock.monotonic_s()
        before_s = self._memory.now_s
        passed_s = monotonic_s - self._monotonic_s
        if passed_s < 0.0:  # a steady clock that goes back began anew: the wall's word is all there is
            passed_s = max(0.0, wall_s - before_s)
        set_by_s = wall_s - before_s - passed_s
        if abs(set_by_s) > CLOCK_SET_S:
            self._memory.shift(set_by_s)
        if passed_s > WATCHED_WITHIN_S:
            self._looked_at_blind_s = self._looked_at_pause_s = self._looked_s
        elif self._sensed.looking:
            self._looked_s += passed_s
        self._memory.now_s, self._monotonic_s = wall_s, monotonic_s
        return wall_s

    def _look(self, event: Sensed) -> None:
        if event.sight == "blind":
            self._looked_at_blind_s = self._looked_s
        if not event.looking:
            self._looked_at_pause_s = self._looked_s
        self._sensed = event

    @property
    def _settled(self) -> bool:
        return self._looked_s - self._looked_at_blind_s >= SETTLES_S

    def _silence_is_proof(self, for_s: float) -> bool:
        """Whether somebody has looked for long enough to say that nothing was there."""
        now_for_s = self._looked_s - self._looked_at_pause_s
        settled = self._looked_s - self._looked_at_blind_s >= min(for_s, SETTLES_S)
        return self._sensed.looking and settled and now_for_s >= GLANCE_S

    def _end_episodes(self) -> None:
        """Quiet counts while somebody looks: a restart or a pause amid motion does not make it another."""
        for level, episode in self._memory.episodes.items():
            quiet_s = self._looked_s - self._looked_at_motion_s.get(level, 0.0)
            episode.going_on = episode.going_on and quiet_s < QUIET_S

    def _note_motion(self, now_s: float) -> None:
        if not self._sensed.looking:
            return
        for level in _LEVELS[self._sensed.motion]:
            self._looked_at_motion_s[level] = self._looked_s
            episode = self._memory.episodes.get(level)
            if episode is None or not episode.going_on:
                self._memory.episodes[level] = Episode(now_s, now_s)
            else:
                episode.last_s = now_s

    def _note_presence(self, now_s: float) -> None:
        memory, presence = self._memory, self._sensed.presence
        if not self._sensed.looking or presence is None or presence == memory.presence:
            return
        if memory.presence and not self._settled:
            return  # a sensor that was started anew says nobody before it can know
        # nobody there when the first look is taken: nobody has left
        memory.presence_since_s = None if memory.presence is None and not presence else now_s
        memory.presence = presence

    # -- decisions

    def _consider(self, routine: Routine, now_s: float) -> Verdict | None:
        memory, when = self._memory.routines[routine.id], routine.when
        cause_s, for_s = self._cause_s(when), when.for_s or 0.0
        if cause_s is None or cause_s == memory.done_s or now_s < cause_s + for_s:
            return None
        if cause_s + for_s < memory.known_since_s:
            return None
        if for_s and not self._silence_is_proof(for_s):
            return None
        memory.done_s = cause_s
        return self._judge(routine, Reason(True, self._cause_words(when, cause_s)), now_s)

    def _judge(self, routine: Routine, cause: Reason, now_s: float) -> Verdict:
        now = self.local(now_s)
        reasons = [cause]
        if routine.only_if is not None:
            reasons += check(routine.only_if, self._situation(now))
        reasons += self._obstacles(routine, now_s)
        verdict = Verdict(now, routine, tuple(reasons))
        return self._begin(verdict, now_s) if verdict.runs else verdict

    def _begin(self, verdict: Verdict, now_s: float) -> Verdict:
        memory, routine = self._memory, verdict.routine
        others = [run for run in memory.runs if run.routine == routine.id]
        replaced = others if routine.mode == "restart" else []
        memory.runs = [run for run in memory.runs if run not in replaced]
        memory.runs_begun += 1
        run = Run(memory.runs_begun, routine.id, queued=bool(others) and routine.mode == "queued")
        memory.runs.append(run)
        memory.routines[routine.id].ran_s = now_s
        return replace(verdict, run=run, replaced=tuple(one.number for one in replaced))

    def _obstacles(self, routine: Routine, now_s: float) -> list[Reason]:
        """What keeps it from running besides its conditions."""
        reasons = []
        known = self._memory.routines.get(routine.id)
        ran_s = known.ran_s if known else None
        if routine.suppress_for is not None:
            ago_s = None if ran_s is None else max(0.0, now_s - ran_s)
            ago = "it has not run yet" if ago_s is None else f"it ran {duration_text(round(ago_s))} ago"
            rested = ago_s is None or ago_s >= routine.suppress_for
            reasons.append(Reason(rested, f"{ago}, not again for {duration_text(routine.suppress_for)}"))
        running = [run for run in self._memory.runs if run.routine == routine.id]
        if running and routine.mode == "single":
            reasons.append(Reason(False, "it is still running"))
        if routine.mode == "queued" and len(running) >= MOST_RUNS:
            reasons.append(Reason(False, f"{MOST_RUNS} runs go on or wait for their turn"))
        return reasons

    def _cause_s(self, when: When) -> float | None:
        """The moment at which what it waits for began; None while it is not so."""
        if when.presence is not None:
            is_so = self._memory.presence is (when.presence == "present")
            return self._memory.presence_since_s if is_so else None
        episode = self._memory.episodes.get(when.level)
        if episode is None:
            return None
        if when.motion == "detected":
            return episode.began_s if episode.going_on else None
        return None if when.level in _LEVELS[self._sensed.motion] else episode.last_s

    def _cause_words(self, when: When, cause_s: float) -> str:
        since = f"since {self.local(cause_s):%H:%M:%S}"
        if when.motion == "detected":
            return f"{_MOTION_WORDS[when.level]} was detected"
        if when.motion == "not_detected":
            return f"no {_MOTION_WORDS[when.level]} for {duration_text(when.for_s or 0.0)}, {since}"
        who = "somebody is here" if when.presence == "present" else "nobody is here"
        return who if when.for_s is None else f"{who} for {duration_text(when.for_s)}, {since}"

    def _situation(self, now: datetime) -> Situation:
        return Situation(now, self._home, self._mqtt, self._memory.presence)


def _would_start(when: When, motion: str | None, presence: bool | None) -> Reason:
    """Whether a Routine waits for what is taken to happen."""
    waits_for = _waits_for(when)
    if motion is None and presence is None:
        return Reason(True, f"taken to happen: {waits_for}")
    if when.presence is not None:
        starts = presence is (when.presence == "present")
    elif motion is None:
        starts = False
    else:
        starts = (when.level in _LEVELS[motion]) == (when.motion == "detected")
    return Reason(starts, waits_for if starts else f"it waits for: {waits_for}")


def _waits_for(when: When) -> str:
    lasting = "" if when.for_s is None else f" for {duration_text(when.for_s)}"
    if when.presence is not None:
        return ("somebody is here" if when.presence == "present" else "nobody is here") + lasting
    return ("no " if when.motion == "not_detected" else "") + _MOTION_WORDS[when.level] + lasting
