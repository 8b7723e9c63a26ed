"""`noctule music`: how well the sensor hears through what its own loudspeaker plays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from noctule.cli._output import with_progress
from noctule.core.errors import NoctuleError


def music(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="folder of tables and pictures")],
    pieces: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="what is played: WAV, FLAC, OGG; left out: made-up material"),
    ] = None,
    scenes: Annotated[int, typer.Option(min=1, help="simulated scenes to measure")] = 108,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="processes; left out: one a core")
    ] = None,
) -> int:
    """Measure how much of the loudspeaker's distortion is taken off while music plays, and show it.

    DIR gets music.md with tables by piece, volume, microphones and loudspeaker, music.json with a row a
    scene, and pictures: an empty room with music, and motion with music, each before and after. Exit status:
    0 written, 2 there are no pieces, or one cannot be read.
    """
    from noctule.lab.music import as_records, draw_pictures, loudest, measured, tables

    found = _pieces(pieces) if pieces else []
    try:
        out.mkdir(parents=True, exist_ok=True)
        rows = list(with_progress(measured(scenes, found, workers), scenes, "music"))
        (out / "music.json").write_text(json.dumps(as_records(rows), indent=1) + "\n", encoding="utf-8")
        shown = []
        for name, index in loudest(rows).items():
            draw_pictures(index, found, out / f"music-{name}.png")
            shown.append(f"![{name}](music-{name}.png)\n")
        page = out / "music.md"
        page.write_text(tables(rows) + "\n" + "\n".join(shown), encoding="utf-8")
    except OSError as error:
        raise NoctuleError(f"{out}: cannot be written: {error.strerror}") from None
    print(f"saved {page}: {len(rows)} scenes")
    return 0


def _pieces(folder: Path) -> list[Path]:
    kinds = (".wav", ".flac", ".ogg")
    found = sorted(one for one in folder.glob("*") if one.suffix.lower() in kinds)
    if not found:
        raise NoctuleError(f"{folder}: holds no WAV, FLAC or OGG files")
    return found
