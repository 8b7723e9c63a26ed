"""Features to scores without a model, and scores to presence.
Takes FeatureBlock, MotionScore. Gives MotionScore, TrackerState. Start at tracker.py.
Never opens devices or files, has no clock of its own: time comes with the data."""

from noctule.presence.tracker import PresenceTracker, TrackerState

__all__ = ["PresenceTracker", "TrackerState"]
