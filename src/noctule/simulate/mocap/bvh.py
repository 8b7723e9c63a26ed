"""Biovision hierarchy: a tree of joints with offsets and channels, then one line of numbers a frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from noctule.core.errors import NoctuleError
from noctule.simulate.mocap.take import Take, rotation, take_of, text_lines, upright
from noctule.simulate.parts import FloatArray

_CUTOFF_HZ = 10.0


@dataclass(slots=True)
class _Node:
    name: str
    parent: int
    offset: FloatArray
    channels: tuple[str, ...] = ()
    first: int = 0


def read_bvh(path: Path) -> Take:
    lines = text_lines(path)
    nodes, at = _hierarchy(path, lines)
    frames, step_s = _header(path, lines, at)
    rows = [line.split() for line in lines[at + 3 : at + 3 + frames]]
    width = sum(len(node.channels) for node in nodes)
    for number, row in enumerate(rows):
        if len(row) != width:
            raise NoctuleError(f"{path}:{at + 4 + number}: {len(row)} numbers for {width} channels")
    if len(rows) < frames:
        raise NoctuleError(f"{path}: ends after {len(rows)} of {frames} frames")
    values = np.array(rows, np.float64)
    found = {name: upright(track) for name, track in _positions(nodes, values).items()}
    return take_of(path, _in_metres(found), 1.0 / step_s, _CUTOFF_HZ)


def _hierarchy(path: Path, lines: list[str]) -> tuple[list[_Node], int]:
    nodes: list[_Node] = []
    stack: list[int] = []
    columns = 0
    for number, line in enumerate(lines):
        words = line.split()
        if not words:
            continue
        match words[0].upper():
            case "ROOT" | "JOINT":
                nodes.append(_Node(" ".join(words[1:]), stack[-1] if stack else -1, np.zeros(3)))
            case "END":
                nodes.append(_Node(f"{nodes[stack[-1]].name} end", stack[-1], np.zeros(3)))
            case "{":
                stack.append(len(nodes) - 1)
            case "}":
                stack.pop()
            case "OFFSET":
                nodes[-1].offset = np.array([float(word) for word in words[1:4]])
            case "CHANNELS":
                nodes[-1].channels = tuple(words[2 : 2 + int(words[1])])
                nodes[-1].first = columns
                columns += int(words[1])
            case "MOTION":
                return nodes, number
    raise NoctuleError(f"{path}: no MOTION: not a whole BVH file")


def _header(path: Path, lines: list[str], at: int) -> tuple[int, float]:
    try:
        frames = int(lines[at + 1].split(":")[1])
        step_s = float(lines[at + 2].split(":")[1])
    except (IndexError, ValueError):
        raise NoctuleError(f"{path}:{at + 2}: no 'Frames:' and 'Frame Time:' after MOTION") from None
    if not 0.001 <= step_s <= 0.2:
        raise NoctuleError(f"{path}:{at + 3}: a frame time of {step_s:g} s")
    return frames, step_s


def _positions(nodes: list[_Node], values: FloatArray) -> dict[str, FloatArray]:
    places: list[FloatArray] = []
    turns: list[FloatArray] = []
    for node in nodes:
        moved = np.tile(node.offset, (len(values), 1))
        turn = np.tile(np.eye(3), (len(values), 1, 1))
        for n, channel in enumerate(node.channels):
            value = values[:, node.first + n]
            axis = "XYZ".index(channel[0].upper())
            if channel.lower().endswith("position"):
                # an absolute place replaces the offset
                moved[:, axis] = value if node.parent < 0 else moved[:, axis] + value
            else:
                turn = turn @ rotation(channel[0].upper(), value)
        if node.parent < 0:
            places.append(moved)
            turns.append(turn)
        else:
            above = turns[node.parent]
            places.append(places[node.parent] + np.einsum("tij,tj->ti", above, moved))
            turns.append(above @ turn)
    return {node.name: place for node, place in zip(nodes, places, strict=True)}


def _in_metres(found: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """BVH has no units: whatever makes the highest point over the lowest a person's height."""
    tracks = np.stack(list(found.values()), 1)
    height = float(np.median(tracks[:, :, 2].max(1) - tracks[:, :, 2].min(1)))
    scale = 1.0 if 1.0 < height < 2.2 else 1.7 / max(height, 1e-9)
    return {name: track * scale for name, track in found.items()}
