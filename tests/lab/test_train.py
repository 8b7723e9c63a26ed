"""The whole road on a corpus that is learnt in seconds: train, stop, go on, export, run."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.lab.tiny_corpus import HOP_S, write_tiny_corpus

from noctule.cli.export import export as export_command
from noctule.cli.train import train as train_command
from noctule.core.errors import NoctuleError
from noctule.core.frames import FeatureBlock
from noctule.core.settings import FeatureSettings
from noctule.lab import checkpoint
from noctule.lab.begin import Begun
from noctule.lab.crops import GOES_ABOUT_HERE, PRESENT
from noctule.lab.export_onnx import ScoreMap
from noctule.lab.publish import publish
from noctule.lab.shards import MAJOR, MINOR, Corpus
from noctule.lab.train import Trainer, TrainSettings, motion_loss
from noctule.model.network import CLOCKS, PLANES, MotionNetwork
from noctule.model.rules import OUTPUTS
from noctule.model.runtime import NetworkDetector
from noctule.model.zoo import load_model

QUICK = TrainSettings(epochs=8, batch=2, crop_s=6.0, learning_rate=3e-3, average=0.9, threads=1)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return Corpus(write_tiny_corpus(tmp_path_factory.mktemp("corpus") / "tiny"))


@pytest.fixture(scope="module")
def run(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("run")
    Trainer([corpus], folder, QUICK).run()
    return folder


@pytest.fixture(scope="module")
def model(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zoo") / "tiny"
    publish(run, folder, calibration_frames=1000)
    return folder


def test_people_are_told_from_fans_within_seconds(run: Path) -> None:
    history = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [one["epoch"] for one in history] == [1, 2, 3, 4, 5, 6, 7, 8]
    best = max(history, key=lambda one: one["selection"])
    assert history[-1]["validation_loss"] < 0.15
    assert best["onsets_found"] > 0.95
    assert best["minor_found"] > 0.8


def weights(trainer: Trainer) -> torch.Tensor:
    both = (*trainer.network.parameters(), *trainer.averaged.parameters())
    return torch.cat([one.detach().flatten() for one in both])


def test_a_run_that_was_killed_goes_on_to_the_same_weights(corpus: Corpus, tmp_path: Path) -> None:
    settings = TrainSettings(epochs=2, batch=4, crop_s=5.0, threads=1)
    whole = Trainer([corpus], tmp_path / "whole", settings)
    whole.run()

    class KilledError(Exception):
        pass

    killed = Trainer([corpus], tmp_path / "killed", settings)

    def kill(epoch: int, step: int, steps: int, loss: float, speed: float) -> None:
        if (epoch, step) == (1, 3):
            killed.save()
        if (epoch, step) == (1, 5):  # two steps that nobody saved
            raise KilledError

    with pytest.raises(KilledError):
        killed.run(kill)
    again = Trainer([corpus], tmp_path / "killed", TrainSettings(epochs=2, seed=99), resume=True)
    assert (again.epoch, again.step, again.settings.seed) == (1, 3, settings.seed)
    again.run()
    assert torch.equal(weights(again), weights(whole))
    lines = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "killed")]
    assert lines[0] == lines[1]


def test_a_run_may_begin_with_the_weights_of_another(corpus: Corpus, run: Path, tmp_path: Path) -> None:
    begun = Trainer([corpus], tmp_path, QUICK, begin_with=run)
    best = checkpoint.load(run / checkpoint.BEST)["network"]
    for network in (begun.network, begun.averaged):
        assert all(torch.equal(kept, best[name]) for name, kept in network.state_dict().items())
    assert len(begun.settings.begun_with) == 64
    begun.save()
    assert Trainer([corpus], tmp_path, QUICK, resume=True).settings.begun_with == begun.settings.begun_with


def test_a_run_may_begin_with_the_weights_of_a_model(
    corpus: Corpus, run: Path, model: Path, tmp_path: Path
) -> None:
    begun = Trainer([corpus], tmp_path, QUICK, begin_with=model)
    best = checkpoint.load(run / checkpoint.BEST)["network"]
    kept = begun.network.state_dict()
    assert set(kept) == set(best)
    assert all(torch.equal(kept[name], best[name]) for name in best)
    (model / "network.onnx").rename(tmp_path / "network.onnx")
    try:
        with pytest.raises(NoctuleError, match="missing"):
            Trainer([corpus], tmp_path / "other", QUICK, begin_with=model)
    finally:
        (tmp_path / "network.onnx").rename(model / "network.onnx")


def test_what_older_weights_do_not_know_is_learnt_from_nothing_on() -> None:
    """Another last plane, a scalar and an output fewer: what is known is kept."""
    network = MotionNetwork().eval()
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    older = dict(kept)
    dense = kept["dense.weight"]
    older["dense.weight"] = torch.cat([dense[:, : -CLOCKS - 1], dense[:, -CLOCKS:]], dim=1)
    older |= {name: kept[name][:3] for name in ("head.weight", "head.bias")}
    planes = (*PLANES[:4], "as it is")
    begun = Begun(older, network.shape, planes, list(OUTPUTS[:3]), "", [])
    network.load_state_dict(begun.weights_for(network))
    state = network.state_dict()
    assert torch.equal(state["over_speed.0.weight"][:, :8], older["over_speed.0.weight"][:, :8])
    assert not state["over_speed.0.weight"][:, 8:].any()
    assert not state["dense.weight"][:, -CLOCKS - 1].any()
    assert torch.equal(state["dense.weight"][:, -CLOCKS:], dense[:, -CLOCKS:])
    assert torch.equal(state["head.weight"], kept["head.weight"])  # the fourth is as it was drawn
    with pytest.raises(NoctuleError, match="cannot be begun with"):
        Begun(older, network.shape, planes, ["cat"], "", []).weights_for(network)


def test_several_corpora_are_learnt_from_as_one(corpus: Corpus, tmp_path: Path) -> None:
    other = Corpus(write_tiny_corpus(tmp_path / "other", each=1, seed=2))
    alone = [Trainer([one], tmp_path / str(n), QUICK).train.frames for n, one in enumerate((corpus, other))]
    both = Trainer([corpus, other], tmp_path / "both", QUICK)
    assert both.train.frames == sum(alone)
    assert len({one.scene for one in both.train.segments}) == both.train.segments[-1].scene + 1
    both.save()
    with pytest.raises(NoctuleError, match="another corpus"):
        Trainer([corpus], tmp_path / "both", QUICK, resume=True)


def test_another_seed_is_another_run(corpus: Corpus, tmp_path: Path) -> None:
    quick = {"epochs": 1, "batch": 4, "crop_s": 5.0, "threads": 1}
    trainers = [Trainer([corpus], tmp_path / str(i), TrainSettings(**quick, seed=i)) for i in (1, 2)]  # type: ignore[arg-type]
    assert not torch.equal(*(weights(one) for one in trainers))


def test_a_run_is_not_overwritten_and_not_mixed_up(corpus: Corpus, run: Path, tmp_path: Path) -> None:
    with pytest.raises(NoctuleError, match="holds a run already"):
        Trainer([corpus], run, QUICK)
    with pytest.raises(NoctuleError, match="missing"):
        Trainer([corpus], tmp_path / "nothing", QUICK, resume=True)
    other = Corpus(write_tiny_corpus(tmp_path / "other", each=1, seed=2))
    with pytest.raises(NoctuleError, match="another corpus"):
        Trainer([other], run, QUICK, resume=True)


def test_a_damaged_checkpoint_is_one_line(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"\x80half of it")
    with pytest.raises(NoctuleError, match="cannot be read"):
        Trainer([corpus], tmp_path, QUICK, resume=True)


# -- the loss


def loss_of(logits: list[float], label: int, weight: float = 1.0) -> float:
    return float(
        motion_loss(
            torch.tensor([[logits]]).expand(1, 40, len(OUTPUTS)),
            torch.full((1, 40), label),
            torch.full((1, 40), weight),
            QUICK,
        )
    )


def test_frames_without_weight_teach_nothing() -> None:
    assert loss_of([9.0, 9.0, 9.0, -9.0], 0, weight=0.0) == 0.0


def test_how_much_moves_is_asked_of_humans_who_move() -> None:
    for label in (0, PRESENT):
        assert loss_of([-5.0, -9.0, -5.0, -9.0], label) == loss_of([-5.0, 9.0, -5.0, -9.0], label)
    for label, right in ((MAJOR | PRESENT, 3.0), (MINOR | PRESENT, -3.0)):
        assert loss_of([5.0, -right, -5.0, -9.0], label) > loss_of([5.0, right, -5.0, -9.0], label) + 1.0


def test_a_false_alarm_in_an_empty_room_weighs_most() -> None:
    alarm = [2.0, -5.0, -5.0, -9.0]
    assert loss_of(alarm, 0) > 2.0 * loss_of(alarm, PRESENT)  # somebody sits still there
    assert loss_of(alarm, 0) > 3.0 * loss_of(alarm, GOES_ABOUT_HERE)


def test_who_has_just_stopped_weighs_more_than_who_is_still() -> None:
    logits = torch.tensor([[[2.0, -5.0, -5.0, 0.0]]]).expand(1, 240, 4)
    label = torch.full((1, 240), PRESENT)
    still = float(motion_loss(logits, label, torch.ones(1, 240), QUICK))
    label[:, :40] |= MAJOR
    after = torch.zeros(1, 240)
    after[:, 40:60] = 1.0
    assert float(motion_loss(logits, label, after, QUICK)) > 2.0 * still
    late = torch.zeros(1, 240)
    late[:, 140:] = 1.0
    assert float(motion_loss(logits, label, late, QUICK)) == pytest.approx(still)


def test_who_stays_is_asked_right_after_a_motion() -> None:
    label = torch.full((1, 200), PRESENT)
    label[:, :40] |= MAJOR
    gone = label.clone()
    gone[:, 40:] = 0

    def loss(stays: float, truth: torch.Tensor, asked: slice) -> float:
        weight = torch.zeros(1, 200)
        weight[:, asked] = 1.0
        logits = torch.tensor([[[-9.0, -9.0, -9.0, stays]]]).expand(1, 200, 4)
        return float(motion_loss(logits, truth, weight, QUICK))

    soon, late = slice(40, 120), slice(130, 200)
    assert loss(-3.0, label, soon) > loss(3.0, label, soon) + 0.5
    assert loss(3.0, gone, soon) > 6.0 * loss(-3.0, label, soon)  # who leaves is rarer
    for truth in (label, gone):
        assert loss(3.0, truth, late) == loss(-3.0, truth, late)


def test_after_a_false_alarm_nobody_stays() -> None:
    logits = torch.full((1, 200, 4), -9.0)
    logits[:, :20, 0] = 3.0
    weight = torch.zeros(1, 200)
    weight[:, 30:60] = 1.0
    says_stays = logits.clone()
    says_stays[..., 3] = 3.0
    nobody = torch.zeros(1, 200, dtype=torch.int64)
    wrong, right = (float(motion_loss(one, nobody, weight, QUICK)) for one in (says_stays, logits))
    assert wrong > right + 0.5


# -- the model


def features(power_db: np.ndarray) -> FeatureBlock:
    frames = len(power_db)
    return FeatureBlock(
        time_s=np.arange(frames, dtype=np.float64) * HOP_S,
        log_power_db=power_db,
        clean_power_db=power_db,
        fresh_power_db=power_db,
        velocity_mps=np.linspace(-6, 6, 241, dtype=np.float32),
        valid_bins=np.ones(241, bool),
        broadband_db=np.zeros(frames, np.float32),
        removed_db=np.zeros(frames, np.float32),
        carrier_level_dbfs=np.full(frames, -30, np.float32),
        carrier_snr_db=np.full(frames, 60, np.float32),
        faults=np.zeros(frames, np.int64),
        carrier_hz=40000.0,
    )


@pytest.mark.parametrize("kind", ["float", "int8"])
def test_the_exported_model_tells_walks_from_fans_and_empty_rooms(
    model: Path, corpus: Corpus, kind: str
) -> None:
    """There is a threshold that every walk of the validation scenes passes for 0.2 s, and nothing else."""
    detector = NetworkDetector(load_model(str(model), FeatureSettings().digest()), kind)
    shard = next(corpus.read("validation"))
    found: dict[str, list[float]] = {"walk": [], "hands": [], "fan": [], "empty": []}
    for number, scene in enumerate(shard.scenes[:12]):
        detector.reset()
        scores = detector.score(features(shard.clean_power_db()[shard.frames_of(number)]))
        score = np.clip([one.score_major for one in scores], 1e-12, 1.0 - 1e-12)
        logit = np.log(score / (1.0 - score))
        lasting = np.lib.stride_tricks.sliding_window_view(logit, 5).min(axis=1)
        found[scene["stratum"]].append(lasting.max())
    assert min(found["walk"]) > max(found["fan"] + found["empty"]) + 1.0


def test_weights_do_not_say_where_they_were_exported(model: Path) -> None:
    for weights in model.glob("*.onnx"):
        assert b".py" not in weights.read_bytes(), weights.name


def test_int8_loses_nothing_that_matters(model: Path) -> None:
    manifest = load_model(str(model), FeatureSettings().digest()).manifest
    assert manifest.int8["logit_snr_db"] > 20.0
    assert manifest.int8["decisions_differ"] < 0.01
    assert set(manifest.files) == {"float", "int8"}


def test_presets_find_more_and_cost_more_step_by_step(model: Path) -> None:
    presets = load_model(str(model), FeatureSettings().digest()).manifest.presets
    order = [presets[f"{name} sensitive"] for name in ("Slightly", "Moderately", "Very")]
    assert [one.trigger_sensitivity for one in order] == [0.25, 0.5, 0.75]
    assert order[0].logit_human > order[1].logit_human > order[2].logit_human
    assert order[0].logit_major > order[1].logit_major > order[2].logit_major
    costs = [one.measured["false_alarms_per_day"] for one in order]
    assert costs == sorted(costs)


def test_the_card_says_what_it_found_and_where_it_fails(model: Path) -> None:
    card = (model / "MODEL_CARD.md").read_text()
    assert "Where it fails" in card
    assert "| Moderately sensitive | 0.5 |" in card


def test_scores_of_the_presets_are_one_minus_their_sensitivity() -> None:
    above, below = ScoreMap(4.0, 1.5, -1.0).slopes()
    assert 1 / (1 + np.exp(-above * (4.0 - 1.5))) == pytest.approx(0.75)
    assert 1 / (1 + np.exp(below * (1.5 + 1.0))) == pytest.approx(0.25)


# -- the commands


def test_without_pytorch_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    install = r"pip install 'noctule\[train\]'"
    with pytest.raises(NoctuleError, match=install):
        train_command([tmp_path], tmp_path)
    with pytest.raises(NoctuleError, match=install):
        export_command(tmp_path, tmp_path)


def test_the_commands_refuse_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NoctuleError, match="no corpus"):
        train_command([tmp_path], tmp_path / "run")
    with pytest.raises(NoctuleError, match=r"best\.pt: missing"):
        export_command(tmp_path, tmp_path / "model", threads=1)
