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
needs no detector that freezes the adaptation. Both sides turn with the tone (a second clock turns it slowly,
samples that were lost at once), so all spectra are turned back by as much as it has turned. The noise that u+
and v- hear together is

    [[1 + a, s], [s, 1 + b]]        a·b >= s², from the powers seen there,

and what is left of the power is that of the best guess of the other side taken away (widely linear
estimation: Picinbono & Chevalier, IEEE Trans. Signal Processing 43, 1995), over what noise is left. It is
never more than the power that came in: where nothing is tied, nothing changes.

Very loud bass bends the tone so far that one side tells nothing of the other (even and odd orders mix). Then
the way it comes must do: with two microphones and more, a direction counts that is like that of the tone
itself, or of what was found at the velocities beside, on both sides, and that has nearly all the power.

What is left goes up and down with the music. The share of it is followed, and so much is read as noise.

Beside it stands what is new. The covariance R of one side holds whatever has moved at that velocity of late,
and from where: a fan, a curtain in the wind, somebody who walks on. z^H R^-1 z / M is the power of what is
heard over that: about 1 for all that goes on as before from the same places, and large for what begins, or
comes from elsewhere (after the adaptive matched filter of Robey et al., IEEE Trans. Aerospace and Electronic
Systems 28, 1992, but no direction is looked at before others).

Cost of a frame: 2·M² multiplications of complex numbers a pair for M microphones, M² for what is new, and 4·M
where something is removed; one pair in eight is decomposed anew. Velocities are the last axis of everything,
and inner loops run along them without a branch or a call: so the compiler makes vectors of them.
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
#: Frames overlap, and velocities beside are averaged: about so many looks at a tie are remembered.
_LOOKS = 50.0
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
#: Added to R, in units of the noise, so that few frames do not invert into much.
_LOADING = 0.3
#: No null is deeper than single precision can follow, as a share of the power.
_DEEPEST = 1e-6
#: So many pairs are decomposed side by side, as lanes of vectors: 125 in eight turns are 16 at most.
_LANES = 16
#: Not `reassoc`: sums that a compiler orders anew differ from copy to copy of an inlined function.
_FASTMATH = {"contract", "nsz"}


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
    fresh : (fft bins,) power of the last frame over what goes on at that velocity; 1 is as before.
    tied : (fft bins,) 1 where something would have been taken off the last frame, else 0.
    bases, weights : what the next frame will be taken apart by: (pairs, ties, 2, microphones) u and v of each
        tie, and (pairs, ties, 7) share of the other side that is taken away, what is left of the power then,
        and what is left of it without that help; for + and for -; and by how much of the power a tie is
        missed. All zero: no tie.
    scale : (microphones,) from the last frame's spectrum to units of the noise; 0 for who does not hear.
    tone : (1,) of length 1, by how much the tone has turned since the first frame; the bases are those of
        spectra that are turned back by it.
    """

    def __init__(self, *, channels: int, fft_size: int, pairs: int, hop_s: float) -> None:
        self._channels, self._pairs = channels, pairs
        self._memory_frames = MEMORY_S / hop_s
        # with one microphone there is one, and with two a second would take all there is
        self._ties = min(MOST_TIES, max(1, channels - 1))
        self.removed: Float32Array = np.zeros(fft_size, dtype=np.float32)
        self.fresh: Float32Array = np.ones(fft_size, dtype=np.float32)
        self.tied: Float32Array = np.zeros(fft_size, dtype=np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget what was learnt: the room or the device may be another."""
        M, K, R = self._channels, self._pairs, self._ties
        self._cross: Complex64Array = np.zeros((M, M, K), dtype=np.complex64)
        self._auto: Complex64Array = np.zeros((2, M, M, K), dtype=np.complex64)
        self._auto[:] = np.eye(M)[:, :, None]
        self._bases: Complex64Array = np.zeros((R, 2, M, K), dtype=np.complex64)
        self._weights: Float32Array = np.zeros((R, 7, K), dtype=np.float32)
        self._left: Float32Array = np.full((2, K), _LEFT[0], dtype=np.float32)
        self._whitening: Complex64Array = np.zeros((2, M, M, K), dtype=np.complex64)
        self._whitening[:] = np.eye(M)[:, :, None] / math.sqrt(1.0 + _LOADING)
        self._carrier: Complex64Array = np.zeros(M, dtype=np.complex64)
        self.tone: Complex64Array = np.ones(1, dtype=np.complex64)
        self._frames = 0
        self.removed[:] = self.tied[:] = 0.0
        self.fresh[:] = 1.0
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
        power, taken = _frame(
            spectrum, carrier, scale, sum(live), self._cross, self._auto, self._bases, self._weights,
            self._left, self._whitening, self._carrier, self.tone, 1.0 / (seen + 1.0),
            BELIEVED + CHANCE_FRAMES / seen, CERTAIN + CHANCE_FRAMES / seen, self._frames % _TURNS,
            self.removed, self.fresh, self.tied,
        )  # fmt: skip
        self.removed_db = 10.0 * math.log10(max(power, 1e-30) / max(power - taken, 1e-30))
        return self.removed

    @property
    def bases(self) -> Complex64Array:
        """(pairs, ties, 2, microphones), see above."""
        return self._bases.transpose(3, 0, 1, 2)

    @property
    def weights(self) -> Float32Array:
        """(pairs, ties, 7), see above."""
        return self._weights.transpose(2, 0, 1)


@njit(cache=True, error_model="numpy", fastmath=_FASTMATH)
def _frame(  # type: ignore[no-untyped-def]
    spectrum,
    carrier,
    scale,
    live,
    cross,
    auto,
    bases,
    weights,
    left,
    whitening,
    carrier_before,
    tone,
    rate,
    believed,
    certain,
    turn,
    removed,
    fresh,
    tied,
):
    """One frame of all pairs; gives all power, and what is taken off it."""
    channels, _, pairs = cross.shape
    bins = spectrum.shape[1]
    z, power = np.empty((2, channels, pairs), np.complex64), np.zeros((2, pairs), np.float32)
    _turn_on(tone, carrier_before, carrier, scale)
    for m in range(channels):
        back = np.conj(tone[0]) * scale[m]
        for k in range(pairs):
            z[0, m, k] = spectrum[m, k + 1] * back
            z[1, m, k] = np.conj(spectrum[m, bins - k - 1] * back)
        for side in range(2):
            for k in range(pairs):
                power[side, k] += z[side, m, k].real ** 2 + z[side, m, k].imag ** 2
    off = _taken_off(z, power, bases, weights, left, live)
    new = np.zeros((2, pairs), np.float32)
    _add_length(whitening, z, new)
    per_live = np.float32(1.0 / max(live, 1))
    total, taken = 0.0, 0.0
    for k in range(pairs):
        plus, minus = k + 1, bins - k - 1
        removed[plus], removed[minus] = per_live * off[0, k], per_live * off[1, k]
        tied[plus] = tied[minus] = weights[0, 2, k] > 0.0
        fresh[plus] = np.float32(1.0 + _LOADING) * per_live * new[0, k]
        fresh[minus] = np.float32(1.0 + _LOADING) * per_live * new[1, k]
        total += power[0, k] + power[1, k]
        taken += off[0, k] + off[1, k]
    _follow(cross, auto, z, np.float32(rate))
    direct = _direct(carrier, scale, tone)
    at = np.empty(_LANES, np.int64)
    for first in range(turn, pairs, _TURNS * _LANES):
        for n in range(_LANES):  # where fewer are left, the last one is done again, to the same end
            k = first + n * _TURNS
            at[n] = k if k < pairs else at[n - 1]
        seen = _gather(cross, auto, at)
        _decompose(seen, direct, at, bases, weights, believed, certain)
        _whiten(seen, at, whitening)
    return total, taken


@njit(cache=True, error_model="numpy", fastmath=_FASTMATH)
def _turn_on(tone, before, carrier, scale):  # type: ignore[no-untyped-def]
    """How far the tone has turned since the frame before, all microphones together; remembers it."""
    turned = np.complex64(0)
    for m in range(len(scale)):
        now = carrier[m] * scale[m]
        turned += np.conj(before[m]) * now
        before[m] = now
    if abs(turned) > 0.0:
        tone[0] *= turned / abs(turned)
        tone[0] /= abs(tone[0])


@njit(cache=True, error_model="numpy", fastmath=_FASTMATH)
def _direct(carrier, scale, tone):  # type: ignore[no-untyped-def]
    """How the direct path, and with it the tone, reaches the microphones: of length 1."""
    heard, total = np.empty(len(scale), np.complex64), np.float32(0)
    for m in range(len(scale)):
        heard[m] = carrier[m] * scale[m] * np.conj(tone[0])
        total += heard[m].real ** 2 + heard[m].imag ** 2
    if total > 0.0:
        for m in range(len(scale)):
            heard[m] *= np.float32(1.0 / math.sqrt(total))
    return heard


@njit(cache=True, error_model="numpy", fastmath=_FASTMATH)
def _follow(cross, auto, z, rate):  # type: ignore[no-untyped-def]
    """Covariance between the sides, and of each side on and above the diagonal."""
    channels, _, pairs = cross.shape
    for i in range(channels):
        for j in range(channels):
            for k in range(pairs):
                cross[i, j, k] += rate * (z[0, i, k] * np.conj(z[1, j, k]) - cross[i, j, k])
    for side in range(2):
        for i in range(channels):
            for j in range(i, channels):
                for k in range(pairs):
                    both = z[side, i, k] * np.conj(z[side, j, k])
                    auto[side, i, j, k] += rate * (both - auto[side, i, j, k])


@njit(cache=True, error_model="numpy", fastmath=_FASTMATH)
def _add_length(whitening, z, total):  # type: ignore[no-untyped-def]
    """|W·z|² of a lower triangular W, both sides."""
    pairs = z.shape[2]
    row = np.empty(pairs, np.complex64)
    for side in range(2):
        for i in range(z.shape[1]):
            row[:] = 0
            for j in range(i + 1):
                for k in range(pairs):
                    row[k] += whitening[side, i, j, k] * z[side, j, k]
            for k in range(pairs):
                total[side, k] += row[k].real ** 2 + row[k].imag ** 2


@njit(cache=True, error_model="numpy", fastmath=_FASTMATH)
def _taken_off(z, power, bases, weights, left, live):  # type: ignore[no-untyped-def]
    """Power to take off, (2, pairs): zero where nothing is tied."""
    pairs = z.shape[2]
    off = np.zeros((2, pairs), np.float32)
    for r in range(len(weights)):
        if not weights[r, 2].any():
            continue
        plus, minus = np.zeros(pairs, np.complex64), np.zeros(pairs, np.complex64)
        for m in range(z.shape[1]):
            for k in range(pairs):
                plus[k] += np.conj(bases[r, 0, m, k]) * z[0, m, k]
                minus[k] += np.conj(bases[r, 1, m, k]) * z[1, m, k]
        for k in range(pairs):
            if weights[r, 2, k] > 0.0:
                off[0, k] += _less_the_rest(
                    plus[k], minus[k], weights[r, 0, k], weights[r, 1, k], weights[r, 2, k]
                )
                off[1, k] += _less_the_rest(
                    minus[k], plus[k], weights[r, 3, k], weights[r, 4, k], weights[r, 5, k]
                )
    for k in range(pairs):
        if off[0, k] + off[1, k] > 0.0:
            for side in range(2):
                left[side, k], off[side, k] = _over_what_is_left(
                    power[side, k], off[side, k], left[side, k], weights[0, 6, k], live
                )
    return off


@njit(cache=True, inline="always")
def _less_the_rest(here, there, gain, over, alone):  # type: ignore[no-untyped-def]
    """Power less what is left with the other side's help, or without where that is less."""
    rest = here - gain * there
    power = here.real**2 + here.imag**2
    return power - min((rest.real**2 + rest.imag**2) * over, power * alone)


@njit(cache=True, inline="always")
def _over_what_is_left(power, off, left, missed, live):  # type: ignore[no-untyped-def]
    """The share of what was taken off that is still there, and what has to go so that it reads as noise."""
    rest = power - off
    expected = max(left, missed) * off
    if off > live > 0:
        left *= _LEFT_RISES if rest - live > expected else _LEFT_FALLS
        left = min(max(left, _LEFT[1]), _LEFT[2])
    return left, power - max(rest, 0.0) / (1.0 + _LEFT_MEAN * expected / max(live, 1))


@njit(cache=True, error_model="numpy", fastmath=_FASTMATH)
def _gather(cross, auto, at):  # type: ignore[no-untyped-def]
    """Means of some pairs' matrices and of those beside them, (microphones, microphones, lanes).

    Three groups of lanes: between the sides, + and -. What is done to all of them is done in one go.
    """
    channels, last = len(cross), cross.shape[2] - 1
    seen = np.empty((channels, channels, 3 * _LANES), np.complex64)
    for n in range(_LANES):
        # at the ends there is but one neighbour
        below, above = at[n] - (at[n] > 0), at[n] + (at[n] < last)
        share = np.float32(1.0 / (above - below + 1))
        for i in range(channels):
            for j in range(channels):
                total = np.complex64(0)
                for k in range(below, above + 1):
                    total += cross[i, j, k]
                seen[i, j, n] = total * share
            for j in range(i, channels):
                for side in range(2):
                    total = np.complex64(0)
                    for k in range(below, above + 1):
                        total += auto[side, i, j, k]
                    seen[i, j, (side + 1) * _LANES + n] = total * share
                    seen[j, i, (side + 1) * _LANES + n] = np.conj(total) * share
    return seen


@njit(cache=True, error_model="numpy", fastmath=_FASTMATH)
def _decompose(seen, direct, at, bases, weights, believed, certain):  # type: ignore[no-untyped-def]
    """Strongest ties of some pairs, and what to take off for each."""
    channels, ties = len(seen), len(weights)
    u, v = np.empty((2, channels, 3 * _LANES), np.complex64)
    strength, power = np.empty(3 * _LANES, np.float32), np.empty((2, _LANES), np.float32)
    going_on = np.ones(_LANES, np.bool_)
    for r in range(ties):
        for i in range(7):
            for n in range(_LANES):
                weights[r, i, at[n]] = 0.0
    for r in range(ties):
        # only the first tie asks for the ways of each side
        _strongest(seen, u, v, strength, _LANES if r else 3 * _LANES)
        _power_along(seen, u, v, power)
        some = False
        for n in range(_LANES):
            if not going_on[n]:
                continue
            k = at[n]
            going_on[n], a, b, s, missed = _tie(
                seen, u, v, strength, power, n, r, direct, bases, weights, k, believed, certain
            )
            if going_on[n]:
                some = True
                for m in range(channels):
                    bases[r, 0, m, k], bases[r, 1, m, k] = u[m, n], v[m, n]
                # best guess of one side by the other where both hear [[1 + a, s], [s, 1 + b]]
                weights[r, 0, k] = s / (1.0 + b)
                weights[r, 1, k] = 1.0 / (1.0 + a - s * s / (1.0 + b))
                weights[r, 2, k] = 1.0 / (1.0 + a)
                weights[r, 3, k] = s / (1.0 + a)
                weights[r, 4, k] = 1.0 / (1.0 + b - s * s / (1.0 + a))
                weights[r, 5, k] = 1.0 / (1.0 + b)
                weights[r, 6, k] = missed
        if not some:
            break
        if r + 1 < ties:
            _without(seen, u, v)


@njit(cache=True, error_model="numpy", fastmath=_FASTMATH)
def _tie(  # type: ignore[no-untyped-def]
    seen, u, v, strength, power, n, r, direct, bases, weights, k, believed, certain
):
    """Whether there is a tie, and a, b and s of the noise it makes; u and v may turn another way."""
    tied, power_u, power_v = strength[n], power[0, n] - 1.0, power[1, n] - 1.0
    if tied <= 0.0:  # no sound at all so far
        return False, 0.0, 0.0, 0.0, 0.0
    channels = len(u)
    coherence = tied * tied / max((power_u + 1.0) * (power_v + 1.0), 1e-12)
    belief = min(max((coherence - believed) / (certain - believed), 0.0), 1.0)
    # of so few looks a tie is known no better: what moves beside it bends it
    missed = max(1.0 - coherence, 0.0) / _LOOKS
    a, b = 0.0, 0.0
    if belief < 1.0 and r == 0 and channels > 1:  # the sides do not tell: the way it comes from may
        a = _alone_along(seen, u, strength, n + _LANES, direct, bases, weights, 0, k)
        if a > 0.0:
            b = _alone_along(seen, u, strength, n + 2 * _LANES, direct, bases, weights, 1, k)
        if max(a, b) > _MOST_UNEVEN * min(a, b):
            a, b = 0.0, 0.0
    if max(a, b) > belief * max(power_u, power_v):
        for m in range(channels):
            u[m, n], v[m, n] = u[m, n + _LANES], u[m, n + 2 * _LANES]
        both = _between(u, seen, v, n)
        s = min(abs(both), _MOST_TIED * math.sqrt(a * b))
        if s > 0.0:
            for m in range(channels):
                v[m, n] *= np.conj(both) / abs(both)
        return True, a, b, s, missed
    if belief == 0.0:
        return False, 0.0, 0.0, 0.0, 0.0
    s = belief * tied
    uneven = math.sqrt(max(power_u, 0.1) / max(power_v, 0.1))
    uneven = min(max(uneven, 1.0 / _MOST_UNEVEN), _MOST_UNEVEN)
    a, b = s * uneven, s / uneven
    if channels > 1:  # what is there and not tied is distortion of a higher order: mostly less
        like_u = _likeness(u, n, direct, bases, weights, 0, k)
        like_v = _likeness(v, n, direct, bases, weights, 1, k)
        a += belief * min(max(power_u - tied * uneven, 0.0), max(s * uneven, like_u * power_u))
        b += belief * min(max(power_v - tied / uneven, 0.0), max(s / uneven, like_v * power_v))
    return True, a, b, s, missed


@njit(cache=True, error_model="numpy", fastmath=_FASTMATH)
def _whiten(seen, at, whitening):  # type: ignore[no-untyped-def]
    """W with W·(R + loading)·W^H = 1 of both sides, lower triangular: the inverse of Cholesky's factor."""
    channels, lanes = len(seen), 2 * _LANES
    # single precision is too short for loud music
    factor, inverse = np.empty((2, channels, channels, lanes), np.complex128)
    over_diagonal, rest = np.empty((channels, lanes)), np.empty(lanes, np.complex128)
    for i in range(channels):
        for j in range(i + 1):
            rest[:] = seen[i, j, _LANES:]
            for m in range(j):
                for n in range(lanes):
                    rest[n] -= factor[i, m, n] * np.conj(factor[j, m, n])
            if i == j:
                for n in range(lanes):
                    least = max(0.1 * _LOADING, _DEEPEST * seen[i, i, n + _LANES].real)
                    over_diagonal[i, n] = 1.0 / math.sqrt(max(rest[n].real + _LOADING, least))
            else:
                for n in range(lanes):
                    factor[i, j, n] = rest[n] * over_diagonal[j, n]
    for j in range(channels):
        for i in range(j, channels):
            rest[:] = 1.0 if i == j else 0.0
            for m in range(j, i):
                for n in range(lanes):
                    rest[n] -= factor[i, m, n] * inverse[m, j, n]
            for n in range(lanes):
                inverse[i, j, n] = rest[n] * over_diagonal[i, n]
            for n in range(_LANES):
                whitening[0, i, j, at[n]] = inverse[i, j, n]
                whitening[1, i, j, at[n]] = inverse[i, j, n + _LANES]


@njit(cache=True, error_model="numpy", fastmath=_FASTMATH)
def _alone_along(  # type: ignore[no-untyped-def]
    seen, ways, strength, n, direct, bases, weights, side, k
):
    """Power along the strongest direction, as far as it is a known way and there is little else."""
    channels, strongest = len(ways), strength[n] - 1.0
    total = np.float32(-channels)
    for i in range(channels):
        total += seen[i, i, n].real
    if strongest < _LOUD or total <= 0.0:
        return 0.0
    alone = (strongest / total - _ALONE[0]) / (_ALONE[1] - _ALONE[0])
    if alone <= 0.0:
        return 0.0
    return strongest * _likeness(ways, n, direct, bases, weights, side, k) * min(alone, 1.0)


@njit(cache=True, error_model="numpy", fastmath=_FASTMATH)
def _likeness(ways, n, direct, bases, weights, side, k):  # type: ignore[no-untyped-def]
    """0 to 1: how hardly a direction is by chance so like the tone's, or one found at a velocity beside."""
    channels, pairs = len(ways), weights.shape[2]
    alike = np.complex64(0)
    for m in range(channels):
        alike += np.conj(ways[m, n]) * (np.conj(direct[m]) if side else direct[m])
    most = alike.real**2 + alike.imag**2
    for beside in (k - 1, k + 1):
        if 0 <= beside < pairs and weights[0, 2, beside] > 0.0:
            alike = np.complex64(0)
            for m in range(channels):
                alike += np.conj(ways[m, n]) * bases[0, side, m, beside]
            most = max(most, alike.real**2 + alike.imag**2)
    chance = max(1.0 - float(most), 1e-6) ** (channels - 1)
    if chance >= _LIKE[0]:  # mostly: spare the logarithms
        return 0.0
    like = (math.log(_LIKE[0]) - math.log(chance)) / (math.log(_LIKE[0]) - math.log(_LIKE[1]))
    return min(like, 1.0)


@njit(cache=True, error_model="numpy", fastmath=_FASTMATH)
def _between(u, matrix, v, n):  # type: ignore[no-untyped-def]
    total = np.complex64(0)
    for i in range(len(u)):
        for j in range(len(v)):
            total += np.conj(u[i, n]) * matrix[i, j, n] * v[j, n]
    return total


@njit(cache=True, error_model="numpy", fastmath=_FASTMATH)
def _without(seen, u, v):  # type: ignore[no-untyped-def]
    """Between the sides only what is across u on the left and v on the right stays."""
    channels = len(u)
    along = np.empty(_LANES, np.complex64)
    for j in range(channels):
        along[:] = 0
        for i in range(channels):
            for n in range(_LANES):
                along[n] += np.conj(u[i, n]) * seen[i, j, n]
        for i in range(channels):
            for n in range(_LANES):
                seen[i, j, n] -= u[i, n] * along[n]
    for i in range(channels):
        along[:] = 0
        for j in range(channels):
            for n in range(_LANES):
                along[n] += seen[i, j, n] * v[j, n]
        for j in range(channels):
            for n in range(_LANES):
                seen[i, j, n] -= along[n] * np.conj(v[j, n])


@njit(cache=True, error_model="numpy", fastmath=_FASTMATH)
def _strongest(seen, u, v, strength, lanes):  # type: ignore[no-untyped-def]
    """Largest singular values and their vectors, by power iteration from the strongest row."""
    channels = len(u)
    most, row, power = np.zeros(lanes, np.float32), np.zeros(lanes, np.int64), np.empty(lanes, np.float32)
    for i in range(channels):
        power[:] = 0
        for j in range(channels):
            for n in range(lanes):
                power[n] += seen[i, j, n].real ** 2 + seen[i, j, n].imag ** 2
        for n in range(lanes):
            row[n] = i if power[n] > most[n] else row[n]
            most[n] = max(most[n], power[n])
    for j in range(channels):
        for n in range(lanes):
            v[j, n] = np.conj(seen[row[n], j, n])
    _to_unit(v, strength, lanes)
    for _ in range(_POWER_STEPS):
        u[:] = 0
        for i in range(channels):
            for j in range(channels):
                for n in range(lanes):
                    u[i, n] += seen[i, j, n] * v[j, n]
        _to_unit(u, strength, lanes)
        v[:] = 0
        for i in range(channels):
            for j in range(channels):
                for n in range(lanes):
                    v[j, n] += np.conj(seen[i, j, n]) * u[i, n]
        _to_unit(v, strength, lanes)
    for n in range(lanes):
        strength[n] = 0.0 if most[n] < 1e-12 else strength[n]


@njit(cache=True, error_model="numpy", fastmath=_FASTMATH)
def _to_unit(vectors, length, lanes):  # type: ignore[no-untyped-def]
    """Vectors of length 1, and how long they were."""
    share = np.empty(lanes, np.float32)
    length[:] = 0
    for m in range(len(vectors)):
        for n in range(lanes):
            length[n] += vectors[m, n].real ** 2 + vectors[m, n].imag ** 2
    for n in range(lanes):
        length[n] = math.sqrt(length[n])
        share[n] = np.float32(1.0) / max(length[n], np.float32(1e-30))
    for m in range(len(vectors)):
        for n in range(lanes):
            vectors[m, n] *= share[n]


@njit(cache=True, error_model="numpy", fastmath=_FASTMATH)
def _power_along(seen, u, v, power):  # type: ignore[no-untyped-def]
    """Of both sides, that along u and along v."""
    along = np.empty(_LANES, np.complex64)
    power[:] = 0
    for side, way in enumerate((u, v)):
        first = (side + 1) * _LANES
        for i in range(len(u)):
            along[:] = 0
            for j in range(len(u)):
                for n in range(_LANES):
                    along[n] += seen[i, j, first + n] * way[j, n]
            for n in range(_LANES):
                power[side, n] += way[i, n].real * along[n].real + way[i, n].imag * along[n].imag
