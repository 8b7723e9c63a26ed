"""How the sensor is, in one of five states and in words.

=============  ========================================================================================
`healthy`      all is well
`alarmed`      something is wrong, and has been for seconds
`recovering`   nothing is wrong any more, or nothing is known yet; `healthy` after a while
`escalated`    wrong for minutes: it does not mend itself
`failed`       nothing can be sensed, for long: somebody has to come
=============  ========================================================================================

What is wrong must hold for seconds to count, and be gone for longer to be over, so that nothing flutters. An
alarm that comes back while recovering goes on counting from when it began.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from noctule.core.frames import BLOCKING_FAULTS, Fault
from noctule.service.store import StoreState

#: A cause must hold for so long to count, and be gone for so long to be over, s.
RAISE_S, CLEAR_S = 2.0, 10.0
#: No record for so long: something hangs; the first one may take longer, as a carrier is looked for, s.
STALE_S, FIRST_RECORD_S = 5.0, 60.0
#: Recovering is over, an alarm escalates, and one that blocks sensing has failed, after so long, s.
RECOVER_S, ESCALATE_S, FAIL_S = 30.0, 300.0, 1800.0
#: More over- and underflows a minute than a busy machine makes by the way.
XRUNS_A_MINUTE = 10.0
#: A damaged history that was set aside is spoken of for so long, s.
SPEAK_OF_IT_S = 60.0

#: No trouble: somebody turned a gain, and the floors follow; somebody wants it muted.
NO_TROUBLE = Fault.GAIN_MOVED | Fault.MUTED
FAULT_WORDS = {
    Fault.DEVICE_LOST: "the sound card gives no samples",
    Fault.CARRIER_MISSING: "the tone has not come back to any microphone so far",
    Fault.CARRIER_LOST: "the tone does not come back any more",
    Fault.DROPPED_SAMPLES: "samples are lost: the machine is too busy, or the clock of the card jumps",
    Fault.BAD_SAMPLES: "the sound card gives samples that are no numbers",
    Fault.MICROPHONE_DEAD: "a microphone gives nothing",
    Fault.MICROPHONE_COVERED: "a microphone is covered",
    Fault.CLIPPED: "the input is overdriven",
    Fault.CLOCK_SLEWING: "playing and recording run on different clocks",
    Fault.AGC_SUSPECTED: "the gain is being changed all the time",
    Fault.INTERFERENCE: "another device sounds close to the carrier",
}


_BLOCKING = {fault.name_for_humans for fault in BLOCKING_FAULTS}


class HealthState(StrEnum):
    HEALTHY = "healthy"
    ALARMED = "alarmed"
    RECOVERING = "recovering"
    ESCALATED = "escalated"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class HealthReport:
    """A state, why, and whether something can be sensed meanwhile."""

    state: HealthState
    reason: str
    sensing: bool


@dataclass(slots=True)
class _Cause:
    words: str
    blocking: bool
    evidence_s: float = 0.0
    raised: bool = False

    def update(self, holds: bool, step_s: float) -> None:
        change_s = step_s if holds else -step_s * RAISE_S / CLEAR_S
        self.evidence_s = min(max(self.evidence_s + change_s, 0.0), RAISE_S)
        self.raised = self.evidence_s >= RAISE_S - 1e-6 or (self.raised and self.evidence_s > 0.0)


class Health:
    """Health of one sensor. Its clock is monotonic and handed in with every call.

    Attributes
    ----------
    report : as of the last `look`.
    """

    def __init__(self, now_s: float) -> None:
        self.report = HealthReport(HealthState.RECOVERING, "starting: no record yet", sensing=False)
        self._faults = {
            str(fault.name_for_humans): _Cause(words, bool(fault & BLOCKING_FAULTS))
            for fault, words in FAULT_WORDS.items()
        }
        self._stale = _Cause("no records come: the sensor hangs", blocking=True)
        self._xruns = _Cause("the sound card loses samples again and again", blocking=False)
        self._store = _Cause("", blocking=False)
        self._disk = _Cause("", blocking=False)
        self._record_s = self._looked_s = now_s
        self._fault: str | None = None
        self._recorded = False
        self._xruns_seen: int | None = None
        self._xruns_minute = 0.0
        self._aside_seen: Path | None = None
        self._aside_s = -math.inf
        self._wrong_since_s: float | None = None  # until healthy again
        self._blocked_since_s: float | None = None  # until something can be sensed again
        self._well_since_s = now_s

    def take(self, record: Mapping[str, Any], now_s: float) -> None:
        """One record of the sensor."""
        step_s = min(max(0.0, now_s - self._record_s), 1.0)
        self._record_s, self._recorded = now_s, True
        self._fault = record["fault"]
        for name, cause in self._faults.items():
            cause.update(name == self._fault, step_s)
        xruns = int(record.get("xruns", 0))
        new = 0 if self._xruns_seen is None else max(0, xruns - self._xruns_seen)
        self._xruns_seen = xruns
        self._xruns_minute = self._xruns_minute * math.exp(-step_s / 60.0) + new
        self._xruns.update(self._xruns_minute > XRUNS_A_MINUTE, step_s)

    def look(
        self, now_s: float, store: StoreState | None = None, free_bytes: float = math.inf, least: float = 0.0
    ) -> HealthReport | None:
        """Judge, once a second or so; a report where it changed.

        Parameters
        ----------
        free_bytes, least : what is free on the disk, and what should be.
        """
        step_s, self._looked_s = max(0.0, now_s - self._looked_s), now_s
        stale = now_s - self._record_s >= (STALE_S if self._recorded else FIRST_RECORD_S)
        self._stale.update(stale, RAISE_S if stale else step_s)  # it has lasted long enough already
        self._note_store(store, now_s, step_s)
        self._disk.words = f"the disk is nearly full: less than {least / 1e6:.0f} MB are left"
        self._disk.update(free_bytes < least, step_s)
        before, self.report = self.report, self._judged(now_s)
        same = (before.state, before.reason) == (self.report.state, self.report.reason)
        return None if same else self.report

    def _note_store(self, store: StoreState | None, now_s: float, step_s: float) -> None:
        if store is None:
            return
        if store.aside != self._aside_seen:
            self._aside_seen, self._aside_s = store.aside, now_s
        if store.name not in ("ready", "starting"):
            self._store.words = f"{store.reason}; events wait in memory"
        elif store.aside and now_s - self._aside_s < SPEAK_OF_IT_S:
            self._store.words = (
                f"the history was damaged: it was set aside as {store.aside.name}, and begun anew"
            )
        else:
            self._store.update(False, step_s)
            return
        self._store.update(True, step_s)

    def _judged(self, now_s: float) -> HealthReport:
        causes = [*self._faults.values(), self._stale, self._xruns, self._store, self._disk]
        wrong = [cause for cause in causes if cause.raised]
        sensing = self._recorded and self._fault not in _BLOCKING and not self._stale.raised
        if not wrong:
            return self._without_a_cause(now_s, sensing)
        self._well_since_s = now_s
        if self._wrong_since_s is None:
            self._wrong_since_s = now_s
        lasted_s = now_s - self._wrong_since_s
        blocking = any(cause.blocking for cause in wrong)
        self._blocked_since_s = (self._blocked_since_s or now_s) if blocking else None
        # what blocks first, and a hang before all: the last fault is old news then
        wrong.sort(key=lambda cause: (cause is not self._stale, not cause.blocking))
        reason = "; ".join(cause.words for cause in wrong)
        if self._blocked_since_s is not None and now_s - self._blocked_since_s >= FAIL_S:
            state = HealthState.FAILED
        else:
            state = HealthState.ESCALATED if lasted_s >= ESCALATE_S else HealthState.ALARMED
        return HealthReport(state, reason, sensing)

    def _without_a_cause(self, now_s: float, sensing: bool) -> HealthReport:
        report, self._blocked_since_s = self.report, None
        if not self._recorded:
            return report
        if self._wrong_since_s is not None and now_s - self._well_since_s < RECOVER_S:
            was = report.state is HealthState.RECOVERING
            reason = report.reason if was else f"was: {report.reason}"
            return HealthReport(HealthState.RECOVERING, reason, sensing)
        self._wrong_since_s = None
        muted = self._fault == Fault.MUTED.name_for_humans
        reason = "muted: nothing sounds, nothing is heard" if muted else "all is well"
        return HealthReport(HealthState.HEALTHY, reason, sensing)
