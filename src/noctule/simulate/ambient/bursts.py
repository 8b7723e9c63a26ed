"""Broadband bursts: noise of a spectrum, under an envelope, in a rhythm. All figures are [A] ranges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from noctule.simulate.ambient.band_noise import BandNoise
from noctule.simulate.ambient.base import ULTRASOUND_HZ, AmbientSound
from noctule.simulate.parts import FloatArray, Sound, Space, Vector, pressure_pa

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Character:
    """How bursts of a kind look; every range is drawn from anew for each sound or burst.

    spectrum_db : power density re anything at rising frequencies in Hz, straight lines over log f between.
    tilt_db : a sound's own slope per octave on top. attack, release : parts of a burst. decay : nepers of
    pressure over a burst. pulses_hz : rattle within a burst (teeth, stick-slip); None: smooth.
    """

    level_db_spl: Range
    spectrum_db: tuple[tuple[float, float], ...]
    burst_s: Range
    gap_s: Range
    lasts_s: Range
    height_m: Range
    attack: float = 0.1
    release: float = 0.2
    decay: float = 0.0
    scatter_db: float = 3.0
    tilt_db: Range = (-2.0, 2.0)
    pulses_hz: Range | None = None


class NoiseBursts(AmbientSound):
    """Bursts of noise, each kind with its own spectrum, length of bursts and pauses."""

    character: ClassVar[Character]

    level_db_spl: float = Field(
        55.0, ge=0.0, le=120.0, description="rms over a mean burst, 18-60 kHz, at 1 m"
    )
    lasts_s: float = Field(2.0, gt=0.0, le=86400.0, description="for how long bursts go on")

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        kind = cls.character
        return cls(
            at_s=rng.uniform(0.0, 20.0),
            position_m=place(rng, space, kind.height_m),
            level_db_spl=rng.uniform(*kind.level_db_spl),
            lasts_s=log_uniform(rng, kind.lasts_s),
        )

    def sound(self, rng: np.random.Generator) -> Sound:
        return _BurstSound(self, rng)


def place(rng: np.random.Generator, space: Space, height_m: Range) -> Vector:
    """Somewhere in the room, at a height that fits under its ceiling."""
    low_m, high_m = np.minimum(height_m, 0.9 * space.size_m[2])
    return space.spot(rng, z_m=float(rng.uniform(low_m, high_m)))


def log_uniform(rng: np.random.Generator, span: Range) -> float:
    return float(np.exp(rng.uniform(*np.log(span))))


class _BurstSound:
    def __init__(self, part: NoiseBursts, rng: np.random.Generator) -> None:
        kind = self._kind = part.character
        self.position_m = np.array(part.position_m)
        self.starts_s, self.ends_s = part.at_s, part.at_s + part.lasts_s
        self._start_s, self._stop_s = _rhythm(kind, self.starts_s, self.ends_s, rng)
        gain = 10.0 ** (kind.scatter_db * rng.uniform(-1.0, 1.0, len(self._start_s)) / 20.0)
        self._gain = gain / np.sqrt(np.mean(gain**2) * _mean_square(kind))
        self._pulse_hz = log_uniform(rng, kind.pulses_hz) if kind.pulses_hz else 0.0
        density = _density(part, float(rng.uniform(*kind.tilt_db)))
        self._noise = BandNoise(density, int(rng.integers(1 << 62)))

    def waveform(self, rate_hz: float, first_sample: int, count: int) -> FloatArray:
        out = np.zeros(count)
        begin, end = first_sample / rate_hz, (first_sample + count) / rate_hz
        low = int(np.searchsorted(self._stop_s, begin))
        high = int(np.searchsorted(self._start_s, end))
        for start_s, stop_s, gain in zip(
            self._start_s[low:high], self._stop_s[low:high], self._gain[low:high], strict=True
        ):
            a = max(first_sample, int(np.ceil(start_s * rate_hz)))
            b = min(first_sample + count, int(np.ceil(stop_s * rate_hz)))
            if a < b:
                since_s = np.arange(a, b) / rate_hz - start_s
                shape = gain * _envelope(self._kind, since_s / (stop_s - start_s))
                if self._pulse_hz:
                    shape *= _pulses(since_s * self._pulse_hz)
                out[a - first_sample : b - first_sample] = shape * self._noise.samples(rate_hz, a, b - a)
        return out


def _rhythm(
    kind: Character, start_s: float, end_s: float, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    starts, stops, at_s = [], [], start_s
    while at_s < end_s:
        stop_s = min(end_s, at_s + log_uniform(rng, kind.burst_s))
        starts.append(at_s)
        stops.append(stop_s)
        at_s = stop_s + log_uniform(rng, kind.gap_s)
    return np.array(starts), np.array(stops)


def _envelope(kind: Character, part: FloatArray) -> FloatArray:
    rise = np.sin(0.5 * np.pi * np.clip(part / kind.attack, 0.0, 1.0)) ** 2
    fall = np.sin(0.5 * np.pi * np.clip((1.0 - part) / kind.release, 0.0, 1.0)) ** 2
    return np.asarray(rise * fall * np.exp(-kind.decay * part))


def _mean_square(kind: Character) -> float:
    return float(np.mean(_envelope(kind, (np.arange(2000) + 0.5) / 2000) ** 2))


def _pulses(cycles: FloatArray) -> FloatArray:
    """Mean square 1. The edges are round: steps would smear the audible part over the ultrasound."""
    return _pulse(cycles % 1.0) / _PULSE_RMS


def _pulse(part: FloatArray) -> FloatArray:
    edges = np.minimum(1.0, np.minimum(part, 1.0 - part) / 0.15)
    return np.asarray(np.sin(0.5 * np.pi * edges) ** 2 * np.exp(-3.0 * part))


_PULSE_RMS = float(np.sqrt(np.mean(_pulse((np.arange(2000) + 0.5) / 2000) ** 2)))


def _density(part: NoiseBursts, tilt_db: float) -> Callable[[FloatArray], FloatArray]:
    corner_hz, knots_db = np.array(part.character.spectrum_db).T

    def shape(frequency_hz: FloatArray) -> FloatArray:
        octaves = np.log2(np.maximum(frequency_hz, 100.0) / 30000.0)
        level_db = np.interp(octaves, np.log2(corner_hz / 30000.0), knots_db) + tilt_db * octaves
        return np.asarray(10.0 ** (level_db / 10.0))

    band_hz = np.arange(*ULTRASOUND_HZ, 20.0)
    scale = pressure_pa(part.level_db_spl) ** 2 / (20.0 * shape(band_hz).sum())
    return lambda frequency_hz: scale * shape(frequency_hz) * part.gain(frequency_hz) ** 2


_FALLING = ((300.0, 0.0), (3000.0, 0.0), (20000.0, -30.0), (60000.0, -50.0), (150000.0, -80.0))
_HISSING = ((1000.0, -25.0), (6000.0, 0.0), (10000.0, -3.0), (20000.0, -18.0), (40000.0, -35.0), (1e5, -60.0))
_CLINKING = ((2000.0, -30.0), (15000.0, -3.0), (35000.0, 0.0), (60000.0, -5.0), (150000.0, -25.0))
_FLAT = ((500.0, -20.0), (10000.0, 0.0), (60000.0, -6.0), (150000.0, -25.0))


class Sibilants(NoiseBursts):
    """The s, sh and t of somebody who talks: the only part of speech that reaches ultrasound."""

    kind: Literal["sibilants"] = "sibilants"
    label: ClassVar[str] = "speech"
    character = Character(
        (25.0, 55.0), _HISSING, (0.04, 0.18), (0.08, 1.2), (1.0, 60.0), (0.9, 1.8), 0.3, 0.3, scatter_db=6.0
    )


class Cough(NoiseBursts):
    """One, or a fit of it."""

    kind: Literal["cough"] = "cough"
    label: ClassVar[str] = "cough"
    character = Character(
        (35.0, 65.0), _FALLING, (0.1, 0.35), (0.1, 0.5), (0.3, 2.0), (0.9, 1.8), 0.05, 0.5, decay=2.0
    )


class Clap(NoiseBursts):
    """Of two hands."""

    kind: Literal["clap"] = "clap"
    label: ClassVar[str] = "clap"
    character = Character(
        (55.0, 90.0), _FALLING, (0.006, 0.025), (0.15, 0.7), (0.02, 15.0), (0.8, 1.5), 0.03, 0.2, decay=5.0
    )


class Hiss(NoiseBursts):
    """Compressed air, a spray can, a leak: steady, and louder the higher."""

    kind: Literal["hiss"] = "hiss"
    label: ClassVar[str] = "hiss"
    character = Character(
        (50.0, 95.0), _FLAT, (0.5, 20.0), (0.2, 5.0), (0.5, 60.0), (0.2, 1.8), 0.02, 0.03, scatter_db=1.0
    )


class SlidingChair(NoiseBursts):
    """Feet on a hard floor that stick and slip."""

    kind: Literal["sliding_chair"] = "sliding_chair"
    label: ClassVar[str] = "sliding chair"
    character = Character(
        (40.0, 70.0), _FALLING, (0.15, 0.8), (0.05, 0.6), (0.5, 2.0), (0.0, 0.05), pulses_hz=(20.0, 300.0)
    )


class Footsteps(NoiseBursts):
    """Hard soles heard, not seen: somebody around the corner."""

    kind: Literal["footsteps"] = "footsteps"
    label: ClassVar[str] = "footsteps"
    character = Character(
        (25.0, 55.0), _FALLING, (0.02, 0.08), (0.4, 0.7), (2.0, 30.0), (0.0, 0.05), 0.05, 0.3, decay=4.0
    )


class Typing(NoiseBursts):
    """Keys of a keyboard, heard; who types is a person's `type`."""

    kind: Literal["typing"] = "typing"
    label: ClassVar[str] = "typing"
    character = Character(
        (35.0, 60.0), _FLAT, (0.003, 0.012), (0.06, 0.5), (2.0, 60.0), (0.7, 0.8), 0.05, 0.3, decay=4.0
    )


class PaperRustle(NoiseBursts):
    """Paper, plastic bags, crisp packets: crackles all the way up."""

    kind: Literal["paper_rustle"] = "paper_rustle"
    label: ClassVar[str] = "rustle"
    character = Character(
        (35.0, 70.0), _FLAT, (0.004, 0.08), (0.005, 0.3), (0.5, 15.0), (0.3, 1.4), decay=2.0, scatter_db=8.0
    )


class Zip(NoiseBursts):
    """A zip fastener: its teeth, one by one."""

    kind: Literal["zip"] = "zip"
    label: ClassVar[str] = "zip"
    character = Character(
        (40.0, 70.0), _FLAT, (0.2, 1.0), (0.3, 3.0), (0.2, 3.0), (0.4, 1.5), pulses_hz=(80.0, 600.0)
    )


class RunningWater(NoiseBursts):
    """From a tap."""

    kind: Literal["running_water"] = "running_water"
    label: ClassVar[str] = "running water"
    character = Character(
        (30.0, 60.0), _FLAT, (2.0, 60.0), (1.0, 20.0), (3.0, 120.0), (0.8, 1.1), 0.05, 0.05, scatter_db=2.0
    )


class Keys(NoiseBursts):
    """Jingling keys: many short clinks, strongest above hearing."""

    kind: Literal["keys"] = "keys"
    label: ClassVar[str] = "keys"
    character = Character(
        (50.0, 80.0), _CLINKING, (0.004, 0.025), (0.003, 0.12), (0.3, 5.0), (0.7, 1.4), 0.05, 0.3, decay=5.0
    )


BURSTS = (
    Keys,
    Sibilants, Cough, Clap, Hiss, SlidingChair, Footsteps, Typing, PaperRustle, Zip, RunningWater,
)  # fmt: skip
