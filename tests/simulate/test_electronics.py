"""Behind the microphones: two chains that do the same to the same signal, and a sensor that notices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tests.dsp.sounds import features_of

from noctule.core.frames import AudioBlock, BasebandBlock, Fault, FeatureBlock
from noctule.core.settings import FeatureSettings
from noctule.dsp.downconvert import Downconverter
from noctule.dsp.features import FeatureExtractor
from noctule.simulate.electronics import AudioChain, BasebandChain, Drop, Electronics, GainStep
from noctule.simulate.parts import FloatArray
from noctule.simulate.render import render
from noctule.simulate.scenes import parse_scene
from noctule.simulate.unit import Unit

CARRIER_HZ, RATE_HZ, SLOW_HZ = 40000.0, 96000.0, 6000.0
#: Its noise is below the last of 24 bits.
QUIET = Unit(sensitivity_dbfs=-60.0, snr_dba=75.0, noise_rise_db=0.0, resonance_db=0.0)
FLOAT = Electronics(bits=32)

ComplexArray = npt.NDArray[np.complex128]
Samples = npt.NDArray[Any]


def audio_chain(electronics: Electronics, unit: Unit = QUIET, microphones: int = 1) -> AudioChain:
    return AudioChain(electronics, unit, rate_hz=RATE_HZ, microphones=microphones, seed=1)


def baseband_chain(
    electronics: Electronics, unit: Unit = QUIET, microphones: int = 1, carrier_hz: float = CARRIER_HZ
) -> BasebandChain:
    rates = {"rate_hz": SLOW_HZ, "audio_rate_hz": RATE_HZ}
    return BasebandChain(electronics, unit, carrier_hz=carrier_hz, microphones=microphones, seed=1, **rates)


def tone(
    amplitude: complex | Sequence[complex], seconds: float, carrier_hz: float = CARRIER_HZ
) -> FloatArray:
    """`(count, microphones)` at the ports, at full rate; each microphone has its own amplitude and phase."""
    turns = (np.arange(round(seconds * RATE_HZ)) * (carrier_hz / RATE_HZ)) % 1.0
    return np.asarray(np.real(np.exp(2j * np.pi * turns)[:, None] * np.atleast_1d(amplitude)))


def envelope(amplitude: complex | Sequence[complex], seconds: float) -> ComplexArray:
    """The same around the carrier."""
    return np.tile(np.atleast_1d(np.asarray(amplitude, np.complex128)), (round(seconds * SLOW_HZ), 1))


def sensed(audio: Samples, carrier_hz: float = CARRIER_HZ) -> tuple[Samples, FloatArray]:
    """Through the sensor's front end: samples, and the seconds in the stream that they stand for."""
    front = Downconverter(
        sample_rate_hz=RATE_HZ, carrier_hz=carrier_hz, channels=audio.shape[1], settings=FeatureSettings()
    )
    block = front.process(AudioBlock(audio.astype(np.float32), RATE_HZ, 0))
    newest = (np.arange(len(block.samples)) + block.first_sample + 1) * front.plan.decimation - 1
    return block.samples, newest / RATE_HZ - front.plan.latency_s


def rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.abs(samples) ** 2)))


# ---- the converter


@pytest.mark.parametrize("bits", [16, 24])
def test_a_converter_has_its_steps_and_its_ends(bits: Any) -> None:
    step = 2.0 ** (1 - bits)
    given = tone([0.5, 1.5j], 0.2)
    given += 0.3 * np.sin(0.123 * np.arange(len(given)))[:, None]  # else the error repeats as the tone does
    ideal, real = (audio_chain(Electronics(bits=b), microphones=2).process(given) for b in (32, bits))
    assert real.dtype == np.float32
    whole = real.astype(np.float64) / step
    np.testing.assert_array_equal(whole, np.rint(whole))
    if bits == 16:  # samples of 32 bits do not resolve the error of 24
        error = (real.astype(np.float64) - ideal)[:, 0]
        assert np.abs(error).max() <= 0.5001 * step
        assert error.std() == pytest.approx(step / math.sqrt(12), rel=0.02)
    assert (real[:, 1].min(), real[:, 1].max()) == (-1.0, 1.0 - step)  # two's complement
    assert (ideal[:, 1].min(), ideal[:, 1].max()) == (-1.0, 1.0)


def test_its_steps_are_noise_around_the_carrier_on_both_roads() -> None:
    """On paper step²/12 spread evenly over the band: a complex sample gets a sixteenth of it."""
    odd_hz = 39871.3
    given = tone(0.5, 2.0, odd_hz)
    given += 0.3 * np.sin(0.123 * np.arange(len(given)))[:, None]
    electronics = Electronics(bits=16)
    heard, _ = sensed(audio_chain(electronics).process(given) - audio_chain(FLOAT).process(given), odd_hz)
    made = baseband_chain(electronics).process(envelope(0.5, 2.0)) - np.float32(0.25)
    paper = 2.0**-15 / math.sqrt(12) / math.sqrt(RATE_HZ / SLOW_HZ)
    assert rms(made) == pytest.approx(paper, rel=0.03)
    for samples in (heard, made):  # the front end's own edge is not part of this
        power = np.abs(np.fft.fft(samples[:, 0])) ** 2 / len(samples)
        inside = np.abs(np.fft.fftfreq(len(samples), 1 / SLOW_HZ)) < 1400.0
        assert 10 * np.log10(power[inside].mean() / paper**2) == pytest.approx(0.0, abs=0.3)


@pytest.mark.parametrize("amplitude", [0.98, 1.02, 1.5, 4.0])
def test_a_clipped_tone_has_the_same_strength_on_both_roads(amplitude: float) -> None:
    """0.98 passes whole; of 4 the square wave's 4/pi is nearly reached. The odd harmonics fold elsewhere."""
    odd_hz = 39871.3
    phasor = amplitude * np.exp(0.7j)
    heard, _ = sensed(audio_chain(FLOAT).process(tone(phasor, 0.5, odd_hz)), odd_hz)
    made = baseband_chain(FLOAT).process(envelope(phasor, 0.1))
    assert np.mean(heard) == pytest.approx(np.mean(made), rel=2e-3)
    if amplitude < 1.0:
        assert np.mean(made) == pytest.approx(0.5 * phasor, rel=1e-5)
    else:
        assert abs(np.mean(made)) < 0.5 * min(amplitude, 4.0 / math.pi)


# ---- noise


def test_noise_has_the_density_that_the_unit_states() -> None:
    """Full rate: at any frequency. Baseband: half of the one-sided density at the carrier is a sample's."""
    unit = Unit(seed=4, snr_dba=60.0)
    heard: Samples = audio_chain(FLOAT, unit, 2).process(np.zeros((round(8 * RATE_HZ), 2)))
    assert abs(np.corrcoef(heard.T)[0, 1]) < 0.01  # each has its own
    for m in range(2):
        spectrum = np.abs(np.fft.rfft(heard[:, m])) ** 2 / len(heard) / RATE_HZ * 2.0
        hz = np.fft.rfftfreq(len(heard), 1 / RATE_HZ)
        for around_hz in (3000.0, 20000.0, 28000.0, CARRIER_HZ):
            band = np.abs(hz - around_hz) < 200.0
            stated = unit.noise_per_hz(m, hz[band]).mean()
            assert 10 * np.log10(spectrum[band].mean() / stated) == pytest.approx(0.0, abs=0.4)
    made = baseband_chain(FLOAT, unit, 2).process(np.zeros((30000, 2), np.complex64))
    assert abs(np.corrcoef(made.T)[0, 1]) < 0.03
    for m in range(2):
        stated = unit.noise_per_hz(m, np.array([CARRIER_HZ]))[0]
        assert rms(made[:, m]) == pytest.approx(math.sqrt(0.5 * stated * SLOW_HZ), rel=0.02)
    assert rms(made.real) == pytest.approx(rms(made.imag), rel=0.02)


def test_noise_on_paper() -> None:
    """65 dB(A) is -12 dB SPL/Hz; 94 dB SPL is 1 Pa, whose sine peaks at -26 dBFS: -135 dB re FS²/Hz."""
    unit = Unit(snr_dba=65.0, sensitivity_dbfs=-26.0, resonance_db=0.0, spread_db=0.0, noise_rise_db=0.0)
    heard = audio_chain(FLOAT, unit, 8).process(np.zeros((96000, 8)))
    density_db = 10 * np.log10(np.mean(heard**2, axis=0) / (RATE_HZ / 2))
    # each specimen within 1 dB (rms); the response falls by 1 dB towards the end of the band
    assert density_db.mean() == pytest.approx(-12.0 - 94.0 - 26.0 - 3.01, abs=1.5)
    assert density_db.std() < 2.0


def test_what_is_played_louder_is_heard_with_more_noise_only_behind_the_gain() -> None:
    """Gain lifts the microphone's noise with the tone, the converter's steps stay."""
    unit = Unit(snr_dba=60.0)
    silence = np.zeros((20000, 1), np.complex64)
    for electronics, factor in ((FLOAT, 10.0), (Electronics(bits=16), 1.0)):
        loud = electronics.model_copy(update={"gain_db": 20.0})
        own = unit if electronics is FLOAT else QUIET
        low, high = (rms(baseband_chain(one, own).process(silence)) for one in (electronics, loud))
        assert high / low == pytest.approx(factor, rel=0.05)
    loud = FLOAT.model_copy(update={"gain_db": 20.0})
    low, high = (rms(audio_chain(one, unit).process(np.zeros((20000, 1)))) for one in (FLOAT, loud))
    assert high / low == pytest.approx(10.0, rel=1e-5)


@pytest.mark.parametrize("bits", [16, 24, 32])
def test_a_dead_microphone_is_digital_silence(bits: Any) -> None:
    unit = Unit(dead=(1,))
    electronics = Electronics(bits=bits, agc=True, gain_steps=(GainStep(at_s=0.1, db=12.0),))
    dead = np.array([1.0, 0.0])  # `Unit.microphone` lets no sound through either
    heard = audio_chain(electronics, unit, 2).process(tone([0.2, 0.2], 0.3) * dead)
    made = baseband_chain(electronics, unit, 2).process(envelope([0.2, 0.2], 0.3) * dead)
    for samples in (heard, made):
        assert not samples[:, 1].any()
        assert samples[:, 0].all() or np.abs(samples[:, 0]).max() > 0.05


# ---- gain


def test_gain_and_its_steps_come_at_their_sample() -> None:
    steps = (GainStep(at_s=0.05, db=6.0), GainStep(at_s=0.1, db=-26.0))
    electronics = Electronics(bits=32, gain_db=-6.0, gain_steps=steps)
    heard, plain = (audio_chain(one).process(tone(0.5, 0.15)) for one in (electronics, FLOAT))
    made, flat = (baseband_chain(one).process(envelope(0.5, 0.15)) for one in (electronics, FLOAT))
    for samples, reference, rate_hz in ((heard, plain, RATE_HZ), (made, flat, SLOW_HZ)):
        first, second = round(0.05 * rate_hz), round(0.1 * rate_hz)
        for part, db in (
            (slice(0, first), -6.0),
            (slice(first, second), 0.0),
            (slice(second, None), -26.0),
        ):
            np.testing.assert_allclose(
                samples[part], reference[part] * 10.0 ** (db / 20.0), rtol=1e-4, atol=1e-6
            )


AGC = Electronics(bits=32, agc=True, agc_target_dbfs=-18.0, agc_strength=0.6)


@pytest.mark.parametrize(("attack_s", "release_s"), [(0.02, 0.4), (0.1, 0.1), (0.1, 0.06)])
@pytest.mark.parametrize("level_dbfs", [-38.0, -18.0, -8.0])
def test_automatic_gain_takes_its_share_of_a_level_back(
    level_dbfs: float, attack_s: float, release_s: float
) -> None:
    """On paper: out = in + 0.6·(target - in), whatever the time constants, and on both roads.

    The full-rate chain used to follow the rectified wave as if it were the envelope: 1 to 3 dB apart.
    """
    electronics = AGC.model_copy(update={"agc_attack_s": attack_s, "agc_release_s": release_s})
    amplitude = 10.0 ** (level_dbfs / 20.0)
    heard, _ = sensed(audio_chain(electronics).process(tone(amplitude, 1.5, 39871.3)), 39871.3)
    made = baseband_chain(electronics).process(envelope(amplitude, 1.5))
    for samples in (heard, made):
        settled_db = 20 * np.log10(2.0 * rms(samples[-1000:]))
        assert settled_db == pytest.approx(level_dbfs + 0.6 * (-18.0 - level_dbfs), abs=0.15)


def test_automatic_gain_rises_and_falls_in_its_time_on_both_roads() -> None:
    """20 dB up at 1 s, down at 2 s; two microphones, of which the louder one decides for both."""
    electronics = AGC.model_copy(update={"agc_attack_s": 0.05, "agc_release_s": 0.3})

    def shape(time_s: FloatArray) -> FloatArray:
        return np.where((time_s >= 1.0) & (time_s < 2.0), 0.4, 0.04)[:, None]

    phasors, odd_hz = [0.5j, 1.0], 39871.3
    audio = tone(phasors, 3.0, odd_hz)
    audio *= shape(np.arange(len(audio)) / RATE_HZ)
    slow = envelope(phasors, 3.0) * shape(np.arange(round(3.0 * SLOW_HZ)) / SLOW_HZ)
    heard, at_s = sensed(audio_chain(electronics, microphones=2).process(audio), odd_hz)
    made = baseband_chain(electronics, microphones=2).process(slow)
    levels = np.abs(made)
    # the gain is of the level that has risen by 1 - 1/e after the attack, and fallen so far after the release
    for start_s, tau_s, low, high in ((1.0, 0.05, 0.04, 0.4), (2.0, 0.3, 0.4, 0.04)):
        reached = low + (1.0 - math.exp(-1.0)) * (high - low)
        gain = (10.0 ** (-18.0 / 20.0) / reached) ** 0.6
        now = round((start_s + tau_s) * SLOW_HZ)
        assert levels[now, 1] == pytest.approx(0.5 * high * gain, rel=0.03)
    np.testing.assert_allclose(levels[:, 0], 0.5 * levels[:, 1], rtol=1e-3)
    same = np.stack([np.interp(at_s, np.arange(len(made)) / SLOW_HZ, one) for one in levels.T], -1)
    calm = (np.abs(at_s - 1.0) > 0.02) & (np.abs(at_s - 2.0) > 0.02) & (at_s > 0.1)
    np.testing.assert_allclose(np.abs(heard)[calm], same[calm], rtol=0.03)


@pytest.mark.parametrize("phase_rad", [0.0, math.pi / 2])
def test_automatic_gain_does_not_burst_when_the_scene_begins(phase_rad: float) -> None:
    """It began at the first sample's level: where that was a zero of the wave, a thousandfold gain clipped
    everything for an attack's time. Now it begins at its target, and knows the level after some milliseconds.
    """
    quiet = 10.0 ** (-38.0 / 20.0)
    settled = quiet * 10.0 ** (0.6 * 20.0 / 20.0)
    phasor = quiet * np.exp(1j * phase_rad)
    heard = np.abs(audio_chain(AGC).process(tone(phasor, 0.3, 39871.3)))
    assert heard.max() < 1.05 * settled
    assert heard[round(0.1 * RATE_HZ) :].max() > 0.9 * settled
    made = 2.0 * np.abs(baseband_chain(AGC).process(envelope(phasor, 0.3)))
    assert made.max() < 1.05 * settled
    assert made[round(0.1 * SLOW_HZ)] > 0.9 * settled


# ---- lost samples


def test_lost_samples_are_missing_and_nothing_else() -> None:
    """What is lost twice counts once."""
    drops = (Drop(at_s=0.01, samples=100), Drop(at_s=0.05, samples=960), Drop(at_s=0.055, samples=960))
    electronics = FLOAT.model_copy(update={"drops": drops})
    whole, left = (audio_chain(one).process(tone(0.5, 0.1)) for one in (FLOAT, electronics))
    gone = np.r_[960:1060, 4800 : 4800 + 480 + 960]
    np.testing.assert_array_equal(left, np.delete(whole, gone, axis=0))
    made = baseband_chain(electronics).process(envelope(0.5, 0.1))
    assert len(made) == 600 - round(100 / 16) - 1440 // 16


@pytest.mark.parametrize("samples", [24, 20, 1001, 4800])
def test_lost_samples_turn_the_carrier_on_both_roads(samples: int) -> None:
    """By carrier·samples/rate turns: none for 24, a third of one for 20.

    The baseband used to turn by whole samples of its own, of which it can only lose one or two here.
    """
    drops = (Drop(at_s=0.2, samples=samples), Drop(at_s=0.21, samples=samples))
    electronics = FLOAT.model_copy(update={"drops": drops})
    heard, _ = sensed(audio_chain(electronics).process(tone(0.5, 0.6)))
    made = baseband_chain(electronics).process(envelope(0.5, 0.6))
    lost = 2 * samples if samples < 960 else samples + 960
    if samples == 4800:
        lost = 960 + 4800
    expected = 0.25 * np.exp(2j * np.pi * CARRIER_HZ / RATE_HZ * lost)
    assert np.mean(heard[-200:]) == pytest.approx(expected, rel=1e-4)
    assert np.mean(made[-200:]) == pytest.approx(expected, rel=1e-4)
    assert np.mean(made[:1000]) == pytest.approx(0.25, rel=1e-4)


def test_where_a_moment_of_the_scene_is_in_the_stream() -> None:
    electronics = Electronics(drops=(Drop(at_s=1.0, samples=48000), Drop(at_s=3.0, samples=9600)))
    scene_s = [0.5, 1.0, 1.25, 1.5, 2.9, 3.0, 3.05, 4.0]
    stream_s = [electronics.arrives_s(one, RATE_HZ) for one in scene_s]
    np.testing.assert_allclose(stream_s, [0.5, 1.0, 1.0, 1.0, 2.4, 2.5, 2.5, 3.4])


# ---- both


@pytest.mark.parametrize("bits", [16, 32])
def test_any_size_of_piece_gives_the_same_samples(bits: Any) -> None:
    """1, 7, 480, all at once: with everything that remembers, around the edges of the noise's stretches."""
    electronics = Electronics(
        bits=bits,
        agc=True,
        agc_attack_s=0.01,
        gain_steps=(GainStep(at_s=0.02, db=15.0), GainStep(at_s=1.37, db=-9.0)),
        drops=(Drop(at_s=0.01, samples=333), Drop(at_s=1.36, samples=700)),
    )
    unit = Unit(snr_dba=55.0)
    rng = np.random.default_rng(5)
    audio = tone([0.6, 0.2j], 0.1) + 0.01 * rng.standard_normal((9600, 2))
    slow = envelope([0.6, 0.2j], 1.5) * (1.0 + 0.5 * np.sin(np.arange(9000) / 40.0))[:, None]
    roads: list[tuple[Any, Samples]] = [(audio_chain, audio), (baseband_chain, slow)]
    for chain, given in roads:
        whole = chain(electronics, unit, 2).process(given)
        for sizes in ([7, 1, 480], [8191, 1, 1, 1], [4096]):
            again, at = chain(electronics, unit, 2), 0
            pieces: list[Samples] = []
            while at < len(given):
                size = sizes[len(pieces) % len(sizes)]
                pieces.append(again.process(given[at : at + size]))
                at += size
            np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_seeds_and_microphones_have_noise_of_their_own() -> None:
    silence = np.zeros((3000, 2))
    one, other = (
        AudioChain(FLOAT, Unit(), rate_hz=RATE_HZ, microphones=2, seed=seed).process(silence)
        for seed in (1, 2)
    )
    assert abs(np.corrcoef(one[:, 0], other[:, 0])[0, 1]) < 0.1


# ---- does the sensor notice?

SCENE = """
carrier_hz = 40000
seed = 2
[device]
microphones = 2
"""


def seen(electronics: str, kind: str, unit: str = "", seconds: float = 5.0) -> FeatureBlock:
    scene = parse_scene(f"duration_s = {seconds:g}\n{SCENE}\n[unit]\n{unit}\n[electronics]\n{electronics}\n")
    if kind == "audio":
        return features_of(np.concatenate(list(render(scene, "audio"))), RATE_HZ, CARRIER_HZ)
    samples = np.concatenate(list(render(scene)))
    extractor = FeatureExtractor(
        FeatureSettings(), carrier_hz=CARRIER_HZ, channels=2, baseband_rate_hz=SLOW_HZ
    )
    return extractor.process_baseband(BasebandBlock(samples, SLOW_HZ, CARRIER_HZ, 0))


def times(features: FeatureBlock, fault: Fault) -> FloatArray:
    return np.asarray(features.time_s[(features.faults & int(fault)) != 0])


@pytest.mark.parametrize("kind", ["baseband", "audio"])
def test_a_plain_chain_has_no_fault(kind: str) -> None:
    assert not seen("", kind).faults.any()
    assert not seen("bits = 16\ngain_db = 12", kind).faults.any()


@pytest.mark.parametrize("kind", ["baseband", "audio"])
def test_the_sensor_notices_lost_samples(kind: str) -> None:
    """1000 samples turn the carrier by two thirds; 1008 by nothing, and nobody can tell."""
    features = seen("drops = [{ at_s = 3.0, samples = 1000 }]", kind)
    found = times(features, Fault.DROPPED_SAMPLES)
    assert len(found)
    assert 2.95 < found[0] < 3.1
    assert found[-1] < 3.6  # a window, and it is over
    assert not seen("drops = [{ at_s = 3.0, samples = 1008 }]", kind).faults.any()


@pytest.mark.parametrize("kind", ["baseband", "audio"])
def test_the_sensor_notices_a_dead_microphone(kind: str) -> None:
    features = seen("", kind, unit="dead = [1]")
    assert len(times(features, Fault.MICROPHONE_DEAD)) > 0.9 * len(features)


@pytest.mark.parametrize("kind", ["baseband", "audio"])
def test_the_sensor_notices_a_step_of_the_gain(kind: str) -> None:
    features = seen("gain_steps = [{ at_s = 3.0, db = 6.0 }]", kind)
    found = times(features, Fault.GAIN_MOVED)
    assert len(found)
    assert 3.0 < found[0] < 4.0
    assert not times(features, Fault.CLIPPED).size


@pytest.mark.parametrize("kind", ["baseband", "audio"])
def test_the_sensor_suspects_a_gain_that_is_driven(kind: str) -> None:
    """Up and down by 8 dB in 3 s, as speech in the room drives a telephone's."""
    db = np.diff(4.0 * np.sin(2.0 * np.pi * np.arange(45) * 0.2 / 3.0))
    steps = ", ".join(f"{{ at_s = {0.2 * n:g}, db = {one:g} }}" for n, one in enumerate(db, 1))
    features = seen(f"gain_steps = [{steps}]", kind, seconds=9.0)
    assert len(times(features, Fault.AGC_SUSPECTED)) > 10


def test_the_sensor_notices_clipping_in_audio() -> None:
    """Baseband cannot show it: that is why it is looked for before."""
    loud, near = (seen(f"gain_db = {db}", "audio", seconds=2.0) for db in (30.0, 6.0))
    assert len(times(loud, Fault.CLIPPED)) == len(loud)
    assert not len(times(near, Fault.CLIPPED))
