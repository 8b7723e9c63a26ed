"""Sounds without motion: what reaches the microphones though nothing moves.

Takes a scene's tables. Gives `Sound`s, pressure over time at 1 m. Start at bursts.py."""

from __future__ import annotations

from noctule.simulate.ambient.base import AmbientSound
from noctule.simulate.ambient.bursts import BURSTS
from noctule.simulate.ambient.next_room import wall_loss_db
from noctule.simulate.ambient.recordings import Recording
from noctule.simulate.ambient.tones import TONES

#: What can be drawn for a room.
SOUNDS = (*BURSTS, *TONES)
#: What a scene file may name: a recording needs its file, so it is never drawn.
SCENE_SOUNDS = (*SOUNDS, Recording)

__all__ = ["SCENE_SOUNDS", "SOUNDS", "AmbientSound", "Recording", "wall_loss_db"]
