"""Where samples come in: checked, then brought to baseband. From here on nothing audible is left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from noctule.core.frames import AudioBlock, BasebandBlock, Fault
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
        self._faults = Fault(0)

    def reset(self) -> None:
        """The stream starts anew."""
        self._down.reset()
        self._faults = Fault(0)

    def process(self, block: AudioBlock) -> BasebandBlock:
        """Audio `(samples, channels)` in, baseband out, perhaps empty; faults wait for samples to ride with."""
        block, found = self._check.check(block)
        baseband = self._down.process(block)
        if found or self._faults:
            self._faults |= found
            if len(baseband.samples):
                baseband = replace(baseband, faults=baseband.faults | self._faults)
                self._faults = Fault(0)
        return baseband

    def blocks(self, audio: Iterable[AudioBlock]) -> Iterator[BasebandBlock]:
        """The baseband of a whole stream."""
        for block in audio:
            baseband = self.process(block)
            if len(baseband.samples):
                yield baseband
