"""Sound servers as fixtures. One that is not installed skips, or fails where CI promises it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from tests.soundservers.servers import Jack, PipeWire, PulseAudio, Server, missing_programs


@pytest.fixture(scope="module")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Start a server of a kind; all are stopped after the module, whatever happened."""
    started: list[Server] = []

    def start(kind: type[Server], sample_rate_hz: int, microphones: int = 2) -> Server:
        _need(kind)
        folder = tmp_path_factory.mktemp(f"{kind.__name__.lower()}-{sample_rate_hz}-")
        server = kind(folder, sample_rate_hz, microphones)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.stop()


def _need(kind: type[Server]) -> None:
    missing = missing_programs(kind.programs)
    if missing:
        reason = f"{kind.__name__} is not installed here: no {', '.join(missing)}"
        if os.environ.get("NOCTULE_REQUIRE_SOUNDSERVERS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="module")
def pipewire_96k(start_server: Callable[..., Server]) -> Server:
    return start_server(PipeWire, 96000)


@pytest.fixture(scope="module")
def pipewire_192k(start_server: Callable[..., Server]) -> Server:
    return start_server(PipeWire, 192000)


@pytest.fixture(scope="module")
def pipewire_48k(start_server: Callable[..., Server]) -> Server:
    return start_server(PipeWire, 48000)


@pytest.fixture(scope="module")
def jack_96k(start_server: Callable[..., Server]) -> Server:
    return start_server(Jack, 96000, microphones=4)


@pytest.fixture(scope="module")
def pulseaudio_96k(start_server: Callable[..., Server]) -> Server:
    return start_server(PulseAudio, 96000)
