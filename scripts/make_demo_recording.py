"""Write a recording of somebody who walks in, stands, and walks out.

    python -m scripts.make_demo_recording OUT.wav

For the demo and the benchmarks, where no real recording is at hand. A tone goes out and comes back over
the direct path, two walls and five point scatterers that stand for a trunk and swinging limbs. It is a
sketch of a walker, not a measurement of one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Samples = npt.NDArray[np.float32]

SPEED_OF_SOUND_MPS = 343.2
#: (path in metres, amplitude) of what stands still: direct path and two walls.
STILL = ((0.1, 0.2), (4.1, 0.01), (6.3, 0.005))
#: Amplitude at 1 m, swing in metres, swings a stride, phase in turns, how much of the swing stays when
#: standing: trunk, two legs, two arms. At 1.5 m the trunk is 40 dB below the direct path.
WALKER = (
    (4.5e-3, 0.02, 2, 0.0, 0.0),
    (1.5e-3, 0.22, 1, 0.0, 0.0),
    (1.5e-3, 0.22, 1, 0.5, 0.0),
    (0.8e-3, 0.12, 1, 0.5, 0.6),
    (0.8e-3, 0.12, 1, 0.0, 0.6),
)
#: seconds and distance in metres: enters, stands before the sensor, leaves. Nobody is there at other times.
PATH_S, PATH_M = (3.0, 7.0, 10.0, 14.0), (4.6, 1.2, 1.2, 4.6)
STRIDE_HZ = 0.9
NOISE_RMS = 1.5e-3  # 72 dB under the tone in 10 Hz, as in recordings of phones


def render(
    sample_rate_hz: int, carrier_hz: float, seconds: float, microphones: int = 1, *, every_s: float = 1e9
) -> Iterator[Samples]:
    """Blocks of one second, float32 `(samples, microphones)`. The walk repeats after `every_s` seconds."""
    rng = np.random.default_rng(1)
    for first in range(0, round(seconds * sample_rate_hz), sample_rate_hz):
        last = min(first + sample_rate_hz, round(seconds * sample_rate_hz))
        t = np.arange(first, last) / sample_rate_hz
        out = rng.standard_normal((len(t), microphones), dtype=np.float32) * np.float32(NOISE_RMS)
        paths: list[tuple[float | FloatArray, float | FloatArray]] = [*STILL, *_walker_paths(t % every_s)]
        for m in range(microphones):
            for path_m, amplitude in paths:
                delay_s = (path_m + 0.02 * m) / SPEED_OF_SOUND_MPS
                out[:, m] += amplitude * np.cos(2.0 * np.pi * carrier_hz * (t - delay_s))
        yield out


def _walker_paths(t: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
    """(path there and back in metres, amplitude) of each scatterer; none while nobody is there."""
    if t[-1] < PATH_S[0] or t[0] > PATH_S[-1]:
        return []
    range_m = np.interp(t, PATH_S, PATH_M)
    # shoulders of a tenth of a second: a step in the path would be a click
    there = np.clip(np.minimum(t - PATH_S[0], PATH_S[-1] - t) / 0.3, 0.0, 1.0)
    pace = np.clip(np.abs(np.gradient(range_m, t)) / 0.5, 0.0, 1.0)
    paths = []
    for amplitude, swing_m, per_stride, turns, standing in WALKER:
        turned = STRIDE_HZ * per_stride * t + turns
        swing = swing_m * np.maximum(pace, standing) * np.sin(2.0 * np.pi * turned)
        paths.append((2.0 * (range_m + swing), there * amplitude / range_m**2))
    return paths


def write(
    path: Path, *, sample_rate_hz: int = 48000, carrier_hz: float = 20000.0, seconds: float = 28.0
) -> None:
    """One microphone, 16 bit."""
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    with soundfile.SoundFile(path, "w", sample_rate_hz, 1, "PCM_16") as file:
        for block in render(sample_rate_hz, carrier_hz, seconds):
            file.write(block)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
