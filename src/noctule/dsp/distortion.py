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

Very loud bass bends the tone so far that one side tells nothing of the other (even and odd orders mix). Then
the way it comes must do: with two microphones and more, a direction counts that is like that of the tone
itself, or of what was found at the velocities beside, on both sides, and that has nearly all the power.

What is left goes up and down with the music. The share of it is followed, and so much is read as noise.

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
#: Power over the noise that is looked at; so small must be the chance that any direction is as like the
#: direct path, for a beginning and in full; such a share of all power must lie along it; its sides are never
#: quite one.
_LOUD, _LIKE, _ALONE, _MOST_TIED = 3.0, (0.05, 0.01), (0.8, 0.95), 0.98
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
    bases, weights : what the next frame will be taken apart by: (pairs, ties, 2, microphones) u and v of each
        tie, and (pairs, ties, 6) share of the other side that is taken away, what is left of the power then,
        and what is left of it without that help; for + and for -. All zero: no tie.
    scale : (microphones,) from the last frame's spectrum to units of the noise; 0 for who does not hear.
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
        self.bases: Complex64Array = np.zeros((K, R, 2, M), dtype=np.complex64)
        self.weights: Float32Array = np.zeros((K, R, 6), dtype=np.float32)
        self._left: Float32Array = np.full((K, 2), _LEFT[0], dtype=np.float32)
        self._frames = 0
        self.removed[:] = 0.0
        self.removed_db = 0.0
        self.scale: Float32Array = np.zeros(M, dtype=np.float32)

    def update(
        self, spectrum: Complex64Array, carrier: Complex64Array, noise: list[float], live: list[bool]
    ) -> Float32Array:
        """Take one frame's spectrum `(channels, fft bins)` and carrier `(channels,)`; gives `removed`."""
        self.scale = scale = np.array(
            [heard / math.sqrt(level) for level, heard in zip(noise, live, strict=True)], dtype=np.float32
        )
        self._frames += 1
        seen = min(float(self._frames), self._memory_frames)
        before, after = _frame(
            spectrum, scale, self._direct(carrier), sum(live), self._cross, self._auto, self.bases,
            self.weights, self._left, 1.0 / (seen + 1.0), BELIEVED + CHANCE_FRAMES / seen,
            CERTAIN + CHANCE_FRAMES / seen, self._frames % _TURNS, self.removed,
        )  # fmt: skip
        self.removed *= np.float32(1.0 / max(1, sum(live)))
        self.removed_db = 10.0 * math.log10(max(before, 1e-30) / max(after, 1e-30))
        return self.removed

    def _direct(self, carrier: Complex64Array) -> Complex64Array:
        """How the direct path, and with it the tone, reaches the microphones: of length 1."""
        heard = (carrier * self.scale).astype(np.complex64)
        length = float(np.linalg.norm(heard))
        return heard / np.float32(length) if length > 0.0 else heard


@njit(cache=True, fastmath={"contract", "reassoc", "nsz"})
def _frame(  # type: ignore[no-untyped-def]
    spectrum, scale, direct, live, cross, auto, bases, weights, left, rate, believed, certain, turn, removed
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
            if w[2] == 0.0:
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
        _decompose(cross, auto, direct, k, bases, weights, believed, certain)
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
def _decompose(cross, auto, direct, k, all_bases, all_weights, believed, certain):  # type: ignore[no-untyped-def]
    """Strongest ties of one pair, with its neighbours' help, and what to take off for each."""
    channels = cross.shape[1]
    first, last = max(0, k - 1), min(len(cross), k + 2)
    tied = np.zeros((channels, channels), np.complex64)
    seen = np.zeros((2, channels, channels), np.complex64)
    share = np.float32(1.0 / (last - first))
    for n in range(first, last):
        tied += share * cross[n]
        seen += share * auto[n]
    u, v, other_u, other_v = np.zeros((4, channels), np.complex64)
    # the way from the loudspeaker, here and at the velocities beside where something was found
    ways, known = np.empty((3, 2, channels), np.complex64), 1
    ways[0, 0], ways[0, 1] = direct, np.conj(direct)
    for n in range(first, last):
        if n != k and all_weights[n, 0, 2] > 0.0:
            ways[known] = all_bases[n, 0]
            known += 1
    ways = ways[:known]
    bases, weights = all_bases[k], all_weights[k]
    weights[:] = 0.0
    for r in range(weights.shape[0]):
        strength = _strongest(tied, u, v)
        if strength <= 0.0:  # no sound at all so far
            break
        power_u, power_v = _power_along(seen[0], u) - 1.0, _power_along(seen[1], v) - 1.0
        coherence = strength * strength / max((power_u + 1.0) * (power_v + 1.0), 1e-12)
        belief = min(max((coherence - believed) / (certain - believed), 0.0), 1.0)
        a, b = 0.0, 0.0
        if belief < 1.0 and r == 0 and channels > 1:  # the sides do not tell: the way it comes from may
            a = _alone_along(seen[0], ways[:, 0], other_u)
            b = _alone_along(seen[1], ways[:, 1], other_v)
            if max(a, b) > _MOST_UNEVEN * min(a, b):
                a, b = 0.0, 0.0
        if max(a, b) > belief * max(power_u, power_v):
            u[:], v[:] = other_u, other_v
            both = _between(u, tied, v)
            s = min(abs(both), _MOST_TIED * math.sqrt(a * b))
            if s > 0.0:
                v *= np.conj(both) / abs(both)
        elif belief == 0.0:
            break
        else:
            s = belief * strength
            uneven = math.sqrt(max(power_u, 0.1) / max(power_v, 0.1))
            uneven = min(max(uneven, 1.0 / _MOST_UNEVEN), _MOST_UNEVEN)
            a, b = s * uneven, s / uneven
            if channels > 1:  # what is there and not tied is distortion of a higher order: mostly less
                like_u, like_v = _likeness(u, ways[:, 0]), _likeness(v, ways[:, 1])
                a += belief * min(max(power_u - strength * uneven, 0.0), max(s * uneven, like_u * power_u))
                b += belief * min(max(power_v - strength / uneven, 0.0), max(s / uneven, like_v * power_v))
        bases[r, 0], bases[r, 1] = u, v
        _weigh(weights[r], a, b, s)
        _without(tied, u, v)


@njit(cache=True, inline="always")
def _weigh(weights, a, b, s):  # type: ignore[no-untyped-def]
    """Best guess of one side by the other where both hear [[1 + a, s], [s, 1 + b]]."""
    weights[0] = s / (1.0 + b)
    weights[1] = 1.0 / (1.0 + a - s * s / (1.0 + b))
    weights[2] = 1.0 / (1.0 + a)
    weights[3] = s / (1.0 + a)
    weights[4] = 1.0 / (1.0 + b - s * s / (1.0 + a))
    weights[5] = 1.0 / (1.0 + b)


@njit(cache=True, fastmath={"contract", "reassoc", "nsz"})
def _alone_along(covariance, ways, u):  # type: ignore[no-untyped-def]
    """Power along the strongest direction, as far as it is one of these ways and there is little else."""
    channels = len(u)
    strongest = _strongest(covariance, u, np.empty(channels, np.complex64)) - 1.0
    total = np.float32(-channels)
    for i in range(channels):
        total += covariance[i, i].real
    if strongest < _LOUD or total <= 0.0:
        return 0.0
    alone = (strongest / total - _ALONE[0]) / (_ALONE[1] - _ALONE[0])
    return strongest * _likeness(u, ways) * min(max(alone, 0.0), 1.0)


@njit(cache=True, fastmath={"contract", "reassoc", "nsz"})
def _likeness(u, ways):  # type: ignore[no-untyped-def]
    """0 to 1: how hardly a direction is so like one of these by chance."""
    across = 1.0
    for way in ways:
        alike = np.complex64(0)
        for i in range(len(u)):
            alike += np.conj(u[i]) * way[i]
        across = min(across, 1.0 - float(alike.real**2 + alike.imag**2))
    chance = math.pow(max(across, 1e-6), len(u) - 1)
    like = (math.log(_LIKE[0]) - math.log(chance)) / (math.log(_LIKE[0]) - math.log(_LIKE[1]))
    return min(max(like, 0.0), 1.0)


@njit(cache=True, fastmath={"contract", "reassoc", "nsz"})
def _between(u, matrix, v):  # type: ignore[no-untyped-def]
    total = np.complex64(0)
    for i in range(len(u)):
        for j in range(len(v)):
            total += np.conj(u[i]) * matrix[i, j] * v[j]
    return total


@njit(cache=True, fastmath={"contract", "reassoc", "nsz"})
def _without(matrix, u, v):  # type: ignore[no-untyped-def]
    """What is left of a matrix across u on the left and v on the right."""
    channels = len(u)
    for j in range(channels):
        along = np.complex64(0)
        for i in range(channels):
            along += np.conj(u[i]) * matrix[i, j]
        for i in range(channels):
            matrix[i, j] -= u[i] * along
    for i in range(channels):
        along = np.complex64(0)
        for j in range(channels):
            along += matrix[i, j] * v[j]
        for j in range(channels):
            matrix[i, j] -= along * np.conj(v[j])


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
