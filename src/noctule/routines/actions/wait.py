"""`wait`: let time pass. The runner does it, for it has to go on after a restart."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from noctule.routines.parts import Part, Seconds, duration_text
from noctule.routines.settings import Home
from noctule.routines.tools import ActionError, Tools


class Wait(Part):
    """Let time pass before the next action."""

    short: ClassVar[str | None] = "for"
    timeout_s: ClassVar[float] = 0.0

    for_s: Seconds = Field(alias="for", description="goes on over a restart")

    def in_words(self) -> str:
        return f"wait {duration_text(self.for_s)}"

    def lacks(self, home: Home) -> str | None:
        return None

    async def run(self, tools: Tools) -> str:
        raise ActionError("nobody lets time pass here")
