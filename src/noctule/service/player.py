"""A loudspeaker for Routines: the sensor's own. What is played is added to the tone, and sensing goes on.

`noctule.emit.headroom` keeps it out of the tone's band and within what the tone leaves of full scale.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from noctule.audio.duplex import DeviceLost, Reserved
from noctule.core.frames import Float32Array
from noctule.emit.headroom import Programme
from noctule.routines.players import MachinePlayer
from noctule.routines.tools import ActionError, Player
from noctule.service.sounds import Sound, in_thread, open_sound

#: It is looked after as often as this, and sent in pieces so long.
TICK_S = PIECE_S = 0.02
#: So much is made ahead of what is sent.
READY_S = 0.3
#: A loudspeaker that is muted, measured or lost may come back within this; then what played goes on.
RETURNS_WITHIN_S = 30.0


class ProgrammeSink(Protocol):
    """What the player needs of `noctule.audio.duplex.DuplexStream`."""

    @property
    def sample_rate_hz(self) -> float: ...

    @property
    def output_channels(self) -> int: ...

    @property
    def reserved(self) -> Reserved | None: ...

    @property
    def programme_left(self) -> int: ...

    def programme_room(self) -> int: ...

    def send_programme(self, samples: Float32Array, *, last: bool = False) -> None: ...

    def clear_programme(self) -> None: ...


class SensorPlayer:
    """Plays through the sensor's sound card, one sound at a time: a new one lets the one before it wait.

    Parameters
    ----------
    programme : the card, or None while nothing may sound: muted, lost, being measured; asked at each tick.
    others : plays what cannot be decoded here: streams, where no decoder is on PATH.
    """

    def __init__(self, programme: Callable[[], ProgrammeSink | None], others: Player | None = None) -> None:
        self._programme = programme
        self._others = others or MachinePlayer()
        self._tracks: list[_Track] = []  # the last one plays
        self._turn = asyncio.Lock()

    async def play(self, source: Path | str) -> None:
        """Play to the end; cancelled, it fades out.

        Raises
        ------
        ActionError
            It cannot be decoded, or the loudspeaker is away for too long.
        """
        sound = await open_sound(source)
        if sound is None:
            await self._others.play(source)
            return
        track = _Track(sound)
        try:
            async with self._turn:
                if self._tracks:
                    await self._tracks[-1].rest()
                self._tracks.append(track)
            await self._play(track)
        finally:
            if track in self._tracks:
                self._tracks.remove(track)
            async with self._turn:
                await track.rest()
            await track.close()

    async def _play(self, track: _Track) -> None:
        now_s = asyncio.get_running_loop().time
        heard_s = now_s()
        while not track.over:
            async with self._turn:
                if self._tracks[-1] is not track or await self._go_on(track):
                    heard_s = now_s()
            if now_s() - heard_s > RETURNS_WITHIN_S:
                raise ActionError("stopped: the loudspeaker is muted, or its sound card is lost")
            await asyncio.sleep(TICK_S)

    async def _go_on(self, track: _Track) -> bool:
        sink = self._programme()
        reserved = sink.reserved if sink is not None else None
        if sink is None or reserved is None:
            await track.rest()
            return False
        try:
            await track.go_on(sink, reserved)
        except DeviceLost:
            return False
        return True


class _Piece(NamedTuple):
    samples: Float32Array
    last: bool


class _Shape(NamedTuple):
    """What pieces are made for."""

    rate_hz: float
    channels: int
    reserved: Reserved


class _Track:
    """A sound on its way: decoded, made ready, sent, played."""

    def __init__(self, sound: Sound) -> None:
        self._sound = sound
        self._sink: ProgrammeSink | None = None  # that has pieces of it
        self._shape: _Shape | None = None
        self._programme: Programme | None = None
        self._ready: deque[_Piece] = deque()
        self._sent: deque[_Piece] = deque()
        self._making: asyncio.Task[None] | None = None
        self._ended = False

    @property
    def over(self) -> bool:
        """The last sample was played."""
        return self._ended and not self._ready and not self._sent

    async def go_on(self, sink: ProgrammeSink, reserved: Reserved) -> None:
        """Send what there is room for, and see to it that more is made. Never waits for the sound itself."""
        shape = _Shape(sink.sample_rate_hz, sink.output_channels, reserved)
        if shape != self._shape:  # at the start, and where another card came back
            self._shape = shape
            self._programme = Programme(
                self._sound.rate_hz, shape.rate_hz, shape.channels, reserved.carrier_hz, reserved.amplitude
            )
            self._ready.clear()
            self._sent.clear()
        self._forget_played(sink.programme_left)
        self._make()
        if self._ready and len(self._ready[0].samples) <= sink.programme_room():
            self._sink = sink
            await in_thread(self._send, sink)

    async def rest(self) -> None:
        """Fade out; what was sent and not played is played when it goes on."""
        sink, self._sink = self._sink, None
        if sink is None:
            return
        self._forget_played(sink.programme_left)
        if self._sent:
            with contextlib.suppress(DeviceLost):
                await in_thread(sink.clear_programme)
        self._ready.extendleft(reversed(self._sent))
        self._sent.clear()

    async def close(self) -> None:
        if self._making is not None:
            self._making.cancel()
            await asyncio.gather(self._making, return_exceptions=True)
        await self._sound.close()

    def _forget_played(self, left: int) -> None:
        waiting = sum(len(piece.samples) for piece in self._sent)
        while self._sent and waiting - len(self._sent[0].samples) >= left:
            waiting -= len(self._sent.popleft().samples)

    def _send(self, sink: ProgrammeSink) -> None:
        room = sink.programme_room()
        while self._ready and len(self._ready[0].samples) <= room:
            piece = self._ready[0]
            sink.send_programme(piece.samples, last=piece.last)
            self._sent.append(self._ready.popleft())
            room -= len(piece.samples)

    def _make(self) -> None:
        """Let the next pieces be made, where they are needed and not already under way."""
        if self._making is not None and self._making.done():
            done, self._making = self._making, None
            done.result()  # raises what went wrong
        assert self._shape is not None
        enough = READY_S * self._shape.rate_hz
        if not self._ended and self._making is None and sum(len(one.samples) for one in self._ready) < enough:
            self._making = asyncio.create_task(self._make_pieces())

    async def _make_pieces(self) -> None:
        assert self._programme is not None
        assert self._shape is not None
        samples = await self._sound.read()
        programme, last = self._programme, not len(samples)
        made = await in_thread(programme.flush if last else programme.process, *(() if last else (samples,)))
        if programme is self._programme:
            count = max(1, round(PIECE_S * self._shape.rate_hz))
            cuts = range(0, len(made), count)
            self._ready.extend(_Piece(made[at : at + count], last and at == cuts[-1]) for at in cuts)
        self._ended = last
