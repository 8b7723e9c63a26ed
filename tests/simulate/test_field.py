"""The fast road at baseband against the slow road at full rate, and against answers worked out on paper."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from tests.simulate.reference import baseband, passband

from noctule.core.air import absorption_db_per_m
from noctule.core.settings import FeatureSettings
from noctule.dsp.downconvert import plan_decimation
from noctule.simulate.clutter import StillField
from noctule.simulate.echo import Echo
from noctule.simulate.field import ToneField
from noctule.simulate.medium import Medium
from noctule.simulate.parts import FloatArray, Mover, Scatterers
from noctule.simulate.resample import kaiser_lowpass
from noctule.simulate.room import Room, mirror_images
from noctule.simulate.transducers import Band, Transducers

CARRIER_HZ, RATE_HZ = 40000.0, 96000.0
PLAN = plan_decimation(RATE_HZ, CARRIER_HZ, FeatureSettings())
BAND = Band(PLAN.baseband_rate_hz, PLAN.pass_edge_hz, PLAN.stop_edge_hz)
#: Walls that keep all but 2 %: image sources are left, but hardly reflect.
DEAD = Room(
    floor_absorption=0.98,
    ceiling_absorption=0.98,
    wall_absorption=(0.98, 0.98, 0.98, 0.98),
    scattering=0.9,
    airflow_mps=0.0,
)


def place(
    loudspeaker_m: tuple[float, float, float] = (0.3, 2.0, 1.0),
    microphones_m: tuple[tuple[float, float, float], ...] = ((0.35, 2.0, 1.0), (0.3, 2.05, 1.0)),
    directivity: FloatArray | None = None,
) -> Transducers:
    return Transducers(
        loudspeakers_m=np.array([loudspeaker_m]),
        axes=np.array([[1.0, 0.0, 0.0]]),
        directivity=np.ones(256) if directivity is None else directivity,
        source_pa=1.0,
        microphones_m=np.array(microphones_m),
    )


class Walker:
    """Four points that go together and swing apart, with strengths that change."""

    knot_rate_hz, highest_speed_mps = 120.0, 5.0

    def scatterers(self, time_s: FloatArray, viewpoint_m: FloatArray) -> Scatterers:
        points, strengths = [], []
        for n in range(4):
            swing = 0.02 * np.sin(2 * np.pi * 1.8 * time_s) if n == 0 else 0.22 * np.sin(5.65 * time_s + n)
            height = 0.4 + 0.3 * n + 0.03 * np.sin(2 * np.pi * 1.8 * time_s)
            points.append(np.stack([4.5 - 1.2 * time_s + swing, 2 + 0.1 * n + 0 * time_s, height], -1))
            strengths.append(0.1 / (1 + n) * (1 + 0.5 * np.sin(3 * time_s + n)))
        return Scatterers(np.stack(points, 1), np.stack(strengths, 1))


class Rotor:
    """Six points on three blades at 20 turns a second; tips at 21 m/s, ten times the carried band."""

    knot_rate_hz, highest_speed_mps = 960.0, 22.0

    def scatterers(self, time_s: FloatArray, viewpoint_m: FloatArray) -> Scatterers:
        points, strengths = [], []
        for blade in range(3):
            for radius_m in (0.1, 0.17):
                angle = 2 * np.pi * (20.0 * time_s + blade / 3)
                out, up = radius_m * np.cos(angle), radius_m * np.sin(angle)
                points.append(np.stack([2.0 + 0.3 * out, 2.5 + out, 1.0 + up], -1))
                strengths.append(0.05 * (1.2 + np.cos(angle)))
        return Scatterers(np.stack(points, 1), np.stack(strengths, 1))


class Mass:
    """One point on a given road; amplitude 0.1 at 1 m."""

    def __init__(self, start_m: tuple[float, float, float], velocity_mps: tuple[float, float, float]) -> None:
        self._start, self._velocity = np.array(start_m), np.array(velocity_mps)
        self.knot_rate_hz, self.highest_speed_mps = 60.0, float(np.linalg.norm(velocity_mps)) + 0.01

    def scatterers(self, time_s: FloatArray, viewpoint_m: FloatArray) -> Scatterers:
        position = self._start + time_s[:, None] * self._velocity
        return Scatterers(position[:, None], np.full((len(time_s), 1), 0.1))


def tone_field(room: Room, transducers: Transducers, mover: Mover, band: Band = BAND) -> ToneField:
    return ToneField(room, transducers, CARRIER_HZ, band, [mover], seed=1, duration_s=3.0)


def power(samples: npt.NDArray[np.complexfloating]) -> float:
    return float((np.abs(samples) ** 2).sum())


@pytest.mark.parametrize("mover", [Walker(), Rotor()])
def test_baseband_is_the_slow_passband(mover: Mover) -> None:
    """Several ways over walls, two microphones, a loudspeaker that aims: within -50 dB in the band."""
    room = Room(airflow_mps=0.0)
    medium = Medium(CARRIER_HZ, room.speed_of_sound_mps, float(room.air_nepers_per_m(CARRIER_HZ)))
    aimed = place(directivity=np.linspace(0.1, 1.0, 256))
    echo = Echo(room, aimed, medium, BAND, mover, 0, 1, (0.0, 3.0), [], 0.0, None, None)
    assert len(echo._pairs) >= 2
    first_s = 1.0
    for _ in range(2):  # the front end's output falls between ours: begin a little earlier
        slow, at_s = baseband(
            passband(
                mover,
                echo._ends,
                echo._pairs,
                aimed,
                carrier_hz=CARRIER_HZ,
                speed_mps=medium.speed_of_sound_mps,
                nepers=medium.air_nepers_per_m,
                sample_rate_hz=RATE_HZ,
                first_s=first_s,
                count=round(0.3 * RATE_HZ),
            ),
            RATE_HZ,
            CARRIER_HZ,
            first_s,
        )
        first_s -= at_s * BAND.rate_hz % 1.0 / BAND.rate_hz
    fast = echo.pressure(round(at_s * BAND.rate_hz), len(slow))
    # beyond the band's edge either low-pass does as it likes
    taps = kaiser_lowpass(0.8 * BAND.pass_hz, BAND.pass_hz, BAND.rate_hz)
    error, level = (
        power(np.stack([np.convolve(one, taps, "valid") for one in samples.T]))
        for samples in (slow - fast, slow)
    )
    assert 10 * math.log10(error / level) < -50.0


def test_a_stretch_is_the_same_whatever_was_asked_before() -> None:
    field = tone_field(Room(airflow_mps=0.002), place(), Walker())
    whole = field.pressure(700, 2500)
    again = tone_field(Room(airflow_mps=0.002), place(), Walker())
    late = again.pressure(1700, 1500)
    early = again.pressure(700, 1000)
    error = np.abs(np.concatenate([early, late]) - whole).max()
    assert error < 1e-6 * np.abs(whole).max()


@pytest.mark.parametrize("speed_mps", [-1.22, -0.1, 0.01, 0.6, 4.0])
def test_doppler(speed_mps: float) -> None:
    """Towards the device the frequency is f·(c+v)/(c-v) (Rayleigh): 2vf/c in the first order."""
    transducers = place(microphones_m=((0.3, 2.0, 1.0),))
    field = tone_field(DEAD, transducers, Mass((3.0, 2.0, 1.0), (-speed_mps, 0.0, 0.0)))
    heard = field.moving(0, round(0.5 * BAND.rate_hz))[:, 0]
    # a few thousandths of wall would turn it: the mean slope over half a second is the direct way's
    turns = np.unwrap(np.angle(heard)) / (2 * np.pi)
    shift_hz = (turns[-1] - turns[0]) / (len(turns) - 1) * BAND.rate_hz
    c = DEAD.speed_of_sound_mps
    assert shift_hz == pytest.approx(CARRIER_HZ * 2 * speed_mps / (c - speed_mps), rel=2e-3, abs=0.1)


def test_two_way_spreading_and_air() -> None:
    """Twice the distance: 12 dB from spreading both ways, and the air of the way there and back."""
    transducers = place(microphones_m=((0.3, 2.0, 1.0),))
    level = [
        np.abs(
            tone_field(DEAD, transducers, Mass((0.3 + r, 2.0, 1.0), (0.0, 0.0, 0.0))).moving(0, 100)
        ).mean()
        for r in (1.0, 2.0, 4.0)
    ]
    air_db = float(absorption_db_per_m(CARRIER_HZ, DEAD.temperature_c, DEAD.humidity_percent))
    assert air_db == pytest.approx(1.24, abs=0.01)  # PHYSICS: 20 °C, 40 %, 40 kHz
    for near, metres in ((0, 1.0), (1, 2.0)):
        lost_db = 20 * math.log10(level[near] / level[near + 1])
        assert lost_db == pytest.approx(12.04 + 2 * metres * air_db, abs=0.1)
    # amplitude 0.1 at 1 m of a wave of 1 Pa at 1 m
    assert level[0] == pytest.approx(0.1 * 10 ** (-2 * air_db / 20), rel=0.01)


def test_a_wall_hides_who_is_behind_it_whichever_way_sound_goes() -> None:
    room = Room(size_m=(5.0, 4.0, 2.5), airflow_mps=0.0)  # its walls reflect
    inside, behind = (
        np.abs(tone_field(room, place(), Mass(where, (0.0, 0.3, 0.0))).moving(0, 12000)).mean()
        for where in ((3.9, 2.0, 1.0), (2.3, -1.5, 1.0))  # about as far away
    )
    assert 55.0 < 20 * math.log10(inside / behind) < 80.0


def test_images_are_as_far_as_a_mirror_shows_them() -> None:
    room = Room(size_m=(5.0, 4.0, 2.5), airflow_mps=0.0)
    images = mirror_images(room, order=1)
    source, microphone = np.array([1.0, 1.5, 0.8]), np.array([3.0, 2.0, 1.2])
    found = sorted(np.linalg.norm(images.of(source) - microphone, axis=-1))
    by_hand = [(1, 1.5, 0.8), (-1, 1.5, 0.8), (9, 1.5, 0.8), (1, -1.5, 0.8), (1, 6.5, 0.8)]
    by_hand += [(1, 1.5, -0.8), (1, 1.5, 4.2)]
    expected = sorted(math.dist(one, microphone) for one in by_hand)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_walls_answer_when_their_images_are_reached() -> None:
    """A tone that is switched on arrives along each way after its length."""
    room = Room(airflow_mps=0.0)
    transducers = place()
    medium = Medium(CARRIER_HZ, room.speed_of_sound_mps, float(room.air_nepers_per_m(CARRIER_HZ)))
    band = Band(24000.0, 9000.0, 15000.0)

    def switched_on(first_sample: int, count: int) -> npt.NDArray[np.complex128]:
        return (np.arange(first_sample, first_sample + count) >= 0).astype(np.complex128)

    field = StillField(room, transducers, medium, band, 1, 0.0, switched_on, None)
    heard = np.abs(np.diff(field.pressure(0, 2400)[:, 0]))
    images = mirror_images(room, order=1)
    lengths = np.linalg.norm(images.of(transducers.loudspeakers_m[0]) - transducers.microphones_m[0], axis=-1)
    for length_m in lengths[1:]:
        at = round(length_m / medium.speed_of_sound_mps * band.rate_hz)
        near = heard[at - 3 : at + 3]
        assert near.max() > 0.3 * np.exp(-medium.air_nepers_per_m * length_m) / length_m * 0.5
    before = round(lengths[1:].min() / medium.speed_of_sound_mps * band.rate_hz) - 4
    assert heard[10:before].max() < 1e-9  # between the direct sound and the first wall nothing comes


@pytest.mark.parametrize("absorption", [0.1, 0.3, 0.6])
def test_energy_decays_as_norris_and_eyring_say(absorption: float) -> None:
    """T60 = 24·ln(10)·V / (c·(-S·ln(1-a) + 4mV)), with air (Kuttruff, Room Acoustics, 5.24)."""
    size = (4.2, 4.0, 3.8)
    room = Room(
        size_m=size,
        floor_absorption=absorption,
        ceiling_absorption=absorption,
        wall_absorption=(absorption,) * 4,
        scattering=0.0,
        airflow_mps=0.0,
    )
    medium = Medium(CARRIER_HZ, room.speed_of_sound_mps, float(room.air_nepers_per_m(CARRIER_HZ)))
    band = Band(6000.0, 2000.0, 4000.0)
    omni = place((1.1, 1.7, 1.4), ((2.9, 2.3, 2.2),))

    def click(first_sample: int, count: int) -> npt.NDArray[np.complex128]:
        return np.asarray(np.arange(first_sample, first_sample + count) == 0, np.complex128)

    field = StillField(room, omni, medium, band, 1, 0.0, click, None)
    energy = np.abs(field.pressure(0, 360)[:, 0]) ** 2  # 60 ms: images reach 25 m, 73 ms
    left_db = 10 * np.log10(np.cumsum(energy[::-1])[::-1])
    span = slice(60, 200)  # 10 to 33 ms: the mean free path takes 8 ms
    slope = np.polyfit(np.arange(360)[span] / band.rate_hz, left_db[span], 1)[0]
    volume = math.prod(size)
    surface = 2 * (size[0] * size[1] + size[1] * size[2] + size[0] * size[2])
    air = 4 * 2 * medium.air_nepers_per_m * volume
    t60_s = (
        24 * math.log(10) * volume / (medium.speed_of_sound_mps * (-surface * math.log(1 - absorption) + air))
    )
    assert -60.0 / slope == pytest.approx(t60_s, rel=0.25)


@pytest.mark.parametrize(("excursion_m", "expected_db"), [(1e-6, -69.0), (1e-4, -29.0)])
def test_vibration_makes_the_sidebands_of_a_bessel_function(excursion_m: float, expected_db: float) -> None:
    """A wall-sized echo of a target that vibrates along the way: J1(β)/J0(β), β = 2π·f·2x/c.

    PHYSICS gives the table for a moving source, one way, at 40 kHz: two ways double it: half the excursion.
    """
    c = DEAD.speed_of_sound_mps

    class Vibrating(Mass):
        def scatterers(self, time_s: FloatArray, viewpoint_m: FloatArray) -> Scatterers:
            seen = super().scatterers(time_s, viewpoint_m)
            moved = seen.position_m.copy()
            moved[..., 0] += 0.5 * excursion_m * np.sin(2 * np.pi * 100.0 * time_s)[:, None]
            return Scatterers(moved, seen.strength)

    target = Vibrating((1.3, 2.0, 1.0), (0.0, 0.0, 0.0))
    target.knot_rate_hz = 2000.0
    field = tone_field(DEAD, place(microphones_m=((0.3, 2.0, 1.0),)), target)
    count = round(BAND.rate_hz)
    window = np.hanning(count)
    heard = field.moving(0, count)[:, 0]
    time_s = np.arange(count) / BAND.rate_hz
    line = [abs((heard * window * np.exp(-2j * np.pi * hz * time_s)).sum()) for hz in (0.0, 100.0, -100.0)]
    beta = 2 * np.pi * CARRIER_HZ * excursion_m / c
    paper_db = 20 * math.log10(beta / 2)  # J1/J0 for a small index
    assert paper_db == pytest.approx(expected_db, abs=1.0)
    for side in line[1:]:
        assert 20 * math.log10(side / line[0]) == pytest.approx(paper_db, abs=0.5)
