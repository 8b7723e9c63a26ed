"""Echoes against closed formulae where `test_field.py` does not look, and the air they go through."""

from __future__ import annotations

import math

import numpy as np
import pytest

from noctule.simulate.field import ToneField
from noctule.simulate.medium import Medium, MovingAir
from noctule.simulate.parts import FloatArray, Scatterers
from noctule.simulate.render import World
from noctule.simulate.room import Room
from noctule.simulate.scenes import parse_scene
from noctule.simulate.transducers import Band, Transducers

CARRIER_HZ = 40000.0
BAND = Band(6000.0, 1400.0, 4600.0)
DEAD = Room(
    floor_absorption=0.99,
    ceiling_absorption=0.99,
    wall_absorption=(0.99,) * 4,
    scattering=0.99,
    airflow_mps=0.0,
)


def place(directivity: FloatArray | None = None, leakage: float = 1.0) -> Transducers:
    return Transducers(
        loudspeakers_m=np.array([[2.5, 2.0, 1.0]]),
        axes=np.array([[1.0, 0.0, 0.0]]),
        directivity=np.ones(256) if directivity is None else directivity,
        source_pa=1.0,
        microphones_m=np.array([[2.5, 2.0, 1.05]]),
        leakage=leakage,
    )


class Point:
    """One that rests, of amplitude 1 at 1 m."""

    knot_rate_hz, highest_speed_mps = 30.0, 0.01

    def __init__(self, *position_m: float) -> None:
        self._position_m = position_m

    def scatterers(self, time_s: FloatArray, viewpoint_m: FloatArray) -> Scatterers:
        return Scatterers(np.tile(self._position_m, (len(time_s), 1, 1)), np.ones((len(time_s), 1)))


def heard(point: Point, transducers: Transducers) -> complex:
    field = ToneField(DEAD, transducers, CARRIER_HZ, BAND, [point], seed=1, duration_s=1.0)
    samples = field.moving(1000, 100)[:, 0]
    assert np.ptp(samples.real) < 1e-4 * np.abs(samples).max()  # nothing moves
    return complex(samples.mean())


def test_echoes_of_points_at_rest_are_the_closed_formula(rng: np.random.Generator) -> None:
    """exp(-a·D)·exp(-2·pi·j·f·D/c)/(r1·r2) at any phase: the sine's polynomials err by 4e-5."""
    nepers = float(DEAD.air_nepers_per_m(CARRIER_HZ))
    for _ in range(60):
        x, y, z = rng.uniform((0.2, 0.2, 0.2), (4.8, 3.8, 2.3))
        out_m, back_m = math.dist((x, y, z), (2.5, 2.0, 1.0)), math.dist((x, y, z), (2.5, 2.0, 1.05))
        if out_m < 0.2:
            continue
        turns = CARRIER_HZ * (out_m + back_m) / DEAD.speed_of_sound_mps
        expected = np.exp(-nepers * (out_m + back_m) - 2j * np.pi * turns) / (out_m * back_m)
        found = heard(Point(x, y, z), place())
        # ways over the walls are 40 dB down, and mostly left out
        assert abs(found - expected) < 1e-3 * abs(expected)


def test_the_loudspeakers_beam_lights_and_the_microphone_hears_all_round() -> None:
    """Behind it a tenth of the amplitude, beside it what the table says; once, on the way out."""
    beam = np.linspace(0.1, 1.0, 256)
    places = {1.0: (3.5, 2.0, 1.0), -1.0: (1.5, 2.0, 1.0), 0.0: (2.5, 3.0, 1.0)}
    for cosine, where in places.items():
        share = abs(heard(Point(*where), place(beam))) / abs(heard(Point(*where), place()))
        assert share == pytest.approx(0.1 + 0.45 * (cosine + 1.0), abs=2e-3)


def test_a_point_inside_the_device_is_not_infinitely_loud() -> None:
    """Nothing counts as nearer than 5 cm, on each way. Right on the loudspeaker it was not a number."""
    assert abs(heard(Point(2.5, 2.0, 1.0), place())) == pytest.approx(1.0 / 0.05**2, rel=0.02)


# ---- air that moves


def medium() -> Medium:
    return Medium(CARRIER_HZ, DEAD.speed_of_sound_mps, 0.0)


def test_still_air_is_never_late() -> None:
    assert not MovingAir(medium(), 0.0, 1, "x").lateness(np.linspace(0.0, 5.0, 50)).any()


def test_air_is_late_by_its_share_and_the_same_for_any_question() -> None:
    """A fluctuation of 0.02 m/s is a share of 0.02/343; another path has another one."""
    air, other = (MovingAir(medium(), 0.02, 1, name) for name in ("one", "other"))
    time_s = np.arange(0.0, 200.0, 0.01)
    late = air.lateness(time_s)
    assert late.std() == pytest.approx(0.02 / DEAD.speed_of_sound_mps, rel=0.1)
    assert abs(np.corrcoef(late, other.lateness(time_s))[0, 1]) < 0.2
    for part in (slice(17, 18), slice(15000, 15500), slice(3, 900)):
        np.testing.assert_allclose(air.lateness(time_s[part]), late[part], atol=1e-12)


def test_moving_air_turns_a_walls_echo_by_its_length() -> None:
    """2·pi·f/c·L·share of it: 4 mrad rms over 4 m in still air (0.0005 m/s), ten times that in a draught."""
    walls = {"floor_absorption": 0.99, "ceiling_absorption": 0.99, "wall_absorption": (0.99, 0.0, 0.99, 0.99)}
    room = Room(size_m=(10.0, 10.0, 10.0), scattering=0.0, airflow_mps=0.0, **walls)
    device = Transducers(
        loudspeakers_m=np.array([[8.0, 5.0, 5.0]]),
        axes=np.array([[1.0, 0.0, 0.0]]),
        directivity=np.ones(256),
        source_pa=1.0,
        microphones_m=np.array([[8.0, 5.0, 5.05]]),
        leakage=0.0,
    )
    more = {"seed": 1, "duration_s": 200.0}
    for airflow_mps in (0.0005, 0.005):
        field = ToneField(room, device, CARRIER_HZ, BAND, [], airflow_mps=airflow_mps, **more)  # type: ignore[arg-type]
        turned = np.unwrap(np.angle(field.still(0, 200 * 6000)[::60, 0]))
        c = room.speed_of_sound_mps
        expected_rad = 2.0 * math.pi * CARRIER_HZ / c * 4.0 * airflow_mps / c
        # the other walls are farther, and keep 10 % of the amplitude each
        assert turned.std() == pytest.approx(expected_rad, rel=0.1)


def test_wind_comes_and_goes_with_the_fan_that_makes_it() -> None:
    scene = parse_scene(
        'carrier_hz = 40000\n[[mover]]\nkind = "floor_fan"\nposition_m = [3.0, 2.0, 1.0]\n'
        "from_s = 10\nto_s = 20\n"
    )
    still, before, running, after = World(scene, 0.0).airflow_mps(np.array([0.0, 9.9, 16.0, 40.0]))
    assert still == before == after == pytest.approx(scene.room.airflow_mps)
    assert running > 20.0 * still
