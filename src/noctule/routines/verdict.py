"""What the log says: why a Routine ran or did not, and what became of its actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from noctule.routines.conditions import Reason, all_hold
from noctule.routines.memory import Run
from noctule.routines.schema import Routine


class Entry(Protocol):
    """A line of the log."""

    @property
    def text(self) -> str: ...

    def as_record(self) -> Mapping[str, object]: ...


@dataclass(frozen=True)
class Verdict:
    """Whether a Routine runs, and every reason.

    Attributes
    ----------
    reasons : the cause first, then everything that was asked.
    run : what begins; None where it does not run, or where nothing is to be executed.
    replaced : numbers of the runs that it ends.
    """

    time: datetime
    routine: Routine
    reasons: tuple[Reason, ...]
    run: Run | None = None
    replaced: tuple[int, ...] = ()

    @property
    def runs(self) -> bool:
        return all_hold(list(self.reasons)) is True

    @property
    def text(self) -> str:
        """In one line."""
        if self.runs:
            said = "; ".join(reason.text for reason in self.reasons)
            return f"{self.time:%H:%M:%S} {self.routine.name}: runs: {said}"
        against = "; ".join(reason.text for reason in self.reasons if reason.holds is not True)
        held = [reason.text for reason in self.reasons if reason.holds is True]
        though = f" (though {'; '.join(held)})" if held else ""
        return f"{self.time:%H:%M:%S} {self.routine.name}: does not run: {against}{though}"

    def as_record(self) -> dict[str, object]:
        return {
            "time": self.time.isoformat(timespec="milliseconds"),
            "routine": self.routine.id,
            "name": self.routine.name,
            "runs": self.runs,
            "reasons": [reason.as_record() for reason in self.reasons],
        }


@dataclass(frozen=True)
class Done:
    """What became of one action."""

    time: datetime
    routine: Routine
    step: int
    ok: bool
    what: str

    @property
    def text(self) -> str:
        key = self.routine.then[self.step].name
        said = self.what if self.ok else f"failed: {self.what}"
        return f"{self.time:%H:%M:%S} {self.routine.name}: {self.step + 1}. {key}: {said}"

    def as_record(self) -> dict[str, object]:
        return {
            "time": self.time.isoformat(timespec="milliseconds"),
            "routine": self.routine.id,
            "name": self.routine.name,
            "step": self.step,
            "action": self.routine.then[self.step].name,
            "ok": self.ok,
            "what": self.what,
        }
