"""Changes in the settings file: what people wrote stays, and the file is whole whatever happens."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from noctule.core.errors import NoctuleError
from noctule.core.settings import load_settings
from noctule.core.settings_file import change_file, changed_text

FILE = """\
# our hallway
[presence]
trigger_sensitivity = 0.4 # the cat
off_latency_s = 30

# the good card
[audio]
input = "Scarlett"   # not the webcam
"""


def test_comments_and_order_stay() -> None:
    changed = changed_text(FILE, {"presence": {"trigger_sensitivity": 0.6}, "audio": {"input": "USB"}})
    assert changed == FILE.replace("0.4", "0.6").replace("Scarlett", "USB")


def test_a_new_key_joins_its_section_and_a_new_section_comes_last() -> None:
    changed = changed_text(FILE, {"presence": {"hold_s": 5.0}, "web": {"port": 9000}})
    assert changed.index("hold_s = 5.0") < changed.index("# the good card")
    assert changed.rstrip().endswith("[web]\nport = 9000")
    for line in FILE.splitlines():
        assert line in changed


def test_none_takes_a_key_out() -> None:
    changed = changed_text(FILE, {"presence": {"off_latency_s": None, "hold_s": None}, "web": {"port": None}})
    assert changed == FILE.replace("off_latency_s = 30\n", "")


def test_what_was_written_is_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "noctule.toml"
    change_file(path, {"emit": {"carrier_hz": "auto"}, "routines": {"file": Path("/a/b.yaml")}})
    change_file(path, {"emit": {"carrier_hz": 40000.0}, "web": {"allowed_hosts": ["a", "b"]}})
    settings = load_settings(path, environment={})
    assert settings.emit.carrier_hz == 40_000.0
    assert settings.routines.file == Path("/a/b.yaml")
    assert settings.web.allowed_hosts == ("a", "b")


def test_a_new_file_is_nobody_elses_business_and_an_old_one_keeps_its_permissions(tmp_path: Path) -> None:
    new, old = tmp_path / "new.toml", tmp_path / "old.toml"
    old.write_text(FILE)
    old.chmod(0o640)
    for path in (new, old):
        change_file(path, {"web": {"port": 9000}})
    assert stat.S_IMODE(new.stat().st_mode) == 0o600
    assert stat.S_IMODE(old.stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "noctule.toml"
    real.write_text(FILE)
    link.symlink_to(real)
    change_file(link, {"web": {"port": 9000}})
    assert link.is_symlink()
    assert "9000" in real.read_text()


def test_a_full_disk_is_one_line_and_the_old_file_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "noctule.toml"
    path.write_text(FILE)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NoctuleError, match=r"no space left on device.*nothing was changed") as error:
        change_file(path, {"web": {"port": 9000}})
    assert "\n" not in str(error.value)
    assert path.read_text() == FILE
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["[presence\n", "presence = 3\n", "\xff".encode("latin-1")])
def test_a_file_that_is_no_settings_file_is_one_line(tmp_path: Path, text: Any) -> None:
    path = tmp_path / "noctule.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(NoctuleError, match=r"noctule\.toml: .*nothing was changed") as error:
        change_file(path, {"presence": {"hold_s": 3.0}})
    assert "\n" not in str(error.value)
