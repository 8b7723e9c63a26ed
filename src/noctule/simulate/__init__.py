"""A world in numbers: scenes to what microphones hear, and the truth about them.
Takes a scene (TOML or sampled). Gives baseband or audio, and truth. Start at parts.py, then render.py.
Never opens devices, never writes files; the same seed gives the same samples on any number of workers."""
