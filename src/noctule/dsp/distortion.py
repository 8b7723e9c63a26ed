"""What the loudspeaker does to its own tone, told from what comes back from the room, and taken away.

While music plays, the cone's travel turns and squeezes the tone (Klippel, JAES 54, 2006). That distortion
leaves with the direct sound: at every velocity it has one magnitude and phase between the microphones, and
because one motion modulates one tone, what stands at +v is tied to what stands at -v. Whoever walks has
another signature, and nothing of him at +v foretells what is at -v. Clock noise and most of a fan's comb are
tied in the same way.

So for every pair of velocities (+v, -v), with z+ and the conjugate z- of all microphones in units of their
noise, the covariance between the two sides is followed,

    C = E[z+ z-^H] = sum of s·u·v^H,

and only what C holds is believed to be distortion: nobody who moves on one side is ever in it, so motion
needs no detector that freezes the adaptation. The noise that u+ and v- hear together is

    [[1 + a, s], [s, 1 + b]]        a·b >= s², from the powers seen there,

and what is left of the power is that of the best guess of the other side taken away (widely linear
estimation: Picinbono & Chevalier, IEEE Trans. Signal Processing 43, 1995), over what noise is left. It is
never more than the power that came in: where nothing is tied, nothing changes.

Cost of a frame: 3·M² multiplications of complex numbers a pair for M microphones, and 4·M where something is
removed; one pair in eight is decomposed anew.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from noctule.core.frames import Complex64Array, Float32Array

#: Covariances are averaged over so long.
MEMORY_S = 6.0
#: At most so many distortions a pair of velocities: the loudspeaker's, and what a second cause adds.
MOST_TIES = 2
#: Squared coherence of the sides from which on a tie is believed, and from where on in full. Chance alone
#: reaches less the more frames were seen.
BELIEVED, CERTAIN, CHANCE_FRAMES = 0.2, 0.5, 4.0
#: One pair in so many is decomposed anew each frame.
_TURNS = 8
#: One side hears a distortion by so much louder than the other, as power, and not more.
_MOST_UNEVEN = 4.0
_POWER_STEPS = 3
#: Of what was taken off so much is left, as power: at first, at least and at most. Followed quickly where it
#: is less and slowly where it is more, so that motion does not pass for it; a third of the frames has less,
#: and so many times that is the mean.
_LEFT = (3e-3, 1e-4, 0.1)
_LEFT_FALLS, _LEFT_RISES, _LEFT_MEAN = 0.98, 1.01, 2.5


class DistortionCanceller:
    """Streaming power that is taken off the Doppler spectrum of some microphones.

    Parameters
    ----------
    channels : microphones, one to eight.
    fft_size : bins of the spectra, zero velocity first.
    pairs : velocities on both sides, from bin 1 on, that are looked at.
    hop_s : from frame to frame.

    Attributes
    ----------
    removed : (fft bins,) power that was taken off the last frame, in units of the noise; the mean over the
        microphones that hear.
    removed_db : of that frame, how much less is left of the power at all these velocities.
    """

    def __init__(self, *, channels: int, fft_size: int, pairs: int, hop_s: float) -> None:
        self._channels, self._pairs = channels, pairs
        self._memory_frames = MEMORY_S / hop_s
        # with one microphone there is one, and with two a second would take all there is
        self._ties = min(MOST_TIES, max(1, channels - 1))
        self.removed: Float32Array = np.zeros(fft_size, dtype=np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget what was learnt: the room or the device may be another."""
        M, K, R = self._channels, self._pairs, self._ties
        self._cross: Complex64Array = np.zeros((K, M, M), dtype=np.complex64)
        self._auto: Complex64Array = np.zeros((K, 2, M, M), dtype=np.complex64)
        self._auto[:] = np.eye(M)
        self._bases: Complex64Array = np.zeros((K, R, 2, M), dtype=np.complex64)
        self._weights: Float32Array = np.zeros((K, R, 6), dtype=np.float32)
        self._left: Float32Array = np.full((K, 2), _LEFT[0], dtype=np.float32)
        self._frames = 0
        self.removed[:] = 0.0
        self.removed_db = 0.0

    def update(self, spectrum: Complex64Array, noise: list[float], live: list[bool]) -> Float32Array:
        """Take one frame's spectrum `(channels, fft bins)`; gives `removed`."""
        scale = np.array(
            [heard / math.sqrt(level) for level, heard in zip(noise, live, strict=True)], dtype=np.float32
        )
        self._frames += 1
        seen = min(float(self._frames), self._memory_frames)
        before, after = _frame(
            spectrum, scale, sum(live), self._cross, self._auto, self._bases, self._weights, self._left,
            1.0 / (seen + 1.0), BELIEVED + CHANCE_FRAMES / seen, CERTAIN + CHANCE_FRAMES / seen,
            self._frames % _TURNS, self.removed,
        )  # fmt: skip
        self.removed *= np.float32(1.0 / max(1, sum(live)))
        self.removed_db = 10.0 * math.log10(max(before, 1e-30) / max(after, 1e-30))
        return self.removed


@njit(cache=True, fastmath={"contract", "reassoc", "nsz"})
def _frame(  # type: ignore[no-untyped-def]
    spectrum, scale, live, cross, auto, bases, weights, left, rate, believed, certain, turn, removed
):
    """One frame of all pairs; gives the power before and after."""
    pairs, channels, bins = cross.shape[0], cross.shape[1], spectrum.shape[1]
    z = np.empty((2, channels), np.complex64)
    before, after, rate = np.float64(0.0), np.float64(0.0), np.float32(rate)
    for k in range(pairs):
        total_plus, total_minus = np.float32(0), np.float32(0)
        for m in range(channels):
            z[0, m] = spectrum[m, k + 1] * scale[m]
            z[1, m] = np.conj(spectrum[m, bins - k - 1]) * scale[m]
            total_plus += z[0, m].real ** 2 + z[0, m].imag ** 2
            total_minus += z[1, m].real ** 2 + z[1, m].imag ** 2
        off_plus, off_minus = np.float32(0), np.float32(0)
        for r in range(weights.shape[1]):
            w = weights[k, r]
            if w[0] == 0.0:
                continue
            plus, minus = np.complex64(0), np.complex64(0)
            for m in range(channels):
                plus += np.conj(bases[k, r, 0, m]) * z[0, m]
                minus += np.conj(bases[k, r, 1, m]) * z[1, m]
            off_plus += _taken_off(plus, minus, w[0], w[1], w[2])
            off_minus += _taken_off(minus, plus, w[3], w[4], w[5])
        if off_plus + off_minus > 0.0:
            left[k, 0], off_plus = _over_what_is_left(total_plus, off_plus, left[k, 0], live)
            left[k, 1], off_minus = _over_what_is_left(total_minus, off_minus, left[k, 1], live)
        removed[k + 1], removed[bins - k - 1] = off_plus, off_minus
        before += total_plus + total_minus
        after += total_plus + total_minus - off_plus - off_minus
        for i in range(channels):
            for j in range(channels):
                cross[k, i, j] += rate * (z[0, i] * np.conj(z[1, j]) - cross[k, i, j])
                auto[k, 0, i, j] += rate * (z[0, i] * np.conj(z[0, j]) - auto[k, 0, i, j])
                auto[k, 1, i, j] += rate * (z[1, i] * np.conj(z[1, j]) - auto[k, 1, i, j])
    for k in range(turn, pairs, _TURNS):
        _decompose(cross, auto, k, bases[k], weights[k], believed, certain)
    return before, after


@njit(cache=True, inline="always")
def _taken_off(here, there, gain, over, alone):  # type: ignore[no-untyped-def]
    """Power less what is left with the other side's help, or without where that is less."""
    rest = here - gain * there
    power = here.real**2 + here.imag**2
    return power - min((rest.real**2 + rest.imag**2) * over, power * alone)


@njit(cache=True, inline="always")
def _over_what_is_left(power, off, left, live):  # type: ignore[no-untyped-def]
    """The share of what was taken off that is still there, and what has to go so that it reads as noise."""
    rest = power - off
    expected = left * off
    if off > live > 0:
        left *= _LEFT_RISES if rest - live > expected else _LEFT_FALLS
        left = min(max(left, _LEFT[1]), _LEFT[2])
    return left, power - max(rest, 0.0) / (1.0 + _LEFT_MEAN * expected / max(live, 1))


@njit(cache=True, fastmath={"contract", "reassoc", "nsz"})
def _decompose(cross, auto, k, bases, weights, believed, certain):  # type: ignore[no-untyped-def]
    """Strongest ties of one pair, with its neighbours' help, and what to take off for each."""
    channels = cross.shape[1]
    first, last = max(0, k - 1), min(len(cross), k + 2)
    tied = np.zeros((channels, channels), np.complex64)
    seen = np.zeros((2, channels, channels), np.complex64)
    share = np.float32(1.0 / (last - first))
    for n in range(first, last):
        tied += share * cross[n]
        seen += share * auto[n]
    u, v = np.empty(channels, np.complex64), np.empty(channels, np.complex64)
    for r in range(weights.shape[0]):
        weights[r] = 0.0
        strength = _strongest(tied, u, v)
        if strength <= 0.0:
            continue
        power_u, power_v = _power_along(seen[0], u), _power_along(seen[1], v)
        coherence = strength * strength / max(power_u * power_v, 1e-12)
        belief = min(1.0, (coherence - believed) / (certain - believed))
        for i in range(channels):
            for j in range(channels):
                tied[i, j] -= strength * u[i] * np.conj(v[j])
        if belief <= 0.0:
            continue
        s = belief * strength
        uneven = math.sqrt(max(power_u - 1.0, 0.1) / max(power_v - 1.0, 0.1))
        uneven = min(max(uneven, 1.0 / _MOST_UNEVEN), _MOST_UNEVEN)
        a, b = s * uneven, s / uneven
        if channels > 1:  # what is there and not tied is distortion of a higher order: no more than the tied
            a += belief * min(max(power_u - 1.0 - strength * uneven, 0.0), s * uneven)
            b += belief * min(max(power_v - 1.0 - strength / uneven, 0.0), s / uneven)
        bases[r, 0], bases[r, 1] = u, v
        weights[r, 0] = s / (1.0 + b)
        weights[r, 1] = 1.0 / (1.0 + a - s * s / (1.0 + b))
        weights[r, 2] = 1.0 / (1.0 + a)
        weights[r, 3] = s / (1.0 + a)
        weights[r, 4] = 1.0 / (1.0 + b - s * s / (1.0 + a))
        weights[r, 5] = 1.0 / (1.0 + b)


@njit(cache=True, fastmath={"contract", "reassoc", "nsz"})
def _strongest(matrix, u, v):  # type: ignore[no-untyped-def]
    """Largest singular value and its vectors, by power iteration from the strongest row."""
    channels, best, at = len(u), np.float32(0), 0
    for i in range(channels):
        total = np.float32(0)
        for j in range(channels):
            total += matrix[i, j].real ** 2 + matrix[i, j].imag ** 2
        if total > best:
            best, at = total, i
    if best < 1e-12:
        return np.float32(0)
    for j in range(channels):
        v[j] = np.conj(matrix[at, j])
    _to_unit(v)
    strength = np.float32(0)
    for _ in range(_POWER_STEPS):
        for i in range(channels):
            u[i] = 0
            for j in range(channels):
                u[i] += matrix[i, j] * v[j]
        _to_unit(u)
        for j in range(channels):
            v[j] = 0
            for i in range(channels):
                v[j] += np.conj(matrix[i, j]) * u[i]
        strength = _to_unit(v)
    return strength


@njit(cache=True)
def _to_unit(vector):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for one in vector:
        total += one.real**2 + one.imag**2
    length = np.float32(math.sqrt(total))
    if length > 0.0:
        for i in range(len(vector)):
            vector[i] /= length
    return length


@njit(cache=True, fastmath={"contract", "reassoc", "nsz"})
def _power_along(covariance, direction):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for i in range(len(direction)):
        for j in range(len(direction)):
            total += (np.conj(direction[i]) * covariance[i, j] * direction[j]).real
    return total
