"""Velocity over time in a terminal: one line a frame, newest at the bottom, colours for power."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.text import Text

from noctule.core.frames import Decision
from noctule.pipeline import SensingPipeline

SHOWN_MPS = 3.0
LOWEST_DB, HIGHEST_DB = 3.0, 35.0
#: Dark to bright, perceptually even (256-colour terminal palette).
_COLOURS = (0, 17, 18, 54, 90, 126, 162, 198, 204, 209, 215, 221, 227, 230)
#: The same without colours: a file, a pipe, a log.
_SHADES = " .:-=+*#%@"


class Waterfall:
    """Draws the pipeline's features with the decision beside each line."""

    def __init__(self, pipeline: SensingPipeline) -> None:
        self._pipeline = pipeline
        self._console = Console(highlight=False)
        velocity = pipeline.extractor.velocity_mps
        self._columns = min(61, max(21, self._console.width - 36)) | 1
        edges = np.linspace(-SHOWN_MPS, SHOWN_MPS, self._columns + 1)
        self._first = np.searchsorted(velocity, edges[:-1])
        self._last = np.maximum(np.searchsorted(velocity, edges[1:]), self._first + 1)
        self._console.print(self._heading(), style="bold")

    def _heading(self) -> str:
        axis = list(" " * self._columns)
        for text, share in ((f"-{SHOWN_MPS:g} m/s goes", 0.0), ("0", 0.5), (f"comes +{SHOWN_MPS:g}", 1.0)):
            start = round(share * (self._columns - len(text)))
            axis[start : start + len(text)] = text
        return f"{'t':>7}  {''.join(axis)}"

    def draw(self, decisions: Sequence[Decision]) -> None:
        """Draw the frames of the newest feature block."""
        features = self._pipeline.features
        if features is None:
            return
        for row, decision in zip(features.log_power_db, decisions, strict=True):
            self._console.print(self._line(row, decision))

    def _line(self, row: np.ndarray, decision: Decision) -> Text:
        text = Text(f"{decision.time_s:7.2f}  ")
        cells = [row[a:b].max() for a, b in zip(self._first, self._last, strict=True)]
        share = np.clip((np.array(cells) - LOWEST_DB) / (HIGHEST_DB - LOWEST_DB), 0.0, 0.999)
        if self._console.color_system is None:
            text.append("".join(_SHADES[shade] for shade in (share * len(_SHADES)).astype(int)))
        else:
            for colour in (share * len(_COLOURS)).astype(int):
                text.append(" ", style=f"on color({_COLOURS[colour]})")
        who = "somebody" if decision.presence else "nobody"
        style = {"major": "bold yellow", "minor": "cyan", "none": "dim"}[decision.motion]
        text.append(f"  {decision.fault.name_for_humans or decision.motion:<8}", style=style)
        text.append(f" {who:<8}", style="bold green" if decision.presence else "dim")
        return text
