"""Where samples come in: checked, then brought to baseband. From here on nothing audible is left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise

from noctule.core.frames import AudioBlock, BasebandBlock, Fault
from noctule.core.settings import FeatureSettings
from noctule.dsp.downconvert import Downconverter
from noctule.dsp.quality import AudioCheck


class FrontEnd:
    """Audio to baseband, with the faults that only the audio shows.

    Attributes
    ----------
    latency_s : low-pass and decimation together.
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
        self.latency_s = self.plan.latency_s + self.plan.decimation / sample_rate_hz
        self._waiting: list[tuple[int, Fault]] = []  # baseband sample and what shows there

    def reset(self) -> None:
        """The stream starts anew."""
        self._down.reset()
        self._waiting = []

    def process(self, block: AudioBlock) -> list[BasebandBlock]:
        """Audio `(samples, channels)` in, baseband out: mostly one block or none.

        Where the audio is faulty there are several: each fault rides with a block that begins at the
        baseband sample it first shows in, whatever the size of the audio blocks.
        """
        block, found = self._check.check(block)
        baseband = self._down.process(block)
        for at, fault in found:
            self._waiting += [(int(i) // self.plan.decimation, fault) for i in at]
        if not len(baseband.samples):
            return []
        return self._cut(baseband) if self._waiting else [baseband]

    def _cut(self, baseband: BasebandBlock) -> list[BasebandBlock]:
        first, end = baseband.first_sample, baseband.first_sample + len(baseband.samples)
        faults = {first: baseband.faults}
        for at, fault in self._waiting:
            if at < end:  # a sample in the filter's first fill has no baseband of its own
                start = max(at, first)
                faults[start] = faults.get(start, Fault(0)) | fault
        self._waiting = [one for one in self._waiting if one[0] >= end]
        starts = [*sorted(faults), end]
        return [
            replace(
                baseband,
                samples=baseband.samples[start - first : stop - first],
                first_sample=start,
                faults=faults[start],
            )
            for start, stop in pairwise(starts)
        ]

    def blocks(self, audio: Iterable[AudioBlock]) -> Iterator[BasebandBlock]:
        """The baseband of a whole stream."""
        for block in audio:
            yield from self.process(block)
