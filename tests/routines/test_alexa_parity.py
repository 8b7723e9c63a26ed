"""The Routine that has to work: when motion is detected between sunset and 23:00 on weekdays, turn on the
lamp, say the weather; not again for 5 minutes. And the lamp goes off when nothing moves for 10 minutes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.brokers import Broker
from tests.routines.conftest import WebServer, needs_espeak
from tests.routines.house import BERLIN, HandClock, Remembers, breathe, parsed, tools_of

from noctule.routines import Engine, Runner, Sensed

EVENING = """
- name: Evening
  when: {motion: detected}
  only_if: {between: [sunset, "23:00"], days: [mon, tue, wed, thu, fri]}
  suppress_for: 5m
  then:
    - light: {topic: lamp/set}
    - announce: "It is {weather.temperature} degrees."
- name: Off
  when: {motion: not_detected, for: 10m}
  then:
    - mqtt: {topic: lamp/set, payload: {state: "OFF"}}
"""
#: Says in the log that the end of motion has been read.
REST = "- {name: Rest, when: {motion: not_detected, for: 5s}, mode: restart, then: [{wait: 1s}]}"
ON, OFF = 'lamp/set={"state": "ON"}', 'lamp/set={"state": "OFF"}'
SAID = ["speak It is 3 degrees.", "play announcement.wav"]


@pytest.mark.parametrize(
    ("when", "runs"),
    [
        ("2026-11-30T15:40:00+01:00", False),  # Monday, the sun sets at 15:56
        ("2026-11-30T16:05:00+01:00", True),
        ("2026-11-30T22:50:00+01:00", True),
        ("2026-11-30T23:00:00+01:00", False),
        ("2026-12-04T19:00:00+01:00", True),  # Friday
        ("2026-12-05T19:00:00+01:00", False),  # Saturday
        ("2026-06-22T21:00:00+02:00", False),  # Monday in June, the sun sets at 21:33
        ("2026-06-22T21:40:00+02:00", True),
    ],
)
def test_through_engine_and_runner(when: str, runs: bool) -> None:
    async def weather() -> dict[str, str]:
        return {"temperature": "3"}

    async def scene() -> list[str]:
        clock, does = HandClock(), Remembers()
        clock.reads(when)
        found = parsed(EVENING)
        runner = Runner(
            Engine(found.routines, found.home, clock), tools_of(found.home, does, {"weather": weather})
        )

        async def sense(motion: bool, seconds: float) -> None:
            for _ in range(round(seconds * 2)):
                runner.handle(Sensed("major" if motion else "none", motion))
                await breathe()
                clock.advance(0.5)

        await sense(False, 10)
        for _ in range(4):  # at 0, 70, 140 and 210 s: once
            await sense(True, 10)
            await sense(False, 60)
        await sense(False, 30)
        await sense(True, 10)  # at 310 s: again
        await sense(False, 620)
        await runner.idle()
        return does.did

    expected = [ON, *SAID, ON, *SAID] if runs else []
    assert asyncio.run(scene()) == [*expected, OFF]


@dataclass
class Process:
    """`noctule routines run`, fed with records of a day that goes as fast as they are written."""

    arguments: list[str]
    environment: dict[str, str]
    #: of the stream, and of the day
    t: float = 0.0
    lines: list[str] = field(default_factory=list)

    def start(self) -> None:
        self.t = 0.0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "noctule", "routines", "run", *self.arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment,
        )

    def feed(self, day_s: float, motion: str, seconds: float) -> float:
        """Records of so long, beginning at a moment of the day; the moment at which they end."""
        assert self.process.stdin is not None
        for n in range(round(seconds * 2)):
            self.t += 0.5
            moment = datetime.fromtimestamp(day_s + n / 2, UTC).isoformat(timespec="milliseconds")
            record = {
                "t": self.t,
                "time": moment,
                "motion": motion,
                "presence": motion != "none",
                "fault": None,
            }
            self.process.stdin.write(json.dumps(record) + "\n")
        self.process.stdin.flush()
        return day_s + seconds

    def until(self, words: str) -> str:
        """The next line of the log that has these words; those before it are kept in `lines`."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.strip())
            if words in line:
                return line.strip()
        raise AssertionError(f"ended without {words!r}: {self.lines}")

    def kill(self) -> None:
        self.process.kill()
        self._close()
        assert self.process.returncode == -signal.SIGKILL

    def end(self) -> int:
        self.lines += self.process.communicate(timeout=20)[0].splitlines()
        return self.process.returncode

    def stop(self) -> int:
        """As systemd does, while the pipe stays open and silent."""
        self.process.terminate()
        self._close()
        return self.process.returncode

    def _close(self) -> None:
        self.process.wait(10)
        for one in (self.process.stdin, self.process.stdout):
            assert one is not None
            with contextlib.suppress(BrokenPipeError):
                one.close()


@contextlib.contextmanager
def listening(broker: Broker, topic: str) -> Iterator[list[str]]:
    """Messages of a topic, as they come."""
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    heard: list[str] = []
    ready = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda _client, _data, message: heard.append(message.payload.decode())
    client.connect("127.0.0.1", broker.settings.port)
    client.subscribe(topic, qos=1)
    client.loop_start()
    assert ready.wait(10)
    try:
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.mark.slow
@needs_espeak
def test_killed_twice_with_a_real_broker_a_real_voice_and_timers(
    tmp_path: Path, broker: Broker, web: WebServer, program_on_path: Callable[[str, str], Path]
) -> None:
    web.answer("/v1/forecast", {"current": {"temperature_2m": 3.2}})
    program_on_path("pw-play", f'cp "$1" {tmp_path}/played.wav')
    home = BERLIN | {
        "weather_url": web.url,
        "mqtt": {"host": "127.0.0.1", "port": broker.settings.port},
    }
    file = tmp_path / "evening.yaml"
    file.write_text(f"home: {json.dumps(home)}\nroutines:\n{EVENING}{REST}")
    one = Process([str(file), "--state", str(tmp_path / "state.json")], dict(os.environ))
    day_s = datetime.fromisoformat("2026-11-30T19:42:00+01:00").timestamp()

    with listening(broker, "lamp/set") as heard:
        one.start()
        day_s = one.feed(day_s, "none", 10)
        day_s = one.feed(day_s, "major", 10)
        assert "19:42:10 Evening: runs: motion was detected; 19:42 is between" in one.until("Evening: ")
        assert one.until("2. announce").endswith("said 'It is 3 degrees.'")
        day_s = one.feed(day_s, "none", 100)
        one.kill()

        day_s += 60  # three minutes after the first motion it moves again, in a process that was not there
        one.start()
        day_s = one.feed(day_s, "none", 10)
        day_s = one.feed(day_s, "major", 10)
        assert "does not run: it ran 3m" in one.until("Evening: ")
        day_s = one.feed(day_s, "none", 300)
        one.until("Rest: runs")
        one.kill()

        day_s += 200  # 500 of 600 s are over: the timer goes on
        one.start()
        before = day_s
        day_s = one.feed(day_s, "none", 300)
        off = one.until("Off: runs")
        one.until("1. mqtt")
        assert one.stop() == 0

        one.start()  # and it has been dealt with
        one.feed(day_s + 5, "none", 1200)
        assert one.end() == 0

    assert [json.loads(text)["state"] for text in heard] == ["ON", "OFF"]
    assert not any("Off: runs" in line for line in one.lines[one.lines.index(off) + 1 :])
    seconds = int(off[:2]) * 3600 + int(off[3:5]) * 60 + int(off[6:8])
    assert abs(seconds - (_seconds_of_day(before) + 100)) <= 2
    sound, _ = soundfile.read(tmp_path / "played.wav")
    assert np.sqrt(np.mean(sound**2)) > 0.01


def _seconds_of_day(wall_s: float) -> float:
    local = datetime.fromtimestamp(wall_s, parsed("[]").home.zone)
    return local.hour * 3600 + local.minute * 60 + local.second
