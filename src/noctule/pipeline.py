"""The one place that chains features -> scores -> presence.

Live sensing, replay, simulation and evaluation all come through here, so what is measured is what runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from noctule.core.frames import (
    NO_CARRIER_DBFS,
    AudioBlock,
    BasebandBlock,
    Decision,
    Fault,
    FeatureBlock,
    MotionScore,
)
from noctule.core.protocols import Detector
from noctule.core.settings import PresenceSettings, Settings
from noctule.dsp.features import FeatureExtractor
from noctule.presence.cfar import CfarDetector
from noctule.presence.tracker import PresenceTracker, TrackerState


def check_detector(settings: Settings) -> None:
    """Raise NoctuleError now, before anything sounds, where `make_detector` would later."""
    if settings.model.detector == "network":
        from noctule.model.zoo import load_model

        load_model(settings.model.name, settings.features.digest()).file()


def make_detector(settings: Settings, extractor: FeatureExtractor) -> Detector:
    """The detector that the settings name, for the features of this extractor.

    Raises
    ------
    NoctuleError
        The model is missing, damaged, or was trained on other features.
    """
    if settings.model.detector == "cfar":
        return CfarDetector(extractor.velocity_mps, extractor.hop_s, extractor.window_s)
    from noctule.model.runtime import NetworkDetector
    from noctule.model.zoo import load_model

    return NetworkDetector(load_model(settings.model.name, settings.features.digest()))


#: After a silence on purpose its gap inside the window is no fault, so long at most.
RESUMING_S = 1.0

#: Of made-up sound, until all of the signal path has had its turn.
WARM_UP_S = 4.0


class SensingPipeline:
    """Blocks in, decisions out.

    Parameters
    ----------
    sample_rate_hz, baseband_rate_hz : rate of the audio, or of the baseband recording; give one.
    detector : scores of features; None makes the one that the settings name.
    see : is given each block of features before its decisions are made.

    Attributes
    ----------
    latency_s : from a sample's arrival to the decision that uses it, at most (window not counted).
    features : the last block of features, for whoever draws them.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        carrier_hz: float,
        channels: int,
        sample_rate_hz: float | None = None,
        baseband_rate_hz: float | None = None,
        detector: Detector | None = None,
        see: Callable[[FeatureBlock], None] | None = None,
    ) -> None:
        self.extractor = FeatureExtractor(
            settings.features,
            carrier_hz=carrier_hz,
            channels=channels,
            sample_rate_hz=sample_rate_hz,
            baseband_rate_hz=baseband_rate_hz,
        )
        self.carrier_hz = carrier_hz
        self.latency_s = self.extractor.latency_s
        self._detector = detector or make_detector(settings, self.extractor)
        self._tracker = PresenceTracker(settings.presence)
        self.features: FeatureBlock | None = None
        self._see = see
        self._resuming_until_s: float | None = None

    def warm_up(self) -> None:
        """Hear a made-up tone, and forget it: what is compiled at its first use is compiled then.

        That takes long after an installation and hardly any time later. Whoever has a live stream to follow
        cannot wait for it in the middle of it.
        """
        rate_hz, channels = self.extractor.sample_rate_hz, self.extractor.channels
        assert rate_hz is not None, "this pipeline was made for baseband"
        block, rng = round(self.extractor.hop_s * rate_hz), np.random.default_rng(1)
        for first in range(0, round(WARM_UP_S * rate_hz), block):
            tone = 0.1 * np.sin(2.0 * np.pi * self.carrier_hz / rate_hz * np.arange(first, first + block))
            heard = tone[:, None] + 1e-4 * rng.standard_normal((block, channels))
            self._detector.score(self.extractor.process(AudioBlock(heard.astype(np.float32), rate_hz, first)))
        self.reset()

    def reset(self) -> None:
        """The signal path starts anew (device reopened); who is here is not forgotten."""
        self._resuming_until_s = None
        self.extractor.reset()
        self._detector.reset()

    def resume(self) -> None:
        """The next block comes after a silence on purpose: give no decisions until a window is whole again.

        What was learnt of the room is kept. A fan beside the sensor would otherwise look like somebody in
        the first second of each look, until it is known as what goes on.
        """
        self._resuming_until_s = math.inf

    def process(self, block: AudioBlock) -> list[Decision]:
        """Decisions of the frames this block completed; none until the first window is full."""
        return self._decide(self.extractor.process(block))

    def process_baseband(self, block: BasebandBlock) -> list[Decision]:
        """The same from recorded baseband."""
        return self._decide(self.extractor.process_baseband(block))

    def unavailable(self, time_s: float, fault: Fault) -> Decision:
        """A decision for a moment without any samples: the device is gone."""
        return self._track(MotionScore(time_s, 0.0, 0.0, 0.0, fault))

    def paused(self, time_s: float, look_in_s: float = 0.0) -> Decision:
        """A decision for a moment in which nobody looks, on purpose: presence stays as it is.

        Parameters
        ----------
        look_in_s : seconds until the next look; below half a second: now.
        """
        state = self._tracker.pause(time_s, look_in_s)
        return self._decision(MotionScore(time_s, 0.0, 0.0), state)

    def _decide(self, features: FeatureBlock) -> list[Decision]:
        if not len(features):
            return []
        self.features = features
        if self._see is not None:
            self._see(features)
        scores = self._detector.score(features)
        beside = zip(
            features.carrier_snr_db.tolist(),
            features.carrier_level_dbfs.tolist(),
            features.removed_db.tolist(),
            strict=True,
        )
        return [
            self._track(score, *rest)
            for score, rest in zip(scores, beside, strict=True)
            if self._resuming_until_s is None or not self._resumes_with(score)
        ]

    def _resumes_with(self, score: MotionScore) -> bool:
        """The frame still has the silence's gap in its window."""
        assert self._resuming_until_s is not None
        self._resuming_until_s = min(self._resuming_until_s, score.time_s + RESUMING_S)
        if score.fault & Fault.DROPPED_SAMPLES and score.time_s < self._resuming_until_s:
            return True
        self._resuming_until_s = None
        return False

    def snapshot(self) -> dict[str, Any]:
        """Who is here, for a pipeline that goes on in this one's place."""
        return self._tracker.snapshot()

    def restore(self, snapshot: Mapping[str, Any], age_s: float = 0.0) -> None:
        """Go on from another pipeline's `snapshot`, so many seconds of wall clock later."""
        self._tracker.restore(snapshot, age_s)

    def set_presence(self, settings: PresenceSettings) -> None:
        """Other settings from the next frame on; who is here is not forgotten."""
        self._tracker.set_settings(settings)

    def _track(self, score: MotionScore, *carrier: float) -> Decision:
        return self._decision(score, self._tracker.update(score), *carrier)

    def _decision(
        self,
        score: MotionScore,
        state: TrackerState,
        carrier_snr_db: float = 0.0,
        carrier_level_dbfs: float = NO_CARRIER_DBFS,
        removed_db: float = 0.0,
    ) -> Decision:
        return Decision(
            time_s=score.time_s,
            presence=state.presence,
            motion=state.motion,
            score_major=score.score_major,
            score_minor=score.score_minor,
            radial_velocity_mps=score.radial_velocity_mps,
            carrier_hz=self.carrier_hz,
            carrier_snr_db=carrier_snr_db,
            fault=score.fault,
            reason=state.reason,
            distortion_removed_db=removed_db,
            doubt=state.doubt,
            carrier_level_dbfs=carrier_level_dbfs,
        )
