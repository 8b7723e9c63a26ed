"""The moving part of a small loudspeaker: a lumped nonlinear model, solved in time.

    u = Re·i + dλ/dt + Bl(x)·v,   λ = Le(x)·i
    M·dv/dt = (Bl(x) + ½·Le'(x)·i)·i − R·v − K(x)·x

after Klippel, "Loudspeaker Nonlinearities: Causes, Parameters, Symptoms", JAES 54 (2006). The linear
parameters are Thiele's and Small's, of the driver in its box (JAES 19 and 20, 1971-72).
"""

from __future__ import annotations

import math
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
from numba import njit
from pydantic import Field, model_validator

from noctule.simulate.parts import FloatArray, Part

ComplexArray = npt.NDArray[np.complex128]

AIR_DENSITY_KGPM3 = 1.204  # 20 C
#: A coil in iron is an inductance only below this; above, eddy currents make it lossy.
_EDDY_FROM_HZ = 5000.0
#: What rings longer has no damping to speak of, and would remember more than the warm-up of a stretch.
_HIGHEST_Q = 4.0


class Curves(NamedTuple):
    """Parameters in SI units, as the equations and the compiled loop want them.

    With y = x / `reach`:
    Bl = `force_factor` / (1 + `fall`·(y − `shift`)²), scaled so that Bl(0) is `force_factor`,
    K = `stiffness`·(1 + `k1`·y + `k2`·y² + `k4`·y⁴),
    Le = `inductance`·(1 − `slope`·y / √(1 + y²)): less when the coil leaves the iron.
    """

    resistance: float
    inductance: float
    force_factor: float
    mass: float
    damping: float
    stiffness: float
    reach: float
    fall: float
    shift: float
    k1: float
    k2: float
    k4: float
    slope: float


class Motion(NamedTuple):
    """Of the coil and the cone it drives; outward is positive. Each `(count,)`."""

    excursion_m: FloatArray
    current_a: FloatArray
    acceleration_mps2: FloatArray


class Driver(Part):
    """A cone, dome or micro-speaker in its box. The defaults are a 40 mm cone of a small smart speaker."""

    resonance_hz: float = Field(180.0, ge=60.0, le=1500.0, description="in the box")
    mechanical_q: float = Field(3.5, ge=0.5, le=10.0, description="damping by suspension and air")
    electrical_q: float = Field(0.9, ge=0.2, le=8.0, description="damping by the coil")
    moving_mass_g: float = Field(2.5, ge=0.01, le=60.0, description="cone, coil and the air they take along")
    resistance_ohm: float = Field(4.0, ge=2.0, le=32.0, description="of the coil")
    inductance_uh: float = Field(60.0, ge=2.0, le=2000.0, description="of the coil at rest")
    inductance_exponent: float = Field(
        0.75, ge=0.5, le=1.0, description="impedance grows as this power above 5 kHz; 1: no eddy currents"
    )
    piston_area_cm2: float = Field(10.0, ge=0.2, le=300.0, description="of the cone")
    linear_excursion_mm: float = Field(2.0, ge=0.05, le=10.0, description="one way; where the curves bend")
    force_factor_fall: float = Field(0.22, ge=0.0, le=1.0, description="Bl there is 1 / (1 + this)")
    force_factor_offset: float = Field(0.0, ge=-0.5, le=0.5, description="rest from the best place, share")
    stiffness_asymmetry: float = Field(0.0, ge=-0.7, le=0.7, description="K at +x less K at -x, half of it")
    stiffness_growth: float = Field(0.33, ge=0.0, le=3.0, description="K there is 1 + this + the stop")
    stiffness_stop: float = Field(0.1, ge=0.0, le=2.0, description="share of the fourth power in K")
    inductance_slope: float = Field(0.2, ge=0.0, le=0.8, description="Le lost when the coil is far out")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.total_q > _HIGHEST_Q:
            raise ValueError(f"total Q is {self.total_q:.1f}: no damping to speak of (at most {_HIGHEST_Q})")
        if self.stiffness_asymmetry**2 > 3.0 * self.stiffness_growth:
            raise ValueError("so lopsided a suspension turns soft on one side: give it more stiffness_growth")
        return self

    @property
    def total_q(self) -> float:
        return 1.0 / (1.0 / self.mechanical_q + 1.0 / self.electrical_q)

    def curves(self) -> Curves:
        omega, mass = 2.0 * math.pi * self.resonance_hz, 1e-3 * self.moving_mass_g
        return Curves(
            resistance=self.resistance_ohm,
            inductance=1e-6 * self.inductance_uh,
            force_factor=math.sqrt(omega * mass * self.resistance_ohm / self.electrical_q),
            mass=mass,
            damping=omega * mass / self.mechanical_q,
            stiffness=omega**2 * mass,
            reach=1e-3 * self.linear_excursion_mm,
            fall=self.force_factor_fall,
            shift=self.force_factor_offset,
            k1=self.stiffness_asymmetry,
            k2=self.stiffness_growth,
            k4=self.stiffness_stop,
            slope=self.inductance_slope,
        )

    def voltage_for(self, excursion_m: float) -> float:
        """Volts that hold the coil of a linear driver this far out: what the amplifier is chosen for."""
        given = self.curves()
        return excursion_m * given.stiffness * given.resistance / given.force_factor

    def pressure_pa(self, acceleration_mps2: FloatArray) -> FloatArray:
        """At 1 m in a half space, of a small piston: ρ·S·a / (2π·r)."""
        area_m2 = 1e-4 * self.piston_area_cm2
        return AIR_DENSITY_KGPM3 * area_m2 / (2.0 * math.pi) * acceleration_mps2

    def move(self, volts: FloatArray, rate_hz: float) -> Motion:
        """What the coil does under a voltage `(count,)`, from rest."""
        return Motion(*_integrate(np.ascontiguousarray(volts, np.float64), 1.0 / rate_hz, self.curves()))

    def tone_gain(self, carrier_hz: float, motion: Motion) -> ComplexArray:
        """What the tone's own voltage makes of cone velocity while the coil moves, relative to rest.

        The slow state (x, i) changes little in a period of the tone, so the tone sees the linear driver
        that the curves are at that place: v/u = B / (Ze·Zm + B²), with B = Bl(x) + Le'(x)·i, Ze the blocked
        impedance of the coil and Zm the mechanical one with the incremental stiffness d(x·K)/dx.
        """
        given, omega = self.curves(), 2.0 * math.pi * carrier_hz
        per_henry = self._coil_impedance(omega)
        rest = _velocity_per_volt(np.zeros(1), np.zeros(1), omega, per_henry, given)
        now = _velocity_per_volt(motion.excursion_m, motion.current_a, omega, per_henry, given)
        return np.asarray(now / rest)

    def _coil_impedance(self, omega: float) -> complex:
        """Per henry: jω, above 5 kHz lossy as (jω)ⁿ (Wright, JAES 38, 1990: n = 0.5-1)."""
        above = omega / (2.0 * math.pi * _EDDY_FROM_HZ)
        lossy = (1j * max(1.0, above)) ** (self.inductance_exponent - 1.0)
        return complex(1j * omega * (lossy if above > 1.0 else 1.0))


@njit(cache=True, inline="always")
def _at(x: float, given: Curves) -> tuple[float, float, float, float]:  # pragma: no cover - compiled
    """Bl, Le, dLe/dx and K at one place."""
    y = x / given.reach
    root = 1.0 / math.sqrt(1.0 + y * y)
    centre = 1.0 + given.fall * given.shift**2
    bl = given.force_factor * centre / (1.0 + given.fall * (y - given.shift) ** 2)
    inductance = given.inductance * (1.0 - given.slope * y * root)
    d_inductance = -given.inductance * given.slope * root**3 / given.reach
    stiffness = given.stiffness * (1.0 + y * (given.k1 + y * (given.k2 + given.k4 * y * y)))
    return bl, inductance, d_inductance, stiffness


@njit(cache=True)
def _integrate(
    volts: FloatArray, step: float, given: Curves
) -> tuple[FloatArray, FloatArray, FloatArray]:  # pragma: no cover - compiled
    """Implicit midpoint, with the curves where the coil is half a step later.

    The three equations are then linear in the state and are eliminated by hand. No step is too long to be
    stable (the coil's time constant is shorter than a sample), and for a linear driver this is the
    bilinear transform: at 1 kHz and 48 kHz its frequency is off by (2·pi·f·step)²/12 = 0.14 %.
    """
    count, half = len(volts), 0.5 * step
    excursion, current, acceleration = np.zeros(count), np.zeros(count), np.zeros(count)
    flux, x, v, i, before = 0.0, 0.0, 0.0, 0.0, 0.0
    for n in range(count):
        bl, inductance, d_inductance, stiffness = _at(x + half * v, given)
        # force per ampere: the coil's, and half of Le'(x)·i, the pull on its iron
        pull = max(bl + 0.5 * d_inductance * i, 0.0)
        admit = 1.0 / (1.0 + half * given.resistance / inductance)
        push = flux + half * 0.5 * (before + volts[n])
        loss = given.damping + half * stiffness + half * admit * pull * bl / inductance
        force = pull * admit * push / inductance - stiffness * x
        v_middle = (given.mass * v + half * force) / (given.mass + half * loss)
        flux = 2.0 * admit * (push - half * bl * v_middle) - flux
        x, v, before = x + step * v_middle, 2.0 * v_middle - v, volts[n]
        bl, inductance, d_inductance, stiffness = _at(x, given)
        i = flux / inductance
        force = (bl + 0.5 * d_inductance * i) * i - given.damping * v - stiffness * x
        excursion[n], current[n], acceleration[n] = x, i, force / given.mass
    return excursion, current, acceleration


@njit(cache=True)
def _velocity_per_volt(
    excursion: FloatArray, current: FloatArray, omega: float, per_henry: complex, given: Curves
) -> ComplexArray:  # pragma: no cover - compiled
    gain = np.empty(len(excursion), np.complex128)
    for n in range(len(excursion)):
        bl, inductance, d_inductance, _ = _at(excursion[n], given)
        y = excursion[n] / given.reach
        # of x·K(x): what a small motion on top of a large one feels
        slope = given.stiffness * (1.0 + y * (2 * given.k1 + y * (3 * given.k2 + 5 * given.k4 * y * y)))
        turn = bl + d_inductance * current[n]
        electrical = given.resistance + per_henry * inductance
        mechanical = given.damping + 1j * (omega * given.mass - slope / omega)
        gain[n] = turn / (electrical * mechanical + turn * turn)
    return gain
