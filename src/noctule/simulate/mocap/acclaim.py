"""Acclaim's pair of files: a skeleton (ASF) and its motion (AMC), as of the CMU database."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from noctule.core.errors import NoctuleError
from noctule.simulate.mocap.take import Take, rotation, take_of, text_lines, upright
from noctule.simulate.parts import FloatArray

#: CMU: a unit is 1/0.45 inch; frames come at 120 a second.
_INCH_M, _RATE_HZ, _CUTOFF_HZ = 0.0254, 120.0, 10.0
#: Where bones end, by the names of the joints there.
_ENDS = {
    "lhipjoint": "left_hip", "lfemur": "left_knee", "ltibia": "left_ankle", "lfoot": "left_toe",
    "rhipjoint": "right_hip", "rfemur": "right_knee", "rtibia": "right_ankle", "rfoot": "right_toe",
    "lclavicle": "left_shoulder", "lhumerus": "left_elbow", "lradius": "left_wrist",
    "rclavicle": "right_shoulder", "rhumerus": "right_elbow", "rradius": "right_wrist",
    "lowerneck": "neck", "upperneck": "head",
}  # fmt: skip


@dataclass(slots=True)
class _Bone:
    direction: FloatArray
    length: float = 0.0
    axis: FloatArray = field(default_factory=lambda: np.eye(3))
    dof: tuple[str, ...] = ()
    parent: str = "root"


def read_amc(path: Path) -> Take:
    skeleton = _skeleton_of(path)
    scale, bones = _read_asf(skeleton)
    frames = _read_frames(path)
    root = np.array([frame["root"] for frame in frames])
    places = {"root": root[:, :3]}
    turns = {"root": _euler(root[:, 3:6])}
    for name, bone in bones.items():
        values = np.zeros((len(frames), 3))
        if bone.dof:
            given = np.array([frame[name] for frame in frames])
            values[:, [("rx", "ry", "rz").index(one) for one in bone.dof]] = given
        turns[name] = turns[bone.parent] @ bone.axis @ _euler(values) @ bone.axis.T
        places[name] = places[bone.parent] + turns[name] @ (bone.direction * bone.length)
    found = {joint: upright(places[name]) * scale for name, joint in _ENDS.items() if name in places}
    return take_of(path, found, _RATE_HZ, _CUTOFF_HZ)


def _skeleton_of(path: Path) -> Path:
    """`01_02.amc` moves `01.asf`; else the only skeleton there."""
    here = sorted({*path.parent.glob("*.asf"), *path.parent.glob("*.asf.gz")})
    own = [one for one in here if path.name.split(".")[0].split("_")[0] == one.name.split(".")[0]]
    if len(own or here) != 1:
        raise NoctuleError(f"{path}: needs its skeleton (.asf) beside it; found {len(own or here)}")
    return (own or here)[0]


def _read_asf(path: Path) -> tuple[float, dict[str, _Bone]]:
    """Metres a unit, and the bones, parents first."""
    bones: dict[str, _Bone] = {}
    scale, section, name = _INCH_M, "", ""
    order: list[tuple[str, str]] = []
    for line in text_lines(path):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0].startswith(":"):
            section = words[0]
        elif section == ":units" and words[0] == "length":
            scale = _INCH_M / float(words[1])
        elif section == ":bonedata":
            match words[0]:
                case "name":
                    name = words[1]
                    bones[name] = _Bone(np.zeros(3))
                case "direction":
                    bones[name].direction = np.array([float(word) for word in words[1:4]])
                case "length":
                    bones[name].length = float(words[1])
                case "axis":
                    bones[name].axis = _euler(np.array([[float(word) for word in words[1:4]]]))[0]
                case "dof":
                    bones[name].dof = tuple(word for word in words[1:] if word.startswith("r"))
        elif section == ":hierarchy" and words[0] not in ("begin", "end"):
            order += [(child, words[0]) for child in words[1:]]
    if not bones or not order:
        raise NoctuleError(f"{path}: no bones: not a whole ASF file")
    for child, parent in order:
        bones[child].parent = parent
    return scale, {child: bones[child] for child, _ in order}


def _read_frames(path: Path) -> list[dict[str, list[float]]]:
    frames: list[dict[str, list[float]]] = []
    for number, line in enumerate(text_lines(path), start=1):
        words = line.split()
        if not words or words[0][0] in "#:":
            continue
        if words[0].isdigit() and len(words) == 1:
            frames.append({})
        elif frames:
            try:
                frames[-1][words[0]] = [float(word) for word in words[1:]]
            except ValueError:
                raise NoctuleError(f"{path}:{number}: not a number in '{line[:60]}'") from None
    if frames and set(frames[-1]) != set(frames[0]):
        raise NoctuleError(f"{path}: its last frame is cut off")
    if not frames:
        raise NoctuleError(f"{path}: no frames: not an AMC file")
    return frames


def _euler(degrees: FloatArray) -> FloatArray:
    """Rotations about the fixed axes X, then Y, then Z."""
    x, y, z = (rotation(axis, degrees[:, n]) for n, axis in enumerate("XYZ"))
    return z @ y @ x
