"""Eight-bit weights and activations for small processors, without training anew, and what that costs.

Static quantisation of the exported step model. Two things decide whether it works (measured: 37 dB instead of
11 dB between float and int8): true minima and maxima of every tensor on real frames, and one scale for a
state tensor where it leaves a frame and where it enters the next. Running means, the normalisation and the
last layer (a dot product an output) stay in float.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.calibrate import create_calibrator

from noctule.lab.export_onnx import quietly
from noctule.model.session import StepSession

Float32Array = npt.NDArray[np.float32]
#: (frames, 2, bins) log powers and (frames, 4) scalars of one stream.
Stream = tuple[Float32Array, Float32Array]
#: Tensor -> lowest and highest value.
Ranges = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Fidelity:
    """int8 against float on the same streams, each with its own memory.

    logit_snr_db : variance of the float logits over the mean squared difference.
    score_difference : mean and largest difference of the scores of major and minor motion.
    decisions_differ : share of frames on different sides of the default operating point.
    """

    frames: int
    logit_snr_db: float
    mean_score_difference: float
    largest_score_difference: float
    decisions_differ: float


def quantize(model: Path, path: Path, streams: Sequence[Stream]) -> None:
    """Write the int8 model of a float one that is not folded.

    streams : set the ranges: motion of every kind, and none.
    """
    graph = onnx.load(model).graph
    names = _quantized_nodes(graph)
    with quietly():
        ranges = _widened(graph, names, _ranges(model, streams))
        quantize_static(
            model,
            path,
            _Frames(model, [(power_db[:1], scalars[:1]) for power_db, scalars in streams[:1]]),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=names,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={
                "WeightSymmetric": True,
                "ActivationSymmetric": False,
                "TensorQuantOverrides": {
                    name: [{"rmin": np.float32(low), "rmax": np.float32(high)}]
                    for name, (low, high) in ranges.items()
                },
            },
        )


class _Frames(CalibrationDataReader):
    """Every frame of the streams with the memory that the float model had in it."""

    def __init__(self, model: Path, streams: Sequence[Stream]) -> None:
        self._frames = self._run(model, streams)

    @staticmethod
    def _run(model: Path, streams: Sequence[Stream]) -> Iterator[dict[str, Float32Array]]:
        session = StepSession(model)
        for power_db, scalars in streams:
            session.reset()
            for row, extra in zip(power_db, scalars, strict=True):
                yield {"power_db": row[None], "scalars": extra[None]} | session.memory()
                session.step(row, extra)

    def get_next(self) -> dict[str, Float32Array] | None:
        return next(self._frames, None)


def _quantized_nodes(graph: onnx.GraphProto) -> list[str]:
    """From the first convolution to the last step over time, with the states."""
    tensors = {one.name for one in graph.input if one.name.startswith("taps_")}
    names = []
    for node in graph.node:
        follows = node.op_type == "Conv" or any(name in tensors for name in node.input)
        if follows and "logits" not in node.output:
            names.append(node.name)
            tensors |= set(node.output)
    return names


def _ranges(model: Path, streams: Sequence[Stream]) -> Ranges:
    """The smallest and largest value of every tensor."""
    with tempfile.TemporaryDirectory() as place:
        calibrator = create_calibrator(
            model,
            augmented_model_path=str(Path(place) / "with_ranges.onnx"),
            calibrate_method=CalibrationMethod.MinMax,
        )
        calibrator.collect_data(_Frames(model, streams))
        found = calibrator.compute_data().items()
    return {name: (float(np.min(r.range_value[0])), float(np.max(r.range_value[1]))) for name, r in found}


def _widened(graph: onnx.GraphProto, names: list[str], ranges: Ranges) -> Ranges:
    """Ranges of what the quantised nodes touch; one for a row, its taps, and the two joined."""
    inside = [node for node in graph.node if node.name in names]
    touched = {name for node in inside for name in (*node.input, *node.output)} & set(ranges)
    widened = {name: ranges[name] for name in touched}
    for node in inside:
        if node.op_type == "Concat" and node.input[0].startswith("taps_"):
            group = [*node.input, *node.output]
            low, high = min(ranges[name][0] for name in group), max(ranges[name][1] for name in group)
            widened |= dict.fromkeys(group, (low, high))
    return widened


def compare(model: Path, quantized: Path, streams: Sequence[Stream]) -> Fidelity:
    """Both models over the same streams."""
    pairs = [(_run(model, stream), _run(quantized, stream)) for stream in streams]
    floats, ints = (
        [np.concatenate([pair[side][part] for pair in pairs]) for part in range(2)] for side in range(2)
    )
    error = floats[1] - ints[1]
    scores = np.abs(floats[0] - ints[0])[:, :2]
    differ = ((floats[0] >= 0.5) != (ints[0] >= 0.5))[:, :2].any(axis=1)
    snr = float(np.var(floats[1], axis=0).sum() / max(float((error**2).mean(axis=0).sum()), 1e-12))
    return Fidelity(
        frames=len(differ),
        logit_snr_db=10.0 * float(np.log10(max(snr, 1e-12))),
        mean_score_difference=float(scores.mean()),
        largest_score_difference=float(scores.max()),
        decisions_differ=float(differ.mean()),
    )


def _run(model: Path, stream: Stream) -> tuple[Float32Array, Float32Array]:
    """(frames, 3) scores and logits from a cold start."""
    session = StepSession(model)
    scores, logits = [], []
    for row, extra in zip(*stream, strict=True):
        scores.append(session.step(row, extra))
        logits.append(session.logits.copy())
    return np.array(scores), np.array(logits)
