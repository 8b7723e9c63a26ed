"""The slow road: a scene's tone at full rate, sample by sample, from the definition.

Every echo is a cosine whose delay is solved for from the mover's own positions; nothing is interpolated from
the fast road's knots, and the baseband comes from the sensor's own front end.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

from noctule.core.frames import AudioBlock
from noctule.core.settings import FeatureSettings
from noctule.dsp.downconvert import Downconverter
from noctule.simulate.clutter import aimed
from noctule.simulate.parts import FloatArray, Mover
from noctule.simulate.propagate import Ends
from noctule.simulate.transducers import Transducers

#: The mover is asked this often; a spline through these is good to nanometres for anything in a room.
DENSE_HZ = 6000.0


def passband(
    mover: Mover,
    ends: Ends,
    pairs: npt.NDArray[np.int64],
    place: Transducers,
    *,
    carrier_hz: float,
    speed_mps: float,
    nepers: float,
    sample_rate_hz: float,
    first_s: float,
    count: int,
) -> FloatArray:
    """Pressure `(count, microphones)` of a mover's echoes at receive times first_s + n / sample_rate_hz."""
    time_s = first_s + np.arange(count) / sample_rate_hz
    dense_s = np.arange(first_s - 0.15, time_s[-1] + 0.01, 1.0 / DENSE_HZ)
    seen = mover.scatterers(dense_s, place.middle_m)
    out = np.zeros((count, ends.microphone_m.shape[1]))
    for p in range(seen.strength.shape[1]):
        where = CubicSpline(dense_s, seen.position_m[:, p])
        strength = CubicSpline(dense_s, seen.strength[:, p])
        for j in range(len(ends.microphone_m)):
            for m in range(out.shape[1]):
                left_s = _emission(where, ends.microphone_m[j, m], time_s, speed_mps)
                point = where(left_s)
                back = np.linalg.norm(point - ends.microphone_m[j, m], axis=-1)
                for i in pairs[pairs[:, 1] == j, 0]:
                    way = point - ends.source_m[i]
                    out_m = np.linalg.norm(way, axis=-1)
                    gain = strength(left_s) * ends.source_gain[i] * ends.mirror_gain[j]
                    gain *= aimed(way @ ends.source_axis[i] / out_m, place.directivity)
                    gain *= np.exp(-nepers * (out_m + back)) / (out_m * back)
                    sent_s = left_s - out_m / speed_mps
                    out[:, m] += gain * np.cos(2 * np.pi * carrier_hz * sent_s)
    return out


def _emission(where: CubicSpline, end: FloatArray, time_s: FloatArray, speed_mps: float) -> FloatArray:
    """When what is heard at `time_s` left the point."""
    left_s = time_s
    for _ in range(8):
        left_s = time_s - np.linalg.norm(where(left_s) - end, axis=-1) / speed_mps
    return left_s


def baseband(
    pressure: FloatArray, sample_rate_hz: float, carrier_hz: float, first_s: float
) -> tuple[npt.NDArray[np.complex128], float]:
    """Through the sensor's front end: samples with the carrier's phase at time 0, and the time of the first.

    A sample's time is the middle of the low-pass that made it. The front end gives half a cosine's amplitude.
    """
    front = Downconverter(
        sample_rate_hz=sample_rate_hz,
        carrier_hz=carrier_hz,
        channels=pressure.shape[1],
        settings=FeatureSettings(),
    )
    block = front.process(AudioBlock(pressure.astype(np.float32), sample_rate_hz, 0))
    newest = (block.first_sample + 1) * front.plan.decimation - 1
    at_s = first_s + newest / sample_rate_hz - front.plan.latency_s
    return 2.0 * block.samples * np.exp(-2j * np.pi * carrier_hz * first_s), at_s
