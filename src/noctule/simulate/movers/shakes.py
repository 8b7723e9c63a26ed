"""What shakes the device itself: its own vibration, somebody who bumps the table, a telephone on it."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from noctule.simulate.ambient.band_noise import BandNoise
from noctule.simulate.parts import (
    Displacement,
    FloatArray,
    Mover,
    MoverPart,
    Scatterers,
    Sound,
    Space,
    Vector,
    pressure_pa,
)
from noctule.simulate.smooth import step

_TIMES = tuple[float, ...]


class Nothing:
    """No point that moves."""

    knot_rate_hz, highest_speed_mps = 30.0, 0.01

    def scatterers(self, time_s: FloatArray, viewpoint_m: FloatArray) -> Scatterers:
        return Scatterers(np.zeros((len(time_s), 0, 3)), np.zeros((len(time_s), 0)))


class DeviceVibration(MoverPart):
    """A compressor, a fan inside, traffic: the device vibrates by micrometres. [A: 0.1 to 50]"""

    kind: Literal["device_vibration"] = "device_vibration"
    label: ClassVar[str] = "vibration"

    frequency_hz: float = Field(50.0, ge=10.0, le=300.0, description="of its strongest line")
    excursion_um: float = Field(2.0, ge=0.0, le=200.0, description="peak, of its strongest line")
    harmonics: int = Field(
        3, ge=1, le=6, description="how many lines, the strongest included; none from 380 Hz on"
    )

    def mover(self, rng: np.random.Generator) -> Mover:
        return Nothing()

    def device_motion_m(self, rng: np.random.Generator) -> Displacement:
        lines = np.arange(1, self.harmonics + 1)
        lines = lines[lines * self.frequency_hz < 380.0]
        ways = rng.standard_normal((len(lines), 3))
        ways *= (1e-6 * self.excursion_um / lines / np.linalg.norm(ways, axis=-1))[:, None]
        start = rng.uniform(0.0, 2.0 * np.pi, len(lines))
        beat = rng.uniform(0.1, 1.0)

        def shake(time_s: FloatArray) -> FloatArray:
            on = switched(time_s, self.from_s, self.to_s) * (1.0 + 0.3 * np.sin(2.0 * np.pi * beat * time_s))
            turns = 2.0 * np.pi * self.frequency_hz * np.multiply.outer(time_s, lines) + start
            return np.asarray(on[:, None] * (np.sin(turns) @ ways))

        return shake

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        return cls(
            frequency_hz=rng.uniform(20.0, 200.0),
            excursion_um=10.0 ** rng.uniform(-1.0, 1.7),
            harmonics=int(rng.integers(1, 5)),
            from_s=rng.uniform(0.0, 20.0),
            to_s=rng.uniform(25.0, 60.0) if rng.random() < 0.5 else None,
        )


class Bump(MoverPart):
    """Somebody bumps the table: a damped swing at each of the times."""

    kind: Literal["bump"] = "bump"
    label: ClassVar[str] = "bump"

    at_s: _TIMES = Field(
        (2.0,), max_length=100, description="when; from_s and to_s follow, and only tell the truth"
    )
    excursion_mm: float = Field(0.3, ge=0.0, le=10.0, description="peak")
    frequency_hz: float = Field(12.0, ge=2.0, le=60.0, description="at which the table swings")
    decay_s: float = Field(0.4, ge=0.05, le=3.0, description="falls to 37 % within this")

    @model_validator(mode="before")
    @classmethod
    def _told(cls, given: Any) -> Any:
        """Where nothing else is said, it moves from the first blow until the last has died away."""
        fields = given if isinstance(given, dict) else {}
        at_s, decay_s = fields.get("at_s", (2.0,)), fields.get("decay_s", 0.4)
        if not isinstance(at_s, list | tuple) or not at_s:
            return given
        if not all(isinstance(one, int | float) for one in (*at_s, decay_s)):
            return given  # what is wrong is said of the field itself
        return {"from_s": max(min(at_s), 0.0), "to_s": max(max(at_s), 0.0) + 4.0 * decay_s, **given}

    def mover(self, rng: np.random.Generator) -> Mover:
        return Nothing()

    def device_motion_m(self, rng: np.random.Generator) -> Displacement:
        ways = rng.standard_normal((len(self.at_s), 3)) * [1.0, 1.0, 0.3]
        ways *= 1e-3 * self.excursion_mm / np.linalg.norm(ways, axis=-1, keepdims=True)

        def shake(time_s: FloatArray) -> FloatArray:
            out = np.zeros((len(time_s), 3))
            for at_s, way in zip(self.at_s, ways, strict=True):
                since = np.maximum(time_s - at_s, 0.0)
                # begins level: the blow takes a fifth of a swing
                swing = step(since * self.frequency_hz * 5.0) * np.sin(
                    2.0 * np.pi * self.frequency_hz * since
                )
                out += np.multiply.outer(swing * np.exp(-since / self.decay_s), way)
            return out

        return shake

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        at_s = tuple(sorted(rng.uniform(0.5, 40.0, rng.integers(1, 6)).tolist()))
        decay_s = rng.uniform(0.2, 1.0)
        return cls(
            at_s=at_s,
            excursion_mm=10.0 ** rng.uniform(-1.3, 0.5),
            frequency_hz=rng.uniform(5.0, 30.0),
            decay_s=decay_s,
        )


class PhoneOnTable(MoverPart):
    """A telephone that vibrates on the device's table: a small thing that moves, and shakes the device."""

    kind: Literal["phone_on_table"] = "phone_on_table"
    label: ClassVar[str] = "phone"

    position_m: Vector = Field(description="of the telephone")
    frequency_hz: float = Field(165.0, ge=80.0, le=280.0, description="of its motor")
    excursion_um: float = Field(100.0, ge=0.0, le=1000.0, description="of the telephone, peak")
    device_excursion_um: float = Field(3.0, ge=0.0, le=100.0, description="of the device, peak")
    noise_db_spl: float = Field(25.0, ge=-10.0, le=70.0, description="at 1 m, 18 to 60 kHz")
    rings_s: float = Field(0.5, ge=0.05, le=5.0, description="vibrates so long")
    pauses_s: float = Field(0.5, ge=0.05, le=10.0, description="and rests so long, in turns")
    target_strength_db: float = Field(-32.0, ge=-60.0, le=0.0, description="of the telephone at 1 m")

    def mover(self, rng: np.random.Generator) -> Mover:
        return _Phone(self)

    def sound(self, rng: np.random.Generator) -> Sound:
        return _Rattle(self, rng)

    def rings(self, time_s: FloatArray) -> FloatArray:
        """0 to 1, on and off."""
        since = time_s - self.from_s
        place = since % (self.rings_s + self.pauses_s)
        edge = min(0.03, self.rings_s / 4.0)
        on = step(place / edge) - step((place - self.rings_s + edge) / edge)
        return np.asarray(on * switched(time_s, self.from_s, self.to_s))

    def buzz(self, time_s: FloatArray) -> FloatArray:
        """-1 to 1."""
        return np.asarray(self.rings(time_s) * np.sin(2.0 * np.pi * self.frequency_hz * time_s))

    def device_motion_m(self, rng: np.random.Generator) -> Displacement:
        way = rng.standard_normal(3)
        way *= 1e-6 * self.device_excursion_um / np.linalg.norm(way)
        return lambda time_s: np.multiply.outer(self.buzz(time_s), way)

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        turn, away = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(0.15, 0.6)
        x = float(np.clip(space.device_m[0] + away * math.cos(turn), 0.05, space.size_m[0] - 0.05))
        y = float(np.clip(space.device_m[1] + away * math.sin(turn), 0.05, space.size_m[1] - 0.05))
        return cls(
            position_m=(x, y, max(0.02, space.device_m[2] - 0.1)),
            frequency_hz=rng.uniform(130.0, 200.0),
            excursion_um=rng.uniform(30.0, 300.0),
            device_excursion_um=10.0 ** rng.uniform(-0.3, 1.3),
            noise_db_spl=rng.uniform(0.0, 45.0),  # [A] a hard table rattles most
            rings_s=rng.uniform(0.2, 1.0),
            pauses_s=rng.uniform(0.2, 2.0),
            target_strength_db=rng.uniform(-40.0, -25.0),
            from_s=rng.uniform(0.0, 20.0),
            to_s=rng.uniform(21.0, 40.0),
        )


class _Phone:
    knot_rate_hz = 2500.0

    def __init__(self, part: PhoneOnTable) -> None:
        self._part = part
        self.highest_speed_mps = 2.0 * math.pi * part.frequency_hz * 1e-6 * part.excursion_um * 1.2 + 0.01

    def scatterers(self, time_s: FloatArray, viewpoint_m: FloatArray) -> Scatterers:
        part = self._part
        place = np.tile(np.array(part.position_m), (len(time_s), 1))
        place += np.multiply.outer(1e-6 * part.excursion_um * part.buzz(time_s), np.array([0.6, 0.6, 0.5]))
        strength = np.full((len(time_s), 1), 10.0 ** (part.target_strength_db / 20.0))
        return Scatterers(place[:, None], strength)


class _Rattle:
    """Case against table, twice a swing. Falls by 12 dB an octave through 18 to 60 kHz. [A]"""

    def __init__(self, part: PhoneOnTable, rng: np.random.Generator) -> None:
        self._part = part
        self.position_m = np.array(part.position_m)
        # it fades within the 0.3 s after its end
        self.starts_s, self.ends_s = part.from_s, math.inf if part.to_s is None else part.to_s + 0.3
        # integral of (18k/f)**4 from 18 to 60 kHz is 5.84 kHz; the mean of sin**2 is a half
        power = pressure_pa(part.noise_db_spl) ** 2 / 5840.0 / 0.5
        self._noise = BandNoise(
            lambda hz: np.asarray(power * (18000.0 / np.maximum(hz, 4000.0)) ** 4), int(rng.integers(2**31))
        )

    def waveform(self, rate_hz: float, first_sample: int, count: int) -> FloatArray:
        time_s = (first_sample + np.arange(count)) / rate_hz
        return np.asarray(self._noise.samples(rate_hz, first_sample, count) * self._part.buzz(time_s))


def switched(time_s: FloatArray, from_s: float, to_s: float | None) -> FloatArray:
    """1 between the times, with soft edges."""
    on = step((time_s - from_s) / 0.3) if from_s else np.ones(len(time_s))
    return np.asarray(on if to_s is None else on * (1.0 - step((time_s - to_s) / 0.3)))


SHAKES: tuple[type[MoverPart], ...] = (DeviceVibration, Bump, PhoneOnTable)
