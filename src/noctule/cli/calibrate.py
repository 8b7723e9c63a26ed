"""`noctule calibrate`: find carrier and level for this device in this room."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noctule.core.errors import NoctuleError

if TYPE_CHECKING:
    from noctule.calibrate.calibration import Calibration, Card
    from noctule.calibrate.profile import DeviceProfile
    from noctule.core.settings import Settings


def calibrate(
    input: Annotated[str | None, typer.Option(help="part of the input device's name")] = None,
    output: Annotated[str | None, typer.Option(help="part of the output device's name")] = None,
    sample_rate_hz: Annotated[int | None, typer.Option(help="of the sound card")] = None,
    level_dbfs: Annotated[float | None, typer.Option(help="peak level of the test sounds")] = None,
    range_m: Annotated[float | None, typer.Option(help="walks are to be found to here")] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="draw what comes back, the noise, the choice")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object instead of lines")] = False,
    config: Annotated[Path | None, typer.Option(help="settings file (TOML)")] = None,
) -> int:
    """Find the carrier and the quietest level that reaches, and keep them for `noctule run`; ten seconds.

    Nobody needs to leave the room. Nothing audible is played. If it fails, the last good calibration stays.
    Exit status: 0, or 2 with one line that says what to mend.
    """
    from noctule.core.settings import load_settings

    changes: dict[str, dict[str, Any]] = {
        "audio": {"input": input, "output": output, "sample_rate_hz": sample_rate_hz},
        "emit": {"level_dbfs": level_dbfs},
        "calibrate": {"range_m": range_m},
    }
    settings = load_settings(config, overrides=changes)
    from noctule.audio import DeviceLost, DuplexStream
    from noctule.calibrate.memory import save

    stream = DuplexStream(settings.audio)
    stream.open()
    try:
        identities = (stream.format.input_identity, stream.format.output_identity)
        found = with_progress(stream, settings, identities)
    except DeviceLost as error:
        raise NoctuleError(f"{error}; the last calibration stays") from None
    finally:
        stream.close()
    save(found)
    if picture is not None:
        draw(found, picture)
    print(found.model_dump_json() if as_json else found.verdict())
    return 0


def with_progress(
    card: Card,
    settings: Settings,
    identities: tuple[str, str],
    also: Callable[[str, float], None] = lambda step, share: None,
) -> Calibration:
    """Calibrate with a bar on standard error; `also` is told how far it is."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    from noctule.calibrate.calibration import STEPS, calibrate

    total_s = sum(seconds for _, _, seconds in STEPS)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task("", total=total_s)

        def show(step: str, share: float) -> None:
            also(step, share)
            done_s = 0.0
            for name, words, seconds in STEPS:
                if name == step:
                    bar.update(task, description=words, completed=done_s + share * seconds)
                    return
                done_s += seconds

        return calibrate(
            card,
            settings,
            identities=identities,
            profile=profile_of(settings),
            progress=show,
            say=lambda line: bar.console.print(line),
        )


def profile_of(settings: Settings) -> DeviceProfile | None:
    """The device's profile, where the settings name one."""
    from noctule.calibrate.profile import read_profile

    named = settings.calibrate.profile
    return None if named is None else read_profile(Path(named).expanduser())


def draw(found: Calibration, path: Path) -> None:
    """Write the picture.

    Raises
    ------
    NoctuleError
        It cannot be written.
    """
    from noctule.calibrate.picture import as_svg

    try:
        path.write_text(as_svg(found), encoding="utf-8")
    except OSError as error:
        raise NoctuleError(f"{path}: cannot be written: {error.strerror}") from None
