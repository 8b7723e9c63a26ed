"""What the sensor saw around an event: features, a byte a cell, and on request the complex baseband.

A capture is `NAME.npz`, and `NAME.sigmf-data` with `NAME.sigmf-meta` where the baseband is kept; events that
come close together share one. Around a carrier that is too low to keep speech out nothing is kept.
"""

from __future__ import annotations

import contextlib
import json
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from noctule.core.errors import NoctuleError
from noctule.core.files import written_whole
from noctule.core.frames import BasebandBlock, FeatureBlock
from noctule.core.power import encode_power
from noctule.core.settings import StoreSettings
from noctule.core.units import LOWEST_PRIVATE_CARRIER_HZ
from noctule.service.clock import iso_of_ms

FORMAT = "noctule-capture-1"
#: Captures that wait to be written: more only happens where the disk hangs.
MOST_WAITING = 8
#: Blocks remembered at most, whatever the clock of the stream does; a block is a frame or less.
MOST_BLOCKS = 8192

#: Of the files of one capture; a name has no dot.
_ENDS = (".npz", ".npz.part", ".sigmf-data", ".sigmf-meta")

_POWERS = ("log_power_db", "clean_power_db", "fresh_power_db")
_BESIDE = ("broadband_db", "removed_db", "carrier_level_dbfs", "carrier_snr_db")


@dataclass(frozen=True)
class Capture:
    """Features around an event.

    log, clean, fresh : (frames, bins) uint8, powers of `FeatureBlock`; `core.power.decode_power` gives dB.
    broadband_db, removed_db, carrier_level_dbfs, carrier_snr_db : (frames,) float32.
    time_s : (frames,) float64, stream time.
    faults : (frames,) int64, bits of `Fault`.
    velocity_mps : (bins,) float32. valid_bins : (bins,) bool.
    about : when and at which carrier, as JSON carries it.
    """

    log: npt.NDArray[np.uint8]
    clean: npt.NDArray[np.uint8]
    fresh: npt.NDArray[np.uint8]
    broadband_db: npt.NDArray[np.float32]
    removed_db: npt.NDArray[np.float32]
    carrier_level_dbfs: npt.NDArray[np.float32]
    carrier_snr_db: npt.NDArray[np.float32]
    time_s: npt.NDArray[np.float64]
    faults: npt.NDArray[np.int64]
    velocity_mps: npt.NDArray[np.float32]
    valid_bins: npt.NDArray[np.bool_]
    about: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Wanted:
    name: str
    time_s: float
    at_ms: int


@dataclass(frozen=True, slots=True)
class _Due:
    wanted: _Wanted
    features: list[FeatureBlock]
    baseband: list[BasebandBlock]


class Captures:
    """Remembers the last seconds, and writes those around an event.

    `see`, `hear` and `want` belong to the thread that senses and only keep references; `write` and `trim`
    belong to the thread that writes.

    Parameters
    ----------
    folder : made where it is missing.
    warn : one line for people where a capture could not be written.
    """

    def __init__(
        self, settings: StoreSettings, folder: Path, warn: Callable[[str], None] = lambda line: None
    ) -> None:
        self.folder = folder
        self.missed = 0  # captures that could not be kept
        self._settings, self._warn = settings, warn
        self._features: deque[FeatureBlock] = deque(maxlen=MOST_BLOCKS)
        self._baseband: deque[BasebandBlock] = deque(maxlen=MOST_BLOCKS)
        self._wanted: _Wanted | None = None
        self._due: deque[_Due] = deque(maxlen=MOST_WAITING)
        self._now_s = float("-inf")
        self._failing = False

    def see(self, block: FeatureBlock) -> None:
        """Features as they are made."""
        if not self._settings.captures_mb or not len(block):
            return
        time_s = float(block.time_s[-1])
        other = bool(self._features) and block.carrier_hz != self._features[-1].carrier_hz
        # before anything is let go: after a silence of the tone the next block may come much later
        if self._wanted and time_s > self._wanted.time_s + self._settings.capture_after_s:
            self.flush()
        if other or time_s < self._now_s:
            self.flush()
            self._features.clear()
            self._baseband.clear()
        self._now_s = time_s
        self._features.append(block)
        oldest_s = time_s - self._settings.capture_before_s - self._settings.capture_after_s
        while self._features[0].time_s[-1] < oldest_s:
            self._features.popleft()
        while self._baseband and _end_s(self._baseband[0]) < oldest_s:
            self._baseband.popleft()

    def hear(self, block: BasebandBlock) -> None:
        """Baseband as it is made; ignored where the settings do not want it."""
        if self._settings.captures_mb and self._settings.capture_baseband:
            self._baseband.append(block)

    def want(self, time_s: float, at_ms: int) -> str | None:
        """Keep what is around a moment of the stream, and give the capture's name; None: nothing is kept."""
        if not self._features or self._features[-1].carrier_hz < LOWEST_PRIVATE_CARRIER_HZ:
            return None
        if self._wanted is None:
            stamp = datetime.fromtimestamp(at_ms / 1000.0, UTC).strftime("%Y%m%dT%H%M%S")
            # the stream time tells apart what a clock that was set back makes alike
            self._wanted = _Wanted(f"{stamp}-{round(time_s * 1000):09d}", time_s, at_ms)
        return self._wanted.name

    def flush(self) -> None:
        """What is wanted is complete, or as complete as it gets."""
        if self._wanted is None:
            return
        if len(self._due) == MOST_WAITING:
            self.missed += 1
        self._due.append(_Due(self._wanted, list(self._features), list(self._baseband)))
        self._wanted = None

    def write(self) -> None:
        """Write what is due. What cannot be written is counted and given up: an event is worth more."""
        while self._due:
            due = self._due.popleft()
            try:
                self._write(due)
            except (OSError, NoctuleError) as error:
                self.missed += 1
                self._remove(due.wanted.name)
                if not self._failing:
                    self._warn(f"captures cannot be written: {str(error).lower()}")
                self._failing = True
            else:
                self._failing = False

    def _write(self, due: _Due) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_features(self.folder / f"{due.wanted.name}.npz", due)
        if due.baseband:
            _write_baseband(self.folder / due.wanted.name, due)

    def trim(self, labelled: Iterable[str] = ()) -> None:
        """Remove the oldest above `captures_mb`; those with a label, which somebody looked at, go last."""
        kept = set(labelled)
        sizes: dict[str, int] = {}
        for file in self.folder.glob("*"):
            with contextlib.suppress(OSError):
                name = file.name.partition(".")[0]
                sizes[name] = sizes.get(name, 0) + file.stat().st_size
        left = sum(sizes.values()) - self._settings.captures_mb * 1e6
        for name in sorted(sizes, key=lambda name: (name in kept, name)):
            if left <= 0.0:
                return
            left -= sizes[name]
            self._remove(name)

    def _remove(self, name: str) -> None:
        for end in _ENDS:
            with contextlib.suppress(OSError):
                (self.folder / (name + end)).unlink(missing_ok=True)

    def path_of(self, name: str) -> Path | None:
        """Where the features of a capture are; None: they were never written, or are gone by now."""
        path = self.folder / f"{name}.npz"
        return path if path.parent == self.folder and path.is_file() else None


def read_capture(path: Path) -> Capture:
    """A capture from its file.

    Raises
    ------
    NoctuleError
        One line: it is missing, cut short, or no capture.
    """
    try:
        with np.load(path) as file:
            about = json.loads(str(file["about"]))
            if about["format"] != FORMAT:
                raise NoctuleError(f"{path}: made by another version ({about['format']})")
            arrays = {one.name: file[one.name] for one in fields(Capture) if one.name != "about"}
    except OSError as error:
        raise NoctuleError(f"{path}: {(error.strerror or 'cannot be read').lower()}") from None
    except (KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error):
        raise NoctuleError(f"{path}: no capture, or damaged") from None
    return Capture(**arrays, about=about)


def _end_s(block: BasebandBlock) -> float:
    return (block.first_sample + len(block.samples)) / block.sample_rate_hz


def _write_features(path: Path, due: _Due) -> None:
    """Under another name until it is whole: half a capture must not pass for one."""
    first, wanted = due.features[0], due.wanted
    about = {
        "format": FORMAT,
        "event": iso_of_ms(wanted.at_ms),
        "event_s": wanted.time_s,
        "carrier_hz": first.carrier_hz,
    }
    arrays: dict[str, Any] = {
        name.removesuffix("_power_db"): encode_power(_joined(due.features, name)) for name in _POWERS
    }
    arrays |= {name: _joined(due.features, name) for name in (*_BESIDE, "time_s", "faults")}
    arrays |= {"velocity_mps": first.velocity_mps, "valid_bins": first.valid_bins}
    with written_whole(path) as file:
        np.savez_compressed(file, **arrays, about=np.array(json.dumps(about)))


def _joined(blocks: list[FeatureBlock], name: str) -> npt.NDArray[Any]:
    return np.concatenate([getattr(block, name) for block in blocks])


def _write_baseband(path: Path, due: _Due) -> None:
    from noctule.dataset import BasebandWriter  # loads the SigMF library, which most sensors never need

    first, wanted = due.baseband[0], due.wanted
    with BasebandWriter(
        path,
        sample_rate_hz=first.sample_rate_hz,
        carrier_hz=first.carrier_hz,
        channels=first.samples.shape[1],
        sample_format="ci16",
        started_at=datetime.fromtimestamp(wanted.at_ms / 1000.0 - wanted.time_s, UTC),
        details={"event_s": wanted.time_s},
        overwrite=True,
    ) as writer:
        for block in due.baseband:
            writer.write(block)
