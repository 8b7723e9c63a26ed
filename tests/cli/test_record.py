"""`noctule record` through the real command line."""

from __future__ import annotations

import json
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import sigmf
import soundfile
from tests.cli.command import Command, Done

from noctule.audio.callback import CapturedBlock, Player, Silence
from noctule.audio.card import StreamFormat, StreamRequest
from noctule.core.frames import Fault
from noctule.dataset import BasebandReader

RATE_HZ, CARRIER_HZ, SECONDS = 48000, 20000.0, 3.0


def room(rng: np.random.Generator, carrier_hz: float = CARRIER_HZ) -> npt.NDArray[np.float64]:
    """Two microphones: the tone, an echo that comes nearer at 1 m/s after one second, a little noise."""
    t = np.arange(int(SECONDS * RATE_HZ)) / RATE_HZ
    moving = (t > 1.0) * np.sin(2.0 * np.pi * (carrier_hz + 117.0) * t)
    direct = np.sin(2.0 * np.pi * carrier_hz * t)
    noise = 1e-4 * rng.standard_normal((len(t), 2))
    return 0.1 * direct[:, None] * [1.0, 0.5] + 0.004 * moving[:, None] * [0.5, 1.0] + noise


@pytest.fixture
def wav(tmp_path: Path, rng: np.random.Generator) -> Path:
    soundfile.write(tmp_path / "room.wav", room(rng), RATE_HZ, subtype="FLOAT")
    return tmp_path / "room.wav"


def one_line_and_2(done: Done) -> str:
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("noctule: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.mark.parametrize("sample_format", ["cf32", "ci16"])
def test_records_a_file_and_says_so_in_one_line(
    noctule: Command, tmp_path: Path, wav: Path, sample_format: str
) -> None:
    out = tmp_path / "out"
    done = noctule("record", out, "--from", wav, "--label", "walking", "--format", sample_format)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
    assert f"saved {out}.sigmf-meta: 3.0 s, 2 microphones" in done.stdout
    reader = BasebandReader(out)
    assert reader.carrier_hz == pytest.approx(CARRIER_HZ, abs=0.1)
    assert reader.metadata["core:datatype"] == f"{sample_format}_le"
    labels = [(one.label, one.sample_count) for one in reader.annotations if not one.fault]
    assert labels == [("walking", reader.samples)]
    level = np.abs(np.mean(np.concatenate([block.samples for block in reader.blocks()]), axis=0))
    np.testing.assert_allclose(level, [0.05, 0.025], rtol=0.01)  # the mixer halves a tone's amplitude
    sigmf.fromfile(f"{out}.sigmf-meta").validate()


@pytest.mark.usefixtures("plain_detector")
def test_a_recording_replays_to_the_decisions_of_the_sound_it_came_from(
    noctule: Command, tmp_path: Path, wav: Path
) -> None:
    assert noctule("record", tmp_path / "out", "--from", wav).returncode == 0
    frames = []
    for source in (wav, tmp_path / "out.sigmf-meta"):
        done = noctule("replay", source, "--jsonl", "-")
        assert done.returncode == 0, done.stderr
        frames.append({frame["t"]: frame for frame in map(json.loads, done.stdout.splitlines())})
    heard, recorded = frames
    assert any(frame["motion"] == "major" for frame in heard.values())
    assert len(heard) > 50
    assert heard == recorded


def test_stops_after_the_seconds_asked_for(noctule: Command, tmp_path: Path, wav: Path) -> None:
    assert noctule("record", tmp_path / "out", "--from", wav, "--seconds", 1.25).returncode == 0
    assert BasebandReader(tmp_path / "out").duration_s == pytest.approx(1.25, abs=1e-3)


def test_marks_what_only_the_audio_shows(noctule: Command, tmp_path: Path, rng: np.random.Generator) -> None:
    audio = room(rng)
    audio[RATE_HZ : RATE_HZ + 200] = np.sign(audio[RATE_HZ : RATE_HZ + 200])
    audio[2 * RATE_HZ, 1] = np.nan
    soundfile.write(tmp_path / "room.wav", audio, RATE_HZ, subtype="FLOAT")
    assert noctule("record", tmp_path / "out", "--from", tmp_path / "room.wav").returncode == 0
    reader = BasebandReader(tmp_path / "out")
    found = {one.fault: one.start_sample / reader.sample_rate_hz for one in reader.annotations}
    assert found[Fault.CLIPPED] == pytest.approx(1.0, abs=0.1)
    assert found[Fault.BAD_SAMPLES] == pytest.approx(2.0, abs=0.1)


def test_does_not_replace_a_recording_unless_told(noctule: Command, tmp_path: Path, wav: Path) -> None:
    out = tmp_path / "out"
    assert noctule("record", out, "--from", wav).returncode == 0
    before = (tmp_path / "out.sigmf-data").read_bytes()
    assert "--force" in one_line_and_2(noctule("record", out, "--from", wav, "--seconds", 1))
    assert (tmp_path / "out.sigmf-data").read_bytes() == before
    assert noctule("record", out, "--from", wav, "--seconds", 1, "--force").returncode == 0
    assert BasebandReader(out).duration_s == pytest.approx(1.0, abs=1e-3)


def test_refuses_what_cannot_be_recorded_in_one_line(noctule: Command, tmp_path: Path, wav: Path) -> None:
    rng = np.random.default_rng(1)
    soundfile.write(tmp_path / "noise.wav", 0.01 * rng.standard_normal(96000), RATE_HZ, subtype="FLOAT")
    soundfile.write(tmp_path / "low.wav", room(rng, 12000.0), RATE_HZ, subtype="FLOAT")
    soundfile.write(tmp_path / "edge.wav", room(rng, 16000.0), RATE_HZ, subtype="FLOAT")
    soundfile.write(tmp_path / "short.wav", room(rng)[:50], RATE_HZ, subtype="FLOAT")
    before = sorted(tmp_path.iterdir())
    out = tmp_path / "out"
    assert "no carrier" in one_line_and_2(noctule("record", out, "--from", tmp_path / "noise.wav"))
    assert "no carrier" in one_line_and_2(noctule("record", out, "--from", tmp_path / "low.wav"))
    assert "audible" in one_line_and_2(noctule("record", out, "--from", tmp_path / "edge.wav"))
    low, short = ("--from", tmp_path / "low.wav"), ("--from", tmp_path / "short.wav")
    assert "audible" in one_line_and_2(noctule("record", out, *low, "--carrier-hz", 12000))
    assert "24000 Hz" in one_line_and_2(noctule("record", out, "--from", wav, "--carrier-hz", 30000))
    assert "too short" in one_line_and_2(noctule("record", out, *short, "--carrier-hz", CARRIER_HZ))
    assert "no such file" in one_line_and_2(noctule("record", out, "--from", tmp_path / "missing.wav"))
    nowhere = tmp_path / "missing" / "out"
    assert str(nowhere) in one_line_and_2(noctule("record", nowhere, "--from", wav))
    assert sorted(tmp_path.iterdir()) == before


def test_a_truncated_file_is_recorded_with_a_warning(noctule: Command, tmp_path: Path, wav: Path) -> None:
    wav.write_bytes(wav.read_bytes()[: RATE_HZ * 8 * 2])
    done = noctule("record", tmp_path / "out", "--from", wav)
    assert done.returncode == 0
    assert done.stderr.startswith(f"noctule: warning: {wav}: cut short")
    assert done.stderr.count("\n") == 1
    assert BasebandReader(tmp_path / "out").duration_s == pytest.approx(2.0, abs=0.02)


# Live, on a card of our own


class LoopbackCard:
    """What is played comes back 0.1 s later at half the level, with noise; gone once for `lost` blocks."""

    def __init__(self, lost_after: int | None = None) -> None:
        self.requests: list[StreamRequest] = []
        self.levels: list[float] = []
        self.closed = False
        self._player: Player = Silence()
        self._sound = np.zeros(0, np.float32)
        self._rng = np.random.default_rng(3)
        self._blocks = 0
        self._lost_after = lost_after

    def open(self, request: StreamRequest) -> StreamFormat:
        self.requests.append(request)
        self._position, self._closed = 0, False
        self._player, self._late = Silence(), np.zeros(round(0.1 * request.sample_rate_hz), np.float32)
        return StreamFormat("desk microphone", "desk speaker", "fake", float(request.sample_rate_hz), 2, 1)

    def receive(self, timeout_s: float) -> CapturedBlock | None:
        self._blocks += 1
        if self._blocks == self._lost_after:
            return None
        count = 960
        played = np.zeros((count, 1), np.float32)
        self._player.fill(played, self._position)
        begins = len(self._sound) > 0 and self._sound_at == 0
        if len(self._sound):
            part = self._sound[self._sound_at : self._sound_at + count]
            played[: len(part), 0] = part
            self._sound_at += count
            if self._sound_at >= len(self._sound):
                self._sound = self._sound[:0]
        self._late = np.concatenate((self._late, played[:, 0]))
        heard = 0.5 * self._late[:count, None] + 1e-4 * self._rng.standard_normal((count, 2))
        self._late = self._late[count:]
        self._position += count
        samples = heard.astype(np.float32).tobytes()
        wall_s = 1.8e9 + self._position / 96000.0
        return CapturedBlock(self._position - count, samples, wall_s, False, begins, 0)

    def command(self, *message: Any) -> None:
        name, value = message
        if name == "player":
            self._player = value
        elif name == "level":
            self.levels.append(value)
            self._player.set_level(value)
        else:
            self._sound, self._sound_at = value, 0

    def close(self, *, gently: bool) -> None:
        self.closed = True


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> LoopbackCard:
    card = LoopbackCard()
    monkeypatch.setattr("noctule.audio.duplex.CardProcess", lambda: card)
    return card


def test_records_what_the_card_hears_of_the_tone(
    noctule: Command, tmp_path: Path, card: LoopbackCard
) -> None:
    options = ["--carrier-hz", "32000", "--level-dbfs", "-20", "--seconds", "2", "--label", "empty"]
    done = noctule("record", tmp_path / "out", "--input", "desk", "--output", "desk", *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert (card.requests[0].input, card.requests[0].output) == ("desk", "desk")
    assert card.levels == [pytest.approx(0.1)]
    assert card.closed
    reader = BasebandReader(tmp_path / "out")
    assert reader.duration_s == pytest.approx(2.0, abs=1e-3)
    assert (reader.carrier_hz, reader.channels) == (32000.0, 2)
    samples = np.concatenate([block.samples for block in reader.blocks()])
    level = np.abs(samples)  # steady from the first sample on: 0.1 played, 0.5 of it heard, half by mixing
    np.testing.assert_allclose(level, 0.025, rtol=0.02)
    assert reader.metadata["core:hw"] == "desk speaker -> desk microphone"
    assert reader.metadata["noctule:level_dbfs"] == -20.0
    assert reader.started_at is not None
    assert reader.started_at.timestamp() == pytest.approx(1.8e9 + 0.6, abs=0.2)


def test_finds_a_carrier_by_itself(noctule: Command, tmp_path: Path, card: LoopbackCard) -> None:
    done = noctule("record", tmp_path / "out", "--seconds", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert BasebandReader(tmp_path / "out").carrier_hz > 30000.0


def test_a_lost_card_is_waited_for_and_the_gap_is_told(
    noctule: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = LoopbackCard(lost_after=100)
    monkeypatch.setattr("noctule.audio.duplex.CardProcess", lambda: card)
    monkeypatch.setenv("NOCTULE_AUDIO__REOPEN_EVERY_S", "0.1")
    done = noctule("record", tmp_path / "out", "--carrier-hz", "32000", "--seconds", "3")
    assert done.returncode == 0
    assert done.stderr.startswith("noctule: warning: ")
    assert done.stderr.count("\n") == 1
    assert len(card.requests) == 2
    assert len(card.levels) == 2  # the tone plays again
    blocks = list(BasebandReader(tmp_path / "out").blocks())
    ends = [block.first_sample + len(block.samples) for block in blocks]
    assert any(after.first_sample > end for after, end in zip(blocks[1:], ends, strict=False))
    assert any(block.faults & Fault.DROPPED_SAMPLES for block in blocks)


def test_a_tone_too_loud_is_lowered_and_one_too_low_refused(
    noctule: Command, tmp_path: Path, card: LoopbackCard
) -> None:
    assert "audible" in one_line_and_2(noctule("record", tmp_path / "out", "--carrier-hz", "16000"))
    assert card.requests == []  # refused before a sound is made
    loud = ("--carrier-hz", "32000", "--level-dbfs", "0", "--seconds", "0.5")
    done = noctule("record", tmp_path / "out", *loud)
    assert done.returncode == 0
    assert "capped at -6 dBFS" in done.stderr
    assert card.levels == [pytest.approx(0.501, abs=1e-3)]


def test_refuses_a_rate_the_card_cannot_have(noctule: Command, tmp_path: Path, card: LoopbackCard) -> None:
    done = noctule("record", tmp_path / "out", "--sample-rate-hz", "8000")
    assert "audio.sample_rate_hz" in one_line_and_2(done)


# Signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_stop_signal_ends_the_recording_properly(
    tmp_path: Path, rng: np.random.Generator, number: signal.Signals
) -> None:
    """Ctrl-C in the middle: one line, status 0, and a recording with checksum and labels."""
    ten_minutes = 600 * RATE_HZ * 2 * 2
    soundfile.write(tmp_path / "long.wav", room(rng), RATE_HZ, subtype="PCM_16")
    with (tmp_path / "long.wav").open("r+b") as raw:  # the rest is a hole of silence
        raw.truncate(44 + ten_minutes)
        for offset, size in ((4, 36 + ten_minutes), (40, ten_minutes)):
            raw.seek(offset)
            raw.write(struct.pack("<I", size))
    command = [sys.executable, "-m", "noctule", "record", str(tmp_path / "out")]
    options = ["--from", str(tmp_path / "long.wav"), "--carrier-hz", "20000", "--label", "walking"]
    with subprocess.Popen(
        command + options, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as recorder:
        data = tmp_path / "out.sigmf-data"
        until_s = time.monotonic() + 30.0
        while not (data.exists() and data.stat().st_size) and time.monotonic() < until_s:
            time.sleep(0.005)  # another process: there is nothing else to wait for
        recorder.send_signal(number)
        told, complaints = recorder.communicate(timeout=30)
    assert (recorder.returncode, complaints) == (0, "")
    assert told.startswith(f"stopped, saved {tmp_path / 'out.sigmf-meta'}: ")
    assert told.count("\n") == 1
    reader = BasebandReader(tmp_path / "out")
    assert 0.0 < reader.duration_s < 600.0
    assert "core:sha512" in reader.metadata
    assert reader.warning is None
    labels = [(one.label, one.sample_count) for one in reader.annotations if not one.fault]
    assert labels == [("walking", reader.samples)]
