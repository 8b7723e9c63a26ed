"""What every table of a Routine file is made of: checked keys, durations, one line for what is wrong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    ValidationError,
    WithJsonSchema,
    model_serializer,
    model_validator,
)

UNITS_S = {"d": 86400, "h": 3600, "m": 60, "s": 1}
LONGEST_S = 366 * 86400.0
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d{1,3})?)s)?", re.ASCII)


class Part(BaseModel):
    """A table of the file. An unknown key is an error that names the nearest one of this table.

    `short` names the key that is meant where only a value stands: `wait: 2s` is `wait: {for: 2s}`. Written
    out again, it is short again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    short: ClassVar[str | None] = None

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            if cls.short is None or value is None:
                raise ValueError(f"needs keys, such as '{next(iter(cls.keys()))}'")
            return {cls.short: value}
        known = cls.keys()
        for key in value:
            if key not in known:
                raise ValueError(f"unknown key '{key}'; did you mean '{nearest(str(key), known)}'?")
        return value

    @model_serializer(mode="wrap")
    def _short_again(self, handler: SerializerFunctionWrapHandler) -> Any:
        written = handler(self)
        is_short = self.short is not None and isinstance(written, dict) and list(written) == [self.short]
        return written[self.short] if is_short else written

    @classmethod
    def keys(cls) -> list[str]:
        """Keys as the file writes them."""
        return [field.alias or name for name, field in cls.model_fields.items()]


def nearest(word: str, words: Iterable[str]) -> str:
    """The known word that was probably meant."""
    known = list(words)
    return (difflib.get_close_matches(word[:60], known, n=1, cutoff=0.0) or known)[0]


def seconds_of(value: object) -> object:
    """Seconds of "90s", "10m", "2h", "1d" or "1h30m"; a number without a unit is refused."""
    if isinstance(value, str):
        found = _DURATION.fullmatch(value.strip())
        if found and value.strip():
            # the units stand in the order of the groups
            total_s = sum(
                float(n or 0) * unit_s for n, unit_s in zip(found.groups(), UNITS_S.values(), strict=True)
            )
            if 0.0 < total_s <= LONGEST_S:
                return round(total_s, 3)
            raise ValueError(f"{value!r} is not between 0 and 366 days")
    raise ValueError(f"{value!r} is no duration; write it like 5s, 10m, 2h, 1d or 1h30m")


def duration_text(seconds: float) -> str:
    """`seconds_of` backwards: 5400.0 is "1h30m"."""
    parts, left = "", round(seconds, 3)
    for unit, unit_s in UNITS_S.items():
        count = left if unit == "s" else int(left // unit_s)
        left = round(left - count * unit_s, 3)
        # three digits are kept, and 604800.0 must not become 604800.0000000001
        parts += f"{count:.3f}".rstrip("0").rstrip(".") + unit if count and unit == "s" else ""
        parts += f"{count}{unit}" if count and unit != "s" else ""
    return parts or "0s"


#: Seconds inside, "10m" in the file.
Seconds = Annotated[
    float,
    BeforeValidator(lambda value: value if isinstance(value, float) else seconds_of(value)),
    PlainSerializer(duration_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["5s", "10m", "2h", "1d", "1h30m"]}),
]


def complaint(error: ValidationError) -> tuple[tuple[str | int, ...], str]:
    """Where the first thing wrong is, and what it is, in words."""
    first = error.errors(include_url=False)[0]
    location, context = first["loc"], first.get("ctx", {})
    match first["type"]:
        case "missing":
            return location[:-1], f"lacks '{location[-1]}'"
        case "literal_error":
            choices, given = re.findall(r"'([^']*)'", str(context["expected"])), str(first["input"])
            near = nearest(given, choices)
            return location, f"{given!r} is none of {', '.join(choices)}; did you mean '{near}'?"
        case "value_error":
            return location, str(context["error"])
    return location, first["msg"][0].lower() + first["msg"][1:]
