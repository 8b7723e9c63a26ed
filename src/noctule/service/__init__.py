"""The running process: a sound card, the pipeline, records, and what to do when something goes away.
Takes settings and parts that are handed in. Gives records. Start at runner.py.
Never decides what motion is; never draws anything."""

from noctule.service.runner import LiveSensor

__all__ = ["LiveSensor"]
