"""On which line of a TOML file each key stands: the parser of the standard library does not say.

Only places are looked for; the text is known to be valid TOML, because `tomllib` has read it.
"""

from __future__ import annotations

import re
import tomllib

Path = tuple[str | int, ...]

_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', flags=re.DOTALL
)
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SPACE = re.compile(r"[ \t]*")
_BETWEEN = re.compile(r"(?:\s|#[^\n]*|,)*")  # a comma says nothing about places
_SCALAR = re.compile(r"[^,\]}#\n]*")


def toml_lines(text: str) -> dict[Path, int]:
    """Line (from 1) of every table, key and array element of a valid TOML text.

    A path is what leads there through `tomllib`'s dictionaries and lists: ("person", 0, "does", 2, "to").
    """
    return _Scanner(text).document()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._lines: dict[Path, int] = {(): 1}
        self._last: dict[Path, int] = {}  # index of the table that an array of tables ends in

    def document(self) -> dict[Path, int]:
        table: Path = ()
        while self._skip(_BETWEEN) < len(self._text):
            if self._text.startswith("[[", self._at):
                table = self._header(2)
                self._last[table] = self._last.get(table, -1) + 1
                table = (*table, self._last[table])
                self._note(table)
            elif self._text[self._at] == "[":
                table = self._header(1)
                self._note(table)
            else:
                self._pair(table)
        return self._lines

    def _header(self, brackets: int) -> Path:
        self._at += brackets
        path: Path = ()
        for name in self._key():
            if path in self._last:
                path = (*path, self._last[path])
            path = (*path, name)
        if brackets == 1 and path in self._last:
            path = (*path, self._last[path])
        self._at = self._text.index("]", self._at) + brackets
        return path

    def _key(self) -> list[str]:
        names = []
        while True:
            self._skip(_SPACE)
            quoted = _STRING.match(self._text, self._at)
            found = quoted or _BARE.match(self._text, self._at)
            assert found is not None
            self._at = found.end()
            names.append(str(tomllib.loads(f"k={found[0]}")["k"]) if quoted else found[0])
            if self._text[self._skip(_SPACE)] != ".":
                return names
            self._at += 1

    def _pair(self, table: Path) -> None:
        path: Path = table
        for name in self._key():
            path = (*path, name)
        self._note(path)
        self._at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(path)

    def _value(self, path: Path) -> None:
        opening = self._text[self._at]
        if opening in "[{":
            self._at += 1
            index = 0
            while self._text[self._skip(_BETWEEN)] not in "]}":
                if opening == "{":
                    self._pair(path)
                    continue
                self._note((*path, index))
                self._value((*path, index))
                index += 1
            self._at += 1
        else:
            string = _STRING.match(self._text, self._at) if opening in "\"'" else None
            self._at = string.end() if string else self._skip(_SCALAR)

    def _note(self, path: Path) -> None:
        line = self._text.count("\n", 0, self._at) + 1
        for deep in range(len(path) + 1):  # `[a.b]` brings a into being as well
            self._lines.setdefault(path[:deep], line)

    def _skip(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self._text, self._at)
        assert found is not None
        self._at = found.end()
        return self._at
