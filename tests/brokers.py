"""A real MQTT broker on a port of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from tests.ports import free_port

from noctule.routines.settings import MqttBroker


def mosquitto() -> str | None:
    """Where it is; None: it is not installed."""
    return shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")


class Broker:
    """mosquitto; runs from the start, can be stopped or killed and started again."""

    def __init__(self, folder: Path) -> None:
        program = mosquitto()
        assert program is not None
        self.settings = MqttBroker(host="127.0.0.1", port=free_port())
        file = folder / "mosquitto.conf"
        file.write_text(f"listener {self.settings.port} 127.0.0.1\nallow_anonymous true\n")
        self._command = [program, "-c", str(file)]
        self.start()

    def start(self) -> None:
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(self._command, stdout=quiet, stderr=quiet)
        for _ in range(400):
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.settings.port), 0.5),
            ):
                return
            time.sleep(0.05)
        raise TimeoutError("mosquitto does not listen")

    def stop(self) -> None:
        """It says good-bye. Safe to call twice."""
        self._process.terminate()
        self._process.wait(10)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
