"""`noctule simulate`: a scene to samples, with the truth about it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from noctule.core.errors import NoctuleError

if TYPE_CHECKING:
    from noctule.simulate.render import Rendered
    from noctule.simulate.scenes import Scene

AUDIO_SUFFIXES = (".wav", ".flac")


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

    OUT.truth.jsonl holds a record every 0.1 s: who is where, what moves, what sounds, whether music plays. A
    drawn scene is written as OUT.scene.toml. Exit status: 0 written, 2 the scene is impossible or unreadable.
    """
    from noctule.simulate.render import render
    from noctule.simulate.sampler import draw_scene
    from noctule.simulate.scenes import read_scene, scene_text
    from noctule.simulate.truth import instants

    if (scene is None) == (draw is None):
        raise NoctuleError("say which scene: a file, or --draw SEED")
    if out is None and not check:
        raise NoctuleError("say where to: -o OUT")
    drawn = draw_scene(draw) if draw is not None else None
    world = drawn or read_scene(scene)  # type: ignore[arg-type]
    if check or out is None:
        print(f"{scene or f'scene {draw}'}: possible: {_summary(world)}")
        return 0
    as_audio = out.suffix.lower() in AUDIO_SUFFIXES
    stem = out.with_suffix("") if as_audio or out.suffix.startswith(".sigmf") else out
    truth_path, scene_path = (stem.with_name(f"{stem.name}.{end}") for end in ("truth.jsonl", "scene.toml"))
    _refuse_existing([truth_path, *([scene_path] if drawn else []), *([out] if as_audio else [])], force)

    rendered = render(world, "audio" if as_audio else "baseband", workers or os.cpu_count() or 1)
    if as_audio:
        _write_audio(out, rendered, world, force)
    else:
        _write_baseband(out, rendered, world, sample_format, force)
    _write_truth(truth_path, [one.to_json() for one in instants(world)])
    if drawn:
        scene_path.write_text(scene_text(world), encoding="utf-8")
    print(f"saved {out}: {_summary(world)}; truth in {truth_path}")
    return 0


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
        for samples in rendered:
            yield samples
            done += len(samples)
            elapsed_s = progress.tasks[0].elapsed or 0.0
            speed = f"{done / rendered.rate_hz / elapsed_s:.0f} x real time" if elapsed_s > 0.2 else ""
            progress.update(task, completed=done, speed=speed)


def _write_baseband(
    out: Path, rendered: Rendered, world: Scene, sample_format: Literal["cf32", "ci16"], force: bool
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
        overwrite=force,
    ) as writer:
        for samples in _progress(rendered):
            writer.write(BasebandBlock(samples, rendered.rate_hz, world.carrier_hz, first))
            first += len(samples)
        for span in spans(world):
            start = round(span.start_s * rendered.rate_hz)
            count = min(round(span.stop_s * rendered.rate_hz), first) - start
            if count > 0:
                writer.annotate(span.label, start, count, span.comment)


def _write_audio(out: Path, rendered: Rendered, world: Scene, force: bool) -> None:
    """Under another name until it is whole: half a file must not pass for one."""
    import soundfile

    subtype = {16: "PCM_16", 24: "PCM_24", 32: "FLOAT"}[world.electronics.bits]
    if out.suffix.lower() == ".flac" and subtype == "FLOAT":
        raise NoctuleError(f"{out}: FLAC holds no 32-bit samples: write .wav, or set electronics.bits to 24")
    part = out.with_name(f".{out.name}.part")
    try:
        with soundfile.SoundFile(
            part,
            "w",
            round(rendered.rate_hz),
            rendered.microphones,
            subtype,
            format=out.suffix[1:].upper(),
        ) as file:
            for samples in _progress(rendered):
                file.write(samples)
        os.replace(part, out)
    except (OSError, soundfile.SoundFileError) as error:
        raise NoctuleError(f"{out}: cannot be written: {error}") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _write_truth(path: Path, records: list[dict[str, Any]]) -> None:
    from noctule.cli._output import JsonLines

    with JsonLines(path) as lines:
        for record in records:
            lines.write(record)
