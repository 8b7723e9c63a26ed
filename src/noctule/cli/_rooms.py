"""The rooms of `noctule demo`: a scene, and what a floor plan says that a scene does not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from noctule.simulate.scenes import Scene

Point = tuple[float, float]
#: Carriers of the demo: what any laptop plays, and what better sound cards do.
CARRIERS_HZ = (20000.0, 32000.0, 40000.0)
#: Movers of every room, in this order; they rest until somebody switches them on.
SWITCHES = (("fan", "Fan"), ("curtain", "Curtain"), ("cat", "Cat"))
_NEVER_S = 1e6


@dataclass(frozen=True)
class DemoRoom:
    """A room to choose.

    Attributes
    ----------
    furniture : (kind, x, y, width, depth, height) in metres.
    device_m, fan_m : with their height; the fan looks to `fan_deg`.
    curtain : x, y, and where it looks, degrees.
    cat : where it goes, round and round.
    seat : where one stands before sitting down, and then looks to, degrees.
    range_m : walks are found so far from the device at least.
    """

    name: str
    size_m: tuple[float, float, float]
    furniture: tuple[tuple[str, float, float, float, float, float], ...]
    door_m: Point
    device_m: tuple[float, float, float]
    lamp_m: Point
    seat: tuple[float, float, float]
    fan_m: tuple[float, float, float]
    fan_deg: float
    curtain: tuple[float, float, float]
    cat: tuple[Point, ...]
    range_m: float = 5.0
    door_width_m: float = 1.0
    walls: float = 0.15
    floor: float = 0.3

    def scene(self, carrier_hz: float, seed: int = 7) -> Scene:
        """What the sensor hears; Ada stands outside the door."""
        from noctule.simulate.scenes import Scene
        from noctule.simulate.wayfinding import FloorPlan

        tree: dict[str, Any] = {
            "seed": seed,
            "carrier_hz": carrier_hz,
            "sample_rate_hz": 96000.0,
            "room": {
                "size_m": self.size_m,
                "wall_absorption": (self.walls,) * 4,
                "floor_absorption": self.floor,
                "furniture": [
                    {"corner_m": (x, y, 0.0), "size_m": (width, depth, height)}
                    for _, x, y, width, depth, height in self.furniture
                ],
            },
            "device": {
                "shape": "puck",
                "microphones": 2,
                "tone_db_spl": 84.0,
                "position_m": self.device_m,
            },
            "unit": {"skirt_db": -30.0},
            "mover": self._movers(),
        }
        empty = Scene.model_validate(tree)
        plan = FloorPlan(empty.room, self.door_m)
        out_x, out_y = plan.outwards()
        heading = math.degrees(math.atan2(-out_y, -out_x))
        tree["person"] = [{"name": "Ada", "start": plan.outside(1.0), "heading_deg": heading}]
        return Scene.model_validate(tree)

    def _movers(self) -> list[Mapping[str, Any]]:
        x, y, heading_deg = self.curtain
        return [
            {
                "kind": "floor_fan",
                "position_m": self.fan_m,
                "heading_deg": self.fan_deg,
                "swing_deg": 35.0,
                "from_s": _NEVER_S,
            },
            {
                "kind": "curtain",
                "position_m": (x, y, 1.1),
                "heading_deg": heading_deg,
                "from_s": _NEVER_S,
            },
            {"kind": "cat", "route": self.cat, "rests_s": 3.0, "from_s": _NEVER_S},
        ]

    def switch_places(self) -> dict[str, Point]:
        return {"fan": self.fan_m[:2], "curtain": self.curtain[:2], "cat": self.cat[0]}


ROOMS = (
    DemoRoom(
        name="Living room",
        size_m=(5.0, 4.0, 2.5),
        furniture=(
            ("sofa", 1.6, 0.0, 1.9, 0.85, 0.45),
            ("table", 2.0, 1.75, 1.0, 0.6, 0.4),
            ("shelf", 3.2, 3.65, 1.2, 0.35, 1.6),
        ),
        door_m=(5.0, 2.9),
        device_m=(0.3, 2.0, 1.1),
        lamp_m=(0.45, 0.45),
        seat=(2.5, 1.12, 90.0),
        fan_m=(4.4, 0.6, 0.9),
        fan_deg=150.0,
        curtain=(1.5, 3.9, -90.0),
        cat=((4.2, 1.4), (3.4, 2.7), (1.2, 3.2), (1.3, 1.5)),
    ),
    DemoRoom(
        name="Bedroom",
        size_m=(4.2, 3.8, 2.5),
        furniture=(
            ("bed", 1.3, 1.7, 1.6, 2.1, 0.5),
            ("wardrobe", 3.6, 0.3, 0.6, 1.6, 2.1),
        ),
        door_m=(0.9, 0.0),
        device_m=(0.3, 2.2, 0.9),
        lamp_m=(3.2, 3.45),
        seat=(1.05, 2.6, 180.0),
        fan_m=(3.7, 2.4, 0.9),
        fan_deg=-160.0,
        curtain=(2.2, 0.1, 90.0),
        cat=((3.2, 1.2), (2.0, 1.1), (0.6, 1.4), (0.5, 3.0), (0.6, 1.4)),
        floor=0.4,
    ),
    DemoRoom(
        name="Office",
        size_m=(6.0, 4.5, 2.7),
        furniture=(
            ("desk", 1.6, 3.6, 1.8, 0.8, 0.74),
            ("desk", 3.9, 0.1, 1.8, 0.8, 0.74),
            ("shelf", 0.0, 0.2, 0.4, 1.4, 1.8),
        ),
        door_m=(6.0, 3.2),
        device_m=(2.5, 4.2, 1.0),
        lamp_m=(3.6, 4.1),
        seat=(2.5, 2.75, 90.0),
        fan_m=(5.5, 1.3, 0.9),
        fan_deg=150.0,
        curtain=(1.0, 4.4, -90.0),
        cat=((4.8, 2.2), (3.0, 1.6), (1.2, 2.4), (1.2, 0.8), (3.0, 1.6)),
        walls=0.05,
        floor=0.1,
    ),
    DemoRoom(
        name="Corridor",
        size_m=(6.0, 1.9, 2.5),
        furniture=(("bench", 2.4, 0.0, 1.3, 0.4, 0.45),),
        door_m=(6.0, 1.0),
        device_m=(1.9, 1.7, 1.2),
        lamp_m=(4.3, 0.3),
        seat=(3.05, 0.72, 90.0),
        fan_m=(5.2, 1.6, 0.9),
        fan_deg=180.0,
        curtain=(0.1, 0.95, 0.0),
        cat=((4.4, 0.7), (5.3, 1.0), (4.2, 1.3), (0.9, 0.9)),
        walls=0.05,
        floor=0.15,
    ),
)


def room_named(name: str) -> DemoRoom:
    """Raises NoctuleError where there is none."""
    from noctule.core.errors import NoctuleError

    for room in ROOMS:
        if room.name == name:
            return room
    raise NoctuleError(f"there is no room {name!r}; there are {', '.join(one.name for one in ROOMS)}")


def check_carrier(carrier_hz: float) -> float:
    """Raises NoctuleError where it is none of the demo's."""
    from noctule.core.errors import NoctuleError

    if carrier_hz not in CARRIERS_HZ:
        raise NoctuleError(f"the demo's carriers are {', '.join(f'{hz:g} Hz' for hz in CARRIERS_HZ)}")
    return carrier_hz
