"""The pictures of an evaluation. matplotlib is loaded here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from noctule.core.errors import NoctuleError
from noctule.lab import curves
from noctule.lab.benchmark import SETS
from noctule.lab.limit import FALSE_ALARM, THRESHOLD, detection_probability
from noctule.lab.metrics import score_histogram
from noctule.lab.report import FAINT, QUIET, Findings, Keep, reliability

#: Okabe & Ito's colours, which everybody can tell apart; the limit is black and dashed.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C564B")
LIMIT = {"color": "black", "linestyle": "--", "linewidth": 1.6}


def draw_all(found: Findings, folder: Path) -> list[tuple[str, str]]:
    """Every picture there are rows for; gives (file, caption).

    Raises
    ------
    NoctuleError
        matplotlib is not installed.
    """
    try:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ImportError:
        raise NoctuleError("the report needs matplotlib: pip install matplotlib") from None
    drawn = []
    with plt.rc_context(
        {
            "font.size": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#dddddd",
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "figure.dpi": 110,
        }
    ):
        for name, caption, draw in PICTURES:
            figure = draw(found, plt)
            if figure is None:
                continue
            figure.savefig(folder / f"{name}.png", bbox_inches="tight")
            plt.close(figure)
            drawn.append((f"{name}.png", caption))
    return drawn


def _colour(found: Findings, name: str) -> str:
    return COLOURS[found.detectors.index(name) % len(COLOURS)]


def det(found: Findings, plt: Any) -> Any:
    """Missed walks over false seconds an hour, for three kinds of trouble."""
    panels = [
        (title, walks, none)
        for title, walks, none in (
            ("quiet rooms", found.of(*QUIET), found.of(*QUIET, "empty")),
            (
                "a fan runs",
                found.of("fan_walks"),
                found.of("fan_walks", "fan", "oscillating_fan", "ceiling_fan"),
            ),
            ("anything at once", found.of("everyday"), found.of("everyday")),
        )
        if walks and none
    ]
    if not panels:
        return None
    figure, axes = plt.subplots(1, len(panels), figsize=(4.2 * len(panels), 4.0), sharey=True, squeeze=False)
    for axis, (title, walks, none) in zip(axes[0], panels, strict=True):
        hours = 0.0
        for name in found.detectors:
            quiet_seconds = found.histogram(none, name, "windows_none").sum(0)
            hours = quiet_seconds.sum() / 3600.0
            peaks = score_histogram(found.event_peaks(walks, name))
            line = curves.det_curve(peaks, quiet_seconds)
            shown = line.false_per_hour > 0
            axis.plot(
                line.false_per_hour[shown],
                100 * line.missed[shown],
                color=_colour(found, name),
                label=name,
                lw=1.8,
                drawstyle="steps-pre",
            )
        _limit_det(found, walks, axis)
        axis.set(xscale="log", xlim=(0.1, 3600), ylim=(-2, 102))
        axis.set_title(
            f"{title}: {sum(_majors(one) for one in walks)} walks, {hours:.1f} h of nobody", fontsize=10
        )
        axis.set_xlabel("seconds an hour in which a score\nis over the threshold and nobody moves")
    axes[0][0].set_ylabel("walks missed within 1 s, %")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", bbox_to_anchor=(0.5, 0.97), ncols=len(labels))
    return figure


def _majors(row: dict[str, Any]) -> int:
    return sum(event["kind"] == "major" for event in row["events"])


def _limit_det(found: Findings, rows: list[dict[str, Any]], axis: Any) -> None:
    margins = [
        e["margin_db"] for row in rows for e in row["events"] if e["kind"] == "major" and "margin_db" in e
    ]
    if not margins:
        return
    deflection = THRESHOLD**2 * 10.0 ** (np.array(margins) / 10.0)
    chance = np.logspace(np.log10(0.1 / 3600), np.log10(0.999), 80)
    missed = [100 * (1.0 - detection_probability(deflection, one).mean()) for one in chance]
    axis.plot(3600 * chance, missed, label="limit", **LIMIT)
    axis.plot(
        3600 * FALSE_ALARM, 100 * (1.0 - detection_probability(deflection).mean()), "o", color="black", ms=4
    )


def by_range(found: Findings, plt: Any) -> Any:
    """Share of walks found over distance, a panel a family."""
    rows = found.of(*QUIET)
    families = sorted({row["family"] for row in rows})
    if not families:
        return None
    figure, axes = plt.subplots(
        1, len(families), figsize=(4.2 * len(families), 3.8), sharey=True, squeeze=False
    )
    for axis, family in zip(axes[0], families, strict=True):
        chosen = [row for row in rows if row["family"] == family]
        places = np.arange(1.0, 8.0)
        for n, name in enumerate([*found.detectors, "limit"]):
            near = [_near_m(place) for place in places]
            if name == "limit":
                limits = [100 * found.limit(chosen, "major", keep).value for keep in near]
                axis.plot(places, limits, label=name, zorder=3, **LIMIT)
                continue
            shares = [found.found(chosen, name, "major", keep) for keep in near]
            value, low, high = (
                np.array([100 * getattr(s, part) for s in shares]) for part in ("value", "low", "high")
            )
            at = places + 0.06 * (n - len(found.detectors) / 2)
            errors = np.abs(np.stack([value - low, high - value]))
            axis.errorbar(
                at,
                value,
                errors,
                color=_colour(found, name),
                label=name,
                lw=1.6,
                elinewidth=0.6,
                marker="o",
                ms=3,
            )
        axis.set(ylim=(-3, 103), xlim=(0.5, 7.5), xlabel="distance at the onset, m")
        axis.set_title(family, fontsize=10)
    axes[0][0].set_ylabel("walks found within 1 s, %")
    handles, labels = axes[0][-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", bbox_to_anchor=(0.5, 0.97), ncols=len(labels))
    return figure


def _near_m(place_m: float) -> Keep:
    return lambda row, event: place_m - 0.5 <= event["range_m"] < place_m + 0.5


def by_margin(found: Findings, plt: Any) -> Any:
    """Share found over the clairvoyant's margin: quiet walks, and small motions."""
    panels = [
        (title, rows, kind)
        for title, rows, kind in (
            ("walks in quiet rooms", found.of(*FAINT), "major"),
            ("walks with a fan", found.of("fan_walks"), "major"),
            ("small motions of who sits", found.of("seated"), "minor"),
        )
        if rows
    ]
    if not panels:
        return None
    figure, axes = plt.subplots(1, len(panels), figsize=(4.2 * len(panels), 3.8), sharey=True, squeeze=False)
    for axis, (title, rows, kind) in zip(axes[0], panels, strict=True):
        for name in found.detectors:
            margins, hits = found.margins_and_hits(rows, name, kind)
            if len(margins):
                axis.plot(
                    *_in_bins(margins, hits, scale=100.0),
                    color=_colour(found, name),
                    label=name,
                    lw=1.8,
                    marker="o",
                    ms=3,
                )
        margins, powers = found.margins_and_powers(rows, kind)
        axis.plot(
            *_in_bins(margins, powers, 2.0, 2, 100.0), color="#777777", ls=":", lw=1.6, label="power limit"
        )
        grid = np.linspace(-12.0, 60.0, 300)
        axis.plot(
            grid, 100 * detection_probability(THRESHOLD**2 * 10.0 ** (grid / 10.0)), label="limit", **LIMIT
        )
        axis.set(ylim=(-3, 103), xlim=(-12, 60), xlabel="margin of the clairvoyant, dB")
        axis.set_title(f"{title}: {len(margins)} events", fontsize=10)
    axes[0][0].set_ylabel("found, %")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", bbox_to_anchor=(0.5, 0.97), ncols=len(labels))
    return figure


def _in_bins(
    margins: Any, hits: Any, width_db: float = 4.0, least: int = 4, scale: float = 1.0
) -> tuple[Any, Any]:
    """Means of bins of some dB that hold enough events; the outermost take all beyond."""
    number = np.floor(np.clip(margins, -12.0, 59.9) / width_db)
    bins = [n for n in np.unique(number) if (number == n).sum() >= least]
    place = [np.clip(margins[number == n], -12.0, 60.0).mean() for n in bins]
    return np.array(place), np.array([scale * hits[number == n].mean() for n in bins])


def how_reliable(found: Findings, plt: Any) -> Any:
    """How often a score was true."""
    if not found.rows:
        return None
    figure, axis = plt.subplots(figsize=(4.6, 4.2))
    axis.plot([0, 1], [0, 1], color="#999999", lw=1, label="as it should be")
    for name in found.detectors:
        one = reliability(found, name)
        kept = one.count >= 20
        axis.plot(one.score[kept], one.true[kept], marker="o", ms=3, color=_colour(found, name), label=name)
    axis.set(
        xlabel="score of human motion", ylabel="share of frames with human motion", xlim=(0, 1), ylim=(0, 1)
    )
    axis.legend(loc="upper left")
    return figure


def false_alarms(found: Findings, plt: Any) -> Any:
    """False alarms an hour of each cause, with bounds."""
    groups = [(name, found.of(name)) for name, one in SETS.items() if one.negative and found.of(name)]
    if not groups:
        return None
    groups.append(("all together", found.negatives()))
    figure, axis = plt.subplots(figsize=(7.2, 0.42 * len(groups) + 1.2))
    least = 1e9
    for n, name in enumerate(found.detectors):
        rates = [found.alarm_rate(rows, name) for _, rows in groups]
        at = np.arange(len(groups)) + 0.16 * (n - (len(found.detectors) - 1) / 2)
        value, low, high = (
            np.array([getattr(one, part) for one in rates]) for part in ("value", "low", "high")
        )
        least = min(least, float(high.min()))
        axis.hlines(at, np.maximum(low, 1e-4), high, color=_colour(found, name), lw=1.4)
        some = value > 0
        axis.plot(value[some], at[some], "o", ms=4, color=_colour(found, name), label=name)
        axis.plot(high[~some], at[~some], "<", ms=4, color=_colour(found, name))
    axis.axvline(1.0, color="#999999", lw=1)
    axis.axvline(1 / 24, color="#999999", lw=1, ls=":")
    axis.text(1.0, -0.95, " one an hour", fontsize=8, color="#666666", va="center")
    axis.text(1 / 24, -0.95, " one a day", fontsize=8, color="#666666", va="center")
    names = [name.replace("_", " ") for name, _ in groups]
    axis.set(xscale="log", xlim=(min(0.03, 0.5 * least), 3600), ylim=(len(groups) - 0.5, -1.3))
    axis.set_yticks(range(len(groups)), names)
    axis.set_xlabel("false alarms an hour; bounds of 95 %; a triangle: none, and at most so many")
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(found.detectors))
    return figure


PICTURES: tuple[tuple[str, str, Callable[[Findings, Any], Any]], ...] = (
    ("det", "Missed walks against false seconds", det),
    ("range", "Walks found by distance, 76 dB SPL, body of -20 dB", by_range),
    ("margin", "Found by margin of the clairvoyant", by_margin),
    ("reliability", "What a score means", how_reliable),
    ("alarms", "False alarms an hour by cause", false_alarms),
)
