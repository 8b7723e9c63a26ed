"""What is measured of a recording, real or simulated alike: pictures in velocity, a handful of figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

ComplexArray = npt.NDArray[np.complex128]
FloatArray = npt.NDArray[np.float64]

#: Window of a spectrum; slower than this is the carrier and what stands still, for a window of that length.
WINDOW_S, STILL_MPS = 0.1, 0.2
#: Nobody's leg is faster.
HIGHEST_MPS = 6.0
#: What stands out so far over a bin's noise is an echo: noise alone does so in one bin of 20 000.
LINE_OVER_NOISE = 10.0
SKIRT_HZ = ((5.0, 20.0), (20.0, 50.0), (50.0, 200.0), (200.0, 500.0))


@dataclass(frozen=True, slots=True)
class Recording:
    """Complex baseband around a carrier, one channel.

    hz_per_mps : Doppler shift of 1 m/s towards the sensor.
    signed : whether the sign of the velocity is in it; a single mixer's output has none.
    """

    name: str
    samples: ComplexArray
    rate_hz: float
    hz_per_mps: float
    signed: bool = True


@dataclass(frozen=True, slots=True)
class Picture:
    """power_db : (times, velocities), dB re the carrier's line, or re the strongest where it is cut."""

    time_s: FloatArray
    velocity_mps: FloatArray
    power_db: FloatArray


@dataclass(frozen=True, slots=True)
class Figures:
    """What a walk looks like in numbers; NaN where a recording does not tell.

    echo_db : power of everything quick enough to count against the carrier, median of the moving frames.
    trunk_mps : the strongest velocity, median of the moving frames.
    extent_mps : 99 % of a frame's moving power is slower; upper quartile of the moving frames.
    width_mps : 80 % of it lies within a band so wide, median of the moving frames.
    one_sided_db : power of the stronger sign of velocity against the other's, median of the moving frames.
    cadence_hz : how often the limbs' share comes back.
    """

    moving_share: float
    echo_db: float
    trunk_mps: float
    extent_mps: float
    width_mps: float
    one_sided_db: float
    cadence_hz: float


def picture(recording: Recording, window_s: float = WINDOW_S, hops: int = 8) -> Picture:
    """Spectrogram with a Hann window, in velocity."""
    size = round(window_s * recording.rate_hz)
    hop = max(1, size // hops)
    starts = np.arange(0, len(recording.samples) - size, hop)
    window = np.hanning(size)
    frames = np.lib.stride_tricks.sliding_window_view(recording.samples, size)[starts] * window
    power = np.abs(np.fft.fftshift(np.fft.fft(frames, axis=1), axes=1)) ** 2 / window.sum() ** 2
    hz = np.asarray(np.fft.fftshift(np.fft.fftfreq(size, 1 / recording.rate_hz)), np.float64)
    velocity = hz / recording.hz_per_mps
    kept = np.abs(velocity) <= HIGHEST_MPS
    power, velocity = power[:, kept], velocity[kept]
    carrier = power[:, np.abs(velocity) < STILL_MPS].sum(1).max() if recording.signed else power.max()
    return Picture(
        np.asarray((starts + size / 2) / recording.rate_hz, np.float64),
        np.asarray(velocity, np.float64),
        np.asarray(10 * np.log10(power / carrier + 1e-20), np.float64),
    )


def figures(recording: Recording, slowest_mps: float = STILL_MPS) -> Figures:
    """`slowest_mps` leaves out whoever else moves in a recording of something quick."""
    seen = picture(recording)
    power = 10 ** (seen.power_db / 10)
    fast = np.abs(seen.velocity_mps) >= slowest_mps
    speed, towards = np.abs(seen.velocity_mps[fast]), seen.velocity_mps[fast] > 0
    # the quietest tenth of noise lies 9.8 dB under its mean
    noise = np.quantile(power[:, fast], 0.1, axis=0) * -1.0 / np.log(0.9)
    moved = np.where(power[:, fast] > LINE_OVER_NOISE * noise, power[:, fast], 0.0)
    total = moved.sum(1)
    moving = total > max(np.median(total) / 30, 1e-30)
    moved, total = moved[moving], total[moving]
    sides = 10 * np.log10(
        np.maximum(moved[:, towards].sum(1), 1e-15) / np.maximum(moved[:, ~towards].sum(1), 1e-15)
    )
    return Figures(
        moving_share=float(moving.mean()),
        echo_db=float(10 * np.log10(np.median(total))) if recording.signed else float("nan"),
        trunk_mps=float(np.median(speed[np.argmax(moved, axis=1)])),
        extent_mps=float(np.quantile([_below(row, speed, 0.99) for row in moved], 0.75)),
        width_mps=float(np.median([_below(row, speed, 0.9) - _below(row, speed, 0.1) for row in moved])),
        one_sided_db=float(np.median(np.abs(np.clip(sides, -40, 40)))) if recording.signed else float("nan"),
        cadence_hz=_cadence(seen, power, speed, fast),
    )


def _below(power: FloatArray, speed: FloatArray, share: float) -> float:
    """The speed under which that share of the power lies."""
    order = np.argsort(speed)
    running = np.cumsum(power[order])
    return float(speed[order][min(np.searchsorted(running, share * running[-1]), len(order) - 1)])


def _cadence(seen: Picture, power: FloatArray, speed: FloatArray, fast: npt.NDArray[np.bool_]) -> float:
    """The strongest period of the mean speed of what moves, between 0.8 and 3 Hz."""
    moved = power[:, fast]
    mean_speed = (moved * speed).sum(1) / np.maximum(moved.sum(1), 1e-30)
    mean_speed -= np.convolve(mean_speed, np.ones(81) / 81, "same")
    step_s = float(np.diff(seen.time_s).mean())
    size = 8 * len(mean_speed)
    spectrum = np.abs(np.fft.rfft(mean_speed * np.hanning(len(mean_speed)), size)) ** 2
    hz = np.fft.rfftfreq(size, step_s)
    band = (hz >= 0.8) & (hz <= 3.0)
    return float(hz[band][np.argmax(spectrum[band])])


def skirt_dbc_per_hz(recording: Recording) -> list[float]:
    """Power beside the carrier, dBc/Hz, both sides' mean in each of `SKIRT_HZ`."""
    size = round(0.5 * recording.rate_hz)
    window = np.blackman(size)
    starts = np.arange(0, len(recording.samples) - size + 1, size // 4)
    spectra = [np.abs(np.fft.fft(recording.samples[start : start + size] * window)) ** 2 for start in starts]
    power = np.mean(spectra, axis=0)
    hz = np.fft.fftfreq(size, 1 / recording.rate_hz)
    bandwidth_hz = recording.rate_hz * (window**2).sum() / window.sum() ** 2
    line = power[np.abs(hz) < 3.0 / 0.5].max()
    density = power / line / bandwidth_hz
    return [
        float(10 * np.log10(density[(np.abs(hz) >= low) & (np.abs(hz) < high)].mean()))
        for low, high in SKIRT_HZ
    ]
