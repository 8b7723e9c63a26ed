"""`webhook`: one HTTP request."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from noctule.routines.actions.mqtt import message
from noctule.routines.parts import Part
from noctule.routines.settings import Home, WebAddress
from noctule.routines.tools import Tools
from noctule.routines.web import host_of, request


class Webhook(Part):
    """Ask for a web address."""

    short: ClassVar[str | None] = "url"
    timeout_s: ClassVar[float] = 10.0

    url: WebAddress = Field(
        description="redirects are followed within http or https, not from one to the other"
    )
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = Field("POST", description="of the request")
    headers: dict[str, str] = Field({}, description="as in {Authorization: ...}")
    payload: JsonValue = Field(None, description="text as it is; anything else as JSON")

    def in_words(self) -> str:
        return f"{self.method} to {host_of(self.url)}"

    def lacks(self, home: Home) -> str | None:
        return None

    async def run(self, tools: Tools) -> str:
        headers = dict(self.headers)
        if not isinstance(self.payload, str | None):
            headers = {"Content-Type": "application/json", **headers}
        body = None if self.payload is None else message(self.payload).encode()
        answer = await request(self.method, self.url, headers=headers, content=body)
        return f"{host_of(self.url)} answered {answer.status_code}"
