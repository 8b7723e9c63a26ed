"""`noctule devices`: what can sense here."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from noctule.audio.devices import Device


def devices(
    as_json: Annotated[bool, typer.Option("--json", help="a JSON array on standard output")] = False,
) -> int:
    """List the sound devices, and the sample rates each accepts.

    A sound server accepts every rate and resamples in silence; `noctule doctor` measures what passes.
    Exit status: 0, also where there is no device.
    """
    from rich.console import Console

    from noctule.audio.devices import list_devices

    console = Console()
    with _without_chatter() as terminal, terminal.status("asking each device for its rates"):
        rows = [_row(device) for device in list_devices().devices]
    if as_json:
        print(json.dumps(rows, indent=2))
    elif rows:
        console.print(_table(rows))
    else:
        console.print(
            "No sound device. Connect one, start the sound server (PipeWire, PulseAudio or JACK), or install "
            "what lets ALSA programs reach it: apt install pipewire-alsa (PipeWire) or libasound2-plugins "
            "(PulseAudio).",
            soft_wrap=True,
        )
    return 0


@contextlib.contextmanager
def _without_chatter() -> Iterator[Console]:
    """ALSA, JACK and PortAudio write to file descriptor 2 as they please; ours goes where it went before."""
    from rich.console import Console

    before = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with os.fdopen(os.dup(before), "w") as terminal:
        os.dup2(nowhere, 2)
        try:
            yield Console(file=terminal)
        finally:
            os.dup2(before, 2)
            os.close(before)
            os.close(nowhere)


def _row(device: Device) -> dict[str, Any]:
    from noctule.audio.devices import DIRECTIONS, accepted_rates_hz

    rates = {
        f"{direction}_rates_hz": accepted_rates_hz(device, direction)
        for direction in DIRECTIONS
        if device.channels(direction) > 0
    }
    facts = dataclasses.asdict(device)
    del facts["index"]  # it changes when something is plugged in
    return facts | rates


def _table(rows: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table("device", "in", "out", "default Hz", "accepts Hz")
    for row in rows:
        rates = sorted({*row.get("input_rates_hz", ()), *row.get("output_rates_hz", ())})
        table.add_row(
            row["identity"],
            str(row["input_channels"]),
            str(row["output_channels"]),
            f"{row['default_rate_hz']:g}",
            " ".join(str(rate) for rate in rates) or "-",
        )
    return table
