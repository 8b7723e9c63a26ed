"""Baseband to disk, block by block."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import sigmf
from sigmf import keys
from sigmf.sigmffile import get_sigmf_filenames

from noctule import __version__
from noctule.core.errors import NoctuleError
from noctule.core.frames import BasebandBlock, Complex64Array, Fault
from noctule.dataset.recording import (
    COUNT,
    EXTENSION,
    FULL_SCALE,
    KIND,
    LABEL,
    START,
    refuse_audible_carrier,
    replace_file,
    said_by_system,
)

SampleFormat = Literal["cf32", "ci16"]


class BasebandWriter:
    """Streams baseband to disk; what was written opens even after `kill -9`.

    Samples go to disk block by block. The metadata is there from the start and replaced as a whole, at most
    once a second; what is still going on (a label, a fault) has no length until its end is known, which
    in SigMF means to the end. The checksum comes with `close`.

    Parameters
    ----------
    path : with or without a SigMF ending.
    sample_rate_hz, carrier_hz, channels : of the blocks that will come.
    sample_format : "cf32" keeps every bit; "ci16" takes half the space, with a noise floor of
        -101 dB below `full_scale` in each of re and im; beyond full scale it clips and says so.
    full_scale : amplitude that ci16 still holds.
    started_at : wall time of stream sample 0, with time zone.
    details : further global facts, stored as `noctule:<key>`.

    Raises
    ------
    NoctuleError
        It exists already, the place cannot be written, the carrier is too low to keep speech out.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        sample_rate_hz: float,
        carrier_hz: float,
        channels: int,
        sample_format: SampleFormat = "cf32",
        full_scale: float = 1.0,
        started_at: datetime | None = None,
        description: str = "",
        hardware: str = "",
        details: Mapping[str, Any] | None = None,
        overwrite: bool = False,
    ) -> None:
        refuse_audible_carrier(carrier_hz)
        self.sample_rate_hz, self.carrier_hz, self.channels = sample_rate_hz, carrier_hz, channels
        self.samples_written = 0
        self._format, self._full_scale, self._started_at = sample_format, full_scale, started_at
        self._frame_bytes = channels * (8 if sample_format == "cf32" else 4)
        self._global: dict[str, Any] = {
            keys.DATATYPE_KEY: f"{sample_format}_le",
            keys.SAMPLE_RATE_KEY: sample_rate_hz,
            keys.NUM_CHANNELS_KEY: channels,
            keys.VERSION_KEY: sigmf.__specification__,
            keys.RECORDER_KEY: f"noctule {__version__}",
            keys.EXTENSIONS_KEY: [EXTENSION],
            FULL_SCALE: full_scale if sample_format == "ci16" else 1.0,
            **{f"noctule:{key}": value for key, value in (details or {}).items()},
        }
        for key, text in ((keys.DESCRIPTION_KEY, description), (keys.HW_KEY, hardware)):
            if text:
                self._global[key] = text
        self._captures: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []
        self._going_on: dict[Fault, dict[str, Any]] = {}
        self._next_sample: int | None = None
        self._hash = hashlib.sha512()
        self._meta_due_sample, self._meta_text = 0, ""
        names = get_sigmf_filenames(path)
        self.data_path: Path = names["data_fn"]
        self.meta_path: Path = names["meta_fn"]
        self._data = self._create(overwrite)
        self._start_capture(carrier_hz, 0)
        try:
            self._write_meta()
        except NoctuleError:
            self._data.close()
            self.data_path.unlink(missing_ok=True)
            raise

    @property
    def duration_s(self) -> float:
        return self.samples_written / self.sample_rate_hz

    def _create(self, overwrite: bool) -> io.FileIO:
        if not overwrite:
            refuse_existing(self.data_path)
        try:
            self.meta_path.unlink(missing_ok=True)  # an old one must never describe new samples
            return io.FileIO(str(self.data_path), "wb" if overwrite else "xb")
        except OSError as error:
            raise NoctuleError(f"{self.data_path}: {said_by_system(error)}") from None

    def write(self, block: BasebandBlock) -> None:
        """Append a block `(samples, channels)`; an empty one is nothing.

        Raises
        ------
        NoctuleError
            The disk is full, or rate or channels changed. What was written before stays valid.
        """
        if block.samples.shape[1] != self.channels or block.sample_rate_hz != self.sample_rate_hz:
            raise NoctuleError(
                f"{self.data_path}: baseband changed from {self.channels} channels at "
                f"{self.sample_rate_hz:g} Hz to {block.samples.shape[1]} at {block.sample_rate_hz:g} Hz"
            )
        if not len(block.samples):
            return
        refuse_audible_carrier(block.carrier_hz)
        raw, faults = self._encode(block.samples)
        if block.first_sample != self._next_sample or block.carrier_hz != self.carrier_hz:
            self._start_capture(block.carrier_hz, block.first_sample)
        self._mark_faults(block.faults | faults)
        self._append(raw)
        self.samples_written += len(block.samples)
        self._next_sample = block.first_sample + len(block.samples)
        if self.samples_written >= self._meta_due_sample:
            self._write_meta()

    def annotate(
        self, label: str, start_sample: int = 0, sample_count: int | None = None, comment: str = ""
    ) -> None:
        """Label a stretch of the file, counted in its samples; no count means to the end."""
        self._annotate(label, "label", start_sample, sample_count, comment)
        self._write_meta()

    def close(self) -> None:
        """Write the final metadata, with checksum; nothing stays of an empty recording."""
        if self._data.closed:
            return
        self._data.close()
        if not self.samples_written:
            self.data_path.unlink(missing_ok=True)
            self.meta_path.unlink(missing_ok=True)
            return
        for annotation in self._annotations:
            annotation.setdefault(COUNT, self.samples_written - annotation[START])
        self._global[keys.SHA512_KEY] = self._hash.hexdigest()
        self._write_meta()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _encode(self, samples: Complex64Array) -> tuple[bytes, Fault]:
        whole = np.ascontiguousarray(samples, dtype="<c8")
        if self._format == "cf32":
            return whole.tobytes(), Fault(0)
        faults = Fault(0)
        scaled = whole.view("<f4") * np.float32(32768.0 / self._full_scale)
        if not np.isfinite(scaled).all():
            faults |= Fault.BAD_SAMPLES  # integers have no NaN: the annotation keeps it visible
            scaled = np.nan_to_num(scaled, nan=0.0)
        rounded = np.rint(scaled)
        if np.abs(rounded).max() > 32767.5:
            faults |= Fault.CLIPPED
        return np.clip(rounded, -32768, 32767).astype("<i2").tobytes(), faults

    def _append(self, raw: bytes) -> None:
        left = memoryview(raw)
        try:
            while left:  # a full disk first takes a part
                left = left[self._data.write(left) :]
        except OSError as error:
            with contextlib.suppress(OSError):  # a sample cut in two would only be ignored by readers
                self._data.truncate(self.samples_written * self._frame_bytes)
            with contextlib.suppress(NoctuleError):  # no room for the final metadata: the last one stands
                self.close()
            raise NoctuleError(
                f"{self.data_path}: {said_by_system(error)}; the first {self.duration_s:.1f} s are saved"
            ) from None
        self._hash.update(raw)

    def _start_capture(self, carrier_hz: float, first_sample: int) -> None:
        if self._captures and self._captures[-1][START] == self.samples_written:
            self._captures.pop()  # it has no samples
        capture: dict[str, Any] = {
            START: self.samples_written,
            keys.FREQUENCY_KEY: carrier_hz,
            keys.GLOBAL_INDEX_KEY: first_sample,
        }
        if self._started_at is not None:
            at = datetime.fromtimestamp(
                self._started_at.timestamp() + first_sample / self.sample_rate_hz, UTC
            )
            capture[keys.DATETIME_KEY] = at.isoformat(timespec="microseconds").replace("+00:00", "Z")
        self._captures.append(capture)
        self.carrier_hz = carrier_hz

    def _mark_faults(self, faults: Fault) -> None:
        for one in Fault:
            if one in faults and one not in self._going_on:
                self._going_on[one] = self._annotate(str(one.name).lower(), "fault", self.samples_written)
            elif one not in faults and one in self._going_on:
                annotation = self._going_on.pop(one)
                annotation[COUNT] = self.samples_written - annotation[START]

    def _annotate(
        self, label: str, kind: str, start_sample: int, sample_count: int | None = None, comment: str = ""
    ) -> dict[str, Any]:
        annotation: dict[str, Any] = {START: start_sample, LABEL: label, KIND: kind}
        if sample_count is not None:
            annotation[COUNT] = sample_count
        if comment:
            annotation[keys.COMMENT_KEY] = comment
        self._annotations.append(annotation)
        return annotation

    def _write_meta(self) -> None:
        # a second, and longer once a flapping fault has left thousands of annotations
        pause_s = 1.0 + 0.01 * (len(self._annotations) + len(self._captures))
        self._meta_due_sample = self.samples_written + int(pause_s * self.sample_rate_hz)
        tree = {
            "global": self._global,
            "captures": self._captures,
            "annotations": sorted(self._annotations, key=lambda annotation: int(annotation[START])),
        }
        text = json.dumps(tree, indent=2) + "\n"
        if text != self._meta_text:
            replace_file(self.meta_path, text)
            self._meta_text = text


def refuse_existing(path: str | Path) -> None:
    """Raise NoctuleError where a recording of this name, or half of one, is already there."""
    names = get_sigmf_filenames(path)
    for one in (names["meta_fn"], names["data_fn"]):
        if one.exists():
            raise NoctuleError(f"{one}: exists already; choose another name or replace it (--force)")
