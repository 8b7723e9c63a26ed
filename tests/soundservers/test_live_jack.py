"""`noctule run` on JACK's dummy driver: the same answer, to the sample, in every run."""

from __future__ import annotations

import statistics
import tempfile
from dataclasses import dataclass

import pytest
from tests.soundservers.product import Record, between, noctule, sensing
from tests.soundservers.servers import Jack, Server, until

pytestmark = [pytest.mark.soundserver, pytest.mark.slow]

LATER_S = 0.0375  # how much more delay the second room has; not a whole number of milliseconds
BLOCK_S = 0.02


@dataclass(frozen=True)
class Session:
    records: list[Record]
    starts: list[float]
    stops: list[float]
    delay_s: float
    room_delays_s: list[float]  # of the direct path, each microphone
    room_flags: int


def sense(server: Server, **scene: float) -> Session:
    """A session in which the server itself came too late says nothing of the product: once more then."""
    session = _sense(server, **scene)
    return session if session.room_flags == 0 else _sense(server, **scene)


def _sense(server: Server, **scene: float) -> Session:
    """Four microphones, 32 kHz: still, then somebody comes nearer."""
    arguments = sensing(server, "--carrier-hz", "32000", "--seconds", "30")
    with (
        # who was there at the end of the session before would still be
        tempfile.TemporaryDirectory(dir=server.folder) as state,
        server.room(script=[["still", 6.0], ["walk", 2.0, 1.2]], **scene) as room,
        noctule(server, *arguments, NOCTULE_AUDIO__BLOCK_S=str(BLOCK_S), XDG_STATE_HOME=state) as run,
    ):
        run.until_record(20.0)
        until(lambda: bool(room.wall_times("script_end")), 20.0, lambda: f"not over: {run.stderr}")
        (start,), (stop,) = room.wall_times("motion_start"), room.wall_times("motion_stop")
        run.until_record(10.0, after=stop + 1.5)
        assert run.stop() == 0, run.stderr
        calm = between(run.records(), room.wall_times("sound")[0] + 2.0, start)
        delays = [record["delay_s"] for record in calm]
        assert None not in delays
        assert max(delays) - min(delays) < 1e-4
        (ready,) = [event for event in room.events() if event["event"] == "ready"]
        delay_s, flags = statistics.median(delays), len(room.wall_times("xrun"))
        return Session(run.records(), [start], [stop], delay_s, ready["direct_delay_s"], flags)


@pytest.fixture(scope="module")
def session(jack_96k: Server) -> Session:
    return sense(jack_96k)


@pytest.fixture(scope="module")
def later(jack_96k: Server) -> Session:
    return sense(jack_96k, delay_s=LATER_S)


@pytest.mark.parametrize("which", ["session", "later"])
def test_the_delay_is_the_rooms_and_the_servers_to_the_sample(
    which: str, request: pytest.FixtureRequest, jack_96k: Server
) -> None:
    """One period, as product and room are a ring in the graph; one block of the product's; the room."""
    seen: Session = request.getfixturevalue(which)
    period_s = Jack.period / jack_96k.sample_rate_hz
    room_s = statistics.mean(seen.room_delays_s)  # the microphones are closer together than a burst
    assert seen.delay_s == pytest.approx(period_s + BLOCK_S + room_s, abs=2e-5)


def test_a_longer_way_through_the_room_is_a_longer_delay_by_as_much(session: Session, later: Session) -> None:
    assert later.delay_s - session.delay_s == pytest.approx(LATER_S, abs=1e-5)


@pytest.mark.parametrize("which", ["session", "later"])
def test_the_mover_is_seen_and_the_still_room_is_not(which: str, request: pytest.FixtureRequest) -> None:
    seen: Session = request.getfixturevalue(which)
    (start,), (stop,) = seen.starts, seen.stops
    still = between(seen.records, start - 2.0, start)
    assert {(record["motion"], record["presence"], record["fault"]) for record in still} == {
        ("none", False, None)
    }
    walking = between(seen.records, start + 1.0, stop)
    assert {(record["motion"], record["presence"]) for record in walking} == {("major", True)}
    speeds = [record["radial_velocity_mps"] for record in between(seen.records, start + 0.9, stop - 0.2)]
    assert statistics.median(speeds) == pytest.approx(1.2, abs=0.05)
    assert {record["motion"] for record in between(seen.records, stop + 1.0, stop + 1.5)} == {"none"}


def test_devices_names_the_jack_client(jack_96k: Server) -> None:
    with jack_96k.room(), noctule(jack_96k, "devices") as devices:
        assert devices.finish(20.0) == 0
        assert "room" in devices.stdout
