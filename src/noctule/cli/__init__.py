"""The commands. Takes arguments, wires the parts together, prints.
Start at main() below; one file a command. Heavy parts are imported inside the commands,
so that `noctule --help` stays quick."""

from __future__ import annotations

import os
import sys

import click
import typer

from noctule.core.errors import NoctuleError

#: Documented exit statuses.
EXIT_OK, EXIT_UNUSABLE, EXIT_INTERRUPTED = 0, 2, 130

app = typer.Typer(
    name="noctule",
    help="Motion and presence from any loudspeaker and microphones.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _register_commands() -> None:
    from noctule.cli import commands

    commands.register(app)


def main(arguments: list[str] | None = None) -> None:
    """Run one command; every expected failure is one clear line and exit status 2."""
    _register_commands()
    try:
        status = app(args=arguments, standalone_mode=False)
    except NoctuleError as error:
        print(f"noctule: {error}", file=sys.stderr)
        status = EXIT_UNUSABLE
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        status = EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of our output left: not our failure
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = EXIT_OK
    sys.exit(status if isinstance(status, int) else EXIT_OK)
