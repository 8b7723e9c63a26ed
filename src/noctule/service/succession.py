"""One sensor after the other: settings change, and the product goes on.

Time, who is here, and records go on from each to the next. Settings that do not work give way to those that
did.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from noctule.core.errors import NoctuleError
from noctule.core.frames import FeatureBlock
from noctule.core.settings import PresenceSettings, Settings
from noctule.service.runner import IDLE_RECORD_S, LiveSensor, Sink, State

See = Callable[[FeatureBlock], None]

#: A card that is given up may still be busy with a measurement: it is waited for, so long.
FREE_WITHIN_S = 30.0
#: Where even settings that worked do not work any more, they are tried again after so long.
RETRY_S = 3.0


class Succession:
    """Sensors of one product. `run` blocks; the rest is for any thread, `stop` and `mute` for signals too.

    Parameters
    ----------
    make : a sensor with these settings.
    gave_way : is told of the settings that did not work, those that are used again, and why.
    known : what another process knew of who is here, and how long ago.
    warn : one line for people.

    Attributes
    ----------
    sensor : the present one, None before the first.
    """

    def __init__(
        self,
        make: Callable[[Settings], LiveSensor],
        *,
        gave_way: Callable[[Settings, Settings, str], None],
        known: tuple[Mapping[str, Any], float] | None = None,
        warn: Callable[[str], None],
        retry_s: float = RETRY_S,
    ) -> None:
        self.sensor: LiveSensor | None = None
        self._make, self._gave_way, self._known, self._warn = make, gave_way, known, warn
        self._retry_s = retry_s
        self._stopped = threading.Event()
        self._next: Settings | None = None
        self._forget = self._muted = False
        self._presence: PresenceSettings | None = None  # changed since the first sensor
        self._last: LiveSensor | None = None  # that worked
        self._good: Settings | None = None  # that it worked with

    @property
    def muted(self) -> bool:
        """What was asked for last."""
        return self._muted

    def mute(self, on: bool) -> None:
        """As `LiveSensor.mute`; the next sensor stays muted."""
        self._muted = on
        if self.sensor is not None:
            self.sensor.mute(on)

    def stop(self) -> None:
        """End gently."""
        self._stopped.set()
        if self.sensor is not None:
            self.sensor.stop()

    def replace(self, settings: Settings, forget: bool = False) -> None:
        """Another sensor, with these settings; `forget`: who is here is not known any more."""
        self._forget = forget
        self._next = settings  # first: whoever sees the old one end asks for it
        if self.sensor is not None:
            self.sensor.stop()

    def set_presence(self, settings: PresenceSettings) -> None:
        """As `LiveSensor.set_presence`; for the sensors to come as well."""
        self._presence = settings
        if self.sensor is not None:
            self.sensor.set_presence(settings)

    def run(self, settings: Settings, sink: Sink, seconds: float | None = None) -> None:
        """Sense until `stop`, or to `seconds` of stream time.

        Raises
        ------
        NoctuleError
            The first sensor cannot start.
        BaseException
            Whatever the sink raises.
        """
        guarded = _Guarded(sink)
        while not self._stopped.is_set():
            try:
                self._run_one(settings, guarded, seconds)
            except NoctuleError as error:
                if guarded.failed or self._good is None or (self.sensor and self.sensor.worked):
                    raise
                settings = self._give_way(settings, error)
                continue
            following, self._next = self._next, None
            if following is None:
                return
            settings = following

    def _run_one(self, settings: Settings, sink: Sink, seconds: float | None) -> None:
        self.sensor, before = None, self.sensor
        if before is not None and not before.wait_until_ended(FREE_WITHIN_S):
            self._warn("the sound card is still busy with a measurement")
        sensor = self._make(settings)
        if self._last is not None:
            sensor.follow(self._last, self._forget)
        elif self._known is not None:
            sensor.restore(*self._known)
        self._forget = False
        if self._presence is not None:
            sensor.set_presence(self._presence)
        sensor.mute(self._muted)
        self.sensor = sensor
        if self._stopped.is_set() or self._next is not None:
            sensor.stop()
        try:
            sensor.run(sink, seconds)
        finally:
            if sensor.worked:
                self._last, self._good = sensor, settings

    def _give_way(self, settings: Settings, error: NoctuleError) -> Settings:
        """The settings to go on with."""
        assert self._good is not None
        assert self._last is not None
        if self._next is not None:  # somebody knows better already
            following, self._next = self._next, None
            return following
        if settings != self._good:
            self._gave_way(settings, self._good, str(error))
            return self._good
        if self._last.state is not State.LOST:
            self._warn(f"{error}; trying again")
        self._last.state = State.LOST
        until_s = time.monotonic() + self._retry_s
        while time.monotonic() < until_s and self._next is None and not self._stopped.wait(IDLE_RECORD_S):
            self._last.watch()
        return settings


class _Guarded:
    """A sink, and whether it was the sink that failed."""

    def __init__(self, sink: Sink) -> None:
        self._sink, self.failed = sink, False

    def __call__(self, record: Mapping[str, object]) -> None:
        try:
            self._sink(record)
        except BaseException:
            self.failed = True
            raise
