"""`noctule evaluate`: measure detectors on simulated rooms that nobody has trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noctule.cli._output import with_progress
from noctule.core.errors import NoctuleError


def evaluate(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="folder of the run and its report")],
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="a model to measure beside the baselines, or 'cfar' alone; may be repeated"
        ),
    ] = None,
    hours: Annotated[
        float, typer.Option(min=0.0, help="simulated hours without people, all causes together")
    ] = 5.0,
    scenes: Annotated[int, typer.Option(min=1, help="of each set with people")] = 90,
    chosen: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME", help="only this set of scenes; may be repeated"),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="processes; left out: one a core")
    ] = None,
) -> int:
    """Measure detectors event by event, beside the clairvoyant limit, and write a report.

    DIR gets report.md with its pictures, report.json, and a row a scene in rows.jsonl. A run that was cut off
    goes on where it was; more hours or scenes are added to what is there. Exit status: 0 the report is
    written, 2 a model or a set is not there, or the folder holds a run of other detectors.
    """
    import os

    from noctule.lab.baselines import probability_of
    from noctule.lab.benchmark import SETS, scene_set
    from noctule.lab.evaluate import ALWAYS, Plan, run
    from noctule.lab.report import write_report

    for name in chosen or []:
        scene_set(name)
    sets = tuple(name for name in SETS if not chosen or name in chosen)
    detectors = ("cfar",) if model == ["cfar"] else tuple(dict.fromkeys([*(model or []), *ALWAYS]))
    plan = Plan(detectors, sets, scenes, hours)
    rows = run(out, plan, workers or os.cpu_count() or 1, with_progress)
    if not rows:
        raise NoctuleError("no scenes were asked for: give --hours or --scenes")
    says = {name: probability_of(name) for name in detectors}
    page = write_report(out, rows, _command(model, hours, scenes, chosen), says)
    print(f"saved {page}: {len(rows)} scenes, {', '.join(detectors)}")
    return 0


def _command(model: list[str] | None, hours: float, scenes: int, chosen: list[str] | None) -> str:
    words = ["noctule evaluate", *(f"--model {one}" for one in model or [])]
    words += [f"--hours {hours:g}", f"--scenes {scenes}", *(f"--set {one}" for one in chosen or [])]
    return " ".join(words)
