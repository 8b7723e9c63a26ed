"""What the maker of a device, or whoever measured one, knows of it: how loud the tone is to the room.

A sweep hears the direct sound beside the loudspeaker. How much of it leaves in front of the device is a
matter of its casing, the same for all units: measured once, it is kept as a profile.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from noctule.core.errors import NoctuleError


class DeviceProfile(BaseModel):
    """A factory response.

    hz, direct_db : direct sound at the microphones (mean power) over the same tone at 1 m in front of the
    device; frequencies rise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["noctule-device-1"] = "noctule-device-1"
    name: str
    hz: tuple[float, ...] = Field(min_length=1)
    direct_db: tuple[float, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _matched(self) -> Self:
        if len(self.hz) != len(self.direct_db):
            raise ValueError("hz and direct_db must be of one length")
        if any(high <= low for low, high in zip(self.hz, self.hz[1:], strict=False)):
            raise ValueError("hz must rise")
        return self

    def direct_over_1_m_db(self, frequency_hz: float) -> float:
        """Between the known frequencies in a straight line."""
        return float(np.interp(frequency_hz, self.hz, self.direct_db))


def read_profile(path: Path) -> DeviceProfile:
    """A profile from its file (JSON).

    Raises
    ------
    NoctuleError
        It cannot be read, or is none.
    """
    try:
        return DeviceProfile.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise NoctuleError(f"{path}: {error.strerror}") from None
    except (ValueError, ValidationError) as error:
        first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise NoctuleError(f"{path}: no profile of a device: {first}") from None
