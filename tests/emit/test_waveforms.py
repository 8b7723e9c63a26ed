"""Waveforms: no click, nothing audible, the same samples for any block size."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy.signal.windows import blackmanharris

from noctule.core.errors import NoctuleError
from noctule.core.frames import Float32Array
from noctule.core.settings import EmitSettings
from noctule.emit.waveforms import FADE_DB, TonePlayer, chirp_burst, multitone_table, on_grid, tone_table

RATE_HZ = 96_000


def played(player: TonePlayer, samples: int, block: int, first_sample: int = 0) -> Float32Array:
    """What a sound card with this block size would be given, first channel."""
    out = np.full((samples, 2), np.nan, dtype=np.float32)
    for at in range(0, samples, block):
        player.fill(out[at : at + block], first_sample + at)
    np.testing.assert_array_equal(out[:, 0], out[:, 1])
    return out[:, 0]


def highest_below_db(sound: Float32Array, frequency_hz: float) -> float:
    """Highest line below `frequency_hz` in any 21 ms, dB re the highest line of all.

    Short frames, so that a click cannot hide at the edge of one long window. Side lobes of the
    Blackman-Harris window are below -92 dB.
    """
    padded = np.concatenate([np.zeros(2048), sound, np.zeros(2048)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, 2048)[::512]
    spectrum = np.abs(np.fft.rfft(frames * blackmanharris(2048), axis=1))
    below = np.fft.rfftfreq(2048, 1 / RATE_HZ) < frequency_hz
    return float(20 * np.log10(spectrum[:, below].max() / spectrum.max()))


@pytest.mark.parametrize("block", [1, 7, 480, 4801])
def test_settled_tone_equals_the_closed_formula(block: int) -> None:
    player = TonePlayer(tone_table(32_000, RATE_HZ), RATE_HZ, ramp_s=0.01)
    player.set_level(0.1)
    sound = played(player, 4802 * 2, block)
    n = np.arange(len(sound))
    expected = 0.1 * np.sin(2 * np.pi * 32_000 * n / RATE_HZ)
    ramp = round(0.01 * RATE_HZ)
    # float32 table times float32 gain: two roundings of 2**-24 each.
    np.testing.assert_allclose(sound[ramp:], expected[ramp:], atol=0.1 * 2.0**-22)


@pytest.mark.parametrize("block", [1, 7, 480])
def test_any_block_size_gives_the_same_samples_through_ramps(block: int) -> None:
    def sound(size: int) -> Float32Array:
        player = TonePlayer(tone_table(20_001, RATE_HZ), RATE_HZ, ramp_s=0.01)
        player.set_level(0.5)
        return np.concatenate([played(player, 3000, size), played(player, 500, size, 3000)])

    np.testing.assert_array_equal(sound(block), sound(3500))


def test_phase_is_exact_after_thirty_days() -> None:
    player = TonePlayer(tone_table(18_777, RATE_HZ), RATE_HZ, ramp_s=0.01)
    player.set_level(1.0)
    played(player, 2000, 480)
    first = 30 * 86_400 * RATE_HZ - 50  # crosses the seam of the table
    n = np.arange(first, first + 100, dtype=object)
    expected = [np.sin(2 * np.pi * ((k * 18_777) % RATE_HZ) / RATE_HZ) for k in n]
    np.testing.assert_allclose(played(player, 100, 33, first), expected, atol=1e-6)


@pytest.mark.parametrize("carrier_hz", [18_500, 32_000])
def test_start_level_change_and_stop_stay_inaudible(carrier_hz: float) -> None:
    player = TonePlayer(tone_table(carrier_hz, RATE_HZ), RATE_HZ)
    parts = []
    for at, amplitude in enumerate((0.5, 0.1, 0.3, 0.0)):
        player.set_level(amplitude)
        parts.append(played(player, 19_200, 1920, at * 19_200))
    assert not parts[-1][-1000:].any()
    assert player.silent
    assert highest_below_db(np.concatenate(parts), 16_000) < -80.0


def test_a_hard_start_would_be_heard() -> None:
    """The measure above must be able to fail: without a ramp a start is far above -80 dB."""
    assert highest_below_db(tone_table(32_000, RATE_HZ)[1:38_400], 16_000) > -60.0


def test_a_ramp_equals_the_closed_formula() -> None:
    player = TonePlayer(tone_table(32_000, RATE_HZ), RATE_HZ, ramp_s=0.05)
    player.set_level(1.0)
    n = np.arange(4800)
    rise = 10.0 ** (-2.0 * (1.0 + np.cos(np.pi * (n + 1) / 4801)))
    np.testing.assert_allclose(played(player, 4800, 77), rise * np.sin(2 * np.pi * n / 3), atol=1e-6)


def test_a_change_during_a_ramp_waits_and_the_last_one_counts() -> None:
    player = TonePlayer(tone_table(24_000, RATE_HZ), RATE_HZ, ramp_s=0.01)
    player.set_level(1.0)
    played(player, 480, 480)
    player.set_level(0.2)
    player.set_level(0.4)
    assert not player.silent
    sound = played(player, 4800, 480, 480)
    assert np.abs(sound[480 - 24 : 480]).max() > 0.98  # first it arrives at 1.0
    assert np.abs(sound[-100:]).max() == pytest.approx(0.4, abs=1e-6)  # 24 kHz at 96 kHz samples its peaks


def test_a_player_that_travelled_to_another_process_still_plays_and_falls_silent() -> None:
    player = pickle.loads(pickle.dumps(TonePlayer(tone_table(24_000, RATE_HZ), RATE_HZ, ramp_s=0.01)))
    assert player.silent
    player.set_level(0.5)
    assert np.abs(played(player, 4800, 480)).max() == pytest.approx(0.5, abs=1e-6)
    player.set_level(0.0)
    played(player, 4800, 480, 4800)
    assert player.silent


def test_multitone_holds_its_levels_and_repeats_without_a_seam() -> None:
    table = multitone_table([(30_000, 0.0), (32_000, -6.0), (34_000, -12.0)], RATE_HZ)
    spectrum = np.abs(np.fft.rfft(np.tile(table, 2)))
    level_db = 20 * np.log10(spectrum[[60_000, 64_000, 68_000]] / spectrum[60_000])
    np.testing.assert_allclose(level_db, [0.0, -6.0, -12.0], atol=1e-4)
    spectrum[[60_000, 64_000, 68_000]] = 0.0
    assert spectrum.max() < 1e-6 * len(table)  # nothing else: whole cycles fit
    assert np.abs(table).max() == pytest.approx(1.0, abs=1e-6)


def test_multitone_has_a_lower_crest_than_tones_in_step() -> None:
    tones = [(20_000.0 + 500.0 * k, 0.0) for k in range(8)]
    table = multitone_table(tones, RATE_HZ)
    crest = np.abs(table).max() / np.sqrt(np.mean(table.astype(float) ** 2))
    # Eight tones in step have sqrt(2·8) = 4; Schroeder's phases come near 1.7.
    assert crest < 2.1


@pytest.mark.parametrize(("carrier_hz", "rate_hz"), [(18_500, 44_100), (20_000, 48_000), (40_000, 96_000)])
def test_burst_stays_around_its_carrier(carrier_hz: float, rate_hz: float) -> None:
    burst = chirp_burst(carrier_hz, rate_hz, level_dbfs=-20.0)
    padded = np.zeros(int(rate_hz), dtype=np.float32)
    padded[1000 : 1000 + len(burst)] = burst
    power = np.abs(np.fft.rfft(padded)) ** 2
    frequency_hz = np.fft.rfftfreq(len(padded), 1 / rate_hz)
    inside = np.abs(frequency_hz - carrier_hz) <= 1500.0
    assert power[inside].sum() > 0.9999 * power.sum()
    assert 10 * np.log10(power[frequency_hz < 16_000].max() / power.max()) < -80.0
    # Centred: the mean frequency is the carrier.
    assert np.sum(power * frequency_hz) / power.sum() == pytest.approx(carrier_hz, abs=5.0)
    assert 0.09 < np.abs(burst).max() <= 0.1


def test_burst_has_no_edge() -> None:
    burst = chirp_burst(32_000, RATE_HZ)
    assert abs(burst[0]) < 1.01e-4  # 80 dB down
    assert abs(burst[-1]) < 1.01e-4


@pytest.mark.parametrize("carrier_hz", [0.2, 48_000.0, 60_000.0])
def test_a_carrier_outside_the_band_is_one_clear_line(carrier_hz: float) -> None:
    with pytest.raises(NoctuleError, match="sample rate of 96000 Hz"):
        on_grid(carrier_hz, RATE_HZ)


def test_a_carrier_is_rounded_to_whole_hertz() -> None:
    assert on_grid(32_000.4, RATE_HZ) == 32_000.0
    assert on_grid(47_999.0, RATE_HZ) == 47_999.0


@pytest.mark.parametrize("rate_hz", [44_100, 96_000, 192_000])
def test_no_step_above_20_db_in_10_ms(rate_hz: int) -> None:
    """Fades in and out, and from one level to another: from 80 dB below the tone on."""
    player = TonePlayer(tone_table(20_000, rate_hz), rate_hz, ramp_s=EmitSettings().ramp_s)
    second = round(0.25 * rate_hz)
    out = np.zeros((4 * second, 1), np.float32)
    for n, amplitude in enumerate((0.5, 0.02, 0.3, 0.0)):
        player.set_level(amplitude)
        player.fill(out[n * second : (n + 1) * second], n * second)
    burst = chirp_burst(20_000, rate_hz, level_dbfs=-6.0)
    for sound in (out[:, 0], np.pad(burst, second)):
        millisecond = rate_hz // 1000
        count = len(sound) // millisecond
        level = np.abs(sound[: count * millisecond].reshape(count, millisecond)).max(1)
        db = 20.0 * np.log10(np.maximum(level, level.max() * 10.0 ** (-FADE_DB / 20.0)))
        assert np.abs(db[10:] - db[:-10]).max() <= 20.0
