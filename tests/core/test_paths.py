"""Where things are kept."""

from __future__ import annotations

from pathlib import Path

from noctule.core.paths import state_folder


def test_where_it_lies(tmp_path: Path) -> None:
    assert state_folder(tmp_path, {"STATE_DIRECTORY": "/x"}) == tmp_path
    assert state_folder(None, {"STATE_DIRECTORY": "/var/lib/noctule:/b"}) == Path("/var/lib/noctule")
    assert state_folder(None, {"XDG_STATE_HOME": "/s"}) == Path("/s/noctule")
    assert state_folder(None, {}) == Path.home() / ".local" / "state" / "noctule"
