"""Where samples come in: checked, then brought to baseband. From here on nothing audible is left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from noctule.core.frames import AudioBlock, BasebandBlock, Fault, IntArray
from noctule.core.settings import FeatureSettings
from noctule.dsp.downconvert import Downconverter
from noctule.dsp.quality import AudioCheck


class FrontEnd:
    """Audio to baseband, with the faults that only the audio shows.

    Attributes
    ----------
    latency_s : low-pass and decimation step together.
    """

    def __init__(
        self, *, sample_rate_hz: float, carrier_hz: float, channels: int, settings: FeatureSettings
    ) -> None:
        self._check = AudioCheck(channels, sample_rate_hz)
        self._down = Downconverter(
            sample_rate_hz=sample_rate_hz, carrier_hz=carrier_hz, channels=channels, settings=settings
        )
        self.plan = self._down.plan
        self.baseband_rate_hz = self._down.baseband_rate_hz
        self.latency_s = self.plan.latency_s + self._down.step_samples / sample_rate_hz
        self._waiting: list[tuple[IntArray, Fault]] = []

    def reset(self) -> None:
        """The stream starts anew."""
        self._down.reset()
        self._waiting = []

    def process(self, block: AudioBlock) -> list[BasebandBlock]:
        """Audio `(samples, channels)` in, baseband out: mostly one block or none.

        Where the audio is faulty, a block a step of the decimator, so that a fault rides with the
        same samples whatever the size of the audio blocks.
        """
        block, found = self._check.check(block)
        baseband = self._down.process(block)
        self._waiting += [(at // self.plan.decimation, fault) for at, fault in found]
        if not len(baseband.samples):
            return []
        return self._by_step(baseband) if self._waiting else [baseband]

    def _by_step(self, baseband: BasebandBlock) -> list[BasebandBlock]:
        rows = self._down.step_samples // self.plan.decimation
        faults = [Fault(0)] * (len(baseband.samples) // rows)
        faults[0] = baseband.faults
        still_waiting = []
        for at, fault in self._waiting:
            step = (at - baseband.first_sample) // rows
            for i in np.unique(np.maximum(step[step < len(faults)], 0)):
                faults[i] |= fault
            if (step >= len(faults)).any():
                still_waiting.append((at[step >= len(faults)], fault))
        self._waiting = still_waiting
        return [
            replace(
                baseband,
                samples=baseband.samples[i * rows : (i + 1) * rows],
                first_sample=baseband.first_sample + i * rows,
                faults=fault,
            )
            for i, fault in enumerate(faults)
        ]

    def blocks(self, audio: Iterable[AudioBlock]) -> Iterator[BasebandBlock]:
        """The baseband of a whole stream."""
        for block in audio:
            yield from self.process(block)
