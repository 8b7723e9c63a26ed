"""Recordings: level, place in time, pitch, and files that cannot be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from pydantic import ValidationError

from noctule.simulate.ambient.recordings import Recording
from noctule.simulate.parts import pressure_pa

HERE = (1.0, 1.0, 1.0)


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "a.wav", 0.1 * np.sin(2 * np.pi * 30000 * np.arange(125000) / 250000), 250000)
    return tmp_path / "a.wav"


@pytest.mark.parametrize("loop", [False, True])
def test_level_pitch_and_pieces(tone: Path, loop: bool, rng: np.random.Generator) -> None:
    sound = Recording(position_m=HERE, file=tone, level_db_spl=60.0, at_s=0.25, loop=loop).sound(rng)
    wave = sound.waveform(96000.0, 0, 120000)
    middle = wave[33600:62400]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(pressure_pa(60.0), rel=0.03)
    assert np.argmax(np.abs(np.fft.rfft(middle))) == 9000
    np.testing.assert_allclose(sound.waveform(96000.0, 40001, 777), wave[40001:40778], atol=1e-12)
    assert not np.any(wave[:24000])
    assert np.any(wave[73000:]) == loop
    assert np.max(np.abs(sound.waveform(48000.0, 20000, 5000))) < 1e-3 * pressure_pa(60.0)  # does not fold


def test_a_wall_filters(tone: Path, rng: np.random.Generator) -> None:
    near, far = (
        Recording(position_m=HERE, file=tone, through=wall).sound(rng).waveform(96000.0, 9600, 9600)
        for wall in ("air", "drywall")
    )
    assert 20 * np.log10(near.std() / far.std()) == pytest.approx(45.0, abs=1.5)


def test_bad_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "noise.wav").write_bytes(b"not sound at all")
    soundfile.write(tmp_path / "zero.wav", np.zeros(9600), 96000)
    for name in ("none.wav", "noise.wav", "zero.wav"):
        with pytest.raises(ValidationError, match=name):
            Recording(position_m=HERE, file=tmp_path / name)


def test_real_ones(shared_data: Path, rng: np.random.Generator) -> None:
    for file in sorted((shared_data / "ultrasonic_background_192k_plus").glob("*.flac")):
        sound = Recording(position_m=HERE, file=file).sound(rng)
        wave = sound.waveform(192000.0, 20000, 9600)
        assert np.all(np.isfinite(wave))
        assert np.any(wave)
