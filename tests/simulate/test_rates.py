"""From rate to rate: nothing is early or late, louder or softer, and nothing folds."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from noctule.simulate.rates import Samples, change_rate

RATES = [
    (48000.0, 96000.0),
    (44100.0, 48000.0),
    (96000.0, 48000.0),
    (48000.0, 6000.0),
    (48000.0, 5512.5),
    (8000.0, 192000.0),
    (48000.0, 48000.0),
]


def tone(rate_hz: float, hz: float, phase: float = 0.3) -> Callable[[int, int], Samples]:
    def read(first_sample: int, count: int) -> Samples:
        turns = np.arange(first_sample, first_sample + count) * (hz / rate_hz)
        return np.asarray(np.cos(2.0 * np.pi * (turns % 1.0) + phase)[:, None])

    return read


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
@pytest.mark.parametrize("first_sample", [-1777, 0, 360001])
def test_a_sine_stays_itself(from_hz: float, to_hz: float, first_sample: int) -> None:
    """Up to 0.43 of the lower rate: the same sine at the same seconds, -75 dB of ripple apart."""
    for share in (0.01, 0.2, 0.43):
        hz = share * min(from_hz, to_hz)
        found = change_rate(tone(from_hz, hz), from_hz, to_hz, first_sample, 400)
        assert found.shape == (400, 1)
        np.testing.assert_allclose(found, tone(to_hz, hz)(first_sample, 400), atol=2.5e-4)


@pytest.mark.parametrize(("from_hz", "to_hz"), [pair for pair in RATES if pair[0] > pair[1]])
def test_what_the_lower_rate_cannot_hold_is_gone(from_hz: float, to_hz: float) -> None:
    for hz in np.linspace(0.53 * to_hz, 0.5 * from_hz, 9):
        found = change_rate(tone(from_hz, float(hz)), from_hz, to_hz, 500, 2000)
        assert np.sqrt(2.0 * np.mean(found**2)) < 2.5e-4


@pytest.mark.parametrize(("from_hz", "to_hz"), [pair for pair in RATES if pair[0] < pair[1]])
def test_no_mirror_image_appears_above(from_hz: float, to_hz: float) -> None:
    hz = 0.4 * from_hz
    count = 4096
    found = change_rate(tone(from_hz, hz), from_hz, to_hz, 0, count)[:, 0] * np.blackman(count)
    level = np.abs(np.fft.rfft(found)) / (0.42 * count / 2)
    frequency_hz = np.fft.rfftfreq(count, 1.0 / to_hz)
    assert level[np.abs(frequency_hz - hz) < 10.0 * to_hz / count].max() == pytest.approx(1.0, abs=0.2)
    # in one bin: -75 dB of ripple over all images
    assert level[frequency_hz > 0.52 * from_hz].max() < 2.5e-4


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_a_constant_stays_exactly_what_it_is(from_hz: float, to_hz: float) -> None:
    found = change_rate(lambda _, count: np.full((count, 2), 1.0 + 0.0j), from_hz, to_hz, -50, 100)
    np.testing.assert_allclose(found, 1.0, atol=1e-14)


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_any_pieces_in_any_order(from_hz: float, to_hz: float) -> None:
    """Noise that is a function of its place; complex, two channels."""
    noise = np.random.default_rng(3).standard_normal((200000, 4)).view(np.complex128)

    def read(first_sample: int, count: int) -> Samples:
        return noise[first_sample + 100000 : first_sample + 100000 + count]

    whole = change_rate(read, from_hz, to_hz, -300, 1000)
    assert whole.dtype == np.complex128
    assert whole.shape == (1000, 2)
    cuts = [0, 1, 2, 9, 300, 301, 780, 1000]
    for low, high in reversed(list(pairwise(cuts))):
        piece = change_rate(read, from_hz, to_hz, low - 300, high - low)
        np.testing.assert_array_equal(piece, whole[low:high])
    assert change_rate(read, from_hz, to_hz, 5, 0).shape == (0, 2)


def test_parts_and_channels_do_not_mix() -> None:
    """Real, imaginary, left and right are four signals of their own."""

    def read(first_sample: int, count: int) -> Samples:
        a, b, c, d = (tone(44100.0, hz)(first_sample, count) for hz in (100.0, 2000.0, 5000.0, 9000.0))
        return np.concatenate([a + 1j * b, c + 1j * d], axis=1)

    found = change_rate(read, 44100.0, 48000.0, 100, 300)
    parts = (found[:, 0].real, found[:, 0].imag, found[:, 1].real, found[:, 1].imag)
    for part, hz in zip(parts, (100.0, 2000.0, 5000.0, 9000.0), strict=True):
        np.testing.assert_allclose(part, tone(48000.0, hz)(100, 300)[:, 0], atol=2.5e-4)


def test_hours_later_it_is_still_in_time() -> None:
    """At 44.1 kHz 100 hours are 1.6e10 samples: places are counted in whole numbers."""
    first = 100 * 3600 * 48000
    found = change_rate(tone(44100.0, 1000.0), 44100.0, 48000.0, first, 200)
    np.testing.assert_allclose(found, tone(48000.0, 1000.0)(first, 200), atol=2.5e-4)


def test_nothing_is_asked_for_that_is_not_needed() -> None:
    """A file is read through it: a second may not cost an hour."""
    asked = []

    def read(first_sample: int, count: int) -> Samples:
        asked.append((first_sample, count))
        return np.zeros((count, 1))

    change_rate(read, 44100.0, 48000.0, 48000, 48000)
    ((first_sample, count),) = asked
    assert 44000 < first_sample < 44100
    assert 44100 < count < 44300
