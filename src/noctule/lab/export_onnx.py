"""The network as a file that ONNX Runtime runs a frame at a time: normalisation, memory and scores inside."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional

from noctule.model.network import SCALARS, Memory, MotionNetwork
from noctule.model.rules import OUTPUTS

#: Older runtimes of noctule's dependency range know it.
OPSET = 18


@dataclass(frozen=True)
class ScoreMap:
    """A logit to a score 0..1 that the tracker holds against 1 - sensitivity.

    Logits of three presets become 0.75, 0.5 and 0.25 (sensitivity 0.25, 0.5, 0.75), straight lines in the
    logit of the score between and beyond: more sensitivity always means more found and more false alarms.
    """

    careful: float
    default: float
    eager: float

    def slopes(self) -> tuple[float, float]:
        """Above and below the default."""
        quarter = 1.0986123  # logit of 0.75
        return quarter / (self.careful - self.default), quarter / (self.default - self.eager)


class ExportedStep(nn.Module):
    """`MotionNetwork.step` with plain tensors in and out, and the scores.

    Minor motion is what a human does; major motion is that, and the body goes with it.
    """

    def __init__(self, network: MotionNetwork, maps: Sequence[ScoreMap]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("default", torch.tensor([[one.default for one in maps]]))
        self.register_buffer("above", torch.tensor([[one.slopes()[0] for one in maps]]))
        self.register_buffer("ratio", torch.tensor([one.slopes()[1] / one.slopes()[0] for one in maps]))
        self.default: Tensor
        self.above: Tensor
        self.ratio: Tensor

    def forward(
        self, power_db: Tensor, scalars: Tensor, means: Tensor, frames: Tensor, *history: Tensor
    ) -> tuple[Tensor, ...]:
        logits, memory = self.network.step(power_db, scalars, Memory(means, frames, list(history)))
        mapped = functional.prelu((logits - self.default) * self.above, self.ratio)
        human, major, other, stays = torch.sigmoid(mapped).split(1, dim=1)
        scores = torch.cat([torch.minimum(human, major), human, other, stays], dim=1)
        return (scores, logits, memory.means, memory.frames, *memory.history)


def input_names(network: MotionNetwork) -> list[str]:
    history = [f"history_{i}" for i in range(len(network.shape.dilations))]
    return ["power_db", "scalars", "means", "frames", *history]


def output_names(network: MotionNetwork) -> list[str]:
    return ["scores", "logits", *(f"next_{name}" for name in input_names(network)[2:])]


def export_onnx(network: MotionNetwork, maps: Sequence[ScoreMap], path: Path) -> None:
    """Write the float model. `maps`: one for each of `OUTPUTS`."""
    assert len(maps) == len(OUTPUTS)
    network = network.eval()
    step = ExportedStep(network, maps).eval()
    memory = Memory.empty(network.shape)
    example = (
        torch.zeros(1, 2, network.shape.bins),
        torch.zeros(1, len(SCALARS)),
        memory.means,
        memory.frames,
    )
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        torch.onnx.export(
            step,
            (*example, *memory.history),
            str(path),
            input_names=input_names(network),
            output_names=output_names(network),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    _forget_where(path)


def _forget_where(path: Path) -> None:
    """The exporter notes which line of which file made each node: paths of whoever exported."""
    model = onnx.load(path)
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    onnx.save(model, path)
