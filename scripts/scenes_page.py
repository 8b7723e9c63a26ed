"""The page about scene files, from the models that read them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from scripts import fields

from noctule.simulate.ambient import SCENE_SOUNDS
from noctule.simulate.ambient.base import AmbientSound
from noctule.simulate.amplifier import Amplifier
from noctule.simulate.body import Body
from noctule.simulate.device import Device
from noctule.simulate.driver import Driver
from noctule.simulate.electronics import Drop, Electronics, GainStep
from noctule.simulate.loudspeaker import Loudspeaker
from noctule.simulate.movers import SCENE_MOVERS
from noctule.simulate.parts import MoverPart, Part
from noctule.simulate.person import ACTIONS, Person
from noctule.simulate.programme import Programme, ProgrammeEvent
from noctule.simulate.room import Furniture, Room
from noctule.simulate.scenes import Scene
from noctule.simulate.unit import Unit

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "scenes" / "music_while_walking.toml"
WIDTH = 110

Kind = MoverPart | AmbientSound

INTRODUCTION = """\
# Scenes

A scene is one TOML file that says everything that is in a room and what happens there. `noctule simulate
SCENE -o OUT` renders it ([how](../how-to/simulate-a-room.md)), `noctule demo --scene SCENE` runs it live.
Every key has a default but those that *must be said*; a key that does not exist, and a scene that cannot be,
is refused with its line. Commented scenes to begin with lie in [scenes](../../scenes).

- **Places** are metres, x, y, z, right-handed, z up. The room reaches from its corner (0, 0, 0), on the
  floor, to `size_m`.
- **Headings** are degrees counter-clockwise from +x, seen from above: 0 looks along x, 90 along y.
- **Times** are seconds from the start of the scene. What moves does so from `from_s` to `to_s`; the thing
  itself is there all the time. A person begins the first action at `from_s` and each other one where the one
  before has ended.
- **Levels** of sounds are dB SPL at 1 m. A target strength is the level of an echo 1 m from what sends it
  back, against the sound that arrives there.
- **Chance** is drawn from `seed`, for each table by its place in the file: one more at the end does not
  change how the others move. The hardware and made-up music have seeds of their own. The same file gives the
  same samples, on any number of workers.
- **Files** are named as seen from the folder of the scene.
"""

TRUTH = """\
## The truth about a scene

`OUT.truth.jsonl` has a line every 0.1 s:

| key | value |
|---|---|
| `t` | seconds of the recording; lost samples do not count |
| `motion` | `"major"`, `"minor"` or `"none"`: the most that anybody inside the room does |
| `presence` | whether anybody is inside the room |
| `people` | a list, in the order of the file, of those inside and outside; the keys below |
| `moving` | everything else that moves, by what the truth calls it |
| `sounding` | everything that sounds by itself, likewise |
| `music` | whether the programme runs; a paused one does |

| key of a person | value |
|---|---|
| `name` | as in the file |
| `x_m`, `y_m` | middle of the trunk |
| `range_m` | from the device to it |
| `radial_mps` | how fast it comes nearer; negative: goes away |
| `motion` | `"major"`: walks, turns, sits down, stands up; `"minor"`: moves in its place; else `"none"` |
| `inside` | whether that middle is inside the room |

A captured movement is major while the trunk goes faster than 0.25 m/s, and minor while a hand, foot or the
head goes faster than 0.12 m/s against it, over half a second. Breath and balance are no motion.

A SigMF recording carries the same as annotations:

| label | stretch in which |
|---|---|
| `person:major`, `person:minor`, `person:still` | somebody inside does that |
| `person:outside` | somebody is not in the room |
| `motion:fan`, ... | something else moves |
| `sound:keys`, ... | something sounds |
| `music` | the programme runs |

The comment of a person's label has the name, and from how near to how far it was.
"""

#: Tables that come in lists.
_MANY = (Furniture, GainStep, Drop, ProgrammeEvent)
#: Provenance of figures in the code: assumed, read, computed.
_TAGS = re.compile(r"\s*\[[ARD]\b[^\]]*\]")


def scenes_page(mark: str) -> str:
    """Every table of a scene file, every key, and what is written about it afterwards."""
    lines = [mark, INTRODUCTION, "## Example", "", "```toml", EXAMPLE.read_text(encoding="utf-8").strip()]
    lines += ["```", "", f"This is [{EXAMPLE.name}](../../scenes/{EXAMPLE.name}).", "", TRUTH]
    for part in (_top, _places, _people, _movers, _sounds, _playing):
        lines += part()
    return "\n".join(lines).rstrip() + "\n"


def _top() -> Iterator[str]:
    yield from ("## The scene", "", "Before the first table:", "")
    yield from _table(
        {n: one for n, one in Scene.model_fields.items() if one.description and n != "programme"}
    )


def _places() -> Iterator[str]:
    yield from _part(2, "[room]", Room)
    yield from _part(3, "[[room.furniture]]", Furniture)
    yield from _part(2, "[device]", Device)
    yield from _part(2, "[unit]", Unit)
    yield from _part(2, "[electronics]", Electronics)
    yield from _part(3, "[[electronics.gain_steps]]", GainStep)
    yield from _part(3, "[[electronics.drops]]", Drop)


def _people() -> Iterator[str]:
    yield from _part(2, "[[person]]", Person, without=("to_s",))  # a person goes on for ever
    yield from _part(3, "[person.body]", Body)
    actions = ", ".join(f"[`{_tag(one, 'do')}`](#do--{_tag(one, 'do')})" for one in ACTIONS)
    said = f"Each entry of `does` has a field `do` that says what: {actions}."
    yield from ("### Actions", "", _wrapped(said), "")
    for action in ACTIONS:
        yield from _part(3, f'do = "{_tag(action, "do")}"', action, without=("do",))


def _movers() -> Iterator[str]:
    yield from ("## [[mover]]", "", "Everything that moves and is no person.", "")
    yield _index(SCENE_MOVERS, MoverPart)
    yield from _table(MoverPart.model_fields)
    yield from _kinds(SCENE_MOVERS, MoverPart)


def _sounds() -> Iterator[str]:
    yield from ("## [[sound]]", "", "Something that sounds without moving.", "")
    yield _index(SCENE_SOUNDS, AmbientSound)
    yield from _table(AmbientSound.model_fields)
    yield from _kinds(SCENE_SOUNDS, AmbientSound)


def _playing() -> Iterator[str]:
    yield from _part(2, "[programme]", Programme)
    yield from _part(3, "[[programme.events]]", ProgrammeEvent)
    yield from _part(2, "[loudspeaker]", Loudspeaker)
    yield from _part(3, "[loudspeaker.driver]", Driver)
    yield from _part(3, "[loudspeaker.amplifier]", Amplifier)


def _index(kinds: Sequence[type[Kind]], all_have: type[Part]) -> str:
    """Every kind with the heading under which it is described."""
    links = []
    for kind in kinds:
        family = kind.__bases__[0]
        heading = _tag(kind, "kind") if family is all_have else _words(family.__name__)
        links.append(f"[`{_tag(kind, 'kind')}`](#{heading.lower().replace(' ', '-')})")
    return _wrapped(f"`kind` says what it is: {', '.join(links)}. All have") + "\n"


def _kinds(kinds: Sequence[type[Kind]], all_have: type[Part]) -> Iterator[str]:
    """Families share a table; each kind adds what only it has."""
    common = tuple(all_have.model_fields)
    for family, members in groupby(kinds, lambda kind: kind.__bases__[0]):
        if family is all_have:
            for kind in members:
                yield from _part(
                    3, f"`{_tag(kind, 'kind')}`", kind, without=("kind", *common), more=_called(kind)
                )
        else:
            yield from _part(3, _words(family.__name__), family, without=common)
            yield from _members(list(members), family)


def _members(kinds: Sequence[type[Kind]], family: type[Part]) -> Iterator[str]:
    for kind in kinds:
        said = " ".join(_said(kind))
        yield _wrapped(f"- **`{_tag(kind, 'kind')}`**: {said[0].lower() + said[1:]} {_called(kind)}", "  ")
    yield ""
    for kind in kinds:
        own = {name: one for name, one in kind.model_fields.items() if _is_new(name, one, family)}
        if own:
            yield from (f"For `{_tag(kind, 'kind')}`:", "", *_table(own))


def _is_new(name: str, field: FieldInfo, family: type[Part]) -> bool:
    before = family.model_fields.get(name)
    return name != "kind" and (before is None or before.default != field.default)


def _part(
    level: int, heading: str, part: type[Part], without: tuple[str, ...] = (), more: str = ""
) -> Iterator[str]:
    """Heading, what the docstring says and `more`, table of fields."""
    yield from (f"{'#' * level} {heading}", "")
    *first, last = _said(part)
    for paragraph in (*first, f"{last} {more}".strip()):
        yield from (_wrapped(paragraph), "")
    kept = {name: one for name, one in part.model_fields.items() if name not in without}
    if kept:
        yield from _table(kept)


def _table(kept: dict[str, FieldInfo]) -> list[str]:
    return [*fields.table(kept, _named), ""]


def _said(part: type[Part]) -> list[str]:
    """What its docstring says, a string a paragraph."""
    text = _TAGS.sub("", part.__doc__ or "").strip()
    return [" ".join(one.split()) for one in text.split("\n\n")]


def _called(kind: type[Kind]) -> str:
    return f"In the truth: `{kind.label}`."


def _named(model: type[BaseModel]) -> str:
    """Link to where a table inside a table is described."""
    anchors = {
        Furniture: "roomfurniture",
        Body: "personbody",
        GainStep: "electronicsgain_steps",
        Drop: "electronicsdrops",
        ProgrammeEvent: "programmeevents",
        Driver: "loudspeakerdriver",
        Amplifier: "loudspeakeramplifier",
    }
    if issubclass(model, ACTIONS):
        return "[actions](#actions)"
    return f"[tables](#{anchors[model]})" if model in _MANY else f"[table](#{anchors[model]})"


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _tag(part: type[BaseModel], field: str) -> str:
    return str(part.model_fields[field].default)


def _words(name: str) -> str:
    """NoiseBursts to Noise bursts."""
    return re.sub(r"(?<!^)([A-Z])", lambda found: f" {found[1].lower()}", name)
