"""The sound card as the sensor sees it: a process of its own that can be given up.

PortAudio hangs in Pa_CloseStream and aborts in Pa_Terminate when a JACK server goes away, and no
thread can be stopped from outside. So it lives in a child process: a lost card ends with that
process, and the next attempt starts with a fresh list of devices. As a bonus nothing that the
sensor computes can delay the callback.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from typing import Any, Protocol

from noctule.audio.callback import CapturedBlock, unpack_block
from noctule.core.errors import NoctuleError

#: Commands that come from another thread than the sensor's.
PROGRAMME = ("programme", "clear_programme")


class DeviceLost(NoctuleError):  # noqa: N818 - reads as a statement
    """The sound card gives no samples any more."""


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """What to open; the meaning of each is that of `AudioSettings`."""

    input: str | None
    output: str | None
    sample_rate_hz: int
    input_channels: int | None
    output_channels: int | None
    block_s: float
    latency_s: float
    queue_s: float


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """What was opened."""

    input_identity: str
    output_identity: str
    host_api: str
    sample_rate_hz: float
    input_channels: int
    output_channels: int


class Card(Protocol):
    """A duplex stream behind a mailbox; tests bring their own."""

    def open(self, request: StreamRequest) -> StreamFormat: ...

    def receive(self, timeout_s: float) -> CapturedBlock | None: ...

    def command(self, *message: Any) -> None: ...

    def close(self, *, gently: bool) -> None: ...


class CardProcess:
    """PortAudio in a child process. POSIX only: the child inherits its ends by number.

    Parameters
    ----------
    module : what the child runs: `python -m MODULE COMMANDS SAMPLES`.
    """

    #: PortAudio asks every plug-in and server when it is loaded; a slow one may take seconds.
    OPEN_TIMEOUT_S = 20.0
    CLOSE_TIMEOUT_S = 3.0
    #: A lost card may never say good-bye; one that is only refused or silent should: a client that is killed
    #: stalls its JACK server for seconds.
    GIVE_UP_TIMEOUT_S = 1.0

    def __init__(self, module: str = "noctule.audio.card_process") -> None:
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None
        self._commands: Connection | None = None
        self._sending = threading.Lock()  # the programme comes from another thread than the rest
        self._samples: socket.socket | None = None
        self._timeout_s = 0.0
        self._scratch = memoryview(bytearray(1 << 16))
        self._arrived = bytearray()

    def open(self, request: StreamRequest) -> StreamFormat:
        """Start the process and its stream. NoctuleError says why the card cannot be used."""
        self._start()
        try:
            answer = self._ask(request)
        except NoctuleError:
            self.close(gently=False)
            raise
        return answer

    def _ask(self, request: StreamRequest) -> StreamFormat:
        assert self._commands is not None
        try:
            self._commands.send(request)
            if not self._commands.poll(self.OPEN_TIMEOUT_S):
                raise NoctuleError("the sound system does not answer: restart the sound server")
            answer = self._commands.recv()
        except (EOFError, OSError):
            raise NoctuleError(
                "the sound system crashed while the device was opened: restart the sound server"
            ) from None
        if isinstance(answer, StreamFormat):
            return answer
        raise NoctuleError(answer)

    def _start(self) -> None:
        self._commands, their_commands = Pipe()
        self._samples, their_samples = socket.socketpair()
        self._timeout_s = 0.0
        self._arrived.clear()
        ends = [their_commands.fileno(), their_samples.fileno()]
        self._process = subprocess.Popen(
            [sys.executable, "-m", self._module, *map(str, ends)],
            pass_fds=ends,
            # NumPy's BLAS would start a thread a core, and nothing here multiplies matrices.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # ALSA and JACK chatter
            # A session of its own: Ctrl-C reaches the sensor, which then lets the sound fade out.
            start_new_session=True,
        )
        their_commands.close()
        their_samples.close()

    def receive(self, timeout_s: float) -> CapturedBlock | None:
        """The next block, None when none came in time; DeviceLost when the process is gone."""
        if self._samples is None:
            raise DeviceLost("the sound card is not open")
        self._set_timeout(timeout_s)
        while True:
            block, length = unpack_block(self._arrived)
            if block is not None:
                del self._arrived[:length]
                return block
            try:
                received = self._samples.recv_into(self._scratch)
            except BlockingIOError:
                return None
            except OSError:
                received = 0
            if not received:
                raise DeviceLost("the sound system closed the stream")
            self._arrived += self._scratch[:received]

    def _set_timeout(self, timeout_s: float) -> None:
        """In the kernel: Python's own time-out asks before each receive, and this runs all the time."""
        if timeout_s != self._timeout_s:
            assert self._samples is not None
            limit = struct.pack("@ll", int(timeout_s), int(timeout_s % 1.0 * 1e6))
            self._samples.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            self._timeout_s = timeout_s

    def command(self, *message: Any) -> None:
        """Send ("player", player), ("level", amplitude), ("play", sound), ("send_every", (due, period)),
        ("programme", (samples, last)) or ("clear_programme", None).

        The programme never waits: with a process that reads no more, the sensor would wait for it. It is told
        where nothing takes it, with DeviceLost; the rest is for nobody then.
        """
        programme = message[0] in PROGRAMME
        try:
            with self._sending:
                if self._commands is None:
                    if programme:
                        raise DeviceLost("the sound card is not open")
                    return
                if programme and not select.select([], [self._commands], [], 0.0)[1]:
                    raise DeviceLost("the sound card takes no more sound")
                self._commands.send(message)
        except OSError:
            raise DeviceLost("the sound system closed the stream") from None

    def close(self, *, gently: bool) -> None:
        """Let the sound fade out and end the process; not `gently`: with little patience. Never hangs."""
        if self._process is None or self._commands is None or self._samples is None:
            return
        try:
            # The end of the commands tells the process to fade out and leave.
            with self._sending:
                self._commands.close()
                self._commands = None
            self._process.wait(self.CLOSE_TIMEOUT_S if gently else self.GIVE_UP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            if self._process.poll() is None:
                os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._samples.close()
            self._process = self._samples = None
