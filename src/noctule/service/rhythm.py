"""When frames become complete, so that the sensor wakes up once for each."""

from __future__ import annotations

from noctule.audio.duplex import DuplexStream
from noctule.core.frames import AudioBlock, Decision


class FrameRhythm:
    """Learns at which samples frames become complete, and has blocks come then and not before.

    Frame k is complete at sample F + k·hop, seen only as the end of the block that held it. The
    earliest of those ends, each moved back by its k·hop, leads to the same blocks as F does, so
    bundling delays no frame.
    """

    LEARN_FRAMES = 32

    def __init__(self, stream: DuplexStream) -> None:
        self._stream = stream
        self._frames = 0  # after the first
        self._first_time_s = 0.0
        self._earliest: int | None = None

    def follow(self, block: AudioBlock, decisions: list[Decision]) -> None:
        if not decisions or self._frames >= self.LEARN_FRAMES:
            return
        end = block.first_sample + len(block.samples)
        if self._earliest is None:
            self._first_time_s, self._earliest = decisions[-1].time_s, end
            return
        self._frames += len(decisions)
        since = round((decisions[-1].time_s - self._first_time_s) * block.sample_rate_hz)
        self._earliest = min(self._earliest, end - since)
        if self._frames >= self.LEARN_FRAMES:
            hop = round(since / self._frames)
            self._stream.send_every(self._earliest + since + hop, hop)
