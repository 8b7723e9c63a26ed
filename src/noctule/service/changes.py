"""What a change of settings means: checked as a whole, and which parts of the running product it concerns."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from noctule.core.errors import NoctuleError
from noctule.core.settings import ENVIRONMENT_PREFIX, Settings, checked_settings
from noctule.service.support import mask_secrets

Changes = dict[str, dict[str, Any]]

#: A change there starts the sensor anew; it is there again within seconds.
OF_THE_SENSOR = ("audio", "emit", "gate", "calibrate", "features", "model")
#: A change there is for the next start of the program; those keys are read each time they are needed.
AT_NEXT_START, READ_EACH_TIME = ("store", "routines", "web"), ("web.password_hash",)


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of a change.

    restarted : the sensor starts anew with it. at_next_start : keys that wait for the program's next start.
    """

    settings: Settings
    restarted: bool
    at_next_start: tuple[str, ...]


def changed_by(before: Settings, after: Settings) -> Changed:
    """What the difference means."""
    keys = [f"{section}.{key}" for section, values in only_changed(before, after).items() for key in values]
    waiting = [key for key in keys if key.startswith(AT_NEXT_START) and key not in READ_EACH_TIME]
    return Changed(after, any(key.startswith(OF_THE_SENSOR) for key in keys), tuple(waiting))


def merged(settings: Settings, changes: Mapping[str, Mapping[str, Any]]) -> Settings:
    """The settings with these changes; None: the key's default.

    Raises
    ------
    NoctuleError
        One line: a key that does not exist, a value that is not allowed, or one that only the environment
        changes.
    """
    tree = settings.model_dump(exclude_defaults=True)
    for section, values in changes.items():
        for key, value in values.items():
            variable = f"{ENVIRONMENT_PREFIX}{section}__{key}".upper()
            if variable in os.environ:
                raise NoctuleError(f"settings: {section}.{key} comes from {variable} in the environment")
            tree.setdefault(section, {})[key] = value
            if value is None:
                del tree[section][key]
    return checked_settings(tree)


def only_changed(before: Settings, after: Settings) -> Changes:
    """The values that differ, by section and key, as JSON has them."""
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    found = {
        section: {key: value for key, value in values.items() if value != old[section][key]}
        for section, values in new.items()
    }
    return {section: values for section, values in found.items() if values}


def told(changes: Changes) -> dict[str, Any]:
    """What may be told of them."""
    masked: dict[str, Any] = mask_secrets(changes)
    return masked
