"""The real-time side: what runs inside the sound-card callback, and nothing else.

It copies the input into a bounded queue, lets the player copy the output, adds the programme, counts, and
returns.
The queue drains into a socket that never blocks: handing samples to another process is one more
copy, and costs less than waking a thread to do it.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections import deque
from typing import Any, NamedTuple, Protocol

from noctule.audio.programme import ProgrammeQueue
from noctule.core.frames import Float32Array


class Player(Protocol):
    """Fills the output. `fill` runs in the callback: it copies, and never waits."""

    ramp_s: float

    def fill(self, out: Float32Array, first_sample: int) -> None: ...

    def set_level(self, amplitude: float) -> None: ...


class Silence:
    """Plays nothing."""

    ramp_s = 0.0

    def fill(self, out: Float32Array, first_sample: int) -> None:
        out.fill(0.0)

    def set_level(self, amplitude: float) -> None:
        """Silence has one level."""


class CapturedBlock(NamedTuple):
    """What one callback brought in."""

    first_sample: int
    samples: bytes  # float32 (samples, channels)
    wall_time_s: float  # when the last sample arrived
    lost_before: bool  # the driver said that samples were lost
    play_began: bool  # the first sample of a finite sound was played with this block
    xruns: int  # all over- and underflows so far
    programme_taken: int = 0  # samples of the programme that are over
    programme_underruns: int = 0


#: bytes of samples, xruns, first_sample, wall_time_s, the programme's two, flags; a multiple of 8 keeps
#: samples aligned.
HEADER = struct.Struct("<IIqdqIB3x")
LOST_BEFORE, PLAY_BEGAN = 1, 2


def pack_block(block: CapturedBlock) -> bytes:
    """The block as it crosses the socket."""
    flags = LOST_BEFORE * block.lost_before | PLAY_BEGAN * block.play_began
    header = HEADER.pack(
        len(block.samples),
        block.xruns,
        block.first_sample,
        block.wall_time_s,
        block.programme_taken,
        block.programme_underruns,
        flags,
    )
    return header + block.samples


def unpack_block(message: bytes | bytearray) -> tuple[CapturedBlock | None, int]:
    """The first block of what has arrived so far, and its length; None while it is not complete."""
    if len(message) < HEADER.size:
        return None, 0
    size, xruns, first_sample, wall_time_s, taken, underruns, flags = HEADER.unpack_from(message)
    end = HEADER.size + size
    if len(message) < end:
        return None, 0
    samples = bytes(memoryview(message)[HEADER.size : end])
    lost_before, play_began = bool(flags & LOST_BEFORE), bool(flags & PLAY_BEGAN)
    block = CapturedBlock(
        first_sample, samples, wall_time_s, lost_before, play_began, xruns, taken, underruns
    )
    return block, end


class CallbackBridge:
    """Between the sound card and the sensor. `obey` and what it calls is the other threads', the rest the
    callback's."""

    def __init__(self, outlet: socket.socket, queue_blocks: int, sample_rate_hz: float = 48_000.0) -> None:
        self.player: Player = Silence()
        self.programme = ProgrammeQueue(sample_rate_hz)
        self._outlet = outlet
        outlet.setblocking(False)
        # A full deque drops its oldest by itself; the jump of first_sample shows the gap.
        self._waiting: deque[CapturedBlock] = deque(maxlen=queue_blocks)
        self._unsent: memoryview = memoryview(b"")
        self._position = 0
        self._due, self._period = 0, 0
        self._xruns = 0
        self._sound: Float32Array | None = None
        self._sound_at = 0

    def obey(self, verb: str, value: Any) -> None:
        """Do what `Card.command` was told."""
        match verb:
            case "player":
                self.player = value
            case "level":
                self.player.set_level(value)
            case "send_every":
                self.send_every(*value)
            case "play":
                self.play_once(value)
            case "programme":
                self.programme.push(*value)
            case "clear_programme":
                self.programme.clear()

    def fade_out(self) -> None:
        """Let everything fall silent."""
        self.player.set_level(0.0)
        self.programme.clear()

    def play_once(self, sound: Float32Array) -> None:
        """Play a finite mono sound instead of the player, from the next block on."""
        self._sound_at = 0
        self._sound = sound

    def send_every(self, due: int, period: int) -> None:
        """Send at positions `due` + k·`period`, whole blocks; a period of 0 sends each block at once."""
        self._period = period
        self._due = due

    def callback(self, indata: Any, outdata: Any, frames: int, time_info: object, status: Any) -> None:
        """The function PortAudio calls; never waits."""
        first = self._position
        self._position = first + frames
        lost = bool(status) and _is_xrun(status)
        self._xruns += lost
        play_began = self._sound is not None and self._sound_at == 0
        self._fill(outdata, first)
        programme = self.programme
        programme.mix(outdata)
        block = CapturedBlock(
            first,
            indata.tobytes(),
            time.time(),
            lost,
            play_began,
            self._xruns,
            programme.taken,
            programme.underruns,
        )
        self._waiting.append(block)
        if self._position >= self._due:
            self._send()
            self._due += self._period

    def finish(self) -> None:
        """The stream ended, wanted or not: tell the sensor at once instead of letting it wait."""
        with contextlib.suppress(OSError):
            self._outlet.shutdown(socket.SHUT_RDWR)

    def _send(self) -> None:
        """Hand over what the socket takes; the rest waits for the next callback."""
        try:
            while self._unsent or self._waiting:
                if not self._unsent:
                    # In one piece: the reader would wake up at the first of several.
                    self._unsent = memoryview(b"".join(map(pack_block, self._waiting)))
                    self._waiting.clear()
                self._unsent = self._unsent[self._outlet.send(self._unsent) :]
        except OSError:
            # Full (BlockingIOError), or the sensor has left, which the main thread sees.
            return

    def _fill(self, out: Float32Array, first_sample: int) -> None:
        sound = self._sound
        if sound is None:
            self.player.fill(out, first_sample)
            return
        part = sound[self._sound_at : self._sound_at + len(out)]
        out[: len(part)] = part[:, None]
        out[len(part) :] = 0.0
        self._sound_at += len(out)
        if self._sound_at >= len(sound):
            self._sound = None


def _is_xrun(status: Any) -> bool:
    # Priming output is normal at the start, and is not one.
    return bool(
        status.input_overflow or status.input_underflow or status.output_underflow or status.output_overflow
    )
