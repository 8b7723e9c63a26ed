"""A device in a room calibrated: sweep, choice, proof. A failure leaves what was known before.

Nobody needs to leave the house: the direct sound and the walls are thousands of times louder than whoever
walks by, and the proof takes the quietest moments of as many seconds as it needs.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict

from noctule.calibrate.agc import GainKind, analyse_gain, make_gain_stimulus
from noctule.calibrate.choose import (
    FOREARM_DB,
    HUMIDITY_PERCENT,
    TEMPERATURE_C,
    ULTRASOUND_HZ,
    Reach,
    carrier_candidates,
    pick_carrier,
)
from noctule.calibrate.doctor import FIXES, REMOVING
from noctule.calibrate.profile import DeviceProfile
from noctule.calibrate.spectrum import FloatArray
from noctule.calibrate.sweep import (
    GAIN_MOVED_DB,
    NothingBackError,
    Survey,
    Sweep,
    analyse_sweep,
    delay_of,
    make_sweep,
)
from noctule.core.air import absorption_db_per_m
from noctule.core.errors import NoctuleError
from noctule.core.frames import BLOCKING_FAULTS, AudioBlock, Float32Array
from noctule.core.settings import Settings
from noctule.dsp.features import FeatureExtractor
from noctule.dsp.floor import is_lone_line
from noctule.emit.level import choose_level
from noctule.emit.waveforms import TonePlayer, on_grid, tone_table
from noctule.presence.cfar import CfarDetector

#: The wizard's steps: name, what is said meanwhile, seconds it takes.
STEPS: tuple[tuple[str, str, float], ...] = (
    ("sweep", "an inaudible sweep through everything the hardware carries", 5.5),
    ("choose", "choosing carrier and level", 0.5),
    ("prove", "listening to the chosen tone; moving about is allowed", 4.5),
)
#: A sound that is not back after this does not come.
LATEST_S = 3.0
#: So much of a long delay is left, as it is not the same each time.
LEFT_S = 0.1
#: Where microphones clip, the sweep is played again so much softer, at most so often.
SOFTER_DB, MOST_SOFTER = 12.0, 2
#: Where samples were lost meanwhile, it is played again, at most so often: the level would be 25 dB too low.
MOST_TORN = 3
#: The chosen tone is listened to for so long at once, and at most so often while somebody moves.
PROOF_S, MOST_PROOFS = 4.0, 4
#: Somebody moves where more than this share of the frames says so, at this score of the model-free detector.
MOVES_SHARE, MOVES_SCORE = 0.1, 0.5
#: So much weaker than the sweep told, echoes cancel the tone here; so much, it is gone.
WEAK_DB, GONE_DB = 8.0, 24.0
#: Another emitter is a line so far over the noise all the time, so far from the carrier at least.
FOREIGN_DB, FOREIGN_FROM_MPS = 6.0, 0.3
#: Another emitter on our carrier: another carrier, at most so often.
MOST_CHOICES = 3
#: Power that a room sends back within 40 ms, what air took added, over the tone at 1 m: median and spread of
#: 100 simulated rooms (`python -m benchmarks.calibration`). A profile knows better.
ROOM_OVER_1_M_DB = -9.5
#: By so much more a loudspeaker sends forwards than elsewhere an octave higher.
BEAM_DB_PER_OCTAVE = 6.0
#: The floor about walking speeds is known to such a share of the white noise; less is none.
FLOOR_KNOWN, NO_SKIRT_DBC = 0.25, -200.0
#: Speeds at which the tone's own noise counts.
_WALKS_MPS = (0.3, 1.5)

Say = Callable[[str], None]
#: (step, share of it that is done 0..1)
Progress = Callable[[str, float], None]


class Card(Protocol):
    """What is needed of a sound card; `audio.DuplexStream` has it."""

    @property
    def sample_rate_hz(self) -> float: ...

    def play_and_record(self, signal: Float32Array, /) -> Float32Array: ...


class Calibration(BaseModel):
    """What was found, as it is kept; times UTC.

    carrier_snr_db : expected, noise in 10 Hz. walk_range_m, small_range_m : within which nine of ten walks,
    or motions of a forearm, are found. hz, response_db, noise_dbfs : the picture: what comes back over what
    was played, and noise in 10 Hz, best microphone. reasons : why this carrier, why this level.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["noctule-calibration-1"] = "noctule-calibration-1"
    made_at: datetime
    input: str
    output: str
    sample_rate_hz: float
    carrier_hz: float
    level_dbfs: float
    carrier_level_dbfs: float
    carrier_snr_db: float
    wanted_range_m: float
    walk_range_m: float
    small_range_m: float
    true_bandwidth_hz: float
    interferers_hz: tuple[float, ...]
    microphones: tuple[int, ...]
    clutter_db: float
    bent_db: float
    delay_s: float
    moved_meanwhile: bool
    hz: tuple[float, ...]
    response_db: tuple[float, ...]
    noise_dbfs: tuple[float, ...]
    reasons: tuple[str, ...]

    def verdict(self) -> str:
        """A few lines for people."""
        enough = self.walk_range_m >= 0.95 * self.wanted_range_m
        lines = [
            f"walks are found to {self.walk_range_m:.1f} m, small motions to {self.small_range_m:.1f} m"
            + ("" if enough else f": less than the {self.wanted_range_m:g} m that were wanted"),
            f"{self.carrier_hz / 1000.0:g} kHz at {self.level_dbfs:.0f} dBFS, "
            f"{self.carrier_snr_db:.0f} dB over the noise",
            *self.reasons,
        ]
        if self.moved_meanwhile:
            lines.append("somebody moved meanwhile: the quietest moments were taken")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Proof:
    """What the chosen tone showed: level and SNR of the carrier, noise of its own about walking speeds in
    10 Hz against the carrier, and whether somebody moved or another emitter was heard."""

    carrier_level_dbfs: float
    carrier_snr_db: float
    skirt_dbc: float
    moved: bool
    interference: bool
    heard: bool


def calibrate(
    card: Card,
    settings: Settings,
    *,
    identities: tuple[str, str] = ("", ""),
    profile: DeviceProfile | None = None,
    progress: Progress = lambda step, share: None,
    say: Say = lambda line: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    wait: Callable[[float], None] = time.sleep,
) -> Calibration:
    """Sweep, choose, prove.

    Parameters
    ----------
    identities : of input and output, kept with what was found.
    profile : what the maker of the device knows of it; None: what most rooms tell.
    wait : for so many seconds, where two sensors shout at once.

    Raises
    ------
    NoctuleError
        One line: no microphone, nothing comes back, something removes the tone, no carrier is good enough.
    """
    emit, reach_m = settings.emit, settings.calibrate.range_m
    loudest_dbfs = min(emit.level_dbfs, emit.ceiling_dbfs)
    progress("sweep", 0.0)
    card, survey, late_s = _hear_sweep(card, loudest_dbfs, say)
    progress("sweep", 1.0)
    if not survey.microphones:
        raise NoctuleError("no microphone hears the loudspeaker: all are dead or covered")
    if np.abs(survey.gain_moved_db[survey.microphones]).max() > GAIN_MOVED_DB:
        _name_gain(card, survey, survey.level_dbfs, say)
    progress("choose", 0.0)
    foreign_hz = list(survey.probe.interferers_hz)
    for attempt in range(MOST_CHOICES):
        carrier_hz = choose_carrier(survey, foreign_hz, profile)
        reach = reach_of(survey, carrier_hz, profile)
        # louder than asked for is allowed up to the ceiling: what was asked for may not reach
        level = choose_level(
            reach.least_level_dbfs(reach_m), emit.ceiling_dbfs, carrier_hz, emit.full_scale_spl_db
        )
        progress("choose", 1.0)
        proof = prove(card, settings, carrier_hz, level.level_dbfs, progress)
        if proof.interference and attempt + 1 < MOST_CHOICES:
            say(f"another emitter is near {carrier_hz / 1000.0:g} kHz: looking for another carrier")
            foreign_hz.append(carrier_hz)
            wait(0.5 + 4.0 * random.random())  # who looks at the same time does not go on at the same time
            continue
        break
    _check(card, survey, proof, carrier_hz, level.level_dbfs, say)
    skirt_db = proof.skirt_dbc + (proof.carrier_level_dbfs - level.level_dbfs - reach.at_1_m_db)
    # a converter without dither is quieter in silence than it is under a tone
    noise_dbfs = max(reach.noise_dbfs, proof.carrier_level_dbfs - proof.carrier_snr_db)
    reach = Reach(carrier_hz, reach.at_1_m_db, noise_dbfs, skirt_db)
    final = choose_level(
        reach.least_level_dbfs(reach_m), emit.ceiling_dbfs, carrier_hz, emit.full_scale_spl_db
    )
    progress("prove", 1.0)
    moved_db = final.level_dbfs - level.level_dbfs
    return Calibration(
        made_at=now(),
        input=identities[0],
        output=identities[1],
        sample_rate_hz=card.sample_rate_hz,
        carrier_hz=carrier_hz,
        level_dbfs=round(final.level_dbfs, 2),
        carrier_level_dbfs=round(proof.carrier_level_dbfs + moved_db, 2),
        carrier_snr_db=round(proof.carrier_snr_db + moved_db, 2),
        wanted_range_m=reach_m,
        walk_range_m=round(reach.range_m(final.level_dbfs), 2),
        small_range_m=round(reach.range_m(final.level_dbfs, FOREARM_DB), 2),
        true_bandwidth_hz=survey.probe.true_bandwidth_hz,
        interferers_hz=survey.probe.interferers_hz,
        microphones=tuple(survey.microphones),
        clutter_db=round(survey.clutter_db(), 1),
        bent_db=round(float(survey.bent_db[survey.microphones].max()), 1),
        delay_s=round(late_s + survey.delay_s, 6),
        moved_meanwhile=proof.moved,
        **_curves(survey),
        reasons=_reasons(survey, reach, foreign_hz, reach_m, final.level_dbfs, final.reason),
    )


def _hear_sweep(card: Card, level_dbfs: float, say: Say) -> tuple[Card, Survey, float]:
    """As `_wait_for`; softer where microphones clip: they show less of the loudspeaker than there is."""
    sweep = make_sweep(card.sample_rate_hz, level_dbfs)
    late_s = 0.0
    try:
        survey = _whole(card, sweep, say)
    except NothingBackError:
        # televisions, loudspeakers on a network and mixing servers take their time
        card, late_s = _wait_for(card, sweep)
        survey = _whole(card, sweep, say)
    for _ in range(MOST_SOFTER):
        if not survey.probe.clips:
            break
        sweep = make_sweep(card.sample_rate_hz, sweep.level_dbfs - SOFTER_DB)
        survey = _whole(card, sweep, say)
    return card, survey, late_s


def _whole(card: Card, sweep: Sweep, say: Say) -> Survey:
    """The sweep again until the sound card loses nothing of it."""
    for _ in range(MOST_TORN):
        survey = analyse_sweep(card.play_and_record(sweep.signal), sweep)
        if not survey.torn:
            return survey
    say("the sound card loses samples: level and range are uncertain; close what else uses it, and try again")
    return survey


@dataclass(frozen=True, slots=True)
class _LateCard:
    """A card whose sound comes back so many samples late, as if it were not."""

    card: Card
    late: int

    @property
    def sample_rate_hz(self) -> float:
        return self.card.sample_rate_hz

    def play_and_record(self, signal: Float32Array, /) -> Float32Array:
        return self.card.play_and_record(np.pad(signal, (0, self.late)))[self.late :]


def _wait_for(card: Card, sweep: Sweep) -> tuple[Card, float]:
    """The card with its delay taken off, and the delay in s.

    Raises
    ------
    NothingBackError
        Within `LATEST_S`.
    """
    patience = round(LATEST_S * sweep.sample_rate_hz)
    heard = card.play_and_record(np.pad(sweep.signal, (0, patience)))
    late = max(0, (delay_of(heard, sweep) or 0) - round(LEFT_S * sweep.sample_rate_hz))
    return _LateCard(card, late), late / sweep.sample_rate_hz


# -- choosing


def snr_db(survey: Survey, profile: DeviceProfile | None = None) -> FloatArray:
    """`(grid,)` of a tone as loud as the sweep, noise in 10 Hz, all microphones that hear together.

    By direct sound and room alike, in decibels: the one has the loudspeaker's side lobes in it, the other a
    few strong walls; their errors have nothing to do with each other. Both tell of what leaves to the sides;
    people are in front, and a beam narrows as the frequency rises: a piston's by 6 dB an octave (Beranek,
    Acoustics), or as the device's profile says.
    """
    heard = survey.microphones
    beam_db = BEAM_DB_PER_OCTAVE * np.log2(survey.hz / ULTRASOUND_HZ)
    aside_db = -beam_db
    if profile is not None:
        aside_db = np.array([profile.direct_over_1_m_db(float(one)) for one in survey.hz])
        aside_db -= aside_db.mean()  # how it changes is asked here, not how loud it is
    direct_db = survey.direct_db - aside_db[:, None]
    room_db = survey.room_db + (_air_db(survey) + beam_db)[:, None]
    both_db = 0.5 * (direct_db + room_db)
    noise_db = survey.noise_dbfs_per_hz + 10.0
    over = 10.0 ** (0.1 * (survey.level_dbfs + both_db - noise_db)[:, heard])
    return np.asarray(10.0 * np.log10(over.mean(1)))


def _air_db(survey: Survey) -> FloatArray:
    """What air took of the room's answer."""
    return absorption_db_per_m(survey.hz, TEMPERATURE_C, HUMIDITY_PERCENT) * survey.room_path_m


def choose_carrier(survey: Survey, foreign_hz: list[float], profile: DeviceProfile | None = None) -> float:
    """By `pick_carrier`, of those that the sweep knows.

    Raises
    ------
    NoctuleError
        None is good enough.
    """
    hz = carrier_candidates(survey.probe.true_bandwidth_hz)
    hz = hz[(hz >= survey.hz[0]) & (hz <= survey.hz[-1])]
    return pick_carrier(hz, np.interp(hz, survey.hz, snr_db(survey, profile)), foreign_hz)


def reach_of(survey: Survey, carrier_hz: float, profile: DeviceProfile | None = None) -> Reach:
    """How far a carrier reaches, as far as a sweep tells; the tone's own noise comes with the proof."""
    heard = survey.microphones

    def here(values: FloatArray) -> float:
        power = 10.0 ** (0.1 * values[:, heard])
        return float(np.interp(carrier_hz, survey.hz, 10.0 * np.log10(power.mean(1))))

    if profile is not None:
        at_1_m_db = here(survey.sharp_db) - profile.direct_over_1_m_db(carrier_hz)
    else:
        at_1_m_db = here(survey.room_db + _air_db(survey)[:, None]) - ROOM_OVER_1_M_DB
    return Reach(carrier_hz, at_1_m_db, here(survey.noise_dbfs_per_hz) + 10.0)


def _curves(survey: Survey) -> dict[str, tuple[float, ...]]:
    heard = survey.microphones
    all_of_it = 10.0 ** (0.1 * survey.direct_db) + 10.0 ** (0.1 * survey.room_db)
    response_db = 10.0 * np.log10(all_of_it[:, heard].max(1))
    noise_dbfs = survey.noise_dbfs_per_hz[:, heard].min(1) + 10.0
    values = {"hz": survey.hz, "response_db": response_db, "noise_dbfs": noise_dbfs}
    return {name: tuple(np.round(one, 1).tolist()) for name, one in values.items()}


def _reasons(
    survey: Survey,
    reach: Reach,
    foreign_hz: list[float],
    reach_m: float,
    level_dbfs: float,
    capped: str | None,
) -> tuple[str, ...]:
    bandwidth = f"hardware carries {survey.probe.true_bandwidth_hz / 1000.0:.1f} kHz"
    avoided = ", ".join(f"{one / 1000.0:.1f}" for one in foreign_hz)
    lines = [
        f"carrier: the most left of an echo from {reach_m:g} m at the least that dogs hear; {bandwidth}"
        + (f"; foreign tones at {avoided} kHz are kept away from" if avoided else "")
    ]
    if capped:
        lines.append(f"level: {capped}")
    elif reach.range_m(level_dbfs) < 0.95 * reach_m:
        lines.append("level: louder would not reach farther, the tone's own noise grows with it")
    else:
        lines.append(f"level: the quietest that reaches {reach_m:g} m")
    return tuple(lines)


# -- proving


def prove(card: Card, settings: Settings, carrier_hz: float, level_dbfs: float, progress: Progress) -> Proof:
    """Play the chosen tone and listen, again where somebody moved; the quietest take counts."""
    found: Proof | None = None
    for take in range(MOST_PROOFS):
        progress("prove", take / MOST_PROOFS)
        one = _listen(card, settings, carrier_hz, level_dbfs)
        if found is None or one.skirt_dbc < found.skirt_dbc:
            found = one
        if not one.moved:
            break
    assert found is not None
    return found


def _listen(card: Card, settings: Settings, carrier_hz: float, level_dbfs: float) -> Proof:
    rate_hz = card.sample_rate_hz
    signal = _tone(on_grid(carrier_hz, round(rate_hz)), rate_hz, level_dbfs, settings.emit.ramp_s)
    heard = card.play_and_record(signal)
    extractor = FeatureExtractor(
        settings.features, carrier_hz=carrier_hz, channels=heard.shape[1], sample_rate_hz=rate_hz
    )
    features = extractor.process(AudioBlock(heard, rate_hz, 0))
    usable = features.faults & int(BLOCKING_FAULTS) == 0
    settled = usable & (features.time_s > features.time_s[:1].min(initial=0.0) + 1.0)
    if not settled.any():
        return Proof(-200.0, -200.0, 0.0, False, False, False)
    detector = CfarDetector(extractor.velocity_mps, extractor.hop_s, extractor.window_s)
    scores = np.array([max(one.score_major, one.score_minor) for one in detector.score(features)])
    level = float(np.median(features.carrier_level_dbfs[settled]))
    snr = float(np.median(features.carrier_snr_db[settled]))
    speed = np.abs(extractor.velocity_mps)
    walks = (speed >= _WALKS_MPS[0]) & (speed <= _WALKS_MPS[1]) & extractor.valid_bins
    over = float(np.median(extractor.floor[walks])) - 1.0
    return Proof(
        carrier_level_dbfs=level,
        carrier_snr_db=snr,
        skirt_dbc=10.0 * math.log10(over) - snr if over > FLOOR_KNOWN else NO_SKIRT_DBC,
        moved=bool((scores[settled] >= MOVES_SCORE).mean() > MOVES_SHARE),
        interference=_foreign_line(features.clean_power_db[settled], extractor),
        heard=True,
    )


def _foreign_line(power_db: Float32Array, extractor: FeatureExtractor) -> bool:
    """A line that never pauses, at one velocity: the running sensor takes longer to tell it from a walker."""
    always_db = np.quantile(power_db, 0.1, axis=0)
    beside = (np.abs(extractor.velocity_mps) > FOREIGN_FROM_MPS) & extractor.valid_bins
    line = is_lone_line(np.asarray(10.0 ** (0.1 * always_db), np.float32)) & (always_db > FOREIGN_DB)
    return bool((line & beside).any())


def _tone(carrier_hz: float, rate_hz: float, level_dbfs: float, ramp_s: float) -> Float32Array:
    player = TonePlayer(tone_table(carrier_hz, round(rate_hz)), rate_hz, ramp_s)
    out = np.zeros((round((PROOF_S + 0.5) * rate_hz), 1), np.float32)
    fade = round(ramp_s * rate_hz)
    stop = round(PROOF_S * rate_hz)
    player.set_level(10.0 ** (level_dbfs / 20.0))
    player.fill(out[: stop - fade], 0)
    player.set_level(0.0)
    player.fill(out[stop - fade :], stop - fade)
    return out[:, 0]


def _check(
    card: Card,
    survey: Survey,
    proof: Proof,
    carrier_hz: float,
    level_dbfs: float,
    say: Say,
) -> None:
    """The tone must come back as the sweep has foretold."""
    heard = survey.microphones
    direct_db = np.interp(carrier_hz, survey.hz, survey.direct_db[:, heard].max(1))
    room_db = np.interp(carrier_hz, survey.hz, survey.room_db[:, heard].max(1))
    weaker_db = level_dbfs + max(float(direct_db), float(room_db)) - proof.carrier_level_dbfs
    if proof.heard and weaker_db <= GONE_DB:
        if weaker_db > WEAK_DB:
            say(f"the tone comes back {weaker_db:.0f} dB weaker than the sweep told: echoes cancel it here")
        return
    _name_gain(card, survey, level_dbfs, say)
    raise NoctuleError(
        f"the tone at {carrier_hz / 1000.0:g} kHz does not come back although the sweep did: something takes "
        f"steady tones away; {FIXES['echo cancelling']}"
    )


def _name_gain(card: Card, survey: Survey, level_dbfs: float, say: Say) -> None:
    """Something changes the gain: find out what, by the long test.

    Raises
    ------
    NoctuleError
        It removes the tone: noise suppression or echo cancelling.
    """
    rate_hz = card.sample_rate_hz
    tone_hz = on_grid(choose_carrier(survey, []), round(rate_hz))
    stimulus = make_gain_stimulus(rate_hz, tone_hz, level_dbfs)
    report = analyse_gain(stimulus, card.play_and_record(stimulus), rate_hz)
    kinds: list[GainKind] = [one.kind for one in report.microphones]
    for kind in REMOVING:
        if kind in kinds:
            raise NoctuleError(f"{kind} stands in the way; {FIXES[kind]}")
    if "agc" in kinds:
        say(f"the gain is not steady; {FIXES['agc']}")
