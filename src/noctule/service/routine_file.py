"""The file of Routines as the app changes it: what changed is written anew, the rest stays as it was."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from noctule.core.errors import NoctuleError
from noctule.core.files import written_whole
from noctule.routines.document import (
    RoutineFile,
    home_of,
    home_tree,
    parse_routines,
    placed,
    read_routines,
    routines_text,
)
from noctule.routines.schema import Routine
from noctule.routines.settings import Home
from noctule.service.home_changes import Tree, changed_tree

#: A home may hold tokens.
NEW_FILE_MODE = 0o600

#: Tells one state of a file from another; None: there is no file.
Signature = tuple[int, int, int] | None


def signature_of(path: Path) -> Signature:
    """Changes with the file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def read(path: Path) -> RoutineFile:
    """The file; where there is none, or nothing in it, no Routines.

    Raises
    ------
    NoctuleError
        One line.
    """
    try:
        empty = says_nothing(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        empty = True
    except (OSError, UnicodeDecodeError):  # told below
        empty = False
    return RoutineFile(Home(), ()) if empty else read_routines(path)


def says_nothing(text: str) -> bool:
    """Nothing but comments and free lines."""
    return all(not line.strip() or line.lstrip().startswith("#") for line in text.splitlines())


def write(path: Path, routines: Iterable[Routine]) -> None:
    """Put other Routines into the file; made where it is missing.

    Raises
    ------
    NoctuleError
        One line: two have the same name, or it cannot be written. The file is as it was.
    """
    wanted = list(routines)
    _rewrite(path, lambda text: with_routines(text, wanted, str(path)))


def write_home(path: Path, home: Home, changes: Mapping[str, Any]) -> Home:
    """Change the home in the file, see `changed_tree`; made where it is missing.

    Raises
    ------
    NoctuleError
        One line: what is wrong with it, or it cannot be written. The file is as it was.
    """
    after = home

    def changed(text: str) -> str:
        nonlocal after
        tree = changed_tree({} if says_nothing(text) else home_tree(text, str(path)), home, changes)
        after = placed(home_of(tree, path.name), path)
        return with_home(text, tree, str(path))

    _rewrite(path, changed)
    return after


def _rewrite(path: Path, changed: Callable[[str], str]) -> None:
    place = Path(os.path.realpath(path))  # a link stays one
    try:
        text = changed(place.read_text(encoding="utf-8") if place.exists() else "")
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        mode = stat.S_IMODE(place.stat().st_mode) if place.exists() else NEW_FILE_MODE
        with written_whole(place, mode) as file:
            file.write(text.encode())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise NoctuleError(f"{path}: cannot be written ({reason}); nothing was changed") from None


def with_routines(text: str, routines: list[Routine], name: str = "routines") -> str:
    """The text with these Routines; `home` and comments outside the list stay.

    Raises
    ------
    NoctuleError
        The text, or what it would become, is no file of Routines.
    """
    before = RoutineFile(Home(), ()) if says_nothing(text) else parse_routines(text, name)
    changed = _spliced(text, routines)
    after = parse_routines(changed, name)  # among other things: no name twice
    if after.home != before.home or list(after.routines) != routines:
        changed = _written_anew(text, routines)  # a way of writing YAML that nobody thought of
        parse_routines(changed, name)
    return changed


def with_home(text: str, home: Tree, name: str = "routines") -> str:
    """The text with this home; the list of Routines and comments outside the home stay.

    Raises
    ------
    NoctuleError
        The text, or what it would become, is no file of Routines.
    """
    before = RoutineFile(Home(), ()) if says_nothing(text) else parse_routines(text, name)
    wanted = home_of(home, name)
    changed = _with_block(text, home)
    after = _parsed(changed, name)
    if after is None or after.home != wanted or after.routines != before.routines:
        changed = _written_anew(text, list(before.routines), home)
        parse_routines(changed, name)
    return changed


def _parsed(text: str, name: str) -> RoutineFile | None:
    try:
        return parse_routines(text, name)
    except NoctuleError:
        return None


def _with_block(text: str, home: Tree) -> str:
    block = _home_text(home)
    if says_nothing(text):
        return _below(text, block)
    root = yaml.compose(text, yaml.SafeLoader)
    if isinstance(root, yaml.SequenceNode):
        start = text.rfind("\n", 0, root.start_mark.index) + 1
        return f"{text[:start]}{block}\nroutines:\n{text[start:]}"
    if isinstance(root, yaml.MappingNode):
        for key, value in root.value:
            if key.value == "home":
                return _replaced(text, key.start_mark.index, value, block)
    if root is None:
        return _below(text, block)
    start = text.rfind("\n", 0, root.start_mark.index) + 1
    return f"{text[:start]}{block}\n{text[start:]}"


def _home_text(home: Tree) -> str:
    return yaml.safe_dump({"home": home}, sort_keys=False, allow_unicode=True, width=100)


def _spliced(text: str, routines: list[Routine]) -> str:
    if says_nothing(text):
        return _below(text, routines_text(routines))
    root = yaml.compose(text, yaml.SafeLoader)
    if isinstance(root, yaml.SequenceNode):
        return _replaced(text, root.start_mark.index, root, routines_text(routines))
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        return _written_anew(text, routines)
    block = f"routines:\n{routines_text(routines)}" if routines else "routines: []\n"
    for key, value in root.value:
        if key.value == "routines":
            return _replaced(text, key.start_mark.index, value, block)
    return _below(text, block)


def _below(text: str, block: str) -> str:
    return f"{text.rstrip()}\n\n{block}" if text.strip() else block


def _replaced(text: str, start: int, old: yaml.Node, block: str) -> str:
    """`block` from the line on which it starts, to the line on which the old one's last word stands."""
    start = text.rfind("\n", 0, start) + 1
    end = text.find("\n", max(_end_of(old) - 1, start))
    return text[:start] + block + (text[end + 1 :] if end >= 0 else "")


def _end_of(node: yaml.Node) -> int:
    """Behind its last word; a block's own end is where the next thing begins, comments between included."""
    if isinstance(node, yaml.ScalarNode) or getattr(node, "flow_style", False) or not node.value:
        return int(node.end_mark.index)
    last: Any = node.value[-1]
    return _end_of(last[1] if isinstance(last, tuple) else last)


def _written_anew(text: str, routines: list[Routine], home: Tree | None = None) -> str:
    """Comments are lost."""
    if home is None:
        home = home_tree(text)
    above = _home_text(home) if home else ""
    return f"{above}routines:\n{routines_text(routines)}" if routines else f"{above}routines: []\n"
