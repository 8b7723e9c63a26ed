"""The callback side: copies, counts, never waits."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import numpy as np
import pytest

from noctule.audio.callback import CallbackBridge, CapturedBlock, pack_block, unpack_block
from noctule.core.frames import Float32Array

FRAMES = 64


class Outlet:
    """A socket that takes `room` bytes and then says it is full."""

    def __init__(self, room: int | None = None) -> None:
        self.room = room
        self.taken = bytearray()

    def setblocking(self, flag: bool) -> None:
        assert not flag

    def send(self, data: memoryview) -> int:
        if self.room is not None:
            if self.room == 0:
                raise BlockingIOError
            data = data[: self.room]
            self.room -= len(data)
        self.taken += data
        return len(data)

    def blocks(self) -> list[CapturedBlock]:
        found: list[CapturedBlock] = []
        at = 0
        while True:
            block, length = unpack_block(self.taken[at:])
            if block is None:
                return found
            found.append(block)
            at += length


class Counting:
    """A player whose samples are their own positions."""

    ramp_s = 0.0

    def fill(self, out: Float32Array, first_sample: int) -> None:
        out[:] = np.arange(first_sample, first_sample + len(out))[:, None]

    def set_level(self, amplitude: float) -> None: ...


def flags(**set_ones: bool) -> SimpleNamespace:
    names = ("input_overflow", "input_underflow", "output_overflow", "output_underflow", "priming_output")
    return SimpleNamespace(**{name: set_ones.get(name, False) for name in names})


def call(bridge: CallbackBridge, value: float = 0.0, status: object = None) -> Float32Array:
    heard = np.full((FRAMES, 2), value, np.float32)
    out = np.full((FRAMES, 1), np.nan, np.float32)
    bridge.callback(heard, out, FRAMES, None, status)
    return out[:, 0]


def samples_of(block: CapturedBlock) -> Float32Array:
    return np.frombuffer(block.samples, np.float32).reshape(-1, 2)


def test_blocks_arrive_in_order_with_their_positions() -> None:
    bridge = CallbackBridge(outlet := Outlet(), queue_blocks=4)  # type: ignore[arg-type]
    for k in range(3):
        call(bridge, float(k))
    assert [block.first_sample for block in outlet.blocks()] == [0, FRAMES, 2 * FRAMES]
    assert [samples_of(block)[5, 1] for block in outlet.blocks()] == [0.0, 1.0, 2.0]


def test_the_player_fills_the_output_without_a_seam() -> None:
    bridge = CallbackBridge(Outlet(), queue_blocks=4)  # type: ignore[arg-type]
    assert not call(bridge).any()  # nothing plays before a player is set
    bridge.player = Counting()
    played = np.concatenate([call(bridge), call(bridge)])
    np.testing.assert_array_equal(played, np.arange(FRAMES, 3 * FRAMES))


def test_a_full_queue_drops_the_oldest_and_the_gap_is_visible() -> None:
    bridge = CallbackBridge(outlet := Outlet(room=0), queue_blocks=3)  # type: ignore[arg-type]
    for k in range(5):
        call(bridge, float(k))
    assert not outlet.taken
    outlet.room = None
    call(bridge, 5.0)
    # Block 0 was being handed over and is finished; of the others the newest three are left.
    assert [block.first_sample // FRAMES for block in outlet.blocks()] == [0, 3, 4, 5]


def test_a_block_that_is_partly_sent_is_finished_first() -> None:
    bridge = CallbackBridge(outlet := Outlet(room=100), queue_blocks=2)  # type: ignore[arg-type]
    for k in range(4):
        call(bridge, float(k))
    outlet.room = None
    call(bridge, 4.0)
    positions = [block.first_sample // FRAMES for block in outlet.blocks()]
    assert positions == [0, 3, 4]
    assert [samples_of(block)[-1, -1] for block in outlet.blocks()] == [0.0, 3.0, 4.0]


@pytest.mark.parametrize("name", ["input_overflow", "input_underflow", "output_overflow", "output_underflow"])
def test_an_xrun_is_counted_and_marked_on_its_block_alone(name: str) -> None:
    bridge = CallbackBridge(outlet := Outlet(), queue_blocks=4)  # type: ignore[arg-type]
    call(bridge)
    call(bridge, status=flags(**{name: True}))
    call(bridge, status=flags(priming_output=True))
    assert [(block.lost_before, block.xruns) for block in outlet.blocks()] == [
        (False, 0),
        (True, 1),
        (False, 1),
    ]


def test_a_finite_sound_replaces_the_player_and_marks_its_first_block() -> None:
    bridge = CallbackBridge(outlet := Outlet(), queue_blocks=9)  # type: ignore[arg-type]
    bridge.player = Counting()
    call(bridge)
    bridge.play_once(np.full(FRAMES + 10, -1.0, np.float32))
    played = np.concatenate([call(bridge), call(bridge), call(bridge)])
    assert (played[: FRAMES + 10] == -1.0).all()
    assert not played[FRAMES + 10 : 2 * FRAMES].any()
    assert played[2 * FRAMES] == 3 * FRAMES  # the player goes on where it would be
    assert [block.play_began for block in outlet.blocks()] == [False, True, False, False]


def test_bundles_are_sent_at_their_time_and_lose_nothing() -> None:
    bridge = CallbackBridge(outlet := Outlet(), queue_blocks=9)  # type: ignore[arg-type]
    period = 5 * FRAMES // 2
    bridge.send_every(FRAMES + 1, period)
    arrived = []
    for _ in range(7):
        call(bridge)
        arrived.append(len(outlet.blocks()))
    # Due at 65, 225, 385: the ends 128, 256, 448 are the first block ends from there on.
    assert arrived == [0, 2, 2, 4, 4, 4, 7]


def test_a_block_survives_the_way_through_a_real_socket() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        bridge = CallbackBridge(theirs, queue_blocks=4)
        call(bridge, 0.25, flags(input_overflow=True))
        bridge.finish()
        message = b""
        while part := ours.recv(1 << 16):
            message += part
    block, length = unpack_block(message)
    assert block is not None
    assert length == len(message)
    assert (samples_of(block) == 0.25).all()
    assert block.lost_before


def test_an_incomplete_message_is_not_a_block() -> None:
    message = pack_block(CapturedBlock(0, b"x" * 16, 1.5, False, True, 7))
    for cut in range(len(message)):
        assert unpack_block(message[:cut]) == (None, 0)
    block, length = unpack_block(message + b"more")
    assert block == CapturedBlock(0, b"x" * 16, 1.5, False, True, 7)
    assert length == len(message)
