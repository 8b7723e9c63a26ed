"""Blocks that travel along the road, and their axis order.

Axis order is stated here and nowhere else: audio and baseband are `(samples, channels)`,
spectra and features are `(frames, bins)`, per-frame values are `(frames,)`.
The block owns its arrays: nobody writes into them after it was made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Literal

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]
Complex64Array = npt.NDArray[np.complex64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

Motion = Literal["none", "minor", "major"]


class Fault(IntFlag):
    """What is wrong with the signal; rides with the data. Lower bits are more serious."""

    DEVICE_LOST = 1 << 0
    CARRIER_MISSING = 1 << 1  # never heard so far
    CARRIER_LOST = 1 << 2  # heard before, gone now
    DROPPED_SAMPLES = 1 << 3  # a gap or a jump of the direct path inside the window
    BAD_SAMPLES = 1 << 4  # NaN or infinity inside the window
    MICROPHONE_DEAD = 1 << 5  # digital silence, or nothing but zeros and a constant
    MICROPHONE_COVERED = 1 << 6  # one microphone hears the carrier far below the others or its past
    CLIPPED = 1 << 7  # a clipped receive signal mirrors the Doppler
    CLOCK_SLEWING = 1 << 8  # the direct path turns steadily: play and record clocks differ
    GAIN_MOVED = 1 << 9  # the carrier and the noise moved together, in a step
    AGC_SUSPECTED = 1 << 10  # carrier level and noise are driven together, again and again
    INTERFERENCE = 1 << 11  # a steady foreign tone inside the velocity grid
    MUTED = 1 << 12  # nobody listens and nothing sounds, because somebody wants it so; comes alone

    @property
    def name_for_humans(self) -> str | None:
        """Name of the most serious fault, lower case, or None when all is well."""
        for one in type(self):
            if self & one:
                return str(one.name).lower()
        return None


#: While one of these holds there is nothing to decide from: motion is "none" and timers stand still.
BLOCKING_FAULTS = (
    Fault.DEVICE_LOST
    | Fault.CARRIER_MISSING
    | Fault.CARRIER_LOST
    | Fault.DROPPED_SAMPLES
    | Fault.BAD_SAMPLES
    | Fault.MUTED
)


@dataclass(frozen=True, slots=True)
class AudioBlock:
    """Samples as they came from a card or file.

    `samples` is float32 `(samples, channels)`, full scale is +-1. `first_sample` is the position
    in the stream; a jump against the end of the previous block is a gap. `overflowed` says that
    samples were lost directly before this block and their number may be unknown.
    """

    samples: Float32Array
    sample_rate_hz: float
    first_sample: int
    overflowed: bool = False


@dataclass(frozen=True, slots=True)
class BasebandBlock:
    """Complex envelope around the carrier, complex64 `(samples, channels)`.

    `first_sample` counts baseband samples. `faults` holds what went wrong inside the audio this
    block was made of. A positive frequency is a reflector that comes nearer.
    """

    samples: Complex64Array
    sample_rate_hz: float
    carrier_hz: float
    first_sample: int
    faults: Fault = Fault(0)


@dataclass(frozen=True, slots=True)
class FeatureBlock:
    """What a detector sees; one row a hop.

    Attributes
    ----------
    time_s : (frames,) float64, stream time of the last sample the frame used.
    log_power_db : (frames, bins) float32, power over the tracked noise floor on `velocity_mps`.
    clean_power_db : (frames, bins) float32, likewise, after what the loudspeaker does to its own tone was
        taken off.
    fresh_power_db : (frames, bins) float32, power over what goes on at that velocity from the same
        directions: 0 dB for a fan, much for whoever begins to move.
    velocity_mps : (bins,) float32, the signed radial velocity grid, the same at every carrier.
    valid_bins : (bins,) bool, False where this carrier and rate cannot carry the velocity.
    broadband_db : (frames,) float32, how far the far ends of the grid rose above their floor:
        keys, sibilants, claps. Zero when quiet.
    removed_db : (frames,) float32, by how much the power fell when distortion of the tone was taken off:
        0 while nothing plays.
    carrier_level_dbfs, carrier_snr_db : (frames,) float32; the SNR is against the noise in 10 Hz.
    faults : (frames,) int64 bit sets of `Fault`.
    """

    time_s: npt.NDArray[np.float64]
    log_power_db: Float32Array
    clean_power_db: Float32Array
    fresh_power_db: Float32Array
    velocity_mps: Float32Array
    valid_bins: BoolArray
    broadband_db: Float32Array
    removed_db: Float32Array
    carrier_level_dbfs: Float32Array
    carrier_snr_db: Float32Array
    faults: IntArray
    carrier_hz: float

    def __len__(self) -> int:
        return len(self.time_s)


#: Fields of a `FeatureBlock` with one row a frame.
PER_FRAME = (
    "time_s", "log_power_db", "clean_power_db", "fresh_power_db", "broadband_db", "removed_db",
    "carrier_level_dbfs", "carrier_snr_db", "faults",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MotionScore:
    """What a detector says of one frame: scores 0..1, and the mean radial velocity it saw.

    score_stays : asked right after a motion: whoever made it is still here (0.5: as likely as not). NaN: the
        detector does not know.
    """

    time_s: float
    score_major: float
    score_minor: float
    radial_velocity_mps: float = 0.0
    fault: Fault = Fault(0)
    why: str = ""
    score_stays: float = math.nan


#: Level of a tone that is not there.
NO_CARRIER_DBFS = -200.0


@dataclass(frozen=True, slots=True)
class Decision:
    """The sensor's answer for one frame. `reason` says why in words a user understands.

    distortion_removed_db : what the loudspeaker did to its own tone, taken off; 0 while nothing plays.
    doubt : 0..1, how much speaks for presence being a mere memory; 1 where nobody is here. Not in the record.
    carrier_level_dbfs : of the tone as it comes back, a sine's peak; `NO_CARRIER_DBFS` where there is none.
    """

    time_s: float
    presence: bool
    motion: Motion
    score_major: float
    score_minor: float
    radial_velocity_mps: float
    carrier_hz: float
    carrier_snr_db: float
    fault: Fault = Fault(0)
    reason: str = field(default="")
    distortion_removed_db: float = 0.0
    doubt: float = 0.0
    carrier_level_dbfs: float = NO_CARRIER_DBFS

    def as_record(self) -> dict[str, object]:
        """The JSON object of `replay` and `run`: a stable contract, see docs/reference/jsonl.md."""
        return {
            "t": round(self.time_s, 4),
            "presence": self.presence,
            "motion": self.motion,
            "score_major": round(self.score_major, 4),
            "score_minor": round(self.score_minor, 4),
            "radial_velocity_mps": round(self.radial_velocity_mps, 3),
            "carrier_hz": round(self.carrier_hz, 3),
            "carrier_snr_db": round(self.carrier_snr_db, 1),
            "carrier_level_dbfs": round(self.carrier_level_dbfs, 1),
            "distortion_removed_db": round(self.distortion_removed_db, 1),
            "fault": self.fault.name_for_humans,
            "reason": self.reason,
        }
