"""Echoes of moving points, phase-exact, at a low rate: the simulator's inner loop.

A point p, lit by an image s of the loudspeaker and heard through an image m of a microphone, adds

    a(u) · exp(-2πj·f·D/c),    D = |p(u) - s| + |p(u) - m|,    u = T - |p(u) - m|/c

at receive time T: the sound heard at T left the point at u. Between knots of u, legs are cubic; between block
boundaries of T, so is D, and the phase of each sample is that cubic's. First-order cost for a path and a
microphone: a solve for u and 32 sines, vectorised, a block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from noctule.simulate.medium import Medium
from noctule.simulate.parts import FloatArray, Vector
from noctule.simulate.turns import FAST, sine_cosine

#: Samples between two solutions for the emission time.
BLOCK = 32
#: Knots needed before and after the times that are used: slopes look two knots away.
KNOT_MARGIN = 3
#: Directivity tables are equally spaced over the cosine of the angle, -1 to 1.
DIRECTIVITY_POINTS = 256


@dataclass(frozen=True, slots=True)
class Ends:
    """The fixed ends of all paths: images of the loudspeakers and of the microphones.

    source_m : (sources, 3); source_axis : (sources, 3), where each one points; source_gain : (sources,)
        amplitude at 1 m after the reflections, pascal.
    source_is_direct : (sources,) it is a loudspeaker itself, no image.
    directivity : (DIRECTIVITY_POINTS,) amplitude over the cosine of the angle to the axis.
    microphone_m : (mirrors, microphones, 3); mirror_gain : (mirrors,); mirror_is_direct : (mirrors,).
    """

    source_m: FloatArray
    source_axis: FloatArray
    source_gain: FloatArray
    source_is_direct: npt.NDArray[np.bool_]
    directivity: FloatArray
    microphone_m: FloatArray
    mirror_gain: FloatArray
    mirror_is_direct: npt.NDArray[np.bool_]

    def longest_leg_m(self, room_m: Vector) -> float:
        """From any place in a room to any of the microphones' images, at most."""
        corners = np.array(np.meshgrid(*((0.0, side) for side in room_m))).reshape(3, -1).T
        legs = np.linalg.norm(self.microphone_m[:, :, None, :] - corners, axis=-1)
        return float(legs.max()) if legs.size else 0.0


def echoes(
    position_m: FloatArray,
    strength: FloatArray,
    stretch: FloatArray,
    lit: FloatArray,
    first_knot_s: float,
    knot_s: float,
    ends: Ends,
    pairs: npt.NDArray[np.int64],
    medium: Medium,
    rate_hz: float,
    first_sample: int,
    count: int,
) -> npt.NDArray[np.complex64]:
    """Sum of all echoes of a set of points.

    Parameters
    ----------
    position_m, strength : (knots, points, 3) and (knots, points), at emission times `first_knot_s` +
        k·`knot_s`. They must reach from the first receive time less the longest leg to the last one, and
        `KNOT_MARGIN` beyond both.
    stretch : (knots,) what the air's motion does to every leg, as a factor near 1.
    lit : (knots, points) amplitude that obstacles leave of a direct leg; legs by way of a wall get its root.
    pairs : (paths, 2) which source goes with which mirror.
    first_sample, count : receive times are (first_sample + n) / rate_hz.

    Returns
    -------
    complex64 (count, microphones), pascal where `source_gain` is pascal at 1 m.
    """
    blocks = -(-count // BLOCK)
    out = np.zeros((2, ends.microphone_m.shape[1], blocks * BLOCK), np.float32)
    if len(pairs) and position_m.shape[1]:
        _echoes(
            np.ascontiguousarray(position_m.transpose(1, 2, 0)),
            np.ascontiguousarray(strength.T),
            np.ascontiguousarray(lit.T),
            stretch,
            first_knot_s,
            knot_s,
            ends.source_m,
            ends.source_axis,
            ends.source_gain,
            ends.source_is_direct,
            ends.directivity,
            ends.microphone_m,
            ends.mirror_gain,
            ends.mirror_is_direct,
            pairs,
            medium.wavenumber,
            medium.speed_of_sound_mps,
            medium.air_nepers_per_m,
            first_sample / rate_hz,
            BLOCK / rate_hz,
            out,
        )
    sums = np.empty((out.shape[1], count), np.complex64)  # microphone by microphone, as filters read it
    sums.real, sums.imag = out[0, :, :count], out[1, :, :count]
    return sums.T


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _echoes(  # type: ignore[no-untyped-def]
    position, strength, lit, stretch, first_knot_s, knot_s, source, axis, source_gain, source_is_direct,
    directivity, microphone, mirror_gain, mirror_is_direct, pairs, wavenumber, speed, nepers, start_s,
    block_s, out,
):  # fmt: skip
    points, knots = strength.shape
    sources, mirrors, microphones = source.shape[0], microphone.shape[0], microphone.shape[1]
    blocks = out.shape[2] // BLOCK
    out_leg, out_gain = np.empty((2, sources, knots)), np.empty((sources, knots))  # leg: length and slope
    back_leg, back_gain = np.empty((2, knots)), np.empty(knots)
    knot, part = np.empty(blocks + 1, np.int64), np.empty(blocks + 1)
    turns, slope, amplitude = np.empty(blocks + 1), np.empty(blocks + 1), np.empty(blocks + 1)
    for p in range(points):
        for i in range(sources):
            _leg(position[p], source[i], stretch, nepers, out_leg[:, i], out_gain[i])
            _aim(position[p], source[i], axis[i], directivity, out_leg[0, i], out_gain[i])
            for k in range(knots):
                share = lit[p, k] if source_is_direct[i] else np.sqrt(lit[p, k])
                out_gain[i, k] *= source_gain[i] * strength[p, k] * share
            _slopes(out_leg[:, i])
        for j in range(mirrors):
            for m in range(microphones):
                _leg(position[p], microphone[j, m], stretch, nepers, back_leg, back_gain)
                for k in range(knots):
                    back_gain[k] *= mirror_gain[j] * (
                        lit[p, k] if mirror_is_direct[j] else np.sqrt(lit[p, k])
                    )
                _slopes(back_leg)
                _emission_times(
                    back_leg, (start_s - first_knot_s) / knot_s, block_s / knot_s,
                    1.0 / (speed * knot_s), m > 0, knot, part,
                )  # fmt: skip
                for q in range(pairs.shape[0]):
                    if pairs[q, 1] == j:
                        i = pairs[q, 0]
                        _boundaries(
                            out_leg[:, i], out_gain[i], back_leg, back_gain, knot, part, knot_s, speed,
                            block_s, wavenumber, turns, slope, amplitude,
                        )  # fmt: skip
                        _add(turns, slope, amplitude, out[0, m], out[1, m])


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _leg(position, end, stretch, nepers, leg, gain):  # type: ignore[no-untyped-def]
    """Length of a leg at each knot, and its amplitude: 1/r and air."""
    for k in range(gain.shape[0]):
        x, y, z = position[0, k] - end[0], position[1, k] - end[1], position[2, k] - end[2]
        length = np.sqrt(x * x + y * y + z * z)
        lost = length * nepers * 0.015625  # exp(-lost)**64 by a short series: exp itself is not vectorised
        rest = 1.0 - lost * (1.0 - lost * (0.5 - lost * (1.0 / 6.0)))
        rest *= rest
        rest *= rest
        rest *= rest
        rest *= rest
        rest *= rest
        rest *= rest
        leg[0, k] = length * stretch[k]
        # nothing is nearer than 5 cm: a point inside the device would be infinitely loud
        gain[k] = rest / max(length, 0.05)


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _aim(position, source, axis, directivity, length, gain):  # type: ignore[no-untyped-def]
    """Directivity, linear between the points of its table."""
    scale = (DIRECTIVITY_POINTS - 1) / 2.0
    for k in range(gain.shape[0]):
        along = (
            (position[0, k] - source[0]) * axis[0]
            + (position[1, k] - source[1]) * axis[1]
            + (position[2, k] - source[2]) * axis[2]
        )
        at = min(max((along / max(length[k], 1e-6) + 1.0) * scale, 0.0), 2.0 * scale - 1e-9)
        low = int(at)
        gain[k] *= directivity[low] + (at - low) * (directivity[low + 1] - directivity[low])


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _slopes(leg):  # type: ignore[no-untyped-def]
    """Change per knot by five points: its error is of fourth order, so the cubic's stays of fourth order."""
    value, slope = leg[0], leg[1]
    last = value.shape[0] - 1
    for k in range(2, last - 1):
        slope[k] = (8.0 * (value[k + 1] - value[k - 1]) - (value[k + 2] - value[k - 2])) * (1.0 / 12.0)
    slope[1], slope[last - 1] = 0.5 * (value[2] - value[0]), 0.5 * (value[last] - value[last - 2])
    slope[0], slope[last] = value[1] - value[0], value[last] - value[last - 1]


@njit(cache=True, fastmath=FAST, error_model="numpy", inline="always")
def _cubic(value, slope, k, x):  # type: ignore[no-untyped-def]
    """Hermite's cubic after knot k, at share x of the way to the next."""
    rise = value[k + 1] - value[k]
    bend = 3.0 * rise - 2.0 * slope[k] - slope[k + 1]
    twist = slope[k] + slope[k + 1] - 2.0 * rise
    return value[k] + x * (slope[k] + x * (bend + x * twist))


@njit(cache=True, fastmath=FAST, error_model="numpy", inline="always")
def _cubic_slope(value, slope, k, x):  # type: ignore[no-untyped-def]
    rise = value[k + 1] - value[k]
    bend = 3.0 * rise - 2.0 * slope[k] - slope[k + 1]
    twist = slope[k] + slope[k + 1] - 2.0 * rise
    return slope[k] + x * (2.0 * bend + x * 3.0 * twist)


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _emission_times(leg, first, block, to_knots, near, knot, part):  # type: ignore[no-untyped-def]
    """Solve u + d(u)/c = T at every block boundary T, in knots since the first; Newton, two steps at most.

    `to_knots` turns metres of the leg into knots of time. `near` says that `knot` and `part` hold the answer
    for a microphone beside this one.
    """
    value, slope = leg[0], leg[1]
    most = value.shape[0] - 2
    for b in range(knot.shape[0]):
        at = first + b * block
        u = knot[b] + part[b] if near else at - value[min(max(int(at), 0), most)] * to_knots
        for _ in range(2):
            k = min(max(int(u), 0), most)
            d = _cubic(value, slope, k, u - k)
            wrong = (u + d * to_knots - at) / (1.0 + _cubic_slope(value, slope, k, u - k) * to_knots)
            u -= wrong
            if abs(wrong) < 0.02:  # what is left is of its square
                break
        k = min(max(int(u), 0), most)
        knot[b], part[b] = k, u - k


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _boundaries(  # type: ignore[no-untyped-def]
    out_leg, out_gain, back_leg, back_gain, knot, part, knot_s, speed, block_s, wavenumber, turns, slope,
    amplitude,
):  # fmt: skip
    """Phase in turns, its change per block, and amplitude at every block boundary."""
    to_knots = 1.0 / (speed * knot_s)
    for b in range(knot.shape[0]):
        k, x = knot[b], part[b]
        back = _cubic(back_leg[0], back_leg[1], k, x)
        out = _cubic(out_leg[0], out_leg[1], k, x)
        per_knot = _cubic_slope(out_leg[0], out_leg[1], k, x)
        back_per_knot = _cubic_slope(back_leg[0], back_leg[1], k, x)
        per_second = (per_knot + back_per_knot) / ((1.0 + back_per_knot * to_knots) * knot_s)
        turns[b] = -wavenumber * (out + back)
        slope[b] = -wavenumber * per_second * block_s
        low = out_gain[k] * back_gain[k]
        amplitude[b] = low + x * (out_gain[k + 1] * back_gain[k + 1] - low)


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _add(turns, slope, amplitude, real, imag):  # type: ignore[no-untyped-def]
    """Add one path's samples: in each block the phase is a cubic, the amplitude a line."""
    step = 1.0 / BLOCK
    for b in range(turns.shape[0] - 1):
        rise = turns[b + 1] - turns[b]
        start = np.float32(turns[b] - np.floor(turns[b]))
        c1 = np.float32(slope[b] * step)
        c2 = np.float32((3.0 * rise - 2.0 * slope[b] - slope[b + 1]) * step * step)
        c3 = np.float32((slope[b] + slope[b + 1] - 2.0 * rise) * step * step * step)
        a0 = np.float32(amplitude[b])
        a1 = np.float32((amplitude[b + 1] - amplitude[b]) * step)
        re, im = real[b * BLOCK : (b + 1) * BLOCK], imag[b * BLOCK : (b + 1) * BLOCK]
        for n in range(BLOCK):
            s = np.float32(n)
            sine, cosine = sine_cosine(start + s * (c1 + s * (c2 + s * c3)))
            a = a0 + s * a1
            re[n] += a * cosine
            im[n] += a * sine
