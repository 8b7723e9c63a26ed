"""What a manifest says of shards: checksums, hours and frames by what they hold, which source made them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import noctule
from noctule.lab.shards import MAJOR, MINOR, OTHER, Shard, sha256_of

#: Modules whose text decides what is in a shard.
_DECIDING = (
    *("simulate", "dsp", "lab/strata.py", "lab/people.py", "lab/labels.py", "lab/features.py"),
    "lab/sources.py",
)


def summary(path: Path, shard: Shard) -> dict[str, Any]:
    """What a manifest says of a shard: checksum, and hours and frames by what they hold."""
    hours: Counter[str] = Counter()
    by_cause: Counter[str] = Counter()
    for one in shard.scenes:
        hours[one["stratum"]] += one["duration_s"] / 3600.0
        for cause in one["causes"]:
            by_cause[cause] += one["duration_s"] / 3600.0
    return {
        "file": path.name,
        "split": shard.scenes[0]["split"],
        "sha256": sha256_of(path),
        "code": code_digest(),
        "scenes": len(shard.scenes),
        "failed": shard.failed,
        "frames": {
            "all": len(shard),
            "weighted": int(shard.weight.sum()),
            "major": int(np.count_nonzero(shard.label & MAJOR)),
            "minor": int(np.count_nonzero(shard.label & MINOR)),
            "other": int(np.count_nonzero(shard.label & OTHER)),
            "presence": int(shard.presence.sum()),
        },
        "hours": {name: round(one, 6) for name, one in sorted(hours.items())},
        "hours_of_cause": {name: round(one, 6) for name, one in sorted(by_cause.items())},
    }


@cache
def code_digest() -> str:
    """Short hash of the source that decides what is in a shard."""
    root = Path(noctule.__file__).parent
    text = hashlib.sha256()
    for name in _DECIDING:
        files = [root / name] if name.endswith(".py") else sorted((root / name).rglob("*.py"))
        for file in files:
            text.update(file.read_bytes())
    return text.hexdigest()[:16]


def totals(shards: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Hours of each split by stratum and by cause, frames of each label, over shards' summaries."""
    found: dict[str, Any] = {"scenes": 0, "failed": 0, "hours": {}, "hours_of_cause": {}, "frames": {}}
    for one in shards:
        found["scenes"] += one["scenes"]
        found["failed"] += len(one["failed"])
        for key in ("hours", "hours_of_cause", "frames"):
            table = found[key].setdefault(one["split"], {})
            for name, value in one[key].items():
                table[name] = round(table.get(name, 0) + value, 6)
    return found
