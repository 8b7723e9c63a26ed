"""`home_assistant`: call a service of Home Assistant over its REST interface."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, JsonValue

from noctule.routines.parts import Part
from noctule.routines.settings import Home
from noctule.routines.tools import ActionError, Tools
from noctule.routines.web import request


class CallService(Part):
    """Call a service of Home Assistant."""

    short: ClassVar[str | None] = "service"
    timeout_s: ClassVar[float] = 10.0

    service: str = Field(pattern=r"^[a-z0-9_]+\.[a-z0-9_]+$", description="as in light.turn_on")
    target: dict[str, JsonValue] = Field({}, description="as in {entity_id: light.office}")
    data: dict[str, JsonValue] = Field({}, description="as in {brightness_pct: 40}")

    def in_words(self) -> str:
        whom = ", ".join(str(one) for one in self.target.values())
        return f"call {self.service}" + (f" for {whom}" if whom else "")

    def lacks(self, home: Home) -> str | None:
        return None if home.home_assistant else "needs address and token: say `home_assistant` in `home`"

    async def run(self, tools: Tools) -> str:
        where = tools.home.home_assistant
        if where is None:
            raise ActionError(str(self.lacks(tools.home)))
        path = self.service.replace(".", "/")
        # over REST the target stands among the data
        await request(
            "POST",
            f"{where.url.rstrip('/')}/api/services/{path}",
            headers={"Authorization": f"Bearer {where.token.get_secret_value()}"},
            json={**self.target, **self.data},
        )
        return f"called {self.service}"
