"""Captures: the seconds around an event, whole or not at all, in bounds, and nothing audible."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.service.made_up import HOP_S, START_MS, baseband, features

from noctule.core.errors import NoctuleError
from noctule.core.power import decode_power
from noctule.core.settings import StoreSettings
from noctule.dataset import BasebandReader
from noctule.service import captures as captures_module
from noctule.service.captures import MOST_WAITING, Captures, read_capture

BEFORE_S, AFTER_S = 5.0, 3.0


def made(folder: Path, **different: Any) -> tuple[Captures, list[str]]:
    said: list[str] = []
    settings = StoreSettings(capture_before_s=BEFORE_S, capture_after_s=AFTER_S, **different)
    return Captures(settings, folder / "captures", said.append), said


def see(captures: Captures, start_s: float, end_s: float, **different: Any) -> None:
    for time_s in np.arange(start_s, end_s, HOP_S):
        captures.see(features(float(time_s), value_db=float(time_s), **different))
        captures.write()


def want(captures: Captures, time_s: float) -> str:
    name = captures.want(time_s, START_MS + round(time_s * 1000))
    assert name is not None
    return name


def test_the_seconds_before_and_after(tmp_path: Path) -> None:
    captures, _ = made(tmp_path)
    see(captures, 0.0, 20.0)
    name = want(captures, 20.0)
    see(captures, 20.0, 22.9)
    assert captures.path_of(name) is None
    see(captures, 22.9, 23.1)
    path = captures.path_of(name)
    assert path is not None
    found = read_capture(path)
    assert found.time_s[0] == pytest.approx(20.0 - BEFORE_S, abs=0.1)
    assert found.time_s[-1] == pytest.approx(20.0 + AFTER_S, abs=0.06)
    np.testing.assert_allclose(decode_power(found.log)[:, 0], found.time_s, atol=0.21)
    np.testing.assert_allclose(decode_power(found.clean)[:, 0], found.time_s - 1.0, atol=0.21)
    np.testing.assert_allclose(decode_power(found.fresh)[:, 240], found.time_s - 2.0, atol=0.21)
    assert found.log.dtype == np.uint8
    assert found.velocity_mps[0] == -6.0
    assert found.valid_bins.all()
    np.testing.assert_array_equal(found.removed_db, 3.0)
    assert found.about["event"] == "2026-03-01T12:00:20.000Z"
    assert (found.about["event_s"], found.about["carrier_hz"]) == (20.0, 20000.0)
    assert [file.name for file in captures.folder.iterdir()] == [f"{name}.npz"]


def test_events_that_come_together_share_one(tmp_path: Path) -> None:
    captures, _ = made(tmp_path)
    see(captures, 0.0, 10.0)
    first = want(captures, 10.0)
    see(captures, 10.0, 12.0)
    assert want(captures, 12.0) == first
    see(captures, 12.0, 14.0)
    assert want(captures, 14.0) != first


def test_a_capture_survives_a_silence_of_the_tone(tmp_path: Path) -> None:
    captures, _ = made(tmp_path)
    see(captures, 0.0, 10.0)
    name = want(captures, 10.0)
    see(captures, 10.0, 11.0)
    see(captures, 60.0, 60.1)
    path = captures.path_of(name)
    assert path is not None
    time_s = read_capture(path).time_s
    assert time_s[0] < 5.1
    assert time_s[-1] == pytest.approx(11.0, abs=0.1)


def test_a_stream_that_begins_anew_or_on_another_carrier_is_not_mixed_in(tmp_path: Path) -> None:
    captures, _ = made(tmp_path)
    see(captures, 100.0, 110.0)
    first = want(captures, 110.0)
    see(captures, 0.0, 1.0)
    second = want(captures, 1.0)
    see(captures, 1.0, 2.0, carrier_hz=21000.0)
    for name, low_s, high_s in ((first, 105.0, 110.0), (second, 0.0, 1.0)):
        path = captures.path_of(name)
        assert path is not None
        time_s = read_capture(path).time_s
        assert time_s[0] >= low_s - AFTER_S - 0.1
        assert time_s[-1] <= high_s


def test_a_capture_is_finished_when_the_sensor_ends(tmp_path: Path) -> None:
    captures, _ = made(tmp_path)
    see(captures, 0.0, 10.0)
    name = want(captures, 10.0)
    captures.flush()
    captures.write()
    assert captures.path_of(name)


@pytest.mark.parametrize(("carrier_hz", "kept"), [(16_900.0, False), (17_000.0, True)])
def test_around_an_audible_carrier_nothing_is_kept(tmp_path: Path, carrier_hz: float, kept: bool) -> None:
    captures, _ = made(tmp_path, capture_baseband=True)
    see(captures, 0.0, 10.0, carrier_hz=carrier_hz)
    assert (captures.want(10.0, START_MS) is not None) is kept
    see(captures, 10.0, 15.0, carrier_hz=carrier_hz)
    assert captures.folder.exists() is kept


def test_captures_can_be_switched_off(tmp_path: Path) -> None:
    captures, _ = made(tmp_path, captures_mb=0.0)
    see(captures, 0.0, 10.0)
    assert captures.want(10.0, START_MS) is None


def test_before_the_first_features_there_is_nothing_to_keep(tmp_path: Path) -> None:
    captures, _ = made(tmp_path)
    assert captures.want(0.0, START_MS) is None


@pytest.mark.parametrize("asked_for", [True, False])
def test_baseband_only_where_it_is_asked_for(tmp_path: Path, asked_for: bool) -> None:
    captures, _ = made(tmp_path, capture_baseband=asked_for)
    for k in range(200):
        captures.see(features(k * HOP_S))
        captures.hear(baseband(k * 288))  # 288 samples are a hop
    name = want(captures, 200 * HOP_S)
    for k in range(200, 300):
        captures.see(features(k * HOP_S))
        captures.hear(baseband(k * 288))
    captures.write()
    assert captures.path_of(name)
    path = captures.folder / f"{name}.sigmf-meta"
    assert path.exists() is asked_for
    if asked_for:
        reader = BasebandReader(path)
        blocks = list(reader.blocks())
        assert (reader.carrier_hz, reader.channels, reader.sample_rate_hz) == (20000.0, 2, 6000.0)
        assert blocks[0].first_sample / 6000.0 == pytest.approx(200 * HOP_S - BEFORE_S, abs=0.15)
        assert reader.duration_s == pytest.approx(BEFORE_S + AFTER_S, abs=0.2)
        np.testing.assert_allclose(
            blocks[0].samples[:, 0].real * 1e6,
            blocks[0].first_sample + np.arange(len(blocks[0].samples)),
            atol=32,
        )


def test_a_full_disk_costs_the_capture_and_leaves_no_half_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    captures, said = made(tmp_path)

    def full(file: Any, **arrays: Any) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    see(captures, 0.0, 10.0)
    monkeypatch.setattr(np, "savez_compressed", full)
    for start_s in (10.0, 14.0):
        lost = want(captures, start_s)
        see(captures, start_s, start_s + 4.0)
    assert captures.missed == 2
    assert list(captures.folder.iterdir()) == []
    assert len(said) == 1
    assert "no space left on device" in said[0]
    assert captures.path_of(lost) is None
    monkeypatch.undo()
    kept = want(captures, 18.0)
    see(captures, 18.0, 22.0)
    assert captures.path_of(kept)


def test_a_disk_that_hangs_costs_the_oldest(tmp_path: Path) -> None:
    captures, _ = made(tmp_path)
    captures.see(features(0.0))
    names = []
    for k in range(MOST_WAITING + 3):
        names.append(want(captures, float(k)))
        captures.flush()
    captures.write()
    assert captures.missed == 3
    assert [captures.path_of(name) is not None for name in names] == [False] * 3 + [True] * MOST_WAITING


def test_the_oldest_go_first_and_labelled_ones_last(tmp_path: Path) -> None:
    captures, _ = made(tmp_path, captures_mb=0.01)
    captures.folder.mkdir()
    for k in range(10):
        for end in ("npz", "sigmf-data"):
            (captures.folder / f"2026010{k}.{end}").write_bytes(bytes(1000))
    captures.trim({"20260100", "20260107"})
    left = {file.name.split(".")[0] for file in captures.folder.iterdir()}
    assert left == {"20260100", "20260106", "20260107", "20260108", "20260109"}
    assert len(list(captures.folder.iterdir())) == 10


def test_trimming_where_there_is_nothing(tmp_path: Path) -> None:
    captures, _ = made(tmp_path)
    captures.trim()


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b"])
def test_a_name_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    captures, _ = made(tmp_path)
    captures.folder.mkdir()
    (tmp_path / "secret.npz").write_text("x")
    assert captures.path_of(name) is None


def test_what_is_no_capture_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with pytest.raises(NoctuleError, match="no such file"):
        read_capture(path)
    path.write_bytes(b"half of it")
    with pytest.raises(NoctuleError, match="no capture, or damaged"):
        read_capture(path)
    np.savez(path, about=np.array('{"format": "noctule-capture-9"}'))
    with pytest.raises(NoctuleError, match="another version"):
        read_capture(path)


def test_memory_is_bounded_where_only_baseband_comes(tmp_path: Path) -> None:
    captures, _ = made(tmp_path, capture_baseband=True)
    block = baseband(0)
    for _ in range(captures_module.MOST_BLOCKS + 10):
        captures.hear(block)
    assert len(captures._baseband) == captures_module.MOST_BLOCKS
