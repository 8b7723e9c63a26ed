"""`command`: a program of this machine, only if `home` allows it. Nothing is allowed by default."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from noctule.routines.parts import Part
from noctule.routines.processes import run_program
from noctule.routines.settings import Home
from noctule.routines.tools import ActionError, Tools


class Command(Part):
    """Run an allowed program. What runs stands in the settings; a Routine can name it and nothing more."""

    short: ClassVar[str | None] = "name"
    timeout_s: ClassVar[float] = 60.0

    name: str = Field(min_length=1, description="one of `allow_commands`")

    def in_words(self) -> str:
        return f"run the command '{self.name}'"

    def lacks(self, home: Home) -> str | None:
        if self.name in home.allow_commands:
            return None
        allowed = ", ".join(home.allow_commands) or "none is"
        return f"the command '{self.name}' is not allowed; allowed: {allowed}"

    async def run(self, tools: Tools) -> str:
        if lack := self.lacks(tools.home):
            raise ActionError(lack)
        await run_program(tools.home.allow_commands[self.name])
        return f"ran '{self.name}'"
