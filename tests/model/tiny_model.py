"""A model folder with an untrained network: everything about it is true except that it knows nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

import noctule
from noctule.core.settings import FeatureSettings
from noctule.lab.export_onnx import ScoreMap, export_onnx
from noctule.model.network import MotionNetwork, count_macs, count_parameters
from noctule.model.rules import OUTPUTS
from noctule.model.zoo import Model, write_model_folder

CARD = "# untrained\n"


def untrained() -> MotionNetwork:
    torch.manual_seed(7)
    network = MotionNetwork()
    network.eval()
    return network


def about(**changes: Any) -> dict[str, Any]:
    network = untrained()
    return {
        "name": "tiny",
        "version": "1",
        "minimum_noctule": noctule.__version__,
        "feature_digest": FeatureSettings().digest(),
        "hop_s": network.shape.hop_s,
        "bins": network.shape.bins,
        "outputs": list(OUTPUTS),
        "parameters": count_parameters(network),
        "macs_per_frame": count_macs(network.shape),
        "presets": {
            "Moderately sensitive": {"trigger_sensitivity": 0.5, "logit_human": 0.0, "logit_major": 0.0}
        },
        "default_preset": "Moderately sensitive",
        "probability": dict.fromkeys(OUTPUTS, (1.0, 0.0)),
        "int8": {},
        "training": {},
    } | changes


def write_tiny_model(folder: Path, default: float = -30.0) -> Model:
    """`default`: the logit that becomes a score of one half. Far below what comes out: all is motion."""
    weights = folder.with_name("network.onnx")
    export_onnx(untrained(), [ScoreMap(default + 1.0, default, default - 1.0)] * len(OUTPUTS), weights)
    return write_model_folder(folder, about(), {"float": weights}, CARD)
