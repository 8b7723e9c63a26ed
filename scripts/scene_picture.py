"""Draw a scene as its first microphone hears it, velocity over time, with the truth below.

`python -m scripts.scene_picture scenes/walk_in.toml walk_in.png`
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from noctule.core.units import hz_per_mps
from noctule.simulate.parts import FloatArray
from noctule.simulate.render import render
from noctule.simulate.scenes import Scene, read_scene
from noctule.simulate.truth import Span, spans

#: A window tells velocities so far apart, in metres a second; what is shown of them.
STEP_MPS, HIGHEST_MPS = 0.06, 3.0
#: Over the median of what is fast: black to here, brightest from there.
QUIET_DB, LOUD_DB = 6.0, 46.0
COLOURS = {
    "person:major": "tab:red",
    "person:minor": "tab:orange",
    "person:still": "tab:green",
    "person:outside": "whitesmoke",
}
OTHER = "tab:gray"

#: From, to, colour.
Bar = tuple[float, float, str]


def draw_scene_picture(scene: Scene, out: Path) -> None:
    """Write a PNG: a spectrogram in dB over its own noise, and a bar for each thing of the truth."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = _rows(scene)
    figure, (upper, lower) = pyplot.subplots(
        2, 1, figsize=(11, 4.2 + 0.25 * len(rows)), sharex=True, layout="constrained",
        height_ratios=(10, 0.8 * len(rows) + 0.4),
    )  # fmt: skip
    image = _draw_spectrogram(upper, scene)
    figure.colorbar(image, ax=upper, label="dB over noise", pad=0.01, extend="both")
    _draw_truth(lower, rows)
    lower.set_xlim(0, scene.duration_s)
    if scene.person:
        figure.legend(*_legend(rows), loc="outside lower center", ncols=4, fontsize=9)
    figure.savefig(out, dpi=90, pil_kwargs={"optimize": True})
    pyplot.close(figure)


def _draw_spectrogram(axis: Any, scene: Scene) -> Any:
    time_s, velocity_mps, power_db = _spectrogram(scene)
    power_db -= np.median(power_db[:, np.abs(velocity_mps) > 0.75 * HIGHEST_MPS])
    axis.set_ylabel("velocity, m/s\n(+ comes nearer)")
    return axis.pcolormesh(
        time_s, velocity_mps, power_db.T, vmin=QUIET_DB, vmax=LOUD_DB, cmap="magma", rasterized=True
    )


def _spectrogram(scene: Scene) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(times,), (velocities,), and dB (times, velocities)."""
    rendered = render(scene)
    samples = np.concatenate([piece[:, 0] for piece in rendered])
    scale = hz_per_mps(scene.carrier_hz)
    size = round(2.0 * rendered.rate_hz / (STEP_MPS * scale))
    starts = np.arange(0, len(samples) - size, size // 4)
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[starts]
    power = np.abs(np.fft.fftshift(np.fft.fft(frames * np.hanning(size), axis=1), axes=1)) ** 2
    velocity = np.fft.fftshift(np.fft.fftfreq(size, 1.0 / rendered.rate_hz)) / scale
    shown = np.abs(velocity) <= HIGHEST_MPS
    middle_s = (starts + size / 2) / rendered.rate_hz
    return np.asarray(middle_s, float), velocity[shown], 10.0 * np.log10(power[:, shown] + 1e-20)


def _rows(scene: Scene) -> dict[str, list[Bar]]:
    """Each person and thing: when it does what."""
    rows: dict[str, list[Bar]] = {}
    for span in spans(scene):
        rows.setdefault(_name(span), []).append((span.start_s, span.stop_s, COLOURS.get(span.label, OTHER)))
    return rows


def _name(span: Span) -> str:
    kind, _, what = span.label.partition(":")
    if kind == "person":
        return span.comment.rsplit(",", 1)[0]
    return f"{what}, heard" if kind == "sound" else what or kind


def _draw_truth(axis: Any, rows: dict[str, list[Bar]]) -> None:
    for row, bars in enumerate(rows.values()):
        for start_s, stop_s, colour in bars:
            axis.barh(row, stop_s - start_s, left=start_s, color=colour, height=0.7)
    axis.set_yticks(range(len(rows)), list(rows))
    axis.invert_yaxis()
    axis.set_xlabel("time, s")


def _legend(rows: dict[str, list[Bar]]) -> tuple[list[Any], list[str]]:
    """Patches and words for what people do."""
    from matplotlib.patches import Patch

    drawn = {colour for bars in rows.values() for *_, colour in bars}
    named = {colour: label.removeprefix("person:") for label, colour in COLOURS.items() if colour in drawn}
    return [Patch(facecolor=colour, edgecolor="lightgray") for colour in named], list(named.values())


if __name__ == "__main__":
    draw_scene_picture(read_scene(sys.argv[1]), Path(sys.argv[2]))
