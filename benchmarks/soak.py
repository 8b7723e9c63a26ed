"""A day of the whole service in minutes, with something broken every few of its minutes.

    python -m benchmarks.soak [--hours 24]

What breaks, and what must hold, is in tests/service/soaking.py; the ordinary tests soak for two hours.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from tests.brokers import mosquitto
from tests.service.made_up import HOP_S
from tests.service.soaking import Home, broken_promises, soak

from benchmarks import machine


def main(
    hours: Annotated[float, typer.Option(min=0.1, help="of simulated time")] = 24.0,
    every_s: Annotated[
        float, typer.Option(min=HOP_S, help="a record so often while nothing happens")
    ] = HOP_S,
) -> None:
    """Soak, and say what came out; exit status 1 where something did not hold."""
    if mosquitto() is None:
        raise SystemExit("soak: mosquitto is not installed: scripts/setup.sh tests")
    console = Console(highlight=False)
    start_s, cpu_s = time.monotonic(), time.process_time()
    columns = (TextColumn("{task.description:<18}"), BarColumn(), TextColumn("{task.completed:.1f} h"))
    with (
        tempfile.TemporaryDirectory() as folder,
        Progress(*columns, TimeRemainingColumn(), console=console) as progress,
    ):
        bar = progress.add_task("begins", total=hours)

        def told(home: Home) -> None:
            progress.update(
                bar, completed=home.work.elapsed_s / 3600.0, description=f"{len(home.sizes)} faults"
            )
            if not console.is_terminal and len(home.sizes) % 13 == 0:
                console.print(home.sizes[-1])

        home = soak(Path(folder), hours, every_s, told)
        broken = broken_promises(home)
    console.print(summary(home, time.monotonic() - start_s, time.process_time() - cpu_s))
    for line in broken:
        console.print(line, style="red")
    raise typer.Exit(1 if broken else 0)


def summary(home: Home, took_s: float, cpu_s: float) -> Table:
    """What was soaked, and what came out."""
    work, first, last = home.work, home.sizes[home.settled], home.sizes[-1]
    facts = machine.describe()
    table = Table(
        "", f"{work.elapsed_s / 3600.0:.1f} h in {took_s / 60.0:.0f} minutes", title="Soak", box=None
    )
    table.add_row("machine", f"{facts['cpu']}, {facts['cores']} cores, Python {facts['python']}")
    table.add_row("CPU", f"{cpu_s:.0f} s, {1e6 * cpu_s / max(work.records, 1):.0f} us a record")
    table.add_row("records", f"{work.records}")
    table.add_row("faults", ", ".join(f"{name} {count}" for name, count in home.faults.items()))
    table.add_row("visits that were checked", str(home.visits))
    table.add_row("healthy again within", f"{home.back_s:.0f} s")
    table.add_row("timers late by at most", ", ".join(f"{k} {v:.2f} s" for k, v in home.late_s.items()))
    table.add_row(
        "events", f"{len(work.told)}, acknowledged {len(work.kept)}, refused with a word {len(work.refused)}"
    )
    table.add_row(
        "memory", f"{first.memory_mb:.1f} MB at {first.hours:.1f} h, {last.memory_mb:.1f} at the end"
    )
    table.add_row("blocks of it", f"{first.blocks}, {last.blocks}")
    table.add_row("threads, files", f"{first.threads}, {first.files}; {last.threads}, {last.files}")
    return table


if __name__ == "__main__":
    machine.with_one_blas_thread("benchmarks.soak")
    typer.run(main)
