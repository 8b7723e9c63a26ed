"""The real recordings, brought to complex baseband."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from scripts.reality.measures import Recording

from noctule.core.frames import AudioBlock
from noctule.core.settings import FeatureSettings
from noctule.core.units import hz_per_mps
from noctule.dsp.front_end import FrontEnd

#: 24.1 GHz radar: the same Doppler scale as a tone of 27.6 kHz.
RADAR_HZ_PER_MPS = 2 * 24.1e9 / 299792458.0


def sound(path: Path, carrier_hz: float, from_s: float = 0.0, to_s: float | None = None) -> Recording:
    """A recording with a tone, through the sensor's own front end."""
    rate_hz = soundfile.info(path).samplerate
    stop = None if to_s is None else round(to_s * rate_hz)
    samples, _ = soundfile.read(
        path, start=round(from_s * rate_hz), stop=stop, dtype="float32", always_2d=True
    )
    front = FrontEnd(
        sample_rate_hz=rate_hz, carrier_hz=carrier_hz, channels=samples.shape[1], settings=FeatureSettings()
    )
    blocks = list(front.blocks([AudioBlock(samples, rate_hz, 0)]))
    baseband = np.concatenate([block.samples for block in blocks])[:, 0].astype(np.complex128)
    return Recording(path.stem, baseband, front.baseband_rate_hz, hz_per_mps(carrier_hz))


def radar(path: Path, from_s: float = 0.0, to_s: float | None = None) -> Recording:
    """A radar's single mixer: real, so velocities have no sign."""
    samples, rate_hz = soundfile.read(path, dtype="float64")
    stop = None if to_s is None else round(to_s * rate_hz)
    cut = samples[round(from_s * rate_hz) : stop]
    return Recording(path.stem, (cut - cut.mean()).astype(complex), rate_hz, RADAR_HZ_PER_MPS, signed=False)


def radar_iq(path: Path, from_s: float = 0.0, to_s: float | None = None) -> Recording:
    """A radar with both mixers, at its second gain; offset, gain and angle of the two are made equal."""
    rate_hz = 1000.0  # as its authors assumed
    with np.load(path) as archive:
        both = archive["iq_8col"][:, [1, 5]].astype(np.float64)
    stop = None if to_s is None else round(to_s * rate_hz)
    both = both[round(from_s * rate_hz) : stop]
    both -= both.mean(0)
    white = np.linalg.solve(np.linalg.cholesky(np.cov(both.T)), both.T)
    return Recording(path.stem, white[0] + 1j * white[1], rate_hz, RADAR_HZ_PER_MPS)
