"""The child process that owns PortAudio: `python -m noctule.audio.card_process COMMANDS SAMPLES`.

PortAudio's callback sends the samples; the main thread waits for commands. When these end it lets the
sound fade out and leaves.
"""

from __future__ import annotations

import gc
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from noctule.audio.callback import CallbackBridge
from noctule.audio.card import StreamFormat, StreamRequest
from noctule.audio.devices import (
    Device,
    accepted_rates_hz,
    choose_pair,
    default_channels,
    import_sounddevice,
    list_devices,
    rate_fix,
)
from noctule.audio.programme import FADE_S
from noctule.core.errors import NoctuleError

OpenStream = Callable[[StreamRequest, CallbackBridge], tuple[Any, StreamFormat]]


def open_portaudio(request: StreamRequest, bridge: CallbackBridge) -> tuple[Any, StreamFormat]:
    """A running PortAudio stream and what it is. NoctuleError where it cannot be opened."""
    portaudio = import_sounddevice()
    source, sink = choose_pair(list_devices(portaudio), request.input, request.output)
    inputs = default_channels(source.input_channels, "input", request.input_channels)
    outputs = default_channels(sink.output_channels, "output", request.output_channels)
    try:
        stream = portaudio.Stream(
            device=(source.index, sink.index),
            channels=(inputs, outputs),
            samplerate=request.sample_rate_hz,
            blocksize=round(request.block_s * request.sample_rate_hz),
            latency=request.latency_s,
            dtype="float32",
            callback=bridge.callback,
            finished_callback=bridge.finish,
        )
        stream.start()
    except portaudio.PortAudioError as error:
        raise NoctuleError(_why_refused(source, sink, request.sample_rate_hz, error, portaudio)) from None
    opened = StreamFormat(
        source.identity, sink.identity, source.host_api, float(stream.samplerate), inputs, outputs
    )
    return stream, opened


def _why_refused(source: Device, sink: Device, rate_hz: int, error: Exception, portaudio: Any) -> str:
    pair = f"'{source.identity}'" if source == sink else f"'{source.identity}' with '{sink.identity}'"
    both = [
        rate
        for rate in accepted_rates_hz(source, "input", portaudio)
        if rate in accepted_rates_hz(sink, "output", portaudio)
    ]
    if not both:
        return f"{pair} cannot be opened ({error.args[0]}): is another program using it?"
    if rate_hz in both:
        return f"{pair} cannot be opened: {error.args[0]}"
    can = ", ".join(str(rate) for rate in both)
    fix = f"Use --sample-rate-hz {both[-1]}, or {rate_fix(source.host_api, rate_hz)}"
    return f"{pair} cannot do {rate_hz} Hz; it can do {can} Hz. {fix}"


def serve(
    commands: Connection,
    samples: socket.socket,
    open_stream: OpenStream = open_portaudio,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Open what is asked for, stream its blocks and obey, until the commands end."""
    request: StreamRequest = commands.recv()
    queue_blocks = max(2, round(request.queue_s / request.block_s))
    bridge = CallbackBridge(samples, queue_blocks, request.sample_rate_hz)
    try:
        stream, opened = open_stream(request, bridge)
    except NoctuleError as error:
        commands.send(str(error))
        return
    commands.send(opened)
    _obey(commands, bridge)
    bridge.fade_out()
    # The ramp begins with the next block; `stop` plays what is buffered then.
    pause(max(bridge.player.ramp_s, FADE_S) + 2 * request.block_s)
    stream.stop()


def _obey(commands: Connection, bridge: CallbackBridge) -> None:
    try:
        while True:
            bridge.obey(*commands.recv())
    except (EOFError, OSError):
        return


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    commands, samples = Connection(int(sys.argv[1])), socket.socket(fileno=int(sys.argv[2]))
    gc.disable()  # nothing here makes cycles, and the callback should not wait for a collection
    serve(commands, samples)
    # Leaving by Pa_Terminate tells the sound server good-bye; where the server itself has gone it aborts.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
