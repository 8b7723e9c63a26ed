"""Calibration in front of simulated rooms and of cards with one illness each: a verdict, and nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from scipy.signal.windows import blackmanharris

from noctule.calibrate import memory
from noctule.calibrate.calibration import STEPS, Calibration, calibrate, reach_of
from noctule.calibrate.choose import FOUND_DB, Reach
from noctule.calibrate.drift import LASTS_S, NOT_AGAIN_S, DriftWatch
from noctule.calibrate.picture import as_svg
from noctule.calibrate.profile import DeviceProfile, read_profile
from noctule.calibrate.sweep import analyse_sweep, impulse_response, make_sweep, smooth_spectrum_db
from noctule.core.errors import NoctuleError
from noctule.core.frames import Decision, Fault, Float32Array
from noctule.core.settings import Settings
from noctule.simulate.live import LiveRoom
from noctule.simulate.scenes import Scene, parse_scene
from noctule.simulate.still_room import StillRoom

SCENE = """
duration_s = 60
seed = 11
carrier_hz = 40000
sample_rate_hz = 96000

[device]
microphones = 2
tone_db_spl = 85

[unit]
skirt_db = -40
"""
RATE_HZ = 96000.0
NOW = datetime(2026, 5, 1, tzinfo=UTC)


class Card:
    """A sound card that is a function, and remembers what was played."""

    def __init__(self, hear: Callable[[Float32Array], Float32Array], rate_hz: float = RATE_HZ) -> None:
        self._hear = hear
        self.sample_rate_hz = rate_hz
        self.played: list[Float32Array] = []

    def play_and_record(self, signal: Float32Array, /) -> Float32Array:
        self.played.append(signal)
        return self._hear(np.concatenate([signal, np.zeros(round(self.sample_rate_hz), np.float32)]))


def room(scene: Scene | None = None) -> Card:
    still = StillRoom(scene or parse_scene(SCENE))
    return Card(still.hear, still.rate_hz)


def calibrated(card: Card, settings: Settings | None = None, **given: object) -> Calibration:
    return calibrate(card, settings or Settings(), now=lambda: NOW, wait=lambda s: None, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def found() -> Calibration:
    return calibrated(room(), identities=("mic", "speaker"))


def test_a_healthy_room_gets_a_carrier_a_level_and_a_verdict(found: Calibration) -> None:
    assert found.carrier_hz >= 32_000.0
    assert -70.0 < found.level_dbfs < -6.0
    assert found.walk_range_m == pytest.approx(found.wanted_range_m, abs=0.2)
    assert 0.5 < found.small_range_m < found.walk_range_m
    words = found.verdict()
    assert "walks are found to 4.0 m" in words
    assert "the quietest that reaches 4 m" in words
    assert not found.moved_meanwhile
    assert found.interferers_hz == ()


def test_the_steps_are_told_in_order_and_a_sweep_takes_less_than_five_seconds() -> None:
    told: list[tuple[str, float]] = []
    calibrated(room(), progress=lambda step, share: told.append((step, share)))
    names = [name for name, _, _ in STEPS]
    order = [names.index(step) for step, _ in told]
    assert order == sorted(order)
    assert told[-1] == ("prove", 1.0)
    assert make_sweep(RATE_HZ, -20.0).duration_s < 5.0


@pytest.mark.parametrize("rate_hz", [44_100, 48_000, 96_000, 192_000])
def test_nothing_audible_is_played_and_nothing_jumps(rate_hz: int) -> None:
    """Below 16 kHz at most -80 dB re the tone, in any 20 ms; no step above 20 dB in 10 ms."""
    size = round(0.02 * rate_hz)
    sweep = make_sweep(rate_hz, -6.0)
    assert np.abs(sweep.signal).max() <= 10.0 ** (-6.0 / 20.0) * 1.0001
    frames = np.lib.stride_tricks.sliding_window_view(sweep.signal, size)[:: size // 4]
    spectrum = np.abs(np.fft.rfft(frames * blackmanharris(size), axis=1))
    audible = np.fft.rfftfreq(size, 1.0 / rate_hz) < 16_000.0
    assert 20.0 * np.log10(spectrum[:, audible].max() / spectrum.max()) <= -80.0
    step = rate_hz // 1000
    level = np.abs(sweep.signal[: len(sweep.signal) // step * step].reshape(-1, step)).max(1)
    # the tones' beat has pauses of its own: what is asked is how loud the last 10 ms were
    loud = np.lib.stride_tricks.sliding_window_view(level, 10).max(1)
    db = 20.0 * np.log10(np.maximum(loud, loud.max() * 1e-4))
    assert np.abs(db[10:] - db[:-10]).max() <= 20.0


@pytest.mark.parametrize("late_s", [1.1, 2.3])
def test_a_loudspeaker_that_is_late_is_waited_for(late_s: float, found: Calibration) -> None:
    """By as much as televisions, loudspeakers on a network and PulseAudio's null sinks are."""
    still = StillRoom(parse_scene(SCENE))
    late = np.zeros(round(late_s * RATE_HZ), np.float32)
    waited = calibrated(Card(lambda played: still.hear(np.concatenate([late, played]))[: len(played)]))
    assert waited.delay_s == pytest.approx(found.delay_s + late_s, abs=1e-3)
    assert waited.carrier_hz >= 32_000.0
    assert waited.walk_range_m == pytest.approx(found.walk_range_m, abs=0.2)


def slipping(samples: int, at_s: float, takes: int = 1) -> Card:
    """A card that loses, or gives twice, so many samples at some time of its first recordings."""
    still, at, left = StillRoom(parse_scene(SCENE)), round(at_s * RATE_HZ), [takes]

    def hear(played: Float32Array) -> Float32Array:
        heard = still.hear(played)
        left[0] -= 1
        again = heard[at - samples : at] if samples > 0 else heard[:0]
        return heard if left[0] < 0 else np.concatenate([heard[:at], again, heard[at - min(samples, 0) :]])

    return Card(hear)


@pytest.mark.parametrize("samples", [2048, -2048, 256])
@pytest.mark.parametrize("at_s", [3.2, 3.35, 4.2])
def test_lost_samples_do_not_change_what_is_found(at_s: float, samples: int, found: Calibration) -> None:
    """Within a glide they looked like a room 25 dB louder than it was: the tone was as much too soft."""
    torn = calibrated(slipping(samples, at_s))
    assert torn.carrier_hz == pytest.approx(found.carrier_hz, abs=200.0)
    assert torn.level_dbfs == pytest.approx(found.level_dbfs, abs=0.3)


def test_a_card_that_always_loses_samples_is_told() -> None:
    said: list[str] = []
    calibrate(slipping(2048, 3.35, 9), Settings(), say=said.append, wait=lambda s: None)
    assert [line for line in said if "loses samples" in line]


def test_the_wanted_range_decides_the_level() -> None:
    near, far = (
        calibrated(room(), Settings.model_validate({"calibrate": {"range_m": reach}})) for reach in (2.0, 5.0)
    )
    assert near.level_dbfs < far.level_dbfs - 10.0


def test_a_ceiling_holds_and_is_told() -> None:
    quiet = parse_scene(SCENE.replace("tone_db_spl = 85", "tone_db_spl = 55"))
    found = calibrated(room(quiet), Settings.model_validate({"calibrate": {"range_m": 8.0}}))
    assert found.level_dbfs == -6.0
    assert found.walk_range_m < 8.0
    assert "less than the 8 m" in found.verdict()
    assert "capped" in found.verdict()


def test_a_profile_says_what_the_direct_sound_is_worth() -> None:
    plain, known = (
        calibrated(room(), profile=profile)
        for profile in (None, DeviceProfile(name="puck", hz=(20_000.0, 48_000.0), direct_db=(0.0, 0.0)))
    )
    louder = calibrated(room(), profile=DeviceProfile(name="puck", hz=(30_000.0,), direct_db=(12.0,)))
    assert known.carrier_hz == plain.carrier_hz
    assert louder.level_dbfs == pytest.approx(known.level_dbfs + 12.0, abs=0.5)


@pytest.mark.parametrize("rate_hz", [48_000, 96_000, 192_000])
def test_a_path_of_half_the_amplitude_is_6_db(rate_hz: int) -> None:
    """It was 6.9 dB at 192 kHz: a share of the power where the glide stands still was added everywhere."""
    sweep = make_sweep(rate_hz, -20.0)
    late = round(0.01 * rate_hz)
    noise = np.random.default_rng(1).normal(0.0, 1e-6, len(sweep.signal) + rate_hz)
    heard = np.pad(0.5 * sweep.signal, (late, rate_hz - late)) + noise
    survey = analyse_sweep(heard.astype(np.float32)[:, None], sweep)
    inside = slice(15, -15)  # the ends of the band are tapered
    assert np.abs(survey.direct_db[inside] + 6.02).max() < 0.2
    assert np.abs(survey.sharp_db[inside] + 6.02).max() < 0.2


def test_a_carrier_on_a_peak_is_as_loud_as_the_peak() -> None:
    """A casing that answers 1/1500 s later, 0.4 as strong: peaks of 2.9 dB, smoothed away before."""
    sweep = make_sweep(RATE_HZ, -20.0)
    heard = np.pad(0.1 * sweep.signal, (960, 9600)).astype(np.float64)
    heard[64:] += 0.4 * heard[:-64]
    heard += np.random.default_rng(1).normal(0.0, 1e-6, len(heard))
    survey = analyse_sweep(heard.astype(np.float32)[:, None], sweep)
    flat = DeviceProfile(name="flat", hz=(36_000.0,), direct_db=(0.0,))
    assert reach_of(survey, 36_000.0, flat).at_1_m_db == pytest.approx(-20.0 + 2.92, abs=0.5)
    assert np.interp(36_000.0, survey.hz, survey.direct_db[:, 0]) < -18.0


def test_microphones_that_clip_are_asked_again_softer() -> None:
    """Three of 180 simulated units heard a clipped sweep, and got a tone that was 7 to 11 dB too loud."""
    still = StillRoom(parse_scene(SCENE))
    sweep = make_sweep(RATE_HZ, -20.0)
    gain = 2.5 / np.abs(still.hear(sweep.signal)).max()

    def hear(played: Float32Array) -> Float32Array:
        return np.asarray(gain * still.hear(played), np.float32)

    profile = DeviceProfile(name="puck", hz=(30_000.0,), direct_db=(0.0,))
    whole = calibrated(Card(hear), profile=profile)
    card = Card(lambda played: np.clip(hear(played), -1.0, 1.0))
    clipped = calibrated(card, profile=profile)
    assert clipped.carrier_hz == whole.carrier_hz
    assert clipped.level_dbfs == pytest.approx(whole.level_dbfs, abs=0.3)
    assert np.abs(card.played[1]).max() == pytest.approx(10.0 ** (-32.0 / 20.0), rel=1e-3)


def test_a_foreign_tone_is_kept_away_from() -> None:
    """Listen before talk: another sensor of the same make has begun already, on its best carrier."""
    still = StillRoom(parse_scene(SCENE))
    first = calibrated(room())

    def hear(played: Float32Array) -> Float32Array:
        t = np.arange(len(played)) / RATE_HZ
        foreign = 1e-3 * np.sin(2.0 * np.pi * first.carrier_hz * t)
        return np.asarray(still.hear(played) + foreign[:, None], np.float32)

    second = calibrated(Card(hear))
    assert any(abs(one - first.carrier_hz) < 50.0 for one in second.interferers_hz)
    assert abs(second.carrier_hz - first.carrier_hz) > 1000.0


def test_an_emitter_that_begins_during_calibration_is_given_way_to() -> None:
    """Two sensors were switched on together, and the other one has just begun to play."""
    still = StillRoom(parse_scene(SCENE))
    theirs_hz: list[float] = []
    heard: list[int] = []

    def hear(played: Float32Array) -> Float32Array:
        heard.append(len(played))
        sound = still.hear(played, len(heard))
        if len(heard) > 1 and theirs_hz:
            foreign = 3e-3 * np.sin(2.0 * np.pi * theirs_hz[0] * np.arange(len(played)) / RATE_HZ)
            sound = np.asarray(sound + foreign[:, None], np.float32)
        return sound

    theirs_hz.append(calibrated(room()).carrier_hz + 240.0)
    waited: list[float] = []
    said: list[str] = []
    second = calibrate(Card(hear), Settings(), say=said.append, now=lambda: NOW, wait=waited.append)
    assert any("another emitter" in line for line in said)
    assert len(waited) == 1
    assert 0.5 <= waited[0] <= 4.5
    assert abs(second.carrier_hz - theirs_hz[0]) > 1000.0


def test_somebody_who_walks_by_does_no_harm(found: Calibration) -> None:
    """In the live room, whose answer is the same at all frequencies: the level is what it is without her."""
    walking = SCENE + '[[person]]\nname = "Ada"\nstart = [3.0, 1.0]\nheading_deg = 90\n'

    def through(scene: str, walks: bool) -> Calibration:
        live = LiveRoom(parse_scene(scene))

        def hear(played: Float32Array) -> Float32Array:
            heard = []
            for n, one in enumerate(played[: len(played) // 5760 * 5760].reshape(-1, 5760)):
                if walks and n % 30 == 0:
                    live.walk(1.5 + 1.5 * (n // 30 % 2), 1.0 + 2.0 * (n // 30 % 2))
                heard.append(live.hear(one))
            return np.concatenate(heard)

        return calibrated(Card(hear))

    empty, passed = through(SCENE, False), through(walking, True)
    assert passed.carrier_hz == pytest.approx(empty.carrier_hz, abs=1500.0)
    assert passed.level_dbfs == pytest.approx(empty.level_dbfs, abs=3.0)


# -- what stands in the way


def nothing(played: Float32Array) -> Float32Array:
    return np.zeros((len(played), 2), np.float32)


def hiss(played: Float32Array) -> Float32Array:
    return np.random.default_rng(1).normal(0.0, 1e-4, (len(played), 2)).astype(np.float32)


def cancelled(played: Float32Array) -> Float32Array:
    """A tone that goes on is gone after some tenths of a second."""
    still = StillRoom(parse_scene(SCENE)).hear(played)
    loud = np.abs(played) > 1e-3
    since = np.zeros(len(played))
    running = 0.0
    for n in range(0, len(played), 960):
        running = running + 960 / RATE_HZ if loud[n : n + 960].any() else 0.0
        since[n : n + 960] = running
    gain = np.where(since > 2.0, 1e-4, 1.0)
    return np.asarray(still * gain[:, None] + hiss(played) * 0.03, np.float32)


@pytest.mark.parametrize(
    ("hear", "said"),
    [
        (nothing, "digital silence"),
        (hiss, "nothing inaudible comes back"),
        (lambda played: hiss(played)[:48000], "only 0.5 s"),
        (cancelled, "echo cancelling|steady tones"),
    ],
)
def test_each_illness_ends_in_one_clear_line(hear: Callable[[Float32Array], Float32Array], said: str) -> None:
    with pytest.raises(NoctuleError, match=said) as error:
        calibrated(Card(hear))
    assert "\n" not in str(error.value)


def test_a_gain_that_follows_the_level_is_seen() -> None:
    scene = parse_scene(SCENE + "[electronics]\nagc = true\nagc_strength = 0.8\nagc_attack_s = 0.02\n")
    still = StillRoom(scene)
    sweep = make_sweep(still.rate_hz, -20.0)
    assert np.abs(analyse_sweep(still.hear(sweep.signal), sweep).gain_moved_db).max() > 3.0
    plain = StillRoom(parse_scene(SCENE))
    assert np.abs(analyse_sweep(plain.hear(sweep.signal), sweep).gain_moved_db).max() < 0.3


def test_a_bent_loudspeaker_is_seen() -> None:
    still = StillRoom(parse_scene(SCENE))
    sweep = make_sweep(still.rate_hz, -20.0)

    def bent_db(cubic: float) -> float:
        played = sweep.signal + cubic * sweep.signal**3
        return float(analyse_sweep(still.hear(played.astype(np.float32)), sweep).bent_db.max())

    assert bent_db(20.0) > bent_db(0.0) + 10.0
    assert bent_db(20.0) > -35.0


# -- real telephones


def phone_response(shared_data: Path, name: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Response above 17 kHz of a telephone to its own microphones, by our way and by averaged spectra."""
    folder = shared_data / "libas_phone_loudspeakers_48k"
    played, rate = soundfile.read(folder / "stimulus_latestAudioToEstimateFreqResp.flac", dtype="float32")
    heard, _ = soundfile.read(folder / f"EstimateFreqResp_{name}.flac", dtype="float32", always_2d=True)
    first = round(0.35 * rate)  # one of its glides, from 0 to 24 kHz in four seconds
    glide = played[first : first + 4 * rate]
    around = np.pad(heard, ((rate // 2, rate // 2), (0, 0)))
    answer, place = impulse_response(around, glide, rate, (16500.0, 23000.0))
    assert place is not None
    hz = np.arange(17500.0, 21500.0, 100.0)
    ours = smooth_spectrum_db(answer[: round(0.02 * rate)], hz, rate).max(1)
    ratio = []
    for one in hz:  # what a glide holds at a frequency is where it passes by
        t = np.arange(len(glide)) / rate
        at = np.abs(t - t[np.argmin(np.abs(np.cumsum(np.ones(len(t))) / rate * 6000.0 - one))]) < 0.05
        ratio.append(10.0 * np.log10(np.mean(np.square(heard[: len(at)][at[: len(heard)]]), axis=0).max()))
    return ours, np.array(ratio)


@pytest.mark.recordings
@pytest.mark.parametrize("name", ["s4_cam_onhand", "s4_mic_onhand", "s5_mic_onhand"])
def test_responses_of_real_telephones_are_read_alike_twice(shared_data: Path, name: str) -> None:
    """Two sweeps of one telephone agree; and by power in time, what the glide passes says the same."""
    (first, by_time), (second, _) = (phone_response(shared_data, f"{name}_rep{n}") for n in (1, 2))
    assert np.abs(first - second).std() < 2.0
    assert np.corrcoef(first, second)[0, 1] > 0.9
    assert np.corrcoef(first, by_time)[0, 1] > 0.7


# -- what is kept


def test_the_last_good_calibration_stays(found: Calibration, tmp_path: Path) -> None:
    memory.save(found, tmp_path)
    kept = memory.load(("mic", "speaker"), RATE_HZ, tmp_path)
    assert kept == found
    with pytest.raises(NoctuleError):
        calibrated(Card(hiss), identities=("mic", "speaker"))

    def interrupted(played: Float32Array) -> npt.NDArray[np.float32]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        calibrated(Card(interrupted), identities=("mic", "speaker"))
    assert memory.load(("mic", "speaker"), RATE_HZ, tmp_path) == found
    assert memory.load(("mic", "another"), RATE_HZ, tmp_path) is None
    assert memory.load(("mic", "speaker"), 48_000.0, tmp_path) is None
    assert memory.age_days(found, NOW + timedelta(days=3)) == pytest.approx(3.0)


def test_a_damaged_file_is_no_calibration_and_a_full_disk_is_one_line(
    found: Calibration, tmp_path: Path
) -> None:
    path = memory.save(found, tmp_path)
    path.write_text(path.read_text()[:100])
    assert memory.load(("mic", "speaker"), RATE_HZ, tmp_path) is None
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(NoctuleError, match="cannot be written"):
        memory.save(found, blocked)


def test_the_picture_names_the_choice(found: Calibration) -> None:
    picture = as_svg(found)
    assert picture.startswith("<svg")
    assert f"{found.carrier_hz / 1000.0:g} kHz" in picture
    assert picture.count("<polyline") == 2


def test_a_profile_that_is_none_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "device.json"
    for text, said in (
        ("{", "no profile"),
        ('{"name": "x", "hz": [2, 1], "direct_db": [0, 0]}', "hz must rise"),
        ('{"name": "x", "hz": [1], "direct_db": [0, 0]}', "one length"),
    ):
        path.write_text(text)
        with pytest.raises(NoctuleError, match=said):
            read_profile(path)
    with pytest.raises(NoctuleError, match="No such file"):
        read_profile(tmp_path / "none")


# -- range and drift


def test_range_and_level_are_each_others_inverse() -> None:
    reach = Reach(40_000.0, at_1_m_db=-10.0, noise_dbfs=-120.0, skirt_db=-150.0)
    level = reach.least_level_dbfs(4.0)
    assert reach.range_m(level) == pytest.approx(4.0, abs=0.01)
    assert reach.echo_over_noise_db(level, 4.0) == pytest.approx(FOUND_DB, abs=0.01)
    assert reach.range_m(level, -32.0) < 3.0


def test_where_the_tones_own_noise_binds_louder_is_no_use() -> None:
    """A skirt that hides who is 4 m away at any level: no louder than until thermal noise is a quarter."""
    reach = Reach(40_000.0, at_1_m_db=-10.0, noise_dbfs=-120.0, skirt_db=-50.0)
    level = reach.least_level_dbfs(4.0)
    assert level == pytest.approx(-120.0 + 6.0 + 50.0 + 10.0)
    assert reach.range_m(level + 20.0) < 1.15 * reach.range_m(level)


def decision(time_s: float, snr_db: float, level_dbfs: float, fault: Fault = Fault(0)) -> Decision:
    return Decision(
        time_s=time_s, presence=False, motion="none", score_major=0.0, score_minor=0.0,
        radial_velocity_mps=0.0, carrier_hz=40000.0, carrier_snr_db=snr_db, fault=fault, reason="",
        carrier_level_dbfs=level_dbfs,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("snr_db", "level_db", "fault", "said"),
    [
        (-10.0, 0.0, Fault(0), "less over the noise"),
        (0.0, 9.0, Fault(0), "louder"),
        (0.0, -9.0, Fault(0), "weaker"),
        (0.0, 0.0, Fault.INTERFERENCE, "another emitter"),
        (0.0, 3.0, Fault(0), None),
        (-30.0, -30.0, Fault.CARRIER_LOST, None),
        (-80.0, -200.0, Fault(0), None),  # silent on purpose
    ],
)
def test_drift_is_told_once_it_lasts(
    found: Calibration, snr_db: float, level_db: float, fault: Fault, said: str | None
) -> None:
    watch, told = DriftWatch(found), []
    for second in range(round(2.5 * NOT_AGAIN_S)):
        level_dbfs = found.carrier_level_dbfs + level_db
        reason = watch.update(decision(float(second), found.carrier_snr_db + snr_db, level_dbfs, fault))
        if reason is not None:
            told.append((second, reason))
    assert len(told) == (2 if said else 0)
    if said:
        assert all(said in reason for _, reason in told)
        assert told[0][0] >= NOT_AGAIN_S


def test_a_moment_is_no_drift(found: Calibration) -> None:
    watch = DriftWatch(found)
    for second in range(round(2.0 * NOT_AGAIN_S)):
        away_db = -20.0 if second % 100 < LASTS_S - 10.0 else 0.0
        level_dbfs = found.carrier_level_dbfs + away_db
        assert watch.update(decision(float(second), found.carrier_snr_db, level_dbfs)) is None
