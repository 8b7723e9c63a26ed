"""Spectrograms side by side: on the left what was recorded, on the right what was simulated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scripts.reality.measures import Picture, Recording, picture

#: From the brightest line down to this everything is drawn.
DEPTH_DB = 70.0


def side_by_side(real: Recording, simulated: Recording, title: str, out: Path, highest_mps: float) -> None:
    """Write a PNG with one spectrogram of each, to the same scales."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(11, 3.6), sharey=True, layout="constrained")
    seconds = min(len(one.samples) / one.rate_hz for one in (real, simulated))
    for axis, recording, kind in zip(axes, (real, simulated), ("recorded", "simulated"), strict=True):
        seen = _shown(picture(recording), highest_mps, recording.signed, seconds)
        image = axis.pcolormesh(
            seen.time_s,
            seen.velocity_mps,
            seen.power_db.T,
            vmin=-DEPTH_DB,
            vmax=0,
            cmap="magma",
            rasterized=True,
        )
        axis.set_title(f"{title}: {kind}", fontsize=10)
        axis.set_xlabel("time, s")
    axes[0].set_ylabel("velocity, m/s" + (" (+ nearer)" if real.signed else ""))
    figure.colorbar(image, ax=axes, label="dB re strongest", pad=0.01)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=80, pil_kwargs={"optimize": True})
    pyplot.close(figure)


def _shown(seen: Picture, highest_mps: float, signed: bool, seconds: float) -> Picture:
    kept = np.abs(seen.velocity_mps) <= highest_mps
    if not signed:
        kept &= seen.velocity_mps >= 0
    early = seen.time_s <= seconds
    power_db = seen.power_db[early][:, kept]
    return Picture(seen.time_s[early], seen.velocity_mps[kept], power_db - power_db.max())
