"""What the system says of processes."""

from __future__ import annotations

from pathlib import Path


def runs(pid: int) -> bool:
    """It is there, and no mere entry of one that has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
