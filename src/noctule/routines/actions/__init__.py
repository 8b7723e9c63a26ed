"""What a Routine can do: one file an action.
Takes what the file says of it. Gives what was done, in words, or raises ActionError.
Start at mqtt.py. A new action is one file here, one line in `Step` of schema.py, and its test."""

from __future__ import annotations

from typing import ClassVar, Protocol

from noctule.routines.settings import Home
from noctule.routines.tools import Tools


class Action(Protocol):
    """One action as the file says it."""

    #: It is ended after so long, unless the file says otherwise.
    timeout_s: ClassVar[float]

    def in_words(self) -> str:
        """What it would do, as in "publish ON to home/lamp"; without secrets."""

    def lacks(self, home: Home) -> str | None:
        """What the home would need for it, or None."""

    async def run(self, tools: Tools) -> str:
        """Do it, and say what was done. Raises ActionError, or anything a library raises."""
