"""Weights that a new run begins with: of another run, or of a model that was published.

What they were trained on may have changed since: features, more scalars, more outputs. They are a beginning.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from noctule.core.errors import NoctuleError
from noctule.lab import checkpoint
from noctule.lab.shards import sha256_of
from noctule.model import zoo
from noctule.model.network import CLOCKS, PLANES, MotionNetwork, NetworkShape
from noctule.model.rules import OUTPUTS

#: How the exported graph names the network's weights.
_PREFIX = "network."
_FIRST = "over_speed.0.weight"
#: Planes of networks, by how many running means they have: what is new was what is over the last 2 s.
_PLANES = {2: PLANES, 3: ("level", "smooth", "fresh", "stands_out", "as it is")}


@dataclass(frozen=True)
class Begun:
    """Weights by their names in `MotionNetwork`, and where they come from.

    planes, outputs : that they know. sha256 : of their file. corpora : that they have learnt from.
    """

    weights: dict[str, Tensor]
    shape: NetworkShape
    planes: tuple[str, ...]
    outputs: list[str]
    sha256: str
    corpora: list[dict[str, Any]]

    def weights_for(self, network: MotionNetwork) -> dict[str, Tensor]:
        """For this network; outputs that they do not know yet stay as the network has them, and planes and
        scalars that they do not know are listened to from nothing on.

        Raises
        ------
        NoctuleError
            They answer other questions than ours.
        """
        if self.outputs != list(OUTPUTS[: len(self.outputs)]):
            raise NoctuleError(f"weights that answer {', '.join(self.outputs)} cannot be begun with")
        fresh = network.state_dict()
        weights = {name: self.weights[name] for name in fresh}
        for name in ("head.weight", "head.bias"):
            weights[name] = torch.cat([weights[name], fresh[name][len(weights[name]) :].cpu()])
        known = dict(zip(self.planes, weights[_FIRST].cpu().split(2, dim=1), strict=True))
        nothing = torch.zeros_like(known["level"])
        weights[_FIRST] = torch.cat([known.get(name, nothing) for name in PLANES], dim=1)
        dense = weights["dense.weight"].cpu()
        unknown = dense.new_zeros(len(dense), fresh["dense.weight"].shape[1] - dense.shape[1])
        weights["dense.weight"] = torch.cat([dense[:, :-CLOCKS], unknown, dense[:, -CLOCKS:]], dim=1)
        return weights


def begun_from(folder: Path) -> Begun:
    """The best weights of a run's folder, or the float weights of a model's.

    Raises
    ------
    NoctuleError
        There are none, or they are damaged.
    """
    is_model = (folder / zoo.MANIFEST).is_file()
    return _from_model(folder) if is_model else _from_run(folder)


def _from_run(folder: Path) -> Begun:
    best = checkpoint.load(folder / checkpoint.BEST)
    return Begun(
        best["network"],
        *_shape_and_planes(best["settings"]["shape"]),
        best["outputs"],
        sha256_of(folder / checkpoint.BEST),
        best["corpora"],
    )


def _from_model(folder: Path) -> Begun:
    about = zoo.read_manifest(folder)
    graph = onnx.load(zoo.Model(folder, about).file()).graph
    weights = {
        one.name.removeprefix(_PREFIX): torch.from_numpy(numpy_helper.to_array(one).copy())
        for one in graph.initializer
    }
    return Begun(
        weights,
        *_shape_and_planes(about.training["shape"]),
        about.outputs,
        about.files["float"].sha256,
        about.training.get("corpora", []),
    )


def _shape_and_planes(values: dict[str, Any]) -> tuple[NetworkShape, tuple[str, ...]]:
    return NetworkShape.from_dict(values | {"mean_s": NetworkShape.mean_s}), _PLANES[len(values["mean_s"])]
