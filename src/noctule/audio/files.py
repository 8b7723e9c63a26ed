"""Sound files as a stream of blocks: WAV, FLAC and whatever else libsndfile reads.

Nothing but one block is ever in memory. What cannot be used is refused in one line that names the file and
the problem; what is damaged but still holds sound is delivered and says so in `warning`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile

from noctule.core.errors import NoctuleError
from noctule.core.frames import AudioBlock, Float32Array

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 44100, 500000
#: More is a damaged header (libsndfile takes 1024), and would be 100 MB a second.
MOST_CHANNELS = 64
#: Long blocks are cheap to process, short ones place faults well.
BLOCK_S = 0.064
#: What libsndfile gives for a stream whose header does not say how long it is.
UNKNOWN_SAMPLES = 2**63 - 1

# libsndfile mends sizes that reach past the end of the file, and says so in its log only
_PROMISED_AND_FOUND = re.compile(
    r"(?:RIFF|RIFX|riff|Riff size|FORM|data|SSND|Data Size)\s*:\s*(\d+) \(should be (\d+)\)"
)


class AudioFileSource:
    """A sound file that gives its blocks as often as it is asked (an `AudioSource`).

    Samples are delivered as they are: NaN and infinity stay in (dsp flags them), nothing is scaled,
    mixed or resampled.

    Attributes
    ----------
    sample_rate_hz : 44.1 to 500 kHz.
    channels : microphones delivered, after the selection.
    samples : length by the header, in samples a channel; None where the header does not say.
    truncated : the header promises more than there is. Some formats tell only when the end is
        reached, so ask again after the last block.
    """

    def __init__(
        self, path: Path, microphones: Sequence[int] | None = None, block_samples: int | None = None
    ) -> None:
        self.path = path
        with _opened(path) as sound:
            _check_format(path, sound)
            self.sample_rate_hz = float(sound.samplerate)
            self.samples = sound.frames if sound.frames < UNKNOWN_SAMPLES else None
            self.truncated = _cut_short(sound.extra_info)
            channels_in_file = sound.channels
        self._microphones = _checked_microphones(path, microphones, channels_in_file)
        self.channels = len(self._microphones)
        self._all = self._microphones == list(range(channels_in_file))
        self._block_samples = block_samples or int(BLOCK_S * self.sample_rate_hz)

    @property
    def warning(self) -> str | None:
        """One line about a damaged file that could be used all the same."""
        if not self.truncated:
            return None
        return f"{self.path}: cut short or damaged: its header promises more; used what can be read"

    def blocks(self) -> Iterator[AudioBlock]:
        """Blocks from the start of the file; each call starts anew.

        Raises
        ------
        NoctuleError
            The file changed, or not one sample can be decoded.
        """
        position = 0
        with _opened(self.path) as sound:
            while len(samples := self._read(sound)):
                if not self._all:
                    samples = np.ascontiguousarray(samples[:, self._microphones])
                yield AudioBlock(samples, self.sample_rate_hz, position)
                position += len(samples)
        if position == 0:
            raise NoctuleError(f"{self.path}: no sample can be decoded: damaged")
        self.truncated |= self.samples is not None and position < self.samples

    def _read(self, sound: soundfile.SoundFile) -> Float32Array:
        try:
            samples = sound.read(self._block_samples, dtype="float32", always_2d=True)
        except (
            soundfile.LibsndfileError
        ):  # a FLAC that stops in mid-frame; the header tells if it was the end
            return np.zeros((0, sound.channels), np.float32)
        return np.asarray(samples, np.float32)


def open_audio_file(
    path: str | Path, microphones: Sequence[int] | None = None, block_samples: int | None = None
) -> AudioFileSource:
    """Open a sound file of any format libsndfile knows and any channel count.

    Parameters
    ----------
    microphones : channels to deliver, counted from 0, in this order; None takes all.
    block_samples : samples a block; None takes 64 ms.

    Raises
    ------
    NoctuleError
        One line that names the file and what is wrong with it: missing, a directory, unreadable,
        empty, not sound, an absurd header, a rate that carries no ultrasound, a microphone it has not.
    """
    return AudioFileSource(Path(path), microphones, block_samples)


def _opened(path: Path) -> soundfile.SoundFile:
    try:
        if path.is_dir():
            raise NoctuleError(f"{path}: is a directory, not a sound file")
        if path.exists() and not path.is_file():  # opening a pipe would wait for ever
            raise NoctuleError(f"{path}: is not a regular file")
        with path.open("rb") as raw:
            if not raw.read(1):
                raise NoctuleError(f"{path}: is empty (0 bytes)")
    except OSError as error:
        raise NoctuleError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    try:
        return soundfile.SoundFile(str(path))
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip().rstrip(".").lower()
        raise NoctuleError(f"{path}: not a sound file that can be read ({reason})") from None
    except TypeError:  # headerless formats go by their name alone
        raise NoctuleError(f"{path}: raw samples without a header; convert to WAV or FLAC") from None


def _check_format(path: Path, sound: soundfile.SoundFile) -> None:
    rate_hz = sound.samplerate
    if not 0 < rate_hz <= HIGHEST_RATE_HZ:
        raise NoctuleError(f"{path}: a sample rate of {rate_hz} Hz: damaged header, or above 500 kHz")
    if not 0 < sound.channels <= MOST_CHANNELS:
        raise NoctuleError(f"{path}: {sound.channels} channels: damaged header, or above {MOST_CHANNELS}")
    if rate_hz < LOWEST_RATE_HZ:
        raise NoctuleError(
            f"{path}: {rate_hz / 1000:g} kHz: carries nothing above {rate_hz / 2000:g} kHz; "
            f"noctule needs {LOWEST_RATE_HZ / 1000:g} kHz or more"
        )
    if sound.frames <= 0:
        raise NoctuleError(f"{path}: holds no samples (zero length)")


def _cut_short(log: str) -> bool:
    for promised, found in _PROMISED_AND_FOUND.findall(log):
        # recorders that write into a pipe put 0xffffffff, 0x7fffffff or a little less: no promise
        placeholder = int(promised) & 0x7FFFF000 == 0x7FFFF000
        if int(promised) > int(found) + 8 and not placeholder:  # some count their header in
            return True
    return False


def _checked_microphones(path: Path, chosen: Sequence[int] | None, channels: int) -> list[int]:
    if chosen is None:
        return list(range(channels))
    for one in chosen:
        if not 0 <= one < channels:
            raise NoctuleError(f"{path}: there is no microphone {one}; it has 0 to {channels - 1}")
    if not chosen or len(set(chosen)) != len(chosen):
        raise NoctuleError(f"{path}: choose each microphone once, and at least one")
    return list(chosen)
