"""A card process without PortAudio; the name of the input says how it behaves."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from multiprocessing.connection import Connection
from types import SimpleNamespace
from typing import Any

import numpy as np

from noctule.audio.callback import CallbackBridge
from noctule.audio.card import StreamFormat, StreamRequest
from noctule.audio.card_process import serve
from noctule.core.errors import NoctuleError

FRAMES = 480


def open_stream(request: StreamRequest, bridge: CallbackBridge) -> tuple[Any, StreamFormat]:
    mode = request.input
    if mode == "refuse":
        raise NoctuleError("the card is on fire")
    if mode == "crash":
        os._exit(7)
    running = threading.Event()
    running.set()

    def call_back() -> None:
        value = 0
        while running.is_set():
            heard, out = np.full((FRAMES, 1), value, np.float32), np.zeros((FRAMES, 1), np.float32)
            bridge.callback(heard, out, FRAMES, None, None)
            value = round(float(np.abs(out).max()) * 100)  # the next block hears what this one played
            if mode == "die" and value:
                os._exit(7)
            time.sleep(0.001)

    def stop() -> None:
        while mode == "hang":
            time.sleep(1.0)
        running.clear()

    threading.Thread(target=call_back, daemon=True).start()
    return SimpleNamespace(stop=stop), StreamFormat("in", "out", "fake", 48000.0, 1, 1)


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])), socket.socket(fileno=int(sys.argv[2])), open_stream)
