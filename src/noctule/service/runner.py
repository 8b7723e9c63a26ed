"""The live loop: play, listen, decide, and never go silently stale.

A worker thread owns the sound card and the pipeline and gives each record to the sink at once. The
calling thread only watches: when no record came for a while, whatever the reason (the card is lost, a
driver hangs, a probe is under way), it says so in records of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Protocol

from noctule.audio.devices import rate_fix
from noctule.audio.duplex import DeviceLost, DuplexStream
from noctule.core.frames import AudioBlock, Decision, Fault, Float32Array
from noctule.core.settings import Settings
from noctule.service.emission import Emission
from noctule.service.rhythm import FrameRhythm

Sink = Callable[[Mapping[str, object]], None]
Say = Callable[[str], None]
PlayAndRecord = Callable[[Float32Array], Float32Array]

#: Records without decisions come as often as the contract promises records: more than 20 a second.
IDLE_RECORD_S = 0.04

#: A carrier that has not come back for so long will not come by itself: find out why.
MISSING_FOR_S = 3.0

#: A probe that is under way when the sensor is stopped is let finish, so long at most.
END_TIMEOUT_S = 8.0


class Pipeline(Protocol):
    """What the runner needs of `noctule.pipeline.SensingPipeline`."""

    def process(self, block: AudioBlock) -> list[Decision]: ...

    def reset(self) -> None: ...

    def unavailable(self, time_s: float, fault: Fault) -> Decision: ...


class Probe(Protocol):
    """What the runner needs of `noctule.calibrate.probe.BandwidthProbe`."""

    @property
    def true_bandwidth_hz(self) -> float: ...

    def choose_carrier(self) -> float: ...

    def summary(self) -> str: ...


#: (carrier_hz, sample_rate_hz, channels)
MakePipeline = Callable[[float, float, int], Pipeline]
#: (play_and_record, sample_rate_hz, level_dbfs)
RunProbe = Callable[[PlayAndRecord, float, float], Probe]


class State(Enum):
    """What the worker is doing, and so what a moment without a record means."""

    STARTING = "starting"
    SENSING = "sensing"
    PROBING = "probing"
    LOST = "lost"


class LiveSensor:
    """Senses until it is stopped.

    Parameters
    ----------
    settings : all of them.
    make_pipeline : a fresh pipeline for a carrier, rate and number of microphones.
    run_probe : finds out what comes back through the card.
    say, warn : a line for people.
    stream : the sound card; None opens the real one.
    monotonic : clock in seconds of the watch over the worker.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        make_pipeline: MakePipeline,
        run_probe: RunProbe,
        say: Say,
        warn: Say,
        stream: DuplexStream | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._make_pipeline = make_pipeline
        self._run_probe = run_probe
        self._say, self._warn = say, warn
        self._stream = stream or DuplexStream(settings.audio)
        self._monotonic = monotonic
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._turn = threading.Lock()  # pipeline and sink serve one thread at a time
        self._sink: Sink = lambda record: None
        self._seconds: float | None = None
        self._pipeline: Pipeline | None = None
        self._emission: Emission | None = None
        self._channels = 0
        self._failure: BaseException | None = None
        self._missing_since_s: float | None = None
        self._carrier_settled = False  # it came back once, or we know why it does not
        self._last_record_s = 0.0
        self._last_time_s = float("-inf")
        self.state = State.STARTING

    def stop(self) -> None:
        """Fade out and end; safe in a signal handler."""
        self._stop.set()

    def run(self, sink: Sink, seconds: float | None = None) -> None:
        """Sense until `stop`, or for `seconds` of stream time; every record goes to `sink`.

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
                self.watch()
        finally:
            self._stop.set()
            self._ended.wait(END_TIMEOUT_S)
        if self._failure is not None:
            raise self._failure

    @property
    def _idle(self) -> bool:
        return self.state in (State.LOST, State.PROBING)

    def _over(self, time_s: float) -> bool:
        return self._stop.is_set() or (self._seconds is not None and time_s >= self._seconds)

    def watch(self) -> None:
        """Give a record without a decision where none can be had. Called every now and then."""
        quiet_s = self._monotonic() - self._last_record_s
        stale = self.state is State.SENSING and quiet_s > self._settings.audio.lost_after_s
        if self._pipeline is None or not (self._idle or stale):
            return
        fault = Fault.CARRIER_MISSING if self.state is State.PROBING else Fault.DEVICE_LOST
        with self._turn:
            self._give(self._pipeline.unavailable(max(self._stream.now_s, self._last_time_s + 1e-3), fault))

    # The rest runs in the worker.

    def _work(self) -> None:
        try:
            self._stream.open()
            self._begin()
            while not self._over(self._stream.now_s):
                try:
                    self._sense()
                except DeviceLost as lost:
                    if self._pipeline is None:  # it never worked: the start failed
                        raise
                    self._wait_for_return(lost)
        except BaseException as error:
            self._failure = error
        finally:
            self._stream.close()
            self._ended.set()

    def _begin(self) -> None:
        """Choose what to play, now that the rate is known."""
        stream = self._stream
        self._say(f"listening to {stream.format.input_identity}, playing on {stream.format.output_identity}")
        wanted_hz = self._settings.emit.carrier_hz
        carrier_hz = self._choose_carrier() if wanted_hz == "auto" else wanted_hz
        self._emission = Emission(self._settings.emit, carrier_hz, stream.sample_rate_hz)
        if self._emission.level.reason:
            self._warn(f"the level is {self._emission.level.reason}")

    def _probe(self) -> Probe:
        emit = self._settings.emit
        level_dbfs = min(emit.level_dbfs, emit.ceiling_dbfs)
        return self._run_probe(self._stream.play_and_record, self._stream.sample_rate_hz, level_dbfs)

    def _choose_carrier(self) -> float:
        self._say("looking for a carrier")
        found = self._probe()
        carrier_hz = found.choose_carrier()
        self._carrier_settled = True
        self._say(f"{found.summary()}\ncarrier {carrier_hz:g} Hz")
        return carrier_hz

    def _sense(self) -> None:
        """Start the tone and decide until it is over, or the carrier calls for a probe."""
        assert self._emission is not None
        self._emission.start(self._stream)
        pipeline = self._fresh_pipeline()
        if self.state is State.LOST:
            self._say("the device is back")
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
            if self._over(block.first_sample / block.sample_rate_hz):
                return
            if self._carrier_stays_away:
                self._explain_missing_carrier()
                return

    def _fresh_pipeline(self) -> Pipeline:
        """The same one, forgetting the signal but not who is here; a new one where microphones changed."""
        assert self._emission is not None
        stream = self._stream
        if self._pipeline is None or self._channels != stream.channels:
            self._channels = stream.channels
            self._pipeline = self._make_pipeline(
                self._emission.carrier_hz, stream.sample_rate_hz, stream.channels
            )
        self._pipeline.reset()
        return self._pipeline

    def _give(self, decision: Decision) -> None:
        assert self._emission is not None
        if decision.time_s <= self._last_time_s:
            return  # a stall was already reported past this moment; time never goes back
        stream = self._stream
        moment = datetime.fromtimestamp(stream.wall_time_s(decision.time_s), UTC)
        record = decision.as_record()
        record["time"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
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
        self.state = State.LOST
        self._emission.lost()
        self._stream.reopen(self._stop)


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
