"""Behind the microphones: their own noise, gain, the converter, lost samples.

Two roads, one for complex baseband and one for full-rate audio, do the same to the same signal. Both run over
consecutive blocks and remember (gain control); any length of block gives the same samples. What only audio
holds, only there can drive the gain control: music that the baseband never sees.
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

    at_s: float = Field(ge=0.0, description="when")
    db: float = Field(ge=-40.0, le=40.0, description="on top of the gain until then")


class Drop(Part):
    """Samples that the system lost: the stream goes on without them."""

    at_s: float = Field(ge=0.0, description="when")
    samples: int = Field(ge=1, le=100000, description="at the sound card's rate")


class Electronics(Part):
    """What is behind the microphones: gain, converter, lost samples. All microphones share one gain."""

    gain_db: float = Field(0.0, ge=-60.0, le=60.0, description="between microphones and converter")
    bits: Literal[16, 24, 32] = Field(24, description="of the converter; 32: floating point, no steps")
    agc: bool = Field(False, description="automatic gain control, as in phones")
    agc_target_dbfs: float = Field(
        -18.0, ge=-60.0, le=0.0, description="a sine whose peak is here is left alone"
    )
    agc_strength: float = Field(0.6, ge=0.0, le=1.0, description="share of a level change that it takes back")
    agc_attack_s: float = Field(0.05, ge=0.005, le=2.0, description="time constant when it grows louder")
    agc_release_s: float = Field(1.0, ge=0.02, le=20.0, description="time constant when it grows quieter")
    gain_steps: tuple[GainStep, ...] = Field((), description="in order of at_s")
    drops: tuple[Drop, ...] = Field((), description="in order of at_s")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for one in (self.gain_steps, self.drops):
            times_s = [step.at_s for step in one]
            if times_s != sorted(times_s):
                raise ValueError("gain_steps and drops must come in order of at_s")
        return self

    def arrives_s(self, scene_s: float, sample_rate_hz: float) -> float:
        """Where a moment of the scene is in what the card gives: after lost samples all comes early."""
        at = scene_s * sample_rate_hz
        lost = sum(min(max(at - low, 0.0), high - low) for low, high in _lost(self.drops, sample_rate_hz))
        return scene_s - lost / sample_rate_hz

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
        self._gain = _Gain(electronics, rate_hz, microphones)
        ratio = audio_rate_hz / rate_hz
        self._losses = _Losses(electronics.drops, audio_rate_hz, ratio)
        self._turns_per_lost_sample = carrier_hz / audio_rate_hz
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
        gain = self._gain.factors(signal)[:, None]
        # the microphone's noise before the gain and the converter's behind it, as one
        noise_rms = np.sqrt(np.square(self._noise_rms * gain) + np.square(self._step_rms))
        heard = np.asarray(signal, np.complex64) * (np.float32(0.5) * gain)
        noise = _white(self._seed, self._position, *signal.shape)
        noise *= noise_rms
        heard += noise
        heard = _clipped_tone(heard)
        first, self._position = self._position, self._position + len(signal)
        kept, lost = self._losses.of(first, len(signal))
        turns = (self._turns_per_lost_sample * lost[kept]) % 1.0
        if not turns.any():
            return np.asarray(heard[kept], np.complex64)
        return np.asarray(heard[kept] * np.exp(2j * np.pi * turns)[:, None], np.complex64)


class AudioChain:
    """From the ports' signal at full rate to what the sound card gives; parameters as in `BasebandChain`."""

    def __init__(
        self, electronics: Electronics, unit: Unit, *, rate_hz: float, microphones: int, seed: int
    ) -> None:
        self._gain = _Gain(electronics, rate_hz, microphones, of_waves=True)
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


#: A gain control has been listening before the scene begins. What it has heard is not known, so it begins at
#: its target, and as if that had lasted so long: it forgets it quickly and slows down to its own pace.
HEARD_BEFORE_S = 0.001
#: Of a wave it knows the power, averaged over so long; a sine's amplitude is sqrt(2) of the root.
_POWER_S = 0.001


class _Gain:
    """Fixed gain, steps, and the automatic one; a factor for every sample.

    Parameters
    ----------
    of_waves : it is shown waves; else envelopes, whose magnitude is the amplitude.
    """

    def __init__(
        self, electronics: Electronics, rate_hz: float, microphones: int, *, of_waves: bool = False
    ) -> None:
        self._settings, self._rate_hz, self._of_waves = electronics, rate_hz, of_waves
        self._position = 0
        self._target = 10.0 ** (electronics.agc_target_dbfs / 20.0)
        self._levels = np.full(microphones, self._target)
        self._powers = np.square(self._levels)
        self._attack, self._release = electronics.agc_attack_s * rate_hz, electronics.agc_release_s * rate_hz

    def factors(self, signal: npt.NDArray[np.inexact]) -> npt.NDArray[np.float32]:
        """`signal` (count, microphones): the loudest microphone decides, where anything does."""
        settings, count, first = self._settings, len(signal), self._position
        self._position += count
        if not settings.agc and not settings.gain_steps:
            return np.full(1, 10.0 ** (settings.gain_db / 20.0), np.float32)
        time_s = (first + np.arange(count)) / self._rate_hz
        db = np.full(count, settings.gain_db)
        for one in settings.gain_steps:
            db += one.db * (time_s >= one.at_s)
        gain = 10.0 ** (db / 20.0)
        if settings.agc:
            amplitude = np.ascontiguousarray(np.abs(signal) * gain[:, None], np.float64)
            if self._of_waves:
                _average(amplitude, self._powers, math.exp(-1.0 / (_POWER_S * self._rate_hz)))
            head = first + HEARD_BEFORE_S * self._rate_hz
            loudest = _follow(amplitude, self._levels, head, self._attack, self._release)
            gain = gain * (self._target / np.maximum(loudest, 1e-6)) ** settings.agc_strength
        return np.asarray(gain, np.float32)


@njit(cache=True)
def _average(waves, powers, keep):  # type: ignore[no-untyped-def]
    """Waves to their amplitude, in place; `powers` (microphones,) goes on from call to call."""
    for n in range(waves.shape[0]):
        for m in range(waves.shape[1]):
            powers[m] = keep * powers[m] + (1.0 - keep) * 2.0 * waves[n, m] * waves[n, m]
            waves[n, m] = np.sqrt(powers[m])


@njit(cache=True)
def _follow(amplitude, levels, head, attack, release):  # type: ignore[no-untyped-def]
    """The loudest of the levels, which rise with one time constant and fall with another.

    attack, release, head : in samples; `levels` (microphones,) goes on from call to call.
    """
    out = np.zeros(amplitude.shape[0])
    slowest = max(attack, release)
    rise, fall = np.exp(-1.0 / attack), np.exp(-1.0 / release)
    for n in range(amplitude.shape[0]):
        up, down = rise, fall
        if head + n < slowest:
            share = (head + n) / slowest
            up, down = np.exp(-1.0 / (attack * share)), np.exp(-1.0 / (release * share))
        for m in range(amplitude.shape[1]):
            keep = up if amplitude[n, m] > levels[m] else down
            levels[m] = keep * levels[m] + (1.0 - keep) * amplitude[n, m]
            out[n] = max(out[n], levels[m])
    return out


class _Losses:
    """Which samples arrive; `ratio` samples of the sound card are one of these."""

    def __init__(self, drops: tuple[Drop, ...], audio_rate_hz: float, ratio: float) -> None:
        self._spans = [
            (round(low / ratio), round(low / ratio) + max(1, round((high - low) / ratio)), high - low)
            for low, high in _lost(drops, audio_rate_hz)
        ]

    def of(self, first: int, count: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
        """For each sample: whether it arrives, and how many of the sound card's were lost before it."""
        at = np.arange(first, first + count)
        kept, lost = np.ones(count, np.bool_), np.zeros(count, np.int64)
        for low, high, samples in self._spans:
            kept &= (at < low) | (at >= high)
            lost += (at >= high) * samples
        return kept, lost


def _lost(drops: tuple[Drop, ...], audio_rate_hz: float) -> list[tuple[int, int]]:
    """From which to before which sample nothing arrives, in order; what is lost twice counts once."""
    spans: list[tuple[int, int]] = []
    for one in drops:
        low = round(one.at_s * audio_rate_hz)
        high = low + one.samples
        if spans:
            low, high = max(low, spans[-1][1]), max(high, spans[-1][1])
        spans.append((low, high))
    return [(low, high) for low, high in spans if low < high]


def _step(bits: int) -> float:
    """Between two values of the converter; 0: none."""
    return 0.0 if bits == 32 else 2.0 ** (1 - bits)


def _clipped_tone(halves: npt.NDArray[np.complex64]) -> npt.NDArray[np.complex64]:
    """What is left at the carrier of a sine that a converter clips at 1 (its describing function)."""
    parts = (halves if halves.flags.c_contiguous else halves.T).view(np.float32)
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
    """Complex white noise of variance 1 as a function of the sample position, `(count, channels)`.

    Both parts are uniform: every window sums hundreds of them, which is Gaussian, and normal ones would cost
    five times as much.
    """
    noise = np.empty((channels, count), np.complex64)
    for number in range(first // _STRETCH, (first + count - 1) // _STRETCH + 1):
        rng = np.random.Generator(np.random.SFC64([seed, number, _WHITE]))  # the quickest there is
        parts = rng.random((channels, 2 * _STRETCH), np.float32)
        parts -= np.float32(0.5)
        whole = parts.view(np.complex64)
        start = number * _STRETCH - first
        low, high = max(start, 0), min(start + _STRETCH, count)
        np.multiply(whole[:, low - start : high - start], np.float32(math.sqrt(6.0)), noise[:, low:high])
    return noise.T
