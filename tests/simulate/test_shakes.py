"""What shakes the device: sidebands as on paper, rings that ring when they say, and what the truth tells."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy.interpolate import CubicSpline
from scipy.special import jv

from noctule.simulate.field import ToneField
from noctule.simulate.movers.shakes import Bump, DeviceVibration, Nothing, PhoneOnTable
from noctule.simulate.parts import Displacement, FloatArray, Mover, Scatterers
from noctule.simulate.render import render
from noctule.simulate.room import Room
from noctule.simulate.scenes import parse_scene
from noctule.simulate.transducers import Band, Transducers
from noctule.simulate.truth import instants, spans

CARRIER_HZ = 40000.0
BAND = Band(6000.0, 1400.0, 4600.0)
VIEW = np.zeros(3)


def room(far_wall_absorption: float) -> Room:
    """Only the wall at x = 5 m answers, where it does."""
    return Room(
        floor_absorption=0.99,
        ceiling_absorption=0.99,
        wall_absorption=(0.99, far_wall_absorption, 0.99, 0.99),
        scattering=0.0,
        airflow_mps=0.0,
    )


def field(room: Room, motion: Displacement | None, *movers: Mover) -> ToneField:
    place = Transducers(
        loudspeakers_m=np.array([[2.0, 2.0, 1.2]]),
        axes=np.array([[1.0, 0.0, 0.0]]),
        directivity=np.ones(256),
        source_pa=1.0,
        microphones_m=np.array([[2.1, 2.0, 1.2]]),
    )
    return ToneField(room, place, CARRIER_HZ, BAND, movers, seed=1, duration_s=3.0, device_motion_m=motion)


def line(samples: npt.NDArray[np.inexact], hz: float) -> complex:
    """Amplitude of one line, over whole periods of the window."""
    window = np.hanning(len(samples)) / np.hanning(len(samples)).sum()
    at = np.arange(len(samples)) / BAND.rate_hz
    return complex((samples * window * np.exp(-2j * np.pi * hz * at)).sum())


def along_x(part: DeviceVibration) -> tuple[Displacement, float]:
    """A device that is shaken towards the wall alone, and by how much at its first line."""
    shake = part.device_motion_m(np.random.default_rng(3))
    time_s = np.arange(6000) / 6000.0
    excursion_m = 2.0 * abs(line(shake(time_s)[:, 0], part.frequency_hz))
    return (lambda time_s: shake(time_s) * [1.0, 0.0, 0.0]), excursion_m


class Rests:
    """One point 1 m in front of the loudspeaker that rests; or that moves instead of the device."""

    knot_rate_hz, highest_speed_mps = 2000.0, 0.1

    def __init__(self, motion: Displacement | None = None) -> None:
        self._motion = motion

    def scatterers(self, time_s: FloatArray, viewpoint_m: FloatArray) -> Scatterers:
        place = np.tile(np.array([3.0, 2.0, 1.2]), (len(time_s), 1))
        if self._motion is not None:
            place = place - self._motion(time_s)
        return Scatterers(place[:, None], np.full((len(time_s), 1), 0.1))


@pytest.mark.parametrize("excursion_um", [1.0, 30.0])
def test_vibration_puts_the_sidebands_of_a_bessel_function_on_the_walls_echo(excursion_um: float) -> None:
    """The way to the wall and back shortens by twice the excursion: J1(b) of it, b = 2·pi·f·2x/c.

    1 um makes -63 dB of the wall's echo at 40 kHz: 6 dB more than PHYSICS says of a cone that moves one way.
    """
    part = DeviceVibration(frequency_hz=60.0, excursion_um=excursion_um, harmonics=1)
    motion, excursion_m = along_x(part)
    heard = field(room(0.0), motion).still(6000, 12000)[:, 0]
    wall_m = 3.0 + 2.9
    wall = math.exp(-float(room(0.0).air_nepers_per_m(CARRIER_HZ)) * wall_m) / wall_m
    b = 2.0 * math.pi * CARRIER_HZ / room(0.0).speed_of_sound_mps * 2.0 * excursion_m
    for hz in (60.0, -60.0):  # its amplitude beats by 30 %, slower than the window: the mean is left
        assert abs(line(heard, hz)) == pytest.approx(wall * jv(1, b), rel=0.15)
    still = field(room(0.0), None).still(6000, 12000)[:, 0]
    assert abs(line(still, 60.0)) < 1e-2 * wall * jv(1, b)
    if excursion_um == 1.0:
        b_full = 2.0 * math.pi * CARRIER_HZ / 343.2 * 2e-6
        assert 20 * math.log10(jv(1, b_full)) == pytest.approx(-69.0 + 6.0 + 0.2, abs=0.5)


def test_the_direct_path_moves_with_the_device() -> None:
    """Without walls nothing is to be seen of 30 um, but what the 1 % that is left of them makes."""
    motion, _ = along_x(DeviceVibration(frequency_hz=60.0, excursion_um=30.0, harmonics=1))
    heard = field(room(0.99), motion).still(6000, 12000)[:, 0]
    live = field(room(0.0), motion).still(6000, 12000)[:, 0]
    assert abs(line(heard, 60.0)) < 0.2 * abs(line(live, 60.0))
    assert abs(line(heard, 0.0)) == pytest.approx(10.0, rel=0.03)  # 0.1 m


def test_a_shaken_device_sees_the_room_shake_the_other_way() -> None:
    """Two roads to the same echo."""
    motion, _ = along_x(DeviceVibration(frequency_hz=60.0, excursion_um=50.0, harmonics=2))
    shaken = field(room(0.99), motion, Rests()).moving(6000, 6000)
    moved = field(room(0.99), None, Rests(motion)).moving(6000, 6000)
    assert np.abs(shaken - shaken.mean()).max() > 1e-5
    np.testing.assert_allclose(shaken, moved, atol=1e-5 * np.abs(moved).max())


def test_lines_beyond_what_is_carried_are_left_out() -> None:
    """380 Hz: at the rate at which shaking is followed, higher ones would come back as others."""
    part = DeviceVibration(frequency_hz=150.0, harmonics=6, excursion_um=10.0)
    moved = part.device_motion_m(np.random.default_rng(1))(np.arange(6000) / 6000.0)
    found = [hz for hz in range(150, 1000, 150) if max(abs(line(axis, hz)) for axis in moved.T) > 1e-7]
    assert found == [150, 300]


def test_vibration_ends_when_it_says() -> None:
    part = DeviceVibration(frequency_hz=40.0, from_s=1.0, to_s=2.0)
    shake = part.device_motion_m(np.random.default_rng(1))
    moved = np.abs(shake(np.arange(0.0, 3.0, 0.001))).max(1)
    assert not moved[:1000].any()
    assert moved[1400:1950].max() > 1e-6
    assert not moved[2301:].any()
    assert np.abs(np.diff(moved)).max() < 2e-6  # neither end is a step


def test_two_things_shake_the_device_together() -> None:
    """From the scene file to the sensor's band: both lines are there, and none without them."""
    scene = """
    duration_s = 4
    [room]
    airflow_mps = 0.0
    [unit]
    skirt_db = -60
    [[mover]]
    kind = "device_vibration"
    frequency_hz = 52
    excursion_um = 120
    harmonics = 1
    [[mover]]
    kind = "device_vibration"
    frequency_hz = 87
    excursion_um = 120
    harmonics = 1
    """
    shaken = np.concatenate(list(render(parse_scene(scene))))[6000:18000, 0]
    still = np.concatenate(list(render(parse_scene(scene.replace("= 120", "= 0")))))[6000:18000, 0]
    for hz in (52.0, -52.0, 87.0, -87.0):
        assert abs(line(shaken, hz)) > 20.0 * abs(line(still, hz))
    assert abs(line(shaken, 68.0)) < 3.0 * abs(line(still, 68.0)) + 1e-7


# ---- bumps


def test_truth_tells_of_a_bump_while_it_swings() -> None:
    """A bump at 3 s used to be told from the beginning to the end of the scene."""
    text = 'duration_s = 8\n[[mover]]\nkind = "bump"\nat_s = [3.0, 4.0]\ndecay_s = 0.5\n'
    scene = parse_scene(text)
    assert [(one.label, one.start_s, one.stop_s) for one in spans(scene)] == [("motion:bump", 3.0, 6.0)]
    moving = [record.t for record in instants(scene) if record.moving]
    assert (moving[0], moving[-1]) == (3.0, 5.9)
    said = parse_scene(text + "from_s = 1.0\nto_s = 7.0\n").mover[0]
    assert (said.from_s, said.to_s) == (1.0, 7.0)
    swing = Bump(at_s=(3.0,), decay_s=0.5).device_motion_m(np.random.default_rng(1))
    whole, after = (np.abs(swing(np.arange(a, 9.0, 0.001))).max() for a in (0.0, 5.0))
    assert after < 0.02 * whole  # of what goes on after its end


def test_blows_have_their_own_directions_and_add_up() -> None:
    rng = np.random.default_rng(2)
    both = Bump(at_s=(1.0, 1.05)).device_motion_m(np.random.default_rng(2))
    first = Bump(at_s=(1.0,)).device_motion_m(rng)
    early, late = np.arange(0.9, 1.05, 0.001), np.arange(1.06, 1.5, 0.001)
    np.testing.assert_allclose(both(early), first(early), atol=1e-12)
    second = both(late) - first(late)
    assert np.abs(second).max() > 1e-5
    ways = [moved[np.argmax(np.linalg.norm(moved, axis=1))] for moved in (first(late), second)]
    cosine = abs(ways[0] @ ways[1]) / np.linalg.norm(ways[0]) / np.linalg.norm(ways[1])
    assert cosine < 0.99


# ---- a telephone on the table

PHONE = PhoneOnTable(
    position_m=(1.0, 2.0, 0.8),
    frequency_hz=160.0,
    excursion_um=200.0,
    device_excursion_um=10.0,
    noise_db_spl=40.0,
    rings_s=0.4,
    pauses_s=0.6,
    from_s=1.0,
    to_s=3.2,
)


def test_phone_shakes_sounds_and_moves_when_it_rings_and_only_then() -> None:
    """Rings at 1.0, 2.0 and 3.0 s; the last one fades after 3.2 s, which takes 0.3 s."""
    rate_hz = 8000.0
    time_s = np.arange(round(5.0 * rate_hz)) / rate_hz
    device_m = np.abs(PHONE.device_motion_m(np.random.default_rng(1))(time_s)).max(1)
    place_m = PHONE.mover(np.random.default_rng(1)).scatterers(time_s, VIEW).position_m[:, 0]
    moved_m = np.abs(place_m - np.array(PHONE.position_m)).max(1)
    sound = PHONE.sound(np.random.default_rng(1))
    wave = np.abs(sound.waveform(rate_hz, 0, len(time_s)))
    ringing = np.zeros(len(time_s), np.bool_)
    for start_s in (1.0, 2.0, 3.0):
        ringing |= (time_s > start_s) & (time_s < start_s + 0.4)
    for size in (device_m, moved_m, wave):
        assert not size[~ringing].any()
        middle = (time_s > 2.1) & (time_s < 2.3)
        assert size[middle].max() > 0.5 * size.max()
    assert (
        9e-6 < np.linalg.norm(PHONE.device_motion_m(np.random.default_rng(1))(time_s), axis=1).max() <= 1e-5
    )
    assert np.linalg.norm(place_m - PHONE.position_m, axis=1).max() == pytest.approx(200e-6, rel=0.05)
    assert (sound.starts_s, sound.ends_s) == (1.0, 3.5)


def test_phone_rattles_twice_a_swing() -> None:
    """Case against table at both ends: the noise's power goes with 2 x 160 Hz, and with 160 Hz not at all."""
    sound = PHONE.model_copy(update={"rings_s": 5.0, "to_s": None}).sound(np.random.default_rng(1))
    power = np.square(sound.waveform(96000.0, 192000, 192000))
    spectrum = np.abs(np.fft.rfft(power))
    once, twice = (spectrum[round(2 * hz)] for hz in (160.0, 320.0))
    assert twice / spectrum[0] == pytest.approx(0.5, rel=0.1)  # sin² = (1 - cos)/2, two sides of a line
    assert once < 0.05 * twice


def test_phone_between_its_knots_is_where_a_cubic_puts_it() -> None:
    """20 um is what every mover promises; at its fastest."""
    fast = PHONE.model_copy(update={"frequency_hz": 280.0, "excursion_um": 1000.0, "from_s": 0.0})
    mover = fast.mover(np.random.default_rng(1))
    knots = np.arange(0.0, 0.5, 1.0 / mover.knot_rate_hz)
    dense = np.arange(0.05, 0.45, 1e-4)
    at_knots, there = (mover.scatterers(one, VIEW).position_m[:, 0] for one in (knots, dense))
    assert np.abs(CubicSpline(knots, at_knots)(dense) - there).max() < 20e-6


def test_nothing_is_no_point() -> None:
    """What only shakes the device has no echo: the fields of an empty room and of this one are the same."""
    heard = field(room(0.0), None, Nothing()).pressure(0, 500)
    np.testing.assert_array_equal(heard, field(room(0.0), None).pressure(0, 500))
