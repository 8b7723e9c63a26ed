"""`noctule run`: the live sensor."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

if TYPE_CHECKING:
    from noctule.audio.duplex import DuplexStream
    from noctule.core.frames import FeatureBlock
    from noctule.core.settings import Settings
    from noctule.service.runner import LiveSensor, Sink, Tone
    from noctule.service.service import Service


class Progress(Protocol):
    """`Service.note_calibration`."""

    def __call__(self, step: str | None, share: float = 0.0, error: str | None = None) -> None: ...


class Mutable(Protocol):
    """A sensor, or a service."""

    @property
    def muted(self) -> bool: ...

    def mute(self, on: bool) -> None: ...


def run(
    headless: Annotated[bool, typer.Option("--headless", help="no live line, no app; records only")] = False,
    input: Annotated[str | None, typer.Option(help="part of the input device's name")] = None,
    output: Annotated[str | None, typer.Option(help="part of the output device's name")] = None,
    sample_rate_hz: Annotated[int | None, typer.Option(help="of the sound card")] = None,
    carrier_hz: Annotated[str | None, typer.Option(help="the tone in Hz, or 'auto'")] = None,
    level_dbfs: Annotated[float | None, typer.Option(help="peak level of the tone")] = None,
    jsonl: Annotated[
        str | None,
        typer.Option(help="append a JSON object a frame; '-': standard output (default if headless)"),
    ] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="stop after so long")] = None,
    config: Annotated[Path | None, typer.Option(help="settings file (TOML)")] = None,
) -> int:
    """Sense live: play the tone, listen, say who moves, run Routines, and serve the app.

    Ctrl-C or SIGTERM fades the tone out and ends with 0. SIGUSR1 mutes: nothing sounds and nothing is heard,
    until the next SIGUSR1. Exit status 2: the device cannot be used, no
    carrier came back with 'auto', the output cannot be written, or the app cannot be served.
    """
    # One core is plenty, and NumPy's BLAS would keep a second one awake. Counts before NumPy is loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from noctule.core.settings import load_settings

    settings = load_settings(
        config,
        overrides={
            "audio": {"input": input, "output": output, "sample_rate_hz": sample_rate_hz},
            "emit": {"carrier_hz": carrier_hz, "level_dbfs": level_dbfs},
        },
    )
    serve = None if headless or not settings.web.enabled else _serve
    if serve is not None:
        from noctule.service.address import check_free, check_password

        check_password(settings.web)
        check_free(settings.web)
    with contextlib.ExitStack() as stack:
        sinks: list[Sink] = []
        if jsonl or headless:
            sinks.append(stack.enter_context(_records_to(jsonl or "-")))
        if not headless:
            sinks.append(stack.enter_context(_live_line()))
        service = stack.enter_context(_service(settings, config))
        stack.enter_context(stopped_by_signals(service.stop))
        stack.enter_context(muted_by_signal(service))
        service.run(sinks, seconds, serve)
    return 0


def make_sensor(
    settings: Settings,
    stream: DuplexStream | None = None,
    see: Callable[[FeatureBlock], None] | None = None,
    progress: Progress | None = None,
) -> LiveSensor:
    """The live sensor with its real parts; on another sound card than the machine's where one is given.

    see : is given the features of each decision before the decision.
    progress : is told how far a calibration is, see `Service.note_calibration`.
    """
    from noctule.calibrate.probe import probe_bandwidth
    from noctule.pipeline import SensingPipeline, check_detector
    from noctule.service import LiveSensor

    check_detector(settings)
    return LiveSensor(
        settings,
        make_pipeline=lambda carrier_hz, sample_rate_hz, channels: SensingPipeline(
            settings, carrier_hz=carrier_hz, sample_rate_hz=sample_rate_hz, channels=channels, see=see
        ),
        find_tone=lambda stream, again: find_tone(settings, stream, again, progress),
        run_probe=probe_bandwidth,
        say=lambda line: print(line, file=sys.stderr),
        warn=lambda line: print(f"noctule: {line}", file=sys.stderr),
        stream=stream,
    )


def _service(settings: Settings, config: Path | None) -> Service:
    """The running product on this machine's sound card."""
    from noctule.core.paths import state_folder
    from noctule.core.settings import default_path
    from noctule.service.service import Service

    service = Service(
        settings,
        settings_path=config or default_path(),
        folder=state_folder(settings.store.folder),
        make_sensor=lambda settings, see: make_sensor(settings, see=see, progress=service.note_calibration),
        say=lambda line: print(line, file=sys.stderr),
        warn=lambda line: print(f"noctule: {line}", file=sys.stderr),
    )
    return service


async def _serve(service: Service) -> None:
    """The app, in the service's loop."""
    from noctule.service.address import address_of

    app = await asyncio.to_thread(load_app)
    print(f"the app is at {address_of(service.settings.web)}", file=sys.stderr)
    await app.serve(service)


def load_app() -> ModuleType:
    """`noctule.web.app`; takes seconds.

    The collector rests meanwhile, and later leaves alone what was loaded, which is no garbage: while it looks
    through all of that everything stands still, half a second and more each time.
    """
    gc.disable()
    try:
        app = importlib.import_module("noctule.web.app")
    finally:
        gc.freeze()
        gc.enable()
    return app


def find_tone(
    settings: Settings, stream: DuplexStream, again: bool, progress: Progress | None = None
) -> Tone:
    """The last calibration of these devices, or a new one where there is none that holds; kept for next time.

    Raises
    ------
    NoctuleError
        There is none, and calibrating fails.
    """
    from noctule.calibrate.drift import DriftWatch
    from noctule.calibrate.memory import age_days, load, save
    from noctule.cli.calibrate import with_progress
    from noctule.core.errors import NoctuleError
    from noctule.service.runner import Tone

    identities = (stream.format.input_identity, stream.format.output_identity)
    known = load(identities, stream.sample_rate_hz)
    wanted = settings.calibrate
    holds = (
        known is not None
        and age_days(known) <= wanted.max_age_days
        and known.wanted_range_m == wanted.range_m
    )
    if known is None or again or not holds:
        tell = progress or (lambda step, share=0.0, error=None: None)
        try:
            known = with_progress(stream, settings, identities, tell)
            save(known)
            tell(None)
        except NoctuleError as error:
            tell(None, error=str(error))
            if known is None or again:
                raise
            print(f"noctule: {error}; the last calibration is used", file=sys.stderr)
    return Tone(known.carrier_hz, known.level_dbfs, known.verdict(), DriftWatch(known).update)


def all_of(sinks: list[Sink]) -> Sink:
    """One sink that gives each record to all."""
    if len(sinks) == 1:
        return sinks[0]

    def give(record: Mapping[str, object]) -> None:
        for sink in sinks:
            sink(record)

    return give


@contextlib.contextmanager
def _records_to(path: str) -> Iterator[Sink]:
    from noctule.cli._output import JsonLines

    if path == "-" and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)  # a reader wants each record now
    with JsonLines(path, append=True) as lines:
        yield lines.write


@contextlib.contextmanager
def _live_line() -> Iterator[Sink]:
    """One line that says what is, redrawn five times a second; nothing where nobody sees it."""
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda record: None
        return
    with Live(console=console, refresh_per_second=5, transient=True) as live:
        shown_s = float("-inf")

        def show(record: Mapping[str, object]) -> None:
            nonlocal shown_s
            time_s = float(str(record["t"]))
            if time_s - shown_s >= 0.2:
                shown_s = time_s
                live.update(line_of(record))

        yield show


def line_of(record: Mapping[str, object]) -> str:
    """A record in words, with rich's colours."""
    who = "[bold green]somebody[/]" if record["presence"] else "nobody"
    if record["fault"]:
        who = f"[bold red]{str(record['fault']).replace('_', ' ')}[/]"
    return (
        f"{who}  motion {record['motion']}  {record['radial_velocity_mps']:+.2f} m/s  "
        f"carrier {record['carrier_hz']:g} Hz, {record['carrier_snr_db']:.0f} dB  {record['reason']}"
    )


@contextlib.contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM stops gently, the second at once."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def handle(number: int, frame: object) -> None:
        stop()
        signal.signal(number, before[signal.Signals(number)])

    for number in numbers:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def muted_by_signal(sensor: Mutable) -> Iterator[None]:
    """SIGUSR1 mutes, and unmutes; where the system has it."""
    if not hasattr(signal, "SIGUSR1"):
        yield
        return
    before = signal.signal(signal.SIGUSR1, lambda number, frame: sensor.mute(not sensor.muted))
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)
