"""Devices: stable identity, names as substrings, what to do when none fits."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest

from noctule.audio.devices import (
    Device,
    DeviceList,
    accepted_rates_hz,
    choose_pair,
    default_channels,
    find_device,
    import_sounddevice,
    list_devices,
    pipewire_rate_fix,
    rate_fix,
)
from noctule.core.errors import NoctuleError

JACK = "JACK Audio Connection Kit"


class FakePortAudio:
    """What sounddevice answers; `rates` maps (index, direction) to the accepted rates."""

    class PortAudioError(Exception):
        pass

    def __init__(
        self, devices: list[tuple[str, str, int, int]], rates: dict[Any, set[int]] | None = None
    ) -> None:
        self._apis = sorted({api for _, api, _, _ in devices})
        self._devices, self._rates = devices, rates or {}

    def query_hostapis(self) -> list[dict[str, Any]]:
        return [{"name": name} for name in self._apis]

    def query_devices(self, kind: str | None = None) -> Any:
        entries = [
            {
                "index": index,
                "name": name,
                "hostapi": self._apis.index(api),
                "max_input_channels": inputs,
                "max_output_channels": outputs,
                "default_samplerate": 48000.0,
            }
            for index, (name, api, inputs, outputs) in enumerate(self._devices)
        ]
        if kind is None:
            return entries
        able = [entry for entry in entries if entry[f"max_{kind}_channels"]]
        if not able:
            raise self.PortAudioError("no default")
        return able[0]

    def check_input_settings(self, device: int, samplerate: int, **_: Any) -> None:
        if samplerate not in self._rates.get((device, "input"), set()):
            raise self.PortAudioError("Invalid sample rate")

    def check_output_settings(self, device: int, samplerate: int, **_: Any) -> None:
        if samplerate not in self._rates.get((device, "output"), set()):
            raise self.PortAudioError("Invalid sample rate")


MACHINE = [
    ("HDA Intel PCH: ALC257 Analog (hw:0,0)", "ALSA", 2, 2),
    ("USB Audio Device: - (hw:1,0)", "ALSA", 1, 2),
    ("pulse", "ALSA", 32, 32),
    ("room", JACK, 4, 2),
    ("Room tone generator", JACK, 0, 2),
]


@pytest.fixture
def proc_asound(tmp_path: Path) -> Path:
    for card, (name, usb) in enumerate([("PCH", None), ("Device", "0d8c:0014"), ("Device_1", "0d8c:0014")]):
        folder = tmp_path / f"card{card}"
        folder.mkdir()
        (folder / "id").write_text(f"{name}\n")
        if usb:
            (folder / "usbid").write_text(f"{usb}\n")
    return tmp_path


def listed(devices: list[tuple[str, str, int, int]], proc_asound: Path) -> DeviceList:
    return list_devices(FakePortAudio(devices), proc_asound)


def test_identity_has_no_card_number(proc_asound: Path) -> None:
    names = [device.identity for device in listed(MACHINE, proc_asound).devices]
    assert names == [
        "ALSA: HDA Intel PCH: ALC257 Analog (PCH,0)",
        "ALSA: USB Audio Device: - (Device,0d8c:0014,0)",
        "ALSA: pulse",
        f"{JACK}: room",
        f"{JACK}: Room tone generator",
    ]


def test_identity_survives_a_new_card_number(proc_asound: Path) -> None:
    """The dongle is plugged in again and becomes card 4: same identity, other name and index."""
    before = listed(MACHINE, proc_asound).devices[1]
    (proc_asound / "card1").rename(proc_asound / "card4")
    moved = listed([MACHINE[2], ("USB Audio Device: - (hw:4,0)", "ALSA", 1, 2)], proc_asound).devices[1]
    assert moved.identity == before.identity
    assert (moved.name, moved.index) != (before.name, before.index)


def test_two_equal_devices_are_told_apart(tmp_path: Path) -> None:
    twins = [("USB Mic: - (hw:1,0)", "ALSA", 1, 0), ("USB Mic: - (hw:2,0)", "ALSA", 1, 0)]
    first, second = (device.identity for device in listed(twins, tmp_path).devices)
    assert second == f"{first} #2"


@pytest.mark.parametrize(
    ("wanted", "direction", "found"),
    [
        ("room", "input", "room"),  # an exact name wins over a part of another
        ("ROOM", "output", "room"),
        ("tone", "output", "Room tone generator"),
        ("alc257", "input", "HDA Intel PCH: ALC257 Analog (hw:0,0)"),
        ("0d8c:0014", "input", "USB Audio Device: - (hw:1,0)"),  # only the identity has it
        ("ALSA: pulse", "output", "pulse"),
    ],
)
def test_names_match_as_substrings(wanted: str, direction: Any, found: str, proc_asound: Path) -> None:
    assert find_device(listed(MACHINE, proc_asound), wanted, direction).name == found


def test_a_name_that_fits_several_lists_them(proc_asound: Path) -> None:
    with pytest.raises(NoctuleError, match=r"several devices: .*PCH.*USB Audio"):
        find_device(listed(MACHINE, proc_asound), "a", "input")


def test_a_name_that_fits_none_lists_what_there_is(proc_asound: Path) -> None:
    with pytest.raises(NoctuleError, match=r"no input device fits 'tone'; there is: .*room"):
        find_device(listed(MACHINE, proc_asound), "tone", "input")  # it has outputs only
    with pytest.raises(NoctuleError, match="there is: none"):
        find_device(DeviceList(()), "room", "input")


def test_a_side_that_is_not_named_follows_the_other(proc_asound: Path) -> None:
    known = listed(MACHINE, proc_asound)
    for names in [("room", None), (None, "room"), ("room", "room")]:
        source, sink = choose_pair(known, *names)
        assert (source.name, sink.name) == ("room", "room")
    source, sink = choose_pair(known, None, None)
    assert source == sink == known.devices[0]  # the defaults


def test_two_sound_systems_cannot_be_mixed(proc_asound: Path) -> None:
    with pytest.raises(NoctuleError, match="different sound systems"):
        choose_pair(listed(MACHINE, proc_asound), "room", "pulse")


def test_no_device_at_all_is_one_clear_line(proc_asound: Path) -> None:
    with pytest.raises(NoctuleError, match="there is no input device"):
        choose_pair(listed([], proc_asound), None, None)
    with pytest.raises(NoctuleError, match="there is no output device"):
        choose_pair(listed([("microphone", "ALSA", 1, 0)], proc_asound), None, None)


def test_rates_are_those_the_device_opens_with() -> None:
    portaudio = FakePortAudio(MACHINE, {(0, "input"): {44_100, 48_000, 96_000}, (0, "output"): {48_000}})
    device = list_devices(portaudio).devices[0]
    assert accepted_rates_hz(device, "input", portaudio) == [44_100, 48_000, 96_000]
    assert accepted_rates_hz(device, "output", portaudio) == [48_000]


@pytest.mark.parametrize(
    ("available", "direction", "asked", "channels"),
    [
        (1, "input", None, 1),
        (8, "input", None, 8),
        (9, "input", None, 2),  # a mixer makes channels up
        (32, "input", 4, 4),
        (1, "output", None, 1),
        (32, "output", None, 2),
        (2, "output", 1, 1),
    ],
)
def test_channels(available: int, direction: Any, asked: int | None, channels: int) -> None:
    assert default_channels(available, direction, asked) == channels


def test_more_channels_than_there_are_is_one_clear_line() -> None:
    with pytest.raises(NoctuleError, match=r"audio\.input_channels"):
        default_channels(2, "input", 3)


def test_the_fix_names_the_rate_and_the_setting() -> None:
    assert "-r 192000" in rate_fix(JACK, 192_000)
    fix = rate_fix("ALSA", 96_000)
    assert "default.clock.allowed-rates = [ 44100 48000 88200 96000 176400 192000 ]" in fix
    assert "clock.force-rate 96000" in fix
    assert "192000 384000 ]" in pipewire_rate_fix(384_000)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "sounddevice":
            raise OSError("PortAudio library not found")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(NoctuleError, match="libportaudio2"):
        import_sounddevice()


def test_the_index_is_not_part_of_the_identity() -> None:
    device = Device(7, "room", JACK, 4, 2, 96_000.0, f"{JACK}: room")
    assert "7" not in device.identity
