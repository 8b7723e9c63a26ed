"""What the microphones hear of everything that sounds by itself: keys, voices, repellers, the music.

Sources stand still, so the way to each microphone is a filter: its mirror images' delays, spreading and air.
It is applied to whole segments in the frequency domain, and for the baseband only the bins around the carrier
are ever transformed back: mixing, low-pass and decimation in one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from noctule.simulate.parts import FloatArray, Sound
from noctule.simulate.room import Room, mirror_images

ComplexArray = npt.NDArray[np.complex128]

#: Mirror images of a source; a third bounce is 20 dB down and late at these frequencies.
ORDER = 2
#: Segments always lie on the same grid, so a stretch is the same whatever was asked before.
SEGMENT_S = 0.5
#: So far back is looked at least: ways of 50 m; and the ringing of the band's edge on both sides.
LONGEST_S, EDGE_S = 0.15, 0.02
#: Kept segments: neighbours are asked for one after the other.
KEPT = 2


class SoundField:
    """Pressure of all sounds at the microphones, at full rate or around a carrier.

    Parameters
    ----------
    sounds : what sounds, and where.
    microphones_m : (microphones, 3).
    audio_rate_hz : at which waveforms are made.
    decimation : samples of the waveform for one of the result; 1: full rate.
    carrier_hz, pass_hz : for a decimated result: what its zero stands for, and what must be carried.
    """

    def __init__(
        self,
        room: Room,
        sounds: Sequence[Sound],
        microphones_m: FloatArray,
        audio_rate_hz: float,
        *,
        decimation: int = 1,
        carrier_hz: float = 0.0,
        pass_hz: float = 0.0,
    ) -> None:
        self._room, self._sounds, self._microphones_m = room, sounds, microphones_m
        self._audio_rate_hz, self._decimation = audio_rate_hz, decimation
        self._carrier_hz = carrier_hz
        rate_hz = audio_rate_hz / decimation
        self._segment = round(SEGMENT_S * rate_hz)
        self._ways = [self._lengths(np.asarray(one.position_m)) for one in sounds]
        # what comes later than is looked back for would come round from the segment's end
        longest_m = max((float(length_m.max()) for length_m, _ in self._ways), default=0.0)
        longest_s = max(LONGEST_S, longest_m / room.speed_of_sound_mps)
        self._before, self._after = (int(np.ceil(s * rate_hz)) for s in (longest_s + EDGE_S, EDGE_S))
        self._size = _quick_size(self._before + self._segment + self._after)
        # bins of a segment's transform that are looked at, the carrier's, and what is kept of each
        size = self._size * decimation
        self._middle = round(carrier_hz * size / audio_rate_hz)
        half = (self._size - 1) // 2 if carrier_hz else size
        self._bins = np.arange(max(self._middle - half, 0), min(self._middle + half, size // 2) + 1)
        self._frequency_hz = self._bins * audio_rate_hz / size
        self._kept = _edge(self._frequency_hz - carrier_hz, pass_hz, rate_hz / 2) if carrier_hz else None
        self._rendered: Callable[[int], ComplexArray | FloatArray] = lru_cache(KEPT)(self._render)
        self._response: Callable[[int], ComplexArray] = lru_cache(None)(self._way)

    def pressure(self, first_sample: int, count: int) -> npt.NDArray[np.complex64] | FloatArray:
        """`(count, microphones)` pascal: real at full rate; around a carrier complex, Re(x·exp(2πj·f·t))."""
        shape = (count, len(self._microphones_m))
        out = np.zeros(shape[::-1], np.complex64 if self._carrier_hz else np.float64).T
        for number in range(first_sample // self._segment, (first_sample + count - 1) // self._segment + 1):
            start = number * self._segment
            low, high = max(start, first_sample), min(start + self._segment, first_sample + count)
            if low < high and self._heard(number):
                piece = self._rendered(number)[low - start : high - start]
                out[low - first_sample : high - first_sample] = piece
        return out

    def _heard(self, number: int) -> list[int]:
        """Which sounds can be heard in a segment."""
        from_s, to_s = self._window_s(number)
        return [n for n, one in enumerate(self._sounds) if one.starts_s < to_s and one.ends_s > from_s]

    def _window_s(self, number: int) -> tuple[float, float]:
        rate_hz = self._audio_rate_hz / self._decimation
        start = number * self._segment - self._before
        return start / rate_hz, (start + self._size) / rate_hz

    def _render(self, number: int) -> ComplexArray | FloatArray:
        start = (number * self._segment - self._before) * self._decimation
        size = self._size * self._decimation
        spectrum = np.zeros((len(self._bins), len(self._microphones_m)), np.complex128)
        for n in self._heard(number):
            wave = np.fft.rfft(self._sounds[n].waveform(self._audio_rate_hz, start, size).astype(np.float32))
            spectrum += wave[self._bins][:, None] * self._response(n)
        wanted = slice(self._before, self._before + self._segment)
        if self._kept is None:
            return np.asarray(np.fft.irfft(spectrum, size, axis=0)[wanted])
        folded = np.zeros((self._size, spectrum.shape[1]), np.complex128)
        folded[(self._bins - self._middle) % self._size] = spectrum * self._kept[:, None]
        samples = np.fft.ifft(folded, axis=0)[wanted] * (2.0 / self._decimation)
        # shifted by whole bins: less than one is left to turn, and the carrier has run since the beginning
        turns = self._carrier_hz / self._audio_rate_hz
        rest = turns - self._middle / size
        at = np.arange(wanted.start, wanted.stop) * self._decimation
        return np.asarray(samples * np.exp(-2j * np.pi * ((start * turns) % 1.0 + rest * at))[:, None])

    def _way(self, number: int) -> ComplexArray:
        """From a source to each microphone: (bins, microphones)."""
        length_m, reflection = self._ways[number]
        nepers = self._room.air_nepers_per_m(self._frequency_hz)
        wavenumber = self._frequency_hz / self._room.speed_of_sound_mps
        out = np.zeros((len(self._bins), length_m.shape[1]), np.complex128)
        for image in range(len(length_m)):
            exponent = -(nepers + 2j * np.pi * wavenumber)[:, None] * length_m[image]
            out += reflection[image] / length_m[image] * np.exp(exponent)
        return out

    def _lengths(self, source_m: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Of the ways from each image, (images, microphones), and what the walls leave, (images,)."""
        # a source in the next room has no images in this one
        images = mirror_images(self._room, order=ORDER if self._room.contains(source_m) else 0)
        length_m = np.linalg.norm(images.of(source_m)[:, None] - self._microphones_m, axis=-1)
        return np.maximum(length_m, 0.01), images.reflection


def _edge(offset_hz: FloatArray, pass_hz: float, end_hz: float) -> FloatArray:
    """1 within the pass-band, from there a cosine down to the band's end."""
    share = np.clip((np.abs(offset_hz) - pass_hz) / (end_hz - pass_hz), 0.0, 1.0)
    return np.asarray(np.cos(np.pi / 2 * share) ** 2)


def _quick_size(least: int) -> int:
    """The next number with small prime factors only."""
    from scipy.fft import next_fast_len

    return int(next_fast_len(least))
