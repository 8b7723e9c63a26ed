"""Made-up programme material, for when no recording is at hand: music, speech, bass and noise.

Not to be listened to: it has the level statistics that matter to a loudspeaker (where the bass is, when it
comes, how long it rests). Every clip closes into a ring, so it can be repeated without a seam.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from noctule.simulate.parts import FloatArray, generator

RATE_HZ = 48000.0
Clip = npt.NDArray[np.float32]  # (samples, channels)

_SPEECH_S, _NOISE_S = 15.0, 10.0
_MINOR, _MAJOR = (0, 3, 7, 10), (0, 4, 7, 11)


@lru_cache(maxsize=4)
def make_clip(kind: str, seed: int) -> Clip:
    """A clip of 7 to 26 seconds at 48 kHz, of arbitrary level.

    Parameters
    ----------
    kind : "music" and "bass" (stereo), "speech" and "noise" (mono).
    """
    clip = _KINDS[kind](generator(seed, "clip", kind)).astype(np.float32)
    clip.setflags(write=False)
    return clip


def _music(rng: np.random.Generator) -> FloatArray:
    """Eight bars of four: a bass line, a kick drum, hi-hats and chords."""
    beat_s = 60.0 / rng.uniform(75.0, 150.0)  # [A] tempo of most popular music
    beat = int(beat_s * RATE_HZ)
    ring = np.zeros((32 * beat, 2))
    root_hz = rng.uniform(41.0, 62.0)  # E1 to B1: the lowest string of a bass guitar is 41 Hz
    scale = _MINOR if rng.random() < 0.6 else _MAJOR
    roots_hz = [root_hz * 2.0 ** (step / 12) for step in (0, 3, 5, 7)]
    chords = [_chord([4 * hz * 2.0 ** (step / 12) for step in scale], 4 * beat_s) for hz in roots_hz]
    low, high = ([_note(octave * hz, 0.45, 4, fade=2.0) for hz in roots_hz] for octave in (1, 2))
    kick = _kick()
    for bar, root in enumerate(rng.integers(4, size=8)):
        _lay(ring, chords[root], 4 * bar * beat, 0.12, rng.uniform(0.3, 0.7))
        for eighth in range(8):
            at = (8 * bar + eighth) * beat // 2
            if rng.random() < (0.9 if eighth in (0, 4) else 0.45):
                _lay(ring, (low if rng.random() < 0.67 else high)[root], at, 0.45)
            if eighth % 4 == 0 or rng.random() < 0.1:
                _lay(ring, kick, at, 0.9)
            _lay(ring, _hat(rng), at, 0.12, 0.6)
    return ring


def _bass(rng: np.random.Generator) -> FloatArray:
    """Held notes of 40-120 Hz that swell and slide, as in electronic music, and hardly anything else."""
    beat = int(RATE_HZ * 60.0 / rng.uniform(65.0, 140.0))
    ring = np.zeros((16 * beat, 2))
    for index in range(16):
        note = _note(rng.uniform(40.0, 120.0), beat / RATE_HZ, 2, fade=0.4, slide=rng.uniform(0.8, 1.2))
        _lay(ring, note, index * beat, 0.8)
        _lay(ring, _hat(rng), index * beat, 0.05, 0.4)
    return ring


def _speech(rng: np.random.Generator) -> FloatArray:
    """Syllables of 0.1-0.3 s, voiced with three formants or hissed, with rests between sentences."""
    ring = np.zeros((int(_SPEECH_S * RATE_HZ), 1))
    voice_hz = rng.uniform(85.0, 230.0)  # [R] men to women, Titze, Principles of Voice Production
    at_s = 0.0
    while at_s < _SPEECH_S - 0.4:
        length_s = rng.uniform(0.1, 0.3)
        if rng.random() < 0.15:
            _lay(ring, _hat(rng, 0.08), int(at_s * RATE_HZ), 0.15)
        formants_hz = rng.uniform((300.0, 900.0, 2200.0), (800.0, 2200.0, 3000.0))
        pitch_hz = voice_hz * rng.uniform(0.85, 1.25)
        voiced = _note(
            pitch_hz, length_s, 30, fade=0.0, slide=rng.uniform(0.85, 1.05), formants_hz=formants_hz
        )
        _lay(ring, voiced, int(at_s * RATE_HZ), rng.uniform(0.3, 1.0))
        at_s += length_s + (rng.uniform(0.3, 1.0) if rng.random() < 0.12 else rng.uniform(0.0, 0.06))
    return ring


def _noise(rng: np.random.Generator) -> FloatArray:
    """Pink noise from 20 Hz: as much in every octave, as music has on average."""
    count = int(_NOISE_S * RATE_HZ)
    spectrum = np.fft.rfft(rng.standard_normal(count))
    frequency_hz = np.fft.rfftfreq(count, 1.0 / RATE_HZ)
    spectrum *= (frequency_hz >= 20.0) / np.sqrt(np.maximum(frequency_hz, 20.0))
    return np.fft.irfft(spectrum, count)[:, None]


def _lay(ring: FloatArray, sound: FloatArray, at: int, gain: float, right: float = 0.5) -> None:
    """Add a sound; what reaches past the end goes on at the beginning."""
    index = np.arange(at, at + len(sound)) % len(ring)
    gains = np.array([2.0 * (1.0 - right), 2.0 * right])[: ring.shape[1]] if ring.shape[1] > 1 else 1.0
    ring[index] += gain * sound[:, None] * gains


def _note(
    pitch_hz: float,
    length_s: float,
    overtones: int,
    *,
    fade: float,
    slide: float = 1.0,
    formants_hz: FloatArray | None = None,
) -> FloatArray:
    """A tone of `overtones` harmonics that falls by `fade` nepers; attack 8 ms, release 30 ms."""
    time = np.arange(int(length_s * RATE_HZ)) / RATE_HZ
    part = time / length_s
    turn = np.exp(2j * np.pi * pitch_hz * (time + 0.5 * (slide - 1.0) * time * part))
    weights = 1.0 / np.arange(1, overtones + 1)
    if formants_hz is not None:
        distance = (pitch_hz * np.arange(1, overtones + 1)[:, None] - formants_hz) / 120.0
        # and what the cords give below the first formant: of a man a sixth of the power is below 200 Hz
        weights = 0.5 * weights**2 + (1.0 / (1.0 + distance**2)) @ np.array([1.0, 0.5, 0.25])
    # Horner's scheme: a polynomial in exp(j·phase) has all harmonics for one exponential
    total = np.zeros(len(time), complex)
    for weight in weights[::-1]:
        total = (total + weight) * turn
    edges = np.minimum(1.0, np.minimum(time / 0.008, (length_s - time) / 0.03))
    return total.imag * np.exp(-fade * part) * edges


def _chord(pitches_hz: list[float], length_s: float) -> FloatArray:
    return np.asarray(np.sum([_note(hz, length_s, 5, fade=0.5) for hz in pitches_hz], axis=0))


def _kick() -> FloatArray:
    """A drum head that falls from 150 to 48 Hz while it dies away."""
    time = np.arange(int(0.35 * RATE_HZ)) / RATE_HZ
    cycles = 48.0 * time + (150.0 - 48.0) * 0.03 * (1.0 - np.exp(-time / 0.03))
    return np.sin(2.0 * np.pi * cycles) * np.exp(-time / 0.09) * np.minimum(1.0, (0.35 - time) / 0.02)


def _hat(rng: np.random.Generator, length_s: float = 0.05) -> FloatArray:
    """A burst of hiss: differences of white noise are loudest at the top."""
    hiss = np.diff(rng.standard_normal(int(length_s * RATE_HZ) + 1))
    return hiss * np.linspace(1.0, 0.0, len(hiss)) ** 2


_KINDS: dict[str, Callable[[np.random.Generator], FloatArray]] = {
    "music": _music,
    "bass": _bass,
    "speech": _speech,
    "noise": _noise,
}
