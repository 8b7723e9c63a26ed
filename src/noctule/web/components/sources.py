"""What components share in the browser: modules that they import as `noctule/NAME.js`, and their looks."""

from __future__ import annotations

from pathlib import Path

from nicegui import ui

#: For `Element`: the name that modules go by in the browser, and where they are.
BROWSER = {"noctule": str(Path(__file__).parent / "browser")}
_STYLES = Path(__file__).with_name("components.css")


def add_styles() -> None:
    """Of all components, to the page that is being made."""
    ui.add_css(_STYLES)
