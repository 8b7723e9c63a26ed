"""A small loudspeaker in time: the linear one on paper, each curve alone, and what they do to a tone."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError

from noctule.simulate.driver import AIR_DENSITY_KGPM3, ComplexArray, Driver, Motion
from noctule.simulate.parts import FloatArray

RATE_HZ = 48000.0
SECOND = 48000
STRAIGHT: dict[str, float] = {
    "force_factor_fall": 0.0,
    "stiffness_growth": 0.0,
    "stiffness_stop": 0.0,
    "inductance_slope": 0.0,
}
LINEAR = Driver.model_validate(STRAIGHT)
#: So far below its resonance that stiffness alone holds the cone, and the coil is a resistance.
SLOW = STRAIGHT | {"resonance_hz": 1000.0, "electrical_q": 0.4, "inductance_uh": 2.0}


def sine(hz: float, volts: float) -> FloatArray:
    return np.asarray(volts * np.sin(2.0 * np.pi * hz * np.arange(2 * SECOND) / RATE_HZ))


def harmonics(signal: FloatArray, hz: int, count: int = 10) -> FloatArray:
    """Amplitudes of the first harmonics (from index 1 on) in the last second, when all has settled."""
    return np.abs(np.fft.rfft(signal[-SECOND:]))[np.arange(count + 1) * hz] * 2.0 / SECOND


def distortion(signal: FloatArray, hz: int) -> float:
    """Total harmonic distortion, share of the fundamental."""
    amplitude = harmonics(signal, hz)
    return float(np.linalg.norm(amplitude[2:]) / amplitude[1])


def excursion_per_volt(driver: Driver, omega: complex) -> complex:
    """x/u = B / ((R + jωL)(K − ω²M + jωRm) + jωB²), of Thiele's and Small's lumped circuit."""
    s, given = 1j * omega, driver.curves()
    electrical = given.resistance + s * given.inductance
    mechanical = given.stiffness + s * given.damping + s**2 * given.mass
    return given.force_factor / (electrical * mechanical + s * given.force_factor**2)


@pytest.mark.parametrize("hz", [20, 90, 180, 400, 3000])
@pytest.mark.parametrize("inductance_uh", [60.0, 2000.0])
def test_linear_driver_is_its_circuit(hz: int, inductance_uh: float) -> None:
    """In amplitude and in phase, below, at and above the resonance.

    The midpoint rule is the bilinear transform: the circuit at 2·rate·tan(ω/(2·rate)), exactly.
    """
    driver = LINEAR.model_copy(update={"inductance_uh": inductance_uh})
    moved = driver.move(sine(hz, 2.0), RATE_HZ).excursion_m
    found = np.fft.rfft(moved[-SECOND:])[hz] * 2.0 / SECOND / -1j
    warped = 2.0 * RATE_HZ * math.tan(math.pi * hz / RATE_HZ)
    assert abs(found / (2.0 * excursion_per_volt(driver, warped)) - 1.0) < 1e-7
    # and close to what is written on paper, without the transform
    if hz <= 400:
        assert abs(found / (2.0 * excursion_per_volt(driver, 2.0 * math.pi * hz)) - 1.0) < 2e-3


def test_excursion_below_at_and_above_resonance() -> None:
    """Far below it stands where the voltage holds it, at the resonance total Q as far, above it as 1/ω²."""
    driver = LINEAR.model_copy(update={"inductance_uh": 2.0})
    volts = driver.voltage_for(1e-3)
    low, resonance, high = (
        harmonics(driver.move(sine(hz, volts), RATE_HZ).excursion_m, hz)[1] for hz in (5, 180, 1800)
    )
    assert low == pytest.approx(1e-3, rel=0.005)
    assert resonance == pytest.approx(driver.total_q * 1e-3, rel=0.005)
    assert high == pytest.approx(1e-5, rel=0.015)  # 1/(10² − 1), less what damping takes
    assert driver.total_q == pytest.approx(0.716, abs=0.001)


def test_linear_driver_makes_no_harmonics() -> None:
    moved = LINEAR.move(sine(100, 8.0), RATE_HZ)
    assert distortion(moved.acceleration_mps2, 100) < 1e-9


def test_what_is_returned_belongs_together() -> None:
    """Acceleration is the second derivative of excursion, and the current is the one that drives it."""
    driver = Driver(force_factor_offset=0.2)
    moved = driver.move(sine(60, 6.0), RATE_HZ)
    second = np.diff(moved.excursion_m, 2)[9:] * RATE_HZ**2
    assert np.abs(second - moved.acceleration_mps2[10:-1]).max() < 2e-3 * moved.acceleration_mps2.max()
    given = LINEAR.curves()
    x, i, a = LINEAR.move(sine(60, 6.0), RATE_HZ)
    v = np.gradient(x, 1.0 / RATE_HZ)
    force = given.mass * a + given.damping * v + given.stiffness * x
    np.testing.assert_allclose(given.force_factor * i[9:-9], force[9:-9], atol=1e-4 * force.max())


# What each curve alone does to a slow sine that moves the coil to y of its reach, to first order:
# asymmetry makes the second harmonic and grows with y, symmetric curves the third with y².
CURVES = {
    "stiffness_asymmetry": (2, {"stiffness_asymmetry": 0.5, "stiffness_growth": 0.1}, 0.5 / 2),
    "stiffness_growth": (3, {"stiffness_growth": 0.4}, 0.4 / 4),
    "force_factor_fall": (3, {"force_factor_fall": 0.4}, 0.4 / 4),
    "force_factor_offset": (
        2,
        {"force_factor_fall": 0.4, "force_factor_offset": 0.3},
        0.4 * 0.3 / (1.0 + 0.4 * 0.3**2),
    ),
}


@pytest.mark.parametrize("curve", CURVES)
def test_each_curve_alone_makes_its_harmonic(curve: str) -> None:
    order, fields, per_y = CURVES[curve]
    driver = Driver.model_validate(SLOW | fields)

    def share(y: float) -> float:
        volts = driver.voltage_for(y * driver.curves().reach)
        amplitude = harmonics(driver.move(sine(20, volts), RATE_HZ).excursion_m, 20)
        return float(amplitude[order] / amplitude[1])

    assert share(0.05) == pytest.approx(per_y * 0.05 ** (order - 1), rel=0.03)
    assert share(0.1) / share(0.05) == pytest.approx(2.0 ** (order - 1), rel=0.03)
    assert share(1e-5) < 1e-5


def test_lopsided_curves_lean_the_way_they_say() -> None:
    """A constant voltage pushes less far where the suspension is stiffer, farther where Bl is higher."""

    def places(fields: dict[str, float]) -> tuple[float, float]:
        driver = Driver.model_validate(SLOW | fields)
        volts = driver.voltage_for(0.1 * driver.curves().reach)
        outward, inward = (
            driver.move(np.full(SECOND // 4, v), RATE_HZ).excursion_m[-1] for v in (volts, -volts)
        )
        return float(outward), -float(inward)

    stiff = places({"stiffness_asymmetry": 0.5, "stiffness_growth": 0.1})
    strong = places({"force_factor_fall": 0.4, "force_factor_offset": 0.3})
    assert stiff[1] / stiff[0] == pytest.approx(1.0 + 2 * 0.5 * 0.1, rel=0.02)
    assert strong[0] / strong[1] == pytest.approx(1.0 + 4 * 0.4 * 0.3 * 0.1, rel=0.02)


def test_inductance_alone_pulls_the_coil_twice_a_period() -> None:
    """The force ½·Le'·i² has twice the frequency: against Bl·i it is Le'·i/(4·Bl)."""
    driver = Driver.model_validate(SLOW | {"inductance_slope": 0.5, "inductance_uh": 500.0})
    given = driver.curves()
    volts = driver.voltage_for(0.05 * given.reach)
    moved = driver.move(sine(20, volts), RATE_HZ).excursion_m
    amplitude = harmonics(moved, 20)
    slope = 0.5 * given.inductance / given.reach
    expected = slope * volts / given.resistance / (4.0 * given.force_factor)
    assert amplitude[2] / amplitude[1] == pytest.approx(expected, rel=0.05)
    assert moved[-SECOND:].mean() < -0.5 * amplitude[2]  # and inwards, to the iron, on average
    assert amplitude[3] < 0.1 * amplitude[2]


def test_distortion_falls_with_level_and_with_frequency() -> None:
    driver = Driver()
    soft, half, full = (
        [
            distortion(driver.move(sine(hz, volts), RATE_HZ).acceleration_mps2, hz)
            for hz in (50, 100, 160, 800)
        ]
        for volts in (0.008, 4.0, 8.0)
    )
    assert all(1e3 * a < b < c for a, b, c in zip(soft[:3], half, full, strict=False))
    assert list(full) == sorted(full, reverse=True)
    assert full[0] > 0.3
    assert full[3] < 0.003
    assert max(soft) < 1e-4


# ---- what a moving coil does to the tone's level


def at_rest_in(driver: Driver, y: float, current_a: float = 0.0) -> complex:
    """The tone's gain where the coil is held at y of its reach."""
    place = np.array([y * driver.curves().reach])
    return complex(driver.tone_gain(40000.0, Motion(place, np.array([current_a]), np.zeros(1)))[0])


def test_tone_is_untouched_where_the_coil_rests_and_by_a_linear_driver() -> None:
    assert at_rest_in(Driver(), 0.0) == pytest.approx(1.0, abs=1e-12)
    for y in (-1.5, 0.7):
        assert at_rest_in(LINEAR, y, 2.0) == pytest.approx(1.0, abs=1e-12)


def test_tone_follows_the_force_factor() -> None:
    """Mass and inductance rule at 40 kHz, so cone velocity goes as Bl(x): 1/1.22 at the reach, both sides."""
    driver = Driver.model_validate(STRAIGHT | {"force_factor_fall": 0.22})
    for y in (-1.0, 1.0):
        assert abs(at_rest_in(driver, y)) == pytest.approx(1.0 / 1.22, rel=1e-3)
    lopsided = driver.model_copy(update={"force_factor_offset": 0.5})
    assert abs(at_rest_in(lopsided, 0.5)) == pytest.approx(1.0 + 0.22 * 0.25, rel=1e-3)
    assert abs(at_rest_in(lopsided, 1.0)) == pytest.approx(1.0, abs=1e-3)


def test_tone_follows_the_coils_impedance() -> None:
    """Without eddy currents Ze = R + jωL·(1 − slope·y/√(1 + y²)), and the velocity goes as 1/Ze."""
    driver = Driver.model_validate(STRAIGHT | {"inductance_slope": 0.4, "inductance_exponent": 1.0})

    def impedance(y: float) -> complex:
        return 4.0 + 2j * math.pi * 40000.0 * 60e-6 * (1.0 - 0.4 * y / math.sqrt(1.0 + y * y))

    for y in (-1.0, 0.5, 1.0):
        assert at_rest_in(driver, y) == pytest.approx(impedance(0.0) / impedance(y), rel=1e-3)
    # a current through a coil whose inductance falls outwards takes from its force
    slope = 0.4 * 60e-6 / 2e-3
    expected = 1.0 - slope * 2.0 / driver.curves().force_factor
    assert abs(at_rest_in(driver, 0.0, 2.0)) == pytest.approx(expected, rel=1e-4)


def test_stiffness_hardly_reaches_the_tone() -> None:
    """Against the mass it counts (resonance / carrier)² = -94 dB: its part is what the programme does."""
    driver = Driver.model_validate(STRAIGHT | {"stiffness_growth": 1.0, "stiffness_stop": 1.0})
    # of d(x·K)/dx at the reach 3·k2 + 5·k4 = 8 times K is new; damping and Bl²/Ze are smaller still
    expected = 8.0 * (180.0 / 40000.0) ** 2
    assert abs(at_rest_in(driver, 1.0) - 1.0) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    ("fields", "order"),
    [
        ({"force_factor_fall": 0.3}, 2),
        ({"force_factor_fall": 0.3, "force_factor_offset": 0.4}, 1),
        ({"inductance_slope": 0.4}, 1),
    ],
)
def test_bass_modulates_the_tones_level(fields: dict[str, float], order: int) -> None:
    """Symmetric curves at twice the bass's frequency, lopsided ones at the bass's own; softer bass, less."""
    driver = Driver.model_validate(STRAIGHT | fields)

    def sidebands(volts: float) -> FloatArray:
        moved = driver.move(sine(100, volts), RATE_HZ)
        return harmonics(np.abs(driver.tone_gain(40000.0, moved)), 100, 4)

    loud, soft = sidebands(4.0), sidebands(0.04)
    assert np.argmax(loud[1:]) + 1 == order
    assert loud[order] > 0.01
    assert loud[order] / soft[order] == pytest.approx(100.0**order, rel=0.2)


def test_both_roads_to_the_tone_agree() -> None:
    """The tone's gain by formula against the tone put through the whole equation on top of a bass.

    Fine steps, since a small driver is not done with 40 kHz at 48; no eddy currents, which time has not.
    """
    driver = Driver(force_factor_offset=0.3, inductance_exponent=1.0, inductance_slope=0.4)
    rate_hz, hz = 1.92e6, 20000.0
    time_s = np.arange(int(0.06 * rate_hz)) / rate_hz
    bass, tone = 5.0 * np.sin(2.0 * np.pi * 100.0 * time_s), 0.05 * np.sin(2.0 * np.pi * hz * time_s)
    still, alone, both = (driver.move(volts, rate_hz) for volts in (bass, tone, bass + tone))
    turn = np.exp(-2j * np.pi * hz * time_s)
    period = int(rate_hz / hz)

    def envelope(acceleration: FloatArray) -> ComplexArray:
        return np.asarray((acceleration * turn).reshape(-1, period).mean(1)[-200:])

    found = envelope(both.acceleration_mps2 - still.acceleration_mps2) / envelope(alone.acceleration_mps2)
    middle = Motion(*(part.reshape(-1, period).mean(1)[-200:] for part in still))
    expected = driver.tone_gain(hz, middle)
    assert np.ptp(np.abs(expected)) > 0.1
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_pressure_is_a_small_pistons() -> None:
    """10 cm² that accelerate with 1000 m/s² in a wall: ρ·S·a/(2π) = 0.19 Pa at 1 m."""
    found = Driver().pressure_pa(np.array([1000.0]))[0]
    assert found == pytest.approx(AIR_DENSITY_KGPM3 * 1e-3 * 1000.0 / (2.0 * math.pi))
    assert found == pytest.approx(0.19, abs=0.01)


@pytest.mark.parametrize("volts", [60.0, -60.0])
def test_the_loudest_of_all_stays_finite(volts: float, rng: np.random.Generator) -> None:
    """60 V of noise, steps and a sine at the resonance, into a micro-speaker and a lopsided cone."""
    micro = Driver(resonance_hz=900.0, moving_mass_g=0.05, linear_excursion_mm=0.2, piston_area_cm2=1.0)
    lopsided = Driver(stiffness_asymmetry=0.6, stiffness_growth=0.2, force_factor_offset=-0.5)
    for driver in (micro, lopsided, Driver(inductance_slope=0.8, inductance_uh=2000.0)):
        for signal in (
            volts * rng.uniform(-1.0, 1.0, SECOND),
            np.repeat([volts, -volts], SECOND // 2),
            sine(driver.resonance_hz, volts)[:SECOND],
        ):
            moved = driver.move(signal, RATE_HZ)
            assert all(np.isfinite(part).all() for part in moved)
            assert np.isfinite(driver.tone_gain(40000.0, moved)).all()
            # the suspension holds it: never farther than a linear driver
            straight = driver.model_copy(update=STRAIGHT).move(signal, RATE_HZ)
            assert np.abs(moved.excursion_m).max() < 2.0 * np.abs(straight.excursion_m).max()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mechanical_q": 10.0, "electrical_q": 8.0}, "total Q is 4.4"),
        ({"stiffness_asymmetry": 0.6, "stiffness_growth": 0.1}, "stiffness_growth"),
        ({"moving_mass_g": 0.0}, "greater than or equal to"),
        ({"bl": 3.0}, "Extra inputs"),
    ],
)
def test_impossible_drivers_are_refused(fields: dict[str, float], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Driver.model_validate(fields)
    # the other side of the limit
    assert Driver(mechanical_q=10.0, electrical_q=6.6).total_q < 4.0
    assert Driver(stiffness_asymmetry=0.6, stiffness_growth=0.12)
