"""A sound card in memory: the real callback side, a loopback with a delay, and a clock that it drives."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from noctule.audio.callback import CallbackBridge, CapturedBlock, unpack_block
from noctule.audio.card import DeviceLost, StreamFormat, StreamRequest
from noctule.core.errors import NoctuleError


class Mailbox:
    """Takes what a socket would."""

    def __init__(self) -> None:
        self.blocks: deque[CapturedBlock] = deque()

    def setblocking(self, flag: bool) -> None: ...

    def send(self, data: memoryview) -> int:
        block, length = unpack_block(bytes(data))
        assert block is not None
        self.blocks.append(block)
        return length


class FakeCard:
    """Plays into its own microphones.

    Attributes
    ----------
    refuse : errors that the next openings meet, None for one that works.
    silent_from, lost_from, closed_from : card position from which it gives zeros, nothing, or its end;
        None never. They hold for the present opening.
    before_open : called at each opening.
    """

    def __init__(self, delay_samples: int = 1500, gain: float = 0.5, channels: int = 2) -> None:
        self.delay_samples, self.gain, self.channels = delay_samples, gain, channels
        self.clock_s = 1000.0
        self.refuse: list[str | None] = []
        self.silent_from: int | None = None
        self.lost_from: int | None = None
        self.closed_from: int | None = None
        self.before_open: Callable[[], None] = lambda: None
        self.xrun_at: set[int] = set()
        self.skip_at: dict[int, int] = {}
        self.openings = 0
        self.closed: list[bool] = []
        self.commands: list[Any] = []
        self.played = np.zeros(0, np.float32)
        self._rng = np.random.default_rng(3)

    def monotonic(self) -> float:
        return self.clock_s

    def open(self, request: StreamRequest) -> StreamFormat:
        self.before_open()
        reason = self.refuse.pop(0) if self.refuse else None
        if reason:
            raise NoctuleError(reason)
        self.openings += 1
        self._frames = round(request.block_s * request.sample_rate_hz)
        self._rate_hz = request.sample_rate_hz
        self._mailbox = Mailbox()
        self._bridge = CallbackBridge(self._mailbox, 100, self._rate_hz)  # type: ignore[arg-type]
        self.played = np.zeros(0, np.float32)
        return StreamFormat("fake in", "fake out", "fake", float(request.sample_rate_hz), self.channels, 1)

    def command(self, *message: Any) -> None:
        self.commands.append(message)
        self._bridge.obey(*message)

    def receive(self, timeout_s: float) -> CapturedBlock | None:
        while not self._mailbox.blocks:
            at = len(self.played)
            if self.closed_from is not None and at >= self.closed_from:
                raise DeviceLost("the sound system closed the stream")
            if self.lost_from is not None and at >= self.lost_from:
                self.clock_s += timeout_s
                return None
            self._call(at)
        return self._mailbox.blocks.popleft()._replace(wall_time_s=self.clock_s + 5e8)

    def _call(self, at: int) -> None:
        heard = np.zeros((self._frames, self.channels), np.float32)
        source = np.arange(at, at + self._frames) - self.delay_samples
        known = (source >= 0) & (source < at)
        heard[known] = self.gain * self.played[source[known], None]
        heard += 1e-5 * self._rng.standard_normal(heard.shape).astype(np.float32)
        if self.silent_from is not None and at >= self.silent_from:
            heard[:] = 0.0
        out = np.zeros((self._frames, 1), np.float32)
        flags = _Overflow() if at in self.xrun_at else None
        self._bridge.callback(heard, out, self._frames, None, flags)
        self.played = np.concatenate([self.played, out[:, 0]])
        self.clock_s += self._frames / self._rate_hz
        for _ in range(self.skip_at.get(at, 0)):  # what a full queue would have dropped
            self._mailbox.blocks.pop()

    def close(self, *, gently: bool) -> None:
        self.closed.append(gently)


class _Overflow:
    input_overflow = True
    input_underflow = output_overflow = output_underflow = False
