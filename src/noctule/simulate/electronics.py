"""Behind the microphones: their own noise, gain, the converter, lost samples.

Two roads, one for complex baseband and one for full-rate audio, do the same to the same signal. Both run over
consecutive blocks and remember (gain control); any length of block gives the same samples.
"""

from __future__ import annotations

import math
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from numba import njit
from pydantic import Field, model_validator

from noctule.simulate.noise import ShapedNoise
from noctule.simulate.parts import FloatArray, Part
from noctule.simulate.unit import Unit

ComplexArray = npt.NDArray[np.complex128]


class GainStep(Part):
    """Somebody, or a driver, changes the input's gain."""

    at_s: float = Field(ge=0.0)
    db: float = Field(ge=-40.0, le=40.0)


class Drop(Part):
    """Samples that the system lost: the stream goes on without them."""

    at_s: float = Field(ge=0.0)
    samples: int = Field(ge=1, le=100000, description="at the sound card's rate")


class Electronics(Part):
    """What is behind the microphones."""

    gain_db: float = Field(0.0, ge=-60.0, le=60.0)
    bits: Literal[16, 24, 32] = Field(24, description="32: floating point, no steps")
    agc: bool = Field(False, description="automatic gain control, as in phones")
    agc_target_dbfs: float = Field(-18.0, ge=-60.0, le=0.0)
    agc_strength: float = Field(0.6, ge=0.0, le=1.0, description="share of a level change that it takes back")
    agc_attack_s: float = Field(0.05, ge=0.005, le=2.0)
    agc_release_s: float = Field(1.0, ge=0.02, le=20.0)
    gain_steps: tuple[GainStep, ...] = ()
    drops: tuple[Drop, ...] = ()

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for one in (self.gain_steps, self.drops):
            times_s = [step.at_s for step in one]
            if times_s != sorted(times_s):
                raise ValueError("gain_steps and drops must come in order of at_s")
        return self

    @classmethod
    def draw(cls, rng: np.random.Generator, duration_s: float = 60.0) -> Self:
        """Mostly plain; one in ten has a gain control, one in twenty a step or lost samples. [A]"""
        steps = sorted(rng.uniform(0.0, duration_s, rng.integers(1, 3))) if rng.random() < 0.05 else []
        losses = sorted(rng.uniform(0.0, duration_s, rng.integers(1, 5))) if rng.random() < 0.05 else []
        return cls(
            gain_db=rng.uniform(-10.0, 15.0),
            bits=(16, 24, 32)[rng.integers(3)],
            agc=bool(rng.random() < 0.1),
            agc_target_dbfs=rng.uniform(-30.0, -10.0),
            agc_strength=rng.uniform(0.2, 0.9),
            agc_attack_s=rng.uniform(0.01, 0.3),
            agc_release_s=rng.uniform(0.2, 5.0),
            gain_steps=tuple(GainStep(at_s=at, db=rng.uniform(-12.0, 12.0)) for at in steps),
            drops=tuple(Drop(at_s=at, samples=int(rng.integers(16, 4800))) for at in losses),
        )


class BasebandChain:
    """From the ports' signal around the carrier to what the front end would give.

    Parameters
    ----------
    rate_hz, audio_rate_hz : of the baseband, and of the sound card that it stands for.
    microphones, seed : how many; of the noise.
    """

    def __init__(
        self,
        electronics: Electronics,
        unit: Unit,
        *,
        carrier_hz: float,
        rate_hz: float,
        audio_rate_hz: float,
        microphones: int,
        seed: int,
    ) -> None:
        self._gain = _Gain(electronics, rate_hz)
        ratio = audio_rate_hz / rate_hz
        self._losses = _Losses(electronics.drops, rate_hz, ratio)
        self._turn_per_sample = carrier_hz / rate_hz
        # half of the one-sided density falls on a complex sample: a cosine of amplitude A is A/2 here
        at = np.array([carrier_hz])
        own = [0.5 * unit.noise_per_hz(m, at)[0] for m in range(microphones)]
        alive = np.array([m not in unit.dead for m in range(microphones)])
        self._noise_rms = np.sqrt(np.array(own) * rate_hz).astype(np.float32)
        self._step_rms = np.float32(_step(electronics.bits) / math.sqrt(12.0 * ratio)) * alive
        self._seed = seed
        self._position = 0

    def process(self, signal: npt.NDArray[np.complexfloating]) -> npt.NDArray[np.complex64]:
        """`(count, microphones)` amplitude in full scales, to complex64 samples, less those that are lost."""
        halves = np.float32(0.5) * np.asarray(signal, np.complex64)
        gain = self._gain.factors(2.0 * halves)[:, None]
        # the microphone's noise before the gain and the converter's behind it, as one
        noise_rms = np.sqrt(np.square(self._noise_rms * gain) + np.square(self._step_rms))
        noise = _white(self._seed, self._position, *signal.shape) * noise_rms
        heard = _clipped_tone(np.asarray(halves * gain + noise, np.complex64))
        first, self._position = self._position, self._position + len(signal)
        kept, lost = self._losses.of(first, len(signal))
        turns = (self._turn_per_sample * lost[kept]) % 1.0
        if not turns.any():
            return np.asarray(heard[kept], np.complex64)
        return np.asarray(heard[kept] * np.exp(2j * np.pi * turns)[:, None], np.complex64)


class AudioChain:
    """From the ports' signal at full rate to what the sound card gives; parameters as in `BasebandChain`."""

    def __init__(
        self, electronics: Electronics, unit: Unit, *, rate_hz: float, microphones: int, seed: int
    ) -> None:
        self._gain = _Gain(electronics, rate_hz)
        self._losses = _Losses(electronics.drops, rate_hz, 1.0)
        self._step = _step(electronics.bits)
        self._alive = np.array([m not in unit.dead for m in range(microphones)])
        self._noise = [_self_noise(unit, m, rate_hz, seed) for m in range(microphones)]
        self._position = 0

    def process(self, signal: FloatArray) -> npt.NDArray[np.float32]:
        """`(count, microphones)` full scale 1, to float32 samples, fewer where some are lost."""
        first, self._position = self._position, self._position + len(signal)
        noise = np.concatenate([one.samples(first, len(signal)) for one in self._noise], 1)
        heard = signal + noise
        heard = heard * self._gain.factors(heard)[:, None]
        if self._step:
            # a converter's last step is nobody's silence: what a dead channel gives is exactly zero
            heard = np.rint(heard / self._step) * self._step
            heard = np.clip(heard, -1.0, 1.0 - self._step)
        else:
            heard = np.clip(heard, -1.0, 1.0)
        kept, _ = self._losses.of(first, len(signal))
        return np.asarray((heard * self._alive)[kept], np.float32)


def _self_noise(unit: Unit, microphone: int, rate_hz: float, seed: int) -> ShapedNoise:
    def density(hz: FloatArray) -> FloatArray:
        return unit.noise_per_hz(microphone, hz)

    return ShapedNoise(density, rate_hz, seed, "self-noise", microphone, segment_s=0.2)


class _Gain:
    """Fixed gain, steps, and the automatic one; a factor for every sample."""

    def __init__(self, electronics: Electronics, rate_hz: float) -> None:
        self._settings, self._rate_hz = electronics, rate_hz
        self._position, self._level = 0, -1.0
        self._turns = np.exp(
            -1.0 / (np.array([electronics.agc_attack_s, electronics.agc_release_s]) * rate_hz)
        )

    def factors(self, signal: npt.NDArray[np.inexact]) -> npt.NDArray[np.float32]:
        """`signal` (count, microphones): the loudest microphone's amplitude decides, where anything does."""
        settings, count = self._settings, len(signal)
        if not settings.agc and not settings.gain_steps:
            self._position += count
            return np.full(1, 10.0 ** (settings.gain_db / 20.0), np.float32)
        time_s = (self._position + np.arange(count)) / self._rate_hz
        self._position += count
        db = np.full(count, settings.gain_db)
        for one in settings.gain_steps:
            db += one.db * (time_s >= one.at_s)
        gain = 10.0 ** (db / 20.0)
        if settings.agc:
            target = 10.0 ** (settings.agc_target_dbfs / 20.0)
            amplitude = np.ascontiguousarray(np.abs(signal).max(1) * gain, np.float64)
            if self._level < 0.0:  # it has been listening before the scene began
                self._level = float(amplitude[0])
            levels, self._level = _follow(amplitude, self._level, *self._turns)
            gain = gain * (target / np.maximum(levels, 1e-6)) ** settings.agc_strength
        return np.asarray(gain, np.float32)


@njit(cache=True)
def _follow(amplitude, level, attack, release):  # type: ignore[no-untyped-def]
    """A level that rises with one time constant and falls with another."""
    out = np.empty(len(amplitude))
    for n in range(len(amplitude)):
        keep = attack if amplitude[n] > level else release
        level = keep * level + (1.0 - keep) * amplitude[n]
        out[n] = level
    return out, level


class _Losses:
    """Which samples arrive."""

    def __init__(self, drops: tuple[Drop, ...], rate_hz: float, ratio: float) -> None:
        self._spans = [
            (round(one.at_s * rate_hz), round(one.at_s * rate_hz) + max(1, round(one.samples / ratio)))
            for one in drops
        ]

    def of(self, first: int, count: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
        """For each sample: whether it arrives, and how many were lost before it."""
        at = np.arange(first, first + count)
        kept, lost = np.ones(count, np.bool_), np.zeros(count, np.int64)
        for low, high in self._spans:
            kept &= (at < low) | (at >= high)
            lost += (at >= high) * (high - low)
        return kept, lost


def _step(bits: int) -> float:
    """Between two values of the converter; 0: none."""
    return 0.0 if bits == 32 else 2.0 ** (1 - bits)


def _clipped_tone(halves: npt.NDArray[np.complex64]) -> npt.NDArray[np.complex64]:
    """What is left at the carrier of a sine that a converter clips at 1 (its describing function)."""
    parts = halves.view(np.float32)
    if max(parts.max(initial=0.0), -parts.min(initial=0.0)) <= 0.353:  # of both parts: nowhere above 1
        return halves
    amplitude = 2.0 * np.abs(halves)
    if amplitude.max(initial=0.0) <= 1.0:
        return halves
    inverse = 1.0 / np.maximum(amplitude, 1.0)
    share = 2.0 / np.pi * (np.arcsin(inverse) + inverse * np.sqrt(1.0 - inverse**2))
    return np.asarray(halves * share, np.complex64)


#: White noise is made in stretches of so many samples, each from a generator of its own.
_STRETCH, _WHITE = 8192, 0x5E1F


def _white(seed: int, first: int, count: int, channels: int) -> npt.NDArray[np.complex64]:
    """Complex white noise of variance 1 as a function of the sample position, `(count, channels)`."""
    pieces = []
    for number in range(first // _STRETCH, (first + count - 1) // _STRETCH + 1):
        rng = np.random.Generator(np.random.SFC64([seed, number, _WHITE]))  # the quickest there is
        whole = rng.standard_normal((_STRETCH, channels, 2), np.float32) * np.float32(math.sqrt(0.5))
        start = number * _STRETCH
        pieces.append(whole[max(first - start, 0) : first + count - start])
    return np.concatenate(pieces).view(np.complex64)[..., 0]
