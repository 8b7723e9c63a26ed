"""A simulated room as a sound card: it hears what is played into it, and can be changed while it runs.

What stands still answers with its impulse response, to whatever is played. What moves answers to what is
played around the scene's carrier, as in `render.py`. Moving air and the clocks' noise are left out: live,
they would only make an empty room less quiet.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from noctule.audio.callback import CallbackBridge, CapturedBlock, unpack_block
from noctule.audio.card import StreamFormat, StreamRequest
from noctule.core.errors import NoctuleError
from noctule.core.frames import Float32Array
from noctule.simulate.clutter import still_paths
from noctule.simulate.echo import Echo
from noctule.simulate.electronics import AudioChain
from noctule.simulate.fading_echo import FadingEcho
from noctule.simulate.led import Led
from noctule.simulate.medium import Medium
from noctule.simulate.movers.paced import Paced
from noctule.simulate.parts import FloatArray, Sound, generator
from noctule.simulate.person import PersonMover
from noctule.simulate.pose import Action
from noctule.simulate.programme import Programme
from noctule.simulate.resample import Decimator, Interpolator
from noctule.simulate.scenes import Location, Scene
from noctule.simulate.sound_field import SoundField
from noctule.simulate.steering import Point
from noctule.simulate.transducers import Band, Envelope
from noctule.simulate.truth import Instant, instant, whereabouts

ComplexArray = npt.NDArray[np.complex128]

#: Level of a tone, dBFS, that comes out of the device with its `tone_db_spl`: the sensor's default.
REFERENCE_DBFS = -20.0
REFERENCE = 10.0 ** (REFERENCE_DBFS / 20.0)
#: The movers' echoes are rendered at a quarter of the rate, this share of whose Nyquist is carried.
_FOLD, _CARRIED = 4, 0.8
#: What is played leaves so much later (samples): a converter takes as long, and filters look that far ahead.
_CONVERTER = 128
#: A room's answer lasts so long; so much of what was played is remembered.
_ANSWER_S, _REMEMBERED_S = 0.07, 0.5
#: Sound comes in so long blocks: rendering a shorter one costs as much.
BLOCK_S = 0.06
#: Commands take effect so much later than what was rendered last: echoes look a little ahead.
_LEAD_S = 0.1
#: Fastest hand or foot of somebody who is steered.
_FASTEST_MPS = 6.0
#: Music is composed so far ahead.
_COMPOSED_S = 0.4
#: Whoever goes about is heard over other walls after so long.
_WAYS_LAST_S = 2.0


class LiveRoom:
    """A scene in which people, things and music can be told what to do.

    Parameters
    ----------
    scene : its people and movers are there from the start; what they do then is up to who runs it, after what
        the scene says.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.rate_hz = scene.sample_rate_hz
        self._lock = threading.RLock()
        self._turns_per_sample = scene.carrier_hz / scene.sample_rate_hz
        self._place = scene.device.transducers(scene.carrier_hz, scene.room.speed_of_sound_mps)
        self.microphones = len(self._place.microphones_m)
        nepers = float(scene.room.air_nepers_per_m(scene.carrier_hz))
        self._medium = Medium(scene.carrier_hz, scene.room.speed_of_sound_mps, nepers)
        slow_hz = self.rate_hz / _FOLD
        pass_hz = min(_CARRIED * slow_hz / 2, self.rate_hz / 2 - scene.carrier_hz)
        self._band = Band(slow_hz, pass_hz, slow_hz - pass_hz)
        self._decimator = Decimator(_FOLD, pass_hz, slow_hz - pass_hz, self.rate_hz)
        self._interpolator = Interpolator(_FOLD, _CARRIED)
        self._gain = scene.unit.loudspeaker_gain(scene.carrier_hz)
        self._answer = self._impulse_response()
        self._taps = scene.unit.microphone_taps(self.microphones, self.rate_hz, 0.0, 129).real
        self._chain = AudioChain(
            scene.electronics, scene.unit, rate_hz=self.rate_hz, microphones=self.microphones, seed=scene.seed
        )
        self._position = 0  # of the next sample to hear
        self._sent = np.zeros(round(_REMEMBERED_S * self.rate_hz) // _FOLD * _FOLD)
        self._envelope = np.zeros(len(self._sent) // _FOLD, np.complex128)
        self._added = np.zeros_like(self._envelope)  # the part of it that music makes
        self._hearing = 0
        self._port = np.zeros(
            (len(self._taps) - 1, self.microphones)
        )  # what the microphones' filters remember
        self._modulation: Envelope | None = None
        self._asked = 0  # how often for music, or for silence
        self._music: list[Sound] = []
        self._sounds = self._sound_field()
        movers = scene.movers()
        self._parts = {where: part for where, part, _ in movers}
        self._movers = {where: mover for where, _, mover in movers}
        for person in self._people():
            person.highest_speed_mps = _FASTEST_MPS
        for where, part in self._parts.items():
            if hasattr(part, "route"):  # goes on where it stopped, however often it is switched
                running = part.model_copy(update={"from_s": 0.0, "to_s": None})
                self._movers[where] = Paced(running.mover(generator(scene.seed, *where)))
        self._led = [Led(one, [scene.seed, n]) for n, one in enumerate(self._people())]
        self._echoes = {where: FadingEcho(self._echo(where)) for where in self._movers}
        self._renewed_s = dict.fromkeys(self._movers, 0.0)

    # ---- the sound card's side

    @property
    def now_s(self) -> float:
        """Time of the room: how much of it has been heard."""
        return self._position / self.rate_hz

    def hear(self, played: npt.NDArray[np.floating]) -> Float32Array:
        """`(count,)` samples that are played, full scale 1, to `(count, microphones)` heard meanwhile.

        `count` must be a multiple of 4.
        """
        with self._lock:
            first, count = self._position, len(played)
            self._hearing = count
            self._send(np.asarray(played, np.float64))
            pressure = self._still(count) + self._moving(first, count) + self._sounds.pressure(first, count)
            port = np.concatenate([self._port, pressure])
            self._port = port[count:]
            filtered = [np.convolve(port[:, m], self._taps[:, m], "valid") for m in range(self.microphones)]
            self._position += count
            return self._chain.process(np.stack(filtered, -1))

    def _send(self, played: FloatArray) -> None:
        """Through the converter and the loudspeaker: what leaves, and its envelope around the carrier."""
        count, ahead = len(played), _FOLD * self._interpolator.margin
        self._sent = np.concatenate([self._sent[count:], played])
        # envelopes are wanted a little ahead of what leaves now; the converter's delay leaves room for that
        first = self._position + ahead
        stop, margin = len(self._sent) - _CONVERTER + ahead, self._decimator.margin
        assert ahead + margin <= _CONVERTER
        wide = self._sent[stop - count - margin : stop + margin]
        turns = (np.arange(first - margin, first + count + margin) * self._turns_per_sample) % 1.0
        mixed = (2.0 / REFERENCE * wide * np.exp(-2j * np.pi * turns))[:, None]
        tone = self._decimator.process(mixed)[:, 0].astype(np.complex128)
        added = np.zeros_like(tone)
        if self._modulation is not None:
            added = tone * (self._modulation(first // _FOLD, count // _FOLD) - 1.0)
        self._envelope = np.concatenate([self._envelope[len(tone) :], tone + added])
        self._added = np.concatenate([self._added[len(tone) :], added])

    def _left(self, first_sample: int, count: int) -> ComplexArray:
        """The tone's envelope as it left, 1 at the reference level; at the band's rate."""
        newest = (self._position + self._hearing) // _FOLD + self._interpolator.margin
        start = first_sample - newest + len(self._envelope)
        found = self._envelope[max(start, 0) : max(start + count, 0)]
        short = count - len(found)  # before memory begins, or after what is known: nothing
        before = min(max(-start, 0), short)
        return np.concatenate(
            [np.zeros(before, np.complex128), found, np.zeros(short - before, np.complex128)]
        )

    def _still(self, count: int) -> FloatArray:
        """Direct path, walls and furniture, `(count, microphones)` pascal."""
        stop = len(self._sent) - _CONVERTER
        before = (len(self._answer) - 1 + _FOLD - 1) // _FOLD * _FOLD
        sent = self._sent[stop - count - before : stop]
        if self._modulation is not None:  # music turns and squeezes the tone on its way out
            sent = sent + REFERENCE * self._upwards(self._added, self._position - before, count + before)
        size = 1 << math.ceil(math.log2(len(sent)))
        spectrum = np.fft.rfft(sent, size)[:, None] * np.fft.rfft(self._answer, size, axis=0)
        return np.asarray(np.fft.irfft(spectrum, size, axis=0)[before : before + count])

    def _upwards(self, slow: ComplexArray, first: int, count: int) -> FloatArray:
        """The newest `count` samples of an envelope as sound; it holds the interpolator's margin more."""
        margin = self._interpolator.margin
        wide = slow[len(slow) - count // _FOLD - 2 * margin :, None]
        turns = (np.arange(first, first + count) * self._turns_per_sample) % 1.0
        return np.asarray((self._interpolator.process(wide)[:, 0] * np.exp(2j * np.pi * turns)).real)

    def _moving(self, first: int, count: int) -> FloatArray:
        """Echoes of everything that moves, `(count, microphones)` pascal."""
        margin = self._interpolator.margin
        low = first // _FOLD
        self._renew(low + margin)
        slow = np.zeros((count // _FOLD + 2 * margin, self.microphones), np.complex64)
        for echo in self._echoes.values():
            slow += echo.pressure(low - margin, len(slow))
        turns = (np.arange(first, first + count) * self._turns_per_sample) % 1.0
        carried = self._gain * np.exp(2j * np.pi * turns)[:, None]
        return np.asarray((self._interpolator.process(slow) * carried).real)

    def _renew(self, first_sample: int) -> None:
        """Who goes about, or was switched, is soon heard over other walls."""
        for where, since_s in self._renewed_s.items():
            old = since_s < self.now_s - _WAYS_LAST_S and isinstance(self._movers[where], PersonMover | Paced)
            if (old or since_s < 0.0) and not self._echoes[where].fading:
                self._echoes[where].become(self._echo(where), first_sample)
                self._renewed_s[where] = self.now_s

    def _impulse_response(self) -> FloatArray:
        """(taps, microphones) pascal for full scale, of everything that stands still; exact fractions."""
        paths = still_paths(
            self.scene.room,
            self._place,
            self._medium.air_nepers_per_m,
            generator(self.scene.seed, "glints"),
            reach_m=_ANSWER_S * self._medium.speed_of_sound_mps,
        )
        gain = self._gain / REFERENCE
        taps, half = round(_ANSWER_S * self.rate_hz) + 64, 16
        out = np.zeros((taps, self.microphones))
        delay = paths.length_m / self._medium.speed_of_sound_mps * self.rate_hz
        k = np.arange(-half, half)
        for m in range(self.microphones):
            whole = delay[:, m].astype(int)
            at = whole[:, None] + k
            x = at - delay[:, m, None]
            pulse = paths.gain[:, m, None] * gain * np.sinc(x) * np.cos(np.pi * x / (2 * half + 2)) ** 2
            known = at >= 0  # the direct path may be shorter than half a pulse: its first part is lost
            np.add.at(out[:, m], at[known], pulse[known])
        return out

    def _echo(self, where: Location) -> Echo:
        now_s = self.now_s
        mover = self._movers[where]
        others = [one for one in self._people() if one is not mover]
        return Echo(
            self.scene.room,
            self._place,
            self._medium,
            self._band,
            mover,
            list(self._movers).index(where),
            self.scene.seed,
            (now_s, now_s + 2.0 * _WAYS_LAST_S),
            others,
            0.0,
            self._left,
            None,
        )

    def _sound_field(self) -> SoundField:
        sounds = [sound for _, _, sound in self.scene.sounds()] + self._music
        return SoundField(self.scene.room, sounds, self._place.microphones_m, self.rate_hz)

    # ---- what can be told to it while it runs

    def do(self, action: Action, person: int = 0) -> None:
        """Let somebody begin something now, whatever they were doing; who walks stops first.

        Raises
        ------
        NoctuleError
            Nobody has that number, or it cannot follow (who sits cannot walk).
        """
        with self._lock:
            self._person(person).do(action, self.now_s + _LEAD_S)

    def then(self, action: Action, person: int = 0) -> None:
        """The same, once they have done everything that was asked for."""
        with self._lock:
            self._person(person).then(action, self.now_s + _LEAD_S)

    def walk(self, x_m: float, y_m: float, person: int = 0, speed_mps: float = 1.2) -> None:
        """Let somebody walk to a place; who sits stands up first."""
        self.follow([(x_m, y_m)], person, speed_mps)

    def follow(self, way: Sequence[Point], person: int = 0, speed_mps: float = 1.2) -> None:
        """Let somebody walk along a way, from the middle of a step if need be; who sits stands up first."""
        with self._lock:
            self._person(person).follow(way, self.now_s + _LEAD_S, speed_mps)

    def busy_s(self, person: int = 0) -> float:
        """So much longer somebody does what they were asked to."""
        with self._lock:
            return max(self._person(person).free_s() - self.now_s, 0.0)

    def switch(self, mover: int, on: bool) -> None:
        """Switch a fan, a vacuum, a draught, ... on or off, by its place among the scene's movers."""
        with self._lock:
            where = ("mover", mover)
            if where not in self._parts:
                raise NoctuleError(f"the scene has no mover {mover}")
            at_s = self.now_s + _LEAD_S
            times = {"from_s": at_s, "to_s": None} if on else {"to_s": at_s}
            self._parts[where] = self._parts[where].model_copy(update=times)
            thing = self._movers[where]
            if isinstance(thing, Paced):
                thing.switch(on, at_s)
            else:
                self._movers[where] = self._parts[where].mover(generator(self.scene.seed, *where))
            self._renewed_s[where] = -1.0

    def place_m(self, mover: int) -> tuple[float, float]:
        """Where one of the scene's movers is, on the floor."""
        with self._lock:
            seen = self._movers["mover", mover].scatterers(np.array([self.now_s]), self._place.middle_m)
            x, y, _ = seen.position_m[0].mean(0).tolist()
            return x, y

    def play(self, programme: Programme | None) -> None:
        """Let the loudspeaker play something besides the tone, soon; None: nothing, from now on.

        Music is composed before it begins, and what is heard meanwhile does not wait for that.
        """
        with self._lock:
            self._asked += 1
            asked = self._asked
        ahead_s = _COMPOSED_S
        while programme is not None:
            from_s = self.now_s + ahead_s
            modulation, music = self._composed(programme, from_s)
            with self._lock:
                if asked != self._asked:  # somebody wants something else by now
                    return
                if self.now_s + _LEAD_S <= from_s:
                    self._put_on(modulation, music)
                    return
            ahead_s *= 4.0
        with self._lock:
            self._put_on(None, [])

    def _composed(self, programme: Programme, from_s: float) -> tuple[Envelope, list[Sound]]:
        """A programme from then on; its beginning is known already."""
        scene, rate_hz = self.scene, self._band.rate_hz
        since = programme.model_copy(update={"from_s": from_s, "to_s": None, "events": ()})
        modulation = scene.loudspeaker.modulation(since, scene.carrier_hz, rate_hz)
        music = scene.loudspeaker.sounds(since, self._place.loudspeakers_m)
        modulation(round(from_s * rate_hz), round(_COMPOSED_S * rate_hz))
        for one in music:
            one.waveform(self.rate_hz, round(from_s * self.rate_hz), round(_COMPOSED_S * self.rate_hz))
        return modulation, music

    def _put_on(self, modulation: Envelope | None, music: list[Sound]) -> None:
        self._modulation, self._music = modulation, music
        self._sounds = self._sound_field()

    def truth(self) -> Instant:
        """What really happens at this moment."""
        with self._lock:
            now = np.array([self.now_s, self.now_s + 0.05])
            here = [
                whereabouts(self.scene, part.name or f"person {n + 1}", mover, now)[0]
                for n, (part, mover) in enumerate(zip(self.scene.person, self._people(), strict=True))
            ]
            labels = [
                f"motion:{part.label}"
                for where, part in self._parts.items()
                if where[0] == "mover" and part.from_s <= now[0] and (part.to_s is None or now[0] < part.to_s)
            ]
            return instant(float(now[0]), tuple(here), labels + (["music"] if self._modulation else []))

    def _people(self) -> list[PersonMover]:
        return [one for one in self._movers.values() if isinstance(one, PersonMover)]

    def _person(self, number: int) -> Led:
        if not 0 <= number < len(self._led):
            raise NoctuleError(f"nobody has number {number}; there are {len(self._led)} people in the room")
        return self._led[number]


class SimulatedCard:
    """A live room behind the sound card's interface, at the speed of a clock.

    Parameters
    ----------
    clock, sleep : seconds that never go back, and how to wait; tests bring their own.
    """

    def __init__(
        self,
        room: LiveRoom,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._room, self._clock, self._sleep = room, clock, sleep
        self._mailbox = _Mailbox()
        self._bridge = CallbackBridge(self._mailbox, queue_blocks=1000)  # type: ignore[arg-type]
        self._block = round(BLOCK_S * room.rate_hz) // _FOLD * _FOLD
        self._heard = np.zeros((self._block, room.microphones), np.float32)
        self._due_s = 0.0

    def open(self, request: StreamRequest) -> StreamFormat:
        room = self._room
        if request.sample_rate_hz != room.rate_hz:
            raise NoctuleError(
                f"the simulated room runs at {room.rate_hz:g} Hz, not {request.sample_rate_hz} Hz: "
                f"set audio.sample_rate_hz to {room.rate_hz:g}"
            )
        self._mailbox.blocks.clear()
        self._bridge = CallbackBridge(self._mailbox, 1000, room.rate_hz)  # type: ignore[arg-type]
        self._due_s = self._clock()
        return StreamFormat("simulated", "simulated", "simulated room", room.rate_hz, room.microphones, 1)

    def receive(self, timeout_s: float) -> CapturedBlock | None:
        if not self._mailbox.blocks:
            self._due_s += self._block / self._room.rate_hz
            wait_s = self._due_s - self._clock()
            if wait_s > 0.0:
                self._sleep(wait_s)
            elif wait_s < -1.0:  # too slow, or the machine slept: the room's time goes on from here
                self._due_s = self._clock()
            played = np.zeros((self._block, 1), np.float32)
            # what is heard now was played a block ago, as with any card
            self._bridge.callback(self._heard, played, self._block, None, 0)
            self._heard = self._room.hear(played[:, 0])
        return self._mailbox.blocks.popleft() if self._mailbox.blocks else None

    def command(self, *message: Any) -> None:
        match message:
            case ("send_every", _):
                pass  # blocks come one by one, and cost nothing to receive
            case (verb, value):
                self._bridge.obey(verb, value)

    def close(self, *, gently: bool) -> None:
        """Nothing sounds any more; the room itself goes on when it is opened again."""
        self._mailbox.blocks.clear()


class _Mailbox:
    """Takes what a socket would."""

    def __init__(self) -> None:
        self.blocks: deque[CapturedBlock] = deque()

    def setblocking(self, flag: bool) -> None: ...

    def send(self, data: memoryview) -> int:
        block, length = unpack_block(bytes(data))
        assert block is not None
        self.blocks.append(block)
        return length
