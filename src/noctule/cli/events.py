"""`noctule events`: what happened, and what it really was."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noctule.core.errors import NoctuleError

if TYPE_CHECKING:
    from noctule.core.settings import StoreSettings

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def events(
    since: Annotated[str, typer.Option(help="how far back: 30m, 12h, 7d, or a moment (ISO 8601)")] = "1d",
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="the newest so many")] = 1000,
    label: Annotated[
        tuple[int, str] | None,
        typer.Option(
            metavar="ID WHAT", help="that was: me, nobody, fan, curtain, pet or other; lists nothing"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
    folder: Annotated[Path | None, typer.Option(help="of the history, where it is not the usual one")] = None,
) -> int:
    """List who came, went and moved, or say what an event really was.

    Also while the sensor runs. Exit status: 0, also where nothing happened; 2 the history cannot be read, or
    there is no such event.
    """
    from noctule.core.settings import StoreSettings

    settings = StoreSettings(folder=folder)
    if label is not None:
        return _label(settings, *label)
    found = _events(settings, since, limit)
    for record in found:
        print(json.dumps(record, allow_nan=False) if as_json else line_of(record))
    if not found and not as_json:
        print(f"nothing happened (--since {since})")
    return 0


def _events(settings: StoreSettings, since: str, limit: int) -> list[dict[str, Any]]:
    from noctule.core.paths import state_folder
    from noctule.service.history import History
    from noctule.service.store import FILE

    history = History(state_folder(settings.folder) / FILE)
    return history.events(since_ms=moment_ms(since, time.time()), limit=limit)


def _label(settings: StoreSettings, event_id: int, what: str) -> int:
    from noctule.core.paths import state_folder
    from noctule.service.store import Store

    store = Store(settings, state_folder(settings.folder))
    if not store.path.exists():
        raise NoctuleError(f"{store.path}: no history yet, so there is no event {event_id}")
    done = store.keep_label(event_id, what)
    store.write()
    reason = store.state.reason
    if not done.done():
        raise NoctuleError(f"{store.path}: {reason}; the label was not written")
    store.close()
    done.result()
    print(f"event {event_id}: {what}")
    return 0


def moment_ms(text: str, now_s: float) -> int:
    """`12h` ago, or an ISO 8601 moment, as milliseconds since 1970.

    Raises
    ------
    NoctuleError
        Neither.
    """
    from noctule.service.clock import ms_of_iso

    span = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text)
    if span:
        return round((now_s - float(span[1]) * _UNITS_S[span[2]]) * 1000.0)
    try:
        return ms_of_iso(text)
    except ValueError:
        raise NoctuleError(f"--since {text}: neither 30m, 12h, 7d nor a moment (ISO 8601)") from None


_WORDS = {
    "entered": "somebody came",
    "left": "nobody any more",
    "major": "major motion",
    "minor": "minor motion",
}


def line_of(record: dict[str, Any]) -> str:
    """An event in words, in local time."""
    from datetime import datetime

    start, end = (datetime.fromisoformat(record[key]).astimezone() for key in ("start", "end"))
    what = _WORDS[record["kind"]]
    if record["kind"] in ("major", "minor"):
        lasted_s = (end - start).total_seconds()
        what += f" for {lasted_s:.0f} s" + (", goes on" if record["ongoing"] else "")
        what += f", up to {record['radial_velocity_mps']:+.1f} m/s"
    label = f"  [that was: {record['label']}]" if record["label"] else ""
    return f"{record['id']:>6}  {start:%Y-%m-%d %H:%M:%S}  {what}{label}  ({record['reason']})"
