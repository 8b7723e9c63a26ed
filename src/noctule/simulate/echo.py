"""One mover's echoes: which ways they take, at which rate they are rendered, and who stands in their way.

Movers are rendered at the lowest rate that carries their fastest point, then brought to the common rate.
Fans reach ten times the velocity grid: they are rendered at a multiple of the rate and low-passed, as the
front end of a sensor does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from noctule.simulate.clutter import aimed
from noctule.simulate.medium import Airflow, Medium, MovingAir
from noctule.simulate.occlusion import Obstacles, lit_share
from noctule.simulate.parts import Displacement, FloatArray, Mover
from noctule.simulate.propagate import BLOCK, KNOT_MARGIN, Ends, echoes
from noctule.simulate.resample import Decimator, Interpolator
from noctule.simulate.room import Room, mirror_images
from noctule.simulate.transducers import Band, Envelope, Transducers, slow_times

Complex64Array = npt.NDArray[np.complex64]

#: Rates a mover may be rendered at, as multiples of the common rate.
SLOWER, FASTER = (16, 8, 4, 2), (2, 3, 4, 6, 8, 12)
#: Share of the Nyquist frequency that a slower rate carries.
CARRIED = 0.8
#: At most so many knots are passed in one block of the renderer.
KNOTS_A_BLOCK = 1.7
#: Ways over walls: at most so many for a mover, none weaker than this against the strongest. What is faster
#: than any limb, a fan, is a blur of lines: two ways of it are enough to cost.
MOST_PATHS, MOST_FAST_PATHS, WEAKEST_PATH_DB = 4, 2, -20.0
FAST_MPS = 9.0
#: How often shadows are looked up, and the delay of the tone's envelope.
SHADOW_HZ = 12.0
#: A person as an obstacle: radius of the trunk.
PERSON_RADIUS_M = 0.18


class Standing(Protocol):
    """Somebody who can stand in the way."""

    def centre_m(self, time_s: FloatArray) -> FloatArray: ...


class Echo:
    """A mover in its room; see `ToneField` for the parameters.

    stay_s : from when to when its ways are looked for.
    """

    def __init__(
        self,
        room: Room,
        transducers: Transducers,
        medium: Medium,
        band: Band,
        mover: Mover,
        number: int,
        seed: int,
        stay_s: tuple[float, float],
        others: Sequence[Standing],
        airflow_mps: Airflow,
        envelope: Envelope | None,
        device_motion_m: Displacement | None,
    ) -> None:
        self._room, self._medium, self._band, self._mover = room, medium, band, mover
        self._others, self._envelope, self._device_motion_m = others, envelope, device_motion_m
        self._viewpoint_m = transducers.middle_m
        self._air = MovingAir(medium, airflow_mps, seed, "mover", number)
        self._interpolator, self._decimator = _rate_changers(
            2.02 * mover.highest_speed_mps * medium.wavenumber, mover.knot_rate_hz, band
        )
        self._ends, self._pairs = self._choose_paths(transducers, stay_s)
        self._longest_leg_s = self._ends.longest_leg_m(room.size_m) / medium.speed_of_sound_mps

    def pressure(self, first_sample: int, count: int) -> Complex64Array:
        """`(count, microphones)` complex pascal at the band's rate."""
        rate_hz = self._band.rate_hz
        if not len(self._pairs):
            return np.zeros((count, self._ends.microphone_m.shape[1]), np.complex64)
        if self._interpolator is not None:
            factor, margin = self._interpolator.factor, self._interpolator.margin
            low, high = first_sample // factor, -(-(first_sample + count) // factor)
            slow = self._rendered(rate_hz / factor, low - margin, high - low + 2 * margin)
            skipped = first_sample - low * factor
            out = self._interpolator.process(slow)[skipped : skipped + count]
        elif self._decimator is not None:
            factor, margin = self._decimator.factor, self._decimator.margin
            fast = self._rendered(
                rate_hz * factor, first_sample * factor - margin, count * factor + 2 * margin
            )
            out = self._decimator.process(fast)
        else:
            out = self._rendered(rate_hz, first_sample, count)
        if self._envelope is not None:
            out = out * self._late_envelope(self._envelope, first_sample, count)[:, None]
        return out

    def _choose_paths(
        self, place: Transducers, stay_s: tuple[float, float]
    ) -> tuple[Ends, npt.NDArray[np.int64]]:
        """The strongest ways, by the power they carry over the mover's whole stay."""
        images = mirror_images(self._room, order=1)
        speakers = len(place.loudspeakers_m)
        source_m = np.concatenate([images.of(one) for one in place.loudspeakers_m])
        source_axis = np.concatenate([images.scale * one for one in place.axes])
        source_gain = np.tile(images.reflection, speakers) * place.source_pa
        microphone_m = images.of(place.microphones_m)
        seen = self._mover.scatterers(np.linspace(*stay_s, 17), self._viewpoint_m)
        points = seen.position_m.reshape(-1, 3)
        lit = self._spreading(points, source_m) * source_gain
        lit *= aimed(_cosine(points, source_m, source_axis), place.directivity)
        heard = self._spreading(points, microphone_m.mean(1)) * images.reflection
        power = np.einsum("p,ps,pm->sm", seen.strength.reshape(-1) ** 2, lit**2, heard**2)
        # by what it is, not by the rate it is rendered at: every road to samples takes the same ways
        most = MOST_PATHS if self._mover.highest_speed_mps < FAST_MPS else MOST_FAST_PATHS
        order = np.argsort(-power, axis=None)[:most]
        order = order[power.flat[order] > power.max() * 10.0 ** (WEAKEST_PATH_DB / 10.0)]
        source, mirror = np.unravel_index(order, power.shape)
        sources, source_at = np.unique(source, return_inverse=True)
        mirrors, mirror_at = np.unique(mirror, return_inverse=True)
        ends = Ends(
            source_m[sources],
            source_axis[sources],
            source_gain[sources],
            sources % len(images.reflection) == 0,
            place.directivity,
            microphone_m[mirrors],
            images.reflection[mirrors],
            mirrors == 0,
        )
        return ends, np.stack([source_at, mirror_at], -1).astype(np.int64)

    def _spreading(self, points: FloatArray, ends_m: FloatArray) -> FloatArray:
        """Amplitude by distance and air, (points, ends)."""
        length = np.maximum(np.linalg.norm(points[:, None] - ends_m, axis=-1), 0.05)
        return np.asarray(np.exp(-self._medium.air_nepers_per_m * length) / length)

    def _rendered(self, rate_hz: float, first_sample: int, count: int) -> Complex64Array:
        knots_hz = self._mover.knot_rate_hz
        stride = max(1, round(knots_hz / SHADOW_HZ))  # shadows are looked up at every so many knots
        first = int(np.floor((first_sample / rate_hz - self._longest_leg_s) * knots_hz)) - KNOT_MARGIN
        # whole blocks are solved for
        last = int(np.ceil((first_sample + count + BLOCK) / rate_hz * knots_hz)) + KNOT_MARGIN
        first, last = first // stride * stride, -(-last // stride) * stride
        time_s = np.arange(first, last + 1) / knots_hz
        seen = self._mover.scatterers(time_s, self._viewpoint_m)
        position_m = seen.position_m
        if self._device_motion_m is not None:
            position_m = position_m - self._device_motion_m(time_s)[:, None, :]
        walls = _through_walls(seen.position_m[::stride], np.array(self._room.size_m))
        return echoes(
            position_m,
            seen.strength * _between(time_s, time_s[::stride], walls),
            1.0 + self._air.lateness(time_s),
            self._lit(time_s, seen.position_m, stride),
            time_s[0],
            1.0 / knots_hz,
            self._ends,
            self._pairs,
            self._medium,
            rate_hz,
            first_sample,
            count,
        )

    def _lit(self, time_s: FloatArray, position_m: FloatArray, stride: int) -> FloatArray:
        """Amplitude that obstacles leave of the direct leg, (times, points)."""
        slow_s, position_m = time_s[::stride], position_m[::stride]
        obstacles = self._obstacles(slow_s)
        if not len(obstacles.half_m):
            return np.ones((len(time_s), position_m.shape[1]))
        wavelength_m = 1.0 / self._medium.wavenumber
        share = lit_share(position_m, self._viewpoint_m, obstacles, wavelength_m)
        return _between(time_s, slow_s, share)

    def _obstacles(self, time_s: FloatArray) -> Obstacles:
        boxes = self._room.furniture
        centre = [np.broadcast_to(box.centre_m, (len(time_s), 3)) for box in boxes]
        half = [np.array(box.size_m) / 2 for box in boxes]
        for one in self._others:
            middle = one.centre_m(time_s)
            centre.append(middle)
            # as far to the head as to the floor
            half.append(np.array([PERSON_RADIUS_M, PERSON_RADIUS_M, max(float(middle[:, 2].mean()), 0.3)]))
        if not half:
            return Obstacles(np.zeros((len(time_s), 0, 3)), np.zeros((0, 3)), np.zeros(0, np.bool_))
        return Obstacles(np.stack(centre, 1), np.stack(half), np.arange(len(half)) >= len(boxes))

    def _late_envelope(self, envelope: Envelope, first_sample: int, count: int) -> npt.NDArray[np.complex64]:
        """The tone's envelope as it left the loudspeaker; one delay for all points of the mover."""
        slow_s = slow_times(first_sample, count, self._band, SHADOW_HZ)
        seen = self._mover.scatterers(slow_s, self._viewpoint_m)
        distance = np.linalg.norm(seen.position_m - self._viewpoint_m, axis=-1)
        weight = seen.strength**2 + 1e-30
        delay_s = 2.0 * (distance * weight).sum(1) / weight.sum(1) / self._medium.speed_of_sound_mps
        at = np.arange(first_sample, first_sample + count)
        left = at - np.interp(at / self._band.rate_hz, slow_s, delay_s) * self._band.rate_hz
        first, last = int(np.floor(left.min())), int(np.ceil(left.max())) + 1
        given = envelope(first, last - first + 1)
        return np.asarray(np.interp(left, np.arange(first, last + 1), given), np.complex64)


def _rate_changers(
    fastest_hz: float, knot_rate_hz: float, band: Band
) -> tuple[Interpolator | None, Decimator | None]:
    # a mover that shakes little but quickly is slow, yet a block must not step over its knots
    least_hz = BLOCK * knot_rate_hz / KNOTS_A_BLOCK
    for divisor in SLOWER:
        if fastest_hz <= CARRIED / 2 * band.rate_hz / divisor and least_hz <= band.rate_hz / divisor:
            return Interpolator(divisor, CARRIED), None
    least_hz = max(least_hz, fastest_hz + band.stop_hz)  # what aliases lands behind the band's edge
    if least_hz <= band.rate_hz:
        return None, None
    factor = next((one for one in FASTER if least_hz <= one * band.rate_hz), FASTER[-1])
    return None, Decimator(factor, band.pass_hz, band.stop_hz, factor * band.rate_hz)


def _cosine(points: FloatArray, ends_m: FloatArray, axes: FloatArray) -> FloatArray:
    """Between each end's axis and the way to each point, (points, ends)."""
    way = points[:, None] - ends_m
    length = np.maximum(np.linalg.norm(way, axis=-1), 1e-9)
    return np.asarray((way * axes).sum(-1) / length)


def _between(time_s: FloatArray, slow_s: FloatArray, share: FloatArray) -> FloatArray:
    """(times, points) of what is known at some of the times."""
    if (share == 1.0).all():
        return np.ones((len(time_s), share.shape[1]))
    return np.stack([np.interp(time_s, slow_s, one) for one in share.T], -1)


def _through_walls(position_m: FloatArray, size_m: FloatArray) -> FloatArray:
    """Amplitude that walls leave of the way there and back, whichever way that is, (times, points).

    They take 35 dB each way (drywall 30 and more); who leaves by the door fades over half a metre.
    """
    outside = np.maximum(np.maximum(-position_m, position_m - size_m), 0.0).max(-1)
    share = np.clip(outside / 0.5, 0.0, 1.0)
    one_way = 10.0 ** (-35.0 / 20.0 * share * share * (3.0 - 2.0 * share))
    return np.asarray(one_way**2)
