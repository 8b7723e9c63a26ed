"""The card in a process of its own: it can refuse, die and hang, and the sensor goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from noctule.audio.callback import CapturedBlock
from noctule.audio.card import CardProcess, DeviceLost, StreamRequest
from noctule.core.errors import NoctuleError
from noctule.emit.waveforms import TonePlayer, tone_table

Open = Callable[[str], CardProcess]
SOUND = np.full(4800, 0.5, np.float32)


@pytest.fixture
def open_card(monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens a card process that behaves as its input's name says."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    cards = []

    def start(mode: str) -> CardProcess:
        cards.append(card := CardProcess("fake_card_process"))
        card.open(StreamRequest(mode, None, 48000, None, None, 0.01, 0.06, 2.0))
        return card

    yield start
    for card in cards:
        card.close(gently=False)


def receive(card: CardProcess) -> CapturedBlock:
    block = card.receive(5.0)
    assert block is not None
    return block


def heard(block: CapturedBlock) -> float:
    return float(np.frombuffer(block.samples, np.float32)[-1])


def until_heard(card: CardProcess, value: float) -> CapturedBlock:
    for _ in range(2000):
        block = receive(card)
        if heard(block) == value:
            return block
    pytest.fail(f"{value} was never heard")


def test_blocks_and_commands_cross(open_card: Open) -> None:
    card = open_card("good")
    first, second = receive(card), receive(card)
    assert second.first_sample == first.first_sample + 480
    card.command("play", SOUND)
    until_heard(card, 50.0)
    until_heard(card, 0.0)
    card.command("player", TonePlayer(tone_table(12_000, 48_000), 48_000, ramp_s=0.01))
    card.command("level", 0.25)
    until_heard(card, 25.0)


def test_a_refusal_is_a_line_for_people(open_card: Open) -> None:
    with pytest.raises(NoctuleError, match="the card is on fire") as error:
        open_card("refuse")
    assert not isinstance(error.value, DeviceLost)


def test_a_crash_while_opening_is_a_line_for_people(open_card: Open) -> None:
    with pytest.raises(NoctuleError, match="crashed"):
        open_card("crash")


def test_a_process_that_dies_is_a_lost_device_at_once(open_card: Open) -> None:
    card = open_card("die")
    card.command("play", SOUND)
    began_s = time.monotonic()
    with pytest.raises(DeviceLost):
        until_heard(card, -1.0)
    assert time.monotonic() - began_s < 4.0  # the end of the socket, not the time-out
    assert card._process is not None
    card._process.wait(5.0)
    with pytest.raises(DeviceLost):
        card.command("play", SOUND)


def test_a_process_that_hangs_in_its_good_bye_is_given_up(
    open_card: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PortAudio hangs in Pa_CloseStream when a JACK server has gone."""
    monkeypatch.setattr(CardProcess, "CLOSE_TIMEOUT_S", 0.3)
    card = open_card("hang")
    receive(card)
    began_s = time.monotonic()
    card.close(gently=True)
    assert 0.3 <= time.monotonic() - began_s < 3.0
    with pytest.raises(DeviceLost):
        card.receive(1.0)
    card.close(gently=True)  # twice does no harm


def test_a_process_that_ends_well_is_not_killed(open_card: Open) -> None:
    card = open_card("good")
    receive(card)
    process = card._process
    assert process is not None
    card.close(gently=True)
    assert process.returncode == 0
