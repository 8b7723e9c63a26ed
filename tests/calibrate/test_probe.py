"""The bandwidth probe against paths whose answer is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import scipy.signal

from noctule.calibrate.choose import LEAST_CARRIER_SNR_DB, carrier_candidates, pick_carrier
from noctule.calibrate.comb import QUIET_S, comb_frequencies, make_comb
from noctule.calibrate.probe import BandwidthProbe, probe_bandwidth
from noctule.core.errors import NoctuleError

RATE_HZ = 96_000
FloatArray = npt.NDArray[np.float64]
Path = Callable[[FloatArray], FloatArray]


def room(
    played: FloatArray,
    *,
    gain: float = 0.3,
    noise_dbfs: float = -85.0,
    microphones: int = 1,
    delay_s: float = 0.2137,
    rate_hz: int = RATE_HZ,
) -> FloatArray:
    """Direct path after `delay_s`, white noise of its own at every microphone; float64 `(samples, mics)`."""
    delay = round(delay_s * rate_hz)
    heard = np.zeros((len(played) + rate_hz, microphones))
    heard[delay : delay + len(played)] = gain * played[:, None]
    noise = np.random.default_rng(7).normal(size=heard.shape)
    return np.asarray(heard + noise * 10.0 ** (noise_dbfs / 20.0))


def probe(path: Path = room, rate_hz: int = RATE_HZ, level_dbfs: float = -20.0) -> BandwidthProbe:
    return probe_bandwidth(lambda signal: path(signal.astype(float)).astype(np.float32), rate_hz, level_dbfs)


# What is played


@pytest.mark.parametrize("rate_hz", [44_100, 48_000, 96_000, 192_000, 500_000])
def test_the_comb_is_inaudible_and_reaches_nearly_half_the_rate(rate_hz: int) -> None:
    tone_hz = comb_frequencies(rate_hz)
    assert tone_hz[0] == 17_500.0
    assert 0.47 * rate_hz < tone_hz[-1] <= 0.49 * rate_hz
    assert np.diff(tone_hz).max() < 1300.0
    assert len(tone_hz) >= 20
    assert np.array_equal(tone_hz, np.round(tone_hz))


@pytest.mark.parametrize("rate_hz", [48_000, 96_000, 192_000])
def test_no_two_pairs_of_tones_have_the_same_sum(rate_hz: int) -> None:
    """Else third-order products of a bent loudspeaker fall on tones."""
    tone_hz = comb_frequencies(rate_hz)
    sums = (tone_hz[:, None] + tone_hz)[np.triu_indices(len(tone_hz))]
    assert len(np.unique(sums)) == len(sums)


def test_the_comb_has_the_level_asked_for_and_no_click() -> None:
    comb = make_comb(RATE_HZ, -20.0)
    assert 20 * np.log10(np.abs(comb.signal).max()) == pytest.approx(-20.0, abs=0.01)
    quiet = comb.signal[: round(QUIET_S * RATE_HZ)]
    assert not quiet.any()
    spectrum = np.abs(np.fft.rfft(comb.signal))
    audible = np.fft.rfftfreq(len(comb.signal), 1 / RATE_HZ) < 16_000.0
    assert spectrum[audible].max() < 1e-4 * spectrum.max()


def test_a_rate_without_ultrasound_is_refused() -> None:
    with pytest.raises(NoctuleError, match="8000 Hz"):
        probe(rate_hz=8000)


# What comes back


@pytest.mark.parametrize("rate_hz", [44_100, 48_000, 96_000, 192_000])
def test_a_linear_path_has_the_whole_band_and_the_snr_on_paper(rate_hz: int) -> None:
    found = probe(lambda played: room(played, rate_hz=rate_hz, microphones=2), rate_hz)
    assert found.true_bandwidth_hz == found.tone_hz[-1]
    assert found.heard.all()
    assert found.hidden_rate_hz is None
    assert (found.aliases, found.interferers_hz, found.clipped, found.dead, found.covered) == ((),) * 5
    # Level: what was played times 0.3. Noise: -85 dBFS spread over half the rate, in 10 Hz, and
    # 3 dB more because levels are amplitudes of sines.
    level_dbfs = found.tone_level_dbfs + 20 * np.log10(0.3)
    assert found.received_dbfs == pytest.approx(level_dbfs, abs=1.0)
    noise_dbfs = -85.0 - 10 * np.log10(rate_hz / 2 / 10.0) + 3.0
    assert found.noise_dbfs == pytest.approx(noise_dbfs, abs=1.5)
    alone_db = found.level_dbfs - found.tone_level_dbfs
    assert found.carrier_snr_db(20_000.0) == pytest.approx(level_dbfs - noise_dbfs + alone_db, abs=2.5)


@pytest.mark.parametrize("delay_s", [0.0, 0.02162, 0.31, 0.5])
def test_the_delay_does_not_matter(delay_s: float) -> None:
    found = probe(lambda played: room(played, delay_s=delay_s))
    assert found.received_dbfs == pytest.approx(found.tone_level_dbfs - 10.46, abs=1.0)


@pytest.mark.parametrize("stop", [0.91, 1.0])
@pytest.mark.parametrize(("rate_hz", "hidden_hz"), [(96_000, 48_000.0), (192_000, 96_000.0)])
def test_a_server_that_resamples_in_silence_is_found(rate_hz: int, hidden_hz: float, stop: float) -> None:
    """Filters as steep as PipeWire's (50 dB down at 0.91 of half the rate) and as PulseAudio's (1.0)."""
    stop_hz = stop * hidden_hz / 2
    taps, beta = scipy.signal.kaiserord(60.0, 0.1 * stop_hz / (rate_hz / 2))
    cut = scipy.signal.firwin(taps, 0.95 * stop_hz, window=("kaiser", beta), fs=rate_hz)

    def resampled(played: FloatArray) -> FloatArray:
        return room(np.convolve(played, cut, mode="same"), rate_hz=rate_hz, noise_dbfs=-100.0)

    found = probe(resampled, rate_hz)
    assert found.hidden_rate_hz == hidden_hz
    assert 0.8 * hidden_hz / 2 < found.true_bandwidth_hz <= hidden_hz / 2
    assert f"resamples to about {hidden_hz:g} Hz" in found.summary()


@pytest.mark.parametrize(("rate_hz", "hidden_hz"), [(96_000, 44_100.0), (192_000, 88_200.0)])
def test_a_perfect_filter_at_half_of_44_1_khz_is_seen(rate_hz: int, hidden_hz: float) -> None:
    """44.1 and 48 kHz cannot be told apart for certain, and both mean the same."""

    def resampled(played: FloatArray) -> FloatArray:
        there = scipy.signal.resample(played, round(len(played) * hidden_hz / rate_hz))
        return room(scipy.signal.resample(there, len(played)), rate_hz=rate_hz)

    found = probe(resampled, rate_hz)
    assert found.hidden_rate_hz is not None
    assert 1.0 <= found.hidden_rate_hz / hidden_hz <= 1.1
    assert 0.95 * hidden_hz / 2 < found.true_bandwidth_hz <= hidden_hz / 2


def test_a_resampler_without_a_filter_is_found_by_its_mirror_images() -> None:
    """Every second sample repeated: tones above 24 kHz come back at 48 kHz - f, and again at f."""
    found = probe(lambda played: room(np.repeat(played[::2], 2)[: len(played)]))
    assert found.hidden_rate_hz == 48_000.0
    assert 23_000.0 < found.true_bandwidth_hz <= 24_000.0
    assert len(found.aliases) > 20
    assert all(alias.heard_hz == pytest.approx(48_000.0 - alias.played_hz) for alias in found.aliases)


def test_a_loudspeaker_that_fades_is_not_called_a_resampler() -> None:
    """40 dB an octave from 20 kHz on, with a notch 20 dB deep at 27 kHz: a small cone."""
    hz = np.linspace(0.0, RATE_HZ / 2, 400)
    gain = np.minimum(1.0, (20_000.0 / np.maximum(hz, 1.0)) ** (40 / 6.02))
    gain *= 1.0 - 0.9 * np.exp(-(((hz - 27_000.0) / 1000.0) ** 2))
    cone = scipy.signal.firwin2(801, hz, gain, fs=RATE_HZ)
    found = probe(lambda played: room(np.convolve(played, cone)[: len(played)]))
    assert found.hidden_rate_hz is None
    assert found.true_bandwidth_hz == found.tone_hz[-1]


def test_a_bent_loudspeaker_does_not_pretend_bandwidth() -> None:
    """Products of the tones below 30 kHz fall everywhere above it, and must not count as tones."""
    low = scipy.signal.firwin(801, 30_000.0, fs=RATE_HZ)

    def bent(played: FloatArray) -> FloatArray:
        x = np.convolve(played, low, mode="same")
        return room(x + 3.0 * x**2 + 30.0 * x**3)

    assert 28_000.0 < probe(bent).true_bandwidth_hz < 31_000.0


def test_nothing_comes_back() -> None:
    found = probe(lambda played: room(0.0 * played))
    assert found.true_bandwidth_hz == 0.0
    assert "nothing came back" in found.summary()
    with pytest.raises(NoctuleError, match="no inaudible tone comes back"):
        found.choose_carrier()


def test_digital_silence_and_nan_are_dead_and_the_others_still_count() -> None:
    def broken(played: FloatArray) -> FloatArray:
        heard = room(played, microphones=3)
        heard[:, 0], heard[:, 1] = 0.0, np.nan
        return heard

    found = probe(broken)
    assert found.dead == (0, 1)
    assert found.usable_microphones == [2]
    assert found.choose_carrier() >= 32_000.0


@pytest.mark.parametrize(("below_db", "covered"), [(16.0, ()), (24.0, (1,))])
def test_a_covered_microphone_hears_20_db_less_than_the_others(
    below_db: float, covered: tuple[int, ...]
) -> None:
    gain = np.array([1.0, 10.0 ** (-below_db / 20.0)])
    assert probe(lambda played: room(played, microphones=2, noise_dbfs=-100.0) * gain).covered == covered


@pytest.mark.parametrize(("gain", "clipped"), [(9.0, ()), (12.0, (0,))])
def test_clipping(gain: float, clipped: tuple[int, ...]) -> None:
    """The comb peaks at -20 dBFS: 0.9 of full scale after a gain of 9, 1.2 after 12."""
    assert probe(lambda played: np.clip(room(played, gain=gain), -1.0, 1.0)).clipped == clipped


@pytest.mark.parametrize(("over_db", "seen"), [(5.0, False), (35.0, True)])
def test_a_foreign_tone_is_named_and_avoided(over_db: float, seen: bool) -> None:
    free_hz = probe().choose_carrier()
    foreign_hz = free_hz + 333.0
    noise_dbfs = -85.0 - 10 * np.log10(RATE_HZ / 2 / 10.0) + 3.0
    amplitude = 10.0 ** ((noise_dbfs + over_db) / 20.0)

    def with_tone(played: FloatArray) -> FloatArray:
        heard = room(played)
        tone = np.sin(2 * np.pi * foreign_hz * np.arange(len(heard)) / RATE_HZ)
        return np.asarray(heard + amplitude * tone[:, None])

    found = probe(with_tone)
    assert [round(hz, -1) for hz in found.interferers_hz] == ([round(foreign_hz, -1)] if seen else [])
    assert (abs(found.choose_carrier() - foreign_hz) > 1500.0) is seen


@pytest.mark.parametrize("ppm", [-150.0, 60.0])
def test_clocks_that_differ_are_measured(ppm: float) -> None:
    def drifting(played: FloatArray) -> FloatArray:
        heard = room(played, noise_dbfs=-100.0)
        # A recording clock that runs faster takes more samples of the same time.
        return np.asarray(scipy.signal.resample(heard, round(len(heard) * (1.0 + ppm * 1e-6))))

    found = probe(drifting)
    assert found.clock_ppm == pytest.approx(ppm, abs=5.0)
    assert found.heard.all()


def test_a_recording_that_stops_is_refused() -> None:
    with pytest.raises(NoctuleError, match="only 1\\.0 s"):
        probe(lambda played: room(played)[:RATE_HZ])


# Which carrier


def test_a_higher_carrier_may_cost_some_of_the_echo_and_no_more() -> None:
    """Air, noise and dogs: of equals the highest, worth a fifth of a decibel a kilohertz, but not two."""
    hz = carrier_candidates(47_000.0)
    assert (hz[0], hz[-1]) == (18_500.0, 45_000.0)
    assert not np.any((hz > 21_000.0) & (hz < 32_000.0))
    slowly_db, quickly_db = (60.0 - (hz - 32_000.0) / 1000.0 * lost_db for lost_db in (0.2, 2.0))
    assert pick_carrier(hz, slowly_db, []) == 45_000.0
    assert pick_carrier(hz, quickly_db, []) == 32_000.0


def test_no_higher_than_48_khz() -> None:
    assert carrier_candidates(93_000.0)[-1] == 48_000.0


def test_below_21_khz_only_when_there_is_nothing_above() -> None:
    hz = carrier_candidates(47_000.0)
    weak_db, good_db = LEAST_CARRIER_SNR_DB - 1.0, LEAST_CARRIER_SNR_DB + 1.0
    assert pick_carrier(hz, np.where(hz < 30_000.0, 90.0, good_db), []) == 45_000.0
    low_db = np.where(hz < 30_000.0, 90.0 - np.abs(hz - 19_300.0) / 100.0, weak_db)
    assert pick_carrier(hz, low_db, []) == 19_300.0
    with pytest.raises(NoctuleError, match=r"20\.0 kHz, would stand only 29 dB"):
        pick_carrier(hz, np.where(hz == 20_000.0, weak_db, 10.0), [])


def test_foreign_tones_everywhere_do_not_forbid_to_sense() -> None:
    hz = carrier_candidates(47_000.0)
    assert pick_carrier(hz, np.full(len(hz), 60.0), list(np.arange(16_000.0, 48_000.0, 500.0))) == 45_000.0
