"""Room for the tone beside whatever else plays: a programme keeps out of its band and out of its level.

The tone keeps its level, for it is what senses, and the programme gets what is left of full scale. A card
that clips would put the programme's edges all over the spectrum, and take the tone away while it clips.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import minimum_filter1d, uniform_filter1d

from noctule.core.frames import Float32Array
from noctule.core.units import db_to_amplitude
from noctule.emit.resample import Resampler

#: Nothing of a programme is left from so far below the carrier on; nor above the highest audible sound.
GUARD_HZ, HIGHEST_HZ = 3000.0, 18_000.0
#: Left free of what the tone leaves, for rounding and for what a converter makes between samples.
MARGIN_DB = 0.5
#: The gain falls in so long before a peak, and rises in as long after it: slower than a period of the bass,
#: and so smooth that what it does to 15 kHz stays within 1 kHz of it.
GLIDE_S = 0.08
#: Silence before and after, in which the card's own fades do no harm.
SILENCE_S = 0.03
#: Files in floating point may go beyond full scale; so far.
LOUDEST = 16.0


def edge_hz(carrier_hz: float) -> float:
    """From where on nothing of a programme is left."""
    return min(carrier_hz - GUARD_HZ, HIGHEST_HZ)


def programme_peak(tone_amplitude: float) -> float:
    """The highest sample of a programme beside a tone of this peak."""
    return max(0.0, 1.0 - tone_amplitude) * db_to_amplitude(-MARGIN_DB)


class Limiter:
    """Keeps peaks below a limit by turning down smoothly, before and after them; later by `delay` samples.

    The gain needed is limit / peak. Its least value within half a glide to either side is averaged three
    times, which together reaches as far: an average of gains each of which would do, so it does.
    """

    def __init__(self, limit: float, sample_rate_hz: float) -> None:
        self._limit = limit
        self._third = 2 * (round(GLIDE_S * sample_rate_hz) // 6) + 1
        self._reach = 3 * (self._third // 2)  # of the three averages, to either side
        self.delay = 2 * self._reach
        self._waiting: Float32Array | None = None

    def process(self, samples: Float32Array) -> Float32Array:
        """`(samples, channels)` in, as many out."""
        if self._waiting is None:
            self._waiting = np.zeros((2 * self.delay, samples.shape[1]), np.float32)
        heard = np.concatenate([self._waiting, samples])
        self._waiting = heard[len(samples) :]
        peak = np.abs(heard).max(axis=1).astype(np.float64)
        now = slice(self.delay, self.delay + len(samples))
        if peak.max() <= self._limit:
            return heard[now]
        gain = minimum_filter1d(self._limit / np.maximum(peak, self._limit), 2 * self._reach + 1)
        for _ in range(3):
            gain = uniform_filter1d(gain, self._third)
        return np.asarray(heard[now] * np.minimum(gain[now], 1.0)[:, None], np.float32)


class Programme:
    """A sound on its way to the loudspeaker: at the card's rate and channels, beside the tone.

    Parameters
    ----------
    from_hz, to_hz : rates of the sound and of the card.
    channels : loudspeakers, which are left, right, left, ...; one alone plays both sides, and all play the
        same where the sound has not two channels.
    carrier_hz, tone_amplitude : of the tone.
    """

    def __init__(
        self, from_hz: float, to_hz: float, channels: int, carrier_hz: float, tone_amplitude: float
    ) -> None:
        self._channels = channels
        self._resampler = Resampler(from_hz, to_hz, edge_hz(carrier_hz))
        self._limiter = Limiter(programme_peak(tone_amplitude), to_hz)
        self._silence = round(SILENCE_S * to_hz)
        # the limiter begins with a silence: so much of it is not played
        self._early = max(0, self._limiter.delay - self._silence)
        self._sides = 0

    def process(self, samples: Float32Array) -> Float32Array:
        """`(samples, channels of the sound)` in, float32 `(samples, channels)` out, as much as is whole."""
        # what a damaged file brings must not reach the loudspeaker
        sides = np.clip(np.nan_to_num(samples.astype(np.float64)), -LOUDEST, LOUDEST)
        if self._channels == 1 or sides.shape[1] != 2:
            sides = sides.mean(axis=1, keepdims=True)
        self._sides = sides.shape[1]
        return self._out(self._limiter.process(self._resampler.process(sides)))

    def flush(self) -> Float32Array:
        """The end, and a silence."""
        if not self._sides:
            return np.zeros((0, self._channels), np.float32)
        rest = self._resampler.flush(self._sides)
        silence = np.zeros((self._limiter.delay + self._silence, self._sides), np.float32)
        return self._out(self._limiter.process(np.concatenate([rest, silence])))

    def _out(self, sides: Float32Array) -> Float32Array:
        early = min(self._early, len(sides))
        self._early -= early
        return np.ascontiguousarray(sides[early:, np.arange(self._channels) % self._sides])
