"""A programme in the callback: added to the tone and nothing else, without a click, and counted."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.audio.fake_card import FakeCard, Mailbox

from noctule.audio.callback import CallbackBridge
from noctule.audio.card import CardProcess, DeviceLost, StreamRequest
from noctule.audio.duplex import PROGRAMME_AHEAD_S, DuplexStream
from noctule.audio.programme import ENOUGH_S, FADE_S, ProgrammeQueue
from noctule.core.frames import Float32Array
from noctule.core.settings import AudioSettings
from noctule.emit import TonePlayer, tone_table

RATE_HZ = 48_000
FRAMES = 480
FADE, ENOUGH = round(FADE_S * RATE_HZ), round(ENOUGH_S * RATE_HZ)


def mixed(queue: ProgrammeQueue, samples: int, block: int = FRAMES, channels: int = 1) -> Float32Array:
    out = np.zeros((samples, channels), np.float32)
    for at in range(0, samples, block):
        queue.mix(out[at : at + block])
    return out if channels > 1 else out[:, 0]


def ones(samples: int, channels: int = 1) -> Float32Array:
    return np.ones((samples, channels), np.float32)


#: Of the raised cosine between 0 and 1.
STEEPEST = 0.5 * np.pi / FADE * 1.01


@pytest.mark.parametrize("block", [1, 37, 480, 5000])
def test_pieces_play_in_order_whatever_their_length_and_the_block(block: int) -> None:
    sound = np.arange(1, 9001, dtype=np.float32)[:, None] * np.array([1.0, -1.0], np.float32)
    queue = ProgrammeQueue(RATE_HZ)
    for at in range(0, 9000, 701):
        queue.push(sound[at : at + 701], last=at + 701 >= 9000)
    out = mixed(queue, 10_000, block, channels=2)
    np.testing.assert_array_equal(out[FADE:9000], sound[FADE:])
    assert not out[9000:].any()
    assert queue.taken == 9000
    assert queue.underruns == 0


def test_it_waits_for_enough_before_it_begins() -> None:
    queue = ProgrammeQueue(RATE_HZ)
    queue.push(ones(ENOUGH - 1))
    assert not mixed(queue, FRAMES).any()
    queue.push(ones(1))
    assert mixed(queue, FRAMES).any()


def test_one_that_starves_falls_without_a_step_is_counted_and_rises_again() -> None:
    queue = ProgrammeQueue(RATE_HZ)
    queue.push(ones(ENOUGH))
    first = mixed(queue, ENOUGH + 2 * FRAMES)
    assert first.max() == 1.0
    assert not first[ENOUGH:].any()
    assert queue.underruns == 1
    queue.push(ones(ENOUGH))
    both = np.concatenate([first, mixed(queue, 2 * FRAMES)])
    assert both[-1] == 1.0
    assert np.abs(np.diff(both)).max() <= STEEPEST
    assert queue.underruns == 1


def test_what_comes_in_the_middle_of_the_fall_turns_it_round() -> None:
    queue = ProgrammeQueue(RATE_HZ)
    queue.push(ones(ENOUGH))
    parts = [mixed(queue, ENOUGH - FADE // 2)]
    assert 0.3 < parts[0][-1] < 0.7
    queue.push(ones(FADE + 3 * FRAMES))
    parts.append(mixed(queue, 3 * FRAMES))
    sound = np.concatenate(parts)
    assert sound[-1] == 1.0
    assert np.abs(np.diff(sound)).max() <= STEEPEST
    assert queue.underruns == 1


def test_cleared_it_falls_within_50_ms_and_what_comes_then_is_played() -> None:
    queue = ProgrammeQueue(RATE_HZ)
    queue.push(ones(20_000))
    before = mixed(queue, 2 * FRAMES)
    queue.clear()
    queue.push(-ones(ENOUGH))
    after = mixed(queue, 6 * FRAMES)
    assert not (after[round(0.05 * RATE_HZ) :] > 0.0).any()
    assert after.min() < -0.9
    assert np.abs(np.diff(np.concatenate([before, after]))).max() <= STEEPEST
    assert queue.underruns == 0


def test_cleared_before_it_began_nothing_sounds() -> None:
    queue = ProgrammeQueue(RATE_HZ)
    queue.push(ones(ENOUGH - 1))
    queue.clear()
    assert not mixed(queue, 4 * FRAMES).any()
    assert queue.taken == ENOUGH - 1


def played(bridge: CallbackBridge, blocks: int) -> Float32Array:
    out = np.zeros((blocks * FRAMES, 2), np.float32)
    heard = np.zeros((FRAMES, 1), np.float32)
    for at in range(0, len(out), FRAMES):
        part = np.full((FRAMES, 2), np.nan, np.float32)
        bridge.callback(heard, part, FRAMES, None, None)
        out[at : at + FRAMES] = part
    return out


def bridge_with_tone() -> CallbackBridge:
    bridge = CallbackBridge(Mailbox(), 1000, RATE_HZ)  # type: ignore[arg-type]
    bridge.obey("player", TonePlayer(tone_table(20_001, RATE_HZ), RATE_HZ, ramp_s=0.01))
    bridge.obey("level", 0.1)
    return bridge


def test_the_tone_is_the_same_to_the_bit_where_the_programme_is_silent() -> None:
    alone = played(bridge_with_tone(), 100)
    bridge = bridge_with_tone()
    parts = [played(bridge, 10)]
    bridge.obey("programme", (np.zeros((ENOUGH, 2), np.float32), False))  # a silence that starts and starves
    parts.append(played(bridge, 20))
    music = np.random.default_rng(1).uniform(-0.5, 0.5, (20_000, 2)).astype(np.float32)
    bridge.obey("programme", (music, False))  # and is sought away from
    parts.append(played(bridge, 5))
    bridge.obey("clear_programme", None)
    parts.append(played(bridge, 65))
    sound = np.concatenate(parts)
    silent = np.r_[0 : 30 * FRAMES, 35 * FRAMES + FADE : 100 * FRAMES]
    np.testing.assert_array_equal(sound[silent], alone[silent])
    assert not np.array_equal(sound, alone)
    # and under the music it is the same but for rounding
    added = sound - alone
    np.testing.assert_allclose(added[30 * FRAMES + FADE : 35 * FRAMES], music[FADE : 5 * FRAMES], atol=1e-7)


def test_a_programme_goes_on_while_the_tone_is_silent_and_ends_with_everything() -> None:
    bridge = bridge_with_tone()
    bridge.obey("level", 0.0)
    bridge.obey("programme", (0.5 * np.ones((30_000, 2), np.float32), False))
    assert (played(bridge, 20)[-1] == 0.5).all()
    bridge.fade_out()
    assert not played(bridge, 5)[-1].any()


def opened(card: FakeCard) -> DuplexStream:
    stream = DuplexStream(AudioSettings(sample_rate_hz=RATE_HZ, block_s=0.01), card, card.monotonic)
    stream.open()
    return stream


def test_the_stream_tells_how_much_room_there_is_and_what_starved() -> None:
    card = FakeCard()
    stream = opened(card)
    room = round(PROGRAMME_AHEAD_S * RATE_HZ)
    assert stream.programme_room() == room
    stream.send_programme(0.25 * ones(9600))
    assert (stream.programme_left, stream.programme_room()) == (9600, room - 9600)
    for _ in range(10):
        stream.read()
    assert stream.programme_left == 9600 - 10 * FRAMES
    assert card.played[-1] == 0.25
    for _ in range(11):
        stream.read()
    assert (stream.programme_left, stream.programme_underruns) == (0, 1)


def test_a_card_that_comes_back_knows_nothing_of_what_was_sent_and_the_count_of_starving_stays() -> None:
    stream = opened(FakeCard())
    stream.send_programme(ones(ENOUGH))
    for _ in range(30):
        stream.read()
    stream.send_programme(ones(ENOUGH))
    stream.open()
    assert stream.programme_left == 0
    stream.read()
    assert stream.programme_underruns == 1


def test_a_card_that_is_not_open_says_so_to_the_programme_only() -> None:
    card = CardProcess()
    card.command("level", 0.5)
    with pytest.raises(DeviceLost, match="not open"):
        card.command("programme", (ones(10), False))


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[CardProcess]:
    """A card in a process of its own that hears, of each block, the highest sample of the one before."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    card = CardProcess("fake_card_process")
    card.open(StreamRequest("good", None, RATE_HZ, None, None, 0.01, 0.06, 2.0))
    yield card
    card.close(gently=False)


def test_a_programme_crosses_to_the_process_and_its_counters_come_back(process: CardProcess) -> None:
    process.command("programme", (0.5 * ones(9600), True))
    heard = []
    taken = 0
    while taken < 9600:
        block = process.receive(5.0)
        assert block is not None
        heard.append(float(np.frombuffer(block.samples, np.float32)[0]))
        taken = block.programme_taken
        assert len(heard) < 2000
    assert max(heard) == 50.0


def send_many(process: CardProcess) -> None:
    for _ in range(200):
        process.command("programme", (ones(FRAMES), False))


def test_a_process_that_reads_no_more_makes_nobody_wait(process: CardProcess) -> None:
    child = process._process
    assert child is not None
    child.send_signal(signal.SIGSTOP)
    began_s = time.monotonic()
    with pytest.raises(DeviceLost, match="takes no more"):
        send_many(process)
    assert time.monotonic() - began_s < 1.0
    process.close(gently=False)
    with pytest.raises(DeviceLost, match="not open"):
        process.command("programme", (ones(FRAMES), False))
