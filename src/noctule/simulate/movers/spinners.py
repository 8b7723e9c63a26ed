"""What turns and is no fan: mobiles, signs, wind spinners, turntables, lids, a lamp on a twisted cord.

Slower than any fan, with one to four arms, so each flash is seen by itself: first coming, then going, or an
hourglass on both sides at once. Sizes, speeds and strengths [A].
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from noctule.simulate.movers.fans import Fan
from noctule.simulate.parts import Space


class Spinner(Fan):
    """Arms that turn slowly about an axis of any direction; no wind. Runs down where `speed_steps` say so."""

    label: ClassVar[str] = "spinner"
    kind: Literal["spinner"] = "spinner"

    radius_m: float = Field(0.2, ge=0.03, le=1.0, description="of the arms' circle")
    blades: int = Field(2, ge=1, le=8, description="how many arms")
    rpm: float = Field(40.0, ge=2.0, le=3000.0, description="turns a minute")
    draught_mps: float = Field(0.0, ge=0.0, le=0.1, description="fluctuation of the speed of sound, rms")

    @classmethod
    def draw(cls, rng: np.random.Generator, space: Space) -> Self:
        x, y, _ = space.spot(rng)
        radius_m = float(np.exp(rng.uniform(np.log(0.04), np.log(0.4))))
        rpm = float(np.exp(rng.uniform(np.log(4.0), np.log(200.0))))
        begun_s = float(rng.uniform(1.0, 20.0))
        # pushed once, it runs down over some seconds
        runs_down = ((begun_s, float(rng.uniform(2.0, 0.5 * rpm + 1.0))),) if rng.random() < 0.4 else ()
        return cls(
            position_m=(x, y, float(rng.uniform(0.3, space.size_m[2] - 0.3))),
            heading_deg=float(rng.uniform(-180.0, 180.0)),
            tilt_deg=float(rng.choice([-90.0, 0.0, rng.uniform(-90.0, 90.0)])),
            radius_m=radius_m,
            blades=int(rng.integers(1, 5)),
            rpm=rpm,
            speed_steps=runs_down,
            blade_strength_db=float(rng.uniform(-38.0, -8.0)),
            spin_up_s=float(rng.uniform(1.0, 10.0)),
        )


SPINNERS: tuple[type[Spinner], ...] = (Spinner,)
