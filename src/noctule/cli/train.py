"""`noctule train`: a network from a corpus."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from noctule.core.errors import NoctuleError

if TYPE_CHECKING:
    from noctule.lab.train import Progress

#: Without a terminal, a line at least so often.
_SAY_EVERY_S = 60.0


def train(
    corpora: Annotated[
        list[Path], typer.Argument(metavar="CORPUS", help="folders that `noctule dataset` wrote")
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="RUNDIR", help="folder of the run: checkpoints and metrics")
    ],
    epochs: Annotated[int, typer.Option(min=1, help="times through the corpus")] = 10,
    resume: Annotated[bool, typer.Option("--resume", help="go on with the run in RUNDIR")] = False,
    seed: Annotated[int, typer.Option(min=0, help="of everything drawn at random")] = 1,
    batch: Annotated[int, typer.Option(min=1, max=1024, help="crops of 20 s a step")] = 32,
    learning_rate: Annotated[float, typer.Option(min=1e-6, max=1.0)] = 2e-3,
    threads: Annotated[int, typer.Option(min=1, max=256, help="cores to use")] = 2,
    begin_with: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="begin with the weights of another run, or of a model"),
    ] = None,
    bfloat16: Annotated[
        bool, typer.Option("--bfloat16", help="multiply in 16 bits: quicker where the processor can")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, or what PyTorch calls another one")] = "cpu",
) -> int:
    """Train the network; stop it whenever you like, --resume goes on to the same weights.

    RUNDIR holds checkpoint.pt (to go on), best.pt (the epoch with the most found at the same few false
    alarms; `noctule export` makes a model of it) and metrics.jsonl. Exit status: 0 trained, 2 the corpus or
    the folder cannot be used.
    """
    require("torch", "training")
    from noctule.lab.shards import Corpus
    from noctule.lab.train import Trainer, TrainSettings

    settings = TrainSettings(
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        seed=seed,
        threads=threads,
        device=device,
        bfloat16=bfloat16,
    )
    with _shown() as progress:
        trainer = Trainer([Corpus(one) for one in corpora], out, settings, resume, begin_with)
        trainer.run(progress, lambda line: print(line, flush=True))
    print(f"saved {out}; next: noctule export {out} -o MODEL")
    return 0


def require(module: str, purpose: str) -> None:
    """Raise NoctuleError where the extra packages of the laboratory are not installed."""
    if importlib.util.find_spec(module) is None:
        raise NoctuleError(f"{purpose} needs {module}, which is not installed: pip install 'noctule[train]'")


@contextlib.contextmanager
def _shown() -> Iterator[Progress]:
    """A bar on a terminal, else a line a minute on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _LinesNowAndThen()
        return
    columns = ("[progress.description]{task.description}", BarColumn(), TextColumn("{task.fields[now]}"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task("epoch 1", total=None, now="")

        def show(epoch: int, step: int, steps: int, loss: float, speed: float) -> None:
            now = f"loss {loss:.3f}, {speed / 1000:.1f} k frames/s"
            bar.update(task, description=f"epoch {epoch + 1}", completed=step, total=steps, now=now)

        yield show


class _LinesNowAndThen:
    def __init__(self) -> None:
        self._said_s = time.monotonic()

    def __call__(self, epoch: int, step: int, steps: int, loss: float, speed: float) -> None:
        if time.monotonic() - self._said_s >= _SAY_EVERY_S:
            self._said_s = time.monotonic()
            line = f"epoch {epoch + 1}, step {step} of {steps}: loss {loss:.4f}, {speed:.0f} frames/s"
            print(line, file=sys.stderr, flush=True)
