"""DuplexStream on a card in memory: gaps, losses, one unbroken time line."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from tests.audio.fake_card import FakeCard

from noctule.audio import duplex
from noctule.audio.duplex import DeviceLost, DuplexStream
from noctule.core.errors import NoctuleError
from noctule.core.frames import Float32Array
from noctule.core.protocols import AudioSource
from noctule.core.settings import AudioSettings

RATE_HZ = 48_000
FRAMES = 960
SETTINGS = AudioSettings(sample_rate_hz=RATE_HZ, block_s=0.02, reopen_every_s=0.1)


class Constant:
    """Plays its level."""

    ramp_s = 0.0
    level = 0.0

    def fill(self, out: Float32Array, first_sample: int) -> None:
        out.fill(self.level)

    def set_level(self, amplitude: float) -> None:
        self.level = amplitude


def opened(card: FakeCard, settings: AudioSettings = SETTINGS) -> DuplexStream:
    stream = DuplexStream(settings, card, card.monotonic)
    stream.open()
    return stream


class NoWait(threading.Event):
    """An event that notes how long it was asked to wait, and moves the card's clock instead."""

    def __init__(self, card: FakeCard, tries: int = 100) -> None:
        super().__init__()
        self._card, self._tries, self.waits = card, tries, list[float]()

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        self._card.clock_s += timeout
        return self.is_set() or len(self.waits) > self._tries


def test_blocks_follow_each_other() -> None:
    stream = opened(FakeCard(channels=3))
    assert isinstance(stream, AudioSource)
    blocks = [stream.read() for _ in range(5)]
    assert [block.first_sample for block in blocks] == [k * FRAMES for k in range(5)]
    assert {block.samples.shape for block in blocks} == {(FRAMES, 3)}
    assert not any(block.overflowed for block in blocks)
    assert (stream.xruns, stream.dropped_samples) == (0, 0)


def test_what_is_played_comes_back_later_by_the_delay() -> None:
    stream = opened(FakeCard(delay_samples=1500, gain=0.5))
    stream.set_player(Constant())
    stream.set_level(0.8)
    sound = np.concatenate([stream.read().samples[:, 0] for _ in range(4)])
    np.testing.assert_allclose(sound[:1500], 0.0, atol=1e-4)
    np.testing.assert_allclose(sound[1500:], 0.4, atol=1e-4)


def test_a_drop_is_a_gap_that_the_next_block_tells_of() -> None:
    card = FakeCard()
    card.skip_at = {2 * FRAMES: 1, 3 * FRAMES: 1}
    stream = opened(card)
    blocks = [stream.read() for _ in range(4)]
    assert [block.first_sample // FRAMES for block in blocks] == [0, 1, 4, 5]
    assert [block.overflowed for block in blocks] == [False, False, True, False]
    assert stream.dropped_samples == 2 * FRAMES


def test_an_xrun_marks_its_block_and_is_counted_over_reopening() -> None:
    card = FakeCard()
    card.xrun_at = {FRAMES}
    stream = opened(card)
    assert [stream.read().overflowed for _ in range(3)] == [False, True, False]
    assert stream.reopen(NoWait(card))
    assert [stream.read().overflowed for _ in range(2)] == [True, True]
    assert stream.xruns == 2


def test_no_block_for_so_long_is_a_loss() -> None:
    card = FakeCard()
    stream = opened(card)
    stream.read()
    card.lost_from = 0
    before_s = card.clock_s
    with pytest.raises(DeviceLost, match=r"1\.5 s"):
        stream.read()
    assert card.clock_s - before_s == SETTINGS.lost_after_s


def test_the_first_block_may_be_late() -> None:
    card = FakeCard()
    card.lost_from = 0
    stream = opened(card)
    before_s = card.clock_s
    with pytest.raises(DeviceLost):
        stream.read()
    assert card.clock_s - before_s == duplex.FIRST_BLOCK_S > SETTINGS.lost_after_s


def test_time_goes_on_while_the_card_is_away() -> None:
    card = FakeCard()
    stream = opened(card)
    for _ in range(50):
        stream.read()
    start_s, wall_s = stream.now_s, stream.wall_time_s(stream.now_s)
    assert start_s == pytest.approx(1.0)
    card.closed_from = 0
    with pytest.raises(DeviceLost):
        stream.read()
    card.closed_from = None
    card.clock_s += 100.0
    assert stream.now_s == pytest.approx(start_s + 100.0)
    assert stream.reopen(NoWait(card))
    block = stream.read()
    end_s = (block.first_sample + FRAMES) / RATE_HZ
    # 100 s away, 0.1 s until the first attempt, 0.02 s for the block.
    assert end_s == pytest.approx(start_s + 100.12, abs=1e-4)
    assert block.overflowed
    assert stream.wall_time_s(end_s) == pytest.approx(wall_s + 100.12, abs=0.01)
    assert stream.read().first_sample == block.first_sample + FRAMES
    assert stream.dropped_samples == 0  # lost, not dropped: nobody listened


def test_a_return_within_no_time_never_goes_back() -> None:
    card = FakeCard()
    stream = opened(card)
    last = [stream.read() for _ in range(3)][-1]
    card.clock_s -= 5.0  # the first blocks had come in a burst: the clock lags behind the samples
    stop = NoWait(card)
    assert stream.reopen(stop)
    assert stream.read().first_sample >= last.first_sample + FRAMES


def test_reopening_backs_off_until_the_device_is_back() -> None:
    card = FakeCard()
    stream = opened(card, SETTINGS.model_copy(update={"reopen_every_s": 1.0}))
    card.refuse = ["gone"] * 5
    stop = NoWait(card)
    assert stream.reopen(stop)
    assert stop.waits == [1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    assert card.closed == [False]  # a lost card is not waited for


def test_reopening_ends_when_it_is_stopped() -> None:
    card = FakeCard()
    stream = opened(card)
    card.refuse = ["gone"] * 1000
    assert not stream.reopen(NoWait(card, tries=3))


def test_an_opening_that_is_refused_says_why() -> None:
    card = FakeCard()
    card.refuse = ["no such card"]
    with pytest.raises(NoctuleError, match="no such card"):
        opened(card)


def test_digital_silence_is_a_loss_and_patience_doubles() -> None:
    card = FakeCard()
    stream = opened(card)
    card.silent_from = 0
    for limit_s in (3, 6, 12):
        for _ in range(limit_s * RATE_HZ // FRAMES):
            stream.read()
        with pytest.raises(DeviceLost, match=f"digital silence came in for {limit_s} s"):
            stream.read()
        stream.reopen(NoWait(card))
    card.silent_from = None
    stream.read()
    card.silent_from = 0
    with pytest.raises(DeviceLost, match="for 3 s"):  # a sound gives the patience back
        list(stream.blocks())


def test_play_and_record_is_aligned_with_the_start_of_play() -> None:
    stream = opened(FakeCard(delay_samples=1234, gain=0.5))
    for _ in range(3):
        stream.read()
    signal = np.linspace(0.1, 1.0, 1000, dtype=np.float32)
    recorded = stream.play_and_record(signal, tail_s=0.1)
    assert recorded.shape == (1000 + 4800, 2)
    np.testing.assert_allclose(recorded[1234:2234, 1], 0.5 * signal, atol=1e-4)
    np.testing.assert_allclose(recorded[:1234], 0.0, atol=1e-4)
    np.testing.assert_allclose(recorded[2234:], 0.0, atol=1e-4)


def test_play_and_record_shows_a_drop_as_zeros() -> None:
    card = FakeCard(delay_samples=0)
    card.skip_at = {2 * FRAMES: 1}
    stream = opened(card)
    stream.read()
    recorded = stream.play_and_record(np.ones(3 * FRAMES, np.float32), tail_s=0.0)
    assert not recorded[FRAMES : 2 * FRAMES].any()
    assert len(recorded) == 3 * FRAMES


def test_the_wall_clock_follows_a_clock_that_was_set() -> None:
    card = FakeCard()
    stream = opened(card)
    for _ in range(100):
        stream.read()
    time_s = stream.now_s
    assert stream.wall_time_s(time_s) == pytest.approx(card.clock_s + 5e8, abs=1e-3)


def test_bundles_count_from_the_stream_not_from_the_card() -> None:
    card = FakeCard()
    stream = opened(card)
    stream.read()
    card.clock_s += 10.0
    stream.reopen(NoWait(card))
    first = stream.read().first_sample
    assert first > 9 * RATE_HZ
    stream.send_every(first + 5 * FRAMES, 2 * FRAMES)
    assert card.commands[-1] == ("send_every", (5 * FRAMES, 2 * FRAMES))
