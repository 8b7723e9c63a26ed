"""What is shipped beside the package: the unit for systemd, and the migrations inside the wheel."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from noctule.service.health import FIRST_RECORD_S, STALE_S

ROOT = Path(__file__).resolve().parents[1]
UNIT = ROOT / "packaging" / "noctule.service"


def unit(section: str) -> dict[str, str]:
    """A section of the unit; of a key that comes several times, the last."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment]
    parser.read(UNIT)
    return dict(parser[section])


@pytest.fixture
def analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("systemd-analyze is not installed")
    return found


def complaints(analyze: str, folder: Path, text: str) -> list[str]:
    """What systemd says of a unit; the program in it is one that this machine has."""
    copy = folder / "noctule.service"
    copy.write_text(text.replace("/usr/local/bin/noctule", sys.executable))
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False, timeout=60
    )
    # other units of this machine may have their own troubles
    return [line for line in done.stderr.splitlines() if "noctule.service" in line]


def test_systemd_finds_nothing_wrong_with_the_unit(analyze: str, tmp_path: Path) -> None:
    assert complaints(analyze, tmp_path, UNIT.read_text()) == []


def test_a_mistake_in_the_unit_would_be_noticed(analyze: str, tmp_path: Path) -> None:
    wrong = UNIT.read_text().replace("WatchdogSec=30", "WatchdogSecs=30")
    assert "WatchdogSecs" in "".join(complaints(analyze, tmp_path, wrong))


def test_the_sandbox_is_tight(analyze: str) -> None:
    """By `systemd-analyze security`: 3 of 10 at most; what is left is the network."""
    done = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=30", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_watchdog_outlasts_a_hiccup_and_the_start_a_search() -> None:
    service = unit("Service")
    assert service["Type"] == "notify"
    assert float(service["WatchdogSec"]) >= 3 * STALE_S
    assert float(service["TimeoutStartSec"]) > FIRST_RECORD_S


def test_what_the_app_changes_lies_where_the_service_may_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings, Routines and history, in the one folder that systemd gives to the service's user."""
    from noctule.core.paths import state_folder
    from noctule.core.settings import default_path, load_settings

    folder = Path("/var/lib") / unit("Service")["StateDirectory"]
    for line in re.findall(r"^Environment=(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE):
        monkeypatch.setenv(*line)
    settings = load_settings(Path("/dev/null"), {})
    assert default_path().parent == settings.routines.path.parent == folder
    assert state_folder(None, {"STATE_DIRECTORY": str(folder)}) == folder
    assert unit("Service")["ProtectSystem"] == "strict"
    assert "ConfigurationDirectory" not in unit("Service")


def test_the_service_is_a_command_that_exists_and_has_the_app(monkeypatch: pytest.MonkeyPatch) -> None:
    from noctule.cli.commands import COMMANDS
    from noctule.core.settings import load_settings
    from noctule.service.address import is_loopback

    words = unit("Service")["ExecStart"].split()
    assert words[1] in COMMANDS
    assert "--headless" not in words
    web = load_settings(Path("/dev/null"), {}).web
    assert web.enabled
    assert is_loopback(web.host)
    help_text = (ROOT / "docs" / "reference" / "commands.md").read_text()
    section = help_text.partition(f"## `noctule {words[1]}`")[2].partition("\n## ")[0]
    flags = [word for word in words if word.startswith("--")]
    assert [flag for flag in flags if not re.search(rf"`{flag}\b", section)] == []


def test_the_wheel_holds_the_migrations() -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"][
        "noctule"
    ]
    source = ROOT / "src" / "noctule"
    shipped = {file for pattern in data for file in source.glob(pattern)}
    migrations = set((source / "service" / "migrations").rglob("*.py"))
    assert len(migrations) >= 2
    assert migrations <= shipped
