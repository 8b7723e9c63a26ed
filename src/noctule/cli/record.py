"""`noctule record`: complex baseband around the carrier to disk; nothing audible is in it."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from noctule.core.errors import NoctuleError
from noctule.core.frames import BasebandBlock

if TYPE_CHECKING:
    from noctule.cli._sounds import Sound
    from noctule.dataset import BasebandWriter


def record(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="name of the recording; .sigmf-... is added")],
    from_file: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="a WAV, FLAC, ... instead of the sound card")
    ] = None,
    input: Annotated[str | None, typer.Option(help="part of the input device's name")] = None,
    output: Annotated[str | None, typer.Option(help="part of the output device's name")] = None,
    sample_rate_hz: Annotated[int | None, typer.Option(help="of the sound card")] = None,
    carrier_hz: Annotated[str | None, typer.Option(help="the tone in Hz, or 'auto'")] = None,
    level_dbfs: Annotated[float | None, typer.Option(help="peak level of the tone")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="stop after so long")] = None,
    label: Annotated[str | None, typer.Option(help="what happens in it, as in 'walking'")] = None,
    sample_format: Annotated[
        Literal["cf32", "ci16"], typer.Option("--format", help="cf32: every bit; ci16: half the space")
    ] = "cf32",
    force: Annotated[bool, typer.Option("--force", help="replace an existing recording")] = False,
    config: Annotated[Path | None, typer.Option(help="settings file (TOML)")] = None,
) -> int:
    """Record what the sensor senses, for replay, labelling and training.

    Ctrl-C ends a recording properly. Exit status: 0 saved, 2 nothing could be recorded.
    """
    from noctule.cli._sounds import file_sound, live_sound
    from noctule.cli.replay import parse_carrier
    from noctule.core.settings import load_settings
    from noctule.dataset import BasebandWriter
    from noctule.dataset.writer import refuse_existing
    from noctule.dsp.front_end import FrontEnd

    wanted_hz = None if carrier_hz is None else parse_carrier(carrier_hz)
    changes: dict[str, dict[str, Any]] = {
        "audio": {"input": input, "output": output, "sample_rate_hz": sample_rate_hz},
        "emit": {"carrier_hz": wanted_hz or carrier_hz, "level_dbfs": level_dbfs},
    }
    if not force:
        refuse_existing(out)  # before a tone is heard or an hour-long file is searched
    settings = load_settings(config, overrides=changes)
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(_StopSignals())
        if from_file is not None:
            sound = file_sound(from_file, wanted_hz)
        else:
            sound = stack.enter_context(live_sound(settings, stop.event))
        front = FrontEnd(
            sample_rate_hz=sound.sample_rate_hz,
            carrier_hz=sound.carrier_hz,
            channels=sound.channels,
            settings=settings.features,
        )
        writer = stack.enter_context(
            BasebandWriter(
                out,
                sample_rate_hz=front.baseband_rate_hz,
                carrier_hz=sound.carrier_hz,
                channels=sound.channels,
                sample_format=sample_format,
                started_at=sound.started_at,
                hardware=sound.hardware,
                details={"audio_rate_hz": sound.sample_rate_hz, **sound.details},
                overwrite=force,
            )
        )
        if label:
            writer.annotate(label)
        with stop.gently():
            _write(front.blocks(sound.blocks), writer, sound, seconds, stop.event)
    return _report(writer, sound, interrupted=stop.event.is_set())


def _write(
    blocks: Iterator[BasebandBlock],
    writer: BasebandWriter,
    sound: Sound,
    seconds: float | None,
    stop: threading.Event,
) -> None:
    from rich.console import Console
    from rich.progress import Progress

    longest = None if seconds is None else round(seconds * writer.sample_rate_hz)
    known_s = [one for one in (seconds, sound.duration_s) if one is not None]
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("recording", total=min(known_s) if known_s else None)
        for block in blocks:
            left = None if longest is None else longest - writer.samples_written
            writer.write(_shortened(block, left))
            progress.update(task, completed=writer.duration_s)
            if stop.is_set() or (left is not None and len(block.samples) >= left):
                return


def _shortened(block: BasebandBlock, samples: int | None) -> BasebandBlock:
    if samples is None or samples >= len(block.samples):
        return block
    return BasebandBlock(
        block.samples[:samples],
        block.sample_rate_hz,
        block.carrier_hz,
        block.first_sample,
        block.faults,
    )


def _report(writer: BasebandWriter, sound: Sound, interrupted: bool) -> int:
    if writer.samples_written == 0:
        raise NoctuleError(f"{writer.meta_path}: nothing recorded: too short for a single sample")
    print(
        f"{'stopped, ' if interrupted else ''}saved {writer.meta_path}: {writer.duration_s:.1f} s, "
        f"{writer.channels} microphone{'s' if writer.channels > 1 else ''} "
        f"at {writer.sample_rate_hz:g} Hz around {sound.carrier_hz:.1f} Hz"
    )
    if sound.warning():
        print(f"noctule: warning: {sound.warning()}", file=sys.stderr)
    return 0


class _StopSignals:
    """Ctrl-C and SIGTERM: at once while nothing is recorded yet, gently while something is."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self._recording = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _StopSignals:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def gently(self) -> Iterator[None]:
        self._recording = True
        try:
            yield
        finally:
            self._recording = False

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        if not self._recording or self.event.is_set():  # a second time: now
            raise KeyboardInterrupt
        self.event.set()
