"""A SigMF recording as a stream of baseband blocks."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, reduce
from itertools import pairwise
from operator import or_
from pathlib import Path
from typing import Any

import numpy as np
from sigmf import hashing, keys
from sigmf.sigmffile import dtype_info

from noctule.core.errors import NoctuleError
from noctule.core.frames import BasebandBlock, Complex64Array, Fault
from noctule.dataset.recording import (
    COUNT,
    FULL_SCALE,
    HIGHEST_CARRIER_HZ,
    KIND,
    LABEL,
    LOWEST_RATE_HZ,
    MOST_CHANNELS,
    NO_FAULT,
    START,
    Annotation,
    open_sigmf,
)

#: Samples a block, as time.
BLOCK_S = 0.064


@dataclass(frozen=True, slots=True)
class _Capture:
    start_sample: int
    stream_sample: int
    carrier_hz: float


class BasebandReader:
    """A SigMF recording of complex baseband, as blocks, in flat memory.

    Takes `.sigmf-meta`, `.sigmf-data` or the uncompressed archive `.sigmf`. Blocks come out as they went
    into the writer, except for their length: stream positions, carriers and faults are the same.

    Attributes
    ----------
    sample_rate_hz, channels, carrier_hz : the carrier is that of the first capture.
    samples : whole samples in the data file.
    annotations : labels and faults, by their place in the file.
    started_at : wall time of the first sample, where known.
    metadata : the global part of the metadata.
    warning : one line where the data is not what was recorded, else None.

    Raises
    ------
    NoctuleError
        One line that names the file and what is wrong: half of the pair is missing, not SigMF, real
        instead of complex samples, no carrier, a rate below 1 kHz, no samples.
    """

    def __init__(
        self, path: str | Path, microphones: Sequence[int] | None = None, block_samples: int | None = None
    ) -> None:
        self.path = Path(path)
        self._file = open_sigmf(self.path)
        self.metadata: dict[str, Any] = dict(self._file.get_global_info())
        self.sample_rate_hz = float(self.metadata.get(keys.SAMPLE_RATE_KEY, 0.0))
        self.samples = int(self._file.sample_count)
        self._check()
        self._microphones = self._checked_microphones(microphones)
        self.channels = len(self._microphones)
        self._offset = int(self.metadata.get(keys.OFFSET_KEY, 0))
        self._captures = self._read_captures()
        self.carrier_hz = self._captures[0].carrier_hz
        self.annotations = tuple(self._read_annotation(one) for one in self._file.get_annotations())
        self.started_at = _as_time(self._file.get_captures()[0].get(keys.DATETIME_KEY))
        self._block_samples = block_samples or max(1, int(BLOCK_S * self.sample_rate_hz))
        self._full_scale = self._read_full_scale()

    @property
    def duration_s(self) -> float:
        return self.samples / self.sample_rate_hz

    def blocks(self) -> Iterator[BasebandBlock]:
        """Blocks from the start; each call starts anew. No block straddles a gap or the edge of a fault."""
        starts = [capture.start_sample for capture in self._captures]
        for start, end, faults in self._stretches(starts):
            capture = self._captures[max(0, bisect_right(starts, start) - 1)]
            for at in range(start, end, self._block_samples):
                yield BasebandBlock(
                    self._read(at, min(self._block_samples, end - at)),
                    self.sample_rate_hz,
                    capture.carrier_hz,
                    capture.stream_sample + at - capture.start_sample,
                    faults,
                )

    def _stretches(self, capture_starts: list[int]) -> Iterator[tuple[int, int, Fault]]:
        """Start, end and faults of each stretch inside which nothing changes."""
        changes: defaultdict[int, Counter[Fault]] = defaultdict(Counter)
        for start in (0, self.samples, *capture_starts):
            changes[start].update()
        for one in self.annotations:
            if one.fault:
                changes[one.start_sample][one.fault] += 1
                changes[one.start_sample + one.sample_count][one.fault] -= 1
        held: Counter[Fault] = Counter()
        for start, end in pairwise(sorted(changes)):
            for fault, change in changes[start].items():
                held[fault] += change
            if 0 <= start < self.samples:
                yield start, min(end, self.samples), _together(fault for fault in held if held[fault] > 0)

    def _read(self, start: int, count: int) -> Complex64Array:
        samples = self._file.read_samples(start, count).reshape(count, -1)[:, self._microphones]
        if self._full_scale != 1.0:
            samples = samples * np.float32(self._full_scale)
        return np.ascontiguousarray(samples, np.complex64)

    def _check(self) -> None:
        datatype = self.metadata[keys.DATATYPE_KEY]
        if not datatype.startswith("c"):
            raise NoctuleError(f"{self.path}: holds real samples ({datatype}), not complex baseband")
        if not self.sample_rate_hz >= LOWEST_RATE_HZ:
            raise NoctuleError(
                f"{self.path}: a baseband rate of {self.sample_rate_hz:g} Hz; "
                f"motion needs {LOWEST_RATE_HZ:g} Hz or more"
            )
        if self.samples == 0:
            raise NoctuleError(f"{self.path}: holds no samples (zero length)")

    def _checked_microphones(self, chosen: Sequence[int] | None) -> list[int]:
        channels = int(self.metadata.get(keys.NUM_CHANNELS_KEY, 1))
        if channels > MOST_CHANNELS:
            raise NoctuleError(f"{self.path}: {channels} channels: more than {MOST_CHANNELS}")
        if chosen is None:
            return list(range(channels))
        for one in chosen:
            if not 0 <= one < channels:
                raise NoctuleError(f"{self.path}: there is no microphone {one}; it has 0 to {channels - 1}")
        if not chosen or len(set(chosen)) != len(chosen):
            raise NoctuleError(f"{self.path}: choose each microphone once, and at least one")
        return list(chosen)

    def _read_full_scale(self) -> float:
        full_scale = self.metadata.get(FULL_SCALE, 1.0)
        if not isinstance(full_scale, int | float) or not 0 < full_scale < 1e6:
            raise NoctuleError(f"{self.path}: {FULL_SCALE} is {full_scale!r}, not an amplitude")
        fixed_point = dtype_info(self.metadata[keys.DATATYPE_KEY])["is_fixedpoint"]
        return float(full_scale) if fixed_point else 1.0

    def _read_captures(self) -> list[_Capture]:
        found = []
        for capture in self._file.get_captures():
            start = capture[START] - self._offset
            carrier_hz = capture.get(keys.FREQUENCY_KEY)
            if carrier_hz is None:
                break
            if not 0 < carrier_hz <= HIGHEST_CARRIER_HZ:
                raise NoctuleError(f"{self.path}: a carrier of {carrier_hz:g} Hz is no sound")
            found.append(_Capture(start, capture.get(keys.GLOBAL_INDEX_KEY, start), float(carrier_hz)))
        if len(found) != len(self._file.get_captures()) or not found:
            raise NoctuleError(f"{self.path}: does not say its carrier (core:frequency)")
        return found

    def _read_annotation(self, entry: Mapping[str, Any]) -> Annotation:
        start = entry[START] - self._offset
        name = str(entry.get(LABEL, ""))
        fault = Fault(0)
        if entry.get(KIND) == "fault" and name.upper() in Fault.__members__:
            fault = Fault[name.upper()]
        count = entry.get(COUNT, max(0, self.samples - start))  # none: it goes on to the end
        return Annotation(start, count, name, str(entry.get(keys.COMMENT_KEY, "")), fault)

    @cached_property
    def warning(self) -> str | None:
        expected = self.metadata.get(keys.SHA512_KEY)
        if expected is None:
            return None
        in_archive = self._file.data_file.suffix == keys.SIGMF_ARCHIVE_EXT
        size = self._file.data_size_bytes if in_archive else None
        found = hashing.calculate_sha512(self._file.data_file, offset=self._file.data_offset, size=size)
        if found == expected:
            return None
        return f"{self.path}: cut short or changed since it was recorded (its checksum differs)"


def _together(faults: Iterable[Fault]) -> Fault:
    return reduce(or_, faults, NO_FAULT)


def _as_time(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:  # SigMF allows forms of ISO 8601 that nobody uses
        return None
