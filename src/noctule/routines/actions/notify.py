"""`notify`: a message by any of the services Apprise knows."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from noctule.routines.parts import Part
from noctule.routines.settings import Home
from noctule.routines.tools import ActionError, Tools


class Notify(Part):
    """Send a message."""

    short: ClassVar[str | None] = "to"
    timeout_s: ClassVar[float] = 30.0

    to: str = Field(min_length=1, description="an Apprise URL, or a name from `notify` of `home`")
    message: str = Field("Motion at home.", min_length=1, description="what it says")
    title: str = Field("noctule", description="where the service has titles")

    def in_words(self) -> str:
        return f"send {self.message!r} by {self.to.partition('://')[0]}"

    def lacks(self, home: Home) -> str | None:
        if "://" not in self.to and self.to not in home.notify:
            return f"{self.to!r} is neither an Apprise URL nor among `notify` of `home`"
        return None

    async def run(self, tools: Tools) -> str:
        try:
            import apprise
        except ImportError:
            raise ActionError("messages need Apprise: pip install 'noctule[notify]'") from None
        if lack := self.lacks(tools.home):
            raise ActionError(lack)
        named = tools.home.notify.get(self.to)
        sender = apprise.Apprise()
        if not sender.add(named.get_secret_value() if named else self.to):
            raise ActionError("Apprise does not know what to do with this URL")
        if not await sender.async_notify(body=self.message, title=self.title):
            raise ActionError(f"the message by {self.to.partition('://')[0]} was not taken")
        return f"sent {self.message!r}"
