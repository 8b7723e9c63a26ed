"""What sounds besides the tone: pieces that wait in the card's process, and are added in its callback.

One thread gives pieces (`push`, `clear`), the callback takes them (`mix`), and neither waits for the other:
each writes counters of its own and only reads the other's.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from noctule.core.frames import Float32Array

#: A programme that is cut off, or starves, falls and rises within so long: a click would be motion.
FADE_S = 0.02
#: One that has starved begins again when so much is there.
ENOUGH_S = 0.1


class ProgrammeQueue:
    """Pieces of sound on their way to the loudspeaker.

    The last `FADE_S` are held back until more has come, or `last` was said: so there is always something to
    fall with. Nothing is added while there is nothing, so that the tone is the same to the bit.

    Attributes
    ----------
    taken : samples that are over, played or thrown away; `push` counts the same samples.
    underruns : how often it starved before its end.
    """

    def __init__(self, sample_rate_hz: float) -> None:
        self.taken = 0
        self.underruns = 0
        self._fade = max(1, round(FADE_S * sample_rate_hz))
        self._enough = max(self._fade + 1, round(ENOUGH_S * sample_rate_hz))
        # entry k is the gain after k steps of a raised cosine: 0 at the first, 1 at the last
        steps = np.arange(self._fade + 1) / self._fade
        self._gains = (0.5 - 0.5 * np.cos(np.pi * steps)).astype(np.float32)
        self._step = 0
        self._starving = False
        self._pieces: deque[Float32Array] = deque()
        self._piece_at = 0  # within the first piece
        self._pushed = 0
        self._last_at = -1  # where the programme ends by itself
        self._clear_to = 0  # all before this is to fall silent

    def push(self, samples: Float32Array, last: bool = False) -> None:
        """Play these `(samples, channels)` after what is waiting; `last`: they end by themselves, softly."""
        if last:
            self._last_at = self._pushed + len(samples)
        if len(samples):
            self._pieces.append(samples)
        self._pushed += len(samples)

    def clear(self) -> None:
        """Let it fall silent and forget what waits; what is pushed from now on is played."""
        self._clear_to = self._pushed

    def mix(self, out: Float32Array) -> None:
        """Add to `out` `(samples, channels)`; runs in the callback."""
        at = 0
        while at < len(out):
            clearing = self._clear_to > self.taken
            left = (self._clear_to if clearing else self._pushed) - self.taken
            if clearing and not self._step:
                self._drop(left)
                continue
            step = -1 if clearing else self._direction(left)
            if not step:
                return
            count = min(left, len(out) - at, len(self._pieces[0]) - self._piece_at)
            if step < 0:
                count = min(count, self._step)
            elif self._step < self._fade:
                count = min(count, self._fade - self._step)
            if step > 0 and self._last_at != self._pushed:
                count = min(count, left - self._fade)
            self._add(out[at : at + count], step)
            at += count

    def _direction(self, left: int) -> int:
        """1: rise, or stay up; -1: fall; 0: nothing to play."""
        if self._last_at == self._pushed:
            if not left:
                self._step, self._starving = 0, False
            return int(left > 0)
        if not self._step:
            self._starving = False
            return int(left >= self._enough)
        if left > self._fade:
            self._starving = False
            return 1
        self.underruns += not self._starving
        self._starving = True
        return -1 if left else 0

    def _add(self, out: Float32Array, step: int) -> None:
        """The next samples under the gain, which moves by `step` a sample."""
        count = len(out)
        part = self._pieces[0][self._piece_at : self._piece_at + count]
        if step > 0 and self._step == self._fade:
            out += part
        else:
            first, end = self._step + step, self._step + step * (count + 1)
            gains = self._gains[first:end] if step > 0 else self._gains[end + 1 : first + 1][::-1]
            out += part * gains[:, None]
            self._step += step * count
        self._advance(count)

    def _advance(self, count: int) -> None:
        self._piece_at += count
        self.taken += count
        if self._piece_at == len(self._pieces[0]):
            self._pieces.popleft()
            self._piece_at = 0

    def _drop(self, left: int) -> None:
        while left:
            count = min(left, len(self._pieces[0]) - self._piece_at)
            self._advance(count)
            left -= count
