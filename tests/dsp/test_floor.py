"""Noise stays and becomes the floor; motion comes and goes and does not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from tests.dsp.sounds import FloatArray, Room, near_cells

from noctule.core.frames import Fault, FeatureBlock, Float32Array
from noctule.dsp.floor import FloorShape, WhiteNoise, is_lone_line

HOP_S = 0.048
GRID_MPS = (np.arange(-120, 121) * 0.05).astype(np.float32)


def mean_db(power_db: npt.NDArray[np.floating]) -> float:
    """Mean of powers, in dB."""
    return float(10.0 * np.log10(np.mean(10.0 ** (np.asarray(power_db, np.float64) / 10.0))))


def fft_power(rng: np.random.Generator, frames: int, level: float = 1.0, channels: int = 1) -> Float32Array:
    """Independent windows of white noise `(frames, channels, 512)`."""
    return (level * rng.exponential(size=(frames, channels, 512))).astype(np.float32)


def white_noise() -> WhiteNoise:
    velocity = (np.fft.fftfreq(512, 1.0 / 6000.0) * 343.2 / 80000.0).astype(np.float32)
    return WhiteNoise(velocity, np.abs(velocity) <= 6.0, 6.0)


def levels(noise: WhiteNoise, power: Float32Array) -> FloatArray:
    """Tracked level of microphone 0 after each frame, in dB."""
    out = []
    for frame in power:
        noise.update(frame, [True] * len(frame))
        out.append(noise.level[0])
    return np.asarray(10.0 * np.log10(out), dtype=np.float64)


@pytest.mark.parametrize("level", [1e-9, 1.0])
def test_white_noise_is_known_within_1_db(rng: np.random.Generator, level: float) -> None:
    """The quieter of two ends is taken, so it is a little low; never more than 1 dB."""
    got = levels(white_noise(), fft_power(rng, 600, level))[50:] - 10.0 * np.log10(level)
    assert -1.0 < got.mean() < 0.2
    assert np.abs(got - got.mean()).max() < 1.2


def test_each_microphone_has_its_own_noise(rng: np.random.Generator) -> None:
    power = fft_power(rng, 200, channels=2) * np.array([1.0, 100.0], np.float32)[:, None]
    noise = white_noise()
    for frame in power:
        noise.update(frame, [True, True])
    assert 10.0 * np.log10(noise.level[1] / noise.level[0]) == pytest.approx(20.0, abs=1.5)


def test_fast_limbs_on_one_side_are_not_noise(rng: np.random.Generator) -> None:
    power = fft_power(rng, 200)
    power[100:, :, 100:150] *= 1000.0  # 5 to 7 m/s, coming
    got = levels(white_noise(), power)
    assert abs(got[110:].mean() - got[50:100].mean()) < 0.6


def test_a_burst_on_both_sides_hardly_moves_the_noise_and_is_left_behind_at_once(
    rng: np.random.Generator,
) -> None:
    """Half a second of clapping, 20 dB: 3 dB a second up, and down with the first quiet frame."""
    power = fft_power(rng, 200)
    power[100:110] *= 100.0
    got = levels(white_noise(), power)
    assert got[109] - got[50:100].mean() < 2.0
    assert abs(got[112:130].mean() - got[50:100].mean()) < 1.0


@pytest.mark.parametrize(("step_db", "within_s"), [(6.0, 3.0), (10.0, 5.0), (20.0, 8.0)])
def test_a_hiss_that_stays_becomes_the_noise_within_seconds(
    rng: np.random.Generator, step_db: float, within_s: float
) -> None:
    power = fft_power(rng, 400)
    power[100:] *= 10.0 ** (step_db / 10.0)
    got = levels(white_noise(), power)
    assert got[100 + round(within_s / HOP_S) :].mean() - got[50:100].mean() > step_db - 1.0
    assert got[105] - got[50:100].mean() < 3.0  # but a key stroke does not


def test_what_a_silent_microphone_shows_is_taken_as_it_is(rng: np.random.Generator) -> None:
    noise = white_noise()
    levels(noise, fft_power(rng, 50))
    noise.update(fft_power(rng, 1, 1e-12)[0], [False])
    assert noise.level[0] < 1e-11
    noise.update(fft_power(rng, 1)[0], [False])
    assert noise.level[0] > 0.3


def test_beside_the_carrier_is_the_quieter_side(rng: np.random.Generator) -> None:
    power = np.ones((1, 512), np.float32)
    power[0, 1:10] = 50.0  # up to 0.45 m/s, coming
    power[0, -20:] = 7.0
    _, beside = white_noise().update(power, [True])
    assert beside[0] == pytest.approx(7.0, rel=0.01)


def referred(power: FloatArray) -> tuple[FloatArray, FloorShape]:
    shape = FloorShape(HOP_S, GRID_MPS)
    return np.array([shape.refer(row.astype(np.float32)) for row in power], dtype=np.float64), shape


def test_the_shape_of_the_floor_is_found_and_taken_off(rng: np.random.Generator) -> None:
    """A carrier's skirt of 30 dB, even in velocity: all cells read 0 dB, within the 1.5 dB that quick
    falling and slow rising cost.
    """
    skirt = 1.0 + 1000.0 * np.exp(-np.abs(GRID_MPS) / 0.4)
    over_db, _ = referred(skirt * rng.exponential(size=(400, 241)))
    by_cell = [mean_db(over_db[100:, i]) for i in range(241)]
    assert np.abs(by_cell).max() < 2.0
    assert mean_db(over_db[100:]) == pytest.approx(0.8, abs=0.7)


def test_at_a_start_the_first_mover_is_not_the_floor(rng: np.random.Generator) -> None:
    """A stream that begins in the middle of a walk: the quieter side is the floor."""
    power = rng.exponential(size=(20, 241))
    power[:, 140:160] *= 300.0  # 1 to 2 m/s, coming
    over_db, _ = referred(power)
    assert mean_db(over_db[0, 140:160]) > 15.0
    assert abs(mean_db(over_db[0, :101])) < 3.0


def test_a_burst_leaves_no_shape_behind(rng: np.random.Generator) -> None:
    power = rng.exponential(size=(200, 241))
    power[100:110, :] *= 1000.0
    over_db, _ = referred(power)
    assert mean_db(over_db[100:102]) > 25.0
    assert mean_db(over_db[112:130]) == pytest.approx(mean_db(over_db[50:100]), abs=1.5)


@pytest.mark.parametrize(
    ("width", "lone"), [(1, True), (3, True), (5, True), (9, False), (40, False)], ids=str
)
def test_a_line_is_no_wider_than_the_window_makes_it(width: int, lone: bool) -> None:
    power = np.ones(241, np.float32)
    first = 150 - width // 2
    power[first : first + width] = 100.0
    assert is_lone_line(power)[150] == lone
    assert not is_lone_line(power)[:100].any()


def test_a_line_stands_10_db_over_its_surroundings() -> None:
    for height, lone in ((9.0, False), (11.0, True)):
        power = np.ones(241, np.float32)
        power[150] = height
        assert is_lone_line(power).any() == lone


def interfered(features: FeatureBlock) -> npt.NDArray[np.bool_]:
    return np.asarray((features.faults & int(Fault.INTERFERENCE)) != 0)


@pytest.mark.parametrize(("velocity_mps", "over_db"), [(-3.0, 30.0), (1.0, 20.0), (1.0, 50.0), (4.0, 30.0)])
def test_a_steady_tone_is_absorbed_and_reported(velocity_mps: float, over_db: float) -> None:
    """A second device or a switching supply beside the carrier: motion at first, the floor once anything
    that comes or goes would have left the room (6 m), and a fault for the health page from then on.
    """
    room = Room(16.0)
    per_cell = room.sigma / np.sqrt(6000.0 / (40000.0 / 3432.0))
    room.samples += (
        room.reflector(velocity_mps, per_cell * 10.0 ** (over_db / 20.0)) * (room.t > 1.0)[:, None]
    )
    features = room.features()
    cells = near_cells(features.velocity_mps, velocity_mps, 0.05)
    walked_s = 1.0 + 6.0 / abs(velocity_mps)
    before, after = features.time_s < walked_s, features.time_s > walked_s + 4.0
    assert features.log_power_db[(features.time_s > 1.3) & before][:, cells].max(axis=1).min() > over_db - 8.0
    assert np.mean(features.log_power_db[after][:, cells]) < 3.0
    assert not interfered(features)[before].any()
    assert interfered(features)[after].all()


def test_a_quiet_room_has_no_tone() -> None:
    assert not interfered(Room(20.0, microphones=2).features()).any()


@pytest.mark.parametrize("carrier_hz", [20000.0, 40000.0])
def test_a_walker_is_not_absorbed_within_20_s(carrier_hz: float) -> None:
    """On a treadmill, 25 dB over the noise, the trunk swaying by 0.25 m/s twice a step."""
    room = Room(22.0, carrier_hz=carrier_hz)
    per_cell = room.sigma / np.sqrt(6000.0 / (carrier_hz / 3432.0))
    velocity = 1.2 + 0.25 * np.sin(2.0 * np.pi * 1.8 * room.t)
    room.samples += room.reflector(velocity, per_cell * 10.0 ** (25.0 / 20.0))
    features = room.features()
    seen = features.log_power_db[:, near_cells(features.velocity_mps, 1.2, 0.4)].max(axis=1)
    first, last = seen[features.time_s < 3.0], seen[features.time_s > 20.0]
    assert first.mean() - last.mean() < 6.0
    assert last.min() > 6.0
    assert not interfered(features).any()
