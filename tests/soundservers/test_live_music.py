"""`noctule run` on a PipeWire card while another program plays bass through the same loudspeaker.

The room's loudspeaker has one cone for all: the bass moves it, and the tone with it.
"""

from __future__ import annotations

import contextlib
import signal
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.soundservers.product import Record, between, noctule, sensing
from tests.soundservers.servers import Server, until

pytestmark = [pytest.mark.soundserver, pytest.mark.slow]

#: A quarter of a millimetre at full scale: bass turns a tone of 40 kHz by some tenths of a radian.
CONE_M = 2.5e-4
#: Silence, then music begins; it plays when somebody walks, and goes on.
QUIET_S, ALONE_S, WALK_S, AFTER_S = 5.0, 14.0, 2.5, 3.0


def bass_line(seconds: float, rate_hz: int) -> np.ndarray:
    """A beat and a bass that changes its note every half second, -12 dBFS rms or so, two channels."""
    rng = np.random.default_rng(4)
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    note_hz = 41.2 * 2.0 ** (rng.integers(0, 14, round(2 * seconds) + 1) / 12.0)
    phase = 2.0 * np.pi * np.cumsum(note_hz[(2.0 * t).astype(int)]) / rate_hz
    since_beat_s = t % 0.5
    kick = np.sin(2.0 * np.pi * 55.0 * since_beat_s) * np.exp(-since_beat_s / 0.12)
    line = 0.25 * (np.sin(phase) + 0.4 * np.sin(2.0 * phase)) + 0.35 * kick
    return np.asarray(np.stack([line, line], axis=1), np.float32)


@contextlib.contextmanager
def playing(server: Server, path: Path) -> Iterator[None]:
    """Another program, as its user knows it, through the same sound server."""
    with subprocess.Popen(["paplay", "--device=tx", str(path)], env=server.environment) as player:
        try:
            yield
            assert player.poll() is None, "the player has ended"
        finally:
            player.terminate()


@pytest.fixture(scope="module")
def session(pipewire_96k: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Record]]:
    """Records of each part: quiet, music with nobody, somebody walks, and just after."""
    path = tmp_path_factory.mktemp("music") / "bass.wav"
    soundfile.write(path, bass_line(60.0, 96000), 96000, subtype="PCM_24")
    script = [["still", QUIET_S + ALONE_S], ["walk", WALK_S, 1.2], ["still", AFTER_S]]
    with (
        pipewire_96k.room(script=script, cone_m=CONE_M) as room,
        noctule(
            pipewire_96k,
            *sensing(pipewire_96k, "--carrier-hz", "40000", "--level-dbfs", "-20", "--seconds", "60"),
        ) as run,
    ):
        run.until_record(20.0)
        until(lambda: bool(room.wall_times("sound")), 10.0, lambda: "the room hears nothing")
        (sound,) = room.wall_times("sound")
        run.until_record(QUIET_S + 10.0, after=sound + QUIET_S)
        with playing(pipewire_96k, path):
            music = run.records()[-1]["at"]
            until(lambda: bool(room.wall_times("script_end")), 40.0, lambda: "the script is not over")
            (start,), (stop,) = room.wall_times("motion_start"), room.wall_times("motion_stop")
            run.until_record(10.0, after=stop + AFTER_S)
        assert run.stop(signal.SIGINT) == 0, run.stderr
        records = run.records()
    return {
        "quiet": between(records, sound + 2.0, music),
        "alone": between(records, music + 4.0, start),
        "walk": between(records, start, stop),
        "after": between(records, stop + 1.0, stop + AFTER_S),
    }


def test_music_is_taken_off_and_told(session: dict[str, list[Record]]) -> None:
    removed_db = {
        part: statistics.median(record["distortion_removed_db"] for record in records)
        for part, records in session.items()
    }
    assert removed_db["quiet"] < 1.0
    assert removed_db["alone"] > 10.0


def in_motion(records: list[Record]) -> int:
    return sum(record["motion"] != "none" for record in records)


def test_music_alone_is_nobody(session: dict[str, list[Record]]) -> None:
    """A score of one frame may pass one half by chance (1 in 1300 frames was at 0.51): it is nobody yet."""
    alone = session["alone"]
    assert in_motion(alone) <= 0.01 * len(alone)
    assert not any(record["presence"] for record in alone)
    assert {record["fault"] for record in alone} <= {None, "dropped_samples"}  # a busy server loses some


def test_who_walks_while_music_plays_is_there_within_a_second(session: dict[str, list[Record]]) -> None:
    walk = session["walk"]
    major = [record["at"] for record in walk if record["motion"] == "major"]
    assert major
    assert major[0] - walk[0]["at"] <= 1.0
    going_on = walk[len(walk) // 2 :]
    assert sum(record["motion"] == "major" for record in going_on) >= 0.8 * len(going_on)


def test_after_the_walk_there_is_music_and_no_motion(session: dict[str, list[Record]]) -> None:
    assert in_motion(session["after"]) <= 1
