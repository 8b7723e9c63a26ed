"""What the stations expect of each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from noctule.core.frames import AudioBlock, FeatureBlock, MotionScore


@runtime_checkable
class AudioSource(Protocol):
    """Anything that gives audio blocks in order: a file, a card, a simulated room."""

    sample_rate_hz: float
    channels: int

    def blocks(self) -> Iterator[AudioBlock]: ...


class Detector(Protocol):
    """Features to scores, frame by frame, with its own memory."""

    def score(self, features: FeatureBlock) -> list[MotionScore]: ...

    def reset(self) -> None: ...
