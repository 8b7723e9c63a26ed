"""What the project promises about itself: its picture, its weight, its dependencies, its pages."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from scripts import docs, scenes_page

from noctule.core.frames import BLOCKING_FAULTS, Fault
from noctule.simulate.truth import Instant, Whereabouts

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "noctule"
ARCHITECTURE = ROOT / "ARCHITECTURE.md"


# -- the picture


def named_paths(text: str) -> list[str]:
    """What stands in backticks and looks like a path of ours."""
    return [name for name in re.findall(r"`([\w./-]+)`", text) if "/" in name]


def exists(name: str) -> bool:
    """From the root, or, inside a table of packages, from the package; `.py` may be left out."""
    return any((folder / (name + end)).exists() for folder in (ROOT, SOURCE) for end in ("", ".py"))


def test_every_path_named_in_the_architecture_exists() -> None:
    named = named_paths(ARCHITECTURE.read_text())
    assert len(named) > 20
    assert [name for name in named if not exists(name)] == []


def test_a_path_that_does_not_exist_is_noticed() -> None:
    assert named_paths("see `src/noctule/nowhere.py` and `gone`") == ["src/noctule/nowhere.py"]
    assert not exists("src/noctule/nowhere.py")


def test_the_architecture_can_be_read_in_a_sitting() -> None:
    assert len(ARCHITECTURE.read_text().splitlines()) < 200


# -- imports


def imported(code: str, package: str = "") -> set[str]:
    """Modules that code of a package imports, anywhere in it, by full name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return found


def imports_of(*places: str) -> Iterator[tuple[str, set[str]]]:
    """(file, what it imports) for packages or modules of ours that exist; all without names."""
    for file in sorted(SOURCE.rglob("*.py")):
        name = file.relative_to(SOURCE).as_posix()
        if not places or name.split("/")[0].removesuffix(".py") in places:
            package = ".".join(["noctule", *name.split("/")[:-1]])
            yield name, imported(file.read_text(), package)


def is_in(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def test_imports_are_found_wherever_they_stand() -> None:
    code = "import a.b\nfrom noctule import lab\ndef f():\n from ..export import golden\n from . import x\n"
    found = imported(code, "noctule.service")
    assert found == {"a.b", "noctule", "noctule.lab", "noctule.export", "noctule.export.golden"} | {
        "noctule.service",
        "noctule.service.x",
    }
    assert is_in("noctule.lab", "noctule.lab")
    assert not is_in("noctule.labels", "noctule.lab")


def test_the_running_sensor_does_not_know_the_laboratory() -> None:
    checked = list(imports_of("service", "web", "integrations", "routines", "pipeline"))
    assert checked
    for name, modules in checked:
        assert not any(is_in(module, "noctule.lab", "noctule.export") for module in modules), name


def test_torch_stays_in_the_laboratory_and_the_network() -> None:
    for name, modules in imports_of():
        if not name.startswith("lab/") and name != "model/network.py":
            assert not any(is_in(module, "torch") for module in modules), name


def test_importing_noctule_is_cheap() -> None:
    """Whoever only wants the version must not wait for a compiler or open a sound system."""
    code = (
        "import json, sys, time; start = time.perf_counter(); import noctule; "
        "print(json.dumps([time.perf_counter() - start, sorted(sys.modules)]))"
    )
    seconds = []
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        took_s, modules = json.loads(done.stdout)
        seconds.append(took_s)
        assert not {
            "numpy",
            "scipy",
            "numba",
            "torch",
            "sounddevice",
            "pydantic",
            "yaml",
            "httpx",
            "asyncio",
            *OF_THE_APP,
        } & set(modules)
    assert min(seconds) < 0.05  # the quickest: the others waited for the disk or another process


#: What serves, remembers and shows; it takes seconds to load.
OF_THE_APP = {"nicegui", "fastapi", "starlette", "uvicorn", "sqlalchemy", "alembic", "argon2", "tomlkit"}


@pytest.mark.parametrize("command", [[], ["run"], ["demo"], ["replay"], ["password"]])
def test_help_loads_nothing_that_takes_seconds(command: list[str]) -> None:
    code = (
        "import json, sys\nfrom noctule.cli import main\ntry:\n    main(sys.argv[1:])\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command, "--help"], capture_output=True, text=True, check=True
    )
    *said, modules = done.stdout.splitlines()
    assert any("Usage" in line for line in said)
    assert not {"numba", "torch", "sounddevice", "httpx", *OF_THE_APP} & set(json.loads(modules))


# -- dependencies


def project() -> dict[str, object]:
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert isinstance(found, dict)
    return found


def normal(name: str) -> str:
    """A distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", name)[0]).lower()


def declared(*extras: str) -> set[str]:
    found = project()
    dependencies, optional = found["dependencies"], found["optional-dependencies"]
    assert isinstance(dependencies, list)
    assert isinstance(optional, dict)
    return {normal(name) for part in (dependencies, *(optional[extra] for extra in extras)) for name in part}


def test_the_dependencies_are_what_is_imported_no_more_and_no_less() -> None:
    tops = {module.split(".")[0] for _, modules in imports_of() for module in modules if module}
    foreign = tops - set(sys.stdlib_module_names) - {"noctule", "__future__"}
    by_module = packages_distributions()
    needed = {normal(by_module[top][0]) for top in foreign}
    assert needed - declared("jack", "notify", "train") == set()
    data = {"tzdata"}  # the standard library finds it
    assert declared() - needed == data


def test_the_constraints_pin_every_dependency_and_nothing_but_names_and_versions() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [line for line in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][\w.]*", line)] == []
    pinned = {normal(line) for line in pins}
    assert declared("jack", "notify", "train", "dev") - pinned == {"noctule"}


# Put together here, so that this file is none of those that name one.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("yarnpkg", "com"),
        ("crates", "io"),
        ("anaconda", "org"),
        ("debian", "org"),
        ("proxy", "golang", "org"),
        ("download", "pytorch", "org"),
        ("rubygems", "org"),
        ("maven", "org"),
    )
]


def test_no_file_names_a_package_registry() -> None:
    """Where packages come from is the business of the machine they are installed on."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout: no list of the project's files")
    files = [ROOT / name for name in listed.stdout.splitlines()]
    assert len(files) > 50
    for file in files:
        text = file.read_bytes().decode("utf-8", "replace").lower() if file.is_file() else ""
        assert [host for host in REGISTRIES if host in text] == [], file


# -- commands to set up


@pytest.mark.parametrize("script", ["scripts/setup.sh", "scripts/lock.sh", ".ci/run"])
def test_scripts_can_be_run(script: str) -> None:
    file = ROOT / script
    assert file.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(file)], check=True)


# -- pages


@pytest.mark.parametrize("page", docs.pages(), ids=lambda page: page.name)
def test_generated_pages_are_up_to_date(page: Path) -> None:
    assert page.read_text() == docs.pages()[page], f"{page.relative_to(ROOT)} is old: run `make docs`"


def test_every_field_of_a_scene_is_explained() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \|.*\| (.*) \|$", docs.pages()[docs.REFERENCE / "scenes.md"], re.MULTILINE
    )
    assert len(rows) > 200
    assert [key for key, meaning in rows if not meaning.strip()] == []


def test_every_key_of_the_truth_is_explained() -> None:
    truth = scenes_page.TRUTH.partition("key of a person")
    for model, table in ((Instant, truth[0]), (Whereabouts, truth[2].partition("SigMF")[0])):
        rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
        assert [key for row in rows for key in re.findall(r"`(\w+)`", row)] == [
            field.name for field in dataclasses.fields(model)
        ]


def test_every_link_leads_somewhere() -> None:
    assert list(docs.broken_links()) == []


def test_every_fault_is_explained() -> None:
    page = (ROOT / "docs" / "reference" / "jsonl.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (yes|no) \|", page, re.MULTILINE)
    assert rows == [
        (fault.name_for_humans, "yes" if fault & BLOCKING_FAULTS else "no") for fault in sorted(Fault)
    ]
