"""The scenes in `scenes`, and what the pages about them say: they are what users begin with."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from noctule.simulate.render import render
from noctule.simulate.scenes import Scene, parse_scene, read_scene
from noctule.simulate.truth import instants

ROOT = Path(__file__).resolve().parents[2]
SCENES = sorted((ROOT / "scenes").glob("*.toml"))
HOW_TO = ROOT / "docs" / "how-to" / "simulate-a-room.md"

#: What anybody does in each of them, and what else goes on, by what the truth calls it.
PROMISED: dict[str, tuple[set[str], set[str]]] = {
    "broken_hardware": ({"none", "minor", "major"}, {"bump"}),
    "cat_and_vacuum": ({"none"}, {"cat", "robot vacuum"}),
    "curtain_at_20_khz": ({"none"}, {"curtain", "plant", "door", "spinner"}),
    "music_while_walking": ({"none", "minor", "major"}, {"lamp", "keys", "music"}),
    "next_room": ({"none"}, {"footsteps", "speech", "pest repeller", "second device"}),
    "reading_with_fan": ({"none", "minor", "major"}, {"fan"}),
    "two_people": ({"none", "minor", "major"}, set()),
    "walk_in": ({"none", "major"}, set()),
    "wd7_arm": ({"none"}, {"reference arm"}),
    "wd7_walk": ({"none", "major"}, set()),
}


@pytest.fixture(params=SCENES, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    found = request.param
    assert isinstance(found, Path)
    return found


def test_every_scene_has_a_promise_and_a_row_in_the_how_to() -> None:
    assert {one.stem for one in SCENES} == set(PROMISED)
    page = HOW_TO.read_text(encoding="utf-8")
    assert [one.name for one in SCENES if f"(../../scenes/{one.name})" not in page] == []


def test_a_scene_begins_with_what_it_is(path: Path) -> None:
    """Its first comment is all the description it has."""
    assert path.read_text(encoding="utf-8").startswith("# ")


def test_what_a_scene_promises_happens_in_it(path: Path) -> None:
    motions, others = PROMISED[path.stem]
    timeline = instants(read_scene(path))
    assert {one.motion for one in timeline} == motions
    seen = {name for one in timeline for name in (*one.moving, *one.sounding)}
    assert seen | ({"music"} if any(one.music for one in timeline) else set()) == others


def test_a_scene_can_be_heard(path: Path) -> None:
    """Its first 2 s: numbers, a tone in every microphone that lives, nothing clipped."""
    scene = read_scene(path)
    rendered = render(scene.model_copy(update={"duration_s": 2.0}))
    samples = np.concatenate(list(rendered))
    assert samples.shape == (round(2.0 * rendered.rate_hz), scene.device.microphones)
    assert np.isfinite(samples).all()
    tone = np.abs(samples.mean(0))
    dead = np.isin(np.arange(scene.device.microphones), scene.unit.dead)
    assert (tone[~dead] > 1e-4).all()
    assert (tone[dead] == 0.0).all()
    assert np.abs(samples).max() < 0.5  # half a cosine: full scale is 1/2


def test_together_they_show_every_table_a_scene_can_have() -> None:
    said = {key for one in SCENES for key in read_scene(one).model_fields_set}
    assert said == set(Scene.model_fields)


# -- the how-to


def blocks(kind: str) -> list[str]:
    found = re.findall(rf"```{kind}\n(.*?)```", HOW_TO.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found


def test_scenes_in_the_how_to_are_possible() -> None:
    """But for those that need a file of somebody else's."""
    for text in blocks("toml"):
        if "file =" not in text:
            parse_scene(text)


@pytest.mark.slow
def test_python_in_the_how_to_runs(capsys: pytest.CaptureFixture[str]) -> None:
    for code in blocks("python"):
        exec(compile(code, str(HOW_TO), "exec"), {})
    assert capsys.readouterr().out.count("major motion") == 3
