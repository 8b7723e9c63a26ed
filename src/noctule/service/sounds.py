"""Sounds to play, piece by piece: files, and streams by their web address."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, ParamSpec, Protocol, Self, TypeVar

import numpy as np

from noctule.core.frames import Float32Array
from noctule.routines.tools import ActionError

PIECE_S = 0.1
#: Streams are decoded to this.
STREAM_HZ, STREAM_CHANNELS = 48_000, 2
#: Samples of 4 bytes go to standard output. As those of `routines/players.py`, they must not be led from a
#: stream to files of this machine.
DECODERS = (
    (
        *("ffmpeg", "-nostdin", "-v", "error", "-protocol_whitelist", "http,https,tcp,tls,crypto"),
        *("-i", "URL", "-vn", "-f", "f32le", "-ar", str(STREAM_HZ), "-ac", str(STREAM_CHANNELS), "pipe:1"),
    ),
    (
        *("mpv", "--no-config", "--no-ytdl", "--no-video", "--no-terminal", "--ao=pcm", "--untimed"),
        *("--ao-pcm-file=/dev/stdout", "--ao-pcm-waveheader=no", "--audio-format=float"),
        *(f"--audio-samplerate={STREAM_HZ}", "--audio-channels=stereo", "--", "URL"),
    ),
)

P = ParamSpec("P")
T = TypeVar("T")


class Sound(Protocol):
    """What is played, from its start to its end."""

    rate_hz: float

    async def read(self) -> Float32Array:
        """The next `(samples, channels)`, none at the end. ActionError where it cannot go on."""

    async def close(self) -> None: ...


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Outside of the loop. Cancelled, it returns when the thread is done: nothing goes on behind it."""
    task = asyncio.create_task(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise


async def open_sound(source: Path | str) -> Sound | None:
    """A file by its path, a stream by its address; None where nothing here decodes streams.

    Raises
    ------
    ActionError
        It cannot be played.
    """
    if isinstance(source, str):
        return await StreamSound.open(source)
    return await in_thread(FileSound, source)


class FileSound:
    """Any file that libsndfile reads."""

    def __init__(self, path: Path) -> None:
        import soundfile

        self._name = path.name
        self._errors = (soundfile.SoundFileError, OSError, TypeError)  # TypeError: samples without a header
        try:
            self._file = soundfile.SoundFile(path)
        except self._errors as error:
            raise self._error(error) from None
        self.rate_hz = float(self._file.samplerate)

    async def read(self) -> Float32Array:
        return await in_thread(self._read)

    async def close(self) -> None:
        await in_thread(self._file.close)

    def _read(self) -> Float32Array:
        try:
            samples = self._file.read(max(1, round(PIECE_S * self.rate_hz)), dtype="float32", always_2d=True)
        except self._errors as error:
            raise self._error(error) from None
        return np.asarray(samples, np.float32)

    def _error(self, error: Exception) -> ActionError:
        return ActionError(f"{self._name} cannot be played ({error})")


class StreamSound:
    """A stream, decoded by a program found on PATH."""

    rate_hz = float(STREAM_HZ)

    def __init__(self, process: asyncio.subprocess.Process, name: str, said: BinaryIO) -> None:
        assert process.stdout is not None
        self._process, self._name, self._said = process, name, said
        self._samples = process.stdout

    @classmethod
    async def open(cls, url: str) -> Self | None:
        """None where there is no such program."""
        found = next((one for one in DECODERS if shutil.which(one[0])), None)
        if found is None:
            return None
        name, *options = found
        said = tempfile.TemporaryFile()  # noqa: SIM115 - a pipe would want somebody who reads it
        try:
            process = await asyncio.create_subprocess_exec(
                name,
                *(url if option == "URL" else option for option in options),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=said,
                start_new_session=True,  # a group of its own, so that all of it can be ended
            )
        except (OSError, ValueError) as error:
            said.close()
            raise ActionError(f"{name} cannot be started ({error})") from None
        return cls(process, name, said)

    async def read(self) -> Float32Array:
        frame = 4 * STREAM_CHANNELS
        try:
            data = await self._samples.readexactly(round(PIECE_S * STREAM_HZ) * frame)
        except asyncio.IncompleteReadError as rest:
            data = rest.partial[: len(rest.partial) // frame * frame]
            if not data and await self._process.wait():
                raise ActionError(f"{self._name} failed: {self._last_words()}") from None
        return np.frombuffer(data, np.float32).reshape(-1, STREAM_CHANNELS)

    async def close(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        self._said.close()

    def _last_words(self) -> str:
        self._said.seek(0)
        lines = self._said.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:200] if lines else f"status {self._process.returncode}"
