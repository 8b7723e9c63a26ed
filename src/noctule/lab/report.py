"""From rows of an evaluation to one page: tables with bounds, every detection beside its limit."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from noctule.lab import curves
from noctule.lab.benchmark import SETS
from noctule.lab.curves import Bounded
from noctule.lab.evaluate import Row, dense
from noctule.lab.metrics import LEFT_S, SCORE_BINS, SCORE_MIDDLES

FloatArray = npt.NDArray[np.float64]
Keep = Callable[[Row, Row], bool]  # of (row, event)
#: What is known of each event beside what detectors make of it, and what tables call that.
LIMITS, LIMIT_COLUMNS = ("limit", "power_limit"), ("limit", "power limit")

#: Margins in dB between which events are put together.
MARGINS_DB = (-np.inf, 0.0, 4.0, 8.0, 12.0, 16.0, 20.0, 30.0, np.inf)
#: Sets without anything but the person.
QUIET = ("walks",)
#: The same, and where the tone is so faint that detectors begin to fail.
FAINT = ("walks", "faint_walks")
#: Sets that no bar is set for: what goes about as people do is told, and not promised.
GO_ABOUT = ("pets", "vacuum")


def _itself(score: FloatArray) -> FloatArray:
    return score


def _all(row: Row, event: Row) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Limited:
    """Share that the clairvoyant finds, of so many events: it is computed, so it has no bounds."""

    value: float
    of: int


class Findings:
    """The rows of a run, asked in the ways the tables need."""

    def __init__(
        self, rows: Sequence[Row], says: Mapping[str, Callable[[FloatArray], FloatArray]] | None = None
    ) -> None:
        """`says` : what scores mean as probabilities, where that is not the scores themselves."""
        self.rows = list(rows)
        self.detectors = list(rows[0]["detectors"]) if rows else []
        self.says = {name: (says or {}).get(name, _itself) for name in self.detectors}

    def of(self, *sets: str) -> list[Row]:
        return [row for row in self.rows if row["set"] in sets]

    def negatives(self) -> list[Row]:
        return [row for row in self.rows if SETS[row["set"]].negative]

    # -- events

    def found(self, rows: Iterable[Row], name: str, kind: str, keep: Keep = _all) -> Bounded:
        """Share of events found, bounds by scene."""
        pairs = [self._hits(row, name, kind, keep) for row in rows]
        return curves.share_by_scene([one[0] for one in pairs], [one[1] for one in pairs])

    def _hits(self, row: Row, name: str, kind: str, keep: Keep) -> tuple[int, int]:
        results = row["detectors"][name]["events"]
        chosen = [
            result["found"]
            for event, result in zip(row["events"], results, strict=True)
            if event["kind"] == kind and keep(row, event)
        ]
        return sum(chosen), len(chosen)

    def limit(self, rows: Iterable[Row], kind: str, keep: Keep = _all, of: str = "limit") -> Limited:
        """What the clairvoyant finds of them, on average; `of` may be "power_limit"."""
        values = [e[of] for row in rows for e in row["events"] if _is(row, e, kind, keep)]
        return Limited(float(np.mean(values)) if values else np.nan, len(values))

    def median_margin_db(self, rows: Iterable[Row], kind: str, keep: Keep) -> float:
        values = [e["margin_db"] for row in rows for e in row["events"] if _is(row, e, kind, keep)]
        return float(np.median(values)) if values else np.nan

    def of_events(self, rows: Iterable[Row], name: str, kind: str, what: str) -> list[list[float]]:
        """A number of each event that has it, a list a scene."""
        return [
            [
                result[what]
                for event, result in zip(row["events"], row["detectors"][name]["events"], strict=True)
                if event["kind"] == kind and result[what] is not None
            ]
            for row in rows
        ]

    def margins_and_hits(self, rows: Iterable[Row], name: str, kind: str) -> tuple[FloatArray, FloatArray]:
        """(events,) margin in dB, and 1 where found."""
        pairs = [
            (event["margin_db"], float(result["found"]))
            for row in rows
            for event, result in zip(row["events"], row["detectors"][name]["events"], strict=True)
            if event["kind"] == kind and "margin_db" in event
        ]
        array = np.array(pairs).reshape(-1, 2)
        return array[:, 0], array[:, 1]

    def margins_and_powers(self, rows: Iterable[Row], kind: str) -> tuple[FloatArray, FloatArray]:
        """(events,) margin in dB, and what the power limit finds."""
        pairs = [
            (event["margin_db"], event["power_limit"])
            for row in rows
            for event in row["events"]
            if event["kind"] == kind and "margin_db" in event
        ]
        array = np.array(pairs).reshape(-1, 2)
        return array[:, 0], array[:, 1]

    def event_peaks(self, rows: Iterable[Row], name: str) -> FloatArray:
        """Highest score of each major event."""
        return np.array([one for scene in self.of_events(rows, name, "major", "peak") for one in scene])

    # -- scores

    def histogram(self, rows: Iterable[Row], name: str, what: str) -> FloatArray:
        """(scenes, bins)."""
        found = [dense(row["detectors"][name][what], SCORE_BINS) for row in rows]
        return np.array(found).reshape(len(found), SCORE_BINS)

    # -- what is false

    def alarms(self, rows: Iterable[Row], name: str) -> dict[str, float]:
        total: dict[str, float] = {}
        for row in rows:
            for key, value in row["detectors"][name]["alarms"].items():
                total[key] = total.get(key, 0) + value
        return total

    def alarm_rate(self, rows: Iterable[Row], name: str, per_s: float = 3600.0) -> Bounded:
        total = self.alarms(rows, name)
        return curves.poisson_rate(int(total.get("motion", 0)), total.get("idle_s", 0.0) / per_s)

    def false_share(self, rows: Iterable[Row], name: str, what: str, of: str) -> Bounded:
        """Share of time in which something is said that is not so."""
        counted = [row["detectors"][name]["alarms"] for row in rows]
        return curves.share_by_scene([one[what] for one in counted], [one[of] for one in counted])

    def held(self, rows: Iterable[Row], name: str) -> Bounded:
        counted = [row["detectors"][name]["hold"] for row in rows]
        return curves.share_by_scene([one["held_s"] for one in counted], [one["inside_s"] for one in counted])


def _is(row: Row, event: Row, kind: str, keep: Keep) -> bool:
    return bool(event["kind"] == kind and "limit" in event and keep(row, event))


# -- the page

Table = dict[str, Any]  # title, note, columns, rows of cells: text or Bounded


def tables(found: Findings) -> list[Table]:
    """Every table there are scenes for."""
    makers = (
        _promises, _by_range, _by_margin, _with_fan, _how_soon, _minor, _holding, _false_alarms, _by_area,
    )  # fmt: skip
    return [table for make in makers for table in make(found) if table["rows"]]


def _table(title: str, note: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    return {"title": title, "note": note, "columns": list(columns), "rows": [list(one) for one in rows]}


def _between(what: str, low: float, high: float) -> Keep:
    """Events of which a number is in a range."""
    return lambda row, event: low <= event.get(what, -np.inf) < high


def _promises(found: Findings) -> Iterator[Table]:
    """The bars of the project, one a line."""
    walks, margins, fans = found.of(*QUIET), found.of(*FAINT), found.of("fan_walks")
    seated, sitting = found.of("seated"), found.of("sitting")
    negatives = [row for row in found.negatives() if row["set"] not in GO_ABOUT]
    lines: list[list[Any]] = []

    def ask(text: str, bar: str, rows: list[Row], value: Callable[[str], Any], *limits: Any) -> None:
        if rows:
            lines.append([text, bar, *(limits or ("", "")), *(value(name) for name in found.detectors)])

    def events(text: str, bar: str, rows: list[Row], kind: str, keep: Keep = _all) -> None:
        limits = (found.limit(rows, kind, keep, of) for of in LIMITS)
        ask(text, bar, rows, lambda name: found.found(rows, name, kind, keep), *limits)

    def latency(name: str) -> str:
        return _plain(curves.quantile_by_scene(found.of_events(walks, name, "major", "latency_s"), 0.5))

    events("quiet walks with margin ≥ 12 dB", "≥ 98 %", margins, "major", _between("margin_db", 12.0, np.inf))
    events("quiet walks at 8 dB (6 to 10)", "≥ 90 %", margins, "major", _between("margin_db", 6.0, 10.0))
    events("walks to 4 m", "all", walks, "major", _between("range_m", 0.0, 4.2))
    events("walks at 5 m (4.5 to 5.5)", "most", walks, "major", _between("range_m", 4.5, 5.5))
    ask("latency of quiet walks, median, s", "≤ 0.35", walks, latency)
    events("walks at 4 m with a fan", "≥ 95 %", fans, "major")
    music, heard = found.of("music_walks"), _between("margin_db", 12.0, np.inf)
    events("walks at 2 m under music, margin ≥ 12 dB", "≥ 90 %", music, "major", heard)
    loud = [row for row in music if row["what"] == "loud"]
    events("... loud, bass-heavy", "≥ 90 %", loud, "major", heard)
    at_2_m = _between("range_m", 1.5, 2.5)
    events("walks at 2 m in silence", "", walks, "major", at_2_m)
    events("walks at 2 m under music", "3 points less", music, "major", at_2_m)
    events("seated, margin ≥ 10 dB", "≥ 90 %", seated, "minor", _between("margin_db", 10.0, np.inf))
    ask("held through small motions", "≥ 98 %", seated, lambda name: found.held(seated, name))
    ask("held while one only sits", "≥ 95 %", sitting, lambda name: found.held(sitting, name))
    ask(
        "false alarms a day, all but pets and vacuums", "< 1", negatives,
        lambda name: _rate(found.alarm_rate(negatives, name, 86400.0)),
    )  # fmt: skip
    ask("causes below one an hour", "all", negatives, lambda name: _quiet_causes(found, name))
    for text, bar, rows in (
        ("false presence, all but pets and vacuums", "≤ 2 %", negatives),
        (f"presence after a visit, from {LEFT_S:g} s on", "", found.of("visits")),
    ):
        ask(text, bar, rows, partial(found.false_share, rows, what="presence_s", of="empty_s"))
    note = (
        "Major motion: called major within 1 s of its onset. Small motion: called a motion before it is over."
    )
    yield _table("What is promised", note, ["", "bar", *LIMIT_COLUMNS, *found.detectors], lines)


def _quiet_causes(found: Findings, name: str) -> str:
    causes = [
        one for one, chosen in SETS.items() if chosen.negative and one not in GO_ABOUT and found.of(one)
    ]
    quiet = [one for one in causes if found.alarm_rate(found.of(one), name).value < 1.0]
    return f"{len(quiet)} of {len(causes)}"


def _by_range(found: Findings) -> Iterator[Table]:
    rows = found.of(*QUIET)
    for family in sorted({row["family"] for row in rows}):
        chosen = [row for row in rows if row["family"] == family]
        lines = []
        for low in np.arange(0.5, 7.5):
            keep = _between("range_m", low, low + 1.0)
            line = _line(found, f"{low:g} to {low + 1.0:g} m", chosen, "major", keep)
            if line:
                median_db = found.median_margin_db(chosen, "major", keep)
                lines.append([*line[:2], f"{median_db:.0f} dB", *line[2:]])
        yield _table(
            f"Walks in quiet rooms by distance: {family}",
            "76 dB SPL at 1 m, a pessimist's body (-20 dB): events found within 1 s.",
            ["at the onset", "events", "margin, median", *LIMIT_COLUMNS, *found.detectors],
            lines,
        )


def _line(found: Findings, text: str, rows: list[Row], kind: str, keep: Keep = _all) -> list[Any]:
    """Title, events, limits, and what each detector finds; empty: there are no such events."""
    limits = [found.limit(rows, kind, keep, of) for of in LIMITS]
    if not limits[0].of:
        return []
    shares = [found.found(rows, name, kind, keep) for name in found.detectors]
    return [text, str(limits[0].of), *limits, *shares]


def _by_margin(found: Findings) -> Iterator[Table]:
    note = (
        "0 dB: the clairvoyant finds half at one false alarm in 10,000 decisions. Whoever cries wolf finds "
        "wolves: the false alarms are further down."
    )
    for title, sets, kind in (
        ("Walks in quiet rooms by margin", FAINT, "major"),
        ("Small motions of who sits by margin", ("seated",), "minor"),
    ):
        lines = [
            _line(
                found, _margins_in_words(low, high), found.of(*sets), kind, _between("margin_db", low, high)
            )
            for low, high in itertools.pairwise(MARGINS_DB)
        ]
        columns = ["margin", "events", *LIMIT_COLUMNS, *found.detectors]
        yield _table(title, note, columns, [line for line in lines if line])
    if rows := found.of(*FAINT):
        yield _gap(found, rows)


def _margins_in_words(low_db: float, high_db: float) -> str:
    if np.isinf(low_db):
        return f"below {high_db:g} dB"
    return f"{low_db:g} dB and more" if np.isinf(high_db) else f"{low_db:g} to {high_db:g} dB"


def _gap(found: Findings, rows: list[Row]) -> Table:
    """How many dB more than the limit a detector needs."""
    lines = []
    for level in (0.5, 0.9):
        cells = []
        for name in found.detectors:
            db = curves.reached_at(*found.margins_and_hits(rows, name, "major"), level)
            cells.append("never" if np.isnan(db) else f"{db - _margin_for(level):.1f} dB")
        lines.append([f"{100 * level:.0f} % found", *cells])
    return _table(
        "Gap to the limit in quiet rooms",
        "By how much more margin than the limit it takes; rising fit through all walks.",
        ["", *found.detectors],
        lines,
    )


def _margin_for(found: float) -> float:
    """Margin in dB at which the limit finds a share."""
    from scipy.special import ndtri

    from noctule.lab.limit import THRESHOLD

    return float(20.0 * np.log10((THRESHOLD + ndtri(found)) / THRESHOLD))


def _with_fan(found: Findings) -> Iterator[Table]:
    lines = []
    for name, title in (
        ("fan_walks", "walks at 4 m with a"),
        ("cold_starts", "walks 2 s after switching on,"),
        ("music_walks", "walks at 2 m under music,"),
    ):
        for what in sorted({row["what"] for row in found.of(name)}):
            rows = [row for row in found.of(name) if row["what"] == what]
            lines.append(_line(found, f"{title} {what}", rows, "major"))
    lines.append(_line(found, "anything at once", found.of("everyday"), "major"))
    columns = ["", "events", *LIMIT_COLUMNS, *found.detectors]
    yield _table("Walks with something else", "Found within 1 s.", columns, [line for line in lines if line])


def _how_soon(found: Findings) -> Iterator[Table]:
    rows = found.of("walks", "fan_walks", "cold_starts")
    lines = []
    for text, what, q in (
        ("latency, median, s", "latency_s", 0.5),
        ("latency, 90 %, s", "latency_s", 0.9),
        ("walked before, median, m", "walked_m", 0.5),
        ("walked before, 90 %, m", "walked_m", 0.9),
    ):
        values = [
            curves.quantile_by_scene(found.of_events(rows, name, "major", what), q)
            for name in found.detectors
        ]
        if rows:
            lines.append([text, *(_plain(one) for one in values)])
    yield _table(
        "How soon",
        "From the onset to the first frame that says major, of walks that are called major at all.",
        ["", *found.detectors],
        lines,
    )


def _minor(found: Findings) -> Iterator[Table]:
    lines = []
    for what in sorted({row["what"] for row in found.of("seated")}):
        rows = [row for row in found.of("seated") if row["what"] == what]
        lines.append(_line(found, what, rows, "minor"))
        keep = _between("margin_db", 10.0, np.inf)
        lines.append(_line(found, f"{what}, margin ≥ 10 dB", rows, "minor", keep))
    yield _table(
        "Small motions of who sits, 1 to 4 m",
        "Called a motion before it is over; the limit has the best second of it.",
        ["", "events", *LIMIT_COLUMNS, *found.detectors],
        [line for line in lines if line],
    )


def _holding(found: Findings) -> Iterator[Table]:
    lines = []
    for name, text in (
        ("seated", "small motions all the time"),
        ("sitting", "sits and does little"),
        ("still", "only breathes"),
    ):
        groups: dict[str, list[Row]] = {}
        for row in found.of(name):
            groups.setdefault("" if name == "seated" else f", {row['what']}", []).append(row)
        for what, rows in sorted(groups.items()):
            cells = [found.held(rows, one) for one in found.detectors]
            lines.append([f"{text}{what}", str(len(rows)), *cells])
    yield _table(
        "Presence held",
        "Share of the time after sitting down in which presence stays true; breathing alone has no bar.",
        ["", "scenes", *found.detectors],
        lines,
    )


def _false_alarms(found: Findings) -> Iterator[Table]:
    rows = found.negatives()
    groups: dict[str, list[Row]] = {}
    for name in (name for name, one in SETS.items() if one.negative):
        for row in sorted(found.of(name), key=lambda row: row["what"]):
            groups.setdefault(row["what"], []).append(row)
    if rows:
        groups["all but pets and vacuums"] = [row for row in rows if row["set"] not in GO_ABOUT]
    rates, shares = [], []
    for what, chosen in groups.items():
        start = [what, f"{sum(row['duration_s'] for row in chosen) / 3600.0:.2f}"]
        rates.append([*start, *(_rate(found.alarm_rate(chosen, name)) for name in found.detectors)])
        shares.append([*start, *(_false_shares(found, chosen, name) for name in found.detectors)])
    yield _table(
        "False alarms an hour, each cause running without pause",
        "Onsets of any motion in an empty room, at least 1 s apart, with exact Poisson bounds of 95 %.",
        ["", "hours", *found.detectors],
        rates,
    )
    yield _table(
        "Share of that time: false motion / false presence",
        "An alarm that never ends is one onset: this is how long it lasts.",
        ["", "hours", *found.detectors],
        shares,
    )


def _false_shares(found: Findings, rows: list[Row], name: str) -> str:
    motion = found.false_share(rows, name, "motion_s", "idle_s").value
    presence = found.false_share(rows, name, "presence_s", "empty_s").value
    return " / ".join(f"{100 * one:.1f} %" if np.isfinite(one) else "-" for one in (motion, presence))


def _by_area(found: Findings) -> Iterator[Table]:
    lines = []
    for text, rows in (
        ("AUC in 1 s windows, anything at once", found.of("everyday")),
        ("AUC, quiet walks against quiet rooms", found.of(*QUIET, "empty")),
        (
            "AUC, walks with and without fan against all negatives",
            [*found.of("walks", "fan_walks"), *found.negatives()],
        ),
    ):
        if rows:
            areas = [
                curves.area_by_scene(
                    found.histogram(rows, n, "windows_major"), found.histogram(rows, n, "windows_none")
                )
                for n in found.detectors
            ]
            lines.append([text, *(_plain(one, 3) for one in areas)])
    if found.rows:
        errors = [curves.calibration_error(reliability(found, name)) for name in found.detectors]
        lines.append(["distance of score from truth, all frames", *(f"{one:.3f}" for one in errors)])
    yield _table("Scores", "", ["", *found.detectors], lines)


def reliability(found: Findings, name: str) -> curves.Reliability:
    """Scores of all frames of all scenes against how often a human moved."""
    true, other = (found.histogram(found.rows, name, what).sum(0) for what in ("frames_human", "frames_none"))
    return curves.reliability(true, other, found.says[name](SCORE_MIDDLES))


# -- cells


def _plain(one: Bounded, digits: int = 2) -> str:
    if not np.isfinite(one.value):
        return "-"
    return f"{one.value:.{digits}f} ({one.low:.{digits}f} to {one.high:.{digits}f})"


def _rate(one: Bounded) -> str:
    if not np.isfinite(one.value):
        return "-"
    return f"{_short(one.value)} ({_short(one.low)} to {_short(one.high)})"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 10 or value == 0 else f"{value:.2g}"


def _cell(value: Any) -> str:
    if isinstance(value, Limited):
        return f"{100 * value.value:.0f} %" if np.isfinite(value.value) else "-"
    if not isinstance(value, Bounded):
        return str(value)
    if not np.isfinite(value.value):
        return "-"
    return f"{100 * value.value:.0f} % ({100 * value.low:.0f} to {100 * value.high:.0f})"


def markdown(found: Findings, pictures: Sequence[tuple[str, str]], command: str) -> str:
    """The whole page. pictures : (file, caption)."""
    hours = sum(row["duration_s"] for row in found.rows) / 3600.0
    lines = [
        "# Evaluation",
        "",
        f"`{command}`: {len(found.rows)} scenes, {hours:.1f} simulated hours; rooms, bodies and units that "
        "nobody has trained on. In brackets bounds of 95 %: exact Poisson for rates, bootstrap by scene for "
        "shares. The limit knows each scene's clean echoes and the statistics of everything else; the power "
        "limit knows only what they add to power spectra averaged over the microphones.",
    ]
    for table in tables(found):
        lines += ["", f"## {table['title']}", ""]
        lines += [table["note"], ""] if table["note"] else []
        lines.append("| " + " | ".join(table["columns"]) + " |")
        lines.append("|" + "---|" * len(table["columns"]))
        lines += ["| " + " | ".join(_cell(one) for one in row) + " |" for row in table["rows"]]
    for file, caption in pictures:
        lines += ["", f"## {caption}", "", f"![{caption}]({file})"]
    return "\n".join(lines) + "\n"


def as_json(found: Findings) -> dict[str, Any]:
    """The tables again, for programs."""

    def cell(value: Any) -> Any:
        return asdict(value) if isinstance(value, Bounded | Limited) else value

    return {
        "detectors": found.detectors,
        "scenes": len(found.rows),
        "hours": round(sum(row["duration_s"] for row in found.rows) / 3600.0, 3),
        "tables": [
            {**table, "rows": [[cell(one) for one in row] for row in table["rows"]]}
            for table in tables(found)
        ],
    }


def write_report(
    folder: Path,
    rows: Sequence[Row],
    command: str,
    says: Mapping[str, Callable[[FloatArray], FloatArray]] | None = None,
) -> Path:
    """`report.md`, `report.json` and its pictures into a folder; gives the page's path. See `Findings`."""
    from noctule.lab.pictures import draw_all

    found = Findings(rows, says)
    drawn = draw_all(found, folder)
    page = folder / "report.md"
    page.write_text(markdown(found, drawn, command), encoding="utf-8")
    text = json.dumps(as_json(found), indent=1, default=float)
    (folder / "report.json").write_text(text.replace("NaN", "null") + "\n", encoding="utf-8")
    return page
