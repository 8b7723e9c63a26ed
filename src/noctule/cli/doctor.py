"""`noctule doctor`: prove the path from loudspeaker to microphone, and say what to mend."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noctule.core.errors import NoctuleError

if TYPE_CHECKING:
    from noctule.calibrate.doctor import Diagnosis
    from noctule.core.frames import Float32Array
    from noctule.core.settings import Settings

#: More than this is no stimulus.
LONGEST_FILE_S = 120.0
COLOURS = {"ok": typer.colors.GREEN, "warning": typer.colors.YELLOW, "fail": typer.colors.RED}


def doctor(
    input: Annotated[str | None, typer.Option(help="part of the input device's name")] = None,
    output: Annotated[str | None, typer.Option(help="part of the output device's name")] = None,
    sample_rate_hz: Annotated[int | None, typer.Option(help="of the sound card")] = None,
    level_dbfs: Annotated[float | None, typer.Option(help="peak level of the test sounds")] = None,
    agc_stimulus: Annotated[
        Path | None, typer.Option(metavar="FILE", help="test files instead: what was played...")
    ] = None,
    agc_recording: Annotated[Path | None, typer.Option(metavar="FILE", help="...and what was heard")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object instead of lines")] = False,
    config: Annotated[Path | None, typer.Option(help="settings file (TOML)")] = None,
) -> int:
    """Play inaudible test sounds, listen, and say whether this sound card can sense.

    Measures the bandwidth that really comes back, the carrier's SNR, clipping, lost samples, dead
    microphones, and whether AGC, noise suppression or echo cancelling stand in the way. With
    --agc-stimulus and --agc-recording it judges two files for AGC.

    Exit status: 0 sensing is possible (files: there is a verdict), 2 it is not.
    """
    if agc_stimulus is not None or agc_recording is not None:
        return _judge_files(agc_stimulus, agc_recording, as_json)
    from noctule.core.settings import load_settings

    changes: dict[str, dict[str, Any]] = {
        "audio": {"input": input, "output": output, "sample_rate_hz": sample_rate_hz},
        "emit": {"level_dbfs": level_dbfs},
    }
    diagnosis = _examine(load_settings(config, overrides=changes))
    if as_json:
        print(json.dumps(diagnosis.as_record(), allow_nan=False))
    else:
        _print(diagnosis)
    return 0 if diagnosis.sensing_possible else 2


def _examine(settings: Settings) -> Diagnosis:
    from rich.console import Console

    from noctule.audio import DeviceLost, DuplexStream
    from noctule.calibrate.doctor import examine, unheard

    stream = DuplexStream(settings.audio)
    stream.open()
    level_dbfs = min(settings.emit.level_dbfs, settings.emit.ceiling_dbfs)
    try:
        with Console(stderr=True).status("listening to inaudible test sounds, 15 s"):
            return examine(stream, stream.format.host_api, level_dbfs)
    except DeviceLost as error:
        return unheard(str(error))
    finally:
        stream.close()


def _print(diagnosis: Diagnosis) -> None:
    for check in diagnosis.checks:
        typer.secho(f"{check.status:8}", fg=COLOURS[check.status], nl=False)
        print(f"{check.name}: {check.finding}")
        if check.fix:
            print(f"{'':8}fix: {check.fix}")
    verdict = {
        "ok": "ready to sense",
        "warning": "can sense, with the limits above",
        "fail": "cannot sense before the failures above are mended",
    }
    typer.secho(f"\n{verdict[diagnosis.status]}", fg=COLOURS[diagnosis.status])


def _judge_files(stimulus_path: Path | None, recording_path: Path | None, as_json: bool) -> int:
    from noctule.calibrate.agc import analyse_gain

    if stimulus_path is None or recording_path is None:
        raise NoctuleError("the AGC test needs both: --agc-stimulus and --agc-recording")
    stimulus, rate_hz = _read(stimulus_path)
    recording, recorded_rate_hz = _read(recording_path)
    if rate_hz != recorded_rate_hz:
        raise NoctuleError(
            f"{recording_path}: {recorded_rate_hz:g} Hz, the stimulus has {rate_hz:g} Hz; convert one of them"
        )
    report = analyse_gain(stimulus[:, 0], recording, rate_hz)
    verdict = report.summary().splitlines()[0]
    if as_json:
        record = {"verdict": verdict, "agc": bool(report.with_kind("agc")), **asdict(report)}
        print(json.dumps(record, allow_nan=False))
    else:
        print(report.summary())
    return 2 if len(report.with_kind("unclear")) == len(report.microphones) else 0


def _read(path: Path) -> tuple[Float32Array, float]:
    import numpy as np

    from noctule.audio.files import open_audio_file

    source = open_audio_file(path)
    if source.samples is not None and source.samples > LONGEST_FILE_S * source.sample_rate_hz:
        raise NoctuleError(f"{path}: longer than {LONGEST_FILE_S:g} s; cut the test out of it")
    return np.concatenate([block.samples for block in source.blocks()]), source.sample_rate_hz
