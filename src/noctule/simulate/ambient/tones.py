"""Narrow-band sounds: other emitters, repellers, supplies. All figures are [A] ranges unless tagged."""

from __future__ import annotations

import math
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from noctule.simulate.ambient.base import AmbientSound
from noctule.simulate.ambient.bursts import Range, log_uniform, place
from noctule.simulate.parts import FloatArray, Sound, Space, pressure_pa

_EDGE_S = 0.004  # of a gate: a step would click over the whole spectrum


class Tone(AmbientSound):
    """A line and its harmonics that drifts, sweeps, is gated and carries the mains.

    f(t) = frequency·(1 + drift·t + wander·sin) + sweep/2·sin(2πt/period); amplitude 1 + m·sin(2π·mains·t).
    """

    drawn_hz: ClassVar[Range]
    drawn_db: ClassVar[Range]

    frequency_hz: float = Field(32000.0, ge=1000.0, le=150000.0, description="of the fundamental")
    level_db_spl: float = Field(50.0, ge=0.0, le=130.0, description="of the fundamental, at 1 m, while on")
    drift_ppm_s: float = Field(0.0, ge=-100.0, le=100.0, description="of the frequency, a second")
    wander_hz: float = Field(0.0, ge=0.0, le=500.0, description="slow sway to both sides")
    wander_period_s: float = Field(30.0, ge=1.0, le=10000.0, description="of that sway")
    sweep_hz: float = Field(0.0, ge=0.0, le=60000.0, description="from lowest to highest")
    sweep_period_s: float = Field(1.0, ge=0.01, le=1000.0, description="up and down again")
    on_s: float | None = Field(
        None, ge=0.01, le=1e5, description="sounds so long of each cycle; left out: always"
    )
    off_s: float = Field(1.0, ge=0.01, le=1e5, description="and rests so long; needs on_s")
    mains_hz: float = Field(100.0, ge=50.0, le=400.0, description="hum on its amplitude")
    mains_depth: float = Field(0.0, ge=0.0, le=1.0, description="of that hum")
    second_harmonic_db: float = Field(-200.0, ge=-200.0, le=0.0, description="against the fundamental")
    lasts_s: float | None = Field(None, gt=0.0, description="in all; left out: for ever")

    def sound(self, rng: np.random.Generator) -> Sound:
        return _ToneSound(self, rng)

    @classmethod
    def _drawn(cls, rng: np.random.Generator, space: Space, **more: float | None) -> Self:
        start_s = 0.0 if rng.random() < 0.6 else float(rng.uniform(0.0, 20.0))
        fields = {
            "frequency_hz": log_uniform(rng, cls.drawn_hz),
            "level_db_spl": float(rng.uniform(*cls.drawn_db)),
        }
        where = place(rng, space, (0.0, 1.8))
        return cls.model_validate(fields | {"at_s": start_s, "position_m": where} | more)


class _ToneSound:
    def __init__(self, part: Tone, rng: np.random.Generator) -> None:
        self._part = part
        self._phase, self._wander_phase, self._sweep_phase, self._mains_phase = rng.uniform(0, 2 * np.pi, 4)
        self.position_m = np.array(part.position_m)
        self.starts_s = part.at_s
        self.ends_s = math.inf if part.lasts_s is None else part.at_s + part.lasts_s

    def waveform(self, rate_hz: float, first_sample: int, count: int) -> FloatArray:
        low = max(first_sample, math.ceil(self.starts_s * rate_hz))
        high = first_sample + count
        if self.ends_s < math.inf:
            high = min(high, math.ceil(self.ends_s * rate_hz))
        out = np.zeros(count)
        if low < high:
            out[low - first_sample : high - first_sample] = self._wave(
                np.arange(low, high) / rate_hz, rate_hz
            )
        return out

    def _wave(self, time_s: FloatArray, rate_hz: float) -> FloatArray:
        part, since_s = self._part, time_s - self.starts_s
        gate = self._gate(since_s)
        if not gate.any():
            return gate
        phase, frequency_hz = self._phase_and_frequency(since_s)
        wave = np.zeros(len(since_s))
        for order, level_db in ((1, 0.0), (2, part.second_harmonic_db)):
            if level_db > -100.0:
                hz = order * frequency_hz
                # what reaches half the rate fades away and does not fold back
                kept = np.clip((0.49 * rate_hz - hz) / (0.02 * rate_hz), 0.0, 1.0)
                wave += 10.0 ** (level_db / 20.0) * kept * part.gain(hz) * np.sin(order * phase)
        hum = 1.0
        if part.mains_depth:
            hum = 1.0 + part.mains_depth * np.sin(2 * np.pi * part.mains_hz * since_s + self._mains_phase)
        return np.asarray(math.sqrt(2.0) * pressure_pa(part.level_db_spl) * gate * hum * wave)

    def _gate(self, since_s: FloatArray) -> FloatArray:
        part = self._part
        edge = since_s
        if self.ends_s < math.inf:
            edge = np.minimum(edge, self.ends_s - self.starts_s - since_s)
        if part.on_s is not None:
            place_s = since_s % (part.on_s + part.off_s)
            edge = np.minimum(edge, np.minimum(place_s, part.on_s - place_s))
        return np.asarray(np.sin(0.5 * np.pi * np.clip(edge / _EDGE_S, 0.0, 1.0)) ** 2)

    def _phase_and_frequency(self, since_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        part = self._part
        drift_hz_s = part.frequency_hz * part.drift_ppm_s * 1e-6
        cycles = part.frequency_hz * since_s + 0.5 * drift_hz_s * since_s**2
        frequency_hz = part.frequency_hz + drift_hz_s * since_s
        for swing_hz, period_s, start in (
            (part.wander_hz, part.wander_period_s, self._wander_phase),
            (0.5 * part.sweep_hz, part.sweep_period_s, self._sweep_phase),
        ):
            if swing_hz:
                angle = 2 * np.pi * since_s / period_s + start
                cycles = cycles - swing_hz * period_s / (2 * np.pi) * np.cos(angle)
                frequency_hz = frequency_hz + swing_hz * np.sin(angle)
        return 2 * np.pi * cycles + self._phase, frequency_hz


class SecondDevice(Tone):
    """Another device that senses, on the carrier or next to it."""

    kind: Literal["second_device"] = "second_device"
    label: ClassVar[str] = "second device"
    drawn_hz, drawn_db = (18000.0, 48000.0), (30.0, 85.0)

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        on_s = log_uniform(rng, (0.02, 20.0)) if rng.random() < 0.3 else None
        off_s = log_uniform(rng, (0.02, 10.0))
        drift_ppm_s, wander_hz = rng.uniform(-0.1, 0.1), log_uniform(rng, (0.001, 2.0))
        return cls._drawn(rng, space, on_s=on_s, off_s=off_s, drift_ppm_s=drift_ppm_s, wander_hz=wander_hz)

    @classmethod
    def near(cls, rng: np.random.Generator, space: Space, carrier_hz: float) -> Self:
        """One whose carrier is within 500 Hz of ours, often within the 50 ppm of two crystals."""
        spread_hz = 500.0 if rng.random() < 0.7 else 50e-6 * carrier_hz
        return cls.draw(rng, space).model_copy(
            update={"frequency_hz": carrier_hz + rng.uniform(-spread_hz, spread_hz)}
        )


class PestRepeller(Tone):
    """A loud piezo horn that sweeps 20-65 kHz, mostly in bursts."""

    kind: Literal["pest_repeller"] = "pest_repeller"
    label: ClassVar[str] = "pest repeller"
    drawn_hz, drawn_db = (28000.0, 50000.0), (65.0, 110.0)

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        on_s = log_uniform(rng, (0.05, 5.0)) if rng.random() < 0.7 else None
        more = {"off_s": log_uniform(rng, (0.05, 5.0)), "sweep_period_s": log_uniform(rng, (0.02, 10.0))}
        # 28 - 8 and 50 + 15 kHz are the ends of the band
        return cls._drawn(rng, space, on_s=on_s, sweep_hz=log_uniform(rng, (200.0, 16000.0)), **more)


class SwitchingSupply(Tone):
    """Coils and capacitors of a power supply that sing at its switching rate, modulated by the mains."""

    kind: Literal["switching_supply"] = "switching_supply"
    label: ClassVar[str] = "switching supply"
    drawn_hz, drawn_db = (20000.0, 150000.0), (10.0, 50.0)

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        mains_hz = 100.0 if rng.random() < 0.6 else 120.0
        more = {"mains_hz": mains_hz, "mains_depth": rng.uniform(0.0, 0.8)}
        more |= {"wander_hz": log_uniform(rng, (1.0, 300.0)), "drift_ppm_s": rng.uniform(-20.0, 20.0)}
        return cls._drawn(rng, space, second_harmonic_db=rng.uniform(-40.0, -6.0), **more)


class MonitorWhine(Tone):
    """Coil whine: 15.7 kHz of an old television's lines [R: 625 x 25 Hz] up to 30 kHz of a backlight."""

    kind: Literal["monitor_whine"] = "monitor_whine"
    label: ClassVar[str] = "monitor whine"
    drawn_hz, drawn_db = (15625.0, 30000.0), (15.0, 50.0)

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        return cls._drawn(rng, space, second_harmonic_db=rng.uniform(-30.0, -3.0))


TONES = (SecondDevice, PestRepeller, SwitchingSupply, MonitorWhine)
