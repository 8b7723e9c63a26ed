"""The vocabulary: frozen blocks, units, settings, protocols.
Takes nothing, gives names. Start at frames.py.
Imports no other part of noctule."""
