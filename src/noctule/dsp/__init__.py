"""Samples to features, streaming.
Takes AudioBlock or BasebandBlock. Gives FeatureBlock. Start at features.py.
Never opens devices or files, never imports torch."""
