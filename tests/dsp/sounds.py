"""Sounds made on the spot for the tests of the signal chain, and ways to run the chain over them.

Tones are exact at any position of a stream: the phase is reduced in whole numbers before the cosine.
Reflections are solved for the time of emission, so no test leans on the Doppler formula it checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields

import numpy as np
import numpy.typing as npt

from noctule.core.frames import PER_FRAME, AudioBlock, BasebandBlock, FeatureBlock, Float32Array
from noctule.core.settings import FeatureSettings
from noctule.core.units import SPEED_OF_SOUND_MPS
from noctule.dsp.features import FeatureExtractor

FloatArray = npt.NDArray[np.float64]
ComplexArray = npt.NDArray[np.complex128]
BASEBAND_HZ = 6000.0


def tone(
    rate_hz: int, hz: int, samples: int, amplitude: float = 0.1, phase: float = 0.0, first_sample: int = 0
) -> FloatArray:
    """A cosine that is exact an hour into a stream; `rate_hz` and `hz` are whole numbers."""
    turns = ((first_sample + np.arange(samples, dtype=np.int64)) * hz % rate_hz) / rate_hz
    return amplitude * np.cos(2.0 * np.pi * turns + phase)


def two_way(
    rate_hz: float, carrier_hz: float, seconds: float, distance_m: Callable[[FloatArray], FloatArray]
) -> FloatArray:
    """What a microphone beside the loudspeaker gets back from a reflector, unit amplitude.

    `distance_m` is the reflector's distance at a time. A sound heard at t left the reflector at
    t_r = t - R(t_r)/c and the loudspeaker at t_e = t_r - R(t_r)/c: solved by iteration.
    """
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    reflected = t.copy()
    for _ in range(12):  # each round shrinks the error by v/c, 2 % at most
        reflected = t - distance_m(reflected) / SPEED_OF_SOUND_MPS
    emitted = 2.0 * reflected - t
    return np.asarray(np.cos(2.0 * np.pi * carrier_hz * emitted), dtype=np.float64)


def coming_at(velocity_mps: float, seconds: float) -> Callable[[FloatArray], FloatArray]:
    """Distance of something that comes at a constant velocity, 1 m away at the nearest."""
    start_m = 1.0 + max(velocity_mps, 0.0) * seconds
    return lambda t: start_m - velocity_mps * t


def in_blocks(
    audio: npt.NDArray[np.floating], rate_hz: float, sizes: int | Sequence[int], first_sample: int = 0
) -> Iterator[AudioBlock]:
    """Cut `(samples,)` or `(samples, channels)` into blocks; the last size repeats."""
    samples = np.asarray(audio, dtype=np.float32).reshape(len(audio), -1)
    sizes = [sizes] if isinstance(sizes, int) else list(sizes)
    at = 0
    while at < len(samples):
        size = sizes.pop(0) if len(sizes) > 1 else sizes[0]
        yield AudioBlock(samples[at : at + size], float(rate_hz), first_sample + at)
        at += size


def joined(blocks: Iterable[FeatureBlock]) -> FeatureBlock:
    """One block of all frames."""
    parts = list(blocks)
    values = {f.name: getattr(parts[0], f.name) for f in fields(FeatureBlock)}
    values |= {name: np.concatenate([getattr(p, name) for p in parts]) for name in PER_FRAME}
    return FeatureBlock(**values)


def features_of(
    audio: npt.NDArray[np.floating], rate_hz: float, carrier_hz: float, sizes: int | Sequence[int] = 4096
) -> FeatureBlock:
    """All frames of a piece of audio."""
    channels = 1 if audio.ndim == 1 else audio.shape[1]
    extractor = FeatureExtractor(
        FeatureSettings(), carrier_hz=carrier_hz, channels=channels, sample_rate_hz=rate_hz
    )
    return joined(extractor.process(block) for block in in_blocks(audio, rate_hz, sizes))


class Room:
    """Scenes at the baseband rate, where a second is 6000 samples: a carrier, noise, and what is added.

    Parameters
    ----------
    carrier : half the tone's amplitude, as the downconverter gives it.
    snr_db : carrier over the noise in 10 Hz, 60 dB as in the shared recordings; None: no noise.
    """

    def __init__(
        self,
        seconds: float,
        *,
        carrier_hz: float = 40000.0,
        microphones: int = 1,
        snr_db: float | None = 60.0,
        carrier: float = 0.05,
        seed: int = 1,
    ) -> None:
        self.carrier_hz = carrier_hz
        self.rng = np.random.default_rng(seed)
        self.t = np.arange(round(seconds * BASEBAND_HZ)) / BASEBAND_HZ
        self.carrier = carrier
        self.samples: ComplexArray = np.full((len(self.t), microphones), carrier, dtype=np.complex128)
        #: standard deviation of the noise
        self.sigma = 0.0 if snr_db is None else carrier * np.sqrt(BASEBAND_HZ / 10.0) * 10 ** (-snr_db / 20)
        self.samples += self.noise(self.sigma)

    def noise(self, sigma: float) -> ComplexArray:
        """White noise of a variance, another on every microphone."""
        parts = self.rng.standard_normal((2, *self.samples.shape))
        return np.asarray(sigma * np.sqrt(0.5) * (parts[0] + 1j * parts[1]), dtype=np.complex128)

    def reflector(self, velocity_mps: FloatArray | float, amplitude: FloatArray | float) -> ComplexArray:
        """Baseband of something moving, exact Doppler, `(samples, 1)`."""
        v = np.broadcast_to(np.asarray(velocity_mps, dtype=np.float64), self.t.shape)
        hz = 2.0 * v * self.carrier_hz / (SPEED_OF_SOUND_MPS - v)
        turns = np.cumsum(hz) / BASEBAND_HZ
        return np.asarray((amplitude * np.exp(2j * np.pi * turns))[:, None], dtype=np.complex128)

    def block(self) -> BasebandBlock:
        return BasebandBlock(self.samples.astype(np.complex64), BASEBAND_HZ, self.carrier_hz, 0)

    def extractor(self) -> FeatureExtractor:
        return FeatureExtractor(
            FeatureSettings(),
            carrier_hz=self.carrier_hz,
            channels=self.samples.shape[1],
            baseband_rate_hz=BASEBAND_HZ,
        )

    def features(self) -> FeatureBlock:
        return self.extractor().process_baseband(self.block())


def near_cells(velocity_mps: Float32Array, at_mps: float, within_mps: float) -> npt.NDArray[np.bool_]:
    """Cells of the grid within a distance of a velocity."""
    return np.asarray(np.abs(velocity_mps - at_mps) <= within_mps + 1e-6)
