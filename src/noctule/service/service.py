"""The running product, all of it: the sensor, what is remembered, Routines, and what the app asks for.

The thread that senses is the sensor's; everything here but `run`, `stop`, `restart` and `mute` is called in
one loop (loop.py), in which Routines and the app live too. Nothing in it waits for the sensor or for a disk.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from noctule.core.errors import NoctuleError
from noctule.core.paths import state_folder
from noctule.core.settings import ModelSettings, Settings
from noctule.core.settings_file import change_file
from noctule.pipeline import check_detector
from noctule.routines.tools import Facts, Player, Publisher
from noctule.service.address import check_password
from noctule.service.automation import Automation
from noctule.service.bus import Bus
from noctule.service.captures import Capture, read_capture
from noctule.service.card_work import CardWork
from noctule.service.changes import OF_THE_SENSOR, Changed, changed_by, merged, only_changed, told
from noctule.service.clock import Clock
from noctule.service.health import HealthReport
from noctule.service.intake import Intake
from noctule.service.loop import LoopThread
from noctule.service.memory import Memory
from noctule.service.player import SensorPlayer
from noctule.service.presence_file import PresenceFile
from noctule.service.runner import LiveSensor, Sink
from noctule.service.succession import See, Succession
from noctule.service.support import write_bundle

if TYPE_CHECKING:
    from noctule.audio.devices import DeviceList
    from noctule.audio.duplex import DuplexStream
    from noctule.calibrate.calibration import Calibration
    from noctule.calibrate.doctor import Diagnosis

__all__ = ["Changed", "Service", "Stage"]

#: Health is judged, and a stage is looked at, so often.
HEALTH_EVERY_S, STAGE_EVERY_S = 1.0, 0.1
#: A label that cannot be written by then waits in memory.
LABEL_WITHIN_S = 5.0

Serve = Callable[["Service"], Awaitable[None]]


class Stage(Protocol):
    """What the service needs of a simulated room; `web.stage.Stage` has all of it."""

    def state(self) -> dict[str, Any]: ...


class Service:
    """One sensor in one home.

    Parameters
    ----------
    settings_path : where changes are written to.
    folder : of everything that outlives a restart, see `state_folder`.
    make_sensor : a sensor with these settings, whose features go to the function.
    routines_path : the file of Routines; None: where the settings, or the system, have it.
    publisher, player, facts : what Routines work with, see `Automation`; sounds come from the sensor's own
        loudspeaker where no player is given.
    calibrations : folder of calibrations, None: the usual one.
    say, warn : a line for people.

    Attributes
    ----------
    settings : as they are now.
    memory : None where `store.enabled` is false.
    stage : the demo's room.
    started : when.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        settings_path: Path,
        folder: Path,
        make_sensor: Callable[[Settings, See], LiveSensor],
        routines_path: Path | None = None,
        publisher: Publisher | None = None,
        player: Player | None = None,
        facts: Mapping[str, Facts] | None = None,
        stage: Stage | None = None,
        calibrations: Path | None = None,
        say: Callable[[str], None] = lambda line: None,
        warn: Callable[[str], None] = lambda line: None,
        clock: Clock | None = None,
    ) -> None:
        self.settings, self.settings_path, self.stage = settings, settings_path, stage
        self.started = datetime.now(UTC)
        self._folder, self._warn, self._clock = folder, warn, clock or Clock()
        self._house = LoopThread()
        self.bus = Bus(self._house.loop, self._clock.monotonic_s)
        self.memory: Memory | None = None
        if settings.store.enabled:
            self.memory = Memory(settings.store, folder, warn=warn, clock=self._clock)
        self._intake = Intake(self.memory, self.bus, self._house.loop, self._clock, self._heard)
        self.automation = Automation(
            routines_path or settings.routines.path,
            folder,
            bus=self.bus,
            publisher=publisher,
            player=player or SensorPlayer(self.loudspeaker),
            facts=facts,
            clock=clock,
            enabled=settings.routines.enabled,
            warn=warn,
        )
        self._presence_file = PresenceFile(folder, self._clock)
        self._sensors = Succession(
            lambda wanted: make_sensor(wanted, self._intake.see),
            gave_way=self._gave_way,
            known=self._presence_file.read(),
            warn=warn,
        )
        self._card = CardWork(lambda: self._sensors.sensor, self.bus, calibrations or state_folder(), say)
        self._looked = asyncio.Event()  # the first record has come
        self._manifest: tuple[ModelSettings, dict[str, Any] | None] | None = None

    # -- its life, in the main thread

    def __enter__(self) -> Self:
        self._house.start()
        if self.memory is not None:
            self.memory.open()
        self._house.wait_for(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._house.wait_for(self._close())
        self._house.stop()
        self._presence_file.close()
        if self.memory is not None:
            self.memory.close()

    def run(
        self, sinks: Iterable[Sink] = (), seconds: float | None = None, serve: Serve | None = None
    ) -> None:
        """Sense until `stop`, or for `seconds` of stream time; records also go to the sinks.

        Parameters
        ----------
        serve : the app; begun in the loop when the sensor works.

        Raises
        ------
        NoctuleError
            The sensor cannot start.
        BaseException
            Whatever a sink raises.
        """
        self._intake.sinks = [self._keep_presence, *sinks]
        if serve is not None:
            self._house.loop.call_soon_threadsafe(self._begin, self._serve(serve))
        self._sensors.run(self.settings, self._intake.take, seconds)

    def stop(self) -> None:
        """End gently; any thread, also a signal handler."""
        self._sensors.stop()

    def restart(self, settings: Settings | None = None, forget: bool = False) -> None:
        """Let another sensor take over, with other settings where given; nothing is written. Any thread.

        forget : who is here is not known any more: it is another room.
        """
        self.settings = settings or self.settings
        self._sensors.replace(self.settings, forget)

    def mute(self, on: bool) -> None:
        """Neither sound nor listen, or do both again; any thread, also a signal handler."""
        self._sensors.mute(on)

    @property
    def muted(self) -> bool:
        return self._sensors.muted

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Where everything but the sensor lives."""
        return self._house.loop

    @property
    def sensor(self) -> LiveSensor | None:
        """The present one; None before the first, and between two."""
        return self._sensors.sensor

    def loudspeaker(self) -> DuplexStream | None:
        """The sensor's own, for sounds besides the tone; None while nothing may sound. Any thread."""
        sensor = self._sensors.sensor
        return None if sensor is None else sensor.loudspeaker

    def note_calibration(self, step: str | None, share: float = 0.0, error: str | None = None) -> None:
        """How far a calibration is, as `calibrate` tells it; None: it is over. Any thread."""
        self._card.note(step, share, error)

    # -- the thread that senses

    def _keep_presence(self, record: Mapping[str, Any]) -> None:
        sensor = self._sensors.sensor
        if sensor is not None and sensor.worked:
            self._presence_file.take(bool(record["presence"]), sensor.snapshot)

    # -- in the loop

    async def _open(self) -> None:
        self.automation.open()
        self._begin(self.automation.run())
        self._begin(self._judge())
        if self.stage is not None:
            self._begin(self._show(self.stage))

    async def _close(self) -> None:
        self.bus.close()
        await self._house.cancel()
        await self.automation.close()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._house.begin(self._watched(work))

    async def _watched(self, work: Coroutine[Any, Any, None]) -> None:
        """A mistake of ours in one of them must not end the others."""
        try:
            await work
        except Exception as error:
            known = isinstance(error, NoctuleError)
            self._warn(str(error) if known else f"{type(error).__name__}: {error}")

    def _heard(self, record: Mapping[str, Any]) -> None:
        self._looked.set()
        self.automation.take(record)

    async def _serve(self, serve: Serve) -> None:
        await self._looked.wait()
        await serve(self)

    async def _judge(self) -> None:
        while True:
            report = self.health()
            body = {"state": str(report.state), "reason": report.reason, "sensing": report.sensing}
            if body != self.bus.latest("health"):
                self.bus.publish("health", body)
            await asyncio.sleep(HEALTH_EVERY_S)

    async def _show(self, stage: Stage) -> None:
        while True:
            self.bus.publish("stage", stage.state())
            await asyncio.sleep(STAGE_EVERY_S)

    # -- what the app asks

    def change_settings(self, changes: Mapping[str, Mapping[str, Any]]) -> Changed:
        """Change, write down, and use; None: the key's default.

        Presence settings hold from the next frame on. The sensor starts anew with those of sound card, tone,
        model and features; if it cannot, it goes back to what they were, and the bus says why.

        Raises
        ------
        NoctuleError
            One line, and nothing has changed.
        """
        before, after = self.settings, merged(self.settings, changes)
        changed, differing = changed_by(before, after), only_changed(before, after)
        if not differing:
            return changed
        if changed.restarted and self._card.busy:
            raise NoctuleError(f"{self._card.busy}: try again when it is done")
        check_password(after.web)
        if differing.keys() & {"model", "features"}:
            check_detector(after)
        change_file(self.settings_path, changes)
        self._note(before, after)
        self._sensors.set_presence(after.presence)
        if changed.restarted:
            self._sensors.replace(after)
        self.bus.publish("settings", told(differing))
        return changed

    def _note(self, before: Settings, after: Settings) -> None:
        self.settings = after
        if self.memory is not None:
            self.memory.note_settings(before, after)

    def _gave_way(self, tried: Settings, good: Settings, why: str) -> None:
        """In the main thread: the sensor could not start with what somebody changed."""
        self._warn(f"{why}; back to the settings before")
        self._house.loop.call_soon_threadsafe(self._go_back, tried, good, why)

    def _go_back(self, tried: Settings, good: Settings, why: str) -> None:
        before = self.settings
        after = before.model_copy(update={name: getattr(good, name) for name in OF_THE_SENSOR})
        back = only_changed(tried, good)
        back = {section: values for section, values in back.items() if section in OF_THE_SENSOR}
        try:
            change_file(self.settings_path, back)
        except NoctuleError as error:
            self._warn(str(error))
        self._note(before, after)
        self.bus.publish("settings", {**told(back), "error": why})

    def health(self) -> HealthReport:
        """How the sensor is."""
        return self._intake.health()

    @property
    def model(self) -> dict[str, Any] | None:
        """The manifest of the network in use, None: it senses without one."""
        if self._manifest is None or self._manifest[0] is not self.settings.model:
            self._manifest = (self.settings.model, _manifest_of(self.settings))
        return self._manifest[1]

    def calibration(self) -> Calibration | None:
        """The last good one of the present sound card; None: there is none, or no card is open."""
        return self._card.calibration()

    async def calibrate(self) -> Calibration:
        """Find carrier and level anew; the sensor looks elsewhere meanwhile, ten seconds or so.

        Raises
        ------
        NoctuleError
            One line: why not. The last good calibration stays.
        """
        return await self._card.calibrate(self.settings)

    async def examine(self) -> Diagnosis:
        """What `noctule doctor` finds; the sensor looks elsewhere meanwhile, 15 s.

        Raises
        ------
        NoctuleError
            One line: why not.
        """
        return await self._card.examine(self.settings)

    async def devices(self) -> DeviceList:
        """Sound devices of this machine."""
        from noctule.audio.devices import list_devices

        return await asyncio.to_thread(list_devices)

    async def label(self, event_id: int, what: str | None) -> None:
        """Keep what an event really was, None: nobody knows; where the disk is full it waits in memory.

        Raises
        ------
        NoctuleError
            There is no such event, no such label, or nothing is remembered.
        """
        if self.memory is None:
            raise NoctuleError("nothing is remembered: `enabled` in [store] of the settings")
        kept = asyncio.wrap_future(self.memory.store.keep_label(event_id, what))
        kept.add_done_callback(_noticed)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(kept), LABEL_WITHIN_S)

    def capture(self, name: str) -> Capture | None:
        """What was kept around an event; None: it is gone. Reads a file.

        Raises
        ------
        NoctuleError
            It is damaged.
        """
        path = self.memory.captures.path_of(name) if self.memory is not None else None
        return None if path is None else read_capture(path)

    def support_bundle(self, path: Path) -> None:
        """Write a zip file for a bug report; takes seconds.

        Raises
        ------
        NoctuleError
            It cannot be written.
        """
        settings = self.settings
        write_bundle(path, lambda: settings, self._folder, devices=_devices)


def _noticed(done: asyncio.Future[Any]) -> None:
    """Nobody may be left to hear of a failure, which asyncio would complain about."""
    if not done.cancelled():
        done.exception()


def _devices() -> list[dict[str, Any]]:
    from noctule.audio.devices import list_devices

    return [asdict(device) for device in list_devices().devices]


def _manifest_of(settings: Settings) -> dict[str, Any] | None:
    if settings.model.detector != "network":
        return None
    from noctule.model.zoo import load_model

    return load_model(settings.model.name, settings.features.digest()).manifest.model_dump(mode="json")
