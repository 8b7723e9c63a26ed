"""Scenes: TOML files that say everything that is in a room, and what happens there.

A scene is checked as a whole when it is read; what cannot be is refused with the line that says it.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from pydantic import Field, ValidationError, model_validator

from noctule.core.errors import NoctuleError
from noctule.core.units import LOWEST_PRIVATE_CARRIER_HZ
from noctule.simulate.ambient import SCENE_SOUNDS, AmbientSound
from noctule.simulate.device import Device
from noctule.simulate.electronics import Electronics
from noctule.simulate.loudspeaker import Loudspeaker
from noctule.simulate.movers import SCENE_MOVERS
from noctule.simulate.parts import Mover, MoverPart, Part, Sound, SoundPart, generator
from noctule.simulate.person import Person
from noctule.simulate.programme import Programme
from noctule.simulate.room import Room
from noctule.simulate.toml_lines import toml_lines
from noctule.simulate.unit import Unit
from noctule.simulate.walking import Walk

Location = tuple[str | int, ...]

#: Nobody farther out than this is anybody's neighbour.
OUTSIDE_M = 15.0
#: Blades and bodies have some depth: so far may a point be behind a wall.
DEPTH_M = 0.3
#: Converters' filters leave the last of the band out.
HIGHEST_SHARE = 0.96
#: Places are looked at so often to find out who leaves the room.
LOOKS = 60


def _one_of(kinds: tuple[type[Part], ...]) -> Any:
    """What a table of a scene may be: the field `kind` says which."""
    union: Any = kinds[0]
    for kind in kinds[1:]:
        union = union | kind
    return Annotated[union, Field(discriminator="kind")]


if TYPE_CHECKING:
    AnyMover = MoverPart
    AnySound = AmbientSound
else:
    AnyMover = _one_of(SCENE_MOVERS)
    AnySound = _one_of(SCENE_SOUNDS)


class _ImpossibleError(ValueError):
    """Parts that do not fit together; `location` is where the file says so."""

    def __init__(self, message: str, location: Location) -> None:
        super().__init__(message)
        self.location = location


class Scene(Part):
    """Everything in a room, and what happens there. Equal scenes give equal samples.

    Raises
    ------
    pydantic.ValidationError
        Something in it cannot be.
    """

    duration_s: float = Field(20.0, ge=0.5, le=86400.0, description="of the whole scene")
    seed: int = Field(0, ge=0, description="decides everything that is left to chance")
    carrier_hz: float = Field(
        40000.0, ge=LOWEST_PRIVATE_CARRIER_HZ, le=200000.0, description="the tone; at most 0.48 sample rates"
    )
    sample_rate_hz: float = Field(96000.0, ge=44100.0, le=500000.0, description="of the sound card")
    room: Room = Room()
    device: Device = Device()
    unit: Unit = Unit()
    electronics: Electronics = Electronics()
    person: tuple[Person, ...] = ()
    mover: tuple[AnyMover, ...] = ()
    sound: tuple[AnySound, ...] = ()
    programme: Programme | None = Field(None, description="what the loudspeaker plays besides the tone")
    loudspeaker: Loudspeaker = Loudspeaker()

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for location, message in self._impossible():
            raise _ImpossibleError(message, location)
        return self

    def movers(self) -> list[tuple[Location, MoverPart, Mover]]:
        """People first, then everything else that moves: its place in the file, its table, the thing."""
        parts: list[tuple[Location, MoverPart]] = [(("person", n), one) for n, one in enumerate(self.person)]
        parts += [(("mover", n), one) for n, one in enumerate(self.mover)]
        return [(where, part, part.mover(generator(self.seed, *where))) for where, part in parts]

    def sounds(self) -> list[tuple[Location, SoundPart | MoverPart, Sound]]:
        """Everything that sounds by itself, likewise; the loudspeaker's programme is not among it."""
        found: list[tuple[Location, SoundPart | MoverPart, Sound]] = []
        for n, sound in enumerate(self.sound):
            found.append((("sound", n), sound, sound.sound(generator(self.seed, "sound", n))))
        for n, mover in enumerate(self.mover):
            noise = mover.sound(generator(self.seed, "mover", n, "sound"))
            if noise is not None:
                found.append((("mover", n), mover, noise))
        return found

    def _impossible(self) -> Iterator[tuple[Location, str]]:
        """Where parts do not fit together, and what is wrong."""
        highest_hz = HIGHEST_SHARE * self.sample_rate_hz / 2
        if self.carrier_hz > highest_hz:
            yield ("carrier_hz",), f"a rate of {self.sample_rate_hz:g} Hz carries tones to {highest_hz:g} Hz"
        place = self.device.transducers(self.carrier_hz)
        if not all(self.room.contains(one) for one in (*place.loudspeakers_m, *place.microphones_m)):
            yield ("device",), "the device reaches out of the room"
        for where, point in self._waypoints():
            if (out_m := self.room.outside_m(point)) > OUTSIDE_M:
                yield where, f"{out_m:.1f} m outside the room"
        times_s = np.linspace(0.0, self.duration_s, LOOKS)
        for where, part, mover in self.movers():
            out_m = self.room.outside_m(mover.scatterers(times_s, place.middle_m).position_m)
            if out_m > (OUTSIDE_M if where[0] == "person" else DEPTH_M):
                yield where, f"the {part.label} is {out_m:.1f} m outside the room"
        for n, sound in enumerate(self.sound):
            if not self.room.contains(sound.position_m) and sound.through == "air":
                yield ("sound", n, "position_m"), "outside the room: say what it is heard through"

    def _waypoints(self) -> Iterator[tuple[Location, tuple[float, float, float]]]:
        """Where people start and walk to."""
        for n, person in enumerate(self.person):
            yield ("person", n, "start"), (*person.start, 0.0)
            for k, action in enumerate(person.does):
                if isinstance(action, Walk):
                    yield from ((("person", n, "does", k, "to"), (*to, 0.0)) for to in action.points)


def read_scene(path: str | Path) -> Scene:
    """Read and check a scene file. Files it names are looked for next to it.

    Raises
    ------
    NoctuleError
        One line: file, line, key, and what is wrong.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise NoctuleError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise NoctuleError(f"{path}: not a text file") from None
    return parse_scene(text, path)


def parse_scene(text: str, path: Path = Path("scene.toml")) -> Scene:
    """A scene from the text of its file; `path` is for messages and for the files it names."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise NoctuleError(f"{path}: not valid TOML: {error}") from None
    _find_files(tree, path.parent)
    try:
        return Scene.model_validate(tree)
    except ValidationError as error:
        raise NoctuleError(_one_line(error, text, path)) from None


def _find_files(table: Any, folder: Path) -> None:
    """Files are named as seen from the scene's own folder."""
    for key, value in table.items() if isinstance(table, dict) else enumerate(table):
        if key == "file" and isinstance(value, str):
            table[key] = str(folder / value)
        elif isinstance(value, dict | list):
            _find_files(value, folder)


def _one_line(error: ValidationError, text: str, path: Path) -> str:
    first = error.errors()[0]
    lines = toml_lines(text)
    known: Location = ()
    rest: list[str] = []
    location: Location = getattr(first.get("ctx", {}).get("error"), "location", first["loc"])
    # what a table says of itself begins with the key it is about, or with the step of a list: does[2]
    about = re.match(r"Value error, (\w+)(?:\[(\d+)\])?", first["msg"])
    if about:
        location = (*location, about[1], *([int(about[2])] if about[2] else []))
    for name in location:
        if (*known, name) in lines:
            known = (*known, name)
        elif isinstance(name, str):  # a key that is missing, or the name of a kind, which the file has not
            rest.append(name)
    key = ".".join(str(one) for one in known) or "the scene"
    return f"{path}:{lines[known]}: {key}: {_said(first, rest)}"


def _said(first: Mapping[str, Any], rest: list[str]) -> str:
    match first["type"]:
        case "missing":
            return f"lacks '{rest[-1]}'"
        case "extra_forbidden":
            near = difflib.get_close_matches(str(first["loc"][-1]), _known_keys(), n=1, cutoff=0.0)
            return f"nothing is called that here; did you mean '{near[0]}'?"
        case "union_tag_invalid":
            context = first["ctx"]
            tag, tags = str(context["tag"]), str(context["expected_tags"]).replace("'", "").split(", ")
            near = difflib.get_close_matches(tag, tags, n=1, cutoff=0.0)
            return f"there is no {tag!r}; did you mean {near[0]!r}?"
        case "union_tag_not_found":
            return f"lacks {first['ctx']['discriminator']}"
    return re.sub(r"^Value error, (does\[\d+\]: )?", "", first["msg"])


def _known_keys() -> list[str]:
    schema = Scene.model_json_schema()
    return [key for table in (schema, *schema["$defs"].values()) for key in table.get("properties", ())]


def scene_text(scene: Scene) -> str:
    """The scene as the text of a scene file, with everything said."""
    import tomli_w

    return tomli_w.dumps(scene.model_dump(mode="json", exclude_none=True))
