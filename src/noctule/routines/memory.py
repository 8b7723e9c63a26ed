"""What the engine remembers: plain numbers, so that a file can hold them over a restart.

Moments are seconds of the wall clock, for they have to mean something after a restart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from noctule.core.errors import NoctuleError

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)

Level = Literal["major", "minor", "any"]


@dataclass(slots=True)
class Episode:
    """Motion of one level, from its beginning until it has been quiet for some time.

    Attributes
    ----------
    began_s, last_s : its first and its last moment so far.
    going_on : False once it has been quiet for long enough.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    began_s: float
    last_s: float
    going_on: bool = True


@dataclass(slots=True)
class RoutineMemory:
    """What is remembered of one Routine.

    Attributes
    ----------
    known_since_s : what was due before does not concern it.
    done_s : the moment of the cause that it has dealt with last, whether it ran or not.
    ran_s : when it ran last, for `suppress_for`.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    known_since_s: float
    done_s: float | None = None
    ran_s: float | None = None


@dataclass(slots=True)
class Run:
    """One run of a Routine's actions.

    Attributes
    ----------
    next_step : of `then`; the one before it was begun, and is not begun again after a restart.
    until_s : it waits until then.
    queued : it has not begun, for another run of the Routine goes on.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    number: int
    routine: str
    next_step: int = 0
    until_s: float | None = None
    queued: bool = False


@dataclass(slots=True)
class Memory:
    """Everything."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    now_s: float
    episodes: dict[Level, Episode] = field(default_factory=dict)
    presence: bool | None = None
    presence_since_s: float | None = None
    routines: dict[str, RoutineMemory] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    runs_begun: int = 0

    def shift(self, by_s: float) -> None:
        """The clock was set: everything happened as long ago as before."""
        self.now_s += by_s
        for holder, names in self._moments():
            for name in names:
                moment_s = getattr(holder, name)
                if moment_s is not None:
                    setattr(holder, name, moment_s + by_s)

    def _moments(self) -> Iterator[tuple[object, tuple[str, ...]]]:
        yield self, ("presence_since_s",)
        for episode in self.episodes.values():
            yield episode, ("began_s", "last_s")
        for one in self.routines.values():
            yield one, ("known_since_s", "done_s", "ran_s")
        for run in self.runs:
            yield run, ("until_s",)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def memory_of(snapshot: Mapping[str, Any]) -> Memory:
    """The memory that `as_json` wrote.

    Raises
    ------
    NoctuleError
        The dict is not one of ours.
    """
    try:
        return TypeAdapter(Memory).validate_python(dict(snapshot))
    except ValidationError as error:
        key = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise NoctuleError(
            f"no snapshot of Routines: '{key}' is not usable; remove it to start without"
        ) from None
