"""A bundle for a bug report: what is needed to understand it, without secrets, events in detail, or sound."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from noctule import __version__
from noctule.core.errors import NoctuleError
from noctule.core.settings import Settings
from noctule.service.clock import iso_of_ms
from noctule.service.database import files_aside
from noctule.service.history import History
from noctule.service.store import FILE

MASK = "***"
LOG_LINES = 400
#: What other commands leave in the state folder, and helps.
FACTS = ("doctor*.json", "calibration-*.json")

_SECRET = re.compile(
    r"password|passwd|passphrase|secret|token|credential|api_?key|(^|_)(key|auth|authorization)$", re.I
)
#: What follows "Bearer"; user:password@ in an address; `password=...` and the like.
_SECRET_TEXT = (
    (re.compile(r"\b(bearer|basic)\s+\S+", re.I), rf"\1 {MASK}"),
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/\s@]+@", re.I), rf"\1{MASK}@"),
    (
        re.compile(
            r"""((?:password|passwd|passphrase|secret|token|credential|api_?key|authorization)["']?\s*[:=]\s*)"""
            r"""("[^"]*"|'[^']*'|[^\s,;&]+)""",
            re.I,
        ),
        rf"\1{MASK}",
    ),
)
_PACKAGES = (
    "numpy", "scipy", "numba", "onnxruntime", "sounddevice", "soundfile", "sigmf", "pydantic", "sqlalchemy",
    "alembic", "nicegui", "fastapi", "uvicorn", "starlette", "aiomqtt",
)  # fmt: skip


def mask_secrets(tree: Any, name: str = "") -> Any:
    """A copy of settings, or of anything made of dicts and lists, in which nothing is secret."""
    if isinstance(tree, Mapping):
        return {key: mask_secrets(value, str(key)) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [mask_secrets(value, name) for value in tree]
    if _SECRET.search(name) and tree is not None:
        return MASK
    return mask_text(tree) if isinstance(tree, str) else tree


def mask_text(text: str) -> str:
    """A line without passwords, tokens and the name of the home folder."""
    for pattern, instead in _SECRET_TEXT:
        text = pattern.sub(instead, text)
    home = str(Path.home())
    return text.replace(home, "~") if len(home) > 1 else text


def changed_settings(before: Settings, after: Settings) -> list[tuple[str, str, str]]:
    """(key, old, new) of each difference, values as JSON, secrets masked: what `Store.keep_setting` takes."""
    old, new = _flat(before.model_dump(mode="json")), _flat(after.model_dump(mode="json"))

    def told(side: Mapping[str, Any], key: str) -> str:
        return json.dumps(mask_secrets(side.get(key), key.rpartition(".")[2]))

    changed = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
    return [(key, told(old, key), told(new, key)) for key in changed]


def _flat(tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{above}{key}.")
        else:
            flat[f"{above}{key}"] = value
    return flat


def write_bundle(
    out: Path,
    settings: Callable[[], Settings],
    folder: Path,
    *,
    devices: Callable[[], Any],
    log: Callable[[], Iterable[str]] | None = None,
) -> list[str]:
    """Write a zip file, and give the names of what is in it.

    Parameters
    ----------
    settings : reads them; a file that cannot be read may be what the report is about.
    folder : of the history, see `state_folder`.
    devices : lists the sound devices as JSON can carry them.
    log : the last lines of the log; None asks systemd's journal.

    Raises
    ------
    NoctuleError
        It cannot be written. What cannot be found out stands in the bundle as an error.
    """
    parts: dict[str, Callable[[], Any]] = {
        "versions.json": versions,
        "devices.json": devices,
        "settings.json": lambda: settings().model_dump(mode="json"),
        "environment.json": lambda: {k: v for k, v in os.environ.items() if k.startswith("NOCTULE_")},
        "history.json": lambda: _history(folder),
        "log.txt": lambda: "\n".join([*(log or journal)()][-LOG_LINES:]),
    }
    parts |= {file.name: partial(_read_json, file) for pattern in FACTS for file in folder.glob(pattern)}
    try:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
            for name, make in parts.items():
                bundle.writestr(name, _as_text(_asked(make)))
    except OSError as error:
        raise NoctuleError(f"{out}: cannot be written ({(error.strerror or str(error)).lower()})") from None
    return list(parts)


def versions() -> dict[str, Any]:
    """Of noctule, Python, the system and what noctule stands on."""
    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            packages[name] = "missing"
    return {
        "noctule": __version__,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processors": os.cpu_count(),
        "packages": packages,
    }


def journal() -> list[str]:
    """The last lines that the service wrote, as systemd keeps them."""
    command = shutil.which("journalctl")
    if command is None:
        return ["no journalctl on this system"]
    lines: list[str] = []
    for scope in ((), ("--user",)):
        done = subprocess.run(
            [command, *scope, "--unit=noctule", f"--lines={LOG_LINES}", "--no-pager", "--output=short-iso"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=10.0,
            check=False,
        )
        lines += [*done.stdout.splitlines(), *done.stderr.splitlines()]
    return lines


def _history(folder: Path) -> dict[str, Any]:
    """How much there is, and how the sensor was; not what happened in the room."""
    path = folder / FILE
    history = History(path)
    captures = [file.stat().st_size for file in (folder / "captures").glob("*")]
    return {
        "bytes": path.stat().st_size if path.exists() else 0,
        "set_aside": [
            {"name": file.name, "time": iso_of_ms(round(file.stat().st_mtime * 1000))}
            for file in files_aside(path)
        ],
        "captures": {"files": len(captures), "bytes": sum(captures)},
        "counts": history.counts(),
        "health": history.health(),
        "settings_changes": history.settings(),
    }


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _asked(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except Exception as error:  # a bundle is made because something is broken
        return {"error": f"{type(error).__name__}: {error}"}


def _as_text(part: Any) -> str:
    if isinstance(part, str):
        return "\n".join(mask_text(line) for line in part.splitlines()) + "\n"
    return json.dumps(mask_secrets(part), indent=1, default=str) + "\n"
