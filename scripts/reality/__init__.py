"""The simulator next to real recordings: `python -m scripts.reality`."""
