"""A small room between the product's loudspeaker and its microphones.

A process of its own, kept out of the product: it reads what is played and returns it with a direct
path, static echoes, the echo of one reflector that moves as scripted, and noise. What moved when is
written as JSON lines: in stream time and on the wall clock, so that a test can ask for seconds.

    python room.py --backend sounddevice --device sim --rate 96000 --truth truth.jsonl --scene scene.json
    python room.py --backend jack --client room --truth truth.jsonl --scene '{"script": []}'
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.signal

Samples = npt.NDArray[np.float32]
Times = npt.NDArray[np.float64]

SPEED_OF_SOUND_MPS = 343.2
AUDIBLE = 1e-4  # the script starts when something louder than -80 dBFS is played
RAMP_S = 0.2  # a walker takes so long to reach his speed, and to stop

HALF_TAPS = 24
ORDER = 8


@dataclass(frozen=True)
class Scene:
    """What the room is like. `script` is a list of `[kind, seconds, number...]`, see Reflector."""

    microphones: int = 2
    direct_m: float = 0.10  # loudspeaker to the first microphone
    spacing_m: float = 0.02  # each further microphone is so much further away
    direct_gain: float = 0.5
    echoes: list[list[float]] = field(default_factory=lambda: [[2.0, 0.05], [5.3, 0.02]])  # path m, gain
    reflector_gain: float = 0.003  # 44 dB below the direct path: a body near by
    noise_dbfs: float = -85.0
    delay_s: float = 0.0  # of everything, on top
    start_m: float = 4.0
    script: list[list[Any]] = field(default_factory=list)
    begins_with: str = ""  # the script waits for this file
    slips: list[list[float]] = field(default_factory=list)  # at s, samples that come twice
    slews: list[list[float]] = field(default_factory=list)  # at s, for s, ppm by which the clock is slow
    cone_m: float = 0.0  # excursion of the loudspeaker's cone at full scale below its resonance
    resonance_hz: float = 120.0  # the excursion falls off above

    def dirt_events(self) -> list[tuple[float, dict[str, Any]]]:
        found: list[tuple[float, dict[str, Any]]] = [(at_s, {"event": "slip"}) for at_s, _ in self.slips]
        for at_s, seconds, _ in self.slews:
            found += [(at_s, {"event": "slew_start"}), (at_s + seconds, {"event": "slew_stop"})]
        return found


class Reflector:
    """Range of the reflector over time, closed form, so that any block size gives the same room.

    `["still", s]`, `["walk", s, speed_mps]` (positive comes nearer; raised-cosine start and stop),
    `["sway", s, peak_to_peak_m, hz]`. After the last part it stands still.
    """

    def __init__(self, start_m: float, script: list[list[Any]]) -> None:
        self.parts: list[tuple[float, float, float, str, list[float]]] = []
        at_s, range_m = 0.0, start_m
        for kind, seconds, *numbers in script:
            self.parts.append((at_s, float(seconds), range_m, kind, numbers))
            range_m += float(self._moved(kind, np.array([seconds]), seconds, numbers)[0])
            at_s += seconds
        self.end_s, self.end_m, self.start_m = at_s, range_m, start_m

    def range_m(self, t: Times) -> Times:
        """Range at times since the script began; before it, the starting range."""
        r = np.where(t < 0, self.start_m, self.end_m)
        for at_s, seconds, from_m, kind, numbers in self.parts:
            if t[-1] < at_s or t[0] >= at_s + seconds:
                continue
            here = (t >= at_s) & (t < at_s + seconds)
            r[here] = from_m + self._moved(kind, t[here] - at_s, seconds, numbers)
        return r

    def events(self) -> list[tuple[float, dict[str, Any]]]:
        """Start and stop of each motion: (seconds since the script began, what)."""
        found: list[tuple[float, dict[str, Any]]] = []
        for at_s, seconds, _, kind, numbers in self.parts:
            if kind != "still":
                found.append((at_s, {"event": "motion_start", "kind": kind, "numbers": numbers}))
                found.append((at_s + seconds, {"event": "motion_stop", "kind": kind}))
        return [*found, (self.end_s, {"event": "script_end"})]

    @staticmethod
    def _moved(kind: str, t: Times, seconds: float, numbers: list[float]) -> Times:
        if kind == "still":
            return np.zeros_like(t)
        if kind == "walk":
            return -numbers[0] * (_ramped(t) - _ramped(t - (seconds - RAMP_S)))
        if kind == "sway":
            peak_to_peak_m, hz = numbers
            return peak_to_peak_m / 2 * (np.cos(2 * np.pi * hz * t) - 1)
        raise ValueError(f"no such motion: {kind}")


def _ramped(t: Times) -> Times:
    """Integral of a velocity that rises from 0 to 1 as a raised cosine within RAMP_S."""
    u = np.clip(t, 0, RAMP_S)
    rising = (u - RAMP_S / np.pi * np.sin(np.pi * u / RAMP_S)) / 2
    return rising + np.maximum(t - RAMP_S, 0)


def farrow_taps() -> Samples:
    """Windowed-sinc fractional delay as polynomials in the fraction: (2·HALF_TAPS+1, ORDER) taps.

    Farrow (1988). One product per played sample serves every path and microphone, whatever its delay.
    Fitted on |d| <= 0.5; what is left of the sidebands up to 0.43 of the rate is below -95 dBc.
    """
    k = np.arange(-HALF_TAPS, HALF_TAPS + 1)
    d = 0.5 * np.cos(np.pi * (np.arange(64) + 0.5) / 64)
    u = k[:, None] - d[None, :]
    window = np.i0(10.0 * np.sqrt(np.maximum(0, 1 - (u / (HALF_TAPS + 0.5)) ** 2))) / np.i0(10.0)
    h = np.sinc(u) * window
    coefficients, *_ = np.linalg.lstsq(np.vander(d, ORDER, increasing=True), h.T, rcond=None)
    return np.asarray(coefficients.T[::-1], dtype=np.float32)  # newest sample last


class DelayLine:
    """The last `longest` samples, read at any delay between HALF_TAPS and that, whole or not."""

    def __init__(self, longest: int) -> None:
        self._taps = farrow_taps()
        self._tail = np.zeros(2 * HALF_TAPS, np.float32)
        self._past = np.zeros((longest, ORDER), np.float32)
        self._reach, self._new = longest, 0

    def push(self, samples: Samples) -> None:
        line = np.concatenate((self._tail, samples))
        self._tail = line[-2 * HALF_TAPS :]
        bank = np.lib.stride_tricks.sliding_window_view(line, 2 * HALF_TAPS + 1) @ self._taps
        self._past = np.concatenate((self._past[-self._reach :], bank))
        self._new = len(samples)

    def fixed(self, late_samples: float) -> Samples:
        """What was pushed last, so much later."""
        whole = round(late_samples)
        end = len(self._past) + HALF_TAPS - whole
        powers = np.power(late_samples - whole, np.arange(ORDER)).astype(np.float32)
        return np.asarray(self._past[end - self._new : end] @ powers)

    def moving(self, late_samples: Times) -> Samples:
        """The same with a delay of its own for each sample."""
        whole = np.rint(late_samples)
        d = (late_samples - whole).astype(np.float32)
        at = np.arange(len(self._past) - self._new, len(self._past)) + HALF_TAPS - whole.astype(np.int64)
        rows = self._past[at]
        y = rows[:, ORDER - 1].copy()
        for power in range(ORDER - 2, -1, -1):
            y *= d
            y += rows[:, power]
        return y


class Cone:
    """Where a loudspeaker's cone is: what is played, through its resonance (two poles, Q 0.7)."""

    def __init__(self, reach_m: float, resonance_hz: float, sample_rate_hz: float) -> None:
        self._reach_m = reach_m
        self._sections = scipy.signal.butter(2, resonance_hz, fs=sample_rate_hz, output="sos")
        self._state = np.zeros((1, 2))

    def move(self, played: Samples) -> Times:
        if not self._reach_m:
            return np.zeros(len(played))
        place, self._state = scipy.signal.sosfilt(self._sections, played, zi=self._state)
        return np.asarray(self._reach_m * np.clip(place, -1.0, 1.0))


class Room:
    """Played samples in, microphone samples out, block by block."""

    def __init__(self, scene: Scene, sample_rate_hz: float, seed: int = 1) -> None:
        self.scene, self.rate = scene, sample_rate_hz
        self.reflector = Reflector(scene.start_m, scene.script)
        self.position = 0
        self.script_at: int | None = None  # sample at which the script began: the first sound
        self._rng = np.random.default_rng(seed)
        # Every path is later by this, so that the filter need not look ahead.
        self._bulk = HALF_TAPS + round(scene.delay_s * sample_rate_hz)
        longest_m = max([12.0, *(path for path, _ in scene.echoes)])
        self._air = DelayLine(self._bulk + int(longest_m / SPEED_OF_SOUND_MPS * sample_rate_hz) + 2)
        dirt = sum(samples for _, samples in scene.slips)
        dirt += sum(seconds * ppm * 1e-6 * sample_rate_hz for _, seconds, ppm in scene.slews)
        dirt += 2.0 * scene.cone_m / SPEED_OF_SOUND_MPS * sample_rate_hz
        self._wire = DelayLine(int(dirt) + 2 * HALF_TAPS + 2) if dirt else None
        self._cone = Cone(scene.cone_m, scene.resonance_hz, sample_rate_hz)

    def direct_delay_s(self, microphone: int) -> float:
        """From played to heard over the direct path, in a room without slips and slews."""
        return self._late(self._direct_m(microphone)) / self.rate

    def events(self) -> list[tuple[float, dict[str, Any]]]:
        """All that happens: (seconds since the first sound, what)."""
        sound: tuple[float, dict[str, Any]] = (0.0, {"event": "sound"})
        return sorted([sound, *self.reflector.events(), *self.scene.dirt_events()], key=lambda one: one[0])

    def hear(self, played: Samples) -> Samples:
        """(samples,) played -> (samples, microphones) heard."""
        n = len(played)
        if self.script_at is None and np.max(np.abs(played), initial=0.0) > AUDIBLE and self._may_begin():
            self.script_at = self.position + int(np.argmax(np.abs(played) > AUDIBLE))
        t = np.full(n, -1.0) if self.script_at is None else self._times(n, self.script_at)
        self._air.push(self._through_wire(played.astype(np.float32), t))
        noise_rms = np.float32(10 ** (self.scene.noise_dbfs / 20))
        heard = self._rng.standard_normal((n, self.scene.microphones), dtype=np.float32) * noise_rms
        reflector_m = self._there_and_back_m(t)
        for m in range(self.scene.microphones):
            extra_m = m * self.scene.spacing_m
            heard[:, m] += self.scene.direct_gain * self._air.fixed(self._late(self._direct_m(m)))
            for path_m, gain in self.scene.echoes:
                heard[:, m] += gain * self._air.fixed(self._late(path_m + extra_m))
            moved = self._air.moving(self._bulk + (reflector_m + extra_m) / SPEED_OF_SOUND_MPS * self.rate)
            heard[:, m] += self.scene.reflector_gain * moved
        self.position += n
        return heard

    def _may_begin(self) -> bool:
        return not self.scene.begins_with or Path(self.scene.begins_with).exists()

    def _times(self, n: int, script_at: int) -> Times:
        return (self.position - script_at + np.arange(n)) / self.rate

    def _late(self, path_m: float) -> float:
        """Delay of a path in samples."""
        return self._bulk + path_m / SPEED_OF_SOUND_MPS * self.rate

    def _direct_m(self, microphone: int) -> float:
        return self.scene.direct_m + microphone * self.scene.spacing_m

    def _there_and_back_m(self, t: Times) -> Times:
        """Of what arrives now; the range is that at the moment of reflection, so Doppler is 2·v·f/(c−v)."""
        path_m = 2 * self.reflector.range_m(t)
        for _ in range(3):  # converges by v/c each time
            path_m = 2 * self.reflector.range_m(t - path_m / (2 * SPEED_OF_SOUND_MPS))
        return path_m

    def _through_wire(self, played: Samples, t: Times) -> Samples:
        """Between the card and the air: clocks that slip and slew, a cone that moves, where there are any."""
        if self._wire is None:
            return played
        self._wire.push(played)
        # a cone that comes forward shortens every way
        late = HALF_TAPS + (self.scene.cone_m - self._cone.move(played)) / SPEED_OF_SOUND_MPS * self.rate
        for at_s, samples in self.scene.slips:
            late += samples * (t >= at_s)
        for at_s, seconds, ppm in self.scene.slews:
            late += ppm * 1e-6 * self.rate * np.clip(t - at_s, 0, seconds)
        return self._wire.moving(late)


class Truth:
    """Notes what happened, from the audio thread; the main thread writes it down."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._notes: collections.deque[dict[str, Any]] = collections.deque()

    def note(self, **facts: Any) -> None:
        self._notes.append(facts)

    def write(self) -> None:
        while self._notes:
            self._file.write(json.dumps(self._notes.popleft()) + "\n")
        self._file.flush()


class Session:
    """One room at work: calls the room for each block and notes when scripted things happen."""

    def __init__(self, room: Room, truth: Truth) -> None:
        self.room, self.truth = room, truth
        self.blocks, self.flags, self.busy_s = 0, 0, 0.0
        self._due: list[tuple[float, dict[str, Any]]] | None = None

    def block(self, played: Samples, flags: str = "") -> Samples:
        began = time.perf_counter()
        first = self.room.position
        heard = self.room.hear(played)
        if flags:
            self.flags += 1
            self.truth.note(event="xrun", t=first / self.room.rate, wall=time.time(), what=flags)
        self._note_due(first, len(played), time.time())
        self.blocks += 1
        self.busy_s += time.perf_counter() - began
        return heard

    def _note_due(self, first: int, n: int, now: float) -> None:
        start = self.room.script_at
        if start is None:
            return
        if self._due is None:
            self._due = self.room.events()
        while self._due and start + self._due[0][0] * self.room.rate < first + n:
            at_s, facts = self._due.pop(0)
            sample = start + at_s * self.room.rate
            wall = now + (sample - first) / self.room.rate
            self.truth.note(**facts, t=sample / self.room.rate, wall=wall)

    def summary(self) -> dict[str, Any]:
        heard_s = self.room.position / self.room.rate
        busy = self.busy_s / heard_s if heard_s else 0.0
        return {"event": "end", "wall": time.time(), "blocks": self.blocks, "xruns": self.flags, "busy": busy}


Wait = Callable[[], None]


def run_sounddevice(options: argparse.Namespace, scene: Scene, truth: Truth, wait: Wait) -> None:
    import sounddevice

    session = Session(Room(scene, options.rate), truth)

    def callback(played: Samples, heard: Samples, frames: int, _: Any, status: Any) -> None:
        heard[:] = session.block(played.mean(axis=1), str(status) if status else "")

    stream = sounddevice.Stream(
        device=options.device,
        samplerate=options.rate,
        channels=(2, scene.microphones),
        dtype="float32",
        blocksize=options.block,
        latency=options.latency,
        callback=callback,
    )
    with stream:
        _announce(session)
        wait()
    truth.note(**session.summary())


def run_jack(options: argparse.Namespace, scene: Scene, truth: Truth, wait: Wait) -> None:
    import jack

    client = jack.Client(options.client, no_start_server=True)
    session = Session(Room(scene, client.samplerate), truth)
    speakers = [client.inports.register(f"spk_{k + 1}") for k in range(2)]
    microphones = [client.outports.register(f"mic_{k + 1}") for k in range(scene.microphones)]
    late: list[float] = []

    def process(_: int) -> None:
        played = np.mean([port.get_array() for port in speakers], axis=0)
        heard = session.block(played, f"late by {late.pop():.0f} us" if late else "")
        for m, port in enumerate(microphones):
            port.get_array()[:] = heard[:, m]

    client.set_xrun_callback(late.append)
    client.set_process_callback(process)
    with client:
        _announce(session)
        wait()
    truth.note(**session.summary())


def _announce(session: Session) -> None:
    room = session.room
    delays = [room.direct_delay_s(m) for m in range(room.scene.microphones)]
    session.truth.note(event="ready", wall=time.time(), sample_rate_hz=room.rate, direct_delay_s=delays)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", choices=["sounddevice", "jack"], required=True)
    parser.add_argument("--device", default="sim", help="sounddevice: what to open")
    parser.add_argument("--rate", type=int, default=96000)
    parser.add_argument("--block", type=int, default=2048)
    parser.add_argument("--latency", type=float, default=0.1)
    parser.add_argument("--client", default="room", help="jack: name of the client")
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--scene", default="{}", help="JSON, or a file with it")
    options = parser.parse_args()
    text = options.scene if options.scene.lstrip().startswith("{") else Path(options.scene).read_text()
    scene, truth, over = Scene(**json.loads(text)), Truth(options.truth), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())

    parent = os.getppid()

    def wait() -> None:
        while not over.wait(0.05) and os.getppid() == parent:
            truth.write()

    try:
        {"sounddevice": run_sounddevice, "jack": run_jack}[options.backend](options, scene, truth, wait)
    finally:
        truth.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
