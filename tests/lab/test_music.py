"""What music costs and what is regained: the arithmetic, one scene, and the command's page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from noctule.cli.music import music as command
from noctule.core.errors import NoctuleError
from noctule.lab.benchmark import VOLUMES_DBFS
from noctule.lab.music import Regained, loudest, measure, scene_of, tables, taken_apart

#: Four microphones, moderate volume: enough to regain, and quickly rendered.
INDEX = 17


def row(**changes: object) -> Regained:
    values = {
        "piece": "a", "volume": "loud", "microphones": 4, "two_way": False, "carrier_hz": 40000.0,
        "lost_db": 10.0, "possible_db": 12.0, "regained_db": 9.0, "kept_db": -0.5, "removed_db": 8.0,
    }  # fmt: skip
    return Regained(**values | changes)  # type: ignore[arg-type]


def test_scenes_differ_by_volume_and_piece_and_are_the_same_each_time(tmp_path: Path) -> None:
    assert scene_of(3) == scene_of(3)
    assert {scene_of(index)[2] for index in range(9)} == set(VOLUMES_DBFS)
    assert scene_of(3)[0].loudspeaker.two_way
    assert not scene_of(2)[0].loudspeaker.two_way
    path = tmp_path / "hum.wav"
    soundfile.write(path, 0.1 * np.sin(np.arange(48000) * 0.01), 48000)
    scene, piece, _ = scene_of(3, [path])
    assert piece == "hum"
    assert scene.programme is not None
    assert scene.programme.file == path


def test_without_ties_nothing_is_taken_apart() -> None:
    rng = np.random.default_rng(1)
    sides = rng.standard_normal((2, 5, 3)) + 1j * rng.standard_normal((2, 5, 3))
    nothing = taken_apart(sides, np.zeros((5, 2, 2, 3), complex), np.zeros((5, 2, 6)))
    assert np.allclose(nothing, sides)


def test_a_tie_takes_off_what_one_side_tells_of_the_other() -> None:
    """Two microphones, one direction each side: what is equal there goes, what lies across stays."""
    along, across = np.array([1.0, 1.0]) / np.sqrt(2), np.array([1.0, -1.0]) / np.sqrt(2)
    bases = np.broadcast_to(along, (1, 1, 2, 2)).astype(complex)
    s = 1e4
    weights = np.array([[[s / (1 + s), 1 / (1 + s - s * s / (1 + s)), 1 / (1 + s)] * 2]])
    tied = np.array([[100.0 * along], [100.0 * along]])
    assert np.abs(taken_apart(tied.astype(complex), bases, weights)).max() < 0.1
    kept = np.array([[3.0 * across], [2.0 * across]])
    assert np.allclose(taken_apart(kept.astype(complex), bases, weights), kept)


def test_in_a_scene_most_of_what_is_possible_is_regained_and_the_echo_is_kept() -> None:
    found = measure(INDEX)
    assert found.microphones == 4
    assert found.lost_db > 3.0
    assert found.regained_db > 0.7 * found.possible_db
    assert found.kept_db > -2.0


def test_tables_tell_the_share_with_its_bounds() -> None:
    text = tables([row(), row(regained_db=6.0), row(microphones=1, possible_db=0.0), row(two_way=True)])
    assert "| all | 2 | 10.0 | 12.0 | 7.5 | 62 % (50 to 75) |" in text
    assert "| 1 | 1 | 10.0 | 0.0 | 9.0 | - |" in text
    assert "| woofer and tweeter | 1 |" in text


def test_the_scenes_to_look_at_are_those_that_lost_most() -> None:
    rows = [row(lost_db=3.0), row(lost_db=20.0), row(lost_db=30.0, two_way=True), row(microphones=8)]
    assert loudest(rows) == {"some-microphones": 1, "many-microphones": 3}


def test_the_command_writes_a_page_with_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("noctule.lab.music.measured", lambda scenes, pieces, workers: iter([row()] * scenes))
    monkeypatch.setattr("noctule.lab.music.loudest", lambda rows: {"some-microphones": INDEX})
    assert command(tmp_path / "out", scenes=2) == 0
    assert "2 scenes" in capsys.readouterr().out
    assert "music-some-microphones.png" in (tmp_path / "out" / "music.md").read_text()
    assert len(json.loads((tmp_path / "out" / "music.json").read_text())) == 2
    picture = tmp_path / "out" / "music-some-microphones.png"
    assert picture.stat().st_size > 20_000


def test_a_folder_without_pieces_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(NoctuleError, match="holds no WAV"):
        command(tmp_path / "out", pieces=tmp_path)
