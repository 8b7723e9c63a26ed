"""The carrier search: found within 1 Hz wherever there is one, and never where there is none."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import scipy.signal
from tests.dsp.sounds import FloatArray, coming_at, in_blocks, tone, two_way

from noctule.core.errors import NoctuleError
from noctule.core.frames import AudioBlock
from noctule.dsp.carrier import CarrierEstimate, find_carrier

RATE_HZ = 48000


def search(audio: npt.NDArray[np.floating], rate_hz: int = RATE_HZ, size: int = 16384) -> CarrierEstimate:
    return find_carrier(in_blocks(audio, rate_hz, size))


def hiss(seconds: float, sigma: float = 1e-3, seed: int = 20) -> FloatArray:
    return sigma * np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ))


@pytest.mark.parametrize("carrier_hz", [15100.0, 18500.3, 20004.7, 0.498])
@pytest.mark.parametrize("rate_hz", [44100, 48000, 96000, 192000, 384000, 500000])
def test_it_is_found_within_1_hz_at_any_rate(rate_hz: int, carrier_hz: float) -> None:
    """From 15 kHz to just under half the rate (0.498 of it)."""
    hz = carrier_hz if carrier_hz > 1.0 else carrier_hz * rate_hz
    n = np.arange(rate_hz)
    noise = np.random.default_rng(21).standard_normal(rate_hz)
    audio = 0.01 * np.cos(2.0 * np.pi * hz * n / rate_hz) + 1e-3 * noise
    found = search(audio, rate_hz)
    assert found.carrier_hz == pytest.approx(hz, abs=1.0)
    snr_db = 10.0 * np.log10((0.01**2 / 2.0) / (1e-6 * 10.0 / (rate_hz / 2.0)))
    # against the median of the noise, 1.6 dB under its mean
    assert found.snr_db == pytest.approx(snr_db + 1.6, abs=4.0)


@pytest.mark.parametrize("seconds", [0.2, 0.5, 2.0, 12.0])
def test_a_short_recording_is_enough(seconds: float) -> None:
    n = round(seconds * RATE_HZ)
    assert search(tone(RATE_HZ, 20000, n) + hiss(seconds)).carrier_hz == pytest.approx(20000.0, abs=1.0)


def test_a_carrier_meant_to_be_round_is_round_and_one_that_is_not_stays() -> None:
    """A second of strong motion pulls the line by 2 Hz at most: in a second, 20001.5 Hz is 20 kHz; in ten,
    it is what it is.
    """
    for seconds, expected_hz in ((1, 20000.0), (11, 20001.5)):
        n = np.arange(seconds * RATE_HZ)
        audio = 0.05 * np.cos(2.0 * np.pi * 20001.5 * n / RATE_HZ) + hiss(seconds)
        assert search(audio).carrier_hz == pytest.approx(expected_hz, abs=0.1)
    audio = 0.05 * np.cos(2.0 * np.pi * 20003.0 * np.arange(9600) / RATE_HZ) + hiss(0.2)
    assert search(audio).carrier_hz == pytest.approx(20003.0, abs=1.0)


def test_a_strong_mover_beside_it_does_not_pull_it() -> None:
    """A hand whose echo is as strong as the direct path, 0.7 m/s for three seconds."""
    seconds = 3.0
    audio = 0.02 * two_way(RATE_HZ, 20000.0, seconds, lambda t: np.full_like(t, 0.1))
    audio += 0.015 * two_way(RATE_HZ, 20000.0, seconds, coming_at(0.7, seconds))
    assert search(audio + hiss(seconds, 1e-4)).carrier_hz == pytest.approx(20000.0, abs=1.0)


@pytest.mark.parametrize("silence_s", [1.0, 9.0, 30.0, 33.0])
def test_it_may_start_late(silence_s: float) -> None:
    """Somebody presses play half a minute after record."""
    on = tone(RATE_HZ, 21000, 6 * RATE_HZ, 0.01)
    audio = hiss(silence_s + 6.0, 1e-4)
    audio[-len(on) :] += on
    assert search(audio, size=48000).carrier_hz == pytest.approx(21000.0, abs=1.0)


@pytest.mark.parametrize(("first", "second"), [(0.05, 0.02), (0.02, 0.05)])
def test_of_two_tones_the_stronger_wins(first: float, second: float) -> None:
    n = 3 * RATE_HZ
    audio = tone(RATE_HZ, 19000, n, first) + tone(RATE_HZ, 21500, n, second) + hiss(3.0, 1e-4)
    assert search(audio).carrier_hz == (19000.0 if first > second else 21500.0)


def test_a_tone_that_is_on_half_the_time_is_a_carrier() -> None:
    n = np.arange(6 * RATE_HZ)
    audio = tone(RATE_HZ, 20000, len(n), 0.05) * (n / RATE_HZ % 1.0 < 0.5) + hiss(6.0, 1e-4)
    assert search(audio).carrier_hz == pytest.approx(20000.0, abs=1.0)


def test_it_is_found_under_music() -> None:
    """-34 dB under the music, but alone in its band."""
    audio = 0.3 * music(6.0) + tone(RATE_HZ, 20000, 6 * RATE_HZ, 2e-3) + hiss(6.0, 1e-5)
    assert search(audio).carrier_hz == pytest.approx(20000.0, abs=1.0)


def music(seconds: float) -> FloatArray:
    """Four plucked notes a second of a voice that wavers, overtones at 6 dB an octave up to half the rate."""
    rng = np.random.default_rng(22)
    t = np.arange(RATE_HZ // 4) / RATE_HZ
    notes = []
    for _ in range(round(4 * seconds)):
        pitch_hz = 220.0 * 2.0 ** rng.uniform(0.0, 2.0)
        turns = pitch_hz * (t + 5e-5 * np.sin(2.0 * np.pi * 5.5 * t + rng.uniform(0.0, 6.0)))
        overtones = np.arange(1, int(23000.0 / pitch_hz))[:, None]
        voice = np.sum(np.sin(2.0 * np.pi * overtones * turns) / overtones, axis=0)
        notes.append(0.3 * voice * np.exp(-8.0 * t))
    return np.concatenate(notes)


SECONDS = np.arange(6 * RATE_HZ) / RATE_HZ
NO_CARRIER = {
    "silence": np.zeros(2 * RATE_HZ),
    "noise": hiss(12.0, 0.1),
    "music": music(6.0) + hiss(6.0, 1e-4),
    "quick sweep": 0.1 * scipy.signal.chirp(SECONDS % 2.0, 15000.0, 2.0, 23000.0),
    "slow sweep": 0.1 * scipy.signal.chirp(SECONDS, 19000.0, 6.0, 19400.0) + hiss(6.0, 1e-4),
    "bats": 0.1 * scipy.signal.chirp(SECONDS % 0.1, 23000.0, 0.01, 16000.0) * (SECONDS % 0.1 < 0.01)
    + hiss(6.0, 1e-4),
    "a tone one can hear": tone(RATE_HZ, 997, 3 * RATE_HZ, 0.3),
    "the same in 16 bits": np.round(32767 * tone(RATE_HZ, 1000, 3 * RATE_HZ, 0.3)) / 32768,
    "50 ms": tone(RATE_HZ, 20000, RATE_HZ // 20),
    "not a number": np.full(RATE_HZ, np.nan),
    "infinite": np.full(RATE_HZ, np.inf),
}


@pytest.mark.parametrize("name", NO_CARRIER)
def test_where_there_is_none_it_says_so(name: str) -> None:
    with pytest.raises(NoctuleError, match="no carrier found between 15 kHz and 24 kHz"):
        search(NO_CARRIER[name])


@pytest.mark.parametrize("seed", range(5))
def test_noise_never_looks_like_one(seed: int) -> None:
    """Ten seconds each; a line needs 22 dB over its surroundings in a third of the half seconds."""
    with pytest.raises(NoctuleError):
        search(hiss(10.0, 0.1, seed))


def test_no_audio_at_all() -> None:
    with pytest.raises(NoctuleError, match="no audio"):
        find_carrier(iter([]))
    with pytest.raises(NoctuleError, match="no carrier"):
        find_carrier([AudioBlock(np.zeros((0, 1), np.float32), 48000.0, 0)])


def test_a_few_bad_samples_and_a_dead_microphone_do_not_hide_it() -> None:
    audio = np.stack([tone(RATE_HZ, 20000, 3 * RATE_HZ, 0.05) + hiss(3.0), np.zeros(3 * RATE_HZ)], axis=1)
    audio[5000:5100] = np.nan
    audio[70000] = np.inf
    assert search(audio).carrier_hz == pytest.approx(20000.0, abs=1.0)


@pytest.mark.parametrize("size", [480, 5000, 3 * RATE_HZ])
def test_the_block_size_does_not_matter(size: int) -> None:
    audio = tone(RATE_HZ, 20004, 3 * RATE_HZ, 0.05) + hiss(3.0)
    assert search(audio, size=size) == search(audio, size=3 * RATE_HZ)


def test_below_the_lowest_it_does_not_look() -> None:
    audio = tone(RATE_HZ, 12000, RATE_HZ) + hiss(1.0)
    with pytest.raises(NoctuleError):
        search(audio)
    assert find_carrier(in_blocks(audio, RATE_HZ, 4096), lowest_hz=10000.0).carrier_hz == 12000.0
