"""The commands. Takes arguments, wires the parts together, prints.
Start at main() below; one file a command. Heavy parts are imported inside the commands,
so that `noctule --help` stays quick."""

from __future__ import annotations

import atexit
import gc
import os
import sys

# one thread a process is quicker for matrices this small, and leaves the other cores alone;
# it must be said before numpy is loaded
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import typer

from noctule.core.errors import NoctuleError

# whoever ends need not look for garbage among all that was loaded: with the app that takes seconds
atexit.register(gc.freeze)

#: Documented exit statuses; a command line that cannot be understood is 2, Ctrl-C 130.
EXIT_OK, EXIT_UNUSABLE = 0, 2

app = typer.Typer(
    name="noctule",
    help="Motion and presence from any loudspeaker and microphones.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)


def main(arguments: list[str] | None = None) -> None:
    """Run one command; every expected failure is one clear line and exit status 2."""
    from noctule.cli import commands
    from noctule.cli._output import OutputClosedError

    if not app.registered_commands:  # once, however often this is called in one process
        commands.register(app)
    try:
        app(args=arguments)
    except NoctuleError as error:
        print(f"noctule: {error}", file=sys.stderr)
        sys.exit(EXIT_UNUSABLE)
    except OutputClosedError:
        # Python flushes standard output once more on its way out
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_OK)
