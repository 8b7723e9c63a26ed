"""Settings to samples to play: ramped tones, bursts, how loud they may be, and when to be silent.
Takes a carrier and a level. Gives tables and a player that a sound-card callback copies from.
Start at waveforms.py. Never opens a device."""

from noctule.emit.gate import EmissionGate, EmissionMeter
from noctule.emit.level import LevelChoice, choose_level
from noctule.emit.waveforms import TonePlayer, chirp_burst, multitone_table, on_grid, tone_table

__all__ = [
    "EmissionGate",
    "EmissionMeter",
    "LevelChoice",
    "TonePlayer",
    "chirp_burst",
    "choose_level",
    "multitone_table",
    "on_grid",
    "tone_table",
]
