"""What room for the tone costs the music that plays beside it.

    python -m benchmarks.headroom PIECE [PIECE ...]

Each piece (any sound file) is brought to full scale, once as it is and once mastered loud: turned up and its
peaks cut off until its rms is -9 dBFS, as pop is. Then it is played beside tones of several levels. Lost is
what its rms loses by that; told is also the highest sample of tone and music together.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import soundfile
from rich.console import Console
from rich.table import Table

from noctule.core.frames import Float32Array
from noctule.core.units import amplitude_to_db, db_to_amplitude
from noctule.emit import tone_table
from noctule.emit.headroom import Programme, edge_hz
from noctule.emit.resample import Resampler

CARD_HZ, CARRIER_HZ = 96_000, 40_000
TONES_DBFS = (-20.0, -12.0, -6.0)
LOUD_RMS_DBFS = -9.0
#: Of each piece, from its middle.
EXCERPT_S = 30.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("pieces", nargs="+", type=Path)
    table = Table(
        "piece", "rms, dBFS", "tone, dBFS", "lost, dB", "highest sample together", title="head-room"
    )
    rows: dict[tuple[str, float], list[float]] = {}
    for path in parser.parse_args().pieces:
        samples, rate_hz = excerpt(path)
        for mastered, sound in (("as it is", samples), ("loud", loud(samples))):
            alone = resampled(sound, rate_hz)
            for tone_dbfs in TONES_DBFS:
                played = beside(sound, rate_hz, tone_dbfs)
                lost_db = energy_db(alone) - energy_db(played)
                tone = np.resize(db_to_amplitude(tone_dbfs) * tone_table(CARRIER_HZ, CARD_HZ), len(played))
                highest = np.abs(played + tone[:, None]).max()
                level = f"{amplitude_to_db(rms(sound)):.1f}"
                table.add_row(
                    f"{path.name}, {mastered}", level, f"{tone_dbfs:g}", f"{lost_db:.2f}", f"{highest:.3f}"
                )
                rows.setdefault((mastered, tone_dbfs), []).append(lost_db)
    console = Console(width=120)
    console.print(table)
    for (mastered, tone_dbfs), lost in rows.items():
        console.print(
            f"{mastered}, tone at {tone_dbfs:g} dBFS: {np.mean(lost):.1f} dB lost "
            f"({min(lost):.1f} to {max(lost):.1f}, {len(lost)} pieces)"
        )


def excerpt(path: Path) -> tuple[Float32Array, int]:
    """The middle of a piece at full scale."""
    with soundfile.SoundFile(path) as file:
        count = round(EXCERPT_S * file.samplerate)
        file.seek(max(0, (file.frames - count) // 2))
        samples = file.read(count, dtype="float32", always_2d=True)
        return samples / np.abs(samples).max(), file.samplerate


def loud(samples: Float32Array) -> Float32Array:
    """Turned up and cut off until it is as loud as pop."""
    gain = 1.0
    while rms(cut := np.clip(gain * samples, -1.0, 1.0)) < db_to_amplitude(LOUD_RMS_DBFS):
        gain *= 1.05
    return np.asarray(cut, np.float32)


def resampled(samples: Float32Array, rate_hz: int) -> Float32Array:
    """What the card would get without a limiter."""
    resampler = Resampler(rate_hz, CARD_HZ, edge_hz(CARRIER_HZ))
    return np.concatenate([resampler.process(samples), resampler.flush(samples.shape[1])])


def beside(samples: Float32Array, rate_hz: int, tone_dbfs: float) -> Float32Array:
    """What the card gets beside a tone."""
    programme = Programme(rate_hz, CARD_HZ, 2, CARRIER_HZ, db_to_amplitude(tone_dbfs))
    pieces = [programme.process(samples[at : at + 8192]) for at in range(0, len(samples), 8192)]
    return np.concatenate([*pieces, programme.flush()])


def rms(samples: Float32Array) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))


def energy_db(samples: Float32Array) -> float:
    """Of the whole piece, so that silences before and after do not count."""
    return 10.0 * float(np.log10(np.sum(np.mean(samples.astype(np.float64) ** 2, axis=1))))


if __name__ == "__main__":
    main()
