"""`noctule run` and `noctule devices`: output, signals and exit statuses, with a sensor in memory."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests import ports
from tests.service.made_up import record

from noctule.audio import devices as audio_devices
from noctule.audio.devices import Device, DeviceList
from noctule.cli import devices as devices_module
from noctule.cli import main
from noctule.cli import run as run_module
from noctule.core.errors import NoctuleError
from noctule.core.settings import Settings

RECORD = record(1.5, presence=True, motion="major", radial_velocity_mps=1.2, reason="major motion")


class FakeSensor:
    """Gives three records, or does what it is told between them."""

    def __init__(self, act: Callable[[FakeSensor], None] = lambda sensor: None) -> None:
        self.act, self.stopped, self.seconds = act, False, -1.0
        self.muted = self.worked = False

    def stop(self) -> None:
        self.stopped = True

    def mute(self, on: bool) -> None:
        self.muted = on

    def run(self, sink: Callable[[dict[str, Any]], None], seconds: float | None) -> None:
        self.seconds = seconds or 0.0
        for k in range(3):
            sink({**RECORD, "t": 1.5 + k})
            self.act(self)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[int, Settings]]:
    """Run the command on a sensor; gives the exit status and the settings it was made with."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nowhere")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("NOCTULE_STORE__ENABLED", "false")
    monkeypatch.setenv("NOCTULE_WEB__ENABLED", "false")

    def command(sensor: FakeSensor, *arguments: str) -> tuple[int, Settings]:
        used: list[Settings] = []

        def make(settings: Settings, see: object, progress: object) -> FakeSensor:
            used.append(settings)
            return sensor

        monkeypatch.setattr(run_module, "make_sensor", make)
        with pytest.raises(SystemExit) as end:
            main(["run", *arguments])
        assert isinstance(end.value.code, int)
        return end.value.code, used[0] if used else Settings()

    return command


def test_headless_records_go_to_standard_output(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    status, _ = run(FakeSensor(), "--headless")
    assert status == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["t"] for line in lines] == [1.5, 2.5, 3.5]


def test_what_happened_is_kept(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("NOCTULE_STORE__ENABLED", "true")
    records = [
        record(0.05 * k, presence=k > 20, motion="major" if 20 < k < 60 else "none") for k in range(100)
    ]

    class Sensor(FakeSensor):
        def run(self, sink: Callable[[dict[str, Any]], None], seconds: float | None) -> None:
            for one in records:
                sink(one)

    assert run(Sensor(), "--headless", "--jsonl", str(tmp_path / "out.jsonl"))[0] == 0
    with pytest.raises(SystemExit):
        main(["events", "--json", "--since", "36500d"])
    kinds = [json.loads(line)["kind"] for line in capsys.readouterr().out.splitlines()]
    assert {"entered", "major"} <= set(kinds)


def test_flags_reach_the_settings(run: Any, tmp_path: Path) -> None:
    sensor = FakeSensor()
    flags = ["--input", "mic", "--output", "speaker", "--sample-rate-hz", "192000", "--carrier-hz", "40000"]
    more = ["--level-dbfs", "-30", "--seconds", "7", "--jsonl", str(tmp_path / "out.jsonl")]
    status, settings = run(sensor, "--headless", *flags, *more)
    assert status == 0
    assert (settings.audio.input, settings.audio.output) == ("mic", "speaker")
    assert settings.audio.sample_rate_hz == 192_000
    assert (settings.emit.carrier_hz, settings.emit.level_dbfs) == (40_000.0, -30.0)
    assert sensor.seconds == 7.0
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 3


def test_auto_is_a_carrier(run: Any) -> None:
    _, settings = run(FakeSensor(), "--headless", "--carrier-hz", "auto")
    assert settings.emit.carrier_hz == "auto"


def test_a_carrier_that_is_no_number_is_one_clear_line(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    status, _ = run(FakeSensor(), "--headless", "--carrier-hz", "forty")
    assert status == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "carrier_hz" in line


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_gently_with_status_0(number: signal.Signals, run: Any) -> None:
    before = signal.getsignal(number)
    sensor = FakeSensor(lambda sensor: None if sensor.stopped else os.kill(os.getpid(), number))
    status, _ = run(sensor, "--headless")
    assert status == 0
    assert sensor.stopped
    assert signal.getsignal(number) == before


def test_a_second_ctrl_c_ends_at_once(run: Any) -> None:
    sensor = FakeSensor(lambda sensor: os.kill(os.getpid(), signal.SIGINT))
    status, _ = run(sensor, "--headless")
    assert status == 130


def test_sigusr1_mutes_and_unmutes(run: Any) -> None:
    before = signal.getsignal(signal.SIGUSR1)
    muted: list[bool] = []

    def act(sensor: FakeSensor) -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        muted.append(sensor.muted)

    status, _ = run(FakeSensor(act), "--headless")
    assert status == 0
    assert muted == [True, False, True]
    assert signal.getsignal(signal.SIGUSR1) == before


def test_a_full_disk_is_one_clear_line(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    status, _ = run(FakeSensor(), "--headless", "--jsonl", "/dev/full")
    assert status == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "/dev/full" in line


def test_an_output_that_cannot_be_opened_ends_before_anything_is_played(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sensor = FakeSensor()
    status, _ = run(sensor, "--headless", "--jsonl", str(tmp_path / "missing" / "out.jsonl"))
    assert status == 2
    assert sensor.seconds == -1.0
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_device_error_is_one_clear_line(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(sensor: FakeSensor) -> None:
        raise NoctuleError("no input device fits 'x'")

    status, _ = run(FakeSensor(refuse), "--headless")
    assert status == 2
    assert capsys.readouterr().err == "noctule: no input device fits 'x'\n"


def test_the_live_line_names_who_and_faults() -> None:
    assert "somebody" in run_module.line_of(RECORD)
    assert "nobody" in run_module.line_of({**RECORD, "presence": False})
    lost = run_module.line_of({**RECORD, "fault": "device_lost"})
    assert "device lost" in lost
    assert "somebody" not in lost


ROOM = Device(3, "room", "JACK Audio Connection Kit", 4, 2, 96_000.0, "JACK Audio Connection Kit: room")


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def command(known: list[Device], *arguments: str) -> str:
        monkeypatch.setattr(audio_devices, "list_devices", lambda: DeviceList(tuple(known)))
        monkeypatch.setattr(audio_devices, "accepted_rates_hz", lambda device, direction: [48_000, 96_000])
        monkeypatch.setenv("COLUMNS", "160")
        with pytest.raises(SystemExit) as end:
            main(["devices", *arguments])
        assert end.value.code == 0
        return capfd.readouterr().out

    return command


def test_devices_shows_names_channels_and_rates(devices: Any) -> None:
    text = devices([ROOM])
    for part in ("JACK Audio Connection Kit: room", "4", "2", "48000 96000"):
        assert part in text


def test_devices_json_has_no_index(devices: Any) -> None:
    (entry,) = json.loads(devices([ROOM], "--json"))
    assert entry["identity"] == ROOM.identity
    assert entry["input_rates_hz"] == entry["output_rates_hz"] == [48_000, 96_000]
    assert "index" not in entry


def test_no_device_says_what_to_do(devices: Any) -> None:
    text = devices([])
    assert "No sound device" in text
    assert "apt install" in text
    assert devices([], "--json").strip() == "[]"


def test_chatter_of_sound_libraries_does_not_reach_the_user(capfd: pytest.CaptureFixture[str]) -> None:
    with devices_module._without_chatter() as terminal:
        os.write(2, b"ALSA lib: noise\n")
        terminal.print("ours")
    os.write(2, b"later\n")
    assert capfd.readouterr().err == "ours\nlater\n"


# -- the app


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Instead of the app; notes for whom it was started, and when it was ended."""
    notes: list[str] = []

    async def serve(service: Any) -> None:
        notes.append(f"served on {service.settings.web.port}")
        try:
            await asyncio.sleep(3600.0)
        finally:
            notes.append("ended")

    app = types.ModuleType("noctule.web.app")
    app.serve = serve  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "noctule.web.app", app)
    return notes


@pytest.fixture
def free_port(run: Any, monkeypatch: pytest.MonkeyPatch) -> int:
    port = ports.free_port()
    monkeypatch.setenv("NOCTULE_WEB__ENABLED", "true")
    monkeypatch.setenv("NOCTULE_WEB__PORT", str(port))
    return port


def _until(holds: Callable[[], object]) -> Callable[[FakeSensor], None]:
    def wait(sensor: FakeSensor) -> None:
        until_s = time.monotonic() + 20.0
        while not holds() and time.monotonic() < until_s:
            time.sleep(0.01)

    return wait


def test_the_app_is_served_while_it_senses_and_its_address_is_said(
    run: Any, served: list[str], free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _ = run(FakeSensor(_until(lambda: served)))
    assert status == 0
    assert served == [f"served on {free_port}", "ended"]
    assert f"http://127.0.0.1:{free_port}/" in capsys.readouterr().err


def test_headless_has_no_app(run: Any, served: list[str], free_port: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port))
        taken.listen()
        assert run(FakeSensor(), "--headless")[0] == 0
    assert served == []


def test_a_port_in_use_is_said_before_anything_sounds(
    run: Any, served: list[str], free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    sensor = FakeSensor()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port))
        taken.listen()
        assert run(sensor)[0] == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(free_port) in line
    assert "in use" in line
    assert sensor.seconds == -1.0  # it never ran


def test_others_do_not_come_in_without_a_password(
    run: Any, served: list[str], free_port: int, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("NOCTULE_WEB__HOST", "0.0.0.0")
    sensor = FakeSensor()
    assert run(sensor)[0] == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "noctule password" in line
    monkeypatch.setenv("NOCTULE_WEB__PASSWORD_HASH", "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA")
    assert run(FakeSensor(_until(lambda: served)))[0] == 0
    assert served[0] == f"served on {free_port}"


def test_routines_run_headless(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "routines.yaml").write_text(
        "home: {allow_commands: {note: [touch, " + str(tmp_path / "noted") + "]}}\n"
        "routines:\n- {name: Note, when: {motion: detected}, then: [{command: note}]}\n"
    )
    monkeypatch.setenv("NOCTULE_ROUTINES__FILE", str(tmp_path / "routines.yaml"))
    assert run(FakeSensor(_until((tmp_path / "noted").exists)), "--headless")[0] == 0
    assert (tmp_path / "noted").exists()
