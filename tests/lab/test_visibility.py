"""How plainly people show: nearly what the limit of power says, and never where nothing can be heard."""

from __future__ import annotations

import numpy as np
import pytest

from noctule.lab.benchmark import case
from noctule.lab.features import scene_stretches
from noctule.lab.limit import limit_of, margin_db
from noctule.lab.visibility import margins_db


@pytest.mark.parametrize(("of", "index"), [("walks", 1), ("faint_walks", 1), ("faint_walks", 2)])
def test_margins_follow_the_limit_of_power(of: str, index: int) -> None:
    """Statistics of the scene are exact there, and guessed from what was heard here."""
    scene = case(of, index, "validation").scene
    (stretch,), _ = scene_stretches(scene, ())
    found = margins_db(scene, [stretch])[0]
    limit = limit_of(scene)
    seconds = np.arange(1.0, scene.duration_s - 1.0)
    ours = np.interp(seconds + 0.5, stretch.features.time_s, found)
    theirs = np.array([margin_db(limit.most(one, one + 1.0, "power")) for one in seconds])
    plain, hidden = theirs > 12.0, theirs < -20.0
    assert (ours[plain] > 0.0).mean() >= 0.9 if plain.any() else True
    assert (ours[hidden] < -3.0).all()
    assert np.corrcoef(ours, theirs)[0, 1] > 0.9


def test_an_empty_room_shows_nobody() -> None:
    scene = case("walks", 1, "validation").scene.model_copy(update={"person": ()})
    (stretch,), _ = scene_stretches(scene, ())
    assert (margins_db(scene, [stretch])[0] == -99.0).all()


def test_after_a_restart_it_is_the_same_person() -> None:
    scene = case("walks", 1, "validation").scene
    first, second = scene_stretches(scene, [12.0])[0]
    (whole,), _ = scene_stretches(scene, ())
    again = margins_db(scene, [first, second])[1]
    at_s = second.started_s + second.features.time_s
    expected = np.interp(at_s, whole.features.time_s, margins_db(scene, [whole])[0])
    settled = second.features.time_s > 3.0
    assert np.median(np.abs(again - expected)[settled]) < 3.0
