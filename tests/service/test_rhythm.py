"""Bundles of blocks come with the frames."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from noctule.core.frames import AudioBlock, Decision
from noctule.service.rhythm import FrameRhythm


@pytest.mark.parametrize(("frame_at", "hop"), [(1_000, 4_608), (1_920, 4_608), (7_777, 3_840), (50, 2_001)])
def test_bundles_come_with_the_block_that_completes_a_frame(frame_at: int, hop: int) -> None:
    """Bundling must not delay any frame: the block ends it asks for are those that hold the frames."""
    block_samples, asked = 1_920, list[tuple[int, int]]()
    stream: Any = SimpleNamespace(send_every=lambda *due: asked.append(due))
    rhythm = FrameRhythm(stream)
    decision = Decision(0.0, False, "none", 0.0, 0.0, 0.0, 32_000.0, 50.0)
    frame, end = frame_at, 0
    ends_with_frames: list[int] = []
    while len(ends_with_frames) < 200:
        end += block_samples
        times = []
        while frame <= end:
            times.append(frame / 96_000)
            frame += hop
        samples = np.zeros((block_samples, 1), np.float32)
        block = AudioBlock(samples, 96_000.0, end - block_samples)
        rhythm.follow(block, [replace(decision, time_s=time_s) for time_s in times])
        ends_with_frames += [end] if times else []
    ((due, period),) = asked
    assert period == hop
    # The first block end from each due time on, as the card does it.
    planned = {-(-(due + k * period) // block_samples) * block_samples for k in range(100)}
    later = [end for end in ends_with_frames if end >= due]
    assert planned >= set(later[:60])
