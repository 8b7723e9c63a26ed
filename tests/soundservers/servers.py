"""Real sound servers, each in a folder of its own: PipeWire, JACK (dummy driver) and PulseAudio.

A server's folder holds its configuration, sockets and logs, so that several can run beside each other
and beside the machine's own. Everything a server starts is one process group behind a leader that
waits for the end of its standard input: the group is killed by `stop`, and by itself when the process
that started it is gone, however it went.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

HERE = Path(__file__).resolve().parent
START_TIMEOUT_S = 30.0

# Servers and rooms stand for hardware, which is never late because a test machine is busy. Where the
# priority is not ours to raise, `nice` says so and runs the command all the same.
FIRST = ["nice", "-n", "-12"]

# The product opens "room" and hears "air"; the room process opens "sim", the other side of it.
ASOUNDRC = """\
pcm.!default { type pulse }
ctl.!default { type pulse }
pcm.room {
  type asym
  playback.pcm { type pulse device "tx" }
  capture.pcm  { type pulse device "%(microphones)s" }
  hint { show on description "room" }
}
pcm.sim {
  type asym
  playback.pcm { type pulse device "air" }
  capture.pcm  { type pulse device "tx.monitor" }
  hint { show on description "the other side of the room" }
}
"""

PIPEWIRE_CARD = """\
context.properties = {
  support.dbus = false
  default.clock.rate = %(rate)d
  default.clock.allowed-rates = [ %(rate)d ]
  default.clock.quantum = %(quantum)d
  default.clock.min-quantum = %(quantum)d
  default.clock.max-quantum = %(quantum)d
}
context.objects = [
  { factory = adapter args = {
      factory.name = support.null-audio-sink, node.name = tx, node.description = "virtual loudspeaker"
      media.class = Audio/Sink, object.linger = true, monitor.channel-volumes = false
      audio.rate = %(rate)d, audio.position = [ FL FR ] } }
  { factory = adapter args = {
      factory.name = support.null-audio-sink, node.name = air, node.description = "virtual microphones"
      media.class = Audio/Duplex, object.linger = true
      audio.rate = %(rate)d, audio.position = [ %(positions)s ] } }
]
"""

# Standard channel names, in the order of ALSA's pulse plug-in: another order, or fewer channels than the
# card has, makes the server mix them; with aux0,aux1,... PulseAudio stays silent.
POSITIONS = {
    1: (["MONO"], ["mono"]),
    2: (["FL", "FR"], ["front-left", "front-right"]),
    4: (["FL", "FR", "RL", "RR"], ["front-left", "front-right", "rear-left", "rear-right"]),
}

PULSEAUDIO_CARD = """\
load-module module-native-protocol-unix
load-module module-null-sink sink_name=tx norewinds=1 format=float32le rate=%(rate)d channels=2
load-module module-null-sink sink_name=air norewinds=1 format=float32le rate=%(rate)d %(channels)s
load-module module-remap-source source_name=mics master=air.monitor %(channels)s master_%(map)s remix=no
set-default-sink tx
set-default-source mics
"""


class ServerError(Exception):
    """A server or the room did not come up; the message ends with its log."""


def missing_programs(names: list[str]) -> list[str]:
    return [name for name in names if shutil.which(name) is None]


# The leader of a server's process group. Told "kill", it kills; when its standard input ends, it asks
# first. jackd makes a session of its own, so the group alone would not reach it.
LEADER = """\
trap : TERM
(%s) </dev/null &
server=$!
read word
if [ "$word" != kill ]; then
  kill -TERM 0 $server
  (sleep 3; kill -KILL $server 0) &
  wait $server || wait $server
fi
kill -KILL $server 0 2>/dev/null
"""


class Group:
    """One process group that ends for certain."""

    def __init__(self, command: str, environment: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as out:
            self._leader = subprocess.Popen(
                [*FIRST, "/bin/sh", "-c", LEADER % command],
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def end(self, word: bytes = b"") -> None:
        """Ask and then kill, or kill at once with the word `kill`. Safe to call twice."""
        if self._leader.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired, BrokenPipeError):
                self._leader.communicate(word, timeout=5.0)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._leader.pid, signal.SIGKILL)
        self._leader.wait()


class Server:
    """What the three servers share: a folder, an environment for clients, and rooms."""

    programs: ClassVar[list[str]] = []
    #: What the product opens, by name.
    device = "room"

    def __init__(self, folder: Path, sample_rate_hz: int, microphones: int = 2) -> None:
        self.folder, self.sample_rate_hz, self.microphones = folder, sample_rate_hz, microphones
        self.log = folder / "server.log"
        runtime = folder / "run"
        runtime.mkdir(mode=0o700)
        (folder / "config").mkdir()
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("NOCTULE_", "PULSE_", "PIPEWIRE_"))},
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(runtime),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "PULSE_SERVER": f"unix:{runtime}/pulse/native",
            "JACK_DEFAULT_SERVER": f"noctule-{os.getpid()}-{folder.name}",
            "JACK_NO_START_SERVER": "1",
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        self._group: Group | None = None
        self._room: RoomProcess | None = None

    def start(self) -> None:
        """Start and wait until a client can use it."""
        self._group = Group(self._command(), self.environment, self.log)
        until(self._ready, START_TIMEOUT_S, lambda: f"{type(self).__name__} is not up: {_tail(self.log)}")

    def stop(self) -> None:
        if self._group is not None:
            self._group.end()
            self._group = None

    def kill(self) -> None:
        """The card is torn out: no good-bye, sockets stay as they were."""
        assert self._group is not None
        self._group.end(b"kill\n")
        self._group = None

    @contextlib.contextmanager
    def room(self, **scene: Any) -> Iterator[RoomProcess]:
        """A room between loudspeaker and microphones; fields of `room.Scene`. One at a time."""
        assert self._room is None, "this server has a room already"
        self._room = RoomProcess(self, {"microphones": self.microphones, **scene})
        try:
            yield self._room
        finally:
            self._room.end()
            self._room = None

    def room_options(self) -> list[str]:
        raise NotImplementedError

    def _command(self) -> str:
        raise NotImplementedError

    def _ready(self) -> bool:
        raise NotImplementedError

    def _client_says(self, *command: str) -> str | None:
        """What a client of this server prints; None where it fails."""
        done = subprocess.run(
            command,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,
            check=False,
        )
        return done.stdout if done.returncode == 0 else None


class PipeWire(Server):
    programs: ClassVar[list[str]] = ["pipewire", "pipewire-pulse", "wireplumber", "dbus-run-session", "pactl"]

    def __init__(self, folder: Path, sample_rate_hz: int, microphones: int = 2) -> None:
        super().__init__(folder, sample_rate_hz, microphones)
        card = folder / "config" / "pipewire" / "pipewire.conf.d" / "card.conf"
        card.parent.mkdir(parents=True)
        quantum = 2048 if sample_rate_hz > 48000 else 1024
        facts = {"rate": sample_rate_hz, "quantum": quantum, "positions": " ".join(POSITIONS[microphones][0])}
        card.write_text(PIPEWIRE_CARD % facts)
        (folder / ".asoundrc").write_text(ASOUNDRC % {"microphones": "air"})

    def _command(self) -> str:
        script = (
            "pipewire & until [ -S $XDG_RUNTIME_DIR/pipewire-0 ]; do sleep 0.02; done; "
            "wireplumber & pipewire-pulse & wait"
        )
        # WirePlumber links streams to the card, and leaves without a session bus.
        return "exec dbus-run-session -- sh -c '" + script + "'"

    def _ready(self) -> bool:
        names = self._client_says("pactl", "list", "short") or ""
        default = self._client_says("pactl", "get-default-sink") or ""  # WirePlumber chose: it is up
        return "tx.monitor" in names and "air" in names and default.strip() in ("tx", "air")

    def room_options(self) -> list[str]:
        return ["--backend", "sounddevice", "--device", "sim", "--rate", str(self.sample_rate_hz)]


class PulseAudio(Server):
    programs: ClassVar[list[str]] = ["pulseaudio", "pactl"]

    def __init__(self, folder: Path, sample_rate_hz: int, microphones: int = 2) -> None:
        super().__init__(folder, sample_rate_hz, microphones)
        names = "channel_map=" + ",".join(POSITIONS[microphones][1])
        facts = {"rate": sample_rate_hz, "channels": f"channels={microphones} {names}", "map": names}
        (folder / "card.pa").write_text(PULSEAUDIO_CARD % facts)
        (folder / ".asoundrc").write_text(ASOUNDRC % {"microphones": "mics"})

    def _command(self) -> str:
        return (
            "exec pulseaudio -n --daemonize=no --use-pid-file=no --exit-idle-time=-1 --realtime=no "
            f"--high-priority=no --log-target=stderr --file='{self.folder / 'card.pa'}'"
        )

    def _ready(self) -> bool:
        names = self._client_says("pactl", "list", "short") or ""
        return all(name in names for name in ("tx.monitor", "air.monitor", "mics"))

    def room_options(self) -> list[str]:
        return ["--backend", "sounddevice", "--device", "sim", "--rate", str(self.sample_rate_hz)]

    def cancel_echoes(self) -> str:
        """Put PulseAudio's canceller (Speex) before the card, at 48 kHz; gives the device behind it."""
        asoundrc = self.folder / ".asoundrc"
        asoundrc.write_text(
            asoundrc.read_text()
            + 'pcm.cancelled { type asym playback.pcm { type pulse device "ecout" } '
            + 'capture.pcm { type pulse device "ecin" } hint { show on description "cancelled" } }\n'
        )
        module = "module-echo-cancel source_master=mics sink_master=tx source_name=ecin sink_name=ecout"
        command = ["pactl", "load-module", *module.split(), "rate=48000", "aec_method=speex"]
        subprocess.run(command, env=self.environment, check=True, capture_output=True)
        return "cancelled"


class Jack(Server):
    """The dummy driver, synchronous: a late client delays the cycle and loses nothing.

    A period of 85 ms at 96 kHz: on a busy machine with two cores even one of 43 ms is late at times.
    """

    programs: ClassVar[list[str]] = ["jackd", "jack_lsp"]
    period = 8192

    def _command(self) -> str:
        name = self.environment["JACK_DEFAULT_SERVER"]
        driver = f"-d dummy -r {self.sample_rate_hz} -p {self.period} -C 0 -P 0"
        return f"exec jackd -n {name} -r -S -t 5000 -p 128 {driver}"

    def _ready(self) -> bool:
        # the server by its name in the environment: `-s` with a long name trips over its own buffer
        return self._client_says("jack_lsp") is not None

    def room_options(self) -> list[str]:
        return ["--backend", "jack", "--client", "room"]


class RoomProcess:
    """A running room; `events()` is what it wrote down so far."""

    def __init__(self, server: Server, scene: Mapping[str, Any]) -> None:
        stamp = f"room-{time.monotonic_ns()}"
        self._truth, self._log = server.folder / f"{stamp}.jsonl", server.folder / f"{stamp}.log"
        command = [*FIRST, sys.executable, str(HERE / "room.py"), *server.room_options()]
        command += ["--truth", str(self._truth), "--scene", json.dumps(scene)]
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(command, env=server.environment, stdout=out, stderr=out)
        try:
            until(self._is_ready, START_TIMEOUT_S, lambda: f"the room is not up: {_tail(self._log)}")
        except BaseException:
            self.end()
            raise

    def _is_ready(self) -> bool:
        if self._process.poll() is not None:
            raise ServerError(f"the room ended with {self._process.returncode}: {_tail(self._log)}")
        return any(event["event"] == "ready" for event in self.events())

    def events(self) -> list[dict[str, Any]]:
        if not self._truth.exists():
            return []
        lines = self._truth.read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in lines[:-1]]

    def wall_times(self, event: str) -> list[float]:
        """When that event happened, in seconds since the epoch."""
        return [float(one["wall"]) for one in self.events() if one["event"] == event]

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(3.0)
            except subprocess.TimeoutExpired:  # a client of a killed server may hang in its good-bye
                self._process.kill()
        self._process.wait()


def until(ready: Callable[[], bool], timeout_s: float, complaint: Callable[[], str]) -> None:
    """Wait for something another process does."""
    end = time.monotonic() + timeout_s
    while not ready():
        if time.monotonic() > end:
            raise ServerError(complaint())
        time.sleep(0.05)


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:] if log.exists() else "(no log)"
