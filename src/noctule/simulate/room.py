"""A shoebox room: what it is made of, and its mirror images.

A flat wall is a mirror: sound that bounced off it seems to come straight from an image of its source behind
the wall (Allen & Berkley 1979). Image n along an axis of length L sits at 2nL ± x.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from noctule.core.air import DB_PER_NEPER, absorption_db_per_m, speed_of_sound_mps
from noctule.simulate.parts import FloatArray, Part, Vector

Share = Annotated[float, Field(ge=0.0, le=0.99)]


class Furniture(Part):
    """A box that stands there: it throws a shadow, and its edges and faces reflect."""

    corner_m: Vector = Field(description="the corner nearest to the origin")
    size_m: Vector = Field(description="along x, y and z")

    @property
    def centre_m(self) -> FloatArray:
        return np.array(self.corner_m) + np.array(self.size_m) / 2


class Room(Part):
    """A box-shaped room. Absorption is the share of the energy a surface keeps, at 20-50 kHz.

    Walls, glass, bare floor 0.02-0.05; furnished walls 0.1-0.3; carpet and curtains 0.6-0.9. What is
    scattered by roughness (1 mm is a tenth of a wavelength) is lost to the mirror image as well.
    """

    size_m: Vector = Field((5.0, 4.0, 2.5), description="length, width, height; each 0.5 to 50")
    floor_absorption: Share = Field(0.3, description="share of the energy it keeps")
    ceiling_absorption: Share = Field(0.05, description="share of the energy it keeps")
    wall_absorption: tuple[Share, Share, Share, Share] = Field(
        (0.15, 0.15, 0.15, 0.15), description="of the walls at x = 0, x = length, y = 0, y = width"
    )
    scattering: Share = Field(
        0.2, description="share of the energy that roughness takes from each mirror image"
    )
    temperature_c: float = Field(
        20.0,
        ge=-20.0,
        le=50.0,
        description="decides the speed of sound, and with the humidity what air takes",
    )
    humidity_percent: float = Field(40.0, ge=1.0, le=100.0, description="relative")
    air_absorption_factor: float = Field(
        1.0, ge=0.5, le=1.5, description="what air takes, against ISO 9613-1"
    )
    airflow_mps: float = Field(
        0.0005, ge=0.0, le=0.1, description="fluctuation of the speed of sound in still air, rms"
    )
    furniture: tuple[Furniture, ...] = Field((), description="boxes that stand there")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not all(0.5 <= side <= 50.0 for side in self.size_m):
            raise ValueError("size_m: each side must be 0.5 to 50 m")
        for box in self.furniture:
            far = np.array(box.corner_m) + np.array(box.size_m)
            if (
                min(box.corner_m) < 0.0
                or min(box.size_m) <= 0.0
                or (far > np.array(self.size_m) + 1e-9).any()
            ):
                raise ValueError(f"furniture at {box.corner_m} reaches out of the room")
        return self

    @property
    def speed_of_sound_mps(self) -> float:
        return speed_of_sound_mps(self.temperature_c)

    def air_nepers_per_m(self, frequency_hz: FloatArray | float) -> FloatArray:
        """Amplitude falls as exp(-nepers·metres)."""
        db = absorption_db_per_m(frequency_hz, self.temperature_c, self.humidity_percent)
        return np.asarray(db * self.air_absorption_factor / DB_PER_NEPER)

    def outside_m(self, points_m: Vector | FloatArray) -> float:
        """How far the farthest of the points, (..., 3), is behind a wall; 0: none is."""
        points = np.asarray(points_m)
        return float(np.maximum(-points, points - np.array(self.size_m)).max(initial=0.0))

    def contains(self, point_m: Vector | FloatArray) -> bool:
        return self.outside_m(point_m) == 0.0

    def reflection(self) -> FloatArray:
        """Amplitude of a mirror image of each surface, (3 axes, 2 ends)."""
        kept = 1.0 - np.array(
            [
                [self.wall_absorption[0], self.wall_absorption[1]],
                [self.wall_absorption[2], self.wall_absorption[3]],
                [self.floor_absorption, self.ceiling_absorption],
            ]
        )
        return np.asarray(np.sqrt(kept * (1.0 - self.scattering)))

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """From a bathroom to a hall, bare to soft. [A]"""
        length, width, height = np.round(rng.uniform((2.2, 2.2, 2.2), (8.0, 7.0, 3.6)), 3).tolist()
        size = (length, width, height)
        low, high = ((0.02, 0.06), (0.1, 0.3), (0.2, 0.6))[rng.integers(3)]
        walls = rng.uniform(low, high, 4)
        floor = rng.uniform(0.6, 0.9) if rng.random() < 0.4 else rng.uniform(0.02, 0.3)
        return cls(
            size_m=size,
            floor_absorption=floor,
            ceiling_absorption=rng.uniform(0.02, 0.3),
            wall_absorption=tuple(walls),
            scattering=rng.uniform(0.05, 0.5),
            temperature_c=rng.uniform(15.0, 30.0),
            humidity_percent=rng.uniform(20.0, 70.0),
            air_absorption_factor=rng.uniform(0.75, 1.25),
            airflow_mps=10.0 ** rng.uniform(-4.3, -2.7),
            furniture=_draw_furniture(rng, size),
        )


def _draw_furniture(rng: np.random.Generator, size: Vector) -> tuple[Furniture, ...]:
    """Tables, shelves and sofas along the walls."""
    boxes = []
    for _ in range(rng.integers(0, 6)):
        box = np.minimum(rng.uniform((0.4, 0.3, 0.3), (1.8, 0.9, 2.0)), np.array(size) * 0.4)
        if rng.random() < 0.5:
            box[:2] = box[1::-1]
        corner = rng.uniform(0.0, 1.0, 2) * (np.array(size[:2]) - box[:2])
        axis = rng.integers(2)
        corner[axis] = rng.choice([0.0, size[axis] - box[axis]])
        boxes.append(Furniture(corner_m=(*corner, 0.0), size_m=tuple(box)))
    return tuple(boxes)


@dataclass(frozen=True, slots=True)
class Images:
    """Mirror images of a place; row 0 is the place itself.

    scale : (images, 3) +1 or -1, what a vector is multiplied with to be its own image.
    offset_m : (images, 3); the image of point x is scale·x + offset.
    reflection : (images,) product of the surfaces' amplitudes.
    """

    scale: FloatArray
    offset_m: FloatArray
    reflection: FloatArray

    def of(self, point_m: FloatArray) -> FloatArray:
        """(..., 3) points to (images, ..., 3)."""
        extra = (None,) * (np.ndim(point_m) - 1)
        return self.scale[(slice(None), *extra)] * point_m + self.offset_m[(slice(None), *extra)]

    def take(self, index: npt.NDArray[np.intp]) -> Images:
        return Images(self.scale[index], self.offset_m[index], self.reflection[index])


def mirror_images(room: Room, *, order: int | None = None, reach_m: float | None = None) -> Images:
    """Images up to `order` reflections, or all whose room is within `reach_m`, nearest order first."""
    size, walls = np.array(room.size_m), room.reflection()
    if order is None:
        assert reach_m is not None
        rooms = np.ceil(reach_m / size).astype(int) + 1
    else:
        rooms = np.full(3, order)
    axes = [_axis_images(size[axis], walls[axis], rooms[axis]) for axis in range(3)]
    grid = np.stack(np.meshgrid(*(np.arange(len(one[0])) for one in axes), indexing="ij"), -1).reshape(-1, 3)
    scale, offset, gain, bounces = (
        np.stack([axes[axis][part][grid[:, axis]] for axis in range(3)], -1) for part in range(4)
    )
    total = bounces.sum(-1)
    if order is not None:
        kept = total <= order
    else:  # the nearest point of that image room may be nearer than its offset
        kept = np.linalg.norm(np.maximum(np.abs(offset) - 2 * size, 0.0), axis=-1) <= reach_m
    chosen = np.flatnonzero(kept)
    chosen = chosen[np.argsort(total[chosen], kind="stable")]
    return Images(scale[chosen], offset[chosen], gain[chosen].prod(-1))


def _axis_images(
    length_m: float, walls: FloatArray, rooms: int
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """(scale, offset, reflection, bounces) of the images along one axis."""
    n = np.arange(-rooms, rooms + 1)
    scale = np.concatenate([np.ones(len(n)), -np.ones(len(n))])
    offset = np.concatenate([2 * n * length_m, 2 * n * length_m])
    # 2nL + x has bounced |n| times off each wall; 2nL - x once less off one of them (Allen & Berkley 1979)
    near = np.concatenate([np.abs(n), np.abs(n - 1)])  # wall at 0
    far = np.concatenate([np.abs(n), np.abs(n)])  # wall at L
    return scale, offset, walls[0] ** near * walls[1] ** far, near + far
