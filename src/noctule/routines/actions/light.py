"""`light`: switch a lamp over MQTT. Without a payload it goes on, in the words of zigbee2mqtt."""

from __future__ import annotations

from pydantic import Field, JsonValue

from noctule.routines.actions.mqtt import Publish


def _on() -> JsonValue:
    return {"state": "ON"}


class Light(Publish):
    """Switch a lamp."""

    payload: JsonValue = Field(default_factory=_on, description="what the lamp understands; none: ON")
