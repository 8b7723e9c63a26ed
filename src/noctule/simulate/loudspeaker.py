"""The loudspeaker while it plays: music moves the cone that also makes the tone.

The cone's way turns the tone's phase (Doppler), its place changes the force on the coil, the suspension and
the inductance (all the tone's gain), and a mixer or amplifier without head-room takes some of the tone. The
model is solved in time for the programme that plays; what it does to the tone is a complex envelope, 1 at
rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from noctule.simulate.amplifier import Amplifier
from noctule.simulate.driver import Driver, Motion
from noctule.simulate.parts import FloatArray, Part, Sound
from noctule.simulate.programme import Programme
from noctule.simulate.rates import change_rate
from noctule.simulate.transducers import Envelope

ComplexArray = npt.NDArray[np.complex128]

#: Rate of the model; stretches of a fixed grid are solved after a warm-up in which the past is forgotten.
RATE_HZ = 48000.0
_SEGMENT = 2 * 48000
_SEGMENTS_KEPT = 12
_SPEED_OF_SOUND_MPS = 343.2
#: The programme and its distortion hold nothing above.
PROGRAMME_ENDS_HZ = RATE_HZ / 2


class Loudspeaker(Part):
    """A driver and its amplifier; a tweeter of its own spares the tone the cone's travel.

    It counts only while a programme plays; how loud the tone is stands in `tone_db_spl` of the device.
    """

    driver: Driver = Field(Driver(), description="the cone and its coil")
    amplifier: Amplifier = Field(Amplifier(), description="with the mixer before it")
    tone_dbfs: float = Field(-20.0, ge=-60.0, le=-3.0, description="peak level of the tone in the mixer")
    two_way: bool = Field(False, description="a tweeter plays the tone")
    tweeter_share: float = Field(
        0.01, ge=0.0, le=0.2, description="of the cone's travel that shakes a tweeter"
    )

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """From a telephone's to a bookshelf's. [A: driver data sheets]"""
        size = rng.integers(4)
        resonance, mass, area, reach = (
            ((500.0, 1000.0), (0.05, 0.2), (1.0, 2.5), (0.2, 0.5)),
            ((250.0, 600.0), (0.2, 0.8), (2.0, 6.0), (0.4, 1.0)),
            ((100.0, 220.0), (1.5, 5.0), (8.0, 25.0), (1.0, 3.0)),
            ((60.0, 110.0), (5.0, 15.0), (50.0, 130.0), (2.0, 4.0)),
        )[size]
        driver = Driver(
            resonance_hz=rng.uniform(*resonance),
            mechanical_q=rng.uniform(2.0, 5.0),
            electrical_q=rng.uniform(0.5, 1.5),
            moving_mass_g=rng.uniform(*mass),
            resistance_ohm=rng.uniform(3.5, 8.0),
            inductance_uh=rng.uniform(20.0, 150.0) * (1.0 + 2.0 * (size == 3)),
            inductance_exponent=rng.uniform(0.6, 0.9),
            piston_area_cm2=rng.uniform(*area),
            linear_excursion_mm=rng.uniform(*reach),
            force_factor_fall=rng.uniform(0.1, 0.5),
            force_factor_offset=rng.uniform(-0.25, 0.25),
            stiffness_asymmetry=rng.uniform(-0.2, 0.2),
            stiffness_growth=rng.uniform(0.2, 0.6),
            inductance_slope=rng.uniform(0.05, 0.4),
        )
        # a designer lets full scale at the resonance use what the driver has, more or less
        full_scale_v = float(
            np.clip(driver.voltage_for(driver.curves().reach) * rng.uniform(0.5, 1.5), 0.2, 55.0)
        )
        return cls(
            driver=driver,
            amplifier=Amplifier.draw(rng, full_scale_v),
            tone_dbfs=rng.uniform(-35.0, -10.0),
            two_way=bool(size >= 2 and rng.random() < 0.5),
            tweeter_share=10.0 ** rng.uniform(-3.0, -1.3),
        )

    def modulation(self, programme: Programme, carrier_hz: float, rate_hz: float) -> Envelope:
        """The tone's complex envelope at a rate, 1 while nothing plays."""
        playing = _Playing(self, programme)

        def read(first_sample: int, count: int) -> ComplexArray:
            return playing.tone(carrier_hz, first_sample, count)[:, None]

        def envelope(first_sample: int, count: int) -> ComplexArray:
            return np.asarray(change_rate(read, RATE_HZ, rate_hz, first_sample, count)[:, 0])

        return envelope

    def sounds(self, programme: Programme, places_m: FloatArray) -> list[Sound]:
        """The programme with its distortion, from each loudspeaker; up to 24 kHz."""
        playing = _Playing(self, programme)
        return [_Audible(playing, place, programme) for place in places_m]


class _Audible:
    """Pressure of the programme at 1 m."""

    def __init__(self, playing: _Playing, place_m: FloatArray, programme: Programme) -> None:
        self.position_m = place_m
        self.starts_s = programme.from_s - 0.1
        self.ends_s = math.inf if programme.to_s is None else programme.to_s + 1.0
        self._playing = playing

    def waveform(self, rate_hz: float, first_sample: int, count: int) -> FloatArray:
        read: Callable[[int, int], FloatArray] = self._playing.pressure
        return np.asarray(change_rate(read, RATE_HZ, rate_hz, first_sample, count)[:, 0], np.float64)


class _Playing:
    """A loudspeaker with a programme, solved segment by segment."""

    def __init__(self, loudspeaker: Loudspeaker, programme: Programme) -> None:
        self._loudspeaker, self._programme = loudspeaker, programme
        self._solved = lru_cache(_SEGMENTS_KEPT)(self._solve)
        self._gains = lru_cache(_SEGMENTS_KEPT)(self._tone_gain)

    def tone(self, carrier_hz: float, first_sample: int, count: int) -> ComplexArray:
        """`(count,)` at `RATE_HZ`: what is left of the tone, and how late it is."""
        return self._pieces(lambda number: self._gains(carrier_hz, number), first_sample, count)

    def pressure(self, first_sample: int, count: int) -> FloatArray:
        """`(count, 1)` pascal at 1 m."""
        return np.asarray(self._pieces(lambda number: self._solved(number)[3], first_sample, count)[:, None])

    def _pieces(self, of: Callable[[int], npt.NDArray[np.generic]], first: int, count: int) -> ComplexArray:
        numbers = range(first // _SEGMENT, (first + count - 1) // _SEGMENT + 1)
        parts = []
        for number in numbers:
            start = number * _SEGMENT
            parts.append(of(number)[max(first - start, 0) : first + count - start])
        return np.concatenate(parts) if parts else np.zeros(0, np.complex128)

    def _solve(self, number: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Excursion, current, the tone's gain in the electronics, pressure at 1 m; each `(_SEGMENT,)`."""
        speaker = self._loudspeaker
        before = round(speaker.amplifier.memory_s * RATE_HZ)
        drive = self._programme.drive(RATE_HZ, number * _SEGMENT - before, _SEGMENT + before).mean(1)
        volts, gain = speaker.amplifier.play(drive, RATE_HZ, speaker.tone_dbfs)
        motion = speaker.driver.move(volts, RATE_HZ)
        pressure = speaker.driver.pressure_pa(motion.acceleration_mps2)
        return tuple(one[before:] for one in (motion.excursion_m, motion.current_a, gain, pressure))  # type: ignore[return-value]

    def _tone_gain(self, carrier_hz: float, number: int) -> ComplexArray:
        excursion, current, gain, _ = self._solved(number)
        speaker = self._loudspeaker
        wavenumber = 2.0 * math.pi * carrier_hz / _SPEED_OF_SOUND_MPS
        if speaker.two_way:
            return np.asarray(gain * np.exp(1j * wavenumber * speaker.tweeter_share * excursion))
        coil = speaker.driver.tone_gain(carrier_hz, Motion(excursion, current, current))
        return np.asarray(gain * coil * np.exp(1j * wavenumber * excursion))
