"""The page that puts the figures side by side."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scripts.reality.measures import SKIRT_HZ, Figures

ROWS = (
    ("echo_db", "moving echo to carrier", "dBc", 0),
    ("trunk_mps", "strongest velocity", "m/s", 2),
    ("extent_mps", "99 % of the moving power below", "m/s", 1),
    ("width_mps", "80 % of it within", "m/s", 2),
    ("one_sided_db", "one sign over the other", "dB", 0),
    ("cadence_hz", "cadence", "Hz", 2),
)


@dataclass(frozen=True, slots=True)
class Compared:
    """One case: figures of each recording and of each simulated one, over several seeds."""

    title: str
    picture: str
    what: str
    real: list[Figures]
    simulated: list[Figures]
    differences: str


def table(case: Compared) -> list[str]:
    lines = ["| | recorded | simulated |", "|---|---|---|"]
    for key, what, unit, digits in ROWS:
        real, simulated = ([getattr(one, key) for one in side] for side in (case.real, case.simulated))
        if not all(math.isnan(one) for one in real):
            lines.append(f"| {what}, {unit} | {_span(real, digits)} | {_span(simulated, digits)} |")
    return lines


def skirt_table(real: list[list[float]], simulated: list[list[float]]) -> list[str]:
    lines = ["| beside the carrier | recorded | simulated |", "|---|---|---|"]
    for n, (low, high) in enumerate(SKIRT_HZ):
        left, right = ([one[n] for one in side] for side in (real, simulated))
        lines.append(f"| {low:g}-{high:g} Hz, dBc/Hz | {_span(left, 0)} | {_span(right, 0)} |")
    return lines


def section(case: Compared) -> list[str]:
    picture = [f"![spectrograms: {case.title}]({case.picture})", ""] if case.picture else []
    return ["", f"## {case.title}", "", case.what, "", *picture, *table(case), "", case.differences]


def _span(values: list[float], digits: int) -> str:
    known = sorted(one for one in values if not math.isnan(one))
    if not known:
        return "-"
    low, high = (f"{one:.{digits}f}" for one in (known[0], known[-1]))
    return low if low == high else f"{low} to {high}"


HEAD = """# The simulator against reality

Written by `make reality`, from the recordings in `../shared/data` (not part of the project) and the scenes in
[scripts/reality/scenes](../../scripts/reality/scenes). Everything goes through the sensor's own front end.
Figures are measured by [measures.py](../../scripts/reality/measures.py), on both sides alike; where there are
two, they are the smallest and the largest of several recordings, or of five bodies and units. Nothing of the
simulator was fitted to these recordings but the static skirt.
""".splitlines()
