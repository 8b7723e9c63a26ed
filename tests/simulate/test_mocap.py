"""Motion capture files, worked out by hand and real; and what is wrong with bad ones."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from noctule.core.errors import NoctuleError
from noctule.simulate.body import Body
from noctule.simulate.mocap import Take, read_take
from noctule.simulate.mocap.acclaim import _euler
from noctule.simulate.motion_capture import Capture
from noctule.simulate.parts import FloatArray
from noctule.simulate.pose import JOINT

CENTIMETRES = 100.0


def _limb(side: str, sign: int) -> str:
    return f"""
  JOINT {side}UpLeg {{ OFFSET {10 * sign} 0 0 CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT {side}Leg {{ OFFSET 0 -45 0 CHANNELS 3 Zrotation Xrotation Yrotation
      JOINT {side}Foot {{ OFFSET 0 -45 0 CHANNELS 3 Zrotation Xrotation Yrotation
        End Site {{ OFFSET 0 -5 15 }} }} }} }}
"""


def _arm(side: str, sign: int) -> str:
    return f"""
    JOINT {side}Arm {{ OFFSET {18 * sign} 0 0 CHANNELS 3 Zrotation Xrotation Yrotation
      JOINT {side}ForeArm {{ OFFSET {30 * sign} 0 0 CHANNELS 3 Zrotation Xrotation Yrotation
        JOINT {side}Hand {{ OFFSET {28 * sign} 0 0 CHANNELS 3 Zrotation Xrotation Yrotation
          End Site {{ OFFSET {8 * sign} 0 0 }} }} }} }}
"""


HIERARCHY = (
    "HIERARCHY ROOT Hips { OFFSET 0 0 0 "
    "CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation"
    + _limb("Left", 1)
    + _limb("Right", -1)
    + "JOINT Neck { OFFSET 0 50 0 CHANNELS 3 Zrotation Xrotation Yrotation"
    + _arm("Left", 1)
    + _arm("Right", -1)
    + "JOINT Head { OFFSET 0 15 0 CHANNELS 3 Zrotation Xrotation Yrotation End Site { OFFSET 0 10 0 } } } }"
)
#: Hips, then two legs of three joints, neck, two arms of three, head.
CHANNELS = 6 + 3 * (3 + 3 + 1 + 3 + 3 + 1)


def _bvh(rows: list[str], frames: int | None = None) -> str:
    """One word of structure a line, as the format has it."""
    text = HIERARCHY.replace("{", "\n{\n").replace("}", "\n}\n").replace("CHANNELS", "\nCHANNELS")
    for word in ("JOINT", "ROOT", "End Site"):
        text = text.replace(word, f"\n{word}")
    count = len(rows) if frames is None else frames
    return "\n".join([text, "MOTION", f"Frames: {count}", "Frame Time: 0.01", *rows]) + "\n"


def _row(**at: float) -> str:
    values = [0.0] * CHANNELS
    values[1] = 90.0
    for name, value in at.items():
        values[int(name[1:])] = value
    return " ".join(f"{value:g}" for value in values)


def _bone(take: Take, a: str, b: str) -> FloatArray:
    return np.asarray(take.joints_m[0, JOINT[b]] - take.joints_m[0, JOINT[a]])


def _write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def test_bvh_in_its_rest_pose_stands_upright_in_metres(tmp_path: Path) -> None:
    take = read_take(_write(tmp_path, "rest.bvh", _bvh([_row()] * 8)))
    assert take.rate_hz == pytest.approx(100.0)
    thigh, spine, arm = (
        _bone(take, *ends)
        for ends in (("left_hip", "left_knee"), ("pelvis", "neck"), ("left_elbow", "left_wrist"))
    )
    # y up to z up, z ahead to x ahead, and x stays what is to the left
    scale = np.linalg.norm(thigh) / 0.45
    assert scale == pytest.approx(1.0, abs=0.05)
    np.testing.assert_allclose(thigh / scale, [0.0, 0.0, -0.45], atol=1e-9)
    np.testing.assert_allclose(spine / scale, [0.0, 0.0, 0.5], atol=1e-9)
    np.testing.assert_allclose(arm / scale, [0.0, 0.28, 0.0], atol=1e-9)
    assert take.joints_m[:, :, 2].min() == pytest.approx(0.0, abs=1e-9)


def test_bvh_turns_in_the_order_of_its_channels(tmp_path: Path) -> None:
    """Left thigh: 90 degrees about Z, then 90 about X in the frame that this gave: R = Rz·Rx."""
    rows = [_row(c6=90.0, c7=90.0)] * 8
    take = read_take(_write(tmp_path, "turned.bvh", _bvh(rows)))
    thigh = _bone(take, "left_hip", "left_knee")
    # (0, -1, 0): Rx(90) makes it (0, 0, -1), and Rz leaves that; z ahead is x in the room.
    # The other order gives Rz first: (1, 0, 0), to the left.
    np.testing.assert_allclose(thigh / np.linalg.norm(thigh), [-1.0, 0.0, 0.0], atol=1e-9)
    # the whole body about the vertical by 90 degrees: left points to where the back was
    take = read_take(_write(tmp_path, "about.bvh", _bvh([_row(c5=90.0)] * 8)))
    hips = _bone(take, "right_hip", "left_hip")
    np.testing.assert_allclose(hips / np.linalg.norm(hips), [-1.0, 0.0, 0.0], atol=1e-9)


ASF = (
    """:version 1.10
:units
  mass 1.0
  length 0.45
  angle deg
:root
  order TX TY TZ RX RY RZ
:bonedata
"""
    + "".join(
        f"  begin\n  name {name}\n  direction {way}\n  length {length}\n"
        f"  axis {axis} XYZ\n  dof rx ry rz\n  end\n"
        for name, way, length, axis in (
            ("lhipjoint", "1 0 0", 2, "0 0 0"),
            ("lfemur", "0 -1 0", 7, "0 0 90"),
            ("ltibia", "0 -1 0", 7, "0 0 0"),
            ("lfoot", "0 0 1", 2, "0 0 0"),
            ("rhipjoint", "-1 0 0", 2, "0 0 0"),
            ("rfemur", "0 -1 0", 7, "0 0 0"),
            ("rtibia", "0 -1 0", 7, "0 0 0"),
            ("rfoot", "0 0 1", 2, "0 0 0"),
            ("lowerneck", "0 1 0", 8, "0 0 0"),
            ("upperneck", "0 1 0", 2, "0 0 0"),
            ("lclavicle", "1 0 0", 3, "0 0 0"),
            ("lhumerus", "1 0 0", 5, "0 0 0"),
            ("lradius", "1 0 0", 4, "0 0 0"),
            ("rclavicle", "-1 0 0", 3, "0 0 0"),
            ("rhumerus", "-1 0 0", 5, "0 0 0"),
            ("rradius", "-1 0 0", 4, "0 0 0"),
        )
    )
    + """:hierarchy
  begin
    root lhipjoint rhipjoint lowerneck
    lhipjoint lfemur
    lfemur ltibia
    ltibia lfoot
    rhipjoint rfemur
    rfemur rtibia
    rtibia rfoot
    lowerneck upperneck lclavicle rclavicle
    lclavicle lhumerus
    lhumerus lradius
    rclavicle rhumerus
    rhumerus rradius
  end
"""
)
BONES = [line.split()[1] for line in ASF.splitlines() if line.strip().startswith("name")]


def _amc(frames: int = 8, **turned: str) -> str:
    text = "#!OML\n:FULLY-SPECIFIED\n:DEGREES\n"
    for number in range(1, frames + 1):
        text += f"{number}\nroot 0 17 0 0 0 0\n"
        text += "".join(f"{name} {turned.get(name, '0 0 0')}\n" for name in BONES)
    return text


@pytest.mark.parametrize("ending", ["amc", "amc.gz"])
def test_acclaim_pair_in_inches_over_its_unit(tmp_path: Path, ending: str) -> None:
    _write(tmp_path, "9.asf", ASF)
    _write(tmp_path, "90.asf", "another subject's")
    take = read_take(_write(tmp_path, f"9_01.{ending}", _amc(rfemur="90 0 0", lfemur="90 0 0")))
    unit_m = 0.0254 / 0.45
    np.testing.assert_allclose(_bone(take, "pelvis", "neck"), [0.0, 0.0, 8 * unit_m], atol=1e-9)
    # about x: from down (0, -1, 0) to (0, 0, -1), back
    np.testing.assert_allclose(_bone(take, "right_hip", "right_knee"), [-7 * unit_m, 0.0, 0.0], atol=1e-9)
    # the bone's own axes are turned by 90 about z: its x is the body's y, along which the bone lies
    np.testing.assert_allclose(_bone(take, "left_hip", "left_knee"), [0.0, 0.0, -7 * unit_m], atol=1e-9)
    assert take.rate_hz == 120.0


def test_skeleton_of_a_subject_is_not_that_of_a_shorter_number(tmp_path: Path) -> None:
    _write(tmp_path, "9.asf", "not this one")
    _write(tmp_path, "90.asf", ASF)
    assert len(read_take(_write(tmp_path, "90_02.amc", _amc())).joints_m) == 8


def test_euler_angles_turn_about_fixed_axes_x_first() -> None:
    turned = _euler(np.array([[90.0, 0.0, 90.0]]))[0] @ np.array([0.0, 1.0, 0.0])
    np.testing.assert_allclose(turned, [0.0, 0.0, 1.0], atol=1e-12)


def _good() -> str:
    return _bvh([_row()] * 8)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cut.bvh", _good()[: len(_good()) - 40]),
        ("nothing.bvh", ""),
        ("no_motion.bvh", _good().split("MOTION")[0]),
        ("fewer.bvh", _bvh([_row()] * 8, frames=9)),
        ("narrow.bvh", _bvh([_row()] * 7 + [_row() + " 1"])),
        ("nan.bvh", _bvh([_row(c0=float("nan"))] * 8)),
        ("infinite.bvh", _bvh([_row(c7=float("inf"))] * 8)),
        ("words.bvh", _good().replace("90", "ninety")),
        ("frameless.bvh", _bvh([])),
        ("negative.bvh", _bvh([_row()] * 8, frames=-3)),
        ("standing_still.bvh", _good().replace("0.01", "0.0")),
        ("no_arms.bvh", _good().replace("LeftArm", "Thing")),
        ("no_frames.amc", "#!OML\n:DEGREES\n"),
        ("cut.amc", _amc()[:-30]),
        ("cut_word.amc", _amc()[:-4]),
        ("cut.amc.gz", ""),
        ("nan.amc", _amc(lfemur="nan 0 0")),
        ("wide.amc", _amc(lfemur="0 0 0 0")),
        ("word.amc", _amc(lfemur="0 zero 0")),
        ("unknown.fbx", "anything"),
        ("cut.npz", "PK\x03\x04 and no more"),
        ("text.npz", "no archive at all"),
        ("empty.npz", ""),
    ],
)
def test_bad_files_are_told_in_one_line(tmp_path: Path, name: str, text: str) -> None:
    _write(tmp_path, "skeleton.asf", ASF)
    path = tmp_path / name
    path.write_bytes(gzip.compress(_amc().encode())[:-60] if name == "cut.amc.gz" else text.encode())
    with pytest.raises(NoctuleError) as refused:
        read_take(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_missing_skeleton_missing_file_and_a_lone_array_are_told_too(tmp_path: Path) -> None:
    lone = _write(tmp_path, "01_01.amc", _amc())
    with pytest.raises(NoctuleError, match=r"01_01.amc: needs its skeleton"):
        read_take(lone)
    with pytest.raises(NoctuleError, match=r"gone.bvh: cannot be read"):
        read_take(tmp_path / "gone.bvh")
    array = tmp_path / "array.npz"
    with array.open("wb") as out:
        np.save(out, np.zeros((9, 57)))
    with pytest.raises(NoctuleError, match=r"array.npz"):
        read_take(array)


def test_a_capture_begins_where_the_person_stands_with_the_bodys_bones(tmp_path: Path) -> None:
    rows = [_row(c2=1.0 * n, c6=15 * np.sin(n / 9), c5=70.0) for n in range(300)]  # 1 m/s ahead
    file = _write(tmp_path, "goes.bvh", _bvh(rows))
    body = Body(height_m=1.6)
    stance = body.standing_stance(2.0, 1.0, 0.7)
    doing = Capture(file=file).begin(body, stance, np.random.default_rng(0))
    assert doing.duration_s == pytest.approx(2.99)
    time_s = np.linspace(0.0, doing.duration_s, 700)
    joints = doing.pose(time_s).joints_m
    np.testing.assert_allclose(joints[0], stance.joints_m, atol=1e-9)
    np.testing.assert_allclose(joints[-1], doing.end.joints_m, atol=1e-9)
    after = time_s > 1.5
    thigh = np.linalg.norm(joints[after, JOINT["left_knee"]] - joints[after, JOINT["left_hip"]], axis=-1)
    np.testing.assert_allclose(thigh, body.thigh_m, atol=2e-3)
    speed = np.linalg.norm(np.diff(joints, axis=0), axis=-1) * 700 / doing.duration_s
    assert speed.max() <= doing.highest_speed_mps
    assert set(doing.motion(time_s)) == {"major"}


@pytest.mark.recordings
def test_a_real_recording_has_bones_that_keep_their_length(shared_data: Path) -> None:
    take = read_take(shared_data / "mocap" / "01_01.amc.gz")
    for a, b in (("left_hip", "left_knee"), ("right_knee", "right_ankle"), ("right_elbow", "right_wrist")):
        bone = np.linalg.norm(take.joints_m[:, JOINT[b]] - take.joints_m[:, JOINT[a]], axis=-1)
        assert 0.15 < np.median(bone) < 0.5
        assert np.quantile(np.abs(bone / np.median(bone) - 1.0), 0.99) < 0.02  # all but what smoothing takes


@pytest.mark.recordings
def test_a_real_person_sits_down(shared_data: Path) -> None:
    file = shared_data / "mocap" / "citi_daily.npz"
    take = read_take(file, "seq002_a02_s01")
    pelvis = take.joints_m[:, JOINT["pelvis"], 2]
    assert pelvis[-10:].mean() < 0.8 * pelvis[:10].mean()
    doing = Capture(file=file, sequence="seq002_a02_s01").begin(
        Body(), Body().standing_stance(1.0, 1.0, 0.0), np.random.default_rng(0)
    )
    assert doing.end.posture == "seated"
    with pytest.raises(NoctuleError, match="has no 'nobody'"):
        read_take(file, "nobody")
