"""The exported step: as few nodes as it can be, the same scores, every weight still in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from tests.model.tiny_model import untrained

from noctule.lab.export_onnx import ScoreMap, export_onnx
from noctule.model.rules import OUTPUTS
from noctule.model.session import StepSession


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """Folded or not -> file. The defaults lie where the untrained network's logits do."""
    folder = tmp_path_factory.mktemp("exported")
    for folded in (True, False):
        maps = [ScoreMap(-1.0, -2.0, -2.5)] * len(OUTPUTS)
        export_onnx(untrained(), maps, folder / f"{folded}.onnx", folded)
    return {folded: folder / f"{folded}.onnx" for folded in (True, False)}


def test_folding_changes_no_score(exported: dict[bool, Path]) -> None:
    rng = np.random.default_rng(6)
    folded, plain = StepSession(exported[True]), StepSession(exported[False])
    for frame in range(200):
        power_db = rng.normal(0.0, 8.0, (2, 241)).astype(np.float32)
        scalars = rng.uniform(0.0, 30.0, 4).astype(np.float32)
        if frame == 150:
            folded.reset()
            plain.reset()
        assert folded.step(power_db, scalars) == pytest.approx(plain.step(power_db, scalars), abs=1e-5)


def test_major_motion_is_minor_motion_with_the_body(exported: dict[bool, Path]) -> None:
    session = StepSession(exported[True])
    scores = session.step(np.zeros((2, 241), np.float32), np.zeros(4, np.float32))
    above = session.logits + 2.0
    mapped = 1.0986123 * np.where(above > 0.0, above, 2.0 * above)
    human, major, other, stays = 1.0 / (1.0 + np.exp(-mapped))
    assert scores == pytest.approx([min(human, major), human, other, stays], abs=1e-5)


def test_a_frame_is_few_nodes(exported: dict[bool, Path], tmp_path: Path) -> None:
    """What only changes weights is worked out when the file is read: about a microsecond a frame each."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "running.onnx")
    onnxruntime.InferenceSession(exported[True], options, providers=["CPUExecutionProvider"])
    nodes = onnx.load(tmp_path / "running.onnx").graph.node
    assert len(nodes) <= 53  # 52 where the processor has AVX-512
    assert not {"Transpose", "Slice", "Where"} & {node.op_type for node in nodes}


def test_every_weight_is_in_the_file_as_it_was_trained(exported: dict[bool, Path]) -> None:
    """A run may begin with a published model."""
    found = {one.name: numpy_helper.to_array(one) for one in onnx.load(exported[True]).graph.initializer}
    for name, weight in untrained().state_dict().items():
        if name.endswith("weight"):  # the biases are all 0 yet, and stored once
            assert np.array_equal(found[f"network.{name}"], weight.numpy()), name
