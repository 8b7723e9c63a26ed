"""What the loudspeaker does to its own tone: taken off where it is, and nothing else."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from noctule.core.frames import BLOCKING_FAULTS, BasebandBlock, FeatureBlock
from noctule.core.settings import FeatureSettings
from noctule.dsp.distortion import DistortionCanceller
from noctule.dsp.doppler import DopplerSpectrum
from noctule.dsp.features import FeatureExtractor

RATE_HZ, CARRIER_HZ = 6000.0, 40000.0
NOISE = 1e-5
Samples = npt.NDArray[Any]


def noise(rng: np.random.Generator, count: int, microphones: int) -> Samples:
    """Complex, of variance `NOISE`²."""
    shape = (count, microphones)
    return np.asarray(NOISE * math.sqrt(0.5) * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)))


def bass(rng: np.random.Generator, count: int) -> Samples:
    """Excursion of a cone: noise between 30 and 250 Hz, of standard deviation 1, louder and softer."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    hz = np.fft.rfftfreq(count, 1.0 / RATE_HZ)
    spectrum[(hz < 30.0) | (hz > 250.0)] = 0.0
    wave = np.fft.irfft(spectrum, count)
    beat = 0.3 + np.abs(np.sin(np.pi * np.arange(count) / RATE_HZ * 1.9))
    return np.asarray(beat * wave / wave.std())


def direct(rng: np.random.Generator, microphones: int) -> Samples:
    """The tone at each microphone, 70 dB over the noise or so."""
    turn = np.exp(2j * np.pi * rng.uniform(size=microphones))
    return np.asarray(0.03 * rng.uniform(0.5, 1.5, microphones) * turn)


def distorted(rng: np.random.Generator, count: int, microphones: int, radians: float = 0.05) -> Samples:
    """Music turns the tone's phase, and squeezes it a little less."""
    excursion = bass(rng, count)
    envelope = (1.0 + 0.4 * radians * excursion) * np.exp(1j * radians * excursion)
    return np.asarray(envelope[:, None] * direct(rng, microphones))


def walker(rng: np.random.Generator, count: int, microphones: int, level: float) -> Samples:
    """Comes nearer at 0.5 to 1.5 m/s, speckled."""
    speed_mps = 1.0 + 0.5 * np.sin(2.0 * np.pi * 0.9 * np.arange(count) / RATE_HZ)
    phase = 2.0 * np.pi * np.cumsum(speed_mps) * 2.0 * CARRIER_HZ / 343.2 / RATE_HZ
    ways = [rng.uniform(0.5, 1.5) * np.exp(2j * np.pi * rng.uniform(size=microphones)) for _ in range(3)]
    echo = sum(
        np.exp(1j * share * phase)[:, None] * way for share, way in zip((1.0, 0.93, 0.4), ways, strict=True)
    )
    return np.asarray(level * echo)


def features_of(samples: Samples) -> FeatureBlock:
    extractor = FeatureExtractor(
        FeatureSettings(), carrier_hz=CARRIER_HZ, channels=samples.shape[1], baseband_rate_hz=RATE_HZ
    )
    return extractor.process_baseband(BasebandBlock(samples.astype(np.complex64), RATE_HZ, CARRIER_HZ, 0))


def spectra(samples: Samples) -> tuple[DopplerSpectrum, Samples, Samples]:
    doppler = DopplerSpectrum(baseband_rate_hz=RATE_HZ, carrier_hz=CARRIER_HZ, settings=FeatureSettings())
    blocks = doppler.process(BasebandBlock(samples.astype(np.complex64), RATE_HZ, CARRIER_HZ, 0))
    spectrum, carrier = (
        np.concatenate([getattr(one, name) for one in blocks]) for name in ("spectrum", "carrier")
    )
    return doppler, spectrum, carrier


def left_over(samples: Samples, noise_level: float = NOISE**2) -> tuple[Samples, Samples]:
    """Power before and after, (frames, velocities of both sides), in units of the noise."""
    doppler, spectrum, carrier = spectra(samples)
    microphones = samples.shape[1]
    canceller = DistortionCanceller(
        channels=microphones, fft_size=doppler.fft_size, pairs=doppler.pairs, hop_s=0.048
    )
    before = (np.abs(spectrum) ** 2).mean(1) / noise_level
    removed = [
        canceller.update(one, tone, [noise_level] * microphones, [True] * microphones).copy()
        for one, tone in zip(spectrum, carrier, strict=True)
    ]
    pairs = np.r_[1 : doppler.pairs + 1, -doppler.pairs : 0]
    return before[:, pairs], (before - np.array(removed))[:, pairs]


@pytest.mark.parametrize(("microphones", "at_least_db"), [(1, 9.0), (2, 15.0), (4, 18.0), (8, 18.0)])
def test_distortion_is_taken_off_within_seconds(microphones: int, at_least_db: float) -> None:
    rng = np.random.default_rng(microphones)
    count = round(12.0 * RATE_HZ)
    before, after = left_over(distorted(rng, count, microphones) + noise(rng, count, microphones))
    settled = slice(round(3.0 / 0.048), None)
    removed_db = 10.0 * np.log10(before[settled].mean() / after[settled].mean())
    assert removed_db > at_least_db


@pytest.mark.parametrize("microphones", [1, 2, 4, 7])
def test_what_is_not_tied_stays(microphones: int) -> None:
    rng = np.random.default_rng(10 + microphones)
    count = round(20.0 * RATE_HZ)
    walk = walker(rng, count, microphones, 30.0 * NOISE)
    walk[: count // 4] = 0.0
    before, after = left_over(walk + noise(rng, count, microphones))
    still, walking = slice(0, 90), slice(110, None)
    assert after[still].mean() > 0.97 * before[still].mean()
    assert after[walking].mean() > 10.0**-0.05 * before[walking].mean()  # half a decibel


@pytest.mark.parametrize("microphones", [2, 4, 7])
def test_who_walks_while_music_plays_is_kept(microphones: int) -> None:
    rng = np.random.default_rng(20 + microphones)
    count = round(16.0 * RATE_HZ)
    music, walk = distorted(rng, count, microphones), walker(rng, count, microphones, 25.0 * NOISE)
    walk[: count // 2] = 0.0
    before, after = left_over(music + walk + noise(rng, count, microphones))
    walking, alone = slice(180, 320), slice(80, 150)
    coming = slice(0, before.shape[1] // 2)
    contrast = after[walking, coming].mean() / after[alone, coming].mean()
    assert contrast > 10.0
    assert contrast > 8.0 * before[walking, coming].mean() / before[alone, coming].mean()


def test_a_pause_does_not_make_it_learn_anew() -> None:
    rng = np.random.default_rng(5)
    count = round(16.0 * RATE_HZ)
    music = distorted(rng, count, 4)
    rest = music.mean(0)
    music[round(8.0 * RATE_HZ) : round(11.0 * RATE_HZ)] = rest
    before, after = left_over(music + noise(rng, count, 4))
    again = slice(round(11.3 / 0.048), round(12.0 / 0.048))
    assert 10.0 * np.log10(before[again].mean() / after[again].mean()) > 12.0


def test_without_music_there_is_nothing_to_remove() -> None:
    rng = np.random.default_rng(6)
    count = round(20.0 * RATE_HZ)
    quiet = noise(rng, count, 4) + 0.03
    found = features_of(quiet)
    assert found.removed_db.max() < 0.3
    assert np.abs(found.clean_power_db - found.log_power_db).mean() < 0.05


def clock(rng: np.random.Generator, count: int) -> Samples:
    """The skirt of a clock: its phase wanders, and what is slow of it stays with the carrier."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    hz = np.fft.rfftfreq(count, 1.0 / RATE_HZ)
    spectrum *= np.where(hz > 5.0, 1.0, 0.0) / np.maximum(hz, 20.0)
    wave = np.fft.irfft(spectrum, count)
    return np.asarray(np.exp(0.01j * wave / wave.std())[:, None])


@pytest.mark.parametrize("microphones", [1, 2, 4])
def test_who_walked_leaves_nothing_behind_on_the_skirt_of_a_clock(microphones: int) -> None:
    rng = np.random.default_rng(30 + microphones)
    count, moves = round(24.0 * RATE_HZ), slice(round(10.0 * RATE_HZ), round(13.0 * RATE_HZ))
    walk = np.zeros((count, microphones), complex)
    walk[moves] = walker(rng, moves.stop - moves.start, microphones, 60.0 * NOISE)
    tone = clock(rng, count) * direct(rng, microphones)
    found = features_of(tone + walk + noise(rng, count, microphones))
    slow = (np.abs(found.velocity_mps) > 0.1) & (np.abs(found.velocity_mps) < 2.0)
    stands_out = found.clean_power_db[:, slow] > 8.0
    assert found.log_power_db[100:200, slow].mean() < 1.0 < found.removed_db[100:200].mean()
    assert stands_out[(found.time_s > 10.3) & (found.time_s < 12.9)].mean() > 0.1
    assert stands_out[found.time_s > 13.2].mean() < 0.02


@pytest.mark.parametrize("microphones", [1, 2, 4])
@pytest.mark.parametrize(("jump_rad", "turns_hz"), [(2.0, 0.0), (0.0, 0.03)])
def test_a_tone_that_jumps_or_turns_takes_its_skirt_along(
    microphones: int, jump_rad: float, turns_hz: float
) -> None:
    rng = np.random.default_rng(40 + microphones)
    count = round(24.0 * RATE_HZ)
    later_s = np.maximum(np.arange(count) / RATE_HZ - 10.0, 0.0)
    phase = jump_rad * (later_s > 0.0) + 2.0 * np.pi * turns_hz * later_s
    tone = (clock(rng, count) * np.exp(1j * phase)[:, None]) * direct(rng, microphones)
    found = features_of(tone + noise(rng, count, microphones))
    slow = (np.abs(found.velocity_mps) > 0.1) & (np.abs(found.velocity_mps) < 2.0)
    asked = (found.faults & int(BLOCKING_FAULTS)) == 0
    early, late = ((found.time_s > 5.0) & (found.time_s < 9.9)), found.time_s > 10.0
    assert (found.clean_power_db[late & asked][:, slow] > 8.0).mean() < 0.02
    assert found.removed_db[late & asked].mean() > found.removed_db[early].mean() - 1.5


def test_how_much_was_removed_rides_with_the_features() -> None:
    rng = np.random.default_rng(7)
    count = round(10.0 * RATE_HZ)
    music = distorted(rng, count, 4) + noise(rng, count, 4)
    found = features_of(music)
    assert found.removed_db[100:].mean() > 10.0
    moving = np.abs(found.velocity_mps) > 0.01
    assert found.clean_power_db[100:, moving].max() < found.log_power_db[100:, moving].max() - 6.0


@pytest.mark.parametrize("microphones", [1, 2, 4, 8])
def test_in_noise_nothing_is_new(microphones: int) -> None:
    rng = np.random.default_rng(microphones)
    found = features_of(noise(rng, round(20.0 * RATE_HZ), microphones) + 0.03)
    moving = np.abs(found.velocity_mps) > 0.2
    fresh = 10.0 ** (0.1 * found.fresh_power_db[100:, moving].astype(np.float64))
    assert fresh.mean() == pytest.approx(1.0, abs=0.15)


def test_what_begins_elsewhere_is_new_and_what_goes_on_is_not() -> None:
    """Somebody walks at 1 m/s all the time; after 15 s another does too, elsewhere or right behind."""
    rng = np.random.default_rng(9)
    count, microphones = round(20.0 * RATE_HZ), 4
    steady = np.exp(2j * np.pi * np.arange(count) / RATE_HZ * 2.0 * 1.0 * CARRIER_HZ / 343.2)
    echo = 20.0 * NOISE * steady * np.repeat(rng.exponential(1.0, 200), count // 200)
    here = np.exp(2j * np.pi * rng.uniform(size=microphones))
    elsewhere = np.exp(2j * np.pi * rng.uniform(size=microphones))
    late = np.arange(count) >= 15.0 * RATE_HZ
    quiet = noise(rng, count, microphones) + 0.03

    def fresh_db(way: Samples) -> tuple[float, float]:
        found = features_of(quiet + np.outer(echo, here) + np.outer(late * np.roll(echo, count // 3), way))
        cells = found.fresh_power_db[:, np.abs(found.velocity_mps - 1.0) < 0.04].max(1)
        before, after = (
            cells[(found.time_s > low) & (found.time_s < high)] for low, high in ((8.0, 15.0), (15.2, 15.8))
        )
        return float(np.mean(before)), float(np.mean(after))

    goes_on_db, beside_db = fresh_db(elsewhere)
    assert goes_on_db < 3.0
    assert beside_db > 10.0
    assert fresh_db(here)[1] < beside_db - 6.0


@given(
    st.integers(1, 8),
    st.integers(0, 2**16),
    st.floats(1e-3, 1e4),
    st.lists(st.booleans(), min_size=8, max_size=8),
)
@hypothesis_settings(max_examples=25, deadline=None)
def test_never_more_than_there_is(microphones: int, seed: int, level: float, live: list[bool]) -> None:
    rng = np.random.default_rng(seed)
    canceller = DistortionCanceller(channels=microphones, fft_size=64, pairs=20, hop_s=0.048)
    live = live[:microphones]
    tie = rng.standard_normal((microphones, 64)) + 1j * rng.standard_normal((microphones, 64))
    carrier = tie[:, 1].astype(np.complex64)
    for _ in range(60):
        beat = rng.standard_normal(33)
        wave = np.concatenate([beat, beat[1:32][::-1]])  # the same on both sides: all of it is tied
        spectrum = level * tie * wave + rng.standard_normal((microphones, 64))
        removed = canceller.update(spectrum.astype(np.complex64), carrier, [1.0] * microphones, live)
        power = (np.abs(spectrum) ** 2)[live].sum(0) / max(1, sum(live))
        assert np.isfinite(removed).all()
        assert (removed >= 0.0).all()
        assert np.isfinite(canceller.fresh).all()
        assert (canceller.fresh >= 0.0).all()
        assert (removed <= power * (1.0 + 1e-3) + 1e-6).all()


@pytest.mark.parametrize("microphones", [1, 2, 4])
def test_silence_is_no_distortion(microphones: int) -> None:
    """Digital silence at the start, and on one side for ever: nothing to divide by."""
    canceller = DistortionCanceller(channels=microphones, fft_size=64, pairs=20, hop_s=0.048)
    spectrum = np.zeros((microphones, 64), np.complex64)
    for frame in range(60):
        spectrum[:, 1:21] = 3.0 * (frame >= 20)
        removed = canceller.update(spectrum, spectrum[:, 0], [1.0] * microphones, [True] * microphones)
        assert (removed == 0.0).all()
        assert canceller.removed_db == pytest.approx(0.0, abs=1e-6)


def test_an_hour_of_music_leaves_it_as_it_was() -> None:
    """Stable: neither drift nor overflow, through silence and steps of 60 dB."""
    rng = np.random.default_rng(8)
    canceller = DistortionCanceller(channels=2, fft_size=64, pairs=12, hop_s=0.048)
    tie = rng.standard_normal((2, 64)) + 1j * rng.standard_normal((2, 64))

    def removed_db(minutes: float, level: float) -> float:
        total = 0.0
        for _ in range(round(minutes * 60.0 / 0.048)):
            beat = rng.standard_normal(33) + 1j * rng.standard_normal(33)
            wave = np.concatenate([beat, np.conj(beat[1:32][::-1])])
            hiss = rng.standard_normal((2, 64)) + 1j * rng.standard_normal((2, 64))
            spectrum = (level * tie * wave + math.sqrt(0.5) * hiss).astype(np.complex64)
            canceller.update(spectrum, tie[:, 1].astype(np.complex64), [1.0, 1.0], [True, True])
            total = 0.99 * total + 0.01 * canceller.removed_db
        return total

    first = removed_db(1.0, 30.0)
    assert first > 9.0
    for level in (30000.0, 0.0, 30.0, 1e-3):
        removed_db(14.0, level)
    assert removed_db(1.0, 30.0) == pytest.approx(first, abs=1.0)
