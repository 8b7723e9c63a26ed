"""Write the pages that are made from the code, and check every link: `make docs`.

Generated: commands, Routines, scenes, settings and their schema. `--check` writes nothing and fails where a
page is old.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import typer
import typer.cli
import typer.core
import typer.main
from pydantic import BaseModel
from scripts import fields, routines_page, scenes_page

from noctule.core.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
MARK = "<!-- written by `make docs` -->"


def pages() -> dict[Path, str]:
    """Every generated file and what it should hold."""
    return {
        REFERENCE / "commands.md": commands_page(),
        REFERENCE / "routines.md": routines_page.routines_page(MARK),
        REFERENCE / "scenes.md": scenes_page.scenes_page(MARK),
        REFERENCE / "settings.md": settings_page(),
        REFERENCE / "settings.schema.json": json.dumps(Settings.model_json_schema(), indent=2) + "\n",
    }


def commands_page() -> str:
    """`--help` of every command."""
    from noctule.cli import commands

    app = typer.Typer(name="noctule")
    commands.register(app)
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    context = typer.Context(group, info_name="noctule")
    lines = [MARK, "# Commands", "", "`noctule COMMAND --help` says the same.", ""]
    for name, command in group.commands.items():
        first = (command.help or "").strip().splitlines()[0]
        lines.append(f"- [`noctule {name}`](#{_anchor(f'# noctule {name}')}): {first}")
    for command in group.commands.values():
        lines += [
            "",
            typer.cli.get_docs_for_click(obj=command, ctx=context, indent=1, call_prefix="noctule").strip(),
        ]
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """Every key with unit, range, default and meaning."""
    lines = [
        MARK,
        "# Settings",
        "",
        "One TOML file, `~/.config/noctule/noctule.toml` or `--config FILE`; `NOCTULE_SECTION__KEY` in the",
        "environment goes before the file, flags go before both. A key that does not exist is an error that",
        "names the nearest one. The unit ends the name: `_hz`, `_s`, `_dbfs`, `_mps` (metres a second).",
        "For editors: [settings.schema.json](settings.schema.json).",
    ]
    for name, section in Settings.model_fields.items():
        model = section.annotation
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        lines += ["", f"## [{name}]", "", (model.__doc__ or "").strip().splitlines()[0], ""]
        lines += fields.table(model.model_fields)
    return "\n".join(lines) + "\n"


def broken_links() -> Iterator[str]:
    """Links of every page to files and headings that are not there."""
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if not target.startswith(("http:", "https:", "mailto:")) and not _leads_somewhere(page, target):
                yield f"{page.relative_to(ROOT)}: {target}"


def _leads_somewhere(page: Path, target: str) -> bool:
    path, _, heading = target.partition("#")
    file = (page.parent / path) if path else page
    if not file.exists() or not file.resolve().is_relative_to(ROOT):
        return False
    return not heading or heading in {_anchor(line) for line in file.read_text(encoding="utf-8").splitlines()}


def _anchor(line: str) -> str | None:
    """The name under which a heading can be linked to, as code forges make it."""
    if not re.match(r"#+ ", line):
        return None
    return re.sub(r"[^\w -]", "", line.lstrip("#").strip().lower()).replace(" ", "-")


def main() -> int:
    check = "--check" in sys.argv[1:]
    wrong = [f"broken link in {link}" for link in broken_links()]
    for file, text in pages().items():
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            name = file.relative_to(ROOT)
            if check:
                wrong.append(f"{name} is old: run `make docs`")
            else:
                file.write_text(text, encoding="utf-8")
                print(f"wrote {name}")
    print("\n".join(wrong) or "all links lead somewhere")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
