"""Whole scenes: two roads to the same samples, on any number of workers, and the truth about them."""

from __future__ import annotations

import numpy as np
import pytest

from noctule.core.frames import AudioBlock
from noctule.core.settings import FeatureSettings
from noctule.dsp.downconvert import Downconverter
from noctule.simulate import render as rendering
from noctule.simulate.render import World, render
from noctule.simulate.scenes import Scene, parse_scene
from noctule.simulate.transducers import Band
from noctule.simulate.truth import instants, spans

SCENE = """
duration_s = 8
carrier_hz = 40000
seed = 3

[device]
microphones = 2

[room]
airflow_mps = 0.0

[unit]
skirt_db = -60
snr_dba = 75
noise_rise_db = 0

[electronics]
bits = 32

[[person]]
start = [3.5, 1.6]
heading_deg = 180
does = [
  { do = "walk", to = [1.4, 2.0] },
  { do = "wave_hand", for_s = 0.8 },
  { do = "walk", to = [6.5, 2.0], speed_mps = 2 },
]

[[mover]]
kind = "floor_fan"
position_m = [3.5, 3.2, 0.9]
from_s = 3

[[sound]]
kind = "second_device"
position_m = [2.0, 0.5, 1.0]
frequency_hz = 40250
level_db_spl = 40
at_s = 1
"""


def scene(**changes: object) -> Scene:
    return parse_scene(SCENE).model_copy(update=changes)


def test_both_roads_meet_in_the_front_end() -> None:
    """Rendered at baseband, or as sound that goes through the sensor's own down-converter.

    Without the fan: its hiss, as the microphones' noise, is drawn anew at each rate.
    """
    baseband = render(scene(mover=()))
    fast = np.concatenate(list(baseband))
    audio = np.concatenate(list(render(scene(mover=()), "audio")))
    assert audio.dtype == np.float32
    front = Downconverter(sample_rate_hz=96000.0, carrier_hz=40000.0, channels=2, settings=FeatureSettings())
    plan = front.plan
    block = front.process(AudioBlock(audio, 96000.0, 0))
    # the time of each sample is the middle of the low-pass, which falls between ours
    at = (np.arange(len(block.samples)) + block.first_sample + 1) * plan.decimation - 1
    place = at / 96000.0 * baseband.rate_hz - plan.latency_s * baseband.rate_hz
    inside = (place > 300) & (place < len(fast) - 300)
    slow = block.samples[inside]
    # band-limited interpolation by a shift of the spectrum
    fraction = place[inside][0] % 1.0
    hz = np.fft.fftfreq(len(fast))
    shifted = np.fft.ifft(np.fft.fft(fast, axis=0) * np.exp(2j * np.pi * hz * fraction)[:, None], axis=0)
    first = int(place[inside][0])
    ours = shifted[first : first + len(slow)]
    band = np.abs(np.fft.fftfreq(len(slow), 1 / baseband.rate_hz)) < 0.9 * plan.pass_edge_hz
    still = np.abs(np.fft.fftfreq(len(slow), 1 / baseband.rate_hz)) < 3.0
    a, b = (np.fft.fft(one * np.hanning(len(slow))[:, None], axis=0) for one in (slow, ours))
    assert 10 * np.log10((np.abs(a - b)[band] ** 2).sum() / (np.abs(a)[band] ** 2).sum()) < -60.0
    moving = band & ~still  # without the carrier: the echoes themselves
    assert 10 * np.log10((np.abs(a - b)[moving] ** 2).sum() / (np.abs(a)[moving] ** 2).sum()) < -30.0


@pytest.mark.parametrize("who", ["person", "mover"])
def test_the_tone_does_not_depend_on_the_rate(who: str) -> None:
    """A person whose foot is a little too quick for the sensor's band lost two of four ways over walls there:
    the number of ways hung on the rate a mover was rendered at."""
    world = World(scene(**{"person": (), "mover": (), who: getattr(scene(), who)}), 0.0)
    slow, fast = Band(6000.0, 1400.0, 4600.0), Band(24000.0, 9600.0, 14400.0)
    a = world.tone(slow).pressure(18000, 9000)
    b = world.tone(fast).pressure(72000, 36000)[::4]
    a, b = a - a.mean(0), b - b.mean(0)
    assert 10 * np.log10((np.abs(a - b) ** 2).sum() / (np.abs(a) ** 2).sum()) < -60.0


def test_samples_do_not_depend_on_the_number_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "PIECE", 9000)
    alone = np.concatenate(list(render(scene(), workers=1)))
    together = np.concatenate(list(render(scene(), workers=2)))
    assert len(alone) == 48000
    np.testing.assert_array_equal(alone, together)


def test_seeds_make_the_difference_and_nothing_else() -> None:
    one, same, other = (np.concatenate(list(render(scene(seed=seed)))) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-6


def test_truth_tells_who_does_what_and_where() -> None:
    records = instants(scene())
    assert len(records) == 80
    assert records[0].t == 0.0
    begins = records[5].people[0]
    assert begins.inside
    assert begins.range_m == pytest.approx(np.hypot(3.1, 0.4), abs=0.4)
    assert records[10].motion == "major"
    assert records[10].people[0].radial_mps > 0.8  # comes nearer
    assert {one.motion for one in records} >= {"major", "minor"}
    assert records[-1].people[0].radial_mps < 0.0
    assert not records[20].moving
    assert records[40].moving == ("fan",)
    assert not records[5].sounding
    assert records[20].sounding == ("second device",)
    labels = [(span.label, span.start_s) for span in spans(scene())]
    assert ("motion:fan", 3.0) in labels
    assert any(label == "person:minor" for label, _ in labels)
    assert all(span.start_s < span.stop_s <= 8.0 for span in spans(scene()))


def test_somebody_who_leaves_is_no_presence() -> None:
    text = SCENE.replace("duration_s = 8", "duration_s = 16")
    records = instants(parse_scene(text))
    assert records[0].presence
    assert not records[-1].presence
    assert records[-1].motion == "none"
    assert any(span.label == "person:outside" for span in spans(parse_scene(text)))
