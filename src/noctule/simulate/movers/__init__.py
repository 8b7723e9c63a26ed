"""Everything that moves and is no person.

Takes a scene's tables. Gives `Mover`s, points that reflect over time. Start at fans.py.
Never knows what hears it."""

from __future__ import annotations

from noctule.simulate.movers.draught import DRAUGHT
from noctule.simulate.movers.fans import FANS
from noctule.simulate.movers.machines import MACHINES
from noctule.simulate.movers.pets import PETS
from noctule.simulate.movers.references import REFERENCES
from noctule.simulate.movers.shakes import SHAKES
from noctule.simulate.movers.spinners import SPINNERS
from noctule.simulate.parts import MoverPart

#: What is drawn for a room.
MOVERS: tuple[type[MoverPart], ...] = (*FANS, *SPINNERS, *DRAUGHT, *PETS, *MACHINES, *SHAKES)
#: What a scene file may name: test targets are nothing that a home has.
SCENE_MOVERS = (*MOVERS, *REFERENCES)

__all__ = ["MOVERS", "SCENE_MOVERS"]
