"""`noctule routines`: check, try and run Routines."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

import typer

from noctule.core.errors import NoctuleError

if TYPE_CHECKING:
    from noctule.routines import Engine, RoutineFile
    from noctule.routines.verdict import Entry

routines = typer.Typer(
    help="Do something when somebody comes, moves, rests or leaves.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="Routines (YAML)")]


@routines.command()
def check(file: File) -> None:
    """Read a file and say what is in it, and what the home would need for it.

    Exit status 2: it cannot be used; one line says where and why.
    """
    from noctule.routines import read_routines

    found = read_routines(file)
    for one in found.routines:
        off = "" if one.enabled else " (switched off)"
        print(f"{one.name}{off}: {', '.join(step.action.in_words() for step in one.then)}")
    _warn(found)
    warnings = len(found.warnings())
    rest = f"{warnings} warning{'s' * (warnings > 1)}" if warnings else "all fine"
    print(f"{file}: {len(found.routines)} Routine{'s' * (len(found.routines) != 1)}, {rest}")


@routines.command("dry-run")
def dry_run(
    file: File,
    at: Annotated[str | None, typer.Option(help="taken as the time: 19:30, or 2026-11-30T19:30")] = None,
    motion: Annotated[
        Literal["none", "minor", "major"] | None, typer.Option(help="taken as sensed; none: as long as asked")
    ] = None,
    presence: Annotated[
        Literal["present", "absent"] | None, typer.Option(help="taken as the answer of the tracker")
    ] = None,
    mqtt: Annotated[
        list[str] | None, typer.Option(metavar="TOPIC=MESSAGE", help="taken as heard; may be repeated")
    ] = None,
) -> None:
    """Say what would happen, and why or why not; nothing is done.

    Without --motion and --presence, what each Routine waits for is taken to happen.
    """
    from noctule.routines import Engine, MqttState, read_routines
    from noctule.routines.clock import SystemClock

    found = read_routines(file)
    engine = Engine(found.routines, found.home, SystemClock())
    for said in mqtt or ():
        topic, equals, message = said.partition("=")
        if not equals:
            raise NoctuleError(f"--mqtt {said}: give a topic and a message, as in home/alarm=off")
        engine.handle(MqttState(topic, message))
    moment = None if at is None else _moment(at, engine)
    here = None if presence is None else presence == "present"
    for verdict in engine.dry_run(motion, here, moment):
        print(f"{verdict.routine.name}: {'would run' if verdict.runs else 'would not run'}")
        for reason in verdict.reasons:
            answer = {True: "yes", False: "no ", None: "?  "}[reason.holds]
            print(f"  {answer}  {reason.text}")
        if verdict.runs:
            for step in verdict.routine.then:
                print(f"  ->   {step.action.in_words()}")
    _warn(found)


@routines.command()
def run(
    file: File,
    events: Annotated[
        str, typer.Option(help="records of `noctule run --jsonl -`; '-': standard input")
    ] = "-",
    state: Annotated[
        Path | None,
        typer.Option(help="keeps timers over a restart; with '-' there is one by default, a file a FILE"),
    ] = None,
    jsonl: Annotated[
        str | None, typer.Option(help="write the log as JSON lines; '-': standard output")
    ] = None,
) -> None:
    """Run Routines by the records of the sensor: noctule run --jsonl - | noctule routines run FILE

    The records' own time counts, so recorded days can be tried as well. A line for each Routine whose
    moment has come says why it runs or does not. Ends with the records, once what runs has finished.
    """
    import asyncio

    from noctule.cli._output import JsonLines
    from noctule.cli._routines_live import Live
    from noctule.core.paths import state_folder
    from noctule.routines import read_routines

    _log_to_stderr()
    found = read_routines(file)
    _warn(found)
    if state is None and events == "-":
        state = state_folder() / f"routines-{file.stem}.json"
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)  # whoever reads the log wants each line now
    if jsonl is None:
        asyncio.run(Live(found, state, _print).run(_opened(events)))
        return
    with JsonLines(jsonl, append=True) as lines:
        live = Live(found, state, lambda entry: lines.write(entry.as_record()))
        asyncio.run(live.run(_opened(events)))


@routines.command()
def test(
    file: File, name: Annotated[str, typer.Argument(metavar="NAME", help="name or id of a Routine")]
) -> None:
    """Run the actions of one Routine now, whatever its conditions say.

    Exit status 2: an action failed.
    """
    import asyncio

    from noctule.routines import read_routines
    from noctule.routines.schema import find_routine

    _log_to_stderr()
    found = read_routines(file)
    try:
        routine = find_routine(found.routines, name)
    except LookupError as error:
        raise NoctuleError(f"{file}: {error.args[0]}") from None
    if not asyncio.run(_test(found, routine.id, _print)):
        raise typer.Exit(2)


async def _test(found: RoutineFile, routine_id: str, tell: Callable[[Entry], None]) -> bool:
    import asyncio

    from noctule.routines import Engine, Runner
    from noctule.routines.clock import SystemClock
    from noctule.routines.mqtt_link import MqttLink
    from noctule.routines.standalone import machine_tools

    clock = SystemClock()
    engine = Engine(found.routines, found.home, clock)
    link = MqttLink(found.home.mqtt) if found.home.mqtt else None
    task = asyncio.create_task(link.run()) if link else None
    runner = Runner(engine, machine_tools(found.home, clock, link), tell=tell)
    done = await runner.test(engine.routines[routine_id])
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return all(one.ok for one in done)


def _moment(text: str, engine: Engine) -> datetime:
    """An ISO date and time, or a time of today, in the home's time zone."""
    now = engine.local()
    try:
        if len(text) <= 5:
            hour, minute = text.split(":")
            return now.replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise NoctuleError(f"--at {text}: give a time, as in 19:30 or 2026-11-30T19:30") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)


def _opened(events: str) -> TextIO:
    try:
        if events == "-":
            # an own one: Python waits at its end for whoever reads the one that it made
            return open(os.dup(sys.stdin.fileno()), encoding="utf-8")
        return Path(events).open(encoding="utf-8")
    except OSError as error:
        raise NoctuleError(f"{events}: {(error.strerror or str(error)).lower()}") from None


def _print(entry: Entry) -> None:
    from noctule.cli._output import OutputClosedError

    try:
        print(entry.text)
    except BrokenPipeError:
        raise OutputClosedError from None


def _warn(found: RoutineFile) -> None:
    for line in found.warnings():
        print(f"noctule: warning: {line}", file=sys.stderr)


def _log_to_stderr() -> None:
    import logging

    logging.basicConfig(format="noctule: %(message)s", level=logging.WARNING)
