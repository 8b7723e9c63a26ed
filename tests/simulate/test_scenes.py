"""Scene files: what cannot be is refused with its line; what can be comes back as it was written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from noctule.core.errors import NoctuleError
from noctule.simulate.sampler import Ranges, draw_scene
from noctule.simulate.scenes import parse_scene, read_scene, scene_text

SCENE = """\
duration_s = 12
carrier_hz = 40000

[room]
size_m = [5.0, 4.0, 2.5]

[device]
position_m = [0.4, 2.0, 1.0]

[[person]]
name = "Ada"
start = [4.0, 2.0]
does = [
  { do = "walk", to = [1.5, 2.0] },
  { do = "sit_down" },
  { do = "sit", for_s = 3 },
]

[[mover]]
kind = "floor_fan"
position_m = [3.0, 3.0, 1.0]

[[sound]]
kind = "keys"
position_m = [2.0, 1.0, 1.0]
at_s = 2
"""


def refused(text: str) -> str:
    with pytest.raises(NoctuleError) as error:
        parse_scene(text, Path("home.toml"))
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("carrier_hz = 40000", "carrier_hz = 47500", 2, "carries tones to"),
        ("carrier_hz = 40000", "carrier_hz = 300", 2, "greater than or equal to"),
        ("size_m = [5.0, 4.0, 2.5]", "size_m = [5.0, 4.0, -2.5]", 5, "each side must be"),
        ("size_m = [5.0, 4.0, 2.5]", 'size_m = "big"', 5, "tuple"),
        ("position_m = [0.4, 2.0, 1.0]", "position_m = [-0.4, 2.0, 1.0]", 7, "out of the room"),
        ("position_m = [0.4, 2.0, 1.0]", "microfones = 3", 8, "did you mean 'microphones'"),
        ('do = "walk", to = [1.5, 2.0]', 'do = "walk", to = [150, 2.0]', 14, "145.0 m outside the room"),
        (
            'do = "walk", to = [1.5, 2.0]',
            'do = "walk", to = [1.5, 2.0], speed_mps = 9',
            14,
            "less than or equal",
        ),
        ("start = [4.0, 2.0]", "start = [4.0, -20.0]", 12, "20.0 m outside the room"),
        ('do = "walk", to = [1.5, 2.0]', 'do = "wlak", to = [1.5, 2.0]', 14, "did you mean 'walk'"),
        ('do = "walk", to = [1.5, 2.0]', "to = [1.5, 2.0]", 14, "lacks 'do'"),
        ('do = "walk", to = [1.5, 2.0]', 'do = "stand_up"', 14, ".does.0: cannot stand_up: stands"),
        ("start = [4.0, 2.0]", "", 10, "lacks 'start'"),
        ('kind = "floor_fan"', 'kind = "flour_fan"', 19, "did you mean 'floor_fan'"),
        ("position_m = [3.0, 3.0, 1.0]", "position_m = [3.0, 9.0, 1.0]", 19, "the fan is 5.2 m outside"),
        ("position_m = [2.0, 1.0, 1.0]", "position_m = [2.0, -1.0, 1.0]", 25, "heard through"),
        ("at_s = 2", "at_s = 2.0.1", None, "not valid TOML"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(old: str, new: str, line: int | None, says: str) -> None:
    assert old in SCENE
    message = refused(SCENE.replace(old, new, 1))
    assert says in message
    assert message.startswith(f"home.toml:{line}: " if line else "home.toml: ")


def test_files_are_looked_for_next_to_the_scene(tmp_path: Path) -> None:
    (tmp_path / "home.toml").write_text(
        SCENE + '[[sound]]\nkind = "recording"\nfile = "bat.wav"\nposition_m = [1,1,1]\n'
    )
    with pytest.raises(NoctuleError, match=r"home\.toml:2[6-9].*bat\.wav"):
        read_scene(tmp_path / "home.toml")
    with pytest.raises(NoctuleError, match="No such file"):
        read_scene(tmp_path / "nowhere.toml")


def test_a_scene_written_is_the_scene_read() -> None:
    scene = parse_scene(SCENE)
    assert parse_scene(scene_text(scene)) == scene
    drawn = draw_scene(11)
    assert parse_scene(scene_text(drawn)) == drawn


def test_draws_are_what_their_seed_says_and_nothing_else() -> None:
    scenes = [draw_scene(seed) for seed in range(60)]
    assert scenes[7] == draw_scene(7)
    assert len({scene.carrier_hz for scene in scenes}) == 60
    kinds = {type(part).__name__ for scene in scenes for part in (*scene.mover, *scene.sound)}
    assert len(kinds) > 15  # varied
    assert {scene.device.shape for scene in scenes} == {"laptop", "puck", "bar"}
    assert {len(scene.person) for scene in scenes} == {0, 1, 2}
    assert np.ptp([scene.room.size_m[0] for scene in scenes]) > 4.0
    assert any(scene.programme for scene in scenes)


def test_ranges_can_be_narrowed() -> None:
    ranges = Ranges(
        duration_s=(5.0, 6.0),
        families=((48000.0, 19000.0, 19500.0),),
        people=(0.0, 1.0),
        movers=(1.0,),
        sounds=(1.0,),
    )
    for seed in range(5):
        scene = draw_scene(seed, ranges)
        assert 5.0 <= scene.duration_s <= 6.0
        assert 19000.0 <= scene.carrier_hz <= 19500.0
        assert (len(scene.person), len(scene.mover), len(scene.sound)) == (1, 0, 0)
