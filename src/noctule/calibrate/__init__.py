"""A device in a room to a carrier, a delay and a verdict.
Takes sounds played and recorded. Gives BandwidthProbe, delays, Diagnosis. Start at probe.py.
Never opens a device itself: whoever calls hands in a function that plays and records."""
