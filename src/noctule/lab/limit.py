"""The limit: a clairvoyant detector that knows each scene's clean echoes and the statistics of the rest.

What nobody can do better than (Neyman & Pearson 1933; Van Trees, Detection, Estimation, and Modulation
Theory): the echo s of the people is known exactly, the interference is Gaussian with a known covariance R
between the microphones at every frequency. The best test then has the deflection

    d² = sum over time and frequency of 2·s^H·R⁻¹·s        (white noise, one microphone: 2·E/N0)

and finds s with the probability Q(Q⁻¹(P_false) − d). Detection in metres hangs on target strengths that
somebody assumed; the gap to this limit does not.

Beside it stands what is left without phases: a detector that sees power spectra averaged over the
microphones, as the network does, and knows what the echo adds to each cell. Its deflection is the sum of
(S/N)² over the cells, M times that for M microphones whose noises are independent. (Gaussian sums: a little
too kind.)

What neither knows of: interference that mirrors itself about the carrier is no more than noise to it, and
R is averaged over some seconds. A detector that uses either may pass it there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.fft
from scipy.special import ndtr, ndtri

from noctule.core.units import hz_per_mps
from noctule.simulate.electronics import Electronics
from noctule.simulate.render import PIECE, BasebandRendering, render
from noctule.simulate.scenes import Scene

FloatArray = npt.NDArray[np.float64]
ComplexArray = npt.NDArray[np.complexfloating]

#: One false alarm in ten thousand decisions.
FALSE_ALARM = 1e-4
THRESHOLD = -float(ndtri(FALSE_ALARM))
#: A decision looks back so long.
LOOK_S = 1.0
#: Deflections are kept in cells of so long, so that any second can be put together.
CELL_S = 0.1
#: Slower than this is the static room; the sensor's window resolves so much.
SLOWEST_MPS, FASTEST_MPS, RESOLUTION_MPS = 0.07, 6.5, 0.05
#: The interference is looked at so long before and after, and so many bins to each side.
AROUND_S, BINS_BESIDE = 1.5, 1
#: Added to R, as a share of the noise that every combination of microphones hears.
LOADING = 0.03
#: Neighbouring windows and bins are not quite new looks: so many count as one.
LOOKS_A_LOOK = 2.0


@dataclass(frozen=True, slots=True)
class Limit:
    """What the clairvoyant gathers, in cells of `CELL_S` from the beginning of the scene.

    together : (cells,) d² of the best combination of all microphones.
    each : (cells, microphones) d² of each alone.
    power : (cells,) d² of who sees only power spectra, averaged over the microphones.
    """

    together: FloatArray
    each: FloatArray
    power: FloatArray

    def most(
        self, start_s: float, stop_s: float, of: Literal["together", "each", "power"] = "together"
    ) -> float:
        """Largest d² of any `LOOK_S` that lies in start..stop; shorter stretches count as they are.

        of : "each" is the microphone that is best in that second.
        """
        low = max(0, round(start_s / CELL_S))
        high = max(low + 1, round(stop_s / CELL_S))
        cells = getattr(self, of).reshape(len(self.together), -1)[low:high]
        if not cells.size:
            return 0.0
        look = min(round(LOOK_S / CELL_S), len(cells))
        total = np.concatenate([np.zeros((1, cells.shape[1])), np.cumsum(cells, 0)])
        return float((total[look:] - total[:-look]).max())

    def by_second(self) -> FloatArray:
        """(seconds,) d² of each whole second."""
        look = round(LOOK_S / CELL_S)
        count = len(self.together) // look
        return np.asarray(self.together[: count * look].reshape(count, look).sum(1))


def margin_db(deflection: npt.ArrayLike) -> FloatArray:
    """Over where half are found; at least -99."""
    ratio = np.maximum(np.asarray(deflection, np.float64) / THRESHOLD**2, 10.0**-9.9)
    return np.asarray(10.0 * np.log10(ratio))


def detection_probability(deflection: npt.ArrayLike, false_alarm: float = FALSE_ALARM) -> FloatArray:
    """Q(Q⁻¹(P_false) − d)."""
    return np.asarray(ndtr(np.sqrt(np.maximum(deflection, 0.0)) + ndtri(false_alarm)))


def limit_of(scene: Scene) -> Limit:
    """Render the scene's people alone and all the rest alone, and compare."""
    echo, rate_hz = clean_echo(scene)
    return deflection(echo, interference(scene), rate_hz=rate_hz, carrier_hz=scene.carrier_hz)


def clean_echo(scene: Scene) -> tuple[ComplexArray, float]:
    """What the people of a scene add in a room where nothing else happens, and its rate.

    `(samples, microphones)` baseband as the sensor has it: the same person moves the same way, because every
    part draws from a generator of its own.
    """
    quiet = scene.model_copy(
        update={
            "mover": (),
            "sound": (),
            "programme": None,
            "unit": scene.unit.model_copy(update={"skirt_db": -60.0}),
        }
    )
    there, away = BasebandRendering(quiet), BasebandRendering(quiet.model_copy(update={"person": ()}))
    pieces = [
        there.signal(first, count) - away.signal(first, count)
        for first in range(0, there.count, PIECE)
        if (count := min(PIECE, there.count - first))
    ]
    # a cosine of amplitude A is A/2 in the baseband
    gain = 0.5 * 10.0 ** (scene.electronics.gain_db / 20.0)
    alive = np.array([m not in scene.unit.dead for m in range(there.microphones)])
    return np.concatenate(pieces) * (gain * alive), there.rate_hz


def interference(scene: Scene) -> ComplexArray:
    """Everything but the people, `(samples, microphones)`: room, noise, movers, sounds, music."""
    plain = Electronics(gain_db=scene.electronics.gain_db, bits=scene.electronics.bits)
    alone = scene.model_copy(update={"person": (), "electronics": plain})
    return np.concatenate(list(render(alone)))


def deflection(echo: ComplexArray, noise: ComplexArray, *, rate_hz: float, carrier_hz: float) -> Limit:
    """d² of a known echo in a given interference.

    Parameters
    ----------
    echo, noise : (samples, microphones) complex baseband. Microphones that hear nothing are left out.
    """
    microphones = echo.shape[1]
    heard = np.flatnonzero((np.abs(noise) > 0.0).any(0) & (np.abs(echo) > 0.0).any(0))
    cells = math.ceil(len(echo) / rate_hz / CELL_S)
    result = Limit(np.zeros(cells), np.zeros((cells, microphones)), np.zeros(cells))
    if not len(heard):
        return result
    windows = _Windows(rate_hz, carrier_hz)
    s, n = windows.spectra(echo[:, heard]), windows.spectra(noise[:, heard])
    together, each, power = np.zeros(len(s)), np.zeros((len(s), len(heard))), np.zeros(len(s))
    around = max(1, round(AROUND_S * rate_hz / windows.hop))
    step = max(1, around // 2)
    # windows overlap by half, so everything is seen twice
    new = windows.hop / windows.length
    for first in range(0, len(s), step):
        block = slice(first, first + step)
        looked_at = n[max(0, first - around) : first + step + around]
        together[block], each[block], power[block] = _block(s[block], looked_at)
    result.together[:] = windows.in_cells(new * together, cells)
    result.power[:] = windows.in_cells(new * power, cells)
    for m, column in zip(heard, each.T, strict=True):
        result.each[:, m] = windows.in_cells(new * column, cells)
    return result


class _Windows:
    """Short-time spectra under a sine window, whose square tiles to one; constant and slope taken out."""

    def __init__(self, rate_hz: float, carrier_hz: float) -> None:
        per_mps = hz_per_mps(carrier_hz)
        half = scipy.fft.next_fast_len(math.ceil(rate_hz / (RESOLUTION_MPS * per_mps) / 2))
        self.length, self.hop, self._rate_hz = 2 * half, half, rate_hz
        place = (np.arange(self.length) + 0.5) / self.length
        self._window = np.sin(np.pi * place)[:, None]
        slope = place - 0.5
        self._fit = np.stack([np.ones(self.length), slope / math.sqrt(np.mean(slope**2))])
        speed = np.fft.fftfreq(self.length, 1.0 / rate_hz) / per_mps
        chosen = (np.abs(speed) >= SLOWEST_MPS) & (np.abs(speed) <= FASTEST_MPS)
        # from the fastest that goes to the fastest that comes, so that neighbours are neighbours
        self._bins = np.flatnonzero(chosen)[np.argsort(speed[chosen])]

    def in_cells(self, values: FloatArray, cells: int) -> FloatArray:
        """What frames hold, shared out over cells: each is about the hop around its middle."""
        until_s = (np.arange(len(values) + 1) + 0.5) * self.hop / self._rate_hz
        total = np.concatenate([[0.0], np.cumsum(values)])
        return np.diff(np.interp(np.arange(cells + 1) * CELL_S, until_s, total))

    def spectra(self, signal: ComplexArray) -> ComplexArray:
        """(samples, microphones) to (frames, bins, microphones)."""
        frames = max(0, (len(signal) - self.length) // self.hop + 1)
        out = np.empty((frames, len(self._bins), signal.shape[1]), np.complex128)
        for k in range(frames):
            piece = signal[k * self.hop : k * self.hop + self.length].astype(np.complex128)
            piece -= self._fit.T @ (self._fit @ piece) / self.length
            out[k] = scipy.fft.fft(piece * self._window, axis=0)[self._bins]
        return out


def _block(s: ComplexArray, n: ComplexArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """2·s^H·R⁻¹·s of each frame: all microphones together, and each alone; and sums of (S/N)² of mean powers.

    s : (frames, bins, microphones); n : likewise, the interference of the time around.
    """
    microphones = s.shape[2]
    by_bin = n.transpose(1, 2, 0)
    covariance = _beside(by_bin @ by_bin.conj().transpose(0, 2, 1)) / len(n)
    power = np.einsum("bmm->bm", covariance).real
    looks = len(n) * (2 * BINS_BESIDE + 1) / LOOKS_A_LOOK
    ratio = np.square(np.abs(s)) * (max(0.1, 1.0 - 1.0 / looks) / np.maximum(power, 1e-300))
    each = 2.0 * ratio.sum(1)
    powers = (np.square(ratio.mean(2)) / _variance(covariance, power)).sum(1)
    if microphones == 1:
        return each[:, 0], each, powers
    # no more than the quietest combination has: what both hear alike must stay as deep a null as it is
    quietest = float(np.median(np.linalg.eigvalsh(covariance)[:, 0]))
    loading = max(LOADING * quietest, 1e-9 * float(np.median(power)))
    covariance[:, np.arange(microphones), np.arange(microphones)] += loading
    weighed = np.linalg.solve(covariance, s.transpose(1, 2, 0))
    together = 2.0 * np.einsum("fbm,bmf->f", s.conj(), weighed).real
    # the inverse of an estimate is too large by looks/(looks - microphones) on average
    return together * max(0.1, 1.0 - microphones / looks), each, powers


def _variance(covariance: ComplexArray, power: FloatArray) -> FloatArray:
    """(bins,) variance of the microphones' mean power, each in units of its own noise: 1/M to 1."""
    scale = np.maximum(power[:, :, None] * power[:, None, :], 1e-300)
    return np.asarray((np.square(np.abs(covariance)) / scale).mean((1, 2)))


def _beside(covariance: ComplexArray) -> ComplexArray:
    """Averaged with the bins beside."""
    edge = [(BINS_BESIDE, BINS_BESIDE)] + [(0, 0)] * (covariance.ndim - 1)
    wide = np.pad(covariance, edge, mode="edge")
    count = 2 * BINS_BESIDE + 1
    return np.asarray(sum(wide[k : k + len(covariance)] for k in range(count)) / count)
