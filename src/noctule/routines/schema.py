"""A Routine: when, only if, then. What the file may say, and what fits together."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, model_validator

from noctule.routines.actions import Action
from noctule.routines.actions.announce import Announce
from noctule.routines.actions.command import Command
from noctule.routines.actions.home_assistant import CallService
from noctule.routines.actions.light import Light
from noctule.routines.actions.mqtt import Publish, Topic
from noctule.routines.actions.notify import Notify
from noctule.routines.actions.play import Play
from noctule.routines.actions.wait import Wait
from noctule.routines.actions.webhook import Webhook
from noctule.routines.parts import Part, Seconds, nearest

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Level = Literal["major", "minor", "any"]

_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_SUN = re.compile(r"(sunrise|sunset)(?:([+-])([0-9].*))?")


def _edge(value: str) -> str:
    """Check one end of a time window."""
    from noctule.routines.parts import seconds_of

    sun = _SUN.fullmatch(value.replace(" ", ""))
    if not _CLOCK.fullmatch(value) and not sun:
        raise ValueError(f"{value!r} is no time; write it like 23:30, sunset or sunrise+1h30m")
    if sun and sun[3] and float(str(seconds_of(sun[3]))) > 12 * 3600:
        raise ValueError(f"{value!r} is more than 12h from the sun")
    return value.replace(" ", "")


def _text(value: object) -> object:
    """What MQTT sends is text; a file may say it as a number or a truth value."""
    return str(value).lower() if isinstance(value, bool) else str(value)


#: "23:30", "sunset", "sunset-30m".
Edge = Annotated[str, AfterValidator(_edge)]


class MqttIs(Part):
    """The last message of an MQTT topic is this."""

    topic: Topic = Field(description="of one device, without + and #")
    key: str | None = Field(None, description="of a message that is a JSON object; a.b is b inside a")
    is_: Annotated[str, BeforeValidator(_text)] = Field(
        alias="is", description="the whole message, or the key's value"
    )


class Condition(Part):
    """All that is said must hold. A list of conditions stands for `and`."""

    short: ClassVar[str | None] = "and"

    between: tuple[Edge, Edge] | None = Field(None, description="from, to; over midnight where it must be")
    days: tuple[Day, ...] | None = Field(
        None, min_length=1, description="a window over midnight belongs to the day on which it begins"
    )
    mqtt: MqttIs | None = Field(None, description="the state of a topic")
    presence: Literal["present", "absent"] | None = Field(None, description="the answer of the sensor")
    and_: tuple[Condition, ...] | None = Field(None, alias="and", min_length=1, description="all of them")
    or_: tuple[Condition, ...] | None = Field(
        None, alias="or", min_length=1, description="at least one of them"
    )
    not_: Condition | None = Field(None, alias="not", description="the opposite; a list: not all of them")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError(f"says nothing; it may hold {', '.join(self.keys())}")
        return self

    def all_parts(self) -> list[Condition]:
        """This one and every one inside it."""
        inner = [*(self.and_ or ()), *(self.or_ or ()), *((self.not_,) if self.not_ else ())]
        return [self, *(part for one in inner for part in one.all_parts())]


class When(Part):
    """What starts a Routine: motion, no motion for some time, or a change of presence."""

    motion: Literal["detected", "not_detected"] | None = Field(
        None, description="`detected`: after 5 s without; `not_detected`: for as long as `for` says"
    )
    level: Level = Field("any", description="of the motion")
    presence: Literal["present", "absent"] | None = Field(None, description="it has become so")
    for_s: Seconds | None = Field(None, alias="for", description="it has to last so long")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.motion is None) == (self.presence is None):
            raise ValueError("says either 'motion' or 'presence'")
        if self.motion == "not_detected" and self.for_s is None:
            raise ValueError("'motion: not_detected' needs 'for', as in for: 10m")
        if self.motion == "detected" and self.for_s is not None:
            raise ValueError("'for' goes with 'motion: not_detected' and with 'presence'")
        if self.presence is not None and "level" in self.model_fields_set:
            raise ValueError("'level' goes with 'motion'")
        return self


class Step(Part):
    """One entry of `then`: one action, how long it may take, and whether the others need it."""

    light: Light | None = None
    mqtt: Publish | None = None
    home_assistant: CallService | None = None
    webhook: Webhook | None = None
    play: Play | None = None
    announce: Announce | None = None
    notify: Notify | None = None
    wait: Wait | None = None
    command: Command | None = None
    timeout_s: Seconds | None = Field(None, alias="timeout", description="none: the action's own")
    on_error: Literal["continue", "stop"] = Field("continue", description="`stop`: what follows is left out")

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        if len(self._actions()) != 1:
            said = ", ".join(self._actions()) or "none"
            raise ValueError(f"holds one action each, not {said}; there are {', '.join(ACTIONS)}")
        return self

    def _actions(self) -> dict[str, Action]:
        return {name: one for name in ACTIONS if (one := getattr(self, name)) is not None}

    @property
    def name(self) -> str:
        """The action's key."""
        return next(iter(self._actions()))

    @property
    def action(self) -> Action:
        return next(iter(self._actions().values()))


#: Every action there is, by its key.
ACTIONS = tuple(name for name in Step.model_fields if name not in ("timeout_s", "on_error"))


class Routine(Part):
    """When something happens, only if something holds, then do something."""

    id: str = Field("", pattern=r"^[\w-]{0,100}$", description="stays when the name changes")
    name: str = Field(min_length=1, max_length=200, description="as people call it; no two have the same")
    enabled: bool = Field(True, description="`false`: it is there and does nothing")
    when: When = Field(description="what starts it")
    only_if: Condition | None = Field(None, description="what else must hold")
    suppress_for: Seconds | None = Field(None, description="after it ran, not again for so long")
    mode: Literal["single", "restart", "queued"] = Field(
        "single",
        description="started while it still runs: `single` leaves it alone, `restart` begins anew, "
        "`queued` waits for its turn",
    )
    then: tuple[Step, ...] = Field(min_length=1, description="what it does, one after the other")

    @model_validator(mode="before")
    @classmethod
    def _has_an_id(cls, value: Any) -> Any:
        if isinstance(value, dict) and not value.get("id") and isinstance(value.get("name"), str):
            return {**value, "id": id_of(value["name"])}
        return value

    def as_tree(self) -> dict[str, JsonValue]:
        """The Routine as its file says it, without what is left at its default."""
        written: dict[str, JsonValue] = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return written


def id_of(name: str) -> str:
    """An id from a name, the same each time: timers are kept under it over a restart."""
    return re.sub(r"[^\w]+", "-", name.lower()).strip("-")[:100] or "routine"


def find_routine(routines: tuple[Routine, ...], wanted: str) -> Routine:
    """The Routine of this id or name.

    Raises
    ------
    LookupError
        There is none; the message names the nearest.
    """
    for one in routines:
        if wanted in (one.id, one.name):
            return one
    names = [one.name for one in routines]
    hint = f"; did you mean '{nearest(wanted, names)}'?" if names else ": the file has none"
    raise LookupError(f"no Routine is called '{wanted}'{hint}")
