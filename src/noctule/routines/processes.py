"""Programs that are run: never through a shell, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Sequence

from noctule.routines.tools import ActionError

#: Of what a program says, so much is kept for the log, bytes.
KEPT = 4096
#: Who was asked to end gets so long before it is ended, seconds.
ENDS_WITHIN_S = 2.0


async def run_program(arguments: Sequence[str], text: str | None = None) -> None:
    """Run a program to its end; `text` is what it reads. Cancelled, the program and its children end too.

    Raises
    ------
    ActionError
        It cannot be started, or ends with another status than 0; with the last line it said.
    """
    said = bytearray()
    with tempfile.TemporaryFile() as given:  # a file, for a pipe waits for a reader
        given.write((text or "").encode())
        given.seek(0)
        async with _listening(said) as (heard_all, ear):
            process = await _start(arguments, given.fileno(), ear)
            os.close(ear)
            try:
                status = await process.wait()
                # a child that lives on may keep the pipe open for ever
                await asyncio.wait({heard_all}, timeout=ENDS_WITHIN_S)
            except BaseException:
                await _end(process)
                raise
    if status:
        last = said.decode("utf-8", "replace").strip().splitlines()[-1:] or [f"status {status}"]
        raise ActionError(f"{os.path.basename(arguments[0])} failed: {last[0][:200]}")


async def _start(arguments: Sequence[str], given: int, ear: int) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *arguments,
            stdin=given,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=ear,
            start_new_session=True,  # a group of its own, so that all of it can be ended
        )
    except (OSError, ValueError) as error:
        os.close(ear)
        raise ActionError(f"{arguments[0]} cannot be started ({error})") from None


@contextlib.asynccontextmanager
async def _listening(said: bytearray) -> AsyncIterator[tuple[asyncio.Task[None], int]]:
    """A pipe whose end goes to `said`: the task that listens, and the descriptor to speak into.

    The pipe is ours, not asyncio's: that one stays open as long as any child of the program lives.
    """
    mouth, ear = os.pipe()
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(mouth, "rb", 0)
    )

    async def listen() -> None:
        while part := await reader.read(KEPT):
            said.extend(part)
            del said[:-KEPT]

    task = asyncio.create_task(listen())
    try:
        yield task, ear
    finally:
        task.cancel()
        transport.close()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask the group to end; what is left of it after a while has to."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ENDS_WITHIN_S):
            await process.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
