"""Figures as a table for people, a file to compare, and a page of the documentation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import machine

Results = dict[str, Any]
RESULTS, PAGE = Path("benchmarks/results"), Path("docs/reference/performance.md")
COMMANDS = "make bench BENCH='--hour --live --write'` and `python -m benchmarks.service --write"
#: Load average from which on the figures say more about the machine's other work.
BUSY = 0.5
#: (group, key, what it is, unit, what issue or design asks for, larger is better)
FIGURES: tuple[tuple[str, str, str, str, str, bool], ...] = (
    (
        "chain",
        "times_real_time_best",
        "whole chain with the network, best run",
        "x real time",
        ">= 150",
        True,
    ),
    ("chain", "times_real_time_median", "whole chain, median run", "x real time", "", True),
    ("chain", "times_real_time_cpu_best", "whole chain by CPU time, best run", "x real time", "", True),
    ("chain", "times_real_time_cpu_median", "whole chain by CPU time, median run", "x real time", "", True),
    ("chain", "times_real_time_undisturbed", "whole chain, the best of each block", "x real time", "", True),
    ("chain", "worst_block_ms_best_run", "slowest 32 ms block, best run", "ms", "", False),
    ("chain", "worst_block_ms_all_runs", "slowest 32 ms block, all runs", "ms", "", False),
    ("plain", "times_real_time_best", "plain SciPy mix-filter-STFT, best run", "x real time", "", True),
    ("plain", "times_real_time_cpu_best", "plain SciPy by CPU time, best run", "x real time", "", True),
    ("chain", "times_plain", "chain over plain SciPy, by CPU time", "x", "", True),
    ("chain", "latency_ms", "arrival of a sample to its decision, without the window", "ms", "<= 60", False),
    ("chain", "window_ms", "window at this carrier", "ms", "", False),
    ("minute", "peak_memory_mb", "peak memory of `noctule replay`, a minute", "MB", "", False),
    ("hour", "peak_memory_mb", "peak memory of `noctule replay`, an hour", "MB", "< 300", False),
    (
        "hour",
        "times_real_time",
        "`noctule replay` of that hour, FLAC decoding included",
        "x real time",
        "",
        True,
    ),
    (
        "live",
        "percent_of_one_core",
        "`noctule run` through JACK, 96 kHz, 2 microphones",
        "% of a core",
        "<= 2",
        False,
    ),
    ("live", "records_per_s", "its decisions", "a second", ">= 20", True),
    (
        "simulator",
        "times_real_time_cpu",
        "simulator, a typical scene on every core at once, by CPU time of the slowest",
        "x real time",
        ">= 200",
        True,
    ),
    ("simulator", "times_real_time", "the same by the clock", "x real time", "", True),
    ("simulator", "peak_memory_mb", "its memory, a worker", "MB", "< 500", False),
    (
        "service",
        "percent_alone",
        "whole service, JACK, 96 kHz, 4 microphones, no browser",
        "% of a core",
        "",
        False,
    ),
    ("service", "percent_now", "the same with a browser on Now", "% of a core", "<= 15", False),
    ("service", "percent_timeline", "the same with a browser on Timeline", "% of a core", "<= 15", False),
    ("service", "memory_now_mb", "its memory, with its sound card's process", "MB", "", False),
    ("service", "rows_per_s", "rows of the waterfall in the browser", "a second", ">= 20", True),
    ("service", "rows_lost", "rows lost on the way to it", "", "0", False),
    ("service", "plain_times_real_time_cpu", "plain SciPy meanwhile, by CPU time", "x real time", "", True),
    ("service", "interactive_now_s", "Now: from the click to the first number", "s", "<= 2", False),
    ("service", "interactive_timeline_s", "Timeline, the same", "s", "<= 2", False),
    ("service", "interactive_slowest_s", "the slowest page", "s", "<= 2", False),
)


def rows(results: Results) -> list[tuple[str, float, str, str]]:
    """(what, figure, unit, asked for) of everything that was measured."""
    return [
        (what, results[group][key], unit, asked)
        for group, key, what, unit, asked, _ in FIGURES
        if key in results.get(group, {})
    ]


def number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def print_tables(results: Results) -> None:
    console = Console(highlight=False, width=max(Console().width, 100))
    console.print(" · ".join(f"{key} {value}" for key, value in results["machine"].items()), style="dim")
    console.print(results["workload"]["what"], style="dim")
    if results["workload"]["load_before"] > BUSY:
        console.print(
            "The machine was busy before this began: trust the best run and the ratio.", style="yellow"
        )
    table = Table("stage", "ms a second of audio", "share", box=None, header_style="bold")
    total = sum(results["stages_ms_per_s"].values())
    for stage, ms in results["stages_ms_per_s"].items():
        table.add_row(stage, f"{ms:.2f}", f"{ms / total:.0%}")
    console.print(table)
    _print_figures(console, results)


def print_figures(results: Results) -> None:
    """Of something that has no stages."""
    console = Console(highlight=False, width=max(Console().width, 100))
    console.print(" · ".join(f"{key} {value}" for key, value in results["machine"].items()), style="dim")
    _print_figures(console, results)


def _print_figures(console: Console, results: Results) -> None:
    table = Table("figure", "measured", "", "asked for", box=None, header_style="bold")
    for what, value, unit, asked in rows(results):
        table.add_row(what, number(value), unit, asked)
    console.print(table)


def print_comparison(results: Results, other_file: Path) -> None:
    """New over old for everything that both measured."""
    other = json.loads(other_file.read_text())
    console = Console(highlight=False, width=max(Console().width, 100))
    if other["machine"] != results["machine"]:
        console.print(f"not the same machine or software: {other['machine']}", style="yellow")
    table = Table("figure", "then", "now", "now/then", box=None, header_style="bold")
    for group, key, what, unit, _, larger_is_better in FIGURES:
        if key in results.get(group, {}) and key in other.get(group, {}):
            then, now = other[group][key], results[group][key]
            better = (now > then) == larger_is_better
            style = "" if abs(now / then - 1.0) < 0.1 else "green" if better else "red"
            table.add_row(f"{what}, {unit}", number(then), number(now), f"{now / then:.2f}", style=style)
    for stage, now in results["stages_ms_per_s"].items():
        if then := other["stages_ms_per_s"].get(stage):
            style = "" if abs(now / then - 1.0) < 0.1 else "green" if now < then else "red"
            table.add_row(
                f"{stage}, ms a second", f"{then:.2f}", f"{now:.2f}", f"{now / then:.2f}", style=style
            )
    console.print(table)


def write(results: Results) -> None:
    """Keep them with what was measured on such a machine before, and write the page."""
    file = RESULTS / f"{machine.file_name()}.json"
    write_json(results, file)
    PAGE.write_text(markdown(json.loads(file.read_text()), COMMANDS, file))


def write_json(results: Results, file: Path) -> None:
    """Merged with what the file already has, so that the slow figures need not be measured every time."""
    same = json.loads(file.read_text()) if file.exists() else {}
    kept = same if same.get("machine") == results["machine"] else {}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(_rounded(kept | results), indent=2) + "\n")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def markdown(results: Results, command: str, file: Path) -> str:
    """The page of the documentation."""
    total = sum(results["stages_ms_per_s"].values())
    stages = [
        f"| {stage} | {ms:.2f} | {ms / total:.0%} |" for stage, ms in results["stages_ms_per_s"].items()
    ]
    figures = [f"| {what} | {number(value)} {unit} | {asked} |" for what, value, unit, asked in rows(results)]
    facts = [f"- {key}: {value}" for key, value in results["machine"].items()]
    return "\n".join(
        [
            "# Performance",
            "",
            f"Written by `{command}`; the same figures to compare with are in",
            f'[{file.name}](../../{file.as_posix()}) (`make bench BENCH="--compare FILE"`).',
            "",
            f"Workload: {results['workload']['what']}",
            "",
            *facts,
            "",
            "| figure | measured | asked for |",
            "|---|---|---|",
            *figures,
            "",
            "What each stage takes, best of several runs. Measuring a stage costs a little, too: see rest.",
            "",
            "| stage | ms a second of audio | share |",
            "|---|---|---|",
            *stages,
            "",
        ]
    )
