"""AGC, suppressors, cancellers and limiters as models, and real phones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from noctule.calibrate.agc import GainReport, analyse_gain, make_gain_stimulus
from noctule.calibrate.levels import track_levels
from noctule.core.errors import NoctuleError

RATE_HZ = 48_000
CARRIER_HZ = 20_000.0
DELAY_S = 0.2137
GAIN = 0.3
FloatArray = npt.NDArray[np.float64]

STIMULUS = make_gain_stimulus(RATE_HZ, CARRIER_HZ, -20.0)


def room(played: FloatArray | None = None, noise_dbfs: float = -85.0, gain: float = GAIN) -> FloatArray:
    """Direct path and noise, float64 `(samples, 1)`."""
    played = STIMULUS.astype(float) if played is None else played
    delay = round(DELAY_S * RATE_HZ)
    heard = np.zeros((len(played) + RATE_HZ, 1))
    heard[delay : delay + len(played), 0] = gain * played
    noise = np.random.default_rng(3).normal(size=heard.shape)
    return np.asarray(heard + 10.0 ** (noise_dbfs / 20.0) * noise)


def judge(heard: FloatArray) -> GainReport:
    return analyse_gain(STIMULUS, heard.astype(np.float32), RATE_HZ)


def kind_of(heard: FloatArray) -> str:
    return judge(heard).microphones[0].kind


def smooth(level: FloatArray, up_s: float, down_s: float, hop_s: float) -> FloatArray:
    """One-pole follower with different times up and down."""
    out, state = np.empty_like(level), level[0]
    for i, value in enumerate(level):
        state += (1.0 - np.exp(-hop_s / (up_s if value > state else down_s))) * (value - state)
        out[i] = state
    return out


def follow(heard: FloatArray, up_s: float, down_s: float) -> FloatArray:
    """Level that a gain control measures, 1 ms steps, interpolated."""
    hop = RATE_HZ // 1000
    blocks = heard[: len(heard) // hop * hop, 0].reshape(-1, hop)
    level = smooth(np.sqrt(2.0 * np.mean(blocks**2, axis=1)), up_s, down_s, 0.001)
    return np.interp(np.arange(len(heard)), np.arange(len(level)) * hop, level)[:, None]


def compressed(heard: FloatArray, ratio: float, threshold: float = 0.001) -> FloatArray:
    """Behind the microphone, 10 ms up, 50 ms down; noise is driven with the tone."""
    level = np.maximum(follow(heard, 0.01, 0.05), 1e-9)
    return np.asarray(heard * np.minimum(1.0, (threshold / level) ** (1.0 - 1.0 / ratio)))


def automatic_gain(heard: FloatArray, release_s: float, highest_gain: float = 10.0) -> FloatArray:
    level = np.maximum(follow(heard, 0.02, release_s), 1e-9)
    return np.asarray(heard * np.minimum(highest_gain, 0.1 / level))


def tone_of(heard: FloatArray) -> FloatArray:
    """The tone alone, of what was heard: the known stimulus, delayed."""
    return room(noise_dbfs=-400.0)[: len(heard)]


def noise_suppressed(heard: FloatArray, seconds: float) -> FloatArray:
    """A Wiener gain on the tone, whose power is taken for noise with a time constant."""
    tone = tone_of(heard)
    power = follow(tone, 1e-6, 1e-6)[:, 0] ** 2
    hop = RATE_HZ // 1000
    noise = smooth(power[::hop], seconds, seconds, 0.001)
    gain = np.maximum(1.0 - noise / np.maximum(power[::hop], 1e-12), 10.0 ** (-18 / 20))
    return np.asarray(heard - tone + tone * np.repeat(gain, hop)[: len(tone), None])


def echo_cancelled(heard: FloatArray, seconds: float) -> FloatArray:
    """The played tone is subtracted, better and better while it plays, 25 dB in the end."""
    tone = tone_of(heard)
    playing_s = np.cumsum(np.abs(tone) > 1e-5) / RATE_HZ
    weight = (1.0 - 10.0 ** (-25 / 20)) * (1.0 - np.exp(-playing_s / seconds))
    return np.asarray(heard - weight[:, None] * tone)


def limited(threshold: float) -> FloatArray:
    """In front of the loudspeaker, without delay: the envelope never exceeds the threshold."""
    level = np.maximum(follow(STIMULUS.astype(float)[:, None], 1e-6, 1e-6)[:, 0], 1e-9)
    return room(STIMULUS.astype(float) * np.minimum(1.0, threshold / level))


# The stimulus


@pytest.mark.parametrize(("rate_hz", "carrier_hz"), [(48_000, 20_000.0), (96_000, 40_000.0)])
def test_the_stimulus_is_inaudible_and_as_loud_as_asked(rate_hz: int, carrier_hz: float) -> None:
    stimulus = make_gain_stimulus(rate_hz, carrier_hz, -20.0)
    assert 20 * np.log10(np.abs(stimulus).max()) == pytest.approx(-20.0, abs=0.01)
    assert not stimulus[: rate_hz // 4].any()
    spectrum = np.abs(np.fft.rfft(stimulus))
    hz = np.fft.rfftfreq(len(stimulus), 1 / rate_hz)
    assert spectrum[hz < 16_000.0].max() < 1e-4 * spectrum.max()


# Linear paths


@pytest.mark.parametrize("noise_dbfs", [-100.0, -60.0, -45.0])
def test_a_linear_path_is_linear_down_to_the_noise(noise_dbfs: float) -> None:
    found = judge(room(noise_dbfs=noise_dbfs)).microphones[0]
    assert found.kind == "linear"
    assert found.slope_below == pytest.approx(1.0, abs=0.03)
    assert found.gain_db == pytest.approx(20 * np.log10(GAIN), abs=0.2)


def test_the_play_to_record_delay_is_found() -> None:
    assert judge(room()).delay_s == pytest.approx(DELAY_S, abs=0.004)


def test_drowned_in_noise_there_is_no_verdict() -> None:
    assert kind_of(room(noise_dbfs=-35.0)) == "unclear"


def test_a_recording_of_something_else_is_refused(rng: np.random.Generator) -> None:
    with pytest.raises(NoctuleError, match="nothing of the stimulus"):
        judge(0.01 * rng.normal(size=(8 * RATE_HZ, 2)))


def test_a_recording_that_is_too_short_is_refused() -> None:
    with pytest.raises(NoctuleError, match="a second long"):
        judge(room()[: RATE_HZ // 2])


def test_a_person_who_moves_is_no_agc() -> None:
    """An echo of 15 % comes and goes twice a second: 2.6 dB peak to peak."""
    heard = room()
    sway = 1.0 + 0.15 * np.sin(2 * np.pi * 0.5 * np.arange(len(heard)) / RATE_HZ)
    assert kind_of(heard * sway[:, None]) == "linear"


# Gains that move


@pytest.mark.parametrize(("ratio", "kind"), [(1.1, "linear"), (1.3, "agc"), (3.0, "agc"), (20.0, "agc")])
def test_compressors_begin_between_1_1_and_1_3_to_one(ratio: float, kind: str) -> None:
    """Slopes of 0.91 and 0.77; the limit is 0.85."""
    assert kind_of(compressed(room(), ratio)) == kind


def test_the_knee_and_the_slope_of_a_compressor_are_on_paper() -> None:
    """Threshold at 0.01 after a gain of 0.3: -29.5 dBFS in the stimulus; 1.43:1 has slope 0.7."""
    found = judge(compressed(room(), 1.43, threshold=0.01)).microphones[0]
    assert found.kind == "agc"
    assert found.knee_dbfs == pytest.approx(-29.5, abs=1.0)
    assert (found.slope_below, found.slope_above) == pytest.approx((1.0, 0.7), abs=0.04)
    assert found.input_range_db - found.output_range_db == pytest.approx(9.5 * 0.3, abs=0.4)


@pytest.mark.parametrize("release_s", [0.1, 0.5, 2.0, 5.0])
def test_automatic_gain_control(release_s: float) -> None:
    assert kind_of(automatic_gain(room(), release_s)) == "agc"


def test_the_time_constant_of_a_slow_gain_is_seen() -> None:
    found = judge(automatic_gain(room(), 0.5, highest_gain=100.0)).microphones[0]
    assert found.time_constant_s == pytest.approx(0.5, abs=0.4)


@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.0])
def test_noise_suppression(seconds: float) -> None:
    assert kind_of(noise_suppressed(room(), seconds)) == "noise suppression"


@pytest.mark.parametrize("seconds", [0.1, 0.5, 2.0])
def test_echo_cancelling(seconds: float) -> None:
    assert kind_of(echo_cancelled(room(), seconds)) == "echo cancelling"


def test_a_limiter_in_front_of_the_loudspeaker_is_no_agc() -> None:
    """Threshold 0.03 is -30.5 dBFS in the stimulus: below it nothing is wrong."""
    report = judge(limited(0.03))
    assert report.microphones[0].kind == "limiter"
    assert report.microphones[0].knee_dbfs == pytest.approx(-30.5, abs=1.0)
    assert report.summary().startswith("no AGC")


def test_a_leveller_behind_the_microphone_is_agc_though_its_knee_looks_the_same() -> None:
    """Same curve, but the background sinks with the tone."""
    assert kind_of(compressed(room(noise_dbfs=-70.0), 1e6, threshold=0.03 * GAIN)) == "agc"


@pytest.mark.parametrize(("gain", "kind"), [(12.0, "linear"), (60.0, "clipped")])
def test_clipping_takes_the_loud_end_away_and_nothing_else(gain: float, kind: str) -> None:
    found = judge(np.clip(room(gain=gain), -1.0, 1.0)).microphones[0]
    assert found.kind == kind
    assert "clipped above" in found.reason


def test_each_microphone_has_its_own_verdict() -> None:
    heard = room()
    report = judge(np.concatenate([heard, compressed(heard, 3.0), 0.0 * heard], axis=1))
    assert [one.kind for one in report.microphones] == ["linear", "agc", "unclear"]
    assert [one.microphone for one in report.with_kind("agc")] == [1]
    assert report.summary().startswith("AGC suspected")


def test_a_part_of_a_repeating_stimulus_is_enough() -> None:
    """A ramp of 3 s again and again, as phones are tested with; the recording holds one of them."""
    rate = 48_000
    ramp = np.tile(np.linspace(0.0, 0.9, 3 * rate), 3)
    stimulus = ramp * np.sin(2 * np.pi * 2000.0 * np.arange(len(ramp)) / rate)
    noise = np.random.default_rng(5).normal(size=3 * rate)
    heard = 0.4 * stimulus[3 * rate - 200 :][: 3 * rate] + 1e-4 * noise
    track = track_levels(stimulus.astype(np.float32), heard.astype(np.float32), rate)
    # A whole number of ramps is as good as another.
    assert (-track.delay_s * rate + 200 + rate) % (3 * rate) == pytest.approx(rate, abs=0.006 * rate)
    report = analyse_gain(stimulus.astype(np.float32), heard.astype(np.float32), rate)
    assert report.microphones[0].kind == "linear"


# Real phones


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("recording", "kinds"),
    [
        ("nexus6p_cam", ["agc", "agc"]),
        # Loudspeaker limiter at -8 dBFS on one, digital clipping at -9 dBFS on the other.
        ("s5_mic", ["limiter", "linear"]),
        ("s4_mic", ["linear", "linear"]),
        ("s4_cam", ["linear", "clipped"]),
    ],
)
def test_phones(shared_data: Path, recording: str, kinds: list[str]) -> None:
    folder = shared_data / "libas_phone_loudspeakers_48k"
    stimulus, rate_hz = soundfile.read(folder / "stimulus_latestAudioToCheckAGC.flac", dtype="float32")
    heard, _ = soundfile.read(folder / f"CheckAGC_{recording}_onhand_rep1.flac", dtype="float32")
    assert [one.kind for one in analyse_gain(stimulus, heard, rate_hz).microphones] == kinds


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_stimulus_without_a_tone_is_refused(value: float) -> None:
    with pytest.raises(NoctuleError, match="holds no tone"):
        analyse_gain(np.full(4 * RATE_HZ, value, np.float32), room().astype(np.float32), RATE_HZ)
