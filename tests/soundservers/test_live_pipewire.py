"""`noctule run` on a PipeWire card with a room in the middle: mover, silence, resampling, loss.

Wall-clock limits count from the moment the room moved, so the server's own 150-300 ms are inside.
"""

from __future__ import annotations

import itertools
import re
import signal
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.soundservers.product import Command, Record, between, noctule, sensing
from tests.soundservers.servers import PipeWire, Server, until

pytestmark = [pytest.mark.soundserver, pytest.mark.slow]

SETTLING_S = 2.0  # after the first sound: clutter and floor are being learned
WITHIN_S = 1.0  # motion must be reported, and be over, so soon
SPEED_MPS = 1.2
QUICKLY_NOBODY = {"NOCTULE_PRESENCE__OFF_LATENCY_S": "5"}
NOBODY_AFTER_S = 5.0


@dataclass(frozen=True)
class Walk:
    """One session in which somebody walked: what was said, and when what happened."""

    records: list[Record]
    starts: list[float]
    stops: list[float]
    sound_at: float
    room_flags: int
    status: int
    cut_line: str
    stderr: str

    @property
    def disturbed(self) -> bool:
        settled = between(self.records, self.sound_at + SETTLING_S, 1e12)
        return self.room_flags > 0 or "dropped_samples" in {record["fault"] for record in settled}


def watch(server: Server, script: list[list[Any]], carrier_hz: float) -> Walk:
    """A session in which the server lost samples says nothing of the product: once more then."""
    walk = _watch(server, script, carrier_hz)
    return _watch(server, script, carrier_hz) if walk.disturbed else walk


def _watch(server: Server, script: list[list[Any]], carrier_hz: float) -> Walk:
    with (
        server.room(script=script) as room,
        noctule(
            server,
            *sensing(server, "--carrier-hz", str(carrier_hz), "--level-dbfs", "-20", "--seconds", "60"),
            **QUICKLY_NOBODY,
        ) as run,
    ):
        run.until_record(20.0)
        scripted_s = sum(part[1] for part in script)
        _until_over(room.wall_times, run, scripted_s + 20.0)
        status = run.stop(signal.SIGINT)
        facts = [*run.records()], room.wall_times("motion_start"), room.wall_times("motion_stop")
        (sound_at,), flags = room.wall_times("sound"), len(room.wall_times("xrun"))
        return Walk(*facts, sound_at, flags, status, run.cut_line, run.stderr)


def _until_over(wall_times: Callable[[str], list[float]], run: Command, timeout_s: float) -> None:
    def over() -> bool:
        ends = wall_times("script_end")
        return not run.running or bool(ends and run.records() and run.records()[-1]["at"] > ends[0] + 1.5)

    until(over, timeout_s, lambda: f"the script is not over: {run.records()[-1:]} {run.stderr}")


def _motions(records: list[Record]) -> set[str]:
    return {record["motion"] for record in records}


@pytest.fixture(scope="module")
def walk(pipewire_96k: Server) -> Walk:
    """Silence, somebody comes nearer and stops, leaves again and stops; at 40 kHz."""
    script = [
        ["still", 6.0],
        ["walk", 2.5, SPEED_MPS],
        ["still", 8.0],
        ["walk", 2.5, -SPEED_MPS],
        ["still", 1.0],
    ]
    return watch(pipewire_96k, script, 40000)


@pytest.fixture(scope="module")
def walk_at_192k(pipewire_192k: Server) -> Walk:
    return watch(pipewire_192k, [["still", 6.0], ["walk", 2.0, SPEED_MPS], ["still", 0.5]], 62000)


@pytest.fixture(params=["walk", "walk_at_192k"])
def any_walk(request: pytest.FixtureRequest) -> Walk:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Walk)
    return found


def test_a_still_room_is_silent(any_walk: Walk) -> None:
    still = between(any_walk.records, any_walk.sound_at + SETTLING_S, any_walk.starts[0])
    assert _motions(still) == {"none"}
    assert not any(record["presence"] for record in still)
    assert {record["fault"] for record in still} == {None}


def test_who_walks_is_there_within_a_second(any_walk: Walk) -> None:
    for start, stop in zip(any_walk.starts, any_walk.stops, strict=True):
        major = [r["at"] for r in between(any_walk.records, start, stop + 1.0) if r["motion"] == "major"]
        assert major
        assert major[0] - start <= WITHIN_S
        present = [r["at"] for r in between(any_walk.records, start, stop + 1.0) if r["presence"]]
        assert present
        assert present[0] - start <= WITHIN_S
        going_on = between(any_walk.records, start + WITHIN_S, stop)
        assert sum(r["motion"] == "major" for r in going_on) >= 0.9 * len(going_on)


def test_after_the_stop_it_falls_silent_within_a_second(any_walk: Walk) -> None:
    ends = [*any_walk.starts[1:], any_walk.records[-1]["at"]]
    for stop, end in zip(any_walk.stops, ends, strict=True):
        assert _motions(between(any_walk.records, stop + WITHIN_S, end + 0.01)) == {"none"}


def test_nobody_is_there_once_the_off_latency_is_over(walk: Walk) -> None:
    """Presence outlasts the motion by the off latency, no less and not much more."""
    before = between(walk.records, walk.stops[0], walk.stops[0] + NOBODY_AFTER_S - 0.1)
    assert all(record["presence"] for record in before)
    after = between(walk.records, walk.stops[0] + NOBODY_AFTER_S + WITHIN_S + 0.1, walk.starts[1])
    assert not any(record["presence"] for record in after)


def test_radial_velocity_has_the_walkers_sign_and_speed(any_walk: Walk) -> None:
    for start, stop, sign in zip(any_walk.starts, any_walk.stops, (1, -1), strict=False):
        steady = between(any_walk.records, start + 0.9, stop - 0.2)
        speeds = [record["radial_velocity_mps"] for record in steady]
        assert statistics.median(speeds) == pytest.approx(sign * SPEED_MPS, abs=0.05)  # one step of the grid


def test_the_delay_from_play_to_record_is_found_and_stays(any_walk: Walk) -> None:
    delays = [r["delay_s"] for r in between(any_walk.records, any_walk.sound_at + SETTLING_S, 1e12)]
    assert None not in delays
    assert max(delays) - min(delays) < 0.001
    assert 0.05 < statistics.median(delays) < 0.6


def test_nothing_was_lost_on_the_way(any_walk: Walk) -> None:
    """Seen: a record of a lost device, ahead of time, while the first window was being filled."""
    assert any_walk.room_flags == 0
    assert any_walk.records[-1]["xruns"] == 0
    assert "device_lost" not in {record["fault"] for record in any_walk.records}


def test_the_records_keep_time(any_walk: Walk) -> None:
    """At least 20 a second, in order, and stream time runs as the wall clock does."""
    assert all(a["t"] < b["t"] for a, b in itertools.pairwise(any_walk.records))
    records = between(any_walk.records, any_walk.sound_at + SETTLING_S, 1e12)
    seconds = records[-1]["t"] - records[0]["t"]
    assert len(records) - 1 >= 20 * seconds
    assert abs((records[-1]["at"] - records[0]["at"]) - seconds) < 0.3


def test_what_was_asked_for_was_played(any_walk: Walk) -> None:
    records = between(any_walk.records, any_walk.sound_at + SETTLING_S, any_walk.stops[-1])
    assert {(record["emitting"], record["level_dbfs"]) for record in records} == {(True, -20.0)}
    assert {record["carrier_hz"] for record in records} <= {40000.0, 62000.0}


def test_ctrl_c_ends_well(any_walk: Walk) -> None:
    assert any_walk.status == 0, any_walk.stderr
    assert any_walk.cut_line == ""


# --- a card that resamples in silence ---------------------------------------------------------------


@pytest.fixture(scope="module")
def beyond(pipewire_48k: Server) -> Command:
    """96 kHz "accepted" by a card at 48 kHz, and a carrier that cannot pass."""
    with (
        pipewire_48k.room(),
        noctule(
            pipewire_48k, *sensing(pipewire_48k, "--carrier-hz", "40000", "--seconds", "8", rate_hz=96000)
        ) as run,
    ):
        run.finish(30.0)
    return run


def test_a_carrier_beyond_the_true_bandwidth_is_missing_in_every_record(beyond: Command) -> None:
    late = [record for record in beyond.records() if record["t"] > SETTLING_S]
    assert len(late) > 50
    assert {record["fault"] for record in late} == {"carrier_missing"}
    assert _motions(beyond.records()) == {"none"}
    assert not any(record["presence"] for record in beyond.records())


def test_the_true_bandwidth_is_named_in_one_line(beyond: Command) -> None:
    (line,) = [line for line in beyond.complaints if "kHz" in line]
    assert _bandwidth_khz(line, 19.0, 24.1), line


def _bandwidth_khz(text: str, low: float, high: float) -> bool:
    return any(low <= float(number) <= high for number in re.findall(r"(\d+(?:\.\d+)?) ?kHz", text))


def test_auto_calibrates_and_takes_what_passes(pipewire_48k: Server) -> None:
    """And senses with it: somebody walks by afterwards."""
    script = [["still", 22.0], ["walk", 2.0, SPEED_MPS]]
    with (
        pipewire_48k.room(script=script) as room,
        noctule(
            pipewire_48k, *sensing(pipewire_48k, "--carrier-hz", "auto", "--seconds", "60", rate_hz=96000)
        ) as run,
    ):
        until(lambda: bool(room.wall_times("motion_start")), 50.0, lambda: f"nobody walks: {run.stderr}")
        (start,) = room.wall_times("motion_start")
        run.until_record(8.0, after=start, motion="major")  # a server's buffers may hold seconds
        assert run.stop() == 0
        calm = between(run.records(), start - 2.0, start)
        assert {record["fault"] for record in calm} == {None}
        assert all(15e3 < record["carrier_hz"] < 23e3 for record in calm)


def test_192_khz_on_a_card_at_96_khz_is_found_out(pipewire_96k: Server) -> None:
    arguments = sensing(pipewire_96k, "--carrier-hz", "62000", "--seconds", "60", rate_hz=192000)
    with pipewire_96k.room(), noctule(pipewire_96k, *arguments) as run:
        until(lambda: bool(run.complaints) or not run.running, 30.0, lambda: f"not said: {run.stderr}")
        (line,) = run.complaints
        assert _bandwidth_khz(line, 38.0, 48.1), line
        assert run.stop() == 0
        late = [record for record in run.records() if record["t"] > SETTLING_S]
        assert {record["fault"] for record in late} == {"carrier_missing"}


# --- a card that vanishes and returns --------------------------------------------------------------


def test_a_card_that_vanishes_and_returns(start_server: Callable[..., Server]) -> None:
    """The server is killed and started anew: records go on, the same process senses again, and ends well."""
    server = start_server(PipeWire, 96000)
    arguments = sensing(server, "--carrier-hz", "40000", "--seconds", "60")
    with noctule(server, *arguments) as run:
        with server.room():
            settled = run.until_record(20.0)["at"] + 3.0
            good = run.until_record(10.0, after=settled)
            assert good["fault"] is None
            server.kill()
        lost = run.until_record(6.0, after=good["at"], fault="device_lost")
        run.until_record(5.0, after=lost["at"] + 2.0)
        away = between(run.records(), lost["at"], lost["at"] + 2.0)
        assert {record["fault"] for record in away} == {"device_lost"}
        assert _motions(away) == {"none"}
        assert len(away) >= 20  # they keep coming

        server.start()
        with server.room(script=[["still", 4.0], ["walk", 2.0, SPEED_MPS]]) as room:
            back = run.until_record(15.0, after=away[-1]["at"], fault=None)
            _until_over(room.wall_times, run, 25.0)
            (start,), (stop,) = room.wall_times("motion_start"), room.wall_times("motion_stop")
            still = between(run.records(), back["at"] + SETTLING_S, start)
            assert _motions(still) == {"none"}
            walking = between(run.records(), start + WITHIN_S, stop)
            assert sum(r["motion"] == "major" for r in walking) >= 0.9 * len(walking)
            assert run.stop(signal.SIGTERM) == 0, run.stderr
        assert run.cut_line == ""
        assert all(a["t"] < b["t"] for a, b in itertools.pairwise(run.records()))


# --- the edges of the command -----------------------------------------------------------------------


def test_devices_names_the_virtual_card(pipewire_96k: Server) -> None:
    with noctule(pipewire_96k, "devices") as devices:
        assert devices.finish(20.0) == 0
        assert "room" in devices.stdout


def test_seconds_ends_by_itself(pipewire_96k: Server) -> None:
    arguments = sensing(pipewire_96k, "--carrier-hz", "40000", "--seconds", "5")
    with pipewire_96k.room(), noctule(pipewire_96k, *arguments) as run:
        assert run.finish(20.0) == 0, run.stderr
        assert 4.5 < run.records()[-1]["t"] < 5.5


def test_a_full_disk_is_one_clear_line(pipewire_96k: Server) -> None:
    arguments = sensing(pipewire_96k, "--carrier-hz", "40000", "--seconds", "8")
    arguments[arguments.index("JSONL")] = "/dev/full"
    with pipewire_96k.room(), noctule(pipewire_96k, *arguments) as run:
        assert run.finish(25.0) == 2
        (line,) = run.complaints
        assert "/dev/full" in line
        assert "Traceback" not in run.stderr


@pytest.mark.parametrize("flag", ["--input", "--output"])
def test_a_device_that_is_not_there_is_one_clear_line(pipewire_96k: Server, flag: str) -> None:
    arguments = sensing(pipewire_96k, "--carrier-hz", "40000", "--seconds", "5")
    arguments[arguments.index(flag) + 1] = "no such card"
    with noctule(pipewire_96k, *arguments) as run:
        assert run.finish(20.0) == 2
        (line,) = run.complaints
        assert "no such card" in line
        assert "room" in line  # what there is instead
