"""A calibration as a picture (SVG): what comes back, the noise, and where the tone was put."""

from __future__ import annotations

import math
from html import escape

import numpy as np

from noctule.calibrate.calibration import Calibration
from noctule.calibrate.choose import FALLBACK_HZ, ULTRASOUND_HZ

_WIDTH, _HEIGHT = 760, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 20, 56, 48
#: Steps of the grid.
_STEP_HZ, _STEP_DB = 4000.0, 20.0
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#333}.grid{stroke:#ddd}.band{fill:#eef5ee}"
    ".tone{stroke:#1769aa;fill:none;stroke-width:2}.noise{stroke:#b5651d;fill:none;stroke-width:1.5}"
    ".carrier{stroke:#b00020;stroke-width:2;stroke-dasharray:5 4}.title{font-weight:600;font-size:15px}"
)


def as_svg(found: Calibration) -> str:
    """The whole picture: level of the tone as it would come back at each frequency, and noise in 10 Hz."""
    hz = np.array(found.hz)
    tone_dbfs = np.array(found.response_db) + found.level_dbfs
    noise_dbfs = np.array(found.noise_dbfs)
    low_hz, high_hz = float(hz[0]), float(max(hz[-1], hz[0] + 1000.0))
    both = np.concatenate([tone_dbfs, noise_dbfs])
    low_db = _STEP_DB * math.floor(float(both.min()) / _STEP_DB)
    high_db = max(_STEP_DB * math.ceil(float(both.max()) / _STEP_DB), low_db + _STEP_DB)

    def x(frequency_hz: float) -> float:
        return _LEFT + (frequency_hz - low_hz) / (high_hz - low_hz) * (_WIDTH - _LEFT - _RIGHT)

    def y(level_db: float) -> float:
        return _TOP + (high_db - level_db) / (high_db - low_db) * (_HEIGHT - _TOP - _BOTTOM)

    def curve(values: np.ndarray, name: str) -> str:
        points = " ".join(f"{x(f):.1f},{y(v):.1f}" for f, v in zip(hz, values, strict=True))
        return f'<polyline class="{name}" points="{points}"/>'

    parts = []
    for start_hz, stop_hz in ((FALLBACK_HZ[0], FALLBACK_HZ[1]), (ULTRASOUND_HZ, high_hz)):
        start_hz, stop_hz = max(start_hz, low_hz), min(stop_hz, high_hz)
        if stop_hz > start_hz:
            parts.append(
                f'<rect class="band" x="{x(start_hz):.1f}" y="{_TOP}" width="{x(stop_hz) - x(start_hz):.1f}" '
                f'height="{_HEIGHT - _TOP - _BOTTOM}"/>'
            )
    parts += [
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(level_db):.1f}" '
        f'y2="{y(level_db):.1f}"/><text x="{_LEFT - 8}" y="{y(level_db) + 4:.1f}" '
        f'text-anchor="end">{level_db:.0f}</text>'
        for level_db in np.arange(low_db, high_db + 1.0, _STEP_DB)
    ]
    parts += [
        f'<text x="{x(frequency_hz):.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">'
        f"{frequency_hz / 1000.0:g}</text>"
        for frequency_hz in np.arange(np.ceil(low_hz / _STEP_HZ) * _STEP_HZ, high_hz + 1.0, _STEP_HZ)
    ]
    at = x(found.carrier_hz)
    side = "end" if at > _WIDTH * 0.7 else "start"
    shift = -8 if side == "end" else 8
    end = max(1, len(hz) // 6)  # names stand over the ends of their curves
    tone_at, noise_at = (float(values[-end:].max()) for values in (tone_dbfs, noise_dbfs))
    parts += [
        curve(noise_dbfs, "noise"),
        curve(tone_dbfs, "tone"),
        f'<line class="carrier" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>',
        f'<text x="{at + shift:.1f}" y="{_TOP + 16}" text-anchor="{side}">'
        f"{found.carrier_hz / 1000.0:g} kHz, {found.carrier_snr_db:.0f} dB</text>",
        f'<text x="{_WIDTH - _RIGHT - 6}" y="{y(tone_at) - 8:.1f}" text-anchor="end">the tone</text>',
        f'<text x="{_WIDTH - _RIGHT - 6}" y="{y(noise_at) - 8:.1f}" text-anchor="end">noise in 10 Hz</text>',
        f'<text x="{_LEFT}" y="20" class="title">{escape(_title(found))}</text>',
        f'<text x="{_LEFT}" y="40">dBFS at the microphones; shaded: where the tone may be</text>',
        f'<text x="{_WIDTH / 2:.0f}" y="{_HEIGHT - 10}" text-anchor="middle">kHz</text>',
    ]
    body = "".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">'
        f'<style>{_STYLE}</style><rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>{body}</svg>'
    )


def _title(found: Calibration) -> str:
    return f"Walks to {found.walk_range_m:.1f} m, small motions to {found.small_range_m:.1f} m"
