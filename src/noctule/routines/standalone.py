"""Real tools for `noctule routines`, where no service hands in its own."""

from __future__ import annotations

from datetime import datetime

from noctule.routines.clock import Clock
from noctule.routines.facts import all_facts
from noctule.routines.mqtt_link import NoBroker
from noctule.routines.players import MachinePlayer
from noctule.routines.settings import Home
from noctule.routines.tools import Publisher, Tools
from noctule.routines.voices import MachineVoice


def machine_tools(home: Home, clock: Clock, publisher: Publisher | None = None) -> Tools:
    """What this machine has; `publisher` is a connection to the home's broker."""
    return Tools(
        home=home,
        publisher=publisher or NoBroker(),
        player=MachinePlayer(),
        speech=MachineVoice(home),
        facts=all_facts(home),
        now=lambda: datetime.fromtimestamp(clock.wall_s(), home.zone),
    )
