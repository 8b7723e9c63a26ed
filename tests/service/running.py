"""The whole service on a card in memory: real pipeline and tracker, a detector that sees what it is told."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from tests.audio.fake_card import FakeCard

from noctule.audio.callback import CapturedBlock
from noctule.audio.duplex import DuplexStream
from noctule.core.frames import FeatureBlock, Float32Array, MotionScore
from noctule.core.settings import Settings, checked_settings
from noctule.pipeline import SensingPipeline
from noctule.service.runner import LiveSensor
from noctule.service.service import Service
from noctule.service.succession import See

T = TypeVar("T")
#: Everything here happens within this, on a busy machine that compiles first.
WITHIN_S = 120.0


class PacedCard(FakeCard):
    """Time in it passes four times as fast as outside, and not as fast as it can."""

    def receive(self, timeout_s: float) -> CapturedBlock | None:
        time.sleep(0.005)
        return super().receive(timeout_s)


class Eyes:
    """A detector: major and minor motion as told."""

    def __init__(self) -> None:
        self.major = 0.0

    def reset(self) -> None: ...

    def score(self, features: FeatureBlock) -> list[MotionScore]:
        return [MotionScore(float(time_s), self.major, 0.0) for time_s in features.time_s]


class Quiet:
    """What comes back through the card, nobody asks here."""

    true_bandwidth_hz = 23_900.0


class Running:
    """A service that runs in a thread.

    Attributes
    ----------
    records, said : all that came.
    cards : one for each sensor that was made. refuse : errors that the next sensors meet when they open it.
    """

    def __init__(self, folder: Path, sections: Mapping[str, Mapping[str, Any]] = {}, **parts: Any) -> None:
        self.eyes, self.records, self.said = Eyes(), list[dict[str, Any]](), list[str]()
        self.cards, self.refuse = list[PacedCard](), list[str]()
        self.failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        self.settings = checked_settings(
            {
                "audio": {"sample_rate_hz": 48000, "reopen_every_s": 0.1},
                "emit": {"carrier_hz": 20000.0},
                "model": {"detector": "cfar"},
                **sections,
            }
        )
        self.service = Service(
            self.settings,
            settings_path=folder / "noctule.toml",
            folder=folder,
            make_sensor=self._sensor,
            routines_path=folder / "routines.yaml",
            calibrations=folder,
            say=self.said.append,
            warn=self.said.append,
            **parts,
        )

    def _sensor(self, settings: Settings, see: See) -> LiveSensor:
        card = PacedCard()
        card.clock_s = self.cards[-1].clock_s if self.cards else card.clock_s
        self.cards.append(card)
        card.refuse = [self.refuse.pop(0)] if self.refuse else []
        return LiveSensor(
            settings,
            make_pipeline=lambda carrier_hz, rate_hz, channels: SensingPipeline(
                settings,
                carrier_hz=carrier_hz,
                sample_rate_hz=rate_hz,
                channels=channels,
                detector=self.eyes,
                see=see,
            ),
            find_tone=lambda stream, again: (_ for _ in ()).throw(AssertionError("the carrier is named")),
            run_probe=self._probe,
            say=self.said.append,
            warn=self.said.append,
            stream=DuplexStream(settings.audio, card, card.monotonic),
        )

    @staticmethod
    def _probe(play: Callable[[Float32Array], Float32Array], rate_hz: float, level_dbfs: float) -> Quiet:
        play(np.zeros(100, np.float32))
        return Quiet()

    @contextlib.contextmanager
    def running(self, first: bool = True) -> Iterator[Service]:
        """It runs inside; `first`: it has looked."""
        with self.service:
            self._thread = thread = threading.Thread(target=self._run, daemon=True)
            thread.start()
            try:
                if first:
                    self.until(lambda: self.records)
                yield self.service
            finally:
                self.service.stop()
                thread.join(WITHIN_S)
                assert not thread.is_alive()

    def _run(self) -> None:
        try:
            self.service.run([lambda record: self.records.append(dict(record))])
        except BaseException as error:
            self.failure = error

    def until(self, holds: Callable[[], object]) -> None:
        """Wait for it; what failed meanwhile is raised."""
        until_s = time.monotonic() + WITHIN_S
        while not holds():
            if self.failure is not None:
                raise self.failure
            assert time.monotonic() < until_s, self.said
            time.sleep(0.01)

    def until_it_ends(self) -> None:
        """Until it has ended by itself."""
        assert self._thread is not None
        self._thread.join(WITHIN_S)
        assert not self._thread.is_alive()

    def more(self, count: int = 30) -> list[dict[str, Any]]:
        """The next records."""
        start = len(self.records)
        self.until(lambda: len(self.records) >= start + count)
        return self.records[start : start + count]

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """In the service's loop, as the app does."""

        async def calling() -> T:
            return function(*arguments)

        return self.service._house.wait_for(calling(), WITHIN_S)

    def asked(self, work: Any) -> Any:
        """Something that is awaited in the service's loop."""
        return self.service._house.wait_for(work, WITHIN_S)
