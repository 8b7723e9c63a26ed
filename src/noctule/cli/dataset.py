"""`noctule dataset`: simulated rooms by the hour as features with labels, to train and test with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noctule.core.errors import NoctuleError

if TYPE_CHECKING:
    from collections.abc import Callable

    from noctule.lab.corpus import Progress
    from noctule.lab.shards import Corpus


def dataset(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="folder of the corpus")],
    hours: Annotated[
        float | None, typer.Option(min=0.001, max=100000.0, help="of simulated scenes, all splits together")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="decides every scene")] = 0,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="processes; the files do not depend on it")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="STRATUM", help="this kind of scene; may be repeated"),
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option("--split", metavar="SPLIT", help="train, validation or test alone; may be repeated"),
    ] = None,
    real: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="real recordings; those that may train come into the corpus"),
    ] = None,
    captures: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="motion capture (.bvh, .amc, .txt) that some people move by"),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="compare checksums and say what the corpus holds")
    ] = False,
    leaks: Annotated[
        bool, typer.Option("--leaks", help="does it tell what it must not? Shuffled labels, rooms, splits")
    ] = False,
) -> int:
    """Build a corpus of simulated rooms, or check one.

    Interrupted, the same command goes on where it stopped. Exit status: 0 built or sound, 2 impossible,
    damaged, more than 1 % of the scenes failed, or it leaks.
    """
    from noctule.lab.corpus import build_corpus
    from noctule.lab.shards import Corpus

    if check or leaks:
        corpus = Corpus(out)
        if check:
            corpus.verify()
            _print_tables(corpus)
        return _print_leaks(corpus) if leaks else 0
    if hours is None:
        raise NoctuleError("say how much: --hours H (or --check what is there)")
    with _progress() as tell:
        build_corpus(
            out,
            hours,
            seed,
            workers,
            strata=only or None,
            splits=split or None,
            tell=tell,
            real=real,
            captures=captures,
        )
    print(f"saved {out}: {_summary(Corpus(out))}")
    return 0


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """A bar on a terminal, else a line a shard."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda progress: console.print(progress.line(), soft_wrap=True, highlight=False)
        return
    with Bar(TextColumn("building"), BarColumn(), TextColumn("{task.description}"), console=console) as bar:
        task = bar.add_task("the first shards are on their way", total=None)

        def tell(progress: Progress) -> None:
            about = (
                f"{progress.hours:.2f} of {progress.of_hours:.2f} h, {progress.rate:.0f} x real time, "
                f"{progress.left_s / 60.0:.0f} min left"
            )
            bar.update(task, completed=progress.hours, total=progress.of_hours, description=about)

        yield tell


def _summary(corpus: Corpus) -> str:
    totals = corpus.manifest["totals"]
    hours = {split: sum(table.values()) for split, table in totals["hours"].items()}
    parts = ", ".join(f"{split} {one:.2f} h" for split, one in hours.items())
    failed = f", {totals['failed']} failed" if totals["failed"] else ""
    return f"{len(corpus.manifest['shards'])} shards, {totals['scenes']} scenes{failed}; {parts}"


def _print_tables(corpus: Corpus) -> None:
    from rich.console import Console

    console = Console()
    manifest = corpus.manifest
    state = "whole" if corpus.complete else "unfinished: the same command goes on"
    console.print(f"{corpus.folder}: {state}; checksums agree; {_summary(corpus)}", soft_wrap=True)
    console.print(_hours_table("stratum", manifest["totals"]["hours"]))
    console.print(_hours_table("cause", manifest["totals"]["hours_of_cause"], total=False))
    console.print(_frames_table(manifest["totals"]["frames"]))


def _print_leaks(corpus: Corpus) -> int:
    """What simple models find that they must not; 2 where it is more than chance."""
    from noctule.lab.leaks import room_identity, shared_scenes, shuffled_labels, windows_of

    shared = shared_scenes(corpus)
    learnt, asked = windows_of(corpus, "train"), windows_of(corpus, "validation")
    if not len(learnt.scene) or not len(asked.scene):
        raise NoctuleError(f"{corpus.folder}: --leaks needs scenes to learn from and for validation")
    lots, rooms = shuffled_labels(learnt, asked), room_identity(asked)
    print(
        f"scenes in two splits: {sum(len(one) for one in shared.values())}\n"
        f"area under the curve of major motion in other scenes, learnt from true labels: {lots.true:.3f}; "
        f"from labels drawn by lot: {lots.shuffled.mean():.3f} (0.5 is chance)\n"
        f"scenes named by their second half, while nobody moves: {100 * rooms.right:.0f} % of {rooms.scenes} "
        f"(chance {100 * rooms.chance:.0f} %): so much a split by windows would tell"
    )
    return 2 if shared or lots.leaks else 0


def _hours_table(name: str, hours: dict[str, dict[str, float]], total: bool = True) -> Any:
    """Rows of one kind, a column a split."""
    from rich.table import Table

    from noctule.lab.shards import SPLITS

    table = Table(name, *SPLITS, "all", title=f"hours by {name}", title_justify="left", show_footer=False)
    rows = sorted({row for one in hours.values() for row in one})
    for row in rows:
        values = [hours.get(split, {}).get(row, 0.0) for split in SPLITS]
        table.add_row(row, *(f"{one:.2f}" for one in (*values, sum(values))))
    if total:
        sums = [sum(hours.get(split, {}).values()) for split in SPLITS]
        table.add_row("all", *(f"{one:.2f}" for one in (*sums, sum(sums))))
    return table


def _frames_table(frames: dict[str, dict[str, int]]) -> Any:
    from rich.table import Table

    from noctule.lab.shards import SPLITS

    table = Table("frames", *SPLITS, title="frames by label", title_justify="left")
    for row in ("all", "weighted", "major", "minor", "other", "presence"):
        table.add_row(row, *(f"{frames.get(split, {}).get(row, 0):,}" for split in SPLITS))
    return table
