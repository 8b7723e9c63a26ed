"""What the microphones hear of everything that sounds by itself: level, time, walls, and two roads to it."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from noctule.core.frames import AudioBlock
from noctule.core.settings import FeatureSettings
from noctule.dsp.downconvert import Downconverter, plan_decimation
from noctule.simulate.ambient import wall_loss_db
from noctule.simulate.ambient.band_noise import HOP_S, BandNoise
from noctule.simulate.ambient.bursts import BURSTS
from noctule.simulate.ambient.next_room import Wall
from noctule.simulate.ambient.tones import SecondDevice
from noctule.simulate.noise import ShapedNoise
from noctule.simulate.parts import FloatArray, Sound, Space, pressure_pa
from noctule.simulate.room import Room
from noctule.simulate.sound_field import SEGMENT_S, SoundField

Samples = npt.NDArray[Any]
RATE_HZ = 96000.0
#: Walls that leave 1 % of the amplitude: each image is 40 dB below its source.
DEAD = Room(
    floor_absorption=0.99,
    ceiling_absorption=0.99,
    wall_absorption=(0.99, 0.99, 0.99, 0.99),
    scattering=0.99,
)
MICROPHONES_M = np.array([[2.0, 2.0, 1.0], [2.0, 2.3, 1.4]])


class Pulses:
    """Short waves of 30 kHz, 1 Pa at their middle, at given times; nothing else."""

    def __init__(self, position_m: tuple[float, float, float], *at_s: float, hz: float = 30000.0) -> None:
        self.position_m, self._at_s, self._hz = np.array(position_m), at_s, hz
        self.starts_s, self.ends_s = min(at_s) - 1e-3, max(at_s) + 1e-3

    def waveform(self, rate_hz: float, first_sample: int, count: int) -> FloatArray:
        time_s = (first_sample + np.arange(count)) / rate_hz
        out = np.zeros(count)
        for at_s in self._at_s:
            since_s = time_s - at_s
            out += np.exp(-0.5 * (since_s / 60e-6) ** 2) * np.cos(2 * np.pi * self._hz * since_s)
        return out


def heard(field: SoundField, from_s: float, to_s: float, rate_hz: float = RATE_HZ) -> Samples:
    return field.pressure(round(from_s * rate_hz), round((to_s - from_s) * rate_hz))


def amplitude(wave: FloatArray) -> float:
    """Of a pulse, from its energy: its samples may miss its crest."""
    own = Pulses((0.0, 0.0, 0.0), 0.01).waveform(RATE_HZ, 0, 2000)
    return float(np.sqrt(np.square(wave).sum() / np.square(own).sum()))


def peak_at_s(wave: FloatArray, from_s: float) -> float:
    """Middle of the strongest pulse, by its power."""
    power = np.square(wave)
    near = np.arange(len(wave))[max(np.argmax(power) - 60, 0) : np.argmax(power) + 60]
    return float(from_s + (near * power[near]).sum() / power[near].sum() / RATE_HZ)


# ---- one sound, one way


def test_level_falls_with_distance_and_with_air() -> None:
    """On paper: 60 dB SPL at 1 m; 6 dB each doubling, and 1.24 dB a metre of air at 40 kHz (PHYSICS)."""
    levels_db = []
    for metres in (1.0, 2.0, 4.0):
        part = SecondDevice(position_m=(5.0 - metres, 2.0, 1.0), frequency_hz=40000.0, level_db_spl=60.0)
        field = SoundField(DEAD, [part.sound(np.random.default_rng(1))], np.array([[5.0, 2.0, 1.0]]), RATE_HZ)
        wave = heard(field, 1.0, 1.2)
        levels_db.append(20 * np.log10(np.sqrt(np.mean(wave**2)) / 20e-6))
    expected = [60.0 - 20 * math.log10(r) - 1.24 * r for r in (1.0, 2.0, 4.0)]
    np.testing.assert_allclose(levels_db, expected, atol=0.4)  # images at -40 dB and below


def test_sound_arrives_after_its_way_and_not_before() -> None:
    """3 m and 3.03 m from the two microphones; both before and after it there is silence."""
    source = Pulses((5.0, 2.0, 1.0), 0.3)
    wave = heard(SoundField(DEAD, [source], MICROPHONES_M, RATE_HZ), 0.3, 0.33)
    for m in range(2):
        metres = math.dist(source.position_m, MICROPHONES_M[m])
        late_s = metres / DEAD.speed_of_sound_mps
        assert peak_at_s(wave[:, m], 0.3) == pytest.approx(0.3 + late_s, abs=2e-6)
        nepers = float(DEAD.air_nepers_per_m(30000.0))
        assert amplitude(wave[:, m]) == pytest.approx(math.exp(-nepers * metres) / metres, rel=0.02)
        before = round((late_s - 0.0005) * RATE_HZ)
        assert np.abs(wave[:before, m]).max() < 1e-4


def test_a_hard_floor_answers_like_a_mirror() -> None:
    """1 m above it, 2 m apart: sqrt(4 + 4) m later, with what the floor leaves."""
    room = DEAD.model_copy(update={"floor_absorption": 0.19, "scattering": 0.0})
    field = SoundField(room, [Pulses((4.0, 2.0, 1.0), 0.3)], MICROPHONES_M[:1], RATE_HZ)
    wave = heard(field, 0.3, 0.33)[:, 0]
    metres = math.sqrt(8.0)
    late = round(metres / room.speed_of_sound_mps * RATE_HZ)
    nepers = float(room.air_nepers_per_m(30000.0))
    echo = amplitude(wave[late - 40 : late + 40])
    assert echo == pytest.approx(0.9 * math.exp(-nepers * metres) / metres, rel=0.02)


def test_what_ends_with_a_segment_is_heard_out_in_the_next() -> None:
    """Its last 29 ms are still on their way; then there is silence."""
    last = Pulses((-8.0, 2.0, 1.0), SEGMENT_S - 0.0011)  # over within the segment
    wave = heard(SoundField(DEAD, [last], MICROPHONES_M[:1], RATE_HZ), SEGMENT_S, SEGMENT_S + 0.1)[:, 0]
    late_s = 10.0 / DEAD.speed_of_sound_mps
    assert peak_at_s(wave, SEGMENT_S) == pytest.approx(SEGMENT_S - 0.0011 + late_s, abs=2e-6)


def test_a_hall_echoes_late_and_never_early() -> None:
    """Ways longer than was looked back for came from the window's end: heard before they were made."""
    hall = Room(size_m=(50.0, 40.0, 8.0), scattering=0.0)
    source_m, microphone_m = (48.0, 38.0, 1.0), np.array([[2.0, 2.0, 1.0]])
    # soft enough to come through 60 m of air
    field = SoundField(hall, [Pulses(source_m, SEGMENT_S + 0.015, hz=9000.0)], microphone_m, RATE_HZ)
    early = heard(field, 0.0, SEGMENT_S)
    direct_s = math.dist(source_m, microphone_m[0]) / hall.speed_of_sound_mps
    whole = heard(field, 0.0, 1.2)
    at_s = SEGMENT_S + 0.015 + direct_s
    loudest = np.abs(whole).max()
    assert np.abs(early).max() < 1e-3 * loudest
    assert np.abs(whole[: round((at_s - 0.001) * RATE_HZ)]).max() < 1e-3 * loudest
    direct = whole[round((at_s - 0.0005) * RATE_HZ) : round((at_s + 0.0005) * RATE_HZ)]
    assert np.abs(direct).max() > 0.3 * loudest


def test_any_stretch_in_any_order_is_the_same() -> None:
    space = Space(DEAD.size_m, (2.0, 2.0, 1.0))
    rng = np.random.default_rng(3)
    sounds = [kind.draw(rng, space).model_copy(update={"at_s": 0.2}).sound(rng) for kind in BURSTS[:3]]
    more: dict[str, Any] = {"decimation": 16, "carrier_hz": 40000.0, "pass_hz": 1400.0}
    for rate_hz, options in ((RATE_HZ, {}), (RATE_HZ / 16, more)):
        field, again = (SoundField(Room(), sounds, MICROPHONES_M, RATE_HZ, **options) for _ in range(2))
        whole = heard(field, 0.0, 2.2, rate_hz)
        assert np.abs(whole).max() > 0.0
        cuts = [0, 1, 700, round(0.5 * rate_hz), round(1.3 * rate_hz), len(whole)]
        spans = list(pairwise(cuts))
        parts = {span: again.pressure(span[0], span[1] - span[0]) for span in reversed(spans)}
        np.testing.assert_array_equal(np.concatenate([parts[span] for span in spans]), whole)
        negative = again.pressure(-500, 600)  # filters look there
        np.testing.assert_array_equal(negative[500:], whole[:100])


def test_sounds_add_up() -> None:
    one, other = Pulses((5.0, 2.0, 1.0), 0.3), Pulses((1.0, 3.0, 2.0), 0.31)
    both = heard(SoundField(Room(), [one, other], MICROPHONES_M, RATE_HZ), 0.3, 0.4)
    alone = [heard(SoundField(Room(), [each], MICROPHONES_M, RATE_HZ), 0.3, 0.4) for each in (one, other)]
    np.testing.assert_allclose(both, alone[0] + alone[1], atol=1e-12)
    assert not SoundField(Room(), [], MICROPHONES_M, RATE_HZ).pressure(0, 100).any()


# ---- two roads


class Hiss:
    """Noise without gaps, over the whole of any band."""

    starts_s, ends_s = 0.0, math.inf

    def __init__(self) -> None:
        self.position_m = np.array([3.5, 1.2, 0.7])
        self._noise = BandNoise(lambda hz: np.full_like(hz, 1e-6), 5)

    def waveform(self, rate_hz: float, first_sample: int, count: int) -> FloatArray:
        return self._noise.samples(rate_hz, first_sample, count)


@pytest.mark.parametrize(
    ("rate_hz", "carrier_hz"),
    [(96000.0, 40000.0), (48000.0, 20000.0), (44100.0, 20500.0), (192000.0, 80000.0)],
)
def test_baseband_is_what_the_front_end_makes_of_the_audio(rate_hz: float, carrier_hz: float) -> None:
    """Hiss over the band, a tone beside the carrier and a click: within -55 dB in the sensor's band."""
    plan = plan_decimation(rate_hz, carrier_hz, FeatureSettings())
    beside = SecondDevice(position_m=(1.0, 1.0, 1.0), frequency_hz=carrier_hz + 333.3, level_db_spl=60.0)
    sounds: list[Sound] = [
        Hiss(),
        beside.sound(np.random.default_rng(1)),
        Pulses((4.0, 3.0, 1.0), 0.7, hz=carrier_hz),
    ]
    audio = SoundField(Room(), sounds, MICROPHONES_M, rate_hz)
    direct = SoundField(
        Room(),
        sounds,
        MICROPHONES_M,
        rate_hz,
        decimation=plan.decimation,
        carrier_hz=carrier_hz,
        pass_hz=plan.pass_edge_hz,
    )
    wave = np.asarray(heard(audio, 0.0, 1.8, rate_hz), np.float32)
    front = Downconverter(
        sample_rate_hz=rate_hz, carrier_hz=carrier_hz, channels=2, settings=FeatureSettings()
    )
    block = front.process(AudioBlock(wave, rate_hz, 0))
    slow = 2.0 * block.samples[200:9000]
    # the time of a sample is the middle of the low-pass, which falls between ours
    newest = (block.first_sample + 201) * plan.decimation - 1
    place = (newest / rate_hz - plan.latency_s) * plan.baseband_rate_hz
    whole, part = int(place), place % 1.0
    ours: Samples = direct.pressure(whole - 2000, len(slow) + 4000)
    turn = np.exp(2j * np.pi * part * np.fft.fftfreq(len(ours)))[:, None]
    ours = np.fft.ifft(np.fft.fft(ours * tukey(len(ours), 1000)[:, None], axis=0) * turn, axis=0)
    window = np.hanning(len(slow))[:, None]
    theirs, fast = (np.fft.fft(one * window, axis=0) for one in (slow, ours[2000:-2000]))
    band = np.abs(np.fft.fftfreq(len(slow), 1 / plan.baseband_rate_hz)) < 0.95 * plan.pass_edge_hz
    error = (np.abs(theirs - fast)[band] ** 2).sum() / (np.abs(theirs)[band] ** 2).sum()
    assert 10 * np.log10(error) < -55.0


def tukey(count: int, edge: int) -> FloatArray:
    rise = 0.5 - 0.5 * np.cos(np.pi * np.arange(edge) / edge)
    return np.concatenate([rise, np.ones(count - 2 * edge), rise[::-1]])


# ---- the next room


@pytest.mark.parametrize(
    ("wall", "hz", "expected_db"),
    [
        ("air", 40000.0, 0.0),
        ("open door", 40000.0, 12.0),
        ("drywall", 40000.0, 45.0),  # 71 dB through it: what leaks around decides
        ("drywall", 500.0, 32.7),  # 20·lg(20·500) - 47 = 33
        ("drywall", 2800.0, 37.2),  # 48 by mass, less 10 where its bending wave is as fast as sound
        ("door", 32000.0, 25.0),
        ("brick", 100.0, 38.9),
        ("brick", 40000.0, 55.0),
        ("drywall", 1.0, 0.0),  # never negative
    ],
)
def test_walls_take_what_the_mass_law_says(wall: Wall, hz: float, expected_db: float) -> None:
    assert float(wall_loss_db(np.array([hz]), wall)[0]) == pytest.approx(expected_db, abs=0.15)


@pytest.mark.parametrize("wall", ["open door", "door", "drywall", "brick"])
def test_the_next_room_is_quieter_by_its_wall(wall: Wall) -> None:
    """The same source outside, with and without a wall; and it has no images in this room."""
    live = Room()
    waves = []
    for through in (wall, "air"):
        part = SecondDevice(position_m=(-2.0, 2.0, 1.0), frequency_hz=32000.0, through=through)
        field = SoundField(live, [part.sound(np.random.default_rng(1))], MICROPHONES_M, RATE_HZ)
        waves.append(heard(field, 1.0, 1.1)[:, 0])
    behind, free = (float(np.sqrt(np.mean(one**2))) for one in waves)
    loss_db = float(wall_loss_db(np.array([32000.0]), wall)[0])
    assert 20 * math.log10(free / behind) == pytest.approx(loss_db, abs=0.01)
    nepers = float(live.air_nepers_per_m(32000.0))
    assert free == pytest.approx(pressure_pa(50.0) * math.exp(-4.0 * nepers) / 4.0, rel=0.005)


@pytest.mark.parametrize("kind", BURSTS)
def test_bursts_come_through_a_wall_by_its_loss_at_each_frequency(kind: Any) -> None:
    space = Space((5.0, 4.0, 2.5), (2.0, 2.0, 1.0))
    part = kind.draw(np.random.default_rng(3), space).model_copy(update={"position_m": (-2.0, 2.0, 1.0)})
    power = []
    for through in ("door", "air"):
        sound = part.model_copy(update={"through": through}).sound(np.random.default_rng(4))
        first = round(sound.starts_s * RATE_HZ)
        wave = sound.waveform(RATE_HZ, first, round(0.5 * RATE_HZ))
        power.append(np.abs(np.fft.rfft(wave)) ** 2)
    hz = np.fft.rfftfreq(round(0.5 * RATE_HZ), 1 / RATE_HZ)
    for around_hz in (20000.0, 40000.0):
        band = np.abs(hz - around_hz) < 2000.0
        behind, free = (one[band].sum() for one in power)
        loss_db = float(wall_loss_db(np.array([around_hz]), "door")[0])
        assert 10 * np.log10(free / behind) == pytest.approx(loss_db, abs=0.5)


# ---- noise as a function of time


def colour(hz: FloatArray) -> FloatArray:
    """A hump at 9 kHz and nothing from 15 kHz on."""
    return np.asarray(1e-4 * np.exp(-(((np.abs(hz) - 9000.0) / 2000.0) ** 2)) * (np.abs(hz) < 15000.0))


@pytest.mark.parametrize("rate_hz", [44100.0, 96000.0, 192000.0, 312500.0])
def test_band_noise_has_its_density_at_every_rate(rate_hz: float) -> None:
    wave = BandNoise(colour, 7).samples(rate_hz, 12345, round(4.0 * rate_hz))
    spectrum = np.abs(np.fft.rfft(wave)) ** 2 / len(wave) / rate_hz * 2.0
    hz = np.fft.rfftfreq(len(wave), 1 / rate_hz)
    for around_hz in (7000.0, 9000.0, 12000.0):
        band = np.abs(hz - around_hz) < 300.0
        ratio = spectrum[band].mean() / colour(hz[band]).mean()
        assert 10 * np.log10(ratio) == pytest.approx(0.0, abs=0.4)
    assert spectrum[hz > 15500.0].max() < 1e-4 * spectrum.max()


def test_band_noise_is_the_same_process_at_every_rate() -> None:
    """Every second sample at twice the rate; the window's middle lies half a sample beside: -70 dB."""
    noise = BandNoise(colour, 7)
    slow, fast = noise.samples(48000.0, 3000, 20000), noise.samples(96000.0, 6000, 40000)
    assert np.abs(fast[::2] - slow).max() < 1e-3 * np.abs(slow).max()


def stretches(samples: Callable[[int, int], Samples], count: int) -> None:
    """Any stretch, asked for in any order, is the same."""
    whole = samples(-1000, count)
    assert np.abs(whole).max() > 0.0
    for first, some in ((count - 1777, 700), (-1000, 1), (17, 1234), (count // 2, count // 4)):
        np.testing.assert_allclose(samples(first, some), whole[first + 1000 :][:some], rtol=1e-5, atol=1e-7)


def test_stretches_of_noise_do_not_depend_on_what_was_asked_before() -> None:
    band = BandNoise(colour, 7)
    stretches(lambda first, count: band.samples(48000.0, first, count), 48000)
    for is_complex in (False, True):
        shaped = ShapedNoise(colour, 48000.0, 1, "x", segment_s=0.05, channels=2, complex_valued=is_complex)
        stretches(shaped.samples, 48000)


def test_noise_is_as_strong_at_the_edges_of_its_segments_as_between() -> None:
    """Windows whose squares do not add up would breathe: edge against middle, over 400 segments."""
    hop = round(HOP_S * 8000.0)
    band = BandNoise(lambda hz: np.full_like(hz, 1e-4), 3).samples(8000.0, 0, 400 * hop)
    shaped = ShapedNoise(lambda hz: np.full_like(hz, 1e-4), 8000.0, 3, segment_s=2.0 * 256 / 8000.0)
    assert shaped._half == 256
    for wave, size in ((band, hop), (shaped.samples(0, 400 * 256)[:, 0], 256)):
        power = np.mean(wave.reshape(400, size) ** 2, axis=0).reshape(8, -1).mean(1)
        np.testing.assert_allclose(power / power.mean(), 1.0, atol=0.05)
        assert wave.std() == pytest.approx(math.sqrt(1e-4 * 4000.0), rel=0.02)


def test_complex_noise_knows_its_two_sides() -> None:
    """Two-sided densities: all of it above the carrier, and nothing below."""
    noise = ShapedNoise(
        lambda hz: np.where(hz > 500.0, 1e-3, 0.0), 6000.0, 2, "side", segment_s=0.5, complex_valued=True
    )
    wave = noise.samples(0, 120000)[:, 0]
    assert np.mean(np.abs(wave) ** 2) == pytest.approx(1e-3 * 2500.0, rel=0.02)
    spectrum = np.abs(np.fft.fft(wave)) ** 2
    hz = np.fft.fftfreq(len(wave), 1 / 6000.0)
    assert spectrum[hz < 450.0].sum() < 1e-3 * spectrum.sum()


def test_channels_and_names_are_independent() -> None:
    def made(*names: str | int) -> Samples:
        return ShapedNoise(colour, 48000.0, 1, *names, segment_s=0.05, channels=2).samples(0, 20000)

    one, other = made("a"), made("b")
    np.testing.assert_array_equal(one, made("a"))
    correlation = np.corrcoef(np.concatenate([one, other], 1).T) - np.eye(4)
    assert np.abs(correlation).max() < 0.05
