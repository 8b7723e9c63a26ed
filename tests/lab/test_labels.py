"""The truth frame by frame: on a hand-made scene, where every answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from noctule.core.frames import Fault, FeatureBlock
from noctule.lab.features import scene_features
from noctule.lab.labels import Labels, describe, label_frames, scene_time_s
from noctule.lab.shards import MAJOR, MINOR, OTHER
from noctule.simulate.scenes import Scene, parse_scene

WINDOW_S, HOP_S = 0.1, 0.048

#: Stands, walks from 2 s on to a place 1.5 m from the device, stands 3 s, drinks.
SCENE = """
duration_s = 16
carrier_hz = 40000

[room]
size_m = [6, 4, 2.5]
airflow_mps = 0.0

[device]
position_m = [0.3, 2.0, 1.0]
microphones = 2
tone_db_spl = 90

[[person]]
from_s = 2.0
start = [5.0, 2.0]
heading_deg = 180
does = [
  { do = "walk", to = [1.8, 2.0] },
  { do = "stand", for_s = 3.0 },
  { do = "drink" },
]
"""

FAN = """
[[mover]]
kind = "floor_fan"
position_m = [4.0, 0.6, 1.0]
from_s = 5
to_s = 8
"""


def frames(scene: Scene, faults: int = 0) -> FeatureBlock:
    time_s = np.arange(WINDOW_S, scene.duration_s, HOP_S)
    n = len(time_s)
    velocity = np.linspace(-6.0, 6.0, 241, dtype=np.float32)
    none = np.zeros(n, np.float32)
    power = np.zeros((n, 241), np.float32)
    return FeatureBlock(
        time_s, power, power, power, velocity, np.ones(241, np.bool_), none, none, none, none,
        np.full(n, faults, np.int64), scene.carrier_hz,
    )  # fmt: skip


def labelled(scene: Scene, faults: int = 0) -> tuple[np.ndarray, Labels]:
    """Middle of each window, and the labels there."""
    block = frames(scene, faults)
    return block.time_s - WINDOW_S / 2, label_frames(scene, block, WINDOW_S)


def stretches(at_s: np.ndarray, chosen: np.ndarray) -> list[tuple[float, float]]:
    """(from, to) of every run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], chosen.astype(int), [0]])))
    return [(at_s[a], at_s[b - 1]) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def test_labels_begin_and_end_with_what_is_done() -> None:
    scene = parse_scene(SCENE + FAN)
    at_s, labels = labelled(scene)
    ((walks_s, stops_s),) = stretches(at_s, labels.label & MAJOR != 0)
    assert walks_s == pytest.approx(2.0, abs=HOP_S)
    # 3.2 m at 1.2 m/s: 2.67 s, and a ramp of 0.92 s more
    assert stops_s == pytest.approx(2.0 + 3.2 / 1.2 + 0.92, abs=0.1)
    drinks = stretches(at_s, labels.label & MINOR != 0)
    assert drinks[0][0] == pytest.approx(stops_s + 3.0 + 0.05, abs=2 * HOP_S)
    ((on_s, off_s),) = stretches(at_s, labels.label & OTHER != 0)
    assert on_s == pytest.approx(5.0, abs=HOP_S)
    assert off_s == pytest.approx(8.0, abs=HOP_S)
    assert labels.presence.all()
    assert labels.range_m[0] == pytest.approx(4.7, abs=0.15)
    assert labels.range_m[-1] == pytest.approx(1.5, abs=0.15)
    assert labels.people == 1


def test_frames_about_a_change_do_not_count() -> None:
    at_s, labels = labelled(parse_scene(SCENE))
    ((from_s, to_s),) = stretches(at_s, (labels.weight == 0) & (at_s > 1.0) & (at_s < 3.0))
    assert from_s == pytest.approx(1.75, abs=HOP_S)
    assert to_s == pytest.approx(2.25, abs=HOP_S)
    assert labels.weight[at_s < 0.3 - WINDOW_S / 2 - HOP_S].sum() == 0
    assert labels.weight[(at_s > 0.3) & (at_s < 1.7)].all()


def test_a_blocked_frame_does_not_count_and_another_fault_does() -> None:
    scene = parse_scene(SCENE)
    assert labelled(scene, int(Fault.DROPPED_SAMPLES | Fault.CLIPPED))[1].weight.sum() == 0
    assert labelled(scene, int(Fault.AGC_SUSPECTED))[1].weight.sum() > 100


def test_labels_line_up_with_what_is_seen() -> None:
    """Rendered: energy off the carrier comes and goes with the walk, to a window or so."""
    scene = parse_scene(SCENE)
    features, window_s = scene_features(scene)
    labels = label_frames(scene, features, window_s)
    fast = np.abs(features.velocity_mps) > 0.4
    seen = features.log_power_db[:, fast & features.valid_bins].max(1) > 18.0
    at_s = features.time_s - window_s / 2
    walks = (labels.label & MAJOR != 0) & (labels.weight == 1)
    assert seen[walks].mean() > 0.9
    assert seen[(at_s > 0.5) & (at_s < 1.75)].mean() < 0.02
    first = at_s[seen & (at_s > 1.0)][0]
    assert 1.95 < first < 2.6  # it has to gain speed first


NEXT_DOOR = """
duration_s = 20
[room]
size_m = [6, 4, 2.5]
[device]
position_m = [0.3, 2.0, 1.0]
[[person]]
start = [10.0, 2.0]
heading_deg = 180
does = [{ do = "walk", to = [4.0, 2.0] }]
"""


def test_who_comes_through_the_door_is_neither_in_nor_out() -> None:
    at_s, labels = labelled(parse_scene(NEXT_DOOR))
    assert labels.people == 1
    came_s = at_s[labels.presence == 1][0]
    assert labels.label[labels.presence == 0].max() == 0
    assert labels.label[at_s > came_s][0] == MAJOR
    assert np.isnan(labels.range_m[labels.presence == 0]).all()
    # 1.2 m/s: from a metre before the wall to behind it, and a quarter of a second to each side
    left_s, sure_s = next(one for one in stretches(at_s, labels.weight == 0) if one[1] > came_s)
    assert left_s == pytest.approx(came_s - 1.0 / 1.2 - 0.25, abs=0.1)
    assert sure_s == pytest.approx(came_s + 0.25, abs=0.1)
    assert labels.weight[(at_s > 0.5) & (at_s < came_s - 1.2)].all()


def test_who_stands_at_the_wall_outside_is_neither_too() -> None:
    """Hands reach in from there; and nobody moves, so it is no change that hides them."""
    scene = parse_scene(
        NEXT_DOOR.replace("[10.0, 2.0]", "[6.5, 2.0]").replace('do = "walk", to = [4.0, 2.0]', 'do = "stand"')
    )
    at_s, labels = labelled(scene)
    assert labels.weight[at_s > 0.5].sum() == 0


def test_who_stays_outside_is_a_cause_and_no_presence() -> None:
    scene = parse_scene(NEXT_DOOR.replace("[4.0, 2.0]", "[8.0, 3.0]"))
    _, labels = labelled(scene)
    assert (labels.people, labels.presence.max(), labels.label.max()) == (0, 0, 0)
    about = describe(scene, "next_door", "test", labels.people)
    assert about["causes"] == ["next room"]
    assert (about["people"], about["microphones"], about["music"]) == (0, 4, False)


def test_causes_tell_fans_apart() -> None:
    fans = FAN + FAN.replace("position_m", "swing_deg = 30\nposition_m")
    about = describe(parse_scene(SCENE + fans), "people", "train", 1)
    assert about["causes"] == ["fan", "oscillating fan"]


def test_after_lost_samples_the_truth_comes_early() -> None:
    drops = "\n[electronics]\ndrops = [{ at_s = 1.0, samples = 48000 }, { at_s = 4.0, samples = 9600 }]\n"
    scene = parse_scene(SCENE.replace("[room]", drops + "[room]"))
    # the card runs at 96 kHz: half a second is lost after 1 s, a tenth after 4 s, which stand at 3.5 s
    found = scene_time_s(scene, np.array([0.5, 0.999, 1.001, 2.0, 3.499, 3.501, 5.0]))
    np.testing.assert_allclose(found, [0.5, 0.999, 1.501, 2.5, 3.999, 4.101, 5.6], atol=1e-3)
    at_s, labels = labelled(scene)
    ((walks_s, _),) = stretches(at_s, labels.label & MAJOR != 0)
    assert walks_s == pytest.approx(1.5, abs=HOP_S)
