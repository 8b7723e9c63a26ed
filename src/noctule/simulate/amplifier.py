"""From programme samples to volts, and what is left of the tone that shares the mixer and the amplifier.

The tone is far above the programme, so at every sample of the programme it runs through all its phases: what
comes out at its frequency is the describing function of a sine on a bias (Gelb & Vander Velde,
"Multiple-Input Describing Functions", 1968, chapter 6). Where the sum is clipped all the time, nothing
of the tone is left.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from noctule.core.units import db_to_amplitude
from noctule.simulate.parts import FloatArray, Part

#: The high-pass rings for 0.1 s at most, a driver for 0.2 s.
_FILTERS_FORGET_S = 0.5
#: Of a limiter: +30 dB of volume, peaks of 15 dB, 15 dB of boost, and a ceiling at -12 dBFS.
_DEEPEST_REDUCTION_DB = 75.0


class Played(NamedTuple):
    """`volts` at the coil without the tone, and the tone's `gain` relative to when nothing plays."""

    volts: FloatArray
    gain: FloatArray


class Amplifier(Part):
    """Bass correction, digital head-room of the mixer, and the amplifier's rails."""

    full_scale_v: float = Field(8.0, ge=0.1, le=60.0, description="peak, of a full-scale sample")
    rail_v: float = Field(8.0, ge=0.1, le=60.0, description="more than this does not come out")
    high_pass_hz: float = Field(80.0, ge=30.0, le=500.0, description="protects the cone")
    bass_boost_db: float = Field(0.0, ge=0.0, le=15.0, description="low shelf, fills up a small box")
    bass_boost_hz: float = Field(150.0, ge=60.0, le=1000.0, description="corner of that shelf")
    headroom: Literal["none", "clip", "limiter"] = Field(
        "clip", description="of the mixer: floating point, clips at full scale, or turns everything down"
    )
    ceiling_dbfs: float = Field(-1.0, ge=-12.0, le=0.0, description="of the limiter")
    attack_s: float = Field(0.001, ge=0.0001, le=0.01, description="of the limiter")
    release_db_per_s: float = Field(150.0, ge=60.0, le=2000.0, description="of the limiter")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not 0.1 <= self.rail_v / self.full_scale_v <= 10.0:
            raise ValueError("rail_v must be within a factor of ten of full_scale_v")
        return self

    @property
    def memory_s(self) -> float:
        """So long after the loudest programme nothing of it is left."""
        limiter_s = _DEEPEST_REDUCTION_DB / self.release_db_per_s if self.headroom == "limiter" else 0.0
        return _FILTERS_FORGET_S + limiter_s

    def play(self, samples: FloatArray, rate_hz: float, tone_dbfs: float) -> Played:
        """`samples` `(count,)`, full scale 1, from silence on; the tone's level is its peak re full scale."""
        tone = db_to_amplitude(tone_dbfs)
        bass = self._corrected(np.ascontiguousarray(samples, np.float64), rate_hz)
        gain, rail = np.ones(len(bass)), self.rail_v / self.full_scale_v
        if self.headroom == "limiter":
            attack = 1.0 - math.exp(-1.0 / (self.attack_s * rate_hz))
            ceiling = max(db_to_amplitude(self.ceiling_dbfs), 1.01 * tone)
            gain = 10.0 ** (-_limit(bass, tone, ceiling, attack, self.release_db_per_s / rate_hz) / 20.0)
        elif self.headroom == "clip":
            rail = min(rail, 1.0)  # one clipper after another is the tighter of the two
        bass, riding = gain * bass, gain * tone
        passed = sine_on_bias(bass, riding, rail) / sine_on_bias(np.zeros(1), tone, rail)
        return Played(self.full_scale_v * bias_under_sine(bass, riding, rail), gain * passed)

    def _corrected(self, samples: FloatArray, rate_hz: float) -> FloatArray:
        from scipy.signal import butter, sosfilt

        sections = butter(2, self.high_pass_hz, "high", fs=rate_hz, output="sos")
        if self.bass_boost_db:
            sections = np.concatenate(
                [sections, [_low_shelf(self.bass_boost_hz, self.bass_boost_db, rate_hz)]]
            )
        return np.asarray(sosfilt(sections, samples))

    @classmethod
    def draw(cls, rng: np.random.Generator, full_scale_v: float) -> Self:
        headrooms: tuple[Literal["none", "clip", "limiter"], ...] = ("none", "clip", "limiter")
        return cls(
            full_scale_v=full_scale_v,
            rail_v=min(60.0, full_scale_v * rng.uniform(0.8, 2.0)),
            high_pass_hz=rng.uniform(40.0, 200.0),
            bass_boost_db=rng.uniform(0.0, 10.0),
            bass_boost_hz=rng.uniform(80.0, 300.0),
            headroom=headrooms[rng.integers(3)],
            ceiling_dbfs=rng.uniform(-6.0, 0.0),
            attack_s=10.0 ** rng.uniform(-3.7, -2.0),
            release_db_per_s=10.0 ** rng.uniform(1.9, 3.2),
        )


def sine_on_bias(bias: FloatArray, amplitude: FloatArray | float, limit: float) -> FloatArray:
    """How much of a sine's own frequency passes a clipper at ±`limit` when it rides on a bias."""
    high = np.clip((limit - bias) / amplitude, -1.0, 1.0)
    low = np.clip((limit + bias) / amplitude, -1.0, 1.0)
    passed = np.arcsin(high) + high * np.sqrt(1.0 - high**2) + np.arcsin(low) + low * np.sqrt(1.0 - low**2)
    return np.asarray(np.maximum(passed / np.pi, 0.0))


def bias_under_sine(bias: FloatArray, amplitude: FloatArray | float, limit: float) -> FloatArray:
    """What passes of the bias itself, on average over the sine: a clipper that the sine makes softer."""
    high, low = (limit - bias) / amplitude, (limit + bias) / amplitude
    return np.asarray(0.5 * amplitude * (_mean_distance(low) - _mean_distance(high)))


def _mean_distance(place: FloatArray) -> FloatArray:
    """On average, from a place to a sine of amplitude 1."""
    inside = np.clip(place, -1.0, 1.0)
    mean = 2.0 / np.pi * (inside * np.arcsin(inside) + np.sqrt(1.0 - inside**2))
    return np.where(np.abs(place) < 1.0, mean, np.abs(place))


def _low_shelf(corner_hz: float, db: float, rate_hz: float) -> FloatArray:
    """Second-order section of a low shelf (R. Bristow-Johnson's audio equaliser cookbook, slope 1)."""
    a, turn = 10.0 ** (db / 40.0), 2.0 * math.pi * corner_hz / rate_hz
    c, wide = math.cos(turn), math.sin(turn) * math.sqrt(2.0) * math.sqrt(a)
    b = [
        a * ((a + 1) - (a - 1) * c + wide),
        2 * a * ((a - 1) - (a + 1) * c),
        a * ((a + 1) - (a - 1) * c - wide),
    ]
    d = [(a + 1) + (a - 1) * c + wide, -2 * ((a - 1) + (a + 1) * c), (a + 1) + (a - 1) * c - wide]
    return np.asarray(np.array([*b, *d]) / d[0])


@njit(cache=True)
def _limit(bass, tone, ceiling, attack, release_db):  # type: ignore[no-untyped-def]
    """Gain reduction in dB of a limiter that hears bass and tone together."""
    out = np.empty(len(bass))
    reduction = 0.0
    for n in range(len(bass)):
        wanted = max(0.0, 20.0 * math.log10(max((abs(bass[n]) + tone) / ceiling, 1e-9)))
        if wanted > reduction:
            reduction += attack * (wanted - reduction)
        else:
            reduction = max(wanted, reduction - release_db)
        out[n] = reduction
    return out
