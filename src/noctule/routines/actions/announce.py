"""`announce`: say something."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from pydantic import Field, field_validator

from noctule.routines.parts import Part
from noctule.routines.settings import Home
from noctule.routines.template import check_template, fill, sources_of
from noctule.routines.tools import Tools

#: A service that does not answer must not keep the announcement from being made, seconds.
FACTS_WITHIN_S = 8.0

log = logging.getLogger(__name__)


class Announce(Part):
    """Say a text, with fields such as {weather.temperature}."""

    short: ClassVar[str | None] = "text"
    timeout_s: ClassVar[float] = 120.0

    text: str = Field(
        min_length=1, max_length=2000, description="with [fields](#what-announcements-can-tell)"
    )

    @field_validator("text")
    @classmethod
    def _known_fields(cls, text: str) -> str:
        return check_template(text)

    def in_words(self) -> str:
        return f"say {self.text!r}"

    def lacks(self, home: Home) -> str | None:
        needed = sources_of(self.text)
        if "traffic" in needed and home.travel is None:
            return "the travel time needs `travel` in `home`"
        starts_elsewhere = home.travel is not None and home.travel.start is not None
        if home.place is None and needed - ({"traffic"} if starts_elsewhere else set()):
            return "weather and travel time need latitude and longitude in `home`"
        return None

    async def run(self, tools: Tools) -> str:
        facts = plain_facts(tools.now())
        for source in sorted(sources_of(self.text)):
            facts |= await _ask(source, tools)
        said = fill(self.text, facts)
        with tempfile.TemporaryDirectory(prefix="noctule-") as folder:
            file = Path(folder) / "announcement.wav"
            await tools.speech.speak(said, file)
            await tools.player.play(file)
        return f"said {said!r}"


def plain_facts(now: datetime) -> dict[str, str]:
    """What every announcement can tell."""
    return {
        "time": f"{now:%H:%M}",
        "weekday": f"{now:%A}",
        "date": f"{now.day} {now:%B}",
    }


async def _ask(source: str, tools: Tools) -> dict[str, str]:
    """The fields of a source, or none: the announcement is made all the same."""
    try:
        async with asyncio.timeout(FACTS_WITHIN_S):
            found = await tools.facts[source]()
    except Exception as error:
        log.warning("%s: %s", source, error or type(error).__name__)
        return {}
    return {f"{source}.{name}": value for name, value in found.items()}
