"""Recorded sounds: bats, or whatever a user has, at their original pitch."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import soundfile
from pydantic import Field, field_validator

from noctule.audio.files import open_audio_file
from noctule.core.errors import NoctuleError
from noctule.simulate.ambient.base import AmbientSound
from noctule.simulate.parts import FloatArray, Sound, pressure_pa
from noctule.simulate.rates import change_rate

#: The level is that of the loudest stretch this long, of what lies above `_AUDIBLE_HZ`: wind and handling
#: noise of a field recording do not count.
_LOUDEST_S, _AUDIBLE_HZ = 0.02, 15000.0
_WALL_TAPS = 65


class Recording(AmbientSound):
    """The first channel of a sound file. What stands between filters it."""

    kind: Literal["recording"] = "recording"
    label: ClassVar[str] = "recording"

    file: Path = Field(description="WAV or FLAC, 44.1 to 500 kHz")
    level_db_spl: float = Field(60.0, ge=0.0, le=130.0, description="loudest 20 ms above 15 kHz, at 1 m")
    loop: bool = Field(False, description="starts anew at its end")

    @field_validator("file")
    @classmethod
    def _heard(cls, file: Path) -> Path:
        try:
            _loudest(file)
        except NoctuleError as error:
            raise ValueError(str(error)) from None
        return file

    def sound(self, rng: np.random.Generator) -> Sound:
        return _Played(self)


class _Played:
    def __init__(self, part: Recording) -> None:
        source = open_audio_file(part.file, [0])
        if source.samples is None:
            raise NoctuleError(f"{part.file}: its header does not say how long it is; convert it")
        self._file, self._loop = part.file, part.loop
        self._rate_hz, self._samples = source.sample_rate_hz, source.samples
        self._scale = pressure_pa(part.level_db_spl) / _loudest(part.file)
        self._taps = _wall_filter(part, self._rate_hz) if part.through != "air" else np.ones(1)
        self.position_m = np.array(part.position_m)
        self.starts_s = part.at_s
        self.ends_s = math.inf if part.loop else part.at_s + self._samples / self._rate_hz

    def waveform(self, rate_hz: float, first_sample: int, count: int) -> FloatArray:
        # to the nearest sample: a later start is a later sample, not another waveform
        since = first_sample - round(self.starts_s * rate_hz)
        low, high = max(0, since), since + count
        if not self._loop:
            high = min(high, math.ceil(self._samples / self._rate_hz * rate_hz))
        out = np.zeros(count)
        if low < high:
            wave = change_rate(self._filtered, self._rate_hz, rate_hz, low, high - low)
            out[low - since : high - since] = wave[:, 0]
        return out

    def _filtered(self, first: int, count: int) -> FloatArray:
        reach = len(self._taps) // 2
        raw = self._scale * self._read(first - reach, count + 2 * reach)
        return np.convolve(raw, self._taps, "valid")[:, None]

    def _read(self, first: int, count: int) -> FloatArray:
        """Samples from any place on; nothing is before the start, nor after the end unless it loops."""
        out = np.zeros(count)
        place = max(0, first)
        stop = first + count if self._loop else min(first + count, self._samples)
        try:
            with soundfile.SoundFile(str(self._file)) as sound:
                while place < stop:
                    sound.seek(place % self._samples)
                    size = min(stop - place, self._samples - place % self._samples)
                    part = sound.read(size, dtype="float64", always_2d=True)[:, 0]
                    out[place - first : place - first + len(part)] = np.nan_to_num(
                        part, posinf=0.0, neginf=0.0
                    )
                    place += size
        except (soundfile.LibsndfileError, OSError):
            raise NoctuleError(f"{self._file}: cannot be read on at sample {place}: damaged") from None
        return out


@lru_cache(maxsize=64)
def _loudest(file: Path) -> float:
    """Rms of the loudest stretch, by Parseval over the bins above the audible."""
    source = open_audio_file(file, [0])
    size = int(_LOUDEST_S * source.sample_rate_hz)
    above = np.fft.rfftfreq(size, 1.0 / source.sample_rate_hz) >= _AUDIBLE_HZ
    highest = 0.0
    for block in open_audio_file(file, [0], size).blocks():
        wave = np.zeros(size)
        wave[: len(block.samples)] = np.nan_to_num(block.samples[:, 0], posinf=0.0, neginf=0.0)
        highest = max(highest, 2.0 * float(np.sum(np.abs(np.fft.rfft(wave)[above]) ** 2)) / size**2)
    if highest == 0.0:
        raise NoctuleError(f"{file}: nothing above {_AUDIBLE_HZ / 1000:g} kHz is in it")
    return math.sqrt(highest)


def _wall_filter(part: Recording, rate_hz: float) -> FloatArray:
    """Frequency sampling, without delay: 65 taps follow the smooth loss of a wall in the ultrasound."""
    gain = part.gain(np.fft.rfftfreq(_WALL_TAPS, 1.0 / rate_hz).astype(np.float64))
    return np.asarray(
        np.roll(np.fft.irfft(gain, _WALL_TAPS), _WALL_TAPS // 2) * np.hanning(_WALL_TAPS + 2)[1:-1]
    )
