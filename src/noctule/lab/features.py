"""From a scene or a recording to the features the sensor would see, by the sensor's own stages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from noctule.core.frames import PER_FRAME, AudioBlock, BasebandBlock, Fault, FeatureBlock, Float32Array
from noctule.core.settings import FeatureSettings
from noctule.dsp.features import FeatureExtractor
from noctule.simulate.render import render
from noctule.simulate.scenes import Scene

#: Where something clips it is told block by block, as a sound card's driver would.
_BLOCK = 256


@dataclass(frozen=True)
class Stretch:
    """What a sensor heard from one start to the next.

    features : times count from the start. started_s : seconds of the scene's stream before it. floor :
    (frames, bins) power of the followed floor over white noise, as it was every ten seconds.
    """

    features: FeatureBlock
    started_s: float
    floor: Float32Array


def scene_features(scene: Scene) -> tuple[FeatureBlock, float]:
    """Features of a whole scene, and the length of their window in seconds."""
    (whole,), window_s = scene_stretches(scene, ())
    return whole.features, window_s


def scene_stretches(scene: Scene, restarts_s: Sequence[float]) -> tuple[list[Stretch], float]:
    """Features of a scene whose sensor is started again now and then, in whatever the room is just doing.

    Gives its stretches and the length of the window. Restarts rise, and lie inside the scene.
    """
    rendered = render(scene)
    starts = [0, *(round(one * rendered.rate_hz) for one in restarts_s)]
    extractors = [
        FeatureExtractor(
            FeatureSettings(),
            carrier_hz=scene.carrier_hz,
            channels=rendered.microphones,
            baseband_rate_hz=rendered.rate_hz,
        )
        for _ in starts
    ]
    found: list[list[FeatureBlock]] = [[] for _ in starts]
    floors: list[list[Float32Array]] = [[] for _ in starts]
    first = 0
    for samples in rendered:
        stop = first + len(samples)
        for n, start in enumerate(starts):
            low, high = max(first, start), min(stop, starts[n + 1] if n + 1 < len(starts) else stop)
            if low >= high:
                continue
            piece = samples[low - first : high - first]
            block = BasebandBlock(piece, rendered.rate_hz, scene.carrier_hz, low - start)
            blocks = [extractors[n].process_baseband(one) for one in _with_clipping(block)]
            found[n] += blocks
            floors[n].append(np.tile(extractors[n].floor, (sum(map(len, blocks)), 1)))
        first = stop
    stretches = [
        Stretch(joined(one), start / rendered.rate_hz, np.concatenate(floor))
        for one, start, floor in zip(found, starts, floors, strict=True)
        if one
    ]
    return stretches, extractors[0].window_s


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
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(one, name) for one in all_blocks]) for name in PER_FRAME
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
