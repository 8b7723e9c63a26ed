"""The network as a file that ONNX Runtime runs a frame at a time: normalisation, memory and scores inside.

    power_db, scalars, means, frames, taps_1 .. taps_32
        ─► scores, logits, next_means, next_frames, row_1 .. row_32

The taps of a step over time, named by its dilation, are its rows of two dilations and of one dilation ago,
side by side: the names say all that a session must know to keep them.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional

from noctule.model.network import SCALARS, Memory, MotionNetwork, later
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

    def __init__(self, network: MotionNetwork, maps: Sequence[ScoreMap], folded: bool) -> None:
        super().__init__()
        self.network = network
        self.later = self._later_folded if folded else later
        self.register_buffer("default", torch.tensor([[one.default for one in maps]]))
        self.register_buffer("above", torch.tensor([[one.slopes()[0] for one in maps]]))
        self.register_buffer("ratio", torch.tensor([one.slopes()[1] / one.slopes()[0] for one in maps]))
        self.register_buffer("identity", torch.eye(network.shape.width))
        self.register_buffer("of", torch.tensor([0, 0, 2, 3]))
        self.register_buffer("and_of", torch.tensor([1, 0, 2, 3]))
        self.default: Tensor
        self.above: Tensor
        self.ratio: Tensor
        self.identity: Tensor
        self.of: Tensor
        self.and_of: Tensor

    def forward(
        self, power_db: Tensor, scalars: Tensor, means: Tensor, frames: Tensor, *taps: Tensor
    ) -> tuple[Tensor, ...]:
        memory = Memory(means, frames, taps)
        logits, means, frames, rows = self.network.step(power_db, scalars, memory, self.later)
        mapped = functional.prelu((logits - self.default) * self.above, self.ratio)
        # major motion and a human, and the others with themselves; a split and a cat would be dearer
        both = torch.minimum(mapped.index_select(1, self.of), mapped.index_select(1, self.and_of))
        return (torch.sigmoid(both), logits, means, frames, *rows)

    def _later_folded(self, linear: nn.Linear, taps: Tensor, hidden: Tensor) -> Tensor:
        """`later` as two nodes: the past is the second's bias, whose weights hold the sum with what came in.

        Split, not sliced: the exporter would work slices out and leave the weights themselves out of the
        file, which a training run may want to begin with.
        """
        past, now = linear.weight.split([taps.shape[1], hidden.shape[1]], dim=1)
        bias = functional.linear(taps, past, linear.bias)
        return functional.relu(torch.addmm(bias, hidden, (now + self.identity).T))


def input_names(network: MotionNetwork) -> list[str]:
    return ["power_db", "scalars", "means", "frames", *(f"taps_{one}" for one in network.shape.dilations)]


def output_names(network: MotionNetwork) -> list[str]:
    rows = (f"row_{one}" for one in network.shape.dilations)
    return ["scores", "logits", "next_means", "next_frames", *rows]


def export_onnx(network: MotionNetwork, maps: Sequence[ScoreMap], path: Path, folded: bool = True) -> None:
    """Write the float model.

    maps : one for each of `OUTPUTS`.
    folded : quicker, with the same scores; `quantize` wants the layers as they were trained.
    """
    assert len(maps) == len(OUTPUTS)
    network = network.eval()
    memory = Memory.empty(network.shape)
    power_db, scalars = torch.zeros(1, 2, network.shape.bins), torch.zeros(1, len(SCALARS))
    with quietly():
        torch.onnx.export(
            ExportedStep(network, maps, folded).eval(),
            (power_db, scalars, memory.means, memory.frames, *memory.taps),
            str(path),
            input_names=input_names(network),
            output_names=output_names(network),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    _forget_where(path)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Without the exporter's own deprecations, and advice on what is as it should be."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _forget_where(path: Path) -> None:
    """The exporter notes which line of which file made each node: paths of whoever exported."""
    model = onnx.load(path)
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    onnx.save(model, path)
