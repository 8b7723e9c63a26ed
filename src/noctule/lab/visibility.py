"""How plainly a scene's people show in what the sensor heard: which frames a network can be asked about.

Whoever moves behind a cupboard, or ten metres away under a weak tone, moves all the same; but nothing can be
learnt from frames that do not show it, and a network that is punished for them learns to be careful where it
need not be. So the people's echo is rendered once more, alone and at one microphone, and compared with what
was heard: the deflection of `lab.limit`'s detector of power, without its exact statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d

from noctule.core.frames import BasebandBlock
from noctule.core.settings import FeatureSettings
from noctule.dsp.doppler import DopplerSpectrum
from noctule.dsp.downconvert import plan_decimation
from noctule.lab.features import Stretch
from noctule.lab.limit import LOOK_S, SLOWEST_MPS, margin_db
from noctule.simulate.render import PIECE, World
from noctule.simulate.scenes import Scene
from noctule.simulate.transducers import Band

FloatArray = npt.NDArray[np.float64]

#: What else is heard at a velocity is averaged over so long, before and after.
_AROUND_S = 1.5
#: What is heard is averaged over so many frames where it bounds the echo.
_SMOOTH = 5
#: Neighbouring cells of the grid share the window's main lobe: so many make a new look.
_CELLS_A_LOOK = 1.5
#: Windows of Hann are new looks from half their length on.
_NEW_FROM = 0.5
#: The carrier's SNR is against the noise in so many Hz.
_SNR_HZ = 10.0


def margins_db(scene: Scene, stretches: Sequence[Stretch]) -> list[FloatArray]:
    """Over where half would be found by their power, at one false alarm in ten thousand seconds.

    Gives for each stretch (frames,) the margin of the second around each frame; -99 where nobody shows.
    """
    if not scene.person:
        return [np.full(len(one.features), -99.0) for one in stretches]
    echo = _echo(scene)
    return [_of_stretch(scene, echo, one) for one in stretches]


def _echo(scene: Scene) -> BasebandBlock:
    """The people alone at the first microphone that hears, as the sensor's baseband has them."""
    unit = scene.unit
    alone = scene.model_copy(update={"mover": (), "sound": (), "programme": None})
    plan = plan_decimation(scene.sample_rate_hz, scene.carrier_hz, FeatureSettings())
    world = World(alone, scene.carrier_hz)
    places_m = world.transducers.microphones_m
    hears = [m for m in range(len(places_m)) if m not in (*unit.dead, *unit.covered)][:1] or [0]
    world.transducers = replace(world.transducers, microphones_m=places_m[hears])
    field = world.tone(Band(plan.baseband_rate_hz, plan.pass_edge_hz, plan.stop_edge_hz))
    count = int(scene.duration_s * plan.baseband_rate_hz)
    pieces = [field.moving(first, min(PIECE, count - first)) for first in range(0, count, PIECE)]
    # a cosine of amplitude A is A/2 in the baseband
    gain = 0.5 * 10.0 ** (scene.electronics.gain_db / 20.0) * unit.loudspeaker_gain(scene.carrier_hz)
    gain = gain * unit.microphone(hears[0], np.array([scene.carrier_hz]))[0]
    return BasebandBlock(
        np.concatenate(pieces) * np.complex64(gain), plan.baseband_rate_hz, scene.carrier_hz, 0
    )


def _of_stretch(scene: Scene, echo: BasebandBlock, stretch: Stretch) -> FloatArray:
    features, rate_hz = stretch.features, echo.sample_rate_hz
    doppler = DopplerSpectrum(
        baseband_rate_hz=rate_hz, carrier_hz=scene.carrier_hz, settings=FeatureSettings()
    )
    block = replace(echo, samples=np.ascontiguousarray(echo.samples[round(stretch.started_s * rate_hz) :]))
    rows = [doppler.on_grid(power, [1.0]) for spectra in doppler.process(block) for power in spectra.power]
    count = len(features)
    signal = np.zeros((count, len(features.velocity_mps)))
    shown = min(count, len(rows))  # what was lost in the sound card is not made up for here
    if shown:
        signal[:shown] = np.array(rows[:shown])
    noise_dbfs = features.carrier_level_dbfs.astype(np.float64) - features.carrier_snr_db
    noise = 0.25 * rate_hz / _SNR_HZ * 10.0 ** (0.1 * noise_dbfs)  # variance of the baseband
    signal /= np.maximum(noise, 1e-30)[:, None] * stretch.floor
    heard = 10.0 ** (0.1 * features.clean_power_db.astype(np.float64))
    # what music or a fan hides, and what is taken off with it, is not seen
    signal = np.minimum(signal, uniform_filter1d(heard, _SMOOTH, axis=0, mode="nearest"))
    around = 2 * round(_AROUND_S / FeatureSettings().hop_s) + 1
    other = uniform_filter1d(np.maximum(heard - signal - 1.0, 0.0), around, axis=0, mode="nearest")
    usable = features.valid_bins & (np.abs(features.velocity_mps) >= SLOWEST_MPS)
    cells = np.square(signal / (1.0 + other))[:, usable].sum(1)
    microphones = len(scene.device.transducers(scene.carrier_hz).microphones_m)
    hop_s = doppler.hop_samples / rate_hz
    new = min(1.0, hop_s * rate_hz / (_NEW_FROM * doppler.window_samples)) / _CELLS_A_LOOK
    look = max(1, round(LOOK_S / hop_s))
    seconds = look * uniform_filter1d(cells, look, mode="constant") * (new * microphones)
    return margin_db(seconds)
