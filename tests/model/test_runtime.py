"""The running detector: faults, memory, velocity, the same whatever the blocks."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from tests.model.tiny_model import untrained, write_tiny_model

from noctule.cli.replay import replay
from noctule.cli.run import make_sensor
from noctule.core.errors import NoctuleError
from noctule.core.frames import PER_FRAME, BasebandBlock, Fault, FeatureBlock
from noctule.core.settings import FeatureSettings, Settings
from noctule.model.rules import NOT_JUDGED, RESET_AFTER_S
from noctule.model.runtime import NetworkDetector
from noctule.model.session import StepSession
from noctule.model.zoo import Model, load_model
from noctule.pipeline import SensingPipeline

HOP_S = 0.048
VELOCITY = np.linspace(-6.0, 6.0, 241, dtype=np.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("zoo") / "tiny"
    write_tiny_model(folder)
    return load_model(str(folder), FeatureSettings().digest())


def block(frames: int, seed: int = 3, faults: npt.NDArray[np.int64] | None = None) -> FeatureBlock:
    powers = [np.random.default_rng([seed, n]).exponential(1.0, (frames, 241)) for n in range(3)]
    power_db, clean_db, fresh_db = (10.0 * np.log10(one).astype(np.float32) for one in powers)
    return FeatureBlock(
        time_s=np.arange(frames, dtype=np.float64) * HOP_S,
        log_power_db=power_db,
        clean_power_db=clean_db,
        fresh_power_db=fresh_db,
        velocity_mps=VELOCITY,
        valid_bins=np.ones(241, bool),
        broadband_db=np.random.default_rng(seed + 1).uniform(0, 3, frames).astype(np.float32),
        removed_db=np.random.default_rng(seed + 2).uniform(0, 3, frames).astype(np.float32),
        carrier_level_dbfs=np.full(frames, -30, np.float32),
        carrier_snr_db=np.full(frames, 60, np.float32),
        faults=np.zeros(frames, np.int64) if faults is None else faults,
        carrier_hz=40000.0,
    )


def part(whole: FeatureBlock, frames: slice) -> FeatureBlock:
    return dataclasses.replace(whole, **{name: getattr(whole, name)[frames] for name in PER_FRAME})


def test_onnx_runtime_gives_what_pytorch_gives(model: Model) -> None:
    whole, session = block(300), StepSession(model.file())
    ones = np.ones(300, np.float32)
    scalars = np.stack([whole.broadband_db, whole.carrier_snr_db, ones, whole.removed_db], axis=1)
    powers = np.stack([whole.clean_power_db, whole.fresh_power_db], axis=1)
    found = []
    for row, extra in zip(powers, scalars, strict=True):
        session.step(row, extra)
        found.append(session.logits.copy())
    with torch.no_grad():
        expected = untrained()(torch.from_numpy(powers)[None], torch.from_numpy(scalars)[None])
    assert np.abs(np.array(found) - expected[0].numpy()).max() < 1e-4


@pytest.mark.parametrize("size", [1, 7, 100])
def test_any_block_size_gives_the_same_scores(model: Model, size: int) -> None:
    whole = block(100)
    detector = NetworkDetector(model)
    parts = [one for i in range(0, 100, size) for one in detector.score(part(whole, slice(i, i + size)))]
    assert parts == NetworkDetector(model).score(whole)


@pytest.mark.parametrize("fault", [one for one in Fault if one & NOT_JUDGED])
def test_a_blocking_fault_scores_nothing_and_is_passed_on(model: Model, fault: Fault) -> None:
    score = NetworkDetector(model).score(block(1, faults=np.array([int(fault | Fault.CLIPPED)])))[0]
    assert (score.score_major, score.score_minor, score.radial_velocity_mps) == (0.0, 0.0, 0.0)
    assert score.fault == fault | Fault.CLIPPED


@pytest.mark.parametrize("fault", [one for one in Fault if not one & NOT_JUDGED])
def test_other_faults_are_judged_and_passed_on(model: Model, fault: Fault) -> None:
    score = NetworkDetector(model).score(block(1, faults=np.array([int(fault)])))[0]
    assert score.score_major > 0.9  # this model calls everything motion
    assert score.fault == fault


def scores_after(model: Model, lost_frames: int) -> list[float]:
    """Scores of one second that follows two others and a gap of blocked frames."""
    faults = np.zeros(60 + lost_frames, np.int64)
    faults[40 : 40 + lost_frames] = int(Fault.CARRIER_LOST)
    whole = block(60 + lost_frames, faults=faults)
    tail = block(20, seed=9)
    detector = NetworkDetector(model)
    detector.score(part(whole, slice(0, 40 + lost_frames)))
    return [one.score_major for one in detector.score(tail)]


def test_a_short_gap_keeps_the_memory_and_a_long_one_is_a_cold_start(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "even", default=-2.0)  # scores that show what the logits do
    even = load_model(str(tmp_path / "even"), FeatureSettings().digest())
    cold = [one.score_major for one in NetworkDetector(even).score(block(20, seed=9))]
    longest = round(RESET_AFTER_S / HOP_S)
    assert scores_after(even, longest + 1) == cold
    assert scores_after(even, longest) == scores_after(even, 1) != cold


def test_reset_is_a_cold_start(model: Model) -> None:
    detector = NetworkDetector(model)
    first = detector.score(block(30))
    detector.score(block(50, seed=4))
    detector.reset()
    assert detector.score(block(30)) == first


def test_a_frame_that_is_no_number_is_not_remembered(model: Model) -> None:
    spoilt = block(3)
    spoilt.fresh_power_db[1] = np.nan
    detector = NetworkDetector(model)
    scores = detector.score(spoilt)
    assert [one.score_major > 0 for one in scores] == [True, False, True]
    assert scores[1].why == "the features were not finite"


@pytest.mark.parametrize("speed_mps", [-1.5, 0.4, 3.0])
def test_velocity_is_that_of_what_stands_out_on_one_side(model: Model, speed_mps: float) -> None:
    whole = block(6)
    fan = np.abs(np.abs(VELOCITY) - 2.0) < 0.2  # on both sides: no direction
    whole.clean_power_db[:, fan] = 20.0
    whole.clean_power_db[:, np.abs(VELOCITY - speed_mps) < 0.11] = 25.0
    found = NetworkDetector(model).score(whole)[-1].radial_velocity_mps
    assert found == pytest.approx(speed_mps, abs=0.12)


def test_the_settings_choose_the_detector(model: Model) -> None:
    settings = Settings.model_validate({"model": {"detector": "network", "name": str(model.folder)}})
    rng = np.random.default_rng(1)
    samples = 0.1 + 1e-3 * (rng.standard_normal((12000, 1)) + 1j * rng.standard_normal((12000, 1)))
    pipeline = SensingPipeline(settings, carrier_hz=40000.0, channels=1, baseband_rate_hz=6000.0)
    decisions = pipeline.process_baseband(BasebandBlock(samples.astype(np.complex64), 6000.0, 40000.0, 0))
    judged = [one for one in decisions if not one.fault]
    assert judged
    assert all(one.motion == "major" for one in judged)  # the model calls everything motion
    quiet = SensingPipeline(Settings(), carrier_hz=40000.0, channels=1, baseband_rate_hz=6000.0)
    decisions = quiet.process_baseband(BasebandBlock(samples.astype(np.complex64), 6000.0, 40000.0, 0))
    assert {one.motion for one in decisions} == {"none"}


def test_a_model_for_other_features_is_refused(model: Model) -> None:
    settings = Settings.model_validate(
        {"model": {"detector": "network", "name": str(model.folder)}, "features": {"hop_s": 0.04}}
    )
    with pytest.raises(NoctuleError, match="trained on other features"):
        SensingPipeline(settings, carrier_hz=40000.0, channels=1, baseband_rate_hz=6000.0)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "network.onnx").write_bytes(b"nothing")
    with pytest.raises(NoctuleError, match="not a model"):
        StepSession(tmp_path / "network.onnx")


def test_weights_of_another_kind_of_memory_are_refused(model: Model, tmp_path: Path) -> None:
    """As of models that were given all that they remember, frame by frame."""
    other = onnx.load(model.file())
    other.graph.input[-1].name = "history_5"
    for node in other.graph.node:
        node.input[:] = ["history_5" if name == "taps_32" else name for name in node.input]
    onnx.save(other, tmp_path / "network.onnx")
    with pytest.raises(NoctuleError, match="not a model of this noctule") as refused:
        StepSession(tmp_path / "network.onnx")
    assert "\n" not in str(refused.value)


def test_a_missing_model_is_said_before_anything_sounds(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.model_validate({"model": {"detector": "network", "name": "nobody"}})
    with pytest.raises(NoctuleError, match="model nobody: not found"):
        make_sensor(settings)
    monkeypatch.setenv("NOCTULE_MODEL__NAME", "nobody")
    with pytest.raises(NoctuleError, match="model nobody: not found"):
        replay([Path("nothing.wav")], detector="network")
