"""`noctule replay`: decisions from a recording, faster than real time."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from noctule.core.errors import NoctuleError
from noctule.core.frames import Decision, Fault

if TYPE_CHECKING:
    from noctule.audio.files import AudioFileSource
    from noctule.cli._waterfall import Waterfall
    from noctule.core.settings import Settings
    from noctule.dataset import BasebandReader
    from noctule.pipeline import SensingPipeline

SIGMF_SUFFIXES = (".sigmf-meta", ".sigmf-data", ".sigmf")


def replay(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="WAV, FLAC, ... or SigMF recordings")
    ],
    carrier_hz: Annotated[str, typer.Option(help="the tone in the recording in Hz, or 'auto'")] = "auto",
    jsonl: Annotated[
        str | None, typer.Option(help="write a JSON object a frame; '-': standard output")
    ] = None,
    microphones: Annotated[str | None, typer.Option(help="channels to use, counted from 0: 0,1,..")] = None,
    waterfall: Annotated[bool, typer.Option("--waterfall", help="draw velocity over time")] = False,
    pace: Annotated[float, typer.Option(min=0.0, help="times real time; 0: as fast as it goes")] = 0.0,
    detector: Annotated[
        Literal["cfar", "network"] | None, typer.Option(help="instead of the one in the settings")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="settings file (TOML)")] = None,
) -> int:
    """Say who moved in a recording.

    Exit status: 0 decisions were made, 2 a recording is unusable or holds no carrier.
    """
    from noctule.cli._output import JsonLines, OutputError
    from noctule.cli._waterfall import Waterfall
    from noctule.core.settings import load_settings
    from noctule.pipeline import check_detector

    settings = load_settings(config, overrides={"model": {"detector": detector}})
    check_detector(settings)
    wanted_hz, chosen = parse_carrier(carrier_hz), parse_microphones(microphones)
    failed = False
    with contextlib.ExitStack() as stack:
        lines = stack.enter_context(JsonLines(jsonl)) if jsonl else None
        for path in files:
            try:
                recording = _open(path, wanted_hz, chosen, settings)
                summary = Summary(recording)
                drawing = Waterfall(recording.pipeline) if waterfall else None
                for decision in _paced(recording.decisions(drawing), pace):
                    summary.add(decision)
                    if lines is not None:
                        name = {"file": str(path)} if len(files) > 1 else {}
                        lines.write(name | decision.as_record())
                summary.check()
                if drawing is None and jsonl != "-":
                    print(summary.text())
                if recording.source.warning:
                    print(f"noctule: warning: {recording.source.warning}", file=sys.stderr)
            except OutputError:
                raise
            except NoctuleError as error:
                print(f"noctule: {error}", file=sys.stderr)
                failed = True
    return 2 if failed else 0


def parse_carrier(text: str) -> float | None:
    """None for `auto`."""
    if text == "auto":
        return None
    try:
        return float(text)
    except ValueError:
        raise NoctuleError(f"--carrier-hz {text}: give a frequency in Hz, or 'auto'") from None


def parse_microphones(text: str | None) -> list[int] | None:
    """None for all."""
    try:
        return None if text is None else [int(part) for part in text.split(",")]
    except ValueError:
        raise NoctuleError(f"--microphones {text}: give channel numbers from 0, as in 0,1") from None


@dataclass
class _Recording:
    path: Path
    source: AudioFileSource | BasebandReader
    pipeline: SensingPipeline

    def decisions(self, drawing: Waterfall | None) -> Iterator[Decision]:
        from noctule.core.frames import AudioBlock

        for block in self.source.blocks():
            if isinstance(block, AudioBlock):
                decisions = self.pipeline.process(block)
            else:
                decisions = self.pipeline.process_baseband(block)
            if drawing is not None and decisions:
                drawing.draw(decisions)
            yield from decisions


def _open(
    path: Path, carrier_hz: float | None, chosen: Sequence[int] | None, settings: Settings
) -> _Recording:
    from noctule.pipeline import SensingPipeline

    if path.name.endswith(SIGMF_SUFFIXES):
        from noctule.dataset import BasebandReader

        baseband = BasebandReader(path, chosen)
        pipeline = SensingPipeline(
            settings,
            carrier_hz=baseband.carrier_hz,
            channels=baseband.channels,
            baseband_rate_hz=baseband.sample_rate_hz,
        )
        return _Recording(path, baseband, pipeline)

    from noctule.audio.files import open_audio_file
    from noctule.dsp.carrier import find_carrier

    audio = open_audio_file(path, chosen)
    try:
        found_hz = find_carrier(audio.blocks()).carrier_hz if carrier_hz is None else carrier_hz
        pipeline = SensingPipeline(
            settings, carrier_hz=found_hz, channels=audio.channels, sample_rate_hz=audio.sample_rate_hz
        )
    except NoctuleError as error:
        raise NoctuleError(f"{path}: {error}") from None
    return _Recording(path, audio, pipeline)


def _paced(decisions: Iterator[Decision], pace: float) -> Iterator[Decision]:
    start_s, first_s = time.monotonic(), None
    for decision in decisions:
        first_s = decision.time_s if first_s is None else first_s
        if pace > 0:
            time.sleep(max(0.0, start_s + (decision.time_s - first_s) / pace - time.monotonic()))
        yield decision


@dataclass
class Summary:
    """What happened in one recording, for people."""

    recording: _Recording
    started_s: float = field(default_factory=time.monotonic)
    frames: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    heard: int = 0
    snr_db: float = 0.0
    end_s: float = 0.0
    changes: list[str] = field(default_factory=list)
    _presence: bool = False

    def add(self, decision: Decision) -> None:
        self.frames[decision.motion] += 1
        self.end_s = decision.time_s
        if decision.fault:
            self.faults[str(decision.fault.name_for_humans)] += 1
        if not decision.fault & (Fault.CARRIER_MISSING | Fault.CARRIER_LOST):
            self.heard += 1
            self.snr_db = max(self.snr_db, decision.carrier_snr_db)
        if decision.presence != self._presence:
            self._presence = decision.presence
            who = "somebody" if decision.presence else "nobody"
            self.changes.append(f"  {decision.time_s:8.2f} s  {who}: {decision.reason}")

    def check(self) -> None:
        """Raise NoctuleError when there was nothing to decide from."""
        path, pipeline = self.recording.path, self.recording.pipeline
        if not self.frames:
            raise NoctuleError(f"{path}: too short: one frame needs {pipeline.extractor.window_s:.2f} s")
        if not self.heard:
            raise NoctuleError(f"{path}: no carrier at {pipeline.carrier_hz:g} Hz")

    def text(self) -> str:
        source, pipeline = self.recording.source, self.recording.pipeline
        took_s = time.monotonic() - self.started_s
        seconds = {motion: count * pipeline.extractor.hop_s for motion, count in self.frames.items()}
        lines = [
            f"{self.recording.path}: {self.end_s:.1f} s at {source.sample_rate_hz / 1000:g} kHz, "
            f"{source.channels} microphone{'s' if source.channels > 1 else ''}, "
            f"carrier {pipeline.carrier_hz:.1f} Hz ({self.snr_db:.0f} dB over the noise in 10 Hz), "
            f"replayed in {took_s:.1f} s",
            "  motion: " + ", ".join(f"{m} {seconds.get(m, 0.0):.1f} s" for m in ("major", "minor", "none")),
        ]
        if self.faults:
            hop_s = pipeline.extractor.hop_s
            lines.append(
                "  faults: " + ", ".join(f"{f} {n * hop_s:.1f} s" for f, n in self.faults.most_common())
            )
        return "\n".join(lines + (self.changes or ["  nobody all the time"]))
