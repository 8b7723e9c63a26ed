"""An exported step model in ONNX Runtime: raw features in, scores out, the memory kept between.

One thread that sleeps when it has nothing to do. The running means lie in two buffers that take turns as what
goes in and what comes out. The steps over time are given only the two rows of the past that they need, out of
rings that lie here: a frame copies little more than its features.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from noctule.core.errors import NoctuleError
from noctule.core.frames import Float32Array

Arrays = dict[str, Float32Array]
#: What a frame feeds; every other input is memory.
FEATURES = ("power_db", "scalars")
#: Memory that comes out as `next_` + its name.
_STATES = ("means", "frames")
_FOUND = ("scores", "logits")
#: Inputs and outputs of a step over time, before its dilation.
_TAPS, _ROW = "taps_", "row_"


class StepSession:
    """One stream through one model.

    Attributes
    ----------
    logits : (4,) of the last frame.

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
        options.enable_mem_reuse = False  # a few kilobytes more, a frame takes 3 % less
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's own exceptions share no public base
            raise NoctuleError(f"{path}: not a model: {str(error).splitlines()[0]}") from None
        shapes = {one.name: tuple(one.shape) for one in self._session.get_inputs()}
        shapes |= {one.name: tuple(one.shape) for one in self._session.get_outputs()}
        ends = [name.removeprefix(_TAPS) for name in shapes if name.startswith(_TAPS)]
        dilations = [int(one) for one in ends if one.isdigit()]
        rows, taps = ([f"{kind}{one}" for one in dilations] for kind in (_ROW, _TAPS))
        after = [f"next_{name}" for name in _STATES]
        if set(shapes) != {*FEATURES, *_STATES, *after, *_FOUND, *rows, *taps} or not dilations:
            raise NoctuleError(f"{path}: not a model of this noctule: its inputs or outputs are others")
        self.bins = shapes["power_db"][-1]
        self._past = _Past(dilations, shapes[rows[0]][1])
        self._fed, self._found = (_zeros(shapes, names) for names in (FEATURES, _FOUND))
        (self._power_db,), (self._scalars,) = (self._fed[name] for name in FEATURES)
        (self._scores,), (self.logits,) = (self._found[name] for name in _FOUND)
        self._states = [_zeros(shapes, _STATES) for _ in range(2)]
        self._bindings = [self._bind(*pair) for pair in (self._states, self._states[::-1])]
        self._now = 0

    def _bind(self, before: Arrays, after: Arrays) -> Any:
        """What goes in and what comes out while the states move from one of their buffers to the other."""
        from onnxruntime import OrtValue

        binding = self._session.io_binding()
        for name, array in (self._fed | before | self._past.taps).items():
            binding.bind_ortvalue_input(name, OrtValue.ortvalue_from_numpy(array))
        moved = {f"next_{name}": array for name, array in after.items()}
        for name, array in (self._found | moved | self._past.rows).items():
            binding.bind_ortvalue_output(name, OrtValue.ortvalue_from_numpy(array))
        return binding

    def reset(self) -> None:
        """As at the start of a stream."""
        self._past.forget()
        for array in self._states[self._now].values():
            array[...] = 0.0

    def memory(self) -> Arrays:
        """A copy of what is remembered before the next frame, by the names of the inputs."""
        return {name: one.copy() for name, one in (self._states[self._now] | self._past.taps).items()}

    def step(
        self, power_db: Sequence[Float32Array] | Float32Array, scalars: Sequence[float] | Float32Array
    ) -> list[float]:
        """Scores of one frame, one an output: (2, bins) and (4,) in."""
        self._power_db[0], self._power_db[1] = power_db
        self._scalars[:] = scalars
        self._session.run_with_iobinding(self._bindings[self._now])
        self._now = 1 - self._now
        self._past.keep()
        scores: list[float] = self._scores.tolist()
        return scores


class _Past:
    """What came to the steps over time, as far back as each looks: rings, one after the other in one array.

    rows, taps : by name, what a frame gives and what the next one is given; views of one array each.
    """

    def __init__(self, dilations: list[int], width: int) -> None:
        count, spans = len(dilations), 2 * np.array(dilations)
        rings, rows, taps = (
            np.zeros((one, width), np.float32) for one in (int(spans.sum()), count, 2 * count)
        )
        self.rows = {f"{_ROW}{one}": rows[i : i + 1] for i, one in enumerate(dilations)}
        self.taps = {
            f"{_TAPS}{one}": pair for one, pair in zip(dilations, taps.reshape(count, 1, -1), strict=True)
        }
        self._all = (rings, taps)
        # a row moves as one item, in half the time that its numbers take
        self._rings, self._rows, self._taps = (
            one.view(f"V{4 * width}").ravel() for one in (rings, rows, taps)
        )
        starts, turns = np.cumsum(spans) - spans, np.arange(math.lcm(*spans.tolist()))[:, None]
        # a frame's row lies where that of a whole ring ago lay, and the other tap half a ring further
        newest, older, newer = (starts + (turns + ahead) % spans for ahead in (0, 1, 1 + spans // 2))
        pairs = np.stack([older, newer], axis=2).reshape(len(turns), -1)
        self._turns = itertools.cycle(list(zip(newest, pairs, strict=True)))

    def keep(self) -> None:
        """The rows of a frame, and lay out the taps of the next."""
        newest, pairs = next(self._turns)
        self._rings[newest] = self._rows
        self._rings.take(pairs, 0, self._taps, "clip")  # "raise" would go through a buffer

    def forget(self) -> None:
        for one in self._all:
            one[...] = 0.0


def _zeros(shapes: dict[str, tuple[int, ...]], names: Sequence[str]) -> Arrays:
    return {name: np.zeros(shapes[name], np.float32) for name in names}
