"""The sensor's body: where its loudspeakers and microphones sit, and where they point."""

from __future__ import annotations

import math
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from noctule.simulate.parts import FloatArray, Part, Vector, pressure_pa
from noctule.simulate.propagate import DIRECTIVITY_POINTS
from noctule.simulate.transducers import Transducers

Shape = Literal["laptop", "puck", "bar"]


class Device(Part):
    """A laptop, a puck (a smart speaker) or a bar (under a television).

    In its own frame x points where the device looks, y to its left, z up, and the origin is its middle.
    """

    shape: Shape = Field("puck", description="decides where loudspeakers and microphones sit")
    position_m: Vector = Field((0.4, 2.0, 1.0), description="of its middle")
    heading_deg: float = Field(0.0, ge=-360.0, le=360.0, description="counter-clockwise from +x")
    tilt_deg: float = Field(0.0, ge=-90.0, le=90.0, description="up; -90: hangs on the ceiling, looks down")
    microphones: int = Field(4, ge=1, le=8, description="how many")
    loudspeakers: int = Field(1, ge=1, le=2, description="how many; both play the same")
    width_m: float = Field(
        0.08, ge=0.02, le=1.5, description="laptop and bar: between the outermost; puck: across the circle"
    )
    tone_db_spl: float = Field(80.0, ge=30.0, le=120.0, description="at 1 m on the axis of one loudspeaker")
    cone_radius_m: float = Field(
        0.008, ge=0.002, le=0.03, description="decides how narrow the tone's beam is"
    )
    rear_db: float = Field(-20.0, ge=-40.0, le=0.0, description="what goes round the casing to the rear")
    leakage_db: float = Field(
        0.0,
        ge=-60.0,
        le=12.0,
        description="direct sound against free air: less where the casing is in its way",
    )
    microphones_m: tuple[Vector, ...] | None = Field(
        None, description="places in the device's own frame; left out: as its shape has them"
    )
    loudspeakers_m: tuple[Vector, ...] | None = Field(
        None, description="places in the device's own frame; left out: as its shape has them"
    )
    axes: tuple[Vector, ...] | None = Field(
        None, description="where each loudspeaker points, in the device's own frame; left out: forwards"
    )

    @model_validator(mode="after")
    def _counted(self) -> Self:
        for places, count, what in (
            (self.microphones_m, self.microphones, "microphones"),
            (self.loudspeakers_m, self.loudspeakers, "loudspeakers"),
        ):
            if places is not None and len(places) != count:
                raise ValueError(f"{what}_m gives {len(places)} places for {count} {what}")
        if self.axes is not None and len(self.axes) != self.loudspeakers:
            raise ValueError(f"axes gives {len(self.axes)} directions for {self.loudspeakers} loudspeakers")
        if self.axes is not None and not all(math.hypot(*axis) > 0.0 for axis in self.axes):
            raise ValueError("axes: a loudspeaker must point somewhere, not (0, 0, 0)")
        return self

    def transducers(self, carrier_hz: float, speed_of_sound_mps: float = 343.2) -> Transducers:
        """Everything in room coordinates; the directivity is that of a piston at the carrier."""
        turn = _turned(math.radians(self.heading_deg), math.radians(self.tilt_deg))
        here = np.array(self.position_m)
        speakers = self.loudspeakers_m or self._speaker_places()
        microphones = self.microphones_m or self._microphone_places()
        axes = np.array(self.axes or [(1.0, 0.0, 0.0)] * len(speakers))
        wavenumber = 2.0 * math.pi * carrier_hz / speed_of_sound_mps
        return Transducers(
            loudspeakers_m=here + np.array(speakers) @ turn.T,
            axes=axes / np.linalg.norm(axes, axis=1, keepdims=True) @ turn.T,
            directivity=piston(wavenumber * self.cone_radius_m, 10.0 ** (self.rear_db / 20.0)),
            source_pa=math.sqrt(2.0) * pressure_pa(self.tone_db_spl),
            microphones_m=here + np.array(microphones) @ turn.T,
            leakage=10.0 ** (self.leakage_db / 20.0),
        )

    def _speaker_places(self) -> list[Vector]:
        half = self.width_m / 2
        ends = [0.0] if self.loudspeakers == 1 else [half, -half]
        match self.shape:
            case "laptop":  # beside the keyboard, below the screen
                return [(0.05, y + 0.02 * (self.loudspeakers == 1), -0.1) for y in ends]
            case "puck":  # under the microphones
                return [(0.01, y / 2, -0.04) for y in ends]
            case _:
                return [(0.02, y * 0.9, 0.0) for y in ends]

    def _microphone_places(self) -> list[Vector]:
        half, count = self.width_m / 2, self.microphones
        if self.shape == "puck":
            angles = 2.0 * math.pi * np.arange(count) / count
            return [(half * math.cos(a), half * math.sin(a), 0.0) for a in angles]
        across = np.linspace(half, -half, count) if count > 1 else [half / 2]
        height_m = 0.1 if self.shape == "laptop" else 0.01
        # a laptop's microphones sit close together in the middle of the lid
        share = 0.3 if self.shape == "laptop" else 1.0
        return [(0.0, float(y) * share, height_m) for y in across]

    @classmethod
    def draw(cls, rng: np.random.Generator, size_m: Vector) -> Self:
        """On a table, a shelf, at a wall, or on the ceiling. [A]"""
        shape: Shape = ("laptop", "puck", "bar")[rng.integers(3)]
        width = {"laptop": (0.2, 0.32), "puck": (0.05, 0.1), "bar": (0.1, 0.9)}[shape]
        size = np.array(size_m)
        near, along = rng.uniform(0.15, 0.7), rng.uniform(0.25, 0.75)
        wall = rng.integers(4)
        axis = wall // 2
        place = np.array([along, along]) * size[:2]
        place[axis] = near if wall % 2 == 0 else size[axis] - near
        out_deg = (0.0, 180.0, 90.0, -90.0)[wall]
        on_ceiling = shape == "puck" and rng.random() < 0.25
        height = size[2] - 0.12 if on_ceiling else rng.uniform(0.3, min(2.2, size[2] - 0.3))
        turned_deg = rng.uniform(-40.0, 40.0)
        tilt_deg = -90.0 if on_ceiling else rng.uniform(-15.0, 25.0)
        microphones = int(rng.integers(1, 9)) if shape != "laptop" else int(rng.integers(1, 5))
        loudspeakers = 1 if shape == "puck" else int(rng.integers(1, 3))
        width_m = min(rng.uniform(*width), 0.4 * float(size[:2].min()))
        # one end of a wide device that is turned comes nearer to the wall than its middle
        reach_m = width_m / 2 * math.sin(math.radians(abs(turned_deg))) + 0.12
        place[axis] = np.clip(place[axis], reach_m, size[axis] - reach_m)
        return cls(
            shape=shape,
            position_m=(float(place[0]), float(place[1]), float(height)),
            heading_deg=out_deg + turned_deg,
            tilt_deg=tilt_deg,
            microphones=max(2, microphones) if shape == "bar" else microphones,
            loudspeakers=loudspeakers,
            width_m=width_m,
            tone_db_spl=rng.uniform(60.0, 95.0),
            cone_radius_m=rng.uniform(0.004, 0.015) if rng.random() < 0.8 else rng.uniform(0.015, 0.025),
            rear_db=rng.uniform(-28.0, -12.0),
            leakage_db=rng.uniform(-25.0, 3.0),
        )


def piston(ka: float, rear: float) -> FloatArray:
    """Directivity of a round piston in a wall, amplitude over the cosine from -1 to 1: 2·J1(x)/x, x = ka·sin.

    Behind the casing `rear` is left, and no angle gets less: cones break up, edges diffract.
    """
    from scipy.special import j1

    cosine = np.linspace(-1.0, 1.0, DIRECTIVITY_POINTS)
    x = np.maximum(ka * np.sqrt(1.0 - np.square(np.clip(cosine, 0.0, 1.0))), 1e-9)
    beam = np.hypot(2.0 * j1(x) / x, rear)
    # sideways and behind: from the beam's value at 90 degrees to the rear's
    side = beam[np.searchsorted(cosine, 0.0)]
    behind = rear + (side - rear) * np.square(1.0 + np.minimum(cosine, 0.0))
    return np.asarray(np.where(cosine >= 0.0, beam, behind) / beam[-1])


def _turned(heading_rad: float, tilt_rad: float) -> FloatArray:
    """Rotation matrix: first up by `tilt_rad`, then round to the left by `heading_rad`."""
    c, s = math.cos(tilt_rad), math.sin(tilt_rad)
    up = np.array([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]])
    c, s = math.cos(heading_rad), math.sin(heading_rad)
    return np.asarray(np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]) @ up)
