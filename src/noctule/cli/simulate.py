"""`noctule simulate`: a scene to samples, with the truth about it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from noctule.core.errors import NoctuleError

if TYPE_CHECKING:
    from noctule.simulate.render import Rendered
    from noctule.simulate.scenes import Scene

AUDIO_SUFFIXES = (".wav", ".flac")
#: Bytes of samples; the sizes in its header have 32 bits.
LARGEST_WAV = 4.2e9


def simulate(
    scene: Annotated[
        Path | None, typer.Argument(metavar="SCENE", help="scene file (TOML); see docs/reference/scenes.md")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="OUT",
            help="ending in .wav or .flac: what the sound card hears, at full rate; "
            "else complex baseband, .sigmf-... is added",
        ),
    ] = None,
    draw: Annotated[
        int | None, typer.Option(metavar="SEED", min=0, help="draw a scene instead of reading one")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="only say whether the scene is possible")] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="processes; the samples do not depend on it")
    ] = None,
    sample_format: Annotated[
        Literal["cf32", "ci16"], typer.Option("--format", help="of baseband: every bit, or half the space")
    ] = "cf32",
    force: Annotated[bool, typer.Option("--force", help="replace what exists")] = False,
) -> int:
    """Render a simulated room, and write beside it what really happened there.

    OUT.truth.jsonl holds a record every 0.1 s, in the time of the samples: who is where, what moves, what
    sounds, whether music plays. A drawn scene is written as OUT.scene.toml. Nothing is left of what was
    interrupted. Exit status: 0 written, 2 the scene is impossible, or the output cannot be written.
    """
    from noctule.simulate.sampler import draw_scene
    from noctule.simulate.scenes import read_scene

    if (scene is None) == (draw is None):
        raise NoctuleError("say which scene: a file, or --draw SEED")
    if out is None and not check:
        raise NoctuleError("say where to: -o OUT")
    world = read_scene(scene) if scene is not None else draw_scene(draw or 0)
    if check or out is None:
        print(f"{scene or f'scene {draw}'}: possible: {_summary(world)}")
        return 0
    files = _Files.of(out, with_scene=scene is None)
    if files.audio:
        _refuse_format(out, world)
    _refuse_existing(files.all, force)
    with _together(files.all) as part, _sigterm_interrupts():
        _write(files, part, world, workers or _workers(world, files.audio), sample_format)
    print(f"saved {files.samples[-1]}: {_summary(world)}; truth in {files.truth}")
    return 0


def _workers(world: Scene, audio: bool) -> int:
    """One for each core, where there is enough to do: to start costs some seconds."""
    return max(1, min(os.cpu_count() or 1, int(world.duration_s / (20.0 if audio else 100.0))))


@dataclass(frozen=True, slots=True)
class _Files:
    """What is written: samples (one file of audio, or the two of a recording), truth, and a drawn scene."""

    audio: bool
    samples: tuple[Path, ...]
    truth: Path
    scene: Path | None

    @classmethod
    def of(cls, out: Path, with_scene: bool) -> _Files:
        if out.is_dir():
            raise NoctuleError(f"{out}: is a folder; name a file in it")
        audio = out.suffix.lower() in AUDIO_SUFFIXES
        stem = out.with_suffix("") if audio or out.suffix.startswith(".sigmf") else out

        def beside(ending: str) -> Path:
            return stem.with_name(f"{stem.name}.{ending}")

        samples = (out,) if audio else (beside("sigmf-data"), beside("sigmf-meta"))
        return cls(audio, samples, beside("truth.jsonl"), beside("scene.toml") if with_scene else None)

    @property
    def all(self) -> list[Path]:
        return [*self.samples, self.truth, *([self.scene] if self.scene else [])]


def _write(
    files: _Files,
    part: dict[Path, Path],
    world: Scene,
    workers: int,
    sample_format: Literal["cf32", "ci16"],
) -> None:
    from noctule.simulate.render import render
    from noctule.simulate.scenes import scene_text

    if files.scene:
        part[files.scene].write_text(scene_text(world), encoding="utf-8")
    _write_truth(part[files.truth], world)
    rendered = render(world, "audio" if files.audio else "baseband", workers)
    if files.audio:
        _write_audio(part[files.samples[0]], rendered, world)
    else:
        _write_baseband(part[files.samples[0]], rendered, world, sample_format)


def _summary(world: Scene) -> str:
    microphones = len(world.device.transducers(world.carrier_hz).microphones_m)
    inside = ["person"] * len(world.person) + [one.label for one in world.mover]
    inside += [one.label for one in world.sound]
    return (
        f"{world.duration_s:g} s, {microphones} microphone{'s' if microphones > 1 else ''}, "
        f"{world.carrier_hz:g} Hz at {world.sample_rate_hz:g} Hz; {', '.join(inside) or 'an empty room'}"
    )


def _refuse_existing(paths: Iterable[Path], force: bool) -> None:
    for path in paths:
        if path.exists() and not force:
            raise NoctuleError(f"{path}: exists already; choose another name or replace it (--force)")


def _refuse_format(out: Path, world: Scene) -> None:
    bits, channels = world.electronics.bits, len(world.device.transducers(world.carrier_hz).microphones_m)
    if out.suffix.lower() == ".flac":
        if bits == 32:
            raise NoctuleError(
                f"{out}: FLAC holds no 32-bit samples: write .wav, or set electronics.bits to 24"
            )
        return
    size = world.duration_s * world.sample_rate_hz * channels * bits / 8
    if size > LARGEST_WAV:
        raise NoctuleError(
            f"{out}: would be {size / 1e9:.1f} GB, and WAV ends at 4.2 GB: write .flac or baseband, or less"
        )


@contextlib.contextmanager
def _together(paths: list[Path]) -> Iterator[dict[Path, Path]]:
    """Other names for files until all of them are whole: half of them must not pass for a scene.

    They are there from the start, so that what cannot be written is said before an hour of rendering.
    """
    part = {path: path.with_name(f".part.{path.name}") for path in paths}
    try:
        for one in part.values():
            one.open("wb").close()
        yield part
        for path in paths:  # no old file may lie beside a new one
            path.unlink(missing_ok=True)
        for path, one in part.items():
            one.replace(path)
    except (OSError, NoctuleError) as error:
        said = str(error)
        if isinstance(error, OSError):
            said = f"{error.filename or paths[0]}: cannot be written ({(error.strerror or said).lower()})"
        for path, one in part.items():
            said = said.replace(str(one), str(path))
        raise NoctuleError(said.split("; the first")[0]) from None  # nothing is kept
    finally:
        for one in part.values():
            with contextlib.suppress(OSError):
                one.unlink(missing_ok=True)


@contextlib.contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """As Ctrl-C does: else half-written files and workers stay."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _progress(rendered: Rendered) -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = ("[progress.description]{task.description}", BarColumn(), TextColumn("{task.fields[speed]}"))
    progress = Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    )
    with progress:
        task = progress.add_task("rendering", total=rendered.count, speed="")
        done = 0
        for samples in _piece_by_piece(rendered):
            yield samples
            done += len(samples)
            elapsed_s = progress.tasks[0].elapsed or 0.0
            speed = f"{done / rendered.rate_hz / elapsed_s:.0f} x real time" if elapsed_s > 0.2 else ""
            progress.update(task, completed=done, speed=speed)


def _piece_by_piece(rendered: Rendered) -> Iterator[Any]:
    """Ctrl-C waits for the end of a piece. Workers, started meanwhile, inherit that they never hear of it."""
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # what it starts with unblocks signals
    pieces = iter(rendered)
    while True:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            piece = next(pieces, None)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        if piece is None:
            return
        yield piece


def _write_baseband(
    out: Path, rendered: Rendered, world: Scene, sample_format: Literal["cf32", "ci16"]
) -> None:
    from noctule.core.frames import BasebandBlock
    from noctule.dataset import BasebandWriter
    from noctule.simulate.truth import spans

    first = 0
    with BasebandWriter(
        out,
        sample_rate_hz=rendered.rate_hz,
        carrier_hz=world.carrier_hz,
        channels=rendered.microphones,
        sample_format=sample_format,
        description="simulated",
        hardware=f"simulated {world.device.shape}",
        details={"audio_rate_hz": world.sample_rate_hz, "scene": world.model_dump(mode="json")},
        overwrite=True,
    ) as writer:
        for samples in _progress(rendered):
            writer.write(BasebandBlock(samples, rendered.rate_hz, world.carrier_hz, first))
            first += len(samples)
        for span in spans(world):
            start, stop = (
                min(round(_stream_s(world, one) * rendered.rate_hz), first)
                for one in (span.start_s, span.stop_s)
            )
            if start < stop:
                writer.annotate(span.label, start, stop - start, span.comment)


def _write_audio(out: Path, rendered: Rendered, world: Scene) -> None:
    import soundfile

    subtype = {16: "PCM_16", 24: "PCM_24", 32: "FLOAT"}[world.electronics.bits]
    form = out.suffix[1:].upper()
    try:
        with soundfile.SoundFile(
            out, "w", round(rendered.rate_hz), rendered.microphones, subtype, format=form
        ) as file:
            for samples in _progress(rendered):
                file.write(samples)
    except soundfile.SoundFileError as error:  # the library does not say which
        raise NoctuleError(f"{out}: cannot be written (is the disk full? {error})") from None


def _write_truth(path: Path, world: Scene) -> None:
    from noctule.cli._output import JsonLines
    from noctule.simulate.truth import instants

    with JsonLines(path) as lines:
        for one in instants(world):
            lines.write(one.to_json() | {"t": round(_stream_s(world, one.t), 6)})


def _stream_s(world: Scene, scene_s: float) -> float:
    """A moment of the scene in the time of its samples, some of which may be lost."""
    return world.electronics.arrives_s(scene_s, world.sample_rate_hz)
