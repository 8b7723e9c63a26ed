"""Complex baseband to and from SigMF, so that other tools open it too.

One recording is `NAME.sigmf-data` (samples, one interleaved channel a microphone) and `NAME.sigmf-meta`
(JSON). A gap in the stream or a new carrier starts a capture, whose `core:global_index` is the position in
the stream; labels and faults are annotations. What SigMF has no word for stands in the `noctule` namespace:

=====================  ==========  ====================================================================
`noctule:full_scale`   global      amplitude of ci16's 32768; sample·full_scale/32768 is full scale = 1
`noctule:kind`         annotation  "label" (somebody said so) or "fault" (`core:label` names the Fault)
`noctule:...`          global      details of the unit, as handed to the writer
=====================  ==========  ====================================================================

Specification: SigMF 1.2, https://sigmf.org.
"""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

from sigmf import keys
from sigmf.archivereader import SigMFArchiveReader
from sigmf.sigmffile import SigMFFile, dtype_info, get_sigmf_filenames
from sigmf.validate import jsonschema

from noctule.core.errors import NoctuleError
from noctule.core.frames import Fault
from noctule.core.units import LOWEST_PRIVATE_CARRIER_HZ

#: A slower rate cannot carry a hand's Doppler; faster than sound cards go is radio.
LOWEST_RATE_HZ, HIGHEST_CARRIER_HZ = 1000.0, 250000.0
MOST_CHANNELS = 64

EXTENSION = {"name": "noctule", "version": "1.0.0", "optional": True}
FULL_SCALE, KIND = "noctule:full_scale", "noctule:kind"
START, COUNT, LABEL = keys.SAMPLE_START_KEY, keys.SAMPLE_COUNT_KEY, keys.LABEL_KEY
NO_FAULT = Fault(0)


@dataclass(frozen=True, slots=True)
class Annotation:
    """What holds for a stretch of the file; `fault` is empty for a label."""

    start_sample: int
    sample_count: int
    label: str
    comment: str = ""
    fault: Fault = NO_FAULT


def refuse_audible_carrier(carrier_hz: float) -> None:
    """Raise NoctuleError where the band around the carrier would hold audible sound."""
    if not carrier_hz >= LOWEST_PRIVATE_CARRIER_HZ:
        raise NoctuleError(
            f"carrier {carrier_hz:g} Hz: around it lies audible sound, which is never recorded; "
            f"recordings need {LOWEST_PRIVATE_CARRIER_HZ:g} Hz or more"
        )


def replace_file(path: Path, text: str) -> None:
    """Write a whole text file, or leave the old one as it is."""
    new = path.with_name(f".{path.name}.new")
    try:
        with new.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # a rename without it may leave an empty file after a power cut
        new.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise NoctuleError(f"{path}: {said_by_system(error)}") from None


def said_by_system(error: OSError) -> str:
    """The system's words for what went wrong, to end a line with."""
    return (error.strerror or str(error)).lower()


def open_sigmf(path: Path) -> SigMFFile:
    """Open a pair or an uncompressed archive and check it against the schema, or say in one line why not."""
    with warnings.catch_warnings():  # what matters of them is checked by the reader, in our words
        warnings.simplefilter("ignore")
        return _opened(path)


def _opened(path: Path) -> SigMFFile:
    names = get_sigmf_filenames(path)
    try:
        if path.suffix == keys.SIGMF_ARCHIVE_EXT and path.is_file():
            return SigMFArchiveReader(str(path), skip_checksum=True).sigmffile
        return _open_pair(names["meta_fn"], names["data_fn"])
    except OSError as error:
        raise NoctuleError(f"{error.filename or path}: {said_by_system(error)}") from None
    except jsonschema.ValidationError as error:
        where = ".".join(str(part) for part in error.absolute_path)
        problem = error.message.splitlines()[0][:120]
        raise NoctuleError(f"{path}: not valid SigMF: {where}: {problem}") from None
    except NoctuleError:
        raise
    except Exception as error:  # the library has no one exception for a damaged file
        problem = (str(error).splitlines() or [""])[0][:120]
        raise NoctuleError(f"{path}: not a SigMF recording that can be read ({problem})") from None


def _open_pair(meta_path: Path, data_path: Path) -> SigMFFile:
    if not meta_path.is_file():
        if data_path.is_file():
            raise NoctuleError(f"{data_path}: {meta_path.name} is missing beside it")
        raise NoctuleError(f"{meta_path}: no such file")
    if not data_path.is_file():
        raise NoctuleError(f"{meta_path}: {data_path.name} is missing beside it")
    tree = json.loads(meta_path.read_text(encoding="utf-8"))
    if not isinstance(tree, dict):
        raise NoctuleError(f"{meta_path}: not SigMF: no JSON object")
    file = SigMFFile(metadata=tree)
    file.validate()
    if keys.DATASET_KEY in tree["global"]:
        raise NoctuleError(f"{meta_path}: describes a data file of another format; convert it first")
    frame_bytes = dtype_info(tree["global"][keys.DATATYPE_KEY])["sample_size"] * file.num_channels
    whole = data_path.stat().st_size // frame_bytes * frame_bytes  # the last sample may be cut
    if whole == 0:
        raise NoctuleError(f"{data_path}: holds no samples (zero length)")
    file.set_data_file(data_path, skip_checksum=True, size_bytes=whole)
    return file
