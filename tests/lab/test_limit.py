"""The clairvoyant limit against paper answers, and its parts against the simulator."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest

from noctule.core.units import hz_per_mps
from noctule.lab.limit import (
    CELL_S,
    THRESHOLD,
    Limit,
    clean_echo,
    deflection,
    detection_probability,
    interference,
    limit_of,
    margin_db,
)
from noctule.simulate.person import Person
from noctule.simulate.render import render
from noctule.simulate.scenes import Scene
from noctule.simulate.walking import Stand, Walk

RATE_HZ, CARRIER_HZ = 6000.0, 40000.0
Complex = npt.NDArray[np.complex128]
Of = Literal["together", "each", "power"]


def white(seconds: float, microphones: int, seed: int = 1) -> Complex:
    """Variance 1."""
    rng = np.random.default_rng(seed)
    pair = rng.standard_normal((2, int(seconds * RATE_HZ), microphones))
    return np.asarray((pair[0] + 1j * pair[1]) / math.sqrt(2.0))


def sine(seconds: float, microphones: int, velocity_mps: float = 1.0, amplitude: float = 0.1) -> Complex:
    hz = velocity_mps * hz_per_mps(CARRIER_HZ)
    one = amplitude * np.exp(2j * np.pi * hz * np.arange(int(seconds * RATE_HZ)) / RATE_HZ)
    return np.repeat(one[:, None], microphones, 1)


def total_db(limit: Limit) -> float:
    """In the middle, away from the windows that the ends cut short."""
    return 10.0 * math.log10(limit.most(3.0, 4.0))


def mean_db(microphones: int = 1, carrier_hz: float = CARRIER_HZ, of: Of = "together") -> float:
    """Over sixteen noises: what is known of R is an estimate from three seconds, good to half a decibel."""
    s = sine(6, microphones)
    found = [
        deflection(s, white(6, microphones, seed), rate_hz=RATE_HZ, carrier_hz=carrier_hz)
        for seed in range(16)
    ]
    return 10.0 * math.log10(np.mean([one.most(2.5, 3.5, of) for one in found]))


#: Baseband of variance 1 at 6 kHz: 1 s of amplitude 0.1 holds 6000·0.01 = 60 of energy; d² = 2·60/1.
PAPER_DB = 10.0 * math.log10(2 * 60.0)


@pytest.mark.parametrize("carrier_hz", [20000.0, 40000.0])
def test_a_known_sine_in_white_noise_has_twice_its_energy_over_the_noise_density(carrier_hz: float) -> None:
    """At any carrier: windows are twice as long at 20 kHz, the energy is the same."""
    assert mean_db(carrier_hz=carrier_hz) == pytest.approx(PAPER_DB, abs=0.2)


def test_two_microphones_with_noise_of_their_own_gain_3_db_and_eight_gain_9() -> None:
    assert mean_db(2) == pytest.approx(PAPER_DB + 10.0 * math.log10(2), abs=0.2)
    assert mean_db(8) == pytest.approx(PAPER_DB + 10.0 * math.log10(8), abs=0.4)
    assert mean_db(2, of="each") == pytest.approx(PAPER_DB, abs=0.4)  # the better of two is above the mean


def test_power_alone_finds_a_line_as_paper_says() -> None:
    """Energy E_k in cells of noise 1 gives d² = sum of E_k²; how a sine spreads over the bins is known."""
    length, hz = 528, 1.0 * hz_per_mps(CARRIER_HZ)
    time_s = np.arange(length) / RATE_HZ
    window = np.sin(np.pi * (np.arange(length) + 0.5) / length)
    share = np.abs(np.fft.fft(window * np.exp(2j * np.pi * hz * time_s))) ** 2
    frames = RATE_HZ / (length / 2)
    energy = 2.0 * 60.0 / frames * share / share.sum()  # of a frame: everything is in two
    paper = 0.5 * frames * (energy**2).sum()
    assert mean_db(of="power") == pytest.approx(10.0 * math.log10(paper), abs=0.5)


def test_power_alone_counts_energy_squared_and_each_new_look_once() -> None:
    def found(s: Complex, n: Complex) -> float:
        return deflection(s, n, rate_hz=RATE_HZ, carrier_hz=CARRIER_HZ).most(2.5, 3.5, "power")

    s, n = sine(6, 1), white(6, 1)
    assert found(2 * s, n) / found(s, n) == pytest.approx(16.0)
    assert found(np.repeat(s, 2, 1), np.repeat(n, 2, 1)) == pytest.approx(found(s, n))
    assert mean_db(2, of="power") - mean_db(of="power") == pytest.approx(10.0 * math.log10(2), abs=0.3)


def test_two_microphones_null_what_both_hear_alike() -> None:
    """Interference 40 dB over the noise, equal on both; the echo comes with the other sign on one.

    The null costs nothing here, because the echo has no part in it: both microphones' full energy is left.
    """
    s = sine(8, 2) * np.array([1.0, -1.0])
    common = 100.0 * white(8, 1, seed=2)
    found = deflection(s, white(8, 2) + common, rate_hz=RATE_HZ, carrier_hz=CARRIER_HZ)
    assert total_db(found) == pytest.approx(PAPER_DB + 3.0, abs=1.0)
    assert found.most(3.0, 4.0, "each") < 120.0 / 1000.0


def test_what_has_the_interferences_own_signature_cannot_be_told_from_it() -> None:
    found = deflection(
        sine(8, 2), white(8, 2) + 100.0 * white(8, 1, seed=2), rate_hz=RATE_HZ, carrier_hz=CARRIER_HZ
    )
    assert found.most(3.0, 4.0) < 120.0 / 1000.0


def test_a_burst_elsewhere_in_velocity_costs_nothing() -> None:
    """Two rooms: one quiet, one with a strong line at -2 m/s; the echo is at +1 m/s."""
    quiet = deflection(sine(8, 1), white(8, 1), rate_hz=RATE_HZ, carrier_hz=CARRIER_HZ)
    line = sine(8, 1, velocity_mps=-2.0, amplitude=10.0)
    found = deflection(sine(8, 1), white(8, 1) + line, rate_hz=RATE_HZ, carrier_hz=CARRIER_HZ)
    assert total_db(found) == pytest.approx(total_db(quiet), abs=0.3)


def test_the_static_room_counts_on_neither_side() -> None:
    """A constant 80 dB over the noise changes nothing; a constant echo is no motion."""
    quiet = deflection(sine(8, 1), white(8, 1), rate_hz=RATE_HZ, carrier_hz=CARRIER_HZ)
    found = deflection(sine(8, 1), white(8, 1) + 1e4, rate_hz=RATE_HZ, carrier_hz=CARRIER_HZ)
    assert total_db(found) == pytest.approx(total_db(quiet), abs=0.05)
    still = deflection(np.full((48000, 1), 1.0 + 0j), white(8, 1), rate_hz=RATE_HZ, carrier_hz=CARRIER_HZ)
    assert still.most(3.0, 4.0) < 1e-6


def test_dead_microphones_are_left_out() -> None:
    s, n = sine(8, 2), white(8, 2)
    s[:, 1] = n[:, 1] = 0.0
    found = deflection(s, n, rate_hz=RATE_HZ, carrier_hz=CARRIER_HZ)
    assert total_db(found) == pytest.approx(PAPER_DB, abs=1.0)
    assert found.each[:, 1].sum() == 0.0


def test_margin_and_probability() -> None:
    """At 0 dB half are found; 3.72 is the one-sided quantile of one in ten thousand."""
    assert pytest.approx(3.719, abs=1e-3) == THRESHOLD
    assert margin_db(THRESHOLD**2) == pytest.approx(0.0)
    assert margin_db(0.0) == pytest.approx(-99.0)
    assert detection_probability(THRESHOLD**2) == pytest.approx(0.5)
    assert detection_probability(0.0) == pytest.approx(1e-4)


def test_the_best_second_is_looked_for_inside_only() -> None:
    """A cell of energy just after the stretch must not count; a short stretch counts as it is."""
    cells = np.zeros(40)
    cells[[12, 20]] = 1.0, 100.0
    limit = Limit(cells, cells[:, None], cells)
    assert limit.most(1.0, 20 * CELL_S) == 1.0
    assert limit.most(1.0, 21 * CELL_S) == 101.0
    assert limit.most(2.0, 2.1) == 100.0
    assert limit.by_second().tolist() == [0.0, 1.0, 100.0, 0.0]


@pytest.fixture(scope="module")
def walk() -> Scene:
    person = Person(start=(4.2, 2.0), heading_deg=180, does=(Stand(for_s=2.5), Walk(to=(2.4, 2.0))))
    return Scene(duration_s=5.0, seed=3, person=(person,))


def test_the_echo_is_what_a_quiet_scene_has_more_with_its_people(walk: Scene) -> None:
    """Two roads: the difference of two renderings with all the noise the unit can be rid of."""
    quiet = walk.model_copy(
        update={
            "unit": walk.unit.model_copy(update={"skirt_db": -60.0, "snr_dba": 75.0}),
            "electronics": walk.electronics.model_copy(update={"bits": 32}),
        }
    )
    there, away = (
        np.concatenate(list(render(one))) for one in (quiet, quiet.model_copy(update={"person": ()}))
    )
    echo, _ = clean_echo(walk)
    # the same noise is in both: what is left is rounding of a carrier 60 dB above
    assert np.abs(there - away - echo).max() < 0.01 * np.abs(echo).max()


def test_echo_and_interference_are_the_scene(walk: Scene) -> None:
    echo, _ = clean_echo(walk)
    whole = np.concatenate(list(render(walk)))
    assert np.abs(whole - interference(walk) - echo).max() < 0.02 * np.abs(echo).max()


def test_a_walk_has_a_margin_and_standing_before_it_has_none(walk: Scene) -> None:
    limit = limit_of(walk)
    assert margin_db(limit.most(2.5, 3.5)) > 15.0
    assert margin_db(limit.most(0.2, 1.6)) < margin_db(limit.most(2.5, 3.5)) - 20.0
    assert limit.most(2.5, 3.5) > limit.most(2.5, 3.5, "each")
