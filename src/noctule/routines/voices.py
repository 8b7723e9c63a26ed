"""A voice from what this machine has: piper where a voice file is named, else espeak-ng."""

from __future__ import annotations

import shutil
from pathlib import Path

from noctule.routines.processes import run_program
from noctule.routines.settings import Home
from noctule.routines.tools import ActionError


class MachineVoice:
    """Speaks by a program found on PATH."""

    def __init__(self, home: Home) -> None:
        self._home = home

    async def speak(self, text: str, file: Path) -> None:
        # the text is read, not an argument: one that begins with "-" is spoken as well
        await run_program(self._program(file), text + "\n")

    def _program(self, file: Path) -> list[str]:
        voice = self._home.piper_voice
        if voice is not None and (piper := shutil.which("piper")):
            return [piper, "--model", str(voice), "--output_file", str(file)]
        if espeak := shutil.which("espeak-ng"):
            return [espeak, "-v", self._home.language, "-w", str(file), "--stdin"]
        raise ActionError("nothing here can speak: install espeak-ng, or piper and name `piper_voice`")
