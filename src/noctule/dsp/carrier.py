"""Find the carrier in a recording: the strongest line that is narrow and stays where it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import median_filter

from noctule.core.errors import NoctuleError
from noctule.core.frames import AudioBlock

LOWEST_HZ = 15000.0
#: A carrier stands so far over the median of the 600 Hz around it, in every segment it is on.
#: Noise alone reaches +12 dB; the weakest real carrier of the shared recordings has 40 dB.
LINE_DB = 22.0
#: Rounding to 16 bits gives a pure audible tone harmonics of -110 dBFS; the weakest real carrier has -52.
LOWEST_DBFS = -100.0
SEGMENT_S = 0.5
SEARCH_S = 10.0
ROUND_HZ = 100
#: The strongest gestures of the shared recordings, a second long, pull by 2 Hz.
MOST_PULLED_HZ = 2.5


@dataclass(frozen=True, slots=True)
class CarrierEstimate:
    """Where the carrier is, and how far it stands over the noise in 10 Hz."""

    carrier_hz: float
    snr_db: float


@dataclass(frozen=True, slots=True)
class _Line:
    hz: float
    power: float
    over_db: float


def find_carrier(blocks: Iterable[AudioBlock], lowest_hz: float = LOWEST_HZ) -> CarrierEstimate:
    """Search from `lowest_hz` to just under half the rate.

    Looks at ten seconds at a time and stops at the first stretch that holds a carrier, so a
    recording that begins with silence is searched to its end. In a stretch, a line counts when it
    is there in at least a third of the half-second segments (music and bats do not stay); among
    those the strongest wins: the loudspeaker is next to the microphone.

    Raises
    ------
    NoctuleError
        No line anywhere.
    """
    rate_hz = 0.0
    for stretch, rate_hz in _stretches(blocks):
        estimate = _search(stretch, rate_hz, lowest_hz)
        if estimate is not None:
            return estimate
    if rate_hz == 0.0:
        raise NoctuleError("no carrier: there is no audio")
    raise NoctuleError(f"no carrier found between {lowest_hz / 1000:g} kHz and {rate_hz / 2000:g} kHz")


def _stretches(blocks: Iterable[AudioBlock]) -> Iterator[tuple[npt.NDArray[np.float32], float]]:
    """Ten-second pieces `(samples, channels)`; a remainder under a second joins its neighbour."""
    held: list[npt.NDArray[np.float32]] = []
    count, rate_hz = 0, 0.0
    for block in blocks:
        rate_hz = block.sample_rate_hz
        held.append(np.nan_to_num(block.samples, nan=0.0, posinf=0.0, neginf=0.0))
        count += len(block.samples)
        if count >= SEARCH_S * rate_hz:
            yield np.concatenate(held), rate_hz
            held, count = [], 0
    if count:
        yield np.concatenate(held), rate_hz


def _search(audio: npt.NDArray[np.float32], rate_hz: float, lowest_hz: float) -> CarrierEstimate | None:
    # three segments at least, so that a line can prove that it stays
    length = min(round(SEGMENT_S * rate_hz), len(audio) // 3)
    if length < 0.05 * rate_hz:
        return None
    segments = [audio[i : i + length] for i in range(0, len(audio) - length + 1, length)]
    lines = [_lines(segment, rate_hz, lowest_hz) for segment in segments]
    # the same line may wander by what a turning clock or a strong mover next to it does
    tolerance_hz = max(3.0, 1.5 * rate_hz / length)
    best: tuple[float, CarrierEstimate] | None = None
    for line in sorted((x for found in lines for x in found), key=lambda x: -x.power)[:50]:
        same = [
            max(near, key=lambda x: x.power)
            for found in lines
            if (near := [x for x in found if abs(x.hz - line.hz) < tolerance_hz])
        ]
        if len(same) < max(2, len(segments) / 3):
            continue
        power = float(np.median([x.power for x in same]))
        if best is None or power > best[0]:
            hz = float(np.median([x.hz for x in same]))
            over_db = float(np.median([x.over_db for x in same]))
            # a Blackman-Harris bin is 2 bins of noise wide
            snr_db = over_db + 10.0 * np.log10(2.0 * rate_hz / length / 10.0)
            best = power, CarrierEstimate(hz, float(snr_db))
    if best is None:
        return None
    return CarrierEstimate(_refine(audio, rate_hz, best[1].carrier_hz), best[1].snr_db)


def _refine(audio: npt.NDArray[np.float32], rate_hz: float, near_hz: float) -> float:
    """The same line over the whole stretch: strong motion pulls a short segment, not the whole."""
    chunk = round(0.01 * rate_hz)
    count = len(audio) // chunk
    used = audio[: count * chunk].reshape(count, chunk, -1)
    mix = np.exp(-2j * np.pi * near_hz * np.arange(count * chunk) / rate_hz).reshape(count, chunk)
    slow = np.einsum("ncm,nc->nm", used, mix)
    size = 1 << (8 * count - 1).bit_length()
    power = np.sum(np.abs(np.fft.fft(slow * np.hanning(count + 2)[1:-1, None], size, axis=0)) ** 2, axis=1)
    offset_hz = np.fft.fftfreq(size, chunk / rate_hz)
    power[np.abs(offset_hz) > max(3.0, 2.0 * rate_hz / (count * chunk))] = 0.0
    found_hz = near_hz + float(offset_hz[int(np.argmax(power))])
    # In a second of strong motion the echo can outweigh the direct path and pull the line by up to the
    # resolution of the stretch. Carriers are chosen round: inside that uncertainty, the round one is meant.
    round_hz = ROUND_HZ * round(found_hz / ROUND_HZ)
    uncertain_hz = min(MOST_PULLED_HZ, 2.0 * rate_hz / (count * chunk))
    return float(round_hz) if abs(found_hz - round_hz) < uncertain_hz else found_hz


def _blackman_harris(length: int) -> npt.NDArray[np.float32]:
    """Four-term window, side lobes at -92 dB (Harris 1978): far music does not leak under the line."""
    turn = 2.0 * np.pi * np.arange(length) / length
    terms = (0.35875, -0.48829, 0.14128, -0.01168)
    window = sum(a * np.cos(k * turn) for k, a in enumerate(terms))
    return np.asarray(window, dtype=np.float32)


def _lines(segment: npt.NDArray[np.float32], rate_hz: float, lowest_hz: float) -> list[_Line]:
    window = _blackman_harris(len(segment))
    spectrum = np.fft.rfft(segment * window[:, None], axis=0)
    hz_per_bin = rate_hz / len(segment)
    first = max(2, int(lowest_hz / hz_per_bin))
    power = np.mean(np.abs(spectrum[first - 1 :]) ** 2, axis=1) + 1e-20
    db = 10.0 * np.log10(power)
    around = median_filter(db, size=max(9, 2 * round(300.0 / hz_per_bin) + 1), mode="nearest")
    # a tone of amplitude 1 has half the window's sum
    lowest_db = LOWEST_DBFS + 20.0 * np.log10(0.5 * window.sum())
    inner = np.where(db[1:-1] > lowest_db, db[1:-1], -np.inf)
    is_line = (inner >= db[:-2]) & (inner > db[2:]) & (inner - around[1:-1] > LINE_DB)
    lines = []
    for i in np.flatnonzero(is_line) + 1:
        left, middle, right = db[i - 1 : i + 2]
        curvature = left - 2.0 * middle + right
        shift = 0.5 * (left - right) / curvature if curvature < 0 else 0.0
        lines.append(_Line((first - 1 + i + shift) * hz_per_bin, float(power[i]), float(middle - around[i])))
    return lines
