"""The loudspeaker while it plays: cone Doppler against the table, what an amplifier takes, and time."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
from pydantic import ValidationError
from scipy.special import jv
from tests.simulate.test_driver import STRAIGHT, distortion, excursion_per_volt

from noctule.simulate.amplifier import Amplifier, bias_under_sine, sine_on_bias
from noctule.simulate.driver import AIR_DENSITY_KGPM3, Driver
from noctule.simulate.loudspeaker import RATE_HZ, Loudspeaker
from noctule.simulate.parts import FloatArray, generator
from noctule.simulate.programme import Programme

SECOND = 48000
#: Nothing but cone travel: a driver of straight lines, a floating-point mixer, rails out of reach.
OPEN = Amplifier(headroom="none", full_scale_v=20.0, rail_v=60.0, high_pass_hz=30.0)
DOPPLER = Loudspeaker(driver=Driver.model_validate(STRAIGHT), amplifier=OPEN)
HEADROOMS: tuple[Literal["none", "clip", "limiter"], ...] = ("none", "clip", "limiter")
ComplexArray = npt.NDArray[np.complex128]


def sine(hz: float, peak: float, count: int = SECOND) -> FloatArray:
    return np.asarray(peak * np.sin(2.0 * np.pi * hz * np.arange(count) / RATE_HZ))


def line_db(envelope: ComplexArray, hz: int) -> float:
    """Of one second at 48 kHz, re the tone at rest."""
    return float(20.0 * np.log10(np.abs(np.fft.fft(envelope)[hz]) / SECOND))


def moved_by(excursion_m: float, hz: float = 100.0) -> Programme:
    """A sine that moves the cone of `DOPPLER` so far, one way: on paper, through filter and driver."""
    per_volt = abs(excursion_per_volt(DOPPLER.driver, 2.0 * math.pi * hz)) / math.sqrt(1.0 + (30.0 / hz) ** 4)
    peak = excursion_m / (per_volt * OPEN.full_scale_v)
    return Programme(kind="tone", tone_hz=hz, volume_dbfs=20.0 * math.log10(peak / math.sqrt(2.0)))


# ---- the cone


@pytest.mark.parametrize(
    ("excursion_m", "table_dbc"), [(1e-6, (-75, -71, -69)), (1e-4, (-35, -31, -29)), (1e-3, (-15, -11, -9))]
)
def test_sidebands_of_a_moving_cone(excursion_m: float, table_dbc: tuple[int, int, int]) -> None:
    """PHYSICS.md: β = 2π·f·x/c, one way; and with Bessel's J1(β), as of any sine in a phase."""
    for carrier_hz, dbc in zip((20000.0, 32000.0, 40000.0), table_dbc, strict=True):
        envelope = DOPPLER.modulation(moved_by(excursion_m), carrier_hz, RATE_HZ)(2 * SECOND, SECOND)
        beta = 2.0 * math.pi * carrier_hz * excursion_m / 343.2
        for hz in (-100, 100):
            assert line_db(envelope, hz) == pytest.approx(dbc, abs=1.0)
            assert line_db(envelope, hz) == pytest.approx(20.0 * math.log10(jv(1, beta)), abs=0.05)
        np.testing.assert_allclose(np.abs(envelope), 1.0, atol=1e-9)


def test_cone_that_comes_nearer_is_early() -> None:
    """The first way of the cone goes where the voltage pushes it: outwards, so the tone's phase leads."""
    programme = Programme(kind="tone", tone_hz=100.0, volume_dbfs=-20.0, from_s=1.0)
    envelope = DOPPLER.modulation(programme, 40000.0, RATE_HZ)(SECOND, SECOND // 100)
    volts = programme.drive(RATE_HZ, SECOND, SECOND // 100)[:, 0]
    assert volts[60] > 0.0
    assert np.angle(envelope[60]) > 1e-3


def test_tweeter_of_its_own_spares_the_tone() -> None:
    """Of the cone's travel it gets a hundredth, -40 dB, and of its curves nothing."""
    programme = moved_by(1e-4)
    tweeter = DOPPLER.model_copy(update={"two_way": True, "tweeter_share": 0.01})
    one, two = (
        line_db(speaker.modulation(programme, 40000.0, RATE_HZ)(2 * SECOND, SECOND), 100)
        for speaker in (DOPPLER, tweeter)
    )
    assert one - two == pytest.approx(40.0, abs=0.1)
    real = Loudspeaker(amplifier=OPEN, two_way=True, tweeter_share=0.0)
    envelope = real.modulation(moved_by(1e-3), 40000.0, RATE_HZ)(0, SECOND)
    np.testing.assert_allclose(envelope, 1.0, atol=1e-12)


def test_curves_modulate_on_the_order_of_travel() -> None:
    """PHYSICS.md: amplitude modulation is of the same order as Doppler; here the median is 3-20 dB below."""
    programme = Programme(kind="music", volume_dbfs=-9.0)
    below_db = []
    for seed in range(15):
        speaker = Loudspeaker.draw(generator(seed, "speaker"))
        open_mixer = speaker.amplifier.model_copy(update={"headroom": "none", "rail_v": 60.0})
        speaker = speaker.model_copy(update={"two_way": False, "amplifier": open_mixer})
        envelope = speaker.modulation(programme, 20000.0, 6000.0)(1000, 10000)
        below_db.append(20.0 * np.log10(np.unwrap(np.angle(envelope)).std() / np.abs(envelope).std()))
    assert 3.0 < np.median(below_db) < 20.0


def percent(speaker: Loudspeaker, hz: int, volume_dbfs: float) -> float:
    programme = Programme(kind="tone", tone_hz=hz, volume_dbfs=volume_dbfs)
    sound = speaker.sounds(programme, np.zeros((1, 3)))[0]
    return 100.0 * distortion(sound.waveform(RATE_HZ, SECOND // 2, SECOND), hz)


def test_smart_speaker_distorts_as_real_ones_do() -> None:
    """PHYSICS.md: 14-41 % at 50-160 Hz and 1 % at 0.5-0.8 kHz, at a full-scale sine."""
    bass = [percent(Loudspeaker(), hz, -3.01) for hz in (50, 63, 80, 100, 125, 160)]
    assert all(10.0 < one < 45.0 for one in bass)
    assert 14.0 < np.median(bass) < 41.0
    for hz in (500, 800):
        assert percent(Loudspeaker(), hz, -3.01) == pytest.approx(1.0, abs=0.5)
    assert percent(Loudspeaker(), 100, -43.0) < 0.05


def test_drawn_small_speakers_distort_likewise() -> None:
    """Half of full scale: some hardly, some terribly, the middle one as in PHYSICS.md."""
    drawn = [Loudspeaker.draw(generator(seed, "speaker")) for seed in range(24)]
    small = [speaker for speaker in drawn if speaker.driver.moving_mass_g < 0.8]
    assert len(small) >= 10
    bass = [percent(speaker, hz, -9.03) for speaker in small for hz in (80, 160)]
    assert 14.0 < np.median(bass) < 41.0
    assert np.median([percent(speaker, 800, -9.03) for speaker in small[:6]]) < 3.0


def test_draws_are_sound_and_differ() -> None:
    drawn = [Loudspeaker.draw(generator(seed, "speaker")) for seed in range(400)]
    assert drawn[5] == Loudspeaker.draw(generator(5, "speaker"))
    assert len({speaker.driver.resonance_hz for speaker in drawn}) == 400
    assert {speaker.amplifier.headroom for speaker in drawn} == set(HEADROOMS)
    for speaker in drawn:
        assert Loudspeaker.model_validate(speaker.model_dump()) == speaker
        # the voltage of full scale is chosen for what the driver has: half to one and a half of its reach
        driver = speaker.driver
        volts = driver.voltage_for(1e-3 * driver.linear_excursion_mm)
        assert 0.45 < speaker.amplifier.full_scale_v / volts < 1.55
        assert not speaker.two_way or driver.moving_mass_g > 0.8
    assert 0.1 < np.mean([speaker.two_way for speaker in drawn]) < 0.4


# ---- the amplifier


@pytest.mark.parametrize("headroom", HEADROOMS)
def test_with_head_room_nothing_is_taken(headroom: Literal["none", "clip", "limiter"]) -> None:
    """-20 dBFS of tone and -12 of bass are 0.35 of full scale: exactly volts = full scale · filtered."""
    amplifier = Amplifier(headroom=headroom, full_scale_v=5.0, rail_v=5.0, high_pass_hz=50.0)
    played = amplifier.play(sine(400.0, 0.25), RATE_HZ, -20.0)
    np.testing.assert_allclose(played.gain, 1.0, atol=1e-12)
    passed = 1.0 / math.sqrt(1.0 + (50.0 / 400.0) ** 4)
    assert np.abs(played.volts[SECOND // 2 :]).max() == pytest.approx(5.0 * 0.25 * passed, rel=1e-3)
    # the other side of the limit
    loud = amplifier.play(sine(400.0, 0.95), RATE_HZ, -20.0)
    assert loud.gain.min() < 0.99


def test_filters_are_where_they_are_said_to_be() -> None:
    amplifier = Amplifier(headroom="none", full_scale_v=1.0, rail_v=10.0, high_pass_hz=30.0)
    boosted = amplifier.model_copy(update={"bass_boost_db": 10.0, "bass_boost_hz": 500.0})

    def level_db(one: Amplifier, hz: float) -> float:
        played = one.play(sine(hz, 0.1), RATE_HZ, -40.0).volts[SECOND // 2 :]
        return float(20.0 * np.log10(played.std() * math.sqrt(2.0) / 0.1))

    assert level_db(amplifier, 30.0) == pytest.approx(-3.01, abs=0.05)
    assert level_db(amplifier, 4000.0) == pytest.approx(0.0, abs=0.01)
    for hz, db in ((80.0, 10.0), (500.0, 5.0), (6000.0, 0.0)):
        assert level_db(boosted, hz) - level_db(amplifier, hz) == pytest.approx(db, abs=0.1)


@pytest.mark.parametrize("amplitude", [0.01, 0.3, 1.5])
def test_clipped_sine_against_a_clipped_sine(amplitude: float) -> None:
    """The formula, and a real sine on a bias that is cut off and looked at: its own frequency, its mean."""
    bias = np.linspace(-3.0, 3.0, 61)
    phase = (np.arange(20000) + 0.5) * 2.0 * np.pi / 20000
    cut = np.clip(bias[:, None] + amplitude * np.sin(phase), -1.0, 1.0)
    own = 2.0 * (cut * np.sin(phase)).mean(1) / amplitude
    np.testing.assert_allclose(sine_on_bias(bias, amplitude, 1.0), own, atol=1e-6)
    np.testing.assert_allclose(bias_under_sine(bias, amplitude, 1.0), cut.mean(1), atol=1e-6)


def through(
    amplifier: Amplifier, bass: FloatArray, gain: FloatArray, tone: float
) -> tuple[FloatArray, FloatArray]:
    """Mixer and rails one after the other, on a tone that is really there: volts, and the tone's gain."""
    phase = (np.arange(1000) + 0.5) * 2.0 * np.pi / 1000
    mixed = gain[:, None] * (bass[:, None] + tone * np.sin(phase))
    if amplifier.headroom == "clip":
        mixed = np.clip(mixed, -1.0, 1.0)
    volts = np.clip(amplifier.full_scale_v * mixed, -amplifier.rail_v, amplifier.rail_v)
    return volts.mean(1), 2.0 * (volts * np.sin(phase)).mean(1) / (amplifier.full_scale_v * tone)


@pytest.mark.parametrize("headroom", HEADROOMS)
@pytest.mark.parametrize("rail_v", [6.0, 8.0, 20.0])
def test_what_is_left_of_the_tone(headroom: Literal["none", "clip", "limiter"], rail_v: float) -> None:
    """Two clippers in a row used to take twice from a tone (a quarter of it where both stand at full
    scale), and the rails to see the tone as it was before the limiter turned it down."""
    amplifier = Amplifier(
        headroom=headroom, full_scale_v=8.0, rail_v=rail_v, high_pass_hz=30.0, attack_s=1e-3
    )
    samples = sine(300.0, 1.3, 4800)
    played = amplifier.play(samples, RATE_HZ, -10.0)
    free = Amplifier(headroom="none", full_scale_v=1.0, rail_v=10.0, high_pass_hz=30.0)
    bass = free.play(samples, RATE_HZ, -60.0).volts
    gain = np.ones(len(bass))
    if headroom == "limiter":  # what it turns down is seen where nothing else is in the way
        high = amplifier.model_copy(update={"rail_v": 80.0})
        gain = high.play(samples, RATE_HZ, -10.0).gain
        assert gain.min() < 0.6
    volts, left = through(amplifier, bass, gain, 10.0**-0.5)
    np.testing.assert_allclose(played.gain, left, atol=1e-5)
    np.testing.assert_allclose(played.volts, volts, atol=1e-4)


def test_limiter_ducks_the_tone_quickly_and_lets_go_slowly() -> None:
    """Bass of 1.5 and tone of 0.1 under a ceiling of 1: 4.1 dB down within some attacks; back at 60 dB/s."""
    amplifier = Amplifier(headroom="limiter", ceiling_dbfs=0.0, attack_s=3e-4, release_db_per_s=60.0)
    amplifier = amplifier.model_copy(update={"high_pass_hz": 30.0, "rail_v": 60.0})
    samples = sine(2000.0, 1.5, 2 * SECOND)
    samples[SECOND:] = 0.0
    gain_db = 20.0 * np.log10(amplifier.play(samples, RATE_HZ, -20.0).gain)
    down_db = 20.0 * math.log10(1.6)
    assert gain_db[12] > -0.5 * down_db  # after 0.25 ms
    assert gain_db[240] < -0.9 * down_db  # after 5
    # it rides on the peaks, short of their tips, and gives way a little between them
    assert gain_db[SECOND // 2 : SECOND].mean() == pytest.approx(-down_db, abs=0.3)
    back = gain_db[SECOND + 480 : SECOND + 2400]
    np.testing.assert_allclose(np.diff(back), 60.0 / RATE_HZ, atol=1e-9)
    assert gain_db[-1] == pytest.approx(0.0, abs=1e-12)


def test_rest_is_one_even_where_the_tone_alone_is_clipped() -> None:
    """Used to be 0.36: a tone of 0.7 of full scale behind rails at 0.2, relative to one without rails."""
    for headroom in HEADROOMS:
        amplifier = Amplifier(headroom=headroom, full_scale_v=10.0, rail_v=2.0)
        np.testing.assert_allclose(amplifier.play(np.zeros(100), RATE_HZ, -3.0).gain, 1.0, atol=1e-12)


def test_rails_far_from_full_scale_are_refused() -> None:
    with pytest.raises(ValidationError, match="within a factor of ten"):
        Amplifier(full_scale_v=8.0, rail_v=0.7)
    assert Amplifier(full_scale_v=8.0, rail_v=0.8).rail_v == 0.8


def test_head_room_and_cone_are_two_things() -> None:
    """Loud 3 kHz hardly moves the cone and takes from the tone; bass moves it and takes nothing."""
    clipping = DOPPLER.model_copy(update={"amplifier": Amplifier(headroom="clip"), "tone_dbfs": -10.0})
    treble = Programme(kind="tone", tone_hz=3000.0, volume_dbfs=0.0)
    envelope = clipping.modulation(treble, 40000.0, RATE_HZ)(2 * SECOND, SECOND)
    assert np.abs(envelope).mean() < 0.8
    assert np.abs(np.angle(envelope[np.abs(envelope) > 0.1])).max() < 0.02
    open_mixer = DOPPLER.modulation(moved_by(1e-3), 40000.0, RATE_HZ)(2 * SECOND, SECOND)
    np.testing.assert_allclose(np.abs(open_mixer), 1.0, atol=1e-9)
    assert np.ptp(np.angle(open_mixer)) > 1.0
    # a tweeter does not help against a mixer that is full
    tweeter = clipping.model_copy(update={"two_way": True})
    assert np.abs(tweeter.modulation(treble, 40000.0, RATE_HZ)(2 * SECOND, SECOND)).mean() < 0.8


# ---- time

LIMITED = Loudspeaker(
    driver=Driver(force_factor_offset=0.2, stiffness_asymmetry=0.2), amplifier=Amplifier(headroom="limiter")
)


@pytest.mark.parametrize("rate_hz", [48000.0, 6000.0, 5512.5])
def test_any_pieces_in_any_order(rate_hz: float) -> None:
    programme = Programme(kind="music", seed=1, volume_dbfs=-9.0)
    whole = LIMITED.modulation(programme, 40000.0, rate_hz)(-3000, int(5.0 * rate_hz))
    again = LIMITED.modulation(programme, 40000.0, rate_hz)
    assert np.abs(whole - 1.0).max() > 0.1
    cuts = [0, 1, 8, 3000, int(2.2 * rate_hz), int(2.2 * rate_hz) + 480, len(whole)]
    pieces = [(low, again(low - 3000, high - low)) for low, high in reversed(list(pairwise(cuts)))]
    for low, piece in pieces:
        np.testing.assert_array_equal(piece, whole[low : low + len(piece)])
    assert len(again(17, 0)) == 0


def in_one_go(speaker: Loudspeaker, programme: Programme, from_s: float, to_s: float) -> ComplexArray:
    """The same parts from `from_s` on without a break; the envelope from 0 s to `to_s`."""
    first, count = round(from_s * RATE_HZ), round((to_s - from_s) * RATE_HZ)
    played = speaker.amplifier.play(
        programme.drive(RATE_HZ, first, count).mean(1), RATE_HZ, speaker.tone_dbfs
    )
    moved = speaker.driver.move(played.volts, RATE_HZ)
    turn = np.exp(2j * np.pi * 40000.0 / 343.2 * moved.excursion_m)
    return np.asarray((played.gain * speaker.driver.tone_gain(40000.0, moved) * turn)[-first:])


@pytest.mark.parametrize("kind", ["music", "bass"])
def test_stretches_that_are_solved_apart_fit_together(kind: Literal["music", "bass"]) -> None:
    for seed in range(6):
        speaker = Loudspeaker.draw(generator(seed, "speaker")).model_copy(update={"two_way": False})
        programme = Programme(kind=kind, volume_dbfs=-9.0)
        found = speaker.modulation(programme, 40000.0, RATE_HZ)(0, 5 * SECOND)
        np.testing.assert_allclose(found, in_one_go(speaker, programme, -4.0, 5.0), atol=1e-6)


def test_limiter_remembers_across_the_seam() -> None:
    """After 0.9 s at +30 dB a slow limiter was still 40 dB down when the next stretch, which looked back
    half a second only, began with nothing to remember: the tone jumped by 0.7."""
    programme = Programme.model_validate(
        {
            "volume_dbfs": 0.0,
            "events": [
                {"at_s": 0.5, "action": "volume", "to_db": 30.0},
                {"at_s": 1.45, "action": "pause"},
            ],
        }
    )
    amplifier = Amplifier(headroom="limiter", release_db_per_s=60.0, bass_boost_db=15.0)
    speaker = Loudspeaker(amplifier=amplifier)
    found = speaker.modulation(programme, 40000.0, RATE_HZ)(0, 3 * SECOND)
    assert abs(found[2 * SECOND]) < 0.5
    assert np.abs(np.diff(found[2 * SECOND - 9 : 2 * SECOND + 9])).max() < 1e-3
    np.testing.assert_allclose(found, in_one_go(speaker, programme, -4.0, 3.0), atol=1e-6)


def test_one_while_nothing_plays() -> None:
    programme = Programme(kind="music", volume_dbfs=-9.0, from_s=2.5, to_s=4.0)
    for speaker in (Loudspeaker(), LIMITED, Loudspeaker(two_way=True)):
        envelope = speaker.modulation(programme, 40000.0, 6000.0)
        np.testing.assert_allclose(envelope(-9000, 9000 + 14900), 1.0, atol=1e-12)
        assert np.abs(envelope(15600, 7000) - 1.0).max() > 1e-3
        np.testing.assert_allclose(envelope(4 * 6000 + 3600, 12000), 1.0, atol=1e-6)
    silent = Programme(kind="music", volume_dbfs=-90.0)
    quiet = Loudspeaker().modulation(silent, 40000.0, 6000.0)(0, 6000)
    np.testing.assert_allclose(quiet, 1.0, atol=1e-3)


def test_after_hours_it_is_as_at_first() -> None:
    """100 Hz comes round in every second, so the envelope at 100 h is the one at 0 h."""
    programme = Programme(kind="tone", tone_hz=100.0, volume_dbfs=-9.0)
    envelope = LIMITED.modulation(programme, 40000.0, 6000.0)
    first, late = (envelope(at_s * 6000 + 11000, 2000) for at_s in (0, 360000))
    np.testing.assert_allclose(late, first, atol=1e-6)
    music = LIMITED.modulation(Programme(kind="music", volume_dbfs=-9.0), 40000.0, 5512.5)
    assert np.isfinite(music(int(360000 * 5512.5), 3000)).all()


@pytest.mark.parametrize("kind", ["music", "bass", "noise", "tone"])
def test_far_too_loud_is_no_trouble(kind: Literal["music", "bass", "noise", "tone"]) -> None:
    events = [{"at_s": 0.0, "action": "volume", "to_db": 30.0}]
    programme = Programme.model_validate({"kind": kind, "volume_dbfs": 0.0, "events": events})
    for seed in range(8):
        speaker = Loudspeaker.draw(generator(seed, "speaker"))
        envelope = speaker.modulation(programme, 40000.0, 6000.0)(0, 6000)
        assert np.isfinite(envelope).all()
        assert np.abs(envelope).max() < 2.0
        assert np.abs(envelope - 1.0).max() > 0.1
        sound = speaker.sounds(programme, np.zeros((1, 3)))[0].waveform(96000.0, 0, 9600)
        assert np.isfinite(sound).all()


def test_slow_rates_hear_the_same() -> None:
    """Bass is slow: at 6 kHz there are every eighth of the samples at 48 kHz."""
    programme = Programme(kind="tone", tone_hz=80.0, volume_dbfs=-12.0)
    fast, slow = (LIMITED.modulation(programme, 40000.0, rate_hz) for rate_hz in (48000.0, 6000.0))
    np.testing.assert_allclose(slow(3000, 3000), fast(24000, 24000)[::8], atol=2e-3)


# ---- what is heard of it


def test_pressure_of_a_sine_on_paper() -> None:
    """At 1 m: ρ·S·ω²·x / 2π, with 10 cm² and the linear excursion at 500 Hz; from where it is made."""
    places = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    sounds = DOPPLER.sounds(moved_by(1e-5, 500.0), places)
    expected = AIR_DENSITY_KGPM3 * 1e-3 * (2.0 * math.pi * 500.0) ** 2 * 1e-5 / (2.0 * math.pi)
    for sound, place in zip(sounds, places, strict=True):
        np.testing.assert_array_equal(sound.position_m, place)
        assert np.abs(sound.waveform(96000.0, 96000, 9600)).max() == pytest.approx(expected, rel=0.01)


def test_sound_is_where_and_when_it_says() -> None:
    programme = Programme(kind="bass", volume_dbfs=-9.0, from_s=1.0, to_s=2.0)
    sound = Loudspeaker().sounds(programme, np.zeros((1, 3)))[0]
    assert sound.starts_s < 1.0
    assert 2.0 < sound.ends_s < 4.0
    wave = sound.waveform(96000.0, 0, 5 * 96000)
    loudest = np.abs(wave).max()
    assert np.abs(wave[: int(96000 * sound.starts_s)]).max() == 0.0
    assert np.abs(wave[int(96000 * sound.ends_s) :]).max() < 1e-6 * loudest
    np.testing.assert_array_equal(sound.waveform(96000.0, 100001, 777), wave[100001:100778])
    # its distortion is in it, and nothing above half of 48 kHz
    power = np.abs(np.fft.rfft(wave)) ** 2
    assert power[5 * 25500 :].sum() < 1e-7 * power.sum()
    assert Loudspeaker().sounds(Programme(), np.zeros((1, 3)))[0].ends_s == math.inf
