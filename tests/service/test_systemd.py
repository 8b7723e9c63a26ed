"""What systemd hears, on a real socket."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from noctule.service.systemd import Systemd

Hear = Callable[[], list[str]]


@pytest.fixture(params=["path", "abstract"])
def line(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Hear]]:
    address = str(tmp_path / "notify")
    if request.param == "abstract":
        address = f"@noctule-test-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        listener.setblocking(False)

        def hear() -> list[str]:
            heard = []
            while True:
                try:
                    heard.append(listener.recv(4096).decode())
                except BlockingIOError:
                    return heard

        yield address, hear


def test_ready_comes_with_the_first_record_and_then_the_watchdog(line: tuple[str, Hear]) -> None:
    address, hear = line
    systemd = Systemd({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "10000000"})
    systemd.status("starting")
    assert hear() == ["STATUS=starting"]
    for k in range(200):  # 20 s
        systemd.record(k * 0.1, 50.0 + k * 0.1)
    assert hear() == ["READY=1", *["WATCHDOG=1"] * 4]  # every half of 10 s
    systemd.stopping()
    assert hear() == ["STOPPING=1"]


def test_the_same_record_again_is_no_sign_of_life(line: tuple[str, Hear]) -> None:
    address, hear = line
    systemd = Systemd({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "10000000"})
    systemd.record(1.0, 50.0)
    hear()
    for k in range(100):
        systemd.record(1.0, 50.0 + k)
    assert hear() == []


def test_without_a_watchdog_there_is_only_ready(line: tuple[str, Hear]) -> None:
    address, hear = line
    systemd = Systemd({"NOTIFY_SOCKET": address})
    for k in range(100):
        systemd.record(float(k), float(k))
    assert hear() == ["READY=1"]


def test_a_watchdog_for_another_process_is_not_fed(line: tuple[str, Hear]) -> None:
    address, hear = line
    environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "17"}
    for pid, expected in ((16, ["READY=1"]), (17, ["READY=1", "WATCHDOG=1"])):
        Systemd(environment, pid).record(1.0, 1.0)
        assert hear() == expected


def test_a_status_is_one_line(line: tuple[str, Hear]) -> None:
    address, hear = line
    Systemd({"NOTIFY_SOCKET": address}).status("failed\nREADY=1")
    assert hear() == ["STATUS=failed READY=1"]


@pytest.mark.parametrize(
    "environment", [{}, {"NOTIFY_SOCKET": "/nowhere/notify", "WATCHDOG_USEC": "1000000"}]
)
def test_nothing_happens_where_nobody_listens(environment: dict[str, str]) -> None:
    systemd = Systemd(environment)
    systemd.record(1.0, 1.0)
    systemd.status("healthy")
    systemd.stopping()
