"""Sounds of Routines through the sensor's own card: one in memory, at the speed of a clock."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tests.audio.fake_card import FakeCard

from noctule.audio.duplex import DuplexStream, Reserved
from noctule.core.frames import Float32Array
from noctule.core.settings import AudioSettings, EmitSettings
from noctule.emit.headroom import Programme
from noctule.routines.tools import ActionError
from noctule.service import player as module
from noctule.service.emission import Emission
from noctule.service.player import SensorPlayer
from noctule.simulate.live import SimulatedCard

RATE_HZ, FRAMES, CARRIER_HZ = 48_000, 480, 20_000
EMIT = EmitSettings(carrier_hz=float(CARRIER_HZ), level_dbfs=-20.0)


class Sensor:
    """A card with the tone on it, read by a thread as the sensor does, and whether it may sound."""

    def __init__(self) -> None:
        self.card = FakeCard()
        settings = AudioSettings(sample_rate_hz=RATE_HZ, block_s=FRAMES / RATE_HZ)
        self.stream = DuplexStream(settings, self.card, self.card.monotonic)
        self.stream.open()
        self.emission = Emission(EMIT, float(CARRIER_HZ), RATE_HZ)
        self.emission.start(self.stream)
        self._settled = len(self.card.played)
        self.away = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def programme(self) -> DuplexStream | None:
        return None if self.away else self.stream

    def _read(self) -> None:
        next_s = time.monotonic()
        while not self._over.is_set():
            self.stream.read()
            next_s += FRAMES / RATE_HZ
            time.sleep(max(0.0, next_s - time.monotonic()))

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def music(self) -> Float32Array:
        """What was played besides the tone, to within rounding; nothing else may have been played."""
        played = self.card.played[self._settled :]
        at = np.arange(self._settled, self._settled + len(played)) % RATE_HZ
        tone = np.sin(2 * np.pi * CARRIER_HZ * at / RATE_HZ)
        rest = played - self.emission.level.amplitude * tone
        rest[np.abs(rest) < 1e-6] = 0.0
        return np.asarray(rest, np.float32)


@pytest.fixture
def sensor() -> Iterator[Sensor]:
    made = Sensor()
    yield made
    made.end()


def sine(hz: float, seconds: float, rate_hz: int = 44_100) -> np.ndarray:
    return 0.5 * np.sin(2.0 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)


def file_of(path: Path, sound: np.ndarray, rate_hz: int = 44_100) -> Path:
    soundfile.write(path, sound, rate_hz, subtype="FLOAT")
    return path


def seconds_of(music: Float32Array, hz: float) -> float:
    """How long a sine of that frequency and a peak of 0.5 sounds, by its energy."""
    lines = np.abs(np.fft.rfft(music)) ** 2
    near = np.abs(np.fft.rfftfreq(len(music), 1 / RATE_HZ) - hz) < 100.0
    return float(2.0 * lines[near].sum() / len(music) / RATE_HZ / 0.5**2 * 2.0)


def run(work: Coroutine[Any, Any, None], limit_s: float = 15.0) -> None:
    asyncio.run(asyncio.wait_for(work, limit_s))


async def until(ready: Callable[[], bool], limit_s: float = 5.0) -> None:
    async with asyncio.timeout(limit_s):
        while not ready():
            await asyncio.sleep(0.005)


def test_a_file_plays_to_its_end_beside_an_unbroken_tone(sensor: Sensor, tmp_path: Path) -> None:
    sound = np.stack([sine(440.0, 0.8), sine(660.0, 0.8)], axis=1)
    path = file_of(tmp_path / "chime.wav", sound)

    async def work() -> None:
        began_s = time.monotonic()
        await SensorPlayer(sensor.programme).play(path)
        assert sensor.stream.programme_left == 0
        assert 0.8 < time.monotonic() - began_s < 2.0

    run(work())
    sensor.end()
    assert sensor.stream.programme_underruns == 0
    programme = Programme(44_100, RATE_HZ, 1, CARRIER_HZ, sensor.emission.level.amplitude)
    expected = np.concatenate([programme.process(sound.astype(np.float32)), programme.flush()])[:, 0]
    music = sensor.music()
    at = int(np.argmax(np.abs(music) > 1e-3)) - int(np.argmax(np.abs(expected) > 1e-3))
    np.testing.assert_allclose(music[at : at + len(expected)], expected, atol=2e-6)
    assert not music[:at].any()
    assert not music[at + len(expected) :].any()


def test_cancelled_it_fades_out_within_50_ms(sensor: Sensor, tmp_path: Path) -> None:
    path = file_of(tmp_path / "long.wav", sine(440.0, 10.0))

    async def work() -> None:
        playing = asyncio.create_task(SensorPlayer(sensor.programme).play(path))
        await until(lambda: np.abs(sensor.card.played[-FRAMES:]).max() > 0.4)
        await asyncio.sleep(0.3)
        position = len(sensor.card.played)
        playing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await playing
        await until(lambda: len(sensor.card.played) > position + 0.2 * RATE_HZ)
        sensor.end()
        after = sensor.music()[position - len(sensor.card.played) :]
        assert after[:FRAMES].any()
        assert not after[round(0.05 * RATE_HZ) :].any()
        assert np.abs(np.diff(after)).max() < 0.5 * 2 * np.pi * 440.0 / RATE_HZ * 1.1  # no click

    run(work())
    assert sensor.stream.programme_underruns == 0


def test_a_second_sound_comes_first_and_nothing_of_the_first_is_lost(sensor: Sensor, tmp_path: Path) -> None:
    music = file_of(tmp_path / "music.wav", sine(440.0, 1.2))
    words = file_of(tmp_path / "words.wav", sine(2000.0, 0.4, 22_050), 22_050)

    async def work() -> None:
        player = SensorPlayer(sensor.programme)
        first = asyncio.create_task(player.play(music))
        await until(lambda: np.abs(sensor.card.played[-FRAMES:]).max() > 0.4)
        await player.play(words)
        assert not first.done()
        await first

    run(work())
    sensor.end()
    heard = sensor.music()
    assert seconds_of(heard, 2000.0) == pytest.approx(0.4, abs=0.03)
    # what the fades cover sounds again; 0.1 s is what the blocks had not told yet
    assert seconds_of(heard, 440.0) == pytest.approx(1.2, abs=0.12)
    assert np.abs(heard).max() <= 0.51  # one at a time


def test_a_loudspeaker_that_goes_and_comes_back_goes_on(sensor: Sensor, tmp_path: Path) -> None:
    path = file_of(tmp_path / "music.wav", sine(440.0, 1.0))

    async def work() -> None:
        playing = asyncio.create_task(SensorPlayer(sensor.programme).play(path))
        await until(lambda: np.abs(sensor.card.played[-FRAMES:]).max() > 0.4)
        sensor.away = True
        await until(lambda: sensor.stream.programme_left == 0)
        position = len(sensor.card.played)
        await until(lambda: len(sensor.card.played) > position + 0.2 * RATE_HZ)
        assert not playing.done()
        sensor.away = False
        await playing

    run(work())
    sensor.end()
    assert seconds_of(sensor.music(), 440.0) == pytest.approx(1.0, abs=0.12)


def test_one_that_stays_away_is_an_error_in_words(
    sensor: Sensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETURNS_WITHIN_S", 0.1)
    sensor.away = True
    path = file_of(tmp_path / "music.wav", sine(440.0, 1.0))
    with pytest.raises(ActionError, match="muted, or its sound card is lost"):
        run(SensorPlayer(sensor.programme).play(path))


def test_before_the_tone_is_known_nothing_sounds(
    sensor: Sensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETURNS_WITHIN_S", 0.1)
    sensor.stream.reserved = None
    path = file_of(tmp_path / "music.wav", sine(440.0, 1.0))
    with pytest.raises(ActionError):
        run(SensorPlayer(sensor.programme).play(path))
    assert not any(verb == "programme" for verb, _ in sensor.card.commands)


def test_it_goes_on_while_the_tone_is_silent(sensor: Sensor, tmp_path: Path) -> None:
    sensor.emission.fade_out(sensor.stream)
    run(SensorPlayer(sensor.programme).play(file_of(tmp_path / "music.wav", sine(440.0, 0.5))))
    sensor.end()
    assert seconds_of(sensor.card.played[-RATE_HZ:], 440.0) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("name", ["noise.wav", "gone.wav", "empty.flac"])
def test_what_is_no_sound_is_said(sensor: Sensor, tmp_path: Path, name: str) -> None:
    if name != "gone.wav":
        (tmp_path / name).write_bytes(b"no sound at all" if name == "noise.wav" else b"")
    with pytest.raises(ActionError, match=f"{name} cannot be played"):
        run(SensorPlayer(sensor.programme).play(tmp_path / name))


def test_an_empty_sound_is_over_at_once(sensor: Sensor, tmp_path: Path) -> None:
    run(SensorPlayer(sensor.programme).play(file_of(tmp_path / "empty.wav", np.zeros(0))))


# Streams


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def raw(path: Path, sound: np.ndarray) -> Path:
    path.write_bytes(np.repeat(sound.astype(np.float32), 2).tobytes())  # two channels
    return path


@pytest.mark.parametrize("decoder", ["ffmpeg", "mpv"])
def test_a_stream_is_decoded_by_a_program_on_path(
    sensor: Sensor, tmp_path: Path, path: Path, decoder: str
) -> None:
    samples = raw(tmp_path / "samples", sine(440.0, 0.5, 48_000))
    program(path, decoder, f'echo "$@" > {tmp_path}/arguments; /bin/cat {samples}; printf abc')
    run(SensorPlayer(sensor.programme).play("http://radio.lan/one"))
    sensor.end()
    assert seconds_of(sensor.music(), 440.0) == pytest.approx(0.5, abs=0.02)
    arguments = (tmp_path / "arguments").read_text()
    assert "http://radio.lan/one" in arguments
    # not led from the stream to files of this machine
    assert "-protocol_whitelist http,https,tcp,tls,crypto -i" in arguments or "--no-ytdl" in arguments


def test_a_decoder_that_fails_says_why(sensor: Sensor, path: Path) -> None:
    program(path, "ffmpeg", "echo one >&2; echo no such station >&2; exit 3")
    with pytest.raises(ActionError, match="ffmpeg failed: no such station"):
        run(SensorPlayer(sensor.programme).play("http://radio.lan/one"))


class Others:
    def __init__(self) -> None:
        self.played: list[Path | str] = []

    async def play(self, source: Path | str) -> None:
        self.played.append(source)


def test_without_a_decoder_others_play_the_stream(sensor: Sensor, path: Path) -> None:
    others = Others()
    run(SensorPlayer(sensor.programme, others).play("http://radio.lan/one"))
    assert others.played == ["http://radio.lan/one"]
    assert list(path.iterdir()) == []


def test_a_station_that_gives_nothing_keeps_nobody_waiting_and_is_ended(
    sensor: Sensor, tmp_path: Path, path: Path
) -> None:
    program(path, "ffmpeg", f"echo $$ > {tmp_path}/pid; exec /bin/sleep 60")
    words = file_of(tmp_path / "words.wav", sine(2000.0, 0.2))

    async def work() -> None:
        player = SensorPlayer(sensor.programme)
        station = asyncio.create_task(player.play("http://radio.lan/one"))
        await until((tmp_path / "pid").exists)
        await player.play(words)
        assert not station.done()
        station.cancel()
        with pytest.raises(asyncio.CancelledError):
            await station

    run(work())
    sensor.end()
    assert seconds_of(sensor.music(), 2000.0) == pytest.approx(0.2, abs=0.02)
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


class Wall:
    """A room that hears what is played and answers with silence."""

    rate_hz, microphones, scene = 96_000, 2, None

    def __init__(self) -> None:
        self.heard: list[Float32Array] = []

    def hear(self, played: Float32Array) -> Float32Array:
        self.heard.append(played)
        return np.full((len(played), self.microphones), 1e-4, np.float32)


def test_the_simulated_card_plays_into_its_room(tmp_path: Path) -> None:
    room = Wall()
    card = SimulatedCard(room, sleep=lambda seconds: time.sleep(seconds / 2))  # type: ignore[arg-type]
    stream = DuplexStream(AudioSettings(sample_rate_hz=room.rate_hz), card)
    stream.open()
    stream.reserved = Reserved(40_000.0, 0.1)
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            stream.read()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        run(SensorPlayer(lambda: stream).play(file_of(tmp_path / "music.wav", sine(440.0, 0.5))))
    finally:
        over.set()
        reader.join()
    music = np.concatenate(room.heard)
    assert np.sum(music.astype(np.float64) ** 2) / room.rate_hz == pytest.approx(0.5 * 0.5**2 / 2, rel=0.02)
    assert stream.programme_underruns == 0
