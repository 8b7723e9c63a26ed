"""`noctule demo`: the running product on a simulated room; nothing is played, nothing is recorded."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from noctule.cli._stage import RoomStage
    from noctule.core.settings import Settings
    from noctule.service.runner import Sink
    from noctule.service.service import Service

TOUR_S = 62.0
#: A browser is opened once the app listens, and not if that takes longer.
OPENS_WITHIN_S = 20.0


def demo(
    room: Annotated[str, typer.Option(help="Living room, Bedroom, Office or Corridor")] = "Living room",
    carrier_hz: Annotated[float, typer.Option(help="20000, 32000 or 40000")] = 40000.0,
    port: Annotated[int | None, typer.Option(help="of the app; left out: 8742, or a free one")] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="open a browser")] = True,
    terminal: Annotated[
        bool, typer.Option("--terminal", help="a tour in the terminal, without the app")
    ] = False,
    scene: Annotated[
        Path | None,
        typer.Option(metavar="SCENE", help="your own room (TOML), in the terminal; docs/reference/scenes.md"),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=1.0, help="how long; in the terminal 62, else until Ctrl-C")
    ] = None,
    jsonl: Annotated[
        str | None, typer.Option(help="append a JSON object a frame; '-': standard output")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="terminal: no picture, only what is said")] = False,
) -> int:
    """Sense live in a simulated room: the app with a floor plan, somebody to lead about, and a guided tour.

    The sensor, the Routines and the app are those of `noctule run`; only the sound card is a room in numbers.
    What it remembers is forgotten at the end. Records of --jsonl say under `truth` what really happens.
    Exit status: 0, or 2 for a scene that cannot be.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if terminal or scene is not None:
        from noctule.cli._demo_terminal import show_in_terminal

        show_in_terminal(scene, seconds or TOUR_S, jsonl, quiet)
        return 0
    from noctule.cli._rooms import check_carrier, room_named
    from noctule.cli._stage import RoomStage

    stage = RoomStage(room_named(room), check_carrier(carrier_hz))
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="noctule-demo-")))
        settings = _settings(folder, carrier_hz, port)
        sinks: list[Sink] = []
        if jsonl:
            from noctule.cli._output import JsonLines

            write = stack.enter_context(JsonLines(jsonl, append=True)).write
            sinks.append(lambda record: write({**record, "truth": stage.truth()}))
        service = stack.enter_context(_service(settings, folder, stage))
        from noctule.cli.run import muted_by_signal, stopped_by_signals

        stack.enter_context(stopped_by_signals(service.stop))
        stack.enter_context(muted_by_signal(service))
        service.run(sinks, seconds, lambda house: _serve(house, stage, browser))
    return 0


def _settings(folder: Path, carrier_hz: float, port: int | None) -> Settings:
    from noctule.core.settings import load_settings
    from noctule.service.address import check_free
    from noctule.simulate.live import REFERENCE_DBFS

    path = folder / "noctule.toml"
    path.touch()
    settings = load_settings(
        path,
        environment={},
        overrides={
            "audio": {"sample_rate_hz": 96000},
            "emit": {"carrier_hz": carrier_hz, "level_dbfs": REFERENCE_DBFS},
            # ten seconds after the last motion nobody is said to be here, whatever they seem to do
            "presence": {"off_latency_s": 10.0, "settled_off_latency_s": 10.0},
            "store": {"folder": folder},
            "routines": {"file": folder / "routines.yaml"},
            "web": {"port": port},
        },
    )
    if port is not None:
        check_free(settings.web)
        return settings
    return settings.model_copy(update={"web": settings.web.model_copy(update={"port": _free_port(settings)})})


def _free_port(settings: Settings) -> int:
    """The usual one, or, where another noctule has it, any."""
    import socket

    from noctule.core.errors import NoctuleError
    from noctule.service.address import check_free

    try:
        check_free(settings.web)
        return settings.web.port
    except NoctuleError:
        with socket.socket() as one:
            one.bind((settings.web.host, 0))
            return int(one.getsockname()[1])


@contextlib.contextmanager
def _service(settings: Settings, folder: Path, stage: RoomStage) -> Iterator[Service]:
    """The running product, whose sound card is the stage's room, as is its home."""
    from noctule.audio.duplex import DuplexStream
    from noctule.cli._stage import write_home
    from noctule.cli.run import make_sensor
    from noctule.service.service import Service
    from noctule.simulate.live import SimulatedCard

    service = Service(
        settings,
        settings_path=folder / "noctule.toml",
        folder=folder,
        make_sensor=lambda now, see: make_sensor(
            now,
            DuplexStream(now.audio, SimulatedCard(stage.room_for(now.emit.carrier_hz))),
            see,
            service.note_calibration,
        ),
        routines_path=write_home(folder),
        publisher=stage,
        stage=stage,
        calibrations=folder,
        say=lambda line: print(line, file=sys.stderr),
        warn=lambda line: print(f"noctule: {line}", file=sys.stderr),
    )
    with service:
        yield service


async def _serve(service: Service, stage: RoomStage, browser: bool) -> None:
    """The stage and the app, in the service's loop."""
    from noctule.cli.run import load_app
    from noctule.service.address import address_of

    app = await asyncio.to_thread(load_app)
    address = f"{address_of(service.settings.web).rstrip('/')}/room"
    print(f"the demo is at {address}; Ctrl-C ends it", file=sys.stderr)
    async with asyncio.TaskGroup() as group:
        group.create_task(stage.run(service))
        if browser:
            group.create_task(_open(service, address))
        group.create_task(app.serve(service))


async def _open(service: Service, address: str) -> None:
    """In the browser, where there is one, once the app listens."""
    web = service.settings.web
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(OPENS_WITHIN_S):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection(web.host, web.port)
                    writer.close()
                    break
                await asyncio.sleep(0.1)
        await asyncio.to_thread(webbrowser.open, address)
