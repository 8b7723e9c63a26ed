"""`scripts/setup.sh` on machines that this one is not: without root, without packages, with old lists."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SETUP = Path(__file__).resolve().parents[1] / "scripts" / "setup.sh"


@dataclass
class Machine:
    """A folder with the script, and commands in front of the real ones that say what they were asked."""

    folder: Path
    user: int = 0
    installed: list[str] = field(default_factory=list)
    #: what apt-get does when it is asked to install
    install: str = "exit 0"

    def setup(self, part: str) -> subprocess.CompletedProcess[str]:
        (self.folder / "scripts").mkdir(exist_ok=True)
        (self.folder / ".venv").mkdir(exist_ok=True)
        shutil.copy(SETUP, self.folder / "scripts")
        self._command("id", f"echo {self.user}")
        self._command("sudo", "exit 1")  # asks for a password, and nobody is there
        self._command("dpkg-query", f'case " {" ".join(self.installed)} " in *" $4 "*) echo installed;; esac')
        self._command("debconf-set-selections", f"cat >> {self.folder}/answers")
        self._command("apt-get", f'echo "$*" >> {self.folder}/apt; case $1 in install) {self.install};; esac')
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "scripts/setup.sh", part],
            cwd=self.folder,
            env={"PATH": path, "HOME": str(self.folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def _command(self, name: str, script: str) -> None:
        file = self.folder / "bin" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    @property
    def apt(self) -> list[str]:
        """What apt-get was asked to do."""
        file = self.folder / "apt"
        return file.read_text().splitlines() if file.exists() else []

    @property
    def ready(self) -> bool:
        return (self.folder / ".venv" / "tests-are-set-up").exists()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_root_installs_what_is_missing_and_nothing_else(machine: Machine) -> None:
    machine.installed = ["pipewire", "sox"]
    done = machine.setup("tests")
    assert done.returncode == 0, done.stderr
    (command,) = machine.apt
    words = command.split()
    assert {"install", "-y", "--no-install-recommends", "--no-remove", "jackd2", "wireplumber"} <= set(words)
    assert not {"pipewire", "sox", "pipewire-alsa"} & set(words)
    assert (machine.folder / "answers").read_text() == "jackd2 jackd/tweak_rt_limits boolean false\n"
    assert machine.ready


def test_nothing_missing_asks_nobody(machine: Machine) -> None:
    machine.user = 1000
    found = re.search(r"^TEST_PACKAGES=\((.*?)\)", SETUP.read_text(), re.DOTALL | re.MULTILINE)
    assert found
    machine.installed = found[1].split()
    done = machine.setup("tests")
    assert (done.returncode, done.stderr, machine.apt) == (0, "", [])
    assert machine.ready


def test_old_package_lists_are_renewed_once(machine: Machine) -> None:
    machine.install = f"test -e {machine.folder}/tried && exit 0; touch {machine.folder}/tried; exit 100"
    assert machine.setup("tests").returncode == 0
    assert [line.split()[0] for line in machine.apt] == ["install", "update", "install"]
    assert machine.ready


def test_without_root_or_sudo_it_says_what_is_missing_and_goes_on(machine: Machine) -> None:
    machine.user, machine.installed = 1000, ["sox"]
    done = machine.setup("tests")
    assert done.returncode == 0
    assert "apt-get install --no-install-recommends pipewire pipewire-pulse wireplumber" in done.stderr
    assert " sox" not in done.stderr
    assert "those tests will be skipped" in done.stderr
    assert machine.apt == []
    assert not machine.ready


def test_packages_that_cannot_be_installed_do_not_stop_it_either(machine: Machine) -> None:
    machine.install = "exit 100"
    done = machine.setup("tests")
    assert done.returncode == 0
    assert "could not be installed" in done.stderr
    assert not machine.ready


def test_a_python_that_is_too_old_is_named(machine: Machine) -> None:
    machine.installed = ["libportaudio2"]
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        machine._command(name, 'case "$1" in -V) echo Python 3.9.2;; *) exit 1;; esac')
    done = machine.setup("product")
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed" in done.stderr
    assert "3.9.2" in done.stderr


def test_a_python_without_venv_is_named(machine: Machine) -> None:
    machine.user, machine.installed = 1000, ["libportaudio2"]
    script = 'case "$*" in *ensurepip*) exit 1;; *print*) echo 3.11;; esac'
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        machine._command(name, script)
    done = machine.setup("product")
    assert done.returncode == 1
    assert "install the package python3.11-venv" in done.stderr


def test_an_unknown_part_is_an_error(machine: Machine) -> None:
    assert machine.setup("everything").returncode == 2
