"""How a walker's joints move: Boulic, Thalmann & Thalmann, "A global human walking model with real time
kinematic personification", The Visual Computer 6 (1990).

Angles over the phase of a cycle (two steps) pass through a few extremes; their sizes depend on the speed
relative to the height of the hips. Two things differ from the paper: the hips swing as far as the step needs,
and the pelvis is carried by the leg that stands, so feet hardly slide and never sink in.
"""

from __future__ import annotations

import numpy as np

from noctule.simulate import posture
from noctule.simulate.body import Body
from noctule.simulate.parts import FloatArray
from noctule.simulate.pose import JOINT
from noctule.simulate.posture import ANGLE

_HARMONICS = 8
_DEGREE = np.pi / 180.0


def cycle_rate_hz(body: Body, speed_mps: FloatArray) -> FloatArray:
    """Cycles a second: length of a cycle 1.346·sqrt(v/h) hip heights h (Boulic, relative cycle length)."""
    hips_m = body.standing_pelvis_m
    return np.asarray(np.sqrt(np.maximum(speed_mps, 0.0) / hips_m) / 1.346)


def _waves(phases: tuple[float, ...]) -> FloatArray:
    """A wave for each extreme, 1 there and 0 at the others, as Fourier series (extremes, coefficients)."""
    grid = np.arange(512) / 512
    found = []
    ends = [*phases, phases[0] + 1.0]
    for n in range(len(phases)):
        wave = np.zeros(512)
        for k in range(len(phases)):
            low, high = ends[k], ends[k + 1]
            x = ((grid - low) % 1.0) / (high - low)
            inside = x < 1.0
            rise = x[inside] ** 2 * (3.0 - 2.0 * x[inside])
            wave[inside] += (k == n) * (1.0 - rise) + ((k + 1) % len(phases) == n) * rise
        spectrum = np.fft.rfft(wave)[: _HARMONICS + 1] / 512
        found.append(np.concatenate([[spectrum[0].real], 2 * spectrum[1:].real, -2 * spectrum[1:].imag]))
    return np.array(found)


_HIP, _KNEE = _waves((0.5, 0.9)), _waves((0.17, 0.4, 0.75))
_FOOT = _waves((0.0, 0.08, 0.5, 0.6))


def walk(body: Body, phase: FloatArray, speed_mps: FloatArray, swing: float = 1.0) -> FloatArray:
    """Postures `(times, angles)` of a walker.

    Parameters
    ----------
    phase : (times,) cycles; the left heel strikes at whole numbers.
    speed_mps : (times,).
    swing : how far the arms swing, 1 usual.
    """
    relative = np.maximum(speed_mps, 0.0) / body.standing_pelvis_m
    low = np.tanh(relative / 0.4)  # small at small speeds, full from half a hip height a second on
    soft = 1.6 * np.tanh(relative / 1.6)
    # as the root of the speed, but level where a walk begins and ends: a root there would kick the feet
    step_m = 0.5 * 1.346 * relative / np.sqrt(relative + 0.02) * body.standing_pelvis_m
    reach = np.arcsin(np.clip(step_m / (2.0 * (body.thigh_m + body.shank_m)), 0.0, 0.7))
    rows = np.tile(posture.angles(body), (len(phase), 1))
    for side, offset in (("left", 0.0), ("right", 0.5)):
        turns = _basis(phase + offset)
        rows[:, ANGLE[f"{side}_hip"]] = (reach + 5.0 * _DEGREE * low) * (turns @ _HIP[1]) + (
            -reach + 2.0 * _DEGREE * low
        ) * (turns @ _HIP[0])
        bend = np.stack([15.0 * low, 3.0 + 0.0 * low, 42.0 * low + 16.0 * soft * low], -1)
        rows[:, ANGLE[f"{side}_knee"]] = _DEGREE * (bend * (turns @ _KNEE.T)).sum(-1)
        lift = np.stack([0.0 * low, -9.0 * low, 9.0 * low, -17.0 * low], -1)
        rows[:, ANGLE[f"{side}_foot"]] = _DEGREE * (lift * (turns @ _FOOT.T)).sum(-1)
        arm = np.cos(2.0 * np.pi * (phase + offset))
        rows[:, ANGLE[f"{side}_raise"]] = _DEGREE * (3.0 - swing * 17.0 * soft * arm)
        rows[:, ANGLE[f"{side}_elbow"]] = _DEGREE * (9.0 + swing * 13.0 * soft * (1.0 - arm))
    turn = 2.0 * np.pi * phase
    rows[:, ANGLE["turn"]] = -4.0 * _DEGREE * soft * np.cos(turn)
    rows[:, ANGLE["twist"]] = 8.0 * _DEGREE * soft * np.cos(turn)
    rows[:, ANGLE["lean"]] = _DEGREE * (2.0 * low + 0.8 * low * np.sin(2.0 * turn))
    rows[:, ANGLE["pelvis_y_m"]] = 0.02 * low * np.sin(turn - 0.6)
    rows[:, ANGLE["pelvis_x_m"]] = 0.012 * low * np.sin(2.0 * turn + 0.8)
    rows[:, ANGLE["pelvis_z_m"]] = _carried(body, rows)
    return rows


def _carried(body: Body, rows: FloatArray) -> FloatArray:
    """Height of the hips at which the lower foot stands on the floor; between feet it changes smoothly."""
    level = rows.copy()
    level[:, ANGLE["pelvis_z_m"]] = 0.0
    joints = posture.joints(body, level)
    soles = np.stack(
        [joints[:, JOINT[f"{side}_ankle"], 2] - body.ankle_height_m for side in ("left", "right")]
        + [joints[:, JOINT[f"{side}_toe"], 2] - 0.2 * body.ankle_height_m for side in ("left", "right")],
        -1,
    )
    sharp_m = 0.012
    lowest = soles.min(-1, keepdims=True)
    return np.asarray(
        -(lowest[:, 0] - sharp_m * np.log(np.exp(-(soles - lowest) / sharp_m).sum(-1)))
        - sharp_m * np.log(2.0)  # both feet and their toes stand: as if one did
    )


def _basis(phase: FloatArray) -> FloatArray:
    turn = 2.0 * np.pi * np.multiply.outer(phase, np.arange(1, _HARMONICS + 1))
    return np.concatenate([np.ones((len(phase), 1)), np.cos(turn), np.sin(turn)], -1)
