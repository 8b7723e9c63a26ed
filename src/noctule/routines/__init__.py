"""Events and the time to actions: lights, announcements, anything.
Takes Sensed, MqttState, Tick. Gives runs of Routines, and a log that says why.
Start at schema.py (what a Routine says), engine.py (whether it runs), runner.py (its actions).
Imports noctule.core alone; libraries are loaded by the action that needs them."""

from noctule.routines.document import RoutineFile, parse_routines, read_routines, routines_text
from noctule.routines.engine import Engine, MqttState, Sensed, Tick
from noctule.routines.runner import Runner
from noctule.routines.schema import Routine
from noctule.routines.settings import Home
from noctule.routines.tools import ActionError, Tools
from noctule.routines.verdict import Done, Verdict

__all__ = [
    "ActionError",
    "Done",
    "Engine",
    "Home",
    "MqttState",
    "Routine",
    "RoutineFile",
    "Runner",
    "Sensed",
    "Tick",
    "Tools",
    "Verdict",
    "parse_routines",
    "read_routines",
    "routines_text",
]
