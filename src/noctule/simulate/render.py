"""From a scene to samples: pressure at the microphones piece by piece, then one chain of electronics.

The pressure is a pure function of time, so pieces may be rendered anywhere and in any order; the electronics
remember (a gain control, lost samples), so they run once, in order, over what the pieces gave. That is why
the samples are the same on any number of workers.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from noctule.core.settings import FeatureSettings
from noctule.dsp.downconvert import plan_decimation
from noctule.simulate.electronics import AudioChain, BasebandChain
from noctule.simulate.field import ToneField
from noctule.simulate.loudspeaker import PROGRAMME_ENDS_HZ
from noctule.simulate.noise import ShapedNoise
from noctule.simulate.parts import Displacement, FloatArray, Sound, generator
from noctule.simulate.person import PersonMover
from noctule.simulate.resample import Interpolator, convolve
from noctule.simulate.scenes import Scene
from noctule.simulate.smooth import step
from noctule.simulate.sound_field import SoundField
from noctule.simulate.transducers import Band

Samples = npt.NDArray[Any]  # (count, microphones)
Kind = Literal["baseband", "audio"]

#: Scenes are rendered in pieces of this many samples: long ones cost less, short ones fit into memory.
PIECE = 60000
#: For full-rate audio the tone is rendered at a quarter of the rate, this share of whose Nyquist is carried.
_FOLD, _CARRIED = 4, 0.8
#: Moved air needs so long to begin and to come to rest. [A]
_WIND_S = 3.0


class Rendering(Protocol):
    """A scene as what its microphones give, and the electronics behind them."""

    rate_hz: float
    count: int  # samples of the whole scene
    microphones: int

    def signal(self, first_sample: int, count: int) -> Samples:
        """`(count, microphones)` behind the microphones in full scales, a pure function of the position."""
        ...

    def chain(self) -> Chain:
        """From the microphones' signal to samples, block after block."""
        ...


class Chain(Protocol):
    def process(self, signal: Any) -> Any: ...


class World:
    """What a scene's parts become when they are put together."""

    def __init__(self, scene: Scene, lowest_hz: float) -> None:
        """`lowest_hz` : nobody looks at what lies below."""
        self.scene = scene
        self.transducers = scene.device.transducers(scene.carrier_hz, scene.room.speed_of_sound_mps)
        movers = scene.movers()
        self.movers = [mover for _, _, mover in movers]
        self.people = [mover for mover in self.movers if isinstance(mover, PersonMover)]
        self._windy = [part for _, part, _ in movers if part.airflow_mps() > 0.0]
        self.sounds: list[Sound] = [sound for _, _, sound in scene.sounds()]
        self._shakes = [
            shake
            for where, part, _ in movers
            if (shake := part.device_motion_m(generator(scene.seed, *where))) is not None
        ]
        if scene.programme is not None and lowest_hz < PROGRAMME_ENDS_HZ:
            self.sounds += scene.loudspeaker.sounds(scene.programme, self.transducers.loudspeakers_m)

    def airflow_mps(self, time_s: FloatArray) -> FloatArray:
        """Independent winds add their powers; each comes up and dies down with what makes it."""
        power = np.full(len(time_s), self.scene.room.airflow_mps**2)
        for part in self._windy:
            blows = step((time_s - part.from_s) / _WIND_S) if part.from_s > 0.0 else np.ones(len(time_s))
            if part.to_s is not None:
                blows = np.minimum(blows, 1.0 - step((time_s - part.to_s) / _WIND_S))
            power += (part.airflow_mps() * blows) ** 2
        return np.asarray(np.sqrt(power))

    def device_motion_m(self) -> Displacement | None:
        """Everything that shakes the device, together."""
        if not self._shakes:
            return None

        def together(time_s: FloatArray) -> FloatArray:
            return np.asarray(sum(shake(time_s) for shake in self._shakes))

        return together

    def tone(self, band: Band) -> ToneField:
        scene = self.scene
        envelope = None
        if scene.programme is not None:
            envelope = scene.loudspeaker.modulation(scene.programme, scene.carrier_hz, band.rate_hz)
        return ToneField(
            scene.room,
            self.transducers,
            scene.carrier_hz,
            band,
            self.movers,
            seed=scene.seed,
            duration_s=scene.duration_s,
            people=self.people,
            airflow_mps=self.airflow_mps if self._windy else scene.room.airflow_mps,
            envelope=envelope,
            device_motion_m=self.device_motion_m(),
        )


class Tone:
    """The tone's field, with the noise of the clocks that make it and sample it."""

    def __init__(self, world: World, band: Band) -> None:
        unit = world.scene.unit
        self._field = world.tone(band)
        self._gain = unit.loudspeaker_gain(world.scene.carrier_hz)
        # phase alone: both sides together carry what its one-sided density says
        self._phase = ShapedNoise(
            lambda hz: 2.0 * unit.skirt_per_hz(hz), band.rate_hz, world.scene.seed, "skirt", segment_s=2.0
        )

    def pressure(self, first_sample: int, count: int) -> Samples:
        """`(count, microphones)` complex pascal."""
        turn = self._phase.samples(first_sample, count).astype(np.float32)
        return self._field.pressure(first_sample, count) * (np.complex64(self._gain) * (1.0 + 1j * turn))


class BasebandRendering:
    """What the sensor's front end would give: complex baseband around the carrier."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        plan = plan_decimation(scene.sample_rate_hz, scene.carrier_hz, FeatureSettings())
        self.rate_hz = plan.baseband_rate_hz
        self.count = int(scene.duration_s * self.rate_hz)
        world = World(scene, scene.carrier_hz - plan.stop_edge_hz)
        self.microphones = len(world.transducers.microphones_m)
        self._tone = Tone(world, Band(self.rate_hz, plan.pass_edge_hz, plan.stop_edge_hz))
        self._sounds = SoundField(
            scene.room,
            world.sounds,
            world.transducers.microphones_m,
            scene.sample_rate_hz,
            decimation=plan.decimation,
            carrier_hz=scene.carrier_hz,
            pass_hz=plan.pass_edge_hz,
        )
        self._taps = scene.unit.microphone_taps(self.microphones, self.rate_hz, scene.carrier_hz, 17)

    def signal(self, first_sample: int, count: int) -> Samples:
        half = len(self._taps) // 2
        stretch = first_sample - half, count + 2 * half
        pressure = self._tone.pressure(*stretch) + self._sounds.pressure(*stretch)
        return _filtered(pressure, self._taps)

    def chain(self) -> BasebandChain:
        scene = self._scene
        return BasebandChain(
            scene.electronics,
            scene.unit,
            carrier_hz=scene.carrier_hz,
            rate_hz=self.rate_hz,
            audio_rate_hz=scene.sample_rate_hz,
            microphones=self.microphones,
            seed=scene.seed,
        )


class AudioRendering:
    """What the sound card gives: everything that is to be heard, at its full rate."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.rate_hz = scene.sample_rate_hz
        self.count = int(scene.duration_s * self.rate_hz)
        world = World(scene, 0.0)
        self.microphones = len(world.transducers.microphones_m)
        slow_hz = self.rate_hz / _FOLD
        # what would be above the converter's band does not come in
        pass_hz = min(_CARRIED * slow_hz / 2, self.rate_hz / 2 - scene.carrier_hz)
        self._tone = Tone(world, Band(slow_hz, pass_hz, slow_hz - pass_hz))
        self._interpolator = Interpolator(_FOLD, _CARRIED)
        self._sounds = SoundField(scene.room, world.sounds, world.transducers.microphones_m, self.rate_hz)
        self._taps = scene.unit.microphone_taps(self.microphones, self.rate_hz, 0.0, 129).real

    def signal(self, first_sample: int, count: int) -> Samples:
        half = len(self._taps) // 2
        stretch = first_sample - half, count + 2 * half
        return _filtered(self._tone_pressure(*stretch) + self._sounds.pressure(*stretch), self._taps)

    def _tone_pressure(self, first_sample: int, count: int) -> Samples:
        margin = self._interpolator.margin
        low, high = first_sample // _FOLD, -(-(first_sample + count) // _FOLD)
        slow = self._tone.pressure(low - margin, high - low + 2 * margin)
        skipped = first_sample - low * _FOLD
        envelope = self._interpolator.process(slow)[skipped : skipped + count]
        at = np.arange(first_sample, first_sample + count)
        turns = (at * (self._scene.carrier_hz / self.rate_hz)) % 1.0
        return np.asarray((envelope * np.exp(2j * np.pi * turns)[:, None]).real)

    def chain(self) -> AudioChain:
        scene = self._scene
        return AudioChain(
            scene.electronics,
            scene.unit,
            rate_hz=self.rate_hz,
            microphones=self.microphones,
            seed=scene.seed,
        )


def _filtered(pressure: Samples, taps: Samples) -> Samples:
    """Each microphone's own filter; what is needed on both sides goes."""
    if not np.iscomplexobj(pressure):
        return np.stack([np.convolve(one, h, "valid") for one, h in zip(pressure.T, taps.T, strict=True)], -1)
    out = np.empty((pressure.shape[1], len(pressure) - len(taps) + 1), np.complex64)
    given = np.ascontiguousarray(pressure.T, np.complex64)
    for m, channel in enumerate(given):
        real, imag = (
            np.ascontiguousarray(part[::-1], np.float32) for part in (taps[:, m].real, taps[:, m].imag)
        )
        out[m] = convolve(channel, real) + np.complex64(1j) * convolve(channel, imag)
    return out.T


RENDERINGS: dict[Kind, Callable[[Scene], Rendering]] = {
    "baseband": BasebandRendering,
    "audio": AudioRendering,
}


def render(scene: Scene, kind: Kind = "baseband", workers: int = 1) -> Rendered:
    """A scene's samples, to be iterated over.

    Parameters
    ----------
    kind : "baseband" complex64 as the sensor's front end gives it (half a cosine's amplitude, full scale 1);
        "audio" float32, what the sound card gives.
    workers : processes that render; the samples do not depend on it.
    """
    return Rendered(scene, kind, workers)


class Rendered:
    """The samples of a scene in order, `(count, microphones)` a piece."""

    def __init__(self, scene: Scene, kind: Kind, workers: int) -> None:
        self._scene, self._kind, self._workers = scene, kind, workers
        self._rendering = RENDERINGS[kind](scene)
        self.rate_hz, self.count = self._rendering.rate_hz, self._rendering.count
        self.microphones = self._rendering.microphones

    def __iter__(self) -> Iterator[Samples]:
        chain = self._rendering.chain()
        for signal in self._signals():
            yield chain.process(signal)

    def _signals(self) -> Iterator[Samples]:
        length = PIECE
        pieces = [(first, min(length, self.count - first)) for first in range(0, self.count, length)]
        if self._workers == 1 or len(pieces) == 1:
            yield from (self._rendering.signal(*piece) for piece in pieces)
            return
        # fresh processes: threads of the one that asks must not be copied half-way
        context = multiprocessing.get_context("spawn")
        given = (self._scene, self._kind)
        with ProcessPoolExecutor(self._workers, context, _begin_work, given) as pool:
            waiting: deque[Future[Samples]] = deque()
            for piece in pieces:
                waiting.append(pool.submit(_work, *piece))
                if len(waiting) > 2 * self._workers:  # no more in memory than keeps everybody busy
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()


_rendering: Rendering | None = None


def _begin_work(scene: Scene, kind: Kind) -> None:
    global _rendering
    _rendering = RENDERINGS[kind](scene)


def _work(first_sample: int, count: int) -> Samples:
    assert _rendering is not None
    return _rendering.signal(first_sample, count)
