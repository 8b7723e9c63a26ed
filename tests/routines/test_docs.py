"""What the pages show can be read as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from noctule.routines import parse_routines, routines_text

ROOT = Path(__file__).resolve().parents[2]
HOW_TO = (ROOT / "docs" / "how-to" / "routines.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", HOW_TO, re.DOTALL)
SECRETS = {name: f"json://{name.lower()}" for name in re.findall(r"\$\{(\w+)\}", HOW_TO)}


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 4


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.splitlines()[0])
def test_examples_are_read(example: str) -> None:
    found = parse_routines(example, environment=SECRETS)
    assert found.routines or "home:" in example
    assert parse_routines(routines_text(found.routines)).routines == found.routines


def test_the_home_has_what_the_examples_need(tmp_path: Path) -> None:
    """The homes of the page together: nothing but the sound file is missing."""
    (folder := tmp_path / "sounds").mkdir()
    (folder / "chime.flac").touch()
    homes = [example for example in EXAMPLES if example.startswith("home:")]
    both = homes[1].replace("~/sounds", str(folder)) + "  mqtt: {host: broker.lan}\n"
    routines = [text for text in EXAMPLES if text.startswith("- name")]
    routines.append(re.sub(r"^  ", "", homes[0].partition("routines:\n")[2], flags=re.MULTILINE))
    found = parse_routines(both + "routines:\n" + "\n".join(routines), environment=SECRETS)
    assert len(found.routines) == 6
    assert found.warnings() == []
