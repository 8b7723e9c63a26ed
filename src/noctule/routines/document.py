"""Routine files: YAML in and out.

YAML is read by its version 1.2: `state: ON` is the text "ON" and `22:00` a time. By version 1.1, PyYAML's
own, they would be a truth value and the number 1320. Written files quote such words, so both read the same.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from noctule.core.errors import NoctuleError
from noctule.routines.parts import complaint, nearest
from noctule.routines.schema import Routine
from noctule.routines.settings import Home, with_environment

#: Nobody writes so much by hand; it bounds what an upload can cost.
MOST_CHARACTERS = 1_000_000


@dataclass(frozen=True)
class RoutineFile:
    """What a file says."""

    home: Home
    routines: tuple[Routine, ...]

    def warnings(self) -> list[str]:
        """What could not be done as the home is now; the rest of the Routine would be."""
        found = []
        for one in self.routines:
            conditions = one.only_if.all_parts() if one.only_if else []
            edges = [edge for part in conditions for edge in part.between or ()]
            if self.home.place is None and any(edge.startswith("sun") for edge in edges):
                found.append(f"routine '{one.name}': the sun needs latitude and longitude in `home`")
            if self.home.mqtt is None and any(part.mqtt for part in conditions):
                found.append(f"routine '{one.name}': the state of a topic needs `mqtt` in `home`")
            lacks = [(step.name, step.action.lacks(self.home)) for step in one.then]
            found += [f"routine '{one.name}': {name}: {lack}" for name, lack in lacks if lack]
        return found


def read_routines(path: str | Path, environment: Mapping[str, str] | None = None) -> RoutineFile:
    """Read and check a file: a list of Routines, or `home` and `routines`.

    Relative paths of the home are seen from the file's own folder. `environment` defaults to `os.environ`.

    Raises
    ------
    NoctuleError
        One line: file, Routine, key, what is wrong, and the nearest known key.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MOST_CHARACTERS + 1)
    except OSError as error:
        raise NoctuleError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise NoctuleError(f"{path}: not a text file") from None
    found = parse_routines(text, str(path), environment)
    return RoutineFile(placed(found.home, path), found.routines)


def placed(home: Home, path: Path) -> Home:
    """The home of a file, its relative paths seen from the file's own folder.

    Raises
    ------
    NoctuleError
        One line: `~somebody` is nobody.
    """
    named = {key: getattr(home, key) for key in ("media_folder", "piper_voice")}
    try:
        found = {key: path.parent / place.expanduser() for key, place in named.items() if place}
    except RuntimeError:
        raise NoctuleError(f"{path}: home: there is no such user's folder") from None
    return home.model_copy(update=found)


def parse_routines(
    text: str, name: str = "routines", environment: Mapping[str, str] | None = None
) -> RoutineFile:
    """The same from text; `name` is for messages."""
    if len(text) > MOST_CHARACTERS:
        raise NoctuleError(f"{name}: longer than {MOST_CHARACTERS} characters")
    tree = _tree(text, name)
    if isinstance(tree, list):
        tree = {"routines": tree}
    if not isinstance(tree, dict):
        raise NoctuleError(f"{name}: holds neither a list of Routines nor 'home' and 'routines'")
    for key in tree:
        if key not in ("home", "routines"):
            near = nearest(str(key), ("home", "routines"))
            raise NoctuleError(f"{name}: unknown key '{key}'; did you mean '{near}'?")
    home = home_of(tree.get("home") or {}, name, environment)
    entries = tree.get("routines") or []
    if not isinstance(entries, list):
        raise NoctuleError(f"{name}: 'routines' is no list")
    routines = tuple(_routine(entry, number, name) for number, entry in enumerate(entries, 1))
    for what in ("id", "name"):
        word, count = (Counter(getattr(one, what) for one in routines).most_common(1) or [("", 0)])[0]
        if count > 1:
            raise NoctuleError(f"{name}: {count} Routines have the {what} '{word}'")
    return RoutineFile(home, routines)


def home_tree(text: str, name: str = "routines") -> dict[str, Any]:
    """The home as the text of a file says it: nothing checked, `${NAME}` as it stands.

    Raises
    ------
    NoctuleError
        One line: it is no YAML.
    """
    tree = _tree(text, name)
    home = tree.get("home") if isinstance(tree, dict) else None
    return home if isinstance(home, dict) else {}


def home_of(tree: Mapping[str, Any], name: str, environment: Mapping[str, str] | None = None) -> Home:
    """What such a tree means; `environment` defaults to `os.environ`.

    Raises
    ------
    NoctuleError
        One line: key, and what is wrong.
    """
    return _home(tree, name, os.environ if environment is None else environment)


def routines_text(routines: Iterable[Routine]) -> str:
    """Routines as the text of a file, with their ids, without what is at its default."""
    trees = [one.as_tree() for one in routines]
    return yaml.safe_dump(trees, sort_keys=False, allow_unicode=True, width=100) if trees else "[]\n"


def _home(tree: Any, name: str, environment: Mapping[str, str]) -> Home:
    try:
        return Home.model_validate(with_environment(tree, environment))
    except KeyError as error:
        raise NoctuleError(f"{name}: home: the environment has no variable {error.args[0]}") from None
    except ValidationError as error:
        raise NoctuleError(f"{name}: {_where(('home',), *complaint(error))}") from None


def _routine(entry: Any, number: int, name: str) -> Routine:
    try:
        return Routine.model_validate(entry)
    except ValidationError as error:
        given = entry.get("name") if isinstance(entry, dict) else None
        whose = f"routine '{given}'" if isinstance(given, str) and given else f"routine {number}"
        raise NoctuleError(f"{name}: {whose}: {_where((), *complaint(error))}") from None


def _where(before: tuple[str, ...], location: tuple[str | int, ...], what: str) -> str:
    """`then[2].webhook: ...`; entries are counted from 1."""
    key = ""
    for one in (*before, *location):
        key += f"[{one + 1}]" if isinstance(one, int) else f".{one}"
    return f"{key.lstrip('.')}: {what}" if key else what


class _Loader(yaml.SafeLoader):
    """YAML 1.2 core, without what misleads: a key said twice, and aliases, which make much of little."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise _refused("aliases (*) are not read", self.peek_event())  # type: ignore[no-untyped-call]
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise _refused(f"the key {key!r} is no text; put it in quotes", key_node)
            if key in seen:
                raise _refused(f"'{key}' is said twice", key_node)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _refused(why: str, where: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=why, problem_mark=where.start_mark)


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]+)?", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), list(_first))


def _tree(text: str, name: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise NoctuleError(f"{name}: {line}not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        first = (str(error).splitlines() or ["nested too deeply"])[0]
        raise NoctuleError(f"{name}: not valid YAML: {first}") from None
