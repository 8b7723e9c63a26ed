"""The device's geometry and the beam of its loudspeaker."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.special import j1

from noctule.simulate.device import Device, Shape, piston
from noctule.simulate.parts import generator
from noctule.simulate.room import Room

SHAPES: tuple[Shape, ...] = ("laptop", "puck", "bar")
COSINE = np.linspace(-1.0, 1.0, 256)


def test_tone_is_what_it_says_at_one_metre() -> None:
    """94 dB SPL is 1 Pa rms, so 1.4 Pa at the peak (20 µPa makes it 1.0024)."""
    place = Device(tone_db_spl=94.0).transducers(40000.0)
    assert place.source_pa == pytest.approx(math.sqrt(2.0) * 1.0024, rel=1e-4)
    assert place.directivity[-1] == pytest.approx(1.0, abs=1e-12)


def test_beam_is_a_pistons() -> None:
    """First null of 2·J1(x)/x at x = 3.8317, half amplitude at x = 2.2151; nothing behind: rear is tiny."""
    ka = 8.0
    beam = piston(ka, 1e-4)
    half = math.sqrt(1.0 - (2.2151 / ka) ** 2)
    assert np.interp(half, COSINE, beam) == pytest.approx(0.5, abs=0.01)
    null = math.sqrt(1.0 - (3.8317 / ka) ** 2)
    assert np.interp(null, COSINE, beam) < 0.02
    angle = 0.3
    x = ka * math.sin(angle)
    assert np.interp(math.cos(angle), COSINE, beam) == pytest.approx(2.0 * float(j1(x)) / x, abs=0.01)


def test_beam_narrows_with_frequency_and_radius() -> None:
    def aside(carrier_hz: float, radius_m: float) -> float:
        beam = Device(cone_radius_m=radius_m).transducers(carrier_hz).directivity
        return float(np.interp(math.cos(math.radians(30.0)), COSINE, beam))

    assert aside(20000.0, 0.006) > aside(40000.0, 0.006) + 0.1
    assert aside(40000.0, 0.004) > aside(40000.0, 0.008) + 0.1


@pytest.mark.parametrize("ka", [0.5, 2.0, 8.0, 20.0])
@pytest.mark.parametrize("rear_db", [-28.0, -12.0])
def test_rear_keeps_its_floor_without_a_step(ka: float, rear_db: float) -> None:
    rear = 10.0 ** (rear_db / 20.0)
    beam = piston(ka, rear)
    assert len(beam) == 256
    # straight behind and in every null: the floor, within what normalising to the axis takes (0.3 dB)
    assert beam[0] == pytest.approx(rear, rel=0.04)
    assert beam.min() > 0.96 * rear
    assert beam.max() <= 1.0 + 1e-9
    # over the cosine a piston is steepest on the axis, ka²/4 (from 1 - x²/8); the way to the rear, 2 at most
    assert np.abs(np.diff(beam)).max() < 1.05 * max(2.0, ka**2 / 4) * 2 / 255


def test_device_turns_about_its_middle() -> None:
    """Facing +y, its left is -x; hanging from the ceiling, it looks down and its top faces forwards."""
    places = {"microphones": 1, "microphones_m": ((0.0, 0.1, 0.0),), "loudspeakers_m": ((0.2, 0.0, 0.0),)}
    left = Device(position_m=(1.0, 2.0, 1.0), heading_deg=90.0, **places).transducers(40000.0)
    np.testing.assert_allclose(left.microphones_m, [[0.9, 2.0, 1.0]], atol=1e-12)
    np.testing.assert_allclose(left.loudspeakers_m, [[1.0, 2.2, 1.0]], atol=1e-12)
    np.testing.assert_allclose(left.axes, [[0.0, 1.0, 0.0]], atol=1e-12)
    down = Device(position_m=(1.0, 2.0, 2.4), tilt_deg=-90.0, **places).transducers(40000.0)
    np.testing.assert_allclose(down.axes, [[0.0, 0.0, -1.0]], atol=1e-12)
    np.testing.assert_allclose(down.loudspeakers_m, [[1.0, 2.0, 2.2]], atol=1e-12)
    up = Device(tilt_deg=90.0).transducers(40000.0)
    np.testing.assert_allclose(up.axes, [[0.0, 0.0, 1.0]], atol=1e-12)


def test_loudspeakers_point_where_they_are_told() -> None:
    device = Device(loudspeakers=2, heading_deg=90.0, axes=((0.0, 2.0, 0.0), (1.0, 0.0, 1.0)))
    root = math.sqrt(0.5)
    np.testing.assert_allclose(
        device.transducers(40000.0).axes, [[-1.0, 0.0, 0.0], [0.0, root, root]], atol=1e-12
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("microphones", [1, 2, 5, 8])
@pytest.mark.parametrize("loudspeakers", [1, 2])
def test_every_transducer_has_a_place_of_its_own(shape: Shape, microphones: int, loudspeakers: int) -> None:
    """No two within 1 cm, none farther out than its width allows."""
    device = Device(
        shape=shape,
        microphones=microphones,
        loudspeakers=loudspeakers,
        width_m={"laptop": 0.3, "puck": 0.08, "bar": 0.6}[shape],
        position_m=(0.0, 0.0, 0.0),
    )
    place = device.transducers(40000.0)
    assert place.microphones_m.shape == (microphones, 3)
    assert place.loudspeakers_m.shape == place.axes.shape == (loudspeakers, 3)
    every = np.concatenate([place.microphones_m, place.loudspeakers_m])
    apart = np.linalg.norm(every[:, None] - every[None], axis=-1) + np.eye(len(every))
    assert apart.min() > 0.01
    assert np.abs(every[:, 1]).max() <= device.width_m / 2 + 1e-9


def test_puck_is_a_circle_and_bar_a_line() -> None:
    puck = Device(shape="puck", microphones=6, width_m=0.08, position_m=(0.0, 0.0, 0.0)).transducers(40000.0)
    np.testing.assert_allclose(np.linalg.norm(puck.microphones_m, axis=1), 0.04, atol=1e-12)
    bar = Device(shape="bar", microphones=4, width_m=0.6, position_m=(0.0, 0.0, 0.0)).transducers(40000.0)
    np.testing.assert_allclose(bar.microphones_m[:, 1], [0.3, 0.1, -0.1, -0.3], atol=1e-12)
    assert np.ptp(bar.microphones_m[:, [0, 2]], axis=0).max() == 0.0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"microphones": 2, "microphones_m": [[0, 0, 0]]}, "1 places for 2 microphones"),
        ({"loudspeakers": 2, "loudspeakers_m": [[0, 0, 0]]}, "1 places for 2 loudspeakers"),
        ({"loudspeakers": 2, "axes": [[1, 0, 0]]}, "1 directions for 2 loudspeakers"),
        ({"axes": [[0, 0, 0]]}, "must point somewhere"),
        ({"microphones": 9}, "less than or equal to 8"),
        ({"width": 0.1}, "Extra inputs"),
    ],
)
def test_impossible_devices_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Device.model_validate(fields)


def test_drawn_devices_are_inside_and_face_the_room() -> None:
    """Wide bars near a wall, turned by 40 degrees, used to stick their end through it (1 of 200)."""
    seen = set()
    for seed in range(600):
        rng = generator(seed, "device")
        room = Room.draw(rng)
        device = Device.draw(rng, room.size_m)
        place = device.transducers(40000.0)
        every = np.concatenate([place.loudspeakers_m, place.microphones_m])
        assert np.all(every > 0.0)
        assert np.all(every < np.array(room.size_m))
        # straight on there is the room: half a metre farther is still inside
        ahead = np.array(device.position_m) + 0.5 * place.axes[0]
        assert np.all(ahead > 0.0)
        assert np.all(ahead < np.array(room.size_m))
        if device.tilt_deg > -90.0:
            assert 0.3 <= device.position_m[2] <= 2.2
        else:
            assert device.shape == "puck"
        assert device.shape != "bar" or device.microphones >= 2
        seen.add((device.shape, device.microphones, device.loudspeakers))
    assert {count for shape, count, _ in seen if shape == "laptop"} == {1, 2, 3, 4}
    assert {count for shape, count, _ in seen if shape == "puck"} == set(range(1, 9))
    assert {count for shape, _, count in seen if shape == "bar"} == {1, 2}
