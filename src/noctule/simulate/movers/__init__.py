"""Things that move and are not people.
Each file has parts (tables of a scene) that become movers. Start at ../parts.py for what a mover is."""
