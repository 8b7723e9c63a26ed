"""Levels of known tones and the noise around them, from one second of sound."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from noctule.core.frames import Float32Array

FloatArray = npt.NDArray[np.float64]

#: Noise is always given in this bandwidth, as for the carrier of the running sensor.
NOISE_BANDWIDTH_HZ = 10.0
#: Play and record clocks of two cards differ by up to 100 ppm each.
CLOCK_PPM = 300.0


def power_spectrum(sound: Float32Array) -> FloatArray:
    window = np.hanning(len(sound) + 1)[:-1, None]
    spectrum = np.abs(np.fft.rfft(sound * window, axis=0)) ** 2
    # Hann: the bins around a sine hold 3/8·N²·(a/2)² together.
    return np.asarray(spectrum * (4.0 / (0.375 * len(sound) ** 2)))


def level_at(power: FloatArray, frequency_hz: FloatArray) -> FloatArray:
    """Level of a sine at each frequency, `(frequencies, microphones)`: Hann spreads it over 5 bins."""
    middle = np.round(frequency_hz).astype(int)
    return to_db(np.array([power[k - 2 : k + 3].sum(axis=0) for k in middle]))


def noise_around(power: FloatArray, tone_hz: FloatArray) -> FloatArray:
    """Noise in 10 Hz around each tone, `(tones, microphones)`."""
    ours = np.zeros(len(power), bool)
    for hz in tone_hz:
        reach = 6 + int(hz * CLOCK_PPM * 1e-6)
        ours[int(hz) - reach : int(hz) + reach + 1] = True
    noise = np.zeros((len(tone_hz), power.shape[1]))
    for i, hz in enumerate(tone_hz.astype(int)):
        around = slice(hz - 200, hz + 201)
        # The median of an exponential distribution is ln 2 of its mean; a Hann bin of 1 Hz takes
        # in 1.5 Hz, and the scaling for sines has already divided by that.
        noise[i] = np.median(power[around][~ours[around]], axis=0) / np.log(2.0) * NOISE_BANDWIDTH_HZ
    return to_db(noise)


def to_db(power: FloatArray) -> FloatArray:
    return np.asarray(10.0 * np.log10(power + 1e-20))


def measure_clock_ppm(power: FloatArray, tone_hz: FloatArray) -> float:
    """How much faster the recording clock runs: all tones come back lower by the same part."""
    total = power.sum(axis=1) + 1e-30  # digital silence must not divide by zero
    ppm, level = [], []
    for hz in tone_hz.astype(int):
        reach = 2 + int(hz * CLOCK_PPM * 1e-6)
        low = hz - reach
        peak = low + int(total[low : hz + reach + 1].argmax())
        bins = np.arange(peak - 2, peak + 3)
        level.append(total[bins].sum())
        ppm.append((hz / (bins * total[bins] / level[-1]).sum() - 1.0) * 1e6)
    # The weak ones may be noise, or a product of others near by.
    strongest = np.argsort(level)[len(level) // 2 :]
    return round(float(np.median(np.array(ppm)[strongest])), 1)
