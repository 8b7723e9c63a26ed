"""The same work done the plain way: mix at the full rate, low-pass, drop samples, short-time spectrum.

SciPy as one would write it down first; same filter, same decimation, same window and hop. It ends where
the chain's third stage ends: no floors, no faults, no decision.
"""

from __future__ import annotations

import time

import numpy as np
from scipy.signal import ShortTimeFFT, lfilter

from benchmarks.stages import BLOCK_S, Run
from noctule.core.frames import Float32Array
from noctule.core.settings import Settings
from noctule.dsp.doppler import DopplerSpectrum
from noctule.dsp.downconvert import plan_decimation


def run_plain(samples: Float32Array, sample_rate_hz: float, carrier_hz: float) -> Run:
    """Once through a recording, in the same blocks."""
    start_s, start_cpu_s = time.perf_counter(), time.process_time()
    spectrum(samples, sample_rate_hz, carrier_hz)
    return Run(time.perf_counter() - start_s, time.process_time() - start_cpu_s)


def spectrum(samples: Float32Array, sample_rate_hz: float, carrier_hz: float) -> Float32Array:
    """Doppler power `(frames, bins, channels)` of a whole recording."""
    settings = Settings().features
    plan = plan_decimation(sample_rate_hz, carrier_hz, settings)
    shape = DopplerSpectrum(baseband_rate_hz=plan.baseband_rate_hz, carrier_hz=carrier_hz, settings=settings)
    size, turn = round(BLOCK_S * sample_rate_hz), -2j * np.pi * carrier_hz / sample_rate_hz
    state = np.zeros((len(plan.taps) - 1, samples.shape[1]), np.complex64)
    parts = []
    for first in range(0, len(samples), size):
        block = samples[first : first + size]
        mixer = np.exp(turn * np.arange(first, first + len(block))).astype(np.complex64)
        low, state = lfilter(plan.taps, np.float32(1.0), block * mixer[:, None], axis=0, zi=state)
        parts.append(low[-first % plan.decimation :: plan.decimation])
    stft = ShortTimeFFT(
        np.hanning(shape.window_samples),
        shape.hop_samples,
        plan.baseband_rate_hz,
        fft_mode="twosided",
        mfft=shape.fft_size,
    )
    power: Float32Array = stft.spectrogram(np.concatenate(parts), axis=0)
    return power
