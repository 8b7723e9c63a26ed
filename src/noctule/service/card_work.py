"""What the app asks of the open sound card: a calibration, an examination. One at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noctule.audio.duplex import DeviceLost, DuplexStream
from noctule.core.errors import NoctuleError
from noctule.core.settings import Settings
from noctule.service.bus import Bus
from noctule.service.runner import LiveSensor

if TYPE_CHECKING:
    from noctule.calibrate.calibration import Calibration
    from noctule.calibrate.doctor import Diagnosis


class CardWork:
    """Everything but `note` is called in the loop.

    Parameters
    ----------
    sensor : the present one.
    folder : of calibrations.
    say : a line for people.

    Attributes
    ----------
    busy : what goes on with the card, in words; empty: nothing.
    """

    def __init__(
        self, sensor: Callable[[], LiveSensor | None], bus: Bus, folder: Path, say: Callable[[str], None]
    ) -> None:
        self.busy = ""
        self._sensor, self._bus, self._folder, self._say = sensor, bus, folder, say

    def note(self, step: str | None, share: float = 0.0, error: str | None = None) -> None:
        """How far a calibration is, as `calibrate` tells it; None: it is over. Any thread."""
        words, done = overall(step, share) if step else ("", 0.0 if error else 1.0)
        body = {"running": step is not None, "step": words, "share": round(done, 3), "error": error}
        self._bus.publish_from_thread("calibration", body)

    def calibration(self) -> Calibration | None:
        """The last good one of these devices; None: there is none, or no card is open."""
        from noctule.calibrate.memory import load

        sensor = self._sensor()
        if sensor is None or not sensor.worked:
            return None
        known = sensor.stream.format
        return load((known.input_identity, known.output_identity), known.sample_rate_hz, self._folder)

    async def calibrate(self, settings: Settings) -> Calibration:
        """Sweep, choose, prove; kept for the next start."""
        try:
            found: Calibration = await self._with_card(
                "a calibration is under way", lambda stream: self._calibrated(stream, settings), new_tone=True
            )
        except Exception as error:
            self.note(None, error=str(error))
            raise
        self.note(None)
        return found

    async def examine(self, settings: Settings) -> Diagnosis:
        """The checks of `noctule doctor`."""
        found: Diagnosis = await self._with_card(
            "an examination is under way", lambda stream: examined(stream, settings)
        )
        return found

    def _calibrated(self, stream: DuplexStream, settings: Settings) -> Calibration:
        from noctule.calibrate.calibration import calibrate
        from noctule.calibrate.memory import save
        from noctule.calibrate.profile import read_profile

        named = settings.calibrate.profile
        found = calibrate(
            stream,
            settings,
            identities=(stream.format.input_identity, stream.format.output_identity),
            profile=None if named is None else read_profile(Path(named).expanduser()),
            progress=self.note,
            say=self._say,
        )
        save(found, self._folder)
        return found

    async def _with_card(
        self, words: str, work: Callable[[DuplexStream], Any], new_tone: bool = False
    ) -> Any:
        sensor = self._sensor()
        if self.busy:
            raise NoctuleError(f"not now: {self.busy}")
        if sensor is None:
            raise NoctuleError("not now: the sensor does not run")
        self.busy = words
        done = asyncio.wrap_future(sensor.ask(words, work, new_tone=new_tone))
        done.add_done_callback(self._is_free)
        return await asyncio.shield(done)  # whoever asked may go away: the card is busy all the same

    def _is_free(self, done: asyncio.Future[Any]) -> None:
        self.busy = ""
        if not done.cancelled():
            done.exception()  # nobody may be left to hear of it, which asyncio would complain about


def examined(stream: DuplexStream, settings: Settings) -> Diagnosis:
    """The verdict on an open card; one that gives nothing is a verdict too."""
    from noctule.calibrate.doctor import examine, unheard

    emit = settings.emit
    try:
        return examine(stream, stream.format.host_api, min(emit.level_dbfs, emit.ceiling_dbfs))
    except DeviceLost as error:
        return unheard(str(error))


def overall(step: str, share: float) -> tuple[str, float]:
    """A step of `calibrate` in words, and how much of all is done."""
    from noctule.calibrate.calibration import STEPS

    total_s = sum(seconds for _, _, seconds in STEPS)
    done_s = 0.0
    for name, words, seconds in STEPS:
        if name == step:
            return words, (done_s + share * seconds) / total_s
        done_s += seconds
    return step, share
