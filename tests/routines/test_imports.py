"""Nothing is loaded before it is needed."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = {"httpx", "aiomqtt", "paho", "astral", "apprise", "soundfile", "numpy"}


def test_libraries_are_loaded_by_the_action_that_needs_them() -> None:
    """A sensor without Routines, or with lamps alone, pays for nothing else."""
    code = "import json, sys, noctule.routines.standalone; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY & set(json.loads(done.stdout)) == set()
