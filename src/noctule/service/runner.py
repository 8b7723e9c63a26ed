"""The live loop: play, listen, decide, and never go silently stale.

A worker thread owns the sound card and the pipeline and gives each record to the sink at once. The
calling thread only watches: when no record came for a while, whatever the reason (the card is lost, a
driver hangs, a probe is under way, it is muted), it says so in records of its own.

Whoever wants the open card for a while (a calibration, an examination) asks for it; records say meanwhile
that nobody looks, on purpose. One sensor may follow another: time, who is here, and the records go on.

Where the settings ask for it, the tone rests while it is known who is here (`noctule.emit.gate`): the stream
goes on, what is heard meanwhile is not looked at, and the worker gives records that say so.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Protocol

from noctule.audio.devices import rate_fix
from noctule.audio.duplex import DeviceLost, DuplexStream
from noctule.core.errors import NoctuleError
from noctule.core.frames import BLOCKING_FAULTS, AudioBlock, Decision, Fault, Float32Array
from noctule.core.settings import PresenceSettings, Settings
from noctule.emit import EmissionGate
from noctule.service.emission import Emission
from noctule.service.rhythm import FrameRhythm

Sink = Callable[[Mapping[str, object]], object]
Say = Callable[[str], None]
PlayAndRecord = Callable[[Float32Array], Float32Array]

#: Records without decisions come as often as the contract promises records: more than 20 a second.
IDLE_RECORD_S = 0.04

#: A carrier that has not come back for so long will not come by itself: find out why.
MISSING_FOR_S = 3.0

#: Whoever waits longer for the start wants to know why.
WORTH_A_WORD_S = 2.0

#: Blocks come in bundles of a hop, and a command waits for the next one: the tone may be later by so much.
BACK_MARGIN_S = 0.1

#: A probe that is under way when the sensor is stopped is let finish, so long at most.
END_TIMEOUT_S = 8.0


class Pipeline(Protocol):
    """What the runner needs of `noctule.pipeline.SensingPipeline`."""

    def process(self, block: AudioBlock) -> list[Decision]: ...

    def reset(self) -> None: ...

    def warm_up(self) -> None: ...

    def unavailable(self, time_s: float, fault: Fault) -> Decision: ...

    def paused(self, time_s: float, look_in_s: float = 0.0) -> Decision: ...

    def resume(self) -> None: ...

    def snapshot(self) -> dict[str, Any]: ...

    def restore(self, snapshot: Mapping[str, Any], age_s: float = 0.0) -> None: ...

    def set_presence(self, settings: PresenceSettings) -> None: ...


class Probe(Protocol):
    """What the runner needs of `noctule.calibrate.probe.BandwidthProbe`."""

    @property
    def true_bandwidth_hz(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Tone:
    """What to play where the settings say `auto`.

    words : why, for people. drifted : told of each decision, says why to look for another; None: nobody does.
    """

    carrier_hz: float
    level_dbfs: float
    words: str
    drifted: Callable[[Decision], str | None] | None = None


@dataclass(frozen=True, slots=True)
class _Job:
    """Something that needs the open card.

    tone : what to play is to be found anew when it is done.
    """

    words: str
    work: Callable[[DuplexStream], Any]
    tone: bool
    done: Future[Any]


#: The tone for an open card; True: whatever was known before, look anew.
FindTone = Callable[[DuplexStream, bool], Tone]
#: (carrier_hz, sample_rate_hz, channels)
MakePipeline = Callable[[float, float, int], Pipeline]
#: (play_and_record, sample_rate_hz, level_dbfs)
RunProbe = Callable[[PlayAndRecord, float, float], Probe]


class State(Enum):
    """What the worker is doing, and so what a moment without a record means."""

    STARTING = "starting"
    SENSING = "sensing"
    SILENT = "silent"
    PROBING = "probing"
    ASIDE = "aside"
    LOST = "lost"
    MUTED = "muted"


#: Why there is no record, where it is not that the device is lost.
_WHY_IDLE = {State.PROBING: Fault.CARRIER_MISSING, State.MUTED: Fault.MUTED}


class LiveSensor:
    """Senses until it is stopped.

    Parameters
    ----------
    settings : all of them.
    make_pipeline : a fresh pipeline for a carrier, rate and number of microphones.
    find_tone : carrier and level, where the settings leave them open.
    run_probe : finds out what comes back through the card, where the tone does not.
    say, warn : a line for people.
    stream : the sound card; None opens the real one.
    monotonic : clock in seconds of the watch over the worker.

    Attributes
    ----------
    stream : the sound card.
    state : what the worker does.
    worked : it has begun to look at least once.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        make_pipeline: MakePipeline,
        find_tone: FindTone,
        run_probe: RunProbe,
        say: Say,
        warn: Say,
        stream: DuplexStream | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._make_pipeline = make_pipeline
        self._find_tone, self._run_probe = find_tone, run_probe
        self._tone: Tone | None = None
        self._say, self._warn = say, warn
        self.stream = self._stream = stream or DuplexStream(settings.audio)
        self._monotonic = monotonic
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._muted = False
        self._give_up = threading.Event()  # nobody waits for a lost device: it is over, or muted
        self._turn = threading.Lock()  # pipeline and sink serve one thread at a time
        self._sink: Sink = lambda record: None
        self._seconds: float | None = None
        self._pipeline: Pipeline | None = None
        self._emission: Emission | None = None
        self._gate = EmissionGate(settings.gate) if settings.gate.enabled else None
        self._made_for: tuple[float, float, int] | None = None
        self._known: tuple[Mapping[str, Any], float] | None = None
        self._presence: PresenceSettings | None = None  # others than it was made with
        self._jobs: deque[_Job] = deque()
        self._aside = ""
        self.worked = False
        self._failure: BaseException | None = None
        self._missing_since_s: float | None = None
        self._carrier_settled = False  # it came back once, or we know why it does not
        self._last_record_s = 0.0
        self._last_time_s = float("-inf")
        self.state = State.STARTING

    def stop(self) -> None:
        """Fade out and end; safe in a signal handler."""
        self._stop.set()

    def mute(self, on: bool) -> None:
        """Neither sound nor listen from now on, or do both again; any thread may, also a signal handler.

        Muted, the sound card is closed. Records go on and say `muted`; before the card was opened for the
        first time there are none.
        """
        self._muted = on

    @property
    def muted(self) -> bool:
        """What was asked for last."""
        return self._muted

    def follow(self, before: LiveSensor, forget: bool = False) -> None:
        """Go on where another sensor has ended; before `run`.

        Time goes on from there, and records come from the first moment: until this sensor looks, they say
        that nobody does. `forget`: who is here is not known any more, and there are no records until then.
        """
        self._last_time_s = before._last_time_s
        self._stream.follow(before._stream)
        self._muted = before._muted
        if not forget:
            self._pipeline, self._emission = before._pipeline, before._emission
        self._aside = "the sensor starts anew with other settings"

    def restore(self, snapshot: Mapping[str, Any], age_s: float) -> None:
        """Know what another process knew (`snapshot`) so long ago; before `run`."""
        self._known = (snapshot, age_s)

    @property
    def loudspeaker(self) -> DuplexStream | None:
        """The sound card, for what is to sound besides the tone; None while nothing may."""
        return self._stream if self.state in (State.SENSING, State.SILENT) and not self._muted else None

    def snapshot(self) -> dict[str, Any] | None:
        """Who is here, as JSON can carry it; for the sink, or when it has ended. None: not yet known."""
        return self._pipeline.snapshot() if self._pipeline is not None else None

    def set_presence(self, settings: PresenceSettings) -> None:
        """Other settings from the next frame on; any thread. Who is here is not forgotten."""
        with self._turn:
            self._presence = settings
            if self._pipeline is not None:
                self._pipeline.set_presence(settings)

    def ask(self, words: str, work: Callable[[DuplexStream], Any], *, new_tone: bool = False) -> Future[Any]:
        """Have something done with the open card; any thread. Nothing else sounds or listens meanwhile.

        Parameters
        ----------
        words : what it is, as in "a calibration is under way".
        work : is given the stream, in the sensor's thread; what it gives or raises is the future's.
        new_tone : ask again what to play when it is done.

        Returns
        -------
        Future
            Raises NoctuleError where the card is not to be had: muted, lost, ended.
        """
        job = _Job(words, work, new_tone, Future())
        self._jobs.append(job)
        if self._ended.is_set():
            self._refuse_jobs("the sensor does not run")
        elif self._muted:
            self._refuse_jobs("it is muted: nothing may sound")
        elif self.state is State.LOST:
            self._refuse_jobs("the sound card is away")
        return job.done

    def wait_until_ended(self, seconds: float) -> bool:
        """Whether the sound card is free, waiting so long at most."""
        return self._ended.wait(seconds)

    def run(self, sink: Sink, seconds: float | None = None) -> None:
        """Sense until `stop`, or to `seconds` of stream time; every record goes to `sink`.

        Raises
        ------
        NoctuleError
            The device cannot be opened at the start, or `auto` finds no carrier.
        BaseException
            Whatever the sink raises. A device that is lost later is waited for.
        """
        self._sink, self._seconds = sink, seconds
        threading.Thread(target=self._work, name="sensing", daemon=True).start()
        try:
            while not self._ended.wait(IDLE_RECORD_S if self._idle else 0.25):
                if self._over(self._stream.now_s):
                    break
                if self._muted:
                    self._give_up.set()
                else:
                    self._give_up.clear()
                self.watch()
        finally:
            self._stop.set()
            self._give_up.set()
            self._ended.wait(END_TIMEOUT_S)
        if self._failure is not None:
            raise self._failure

    @property
    def _idle(self) -> bool:
        return self.state not in (State.SENSING, State.SILENT)

    def _over(self, time_s: float) -> bool:
        return self._stop.is_set() or (self._seconds is not None and time_s >= self._seconds)

    def watch(self) -> None:
        """Give a record without a decision where none can be had. Called every now and then."""
        quiet_s = self._monotonic() - self._last_record_s
        stale = self.state in (State.SENSING, State.SILENT) and quiet_s > self._settings.audio.lost_after_s
        if self._pipeline is None or not (self._idle or stale):
            return
        time_s = max(self._stream.now_s, self._last_time_s + 1e-3)
        with self._turn:
            if self.state in (State.STARTING, State.ASIDE):
                paused = self._pipeline.paused(time_s)
                self._give(replace(paused, reason=f"paused: {self._aside}") if self._aside else paused)
            else:
                fault = _WHY_IDLE.get(self.state, Fault.DEVICE_LOST)
                self._give(self._pipeline.unavailable(time_s, fault))

    # The rest runs in the worker.

    def _work(self) -> None:
        try:
            self._wait_while_muted()
            if self._muted:
                return
            self._stream.open()
            self._begin()
            while not self._over(self._stream.now_s):
                try:
                    if self._muted:
                        self._stay_muted()
                    elif self._jobs:
                        self._step_aside(self._jobs.popleft())
                    else:
                        self._sense()
                except DeviceLost as lost:
                    if not self.worked:  # the start failed
                        raise
                    self._wait_for_return(lost)
        except BaseException as error:
            self._failure = error
        finally:
            self._stream.close()
            self._refuse_jobs("the sensor has ended")
            self._say_what_was_saved()
            if self._emission is not None:
                self._emission.lost()
            self._ended.set()

    def _begin(self) -> None:
        """Choose what to play, now that the rate is known."""
        stream = self._stream
        self._say(f"listening to {stream.format.input_identity}, playing on {stream.format.output_identity}")
        self._prepare(again=False)

    def _prepare(self, again: bool) -> None:
        """What to play; `again`: what was found before holds no more."""
        emit = self._settings.emit
        carrier_hz = emit.carrier_hz
        if carrier_hz == "auto":
            self._tone = self._find_tone(self._stream, again)
            self._carrier_settled = True
            self._say(self._tone.words)
            carrier_hz = self._tone.carrier_hz
            emit = emit.model_copy(update={"level_dbfs": self._tone.level_dbfs})
        self._emission = Emission(emit, carrier_hz, self._stream.sample_rate_hz)
        if self._emission.level.reason:
            self._warn(f"the level is {self._emission.level.reason}")

    def _step_aside(self, job: _Job) -> None:
        """Let somebody else have the card."""
        if not job.done.set_running_or_notify_cancel():
            return
        assert self._emission is not None
        self._aside, self.state = job.words, State.ASIDE
        try:
            self._emission.silence(self._stream)
            found = job.work(self._stream)
            if job.tone:
                self._prepare(again=False)
        except BaseException as error:
            job.done.set_exception(error)
            if isinstance(error, DeviceLost) or not isinstance(error, Exception):
                raise
        else:
            job.done.set_result(found)

    def _refuse_jobs(self, why: str) -> None:
        while self._jobs:
            job = self._jobs.popleft()
            if job.done.set_running_or_notify_cancel():
                job.done.set_exception(NoctuleError(f"not now: {why}"))

    def _probe(self) -> Probe:
        emit = self._settings.emit
        level_dbfs = min(emit.level_dbfs, emit.ceiling_dbfs)
        return self._run_probe(self._stream.play_and_record, self._stream.sample_rate_hz, level_dbfs)

    def _sense(self) -> None:
        """Start the tone and decide until it is over, or muted, or the carrier calls for a probe."""
        assert self._emission is not None
        new = self._new_pipeline()  # before anything sounds: it may take a while
        self._emission.start(self._stream)
        pipeline = self._fresh_pipeline(new)
        if self.state is State.LOST:
            self._say("the device is back")
        if self._gate is not None:
            self._gate.restart()
        self._look(pipeline)
        while self.state is State.SILENT and self._keep_silent(pipeline):
            pipeline.resume()
            self._look(pipeline, again=True)

    def _look(self, pipeline: Pipeline, again: bool = False) -> None:
        """Decide until the gate asks for a silence, which is then the state, or something else is to be done.

        After a silence (`again`) records go on until the first window is full.
        """
        self._last_record_s = self._monotonic()
        self.state = State.SENSING
        rhythm = FrameRhythm(self._stream)
        for block in self._stream.blocks():
            with self._turn:
                decisions = pipeline.process(block)
                for decision in decisions:
                    self._give(decision)
                    self._look_for_carrier(decision)
            rhythm.follow(block, decisions)
            again = again and not decisions
            if again:
                self._pause(pipeline, block)
            if self._ends_with(block):
                return
            if self._carrier_stays_away:
                self._explain_missing_carrier()
                return
            if self._drifted(decisions):
                return
            if not self._emission_goes_on(decisions):
                self.state = State.SILENT
                return

    def _drifted(self, decisions: Sequence[Decision]) -> bool:
        """Look for another tone where this one is not what it was; if that fails, it stays."""
        watch = self._tone.drifted if self._tone is not None else None
        reason = next((why for one in decisions if (why := watch(one))), None) if watch else None
        if reason is None:
            return False
        assert self._emission is not None
        self._say(f"{reason}: calibrating anew")
        self.state = State.PROBING
        self._emission.silence(self._stream)
        try:
            self._prepare(again=True)
        except NoctuleError as error:
            self._warn(f"{error}; going on as before")
        return True

    def _ends_with(self, block: AudioBlock) -> bool:
        return self._muted or bool(self._jobs) or self._over(_start_s(block))

    def _emission_goes_on(self, decisions: Sequence[Decision]) -> bool:
        gate = self._gate
        if gate is None:
            return True
        for one in decisions:
            if one.fault & BLOCKING_FAULTS:  # nothing was seen
                gate.wait(one.time_s)
            else:
                gate.see(one.time_s, presence=one.presence, motion=one.motion, doubt=one.doubt)
        return gate.emit

    def _keep_silent(self, pipeline: Pipeline) -> bool:
        """Let the tone rest until the gate asks for a look; True when it is back in the microphones.

        False where something else is to be done.
        """
        assert self._emission is not None
        assert self._gate is not None
        self._emission.fade_out(self._stream)
        back_s = float("inf")
        for block in self._stream.blocks():
            self._pause(pipeline, block)
            now_s = _end_s(block)
            if self._ends_with(block):
                return False
            if now_s >= back_s:
                return True
            if self._gate.emit and not self._emission.emitting:
                back_s = now_s + self._emission.fade_in(self._stream) + BACK_MARGIN_S
        return False

    def _pause(self, pipeline: Pipeline, block: AudioBlock) -> None:
        """Records for a block that nobody looks at, as many as are due."""
        assert self._gate is not None
        end_s = _end_s(block)
        self._gate.wait(end_s)
        first_s = max(self._last_time_s + IDLE_RECORD_S, _start_s(block))
        for k in range(math.floor((end_s - first_s) / IDLE_RECORD_S + 1e-6) + 1):
            time_s = first_s + k * IDLE_RECORD_S
            with self._turn:
                self._give(pipeline.paused(time_s, self._gate.silence_left_s))

    def _say_what_was_saved(self) -> None:
        if self._gate is not None and self._emission is not None:
            meter = self._emission.meter
            self._say(f"the tone sounded {100 * meter.share:.0f} % of the time, {meter.saved_s:.0f} s less")

    def _stay_muted(self) -> None:
        """Close the card until somebody wants it again."""
        assert self._emission is not None
        self.state, self._aside = State.MUTED, ""
        self._refuse_jobs("it is muted: nothing may sound")
        self._emission.lost()
        self._stream.close()
        self._say("muted: nothing sounds, nothing is heard")
        self._wait_while_muted()
        if self._over(self._stream.now_s):
            return
        self.state = State.STARTING
        try:
            self._stream.open()
        except NoctuleError as error:
            raise DeviceLost(str(error)) from None

    def _wait_while_muted(self) -> None:
        if self._muted and self._pipeline is not None:
            self.state = State.MUTED
        while self._muted and not self._over(self._stream.now_s):
            self._stop.wait(IDLE_RECORD_S)

    def _new_pipeline(self) -> Pipeline | None:
        """For other microphones or another tone than before; None where they are the same."""
        assert self._emission is not None
        wanted = self._emission.carrier_hz, self._stream.sample_rate_hz, self._stream.channels
        if self._made_for == wanted:
            return None
        made, self._made_for = self._make_pipeline(*wanted), wanted
        self._warm_up(made)
        return made

    def _fresh_pipeline(self, new: Pipeline | None) -> Pipeline:
        """The same one, or the new one; who is here is not forgotten."""
        before = self._pipeline
        with self._turn:
            if new is not None:
                if before is not None:
                    new.restore(before.snapshot())
                elif self._known is not None:
                    self._recall(new, *self._known)
                if self._presence is not None:
                    new.set_presence(self._presence)
                self._pipeline = new
        assert self._pipeline is not None
        self._pipeline.reset()
        self.worked = True
        return self._pipeline

    def _warm_up(self, pipeline: Pipeline) -> None:
        """Now, because a stream that is looked at does not wait for a compiler."""
        saying = threading.Timer(WORTH_A_WORD_S, self._say, ["getting ready: the first start takes a minute"])
        saying.daemon = True
        saying.start()
        try:
            pipeline.warm_up()
        finally:
            saying.cancel()

    def _recall(self, pipeline: Pipeline, snapshot: Mapping[str, Any], age_s: float) -> None:
        try:
            pipeline.restore(snapshot, age_s)
        except NoctuleError as error:
            self._warn(str(error))

    def _give(self, decision: Decision) -> None:
        assert self._emission is not None
        if decision.time_s <= self._last_time_s:
            return  # a stall was already reported past this moment; time never goes back
        stream = self._stream
        moment = datetime.fromtimestamp(stream.wall_time_s(decision.time_s), UTC)
        record = decision.as_record()
        record["time"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._emission.meter.note(decision.time_s, self._emission.emitting)
        record.update(self._emission.facts())
        record["xruns"] = stream.xruns
        self._last_record_s = self._monotonic()
        self._last_time_s = decision.time_s
        self._sink(record)

    def _look_for_carrier(self, decision: Decision) -> None:
        if self._carrier_settled:
            return
        self._carrier_settled = not decision.fault & Fault.CARRIER_MISSING
        if self._missing_since_s is None:
            self._missing_since_s = decision.time_s

    @property
    def _carrier_stays_away(self) -> bool:
        since_s = self._missing_since_s
        return not (self._carrier_settled or since_s is None) and self._last_time_s - since_s >= MISSING_FOR_S

    def _explain_missing_carrier(self) -> None:
        """Probe once, and say what the card passes and what to do."""
        assert self._emission is not None
        self._carrier_settled = True
        self.state = State.PROBING
        self._emission.silence(self._stream)
        bandwidth_hz = self._probe().true_bandwidth_hz
        stream = self._stream
        self._warn(
            missing_carrier_verdict(
                self._emission.carrier_hz, bandwidth_hz, stream.sample_rate_hz, stream.format.host_api
            )
        )

    def _wait_for_return(self, lost: DeviceLost) -> None:
        assert self._emission is not None
        if self.state is not State.LOST:
            self._warn(f"{lost}; waiting for the device to come back")
        self.state, self._aside = State.LOST, ""
        self._refuse_jobs("the sound card is away")
        self._emission.lost()
        self._stream.reopen(self._give_up)


def _start_s(block: AudioBlock) -> float:
    """Stream time of the block's first sample."""
    return block.first_sample / block.sample_rate_hz


def _end_s(block: AudioBlock) -> float:
    """Stream time of the block's end."""
    return (block.first_sample + len(block.samples)) / block.sample_rate_hz


def missing_carrier_verdict(
    carrier_hz: float, bandwidth_hz: float, sample_rate_hz: float, host_api: str
) -> str:
    """Why a carrier does not come back, and the fix, in one line."""
    missing = f"the carrier at {carrier_hz / 1000:g} kHz does not come back"
    if bandwidth_hz == 0.0:
        return (
            f"{missing}, and nothing else does: is the loudspeaker muted or the volume at zero, "
            "and does the microphone hear it? `noctule doctor` looks closer"
        )
    passes = f"{bandwidth_hz / 1000:.1f} kHz"
    if bandwidth_hz >= carrier_hz:
        return f"{missing}, but others do, up to {passes}: use --carrier-hz auto, or raise --level-dbfs"
    return (
        f"{missing}: the card passes only up to {passes} at this rate: the sound server resamples, or the "
        f"hardware ends there; use --carrier-hz auto, or {rate_fix(host_api, round(sample_rate_hz))}"
    )
