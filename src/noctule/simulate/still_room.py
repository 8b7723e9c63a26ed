"""A room in which nothing moves, at every frequency: what comes back of whatever is played.

The renderers know the tone alone; a sweep needs the beam, the air and the specimen at each frequency. Moving
air is left out.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.signal

from noctule.core.frames import Float32Array
from noctule.simulate.clutter import StillPaths, still_paths
from noctule.simulate.electronics import AudioChain
from noctule.simulate.live import REFERENCE
from noctule.simulate.noise import ShapedNoise
from noctule.simulate.parts import FloatArray, generator
from noctule.simulate.scenes import Scene

ComplexArray = npt.NDArray[np.complex128]

#: The beam is looked up on a grid so wide; the answer is known on one so fine, so it lasts 0.1 s.
BEAM_STEP_HZ, STEP_HZ = 500.0, 10.0
#: Nothing is said below: loudspeaker and beam are those of the inaudible range.
LOWEST_HZ = 16000.0
REACH_M = 14.0


class StillRoom:
    """A scene's room, device and unit, without movers and sounds.

    As in `LiveRoom` a tone at `live.REFERENCE_DBFS` leaves with the device's `tone_db_spl`, times what the
    specimen makes of it.

    delay_s : from play to record, of the sound card.
    """

    def __init__(self, scene: Scene, delay_s: float = 0.02) -> None:
        self.scene, self.delay_s = scene, delay_s
        self.rate_hz = scene.sample_rate_hz
        self.hz = np.arange(LOWEST_HZ, 0.5 * self.rate_hz + STEP_HZ, STEP_HZ)
        self.response = self._response()
        self.microphones = self.response.shape[1]
        self._answer = self._impulse_response()

    def _response(self) -> ComplexArray:
        """(frequencies, microphones) full scales heard for full scale played, complex."""
        scene, unit = self.scene, self.scene.unit
        out = np.empty((len(self.hz), len(scene.device.transducers(self.hz[0]).microphones_m)), np.complex128)
        edges = np.arange(self.hz[0], self.hz[-1] + BEAM_STEP_HZ, BEAM_STEP_HZ)
        for low, high in pairwise(edges):
            here = (self.hz >= low) & (self.hz < high) if high < edges[-1] else self.hz >= low
            hz = self.hz[here]
            paths = self._paths(0.5 * (low + high))
            turns = paths.length_m[None] * (hz / scene.room.speed_of_sound_mps)[:, None, None]
            heard = (paths.gain[None] * np.exp(-2j * np.pi * (turns % 1.0))).sum(1) / REFERENCE
            capsule = np.stack([unit.microphone(m, hz) for m in range(heard.shape[1])], 1)
            loud = np.array([unit.loudspeaker_gain(float(one)) for one in hz])
            out[here] = heard * capsule * loud[:, None]
        return out

    def _paths(self, frequency_hz: float) -> StillPaths:
        scene = self.scene
        place = scene.device.transducers(frequency_hz, scene.room.speed_of_sound_mps)
        nepers = float(scene.room.air_nepers_per_m(frequency_hz))
        return still_paths(scene.room, place, nepers, generator(scene.seed, "glints"), reach_m=REACH_M)

    def _impulse_response(self) -> FloatArray:
        """(taps, microphones): all of the response, for the answer is shorter than its grid can hold."""
        taps = 2 * round(0.5 * self.rate_hz / STEP_HZ)
        whole = np.zeros((taps // 2 + 1, self.microphones), np.complex128)
        first = round(LOWEST_HZ / STEP_HZ)
        count = min(len(self.response), len(whole) - first)
        whole[first : first + count] = self.response[:count]
        return np.asarray(scipy.fft.irfft(whole, taps, axis=0))

    def _turning(self, take: int) -> ShapedNoise:
        unit, seed = self.scene.unit, self.scene.seed
        return ShapedNoise(
            lambda hz: 2.0 * unit.skirt_per_hz(hz), self.rate_hz, seed, "still", take, segment_s=2.0
        )

    def hear(self, played: Float32Array, take: int = 0) -> Float32Array:
        """`(samples,)` played to `(samples, microphones)` heard meanwhile; each take has noise of its own."""
        late = round(self.delay_s * self.rate_hz)
        size = scipy.fft.next_fast_len(len(played) + len(self._answer) + late, real=True)
        spectrum = scipy.fft.rfft(played, size)[:, None] * scipy.fft.rfft(self._answer, size, axis=0)
        heard = np.roll(scipy.fft.irfft(spectrum, size, axis=0), late, axis=0)
        # the clocks turn all of it, as in `render.Tone`
        turn = self._turning(take).samples(0, len(heard))
        heard -= np.imag(scipy.signal.hilbert(heard, axis=0)) * turn
        chain = AudioChain(
            self.scene.electronics,
            self.scene.unit,
            rate_hz=self.rate_hz,
            microphones=self.microphones,
            seed=self.scene.seed + take,
        )
        return chain.process(heard[: len(played)])
