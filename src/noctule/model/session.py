"""An exported step model in ONNX Runtime: raw features in, scores out, the memory kept between.

One thread that sleeps when it has nothing to do. The memory lies in two sets of buffers that take turns as
what goes in and what comes out, so that a frame copies nothing but its features.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from noctule.core.errors import NoctuleError
from noctule.core.frames import Float32Array

#: What a frame feeds; every other input is memory and comes out as `next_` + its name.
FEATURES = ("power_db", "scalars")


class StepSession:
    """One stream through one model.

    Raises
    ------
    NoctuleError
        ONNX Runtime cannot read the file, or it is no step model of ours.
    """

    def __init__(self, path: str | Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's own exceptions share no public base
            raise NoctuleError(f"{path}: not a model: {str(error).splitlines()[0]}") from None
        shapes = {one.name: tuple(one.shape) for one in self._session.get_inputs()}
        outputs = {one.name: tuple(one.shape) for one in self._session.get_outputs()}
        names = [name for name in shapes if name not in FEATURES]
        expected = {"scores", "logits", *(f"next_{name}" for name in names)}
        if set(FEATURES) - set(shapes) or expected - set(outputs) or len(shapes["power_db"]) != 3:
            raise NoctuleError(f"{path}: not a model of noctule: its inputs or outputs are others")
        self.bins = shapes["power_db"][-1]
        make = onnxruntime.OrtValue.ortvalue_from_numpy
        self._features = {name: np.zeros(shapes[name], np.float32) for name in FEATURES}
        self._found = {name: np.zeros(outputs[name], np.float32) for name in ("scores", "logits")}
        self._memory = [{name: np.zeros(shapes[name], np.float32) for name in names} for _ in range(2)]
        # values share the arrays' memory: kept, or it would be freed under them
        self._values: list[Any] = []
        self._bindings = []
        for now in range(2):
            binding = self._session.io_binding()
            given = self._features | self._memory[now]
            after = {f"next_{name}": array for name, array in self._memory[1 - now].items()}
            for name, array in given.items():
                self._values.append(make(array))
                binding.bind_ortvalue_input(name, self._values[-1])
            for name, array in (self._found | after).items():
                self._values.append(make(array))
                binding.bind_ortvalue_output(name, self._values[-1])
            self._bindings.append(binding)
        self._now = 0

    def reset(self) -> None:
        """As at the start of a stream."""
        for array in self._memory[self._now].values():
            array[...] = 0.0

    def memory(self) -> dict[str, Float32Array]:
        """A copy of what is remembered before the next frame."""
        return {name: array.copy() for name, array in self._memory[self._now].items()}

    def step(self, power_db: Float32Array, scalars: Float32Array) -> tuple[list[float], list[float]]:
        """Scores and logits of one frame: (2, bins) and (4,) in, one of each output out."""
        self._features["power_db"][0] = power_db
        self._features["scalars"][0] = scalars
        self._session.run_with_iobinding(self._bindings[self._now])
        self._now = 1 - self._now
        return self._found["scores"][0].tolist(), self._found["logits"][0].tolist()
