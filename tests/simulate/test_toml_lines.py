"""Where keys stand, checked against the text itself and against tomllib's own reading."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from noctule.simulate.toml_lines import toml_lines

SCENE = '''# a comment = [not, a, table]
duration_s = 20
title = """three
lines # of "text"
and more"""

[room]
size_m = [
    5.0,  # long
    4.0,
    2.5,
]
note = 'it is'
"quoted key".inner = 1

[[person]]
name = "Ada # no comment ]"
does = [
    { do = "walk", to = [1, 2] },
    { do = "sit" },
]

[[person]]
name = "Bob"
[person.body]
height_m = 1.7
[[person.body.hat]]
kind = "a"
[[person.body.hat]]
kind = "b"
'''


def test_keys_stand_where_a_reader_finds_them() -> None:
    lines = toml_lines(SCENE)
    of = {path: SCENE.splitlines()[line - 1].strip() for path, line in lines.items()}
    assert of["duration_s",] == "duration_s = 20"
    assert of["room",] == "[room]"
    assert of["room", "size_m", 1] == "4.0,"
    assert of["room", "quoted key", "inner"] == '"quoted key".inner = 1'
    assert of["person", 0, "does", 0, "to"].startswith("{ do = ")
    assert of["person", 0, "does", 1] == '{ do = "sit" },'
    assert of["person", 1, "name"] == 'name = "Bob"'
    assert of["person", 1, "body", "height_m"] == "height_m = 1.7"
    assert of["person", 1, "body", "hat", 1, "kind"] == 'kind = "b"'
    assert lines["person", 0] == 1 + SCENE.splitlines().index("[[person]]")


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    found = {path}
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found |= _paths(inner, (*path, key))
    return found


@pytest.mark.parametrize(
    "text",
    [
        SCENE,
        "",
        "a = 1",
        "a = {b = [[1, 2], [3]], c = {d = ''}}\n",
        "x = [1,\n# ] not yet\n2]\ny = '''\n]]\n'''\n",
        '"a.b" = 1\na.b = 2\n[t.u]\nv = 1979-05-27T07:32:00Z\n',
        'e = "\\"]"\nf = """a""b\\""""\ng = [ "]", "}" ]',
        "[[a]]\nb = 1\n[[a.c]]\nd = 1\n[[a]]\n[[a.c]]\n[[a.c]]\n[a.e]\nf = inf\n",
    ],
)
def test_every_key_that_the_parser_knows_has_a_line(text: str) -> None:
    assert set(toml_lines(text)) == _paths(tomllib.loads(text))
