"""`noctule demo --terminal`: a floor plan in characters, and a tour of a minute."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from noctule.core.settings import Settings
    from noctule.service.runner import LiveSensor, Sink
    from noctule.simulate.live import LiveRoom

#: The room of the demo: a living room with a smart speaker on a shelf, and somebody outside its door.
SCENE = """
duration_s = 60
seed = 7
carrier_hz = 40000
sample_rate_hz = 96000

[room]
size_m = [5.0, 4.0, 2.5]

[[room.furniture]]
corner_m = [1.7, 0.0, 0.0]
size_m = [1.6, 0.8, 0.45]

[device]
shape = "puck"
microphones = 2
tone_db_spl = 88
position_m = [0.3, 2.0, 1.1]

[unit]
skirt_db = -30

[[person]]
name = "Ada"
start = [5.8, 3.2]
heading_deg = 180

[[mover]]
kind = "floor_fan"
position_m = [4.3, 0.7, 0.9]
heading_deg = 150
swing_deg = 35
from_s = 100000
"""

#: What happens by itself: (at, what is said, what is done).
Step = tuple[float, str, "Callable[[LiveRoom], None]"]


def show_in_terminal(scene: Path | None, seconds: float, jsonl: str | None, quiet: bool) -> None:
    """The tour, or the given scene without one, for so long."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from noctule.core.settings import load_settings
    from noctule.simulate.live import REFERENCE_DBFS, LiveRoom
    from noctule.simulate.scenes import parse_scene, read_scene

    world = read_scene(scene) if scene else parse_scene(SCENE)
    room = LiveRoom(world)
    settings = load_settings(
        None,
        environment={},
        overrides={
            "audio": {"sample_rate_hz": round(world.sample_rate_hz), "input": None, "output": None},
            "emit": {"carrier_hz": world.carrier_hz, "level_dbfs": REFERENCE_DBFS},
        },
    )
    with contextlib.ExitStack() as stack:
        show = stack.enter_context(_picture(room, quiet))
        sinks: list[Sink] = [_tour(room, [] if scene else _steps(), show), show.record]
        if jsonl:
            from noctule.cli._output import JsonLines

            sinks.append(_with_truth(room, stack.enter_context(JsonLines(jsonl, append=True)).write))
        sensor = _sensor(settings, room)
        from noctule.cli.run import all_of, stopped_by_signals

        stack.enter_context(stopped_by_signals(sensor.stop))
        sensor.run(all_of(sinks), seconds)


def _sensor(settings: Settings, room: LiveRoom) -> LiveSensor:
    from noctule.audio.duplex import DuplexStream
    from noctule.cli.run import make_sensor
    from noctule.simulate.live import SimulatedCard

    return make_sensor(settings, DuplexStream(settings.audio, SimulatedCard(room)))


def _with_truth(room: LiveRoom, sink: Sink) -> Sink:
    """Each record with what is true when it is given."""

    def give(record: Mapping[str, object]) -> None:
        sink({**record, "truth": room.truth().to_json()})

    return give


def _steps() -> list[Step]:
    from noctule.simulate.programme import Programme
    from noctule.simulate.seated import SitDown, Work

    return [
        (3.0, "Ada comes in and walks up to the sensor.", lambda room: room.walk(1.3, 2.2)),
        (11.0, "She goes to the sofa ...", lambda room: room.walk(2.6, 1.1)),
        (15.0, "... sits down ...", lambda room: room.do(SitDown())),
        (
            18.0,
            "... and reads: turns pages, drinks, looks up.",
            lambda room: room.do(Work(for_s=40, pause_s=1.5)),
        ),
        (
            32.0,
            "A fan starts. Its blades pass to and fro, and go nowhere.",
            lambda room: room.switch(0, True),
        ),
        (
            40.0,
            "The loudspeaker plays music.",
            lambda room: room.play(Programme(kind="music", volume_dbfs=-30.0)),
        ),
        (45.0, "The music stops, and the fan.", _silence),
        (48.0, "She gets up and leaves.", lambda room: room.walk(5.9, 3.2)),
        (54.0, "The room is empty. The sensor waits a little before it says so.", lambda room: None),
    ]


def _silence(room: LiveRoom) -> None:
    room.play(None)
    room.switch(0, False)


def _tour(room: LiveRoom, steps: list[Step], show: _Picture) -> Callable[[Mapping[str, object]], None]:
    """A sink that lets the next thing happen when its time has come."""
    left = list(steps)

    def walk_on(record: Mapping[str, object]) -> None:
        while left and room.now_s >= left[0][0]:
            _, said, act = left.pop(0)
            show.say(said)
            _aside(act, room)

    return walk_on


def _aside(act: Callable[[LiveRoom], None], room: LiveRoom) -> None:
    """Music has to be composed, and a record must not wait for that."""
    threading.Thread(target=act, args=(room,), daemon=True).start()


class _Picture:
    """What is seen: a floor plan, what is true, what the sensor says."""

    def __init__(self, room: LiveRoom, update: Callable[[str], None], quiet: bool) -> None:
        self._room, self._update, self._quiet = room, update, quiet
        self._shown_s, self._said = float("-inf"), ""

    def say(self, text: str) -> None:
        self._said = text
        if self._quiet:
            print(f"{self._room.now_s:6.1f} s  {text}", file=sys.stderr)

    def record(self, record: Mapping[str, object]) -> None:
        time_s = float(str(record["t"]))
        if not self._quiet and time_s - self._shown_s >= 0.2:
            self._shown_s = time_s
            self._update(self._drawn(record))

    def _drawn(self, record: Mapping[str, object]) -> str:
        from noctule.cli.run import line_of

        truth = self._room.truth()
        inside = [one for one in truth.people if one.inside]
        who = (
            "; ".join(f"{one.name} {_MOTIONS[one.motion]} at {one.range_m:.1f} m" for one in inside)
            or "nobody"
        )
        also = ", ".join([*truth.moving, *(["music"] if truth.music else [])])
        return "\n".join(
            [
                *_plan(self._room, truth),
                "",
                f"  [dim]{truth.t:5.1f} s  {self._said}[/]",
                f"  true    {who}{f'  ([yellow]{also}[/])' if also else ''}",
                f"  sensed  {line_of(record)}",
            ]
        )


_MOTIONS = {"major": "walks about", "minor": "moves in her place", "none": "is still"}


def _plan(room: LiveRoom, truth: Any, columns: int = 44) -> list[str]:
    """The floor from above, in characters twice as high as wide."""
    size = room.scene.room.size_m
    rows = max(4, round(columns * size[1] / size[0] / 2))
    cells = [[" "] * columns for _ in range(rows)]

    def put(x_m: float, y_m: float, sign: str) -> None:
        column, row = int(x_m / size[0] * columns), int((1.0 - y_m / size[1]) * rows)
        if 0 <= column < columns and 0 <= row < rows:
            cells[row][column] = sign

    for box in room.scene.room.furniture:
        low, high = box.corner_m, [a + b for a, b in zip(box.corner_m, box.size_m, strict=True)]
        for row in range(rows):
            for column in range(columns):
                x, y = (column + 0.5) / columns * size[0], (1.0 - (row + 0.5) / rows) * size[1]
                if low[0] <= x <= high[0] and low[1] <= y <= high[1]:
                    cells[row][column] = "[dim]░[/]"
    for mover in room.scene.mover:
        place = getattr(mover, "position_m", None)
        if place is not None:
            put(place[0], place[1], "[yellow]✻[/]" if mover.label in truth.moving else "[dim]✻[/]")
    put(room.scene.device.position_m[0], room.scene.device.position_m[1], "[cyan]◉[/]")
    for one in truth.people:
        put(one.x_m, one.y_m, "[bold green]●[/]")
    edge = "─" * columns
    return [f"  ┌{edge}┐", *(f"  │{''.join(row)}│" for row in cells), f"  └{edge}┘"]


@contextlib.contextmanager
def _picture(room: LiveRoom, quiet: bool) -> Iterator[_Picture]:
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield _Picture(room, lambda text: None, quiet=True)
        return
    with Live(console=console, refresh_per_second=5, transient=False) as live:
        yield _Picture(room, live.update, quiet=False)
