"""Samples to and from a sound card or a file.
Gives AudioBlock. Start at duplex.py (live) or files.py (recorded).
Never looks inside the samples; what is played comes from a Player that is handed in."""

from noctule.audio.duplex import DeviceLost, DuplexStream

__all__ = ["DeviceLost", "DuplexStream"]
