"""One specimen of the hardware: no two units respond alike above 20 kHz.

Everything is drawn from `seed`, so a unit can be met again in other rooms. Responses are smooth random
functions of frequency: a small cone has notches 10-20 dB deep every few kilohertz, units differ by 6 dB; a
microphone resonates somewhere between 20 and 40 kHz, and its self-noise rises there. [A, but for the skirt]
"""

from __future__ import annotations

import math
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from noctule.simulate.parts import REFERENCE_PRESSURE_PA, FloatArray, Part, generator

ComplexArray = npt.NDArray[np.complex128]

#: Measured static skirt of a real 40 kHz bench set with separate clocks, dBc/Hz. [R: uct_edwards]
_SKIRT_HZ = np.array([1.0, 10.0, 30.0, 100.0, 300.0, 3000.0])
_SKIRT_DBC = np.array([-45.0, -58.0, -75.0, -90.0, -99.0, -112.0])
#: Against it, and how many units are so: one clock for both directions takes off 30 dB at 10 Hz for 0.5 ms of
#: delay by itself; others have one clock and a poor supply; a bench set or a USB pair shows all of it. [A]
_SKIRTS_DB, _SKIRT_SHARES = ((-60.0, -40.0), (-40.0, -15.0), (-15.0, 2.0)), (0.45, 0.3, 0.25)
#: Flat noise density of a microphone of 65 dB(A): half way between 60 and 69 dB(A). [D]
_NOISE_65_DB_SPL_PER_HZ = -12.0
#: Spacing of the random ripples in frequency: a cone's modes, and what a capsule's port adds. [A]
_CONE_RIPPLE_HZ, _CAPSULE_RIPPLE_HZ = 1500.0, 6000.0
#: Share of the rate up to which taps follow a response, and what an error beyond counts.
_FOLLOWED, _BEYOND = 0.42, 0.03


class Unit(Part):
    """A specimen: loudspeaker, microphones, clock. No two respond alike above 20 kHz; the seed draws how."""

    seed: int = Field(
        0, ge=0, description="which specimen; the same one in other scenes is the same hardware"
    )
    ripple_db: float = Field(4.0, ge=0.0, le=12.0, description="raggedness of the loudspeaker, rms")
    spread_db: float = Field(2.0, ge=0.0, le=6.0, description="between microphones, rms")
    spread_deg: float = Field(10.0, ge=0.0, le=40.0, description="between microphones, rms")
    sensitivity_dbfs: float = Field(
        -26.0, ge=-60.0, le=-5.0, description="a sine of 94 dB SPL, its peak re full scale"
    )
    resonance_hz: float = Field(28000.0, ge=15000.0, le=60000.0, description="of the microphones")
    resonance_db: float = Field(8.0, ge=0.0, le=20.0, description="height of that resonance")
    resonance_q: float = Field(3.0, ge=0.5, le=10.0, description="how narrow it is")
    snr_dba: float = Field(65.0, ge=50.0, le=75.0, description="of the microphones")
    noise_rise_db: float = Field(6.0, ge=0.0, le=25.0, description="of self-noise at 32 kHz against 1 kHz")
    skirt_db: float = Field(-20.0, ge=-60.0, le=10.0, description="clock noise against a measured bench set")
    covered: tuple[int, ...] = Field((), description="microphones behind a finger or cloth, counted from 0")
    covered_db: float = Field(20.0, ge=0.0, le=60.0, description="what finger or cloth takes")
    dead: tuple[int, ...] = Field((), description="microphones that give nothing, counted from 0")

    def loudspeaker_gain(self, frequency_hz: float) -> float:
        """Amplitude of this specimen's tone against what is said of the device."""
        smooth = _ripple(generator(self.seed, "loudspeaker"), np.array([frequency_hz]), _CONE_RIPPLE_HZ)[0]
        notched = smooth + 2.0 * min(smooth + 1.0, 0.0)  # deep dips now and then
        return float(10.0 ** (self.ripple_db * notched / 20.0))

    def microphone(self, channel: int, frequency_hz: FloatArray) -> ComplexArray:
        """Full scale (peak) per pascal in front of one microphone."""
        cover = 10.0 ** (-self.covered_db / 20.0) if channel in self.covered else 1.0
        return np.asarray(cover * self._capsule(channel, frequency_hz))

    def _capsule(self, channel: int, frequency_hz: FloatArray) -> ComplexArray:
        """The microphone itself, whatever lies on it."""
        hz = np.atleast_1d(np.asarray(frequency_hz, float))
        rng = generator(self.seed, "microphone", channel)
        own_db = self.spread_db * (rng.standard_normal() + 0.5 * _ripple(rng, hz, _CAPSULE_RIPPLE_HZ))
        level_db = self.sensitivity_dbfs - 94.0 + own_db
        own_deg = self.spread_deg * (rng.standard_normal() + 0.5 * _ripple(rng, hz, _CAPSULE_RIPPLE_HZ))
        resonance_hz = self.resonance_hz * (1.0 + 0.03 * rng.standard_normal())
        # a sine of 94 dB SPL is sqrt(2) Pa at its peak; its samples' peak re full scale is the sensitivity
        gain = (
            10.0 ** (level_db / 20.0) / (math.sqrt(2.0) * REFERENCE_PRESSURE_PA) * (channel not in self.dead)
        )
        return np.asarray(gain * np.exp(1j * np.radians(own_deg)) * self._resonance(hz / resonance_hz))

    def microphone_taps(
        self, channels: int, rate_hz: float, around_hz: float, count: int = 33
    ) -> npt.NDArray[np.complex128]:
        """The microphones as filters `(count, channels)` for samples around a frequency, centred taps.

        Least squares over the band, all of it but the edge, where the spectrum closes on itself. For audio
        (`around_hz` 0) they are real.
        """
        share = np.linspace(0.0 if around_hz == 0.0 else -0.5, 0.5, 4 * count + 1)
        # audio is followed nearly to both ends of its band; a constant phase cannot be, there
        followed = np.abs(share) <= _FOLLOWED if around_hz else (share >= 0.01) & (share <= 0.48)
        weight = np.where(followed, 1.0, _BEYOND)[:, None]
        hz = np.maximum(around_hz + share * rate_hz, 100.0)
        wanted = weight * np.stack([self.microphone(m, hz) for m in range(channels)], 1)
        waves = weight * np.exp(-2j * np.pi * np.outer(share, np.arange(count) - count // 2))
        if around_hz == 0.0:
            waves, wanted = (np.concatenate([one.real, one.imag]) for one in (waves, wanted))
        return np.asarray(np.linalg.lstsq(waves, wanted, rcond=None)[0], np.complex128)

    def _resonance(self, ratio: FloatArray) -> ComplexArray:
        """A peak of `resonance_db` at 1, flat below, falling slowly above."""
        height = 10.0 ** (self.resonance_db / 20.0)
        peak = 1.0 / (1.0 + 1j * self.resonance_q * (ratio - 1.0 / np.maximum(ratio, 1e-3)))
        return np.asarray((1.0 + (height - 1.0) * peak) / (1.0 + (ratio / 2.5) ** 4) ** 0.25)

    def noise_pa2_per_hz(self, channel: int, frequency_hz: FloatArray) -> FloatArray:
        """One-sided density of a microphone's self-noise as pressure at its port, rms² per Hz."""
        hz = np.atleast_1d(np.asarray(frequency_hz, float))
        rng = generator(self.seed, "noise", channel)
        level_db = _NOISE_65_DB_SPL_PER_HZ + 65.0 - self.snr_dba + 1.0 * rng.standard_normal()
        # flat to 20 kHz; +6 dB at 32 kHz goes with +10 dB at 40 kHz; capped [A]
        rise_db = self.noise_rise_db * np.clip((hz - 20000.0) / 12000.0, 0.0, 1.8)
        return np.asarray(REFERENCE_PRESSURE_PA**2 * 10.0 ** ((level_db + rise_db) / 10.0))

    def noise_per_hz(self, channel: int, frequency_hz: FloatArray) -> FloatArray:
        """The same as it leaves the microphone, full scales² (rms²) per Hz: a cover does not quieten it."""
        heard = np.square(np.abs(self._capsule(channel, frequency_hz)))
        return np.asarray(self.noise_pa2_per_hz(channel, frequency_hz) * heard)

    def skirt_per_hz(self, offset_hz: FloatArray) -> FloatArray:
        """Power beside the tone relative to it, per Hz on each side."""
        away = np.clip(np.abs(offset_hz), _SKIRT_HZ[0], _SKIRT_HZ[-1])
        dbc = np.interp(np.log(away), np.log(_SKIRT_HZ), _SKIRT_DBC) + self.skirt_db
        return np.asarray(10.0 ** (dbc / 10.0))

    @classmethod
    def draw(cls, rng: np.random.Generator, microphones: int = 8) -> Self:
        """Over what units are like; one in twenty has a covered or dead microphone. [A]"""
        hurt = tuple(int(n) for n in np.flatnonzero(rng.random(microphones) < 0.1))
        state = rng.random()
        return cls(
            seed=int(rng.integers(2**31)),
            ripple_db=rng.uniform(2.0, 7.0),
            spread_db=rng.uniform(0.5, 3.0),
            spread_deg=rng.uniform(3.0, 20.0),
            sensitivity_dbfs=rng.uniform(-40.0, -22.0),
            resonance_hz=rng.uniform(20000.0, 40000.0),
            resonance_db=rng.uniform(5.0, 15.0),
            resonance_q=rng.uniform(1.5, 5.0),
            snr_dba=rng.uniform(58.0, 73.0),
            noise_rise_db=rng.uniform(3.0, 15.0),
            skirt_db=rng.uniform(*_SKIRTS_DB[int(rng.choice(len(_SKIRTS_DB), p=_SKIRT_SHARES))]),
            covered=hurt if state < 0.06 else (),
            covered_db=rng.uniform(8.0, 35.0),
            dead=hurt[: max(0, microphones - 1)] if 0.06 <= state < 0.1 and len(hurt) < microphones else (),
        )


def _ripple(rng: np.random.Generator, frequency_hz: FloatArray, spacing_hz: float) -> FloatArray:
    """Smooth random function of frequency (two derivatives), of rms 1 at its knots."""
    knots = rng.standard_normal(160)
    at = np.clip(frequency_hz / spacing_hz, 0.0, len(knots) - 1.001)
    left = at.astype(int)
    u = at - left
    ease = u**3 * (10.0 - 15.0 * u + 6.0 * u**2)
    return np.asarray(knots[left] + (knots[left + 1] - knots[left]) * ease)
