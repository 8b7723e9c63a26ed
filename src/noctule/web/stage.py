"""What the app needs of a simulated room, where there is one: `noctule demo` hands it in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

#: What a person can be asked to do where they are, or where it is done.
Act = Literal["sit", "read", "stand", "leave"]
Point = tuple[float, float]


class Stage(Protocol):
    """A room that can be told what happens in it; everything is called in the house's loop."""

    def plan(self) -> dict[str, Any]:
        """What stands still, metres from the room's corner.

        `room`, `rooms`, `size_m`, `furniture` (`corner_m`, `size_m`, `kind`), `door_m`, `door_width_m`,
        `device_m`, `range_m`, `carriers_hz`, `carrier_hz`, `switches` (`id`, `label`, `kind`, `x_m`, `y_m`),
        `people` (`id`, `name`), `lamp_m`, `seat_m`.
        """
        ...

    def state(self) -> dict[str, Any]:
        """What is now; the same as the bus's `stage`, ten times a second.

        `truth` (an Instant), `on` by switch, `places` of switches that go about, `music`, `lamp`, `said`,
        `doing` by person, `touring`, `tour` (`text`, `step`, `steps`, `paused`, `share`) or None, and
        `changing` while another room is being built.
        """
        ...

    def move(self, person: int, x_m: float, y_m: float) -> None:
        """Walk there; whoever is dragged is told again and again."""
        ...

    def follow(self, person: int, points: Sequence[Point]) -> None:
        """Walk a path."""
        ...

    def act(self, person: int, what: Act) -> None: ...

    def switch(self, id: str, on: bool) -> None: ...

    def play(self, on: bool) -> None:
        """Music from the loudspeaker that senses."""
        ...

    def choose(self, room: str | None = None, carrier_hz: float | None = None) -> None:
        """Build another room, and sense there from now on."""
        ...

    def tour(self, on: bool) -> None: ...

    def pause_tour(self, on: bool) -> None: ...

    def skip(self) -> None:
        """On to the tour's next step."""
        ...
