"""Twenty decisions a second to one: what history keeps of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from noctule.service.clock import ms_of_iso

#: A change of one of these is always kept.
_CHANGES = ("presence", "motion", "fault")
_PEAKS = ("score_major", "score_minor")
_AS_THEY_ARE = ("radial_velocity_mps", "carrier_snr_db", "distortion_removed_db")


class Thinner:
    """Keeps a record every `every_s` of stream time, and each change; scores are the highest in between."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._kept_s = float("-inf")
        self._kept: tuple[Any, ...] = ()
        self._peaks = dict.fromkeys(_PEAKS, 0.0)

    def take(self, record: Mapping[str, Any]) -> dict[str, Any] | None:
        """The columns of a `DecisionRow`, or None: not kept."""
        for name in _PEAKS:
            self._peaks[name] = max(self._peaks[name], float(record[name]))
        time_s, now = float(record["t"]), tuple(record[name] for name in _CHANGES)
        if now == self._kept and 0.0 <= time_s - self._kept_s < self._every_s - 1e-6:
            return None
        self._kept_s, self._kept = time_s, now
        row = {
            "at_ms": ms_of_iso(str(record["time"])),
            **dict(zip(_CHANGES, now, strict=True)),
            **self._peaks,
        }
        self._peaks = dict.fromkeys(_PEAKS, 0.0)
        return row | {name: float(record[name]) for name in _AS_THEY_ARE}
