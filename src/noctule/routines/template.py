"""What an announcement says: text with fields, and nothing else that a template language could do.

A field is one of a list, in braces: `{weather.temperature}`. Its value is put in as text and not looked at
again, so nothing that a weather service sends is ever a template.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from noctule.routines.parts import nearest

#: What each source tells: `{weather.temperature}`.
SOURCES = {
    "weather": ("temperature", "feels_like", "description", "high", "low", "rain_chance", "wind"),
    "traffic": ("minutes", "delay_minutes"),
}
#: Fields that need no source.
PLAIN = ("time", "weekday", "date")
FIELDS = (*PLAIN, *(f"{source}.{name}" for source, names in SOURCES.items() for name in names))

#: What is said in place of a sentence for which something is not to be had.
MISSING = {
    "weather": "The weather is not known right now",
    "traffic": "The travel time is not known right now",
}

_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
#: A point ends a sentence where white space follows: 2.5 is a number, and {weather.high} a field.
_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+")


def check_template(text: str) -> str:
    """The text itself, where every field is known.

    Raises
    ------
    ValueError
        It holds something else in braces.
    """
    for found in _BRACES.finditer(text):
        field = found[1]
        if field is None and found[0] in "{}":
            raise ValueError(f"a lonely '{found[0]}'; write it twice to have it said")
        if field is not None and field not in FIELDS:
            raise ValueError(f"'{{{field}}}' is no field; did you mean '{{{nearest(field, FIELDS)}}}'?")
    return text


def sources_of(text: str) -> set[str]:
    """The sources whose fields the text has."""
    fields = {found[1] for found in _BRACES.finditer(text) if found[1]}
    return {field.partition(".")[0] for field in fields} & set(SOURCES)


def fill(text: str, facts: Mapping[str, str]) -> str:
    """The text with its fields filled; a sentence that lacks one says what is missing instead, once.

    Parameters
    ----------
    facts : field -> what is said for it; what is not to be had is not in it.
    """
    said: list[str] = []
    for sentence in _SENTENCE_END.split(text):
        lacking = {found[1] for found in _BRACES.finditer(sentence) if found[1]} - set(facts)
        if not lacking:
            said.append(_BRACES.sub(lambda found: facts[found[1]] if found[1] else found[0][0], sentence))
            continue
        for source in sorted({field.partition(".")[0] for field in lacking}):
            phrase = MISSING[source] + "."
            if phrase not in said:
                said.append(phrase)
    return " ".join(said)
