"""noctule: a motion and presence sensor made of any loudspeaker and microphones.

Importing this package loads nothing else; take names from the stations of the road
(`noctule.audio`, `noctule.dsp`, `noctule.presence`, ...). ARCHITECTURE.md draws them.
"""

__version__ = "0.1.0"
