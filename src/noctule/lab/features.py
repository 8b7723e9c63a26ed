"""From a scene or a recording to the features the sensor would see, by the sensor's own stages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from noctule.core.frames import AudioBlock, BasebandBlock, Fault, FeatureBlock
from noctule.core.settings import FeatureSettings
from noctule.dsp.features import FeatureExtractor
from noctule.simulate.render import render
from noctule.simulate.scenes import Scene

#: Where something clips it is told block by block, as a sound card's driver would.
_BLOCK = 256


def scene_features(scene: Scene) -> tuple[FeatureBlock, float]:
    """Features of a whole scene, and the length of their window in seconds."""
    rendered = render(scene)
    extractor = FeatureExtractor(
        FeatureSettings(),
        carrier_hz=scene.carrier_hz,
        channels=rendered.microphones,
        baseband_rate_hz=rendered.rate_hz,
    )

    def blocks() -> Iterator[BasebandBlock]:
        first = 0
        for samples in rendered:
            block = BasebandBlock(samples, rendered.rate_hz, scene.carrier_hz, first)
            first += len(samples)
            yield from _with_clipping(block)

    return joined(extractor.process_baseband(one) for one in blocks()), extractor.window_s


def audio_features(
    blocks: Iterable[AudioBlock], carrier_hz: float, sample_rate_hz: float, channels: int
) -> tuple[FeatureBlock, float]:
    """The same of what a sound card gave."""
    extractor = FeatureExtractor(
        FeatureSettings(), carrier_hz=carrier_hz, channels=channels, sample_rate_hz=sample_rate_hz
    )
    return joined(extractor.process(one) for one in blocks), extractor.window_s


def joined(blocks: Iterable[FeatureBlock]) -> FeatureBlock:
    """One block of several that follow each other; there must be at least one."""
    all_blocks = list(blocks)
    names = ("time_s", "log_power_db", "broadband_db", "carrier_level_dbfs", "carrier_snr_db", "faults")
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(one, name) for one in all_blocks]) for name in names
    }
    return replace(all_blocks[-1], **arrays)


def _with_clipping(block: BasebandBlock) -> Iterator[BasebandBlock]:
    """The front end flags samples that clip; at baseband half an amplitude above a half says the same."""
    clipped = np.abs(block.samples).max(1) > 0.5
    if not clipped.any():
        yield block
        return
    for low in range(0, len(clipped), _BLOCK):
        faults = Fault.CLIPPED if clipped[low : low + _BLOCK].any() else Fault(0)
        yield replace(
            block,
            samples=block.samples[low : low + _BLOCK],
            first_sample=block.first_sample + low,
            faults=faults,
        )
