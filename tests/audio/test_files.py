"""Sound files: what comes out is what is in, in flat memory, and damage is said in one line."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from noctule.audio.files import AudioFileSource, open_audio_file
from noctule.core.errors import NoctuleError
from noctule.core.protocols import AudioSource

FORMATS = [
    ("a.wav", "WAV", "PCM_16"),
    ("a.wav", "WAV", "PCM_24"),
    ("a.wav", "WAV", "FLOAT"),
    ("a.wav", "WAVEX", "PCM_16"),
    ("a.flac", "FLAC", "PCM_16"),
    ("a.aiff", "AIFF", "PCM_16"),
    ("a.w64", "W64", "PCM_16"),
    ("a.rf64", "RF64", "PCM_16"),
]


@pytest.fixture
def sound(rng: np.random.Generator) -> np.ndarray:
    """0.2 s, 3 channels, values that 16 bits hold exactly."""
    return (rng.integers(-20000, 20000, (19200, 3)) / 32768.0).astype(np.float32)


def joined(source: AudioFileSource) -> np.ndarray:
    return np.concatenate([block.samples for block in source.blocks()])


def one_line(path: Path, **options: object) -> str:
    with pytest.raises(NoctuleError) as caught:
        list(open_audio_file(path, **options).blocks())  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message


@pytest.mark.parametrize(("name", "container", "subtype"), FORMATS)
def test_gives_the_samples_of_the_file(
    tmp_path: Path, sound: np.ndarray, name: str, container: str, subtype: str
) -> None:
    soundfile.write(tmp_path / name, sound, 96000, format=container, subtype=subtype)
    source = open_audio_file(tmp_path / name)
    assert isinstance(source, AudioSource)
    assert (source.sample_rate_hz, source.channels, source.samples) == (96000.0, 3, 19200)
    np.testing.assert_array_equal(joined(source), sound)
    assert not source.truncated
    assert source.warning is None


@pytest.mark.parametrize("block_samples", [1777, 4096, 19200, 50000])
def test_blocks_follow_each_other_without_gap_and_start_anew(
    tmp_path: Path, sound: np.ndarray, block_samples: int
) -> None:
    soundfile.write(tmp_path / "a.flac", sound, 96000)
    source = open_audio_file(tmp_path / "a.flac", block_samples=block_samples)
    for _ in range(2):
        expected = 0
        for block in source.blocks():
            assert block.first_sample == expected
            assert block.samples.dtype == np.float32
            assert block.samples.flags.c_contiguous
            assert len(block.samples) == min(block_samples, 19200 - expected)
            expected += len(block.samples)
        assert expected == 19200


def test_block_stays_unchanged_while_the_next_is_read(tmp_path: Path, sound: np.ndarray) -> None:
    soundfile.write(tmp_path / "a.wav", sound, 96000)
    blocks = open_audio_file(tmp_path / "a.wav", block_samples=1000).blocks()
    first = next(blocks).samples
    before = first.copy()
    next(blocks)
    np.testing.assert_array_equal(first, before)


def test_chooses_microphones_in_the_order_asked_for(tmp_path: Path, sound: np.ndarray) -> None:
    soundfile.write(tmp_path / "a.wav", sound, 96000)
    source = open_audio_file(tmp_path / "a.wav", microphones=[2, 0])
    assert source.channels == 2
    np.testing.assert_array_equal(joined(source), sound[:, [2, 0]])


@pytest.mark.parametrize(
    ("chosen", "problem"), [([3], "no microphone 3"), ([-1], "-1"), ([1, 1], "once"), ([], "one")]
)
def test_refuses_microphones_it_has_not(
    tmp_path: Path, sound: np.ndarray, chosen: list[int], problem: str
) -> None:
    soundfile.write(tmp_path / "a.wav", sound, 96000)
    assert problem in one_line(tmp_path / "a.wav", microphones=chosen)


@pytest.mark.parametrize("rate_hz", [44100, 48000, 192000, 250000, 384000, 500000])
def test_takes_every_rate_that_carries_ultrasound(tmp_path: Path, sound: np.ndarray, rate_hz: int) -> None:
    soundfile.write(tmp_path / "a.wav", sound, rate_hz)
    source = open_audio_file(tmp_path / "a.wav")
    assert source.sample_rate_hz == rate_hz
    assert len(joined(source)) == len(sound)


def test_refuses_rates_beside_both_limits(tmp_path: Path, sound: np.ndarray) -> None:
    soundfile.write(tmp_path / "low.wav", sound, 8000)
    assert one_line(tmp_path / "low.wav").endswith(
        "8 kHz: carries nothing above 4 kHz; noctule needs 44.1 kHz or more"
    )
    soundfile.write(tmp_path / "just.wav", sound, 44099)
    assert "44.099 kHz" in one_line(tmp_path / "just.wav")
    soundfile.write(tmp_path / "high.wav", sound, 500001)
    assert "500001 Hz" in one_line(tmp_path / "high.wav")


def test_refuses_what_is_no_sound_file(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("this is a letter, not a recording\n" * 50)
    (tmp_path / "noise.raw").write_bytes(os.urandom(4000))
    os.mkfifo(tmp_path / "pipe.wav")
    assert "no such file" in one_line(tmp_path / "missing.wav")
    assert "directory" in one_line(tmp_path)
    assert "empty (0 bytes)" in one_line(tmp_path / "empty.wav")
    assert "not a sound file" in one_line(tmp_path / "text.wav")
    assert "header" in one_line(tmp_path / "noise.raw")
    assert "regular file" in one_line(tmp_path / "pipe.wav")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_refuses_a_file_it_may_not_read(tmp_path: Path, sound: np.ndarray) -> None:
    soundfile.write(tmp_path / "a.wav", sound, 96000)
    (tmp_path / "a.wav").chmod(0)
    assert "permission denied" in one_line(tmp_path / "a.wav")


def test_refuses_zero_length(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((0, 2)), 96000)
    assert "no samples" in one_line(tmp_path / "a.wav")


# offset in a canonical 44-byte WAV header, struct format, value
ABSURD = {
    "0 channels": (22, "<H", 0),
    "1000 channels": (22, "<H", 1000),
    "65535 channels": (22, "<H", 65535),
    "0 Hz": (24, "<I", 0),
    "2^31 Hz": (24, "<I", 2**31),
    "2^31-1 Hz": (24, "<I", 2**31 - 1),
    "0 bits": (34, "<H", 0),
    "65535 bits": (34, "<H", 65535),
}


@pytest.mark.parametrize("what", ABSURD)
def test_refuses_absurd_headers(tmp_path: Path, sound: np.ndarray, what: str) -> None:
    soundfile.write(tmp_path / "a.wav", sound, 96000, subtype="PCM_16")
    offset, layout, value = ABSURD[what]
    raw = bytearray((tmp_path / "a.wav").read_bytes())
    struct.pack_into(layout, raw, offset, value)
    (tmp_path / "a.wav").write_bytes(raw)
    one_line(tmp_path / "a.wav")


@pytest.mark.parametrize(("name", "container", "subtype"), FORMATS)
def test_delivers_what_is_left_of_a_truncated_file(
    tmp_path: Path, sound: np.ndarray, name: str, container: str, subtype: str
) -> None:
    path = tmp_path / name
    soundfile.write(path, sound, 96000, format=container, subtype=subtype)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10 + 1])  # in the middle of a frame
    source = open_audio_file(path, block_samples=512)
    got = joined(source)
    assert 0.39 * len(sound) < len(got) < 0.6 * len(sound)  # FLAC loses its broken frame of 4096
    np.testing.assert_array_equal(got, sound[: len(got)])
    assert source.truncated
    assert source.warning is not None
    assert source.warning.startswith(str(path))
    assert "\n" not in source.warning


@pytest.mark.parametrize("cut", [20, 43])
def test_refuses_a_file_cut_inside_its_header(tmp_path: Path, sound: np.ndarray, cut: int) -> None:
    soundfile.write(tmp_path / "a.wav", sound, 96000, subtype="PCM_16")
    (tmp_path / "a.wav").write_bytes((tmp_path / "a.wav").read_bytes()[:cut])
    one_line(tmp_path / "a.wav")


@pytest.mark.parametrize("placeholder", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
def test_a_stream_without_a_length_is_not_truncated(
    tmp_path: Path, sound: np.ndarray, placeholder: int
) -> None:
    """Recorders that write into a pipe cannot know the length and put a placeholder."""
    path = tmp_path / "a.wav"
    soundfile.write(path, sound, 96000, subtype="PCM_16")
    raw = bytearray(path.read_bytes())
    struct.pack_into("<I", raw, 4, placeholder)
    struct.pack_into("<I", raw, 40, placeholder)
    path.write_bytes(raw)
    source = open_audio_file(path)
    np.testing.assert_array_equal(joined(source), sound)
    assert not source.truncated


@pytest.mark.parametrize(("promised", "truncated"), [(0, False), (2**36 - 1, True)])
def test_flac_length_unknown_or_ridiculous(
    tmp_path: Path, sound: np.ndarray, promised: int, truncated: bool
) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, sound, 96000)
    raw = bytearray(path.read_bytes())
    raw[21] = (raw[21] & 0xF0) | (promised >> 32)  # STREAMINFO: 36 bits of total samples
    struct.pack_into(">I", raw, 22, promised & 0xFFFFFFFF)
    path.write_bytes(raw)
    source = open_audio_file(path, block_samples=100)
    got = joined(source)
    assert len(got) > len(sound) - 200
    np.testing.assert_array_equal(got, sound[: len(got)])
    assert source.truncated == truncated


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_nan_and_infinity_stay_visible(tmp_path: Path, sound: np.ndarray, subtype: str) -> None:
    sound = sound.copy()
    sound[5000, 1], sound[6000, 2], sound[7000, 0] = np.nan, np.inf, -np.inf
    soundfile.write(tmp_path / "a.wav", sound, 96000, subtype=subtype)
    np.testing.assert_array_equal(joined(open_audio_file(tmp_path / "a.wav")), sound)


def outcome(path: Path) -> str:
    try:
        longest = max(block.samples.nbytes for block in open_audio_file(path).blocks())
    except NoctuleError as error:
        return str(error)
    assert longest <= 0.064 * 500000 * 64 * 4  # the most a header may ask for
    return "samples"


def test_damaged_headers_end_in_samples_or_one_line(tmp_path: Path, sound: np.ndarray) -> None:
    rng = np.random.default_rng(7)
    for name, header in (("a.wav", 44), ("a.flac", 60), ("a.aiff", 60)):
        soundfile.write(tmp_path / name, sound[:3000], 96000, subtype="PCM_16")
        whole = (tmp_path / name).read_bytes()
        for _ in range(100):
            raw = bytearray(whole)
            for place in rng.integers(0, header, 3):
                raw[place] = rng.integers(256)
            path = tmp_path / f"damaged_{name}"
            path.write_bytes(raw)
            assert "\n" not in outcome(path)


MEASURE = """
import resource, sys
from noctule.audio.files import open_audio_file
source = open_audio_file(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = sum(len(block.samples) for block in source.blocks())
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
def test_an_hour_long_file_in_flat_memory(tmp_path: Path) -> None:
    """An hour of 4 channels at 96 kHz is 2.8 GB of WAV (mostly a hole in this file); 20 MB must do."""
    path = tmp_path / "hour.wav"
    seconds = 3600
    with soundfile.SoundFile(str(path), "w", 96000, 4, subtype="PCM_16") as sound:
        sound.write(np.ones((96000, 4), np.float32) * 0.1)
    data_bytes = seconds * 96000 * 4 * 2
    with path.open("r+b") as raw:
        raw.truncate(44 + data_bytes)
        raw.seek(4)
        raw.write(struct.pack("<I", 36 + data_bytes))
        raw.seek(40)
        raw.write(struct.pack("<I", data_bytes))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True, timeout=120
    )
    count, grown_kb = map(int, done.stdout.split())
    assert count == seconds * 96000
    assert grown_kb < 20_000
