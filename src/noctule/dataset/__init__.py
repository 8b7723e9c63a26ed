"""Recordings and what is known about them.
Takes BasebandBlock, gives it back later with labels. Start at recording.py.
Never holds audible sound, never opens devices."""

from noctule.dataset.reader import BasebandReader
from noctule.dataset.recording import Annotation
from noctule.dataset.writer import BasebandWriter

__all__ = ["Annotation", "BasebandReader", "BasebandWriter"]
