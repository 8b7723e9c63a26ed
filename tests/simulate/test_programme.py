"""What the loudspeaker plays: the right place of the material at the right time and level, and no click."""

from __future__ import annotations

import pickle
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from pydantic import ValidationError

from noctule.core.errors import NoctuleError
from noctule.simulate.clips import RATE_HZ, Clip, make_clip
from noctule.simulate.parts import FloatArray, generator
from noctule.simulate.programme import FADE_S, Programme
from noctule.simulate.scenes import parse_scene

KINDS = ("music", "bass", "speech", "noise")
SECOND = 48000
RAMP_S = 20


@pytest.fixture
def ramp(tmp_path: Path) -> Path:
    """Twenty seconds of a sound whose every sample says where it is: s seconds are s / 20."""
    path = tmp_path / "ramp.wav"
    soundfile.write(path, np.arange(RAMP_S * SECOND) / (RAMP_S * SECOND), SECOND, subtype="DOUBLE")
    return path


def place_s(programme: Programme, at_s: float) -> float:
    """Which second of the ramp is heard; its rms is 1/√3."""
    (sample,) = programme.drive(float(SECOND), round(at_s * SECOND), 1)[:, 0]
    return float(sample / 10.0 ** (programme.volume_dbfs / 20.0) * RAMP_S / np.sqrt(3.0))


def playing(**fields: Any) -> Programme:
    return Programme.model_validate({"volume_dbfs": -20.0, **fields})


def at(at_s: float, action: str, **value: float) -> dict[str, object]:
    return {"at_s": at_s, "action": action, **value}


# ---- the player


def test_plays_the_place_it_is_told(ramp: Path) -> None:
    """Before the scene too, if it begins with it; otherwise from then on, and never after its end."""
    before = playing(file=ramp, start_s=5.0)
    for at_s in (-2.0, 0.0, 3.0):
        assert place_s(before, at_s) == pytest.approx(5.0 + at_s, abs=1e-4)
    later = playing(file=ramp, start_s=5.0, from_s=2.0, to_s=4.0)
    assert place_s(later, 3.0) == pytest.approx(6.0, abs=1e-4)
    for at_s in (-1.0, 1.9999, 2.0, 4.0 + FADE_S, 1e5):
        assert place_s(later, at_s) == 0.0


def test_round_and_round_or_once(ramp: Path) -> None:
    ring, once = (playing(file=ramp, start_s=15.0, loop=loop) for loop in (True, False))
    assert place_s(once, 4.0) == pytest.approx(19.0, abs=1e-4)
    assert place_s(once, -14.0) == pytest.approx(1.0, abs=1e-4)
    for at_s, s in ((7.0, 2.0), (-16.0, 19.0), (3600 * 20 + 1.0, 16.0)):
        assert place_s(ring, at_s) == pytest.approx(s, abs=1e-4)
        assert place_s(once, at_s) == 0.0
    assert place_s(playing(file=ramp, start_s=21.0, loop=False), 1.0) == 0.0


def test_pause_goes_on_where_it_stopped(ramp: Path) -> None:
    events = [at(2.0, "pause"), at(3.0, "pause"), at(5.0, "resume"), at(6.0, "resume")]
    programme = playing(file=ramp, events=events)
    assert place_s(programme, 1.99) == pytest.approx(1.99, abs=1e-4)
    assert place_s(programme, 2.02) == place_s(programme, 4.9) == 0.0
    assert place_s(programme, 5.5) == pytest.approx(2.5, abs=1e-4)
    assert place_s(programme, 7.0) == pytest.approx(4.0, abs=1e-4)
    assert programme.plays(9.0) == [(0.0, 2.0), (5.0, 9.0)]


def test_seek_and_volume(ramp: Path) -> None:
    """-20 dB above what the programme says is a tenth of it, wherever that is."""
    events = [at(1.0, "seek", to_s=10.0), at(2.0, "volume", to_db=-20.0), at(3.0, "volume", to_db=6.0)]
    programme = playing(file=ramp, events=events)
    for at_s, expected in ((0.9, 0.9), (1.5, 10.5), (2.5, 1.15), (3.5, 12.5 * 10**0.3)):
        assert place_s(programme, at_s) == pytest.approx(expected, rel=1e-4)


def test_seek_and_volume_while_it_pauses(ramp: Path) -> None:
    """Nothing is heard of either until it goes on: from there, at that volume."""
    events = [
        at(1.0, "pause"),
        at(2.0, "seek", to_s=10.0),
        at(3.0, "volume", to_db=-20.0),
        at(4.0, "resume"),
    ]
    programme = playing(file=ramp, events=events)
    assert place_s(programme, 2.5) == place_s(programme, 3.5) == 0.0
    assert place_s(programme, 5.0) == pytest.approx(1.1, rel=1e-4)


EVENTFUL: dict[str, Any] = {
    "kind": "tone",
    "tone_hz": 50.0,
    "from_s": 0.5,
    "to_s": 3.5,
    "events": [
        at(0.52, "seek", to_s=0.005),  # half a turn
        at(0.81, "volume", to_db=12.0),
        at(0.83, "volume", to_db=-40.0),
        at(1.0, "volume", to_db=0.0),
        at(1.503, "pause"),
        at(1.523, "resume"),
        at(2.0, "pause"),
        at(2.5, "resume"),
        at(3.48, "seek", to_s=1.0),
    ],
}


def bend(sound: FloatArray) -> float:
    """The sharpest corner: a step of 1 has 1."""
    return float(np.abs(np.diff(sound, 2, axis=0)).max())


def test_nothing_clicks() -> None:
    """50 Hz of amplitude a and fades of 10 ms bend by (2π·50/48000)²·a and (π/480)²·a/2; a click by a."""
    programme = playing(**EVENTFUL)
    wave = programme.drive(float(SECOND), 0, 4 * SECOND)
    assert np.abs(wave).max() == pytest.approx(0.1 * np.sqrt(2.0) * 4.0, rel=0.05)  # +12 dB
    assert bend(wave) < 0.6 * 4 * ((2.0 * np.pi * 50.0 / 48000.0) ** 2 + (np.pi / 480.0) ** 2)
    # the ends of what is played once, too: they used to be cut
    tone = Programme(kind="noise", loop=False, start_s=9.0, volume_dbfs=-20.0)
    end = tone.drive(float(SECOND), SECOND - 1000, 2000)
    assert np.abs(end[990:]).max() < 0.005
    assert np.abs(end[:500]).max() > 0.05
    begin = Programme(kind="noise", loop=False, volume_dbfs=-20.0).drive(float(SECOND), -1000, 2000)
    assert np.abs(begin[:1010]).max() < 0.005


@pytest.mark.parametrize("rate_hz", [48000.0, 44100.0])
def test_any_pieces_in_any_order(rate_hz: float) -> None:
    for fields in (EVENTFUL, {"kind": "music", "loop": True}, {"kind": "speech", "loop": False}):
        whole = playing(**fields).drive(rate_hz, -5000, 200000)
        again = playing(**fields)
        cuts = [0, 1, 8, 29000, 30000, 95123, 200000]
        for low, high in reversed(list(pairwise(cuts))):
            np.testing.assert_array_equal(again.drive(rate_hz, low - 5000, high - low), whole[low:high])
        assert again.drive(rate_hz, 77, 0).shape == (0, whole.shape[1])


def test_after_hours_it_still_plays() -> None:
    """A clip of n samples comes round exactly: 1000 hours later it is the same."""
    programme = playing(kind="music")
    samples = len(make_clip("music", 0))
    rounds = 1000 * 3600 * SECOND // samples
    first = programme.drive(float(SECOND), 1234, 1000)
    np.testing.assert_array_equal(programme.drive(float(SECOND), 1234 + rounds * samples, 1000), first)


def test_a_copy_that_differs_sounds_different() -> None:
    """A programme that had been heard took its times and its gain along into its altered copies:
    music that was to begin now began when it once had."""
    programme = playing(kind="tone", tone_hz=100.0)
    heard = programme.drive(float(SECOND), 0, SECOND)
    later = programme.model_copy(update={"from_s": 5.0, "volume_dbfs": -40.0, "tone_hz": 200.0})
    assert later == playing(kind="tone", tone_hz=200.0, from_s=5.0, volume_dbfs=-40.0)
    assert not np.any(later.drive(float(SECOND), 0, SECOND))
    assert np.abs(later.drive(float(SECOND), 6 * SECOND, SECOND)).max() == pytest.approx(0.01414, rel=1e-3)
    np.testing.assert_array_equal(programme.drive(float(SECOND), 0, SECOND), heard)


def test_it_goes_to_another_process(ramp: Path) -> None:
    programme = playing(file=ramp)
    heard = programme.drive(44100.0, 0, 100)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(programme)).drive(44100.0, 0, 100), heard)


# ---- level, rates and channels


@pytest.mark.parametrize("kind", KINDS)
def test_volume_is_the_rms(kind: str) -> None:
    samples = len(make_clip(kind, 3))
    wave = playing(kind=kind, seed=3, volume_dbfs=-23.0).drive(float(SECOND), 7, samples)
    assert 20.0 * np.log10(np.sqrt(np.mean(wave**2))) == pytest.approx(-23.0, abs=0.01)


def test_a_full_sine_is_3_db_down() -> None:
    wave = playing(kind="tone", tone_hz=1000.0, volume_dbfs=-3.0103).drive(float(SECOND), 0, SECOND)
    assert np.abs(wave).max() == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("file_hz", [8000, 11025, 44100, 96000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_files_of_any_rate_play_in_time_and_in_pitch(tmp_path: Path, file_hz: int, channels: int) -> None:
    """500 Hz left and 700 Hz right, as they would be at any rate; what comes after two is not heard."""
    time_s = np.arange(2 * file_hz) / file_hz
    hz = np.array([500.0, 700.0, 900.0, 900.0, 900.0, 900.0])[:channels]
    soundfile.write(tmp_path / "a.wav", 0.5 * np.sin(2.0 * np.pi * hz * time_s[:, None]), file_hz, "FLOAT")
    programme = playing(file=tmp_path / "a.wav", volume_dbfs=-3.0103)
    for rate_hz in (48000.0, 96000.0):
        first = round(0.5 * rate_hz)
        wave = programme.drive(rate_hz, first, 5000)
        expected = np.sin(2.0 * np.pi * hz[:2] * (np.arange(first, first + 5000) / rate_hz)[:, None])
        np.testing.assert_allclose(wave, expected, atol=1e-3)


def test_a_file_is_not_judged_by_its_quiet_beginning(tmp_path: Path, rng: np.random.Generator) -> None:
    """The first minute alone used to say how loud a file is: after a silent one nothing was heard at all."""
    sound = rng.uniform(-0.1, 0.1, 100 * 8000)
    sound[: 61 * 8000] = 0.0
    soundfile.write(tmp_path / "late.wav", sound, 8000)
    wave = playing(file=tmp_path / "late.wav", start_s=62.0).drive(8000.0, 0, 30 * 8000)
    expected_db = -20.0 - 10.0 * np.log10(0.39)  # rms over the whole of it, and 39 % of it sound
    assert 20.0 * np.log10(wave.std()) == pytest.approx(expected_db, abs=0.5)


def test_silence_stays_silent(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "none.wav", np.zeros(8000), 8000)
    assert not np.any(playing(file=tmp_path / "none.wav").drive(48000.0, 0, 1000))


def test_what_is_no_number_in_a_file_is_silence(tmp_path: Path) -> None:
    """One NaN used to take the gain to zero, and everything behind it in the loudspeaker to NaN."""
    sound = np.full(8000, 0.5)
    sound[[100, 200]] = np.nan, np.inf
    soundfile.write(tmp_path / "a.wav", sound, 8000, "FLOAT")
    wave = playing(file=tmp_path / "a.wav").drive(8000.0, 0, 8000)[:, 0]
    assert wave[[100, 200]].tolist() == [0.0, 0.0]
    assert wave[300] == pytest.approx(0.1, rel=1e-3)


# ---- what cannot be


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"events": [at(1.0, "seek")]}, "a seek, and only a seek"),
        ({"events": [at(1.0, "pause", to_s=1.0)]}, "a seek, and only a seek"),
        ({"events": [at(1.0, "volume")]}, "a volume step"),
        ({"events": [at(1.0, "resume", to_db=1.0)]}, "a volume step"),
        ({"events": [at(1.0, "stop")]}, "'pause', 'resume', 'seek' or 'volume'"),
        ({"events": [at(1.0, "volume", to_db=31.0)]}, "less than or equal to 30"),
        ({"events": [at(2.0, "pause"), at(1.0, "resume")]}, "in order"),
        ({"events": [at(1.0, "pause"), at(1.019, "resume")]}, "at least 0.02 s apart"),
        ({"events": [at(1.0, "pause")], "from_s": 1.5}, "between from_s and to_s"),
        ({"events": [at(3.0, "pause")], "to_s": 2.0}, "between from_s and to_s"),
        ({"from_s": 2.0, "to_s": 2.0}, "to_s must come after"),
        ({"volume_dbfs": 1.0}, "less than or equal to 0"),
        ({"kind": "jazz"}, "'music', 'speech', 'bass', 'noise' or 'tone'"),
        ({"volume": -20}, "Extra inputs"),
    ],
)
def test_impossible_programmes_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Programme.model_validate(fields)


def test_events_leave_the_fades_at_both_ends_alone() -> None:
    """One 2 ms after the beginning or before the end cut the fade short there: a click of full height."""
    for fields in ({"from_s": 1.0, "to_s": 3.0}, {"from_s": 0.0, "to_s": 3.0}):
        first_s = 1.02 if fields["from_s"] else 0.0
        wave = playing(kind="tone", tone_hz=50.0, **fields, events=[at(first_s, "pause"), at(2.98, "resume")])
        assert bend(wave.drive(float(SECOND), 100, 4 * SECOND)) < 2e-5
        for at_s in (1.002, 2.998):
            if at_s > 2.0 or fields["from_s"]:
                with pytest.raises(ValidationError, match=r"between from_s and to_s, 0\.02 s away"):
                    playing(**fields, events=[at(at_s, "pause")])


def bad_files(folder: Path) -> dict[str, str]:
    """Names of files that cannot be played, and what is said of them."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 24000)
    soundfile.write(folder / "short.flac", noise, 8000)
    whole = (folder / "short.flac").read_bytes()
    (folder / "short.flac").write_bytes(whole[: len(whole) // 2])
    (folder / "text.wav").write_text("not a sound")
    (folder / "nothing.wav").write_bytes(b"")
    soundfile.write(folder / "empty.wav", noise[:0], 8000)
    soundfile.write(folder / "slow.wav", noise, 7999)
    return {
        "missing.wav": "no sound file",
        "text.wav": "no sound file",
        "nothing.wav": "no sound file",
        "empty.wav": "empty",
        "slow.wav": "below 8000 Hz",
        "short.flac": "cut short",
    }


def test_bad_files_are_refused_in_one_line_that_points_to_them(tmp_path: Path) -> None:
    """A FLAC file that was cut short used to end a rendering in the middle, with 'psf_fseek() failed'."""
    for name, says in bad_files(tmp_path).items():
        with pytest.raises(NoctuleError) as error:
            parse_scene(f'seed = 1\n[programme]\nloop = false\nfile = "{name}"\n', tmp_path / "home.toml")
        message = str(error.value)
        assert "\n" not in message
        assert message.startswith(f"{tmp_path}/home.toml:4: programme.file: ")
        assert name in message
        assert says in message


def test_a_file_that_goes_away_is_named(ramp: Path) -> None:
    programme = playing(file=ramp)
    programme.drive(48000.0, 0, 10)
    ramp.unlink()
    with pytest.raises(NoctuleError, match=r"ramp\.wav: cannot be read on at sample 4800: damaged"):
        programme.drive(48000.0, 4800, 10)


@pytest.mark.parametrize("duration_s", [0.5, 2.0, 60.0])
def test_draws_can_be_played(ramp: Path, duration_s: float) -> None:
    drawn = [Programme.draw(generator(seed, "p"), [ramp], duration_s) for seed in range(300)]
    assert drawn[7] == Programme.draw(generator(7, "p"), [ramp], duration_s)
    assert all(Programme.model_validate(one.model_dump()) == one for one in drawn)
    assert all(one.from_s < duration_s and (one.to_s or 0.0) < duration_s for one in drawn)
    assert {one.kind for one in drawn} == set(KINDS)
    assert 0.7 < np.mean([one.file is not None for one in drawn]) < 0.9
    actions = {event.action for one in drawn for event in one.events}
    assert actions == ({"pause", "resume", "seek", "volume"} if duration_s > 10.0 else actions)
    assert np.ptp([one.volume_dbfs for one in drawn]) > 35.0


# ---- made-up material


def power_share(clip: FloatArray | Clip, low_hz: float, high_hz: float) -> float:
    clip = clip[: len(clip) // SECOND * SECOND]  # quick to transform
    power = (np.abs(np.fft.rfft(clip, axis=0)) ** 2).sum(1)
    frequency_hz = np.fft.rfftfreq(len(clip), 1.0 / RATE_HZ)
    return float(power[(frequency_hz >= low_hz) & (frequency_hz < high_hz)].sum() / power.sum())


# least and most of the power in three bands. Music and speech as in recordings (of 5 and 21: medians of
# 50 % and 22 % below 200 Hz); noise as pink as 10 octaves are: log2(200/20)/log2(24000/20) = 32 % below 200
BANDS = {
    "music": {(0, 200): (0.4, 0.75), (200, 4000): (0.2, 0.6), (4000, 24000): (0.002, 0.05)},
    "bass": {(0, 200): (0.9, 1.0), (200, 4000): (0.0, 0.1), (4000, 24000): (1e-4, 0.01)},
    "speech": {(0, 200): (0.05, 0.25), (200, 4000): (0.7, 0.95), (4000, 24000): (5e-4, 0.05)},
    "noise": {(0, 200): (0.3, 0.35), (200, 4000): (0.4, 0.45), (4000, 24000): (0.24, 0.27)},
}


@pytest.mark.parametrize("kind", KINDS)
def test_spectra_are_where_they_belong(kind: str) -> None:
    for seed in range(4):
        clip = make_clip(kind, seed).astype(np.float64)
        for (low_hz, high_hz), (least, most) in BANDS[kind].items():
            assert least < power_share(clip, low_hz, high_hz) < most
        # a loudspeaker has no use for less
        assert power_share(clip, 0, 20) < 0.002
        assert abs(clip.mean()) < 0.01 * clip.std()


def test_a_voice_has_its_fundamental() -> None:
    """Speech had 1-2 % of its power below 200 Hz, recordings of it a fifth: -10 dB of cone travel."""
    shares = [power_share(make_clip("speech", seed), 0, 200) for seed in range(12)]
    assert 0.1 < np.median(shares) < 0.3


def test_pink_noise_has_as_much_in_every_octave() -> None:
    clip = make_clip("noise", 0)
    octaves = [power_share(clip, 20.0 * 2.0**n, 40.0 * 2.0**n) for n in range(2, 10)]
    assert 10.0 * np.log10(max(octaves) / min(octaves)) < 0.6


def test_speech_rests_and_music_hardly() -> None:
    def quiet(kind: str) -> float:
        clip = make_clip(kind, 2)[:, 0].astype(np.float64)
        loudness = np.sqrt(np.mean(clip[: len(clip) // 2400 * 2400].reshape(-1, 2400) ** 2, axis=1))
        return float(np.mean(loudness < 0.1 * loudness.max()))

    assert 0.1 < quiet("speech") < 0.6
    assert quiet("music") < 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_clips_are_their_seed_and_close_into_a_ring(kind: str) -> None:
    clip = make_clip(kind, 1)
    make_clip.cache_clear()
    np.testing.assert_array_equal(make_clip(kind, 1), clip)
    other = make_clip(kind, 2)
    count = min(len(clip), len(other))
    assert abs(np.corrcoef(clip[:count, 0], other[:count, 0])[0, 1]) < 0.5
    assert clip.shape[1] == (2 if kind in ("music", "bass") else 1)
    assert 6.5 < len(clip) / RATE_HZ < 26.0
    assert not clip.flags.writeable
    # across the seam it steps no farther than elsewhere: below 1 kHz, where a click would show
    wave = np.tile(clip[:, 0].astype(np.float64), 2)
    slow = np.convolve(wave, np.hanning(97), "same")
    steps = np.abs(np.diff(slow))
    assert steps[len(clip) - 50 : len(clip) + 50].max() <= steps[100 : len(clip) - 100].max()


def test_stereo_is_stereo() -> None:
    left, right = make_clip("music", 0).astype(np.float64).T
    alike = float(np.sum(left * right) / np.sqrt(np.sum(left**2) * np.sum(right**2)))
    assert 0.3 < alike < 0.999
