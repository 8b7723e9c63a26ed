"""Event metrics against another implementation: Ebbers, Haeb-Umbach and Serizel's sed_scores_eval (2022).

It is compiled, wants an old pandas, and is not among the locked packages; to run this:
`pip install cython 'pandas<3' && pip install --no-build-isolation sed_scores_eval`, and delete the file
`pathlib.py` that it brings along.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from noctule.lab.curves import area_under_curve
from noctule.lab.metrics import Decisions, Truth, alarms, events, outcome, score_counts
from noctule.simulate.truth import STEP_S

collar_based = pytest.importorskip("sed_scores_eval.collar_based", reason="sed_scores_eval is not installed")
segment_based = pytest.importorskip("sed_scores_eval.segment_based")
pandas = pytest.importorskip("pandas")

HOP_S, CLIP_S, CLIPS = 0.05, 60, 30


def clip(rng: np.random.Generator) -> tuple[Truth, Decisions, list[tuple[float, float, str]]]:
    """Whole seconds of motion; scores that rise some time into each, and now and then without any."""
    spans: list[tuple[float, float]] = []
    at_s = 4.0
    while at_s < CLIP_S - 8.0:
        ends_s = at_s + float(rng.integers(2, 6))
        spans.append((at_s, ends_s))
        at_s = ends_s + float(rng.integers(5, 10))
    grid_s = np.arange(0.0, CLIP_S, STEP_S)
    motion = np.zeros((1, len(grid_s)), np.int64)
    time_s = np.round(np.arange(0.0, CLIP_S, HOP_S), 3)
    score = rng.uniform(0.0, 0.45, len(time_s))
    for start, stop in spans:
        motion[0, (grid_s >= start - 1e-6) & (grid_s < stop - 1e-6)] = 2
        late_s = rng.choice([0.1, 0.3, 0.7, 1.3, 1.7])
        score[(time_s > start + late_s) & (time_s < stop)] = rng.uniform(0.55, 1.0)
        if rng.random() < 0.5:  # a false alarm, well after a motion and before the next
            score[(time_s > stop + 2.5) & (time_s < stop + 2.8)] = rng.uniform(0.55, 1.0)
    still = np.zeros((1, len(grid_s)))
    truth = Truth(grid_s, motion, still + 2.0, still, motion[0] > 0, float(CLIP_S))
    said = np.where(score >= 0.5, 2, 0)
    decided = Decisions(time_s, said, said > 0, score, score, np.zeros(len(time_s), bool))
    return truth, decided, [(*one, "major") for one in spans]


def test_onsets_alarms_and_seconds_agree() -> None:
    rng = np.random.default_rng(5)
    clips = {f"clip {n}": clip(rng) for n in range(CLIPS)}
    edges_s = np.round(np.arange(0.0, CLIP_S + HOP_S / 2, HOP_S), 3)
    scores = {
        name: pandas.DataFrame({"onset": edges_s[:-1], "offset": edges_s[1:], "major": one[1].score_major})
        for name, one in clips.items()
    }
    truth: dict[str, Any] = {name: one[2] for name, one in clips.items()}
    found = missed = false = 0
    major, none = np.zeros(102), np.zeros(102)
    for told, decided, _ in clips.values():
        results = [outcome(event, decided, told) for event in events(told, "major")]
        found += sum(one.found for one in results)
        missed += sum(not one.found for one in results)
        false += alarms(decided, told).motion
        counts = score_counts(decided, told)
        major, none = major + counts.windows_major, none + counts.windows_none
    *_, stats = collar_based.fscore(
        scores, truth, 0.5, onset_collar=1.0, offset_collar=1000.0, offset_collar_rate=1000.0
    )
    theirs = stats["major"]
    assert (found, found + missed) == (theirs["tps"], theirs["n_ref"])
    # what comes too late is a miss to us, and to them a false detection besides
    assert false + missed == theirs["fps"]
    lengths = dict.fromkeys(clips, float(CLIP_S))
    area = segment_based.auroc(scores, truth, lengths, segment_length=1.0)[0]["major"]
    # theirs has the second after a motion among the empty ones, ours sorts scores into bins
    assert area_under_curve(major, none) == pytest.approx(area, abs=0.02)
