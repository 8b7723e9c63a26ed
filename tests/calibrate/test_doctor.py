"""The doctor in front of sound cards with one known illness each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.signal

from noctule.calibrate.agc import GainKind, GainReport, MicrophoneGain
from noctule.calibrate.comb import make_comb
from noctule.calibrate.doctor import Check, Diagnosis, Transport, diagnose, examine
from noctule.calibrate.probe import BandwidthProbe, analyse_comb
from noctule.core.frames import Float32Array

RATE_HZ = 96_000
DELAY_S = 0.05
FloatArray = npt.NDArray[np.float64]
Path = Callable[[FloatArray], FloatArray]


def room(
    played: FloatArray, gain: float = 0.3, noise_dbfs: float = -90.0, microphones: int = 1
) -> FloatArray:
    """Direct path and noise of its own at every microphone, float64 `(samples, microphones)`."""
    delay = round(DELAY_S * RATE_HZ)
    heard = np.zeros((len(played) + RATE_HZ // 10, microphones))
    heard[delay : delay + len(played)] = gain * played[:, None]
    noise = np.random.default_rng(11).normal(size=heard.shape)
    return np.asarray(heard + 10.0 ** (noise_dbfs / 20.0) * noise)


class Card:
    """A sound card that is a function."""

    def __init__(self, path: Path, xruns: int, dropped: int) -> None:
        self.sample_rate_hz = float(RATE_HZ)
        self.xruns = self.dropped_samples = 0
        self._path, self._more = path, (xruns, dropped)

    def play_and_record(self, signal: Float32Array, /) -> Float32Array:
        if not signal.any():  # nobody read for a while: not the card's fault
            self.xruns += 100
            self.dropped_samples += 100_000
            return np.zeros((len(signal), 1), np.float32)
        self.xruns += self._more[0]
        self.dropped_samples += self._more[1]
        return self._path(signal.astype(float)).astype(np.float32)


def examined(path: Path = room, xruns: int = 0, dropped: int = 0) -> Diagnosis:
    return examine(Card(path, xruns, dropped), "ALSA", -20.0)


def lines(found: Diagnosis, name: str) -> list[Check]:
    return [check for check in found.checks if check.name == name]


def line(found: Diagnosis, name: str) -> Check:
    (check,) = lines(found, name)
    return check


# The whole examination


def test_a_healthy_card_is_ready() -> None:
    found = examined()
    assert found.status == "ok"
    assert found.sensing_possible
    assert found.carrier_hz is not None
    assert found.carrier_hz >= 32_000.0
    assert all(check.fix == "" for check in found.checks)
    names = ["bandwidth", "transport", "carrier", "interference", "gain", "clock", "microphones", "clipping"]
    assert [check.name for check in found.checks] == names
    record = json.loads(json.dumps(found.as_record(), allow_nan=False))
    assert record["sensing_possible"] is True
    assert record["checks"][0]["name"] == "bandwidth"


def test_only_what_is_lost_while_something_plays_counts() -> None:
    """Seen live: the queue overflowed while the comb was judged, and a good card was called lossy."""
    finding = line(examined(xruns=1, dropped=10), "transport").finding
    assert finding.startswith("2 over- or underflows, 20 samples lost in 11 s")


@pytest.mark.parametrize("heard", [0.0, 1e-4])
def test_nothing_comes_back(heard: float) -> None:
    """Digital silence, and noise alone."""
    found = examined(lambda played: heard * room(0.0 * played, noise_dbfs=0.0))
    assert not found.sensing_possible
    assert found.carrier_hz is None
    assert line(found, "bandwidth").status == line(found, "carrier").status == "fail"
    assert lines(found, "gain") == []
    assert all(check.fix for check in found.checks if check.status == "fail")


def test_resampling_in_silence_is_a_warning_with_the_setting_that_cures_it() -> None:
    def resampled(played: FloatArray) -> FloatArray:
        return room(scipy.signal.resample(scipy.signal.resample(played, len(played) // 2), len(played)))

    found = examined(resampled)
    assert found.sensing_possible
    assert found.carrier_hz is not None
    assert 18_500.0 <= found.carrier_hz <= 21_000.0
    bandwidth = line(found, "bandwidth")
    assert bandwidth.status == "warning"
    assert "resamples to about 48000 Hz" in bandwidth.finding
    assert "default.clock.allowed-rates" in bandwidth.fix


def test_automatic_gain_is_a_warning() -> None:
    def driven(played: FloatArray) -> FloatArray:
        heard = room(played)
        level = np.sqrt(2 * scipy.signal.lfilter([0.001], [1.0, -0.999], heard[:, 0] ** 2))
        gain = np.minimum(10.0, (0.1 / np.maximum(level, 1e-6)) ** 0.8)
        return np.asarray(heard * gain[:, None])

    gain = line(examined(driven), "gain")
    assert gain.status == "warning"
    assert "AGC" in gain.finding
    assert "automatic gain control" in gain.fix


@pytest.mark.parametrize(("weaker_db", "suspected"), [(7.0, False), (13.0, True)])
def test_a_tone_that_is_weaker_than_the_comb_from_the_start(weaker_db: float, suspected: bool) -> None:
    """A canceller too quick to be watched: one tone is removed at once, many are not. Limit 10 dB."""

    def quick(played: FloatArray) -> FloatArray:
        one_tone = len(played) > 5 * RATE_HZ
        return room(played * 10.0 ** (-weaker_db / 20.0) if one_tone else played)

    checks = lines(examined(quick), "gain")
    assert any("weaker than the comb" in check.finding for check in checks) is suspected


def test_a_steady_tone_that_never_comes_back_is_a_failure() -> None:
    found = examined(lambda played: room(played if len(played) < 5 * RATE_HZ else 0.0 * played))
    assert line(found, "gain").status == "fail"


# The verdict alone, both sides of each limit

GOOD_WAY = Transport("ALSA", RATE_HZ, samples=10 * RATE_HZ)


@pytest.fixture(scope="module")
def healthy() -> BandwidthProbe:
    """Two microphones, nothing wrong."""
    comb = make_comb(RATE_HZ, -20.0)
    return analyse_comb(room(comb.signal.astype(float), microphones=2).astype(np.float32), comb)


def gains(*kinds: GainKind) -> GainReport:
    # The gain is the room's: nothing is missing.
    ones = [
        MicrophoneGain(
            m, kind, f"reason {kind}", gain_db=-10.5, knee_dbfs=-30.4 if kind == "limiter" else None
        )
        for m, kind in enumerate(kinds)
    ]
    return GainReport(44_500.0, DELAY_S, tuple(ones))


LINEAR = gains("linear", "linear")


@pytest.mark.parametrize(
    ("snr_db", "status"), [(47.0, "ok"), (43.0, "warning"), (31.0, "warning"), (28.0, "fail")]
)
def test_carrier_over_noise(healthy: BandwidthProbe, snr_db: float, status: str) -> None:
    """45 dB is good, 30 dB is the least."""
    alone_db = healthy.level_dbfs - healthy.tone_level_dbfs
    noise_dbfs = healthy.received_dbfs + alone_db - snr_db
    found = diagnose(replace(healthy, noise_dbfs=noise_dbfs), LINEAR, GOOD_WAY)
    assert line(found, "carrier").status == status
    if status != "fail":
        assert found.carrier_snr_db == pytest.approx((snr_db, snr_db), abs=0.1)


@pytest.mark.parametrize(("away_hz", "status"), [(1500.0, "warning"), (1600.0, "ok")])
def test_a_foreign_tone_in_the_velocity_grid(healthy: BandwidthProbe, away_hz: float, status: str) -> None:
    """6 m/s at 44.5 kHz are 1556 Hz. Tones beside every other carrier leave no better one."""
    elsewhere = (*np.arange(16_000.0, 42_500.0, 500.0), 42_860.0)
    found = diagnose(replace(healthy, interferers_hz=(*elsewhere, 44_500.0 + away_hz)), LINEAR, GOOD_WAY)
    assert found.carrier_hz == 44_500.0
    assert line(found, "interference").status == status


@pytest.mark.parametrize(
    ("xruns", "dropped", "status"),
    [
        (0, 0, "ok"),
        (1, 0, "warning"),
        (10, 0, "warning"),
        (11, 0, "fail"),
        (0, 9600, "warning"),
        (0, 9700, "fail"),
    ],
)
def test_lost_samples(healthy: BandwidthProbe, xruns: int, dropped: int, status: str) -> None:
    """In ten seconds: ten gaps, or a hundredth of the samples."""
    way = replace(GOOD_WAY, xruns=xruns, dropped_samples=dropped)
    assert line(diagnose(healthy, LINEAR, way), "transport").status == status


@pytest.mark.parametrize(
    ("ppm", "status"), [(-66.0, "ok"), (66.0, "ok"), (-69.0, "warning"), (69.0, "warning")]
)
def test_two_clocks(healthy: BandwidthProbe, ppm: float, status: str) -> None:
    """3 Hz at 44.5 kHz are 67.4 ppm."""
    assert line(diagnose(replace(healthy, clock_ppm=ppm), LINEAR, GOOD_WAY), "clock").status == status


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({}, "ok"),
        ({"dead": (1,)}, "warning"),
        ({"covered": (0,)}, "warning"),
        ({"dead": (0,), "covered": (1,)}, "fail"),
    ],
)
def test_microphones(healthy: BandwidthProbe, facts: dict[str, Any], status: str) -> None:
    found = diagnose(replace(healthy, **facts), LINEAR, GOOD_WAY)
    assert line(found, "microphones").status == status
    assert found.sensing_possible is (status != "fail")


@pytest.mark.parametrize(
    ("clipped", "dead", "status"),
    [((), (), "ok"), ((1,), (), "warning"), ((0, 1), (), "fail"), ((1,), (0,), "fail")],
)
def test_clipping(
    healthy: BandwidthProbe, clipped: tuple[int, ...], dead: tuple[int, ...], status: str
) -> None:
    """A failure when no usable microphone is left that is not overdriven."""
    found = diagnose(replace(healthy, clipped=clipped, dead=dead), LINEAR, GOOD_WAY)
    assert line(found, "clipping").status == status


@pytest.mark.parametrize(
    ("kinds", "worst"),
    [
        (("linear", "linear"), "ok"),
        (("agc", "agc"), "warning"),
        (("limiter", "linear"), "warning"),
        (("unclear", "clipped"), "warning"),
        (("echo cancelling", "linear"), "warning"),
        (("echo cancelling", "echo cancelling"), "fail"),
        (("noise suppression", "noise suppression"), "fail"),
        (("noise suppression", "echo cancelling"), "fail"),
    ],
)
def test_gains(healthy: BandwidthProbe, kinds: tuple[GainKind, ...], worst: str) -> None:
    """AGC blurs, but a tone that is taken away on every microphone cannot carry anything."""
    found = diagnose(healthy, gains(*kinds), GOOD_WAY)
    assert found.status == worst
    assert all(check.fix for check in lines(found, "gain") if check.status != "ok")


def test_the_fix_for_a_limiter_names_the_level(healthy: BandwidthProbe) -> None:
    found = diagnose(healthy, gains("limiter", "limiter"), GOOD_WAY)
    assert line(found, "gain").fix == "play softer: --level-dbfs -31"


@pytest.mark.parametrize(
    ("rate_hz", "bandwidth_hz", "hint"),
    [(48_000.0, 23_400.0, "--sample-rate-hz 96000"), (96_000.0, 27_000.0, "another")],
)
def test_too_little_bandwidth_for_32_khz(
    healthy: BandwidthProbe, rate_hz: float, bandwidth_hz: float, hint: str
) -> None:
    found = diagnose(
        replace(healthy, sample_rate_hz=rate_hz, true_bandwidth_hz=bandwidth_hz), LINEAR, GOOD_WAY
    )
    assert line(found, "bandwidth").status == "warning"
    assert hint in line(found, "bandwidth").fix
    assert found.carrier_hz == 21_000.0
