"""The simulated room of `noctule demo` as the app's stage: people are led, things switched, a lamp is lit.

Everything but `room_for` is called in the house's loop.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noctule.cli._rooms import CARRIERS_HZ, ROOMS, SWITCHES, DemoRoom, check_carrier, room_named
from noctule.core.errors import NoctuleError

if TYPE_CHECKING:
    from noctule.cli._tour import Tour
    from noctule.service.service import Service
    from noctule.simulate.live import LiveRoom
    from noctule.simulate.wayfinding import FloorPlan
    from noctule.web.stage import Act, Point

LAMP_TOPIC = "demo/lamp/set"
#: So much is always still to be read.
_READS_ON_S, _LOOK_S = 5.0, 0.5
_OUT_M = 1.3
_SAID = 300


class RoomStage:
    """See `noctule.web.stage.Stage`; it is a `Publisher` of Routines too.

    Attributes
    ----------
    live : the room now; None before the first sensor.
    """

    def __init__(self, room: DemoRoom, carrier_hz: float) -> None:
        from noctule.cli._tour import Tour

        self._room, self._carrier_hz = room, carrier_hz
        self.live: LiveRoom | None = None
        self._floor: FloorPlan | None = None
        self._built: tuple[str, float] | None = None
        self._service: Service | None = None
        self._on = dict.fromkeys((name for name, _ in SWITCHES), False)
        self._music = self._lamp = False
        self._said = ""
        self._doing: dict[int, str] = {}
        self._tour: Tour = Tour(self)
        self._tasks: set[asyncio.Task[None]] = set()

    # -- the sensor's side

    def room_for(self, carrier_hz: float | str) -> LiveRoom:
        """The room for a sensor that begins, built anew where it is another one. Any thread."""
        from noctule.simulate.live import LiveRoom
        from noctule.simulate.wayfinding import FloorPlan

        if isinstance(carrier_hz, float | int):
            self._carrier_hz = float(carrier_hz)
        room, wanted = self._room, (self._room.name, self._carrier_hz)
        if self.live is None or self._built != wanted:
            live = LiveRoom(room.scene(self._carrier_hz))
            self._floor = FloorPlan(live.scene.room, room.door_m, room.door_width_m)
            self._on = dict.fromkeys(self._on, False)
            self._music, self._doing = False, {}
            self.live, self._built = live, wanted
        return self.live

    async def run(self, service: Service) -> None:
        """Let people go on with what they do, until cancelled."""
        self._service = service
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read_on())
                group.create_task(self._listen(service))
        finally:
            self._tour.end()

    async def _read_on(self) -> None:
        from noctule.simulate.seated import Drink, TurnPages

        pages = 0
        while True:
            await asyncio.sleep(_LOOK_S)
            if self.live is None:
                continue
            for person in [number for number, doing in self._doing.items() if doing == "read"]:
                if self.live.busy_s(person) < _READS_ON_S:
                    pages += 1
                    self.live.then(Drink() if pages % 4 == 0 else TurnPages(pages=2, every_s=3.0), person)

    async def _listen(self, service: Service) -> None:
        """What Routines did is said on the stage."""
        with service.bus.subscribe("routine") as messages:
            async for message in messages:
                if "what" in message.body:
                    self._said = f"{message.body['name']}: {message.body['what']}"[:_SAID]

    # -- the app's side

    def plan(self) -> dict[str, Any]:
        room = self._room
        places = room.switch_places()
        return {
            "room": room.name,
            "rooms": [one.name for one in ROOMS],
            "size_m": list(room.size_m[:2]),
            "furniture": [
                {"kind": kind, "corner_m": [x, y], "size_m": [width, depth]}
                for kind, x, y, width, depth, _ in room.furniture
            ],
            "door_m": list(room.door_m),
            "door_width_m": room.door_width_m,
            "device_m": list(room.device_m[:2]),
            "range_m": room.range_m,
            "carriers_hz": list(CARRIERS_HZ),
            "carrier_hz": self._carrier_hz,
            "switches": [
                {"id": name, "label": label, "kind": name, "x_m": places[name][0], "y_m": places[name][1]}
                for name, label in SWITCHES
            ],
            "people": [{"id": 0, "name": "Ada"}],
            "lamp_m": list(room.lamp_m),
            "seat_m": list(room.seat[:2]),
        }

    def state(self) -> dict[str, Any]:
        changing = self.live is None or self._built != (self._room.name, self._carrier_hz)
        found: dict[str, Any] = {
            "room": self._room.name,
            "changing": changing,
            "on": dict(self._on),
            "music": self._music,
            "lamp": self._lamp,
            "said": self._said,
            "touring": self._tour.running,
            "tour": self._tour.state(),
            "doing": {str(number): self._does(number) for number in range(1)},
        }
        if self.live is not None:
            found["truth"] = self.truth()
            found["places"] = {"cat": list(self.live.place_m(self._number("cat")))}
        return found

    def move(self, person: int, x_m: float, y_m: float) -> None:
        self._tour.pause(True)
        self.go(person, [(x_m, y_m)])

    def follow(self, person: int, points: Sequence[Point]) -> None:
        self._tour.pause(True)
        self.go(person, points)

    def act(self, person: int, what: Act) -> None:
        self._tour.pause(True)
        self.do(person, what)

    def switch(self, id: str, on: bool) -> None:
        if id not in self._on:
            raise NoctuleError(f"there is no {id!r} to switch")
        self._on[id] = on
        self._here().switch(self._number(id), on)

    def play(self, on: bool) -> None:
        from noctule.simulate.programme import Programme

        self._music = on
        music = Programme(kind="music", volume_dbfs=-30.0) if on else None
        # it has to be composed, and nobody waits for that
        self._aside(asyncio.to_thread(self._here().play, music))

    def choose(self, room: str | None = None, carrier_hz: float | None = None) -> None:
        hz = self._carrier_hz if carrier_hz is None else check_carrier(carrier_hz)
        self._room = room_named(room) if room is not None else self._room
        if self._service is None or self._built == (self._room.name, hz):
            return
        self._tour.end()
        self._carrier_hz = hz
        settings = self._service.settings
        emit = settings.emit.model_copy(update={"carrier_hz": hz})
        self._service.restart(settings.model_copy(update={"emit": emit}), forget=True)

    def tour(self, on: bool) -> None:
        if on and self._service is not None:
            self._aside(self._tour.run())
        elif not on:
            self._tour.end()

    def pause_tour(self, on: bool) -> None:
        self._tour.pause(on)

    def skip(self) -> None:
        self._tour.skip()

    # -- what the tour does as well

    def go(self, person: int, points: Sequence[Point]) -> None:
        """Walk from place to place, round what is in the way."""
        live, floor = self._here(), self._floor
        assert floor is not None
        here, way = self.where(person), []
        for point in points:
            way += floor.way(here, point)
            here = way[-1]
        live.follow(way, person)
        self._doing[person] = "walk"

    def do(self, person: int, what: Act) -> None:
        from noctule.simulate.seated import SitDown
        from noctule.simulate.walking import Turn

        live, floor = self._here(), self._floor
        assert floor is not None
        sits = self._doing.get(person) in ("sit", "read")
        if what == "leave":
            self.go(person, [floor.outside(_OUT_M)])
        elif what == "stand":
            x_m, y_m = self.where(person)
            live.follow([(x_m, y_m)], person)
        elif not sits:
            x_m, y_m, looks_deg = self._room.seat
            live.follow(floor.way(self.where(person), (x_m, y_m)), person)
            live.then(Turn(to_heading_deg=looks_deg), person)
            live.then(SitDown(), person)
        self._doing[person] = what

    def where(self, person: int) -> tuple[float, float]:
        one = self._here().truth().people[person]
        return one.x_m, one.y_m

    def truth(self) -> dict[str, Any] | None:
        """What really happens; any thread. None: the room is being built."""
        return None if self.live is None else self.live.truth().to_json()

    @property
    def presence(self) -> bool:
        """What the sensor says."""
        record = self._service.bus.latest("record") if self._service is not None else None
        return bool(record and record["presence"])

    @property
    def room(self) -> DemoRoom:
        return self._room

    # -- Routines

    async def publish(self, topic: str, payload: str, *, qos: int, retain: bool) -> None:
        """The broker of this home: it has one lamp."""
        if topic == LAMP_TOPIC:
            self._lamp = _is_on(payload)
        else:
            self._said = f"{topic}: {payload}"[:_SAID]

    # -- inside

    def _here(self) -> LiveRoom:
        if self.live is None:
            raise NoctuleError("the room is being built")
        return self.live

    def _number(self, id: str) -> int:
        return next(n for n, (name, _) in enumerate(SWITCHES) if name == id)

    def _does(self, person: int) -> str:
        doing = self._doing.get(person, "stand")
        busy = self.live is not None and self.live.busy_s(person) > 0.0
        return doing if busy or doing in ("sit", "read") else "stand"

    def _aside(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _is_on(payload: str) -> bool:
    """`ON`, or as zigbee2mqtt says it: `{"state": "ON"}`."""
    try:
        given = json.loads(payload)
    except ValueError:
        given = payload
    said = given.get("state") if isinstance(given, dict) else given
    return said is True or str(said).upper() == "ON"


def write_home(folder: Path) -> Path:
    """The demo's Routines; people can change them like any."""
    path = folder / "routines.yaml"
    path.write_text(
        f"""\
home:
  mqtt: {{host: the-simulated-room}}
routines:
  - name: Lamp on when somebody comes in
    when: {{presence: present}}
    then:
      - light: {{topic: {LAMP_TOPIC}}}
  - name: Lamp off when nobody is there
    when: {{presence: absent}}
    then:
      - light: {{topic: {LAMP_TOPIC}, payload: {{state: "OFF"}}}}
""",
        encoding="utf-8",
    )
    return path
