"""What actions work with. The service hands in its own; `noctule routines` makes those of `standalone.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from noctule.routines.settings import Home


class ActionError(Exception):
    """An action could not be done. One line, for the log."""


class Publisher(Protocol):
    """A connection to an MQTT broker."""

    async def publish(self, topic: str, payload: str, *, qos: int, retain: bool) -> None: ...


class Player(Protocol):
    """A loudspeaker."""

    async def play(self, source: Path | str) -> None:
        """Play a sound file, or a stream by its web address, to its end; cancelling it stops the sound."""


class Speech(Protocol):
    """A voice."""

    async def speak(self, text: str, file: Path) -> None:
        """Write the spoken text to a WAV file."""


#: Gives what announcements can tell, by field; raises where it is not to be had.
Facts = Callable[[], Awaitable[Mapping[str, str]]]


@dataclass(frozen=True)
class Tools:
    """Everything an action may use.

    Attributes
    ----------
    facts : a source for each first word of a field: `weather`, `traffic`.
    now : the time in the home's time zone.
    """

    home: Home
    publisher: Publisher
    player: Player
    speech: Speech
    facts: Mapping[str, Facts]
    now: Callable[[], datetime]
