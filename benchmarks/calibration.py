"""Calibration of simulated units in simulated rooms and weather, held against the truth.

    python -m benchmarks.calibration [--units 100] [--first 0]

Each unit is calibrated from what its microphones hear (`simulate.still_room`), once knowing its device's
profile and once not. The truth is asked of the same unit: the best carrier by trying all, the least level
that reaches the wanted range, the range that the level gives. Uncalibrated is the fixed carrier that such
hardware is given, 40 kHz or 20 kHz, at -20 dBFS.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track
from rich.table import Table

from noctule.calibrate.calibration import ROOM_OVER_1_M_DB, Calibration, calibrate, reach_of
from noctule.calibrate.choose import (
    WALKER_DB,
    Reach,
    carrier_candidates,
    disturbance_db,
)
from noctule.calibrate.profile import DeviceProfile
from noctule.calibrate.sweep import analyse_sweep, make_sweep
from noctule.core.air import DB_PER_NEPER, absorption_db_per_m
from noctule.core.errors import NoctuleError
from noctule.core.frames import Float32Array
from noctule.core.settings import Settings
from noctule.lab.strata import choose, draw
from noctule.simulate.clutter import aimed
from noctule.simulate.live import REFERENCE_DBFS
from noctule.simulate.parts import REFERENCE_PRESSURE_PA
from noctule.simulate.scenes import Scene
from noctule.simulate.still_room import StillRoom

FloatArray = npt.NDArray[np.float64]

UNCALIBRATED_DBFS = -20.0


class Card:
    """A still room as a sound card."""

    def __init__(self, room: StillRoom) -> None:
        self._room, self._take = room, 0
        self.sample_rate_hz = room.rate_hz

    def play_and_record(self, signal: Float32Array, /) -> Float32Array:
        self._take += 1
        return self._room.hear(np.pad(signal, (0, round(self.sample_rate_hz))), self._take)


@dataclass(frozen=True, slots=True)
class Truth:
    """What a scene's own numbers say. heard : microphones that are neither dead nor covered."""

    scene: Scene
    heard: list[int]

    def at_1_m_db(self, hz: FloatArray) -> FloatArray:
        """A tone at 1 m on the axis, as the microphones give it, over what is played."""
        scene, unit = self.scene, self.scene.unit
        loud_db = np.array([20.0 * np.log10(unit.loudspeaker_gain(float(one))) for one in hz])
        pascal_db = scene.device.tone_db_spl + 20.0 * np.log10(np.sqrt(2.0) * REFERENCE_PRESSURE_PA)
        capsule = np.mean([np.abs(unit.microphone(m, hz)) ** 2 for m in self.heard], 0)
        gain_db = scene.electronics.gain_db - REFERENCE_DBFS
        return np.asarray(loud_db + pascal_db + 10.0 * np.log10(capsule) + gain_db)

    def noise_dbfs(self, hz: FloatArray) -> FloatArray:
        """In 10 Hz, a sine's peak; the converter's steps are noise as well."""
        scene = self.scene
        own = np.mean([20.0 * scene.unit.noise_per_hz(m, hz) for m in self.heard], 0)
        step = 2.0 ** (1 - scene.electronics.bits) if scene.electronics.bits < 32 else 0.0
        steps = 20.0 * step**2 / 12.0 / (0.5 * scene.sample_rate_hz)
        return np.asarray(10.0 * np.log10(own * 10.0 ** (0.1 * scene.electronics.gain_db) + steps))

    def worth_db(self, hz: FloatArray, reach_m: float) -> FloatArray:
        """As `choose.motion_db` less `disturbance_db`, in this unit and this air."""
        air_db = 2.0 * reach_m * self._air_db(hz)
        left_db = self.at_1_m_db(hz) - self.noise_dbfs(hz) - air_db - 10.0 * np.log10(hz)
        return np.asarray(left_db - disturbance_db(hz))

    def _air_db(self, hz: FloatArray) -> FloatArray:
        return np.asarray(self.scene.room.air_nepers_per_m(hz) * DB_PER_NEPER)

    def reach(self, carrier_hz: float) -> Reach:
        """Without the clocks' noise: it is tied between both sides of the tone, and taken off."""
        hz = np.array([carrier_hz])
        return Reach(carrier_hz, float(self.at_1_m_db(hz)[0]), float(self.noise_dbfs(hz)[0]))

    def more_air_db(self, carrier_hz: float, distance_m: float) -> float:
        """What this air takes there and back, more than the assumed one."""
        assumed = float(absorption_db_per_m(carrier_hz, 20.0, 40.0))
        return 2.0 * distance_m * (float(self._air_db(np.array([carrier_hz]))[0]) - assumed)

    def least_level_dbfs(self, carrier_hz: float, distance_m: float) -> float:
        return self.reach(carrier_hz).least_level_dbfs(distance_m) + self.more_air_db(carrier_hz, distance_m)

    def range_m(self, carrier_hz: float, level_dbfs: float) -> float:
        """Nine of ten walks, in this air."""
        found = self.reach(carrier_hz).range_m(level_dbfs)
        for _ in range(6):
            target_db = WALKER_DB - self.more_air_db(carrier_hz, found)
            found = 0.5 * (found + self.reach(carrier_hz).range_m(level_dbfs, target_db))
        return found


def profile_of(scene: Scene) -> DeviceProfile:
    """What its maker would measure in a room without echoes: a typical unit of this device."""
    hz = np.arange(17_000.0, 60_001.0, 250.0)
    direct_db = []
    for one in hz:
        place = scene.device.transducers(float(one))
        power = np.zeros(len(place.microphones_m))
        for source_m, axis in zip(place.loudspeakers_m, place.axes, strict=True):
            away = place.microphones_m - source_m
            length = np.linalg.norm(away, axis=1)
            power += (place.leakage * aimed(away / length[:, None] @ axis, place.directivity) / length) ** 2
        direct_db.append(round(float(10.0 * np.log10(power.mean())), 2))
    return DeviceProfile(name=scene.device.shape, hz=tuple(hz.tolist()), direct_db=tuple(direct_db))


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one unit. profile : its device's was known. capped : no level within the ceiling reaches. driven : a
    gain control is in the path; it is told, and levels mean little."""

    profile: bool
    carrier_lost_db: float
    level_over_db: float
    level_dbfs: float
    range_m: float
    plain_range_m: float
    capped: bool
    driven: bool
    room_over_1_m_db: float


def outcome(scene: Scene, truth: Truth, found: Calibration, known: bool, room_db: float) -> Outcome:
    hz = carrier_candidates(found.true_bandwidth_hz)
    hz = hz[(hz >= found.hz[0]) & (hz <= found.hz[-1])]
    worth_db = truth.worth_db(hz, found.wanted_range_m)
    same = hz >= 32_000.0 if found.carrier_hz >= 32_000.0 else hz < 32_000.0
    least_dbfs = truth.least_level_dbfs(found.carrier_hz, found.wanted_range_m)
    plain_hz = 40_000.0 if scene.sample_rate_hz > 90_000.0 else 20_000.0
    return Outcome(
        known,
        float(worth_db[same].max() - np.interp(found.carrier_hz, hz, worth_db)),
        found.level_dbfs - least_dbfs,
        found.level_dbfs,
        truth.range_m(found.carrier_hz, found.level_dbfs),
        truth.range_m(plain_hz, UNCALIBRATED_DBFS),
        least_dbfs > Settings().emit.ceiling_dbfs - 3.0,
        scene.electronics.agc,
        room_db,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--units", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    asked = parser.parse_args()
    console = Console()
    found: list[Outcome] = []
    refused: list[str] = []
    for seed in track(range(asked.first, asked.first + asked.units), "units", console=console):
        scene = draw(770_000 + seed, choose(["empty"])[0])
        room = StillRoom(scene)
        broken = {*scene.unit.dead, *scene.unit.covered}
        heard = [m for m in range(room.microphones) if m not in broken] or [0]
        truth = Truth(scene, heard)
        sweep = make_sweep(room.rate_hz, UNCALIBRATED_DBFS)
        for known in (True, False):
            try:
                made = calibrate(
                    Card(room), Settings(), profile=profile_of(scene) if known else None, wait=lambda s: None
                )
                survey = analyse_sweep(Card(room).play_and_record(sweep.signal), sweep)
            except NoctuleError as error:
                refused.append(f"unit {seed}: {error}")
                break
            told = reach_of(survey, made.carrier_hz).at_1_m_db + ROOM_OVER_1_M_DB
            room_db = told - float(truth.at_1_m_db(np.array([made.carrier_hz]))[0])
            found.append(outcome(scene, truth, made, known, room_db))
    table = Table("", "with the device's profile", "without", title="Simulated units, rooms and weather")
    rows: dict[str, list[str]] = {}
    for known in (True, False):
        these = [one for one in found if one.profile is known]
        lost = np.array([one.carrier_lost_db for one in these])
        free = [one for one in these if not (one.capped or one.driven)]
        over = np.array([one.level_over_db for one in free])
        ranges = np.array([one.range_m for one in free])
        plain = np.array([one.plain_range_m for one in free])
        rooms_db = np.array([one.room_over_1_m_db for one in these])
        for name, value in {
            "units": f"{len(these)}, {len(free)} of them linear and loud enough",
            "carrier within 1 dB of the best": f"{100 * (lost <= 1.0).mean():.0f} %",
            "carrier, dB lost, 90 %": f"{np.quantile(lost, 0.9):.1f}",
            "level within 3 dB of the least": f"{100 * (np.abs(over) <= 3.0).mean():.0f} %",
            "level over the least, median, 10, 90 %": (
                f"{np.median(over):+.1f}, {np.quantile(over, 0.1):+.1f}, {np.quantile(over, 0.9):+.1f} dB"
            ),
            "level, median": f"{np.median([one.level_dbfs for one in these]):.0f} dBFS",
            "lower than uncalibrated, median": (
                f"{UNCALIBRATED_DBFS - np.median([one.level_dbfs for one in these]):.0f} dB"
            ),
            "range of nine of ten walks, median": f"{np.median(ranges):.1f} m",
            "its spread (standard deviation)": f"{ranges.std():.2f} m",
            "uncalibrated": f"{np.median(plain):.1f} m, spread {plain.std():.2f} m",
            "room's answer over 1 m": f"{np.median(rooms_db):.1f} dB, spread {rooms_db.std():.1f}",
        }.items():
            rows.setdefault(name, []).append(value)
    for name, values in rows.items():
        table.add_row(name, *values)
    console.print(table)
    for line in refused:
        console.print(line)


if __name__ == "__main__":
    main()
