"""The memory of the running product: records in; events, decisions, health and captures are kept.

`take`, `see` and `hear` belong to the thread that senses: they are quick, wait for nothing, and a broken disk
does not reach them. One thread of ours does the rest.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from noctule.core.errors import NoctuleError
from noctule.core.frames import BasebandBlock, FeatureBlock
from noctule.core.settings import Settings, StoreSettings
from noctule.service.captures import Captures
from noctule.service.clock import Clock, ClockWatch, ms_of_iso
from noctule.service.episodes import Episodes, Event
from noctule.service.health import Health, HealthReport
from noctule.service.history import History
from noctule.service.store import TRIM_EVERY_S, Store
from noctule.service.support import changed_settings
from noctule.service.systemd import Systemd
from noctule.service.thinning import Thinner

#: The thread looks after things so often where nothing calls it, s.
ROUND_S = 1.0
#: How often the free disk is asked for, s.
DISK_EVERY_S = 60.0


class Memory:
    """All of it, wired together.

    Parameters
    ----------
    folder : where everything is kept, see `state_folder`.
    warn : one line for people.
    free_bytes : of the disk that holds a folder.

    Attributes
    ----------
    store, history, captures, health, systemd : the parts.
    """

    def __init__(
        self,
        settings: StoreSettings,
        folder: Path,
        *,
        warn: Callable[[str], None] = lambda line: None,
        clock: Clock | None = None,
        systemd: Systemd | None = None,
        free_bytes: Callable[[Path], float] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self._settings, self._folder, self._warn = settings, folder, warn
        self._clock = clock or Clock()
        self._free_bytes_of = free_bytes
        now_s = self._clock.monotonic_s()
        self.store = Store(settings, folder, warn=warn, clock=self._clock, owner=True)
        self.history = History(self.store.path)
        self.captures = Captures(settings, folder / "captures", warn)
        self.health = Health(now_s)
        self.systemd = systemd or Systemd()
        self._lock = threading.Lock()  # of health: records come in one thread, looks in another
        self._watch = ClockWatch(self._clock)
        self._episodes = Episodes()
        self._thinner = Thinner(settings.decision_every_s)
        self._free_bytes, self._disk_due_s = float("inf"), now_s
        self._trim_due_s = now_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def resume(self) -> None:
        """Go on from who was here when the last process ended, where the history can be read."""
        try:
            self._episodes = Episodes(self.history.present())
        except NoctuleError:  # then it is not known, and the store says what is wrong
            self._episodes = Episodes()

    def open(self) -> None:
        """Go on, and start the thread."""
        self.resume()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End what goes on, write everything down, stop."""
        self.systemd.stopping()
        for event in self._episodes.close():
            self.store.keep_event(event)
        self.captures.flush()
        self._stop.set()
        self.store.work.set()
        if self._thread is not None:
            self._thread.join()
        self.captures.write()
        self.store.close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # The thread that senses:

    def take(self, record: Mapping[str, Any]) -> list[Event]:
        """One record of the sensor; what happened by it."""
        now_s = self._clock.monotonic_s()
        self.systemd.record(float(record["t"]), now_s)
        with self._lock:
            self.health.take(record, now_s)
        row = self._thinner.take(record)
        if row is not None:
            self.store.keep_decision(row)
        events = [self._with_capture(event, record) for event in self._episodes.take(record)]
        for event in events:
            self.store.keep_event(event)
        return events

    def see(self, features: FeatureBlock) -> None:
        """Features that a record came from, before it or after it."""
        self.captures.see(features)

    def hear(self, baseband: BasebandBlock) -> None:
        """Baseband that the features came from; only needed with `capture_baseband`."""
        self.captures.hear(baseband)

    def _with_capture(self, event: Event, record: Mapping[str, Any]) -> Event:
        if not event.first:
            return event
        name = self.captures.want(float(record["t"]), ms_of_iso(str(record["time"])))
        return replace(event, capture=name)

    # Any thread:

    def note_settings(self, before: Settings, after: Settings) -> None:
        """Settings were changed."""
        for change in changed_settings(before, after):
            self.store.keep_setting(*change)

    def look(self) -> HealthReport:
        """How the sensor is, now."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            changed = self.health.look(
                now_s, self.store.state, self._free_bytes, self._settings.least_free_mb * 1e6
            )
            report = self.health.report
        if changed:
            self.store.keep_health(changed.state, changed.reason)
            self.systemd.status(f"{changed.state}: {changed.reason}")
        return report

    # Our thread:

    def round(self) -> None:
        """Write what is due, judge, forget what is old."""
        now_s = self._clock.monotonic_s()
        jump_s = self._watch.jump_s()
        if jump_s is not None:
            self.store.keep_health(self.health.report.state, f"the clock was set by {jump_s:+.0f} s")
        if now_s >= self._disk_due_s:
            self._disk_due_s = now_s + DISK_EVERY_S
            self._free_bytes = self._measured_free_bytes()
        self.look()
        self.captures.write()
        self.store.write()
        if now_s >= self._trim_due_s:
            self._trim_due_s = now_s + TRIM_EVERY_S
            self._trim_captures()

    def _measured_free_bytes(self) -> float:
        try:
            return self._free_bytes_of(self._folder)
        except OSError:  # no folder yet, or none any more: the store says so
            return float("inf")

    def _trim_captures(self) -> None:
        try:
            self.captures.trim(self.history.captures_with_a_label())
        except NoctuleError:  # who does not know what is labelled removes nothing
            return

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.round()
                self.store.work.wait(ROUND_S)
            except Exception as error:  # a mistake of ours must not end the memory for good
                self._warn(f"memory: {type(error).__name__}: {error}")
                self._stop.wait(ROUND_S)
