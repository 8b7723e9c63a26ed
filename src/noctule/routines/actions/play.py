"""`play`: a sound file of the media folder, or a stream."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from pydantic import Field, field_validator

from noctule.routines.media import find_media
from noctule.routines.parts import Part
from noctule.routines.settings import Home
from noctule.routines.tools import ActionError, Tools
from noctule.routines.web import host_of


class Play(Part):
    """Play a sound."""

    short: ClassVar[str | None] = "file"
    #: A station plays for ever: whoever wants it longer says `timeout`.
    timeout_s: ClassVar[float] = 600.0

    file: str = Field(
        min_length=1, max_length=4096, description="path inside the media folder, or an http(s) address"
    )

    @field_validator("file")
    @classmethod
    def _file_or_stream(cls, value: str) -> str:
        if "://" in value and not re.fullmatch(r"https?://[^\s/]+\S*", value):
            raise ValueError(f"{value!r} is neither a file nor an address with http:// or https://")
        return value

    @property
    def is_stream(self) -> bool:
        return "://" in self.file

    def in_words(self) -> str:
        return f"play {host_of(self.file) if self.is_stream else self.file}"

    def lacks(self, home: Home) -> str | None:
        try:
            self._source(home)
        except ActionError as error:
            return str(error)
        return None

    async def run(self, tools: Tools) -> str:
        await tools.player.play(self._source(tools.home))
        return self.in_words().replace("play", "played", 1)

    def _source(self, home: Home) -> Path | str:
        return self.file if self.is_stream else find_media(home.media_folder, self.file)
