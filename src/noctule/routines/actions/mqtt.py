"""`mqtt`: publish anything."""

from __future__ import annotations

import json
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, JsonValue

from noctule.routines.parts import Part
from noctule.routines.settings import Home
from noctule.routines.tools import Tools


def _topic(value: str) -> str:
    if not value or any(sign in value for sign in "+#\0") or len(value.encode()) > 65535:
        raise ValueError(f"{value!r} is no topic: it must not be empty or hold + or #")
    return value


#: Of one device: wildcards would neither be published to nor have one state.
Topic = Annotated[str, AfterValidator(_topic)]


class Publish(Part):
    """Publish to an MQTT topic."""

    timeout_s: ClassVar[float] = 10.0

    topic: Topic = Field(description="of one device, without + and #")
    payload: JsonValue = Field("", description="text as it is; anything else as JSON")
    qos: Literal[0, 1, 2] = Field(1, description="MQTT's quality of service")
    retain: bool = Field(False, description="the broker keeps it for who comes later")

    @property
    def text(self) -> str:
        """The payload as it is sent."""
        return message(self.payload)

    def in_words(self) -> str:
        return f"publish {self.text or 'nothing'} to {self.topic}"

    def lacks(self, home: Home) -> str | None:
        return None if home.mqtt else "needs a broker: say `mqtt` in `home`"

    async def run(self, tools: Tools) -> str:
        await tools.publisher.publish(self.topic, self.text, qos=self.qos, retain=self.retain)
        return f"published {self.text or 'nothing'} to {self.topic}"


def message(payload: JsonValue) -> str:
    """Text as it is; anything else as JSON."""
    return payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
