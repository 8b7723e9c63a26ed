"""A programme beside the tone: never beyond full scale, and nothing of it in the tone's band."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal.windows import blackmanharris

from noctule.core.frames import Float32Array
from noctule.core.units import db_to_amplitude
from noctule.emit import tone_table
from noctule.emit.headroom import MARGIN_DB, Limiter, Programme, edge_hz, programme_peak
from noctule.emit.resample import Resampler

CARD_HZ = 96_000


def cymbals(seconds: float, rate_hz: int, channels: int = 2) -> Float32Array:
    """The worst of music: full-scale noise in bursts with hard edges, and a bass that clips."""
    rng = np.random.default_rng(2)
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    noise = rng.uniform(-1.0, 1.0, (len(t), channels)) * (t % 0.25 < 0.1)[:, None]
    bass = np.clip(1.5 * np.sin(2.0 * np.pi * 50.0 * t), -1.0, 1.0)
    return np.clip(noise + bass[:, None], -1.0, 1.0).astype(np.float32)


def through(programme: Programme, sound: Float32Array, piece: int) -> Float32Array:
    pieces = [programme.process(sound[at : at + piece]) for at in range(0, len(sound), piece)]
    return np.concatenate([*pieces, programme.flush()])


def highest_near_db(sound: Float32Array, carrier_hz: float, amplitude: float) -> float:
    """The most energy within 1.5 kHz of the carrier in any 43 ms, dB re the tone's."""
    frames = np.lib.stride_tricks.sliding_window_view(sound.astype(np.float64), 4096)[::1024]
    window = blackmanharris(4096)
    power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
    near = np.abs(np.fft.rfftfreq(4096, 1 / CARD_HZ) - carrier_hz) <= 1500.0
    tone = amplitude * np.sin(2.0 * np.pi * carrier_hz * np.arange(4096) / CARD_HZ)
    tone_power = np.abs(np.fft.rfft(tone * window)) ** 2
    return float(10 * np.log10(power[:, near].sum(axis=1).max() / tone_power[near].sum()))


@pytest.mark.parametrize("carrier_hz", [18_500, 20_000, 40_000])
@pytest.mark.parametrize("rate_hz", [44_100, 96_000])
def test_nothing_of_a_programme_is_in_the_band_of_the_tone(carrier_hz: int, rate_hz: int) -> None:
    amplitude = db_to_amplitude(-20.0)
    sound = through(Programme(rate_hz, CARD_HZ, 2, carrier_hz, amplitude), cymbals(2.0, rate_hz), 4096)
    assert np.abs(sound).max() > 0.5  # there is something
    assert highest_near_db(sound[:, 0], carrier_hz, amplitude) < -80.0


def test_unfiltered_it_would_be() -> None:
    """The measure above must be able to fail."""
    assert highest_near_db(cymbals(2.0, CARD_HZ)[:, 0], 20_000, 0.1) > -20.0


@pytest.mark.parametrize("level_dbfs", [-20.0, -6.0, -1.0])
def test_tone_and_programme_never_exceed_full_scale(level_dbfs: float) -> None:
    amplitude = db_to_amplitude(level_dbfs)
    sound = through(Programme(48_000, CARD_HZ, 2, 40_000, amplitude), cymbals(2.0, 48_000), 4800)
    tone = np.resize(amplitude * tone_table(40_000, CARD_HZ), len(sound))
    both = sound + tone[:, None]
    assert np.abs(both).max() <= 1.0
    # and the room is used: within the margin and a decibel that smoothing costs
    room = (1.0 - amplitude) * db_to_amplitude(-MARGIN_DB)
    assert np.abs(sound).max() > room * db_to_amplitude(-1.0)


def test_what_fits_is_not_touched() -> None:
    """Below the limit and the edge the sound is the same, only later."""
    t = np.arange(48_000) / CARD_HZ
    sine = (0.5 * np.sin(2.0 * np.pi * 1000.0 * t))[:, None].astype(np.float32)
    sound = through(Programme(CARD_HZ, CARD_HZ, 1, 40_000, 0.1), sine, 5000)[:, 0]
    middle = sound[len(sound) // 2 - 9600 : len(sound) // 2 + 9600]
    assert np.abs(middle).max() == pytest.approx(0.5, rel=1e-4)
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2.0), rel=1e-4)


def test_a_limiter_turns_down_slowly_and_gives_the_level_back() -> None:
    """A peak of 12 dB too much in a steady tone: no step in the gain, and a second later all is as before."""
    rate_hz = 48_000
    sound = np.full((2 * rate_hz, 1), 0.5, np.float32)
    sound[rate_hz] = 2.0
    limiter = Limiter(0.5, rate_hz)
    out = np.concatenate([limiter.process(sound[at : at + 1000]) for at in range(0, len(sound), 1000)])[:, 0]
    assert out.max() <= 0.5 * (1 + 1e-6)
    gain = np.delete(out[limiter.delay :], rate_hz)[: 2 * rate_hz - 2 * limiter.delay] / 0.5
    assert gain.min() == pytest.approx(0.25, rel=0.02)
    assert np.abs(np.diff(gain)).max() < 1e-3
    assert gain[-1] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("piece", [1000, 9601])
@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_001, 96_000])
def test_any_piece_length_gives_the_same_sound(rate_hz: int, piece: int) -> None:
    sound = cymbals(0.5, rate_hz)
    whole = through(Programme(rate_hz, CARD_HZ, 2, 40_000, 0.5), sound, len(sound))
    pieces = through(Programme(rate_hz, CARD_HZ, 2, 40_000, 0.5), sound, piece)
    np.testing.assert_allclose(pieces, whole, atol=1e-6)


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 48_001, 192_000])
def test_a_tone_keeps_pitch_length_and_level_at_the_rate_of_the_card(rate_hz: int) -> None:
    t = np.arange(rate_hz) / rate_hz
    resampler = Resampler(rate_hz, CARD_HZ, 18_000.0)
    out = np.concatenate([resampler.process(np.sin(2.0 * np.pi * 1000.0 * t)[:, None]), resampler.flush(1)])[
        :, 0
    ]
    assert len(out) / CARD_HZ == pytest.approx(1.0, abs=0.03)
    middle = out[24_000:72_000].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(middle * blackmanharris(48_000)))
    assert np.argmax(spectrum) == 500  # 2 Hz a line
    assert np.abs(middle).max() == pytest.approx(1.0, abs=2e-3)
    spectrum[480:520] = 0.0
    assert 20 * np.log10(spectrum.max() / 24_000 / 0.18) < -85.0  # no images


def test_loudspeakers_and_channels() -> None:
    left_only = np.stack([np.full(4000, 0.4), np.zeros(4000)], axis=1).astype(np.float32)
    peaks = {}
    for outputs in (1, 2, 4):
        sound = through(Programme(48_000, CARD_HZ, outputs, 40_000, 0.1), left_only, 4000)
        peaks[outputs] = np.abs(sound[len(sound) // 2 - 500 : len(sound) // 2 + 500]).mean(axis=0)
    np.testing.assert_allclose(peaks[1], [0.2], atol=1e-3)
    np.testing.assert_allclose(peaks[2], [0.4, 0.0], atol=1e-3)
    np.testing.assert_allclose(peaks[4], [0.4, 0.0, 0.4, 0.0], atol=1e-3)
    mono = through(Programme(48_000, CARD_HZ, 2, 40_000, 0.1), left_only[:, :1], 4000)
    np.testing.assert_array_equal(mono[:, 0], mono[:, 1])


def test_a_damaged_file_gives_no_damaged_sound() -> None:
    bad = cymbals(0.5, 48_000)
    bad[100], bad[200, 0], bad[300] = np.nan, np.inf, 1e30
    sound = through(Programme(48_000, CARD_HZ, 2, 40_000, 0.1), bad, 4800)
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() <= programme_peak(0.1) * (1 + 1e-6)


def test_it_begins_and_ends_with_a_silence_for_the_cards_fades() -> None:
    sound = through(Programme(48_000, CARD_HZ, 1, 40_000, 0.1), np.full((9600, 1), 0.5, np.float32), 4800)
    assert np.abs(sound[: round(0.02 * CARD_HZ)]).max() < 1e-4
    assert np.abs(sound[-round(0.02 * CARD_HZ) :]).max() < 1e-4
    assert len(sound) / CARD_HZ < 0.2 + 0.1


def test_nothing_in_gives_nothing() -> None:
    assert through(Programme(48_000, CARD_HZ, 2, 40_000, 0.1), np.zeros((0, 2), np.float32), 1).shape == (
        0,
        2,
    )


def test_the_edge_keeps_three_kilohertz_from_the_carrier() -> None:
    assert (edge_hz(18_500.0), edge_hz(40_000.0)) == (15_500.0, 18_000.0)
