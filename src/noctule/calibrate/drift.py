"""Does a calibration still hold? The running sensor's own frames tell, without another sweep."""

from __future__ import annotations

from dataclasses import dataclass

from noctule.calibrate.calibration import Calibration
from noctule.core.frames import BLOCKING_FAULTS, NO_CARRIER_DBFS, Decision, Fault

#: The carrier's level or SNR away by so much for so long.
LEVEL_DB, SNR_DB, LASTS_S = 6.0, 6.0, 60.0
#: Another emitter on our carrier for so long.
FOREIGN_S = 20.0
#: At most so often; a room that cannot be had quieter is not swept all day.
NOT_AGAIN_S = 1800.0
#: A step of the clock counts at most so long.
_MAX_STEP_S = 1.0


@dataclass(slots=True)
class _Lasted:
    """For how long each has been so without a break, s."""

    level_s: float = 0.0
    snr_s: float = 0.0
    foreign_s: float = 0.0


class DriftWatch:
    """Says why to calibrate again, at most every `NOT_AGAIN_S`. Its clock is that of the decisions.

    Frames with a blocking fault, and those of a silent tone, tell nothing.
    """

    def __init__(self, calibration: Calibration) -> None:
        self._calibration = calibration
        self._time_s: float | None = None
        self._since_s = 0.0
        self._lasted = _Lasted()

    def update(self, decision: Decision) -> str | None:
        """Take one frame; a reason in words, or None."""
        before, self._time_s = self._time_s, decision.time_s
        step_s = min(max(decision.time_s - before, 0.0), _MAX_STEP_S) if before is not None else 0.0
        self._since_s += step_s
        if decision.fault & BLOCKING_FAULTS or decision.carrier_level_dbfs <= NO_CARRIER_DBFS:
            return None
        known = self._calibration
        away_db = decision.carrier_level_dbfs - known.carrier_level_dbfs
        lost_db = known.carrier_snr_db - decision.carrier_snr_db
        lasted = self._lasted
        lasted.level_s = lasted.level_s + step_s if abs(away_db) > LEVEL_DB else 0.0
        lasted.snr_s = lasted.snr_s + step_s if lost_db > SNR_DB else 0.0
        lasted.foreign_s = lasted.foreign_s + step_s if decision.fault & Fault.INTERFERENCE else 0.0
        if self._since_s < NOT_AGAIN_S:
            return None
        if lasted.level_s >= LASTS_S:
            reason = f"the tone comes back {abs(away_db):.0f} dB {'louder' if away_db > 0 else 'weaker'} now"
        elif lasted.snr_s >= LASTS_S:
            reason = f"the carrier stands {lost_db:.0f} dB less over the noise than it did"
        elif lasted.foreign_s >= FOREIGN_S:
            reason = "another emitter is on our carrier"
        else:
            return None
        self._since_s, self._lasted = 0.0, _Lasted()
        return reason
