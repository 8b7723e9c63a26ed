"""What stands still: the direct path, the walls, the furniture. Strong, steady, and never quite still.

For a pure tone the whole room is one complex number a microphone. Air that moves turns the phase of each path
in proportion to its length, so paths are kept in groups of like length; a tone that music modulates comes
back along each path at another time, so a group is a short impulse response then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from noctule.simulate.medium import Airflow, Medium, MovingAir
from noctule.simulate.parts import Displacement, FloatArray, generator
from noctule.simulate.room import Images, Room, mirror_images
from noctule.simulate.transducers import Band, Envelope, Transducers, slow_times

ComplexArray = npt.NDArray[np.complex128]

#: A path beyond this is 50 dB weaker than the walls nearby.
REACH_M = 25.0
#: Groups of like length; so many of a group's paths tell how it changes when the device moves.
GROUPS, MOST_SHAKEN_PATHS = 5, 12
#: Rate at which moving air is followed where nothing quicker happens: at two times that of its noise.
AIR_HZ = 400.0
#: Rate at which the device's own movement is followed: it carries vibration to 400 Hz.
SHAKE_HZ = 2000.0


@dataclass(frozen=True, slots=True)
class StillPaths:
    """Each way from the loudspeakers to the microphones.

    length_m : (paths, microphones); gain : (paths, microphones) amplitude at the carrier, pascal.
    turning : (paths, microphones, 3) how the path shortens when the device itself is moved, per metre.
    """

    length_m: FloatArray
    gain: FloatArray
    turning: FloatArray

    def phasors(self, wavenumber: float) -> ComplexArray:
        """(paths, microphones) at rest; `wavenumber` in turns per metre."""
        return np.asarray(self.gain * np.exp(-2j * np.pi * ((wavenumber * self.length_m) % 1.0)))

    def take(self, index: npt.NDArray[np.intp]) -> StillPaths:
        return StillPaths(self.length_m[index], self.gain[index], self.turning[index])

    def groups(self) -> list[StillPaths]:
        """Paths of like length, the direct path first."""
        length = self.length_m.mean(1)
        shortest = max(length.min(), 0.01)
        edges = np.geomspace(2.0 * shortest, max(length.max(), 4.0 * shortest), GROUPS)[:-1]
        rank = np.searchsorted(edges, length)
        return [self.take(np.flatnonzero(rank == one)) for one in range(GROUPS) if (rank == one).any()]


class StillField:
    """Pressure of everything that stands still; see `ToneField` for the parameters."""

    def __init__(
        self,
        room: Room,
        transducers: Transducers,
        medium: Medium,
        band: Band,
        seed: int,
        airflow_mps: Airflow,
        envelope: Envelope | None,
        device_motion_m: Displacement | None,
    ) -> None:
        paths = still_paths(room, transducers, medium.air_nepers_per_m, generator(seed, "glints"))
        self._groups = [
            _Group(paths, medium, band, MovingAir(medium, airflow_mps, seed, "still", number))
            for number, paths in enumerate(paths.groups())
        ]
        self._envelope, self._device_motion_m = envelope, device_motion_m
        self._microphones, self._band = len(transducers.microphones_m), band

    def pressure(self, first_sample: int, count: int) -> npt.NDArray[np.complex64]:
        """`(count, microphones)` complex pascal."""
        out = np.empty((self._microphones, count), np.complex64).T
        if self._envelope is None and self._device_motion_m is None:  # nothing but slow air
            slow_s = slow_times(first_sample, count, self._band, AIR_HZ)
            slow = np.asarray(sum(group.at(slow_s) for group in self._groups))
            first = (first_sample / self._band.rate_hz - slow_s[0]) * AIR_HZ
            _join(slow, first, AIR_HZ / self._band.rate_hz, out)
            return out
        out[:] = 0.0
        for group in self._groups:
            out += group.pressure(first_sample, count, self._envelope, self._device_motion_m)
        return out


@njit(cache=True)
def _join(slow, first, step, out):  # type: ignore[no-untyped-def]
    """Straight lines between the rows of `slow`, which are one apart; output n lies at first + n·step."""
    for m in range(out.shape[1]):
        for n in range(out.shape[0]):
            at = first + n * step
            left = int(at)
            out[n, m] = slow[left, m] + (at - left) * (slow[left + 1, m] - slow[left, m])


class _Group:
    """Paths of like length."""

    def __init__(self, paths: StillPaths, medium: Medium, band: Band, air: MovingAir) -> None:
        self._band, self._medium, self._air = band, medium, air
        phasors = paths.phasors(medium.wavenumber)
        self._sum = phasors.sum(0)
        power = np.abs(phasors) ** 2
        self._length_m = float((power * paths.length_m).sum() / max(power.sum(), 1e-300))
        self._response = self._impulse_response(paths, phasors)
        strongest = np.argsort(-power.max(1))[:MOST_SHAKEN_PATHS]
        self._strongest = phasors[strongest]
        self._shaking = paths.turning[strongest].reshape(-1, 3).T.astype(np.float32)

    def pressure(
        self, first_sample: int, count: int, envelope: Envelope | None, device_motion_m: Displacement | None
    ) -> npt.NDArray[np.complex64]:
        turned = self._turned(np.arange(first_sample, first_sample + count) / self._band.rate_hz)
        heard = self._sum if envelope is None else self._played(envelope, first_sample, count)
        out = turned * heard
        if device_motion_m is not None:
            out *= self._shaken(device_motion_m, first_sample, count)
        return out.astype(np.complex64)

    def at(self, time_s: FloatArray) -> ComplexArray:
        """The tone alone, (times, microphones)."""
        return np.asarray(self._turned(time_s) * self._sum)

    def _turned(self, time_s: FloatArray) -> ComplexArray:
        """What moving air does to the group's phase, (times, 1)."""
        late = self._air.lateness(time_s)
        return np.asarray(np.exp(-2j * np.pi * self._medium.wavenumber * self._length_m * late)[:, None])

    def _impulse_response(self, paths: StillPaths, phasors: ComplexArray) -> ComplexArray:
        """(taps, microphones) at the band's rate; a delay between two samples is shared by both."""
        delay = paths.length_m / self._medium.speed_of_sound_mps * self._band.rate_hz
        whole = delay.astype(int)
        part = delay - whole
        response = np.zeros((int(whole.max()) + 2, delay.shape[1]), np.complex128)
        microphone = np.broadcast_to(np.arange(delay.shape[1]), whole.shape)
        np.add.at(response, (whole, microphone), phasors * (1.0 - part))
        np.add.at(response, (whole + 1, microphone), phasors * part)
        return response

    def _played(self, envelope: Envelope, first_sample: int, count: int) -> ComplexArray:
        before = len(self._response) - 1
        given = envelope(first_sample - before, count + before)
        size = 1 << int(np.ceil(np.log2(len(given) + before)))
        spectrum = np.fft.fft(given, size)[:, None] * np.fft.fft(self._response, size, axis=0)
        return np.asarray(np.fft.ifft(spectrum, axis=0)[before : before + count])

    def _shaken(self, device_motion_m: Displacement, first_sample: int, count: int) -> ComplexArray:
        """What moving the device does to the group, relative to its rest; the direct path moves with it."""
        slow_s = slow_times(first_sample, count, self._band, SHAKE_HZ)
        shift = device_motion_m(slow_s)
        if not shift.any():
            return np.ones((count, 1), np.complex128)
        # sines of single precision are ten times as quick, and a turn is as exact as the noise by far
        turn = (2.0 * np.pi * self._medium.wavenumber * shift).astype(np.float32) @ self._shaking
        moved = self._strongest_sum(np.cos(turn) + np.complex64(1j) * np.sin(turn))
        change = moved / self._strongest.sum(0)
        at = np.arange(first_sample, first_sample + count) / self._band.rate_hz
        return np.stack([np.interp(at, slow_s, one) for one in change.T], -1)

    def _strongest_sum(self, phasors: npt.NDArray[np.complex64]) -> npt.NDArray[np.complex64]:
        """(times, paths·microphones) turned phasors to (times, microphones)."""
        weighted = phasors * self._strongest.astype(np.complex64).ravel()
        return np.asarray(weighted.reshape(len(phasors), *self._strongest.shape).sum(1))


def still_paths(
    room: Room,
    transducers: Transducers,
    air_nepers_per_m: float,
    rng: np.random.Generator,
    reach_m: float = REACH_M,
) -> StillPaths:
    """Mirror images up to `reach_m`, and what each piece of furniture throws back."""
    images = mirror_images(room, reach_m=reach_m)
    glints = _Glints.draw(room, rng)
    directivity, microphones_m = transducers.directivity, transducers.microphones_m
    parts = []
    for place, axis in zip(transducers.loudspeakers_m, transducers.axes, strict=True):
        length, gain, turning = _image_paths(images, place, axis, directivity, microphones_m)
        gain[0] *= transducers.leakage  # image 0 is the loudspeaker itself
        parts.append((length, gain, turning))
        if room.furniture:
            parts.append(glints.paths(place, axis, directivity, microphones_m))
    length, gain, turning = (np.concatenate([part[n] for part in parts]) for n in range(3))
    gain = gain * transducers.source_pa * np.exp(-air_nepers_per_m * length) / np.maximum(length, 0.01)
    kept = length.min(1) <= reach_m
    return StillPaths(length[kept], gain[kept], turning[kept])


def _image_paths(
    images: Images, place: FloatArray, axis: FloatArray, directivity: FloatArray, microphones_m: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    towards = images.of(place)[:, None, :] - microphones_m  # from microphone to image
    length = np.linalg.norm(towards, axis=-1)
    arrival = towards / np.maximum(length, 1e-6)[..., None]
    departure = -images.scale[:, None, :] * arrival  # at the loudspeaker itself
    gain = images.reflection[:, None] * aimed(departure @ axis, directivity)
    return length, gain, arrival + departure


@dataclass(frozen=True, slots=True)
class _Glints:
    """A few points on each piece of furniture that throw sound back: (points, 3) and amplitude at 1 m."""

    points_m: FloatArray
    strength: FloatArray

    @classmethod
    def draw(cls, room: Room, rng: np.random.Generator) -> _Glints:
        """Strength: a rough plate of that size, -10 to -30 dB at 1 m. [A]"""
        places = [np.zeros((0, 3))]
        for box in room.furniture:
            share = rng.uniform(0.0, 1.0, (4, 3))
            share[np.arange(4), rng.integers(3, size=4)] = rng.integers(2, size=4)  # on a face
            places.append(np.array(box.corner_m) + share * np.array(box.size_m))
        points_m = np.concatenate(places)
        return cls(points_m, 10.0 ** (rng.uniform(-30.0, -10.0, len(points_m)) / 20.0))

    def paths(
        self, place: FloatArray, axis: FloatArray, directivity: FloatArray, microphones_m: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        out, back = self.points_m - place, self.points_m[:, None, :] - microphones_m
        out_m, back_m = np.linalg.norm(out, axis=-1), np.linalg.norm(back, axis=-1)
        departure, arrival = out / out_m[:, None], back / back_m[..., None]
        length = out_m[:, None] + back_m
        lit = self.strength * aimed(departure @ axis, directivity)
        # both legs spread; who asks divides by the whole length once
        gain = lit[:, None] * length / (out_m[:, None] * back_m)
        return length, gain, arrival + departure[:, None, :]


def aimed(cosine: FloatArray, directivity: FloatArray) -> FloatArray:
    """Look a directivity up, linear between its points."""
    return np.asarray(np.interp(cosine, np.linspace(-1.0, 1.0, len(directivity)), directivity))
