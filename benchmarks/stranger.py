"""Detectors on scenes that no simulator of ours has made: other physics, few lines, nothing shared with it.

    python -m benchmarks.stranger --model people-5 --scenes 66 [--captures FOLDER]

Points move, each sends an echo over the direct way and over the six walls, and the baseband is the sum of it
all. Nothing here is tuned, nothing is learnt from it: it asks whether what was learnt holds elsewhere. Sizes,
strengths and speeds are guesses of their own [A].
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numba import njit
from rich.console import Console
from rich.progress import track
from rich.table import Table

from noctule.core.frames import BasebandBlock, Decision
from noctule.core.settings import Settings
from noctule.dsp.downconvert import plan_decimation
from noctule.lab import curves
from noctule.lab.captures import takes_in
from noctule.lab.metrics import onsets, score_histogram
from noctule.pipeline import SensingPipeline
from noctule.simulate.mocap import read_take

FloatArray = npt.NDArray[np.float64]
ComplexArray = npt.NDArray[np.complex128]
#: Places are known so often; between them everything goes straight on.
KNOTS_HZ = 400.0
SOUND_MPS = 343.0
CARRIERS_HZ = {48000.0: (18600.0, 22000.0), 96000.0: (20000.0, 44000.0), 192000.0: (30000.0, 58000.0)}
WITHIN_S = 1.0


@dataclass
class Room:
    """A box, a loudspeaker, microphones about it, and how much walls send back."""

    size_m: FloatArray
    source_m: FloatArray
    mics_m: FloatArray
    wall: float
    carrier_hz: float
    rate_hz: float
    absorbed_db_m: float

    def spot(self, rng: np.random.Generator, away_m: tuple[float, float] = (0.8, 9.0)) -> FloatArray:
        for _ in range(300):
            place = rng.uniform([0.4, 0.4], self.size_m[:2] - 0.4)
            if away_m[0] <= float(np.hypot(*(place - self.source_m[:2]))) <= away_m[1]:
                break
        return np.asarray(place)


@dataclass
class Moving:
    """Points over time: (knots, points, 3) metres, (knots, points) amplitude at 1 m, a wall on the way."""

    place_m: FloatArray
    strength: FloatArray
    wall_db: float = 0.0


def draw_room(rng: np.random.Generator) -> Room:
    size = rng.uniform([2.6, 2.6, 2.3], [8.0, 6.0, 3.0])
    rate_hz = float(rng.choice([48000.0, 96000.0, 192000.0]))
    low, high = CARRIERS_HZ[rate_hz]
    source = np.array([rng.uniform(0.3, 1.0), rng.uniform(0.3, size[1] - 0.3), rng.uniform(0.5, 1.5)])
    count = int(rng.integers(1, 8))
    turn = np.arange(count) * 2.0 * np.pi / count + rng.uniform(0.0, 6.0)
    radius = rng.uniform(0.02, 0.06)
    around = np.stack(
        [radius * np.cos(turn), radius * np.sin(turn), np.full(count, rng.uniform(0.01, 0.05))], 1
    )
    carrier = round(rng.uniform(low, high), 1)
    return Room(
        size, source, source + around, rng.uniform(0.4, 0.85), carrier, rate_hz, 0.5 + 1.1e-9 * carrier**2
    )


# -- what moves


def ramp(t: FloatArray, at_s: float, takes_s: float = 0.6) -> FloatArray:
    x = np.clip((t - at_s) / takes_s, 0.0, 1.0)
    return np.asarray(x * x * (3.0 - 2.0 * x))


def walker(rng: np.random.Generator, t: FloatArray, a: FloatArray, b: FloatArray, at_s: float) -> Moving:
    """From one place to another, and stands: trunk, head, arms and legs as pendulums that take turns."""
    way = b - a
    length = float(np.linalg.norm(way))
    along, speed = way / max(length, 1e-6), rng.uniform(0.6, 1.5)
    done = np.clip(np.cumsum(speed * ramp(t, at_s)) / KNOTS_HZ, 0.0, None)
    done = length * np.tanh(done / max(length, 0.1)) if length > 0 else done * 0.0
    going = np.gradient(done) * KNOTS_HZ / speed
    phase = 2.0 * np.pi * done / rng.uniform(1.1, 1.5)
    height, side = rng.uniform(1.5, 1.95), np.array([-along[1], along[0]])
    parts = []  # (forward, sideways, up, strength)
    sway = 0.004 * np.sin(2.0 * np.pi * 0.25 * t + rng.uniform(0, 6))
    for up, forward, lateral, gain in (
        (0.75, 0.03, 0.0, 1.0), (0.6, 0.02, 0.0, 0.9), (0.93, 0.02, 0.0, 0.35),
    ):  # fmt: skip
        parts.append(
            (forward * np.cos(2 * phase) * going + sway, lateral + 0.02 * np.sin(phase), up * height, gain)
        )
    for sign in (-1.0, 1.0):
        for up, swing, gain in ((0.5, 0.22, 0.25), (0.38, 0.32, 0.2), (0.28, 0.28, 0.35), (0.08, 0.42, 0.3)):
            arm = -1.0 if up > 0.35 else 1.0
            parts.append(
                (sign * arm * swing * np.sin(phase) * going, sign * 0.18 + 0.0 * t, up * height, gain)
            )
    place = np.empty((len(t), len(parts), 3))
    strength = np.empty((len(t), len(parts)))
    total = 10.0 ** (rng.uniform(-20.0, -9.0) / 20.0)
    for n, (ahead, aside, level, share) in enumerate(parts):
        place[:, n, :2] = a + np.multiply.outer(done + ahead, along) + np.multiply.outer(aside, side)
        place[:, n, 2] = level + 0.02 * np.cos(2.0 * phase) * going
        strength[:, n] = total * share * (0.7 + 0.3 * np.sin(9.0 * done + n))
    return Moving(place, strength)


def captured(rng: np.random.Generator, t: FloatArray, take: Path, a: FloatArray, at_s: float) -> Moving:
    """Somebody who was filmed by marker cameras: stands, then does what was seen, then stands."""
    found = read_take(take)
    joints = np.asarray(found.joints_m, float)
    seconds = np.clip(t - at_s, 0.0, (len(joints) - 1) / found.rate_hz)
    index = seconds * found.rate_hz
    low = np.minimum(index.astype(int), len(joints) - 2)
    share = (index - low)[:, None, None]
    place = (1.0 - share) * joints[low] + share * joints[low + 1]
    turn = rng.uniform(0.0, 2.0 * np.pi)
    c, s = math.cos(turn), math.sin(turn)
    middle = place[0, :, :2].mean(0)
    flat = (place[..., :2] - middle) @ np.array([[c, s], [-s, c]])
    place = np.concatenate([flat + a, place[..., 2:]], -1)
    gain = rng.uniform(0.3, 1.0, place.shape[1])
    gain *= 10.0 ** (rng.uniform(-20.0, -9.0) / 20.0) / np.linalg.norm(gain)
    return Moving(place, np.broadcast_to(gain, place.shape[:2]).copy())


def fan(rng: np.random.Generator, t: FloatArray, hub: FloatArray, kind: str) -> Moving:
    """Blades of two spots each; a blade flashes while it is square to the device's side of the room."""
    blades = int(rng.integers(1, 5)) if kind == "rotor" else int(rng.integers(3, 7))
    turns_s = {"ceiling fan": (0.8, 4.0), "rotor": (0.1, 2.5)}.get(kind, (8.0, 30.0))
    radius = {"ceiling fan": (0.4, 0.7), "rotor": (0.05, 0.35)}.get(kind, (0.07, 0.22))
    speed, size = rng.uniform(*turns_s), rng.uniform(*radius)
    swing = math.radians(rng.uniform(20.0, 45.0)) if kind == "oscillating fan" else 0.0
    heading = rng.uniform(0, 6.3) + swing * np.sin(2 * np.pi * rng.uniform(0.05, 0.12) * t)
    tilt = np.pi / 2 if kind == "ceiling fan" else rng.uniform(-0.3, 0.3)
    angle = 2.0 * np.pi * speed * t * (1.0 + 0.01 * np.sin(0.4 * t))
    u = np.stack([-np.sin(heading), np.cos(heading), 0.0 * t], -1)
    w = np.stack(
        [-np.cos(heading) * np.sin(tilt), -np.sin(heading) * np.sin(tilt), np.cos(tilt) + 0.0 * t], -1
    )
    place, strength = [], []
    total = 10.0 ** (rng.uniform(-34.0, -12.0) / 20.0)
    for blade in range(blades):
        at = angle + 2.0 * np.pi * blade / blades
        flash = 0.1 + np.exp(8.0 * (np.cos(2.0 * at + 1.0) - 1.0))
        for r in (0.5, 0.9):
            place.append(hub + size * r * (np.cos(at)[:, None] * u + np.sin(at)[:, None] * w))
            strength.append(total * rng.uniform(0.8, 1.2) * flash)
    return Moving(np.stack(place, 1), np.stack(strength, 1))


def cloth(rng: np.random.Generator, t: FloatArray, middle: FloatArray, storm: bool) -> Moving:
    """A sheet of 24 points that waves run over, and that swings as a whole."""
    face = rng.uniform(0.0, 2.0 * np.pi)
    normal, across = np.array([np.cos(face), np.sin(face), 0.0]), np.array([-np.sin(face), np.cos(face), 0.0])
    width, height = rng.uniform(0.6, 2.5), rng.uniform(1.0, 2.2)
    gust = 0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.05, 0.2) * t + rng.uniform(0, 6))
    most = rng.uniform(0.06, 0.2) if storm else rng.uniform(0.005, 0.06)
    place = np.empty((len(t), 24, 3))
    for n in range(24):
        x, y = (n % 6) / 5.0 - 0.5, (n // 6) / 3.0
        wave = 0.5 * np.sin(2 * np.pi * (0.45 * t - 0.2 * x)) + 0.3 * np.sin(
            2 * np.pi * (0.9 * t - 1.2 * x + 0.3 * y)
        )
        wave += 0.2 * np.sin(2 * np.pi * (1.7 * t + 0.8 * x))
        out = most * y * gust * wave
        place[:, n] = (
            middle
            + across * x * width
            + np.array([0, 0, (0.5 - y) * height])
            + np.multiply.outer(out, normal)
        )
    gain = rng.rayleigh(1.0, 24)
    gain *= 10.0 ** (rng.uniform(-30.0, -10.0) / 20.0) / np.linalg.norm(gain)
    return Moving(place, np.broadcast_to(gain, (len(t), 24)).copy())


# -- how it sounds


@njit(cache=True, fastmath=True)
def _add(out, place, strength, source, wall_gain, mics, step, wavenumber, absorbed):  # type: ignore[no-untyped-def]
    """Echoes of all points over all images of the loudspeaker, straight between the knots."""
    samples, count = out.shape
    knots, points = strength.shape
    for m in range(count):
        for i in range(len(source)):
            for p in range(points):
                d1 = 0.0
                a1 = 0.0
                for k in range(knots):
                    x, y, z = place[k, p, 0], place[k, p, 1], place[k, p, 2]
                    one = math.sqrt(
                        (x - source[i, 0]) ** 2 + (y - source[i, 1]) ** 2 + (z - source[i, 2]) ** 2
                    )
                    two = math.sqrt((x - mics[m, 0]) ** 2 + (y - mics[m, 1]) ** 2 + (z - mics[m, 2]) ** 2)
                    d2 = one + two
                    a2 = (
                        strength[k, p]
                        * wall_gain[i]
                        / (max(one, 0.1) * max(two, 0.1))
                        * math.exp(-absorbed * d2)
                    )
                    if k > 0:
                        low, high = int((k - 1) * step + 0.9999), int(k * step + 0.9999)
                        for s in range(low, min(high, samples)):
                            share = (s - (k - 1) * step) / step
                            phase = wavenumber * (d1 + share * (d2 - d1))
                            a = a1 + share * (a2 - a1)
                            out[s, m] += a * (math.cos(phase) - 1j * math.sin(phase))
                    d1, a1 = d2, a2


def heard(
    rng: np.random.Generator, room: Room, moving: Sequence[Moving], seconds: float, rate_hz: float
) -> ComplexArray:
    samples = int(seconds * rate_hz)
    out = np.zeros((samples, len(room.mics_m)), np.complex128)
    images, gains = [room.source_m], [1.0]
    for axis in range(3):
        for far in (0.0, room.size_m[axis]):
            mirrored = room.source_m.copy()
            mirrored[axis] = 2.0 * far - mirrored[axis]
            images.append(mirrored)
            gains.append(room.wall * rng.uniform(0.3, 1.0))
    wavenumber = 2.0 * np.pi * room.carrier_hz / SOUND_MPS
    absorbed = room.absorbed_db_m / 8.686
    for one in moving:
        quieter = 10.0 ** (-one.wall_db / 20.0)
        _add(out, one.place_m, one.strength * quieter, np.array(images), np.array(gains), room.mics_m,
             rate_hz / KNOTS_HZ, wavenumber, absorbed)  # fmt: skip
    direct = (
        1.0 / np.linalg.norm(room.mics_m - room.source_m, axis=1) * 10.0 ** (rng.uniform(-25.0, -5.0) / 20.0)
    )
    turn = np.exp(1j * rng.uniform(0, 2 * np.pi, len(direct)))
    # the clock's and the amplifier's slow wander rides on all that stands still
    wander = np.cumsum(rng.normal(0.0, 1.0, samples)) * 2e-6
    out += (direct * turn) * (1.0 + wander[:, None])
    # 70 to 95 dB SPL at 1 m against a microphone's 25 to 45 dB in this band
    noise = 10.0 ** (-rng.uniform(62.0, 84.0) / 20.0)
    white = rng.normal(size=(*out.shape, 2)) @ np.array([1.0, 1j])
    out += noise / math.sqrt(2.0) * white * 10.0 ** (rng.normal(0.0, 1.5, len(direct)) / 20.0)
    return out


# -- disturbances on the finished signal


def bursts(rng: np.random.Generator, out: ComplexArray, rate_hz: float) -> None:
    """Keys, claps, sibilants: short noise of all microphones."""
    level = np.sqrt(np.mean(np.abs(np.diff(out, axis=0)) ** 2)) * 10.0 ** (rng.uniform(0.0, 35.0) / 20.0)
    at = 0.0
    while (at := at + rng.exponential(rng.uniform(0.2, 2.0))) < len(out) / rate_hz - 0.5:
        count = int(rate_hz * 10.0 ** rng.uniform(-2.3, -0.5))
        first = int(at * rate_hz)
        envelope = np.exp(-np.arange(count) / (0.3 * count)) * level * rng.uniform(0.2, 1.0)
        noise = rng.normal(size=(count, out.shape[1], 2)) @ np.array([1.0, 1j])
        stop = min(first + count, len(out))
        out[first:stop] += (envelope[:, None] * noise)[: stop - first]


def emitters(rng: np.random.Generator, out: ComplexArray, rate_hz: float) -> None:
    """Tones beside the carrier: steady, drifting, sweeping, on and off."""
    t = np.arange(len(out)) / rate_hz
    for _ in range(int(rng.integers(1, 3))):
        offset, sweep = rng.uniform(-1200.0, 1200.0), rng.choice([0.0, rng.uniform(20.0, 2500.0)])
        period = 10.0 ** rng.uniform(-0.7, 1.5)
        hz = offset + 0.5 * sweep * np.sin(2 * np.pi * t / period + rng.uniform(0, 6))
        tone = np.exp(2j * np.pi * np.cumsum(hz) / rate_hz)
        if rng.random() < 0.4:
            tone *= np.sin(2 * np.pi * t / rng.uniform(0.3, 6.0)) > rng.uniform(-0.8, 0.5)
        loud = np.abs(out).mean() * 10.0 ** (rng.uniform(-75.0, -15.0) / 20.0)
        out += loud * tone[:, None] * np.exp(1j * rng.uniform(0, 6.3, out.shape[1]))


def faults(rng: np.random.Generator, out: ComplexArray, rate_hz: float) -> None:
    """Gain that steps, that breathes, that shakes with the table."""
    t = np.arange(len(out)) / rate_hz
    kind = rng.integers(3)
    if kind == 0:
        for at in np.sort(rng.uniform(1.0, t[-1], int(rng.integers(1, 12)))):
            out[int(at * rate_hz) :] *= 10.0 ** (rng.uniform(-8.0, 8.0) / 20.0)
    elif kind == 1:
        out *= (1.0 + 10.0 ** rng.uniform(-3.0, -1.0) * np.sin(2 * np.pi * rng.uniform(0.1, 9.0) * t))[
            :, None
        ]
    else:
        metres = 10.0 ** rng.uniform(-5.0, -3.5) * np.sin(2 * np.pi * rng.uniform(5.0, 60.0) * t)
        metres *= np.sin(2 * np.pi * t / rng.uniform(2.0, 9.0)) > 0.0
        out *= np.exp(1j * 2e3 * metres)[:, None]


# -- scenes

CAUSES = (
    "quiet", "fan", "oscillating fan", "ceiling fan", "rotor", "cloth", "storm", "transients", "emitters",
    "faults", "next room",
)  # fmt: skip


def scene(
    number: int, seed: int, takes: Sequence[Path], positive: bool
) -> tuple[str, float, BasebandBlock, FloatArray]:
    """(cause, seconds, what is heard, (starts, stops) of major motion). Some begin 2 s after switching on."""
    rng = np.random.default_rng([seed, number, int(positive)])
    room = draw_room(rng)
    cause = CAUSES[number % len(CAUSES)]
    if positive and cause in ("next room", "storm"):
        cause = "quiet"
    seconds = 12.0 if positive else 40.0
    settings = Settings().features
    rate_hz = plan_decimation(room.rate_hz, room.carrier_hz, settings).baseband_rate_hz
    t = np.arange(0.0, seconds + 2.0 / KNOTS_HZ, 1.0 / KNOTS_HZ)
    moving: list[Moving] = []
    span = np.zeros((0, 2))
    if positive:
        at_s = float(rng.choice([2.0, rng.uniform(2.5, 6.0)]))
        if takes and rng.random() < 0.5:
            one = captured(rng, t, takes[int(rng.integers(len(takes)))], room.spot(rng, (1.0, 4.5)), at_s)
        else:
            a = room.spot(rng, (1.0, 4.5))
            b = max(
                (room.spot(rng, (0.8, 5.0)) for _ in range(8)), key=lambda b: float(np.linalg.norm(b - a))
            )
            one = walker(rng, t, a, b, at_s)
        moving.append(one)
        middle = one.place_m[..., :2].mean(1)
        speed = np.linalg.norm(np.gradient(middle, axis=0), axis=1) * KNOTS_HZ
        fast = t[:-1][(speed > 0.25)[:-1]]
        span = np.array([[at_s, fast[-1] if len(fast) else at_s]])
    if cause in ("fan", "oscillating fan", "ceiling fan", "rotor"):
        place = room.spot(rng)
        hub = np.array([*place, room.size_m[2] - 0.3 if cause == "ceiling fan" else rng.uniform(0.4, 1.4)])
        moving.append(fan(rng, t, hub, cause))
    elif cause in ("cloth", "storm"):
        moving.append(cloth(rng, t, np.array([*room.spot(rng), 1.2]), cause == "storm"))
    elif cause == "next room":
        shift = np.array([0.0, room.size_m[1] + 0.7])
        a, b = room.spot(rng), room.spot(rng)
        one = walker(rng, t, a + shift, b + shift, rng.uniform(1.0, 5.0))
        one.wall_db = rng.uniform(50.0, 80.0)  # to and fro through drywall or a closed door
        moving.append(one)
    out = heard(rng, room, moving, seconds, rate_hz)
    disturb: dict[str, Callable[..., None]] = {"transients": bursts, "emitters": emitters, "faults": faults}
    if cause in disturb:
        disturb[cause](rng, out, rate_hz)
    out *= 0.05 / max(float(np.abs(out).max()), 1e-9)
    return cause, seconds, BasebandBlock(out.astype(np.complex64), rate_hz, room.carrier_hz, 0), span


def decide(block: BasebandBlock, settings: Settings) -> list[Decision]:
    chain = SensingPipeline(
        settings,
        carrier_hz=block.carrier_hz,
        channels=block.samples.shape[1],
        baseband_rate_hz=block.sample_rate_hz,
    )
    return chain.process_baseband(block)


class Tally:
    """What one detector made of it."""

    def __init__(self) -> None:
        self.found: dict[str, list[bool]] = defaultdict(list)
        self.alarms: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
        self.windows: list[tuple[float, bool]] = []

    def add(self, cause: str, seconds: float, span: FloatArray, said: Sequence[Decision]) -> None:
        time_s = np.array([one.time_s for one in said])
        motion = np.array([one.motion for one in said])
        score = np.array([one.score_major for one in said])
        if len(span):
            start, stop = span[0]
            soon = (time_s > start) & (time_s <= start + WITHIN_S)
            self.found[cause].append(bool((motion[soon] == "major").any()))
            for second in range(1, int(seconds)):
                inside = (time_s > second) & (time_s <= second + 1)
                if inside.any() and start + 0.3 <= second and second + 1 <= stop:
                    self.windows.append((float(score[inside].max()), True))
            return
        counts = self.alarms[cause]
        counts[0] += seconds
        counts[1] += onsets(time_s, motion != "none", np.ones(len(time_s), bool))
        counts[2] += float(np.mean([one.presence for one in said])) * seconds
        for second in range(int(seconds)):
            inside = (time_s > second) & (time_s <= second + 1)
            if inside.any():
                self.windows.append((float(score[inside].max()), False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", help="beside CFAR; may be repeated")
    parser.add_argument("--scenes", type=int, default=66, help="with somebody, and as many without")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--captures", type=Path, help="motion capture; takes of the test split are used")
    given = parser.parse_args()
    takes = [one.file for one in takes_in(given.captures, "test")] if given.captures else []
    detectors = {"cfar": Settings.model_validate({"model": {"detector": "cfar"}})}
    for name in given.model or []:
        detectors[name] = Settings.model_validate({"model": {"detector": "network", "name": name}})
    tallies = {name: Tally() for name in detectors}
    console = Console(stderr=True)
    for number in track(range(2 * given.scenes), "scenes", console=console, disable=not console.is_terminal):
        cause, seconds, block, span = scene(number // 2, given.seed, takes, number % 2 == 0)
        for name, settings in detectors.items():
            tallies[name].add(cause, seconds, span, decide(block, settings))
    print_tables(tallies)


def print_tables(tallies: dict[str, Tally]) -> None:
    console = Console(width=120)
    shares = Table("", *tallies, title="major onsets found within 1 s", title_justify="left")
    rates = Table("", *tallies, title="false alarms an hour / presence, share of time", title_justify="left")
    groups: dict[str, tuple[str, ...]] = {one: (one,) for one in CAUSES}
    groups |= {"all but next room": tuple(one for one in CAUSES if one != "next room"), "all": CAUSES}
    for name, causes in groups.items():
        shares.add_row(name, *(_found(tally, causes) for tally in tallies.values()))
        rates.add_row(name, *(_alarms(tally, causes) for tally in tallies.values()))
    console.print(shares, rates)
    for name, tally in tallies.items():
        scores = np.array([one for one, _ in tally.windows])
        truth = np.array([one for _, one in tally.windows])
        area = curves.area_under_curve(score_histogram(scores[truth]), score_histogram(scores[~truth]))
        print(f"{name}: area under the curve of seconds {area:.3f}")


def _found(tally: Tally, causes: Sequence[str]) -> str:
    hits = [int(hit) for one in causes for hit in tally.found[one]]
    if not hits:
        return "-"
    share = curves.share_by_scene(hits, [1] * len(hits))
    return f"{100 * share.value:.0f} % ({100 * share.low:.0f} to {100 * share.high:.0f}) of {len(hits)}"


def _alarms(tally: Tally, causes: Sequence[str]) -> str:
    seconds, count, present = (sum(tally.alarms[one][n] for one in causes) for n in range(3))
    rate = curves.poisson_rate(int(count), seconds / 3600.0)
    return (
        f"{rate.value:.0f} ({rate.low:.0f} to {rate.high:.0f}) / {100 * present / max(seconds, 1e-9):.1f} %"
    )


if __name__ == "__main__":
    main()
