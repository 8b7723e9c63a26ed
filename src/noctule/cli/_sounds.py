"""Where a recording's audio comes from: a sound file, or a sound card that plays the tone."""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noctule.core.errors import NoctuleError
from noctule.core.frames import AudioBlock

if TYPE_CHECKING:
    from noctule.audio import DuplexStream
    from noctule.core.settings import Settings

#: The tone rises, leaves the card and comes back: up to half a second through a sound server.
SETTLE_S = 0.6


@dataclass(frozen=True)
class Sound:
    """Where the audio comes from, and what is known about it."""

    blocks: Iterator[AudioBlock]
    sample_rate_hz: float
    channels: int
    carrier_hz: float
    duration_s: float | None = None
    started_at: datetime | None = None
    hardware: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    warning: Any = lambda: None


def file_sound(path: Path, carrier_hz: float | None) -> Sound:
    from noctule.audio.files import open_audio_file
    from noctule.dsp.carrier import find_carrier

    audio = open_audio_file(path)
    if carrier_hz is None:
        try:
            carrier_hz = find_carrier(audio.blocks()).carrier_hz
        except NoctuleError as error:
            raise NoctuleError(f"{path}: {error}") from None
    return Sound(
        audio.blocks(),
        audio.sample_rate_hz,
        audio.channels,
        carrier_hz,
        duration_s=audio.samples / audio.sample_rate_hz if audio.samples else None,
        details={"source": path.name},
        warning=lambda: audio.warning,
    )


@contextlib.contextmanager
def live_sound(settings: Settings, stop: threading.Event) -> Iterator[Sound]:
    """The sound card, playing the tone; silent and closed afterwards."""
    from noctule.audio import DuplexStream
    from noctule.dataset.recording import refuse_audible_carrier
    from noctule.emit import choose_level

    if settings.emit.carrier_hz != "auto":
        refuse_audible_carrier(settings.emit.carrier_hz)
    stream = DuplexStream(settings.audio)
    stream.open()
    try:
        carrier_hz = _carrier_for(stream, settings)
        level = choose_level(
            settings.emit.level_dbfs,
            settings.emit.ceiling_dbfs,
            carrier_hz,
            settings.emit.full_scale_spl_db,
        )
        if level.reason:
            print(f"noctule: warning: level {level.reason}", file=sys.stderr)
        _play(stream, carrier_hz, level.amplitude, settings.emit.ramp_s)
        until = stream.read().first_sample + SETTLE_S * stream.sample_rate_hz
        while stream.read().first_sample < until:
            pass
        again = functools.partial(_play, stream, carrier_hz, level.amplitude, settings.emit.ramp_s)
        yield Sound(
            _live_blocks(stream, again, stop),
            stream.sample_rate_hz,
            stream.channels,
            carrier_hz,
            started_at=datetime.fromtimestamp(stream.wall_time_s(0.0), UTC),
            hardware=f"{stream.format.output_identity} -> {stream.format.input_identity}",
            details={"level_dbfs": level.level_dbfs},
        )
    finally:
        stream.close()


def _carrier_for(stream: DuplexStream, settings: Settings) -> float:
    from noctule.calibrate.probe import probe_bandwidth
    from noctule.emit import on_grid

    rate_hz = stream.sample_rate_hz
    if settings.emit.carrier_hz != "auto":
        return on_grid(settings.emit.carrier_hz, round(rate_hz))
    loudest_dbfs = min(settings.emit.level_dbfs, settings.emit.ceiling_dbfs)
    return probe_bandwidth(stream.play_and_record, rate_hz, loudest_dbfs).choose_carrier()


def _play(stream: DuplexStream, carrier_hz: float, amplitude: float, ramp_s: float) -> None:
    from noctule.emit import TonePlayer, tone_table

    table = tone_table(carrier_hz, round(stream.sample_rate_hz))
    stream.set_player(TonePlayer(table, stream.sample_rate_hz, ramp_s))
    stream.set_level(amplitude)


def _live_blocks(
    stream: DuplexStream, play_again: Callable[[], None], stop: threading.Event
) -> Iterator[AudioBlock]:
    from noctule.audio import DeviceLost

    while True:
        try:
            yield from stream.blocks()
        except DeviceLost as lost:
            print(f"noctule: warning: {lost}; waiting for the device to return", file=sys.stderr)
            if not stream.reopen(stop):
                return
            play_again()
