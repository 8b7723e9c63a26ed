"""The real command in a process of its own, on a sound server of ours, and what it wrote."""

from __future__ import annotations

import datetime
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.soundservers.servers import Jack, Server, until

Record = dict[str, Any]

STOP_TIMEOUT_S = 10.0

#: What walks in these rooms is a single reflector; a network does not take it for a human.
DETECTOR = {"NOCTULE_MODEL__DETECTOR": "cfar"}


class Command:
    """A running `noctule ...`; its output goes to files, so that nothing blocks on a full pipe."""

    def __init__(self, server: Server, arguments: list[str], environment: Mapping[str, str]) -> None:
        stamp = f"noctule-{time.monotonic_ns()}"
        self.jsonl = server.folder / f"{stamp}.jsonl"
        self._stdout, self._stderr = server.folder / f"{stamp}.out", server.folder / f"{stamp}.err"
        self._read, self._rest, self._records = 0, "", list[Record]()
        with self._stdout.open("wb") as out, self._stderr.open("wb") as err:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "noctule",
                    *(part.replace("JSONL", str(self.jsonl)) for part in arguments),
                ],
                env={
                    **server.environment,
                    "XDG_STATE_HOME": str(server.folder / "state"),
                    **_stream(server),
                    **DETECTOR,
                    **environment,
                },
                cwd=server.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    @property
    def stdout(self) -> str:
        return self._stdout.read_text(errors="replace")

    @property
    def stderr(self) -> str:
        return self._stderr.read_text(errors="replace")

    @property
    def complaints(self) -> list[str]:
        """Its own lines on stderr; sound libraries chat there too."""
        return [line for line in self.stderr.splitlines() if line.startswith("noctule")]

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def records(self) -> list[Record]:
        """All complete records so far, with `at`: their time as seconds since the epoch."""
        if self.jsonl.exists():
            with self.jsonl.open(encoding="utf-8") as file:
                file.seek(self._read)
                text = file.read()
                self._read = file.tell()
            *lines, self._rest = (self._rest + text).split("\n")
            self._records += [_with_epoch(json.loads(line)) for line in lines]
        return self._records

    @property
    def cut_line(self) -> str:
        """What follows the last complete line of the records: nothing, if it ended well."""
        self.records()
        return self._rest

    def until_record(self, timeout_s: float, after: float = 0.0, **wanted: Any) -> Record:
        """The first record after a moment whose keys have these values."""
        until(
            lambda: not self.running or self._find(after, wanted) is not None,
            timeout_s,
            lambda: f"no record with {wanted} in {timeout_s} s; last: {self.records()[-3:]}; {self.stderr}",
        )
        found = self._find(after, wanted)
        assert found is not None, f"ended before a record with {wanted}: {self.stderr}"
        return found

    def _find(self, after: float, wanted: Mapping[str, Any]) -> Record | None:
        for record in self.records():
            if record["at"] >= after and all(record[key] == value for key, value in wanted.items()):
                return record
        return None

    def finish(self, timeout_s: float) -> int:
        """Wait for its own end and give its exit status."""
        return self._process.wait(timeout_s)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """As an owner stops it; the exit status."""
        self._process.send_signal(number)
        return self._process.wait(STOP_TIMEOUT_S)

    def end(self) -> None:
        if self.running:
            self._process.kill()
        self._process.wait()


@contextmanager
def noctule(server: Server, *arguments: str, **environment: str) -> Iterator[Command]:
    """Run a command; `JSONL` in an argument stands for the file that `records` reads."""
    command = Command(server, list(arguments), environment)
    try:
        yield command
    finally:
        command.end()


def sensing(server: Server, *more: str, rate_hz: int | None = None) -> list[str]:
    """Arguments of `run` on the virtual card."""
    rate = str(rate_hz or server.sample_rate_hz)
    card = ["--input", server.device, "--output", server.device, "--sample-rate-hz", rate]
    return ["run", "--headless", *card, "--jsonl", "JSONL", *more]


def _stream(server: Server) -> dict[str, str]:
    """Settings of the stream where it goes through ALSA's pulse plug-in.

    There a card takes any channel count, and fills up by mixing. And a short buffer loses samples that
    nobody reports: with 0.06 s in room and product 3 of 14 sessions of 7 s had jumps of the direct
    path, with 0.1 s none of 7, and none of 7 with both cores busy.
    """
    if isinstance(server, Jack):
        return {}
    channels = str(server.microphones)
    return {"NOCTULE_AUDIO__INPUT_CHANNELS": channels, "NOCTULE_AUDIO__LATENCY_S": "0.1"}


def _with_epoch(record: Record) -> Record:
    return {**record, "at": datetime.datetime.fromisoformat(record["time"]).timestamp()}


def between(records: list[Record], start: float, end: float) -> list[Record]:
    """Records of a stretch of wall-clock time; never an empty one."""
    found = [record for record in records if start <= record["at"] < end]
    assert found, f"no records between {start} and {end}: {records[:1]} ... {records[-1:]}"
    return found
