"""The settings tree as fields of a form: read from the models, so that a new setting is there by itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from noctule.core.settings import ENVIRONMENT_PREFIX, Settings
from noctule.service.changes import AT_NEXT_START, OF_THE_SENSOR, READ_EACH_TIME

#: As people look for them; what is not named here comes behind.
ORDER = ("presence", "emit", "gate", "calibrate", "audio", "model", "routines", "store", "web", "features")
TITLES = {
    "presence": "Presence", "emit": "Tone", "gate": "Silences", "calibrate": "Calibration",
    "audio": "Sound card", "model": "Detector", "routines": "Routines",
    "store": "History", "web": "App", "features": "Features",
}  # fmt: skip
#: Not in the form: it has a card of its own.
ELSEWHERE = ("web.password_hash",)
_UNITS = {
    "s": "s", "hz": "Hz", "db": "dB", "dbfs": "dBFS", "mps": "m/s", "m": "m", "mb": "MB", "days": "days",
}  # fmt: skip

Kind = Literal["switch", "choice", "number", "text", "list"]
Effect = Literal["now", "sensor", "start"]


@dataclass(frozen=True)
class SettingField:
    """One setting.

    more : what it means, as the settings tree says. effect : a change holds now, starts the sensor anew, or
    waits for the program's next start. variable : that of the environment which decides it; None: the file.
    """

    section: str
    key: str
    title: str
    more: str
    kind: Kind
    unit: str
    default: Any
    least: float | None
    most: float | None
    whole: bool
    may_be_empty: bool
    choices: tuple[str, ...]
    effect: Effect
    variable: str | None

    @property
    def name(self) -> str:
        return f"{self.section}.{self.key}"

    @property
    def hint(self) -> str:
        """Range and default."""
        parts = []
        if self.least is not None and self.most is not None:
            parts.append(f"{_number(self.least)} to {_number(self.most)} {self.unit}".rstrip())
        elif self.unit:
            parts.append(f"in {self.unit}")
        parts.append(f"default {self.told(self.default)}")
        return ", ".join(parts)

    def told(self, value: Any) -> str:
        """A value in words."""
        if value is None:
            return "none"
        if isinstance(value, bool):
            return "on" if value else "off"
        if isinstance(value, list | tuple):
            return ", ".join(value) or "none"
        if isinstance(value, int | float):
            return f"{_number(value)} {self.unit}".rstrip()
        return str(value) or "none"

    def shown(self, value: Any) -> Any:
        """A value as its input has it."""
        if self.kind == "list":
            return ", ".join(value)
        return str(value) if isinstance(value, Path) else value

    def given(self, shown: Any) -> Any:
        """The other way; what cannot be right is left to `complaint`."""
        if self.kind == "list":
            return tuple(part.strip() for part in str(shown or "").split(",") if part.strip())
        if isinstance(shown, str):
            shown = shown.strip()
        if shown == "" or shown is None:
            return None
        return int(shown) if self.whole and isinstance(shown, float) and shown.is_integer() else shown

    def complaint(self, value: Any) -> str | None:
        """What is wrong with a value; None: nothing, as far as it alone can tell."""
        if value is None and not self.may_be_empty:
            return "needs a value"
        section = type(getattr(Settings(), self.section))
        try:
            section.model_validate({self.key: value})
        except ValidationError as error:
            message = str(error.errors(include_url=False)[0]["msg"])
            return message.removeprefix("Input ").removeprefix("Value error, ")
        return None


def sections() -> list[str]:
    """Their names, in the order of the form."""
    known = list(Settings.model_fields)
    return [name for name in ORDER if name in known] + [name for name in known if name not in ORDER]


def fields_of(section: str, environment: Mapping[str, str] = os.environ) -> list[SettingField]:
    """All of one section but those that are elsewhere."""
    default = Settings.model_fields[section].default
    return [
        _field(section, key, info, environment)
        for key, info in type(default).model_fields.items()
        if f"{section}.{key}" not in ELSEWHERE
    ]


def title_of(section: str) -> str:
    return TITLES.get(section, section.capitalize())


def about(section: str) -> str:
    """What it is, in a sentence."""
    return (type(Settings.model_fields[section].default).__doc__ or "").strip().splitlines()[0]


def _field(section: str, key: str, info: FieldInfo, environment: Mapping[str, str]) -> SettingField:
    types = _types(info.annotation)
    variable = f"{ENVIRONMENT_PREFIX}{section}__{key}".upper()
    stem, _, last = key.rpartition("_")
    unit = _UNITS.get(last, "") if stem else ""
    choices = tuple(str(one) for part in types if get_origin(part) is Literal for one in get_args(part))
    numeric = bool({int, float} & set(types))
    kind: Kind = "text"
    if types == {bool}:
        kind = "switch"
    elif choices and not numeric:
        kind = "choice"
    elif numeric and not choices:
        kind = "number"
    elif any(get_origin(part) in (list, tuple) for part in types):
        kind = "list"
    title = (stem if unit else key).replace("_", " ").replace("spl", "SPL")
    return SettingField(
        section=section,
        key=key,
        title=title[0].upper() + title[1:],
        more=info.description or "",
        kind=kind,
        unit=unit,
        default=info.default,
        least=next((float(one.ge) for one in info.metadata if isinstance(one, Ge)), None),  # type: ignore[arg-type]
        most=next((float(one.le) for one in info.metadata if isinstance(one, Le)), None),  # type: ignore[arg-type]
        whole=int in types and float not in types,
        may_be_empty=type(None) in types,
        choices=choices,
        effect=_effect(f"{section}.{key}"),
        variable=variable if variable in environment else None,
    )


def _number(value: float) -> str:
    return f"{value:.10g}"


def _types(annotation: Any) -> set[Any]:
    parts = get_args(annotation)
    return {annotation} if not parts or get_origin(annotation) in (Literal, list, tuple) else set(parts)


def _effect(name: str) -> Effect:
    if name.startswith(OF_THE_SENSOR):
        return "sensor"
    return "start" if name.startswith(AT_NEXT_START) and name not in READ_EACH_TIME else "now"
