"""`noctule export`: a model folder from a training run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noctule.cli.train import require


def export(
    run: Annotated[Path, typer.Argument(metavar="RUNDIR", help="folder of a run of `noctule train`")],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="MODEL", help="folder to write; its name is the model's")
    ],
    force: Annotated[bool, typer.Option("--force", help="replace what exists")] = False,
    threads: Annotated[int, typer.Option(min=1, max=256, help="cores to use")] = 2,
) -> int:
    """Write the best epoch of a run as a model: float and int8 weights, manifest, card.

    The thresholds of the presets come from the run's validation scenes. `model.name` in the settings takes
    the path of the folder. Exit status: 0 written, 2 there is nothing to export or the folder exists.
    """
    require("torch", "exporting")
    require("onnx", "exporting")
    from noctule.lab.publish import publish

    def say(line: str) -> None:
        print(f"{line} ...", flush=True)

    manifest = publish(run, out, force, threads, say).manifest
    print(f"saved {out}: {manifest.parameters} parameters")
    for name, one in manifest.presets.items():
        measured = one.measured
        print(
            f"  {name}: {measured['false_alarms_per_day']:g} false alarms a day, "
            f"{100 * measured['onsets_found_within_1_s']:.1f} % of walks within 1 s, "
            f"{100 * measured['minor_frames_found']:.1f} % of minor motion"
        )
    int8 = manifest.int8
    print(
        f"  int8 against float: {int8['logit_snr_db']:.1f} dB, {100 * int8['decisions_differ']:.2f} % differ"
    )
    return 0
