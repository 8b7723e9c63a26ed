"""Sensing while music plays: what distortion costs, and how much of that is regained.

Echo and interference of a scene are rendered apart. The sensor hears their sum and learns what ties one side
of the carrier to the other; what it takes off at each moment is a linear operation, which is then applied to
echo and interference alone. So the motion's signal-to-noise ratio can be told before and after, and next to
that of the clairvoyant combination of all microphones (`lab.limit`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d

from noctule.core.frames import BasebandBlock
from noctule.core.settings import FeatureSettings
from noctule.core.units import hz_per_mps
from noctule.dsp.doppler import DopplerSpectrum
from noctule.dsp.features import FeatureExtractor
from noctule.lab import benchmark
from noctule.lab.limit import clean_echo, deflection, interference
from noctule.simulate.scenes import Scene

FloatArray = npt.NDArray[np.float64]
ComplexArray = npt.NDArray[np.complexfloating]

#: The noise of each stream is its mean power over so long around, as the limit's is.
AROUND_S = 3.0
#: Slower than this is the static room.
SLOWEST_MPS = 0.1
#: Material of every scene in turn where no pieces are given: made up, from seeds of the benchmark.
MADE_UP = ("music", "bass", "speech")


@dataclass(frozen=True)
class Regained:
    """One scene, all in decibels.

    lost_db : of the best single microphone's motion SNR, since the music plays. possible_db, regained_db :
    over it, by the clairvoyant combination and by the sensor. kept_db : of the echo's own energy, against
    that of the microphones' noise (0: all of it). removed_db : of all power, on average.
    """

    piece: str
    volume: str
    microphones: int
    two_way: bool
    carrier_hz: float
    lost_db: float
    possible_db: float
    regained_db: float
    kept_db: float
    removed_db: float


def scene_of(index: int, pieces: Sequence[Path] = ()) -> tuple[Scene, str, str]:
    """A scene of the set `music_walks`, its piece and volume; every fourth loudspeaker has a tweeter."""
    case = benchmark.case("music_walks", index)
    scene, programme = case.scene, case.scene.programme
    assert programme is not None
    turn = index // (len(benchmark.FAMILIES) * len(benchmark.VOLUMES_DBFS))
    if pieces:
        file = pieces[turn % len(pieces)]
        programme = programme.model_copy(update={"file": file})
        piece = file.stem
    else:
        piece = MADE_UP[turn % len(MADE_UP)]
        programme = programme.model_copy(update={"kind": piece})
    loudspeaker = scene.loudspeaker.model_copy(update={"two_way": index % 4 == 3})
    changed = scene.model_copy(update={"programme": programme, "loudspeaker": loudspeaker})
    return changed, piece, case.what


def measure(index: int, pieces: Sequence[Path] = ()) -> Regained:
    """What music costs in one scene, and what is regained."""
    scene, piece, volume = scene_of(index, pieces)
    echo, rate_hz = clean_echo(scene)
    loud, quiet = interference(scene), interference(scene.model_copy(update={"programme": None}))
    count = min(len(echo), len(loud), len(quiet))
    echo, loud, quiet = echo[:count], loud[:count], quiet[:count]
    known = {"rate_hz": rate_hz, "carrier_hz": scene.carrier_hz}
    limits = [deflection(echo, one, **known) for one in (loud, quiet)]
    single, single_quiet = (float(one.each.sum(0).max()) for one in limits)
    before, after, kept, removed_db = _before_and_after(echo, loud, quiet, rate_hz, scene.carrier_hz)
    return Regained(
        piece=piece,
        volume=volume,
        microphones=echo.shape[1],
        two_way=scene.loudspeaker.two_way,
        carrier_hz=scene.carrier_hz,
        lost_db=_db(single_quiet / single),
        possible_db=_db(float(limits[0].together.sum()) / single),
        regained_db=_db(after / before),
        kept_db=_db(kept),
        removed_db=removed_db,
    )


def _before_and_after(
    echo: ComplexArray, loud: ComplexArray, quiet: ComplexArray, rate_hz: float, carrier_hz: float
) -> tuple[float, float, float, float]:
    """Deflection of the best microphone and of what the sensor makes of all; echo kept; dB removed."""
    extractor = _extractor(echo.shape[1], rate_hz, carrier_hz)
    canceller = extractor.distortion
    doppler, s = _spectra(echo, rate_hz, carrier_hz)
    n, w = (_spectra(one, rate_hz, carrier_hz)[1] for one in (loud, quiet))
    pairs = np.arange(1, doppler.pairs + 1)
    shown = pairs * rate_hz / doppler.fft_size > SLOWEST_MPS * hz_per_mps(carrier_hz)
    heard = (echo + loud).astype(np.complex64)
    raw: list[list[ComplexArray]] = [[], [], []]
    left: list[list[ComplexArray]] = [[], [], []]
    removed = []
    first = 0
    for frame in range(len(s)):
        stop = doppler.window_samples + frame * doppler.hop_samples
        bases, weights = canceller.bases.copy(), canceller.weights.copy()
        block = extractor.process_baseband(BasebandBlock(heard[first:stop], rate_hz, carrier_hz, first))
        first = stop
        if canceller.scale.any():  # it has heard something
            for n_th, spectrum in enumerate((s, n, w)):
                z = spectrum[frame] * (canceller.scale * canceller.tone.conj())[:, None]
                sides = np.stack([z[:, pairs].T, z[:, -pairs].conj().T])  # (2, pairs, microphones)
                raw[n_th].append(sides[:, shown])
                left[n_th].append(taken_apart(sides, bases, weights)[:, shown])
            removed += block.removed_db.tolist()
    hop_s = doppler.hop_samples / rate_hz
    (s0, n0, w0), (s1, n1, w1) = (tuple(np.array(one) for one in part) for part in (raw, left))
    before = _deflection(s0, n0, hop_s).sum((0, 1, 2)).max()
    after = _deflection(s1, n1, hop_s).sum()
    kept = _energy(s1) / _energy(s0) / (_energy(w1) / _energy(w0))
    return float(before), float(after), kept, float(np.mean(removed))


def taken_apart(sides: ComplexArray, bases: ComplexArray, weights: npt.NDArray[np.floating]) -> ComplexArray:
    """(2, pairs, microphones) without what is tied: what is left of it reads as noise."""
    along = np.einsum("krsm,skm->skr", bases.conj(), sides)
    gain = np.stack([weights[..., 0], weights[..., 3]])
    over = np.stack([weights[..., 1], weights[..., 4]])
    tied = over > 0.0
    rest = np.where(tied, np.sqrt(over) * (along - gain * along[::-1]), along)
    return np.asarray(sides + np.einsum("krsm,skr->skm", bases, rest - along))


def _deflection(echo: ComplexArray, noise: ComplexArray, hop_s: float) -> FloatArray:
    """(frames, sides, pairs, streams) 2·|s|²/σ², the noise as it is around."""
    power = uniform_filter1d(np.square(np.abs(noise)), max(1, round(AROUND_S / hop_s)), axis=0)
    return np.asarray(2.0 * np.square(np.abs(echo)) / np.maximum(power, 1e-30))


def _energy(signal: ComplexArray) -> float:
    return float(np.square(np.abs(signal)).sum())


def _db(ratio: float) -> float:
    return 10.0 * math.log10(max(ratio, 1e-12))


def _extractor(microphones: int, rate_hz: float, carrier_hz: float) -> FeatureExtractor:
    return FeatureExtractor(
        FeatureSettings(), carrier_hz=carrier_hz, channels=microphones, baseband_rate_hz=rate_hz
    )


def _spectra(signal: ComplexArray, rate_hz: float, carrier_hz: float) -> tuple[DopplerSpectrum, ComplexArray]:
    doppler = DopplerSpectrum(baseband_rate_hz=rate_hz, carrier_hz=carrier_hz, settings=FeatureSettings())
    blocks = doppler.process(BasebandBlock(signal.astype(np.complex64), rate_hz, carrier_hz, 0))
    return doppler, np.concatenate([one.spectrum for one in blocks])


# -- many scenes


def measured(scenes: int, pieces: Sequence[Path], workers: int | None) -> Iterator[Regained]:
    """Rows of so many scenes, in order, as they are done."""
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        yield from pool.map(partial(measure, pieces=tuple(pieces)), range(scenes))


def loudest(rows: Sequence[Regained]) -> dict[str, int]:
    """The scenes to look at: by number of microphones the one with one driver that lost most."""
    found: dict[str, int] = {}
    for name, fewest, most in (
        ("one-microphone", 1, 1),
        ("some-microphones", 2, 4),
        ("many-microphones", 5, 8),
    ):
        able = [n for n, row in enumerate(rows) if fewest <= row.microphones <= most and not row.two_way]
        if able:
            found[name] = max(able, key=lambda n: rows[n].lost_db)
    return found


def tables(rows: Sequence[Regained]) -> str:
    """Markdown: what is regained by piece, volume, microphones and kind of loudspeaker."""
    one_driver = [row for row in rows if not row.two_way]
    several = [row for row in one_driver if row.microphones > 1]
    parts = [
        "# Sensing while music plays\n",
        "Simulated rooms and loudspeakers, a walker at 2 m. *Lost*: motion SNR of the best single microphone,"
        " by the music. *Possible*: what the clairvoyant combination of all microphones has over that"
        " microphone; *regained*: what the sensor has over it. *Share*: regained of possible, with the 95 %"
        " interval of a bootstrap over scenes. *Kept*: of the echo's energy, noise for noise.\n",
        _table("one full-range driver, two microphones and more", several, lambda row: "all"),
        _table("by piece", several, lambda row: row.piece),
        _table("by volume", several, lambda row: row.volume),
        _table("by microphones", one_driver, lambda row: f"{row.microphones}"),
        _table(
            "by loudspeaker", [row for row in rows if row.microphones > 1],
            lambda row: "woofer and tweeter" if row.two_way else "one driver",
        ),
    ]  # fmt: skip
    return "\n".join(parts)


def _table(title: str, rows: Sequence[Regained], key: Callable[[Regained], str]) -> str:
    lines = [
        f"## {title}\n",
        "| | scenes | lost, dB | possible, dB | regained, dB | share | kept, dB | removed, dB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    names = sorted({key(row) for row in rows}, key=lambda one: (len(one), one))
    lines += [_line(name, [row for row in rows if key(row) == name]) for name in names]
    return "\n".join(lines) + "\n"


def _line(name: str, rows: Sequence[Regained]) -> str:
    def mean(field: str) -> float:
        return float(np.mean([getattr(row, field) for row in rows]))

    possible, regained = mean("possible_db"), mean("regained_db")
    share = "-"
    if possible > 1.0:
        low, high = _interval(rows)
        share = f"{100 * regained / possible:.0f} % ({100 * low:.0f} to {100 * high:.0f})"
    return (
        f"| {name} | {len(rows)} | {mean('lost_db'):.1f} | {possible:.1f} | {regained:.1f} | {share} "
        f"| {mean('kept_db'):.1f} | {mean('removed_db'):.1f} |"
    )


def _interval(rows: Sequence[Regained]) -> tuple[float, float]:
    rng = np.random.default_rng(1)
    both = np.array([(row.regained_db, row.possible_db) for row in rows])
    drawn = both[rng.integers(0, len(both), (2000, len(both)))].sum(1)
    low, high = np.quantile(drawn[:, 0] / np.maximum(drawn[:, 1], 1e-9), [0.025, 0.975])
    return float(low), float(high)


# -- pictures


def draw_pictures(index: int, pieces: Sequence[Path], out: Path) -> None:
    """An empty room with music, and motion with music, each before and after."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    scene, piece, volume = scene_of(index, pieces)
    echo, rate_hz = clean_echo(scene)
    loud = interference(scene)
    count = min(len(echo), len(loud))
    shown = [("nobody", loud[:count]), ("somebody walks at 2 m", loud[:count] + echo[:count])]
    figure, axes = pyplot.subplots(2, 2, figsize=(12, 7), sharex=True, sharey=True, layout="constrained")
    for row, (what, samples) in zip(axes, shown, strict=True):
        extractor = _extractor(samples.shape[1], rate_hz, scene.carrier_hz)
        heard = BasebandBlock(samples.astype(np.complex64), rate_hz, scene.carrier_hz, 0)
        features = extractor.process_baseband(heard)
        both = ("as it is", features.log_power_db), ("distortion taken off", features.clean_power_db)
        for axis, (name, power_db) in zip(row, both, strict=True):
            image = axis.pcolormesh(
                features.time_s, features.velocity_mps, power_db.T, vmin=0.0, vmax=30.0, cmap="magma",
                rasterized=True,
            )  # fmt: skip
            axis.set(ylim=(-3.0, 3.0), title=f"{what}, {name}")
    for axis in axes[:, 0]:
        axis.set_ylabel("velocity, m/s\n(+ comes nearer)")
    for axis in axes[1]:
        axis.set_xlabel("time, s")
    figure.colorbar(image, ax=axes, label="dB over the floor", pad=0.01)
    figure.suptitle(
        f"{piece}, {volume}; {echo.shape[1]} microphone{'s' * (echo.shape[1] > 1)}, {scene.device.shape}, "
        f"{scene.carrier_hz / 1e3:.1f} kHz (simulated)"
    )
    figure.savefig(out, dpi=90, pil_kwargs={"optimize": True})
    pyplot.close(figure)


def as_records(rows: Sequence[Regained]) -> list[dict[str, Any]]:
    """For JSON."""
    return [
        {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(row).items()}
        for row in rows
    ]
