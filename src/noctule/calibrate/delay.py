"""How long a sound takes from `play` to the microphones' samples.

It is constant while a stream runs and different in the next: 20 ms through JACK, 150-300 ms through
PipeWire. What the driver says of it is wrong, so it is measured on the direct path.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.signal import find_peaks, hilbert

from noctule.core.frames import Float32Array

#: Echoes of the room may follow the direct path for so long; beyond it only noise competes.
ROOM_S = 0.06

#: The direct path is the first peak within this of the highest one.
DIRECT_WITHIN = 0.5

#: Matched-filter output of noise alone: the highest of a second over the highest elsewhere stays below
#: 1.4 (tests/calibrate/test_delay.py draws it a hundred times).
LEAST_CONFIDENCE = 2.0


@dataclass(frozen=True, slots=True)
class Delay:
    """Play-to-record delay. `confidence` is the peak over the highest one outside the room's echoes."""

    delay_s: float
    confidence: float


def estimate_delay(
    recorded: Float32Array, burst: Float32Array, sample_rate_hz: float, max_delay_s: float = 1.0
) -> Delay | None:
    """Delay of the direct path of `burst` in `recorded`, None when it is not there.

    A matched filter's envelope, summed in power over the microphones (their carriers differ in
    phase), then a parabola through the logarithm of the peak: for a Hann-windowed chirp the compressed
    pulse is close to a Gaussian, whose logarithm is one.

    Parameters
    ----------
    recorded : float32 `(samples, channels)`; row 0 belongs to the burst's first sample
        (`DuplexStream.play_and_record`).
    burst : float32 `(samples,)`, as it was played.
    max_delay_s : later arrivals are not looked for.

    Returns
    -------
    `delay_s` is resolved below one sample.
    """
    envelope = _matched_envelope(recorded, burst)[: round(max_delay_s * sample_rate_hz)]
    if len(envelope) < 3 or not np.isfinite(envelope).all() or not envelope.any():
        return None
    highest = int(envelope.argmax())
    room = round(ROOM_S * sample_rate_hz)
    elsewhere = np.concatenate([envelope[: max(0, highest - room)], envelope[highest + room :]])
    confidence = float(envelope[highest] / max(elsewhere.max(initial=0.0), 1e-12 * envelope[highest]))
    if confidence < LEAST_CONFIDENCE:
        return None
    first = _first_peak(envelope, highest, room)
    return Delay((first + _parabola(envelope, first)) / sample_rate_hz, confidence)


def _matched_envelope(recorded: Float32Array, burst: Float32Array) -> npt.NDArray[np.float64]:
    size = fft.next_fast_len(len(recorded) + len(burst))
    reference = np.conj(fft.fft(hilbert(burst.astype(float)), size))
    power = np.zeros(size)
    for channel in recorded.T.astype(float):
        power += np.abs(fft.ifft(fft.fft(channel, size) * reference)) ** 2
    return np.sqrt(power[: len(recorded)])


def _first_peak(envelope: npt.NDArray[np.float64], highest: int, room: int) -> int:
    """The direct path comes first, even where an echo is stronger."""
    start = max(0, highest - room)
    strong, _ = find_peaks(envelope[start:highest], height=DIRECT_WITHIN * envelope[highest])
    return start + int(strong[0]) if len(strong) else highest


def _parabola(envelope: npt.NDArray[np.float64], peak: int) -> float:
    """Where between the samples the peak is, -0.5..0.5."""
    if not 0 < peak < len(envelope) - 1:
        return 0.0
    before, here, after = np.log(np.maximum(envelope[peak - 1 : peak + 2], 1e-300))
    bend = before - 2.0 * here + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0
