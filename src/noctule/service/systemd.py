"""What systemd is told: ready, alive, and how it is. Nothing happens where systemd did not start us.

sd_notify(3): datagrams to the socket in NOTIFY_SOCKET.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping


class Systemd:
    """The line to systemd.

    Parameters
    ----------
    environment : of the process.
    pid : the watchdog is meant for this process only, where systemd says so.
    """

    def __init__(self, environment: Mapping[str, str] | None = None, pid: int | None = None) -> None:
        known = os.environ if environment is None else environment
        self._address = known.get("NOTIFY_SOCKET", "")
        ours = known.get("WATCHDOG_PID", "") in ("", str(pid or os.getpid()))
        usec = known.get("WATCHDOG_USEC", "") if ours else ""
        # half of the time that it waits, as sd_watchdog_enabled(3) recommends
        self._every_s = int(usec) / 2e6 if usec.isdecimal() and int(usec) else None
        self._due_s = float("-inf")
        self._ready = False
        self._time_s = float("-inf")

    def record(self, time_s: float, now_s: float) -> None:
        """A record came: ready with the first, alive while their stream time goes on.

        Called with records and from nowhere else, so that a sensor that hangs is started anew.
        """
        if time_s <= self._time_s:
            return
        self._time_s = time_s
        if not self._ready:
            self._ready = True
            self._send("READY=1")
        if self._every_s is not None and now_s >= self._due_s:
            self._due_s = now_s + self._every_s
            self._send("WATCHDOG=1")

    def status(self, line: str) -> None:
        """One line that `systemctl status` shows."""
        self._send("STATUS=" + line.replace("\n", " "))

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        address = self._address
        if address.startswith("@"):  # abstract, not in the file system
            address = "\0" + address[1:]
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line,
        ):
            line.setblocking(False)  # from the sensing thread: never wait
            line.sendto(text.encode(), address)
