"""What the loudspeaker plays while it senses: recorded or made-up material, and what its listener does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, Self

import numpy as np
import soundfile
from pydantic import Field, field_validator, model_validator

from noctule.audio.files import UNKNOWN_SAMPLES
from noctule.core.errors import NoctuleError
from noctule.core.units import db_to_amplitude
from noctule.simulate import clips
from noctule.simulate.parts import FloatArray, Part
from noctule.simulate.rates import change_rate

Kind = Literal["music", "speech", "bass", "noise", "tone"]

#: A player fades this long at every start, stop, seek and step of volume: a crossfade, so nothing jumps.
FADE_S = 0.01
#: Music is mastered to -23 (broadcast, EBU R 128) to -9 dBFS rms (loud pop) [A]; volume down to a whisper.
_DRAWN_VOLUME_DBFS = (-50.0, -9.0)
#: As much of a recording tells how loud it is, in stretches spread over its length.
_MEASURED_S, _MEASURED_PLACES = 60.0, 20
LOWEST_FILE_RATE_HZ = 8000.0
_FOREVER = 1 << 60  # samples


class ProgrammeEvent(Part):
    """Something a listener does. Pause and resume stop and go on; a seek goes to `to_s` of the material;
    volume steps to `to_db` above (or below) what the programme says."""

    at_s: float = Field(ge=0.0, description="when, in seconds of the scene")
    action: Literal["pause", "resume", "seek", "volume"] = Field(description="what")
    to_s: float | None = Field(None, ge=0.0, description="seek: this place of the material")
    to_db: float | None = Field(None, ge=-80.0, le=30.0, description="volume: re volume_dbfs")

    @model_validator(mode="after")
    def _has_its_value(self) -> Self:
        if (self.to_s is not None) != (self.action == "seek"):
            raise ValueError("a seek, and only a seek, says where to: to_s")
        if (self.to_db is not None) != (self.action == "volume"):
            raise ValueError("a volume step, and only that, says to how much: to_db")
        return self


class Programme(Part):
    """What the loudspeaker plays besides the tone: a file, or made-up material.

    Without this table it plays nothing. A programme that starts at 0 s was playing before the scene began.
    """

    file: Path | None = Field(None, description="WAV, FLAC or OGG, any rate; the first two channels play")
    kind: Kind = Field("music", description="made up where there is no file")
    seed: int = Field(0, ge=0, description="of made-up material")
    tone_hz: float = Field(100.0, ge=10.0, le=20000.0, description="of kind tone")
    volume_dbfs: float = Field(-20.0, ge=-90.0, le=0.0, description="rms while it plays; a full sine is -3")
    start_s: float = Field(0.0, ge=0.0, description="place of the material that plays at from_s")
    loop: bool = Field(True, description="begins anew at the end of the material")
    from_s: float = Field(0.0, ge=0.0, description="begins; 0: was playing before")
    to_s: float | None = Field(None, gt=0.0, description="ends; left out: goes on")
    events: tuple[ProgrammeEvent, ...] = Field((), description="what its listener does, in order")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        times_s = [event.at_s for event in self.events]
        fades_s = 2 * FADE_S - 1e-9  # 0.83 − 0.81 is a little less than 0.02
        if np.any(np.diff(times_s) < fades_s):
            raise ValueError(f"events must come in order, at least {2 * FADE_S} s apart")
        if self.to_s is not None and self.to_s <= self.from_s + 2 * FADE_S:
            raise ValueError("to_s must come after from_s")
        # a fade that another one cuts short would jump; what begins at 0 s was playing before, without a fade
        begins_s = self.from_s + fades_s if self.from_s > 0.0 else 0.0
        ends_s = math.inf if self.to_s is None else self.to_s - fades_s
        if times_s and (times_s[0] < begins_s or times_s[-1] > ends_s):
            raise ValueError(f"events must lie between from_s and to_s, {2 * FADE_S} s away from both")
        return self

    @field_validator("file")
    @classmethod
    def _readable(cls, file: Path | None) -> Path | None:
        if file is not None:
            _check_file(file)
        return file

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        copy = super().model_copy(update=update, deep=deep)
        for found in ("_material", "_gain", "_stretches"):  # of this one, and not of the one that differs
            copy.__dict__.pop(found, None)
        return copy

    @classmethod
    def draw(cls, rng: np.random.Generator, files: Sequence[Path] = (), duration_s: float = 60.0) -> Self:
        """Mostly a recording where there are any, at any volume; one in three listeners meddles with it."""
        given: dict[str, object] = {"kind": str(rng.choice(["music", "speech", "bass", "noise"]))}
        length_s = 10.0
        if files and rng.random() < 0.8:
            given["file"] = files[int(rng.integers(len(files)))]
            length_s = soundfile.info(given["file"]).duration
        given |= {"seed": int(rng.integers(2**31)), "start_s": rng.uniform(0.0, length_s)}
        from_s = 0.0 if rng.random() < 0.6 else rng.uniform(0.0, 0.7 * duration_s)
        to_s = duration_s if rng.random() < 0.7 else rng.uniform(from_s + 0.1 * duration_s, duration_s)
        given |= {"from_s": from_s, "to_s": to_s if to_s < duration_s else None}
        given["volume_dbfs"] = rng.uniform(*_DRAWN_VOLUME_DBFS)
        if rng.random() < 0.33 and to_s - from_s > 0.5:
            given["events"] = _drawn_events(rng, from_s, to_s)
        return cls.model_validate(given)

    def drive(self, rate_hz: float, first_sample: int, count: int) -> FloatArray:
        """Samples as the player gives them to the mixer; full scale is 1, and peaks may reach beyond it.

        Returns
        -------
        `(count, channels)` float64, 1 or 2 channels; sample k is at (first_sample + k) / rate_hz seconds.
        """
        sound = change_rate(self._read, self._material.rate_hz, rate_hz, first_sample, count)
        return np.asarray(sound, np.float64)

    @cached_property
    def _material(self) -> _Material:
        if self.file is not None:
            return _File(self.file)
        return _Sine(self.tone_hz) if self.kind == "tone" else _Clip(self.kind, self.seed)

    @cached_property
    def _gain(self) -> float:
        """From the material's own level to `volume_dbfs`."""
        most = int(_MEASURED_S * self._material.rate_hz)
        samples, piece = self._material.samples or most, most // _MEASURED_PLACES
        starts = range(0, samples, max(piece, samples // _MEASURED_PLACES))
        sound = [self._material.read(start, min(piece, samples - start)) for start in starts]
        rms = math.sqrt(np.mean(np.concatenate(sound) ** 2))
        return db_to_amplitude(self.volume_dbfs) / rms if rms > 0.0 else 0.0

    @cached_property
    def _stretches(self) -> list[_Stretch]:
        """The scene cut at everything the listener does, in samples of the material."""
        rate_hz = self._material.rate_hz
        begins = round(self.from_s * rate_hz) if self.from_s > 0.0 else -_FOREVER
        place, volume, paused_at = round((self.start_s - self.from_s) * rate_hz), 1.0, None
        found = [_Stretch(-_FOREVER, place, 0.0), _Stretch(begins, place, volume)]
        for event in self.events:
            at = round(event.at_s * rate_hz)
            if event.to_s is not None:
                place = round(event.to_s * rate_hz) - at
                paused_at = at if paused_at is not None else None
            elif event.to_db is not None:
                volume = db_to_amplitude(event.to_db)
            elif event.action == "pause" and paused_at is None:
                paused_at = at
            elif event.action == "resume" and paused_at is not None:
                place, paused_at = place + paused_at - at, None
            found.append(_Stretch(at, place, volume if paused_at is None else 0.0))
        ends = round(self.to_s * rate_hz) if self.to_s is not None else _FOREVER
        return [*found, _Stretch(ends, place, 0.0)]

    def plays(self, until_s: float) -> list[tuple[float, float]]:
        """(from, to) in seconds of the scene, pauses left out."""
        rate_hz = self._material.rate_hz
        found: list[tuple[float, float]] = []
        for now, after in pairwise([*self._stretches, _Stretch(_FOREVER, 0, 0.0)]):
            low_s, high_s = max(now.at / rate_hz, 0.0), min(after.at / rate_hz, until_s)
            if now.gain > 0.0 and low_s < high_s:
                if found and found[-1][1] == low_s:
                    low_s = found.pop()[0]
                found.append((low_s, high_s))
        return found

    def _read(self, first: int, count: int) -> FloatArray:
        """Samples at the material's own rate."""
        out = np.zeros((count, self._material.channels))
        fade = round(FADE_S * self._material.rate_hz)
        stretches = [*self._stretches, _Stretch(_FOREVER, 0, 0.0)]
        for before, now, after in zip(stretches, stretches[1:], stretches[2:], strict=False):
            low, high = max(first, now.at), min(first + count, after.at)
            if low < high:
                out[low - first : high - first] = self._crossfade(before, now, low, high, fade)
        return out

    def _crossfade(self, before: _Stretch, now: _Stretch, low: int, high: int, fade: int) -> FloatArray:
        sound = self._played(now, low, high)
        middle = min(high, now.at + fade)
        if low < middle:
            rise = np.sin(0.5 * np.pi * (np.arange(low, middle) - now.at) / fade)[:, None] ** 2
            sound[: middle - low] *= rise
            sound[: middle - low] += (1.0 - rise) * self._played(before, low, middle)
        return sound

    def _played(self, stretch: _Stretch, low: int, high: int) -> FloatArray:
        if stretch.gain == 0.0:
            return np.zeros((high - low, self._material.channels))
        sound = _take(self._material, low + stretch.place, high - low, self.loop)
        return np.asarray(self._gain * stretch.gain * sound)


class _Stretch(NamedTuple):
    """From sample `at` of the scene on, sample n of the scene is sample n + place of the material."""

    at: int
    place: int
    gain: float


class _Material(Protocol):
    """A recording or clip. `samples` None: it has no end."""

    rate_hz: float
    channels: int
    samples: int | None

    def read(self, first: int, count: int) -> FloatArray:
        """`(count, channels)`, inside of the material."""
        ...


@dataclass
class _Sine:
    tone_hz: float
    rate_hz: float = clips.RATE_HZ
    channels: int = 1
    samples: int | None = None

    def read(self, first: int, count: int) -> FloatArray:
        turns = np.arange(first, first + count) * (self.tone_hz / self.rate_hz)
        return np.asarray(np.sin(2.0 * np.pi * (turns % 1.0))[:, None])


class _Clip:
    rate_hz = clips.RATE_HZ

    def __init__(self, kind: str, seed: int) -> None:
        self._clip = clips.make_clip(kind, seed)
        self.samples: int | None
        self.samples, self.channels = self._clip.shape

    def read(self, first: int, count: int) -> FloatArray:
        return self._clip[first : first + count].astype(np.float64)


class _File:
    """Opened for each read: a handle would not survive the way to another process."""

    def __init__(self, path: Path) -> None:
        self._path, about = path, soundfile.info(path)
        self.rate_hz, self.channels = float(about.samplerate), min(2, about.channels)
        self.samples: int | None = about.frames

    def read(self, first: int, count: int) -> FloatArray:
        try:
            sound, _ = soundfile.read(self._path, count, first, dtype="float64", always_2d=True)
        except (soundfile.LibsndfileError, OSError):
            sound = np.zeros((0, 1))
        if len(sound) != count:
            raise NoctuleError(f"{self._path}: cannot be read on at sample {first + len(sound)}: damaged")
        return np.asarray(np.nan_to_num(sound[:, :2], posinf=0.0, neginf=0.0))


def _take(material: _Material, first: int, count: int, loop: bool) -> FloatArray:
    """Any stretch: round and round, or silence outside of the material."""
    if material.samples is None:
        return material.read(first, count)
    out = np.zeros((count, material.channels))
    at = 0 if loop else max(0, -first)
    while at < count:
        place = (first + at) % material.samples if loop else first + at
        size = min(count - at, material.samples - place)
        if size <= 0:
            break
        out[at : at + size] = material.read(place, size)
        at += size
    return out if loop else out * _edges(material, first, count)


def _edges(material: _Material, first: int, count: int) -> FloatArray:
    """What is played once fades in at the beginning of the material and out at its end: `(count, 1)`."""
    place, fade = np.arange(first, first + count), round(FADE_S * material.rate_hz)
    inside = np.minimum(place, (material.samples or _FOREVER) - place)
    return np.sin(0.5 * np.pi * np.clip(inside / fade, 0.0, 1.0))[:, None] ** 2


def _check_file(path: Path) -> None:
    """Refuse what cannot be played, when the scene is read and not in the middle of a rendering."""
    try:
        about = soundfile.info(path)
    except (soundfile.LibsndfileError, OSError) as error:
        raise ValueError(f"{path}: no sound file that can be read: {error}") from None
    if about.frames <= 0 or about.frames >= UNKNOWN_SAMPLES or about.samplerate < LOWEST_FILE_RATE_HZ:
        raise ValueError(f"{path}: empty, of unknown length, or below {LOWEST_FILE_RATE_HZ:g} Hz")
    try:  # a file that was cut short still promises its whole length
        _File(path).read(about.frames - 1, 1)
    except NoctuleError:
        raise ValueError(f"{path}: cut short: its end cannot be read") from None


def _drawn_events(rng: np.random.Generator, from_s: float, to_s: float) -> list[dict[str, object]]:
    """One to six things a listener does, in order; every second pause is followed by going on."""
    events: list[dict[str, object]] = []
    for at_s in np.sort(rng.uniform(from_s + 0.1, to_s - 0.1, rng.integers(1, 7))):
        if events and at_s - float(str(events[-1]["at_s"])) < 0.3:
            continue
        paused = bool(events) and events[-1]["action"] == "pause"
        action = "resume" if paused else str(rng.choice(["pause", "seek", "volume"]))
        value = {"seek": {"to_s": rng.uniform(0.0, 60.0)}, "volume": {"to_db": rng.uniform(-20.0, 12.0)}}
        events.append({"at_s": at_s, "action": action, **value.get(action, {})})
    return events
