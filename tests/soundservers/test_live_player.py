"""`noctule run` on a PipeWire card: a Routine plays music on the loudspeaker that senses.

The music is loud, clips, and has noise up to half its rate, where the tone is. What arrives at the room's end
must be the music and an unbroken tone, and nobody must be sensed by it.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile
from scipy.signal import butter, firwin, oaconvolve, sosfilt
from tests.soundservers.product import Record, between, noctule, sensing
from tests.soundservers.servers import Server, until

pytestmark = [pytest.mark.soundserver, pytest.mark.slow]

RATE_HZ, CARRIER_HZ, LEVEL_DBFS = 96_000, 20_000, -20.0
MUSIC_S, MUSIC_HZ = 5.0, 44_100
#: Somebody walks by, is not there any more, and the music begins.
SCRIPT = [["still", 15.0], ["walk", 2.0, 1.2], ["still", 1.0]]
ROUTINES = """\
home: {{media_folder: {folder}}}
routines:
  - name: Music when somebody has left
    when: {{presence: absent, for: 2s}}
    then:
      - play: music.wav
"""


def music() -> np.ndarray:
    rng = np.random.default_rng(5)
    t = np.arange(round(MUSIC_S * MUSIC_HZ)) / MUSIC_HZ
    bass = 1.5 * np.sin(2.0 * np.pi * 49.0 * t)
    cymbal = rng.uniform(-1.0, 1.0, (len(t), 2)) * np.exp(-(t % 0.25) / 0.05)[:, None]
    return np.clip(bass[:, None] + cymbal, -1.0, 1.0)


class Session(NamedTuple):
    played: np.ndarray  # what left the loudspeaker, one channel
    music: slice  # where in it music sounds
    records: list[Record]  # while it did, and the second after


@contextlib.contextmanager
def recording(server: Server, path: Path) -> Iterator[None]:
    """What is played on the loudspeaker, as another program hears it."""
    command = ["parecord", "--device=tx.monitor", f"--rate={RATE_HZ}", "--channels=2", "--format=float32le"]
    with subprocess.Popen([*command, "--file-format=wav", str(path)], env=server.environment) as recorder:
        try:
            yield
        finally:
            recorder.send_signal(signal.SIGINT)


def musical(sound: np.ndarray) -> np.ndarray:
    """Level of what is not the tone, in steps of 10 ms."""
    low = sosfilt(butter(6, 10_000, fs=RATE_HZ, output="sos"), sound)
    steps = low[: len(low) // 960 * 960].reshape(-1, 960)
    return np.asarray(np.sqrt(np.mean(steps**2, axis=1)))


@pytest.fixture(scope="module")
def session(pipewire_96k: Server, tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("media")
    soundfile.write(folder / "music.wav", music(), MUSIC_HZ, subtype="PCM_16")
    routines = folder / "routines.yaml"
    routines.write_text(ROUTINES.format(folder=folder))
    options = ["--carrier-hz", str(CARRIER_HZ), "--level-dbfs", str(LEVEL_DBFS), "--seconds", "60"]
    with (
        pipewire_96k.room(script=SCRIPT),
        noctule(
            pipewire_96k,
            *sensing(pipewire_96k, *options),
            NOCTULE_ROUTINES__FILE=str(routines),
            NOCTULE_PRESENCE__OFF_LATENCY_S="5",
        ) as run,
    ):
        run.until_record(60.0, motion="major")
        path = folder / "played.wav"
        with recording(pipewire_96k, path):
            until(lambda: "Music when" in _log(pipewire_96k), 30.0, lambda: f"no Routine: {run.stderr}")
            started = time.time()
            run.until_record(MUSIC_S + 10.0, after=started + MUSIC_S + 2.0)
        assert run.stop(signal.SIGINT) == 0, run.stderr
        records = run.records()
    played = soundfile.read(path)[0][:, 0]
    loud = np.flatnonzero(musical(played) > 0.01)
    assert len(loud), f"no music: {_log(pipewire_96k)}"
    here = slice(loud[0] * 960, (loud[-1] + 1) * 960)
    return Session(played, here, between(records, started, started + MUSIC_S + 2.0))


def _log(server: Server) -> str:
    """What the service writes down of its Routines."""
    return "".join(path.read_text() for path in server.folder.glob("state/**/*routine*.jsonl"))


def test_the_music_is_heard_to_its_end(session: Session) -> None:
    seconds = (session.music.stop - session.music.start) / RATE_HZ
    assert seconds == pytest.approx(MUSIC_S, abs=0.15)
    heard = musical(session.played[session.music])
    assert (heard[5:-5] > 0.1).all()  # without a hole
    assert np.abs(session.played).max() <= 1.0


def test_the_tone_is_unbroken_and_keeps_its_level(session: Session) -> None:
    around = slice(session.music.start - RATE_HZ, session.music.stop + RATE_HZ // 2)
    sound = session.played[around]
    turns = np.arange(len(sound)) * CARRIER_HZ % RATE_HZ / RATE_HZ
    mixed = sound * np.exp(-2j * np.pi * turns)
    envelope = 2.0 * oaconvolve(mixed, firwin(961, 1000.0, fs=RATE_HZ), "valid")
    level = 10.0 ** (LEVEL_DBFS / 20.0)
    # -80 dB of the programme's own in 1 kHz, and the rounding of the server
    assert np.abs(envelope / envelope[0] - 1.0).max() < 3e-4
    assert np.abs(envelope).max() == pytest.approx(level, rel=0.01)


def test_nobody_is_sensed_by_it(session: Session) -> None:
    assert {record["motion"] for record in session.records} == {"none"}
    assert not any(record["presence"] for record in session.records)
    assert {record["fault"] for record in session.records} == {None}
    assert {record["emitting"] for record in session.records} == {True}
